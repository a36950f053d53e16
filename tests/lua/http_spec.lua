-- perilune.http: the service's door from Lua. The client is curl, started in the background and read afterwards; without
-- the sanitizers' libraries, which a test under sanitizers preloads: with them curl has been seen to wait for ever.
local peri = require "perilune"
local core = require "perilune.core"
local loaded, http = pcall(require, "perilune.http")

local LABELS = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "nine" }
local MODELS = { { name = "small", shape = { 2, 2, 1 }, labels = LABELS, threshold = 0.5 },
  { name = "wide", shape = { 2, 4, 1 }, labels = { "a", "b" } } }

local CURL = "LD_PRELOAD= curl -s -i -m 10"

local function has_curl()
  local pipe = io.popen "command -v curl"
  local found = pipe:read "a" ~= ""
  pipe:close()
  return found
end

describe("perilune.http", function()
  if not loaded then
    it("says what to install where it is not built", function()
      assert.matches("libmicrohttpd%-dev", tostring(http))
    end)
    return
  end

  local door
  local function open(more)
    local options = { port = 0, models = MODELS, headers = { { "X-All", "yes" } },
      files = { ["/"] = { type = "text/html", body = "<p>hello", headers = { { "X-Page", "1" } } } },
      routes = { ["POST /predict"] = "predict", ["POST /images"] = "images", ["GET /plain"] = "plain", ["POST /plain"] = "plain" } }
    for key, value in pairs(more or {}) do options[key] = value end
    door = http.open(options)
    return door
  end
  after_each(function()
    if door then door:close() end
    door = nil
  end)

  local function bytes(...) return (string.char(...):gsub(".", function(c) return ("\\%03o"):format(c:byte()) end)) end

  -- Starts curl; the answer's head and body are what the result reads.
  local function ask(path, arguments)
    return io.popen((CURL .. " %s 'http://127.0.0.1:%d%s'"):format(arguments or "", door.port, path))
  end
  local function raw(path, image) -- printf feeds the bytes
    return io.popen(("printf '%s' | " .. CURL .. " -H 'Content-Type: application/octet-stream' --data-binary @- 'http://127.0.0.1:%d%s'")
      :format(image, door.port, path))
  end
  local function finish(pipe)
    local text = pipe:read "a"
    pipe:close()
    return tonumber(text:match "^HTTP/1.1 (%d+)"), text
  end

  it("refuses options that cannot be, by name", function()
    assert.error_matches(function() http.open {} end, "models")
    assert.error_matches(function() open { port = "x" } end, "port")
    assert.error_matches(function() open { prot = 1 } end, "prot")
    assert.error_matches(function() open { threads = 0 } end, "'threads' wants more than 0")
    assert.error_matches(function() open { routes = { ["/x"] = "plain" } } end, "'/x' is not like")
    assert.error_matches(function() open { routes = { ["GET /x"] = "soon" } } end, "predict, images or plain is wanted, got soon")
    assert.error_matches(function() open { models = { { name = "a", shape = { 2, 2 }, labels = { "a" } } } } end, "models%[1%]%.shape")
    assert.error_matches(function() open { headers = { { "one" } } } end, "headers%[1%]")
    assert.error_matches(function() open { host = "no.such.host.invalid" } end, "no%.such%.host%.invalid")
  end)

  it("knows its place, and is closed once", function()
    open()
    assert.is_true(door.port > 0)
    assert.equal("127.0.0.1", door.host)
    assert.is_false(door:closed())
    door:close()
    assert.is_true(door:closed())
    assert.error_matches(function() door:wait(0) end, "it is closed")
    door:close()
  end)

  it("has nothing for who waits in vain", function()
    open()
    assert.is_nil(door:wait(0))
    local before = os.time()
    assert.is_nil(door:wait(0.05))
    assert.is_true(os.time() - before < 2)
  end)

  if not has_curl() then return pending("curl is missing: the door is not asked anything") end

  it("answers files and its state without Lua", function()
    open()
    local status, text = finish(ask "/")
    assert.equal(200, status)
    assert.matches("X%-Page: 1", text)
    assert.matches("X%-All: yes", text)
    assert.matches("<p>hello$", text)
    assert.equal(304, finish(ask("/", "-H 'If-None-Match: " .. text:match "ETag: (%S+)" .. "'")))
    assert.equal(200, finish(ask "/healthz"))
    assert.equal(503, finish(ask "/readyz"))
    door:ready(true)
    assert.equal(200, finish(ask "/readyz"))
    assert.equal(404, finish(ask "/none"))
    assert.equal(405, finish(ask "/predict"))
  end)

  it("is asked by the names that it may be asked by", function()
    open { hosts = "digits.example.org" }
    assert.equal(403, finish(ask("/", "-H 'Host: evil.example'")))
    assert.equal(200, finish(ask("/", "-H 'Host: digits.example.org:80'")))
    assert.error_matches(function() open { hosts = { 1 } } end, "hosts%[1%]: a string is wanted")
  end)

  it("gives images as a batch, and answers with its probabilities", function()
    open()
    local pipe = raw("/predict?input=1", bytes(255, 0, 51, 0, 0, 0, 0, 255))
    local what, batch = door:wait(5)
    assert.equal("batch", what)
    assert.equal(2, #batch)
    assert.equal(1, batch.model)
    assert.equal(10, batch.classes)
    assert.same({ 2, 2, 2, 1 }, batch.images.shape)
    assert.equal("float32", batch.images.dtype)
    assert.near(0.2, batch.images:totable()[1][2][1][1], 1e-6)
    assert.error_matches(function() door:answer(batch, peri.zeros { 2, 9 }) end, "float32 %(2, 10%), got float32 %(2, 9%)")
    local probabilities = peri.zeros { 10, 2 }
    probabilities[{ 4, 1 }], probabilities[{ 10, 2 }] = 1, 1
    door:answer(batch, probabilities:transpose(1, 2)) -- not dense
    local status, text = finish(pipe)
    assert.equal(200, status)
    assert.matches('"label":3,', text)
    assert.matches('"label":"nine",', text)
    assert.matches('"certain":true', text)
    assert.matches('"input":%[255,0,51,0%]', text)
    assert.matches('"model":"small"', text)
    assert.error_matches(function() door:answer(batch, probabilities) end, "answered already")
    assert.error_matches(function() return #batch end, "answered already")
  end)

  it("keeps no memory of an answer for the collector", function()
    local count = 2000
    open { batch = count }
    local before, pipe = core.memory(), raw("/predict", bytes(1, 2, 3, 4):rep(count))
    collectgarbage "stop"
    local _, batch = door:wait(5)
    local images, probabilities = batch.images, peri.full({ count, 10 }, 0.1)
    door:answer(batch, probabilities)
    probabilities:free() -- 80 kB
    images:free()
    assert.equal(200, (finish(pipe)))
    local left
    for _ = 1, 200 do -- until the connection has gone
      left = core.memory() - before
      if left < 80000 then break end
      core.sleep(0.01)
    end
    collectgarbage "restart"
    assert.is_true(left < 80000, ("%d bytes are left"):format(left))
  end)

  it("fails a batch with a status and a reason", function()
    open()
    local pipe = raw("/predict?model=wide", bytes(1, 2, 3, 4, 5, 6, 7, 8))
    local _, batch = door:wait(5)
    assert.equal(2, batch.model)
    door:fail(batch, 500, "the net \"broke\"")
    local status, text = finish(pipe)
    assert.equal(500, status)
    assert.matches('{"error":{"status":500,"reason":"the net \\"broke\\""}}', text, 1, true)
  end)

  it("hands over requests as they came", function()
    open()
    local pipe = ask("/plain?a=1%202&b=", "-H 'X-Own: Value' -d 'a body'")
    local what, request = door:wait(5)
    assert.equal("request", what)
    assert.equal("POST", request.method)
    assert.equal("/plain", request.path)
    assert.equal("1 2", request.query.a)
    assert.equal("", request.query.b)
    assert.equal("Value", request.headers["x-own"])
    assert.equal("a body", request.body)
    assert.is_nil(request.images)
    request:answer { status = 201, type = "text/plain", body = "made", headers = { ["X-Mine"] = "2" } }
    local status, text = finish(pipe)
    assert.equal(201, status)
    assert.matches("Content%-Type: text/plain", text)
    assert.matches("X%-Mine: 2", text)
    assert.matches("\r\n\r\nmade$", text)
    assert.error_matches(function() request:answer {} end, "answered already")
  end)

  it("reads the images of a request that Lua answers", function()
    open()
    local pipe = ask("/images?label=7", [[-H 'Content-Type: application/json' -d '{"pixels":[0,255,0,0],"label":3,"input":true}']])
    local _, request = door:wait(5)
    assert.same({ 1, 2, 2, 1 }, request.images.shape)
    assert.equal("pixels", request.kind)
    assert.equal("3", request.label)
    assert.equal("7", request.query.label)
    assert.is_true(request.input)
    assert.is_nil(request.class)
    request:fail(422, "no")
    assert.equal(422, finish(pipe))
    assert.equal(422, finish(ask("/images", [[-H 'Content-Type: application/json' -d '{"pixels":[0,255,0]}']])))
  end)

  it("answers 500 for a batch or request that is forgotten", function()
    open()
    for _, path in ipairs { "/predict", "/plain" } do
      local pipe = raw(path, bytes(1, 2, 3, 4))
      assert.is_not_nil(door:wait(5))
      collectgarbage()
      collectgarbage()
      assert.equal(500, finish(pipe))
    end
  end)

  it("asks for the token, and not for that of files", function()
    open { token = "secret" }
    assert.equal(401, finish(ask "/plain"))
    assert.equal(200, finish(ask "/"))
    local pipe = ask("/plain", "-H 'Authorization: Bearer secret'")
    local _, request = door:wait(5)
    request:answer { body = "" }
    assert.equal(200, finish(pipe))
  end)

  it("swaps its models", function()
    open()
    assert.error_matches(function() door:models {} end, "at least one")
    door:models { { name = "new", shape = { 1, 3, 1 }, labels = { "x", "y" } } }
    assert.equal(404, finish(raw("/predict?model=small", bytes(1, 2, 3, 4))))
    local pipe = raw("/predict", bytes(1, 2, 3))
    local _, batch = door:wait(5)
    assert.same({ 1, 1, 3, 1 }, batch.images.shape)
    door:answer(batch, peri.tensor { { 0.25, 0.75 } })
    local _, text = finish(pipe)
    assert.matches('"label":"y"', text)
  end)

  it("turns signals into events, and gives them back", function()
    open()
    os.execute "kill -HUP $PPID"
    local what, name = door:wait(5)
    assert.equal("signal", what)
    assert.equal("HUP", name)
    assert.is_nil(door:wait(0))
  end)

  it("drains: what has come is answered, and nobody else comes", function()
    open()
    local pipe = raw("/predict", bytes(1, 2, 3, 4))
    local _, batch = door:wait(5)
    assert.is_false(door:drain(0.01))
    door:answer(batch, peri.full({ 1, 10 }, 0.1))
    local _, text = finish(pipe)
    assert.is_true(door:drain(5))
    assert.matches("Connection: close", text)
    assert.is_nil((finish(ask "/healthz")))
  end)

  it("counts what it does, and writes it down", function()
    local path = os.tmpname()
    open { access_log = path }
    finish(ask "/")
    finish(ask "/none")
    local pipe = raw("/predict", bytes(1, 2, 3, 4))
    local _, batch = door:wait(5)
    door:answer(batch, peri.full({ 1, 10 }, 0.1))
    finish(pipe)
    local stats = door:stats()
    assert.equal(1, stats.images)
    assert.equal(1, stats.batches.count)
    assert.equal(3, stats.latency.count)
    assert.equal(0, stats.queued)
    assert.equal(math.huge, stats.latency.buckets[#stats.latency.buckets][1])
    local routes = {}
    for _, row in ipairs(stats.routes) do routes[row.route .. " " .. row.status] = row.count end
    assert.same({ ["GET / 200"] = 1, ["other 404"] = 1, ["POST /predict 200"] = 1 }, routes)
    door:close()
    local lines = {}
    for line in io.lines(path) do lines[#lines + 1] = line end
    os.remove(path)
    assert.equal(3, #lines)
    assert.matches('^{"time":"%d+%-%d+%-%d+T%d+:%d+:%d+%.%d+Z","client":"127.0.0.1","method":"GET","path":"/",', lines[1])
    assert.matches('"status":200,"received":0,"sent":8,', lines[1])
    assert.matches('"images":1,"milliseconds":[%d.]+,"model":"small"}$', lines[3])
  end)
end)
