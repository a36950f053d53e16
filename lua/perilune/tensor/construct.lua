--- Tensors like others, and filling in place.
-- @module perilune.tensor.construct
local core = require "perilune.core"
local common = require "perilune.tensor.common"

local both, methods = {}, {}

local function like(name, make)
  return function(t, dtype)
    common.want_tensor(name, "t", t)
    return make(t.shape, dtype or t.dtype)
  end
end

--- Tensors of the shape and type of t (or of another type): zeros, ones, random numbers.
both.zeros_like = like("zeros_like", core.zeros)
both.ones_like = like("ones_like", core.ones)
both.rand_like = like("rand_like", core.rand)
both.randn_like = like("randn_like", core.randn)
--- The same, to be written into; its elements start as 0.
both.empty_like = like("empty_like", core.zeros)

--- A tensor like t with every element `value`.
function both.full_like(t, value, dtype)
  common.want_tensor("full_like", "t", t)
  return core.full(t.shape, value, dtype or t.dtype)
end

local function want_floating(name, t)
  if t.dtype ~= "float32" and t.dtype ~= "float64" then
    error(("%s: wants a tensor of float32 or float64, not %s"):format(name, t.dtype), 3)
  end
end

--- Fills t with numbers uniform in [low, high); returns t.
function methods.uniform_(t, low, high)
  low, high = low or 0, high or 1
  want_floating("uniform_", t)
  if low > high then error(("uniform_: %g to %g is no range"):format(low, high), 2) end
  return t:copy_(core.rand(t.shape, t.dtype) * (high - low) + low)
end

--- Fills t with normally distributed numbers; returns t.
function methods.normal_(t, mean, deviation)
  want_floating("normal_", t)
  deviation = deviation or 1
  if deviation < 0 then error(("normal_: the deviation must not be negative, got %g"):format(deviation), 2) end
  return t:copy_(core.randn(t.shape, t.dtype) * deviation + (mean or 0))
end

--- Forgets the gradient of a leaf; returns t.
function methods.zero_grad(t)
  t.grad = nil
  return t
end

--- A new tensor with f(x) for every element x, in row-major order. f is Lua: no gradient passes, and it is
-- for looking and trying, not for speed.
function methods.map(t, f)
  local flat = t:detach():reshape(-1):totable()
  for i = 1, #flat do
    local y = f(flat[i])
    if type(y) ~= "number" and type(y) ~= "boolean" then
      error(("map: the function gave %s for element %d, not a number"):format(type(y), i), 2)
    end
    flat[i] = y
  end
  return core.tensor(flat, t.dtype):reshape(t.shape)
end

--- map in place; returns t.
function methods.apply(t, f) return t:copy_(methods.map(t, f)) end

return { both = both, methods = methods }
