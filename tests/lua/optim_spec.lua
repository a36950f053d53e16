-- Optimisers beyond their formulas (golden_optim_spec holds those): what they train, the learning rate's kinds,
-- clipping, averages, state, errors, memory.
local peri = require "perilune"
local optim = peri.optim

local function leaf(values, dtype)
  local t = peri.tensor(values, { dtype = dtype or "float64" })
  t.requires_grad = true
  return t
end

local function give(t, values) t.grad = peri.tensor(values, { dtype = t.dtype }) end

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return text
end

local every = { SGD = { momentum = 0.9, nesterov = true }, Adam = { amsgrad = true }, AdamW = {},
  RMSprop = { momentum = 0.5, centered = true }, Adagrad = {} }

local function make(name, list, more)
  local given = { list, lr = 0.1, ema = 0.5 }
  for key, value in pairs(every[name]) do given[key] = value end
  for key, value in pairs(more or {}) do given[key] = value end
  return optim[name](given)
end

describe("an optimiser", function()
  it("learns", function()
    for name in pairs(every) do
      for _, dtype in ipairs { "float32", "float64" } do
        local w = leaf({ 1, -2, 3 }, dtype)
        local opt = make(name, { w })
        local before = (w * w):sum():item()
        for _ = 1, 20 do
          local loss <close> = (w * w):sum()
          opt:zero_grad()
          loss:backward()
          opt:step()
        end
        assert.is_true((w * w):sum():item() < 0.95 * before, name)
        assert.equal(dtype, w.dtype)
        assert.equal(20, opt.steps)
      end
    end
  end)

  it("passes over what has no gradient, and starts its bias correction when it has one", function()
    local frozen, w = leaf { 1, 2 }, leaf { 1, 2 }
    local opt = optim.Adam { { frozen, w }, lr = 0.5, weight_decay = 0.1 }
    for _ = 1, 5 do
      give(w, { 1, 1 })
      opt:step()
    end
    assert.same({ 1, 2 }, frozen:totable())
    give(frozen, { 3, -3 })
    opt:step()
    local moved = frozen:totable() -- a first step of Adam is lr against the sign
    assert.near(0.5, moved[1], 1e-6)
    assert.near(2.5, moved[2], 1e-6)
  end)

  it("takes a tensor once however often it is listed", function()
    local w = leaf { 1 }
    local opt = optim.SGD { { w, w }, lr = 1 }
    assert.equal(1, #opt)
    give(w, { 0.25 })
    opt:step()
    assert.equal(0.75, w:item())
  end)

  it("clears gradients", function()
    local w = leaf { 1 }
    local opt = optim.SGD { { w } }
    give(w, { 1 })
    opt:zero_grad()
    assert.is_nil(w.grad)
    assert.matches("optimizer:step: none of its 1 tensors has a gradient", message(opt.step, opt))
    assert.equal(1, w:item())
  end)

  it("takes strided gradients for what they are", function()
    local w = leaf { { 1, 2 }, { 3, 4 } }
    local opt = optim.SGD { { w }, lr = 1 }
    w.grad = peri.tensor({ { 1, 2 }, { 3, 4 } }, { dtype = "float64" }).T
    opt:step()
    assert.same({ { 0, -1 }, { 1, 0 } }, w:totable())
  end)

  it("tells differentiation that a weight has changed", function()
    local w = leaf { 2 }
    local opt = optim.SGD { { w }, lr = 1 }
    local y = (w * w):sum()
    give(w, { 1 })
    opt:step()
    assert.matches("has been changed in place since", message(y.backward, y))
  end)

  it("is told its tensors by attach when it was made without", function()
    local w, thawed, other = leaf { 1 }, leaf { 2 }, leaf { 3 }
    local opt = optim.Adam {}
    assert.matches("none of its 0 tensors", message(opt.step, opt))
    opt:attach { w }
    opt:attach { w, thawed }
    assert.equal(2, #opt)
    assert.matches("trains 2 other tensors", message(opt.attach, opt, { other }))
    local chosen = optim.SGD { { w } }
    chosen:attach { w, thawed }
    assert.equal(1, #chosen)
  end)
end)

describe("an optimiser's errors", function()
  it("say what is wrong with an argument", function()
    local function of(name, given) return message(optim[name], given) end
    assert.matches("optim.Adam: unknown argument 'betta'; it takes parameters, lr, beta1",
      of("Adam", { betta = 0.9 }))
    assert.matches("optim.SGD: momentum must be at least 0 and below 1, got 1.5", of("SGD", { momentum = 1.5 }))
    assert.matches("optim.SGD: nesterov = true wants a momentum", of("SGD", { nesterov = true }))
    assert.matches("optim.SGD: clip_norm must be above 0", of("SGD", { clip_norm = 0 }))
    assert.matches("optim.SGD: give clip_value or clip_norm, not both", of("SGD", { clip_value = 1, clip_norm = 1 }))
    assert.matches("optim.Adam: epsilon must be 0 or more", of("Adam", { epsilon = -1 }))
    assert.matches("number of 0 or more", of("Adam", { lr = -1 }))
    assert.matches("learning rate: a number, a function", of("Adam", { lr = "fast" }))
    assert.matches("'parameters' wants table, got a tensor", of("Adam", { leaf { 1 } }))
    assert.matches("list of tensors is empty", of("Adam", { {} }))
    assert.matches("item 2 of the list wants a tensor, got number", of("Adam", { { leaf { 1 }, 3 } }))
    assert.matches("item 1 of the list: wants float32 or float64",
      of("Adam", { { peri.tensor({ 1 }, { dtype = "int64" }) } }))
    assert.matches("is the result of an op", of("Adam", { { leaf { 1 } * 2 } }))
    assert.matches("strided view", of("Adam", { { peri.zeros { 2, 3 }.T } }))
    local opt = optim.SGD {}
    assert.matches("no field 'momentum'", message(function() opt.momentum = 1 end))
  end)
end)

describe("the learning rate", function()
  local function rates(lr, count)
    local w, seen = leaf { 0 }, {}
    local opt = optim.SGD { { w }, lr = lr }
    opt:plan(4, 2, 0)
    for i = 1, count do
      give(w, { -1 })
      local before = w:item()
      opt:step()
      seen[i] = w:item() - before
      assert.near(opt.lr, seen[i], 1e-12)
      if i % 2 == 0 then opt:on_epoch { val_loss = 1 } end
    end
    return seen
  end

  it("is a number, a function, a coroutine or a schedule", function()
    assert.same({ 0.5, 0.5 }, rates(0.5, 2))
    local near = function(expected, got)
      for i, value in ipairs(expected) do assert.near(value, got[i], 1e-12) end
    end
    near({ 1, 0.75, 0.5, 0.25 }, rates(function(progress) return 1 - progress end, 4))
    near({ 1, 1, 2, 2 }, rates(function(_, _, epoch) return epoch end, 4))
    near({ 3, 2, 2, 2 }, rates(coroutine.create(function()
      coroutine.yield(3)
      coroutine.yield(2)
    end), 4))
    near({ 1, 0.5, 0.25, 0.125 }, rates(optim.schedules.exponential { 1, factor = 0.5, unit = "batch" }, 4))
    near({ 1, 1, 1, 1, 0.5 }, rates(optim.schedules.reduce_on_plateau { 1, factor = 0.5, patience = 1 }, 5))
  end)

  it("that fails changes nothing and says so", function()
    local w = leaf { 1 }
    for _, lr in ipairs { function() return 0 / 0 end, coroutine.create(function() end) } do
      local opt = optim.SGD { { w }, lr = lr }
      give(w, { 1 })
      assert.matches("learning rate", message(opt.step, opt))
      assert.equal(1, w:item())
      assert.equal(0, opt.steps)
    end
  end)

  it("can be changed on the way", function()
    local w = leaf { 1 }
    local opt = optim.SGD { { w }, lr = 1 }
    assert.equal(1, opt.lr)
    opt.lr = 0.25
    give(w, { 1 })
    opt:step()
    assert.equal(0.75, w:item())
    opt.lr = function(_, step) return step end
    opt:step()
    assert.equal(2, opt.lr)
    assert.matches("learning rate: a number", message(function() opt.lr = "slow" end))
  end)
end)

describe("clipping", function()
  local function step(given, gradients)
    local list = {}
    for i, gradient in ipairs(gradients) do
      list[i] = leaf { 0, 0 }
      give(list[i], gradient)
    end
    given[1], given.lr = list, 1
    optim.SGD(given):step()
    local moved = {}
    for i, w in ipairs(list) do
      moved[i] = (-w):totable()
      assert.same(gradients[i], w.grad:totable()) -- left as it was
    end
    return moved
  end

  it("is by value, by norm of each, or by norm of all", function()
    assert.same({ { 1, -1 }, { 0.5, 1 } }, step({ clip_value = 1 }, { { 3, -4 }, { 0.5, 1 } }))
    local moved = step({ clip_norm = 1 }, { { 3, -4 }, { 0.5, 0.25 } })
    assert.near(0.6, moved[1][1], 1e-12)
    assert.near(-0.8, moved[1][2], 1e-12)
    assert.same({ 0.5, 0.25 }, moved[2])
    moved = step({ global_clip_norm = 6.5 }, { { 3, -4 }, { 12, 0 } })
    assert.near(1.5, moved[1][1], 1e-12)
    assert.near(6, moved[2][1], 1e-12)
    assert.same({ { 3, -4 }, { 12, 0 } }, step({ global_clip_norm = 13 }, { { 3, -4 }, { 12, 0 } }))
  end)

  it("hides no NaN", function()
    local moved = step({ clip_norm = 1 }, { { 1 / 0, 1 } })
    assert.is_true(moved[1][1] ~= moved[1][1])
  end)
end)

describe("averaged weights", function()
  it("go into the net and out of it", function()
    local w, idle = leaf { 0 }, leaf { 7 }
    local opt = optim.SGD { { w, idle }, lr = 1, ema = 0.5 }
    assert.equal(0.5, opt.ema)
    for _, gradient in ipairs { -4, -4 } do
      give(w, { gradient })
      opt:step()
    end
    assert.equal(8, w:item())
    opt:swap_ema()
    assert.equal(6, w:item()) -- 0.5 * 4 + 0.5 * 8
    assert.equal(7, idle:item())
    assert.matches("swap_ema%(%) brings the trained ones back", message(opt.step, opt))
    assert.equal(2, opt.steps)
    opt:swap_ema()
    assert.equal(8, w:item())
    assert.is_nil(optim.SGD {}.ema)
    assert.matches("keeps no averaged weights", message(optim.SGD({}).swap_ema, optim.SGD {}))
  end)
end)

describe("state and restore", function()
  local function run(opt, w, from, to)
    for i = from, to do
      give(w, { math.sin(i), math.cos(3 * i), 1 / i })
      opt:step()
    end
  end

  it("go on bit for bit", function()
    for name in pairs(every) do
      for _, dtype in ipairs { "float32", "float64" } do
        local function fresh() return make(name, nil, { lr = function(_, step) return 0.1 / step end }) end
        local w, idle = leaf({ 1, 2, 3 }, dtype), leaf({ 1 }, dtype)
        local whole = fresh()
        whole:attach { w, idle }
        run(whole, w, 1, 3)
        local state, copy = whole:state(), leaf(w:totable(), dtype)
        run(whole, w, 4, 6)
        local again = fresh()
        again:attach { copy, leaf({ 1 }, dtype) }
        again:restore(state)
        run(again, copy, 4, 6)
        assert.same(w:totable(), copy:totable())
        assert.equal(whole.lr, again.lr)
        whole:swap_ema()
        again:swap_ema()
        assert.same(w:totable(), copy:totable())
        assert.is_true(again:state().plain.swapped)
      end
    end
  end)

  it("name what does not fit, and change nothing", function()
    local w = leaf { 1, 2, 3 }
    local opt = optim.Adam { { w } }
    run(opt, w, 1, 2)
    local function fails(pattern, change, other)
      local state = opt:state()
      change(state)
      other = other or opt
      local before = other:state()
      assert.matches(pattern, message(other.restore, other, state))
      assert.same(before.plain, other:state().plain)
    end
    local nothing = function() end
    fails("has no place for the state's '1/most'", function(s) s.tensors["1/most"] = s.tensors["1/m"] end)
    fails("no place for the state's '2/m'", function(s) s.tensors["2/m"] = s.tensors["1/m"] end)
    fails("its 'v' is missing", function(s) s.tensors["1/v"] = nil end)
    fails("its 'm' is float64 %(2,%)", function(s) s.tensors["1/m"] = peri.zeros({ 2 }, "float64") end)
    fails("the steps of tensor 1 are", function(s) s.plain.steps = { "two" } end)
    fails("wants a tensor, got number", function(s) s.tensors["1/m"] = 3 end)
    fails("state is of the rule adam, this is SGD", nothing, optim.SGD { { w } })
    fails("state is of 1 tensors, this optimizer has 0", nothing, optim.Adam {})
    assert.matches("wants what optimizer:state%(%) gave", message(opt.restore, opt, {}))
  end)

  it("is a copy", function()
    local w = leaf { 1, 2, 3 }
    local opt = optim.SGD { { w }, momentum = 0.5 }
    run(opt, w, 1, 1)
    local state = opt:state()
    local before = state.tensors["1/velocity"]:totable()
    run(opt, w, 2, 2)
    assert.same(before, state.tensors["1/velocity"]:totable())
  end)
end)

describe("memory", function()
  it("stays level over 10,000 steps, and is given back", function()
    collectgarbage()
    local empty = peri.memory()
    do
      local w, b = leaf(peri.randn({ 40, 30 }):totable(), "float32"), leaf({ 1, 2, 3 })
      local opt <close> = optim.Adam { { w, b }, clip_value = 1, ema = 0.9 }
      local g, h = peri.ones { 40, 30 }, peri.ones({ 3 }, "float64")
      local function steps(count)
        for _ = 1, count do
          w.grad, b.grad = g, h
          opt:step()
          opt:zero_grad()
        end
        collectgarbage()
        return (peri.memory())
      end
      local level = steps(100)
      assert.equal(level, steps(10000))
      w, b = nil, nil -- luacheck: ignore
    end
    collectgarbage()
    collectgarbage()
    assert.equal(empty, (peri.memory()))
  end)

  it("is not touched after free", function()
    local opt = optim.SGD { { leaf { 1 } } }
    opt:free()
    opt:free()
    assert.matches("has been freed", message(opt.step, opt))
  end)
end)

describe("the names of Keras and PyTorch", function()
  it("are taken for the same arguments", function()
    assert.equal(0.5, optim.Adam { learning_rate = 0.5, beta_1 = 0.8, eps = 1e-6 }.lr)
    assert.has_error(function() optim.Adam { lr = 1, learning_rate = 1 } end)
  end)
end)
