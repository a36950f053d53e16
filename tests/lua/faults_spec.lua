-- Memory that runs out: for every op's example, forward and backward, and for other typical work, allocation
-- 1, 2, 3, ... is made to fail until the work succeeds. Each failure must be a Lua error that says so, and
-- must leave no memory behind.
local peri = require "perilune"
local core = require "perilune.core"

local able = pcall(core.memory_fail_at, 0)

local function live()
  collectgarbage()
  collectgarbage()
  return (core.memory())
end

-- Runs `work` with one allocation failing, further along each time, until it gets through.
local function sweep(name, work)
  peri.seed(3)
  work() -- what is made once and kept (parsed signatures) is made now
  local before = live()
  for n = 1, 3000 do
    core.memory_fail_at(n)
    local ok, message = pcall(work)
    core.memory_fail_at(0)
    if not ok then
      assert(tostring(message):find "memory", ("%s: allocation %d failed, and the error is: %s"):format(name, n, message))
    end
    message = nil -- luacheck: ignore (what the work gave must not count)
    local after = live()
    assert(after == before, ("%s: allocation %d failed, and %d bytes stay behind"):format(name, n, after - before))
    if ok then return n end
  end
  error(name .. ": still failing after 3000 allocations")
end

local function double(make)
  return function(...) return make(...):double() end
end
local scope = setmetatable({
  constant = function(t) return t end,
  randn = double(peri.randn), rand = double(peri.rand), zeros = double(peri.zeros), ones = double(peri.ones),
}, { __index = peri })

-- The floating results of an op, weighted into one number.
local function total(...)
  local sum
  for _, y in ipairs { ... } do
    if y.requires_grad then sum = sum and sum + y:sum() or y:sum() end
  end
  return sum
end

local function require_grad(value)
  if peri.is_tensor(value) then
    if value.dtype == "float64" then value:require_grad() end
  elseif type(value) == "table" then
    for _, v in pairs(value) do require_grad(v) end
  end
end

describe("an allocation that fails", function()
  if not able then
    pending "needs a build with PERILUNE_FAULTS"
    return
  end

  for _, name in ipairs(core.ops()) do
    local info = core.describe(name)
    if info.example then
      it("in " .. name, function()
        for example in (info.example .. ";"):gmatch("%s*(.-)%s*;") do
          local arguments = assert(load("return " .. example, "=" .. example, "t", scope))
          sweep(name .. "(" .. example .. ")", function()
            local list = table.pack(arguments())
            if info.differentiable then require_grad(list) end
            local sum = total((core[name] or core.tensor_methods[name])(table.unpack(list, 1, list.n)))
            if sum then sum:backward() end
          end)
        end
      end)
    end
  end

  local snippets = {
    indexing = function()
      local t = peri.arange(24):reshape(2, 3, 4)
      local mask, at = t:gt(5), peri.tensor({ 2, 1 }, "int64")
      local _ = t[1] and t[{ 1, {}, { 1, -1, 2 } }] and t[mask] and t[at] and t[{ {}, at }]
      t[1] = 0
      t[{ {}, { 1, 2 } }] = 3
      t[mask] = 1
      t[at] = t
      t[{ {}, at }] = 7
    end,
    printing = function() return tostring(peri.randn(3, 4)) .. tostring(peri.zeros(100, 100)) end,
    construction = function()
      return peri.tensor { { 1, 2 }, { 3, 4 } }, peri.eye(3), peri.linspace(0, 1, 5), peri.randint(1, 6, 3), peri.randperm(5)
    end,
    einsum = function() return peri.einsum("bij,bjk->bik", peri.randn(2, 3, 4), peri.randn(2, 4, 2)) end,
    ["gradients of inner tensors"] = function()
      local x = peri.randn(3):require_grad()
      local y = x * 2
      return peri.grad((y * y):sum() + x:sum(), { x, y })
    end,
    ["an accumulated gradient"] = function()
      local x = peri.randn(3):require_grad()
      for _ = 1, 2 do (x * x + x):sum():backward() end
    end,
    ["scopes of an arena"] = function()
      local arena = peri.arena()
      for size = 2000, 3000, 500 do
        for _ = 1, 3 do
          local x <close> = peri.ones(size)
          local scope <close> = arena:scope(x) -- luacheck: ignore
          local twice <close> = x * 2
          local _ <close> = twice + 1
        end
      end
      arena:free()
    end,
    ["backward and step as one"] = function()
      local w, b = peri.randn(200, 4):require_grad(), peri.randn(4):require_grad()
      local opt = peri.optim.Adam { { w, b } }
      for _ = 1, 2 do opt:minimize((peri.dense(peri.randn(3, 200), w, b) ^ 2):sum()) end
    end,
    ["files in memory order"] = function()
      local path = os.tmpname()
      os.remove(path)
      path = path .. ".npz"
      peri.save(path, { a = peri.ones(2), b = peri.zeros(2, 2) })
      peri.load(path)
      os.remove(path)
    end,
  }
  for name, work in pairs(snippets) do
    it("in " .. name, function() sweep(name, work) end)
  end
end)
