-- Arenas: planned memory is what ordinary memory would have been, tensors may outlive it, errors unwind it; and a
-- training step in the steady state asks the system for nothing.
local peri = require "perilune"
local core = require "perilune.core"
local nn, optim, data = peri.nn, peri.optim, peri.data

local SIZE = 3000 -- floats: above the least that is planned

local function allocations() return (select(3, core.memory())) end
local function live()
  collectgarbage()
  collectgarbage()
  return (core.memory())
end

-- Work with temporaries whose lives overlap in part: 2 x + 1, squared, minus x.
local function work(x)
  local double <close> = x * 2
  local more <close> = double + 1
  double:free()
  local square <close> = more:square()
  return square - x
end

describe("an arena", function()
  it("gives the same results as ordinary memory, from less memory than the blocks' sum", function()
    local arena = peri.arena()
    for step = 1, 5 do
      local x = peri.rand(SIZE)
      local scope <close> = arena:scope(x)
      assert.is_truthy(scope)
      local y <close> = work(x)
      local z <close> = work(y)
      assert.near((2 * x[7] + 1) ^ 2 - x[7], y[7], 1e-4, step)
      assert.near((2 * y[7] + 1) ^ 2 - y[7], z[7], 1e-2, step)
    end
    local plans = arena:plans()
    assert.equal(1, #plans)
    assert.is_true(plans[1].blocks >= 6, tostring(arena))
    assert.is_true(plans[1].bytes < 0.5 * plans[1].sum, tostring(arena))
    local bytes = select(4, core.memory())
    assert.is_true(bytes >= plans[1].bytes)
    arena:free()
    assert.is_true(select(4, core.memory()) <= bytes - plans[1].bytes)
  end)

  it("keeps a tensor that outlives its scope, its step and the arena", function()
    local arena, kept, wanted = peri.arena(), {}, {}
    for step = 1, 12 do
      local x <close> = peri.full({ SIZE }, step)
      local scope <close> = arena:scope(x) -- luacheck: ignore
      local y = work(x)
      if step > 5 and step % 2 == 0 then -- it was freed in the scope when that was recorded
        kept[#kept + 1], wanted[#wanted + 1] = y, (2 * step + 1) ^ 2 - step
      else
        y:free()
      end
    end
    arena:free()
    for i, y in ipairs(kept) do
      assert.equal(wanted[i], y[1])
      assert.equal(wanted[i], y[SIZE])
    end
    kept = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal(0, (select(4, core.memory())))
  end)

  it("plans each shape for itself, and again when the work changes", function()
    local arena = peri.arena()
    local function step(size, extra)
      local x <close> = peri.full({ size }, 1)
      local scope <close> = arena:scope(x) -- luacheck: ignore
      local y <close> = work(x)
      local z <close> = extra and work(y)
      assert.equal(8, y[size])
      return z
    end
    for _ = 1, 3 do step(SIZE) step(2 * SIZE) end
    assert.equal(2, #arena:plans())
    local before = arena:plans()[1].blocks
    for _ = 1, 4 do step(SIZE, true) end
    local most = 0
    for _, plan in ipairs(arena:plans()) do most = math.max(most, plan.blocks) end
    assert.is_true(most > before)
    arena:free()
  end)

  it("is left in order by an error", function()
    local before, arena = live(), peri.arena()
    local function step(fail)
      local x <close> = peri.full({ SIZE }, 3)
      local scope <close> = arena:scope(x) -- luacheck: ignore
      local y <close> = work(x)
      if fail then error "halt" end
      return y[2]
    end
    for i = 1, 9 do -- 1, 4 and 7 fail
      local ok, value = pcall(step, i % 3 == 1)
      assert.equal(i % 3 ~= 1, ok)
      assert.is_true(not ok or value == 46)
    end
    assert.equal(1, #arena:plans())
    arena:free()
    arena = nil -- luacheck: ignore
    assert.equal(before, live())
  end)

  it("does nothing inside another's scope, and refuses to be used when freed", function()
    local outer, inner = peri.arena(), peri.arena()
    do
      local first <close> = outer:scope()
      local second <close> = inner:scope()
      assert.is_truthy(first)
      assert.is_nil(second)
    end
    local third <close> = inner:scope()
    assert.is_truthy(third)
    outer:free()
    assert.error_matches(function() outer:scope() end, "freed")
    assert.equal("arena (freed)", tostring(outer))
  end)
end)

describe("a training step in the steady state", function()
  local sanitized = (os.getenv "LD_PRELOAD" or ""):find "asan"

  -- System allocations after each epoch of a fit on batches of two sizes, the smaller at each epoch's end. On one
  -- thread: how many pieces of a job want scratch memory at the same time is chance on several.
  local function counted(net, count, batch, epochs, gradients)
    local x, y = peri.rand(count, 28, 28, 1), peri.randint(0, 9, { count })
    local at = {}
    net:fit(data.tensors(x, y), { epochs = epochs, batch = batch, verbose = 0, seed = 4, metrics = { "accuracy" },
      loss = "sparse_categorical_crossentropy", optimizer = optim.Adam { lr = 1e-3 },
      callbacks = { { gradients = gradients, on_epoch_end = function(_, epoch)
        collectgarbage() -- what a batch leaves to the collector (x and y) is then the same in every epoch
        at[#at + 1] = { epoch, allocations() }
      end } } })
    return at
  end

  for name, layers in pairs {
    ["the digit net"] = function()
      return nn.Sequential { nn.Conv2D { 8, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
        nn.Conv2D { 16, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 }, nn.Flatten {},
        nn.Dense { 32, activation = "relu" }, nn.Dense { 10, activation = "softmax" } }
    end,
    ["a net with batch-norm and dropout"] = function()
      return nn.Sequential { nn.Conv2D { 8, kernel = 3 }, nn.BatchNorm {}, nn.Activation { "relu" }, nn.MaxPool2D { 2 },
        nn.Flatten {}, nn.Dropout { 0.3 }, nn.Dense { 10, activation = "softmax" } }
    end,
  } do
    it("asks the system for no memory: " .. name, function()
      local threads = peri.threads()
      peri.threads(1)
      for _, gradients in ipairs { true, false } do
        local at = counted(layers(), 16 * 10 + 7, 16, 22, gradients)
        local first, last = at[12], at[#at]
        assert.is_table(first)
        if not sanitized then assert.equal(first[2], last[2]) end
        assert.is_true(first[2] > 0)
      end
      peri.threads(threads)
    end)
  end
end)
