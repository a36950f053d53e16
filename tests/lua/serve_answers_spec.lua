-- What the service answers itself: explanations, corrections, metrics, its description.
local peri = require "perilune"
local canvases = require "perilune.draw.canvas"
local collections = require "perilune.draw.collection"
local image = require "perilune.image"
local json = require "perilune.json"
local lfs = require "lfs"
local models = require "perilune.serve.models"
local recogniser = require "perilune.draw.recogniser"
local serve = require "perilune.serve"
local nn = peri.nn
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local fake = dofile(here .. "/support/serve.lua")

local folder, page, door, service
before_each(function()
  folder, page = os.tmpname(), os.tmpname()
  os.remove(folder)
  os.remove(page)
  assert(lfs.mkdir(page))
end)
after_each(function() os.execute(("rm -rf '%s' '%s'"):format(folder, page)) end)

local function start(options)
  options = options or {}
  door = fake.door()
  options.door, options.page = door.open, page
  service = serve.start(options)
end

local function ask(given)
  local request = fake.request(given)
  door:push("request", request)
  service:step()
  local answered = request.answered
  return answered, answered.type ~= "image/png" and json.decode(answered.body)
end

-- A seven on a canvas of so many units a side, and as the body of a request.
local function seven(width, height, pen)
  local side = math.max(width, height)
  local function x(at) return at * side - (side - width) / 2 end
  local function y(at) return at * side - (side - height) / 2 end
  local points = { { 0.3, 0.25 }, { 0.5, 0.24 }, { 0.7, 0.25 }, { 0.6, 0.5 }, { 0.5, 0.8 } }
  local canvas, list = canvases.new { pen = pen / side }, {}
  canvas:begin(points[1][1], points[1][2])
  for i, point in ipairs(points) do
    if i > 1 then canvas:extend(point[1], point[2]) end
    list[i] = { x(point[1]), y(point[2]) }
  end
  canvas:finish()
  return canvas, json.encode { strokes = { list }, width = width, height = height, pen = pen }
end

describe("a reading", function()
  -- A number's strokes, each digit in a column of its own, on a canvas of these measures.
  local digits = {
    ["1"] = { { { 0.5, 0.2 }, { 0.5, 0.5 }, { 0.5, 0.8 } } },
    ["7"] = { { { 0.3, 0.22 }, { 0.5, 0.21 }, { 0.7, 0.22 }, { 0.6, 0.5 }, { 0.48, 0.8 } } },
    ["4"] = { { { 0.35, 0.2 }, { 0.3, 0.5 }, { 0.7, 0.52 } }, { { 0.62, 0.3 }, { 0.6, 0.8 } } },
  }

  local function number(text, width, height)
    local list = {}
    for i = 1, #text do
      for _, stroke in ipairs(digits[text:sub(i, i)]) do
        local points = {}
        for k, point in ipairs(stroke) do
          points[k] = { (i - 1 + point[1]) * width / #text, height / 2 + (point[2] - 0.5) * width / #text }
        end
        list[#list + 1] = points
      end
    end
    return json.encode { strokes = list, pen = width / 24, width = width, height = height }
  end

  local function read(text, query) return ask { method = "POST", path = "/v1/read", kind = "strokes", body = text, query = query } end

  it("is of all digits from left to right, with what each is and where", function()
    start()
    for _, size in ipairs { { 280, 280 }, { 600, 200 }, { 100, 150 } } do
      local width, height = size[1], size[2]
      local answered, body = read(number("471", width, height))
      assert.same({ 200, "471", true, "digits", 3 }, { answered.status, body.text, body.certain, body.model, #body.parts })
      assert.is_true(body.milliseconds > 0)
      for i, part in ipairs(body.parts) do
        assert.equal(tonumber(("471"):sub(i, i)), part.label)
        assert.equal(part.confidence, part.probabilities[part.label + 1])
        assert.is_nil(part.input)
        assert.equal(i == 3, part.newest)
        local box, middle = part.box, (i - 0.5) * width / 3
        assert.is_true(box.left < middle + width / 30 and box.right > middle - width / 30, "beside its column")
        assert.is_true(box.left >= (i - 1) * width / 3 and box.right <= i * width / 3, "out of its column")
        assert.near(height / 2 - 0.3 * width / 3, box.top, width / 24)
        assert.near(height / 2 + 0.3 * width / 3, box.bottom, width / 24)
      end
    end
  end)

  it("of one digit is what the drawing program says of it, and what the net saw, if asked for", function()
    start()
    local canvas, text = seven(400, 300, 24)
    local wanted = service.models[1].recogniser:predict(canvas)
    local _, body = read(text, { input = "1" })
    assert.same({ "7", 1, 7, true }, { body.text, #body.parts, body.parts[1].label, body.parts[1].newest })
    assert.near(wanted.confidence, body.parts[1].confidence, 1e-4)
    local input = wanted.input:reshape(-1):totable()
    for i, value in ipairs(body.parts[1].input) do assert.near(255 * input[i], value, 1.01) end
    assert.equal(28 * 28, #body.parts[1].input)
  end)

  it("of two digits of which none is sure is not certain", function()
    start { models = { { name = "flat", net = nn.Sequential { nn.Flatten {}, nn.Dense { 10 } }:build { 28, 28, 1 } } } }
    peri.no_grad(function() service.models[1].net:parameters()[1]:mul_(0) end)
    local _, body = read(number("17", 280, 280))
    assert.same({ 2, false }, { #body.parts, body.certain })
  end)

  it("minds no times, however strange", function()
    start()
    for _, time in ipairs { "8.4e298", "-8.4e298" } do
      local text = number("7", 280, 280):gsub("%]", "," .. time .. "]", 1)
      assert.same({ 200, "7" }, { (function(answered, body) return answered.status, body.text end)(read(text)) })
      local answered = ask { method = "POST", path = "/v1/explain", kind = "strokes", body = text,
        images = peri.rand { 1, 28, 28, 1 } }
      assert.equal(200, answered.status)
    end
  end)

  it("of anything but strokes is refused", function()
    start()
    for kind, status in pairs { pixels = 422, raw = 415, picture = 415 } do
      local answered, body = ask { method = "POST", path = "/v1/read", kind = kind, images = peri.zeros { 1, 28, 28, 1 } }
      assert.equal(status, answered.status)
      assert.truthy(body.error.reason:find("strokes", 1, true))
    end
  end)
end)

describe("an explanation", function()
  it("of pixels lies over the 28 x 28 that the net saw", function()
    start()
    local canvas = seven(280, 280, 20)
    local seen = service.models[1].recogniser:predict(canvas)
    local answered, body = ask { method = "POST", path = "/v1/explain", kind = "pixels", images = seen.input:reshape(1, 28, 28, 1) }
    assert.equal(200, answered.status)
    assert.same({ "digits", 7, 28, 28, "field" }, { body.model, body.class, body.height, body.width, body.coordinates })
    local wanted = require("perilune.draw.heat").of(service.models[1].net, seen.input, 7):reshape(28, 28):totable()
    assert.same({ 28, 28 }, { #body.heat, #body.heat[1] })
    local most = 0
    for i = 1, 28 do
      for k = 1, 28 do
        assert.near(wanted[i][k], body.heat[i][k], 0.00051)
        most = math.max(most, body.heat[i][k])
      end
    end
    assert.near(1, most, 0.001)
  end)

  it("of strokes lies over their canvas, as the drawing program lays it, whatever the canvas's proportions", function()
    start()
    for _, size in ipairs { { 280, 280, 20 }, { 400, 300, 24 }, { 90, 150, 9 } } do
      local canvas, text = seven(size[1], size[2], size[3])
      local r = service.models[1].recogniser
      local side = math.max(size[1], size[2])
      local rows, columns = math.floor(56 * size[2] / side + 0.5), math.floor(56 * size[1] / side + 0.5)
      local wanted = r:explain(canvas, 7, 56):reshape(56, 56):totable()
      local _, body = ask { method = "POST", path = "/v1/explain", kind = "strokes", body = text, query = { class = "7" },
        images = r:predict(canvas).input:reshape(1, 28, 28, 1) }
      assert.same({ "canvas", rows, columns, rows, columns }, { body.coordinates, body.height, body.width, #body.heat,
        #body.heat[1] })
      for i = 1, rows do
        for k = 1, columns do
          assert.near(wanted[i + (56 - rows) // 2][k + (56 - columns) // 2], body.heat[i][k], 0.00051)
        end
      end
    end
  end)

  it("is of the class that is asked for, the body's before the query's; another is refused", function()
    start()
    local x = peri.rand(1, 28, 28, 1)
    local function class(given)
      given.method, given.path, given.images, given.kind = "POST", "/v1/explain", x, "raw"
      local answered, body = ask(given)
      return answered.status, body.class or body.error.reason
    end
    assert.same({ 200, 3 }, { class { query = { class = "3" } } })
    assert.same({ 200, 4 }, { class { class = "4", query = { class = "3" } } })
    local likeliest = models.probabilities(service.models[1], x):argmax(2):item() - 1
    assert.same({ 200, likeliest }, { class {} })
    local status, reason = class { query = { class = "ten" } }
    assert.equal(404, status)
    assert.equal('class: the model digits has no class "ten"; it has 0, 1, 2, 3, 4, 5, 6, 7, 8, 9', reason)
  end)

  it("is a PNG where one is asked for first, of the size that is asked for", function()
    start()
    local given = { method = "POST", path = "/v1/explain", kind = "raw", images = peri.rand(1, 28, 28, 1), query = { size = "140" },
      headers = { accept = "image/png, application/json" } }
    local answered = ask(given)
    assert.same({ 200, "image/png" }, { answered.status, answered.type })
    assert.same({ 140, 140, 25 }, { (">I4I4"):unpack(answered.body, 17) })
    assert.equal(6, answered.body:byte(26)) -- colours with alpha
    assert.same({ 140, 140, 3 }, image.decode(answered.body).shape)
    given.headers = { accept = "application/json, image/png" }
    assert.equal(140, #select(2, ask(given)).heat)
    for _, size in ipairs { "0", "1025", "x", "1.5", "", "-3", "99999999999999999999" } do
      given.query.size = size
      assert.equal(422, ask(given).status)
    end
  end)

  it("takes one image at a time", function()
    start()
    local answered, body = ask { method = "POST", path = "/v1/explain", kind = "raw", images = peri.rand(2, 28, 28, 1) }
    assert.same({ 422, "one image is explained at a time, the body has 2" }, { answered.status, body.error.reason })
  end)

  it("works for nets that take lists of pixels", function()
    peri.seed(2)
    local net = nn.Sequential { nn.Dense { 10, activation = "softmax" } }:build { 784 }
    start { models = { { name = "flat", net = net } } }
    local answered, body = ask { method = "POST", path = "/v1/explain", kind = "raw", images = peri.rand(1, 28, 28, 1) }
    assert.same({ 200, 28 }, { answered.status, #body.heat })
  end)
end)

describe("a correction", function()
  local function correct(given)
    given.method, given.path, given.kind = "POST", "/v1/correct", given.kind or "raw"
    given.images = given.images or peri.rand(1, 28, 28, 1)
    return ask(given)
  end

  it("is refused where they are not kept", function()
    start()
    local answered, body = correct { query = { label = "7" } }
    assert.equal(404, answered.status)
    assert.truthy(body.error.reason:find("--corrections FOLDER", 1, true))
  end)

  it("is kept as the drawing program keeps them, and listed when nobody has asked anything for a while", function()
    start { corrections = folder }
    local canvas, text = seven(300, 200, 20)
    local input = service.models[1].recogniser:predict(canvas).input:reshape(1, 28, 28, 1)
    local answered, body = correct { query = { label = "7" }, kind = "strokes", body = text, images = input }
    assert.same({ 200, { label = 7, kept = 1, corrections = 1 } }, { answered.status, body })
    assert.equal(3, select(2, correct { label = "3", query = { label = "3" }, images = peri.rand(2, 28, 28, 1) }).corrections)
    assert.is_nil(lfs.attributes(folder .. "/drawings-images-idx3-ubyte"))
    for _ = 1, 4 do service:step() end -- nothing is to be done
    correct { query = { label = "3" } }
    for _ = 1, 4 do service:step() end
    assert.is_nil(lfs.attributes(folder .. "/drawings-images-idx3-ubyte"))
    service:step()
    assert.truthy(lfs.attributes(folder .. "/drawings-images-idx3-ubyte"))
    local kept = collections.open(folder)
    assert.same({ ["7"] = 1, ["3"] = 3 }, kept:counts())
    local x = kept:dataset { "7" }
    assert.is_true((input * 255 + 0.5):to "uint8":equal((select(1, kept:stored { "7" }))))
    assert.equal(1, #x)
    local drawn = canvases.load(folder .. "/7/0001.json")
    assert.equal("7", recogniser.bundled():predict(drawn).label)
    local seen = recogniser.bundled():predict(drawn).input
    assert.near(0, (seen - input:reshape(28, 28, 1)):abs():max():item(), 1e-6)
  end)

  it("is listed when the service ends", function()
    start { corrections = folder }
    correct { query = { label = "7" } }
    assert.is_nil(lfs.attributes(folder .. "/drawings-images-idx3-ubyte"))
    service:close()
    assert.equal(16 + 784, lfs.attributes(folder .. "/drawings-images-idx3-ubyte", "size"))
  end)

  it("that cannot be listed is told, and ends nothing", function()
    start { corrections = folder }
    correct { query = { label = "7" } }
    assert(lfs.mkdir(folder .. "/drawings-images-idx3-ubyte")) -- where the list is to go
    local said
    service.write = function(line) said = line end
    service:close()
    assert.truthy(said and said:find("the corrections' list cannot be written", 1, true), said)
    assert.is_true(door.closed)
  end)

  it("wants a label that the model has", function()
    start { corrections = folder }
    local answered, body = correct {}
    assert.equal(422, answered.status)
    assert.truthy(body.error.reason:find("/v1/correct?label=7", 1, true))
    for _, label in ipairs { "../7", "10", "", "7/../../x", ".", "7\0" } do
      answered = correct { query = { label = label } }
      assert.equal(404, answered.status)
    end
    answered, body = correct { label = "3", query = { label = "7" } }
    assert.same({ 409, 'label: the body says "3" and the address "7"' }, { answered.status, body.error.reason })
    assert.is_nil(lfs.attributes(folder))
  end)

  it("of a class whose name cannot be a folder's is refused", function()
    peri.seed(2)
    local net = nn.Sequential { nn.Flatten {}, nn.Dense { 2, activation = "softmax" } }:build { 28, 28, 1 }
    net.classes = { "yes/no", "x" }
    start { corrections = folder, models = { { name = "odd", net = net } } }
    local answered, body = correct { query = { label = "yes/no" } }
    assert.equal(422, answered.status)
    assert.truthy(body.error.reason:find("holds a slash", 1, true), body.error.reason)
    assert.is_nil(lfs.attributes(folder))
    assert.equal("x", select(2, correct { query = { label = "x" } }).label)
  end)

  it("beyond what the folder may hold is refused", function()
    start { corrections = folder, corrections_most = 3 }
    assert.equal(200, correct({ query = { label = "7" }, images = peri.rand(2, 28, 28, 1) }).status)
    assert.equal(507, correct({ query = { label = "7" }, images = peri.rand(2, 28, 28, 1) }).status)
    assert.equal(200, correct({ query = { label = "7" } }).status)
    assert.equal(507, correct({ query = { label = "7" } }).status)
    service:close()
    start { corrections = folder, corrections_most = 3 } -- what is there counts
    assert.equal(507, correct({ query = { label = "7" } }).status)
  end)

  it("is told of by the models", function()
    start { corrections = folder }
    assert.is_true(select(2, ask { path = "/v1/models" }).models[1].corrections)
    local said
    service.write = function(line) said = line end
    service:close() -- without one, there is nothing to list
    assert.is_nil(said)
    assert.is_nil(lfs.attributes(folder))
  end)
end)

describe("metrics", function()
  -- The page as { name and labels = value }, { family = kind }; every line is one that Prometheus' format has.
  local function read(text)
    local samples, kinds, family = {}, {}, nil
    assert.equal("\n", text:sub(-1))
    for line in text:gmatch "([^\n]*)\n" do
      local name, kind = line:match "^# TYPE ([%a_:][%w_:]*) (%a+)$"
      if name then
        assert.equal(family, name)
        assert.is_nil(kinds[name])
        kinds[name] = kind
      elseif line:find "^# HELP " then
        family = line:match "^# HELP ([%a_:][%w_:]*) ."
        assert.truthy(family, line)
      else
        local sample, labels, value = line:match "^([%a_:][%w_:]*)(%b{}) (%S+)$"
        if not sample then sample, value = line:match "^([%a_:][%w_:]*) (%S+)$" end
        assert.truthy(sample, line)
        assert.equal(family, (sample:gsub("_bucket$", ""):gsub("_sum$", ""):gsub("_count$", "")))
        assert.is_nil(samples[sample .. (labels or "")])
        samples[sample .. (labels or "")] = tonumber(value) or value
      end
    end
    return samples, kinds
  end

  it("are the door's counts in Prometheus' format, buckets adding up", function()
    start { corrections = folder }
    local counts = fake.counts()
    counts.routes = { { route = "POST /v1/predict", status = 200, count = 12 }, { route = "POST /v1/predict", status = 422, count = 1 },
      { route = "other", status = 404, count = 3 } }
    counts.images, counts.queued, counts.received = 20, 5, 1 << 40
    counts.latency = { count = 16, sum = 0.125, buckets = { { 0.001, 10 }, { 0.01, 4 }, { math.huge, 2 } } }
    counts.batches = { count = 3, sum = 20, buckets = { { 1.0, 1 }, { 256.0, 2 }, { math.huge, 0 } } }
    door.counts = counts
    local request = fake.request { path = "/metrics" }
    door:push("request", request)
    service:step()
    assert.equal("text/plain; version=0.0.4; charset=utf-8", request.answered.type)
    local samples, kinds = read(request.answered.body)
    local function requests(method, path, status)
      return samples[('perilune_requests_total{method="%s",path="%s",status="%d"}'):format(method, path, status)]
    end
    assert.same({ 12, 1, 3 }, { requests("POST", "/v1/predict", 200), requests("POST", "/v1/predict", 422),
      requests("other", "other", 404) })
    assert.same({ 10, 14, 16, 16, 0.125 }, { samples['perilune_request_seconds_bucket{le="0.001"}'],
      samples['perilune_request_seconds_bucket{le="0.01"}'], samples['perilune_request_seconds_bucket{le="+Inf"}'],
      samples.perilune_request_seconds_count, samples.perilune_request_seconds_sum })
    assert.same({ 1, 3, 3, 3, 20 }, { samples['perilune_batch_images_bucket{le="1"}'], samples['perilune_batch_images_bucket{le="256"}'],
      samples['perilune_batch_images_bucket{le="+Inf"}'], samples.perilune_batch_images_count, samples.perilune_batch_images_sum })
    assert.same({ 20, 5, 1 << 40, 0 }, { samples.perilune_images_total, samples.perilune_queue_images,
      samples.perilune_received_bytes_total, samples.perilune_corrections })
    assert.same({ "counter", "histogram", "gauge" }, { kinds.perilune_requests_total, kinds.perilune_request_seconds,
      kinds.perilune_queue_images })
    assert.equal(86514, samples['perilune_model_parameters{model="digits"}'])
    assert.near(os.time(), samples.process_start_time_seconds, 100)
    assert(samples.process_resident_memory_bytes > 1e6 and samples.process_cpu_seconds_total > 0)
  end)
end)
