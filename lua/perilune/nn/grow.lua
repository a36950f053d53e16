--- A net with more classes: the same layers and weights, and more units in the last Dense.
--
-- What the net says of its old classes stays nearly as it was: a new unit starts as the mean of the old ones with a low
-- bias, so that a new class begins as an unlikely one.
-- @module perilune.nn.grow
local core = require "perilune.core"
local recording = require "perilune.tensor.recording"
local storage = require "perilune.nn.storage"

local grow = {}

local HANDICAP = 3 -- how far a new unit's bias lies below the mean of the old ones: e^-3 of an ordinary class

-- Layers that may follow the last Dense: they give a number a class as they get one.
local passing = { Activation = true, Softmax = true, ReLU = true, Dropout = true }

-- The description of the last Dense: walks into containers that are one chain.
local function last_dense(layers, path)
  for i = #layers, 1, -1 do
    local entry = layers[i]
    if entry.class_name == "Dense" then return entry, path end
    if entry.class_name == "Sequential" then
      return last_dense(entry.config.layers, path .. entry.config.name .. "/")
    end
    if not passing[entry.class_name] then return nil, nil, entry.class_name end
  end
end

-- A weight with more columns: the mean of the old ones, lowered by `less`.
local function widened(tensor, more, less)
  local shape = tensor.shape
  local axis = #shape
  local column = tensor:mean(axis, true) - less
  local columns = { tensor }
  for i = 1, more do columns[i + 1] = column end
  return core.cat(columns, axis)
end

-- The top layer of a description that a Dense inside it belongs to, and the beginning of its weights' names there.
local function owner_of(model, dense, path)
  local first = path:match "^([^/]+)/"
  if not first then return dense, "" end
  for _, entry in ipairs(model.layers) do
    if entry.name == first then return entry, path:sub(#first + 2) .. dense.config.name .. "/" end
  end
end

local function widen(model, more)
  local dense, path, in_the_way = last_dense(model.layers, "")
  if not dense then
    error(("grow: the net's last layer with weights must be a Dense, so that it can get a unit more; %s"):format(
      in_the_way and "it ends in " .. in_the_way or "it has none"), 0)
  end
  local owner, prefix = owner_of(model, dense, path)
  dense.config.units = dense.config.units + more
  for _, weight in ipairs(owner.weights) do
    if weight.name == prefix .. "kernel" then weight.tensor = widened(weight.tensor, more, 0) end
    if weight.name == prefix .. "bias" then weight.tensor = widened(weight.tensor, more, HANDICAP) end
  end
end

--- A new net with more classes; the old one stays as it is.
-- @param net   a built Sequential that ends in a Dense, and perhaps in a softmax behind it
-- @param names of the new classes, a list
-- @param old   names of the classes that there are (default: net.classes, or the digits from 0)
-- @return a net with the same layers, weights and calibration, its classes named
-- @raise an error for a net that ends otherwise, or that holds layers written in Lua
function grow.classes(net, names, old)
  local count = net.output_shape[1]
  local classes = {}
  for i = 1, count do classes[i] = tostring(old and old[i] or net.classes and net.classes[i] or i - 1) end
  return recording(false, function()
    local model = storage.describe(net)
    widen(model, #names)
    model.classes = table.move(names, 1, #names, count + 1, classes)
    return storage.make(model)
  end)
end

return grow
