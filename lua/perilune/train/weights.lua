--- A net's weights as a list: taken aside and put back. Running statistics are among them.
-- @module perilune.train.weights
local core = require "perilune.core"
local recording = require "perilune.tensor.recording"

local weights = {}

--- The net's weights, in its own order; the tensors themselves.
function weights.of(net) return net:weights() end

--- A copy of every weight.
function weights.copy(net)
  return recording(false, function()
    local list = {}
    for i, tensor in ipairs(weights.of(net)) do list[i] = core.tensor(tensor) end
    return list
  end)
end

--- Writes values into the net's weights, in place.
-- @param values a list as weights.copy gives
-- @raise an error that says which weight does not fit
function weights.put(net, values)
  local list = weights.of(net)
  if #list ~= #values then
    error(("the net has %d weights, but there are %d values for them"):format(#list, #values), 0)
  end
  for i, tensor in ipairs(list) do
    local a, b = table.concat(tensor.shape, ", "), table.concat(values[i].shape, ", ")
    if a ~= b then error(("weight %d of the net has shape (%s), its value (%s)"):format(i, a, b), 0) end
  end
  recording(false, function()
    for i, tensor in ipairs(list) do tensor:copy_(values[i]) end
  end)
end

return weights
