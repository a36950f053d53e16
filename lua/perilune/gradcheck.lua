--- The gradient check: derivatives by the tape against central differences.
-- @module perilune.gradcheck
local core = require "perilune.core"

local gradcheck = {}

local function results_of(f, inputs, weights)
  local outputs = table.pack(f(table.unpack(inputs, 1, inputs.n)))
  local total
  for i = 1, outputs.n do
    local y = outputs[i]
    if type(y) == "userdata" and y.dtype == "float64" and (y.requires_grad or weights[i]) then
      weights[i] = weights[i] or core.randn(y.shape, "float64")
      local part = (y * weights[i]):sum()
      total = total and total + part or part
    end
  end
  return total
end

--- Checks the derivatives of a function at a point.
-- The outputs are weighted by fixed random numbers and summed, so that one pass checks them all.
-- @param f       a function of tensors that returns one tensor or more; it must give the same result
--                each time (seed what draws random numbers inside)
-- @param inputs  a list of arguments (with n); every float64 tensor that requires a gradient is checked
-- @param options eps (step, default 1e-5), tolerance (relative to 1 + |derivative|, default 1e-6)
-- @return true, or false and a message that names the input, the element and both values
function gradcheck.check(f, inputs, options)
  options = options or {}
  local eps, tolerance = options.eps or 1e-5, options.tolerance or 1e-6
  inputs.n = inputs.n or #inputs
  local weights = {}
  local total = results_of(f, inputs, weights)
  if not total then return false, "no output depends on an input that requires a gradient" end
  for i = 1, inputs.n do
    if type(inputs[i]) == "userdata" and inputs[i].requires_grad then inputs[i].grad = nil end
  end
  total:backward()
  local function value()
    local before = core.set_grad_enabled(false)
    local ok, result = pcall(function() return results_of(f, inputs, weights):item() end)
    core.set_grad_enabled(before)
    if not ok then error(result, 0) end
    return result
  end
  for i = 1, inputs.n do
    local x = inputs[i]
    if type(x) == "userdata" and x.requires_grad then
      local count = x:numel()
      local gradient = x.grad and x.grad:reshape(count):totable() or {}
      local point = x:detach()
      for e = 1, count do
        local at, rest = {}, e - 1
        for axis = point.ndim, 1, -1 do
          at[axis] = rest % point.shape[axis] + 1
          rest = rest // point.shape[axis]
        end
        local function set(v) if point.ndim == 0 then point:fill_(v) else point[at] = v end end
        local here = point.ndim == 0 and point:item() or point[at]
        set(here + eps)
        local above = value()
        set(here - eps)
        local below = value()
        set(here)
        local numeric, tape = (above - below) / (2 * eps), gradient[e] or 0
        if not (math.abs(numeric - tape) <= tolerance * (1 + math.abs(numeric))) then
          return false, ("input %d, element (%s): the tape says %.9g, differences say %.9g"):format(
            i, table.concat(at, ", "), tape, numeric)
        end
      end
    end
  end
  return true
end

return gradcheck
