-- Every row of ops.def that has a backward, at the examples of its descriptor: the tape against central
-- differences in float64, with dense inputs and with strided ones.
local peri = require "perilune"
local core = require "perilune.core"
local gradcheck = require "perilune.gradcheck"

-- The examples are written with peri's functions in scope, float64 as the type.
local function double(make)
  return function(...) return make(...):double() end
end
-- constant(t) marks an argument that no gradient goes to.
local constants = setmetatable({}, { __mode = "k" })
local scope = setmetatable({
  constant = function(t)
    constants[t] = true
    return t
  end,
  randn = double(peri.randn), rand = double(peri.rand), zeros = double(peri.zeros), ones = double(peri.ones),
}, { __index = peri })

-- The same elements with every second place of the last axis left out in memory.
local function strided(t)
  if t.ndim == 0 then return t end
  local shape = t.shape
  shape[#shape] = 2 * shape[#shape]
  local view = core.zeros(shape, t.dtype):slice(#shape, 1, t.shape[#shape], 2)
  return view:copy_(t)
end

local function arguments(example, layout)
  peri.seed(7)
  local list = table.pack(assert(load("return " .. example, "=" .. example, "t", scope))())
  local function prepare(value)
    if peri.is_tensor(value) and value.dtype == "float64" and not constants[value] then
      return layout(peri.tensor(value)):require_grad()
    elseif type(value) == "table" then
      for k, v in pairs(value) do value[k] = prepare(v) end
    end
    return value
  end
  for i = 1, list.n do list[i] = prepare(list[i]) end
  return list
end

-- Tensors inside lists count as inputs too.
local function flat_inputs(list)
  local inputs = { n = 0 }
  local function visit(value)
    if peri.is_tensor(value) then
      inputs.n = inputs.n + 1
      inputs[inputs.n] = value
    elseif type(value) == "table" then
      for _, v in ipairs(value) do visit(v) end
    end
  end
  for i = 1, list.n do visit(list[i]) end
  return inputs
end

describe("the gradient of", function()
  for _, name in ipairs(core.ops()) do
    local info = core.describe(name)
    if info.differentiable then
      it(name, function()
        assert.is_truthy(info.example, name .. " has no example")
        for example in (info.example .. ";"):gmatch("%s*(.-)%s*;") do
          for layout_name, layout in pairs { dense = function(t) return t end, strided = strided } do
            local list = arguments(example, layout)
            local inputs = flat_inputs(list)
            local ok, message = gradcheck.check(function()
              if info.random then peri.seed(11) end
              return (core[name] or core.tensor_methods[name])(table.unpack(list, 1, list.n))
            end, inputs)
            assert(ok, ("%s(%s), %s: %s"):format(name, example, layout_name, tostring(message)))
          end
        end
      end)
    end
  end
end)
