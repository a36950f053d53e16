--- The weights of a batch's samples, from weights of classes and weights of single samples.
-- @module perilune.train.sample_weights
local core = require "perilune.core"
local metrics = require "perilune.train.metrics"

local sample_weights = {}

local function check_list(list, count)
  if type(list) ~= "table" then list = list:totable() end
  if #list ~= count then
    error(("net:fit: sample_weights: one weight a sample is wanted, %d; got %d"):format(count, #list), 0)
  end
  return list
end

local function check_classes(weights)
  for class, weight in pairs(weights) do
    if math.type(class) ~= "integer" or type(weight) ~= "number" or weight < 0 then
      error(("net:fit: class_weights: a table from labels to weights is wanted, { [0] = 1, [1] = 2.5 }; got [%s] = %s")
        :format(tostring(class), tostring(weight)), 0)
    end
  end
end

--- A function (y, epoch, done, count) -> weights of one batch as a tensor, or nil: y are its targets, done the
-- samples that came before it in this epoch, count its size.
-- @param run with class_weights (label to weight; 1 where missing), sample_weights (a list or tensor in the
--   data set's order), data, seed, shuffle
function sample_weights.of(run)
  local classes, samples = run.class_weights, run.sample_weights
  if not classes and not samples then return function() end end
  if classes then check_classes(classes) end
  if samples then samples = check_list(samples, run.data.count) end
  local order, order_epoch
  return function(y, epoch, done, count)
    local weights = {}
    for i = 1, count do weights[i] = 1.0 end
    if classes then
      for i, class in ipairs(metrics.classes_of(y)) do weights[i] = classes[math.tointeger(class)] or 1.0 end
    end
    if samples then
      if run.shuffle and order_epoch ~= epoch then
        order, order_epoch = core.permutation(run.seed, epoch, run.data.count):totable(), epoch
      end
      for i = 1, count do weights[i] = weights[i] * samples[run.shuffle and order[done + i] or done + i] end
    end
    return core.tensor(weights)
  end
end

return sample_weights
