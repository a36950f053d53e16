--- The service itself: the door, the models, and the loop that takes what the door gives.
-- One thread runs it, Lua's; the door's own threads read requests and write answers meanwhile.
-- @module perilune.serve.service
local core = require "perilune.core"
local models = require "perilune.serve.models"
local openapi = require "perilune.serve.openapi"
local optioning = require "perilune.serve.options"
local pages = require "perilune.serve.pages"
local predict = require "perilune.serve.predict"
local refusal = require "perilune.serve.refusal"
local routes = require "perilune.serve.routes"
local script = require "perilune.script"

local service = {}

local Service = { __name = "perilune.serve.Service" }
Service.__index = Service

local CALM, PAUSE = 0.1, 0.005 -- seconds without a request at the end, and between looks for one
local WAIT = 1 -- seconds: how long a quiet service sleeps at once

-- Seconds that an idle thread of the net spins: from one layer of a single image to the next, and no longer, for between
-- two batches the processors belong to those who read and write.
local SPIN = 30e-6

-- The logarithm of the bytes after which the collector takes a step. Each sweeps so many objects that at Lua's 13 all
-- answers would wait for 5 to 15 milliseconds now and then; a batch leaves a dozen objects. Lua tells nobody what it was:
-- LUAS_STEP is its own, and comes back when the service ends.
local STEP, LUAS_STEP = 8, 13

local function open_door(self)
  local o = self.options
  local given = {
    headers = pages.headers, models = models.for_door(self.models), routes = routes.for_door(),
    files = pages.files(openapi.text(self), o.page),
  }
  for _, name in ipairs(optioning.for_door) do given[name] = o[name] end
  local open = o.door or require("perilune.http").open
  return open(given)
end

--- Loads the models and opens the door. See perilune.serve's start.
function service.new(given)
  local o = optioning.check(given)
  local self = setmetatable({ options = o, started = os.time(), reloads = {}, write = o.log or function() end }, Service)
  self.models = models.load(o.models)
  for _, model in ipairs(self.models) do self.reloads[model.name] = { ok = 0, failed = 0 } end
  if o.corrections then self.keeper = require("perilune.serve.correct").open(o.corrections, o.corrections_most) end
  self.door = open_door(self)
  self.spin = core.threads_spin(SPIN)
  self.collector = collectgarbage("incremental", 0, 0, STEP)
  self.host, self.port = self.door.host or o.host, self.door.port or o.port
  self.url = ("http://%s:%d/"):format(self.host:find(":", 1, true) and "[" .. self.host .. "]" or self.host, self.port)
  self.door:ready(true)
  return self
end

--- Tells the log, in one line.
function Service:say(format, ...) self.write(format:format(...)) end

-- ---- what the door gives

local function answer(self, request)
  local found = routes.find(request.method, request.path)
  if not found then refusal.raise(404, "%s: there is no such path", request.path) end
  found(self, request)
end

--- Answers a request that is not of a batch.
function Service:request(request)
  local ok, err = pcall(answer, self, request)
  if ok then return end
  local status, reason, fault = refusal.of(err)
  if fault then self:say("%s %s failed: %s", request.method, request.path, reason) end
  request:answer { status = status, type = "application/json", body = refusal.body(status, reason) }
end

--- Loads the models' files anew; what was asked before is answered by the old ones.
function Service:reload()
  local fresh, said = models.reload(self.models)
  self.models = fresh
  self.door:models(models.for_door(fresh))
  for _, row in ipairs(said) do
    local count, where = self.reloads[row.name], row.path or "the net that comes with Perilune"
    if row.reason then
      count.failed = count.failed + 1
      self:say("model %s stays as it was: %s", row.name, row.reason)
    else
      count.ok = count.ok + 1
      self:say("model %s reloaded from %s", row.name, where)
    end
  end
end

--- Asks the service to end; run and step do so with what comes next.
function Service:stop() self.stopping = true end

function Service:signal(name)
  if name == "HUP" then return self:reload() end
  self:say("%s: ending when what was asked is answered, in %g seconds at the latest", name, self.options.grace)
  self:stop()
end

-- What the door gives. There may be no memory for it: the door answers what it could not hand over, and the next may do
-- with less. (What Lua has not taken is answered when it is collected.)
local function take(self, seconds)
  local ok, kind, what = pcall(self.door.wait, self.door, seconds)
  if ok then return kind, what end
  if type(kind) ~= "string" or not kind:find "memory" then error(kind, 0) end
  self:say("a batch or a request could not be taken: %s", script.reason(kind))
  collectgarbage()
end

-- Does what the door gives; false when that was nothing.
local function turn(self, seconds)
  local kind, what = take(self, seconds)
  if kind == "batch" then
    predict.answer(self, what)
  elseif kind == "request" then
    self:request(what)
  elseif kind == "signal" then
    self:signal(what)
  end
  return kind ~= nil
end

-- Calls one of the keeper's methods; what fails there is told and ends nothing.
local function keep(self, method, ...)
  if not self.keeper then return end
  local ok, reason = pcall(self.keeper[method], self.keeper, ...)
  if not ok then self:say("the corrections' list cannot be written: %s", script.reason(reason)) end
end

--- Does one thing that is to be done, or waits for it.
-- @param seconds at most (1)
-- @return false when nothing was to be done
function Service:step(seconds)
  local busy = turn(self, seconds or WAIT)
  keep(self, "turned", busy)
  return busy
end

--- Serves until a signal ends it, or stop.
function Service:run()
  while not self.stopping do self:step() end
  return self:close()
end

-- Takes no more connections and answers what was asked; true when all was answered in time. Whoever was connected may
-- have asked just now, so it ends when nobody has for a moment.
local function drain(self)
  local late = core.monotonic() + self.options.grace
  local calm
  self.door:ready(false)
  repeat
    local left = math.max(0, late - core.monotonic())
    if self.door:drain(math.min(left, WAIT)) then
      calm = calm or core.monotonic() + CALM
      if core.monotonic() >= calm then return true end
      core.sleep(PAUSE)
    else
      calm = nil
    end
    while turn(self, 0) do calm = nil end -- the door hands over what is still to be done
  until left == 0
  return false
end

--- Ends: what was asked is answered, the grace's time at most.
-- @return true when nothing was left without its answer
function Service:close()
  if not self.door then return true end
  local whole = drain(self)
  keep(self, "list")
  self.door:close()
  self.door = nil
  core.threads_spin(self.spin)
  collectgarbage("incremental", 0, 0, LUAS_STEP)
  collectgarbage(self.collector)
  if not whole then self:say("some requests had no answer after %g seconds", self.options.grace) end
  return whole
end

return service
