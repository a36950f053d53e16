-- The recogniser: what it says of a canvas, its calibration (held against a grid and against what is known in closed
-- form), and that files keep it.
local peri = require "perilune"
local calibration = require "perilune.draw.calibration"
local canvases = require "perilune.draw.canvas"
local recogniser = require "perilune.draw.recogniser"
local core = require "perilune.core"
local outputs = require "perilune.draw.outputs"
local nn = peri.nn
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local numbers = dofile(here .. "/../support/numbers.lua")

local function says(part, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(part, 1, true), message)
end

-- A net that knows nothing but has an opinion: its logits are a fixed linear map of the pixels.
local function net_of(activation, classes, seed)
  peri.seed(seed or 7)
  return nn.Sequential { nn.Flatten {}, nn.Dense { classes or 10, activation = activation } }:build { 28, 28, 1 }
end

local function line(canvas, points, options)
  canvas:begin(points[1], points[2], options)
  for i = 3, #points, 2 do canvas:extend(points[i], points[i + 1]) end
  canvas:finish()
  return canvas
end

describe("a prediction", function()
  local net = net_of "softmax"

  it("is nil while nothing is drawn, or all of it has been erased", function()
    local r, canvas = recogniser.new(net), canvases.new()
    assert.is_nil(r:predict(canvas))
    line(canvas, { 0.4, 0.2, 0.6, 0.8 })
    assert.truthy(r:predict(canvas))
    line(canvas, { 0.3, 0, 0.7, 1 }, { erase = true, width = 0.9 })
    assert.is_nil(r:predict(canvas))
  end)

  it("lists all probabilities and the three likeliest classes", function()
    local seen = recogniser.new(net):predict(line(canvases.new(), { 0.4, 0.2, 0.6, 0.8 }))
    assert.equal(10, #seen.probabilities)
    local sum = 0
    for _, value in ipairs(seen.probabilities) do sum = sum + value end
    assert.near(1, sum, 1e-5)
    assert.equal(3, #seen.top)
    assert.same({ seen.label, seen.confidence }, { seen.top[1].label, seen.top[1].probability })
    assert.equal(seen.probabilities[seen.best], seen.confidence)
    assert.equal(tostring(seen.best - 1), seen.label)
    assert(seen.top[1].probability >= seen.top[2].probability and seen.top[2].probability >= seen.top[3].probability)
    for _, value in ipairs(seen.probabilities) do
      assert(value <= seen.top[1].probability)
      assert(value <= seen.top[3].probability or value == seen.top[1].probability or value == seen.top[2].probability)
    end
    assert.same({ 28, 28, 1 }, seen.input.shape)
  end)

  it("says the same of nets that give logits and probabilities", function()
    local logits = net_of "linear"
    local canvas = line(canvases.new(), { 0.4, 0.2, 0.6, 0.8 })
    local a, b = recogniser.new(net), recogniser.new(logits)
    for _, temperature in ipairs { 1, 2.5 } do
      a.temperature, b.temperature = temperature, temperature
      for _ = 1, 3 do -- as it is, then compiled
        local one, other = a:predict(canvas), b:predict(canvas)
        for i = 1, 10 do assert.near(one.probabilities[i], other.probabilities[i], 1e-5) end
      end
    end
  end)

  it("has the net's own names for its classes, and fewer than three where there are fewer", function()
    local pair = net_of("softmax", 2)
    pair.classes = { "yes", "no" }
    local seen = recogniser.new(pair):predict(line(canvases.new(), { 0.4, 0.2, 0.6, 0.8 }))
    assert.equal(2, #seen.top)
    assert.truthy(seen.label == "yes" or seen.label == "no")
  end)

  it("is uncertain below the net's threshold, at the net's temperature", function()
    local canvas, own = line(canvases.new(), { 0.4, 0.2, 0.6, 0.8 }), net_of "softmax"
    local confidence = recogniser.new(own):predict(canvas).confidence
    own.calibration = { temperature = 1, threshold = confidence - 1e-4 }
    assert.is_true(recogniser.new(own):predict(canvas).certain)
    own.calibration = { temperature = 1, threshold = confidence + 1e-4 }
    local seen = recogniser.new(own):predict(canvas)
    assert.is_false(seen.certain)
    assert.equal(10, #seen.probabilities)
    own.calibration = { temperature = 4, threshold = 0 }
    local cool = recogniser.new(own):predict(canvas)
    assert(cool.confidence < confidence)
    assert.equal(seen.label, cool.label)
  end)

  -- A service that left it to the collector would stop for tens of milliseconds now and then.
  it("leaves no tensors but its result behind", function()
    local small, images = net_of("softmax"), peri.rand(64, 28, 28, 1)
    outputs.softened(small, images, 1.5):free()
    collectgarbage()
    collectgarbage "stop"
    local before = core.memory()
    for _ = 1, 50 do outputs.softened(small, images, 1.5):free() end
    local after = core.memory()
    collectgarbage "restart"
    assert.are.equal(before, after)
  end)

  it("teaches when something is wrong with the net", function()
    says("28 x 28", recogniser.new, nn.Sequential { nn.Dense { 3 } }:build { 5 })
    says("number for each class", recogniser.new, nn.Sequential { nn.Conv2D { 3, kernel = 3 } }:build { 28, 28, 1 })
    says("not built", recogniser.new, nn.Sequential { nn.Flatten {}, nn.Dense { 3 } })
    says("wants a net", recogniser.new, {})
    for _, wrong in ipairs { 3, {}, { temperature = 0, threshold = 0.5 }, { temperature = 1, threshold = 2 },
      { temperature = 1 }, { temperature = 0 / 0, threshold = 0.5 } } do
      local own = net_of "softmax"
      own.calibration = wrong
      says("calibration", recogniser.new, own)
    end
    local lost = net_of "softmax"
    for _, weight in ipairs(lost:parameters()) do weight:detach():fill_(0 / 0) end
    says("nan", function() recogniser.new(lost):predict(line(canvases.new(), { 0.4, 0.2, 0.6, 0.8 })) end)
  end)
end)

-- Logits (n, classes) whose labels are drawn by the probabilities that they have at a temperature.
local function sampled(n, classes, temperature)
  local logits = peri.randn(n, classes):double() * 3
  local rows, labels = (logits / temperature):softmax():totable(), {}
  for i, u in ipairs(peri.rand(n):totable()) do
    local label = 0
    while label < classes - 1 and u >= rows[i][label + 1] do u, label = u - rows[i][label + 1], label + 1 end
    labels[i] = label
  end
  return logits, peri.tensor(labels, "int64")
end

describe("temperature scaling", function()
  it("finds the temperature that is known in closed form", function()
    -- three of four are class 0, by logits that say so at temperature 1; scaled by k they say so at k
    for _, k in ipairs { 0.1, 0.5, 1, 3, 12 } do
      local logits = peri.tensor({ { math.log(3) * k, 0 }, { math.log(3) * k, 0 }, { math.log(3) * k, 0 }, { math.log(3) * k, 0 } },
        "float64")
      assert.near(k, calibration.temperature(logits, peri.tensor({ 0, 0, 1, 0 }, "int64")), 1e-6 * k)
    end
  end)

  it("is nowhere worse than a grid, and grows with the logits", function()
    peri.seed(3)
    for _, own in ipairs { 0.6, 1, 2.2 } do
      local logits, labels = sampled(2000, 5, own)
      local found = calibration.temperature(logits, labels)
      assert.near(own, found, 0.15 * own)
      local least, at = math.huge, nil
      for step = -300, 300 do
        local temperature = math.exp(step / 100)
        local nll = calibration.nll(logits, labels, temperature)
        if nll < least then least, at = nll, temperature end
      end
      assert.near(at, found, 0.006 * found) -- half a step of the grid
      assert(calibration.nll(logits, labels, found) <= least + 1e-12)
      assert.near(found * 3, calibration.temperature(logits * 3, labels), 1e-5 * found)
    end
  end)

  it("ends at its bounds where no temperature is best", function()
    local logits, labels = peri.tensor({ { 2, 0 }, { 0, 1 } }, "float64"), peri.tensor({ 0, 1 }, "int64")
    assert.equal(0.05, calibration.temperature(logits, labels))
    assert.equal(20, calibration.temperature(logits, 1 - labels))
  end)

  it("measures how far confidence is from being right", function()
    assert.near(0.2, calibration.error_of({ 0.8, 0.8, 0.8, 0.8, 0.8 }, { true, true, true, true, true }), 1e-12)
    assert.near(0, calibration.error_of({ 0.8, 0.8, 0.8, 0.8, 0.8 }, { true, true, false, true, 1 }), 1e-12)
    -- two bins: 0.9 twice, once right (off by 0.4), and 0.5 once, right (off by 0.5)
    assert.near((0.8 + 0.5) / 3, calibration.error_of({ 0.9, 0.9, 0.5 }, { 1, 0, 1 }), 1e-12)
    assert.near(0, calibration.error_of({ 1 }, { 1 }), 1e-12)
  end)
end)

describe("a calibration", function()
  -- One feature: the logits of two classes are a * x and 0, x being the first pixel; confidence grows with x.
  local function ruler(a)
    local net = net_of("linear", 2)
    local kernel, bias = table.unpack(net:weights())
    kernel, bias = kernel:detach(), bias:detach()
    kernel:fill_(0)
    bias:fill_(0)
    kernel[{ 1, 1 }] = a
    return net
  end
  local function pictures(list)
    local x = peri.zeros(#list, 28, 28, 1)
    for i, value in ipairs(list) do x[{ i, 1, 1, 1 }] = value end
    return x
  end
  local function sure(x, temperature) return 1 / (1 + math.exp(-x / temperature)) end

  local positives, labels, others = {}, {}, {}
  for i = 1, 100 do positives[i], labels[i] = i / 10, i % 10 == 0 and 1 or 0 end -- one of ten is wrong
  for i = 1, 50 do others[i] = (i - 0.5) / 10 end -- 0.05 to 4.95
  local validation = { pictures(positives), peri.tensor(labels, "int64") }
  local negatives = pictures(others)

  it("turns away the share of the digits that it may", function()
    for _, share in ipairs { 0, 0.01, 0.055, 0.2 } do
      local net = ruler(1)
      local c = recogniser.calibrate(net, validation, negatives, { false_reject = share })
      local turned = math.floor(share * 100 + 1e-9)
      assert.near(sure((turned + 1) / 10, c.temperature), c.threshold, 1e-5)
      assert.near(turned / 100, c.false_reject, 1e-9)
      -- the negatives that are at least as sure: those from (turned + 1) / 10 up
      local passed = 0
      for _, x in ipairs(others) do passed = passed + (x >= (turned + 1) / 10 and 1 or 0) end
      assert.near(passed / 50, c.false_accept, 1e-9)
    end
    local c = recogniser.calibrate(ruler(1), validation)
    assert.near(0.01, c.false_reject, 1e-9)
    assert.is_nil(c.false_accept)
  end)

  it("lets the share of the negatives pass that it may", function()
    local c = recogniser.calibrate(ruler(1), validation, negatives, { false_accept = 0.1 })
    assert.near(0.1, c.false_accept, 1e-9)          -- five: 4.55 and up
    assert.near(0.44, c.false_reject, 1e-9)         -- 0.1 to 4.4
    c = recogniser.calibrate(ruler(1), validation, negatives, { false_accept = 0 })
    assert.equal(0, c.false_accept)
    assert.near(0.49, c.false_reject, 1e-9)
  end)

  it("finds where both shares meet", function()
    local c = recogniser.calibrate(ruler(1), validation, negatives, { equal = true })
    assert.near(c.false_accept, c.false_reject, 0.011)
    assert.near(1 / 3, c.false_accept, 0.02)
  end)

  it("says its figures, and rates are found again", function()
    local net = ruler(4)
    local c = recogniser.calibrate(net, validation, negatives)
    assert.same({ 100, 50 }, { c.positives, c.negatives })
    assert(c.nll_after < c.nll_before)
    local before, after, right = {}, {}, {}
    for i, x in ipairs(positives) do
      before[i], after[i], right[i] = sure(x, 1 / 4), sure(x, c.temperature / 4), labels[i] == 0
    end
    assert.near(calibration.error_of(before, right), c.error_before, 1e-5)
    assert.near(calibration.error_of(after, right), c.error_after, 1e-5)
    assert.near(4, c.temperature / recogniser.calibrate(ruler(1), validation).temperature, 1e-4)
    net.calibration = c
    local rates = recogniser.rates(net, validation, negatives)
    for _, name in ipairs { "false_accept", "false_reject", "accuracy", "temperature", "threshold" } do
      assert.near(c[name], rates[name], 1e-9, name)
    end
    assert.near(89 / 99, rates.accuracy, 1e-9) -- the one that is turned away was right
    rates = recogniser.rates(net, validation[1])
    assert.is_nil(rates.accuracy)
    assert.is_nil(rates.false_accept)
    assert.near(rates.false_reject, recogniser.rates(net, peri.data.tensors(table.unpack(validation))).false_reject, 1e-12)
  end)

  it("says what it wants", function()
    local net = ruler(1)
    says("no labels", recogniser.calibrate, net, validation[1])
    says("validation wants a data set", recogniser.calibrate, net, 3)
    says("wants negatives", recogniser.calibrate, net, validation, nil, { equal = true })
    says("give one", recogniser.calibrate, net, validation, negatives, { equal = true, false_accept = 0.1 })
    says("false_reject", recogniser.calibrate, net, validation, negatives, { false_reject = 1 })
    says("unknown argument 'aim'", recogniser.calibrate, net, validation, negatives, { aim = 1 })
    says("label 2", recogniser.calibrate, net, { validation[1], peri.tensor(labels, "int64") + 1 })
    says("calibration", function()
      net.calibration = { temperature = 1 }
      recogniser.rates(net, validation)
    end)
  end)

  for _, ending in ipairs { "h5", "safetensors" } do
    it("stays with the net in ." .. ending, function()
      local path = os.tmpname()
      os.remove(path)
      path = path .. "." .. ending
      local net = nn.Sequential { nn.Conv2D { 3, kernel = 5, stride = 3 }, nn.BatchNorm {}, nn.Activation { "elu" }, nn.Flatten {},
        nn.Residual { nn.Dense { 192, activation = "relu" } }, nn.Dense { 4, activation = "softmax" } }:build { 28, 28, 1 }
      net.classes = { "a", "b", "\u{e4}", "d" }
      net.calibration = { temperature = 1.25, threshold = 0.5, false_accept = 1 / 3, note = "\u{e4}" }
      net:save(path)
      local back = nn.load(path)
      assert.same(net.calibration, back.calibration)
      assert.same(net.classes, back.classes)
      local x = peri.rand(3, 28, 28, 1)
      assert.near(0, (net(x) - back(x)):abs():max():item(), 1e-7)
      assert.same({ 1.25, 0.5 }, { recogniser.load(path).temperature, recogniser.load(path).threshold })
      net.calibration, net.classes = nil, nil
      net:save(path)
      assert.is_nil(nn.load(path).calibration)
      assert.is_nil(nn.load(path).classes)
      os.remove(path)
    end)
  end
end)

describe("a net in .safetensors", function()
  local json = require "perilune.json"
  local path = os.tmpname()
  os.remove(path)
  path = path .. ".safetensors"
  teardown(function() os.remove(path) end)

  local function changed(change)
    local net = net_of("softmax", 2)
    net:save(path)
    local tensors, metadata = core.load_safetensors(path)
    local model = json.decode(metadata.perilune_net)
    core.save_safetensors(path, tensors, change(model, tensors) or { perilune_net = json.encode(model) })
  end

  it("is refused with its path when something is wrong with it", function()
    for part, change in pairs {
      ["without a net"] = function() return {} end,
      ["cannot be read"] = function() return { perilune_net = "{" } end,
      ["version 9"] = function(model) model.version = 9 end,
      ["list of layers"] = function(model) model.layers = 3 end,
      ["class_name"] = function(model) model.layers[1].class_name = 7 end,
      ["a Magic"] = function(model) model.layers[1].class_name = "Magic" end,
      ["dense/kernel' of layer"] = function(_, tensors) tensors["dense/kernel"] = nil end,
      ["shape of the inputs"] = function(model) model.input_shape = nil end,
      ["weight 'bias' has shape"] = function(_, tensors) tensors["dense/bias"] = core.zeros(3) end,
      ["has 2 weights"] = function(model) model.layers[2].weights = {} end,
    } do
      changed(change)
      says(part, nn.load, path)
      says(path, nn.load, path)
    end
    changed(function() end)
    assert.same({ 28, 28, 1 }, nn.load(path).input_shape)
  end)

  it("is the same file each time", function()
    local net = net_of "softmax"
    net:save(path)
    local first = io.open(path, "rb"):read "a"
    nn.load(path):save(path)
    assert.equal(first, io.open(path, "rb"):read "a")
  end)
end)

describe("the net that comes with Perilune", function()
  it("is read, or its absence explained", function()
    local path, place = recogniser.bundled_path()
    assert.matches("draw/digits%.safetensors$", place)
    if path then
      assert.equal(10, #recogniser.bundled().labels)
    else
      says(place, recogniser.bundled)
    end
  end)
end)

describe("an explanation", function()
  local own, canvas = recogniser.bundled(), numbers.canvas({ 4 }, 11, { pen = 0.12 })

  -- The box of what is above a share of the most, from 0 to 1: left, top, right, bottom.
  local function box_of(picture, share)
    local size = picture.shape[1]
    local box = peri.image.box(picture, share * picture:max():item())
    return { (box.left - 1) / size, (box.top - 1) / size, (box.left + box.width - 1) / size, (box.top + box.height - 1) / size }
  end

  -- A net whose score of every class is the sum of the pixels: each pixel speaks for it by how bright it is.
  local function counting()
    local net = nn.Sequential { nn.Flatten {}, nn.Dense { 10 } }:build { 28, 28, 1 }
    net:weights()[1]:detach():fill_(1)
    return recogniser.new(net)
  end

  it("lies where the ink is, in any size", function()
    local ink, count = box_of(canvas:render(400), 0.5), counting()
    for _, size in ipairs { 28, 168, 431 } do
      local heat = count:explain(canvas, 3, size)
      assert.same({ size, size, 1 }, heat.shape)
      local box = box_of(heat, 0.5)
      for i = 1, 4 do assert.near(ink[i], box[i], 0.02 + 0.6 / size) end
      heat = own:explain(canvas, nil, size)
      assert(heat:min():item() >= 0 and heat:max():item() <= 1.0001 and heat:max():item() > 0.7)
      box = box_of(heat, 0.02)
      for i = 1, 2 do assert(box[i] > ink[i] - 0.15 and box[i + 2] < ink[i + 2] + 0.15) end
    end
  end)

  it("follows the ink when it moves, and has a patch for each digit", function()
    -- the same digit elsewhere and smaller gives the same patch there
    local function moved(scale, dx, dy)
      local other = canvases.new()
      for _, stroke in ipairs(canvas.strokes) do
        for i = 1, stroke.n do
          local x, y = stroke.x[i] * scale + dx, stroke.y[i] * scale + dy
          if i == 1 then other:begin(x, y, { width = stroke.width * scale }) else other:extend(x, y) end
        end
        other:finish()
      end
      return other
    end
    local count = counting()
    local ink, heat = box_of(moved(0.5, 0.5, 0.25):render(400), 0.5), count:explain(moved(0.5, 0.5, 0.25), 3, 300)
    local box = box_of(heat, 0.5)
    for i = 1, 4 do assert.near(ink[i], box[i], 0.02) end
    local pair = own:explain(numbers.canvas({ 7, 2 }, 5), nil, 200)
    assert(pair[{ {}, { 1, 90 } }]:max():item() > 0.7 and pair[{ {}, { 110, 200 } }]:max():item() > 0.7)
  end)

  it("asks for a class, and is nil without ink", function()
    local four, nine = own:explain(canvas, 4), own:explain(canvas, "9")
    assert.is_true(own:explain(canvas):equal(four))
    assert.is_false(four:equal(nine))
    assert.is_nil(own:explain(canvases.new()))
    says("no class A", own.explain, own, canvas, "A")
    says("size wants", own.explain, own, canvas, nil, 0)
  end)

  it("is had of nets without convolutions, and of flat ones", function()
    for _, shape in ipairs { { 28, 28, 1 }, { 784 } } do
      local net = nn.Sequential { nn.Flatten {}, nn.Dense { 10, activation = "softmax" } }:build(shape)
      local heat = recogniser.new(net):explain(canvas, 3, 100)
      assert.near(1, heat:max():item(), 0.3)
    end
  end)
end)
