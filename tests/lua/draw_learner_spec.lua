-- Learning from corrections: the drawing is known afterwards and the rest is not forgotten; classes are added; a wrong key
-- is taken back. Small nets and drawn digits, and where MNIST is at hand the net that comes with Perilune.
local peri = require "perilune"
local canvases = require "perilune.draw.canvas"
local core = require "perilune.core"
local grow = require "perilune.nn.grow"
local learners = require "perilune.draw.learner"
local programs = require "perilune.draw.program"
local recognisers = require "perilune.draw.recogniser"
local data, nn = peri.data, peri.nn

local folder, trained
local NOWHERE = "/nowhere"

-- A net that knows most drawn digits; trained once, and given as a copy.
local function small_net()
  if not trained then
    peri.seed(4)
    local net = nn.Sequential {
      nn.Conv2D { 8, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
      nn.Conv2D { 12, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
      nn.Flatten {}, nn.Dense { 32, activation = "relu" }, nn.Dense { 10, activation = "softmax" },
    }
    net:build { 28, 28, 1 }
    net:fit(data.drawn { n = 3000, seed = 1 }, { epochs = 8, batch = 64, loss = "sparse_categorical_crossentropy", verbose = 0,
      seed = 4, optimizer = "adam" })
    trained = folder .. "-net.h5"
    net:save(trained)
  end
  return nn.load(trained)
end

setup(function()
  folder = os.tmpname()
  os.remove(folder)
end)
teardown(function() os.execute(("rm -rf '%s' '%s-net.h5'"):format(folder, folder)) end)
before_each(function() os.execute(("rm -rf '%s'"):format(folder)) end)

local function learner_of(net, options)
  options = options or {}
  local r = recognisers.new(net or small_net())
  return learners.new(r, { drawings = folder, mnist = options.mnist or NOWHERE, patience = 60 }), r
end

-- How many of a set the recogniser gets right.
local function right_of(r, set)
  local right, x, y = 0, set:tensors()
  local best = r.net:predict(x):argmax(2):totable()
  for i, label in ipairs(y:totable()) do right = right + (best[i] == label + 1 and 1 or 0) end
  return right / #set
end

local function says(r, picture) return r:say({ picture })[1] end

-- Drawn digits that the recogniser gets wrong: { picture, label }.
local function wrong_ones(r, count)
  local set, list = data.drawn { n = 400, seed = 77 }:augment { rotation = 30, shear = 10 }, {}
  local x, y = set:tensors()
  for i, label in ipairs(y:totable()) do
    if #list < count and says(r, x[i]).label ~= tostring(label) then list[#list + 1] = { x[i], label } end
  end
  return list
end

local function values_of(net)
  local list = {}
  for i, tensor in ipairs(net:weights()) do list[i] = tensor:clone() end
  return list
end

local function same_values(net, values)
  for i, tensor in ipairs(net:weights()) do
    if not tensor:equal(values[i]) then return false end
  end
  return true
end

-- Canvases with a sign, drawn by a hand that is never twice the same: strokes of { x, y, ... } in the unit square.
local function draw(strokes, seed)
  local state = seed * 7919 + 17
  local function jitter(most)
    state = (state * 1103515245 + 12345) % 2147483648
    return (state / 2147483648 - 0.5) * 2 * most
  end
  local canvas = canvases.new { pen = 0.07 + jitter(0.01) }
  local size, dx, dy, slant = 0.6 + jitter(0.1), jitter(0.08), jitter(0.08), jitter(0.12)
  for _, stroke in ipairs(strokes) do
    for i = 1, #stroke, 2 do
      local u, v = stroke[i] - 0.5 + jitter(0.035), stroke[i + 1] - 0.5 + jitter(0.035)
      local x, y = 0.5 + dx + size * (u - slant * v), 0.5 + dy + size * v
      if i == 1 then canvas:begin(x, y) else canvas:extend(x, y) end
    end
    canvas:finish()
  end
  return canvas
end

local signs = {
  A = { { 0.1, 1, 0.3, 0.5, 0.5, 0, 0.7, 0.5, 0.9, 1 }, { 0.25, 0.62, 0.75, 0.62 } },
  H = { { 0.15, 0, 0.15, 1 }, { 0.85, 0, 0.85, 1 }, { 0.15, 0.5, 0.85, 0.5 } },
  ["+"] = { { 0.5, 0.05, 0.5, 0.95 }, { 0.05, 0.5, 0.95, 0.5 } },
  W = { { 0, 0.1, 0.25, 0.95, 0.5, 0.3, 0.75, 0.95, 1, 0.1 } },
}

local function drawings(name, from, to)
  local list = {}
  for seed = from, to do list[#list + 1] = draw(signs[name], seed) end
  return list
end

describe("a correction", function()
  it("is learned, kept, and forgets nothing", function()
    local l, r = learner_of()
    local held_out = data.drawn { n = 500, seed = 2 }
    local before = right_of(r, held_out)
    assert.is_true(before > 0.9, "the net to begin with is right about " .. before)
    local learned, count = 0, 0
    for _, pair in ipairs(wrong_ones(r, 5)) do
      count = count + 1
      local report = l:correct(pair[1], pair[2])
      local seen = says(r, pair[1])
      if seen.label == tostring(pair[2]) then learned = learned + 1 end
      assert.equal(report.learned, seen.label == tostring(pair[2]))
      assert.matches(("^%s/%d/%%d+%%.png$"):format(folder:gsub("%p", "%%%0"), pair[2]), report.kept)
      assert.is_true(report.seconds > 0 and report.steps >= 0)
      assert.is_nil(report.before)
      assert.is_nil(report.after)
      assert.matches("MNIST is not here", report.note)
    end
    assert.equal(5, count)
    assert.is_true(learned >= 4, learned .. " of 5 learned")
    assert.equal(5, #l.kept)
    assert.is_true(right_of(r, held_out) >= before - 0.01, ("%g fell to %g"):format(before, right_of(r, held_out)))
  end)

  it("holds for slight variations, and what was corrected before", function()
    local l, r = learner_of()
    local list = wrong_ones(r, 3)
    for _, pair in ipairs(list) do l:correct(pair[1], pair[2]) end
    local near = data.augment { rotation = 6, shift = 1, scale = 0.08 }
    for _, pair in ipairs(list) do
      local x, y = {}, {}
      for i = 1, 40 do x[i], y[i] = pair[1]:reshape(1, 28, 28, 1), pair[2] end
      local varied = near(peri.cat(x, 1), nil, { seed = 5, epoch = 9 })
      local share = right_of(r, data.tensors(varied, peri.tensor(y, "int64")))
      assert.is_true(share >= 0.9, ("%g of the variations of a %d"):format(share, pair[2]))
    end
  end)

  it("of what the net knows changes no weight", function()
    local l, r = learner_of()
    local x, y = data.drawn { n = 50, seed = 8 }:tensors()
    for i, label in ipairs(y:totable()) do
      local seen = says(r, x[i])
      if seen.label == tostring(label) and seen.confidence > 0.99 then
        local values = values_of(r.net)
        local report = l:correct(x[i], label)
        if report.steps == 0 then
          assert.is_true(report.learned)
          assert.is_true(same_values(r.net, values))
          assert.equal(1, #l.kept)
          return
        end
      end
    end
    error "no digit of fifty was known well enough"
  end)

  it("is the same for the same drawings", function()
    local nets = {}
    for i = 1, 2 do
      os.execute(("rm -rf '%s'"):format(folder))
      local l, r = learner_of()
      local pair = wrong_ones(r, 1)[1]
      l:correct(pair[1], pair[2])
      nets[i] = r.net
    end
    assert.is_true(same_values(nets[1], values_of(nets[2])))
  end)

  it("is taken back, drawing and all", function()
    local l, r = learner_of()
    assert.is_nil(l:undo())
    local values, version = values_of(r.net), r.version
    local list = wrong_ones(r, 2)
    l:correct(list[1][1], list[1][2])
    assert.is_true(r.version > version)
    local between = values_of(r.net)
    assert.is_false(same_values(r.net, values))
    local report = l:correct(list[2][1], list[2][2])
    version = r.version
    assert.equal(tostring(list[2][2]), l:undo())
    assert.is_true(r.version > version)
    assert.is_true(same_values(r.net, between))
    assert.is_nil(io.open(report.kept))
    assert.equal(1, #l.kept)
    assert.equal(tostring(list[1][2]), l:undo())
    assert.is_true(same_values(r.net, values))
    assert.equal(0, #l.kept)
    assert.is_nil(l:undo())
  end)

  it("of an unknown class, or without a drawing, says what to do", function()
    local l, r = learner_of()
    local values = values_of(r.net)
    local canvas = draw(signs.A, 1)
    assert.error_matches(function() l:correct(canvas, "A") end, 'no class "A"; it has 0, 1, .*teach%("A"%) adds it')
    assert.error_matches(function() l:correct(canvas, "A/B") end, "holds a slash")
    assert.error_matches(function() l:correct(canvas, 12) end, 'no class "12"')
    assert.error_matches(function() l:correct(canvases.new(), 1) end, "no ink on the canvas")
    assert.error_matches(function() l:correct("x", 1) end, "got a string")
    assert.error_matches(function() l:correct(nil, 1) end, "got a nil")
    assert.is_nil(io.open(folder))
    assert.is_true(same_values(r.net, values))
    assert.error_matches(function() learners.new(r, { folder = "x" }) end, "unknown argument 'folder'")
  end)

  it("that fails leaves the net as it was, and keeps the drawing", function()
    local l, r = learner_of()
    local pair = wrong_ones(r, 1)[1]
    for _, layer in ipairs(r.net:modules()) do layer.trainable = false end
    local values = values_of(r.net)
    assert.error_matches(function() l:correct(pair[1], pair[2]) end, "every layer of the net is frozen")
    assert.is_true(same_values(r.net, values))
    assert.equal(1, #l.kept:refresh())
    assert.is_nil(l:undo())
  end)

  it("that is interrupted leaves the net as it was, and keeps the drawing", function()
    local l, r = learner_of()
    local pair = wrong_ones(r, 1)[1]
    l:prepare()
    local values, original, calls = values_of(r.net), core.interrupt_poll, 0
    core.interrupt_poll = function()
      calls = calls + 1
      if calls < 8 then return end
      core.interrupt_poll = original
      error("interrupted", 0)
    end
    assert.error_matches(function() l:correct(pair[1], pair[2]) end, "interrupted$")
    assert.equal(8, calls)
    assert.is_true(same_values(r.net, values))
    assert.equal(1, #l.kept)
    assert.is_nil(l:undo())
    assert.is_true(l:correct(pair[1], pair[2]).learned)
  end)

  it("begins anew when somebody else has changed the weights", function()
    local l, r = learner_of()
    local list = wrong_ones(r, 2)
    l:correct(list[1][1], list[1][2])
    r.net:fit(data.drawn { n = 64, seed = 9 }, { loss = "sparse_categorical_crossentropy", verbose = 0 })
    local values = values_of(r.net)
    l:correct(list[2][1], list[2][2])
    l:undo()
    assert.is_true(same_values(r.net, values))
    assert.is_nil(l:undo()) -- the first one's weights are no more
  end)

  it("works on nets with Dropout and BatchNorm, whose moments stay; with logits; of flat inputs", function()
    peri.seed(5)
    local net = nn.Sequential { nn.Flatten {}, nn.Dense { 40 }, nn.BatchNorm {}, nn.Activation { "relu" }, nn.Dropout { 0.3 },
      nn.Dense { 10 } }
    net:build { 28, 28, 1 }
    net:fit(data.drawn { n = 1500, seed = 1 }, { epochs = 5, batch = 64, verbose = 0, seed = 4,
      loss = function(p, y) return nn.losses.sparse_categorical_crossentropy(p, y, { from_logits = true }) end })
    local l, r = learner_of(net)
    local moments = {}
    for _, weight in ipairs(net:named_weights()) do
      if weight.statistic then moments[#moments + 1] = { weight.tensor, weight.tensor:clone() } end
    end
    assert.equal(2, #moments)
    local pair = wrong_ones(r, 1)[1]
    local report = l:correct(pair[1], pair[2])
    assert.is_true(report.learned and report.steps > 0)
    assert.equal(tostring(pair[2]), says(r, pair[1]).label)
    for _, moment in ipairs(moments) do assert.is_true(moment[1]:equal(moment[2])) end

    local wide = nn.Sequential { nn.Dense { 10, activation = "softmax" } }:build { 784 }
    l, r = learner_of(wide)
    pair = wrong_ones(r, 1)[1]
    l:correct(pair[1], pair[2])
    assert.equal(tostring(pair[2]), says(r, pair[1]).label)
  end)
end)

describe("a class that is taught", function()
  it("is recognised, and the others stay", function()
    local l, r = learner_of()
    local held_out = data.drawn { n = 500, seed = 2 }
    local before = right_of(r, held_out)
    r.net.calibration = { temperature = 1.25, threshold = 0.5 }
    r:use(r.net)
    local net = r.net
    local report = l:teach("A", drawings("A", 1, 5))
    assert.is_true(report.learned)
    assert.equal(5, #report.paths)
    assert.is_false(rawequal(net, r.net))
    assert.same({ "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A" }, r.labels)
    assert.same(r.labels, r.net.classes)
    assert.same({ 1.25, 0.5 }, { r.temperature, r.threshold })
    assert.same({ 10 }, net.output_shape)
    local known = 0
    for _, canvas in ipairs(drawings("A", 100, 149)) do known = known + (r:predict(canvas).label == "A" and 1 or 0) end
    assert.is_true(known >= 45, known .. " of 50 new drawings")
    assert.is_true(right_of(r, held_out) >= before - 0.01, ("%g fell to %g"):format(before, right_of(r, held_out)))
    -- more of it
    local more = l:teach("A", draw(signs.A, 200))
    assert.equal(folder .. "/A/0006.png", more.kept)
    assert.equal(11, #r.labels)
    -- and corrections of it, like of any other
    assert.equal("A", l:correct(draw(signs.A, 201), "A").label)
  end)

  it("may be followed by others, and is taken back", function()
    local l, r = learner_of()
    local net, values = r.net, values_of(r.net)
    l:teach("+", drawings("+", 1, 4))
    l:teach("H", drawings("H", 1, 4))
    assert.equal(12, #r.labels)
    for name in pairs { H = 1, ["+"] = 1 } do
      local known = 0
      for _, canvas in ipairs(drawings(name, 50, 79)) do known = known + (r:predict(canvas).label == name and 1 or 0) end
      assert.is_true(known >= 27, ("%d of 30 new drawings of %s"):format(known, name))
    end
    assert.equal("H", l:undo())
    assert.equal(11, #r.labels)
    assert.equal("+", l:undo())
    assert.is_true(rawequal(net, r.net))
    assert.equal(10, #r.labels)
    assert.is_true(same_values(net, values))
    assert.equal(0, #l.kept)
    l:teach("W", drawings("W", 1, 2)) -- and again forward
    assert.equal("W", r.labels[11])
  end)

  it("is kept in files", function()
    local l, r = learner_of()
    l:teach("A", drawings("A", 1, 3))
    for _, ending in ipairs { ".h5", ".safetensors" } do
      local path = folder .. "-grown" .. ending
      r.net:save(path)
      local again = recognisers.load(path)
      os.remove(path)
      assert.same(r.labels, again.labels)
      local canvas = draw(signs.A, 60)
      local one, other = peri.tensor(r:predict(canvas).probabilities), peri.tensor(again:predict(canvas).probabilities)
      assert.is_true((one - other):abs():max():item() < 1e-5)
    end
  end)

  it("wants a name and drawings", function()
    local l = learner_of()
    assert.error_matches(function() l:teach("A/B", draw(signs.A, 1)) end, "holds a slash")
    assert.error_matches(function() l:teach("A", {}) end, "a canvas or a list of them")
    assert.error_matches(function() l:teach("A", { 1 }) end, "got a number")
    local many = {}
    for i = 1, 101 do many[i] = draw(signs.A, 1) end
    assert.error_matches(function() l:teach("A", many) end, "101 drawings at once")
    assert.is_nil(io.open(folder))
  end)

  it("needs a net that ends in a Dense; without one nothing changes", function()
    local net = nn.Sequential { nn.Conv2D { 10, kernel = 28 }, nn.Flatten {} }:build { 28, 28, 1 }
    local l, r = learner_of(net)
    assert.error_matches(function() l:teach("A", draw(signs.A, 1)) end, "must be a Dense.*ends in Flatten")
    assert.is_true(rawequal(net, r.net))
    assert.equal(10, #r.labels)
  end)
end)

describe("a grown net", function()
  local x = peri.rand(6, 28, 28, 1)

  -- The old classes' outputs over each other's: what growing may not change.
  local function ratios(net, count)
    local p = net:predict(x)[{ {}, { 1, count } }]
    return p / p:sum(2, true)
  end

  it("says the same of its old classes, wherever its last Dense is", function()
    for _, make in ipairs {
      function() return nn.Sequential { nn.Flatten {}, nn.Dense { 4, activation = "softmax" } } end,
      function() return nn.Sequential { nn.Flatten {}, nn.Dense { 4 }, nn.Activation { "softmax" } } end,
      function()
        return nn.Sequential { nn.Flatten {}, nn.Sequential { nn.Dense { 8, activation = "relu" }, nn.Dense { 4 } },
          nn.Activation { "softmax" } }
      end,
      function()
        return nn.Sequential { nn.Sequential { nn.Flatten {}, nn.Sequential { nn.Dense { 4, activation = "softmax", use_bias = true } } } }
      end,
    } do
      local net = make():build { 28, 28, 1 }
      local grown = grow.classes(net, { "x", "y" })
      assert.same({ 6 }, grown.output_shape)
      assert.same({ "0", "1", "2", "3", "x", "y" }, grown.classes)
      assert.is_true((ratios(grown, 4) - ratios(net, 4)):abs():max():item() < 1e-6)
      local new = grown:predict(x)[{ {}, { 5, 6 } }]:max():item()
      assert.is_true(new < 0.25, "a new class begins with " .. new)
      assert.same({ 4 }, net.output_shape)
    end
  end)

  it("grows without a bias too, and keeps what was frozen", function()
    local net = nn.Sequential { nn.Flatten {}, nn.Dense { 5, activation = "relu", trainable = false }, nn.Dense { 3, use_bias = false } }
    net:build { 28, 28, 1 }
    local grown = grow.classes(net, { "z" }, { classes = { "a", "b", "c" } })
    assert.same({ "a", "b", "c", "z" }, grown.classes)
    assert.is_false(grown[2].trainable)
    assert.equal(1, #grown:parameters())
  end)

  it("cannot hold Lua", function()
    local net = nn.Sequential { nn.Flatten {}, function(t) return t * 2 end, nn.Dense { 3 } }:build { 28, 28, 1 }
    assert.error_matches(function() grow.classes(net, { "x" }) end, "written in Lua")
  end)
end)

describe("the program", function()
  it("learns what is on its canvas", function()
    local p = programs.new { net = small_net(), drawings = folder }
    p:learner().mnist = NOWHERE
    p.canvas = draw(signs.H, 3)
    p:recognise()
    local report = p:correct(4)
    assert.equal("4", p.prediction.label)
    assert.matches("^learned this 4 in %d+%.%d+ s; MNIST is not here: rehearsed drawn digits", p.message)
    assert.equal(folder .. "/4/0001.png", report.kept)
    p:teach "H"
    assert.equal("H", p.prediction.label)
    assert.equal("H", p.recogniser.labels[11])
  end)
end)
