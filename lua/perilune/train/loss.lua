--- From what a person calls a loss to a function (prediction, target, weights) -> scalar tensor.
-- @module perilune.train.loss
local args = require "perilune.args"

local loss = {}

local function is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or (type(meta) == "table" and meta.__call ~= nil)
end

-- A loss of one's own with weights must give one value a sample; these are weighted and averaged.
local function weighted(f, prediction, target, weights)
  local values = f(prediction, target)
  if getmetatable(values) ~= getmetatable(prediction) then
    error(("net:fit: the function given as loss must give a tensor made of the prediction, it gave %s"):format(
      values == nil and "nil" or "a " .. type(values)), 0)
  end
  if weights == nil then
    if values:numel() > 1 then values = values:mean() end
    return values
  end
  if #values.shape == 0 or values.shape[1] ~= weights.shape[1] then
    error("net:fit: class_weights and sample_weights want a loss that gives one value a sample; this one's shape is ("
      .. table.concat(values.shape, ", ") .. ")", 0)
  end
  return (values * weights):mean()
end

--- Resolves a loss.
-- @param spec a name in nn.losses, a Lua function (prediction, target) -> tensor, or a loss object
-- @return a function (prediction, target, weights or nil) -> scalar tensor, and its name
function loss.of(spec)
  if type(spec) == "string" then
    local losses = require("perilune.nn").losses
    local f = losses[spec] or losses[args.snake(spec)]
    if not f then
      local names = {}
      for name in pairs(losses) do names[#names + 1] = name end
      table.sort(names)
      error(("net:fit: there is no loss '%s'; there are %s"):format(spec, table.concat(names, ", ")), 0)
    end
    return function(prediction, target, weights)
      if target == nil then
        error(("net:fit: the loss %s compares with labels, and this data set has none"):format(spec), 0)
      end
      if weights then return f { prediction, target, sample_weight = weights } end
      return f(prediction, target)
    end, spec
  elseif is_callable(spec) then
    return function(prediction, target, weights) return weighted(spec, prediction, target, weights) end, "loss"
  end
  error(("net:fit: loss: a name, a function (prediction, target) or a loss is wanted, got a %s"):format(type(spec)), 0)
end

return loss
