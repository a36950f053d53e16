-- The service behind a door without sockets: batches, requests, signals, the end, and its options.
local peri = require "perilune"
local json = require "perilune.json"
local metrics = require "perilune.serve.metrics"
local models = require "perilune.serve.models"
local serve = require "perilune.serve"
local nn = peri.nn
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local fake = dofile(here .. "/support/serve.lua")
local scratch = dofile(here .. "/support/scratch.lua")

local function says(part, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(part, 1, true), message)
end

local function net_of(seed)
  peri.seed(seed)
  return nn.Sequential { nn.Flatten {}, nn.Dense { 10, activation = "softmax" } }:build { 28, 28, 1 }
end

local door, service, lines
local function start(options)
  options = options or {}
  door, lines = fake.door(), {}
  options.door, options.page = door.open, scratch.file ""
  options.log = function(line) lines[#lines + 1] = line end
  service = serve.start(options)
  return service
end

local function ask(given)
  local request = fake.request(given)
  door:push("request", request)
  assert.is_true(service:step())
  return request.answered, json.decode(request.answered.body)
end

before_each(scratch.make)
after_each(scratch.remove)

describe("the door", function()
  it("is opened with models, routes, files and limits, and is ready then", function()
    for name, text in pairs { ["index.html"] = "<p>", ["page.js"] = "1", ["notes.txt"] = "no", [".hidden.js"] = "no" } do
      local file <close> = assert(io.open(scratch.file(name), "w"))
      file:write(text)
    end
    start { models = { { name = "a", net = net_of(1) }, { name = "b", net = net_of(2) } }, port = 0, queue = 7, cors = "*",
      hosts = "digits.example.org" }
    local given = door.given
    assert.same({ "127.0.0.1", 0, 7, 256, 0.002, 8 << 20, { "*" }, { "digits.example.org" } }, { given.host, given.port, given.queue,
      given.batch, given.window, given.body, given.cors, given.hosts })
    assert.same({ "a", "b" }, { given.models[1].name, given.models[2].name })
    assert.same({ ["POST /v1/predict"] = "predict",
      ["POST /v1/read"] = "images", ["POST /v1/explain"] = "images", ["POST /v1/correct"] = "images",
      ["GET /v1/models"] = "plain", ["GET /metrics"] = "plain" }, given.routes)
    assert.same({ "<p>", "text/html; charset=utf-8" }, { given.files["/"].body, given.files["/"].type })
    assert.same({ "1", "text/javascript; charset=utf-8" }, { given.files["/page.js"].body, given.files["/page.js"].type })
    assert.is_nil(given.files["/notes.txt"])
    assert.is_nil(given.files["/.hidden.js"])
    assert.equal("3.0.3", json.decode(given.files["/openapi.json"].body).openapi)
    local headers = {}
    for _, pair in ipairs(given.headers) do headers[pair[1]] = pair[2] end
    assert.truthy(headers["Content-Security-Policy"]:find("default-src 'none'; script-src 'self'", 1, true))
    assert.equal("nosniff", headers["X-Content-Type-Options"])
    assert.same({ true }, door.readiness)
    assert.equal("http://127.0.0.1:40000/", service.url)
  end)

  it("says where, with an IPv6 address too", function()
    assert.equal("http://[::1]:8080/", start { host = "::1" }.url)
  end)
end)

describe("a batch", function()
  it("is answered with what its model says", function()
    start { models = { { name = "a", net = net_of(1) }, { name = "b", net = net_of(2) } } }
    local x = peri.rand(5, 28, 28, 1)
    local wanted = { models.probabilities(service.models[1], x):totable(), models.probabilities(service.models[2], x):totable() }
    for place = 1, 2 do
      door:push("batch", fake.batch(x + 0, place))
      assert.is_true(service:step())
      assert.same(wanted[place], door.answers[place].rows)
    end
    assert.is_false(service:step())
  end)

  it("that fails is told to its requests and ends nothing", function()
    start { models = { { name = "a", net = net_of(1) } } }
    local bad, good = fake.batch(peri.rand(2, 28, 28, 1) / 0 * 0), fake.batch(peri.rand(1, 28, 28, 1))
    door:push("batch", bad)
    door:push("batch", good)
    service:step()
    service:step()
    assert.same({ bad, 500, "the net's outputs are no numbers (nan): has its training diverged?" }, { door.failures[1].batch,
      door.failures[1].status, door.failures[1].reason })
    assert.equal(good, door.answers[1].batch)
    assert.truthy(lines[1]:find("a batch of 2 failed", 1, true), lines[1])
  end)

  it("that there is no memory for ends nothing", function()
    start { models = { { name = "a", net = net_of(1) } } }
    local wait = door.wait
    door.wait = function(self)
      self.wait = wait
      error("out of memory: 802816 bytes asked for, 12 live", 0)
    end
    door:push("batch", fake.batch(peri.rand(1, 28, 28, 1)))
    assert.is_false(service:step())
    assert.is_true(service:step())
    assert.equal(1, #door.answers)
    assert.truthy(lines[1]:find("could not be taken: out of memory: 802816 bytes", 1, true), lines[1])
    door.wait = function() error("door: it is closed", 0) end
    says("door: it is closed", service.step, service)
    door.wait = wait
  end)

  it("leaves no garbage that grows", function()
    start { models = { { name = "a", net = net_of(1) } } }
    local function live(count)
      for _ = 1, count do
        door:push("batch", fake.batch(peri.rand(64, 28, 28, 1)))
        service:step()
        door.answers = {}
      end
      collectgarbage()
      return collectgarbage "count", (peri.memory())
    end
    local lua_before, before = live(20)
    local lua_after, after = live(200)
    assert(lua_after < lua_before + 20, ("%g -> %g KB"):format(lua_before, lua_after))
    assert.equal(before, after)
  end)
end)

describe("a request", function()
  it("for the models is told what each is", function()
    local words = net_of(2)
    words.classes = { "a", "b", "2", "3", "4", "5", "6", "7", "8", "9" }
    start { models = { { name = "one", net = net_of(1) }, { name = "two", net = words } } }
    local answered, body = ask { path = "/v1/models" }
    assert.same({ 200, 2 }, { answered.status, #body.models })
    assert.same({ name = "one", default = true, shape = { 28, 28, 1 }, labels = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, parameters = 7850,
      threshold = 0.6, temperature = 1, calibrated = false, corrections = false }, body.models[1])
    assert.same({ "two", false, "a", 2 }, { body.models[2].name, body.models[2].default, body.models[2].labels[1],
      body.models[2].labels[3] })
  end)

  it("by HEAD is answered as by GET, for the door to leave the body out", function()
    start()
    assert.equal(200, ask { method = "HEAD", path = "/v1/models" }.status)
  end)

  it("that fails is answered 500 with the reason, and the log has it", function()
    start()
    door.stats = function() error("counting fell over", 0) end
    local answered, body = ask { path = "/metrics" }
    assert.same({ 500, { error = { status = 500, reason = "counting fell over" } } }, { answered.status, body })
    assert.equal("GET /metrics failed: counting fell over", lines[1])
    assert.equal(200, ask { path = "/v1/models" }.status)
  end)

  it("for what is not routed is answered 404", function()
    start()
    assert.equal(404, ask { path = "/v1/nothing" }.status)
  end)
end)

describe("SIGHUP", function()
  it("loads the files anew, tells the door, and counts", function()
    local path = scratch.file "a.h5"
    net_of(1):save(path)
    start { models = { path } }
    local x = peri.rand(2, 28, 28, 1)
    net_of(2):save(path)
    door:push("signal", "HUP")
    door:push("batch", fake.batch(x + 0))
    service:step()
    service:step()
    assert.same(models.probabilities(models.load({ path })[1], x):totable(), door.answers[1].rows)
    assert.equal("a", door.models_given[1][1].name)
    assert.equal(("model a reloaded from %s"):format(path), lines[1])
    os.remove(path)
    door:push("signal", "HUP")
    service:step()
    assert.truthy(lines[2]:find("model a stays as it was: .*a%.h5"), lines[2])
    assert.same({ ok = 1, failed = 1 }, service.reloads.a)
    assert.truthy(metrics.text(service):find('perilune_model_reloads_total{model="a",result="failed"} 1\n', 1, true))
    assert.is_nil(service.stopping)
  end)
end)

describe("the end", function()
  it("gives the program its collector back", function()
    local before = collectgarbage "generational"
    start()
    local during = collectgarbage "incremental"
    service:close()
    local after = collectgarbage(before)
    assert.equal("incremental", during)
    assert.equal("generational", after)
  end)

  it("answers what the door still has, then closes it", function()
    for _, name in ipairs { "TERM", "INT" } do
      start { models = { { name = "a", net = net_of(1) } } }
      door:push("signal", name)
      door:push("batch", fake.batch(peri.rand(1, 28, 28, 1)))
      local request = fake.request { path = "/v1/models" }
      door:push("request", request)
      assert.is_true(service:run())
      assert.equal(1, #door.answers)
      assert.equal(200, request.answered.status)
      assert.same({ true, false }, door.readiness)
      assert.is_true(door.closed)
      assert.is_true(service:close()) -- once more does nothing
    end
  end)

  it("waits for the grace's time and no longer", function()
    start { grace = 0.05 }
    local waits = 0
    door.drain = function(_, seconds)
      waits = waits + 1
      assert(seconds <= 0.05)
      peri.seed(1)
      require("perilune.core").sleep(math.max(seconds, 0.001))
      return false
    end
    service:stop()
    assert.is_false(service:run())
    assert(waits >= 2)
    assert.is_true(door.closed)
    assert.truthy(lines[#lines]:find("some requests had no answer after 0.05 seconds", 1, true), lines[#lines])
  end)
end)

describe("options", function()
  it("that are wrong are named, with what they want", function()
    says("unknown argument 'prot'; it takes models, host, port", serve.start, { prot = 1 })
    says("argument 'port' wants integer", serve.start, { port = "http" })
    says("port wants a number from 0 to 65535, got 65536", serve.start, { port = 65536 })
    says("batch wants a number from 1", serve.start, { batch = 0 })
    says("window wants a number from 0 to 1, got 2", serve.start, { window = 2 })
    says("window wants a number", serve.start, { window = 0 / 0 })
    says("the token is empty", serve.start, { token = "" })
    says("visible ASCII", serve.start, { token = "a b" })
    says("visible ASCII", serve.start, { token = "ä" })
    says("cors wants an origin", serve.start, { cors = "example.org" })
    says("cors wants an origin", serve.start, { cors = { "https://example.org/path" } })
    says("allow-host wants a name", serve.start, { hosts = "example.org:80" })
    says("allow-host wants a name", serve.start, { hosts = { "a.example", "" } })
    says("no folder", serve.start, { door = fake.door().open, page = scratch.file "nowhere" })
  end)

  it("may name one model without a list", function()
    net_of(1):save(scratch.file "a.h5")
    assert.equal("b", start { models = "b=" .. scratch.file "a.h5" }.models[1].name)
  end)
end)
