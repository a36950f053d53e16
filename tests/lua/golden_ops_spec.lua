-- Every tensor op against PyTorch's answers: values, and gradients where there are any.
local peri = require "perilune"
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local golden = dofile(here .. "/support/golden.lua")

--- The op's arguments by name, and the leaves among them as { name, golden gradient, tensor }.
local function arguments(case, dtype)
  local given, leaves = golden.config(case.config), {}
  local wanted = case.gradients or {}
  for name, value in pairs(case.inputs) do
    if golden.is_array(value) then
      given[name] = golden.tensor(value, dtype)
      if wanted[name] then
        given[name].requires_grad = true
        leaves[#leaves + 1] = { name, wanted[name], given[name] }
      end
    else
      given[name] = {}
      for i, array in ipairs(value) do
        local leaf = golden.leaf(array, dtype)
        given[name][i] = leaf
        leaves[#leaves + 1] = { name .. " " .. i, wanted[name][i], leaf }
      end
    end
  end
  return given, leaves
end

-- What is made of ops, in Lua, takes its arguments in this order.
local in_order = {
  stack = { "tensors", "axis" }, flip = { "x", "axis" }, tile = { "x", "repeats" }, pad = { "x", "widths", "value" },
  tril = { "x", "offset" }, triu = { "x", "offset" }, clamp = { "x", "min", "max" },
  var = { "x", "axis", "correction" }, std = { "x", "axis", "correction" }, logsumexp = { "x", "axis", "keepdims" },
}

local function call(op, given)
  if op == "einsum" then return peri.einsum(given.equation, table.unpack(given.tensors)) end
  if not in_order[op] then return peri[op](given) end
  local values = {}
  for i, name in ipairs(in_order[op]) do values[i] = given[name] end
  return peri[op](table.unpack(values, 1, #in_order[op]))
end

local function check(case, dtype)
  local given, leaves = arguments(case, dtype)
  local tolerance = golden.tolerance[dtype]
  local results = { call(case.op, given) }
  local expected = golden.is_array(case.output) and { case.output } or case.output
  for i, array in ipairs(expected) do golden.near(array, results[i], tolerance, "output " .. i) end
  if case.gradients then
    results[1]:backward(golden.tensor(case.grad_output, dtype))
    for _, leaf in ipairs(leaves) do
      local name, array, tensor = leaf[1], leaf[2], leaf[3]
      golden.near(array, tensor.grad or peri.zeros(array.shape, dtype), tolerance, "gradient of " .. name)
    end
  end
end

describe("golden op", function()
  for _, case in ipairs(golden.cases "ops") do
    for _, dtype in ipairs { "float64", "float32" } do
      it(("%s gives %s's answer in %s"):format(case.name, case.source, dtype), function() check(case, dtype) end)
    end
  end
end)
