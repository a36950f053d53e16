--- Losses. Each takes (prediction, target [, options]) or one table {prediction, target, option = ...} and
-- gives one number as a tensor: the mean over the samples (with sample_weight: of weight times loss, as Keras
-- has it). Options of all: sample_weight (one number a sample), reduction ("mean", "sum" or "none").
-- @module perilune.nn.losses
local core = require "perilune.core"
local args = require "perilune.args"

local losses = {}

-- Probabilities are kept this far from 0 and 1 where only they are known (Keras' epsilon).
local EPSILON = 1e-7

local function shape_text(t) return "(" .. table.concat(t.shape, ", ") .. ")" end

-- One loss a sample -> one number: weighted, then averaged over all values.
local function reduce(values, o)
  local weight = o.sample_weight
  if weight then
    local shape = weight.shape
    for _ = #shape + 1, values.ndim do shape[#shape + 1] = 1 end
    values = values * weight:reshape(shape):to(values.dtype)
  end
  if o.reduction == "none" then return values end
  if o.reduction ~= "sum" and o.reduction ~= "mean" then
    error(('reduction is "mean", "sum" or "none", got "%s"'):format(o.reduction), 0)
  end
  return o.reduction == "sum" and values:sum() or values:mean()
end

-- Reads a loss's arguments in either form; `extra` are the options of this loss alone.
local function define(name, extra, compute)
  local spec = { positional = 2, { "prediction", "tensor", args.required }, { "target", "tensor", args.required },
    { "sample_weight", "tensor" }, { "reduction", "string", "mean" } }
  for _, row in ipairs(extra) do spec[#spec + 1] = row end
  losses[name] = function(prediction, target, options)
    local given = prediction
    if target ~= nil or type(prediction) == "userdata" then
      given = { prediction, target }
      for key, value in pairs(options or {}) do given[key] = value end
    end
    local o = args.named(name, given, spec)
    return reduce(compute(o.prediction, o.target, o, name), o)
  end
end

local function want_same_shape(name, prediction, target)
  if shape_text(prediction) ~= shape_text(target) then
    error(("%s: the target must have the prediction's shape %s, got %s"):format(
      name, shape_text(prediction), shape_text(target)), 0)
  end
  return target:to(prediction.dtype)
end

-- The mean over all axes but the first: one value a sample and place, as Keras averages the last axis.
local function mean_last(t) return t.ndim > 1 and t:mean(-1) or t end

-- What a softmax (or sigmoid) was made from, unless the person says that these are logits already.
local function logits_of(name, prediction, activation, from_logits)
  local logits = core.origin(prediction, activation)
  if from_logits then
    if logits then
      error(("%s: from_logits = true, but the net ends in %s: drop one of the two"):format(name, activation), 0)
    end
    return prediction
  end
  return logits
end

local function crossentropy(name, prediction, target, o)
  local logits = logits_of(name, prediction, "softmax", o.from_logits)
  local smoothing = o.label_smoothing or 0
  if logits then return core.cross_entropy(logits, target, smoothing) end
  -- only probabilities are known: made to sum to 1, kept off 0, as Keras does it
  local p = prediction / prediction:sum(-1, true)
  local log_p = p:clamp_min(EPSILON):clamp_max(1 - EPSILON):log()
  if target.dtype == "int64" then
    local shape = target.shape
    shape[#shape + 1] = 1
    return -log_p:gather(-1, (target + 1):reshape(shape)):squeeze(-1)
  end
  local classes = prediction.shape[prediction.ndim]
  return -((target * (1 - smoothing) + smoothing / classes) * log_p):sum(-1)
end

--- -log of the probability of the right class. Labels are whole numbers from 0, one a sample.
-- @param prediction probabilities (n, classes), or logits with from_logits = true; a net that ends in softmax is
--   differentiated through the logits
-- @param target     labels (n)
-- @param options    from_logits (false), sample_weight, reduction ("mean", "sum", "none")
define("sparse_categorical_crossentropy", { { "from_logits", "boolean", false } }, function(prediction, target, o, name)
  if target.ndim == prediction.ndim then
    if target.shape[target.ndim] ~= 1 then
      error(("%s: wants one label a sample, got a target of shape %s; for one-hot rows use categorical_crossentropy"):format(
        name, shape_text(target)), 0)
    end
    target = target:squeeze(-1)
  end
  if target.ndim ~= prediction.ndim - 1 then
    error(("%s: labels for predictions of shape %s must have one axis less, got %s"):format(
      name, shape_text(prediction), shape_text(target)), 0)
  end
  return crossentropy(name, prediction, target:to "int64", o)
end)

--- -sum of target times log of the probability. Targets are one-hot rows or probabilities.
-- @param prediction probabilities (n, classes), or logits with from_logits = true
-- @param target     rows (n, classes)
-- @param options    from_logits (false), label_smoothing (0), sample_weight, reduction ("mean", "sum", "none")
define("categorical_crossentropy", { { "from_logits", "boolean", false }, { "label_smoothing", "number", 0 } },
  function(prediction, target, o, name)
    if shape_text(target) ~= shape_text(prediction) then
      error(("%s: wants one-hot rows of shape %s, got a target of shape %s; for labels use "
        .. "sparse_categorical_crossentropy, or make rows of a data set's with :onehot()"):format(name,
        shape_text(prediction), shape_text(target)), 0)
    end
    return crossentropy(name, prediction, target:to(prediction.dtype), o)
  end)

--- -(t log p + (1 - t) log(1 - p)), averaged over the last axis.
-- @param prediction probabilities, or logits with from_logits = true
-- @param target     0 and 1, of the prediction's shape
-- @param options    from_logits (false), label_smoothing (0), sample_weight, reduction ("mean", "sum", "none")
define("binary_crossentropy", { { "from_logits", "boolean", false }, { "label_smoothing", "number", 0 } },
  function(prediction, target, o, name)
    target = want_same_shape(name, prediction, target)
    if o.label_smoothing > 0 then target = target * (1 - o.label_smoothing) + 0.5 * o.label_smoothing end
    local x = logits_of(name, prediction, "sigmoid", o.from_logits)
    -- max(x, 0) - x t + log(1 + e^-|x|) = softplus(x) - x t
    if x then return mean_last(x:softplus() - x * target) end
    local p = prediction:clamp_min(EPSILON):clamp_max(1 - EPSILON)
    return mean_last(-(target * p:log() + (1 - target) * (1 - p):log()))
  end)

--- The mean of the squared differences.
-- @param prediction a tensor
-- @param target     of the prediction's shape
-- @param options    sample_weight, reduction ("mean", "sum", "none")
define("mean_squared_error", {}, function(prediction, target, _, name)
  return mean_last((prediction - want_same_shape(name, prediction, target)):square())
end)

--- The mean of the absolute differences.
-- @param prediction a tensor
-- @param target     of the prediction's shape
-- @param options    sample_weight, reduction ("mean", "sum", "none")
define("mean_absolute_error", {}, function(prediction, target, _, name)
  return mean_last((prediction - want_same_shape(name, prediction, target)):abs())
end)

--- Squares of small differences, absolute values of large ones (beyond the option delta, 1):
-- 0.5 e^2 where |e| <= delta, else delta |e| - 0.5 delta^2 (Huber 1964): with a = min(|e|, delta), a (|e| - a / 2).
define("huber", { { "delta", "number", 1 } }, function(prediction, target, o, name)
  local e = (prediction - want_same_shape(name, prediction, target)):abs()
  local a = e:clamp_max(o.delta)
  return mean_last(a * (e - a * 0.5))
end)

--- The divergence of Kullback and Leibler:
-- sum of t log(t / p) over the last axis, both kept off 0.
define("kl_divergence", {}, function(prediction, target, _, name)
  local t = want_same_shape(name, prediction, target):clamp_min(EPSILON):clamp_max(1)
  local p = prediction:clamp_min(EPSILON):clamp_max(1)
  return (t * (t:log() - p:log())):sum(-1)
end)

-- The short names of the field.
losses.mse = losses.mean_squared_error
losses.mae = losses.mean_absolute_error
losses.kld = losses.kl_divergence
losses.bce = losses.binary_crossentropy
losses.crossentropy = losses.categorical_crossentropy

return losses
