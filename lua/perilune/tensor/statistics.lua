--- Statistics and products made from ops, so that gradients pass wherever they exist.
-- @module perilune.tensor.statistics
local core = require "perilune.core"
local common = require "perilune.tensor.common"
local diagonal = require("perilune.tensor.shape").both.diagonal

local both = {}
local axis_of, want_tensor, arguments = common.axis, common.want_tensor, common.arguments

-- The number of elements that go into each result.
local function count_over(where, t, axes)
  if axes == nil then return t:numel() end
  local n = 1
  for _, axis in ipairs(type(axes) == "table" and axes or { axes }) do n = n * t.shape[axis_of(where, axis, t.ndim)] end
  return n
end

local function variance(where, t, axis, correction, keepdims)
  want_tensor(where, "t", t)
  local n = count_over(where, t, axis)
  local centred = t - t:mean(axis, true)
  return centred:square():sum(axis, keepdims or false) / math.max(0, n - (correction or 1))
end

--- The variance over one axis, several, or all: squared distances from the mean, over n - correction.
-- @param t          the tensor
-- @param axis       an axis, a list of axes, or nil for all
-- @param correction 1 (default, PyTorch's): an estimate from a sample; 0: NumPy's and Keras'
-- @param keepdims   leaves the axes with size 1
function both.var(t, ...)
  return variance("var", t, arguments("var", { "axis", "correction", "keepdims" }, ...))
end

--- The standard deviation: the square root of var, with the same arguments.
function both.std(t, ...)
  return variance("std", t, arguments("std", { "axis", "correction", "keepdims" }, ...)):sqrt()
end

--- log(sum(exp(t))) over one axis, several, or all, without overflow.
function both.logsumexp(t, ...)
  local axis, keepdims = arguments("logsumexp", { "axis", "keepdims" }, ...)
  want_tensor("logsumexp", "t", t)
  local top = t:detach():max(axis, true)
  top = core.where(top:abs():lt(math.huge), top, core.zeros({}, t.dtype)) -- infinities stand for themselves
  local sum = (t - top):exp():sum(axis, keepdims or false):log()
  return sum + (keepdims and top or top:reshape(sum.shape))
end

--- The norm over one axis, several, or all: (sum |t|^p)^(1/p); p may be math.huge (the largest), -math.huge
-- (the smallest), 0 (how many are not 0), and is 2 unless given.
function both.norm(t, ...)
  local p, axis, keepdims = arguments("norm", { "p", "axis", "keepdims" }, ...)
  want_tensor("norm", "t", t)
  p, keepdims = p or 2, keepdims or false
  if type(p) ~= "number" then error(("norm: 'p' wants a number, got %s"):format(tostring(p)), 2) end
  if p == 2 then return t:square():sum(axis, keepdims):sqrt() end
  local size = t:abs()
  if p == 1 then return size:sum(axis, keepdims) end
  if p == math.huge then return size:max(axis, keepdims) end
  if p == -math.huge then return size:min(axis, keepdims) end
  if p == 0 then return t:ne(0):sum(axis, keepdims):to(t.dtype) end
  return (size ^ p):sum(axis, keepdims) ^ (1 / p)
end

--- The sum of the products of two vectors.
function both.dot(a, b)
  want_tensor("dot", "a", a)
  want_tensor("dot", "b", b)
  if a.ndim ~= 1 or b.ndim ~= 1 or #a ~= #b then
    error(("dot: wants two vectors of one length, got shapes (%s) and (%s)"):format(
      table.concat(a.shape, ", "), table.concat(b.shape, ", ")), 2)
  end
  return (a * b):sum()
end

--- Every product of an element of vector a and one of vector b: a matrix.
function both.outer(a, b)
  want_tensor("outer", "a", a)
  want_tensor("outer", "b", b)
  if a.ndim ~= 1 or b.ndim ~= 1 then error(("outer: wants two vectors, got %d and %d dimensions"):format(a.ndim, b.ndim), 2) end
  return a:unsqueeze(2) * b
end

--- The sum of a matrix's diagonal.
function both.trace(t)
  want_tensor("trace", "t", t)
  if t.ndim ~= 2 then error(("trace: wants a matrix, got %d dimensions"):format(t.ndim), 2) end
  return diagonal(t):sum()
end

--- t between two bounds; either may be left out: t:clamp(0, 1), t:clamp{min = 0}.
function both.clamp(t, ...)
  local min, max = arguments("clamp", { "min", "max" }, ...)
  want_tensor("clamp", "t", t)
  if not min and not max then error("clamp: wants min, max or both", 2) end
  if min then t = common.is_tensor(min) and t:maximum(min) or t:clamp_min(min) end
  if max then t = common.is_tensor(max) and t:minimum(max) or t:clamp_max(max) end
  return t
end

--- From a (weight 0) to b (weight 1) along a straight line.
function both.lerp(a, b, weight)
  want_tensor("lerp", "a", a)
  return a + (b - a) * weight
end

--- The median: the middle element in order, the lower of two. Of all elements a scalar tensor; along an axis
-- the values and the positions (int64, from 1) they came from. NaN where there is one.
function both.median(t, ...)
  local axis, keepdims = arguments("median", { "axis", "keepdims" }, ...)
  want_tensor("median", "t", t)
  local line, at = t, axis and axis_of("median", axis, t.ndim) or 1
  if not axis then line = t:reshape(-1) end
  local n = line.shape[at] or 0
  if n == 0 then error(("median: shape (%s) has no elements"):format(table.concat(t.shape, ", ")), 2) end
  local values, positions = line:sort(at)
  local middle, last = values:slice(at, (n + 1) // 2, 1), values:slice(at, n, 1)
  local where = positions:slice(at, (n + 1) // 2, 1)
  if t.dtype == "float32" or t.dtype == "float64" then
    local broken = last:detach():ne(last:detach()) -- NaN sorts last
    middle = core.where(broken, last, middle)
    where = core.where(broken, positions:slice(at, n, 1), where)
  end
  if not axis then return middle:reshape {} end
  if keepdims then return middle, where end
  return middle:squeeze(at), where:squeeze(at)
end

--- The distinct elements in ascending order, and how often each occurs (int64).
function both.unique(t)
  want_tensor("unique", "t", t)
  local sorted = t:detach():reshape(-1):sort()
  local n = #sorted
  if n == 0 then return sorted, core.zeros(0, "int64") end
  local first = core.cat { core.ones(1, "uint8"), sorted:slice(1, n > 1 and 2 or 1, n - 1):ne(sorted:slice(1, 1, n - 1)) }
  local starts = first:nonzero():select(2, 1)
  local stops = core.cat { starts:slice(1, #starts > 1 and 2 or 1, #starts - 1), core.tensor({ n + 1 }, "int64") }
  return sorted:masked_select(first), stops - starts
end

--- The element that occurs most often (the smallest of equals), and how often, as numbers.
function both.mode(t)
  local values, counts = both.unique(t)
  if #values == 0 then error("mode: the tensor has no elements", 2) end
  local at = counts:argmax():item()
  return values[at], counts[at]
end

--- The covariance matrix of variables that are the rows of a matrix, observed in its columns.
-- @param t          a matrix, or a vector as one variable
-- @param correction 1 (default): an estimate from a sample; 0: of the whole population
function both.cov(t, ...)
  local correction = arguments("cov", { "correction" }, ...)
  want_tensor("cov", "t", t)
  if t.ndim > 2 then error(("cov: wants a matrix, got %d dimensions"):format(t.ndim), 2) end
  local rows = t.ndim == 2 and t or t:reshape(1, -1)
  local centred = rows - rows:mean(2, true)
  local result = centred:matmul(centred:transpose()) / math.max(0, rows.shape[2] - (correction or 1))
  return t.ndim == 2 and result or result:reshape {}
end

--- The matrix of correlations of variables that are the rows of a matrix.
function both.corrcoef(t)
  local c = both.cov(t)
  if c.ndim == 0 then return c / c end
  local deviation = diagonal(c):sqrt()
  return c / deviation:unsqueeze(2) / deviation
end

return { both = both }
