-- A door of the service without sockets: what it is given is kept, what it gives is put in by the test.
--
--     local fake = dofile(here .. "/support/serve.lua")
--     local door = fake.door()
--     local service = serve.start { door = door.open, page = fake.page() }
--     local request = door:request { path = "/v1/models" }     -- the service has answered it
--     request.answered.status, request.answered.body
local fake = {}

local Door = {}
Door.__index = Door

--- A door; door.given is what it was opened with.
function fake.door()
  local door = setmetatable({ events = {}, answers = {}, failures = {}, models_given = {}, readiness = {}, drains = {} }, Door)
  door.open = function(given)
    door.given, door.host, door.port = given, given.host, given.port == 0 and 40000 or given.port
    return door
  end
  return door
end

function Door:wait(seconds)
  self.waited = seconds
  local event = table.remove(self.events, 1)
  if event then return event[1], event[2] end
end

function Door:answer(batch, probabilities)
  self.answers[#self.answers + 1] = { batch = batch, rows = probabilities:totable() }
end
function Door:fail(batch, status, reason)
  self.failures[#self.failures + 1] = { batch = batch, status = status, reason = reason }
end
function Door:models(list) self.models_given[#self.models_given + 1] = list end
function Door:ready(flag) self.readiness[#self.readiness + 1] = flag end
function Door:drain(seconds)
  self.drains[#self.drains + 1] = seconds
  return #self.events == 0
end
function Door:close() self.closed = true end
function Door:stats() return self.counts or fake.counts() end

--- What a door that has answered nothing has counted.
function fake.counts()
  return { routes = {}, connections = 0, accepted = 0, refused = 0, images = 0, received = 0, sent = 0, queued = 0, waiting = 0,
    batches = { count = 0, sum = 0.0, buckets = { { 1.0, 0 }, { 2.0, 0 }, { math.huge, 0 } } },
    latency = { count = 0, sum = 0.0, buckets = { { 0.001, 0 }, { 0.01, 0 }, { math.huge, 0 } } } }
end

--- Puts an event in.
function Door:push(kind, what) self.events[#self.events + 1] = { kind, what } end

--- A request as the door hands it over; the test's fields go before these.
function fake.request(given)
  local request = { method = "GET", path = "/", query = {}, headers = {}, body = "", model = 1 }
  for name, value in pairs(given) do request[name] = value end
  function request:answer(answer)
    assert(not self.answered, "answered twice")
    self.answered = answer
  end
  return request
end

--- A batch as the door hands it over.
function fake.batch(images, model)
  return setmetatable({ model = model or 1, images = images }, { __len = function() return images.shape[1] end })
end

return fake
