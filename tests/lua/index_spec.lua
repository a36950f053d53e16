-- t[key] and t[key] = value against a naive model: nested Lua tables, and keys turned into lists of positions.
local peri = require "perilune"

-- The positions that a key of one axis of size n stands for, and whether the axis stays.
local function positions(key, n)
  local function at(i) return i < 0 and i + n + 1 or i end
  if math.type(key) == "integer" then return { at(key) }, false end
  local list = {}
  if peri.is_tensor(key) then
    for i, v in ipairs(key:totable()) do
      if key.dtype == "int64" then list[#list + 1] = at(v) elseif v ~= 0 then list[#list + 1] = i end
    end
    return list, true
  end
  local from, to = at(key[1] or 1), at(key[2] or key[1] or -1)
  for i = from, to, key[3] or 1 do list[#list + 1] = i end
  return list, true
end

local function naive_read(data, shape, keys, axis)
  axis = axis or 1
  if axis > #shape then return data end
  local list, stays = positions(keys[axis] or {}, shape[axis])
  local result = {}
  for i, p in ipairs(list) do result[i] = naive_read(data[p], shape, keys, axis + 1) end
  if not stays then return result[1] end
  return result
end

local function naive_write(data, shape, keys, value, axis)
  axis = axis or 1
  for _, p in ipairs((positions(keys[axis] or {}, shape[axis]))) do
    if axis == #shape then data[p] = value else naive_write(data[p], shape, keys, value, axis + 1) end
  end
end

local function long(list) return peri.tensor(list, "int64") end
local function mask(list) return peri.tensor(list, "uint8") end

local shape = { 3, 4, 5 }
local function counted() return peri.arange(60):reshape(shape) end

local key_lists = {
  { 2 }, { -1 }, { {} }, { { 2 } }, { { 1, 2 } }, { { -2, -1 } }, { { 1, -1, 2 } }, { { -1, 1, -1 } }, { { 3, 1, -2 } },
  { { 2, 1 } }, { {}, 3 }, { {}, -4 }, { {}, { 4, 1, -3 } }, { {}, {}, { 1, -1, 2 } }, { 1, 2, 3 }, { -1, -1, -1 },
  { 2, { 2, 3 }, { 5, 2, -1 } }, { { 1, 3, 2 }, {}, { 2 } }, { { 1 }, { 1 }, { 1 } }, { {}, { 3, 2 } },
  { long { 3, 1 } }, { {}, long { 4, -2, 1 } }, { 2, long { 1, 2, 3 } }, { 2, {}, long { 5, 1 } },
  { mask { 1, 0, 1 } }, { {}, mask { 0, 1, 1, 0 } }, { 1, { 2, -1 }, mask { 1, 0, 0, 0, 1 } }, { mask { 0, 0, 0 } },
  { { 3, 1, -1 }, 2, long { 2, 4 } },
}

local function name_of(keys)
  local words = {}
  for i, key in ipairs(keys) do
    words[i] = peri.is_tensor(key) and key.dtype .. "{" .. table.concat(key:totable(), ",") .. "}"
      or type(key) == "table" and "{" .. table.concat(key, ",") .. "}" or tostring(key)
  end
  return "{ " .. table.concat(words, ", ") .. " }"
end

-- Nested tables without the difference of 1 and 1.0; empty results compare by their count of elements.
local function same(actual, expected)
  if type(expected) ~= "table" then return actual == expected end
  if type(actual) ~= "table" or #actual ~= #expected then return false end
  for i = 1, #expected do
    if not same(actual[i], expected[i]) then return false end
  end
  return true
end

local function plain(x)
  if peri.is_tensor(x) then return x:totable() end
  return x
end

describe("reading", function()
  for _, keys in ipairs(key_lists) do
    it("t[" .. name_of(keys) .. "]", function()
      for _, t in ipairs { counted(), peri.arange(60):reshape(5, 4, 3):permute(3, 2, 1) } do
        assert.is_true(same(plain(t[keys]), naive_read(t:totable(), shape, keys)))
      end
    end)
  end

  it("by one position gives the row, of a vector the number", function()
    assert.same({ 3.0, 4.0 }, peri.tensor { { 1, 2 }, { 3, 4 } }[2]:totable())
    assert.equal(3.0, peri.tensor({ 1, 2, 3 })[3])
    assert.equal(3.0, peri.tensor({ 1, 2, 3 })[-1])
    assert.equal("integer", math.type(long({ 1, 2 })[1]))
  end)

  it("ends ipairs", function()
    local seen = {}
    for i, row in ipairs(peri.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }) do seen[i] = row:sum():item() end
    assert.same({ 3.0, 7.0, 11.0 }, seen)
  end)

  it("by a mask over all axes, or over the leading ones", function()
    local t = peri.tensor { { 1, 5 }, { 7, 2 } }
    assert.same({ 5.0, 7.0 }, t[t:gt(4)]:totable())
    assert.same({ { 7.0, 2.0 } }, t[mask { 0, 1 }]:totable())
    local u = counted()
    assert.same({ 5 }, u[u:sum(3):gt(200)].shape[2] and { u[u:sum(3):gt(200)].shape[2] })
  end)

  it("by positions that repeat", function()
    assert.same({ 3.0, 1.0, 3.0 }, peri.tensor({ 1, 2, 3 })[long { 3, 1, -1 }]:totable())
  end)

  it("is differentiable, repeats included", function()
    local t = peri.tensor({ 1, 2, 3 }):require_grad()
    t[long { 3, 1, 3 }]:sum():backward()
    assert.same({ 1.0, 0.0, 2.0 }, t.grad:totable())
    t.grad = nil
    t[2]:backward()
    assert.same({ 0.0, 1.0, 0.0 }, t.grad:totable())
  end)

  it("of a view reads through it", function()
    local t = counted()[{ {}, { 4, 1, -1 } }]
    assert.equal(16.0, t[{ 1, 1, 1 }])
    assert.same({ 11.0, 6.0 }, t[{ 1, { 2, 3 }, 1 }]:totable())
  end)
end)

describe("assignment", function()
  for _, keys in ipairs(key_lists) do
    it("t[" .. name_of(keys) .. "] = number", function()
      for _, t in ipairs { counted(), peri.zeros(5, 4, 3):permute(3, 2, 1):copy_(counted()) } do
        local model = t:totable()
        naive_write(model, shape, keys, -1.0)
        t[keys] = -1
        assert.is_true(same(t:totable(), model))
      end
    end)

    it("t[" .. name_of(keys) .. "] = tensor, as reading says", function()
      local t = counted()
      local there = t[keys]
      if not peri.is_tensor(there) then return end
      local value = peri.randn(there.shape)
      t[keys] = value
      assert.is_true(t[keys]:equal(value))
      local untouched, mark = counted(), peri.ones(shape)
      mark[keys] = 0
      assert.is_true((untouched * mark):equal(t * mark))
    end)
  end

  it("broadcasts the value", function()
    local t = peri.zeros(2, 3)
    t[{ {}, { 1, 2 } }] = peri.tensor { 5, 6 }
    assert.same({ { 5.0, 6.0, 0.0 }, { 5.0, 6.0, 0.0 } }, t:totable())
    t[{ {}, long { 3, 1 } }] = peri.tensor { { 1 }, { 2 } }
    assert.same({ { 1.0, 6.0, 1.0 }, { 2.0, 6.0, 2.0 } }, t:totable())
  end)

  it("through a mask and through positions alone", function()
    local t = peri.tensor { { 1, 5 }, { 7, 2 } }
    t[t:gt(4)] = 0
    assert.same({ { 1.0, 0.0 }, { 0.0, 2.0 } }, t:totable())
    t[mask { 0, 1 }] = peri.tensor { 8, 9 }
    assert.same({ { 1.0, 0.0 }, { 8.0, 9.0 } }, t:totable())
    t[long { 2, 1 }] = t
    assert.same({ { 8.0, 9.0 }, { 1.0, 0.0 } }, t:totable())
  end)

  it("of a part of the tensor to itself", function()
    local t = peri.arange(5)
    t[{ { 2, 5 } }] = t[{ { 1, 4 } }]
    assert.same({ 1.0, 1.0, 2.0, 3.0, 4.0 }, t:totable())
  end)

  it("converts nothing silently into integers", function()
    local t = long { 1, 2 }
    assert.error_matches(function() t[1] = 1.5 end, "1.5.*int64")
    t[1] = 4
    assert.same({ 4, 2 }, t:totable())
  end)

  it("is refused where a gradient is wanted", function()
    local t = peri.zeros(3):require_grad()
    assert.error_matches(function() t[1] = 1 end, "no_grad")
    peri.no_grad(function() t[1] = 1 end)
    assert.equal(1.0, t:detach()[1])
  end)
end)

describe("a wrong index", function()
  local t = counted()
  local wrong = {
    { "0", function() return t[0] end, "index 0 is out of range on axis 1 of size 3" },
    { "past the end", function() return t[5] end, "index 5 is out of range" },
    { "before the start", function() return t[-4] end, "index %-4 is out of range" },
    { "on another axis", function() return t[{ 1, 5 }] end, "index 5 is out of range on axis" },
    { "a range past the end", function() return t[{ { 1, 4 } }] end, "index 4 is out of range" },
    { "a step of 0", function() return t[{ { 1, 2, 0 } }] end, "step of a range must not be 0" },
    { "a range of four", function() return t[{ { 1, 2, 1, 1 } }] end, "{from, to, step}" },
    { "too many", function() return t[{ 1, 1, 1, 1 }] end, "4 indices for a tensor of 3 dimensions" },
    { "a float", function() return t[1.5] end, "indexed by an integer" },
    { "a boolean", function() return t[true] end, "not by boolean" },
    { "a word in a list", function() return t[{ "a" }] end, "not string" },
    { "positions of floats", function() return t[peri.tensor { 1, 2 }] end, "int64 positions" },
    { "a mask of a wrong size", function() return t[{ mask { 1, 0 } }] end, "mask of its size 3" },
    { "positions out of range", function() return t[long { 4 }] end, "position 4 is out of range" },
    { "a scalar", function() return peri.tensor(1)[1] end, "scalar" },
    { "a value too large", function() t[1] = peri.zeros(2) end, "does not fit into shape %(4, 5%)" },
    { "a value of more axes", function() t[{ 1, 1 }] = peri.zeros(2, 5) end, "does not fit into shape %(5,%)" },
    { "a value that is nil", function() t[1] = nil end, "wants a number or a tensor" },
    { "two tensors in an assignment", function() t[{ long { 1 }, long { 1 } }] = 1 end, "one mask or one tensor" },
    { "positions out of range, written", function() t[long { 9 }] = 1 end, "position 9 is out of range" },
  }
  for _, case in ipairs(wrong) do
    it("(" .. case[1] .. ") is told", function() assert.error_matches(case[2], case[3]) end)
  end

  it("writes nothing", function() assert.is_true(t:equal(counted())) end)
end)
