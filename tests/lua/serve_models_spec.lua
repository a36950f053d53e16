-- The service's models: names, files, what they say of images, and reload.
local peri = require "perilune"
local models = require "perilune.serve.models"
local recogniser = require "perilune.draw.recogniser"
local nn = peri.nn
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local scratch = dofile(here .. "/support/scratch.lua")

local function says(part, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(part, 1, true), message)
end

local function net_of(seed, options)
  options = options or {}
  peri.seed(seed)
  local net = nn.Sequential { nn.Flatten {}, nn.Dense { options.classes or 10, activation = options.activation or "softmax" } }
  return net:build(options.input or { 28, 28, 1 })
end

before_each(scratch.make)
after_each(scratch.remove)

describe("models' names", function()
  it("are the files' own without one, and what stands before =", function()
    local function names(...)
      local list = {}
      for i, spec in ipairs(models.parse { ... }) do list[i] = spec.name .. " " .. tostring(spec.path) end
      return list
    end
    assert.same({ "digits nil" }, names())
    assert.same({ "mine a/b/mine.h5" }, names "a/b/mine.h5")
    assert.same({ "v1.2 v1.2.safetensors" }, names "v1.2.safetensors")
    assert.same({ "x a=b.h5" }, names "x=a=b.h5")
    assert.same({ "b ./a=1/b.h5" }, names "./a=1/b.h5") -- a folder's name may hold a =
    assert.same({ "a f.h5", "b f.h5" }, names("a=f.h5", "b=f.h5"))
  end)

  it("fit into a URL, and are each there once", function()
    says("does not fit into a URL", models.parse, { "my net.h5" })
    says("does not fit into a URL", models.parse, { "=net.h5" })
    says("does not fit into a URL", models.parse, { "-x=net.h5" })
    says("does not fit into a URL", models.parse, { ("n"):rep(65) .. "=net.h5" })
    says("an empty text", models.parse, { "" })
    says("no file behind the =", models.parse, { "a=" })
    says('two models have the name "a": x.h5 and y/a.h5', models.parse, { "a=x.h5", "y/a.h5" })
  end)
end)

describe("a model", function()
  it("without a file is the net that comes with Perilune", function()
    local model = models.load()[1]
    assert.equal("digits", model.name)
    assert.same({ 28, 28, 1 }, model.shape)
    assert.same({ "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }, model.labels)
    assert.equal(86514, model.parameters)
    assert.is_true(model.calibrated)
    assert.same({ recogniser.bundled().threshold, recogniser.bundled().temperature }, { model.threshold, model.temperature })
  end)

  it("says just what its recogniser says, of any number of images, whatever the net takes and gives", function()
    local net = net_of(3)
    net.calibration = { temperature = 1.7, threshold = 0.3 }
    local logits = net_of(4, { activation = "linear" })
    local flat = net_of(5, { input = { 784 } })
    for _, given in ipairs { net, logits, flat, recogniser.bundled().net } do
      local model = models.load { { name = "m", net = given } }[1]
      local r = recogniser.new(given)
      for _, n in ipairs { 1, 2, 7, 64, 100 } do
        local images, list = peri.rand(n, 28, 28, 1), {}
        for i = 1, n do list[i] = images[i] end
        local rows = models.probabilities(model, images):totable()
        assert.equal(n, #rows)
        for i, seen in ipairs(r:say(list)) do
          for k, p in ipairs(seen.probabilities) do assert.equal(p, rows[i][k]) end
        end
      end
    end
  end)

  it("has its file's classes and calibration", function()
    local net = net_of(3, { classes = 3 })
    net.classes, net.calibration = { "a", "b", "c" }, { temperature = 2, threshold = 0.25 }
    net:save(scratch.file "abc.safetensors")
    local model = models.load { scratch.file "abc.safetensors" }[1]
    assert.same({ "abc", "a", "b", "c", 2, 0.25, 784 * 3 + 3 }, { model.name, model.labels[1], model.labels[2], model.labels[3],
      model.temperature, model.threshold, model.parameters })
    assert.same({ { name = "abc", shape = { 28, 28, 1 }, labels = { "a", "b", "c" }, threshold = 0.25 } }, models.for_door { model })
    assert.equal(2, models.class_of(model, "b"))
    assert.is_nil(models.class_of(model, "d"))
  end)

  it("is refused with a reason: no such file, no recogniser, no numbers", function()
    says("nothing.h5: cannot open", models.load, { "nothing.h5" })
    nn.Sequential { nn.Dense { 3 } }:build { 5 }:save(scratch.file "five.h5")
    says("takes inputs of shape (5)", models.load, { scratch.file "five.h5" })
    local net = net_of(1)
    peri.no_grad(function() net:parameters()[2][{ {} }] = 0 / 0 end)
    net:save(scratch.file "nan.h5")
    says("nan.h5: the net's outputs are no numbers", models.load, { scratch.file "nan.h5" })
  end)

  it("shows labels as numbers where they are some", function()
    assert.same({ 7, 10, "07", "x", "-0", -3, "1e3", "99999999999999999999" }, { models.label_value "7", models.label_value "10",
      models.label_value "07", models.label_value "x", models.label_value "-0", models.label_value "-3", models.label_value "1e3",
      models.label_value "99999999999999999999" })
  end)
end)

describe("reload", function()
  it("takes new files up and keeps the model of one that is broken", function()
    local a, b = scratch.file "a.h5", scratch.file "b.h5"
    net_of(1):save(a)
    net_of(2):save(b)
    local images = peri.rand(3, 28, 28, 1)
    local old = models.load { a, b }
    local before = models.probabilities(old[2], images)
    net_of(7):save(a)
    local file <close> = assert(io.open(b, "wb"))
    file:write "no model"
    file:flush()
    local fresh, said = models.reload(old)
    assert.is_true(models.probabilities(fresh[1], images):equal(models.probabilities(models.load { a }[1], images)))
    assert.is_false(models.probabilities(fresh[1], images):equal(models.probabilities(old[1], images)))
    assert.equal(old[2], fresh[2])
    assert.is_true(models.probabilities(fresh[2], images):equal(before))
    assert.same({ "a", a, nil }, { said[1].name, said[1].path, said[1].reason })
    assert.truthy(said[2].reason:find("b.h5", 1, true), said[2].reason)
    net_of(9):save(b) -- and mended is taken up
    fresh, said = models.reload(fresh)
    assert.is_nil(said[2].reason)
    assert.is_false(models.probabilities(fresh[2], images):equal(before))
  end)
end)
