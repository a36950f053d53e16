--- Masks: tests of elements, and logic on masks (uint8, 0 or 1).
-- @module perilune.tensor.logic
local core = require "perilune.core"
local common = require "perilune.tensor.common"

local both = {}
local want_tensor = common.want_tensor

local function floating(t) return t.dtype == "float32" or t.dtype == "float64" end
local function constant(t, value) return core.full(t.shape, value, "uint8") end

--- A mask of the elements that are NaN.
function both.isnan(t)
  want_tensor("isnan", "t", t)
  return floating(t) and t:ne(t) or constant(t, 0)
end

--- A mask of the elements that are plus or minus infinity.
function both.isinf(t)
  want_tensor("isinf", "t", t)
  return floating(t) and t:detach():abs():eq(math.huge) or constant(t, 0)
end

--- A mask of the elements that are numbers: neither NaN nor infinite.
function both.isfinite(t)
  want_tensor("isfinite", "t", t)
  return floating(t) and t:detach():abs():lt(math.huge) or constant(t, 1)
end

-- NaN counts as true, as everywhere.
local function truth(where, name, t)
  want_tensor(where, name, t)
  return t:ne(0)
end

--- Logic on masks; elements that are not 0 count as true. Shapes are broadcast.
function both.logical_and(a, b) return truth("logical_and", "a", a) * truth("logical_and", "b", b) end
function both.logical_or(a, b) return truth("logical_or", "a", a):maximum(truth("logical_or", "b", b)) end
function both.logical_xor(a, b) return truth("logical_xor", "a", a):ne(truth("logical_xor", "b", b)) end
function both.logical_not(a) return want_tensor("logical_not", "a", a):eq(0) end

--- 1 where all (any) elements over one axis, several, or all are not 0: a mask; all() of nothing is 1.
function both.all(t, ...)
  return truth("all", "t", t):eq(0):sum(...):eq(0)
end
function both.any(t, ...)
  return truth("any", "t", t):sum(...):ne(0)
end

--- How many elements over one axis, several, or all are not 0 (int64).
function both.count_nonzero(t, ...)
  return truth("count_nonzero", "t", t):sum(...)
end

--- A mask of the elements of a and b that are as good as equal: |a - b| <= atol + rtol |b|.
function both.isclose(a, b, ...)
  local rtol, atol, equal_nan = common.arguments("isclose", { "rtol", "atol", "equal_nan" }, ...)
  want_tensor("isclose", "a", a)
  want_tensor("isclose", "b", b)
  a, b = a:detach(), b:detach()
  if not floating(a) then a, b = a:double(), b:double() end
  local near = (a - b):abs():le(b:abs() * (rtol or 1e-5) + (atol or 1e-8))
  near = both.logical_or(a:eq(b), both.logical_and(near, both.isfinite(b)))
  if equal_nan then near = both.logical_or(near, both.logical_and(both.isnan(a), both.isnan(b))) end
  return near
end

--- true when a and b are as good as equal everywhere (see isclose).
function both.allclose(a, b, ...)
  return both.all(both.isclose(a, b, ...)):item() == 1
end

return { both = both }
