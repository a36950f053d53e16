--- The other names under which NumPy and PyTorch know the same methods and functions.
-- @module perilune.tensor.names
local core = require "perilune.core"

local methods = core.tensor_methods
local added, functions = {}, {}

for other, ours in pairs { view = "reshape", mm = "matmul", bmm = "matmul", clip = "clamp", tolist = "totable",
  requires_grad_ = "require_grad", astype = "to", swapaxes = "transpose", absolute = "abs",
  power = "pow" } do
  added[other] = methods[ours]
end

for other, ours in pairs { concatenate = "cat", concat = "cat", mm = "matmul", manual_seed = "seed",
  clip = "clamp" } do
  functions[other] = core[ours] or methods[ours]
end

--- The sizes as a list, or the size of one axis: t:size(), t:size(1); also t.shape.
-- @param axis from 1, or from -1 at the end; without it, all
function added.size(t, axis)
  if axis == nil then return t.shape end
  local at = math.type(axis) == "integer" and (axis < 0 and t.ndim + 1 + axis or axis)
  if not at or at < 1 or at > t.ndim then
    error(("size: axis %s is out of range: there are %d axes"):format(tostring(axis), t.ndim), 2)
  end
  return t.shape[at]
end

--- The number of axes; also t.ndim.
function added.dim(t) return t.ndim end

return { methods = added, functions = functions }
