--- Joining, cutting and rearranging tensors. All of it is made from ops, so gradients pass.
-- @module perilune.tensor.shape
local core = require "perilune.core"
local common = require "perilune.tensor.common"

local axis_of, want_tensor, want_integer = common.axis, common.want_tensor, common.want_integer
local both, methods, functions = {}, {}, {}

--- Joins tensors of one shape along a new axis.
-- @param list a list of tensors
-- @param axis where the new axis stands in the result (default 1)
function functions.stack(list, ...)
  if type(list) ~= "table" or #list == 0 then error("stack: wants a list of at least one tensor", 2) end
  local axis = common.arguments("stack", { "axis" }, ...) or 1
  want_tensor("stack", "tensors[1]", list[1])
  axis = axis_of("stack", axis, list[1].ndim + 1)
  local parts = {}
  for i, t in ipairs(list) do
    want_tensor("stack", ("tensors[%d]"):format(i), t)
    if table.concat(t.shape, ",") ~= table.concat(list[1].shape, ",") then
      error(("stack: tensor %d has shape (%s), the first (%s); they must agree"):format(
        i, table.concat(t.shape, ", "), table.concat(list[1].shape, ", ")), 2)
    end
    parts[i] = t:unsqueeze(axis)
  end
  return core.cat(parts, axis)
end

--- `length` places of an axis from place `start` on. A view.
function both.narrow(t, axis, start, length) return t:slice(axis, start, length) end

--- Cuts an axis into pieces of one size (the last may be shorter), or of the sizes in a list. Views.
-- @return a list of tensors
function both.split(t, size, axis)
  want_tensor("split", "t", t)
  axis = axis_of("split", axis or 1, t.ndim)
  local n, sizes = t.shape[axis], {}
  if type(size) == "table" then
    local total = 0
    for i, s in ipairs(size) do
      sizes[i] = want_integer("split", "size", s, 0)
      total = total + s
    end
    if total ~= n then error(("split: the sizes sum to %d, but axis %d has %d"):format(total, axis, n), 2) end
  else
    size = want_integer("split", "size", size, 1)
    for start = 1, n, size do sizes[#sizes + 1] = math.min(size, n - start + 1) end
  end
  local parts, start = {}, 1
  for i, s in ipairs(sizes) do
    parts[i] = t:slice(axis, start, s)
    start = start + s
  end
  return parts
end

--- Cuts an axis into `count` pieces of (nearly) one size: fewer when the axis is too short. Views.
-- @return a list of tensors
function both.chunk(t, count, axis)
  want_tensor("chunk", "t", t)
  count = want_integer("chunk", "count", count, 1)
  axis = axis_of("chunk", axis or 1, t.ndim)
  return both.split(t, math.max(1, (t.shape[axis] + count - 1) // count), axis)
end

--- Every place of an axis as a tensor without that axis. Views.
-- @return a list of tensors
function both.unbind(t, axis)
  want_tensor("unbind", "t", t)
  axis = axis_of("unbind", axis or 1, t.ndim)
  local parts = {}
  for i = 1, t.shape[axis] do parts[i] = t:select(axis, i) end
  return parts
end

--- The order of the places of one axis, or of several in a list, turned round. A view.
function both.flip(t, axes)
  want_tensor("flip", "t", t)
  if type(axes) ~= "table" then axes = { axes or 1 } end
  for _, axis in ipairs(axes) do
    axis = axis_of("flip", axis, t.ndim)
    if t.shape[axis] > 0 then t = t:slice(axis, -1, t.shape[axis], -1) end
  end
  return t
end

--- Moves the places of an axis by `shift`; what leaves at the end comes back at the front. Without an axis
-- the tensor is rolled as one line.
function both.roll(t, shift, axis)
  want_tensor("roll", "t", t)
  shift = want_integer("roll", "shift", shift)
  if not axis then return both.roll(t:reshape(-1), shift, 1):reshape(t.shape) end
  axis = axis_of("roll", axis, t.ndim)
  local n = t.shape[axis]
  if n == 0 then return t end
  shift = shift % n
  if shift == 0 then return t end
  return core.cat({ t:slice(axis, n - shift + 1, shift), t:slice(axis, 1, n - shift) }, axis)
end

--- The tensor repeated along each axis: t:tile(2, 3), or a list. Missing counts at the front are 1.
function both.tile(t, ...)
  want_tensor("tile", "t", t)
  local counts = type(...) == "table" and { table.unpack((...)) } or { ... }
  while #counts < t.ndim do table.insert(counts, 1, 1) end
  if #counts > t.ndim then
    local shape = t.shape
    for _ = 1, #counts - t.ndim do table.insert(shape, 1, 1) end
    t = t:reshape(shape)
  end
  for axis, count in ipairs(counts) do
    count = want_integer("tile", "counts", count, 0)
    local copies = {}
    for i = 1, count do copies[i] = t end
    if count == 0 then t = t:slice(axis, 1, 0) elseif count > 1 then t = core.cat(copies, axis) end
  end
  return t
end

--- Each place of an axis `count` times in a row; without an axis, of the tensor as one line.
function both.repeat_interleave(t, count, axis)
  want_tensor("repeat_interleave", "t", t)
  count = want_integer("repeat_interleave", "count", count, 0)
  if not axis then t, axis = t:reshape(-1), 1 end
  axis = axis_of("repeat_interleave", axis, t.ndim)
  local shape = t.shape
  local wide = t:unsqueeze(axis + 1).shape
  wide[axis + 1] = count
  shape[axis] = shape[axis] * count
  return t:unsqueeze(axis + 1):expand(wide):reshape(shape)
end

--- A matrix turned over (rows become columns); a vector or a scalar stays. A view.
function both.t(t)
  want_tensor("t", "t", t)
  if t.ndim > 2 then error(("t: wants at most 2 dimensions, got %d; use transpose or permute"):format(t.ndim), 2) end
  return t.ndim == 2 and t:transpose() or t
end

--- Every matrix of a stack turned over: the last two axes swapped. A view.
function both.mT(t) return t:transpose(-2, -1) end

--- t in the shape of u; reshape and expand like another tensor.
function methods.view_as(t, u) return t:reshape(u.shape) end
methods.reshape_as = methods.view_as
function methods.expand_as(t, u) return t:expand(u.shape) end
--- reshape, as PyTorch calls it.
function methods.view(t, ...) return t:reshape(...) end

--- Moves an axis to another place; the others keep their order. A view.
function both.movedim(t, from, to)
  want_tensor("movedim", "t", t)
  from, to = axis_of("movedim", from, t.ndim), axis_of("movedim", to, t.ndim)
  local order = {}
  for i = 1, t.ndim do
    if i ~= from then order[#order + 1] = i end
  end
  table.insert(order, to, from)
  return t:permute(order)
end

--- The diagonal of two axes (the last two), `offset` above the main one (below when negative), as a new last axis.
function both.diagonal(t, offset, axis1, axis2)
  want_tensor("diagonal", "t", t)
  if t.ndim < 2 then error("diagonal: wants at least 2 dimensions", 2) end
  offset = offset or 0
  axis1, axis2 = axis_of("diagonal", axis1 or -2, t.ndim), axis_of("diagonal", axis2 or -1, t.ndim)
  if axis1 == axis2 then error("diagonal: the two axes must differ", 2) end
  local order = {}
  for i = 1, t.ndim do
    if i ~= axis1 and i ~= axis2 then order[#order + 1] = i end
  end
  order[#order + 1], order[#order + 2] = axis1, axis2
  t = t:permute(order)
  local rows, columns = t.shape[t.ndim - 1], t.shape[t.ndim]
  local first = offset < 0 and -offset * columns or offset
  local length = math.max(0, math.min(rows + math.min(offset, 0), columns - math.max(offset, 0)))
  local shape = t.shape
  shape[#shape] = nil
  shape[#shape] = rows * columns
  return t:reshape(shape):slice(-1, length > 0 and first + 1 or 1, length, columns + 1)
end

--- A vector as the diagonal of a square matrix; of a matrix, its diagonal.
function both.diag(t, offset)
  want_tensor("diag", "t", t)
  offset = offset or 0
  if t.ndim == 2 then return both.diagonal(t, offset) end
  if t.ndim ~= 1 then error(("diag: wants a vector or a matrix, got %d dimensions"):format(t.ndim), 2) end
  local n = #t + math.abs(offset)
  local places = core.arange(1, #t, "int64")
  local at = (places + (math.max(-offset, 0) - 1)) * n + places + math.max(offset, 0)
  return core.zeros(n * n, t.dtype):scatter_add(1, at, t):reshape(n, n)
end

-- A mask of the elements on and below diagonal `offset` of t's last two axes.
local function below(t, offset)
  local rows, columns = t.shape[t.ndim - 1], t.shape[t.ndim]
  return core.le(core.arange(1, columns, "int64"), core.arange(1, rows, "int64"):unsqueeze(2) + offset)
end

--- The lower triangle: elements above diagonal `offset` of the last two axes become 0.
function both.tril(t, offset)
  want_tensor("tril", "t", t)
  if t.ndim < 2 then error("tril: wants at least 2 dimensions", 2) end
  return core.where(below(t, offset or 0), t, core.zeros({}, t.dtype))
end

--- The upper triangle: elements below diagonal `offset` of the last two axes become 0.
function both.triu(t, offset)
  want_tensor("triu", "t", t)
  if t.ndim < 2 then error("triu: wants at least 2 dimensions", 2) end
  return core.where(below(t, (offset or 0) - 1), core.zeros({}, t.dtype), t)
end

--- Adds elements around a tensor.
-- @param t       the tensor
-- @param widths  how many before and after, pair by pair from the last axis backwards, as PyTorch counts
--   them: {left, right, top, bottom, ...}
-- @param value   what to add (default 0)
function both.pad(t, widths, value)
  want_tensor("pad", "t", t)
  if type(widths) ~= "table" or #widths % 2 ~= 0 or #widths > 2 * t.ndim then
    error(("pad: 'widths' wants pairs {before, after, ...} from the last axis on, at most %d numbers"):format(2 * t.ndim), 2)
  end
  for i = 1, #widths, 2 do
    local axis, parts = t.ndim - i // 2, { t }
    for side = 0, 1 do
      local width = want_integer("pad", "widths", widths[i + side], 0)
      if width > 0 then
        local shape = t.shape
        shape[axis] = width
        table.insert(parts, side == 0 and 1 or #parts + 1, core.full(shape, value or 0, t.dtype))
      end
    end
    if #parts > 1 then t = core.cat(parts, axis) end
  end
  return t
end

--- The differences of neighbours along an axis, `n` times over.
function both.diff(t, n, axis)
  want_tensor("diff", "t", t)
  axis = axis_of("diff", axis or -1, t.ndim)
  for _ = 1, want_integer("diff", "n", n or 1, 0) do
    local length = t.shape[axis]
    if length == 0 then break end
    t = t:slice(axis, length > 1 and 2 or 1, length - 1) - t:slice(axis, 1, length - 1)
  end
  return t
end

--- Grids of coordinates from vectors: result k varies along axis k ("ij", PyTorch's and matrices' order).
-- @param ... vectors, or one list of them
-- @return as many tensors of the common shape
function functions.meshgrid(...)
  local vectors = type(...) == "table" and (...) or { ... }
  local shape, grids = {}, {}
  for i, v in ipairs(vectors) do
    want_tensor("meshgrid", "vectors[" .. i .. "]", v)
    if v.ndim > 1 then error(("meshgrid: argument %d wants a vector, got %d dimensions"):format(i, v.ndim), 2) end
    shape[i] = v:numel()
  end
  for i, v in ipairs(vectors) do
    local own = {}
    for k = 1, #shape do own[k] = k == i and shape[i] or 1 end
    grids[i] = v:reshape(own):expand(shape)
  end
  return table.unpack(grids)
end

return { both = both, methods = methods, functions = functions }
