-- The rules of differentiation, one by one: what is recorded, what is freed, what raises.
local peri = require "perilune"
local core = require "perilune.core"

local function leaf(data) return peri.tensor(data, "float64"):require_grad() end
local function live()
  collectgarbage()
  collectgarbage()
  return (core.memory())
end

describe("versions", function()
  it("a saved argument that has changed raises and names the op", function()
    local x, w = leaf { 1, 2 }, peri.tensor({ 3, 4 }, "float64")
    local y = (x * w):sum()
    w:add_(1)
    assert.error_matches(function() y:backward() end, "'mul' needs its argument 'b'.*changed in place")
  end)

  it("a saved result that has changed raises and names the op", function()
    local x = leaf { 1, 2 }
    local y = x:exp()
    local z = y:sum()
    peri.no_grad(function() y:fill_(0) end)
    assert.error_matches(function() z:backward() end, "'exp' needs its result")
  end)

  it("a change through a view counts", function()
    local x, w = leaf { 1, 2 }, peri.tensor({ 3, 4 }, "float64")
    local y = (x * w):sum()
    w[{ { 1 } }] = 0
    assert.error_matches(function() y:backward() end, "changed in place")
  end)

  it("a change of what is not saved does not matter", function()
    local x, w = leaf { 1, 2 }, peri.tensor({ 3, 4 }, "float64")
    local y = (x + w):sum()
    w:fill_(0)
    y:backward()
    assert.same({ 1.0, 1.0 }, x.grad:totable())
  end)

  it("a leaf cannot be changed in place while recording, and can inside no_grad", function()
    local x = leaf { 1, 2 }
    for _, change in ipairs { "add_", "mul_", "fill_" } do
      assert.error_matches(function() x[change](x, 1) end, "no_grad")
    end
    assert.error_matches(function() x:zero_() end, "no_grad")
    peri.no_grad(function() x:sub_(1) end)
    assert.same({ 0.0, 1.0 }, x:detach():totable())
    assert.is_true(x.requires_grad)
  end)

  it("an addend that wants a gradient is refused in place", function()
    local x, t = leaf { 1, 2 }, peri.zeros(2, "float64")
    assert.error_matches(function() t:add_(x) end, "requires a gradient")
  end)
end)

describe("a freed handle", function()
  it("raises when used, while views of its storage live on", function()
    local t = peri.tensor { 1, 2, 3 }
    local view = t[{ { 2, 3 } }]
    t:free()
    assert.error_matches(function() return t:sum() end, "freed")
    assert.error_matches(function() return t[1] end, "freed")
    assert.error_matches(function() return t + 1 end, "freed")
    assert.equal("tensor (freed)", tostring(t))
    assert.same({ 2.0, 3.0 }, view:totable())
    t:free()
  end)

  it("is what <close> leaves", function()
    local outside
    do
      local t <close> = peri.tensor { 1 }
      outside = t
    end
    assert.error_matches(function() return outside:item() end, "freed")
  end)

  it("gives memory back at once", function()
    local before = live()
    local t = peri.zeros(1000, 1000)
    assert.is_true(core.memory() - before >= 4000000)
    t:free()
    assert.is_true(core.memory() - before < 1000)
  end)

  it("leaves the graph whole", function()
    local x = leaf { 1, 2 }
    local y = x * x
    local z = y:sum()
    y:free()
    z:backward()
    assert.same({ 2.0, 4.0 }, x.grad:totable())
  end)
end)

describe("backward", function()
  it("frees its tape, and says so the second time", function()
    local x = leaf { 1, 2 }
    local y = (x * x):sum()
    y:backward()
    assert.error_matches(function() y:backward() end, "freed.*keep = true")
  end)

  it("keeps its tape when told to, and leaves accumulate", function()
    local x = leaf { 1, 2 }
    local y = (x * x):sum()
    y:backward { keep = true }
    y:backward()
    assert.same({ 4.0, 8.0 }, x.grad:totable())
    x:zero_grad()
    assert.is_nil(x.grad)
  end)

  it("gives back what the tape held", function()
    local x = peri.randn(100, 100):require_grad()
    x.grad = peri.zeros(100, 100)
    local before = live()
    local y = ((x * x):exp() * x):sum()
    y:backward()
    y:free()
    assert.is_true(live() - before < 1000)
  end)

  it("walks a diamond once, whatever meets there", function()
    local x = leaf { 3 }
    local y = x * x
    local a, b = y * 2, y * 5
    local z = (a * b + y):sum() -- 10 x^4 + x^2
    z:backward()
    assert.same({ 40.0 * 27 + 6 }, x.grad:totable())
    local deep = leaf { 1 }
    local sum = deep
    for _ = 1, 40 do sum = sum + sum end -- 2^40 paths, 40 nodes
    sum:sum():backward()
    assert.same({ 2.0 ^ 40 }, deep.grad:totable())
  end)

  it("walks and frees chains of 100,000 ops without a deep stack", function()
    local x = leaf { 1 }
    local y = x
    for _ = 1, 100000 do y = y + 1 end
    y:sum():backward()
    assert.same({ 1.0 }, x.grad:totable())
    y = x
    for _ = 1, 100000 do y = y * 1 end
    y = nil -- luacheck: ignore
    live()
  end)

  it("wants one number, or the gradient to start from", function()
    local x = leaf { 1, 2 }
    assert.error_matches(function() (x * 2):backward() end, "not one number")
    assert.error_matches(function() (x * 2):backward(peri.ones(3, "float64")) end, "to start from must be")
    local y = x * 2
    y:backward(peri.tensor({ 1, 10 }, "float64"))
    assert.same({ 2.0, 20.0 }, x.grad:totable())
  end)

  it("says when nothing wants a gradient", function()
    assert.error_matches(function() peri.ones(1):sum():backward() end, "does not depend")
  end)

  it("gives a leaf a gradient of its own", function()
    local a, b = leaf { 1, 2 }, leaf { 3, 4 }
    local sum = (a + b):sum()
    sum:backward()
    a.grad:fill_(7)
    assert.same({ 1.0, 1.0 }, b.grad:totable())
  end)
end)

describe("recording", function()
  it("stops at detach and inside no_grad, also after an error", function()
    local x = leaf { 2 }
    assert.is_false((x:detach() * 2).requires_grad)
    assert.is_false(peri.no_grad(function() return x * 2 end).requires_grad)
    assert.error_matches(function() peri.no_grad(error, "oh") end, "oh")
    assert.is_true((x * 2).requires_grad)
    local y = x * x:detach()
    y:sum():backward()
    assert.same({ 2.0 }, x.grad:totable())
  end)

  it("is for floats, and leaves alone are told", function()
    assert.error_matches(function() peri.zeros(2, "int64"):require_grad() end, "only float32 and float64")
    local y = leaf { 1 } * 2
    assert.is_false(y.is_leaf)
    assert.error_matches(function() y.requires_grad = false end, "result of 'mul'")
    assert.error_matches(function() y.grad_fn = 1 end, "no field 'grad_fn'")
  end)

  it("passes through an op with several results", function()
    local x = leaf { 3, 1, 2 }
    local values, positions = x:sort()
    assert.is_false(positions.requires_grad)
    local sum = (values * peri.tensor({ 1, 10, 100 }, "float64")):sum()
    sum:backward()
    assert.same({ 100.0, 1.0, 10.0 }, x.grad:totable())
  end)
end)

describe("peri.grad", function()
  it("gives the derivatives of leaves and inner tensors, and touches no grad", function()
    local x = leaf { 1, 2 }
    local y = x * x
    local z = (y * y):sum()
    local dx, dy = peri.grad(z, { x, y })
    assert.same({ 4.0, 32.0 }, dx:totable())
    assert.same({ 2.0, 8.0 }, dy:totable())
    assert.is_nil(x.grad)
  end)

  it("is nil where there is no dependence", function()
    local x, other = leaf { 1 }, leaf { 1 }
    local dx, none = peri.grad((x * 3):sum(), { x, other })
    assert.same({ 3.0 }, dx:totable())
    assert.is_nil(none)
    assert.error_matches(function() peri.grad((x * 3):sum(), { peri.ones(1) }) end, "input 1 does not require")
  end)

  -- How often the backward of each op runs while f does.
  local function backwards(f)
    core.profile_start()
    f()
    local calls = {}
    for _, row in ipairs(core.profile_stop()) do
      if row.backward_calls > 0 then calls[row.name] = (calls[row.name] or 0) + row.backward_calls end
    end
    return calls
  end

  it("differentiates nothing but what leads to what was asked", function()
    local x, w = leaf { 1, 2, 3 }, leaf { 0.5, 0.25, 2 }
    local function f()
      local shared = x * 2
      return ((shared + w:exp():sin()) * shared:tanh()):sum()
    end
    f():backward()
    local y, z, dx, dw = f(), f()
    assert.same({ mul = 2, add = 1, sum = 1, tanh = 1 }, backwards(function() dx = peri.grad(y, { x }) end))
    assert.same({ mul = 1, add = 1, sum = 1, sin = 1, exp = 1 }, backwards(function() dw = peri.grad(z, { w }) end))
    assert.is_true(dx:equal(x.grad) and dw:equal(w.grad))
    local both, inner = f()
    local one, other = peri.grad(both, { x, w }, { keep = true })
    assert.is_true(one:equal(x.grad) and other:equal(w.grad))
    local h = x * 2
    y = (h * h):sum()
    assert.same({ mul = 1, sum = 1 }, backwards(function() inner = peri.grad(y, { h }) end))
    assert.same({ 4.0, 8.0, 12.0 }, inner:totable())
    assert.same({ 2.0, 2.0, 2.0 }, peri.grad(h:sum(), { x }):totable()) -- what lies below was not freed
  end)

  it("makes no gradient of an op's other arguments", function()
    local x, w = peri.randn(1, 1000):require_grad(), peri.randn(1000, 1000):require_grad()
    local function bytes_for(...) -- what was made and let go of waits to be used again
      local y, wanted = x:matmul(w):sum(), { ... }
      core.memory_trim()
      local _, before = core.memory()
      peri.grad(y, wanted)
      live()
      local _, after = core.memory()
      return after - before
    end
    assert.is_true(bytes_for(w) > 4e6)
    assert.is_true(bytes_for(x) < 1e6)
  end)
end)

describe("memory", function()
  it("stays bounded under 10,000 temporaries that nobody closes", function()
    local before, most = live(), 0
    local t = peri.randn(100, 100)
    for i = 1, 10000 do
      local _ = (t * 2 + 1):relu()
      if i % 100 == 0 then most = math.max(most, (core.memory()) - before) end
    end
    assert.is_true(most < 400e6, ("%d bytes at most"):format(most))
    assert.is_true(live() - before < 100000)
  end)

  it("stays bounded over recorded steps", function()
    local w = peri.randn(50, 50):require_grad()
    local before = live()
    for _ = 1, 500 do
      local loss = (w:matmul(w)):square():mean()
      loss:backward()
      w:zero_grad()
    end
    assert.is_true(live() - before < 50000)
  end)
end)
