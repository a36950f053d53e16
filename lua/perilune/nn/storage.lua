--- Nets as files: between layers and the description that a file format knows.
--
-- A description is a plain table (perilune.keras says what is in it): Keras' class names and configurations, and
-- the weights in order. Sequential nets of layers that Keras has load in Keras; Residual and Concat are written
-- under their own names, which only this library reads.
-- @module perilune.nn.storage
local core = require "perilune.core"

local storage = {}

-- Keras' name of an argument, where it differs from ours, by layer; a table of own -> theirs.
local renamed = {
  Conv2D = { kernel = "kernel_size", stride = "strides", dilation = "dilation_rate" },
  DepthwiseConv2D = { kernel = "kernel_size", stride = "strides", dilation = "dilation_rate",
    kernel_initializer = "depthwise_initializer" },
  MaxPool2D = { size = "pool_size", stride = "strides" },
  AveragePool2D = { size = "pool_size", stride = "strides" },
  Reshape = { shape = "target_shape" },
  Embedding = { inputs = "input_dim", units = "output_dim", initializer = "embeddings_initializer" },
}

-- Keras' classes of the initialisers: snake case there, camel case here.
local function initializer_to_keras(name)
  return { class_name = name:gsub("^%l", string.upper):gsub("_(%l)", string.upper), config = {} }
end
local function initializer_from_keras(value)
  local name = type(value) == "table" and value.class_name or value
  if type(name) ~= "string" then return nil end
  return (name:gsub("(%l)(%u)", "%1_%2"):lower())
end

local initialisers = {}
for name in ("zeros ones glorot_uniform glorot_normal he_uniform he_normal lecun_uniform lecun_normal orthogonal "
  .. "truncated_normal random_normal random_uniform"):gmatch "%S+" do initialisers[name] = true end

-- Activations that take a parameter are layers of their own in Keras.
local activation_layers = {
  leaky_relu = { class = "LeakyReLU", key = "negative_slope", default = 0.2 },
  elu = { class = "ELU", key = "alpha", default = 1 },
}

local by_keras, types = {}, {}
for _, info in ipairs(core.layer_types()) do
  types[info.name] = info
  by_keras[info.keras or info.name] = info.name
end

-- ZeroPadding2D's {top, bottom, left, right} as Keras' pairs, and back.
local function padding_to_keras(p)
  if #p == 1 then p = { p[1], p[1], p[1], p[1] } elseif #p == 2 then p = { p[1], p[1], p[2], p[2] } end
  return { { p[1], p[2] }, { p[3], p[4] } }
end
local function padding_from_keras(p)
  if type(p) == "number" then return { p } end
  if type(p[1]) == "number" then return { p[1], p[2] } end
  return { p[1][1], p[1][2], p[2][1], p[2][2] }
end

-- --- from a net to a description ---

local describe_layer

local function describe_children(layer)
  local list = {}
  for i = 1, #layer do list[i] = describe_layer(layer[i]) end
  return list
end

-- The weights of a layer and of all inside it as Keras lists them: what is trained first, then statistics and what
-- is frozen, each in the layers' order; a container that is frozen as a whole keeps its layers' order. `name` says
-- where in the container a weight is: dense/kernel.
local function in_keras_order(layer)
  local trained, rest = {}, {}
  local function visit(inner, path)
    local own = inner.type == "Lua" and {} or inner:own_weights()
    for _, weight in ipairs(own) do
      local list = (not layer.trainable or (inner.trainable and not weight.statistic)) and trained or rest
      list[#list + 1] = { name = path .. weight.name, tensor = weight.tensor }
    end
    for i = 1, #inner do visit(inner[i], path .. inner[i].name .. "/") end
  end
  visit(layer, "")
  return table.move(rest, 1, #rest, #trained + 1, trained)
end

local function weights_of(layer)
  local list = in_keras_order(layer)
  for _, weight in ipairs(list) do weight.tensor = weight.tensor:detach() end
  return list
end

describe_layer = function(layer)
  local info = types[layer.type]
  if layer.type == "Lua" then
    error(("the layer '%s' is written in Lua and cannot be saved: a file holds weights and architecture, no code"):format(
      layer.name), 0)
  end
  local config, names = {}, renamed[layer.type] or {}
  for key, value in pairs(layer:config()) do
    if initialisers[value] and key:find "initializer" then value = initializer_to_keras(value) end
    config[names[key] or key] = value
  end
  config.trainable = layer.trainable
  local class = info.keras or info.name
  if layer.type == "ZeroPadding2D" then config.padding = padding_to_keras(config.padding) end
  local special = layer.type == "Activation" and activation_layers[config.activation]
  if special then
    class = special.class
    config = { [special.key] = config.alpha or special.default, trainable = layer.trainable }
  elseif layer.type == "Activation" then
    config.alpha = nil
  end
  if #layer > 0 then
    config = { name = layer.name, layers = {}, trainable = layer.trainable }
    for i, child in ipairs(describe_children(layer)) do
      child.config.name = child.name
      config.layers[i] = { class_name = child.class_name, config = child.config }
    end
  end
  return { class_name = class, name = layer.name, config = config, weights = weights_of(layer) }
end

--- The description of a built net.
function storage.describe(net)
  if not net.built then error("save: the net is not built, so there are no weights to save; call net:build first", 0) end
  local sequential = net.type == "Sequential"
  return {
    name = net.name, input_shape = net.input_shape, classes = net.classes, calibration = net.calibration,
    training = net.training,
    layers = sequential and describe_children(net) or { describe_layer(net) },
  }
end

-- --- from a description to a net ---

local make_layer

local function make_children(list)
  local nn, layers = require "perilune.nn", {}
  for _, entry in ipairs(list) do
    if entry.class_name ~= "InputLayer" then
      local config = entry.config
      layers[#layers + 1] = make_layer(nn, { class_name = entry.class_name, name = entry.name or config.name, config = config })
    end
  end
  return layers
end

-- Our arguments from Keras' configuration: those that our signature names.
local function arguments_of(type_name, config)
  local result, theirs = {}, renamed[type_name] or {}
  for part in types[type_name].signature:gmatch "[^,]+" do
    local own = part:match "^%s*([%w_]+)"
    local value = config[theirs[own] or own]
    if own:find "initializer" then
      value = initializer_from_keras(value)
      if value and not initialisers[value] then value = nil end -- only how a new net would start
    end
    if type(value) == "table" and value.class_name then value = value.class_name:lower() end
    result[own] = value
  end
  return result
end

local function want_channels_last(entry)
  if entry.config.data_format == "channels_first" then
    error(("layer '%s': data_format is channels_first; only channels_last can be read"):format(entry.name), 0)
  end
end

make_layer = function(nn, entry)
  local class, config = entry.class_name, entry.config or {}
  want_channels_last { name = entry.name, config = config }
  local type_name, given = by_keras[class], nil
  if class == "LeakyReLU" or class == "ELU" or class == "ReLU" or class == "Softmax" then
    local kind = ({ LeakyReLU = "leaky_relu", ELU = "elu", ReLU = "relu", Softmax = "softmax" })[class]
    type_name = "Activation"
    given = { activation = kind, alpha = config.negative_slope or (class ~= "ReLU" and config.alpha) or nil }
    if class == "ReLU" and ((config.negative_slope or 0) ~= 0 or config.max_value or (config.threshold or 0) ~= 0) then
      error(("layer '%s': a ReLU with a slope, threshold or maximum cannot be read"):format(entry.name), 0)
    end
  elseif not type_name or type_name == "Lua" then
    error(("layer '%s' is a %s, which this library does not have"):format(tostring(entry.name), tostring(class)), 0)
  elseif config.layers then
    given = make_children(config.layers)
  else
    given = arguments_of(type_name, config)
    if type_name == "ZeroPadding2D" then given.padding = padding_from_keras(config.padding) end
  end
  given.name = entry.name
  local layer = nn[type_name](given)
  if config.trainable == false then layer.trainable = false end
  return layer
end

-- Weights go by position.
local function assign(layer, stored)
  local own = in_keras_order(layer)
  if #own ~= #stored then
    error(("layer '%s' has %d weights, the file %d"):format(layer.name, #own, #stored), 0)
  end
  for i, weight in ipairs(own) do
    local tensor = stored[i].tensor
    if table.concat(weight.tensor.shape, ",") ~= table.concat(tensor.shape, ",") then
      error(("layer '%s': weight '%s' has shape (%s), the file's '%s' (%s)"):format(layer.name, weight.name,
        table.concat(weight.tensor.shape, ", "), tostring(stored[i].name), table.concat(tensor.shape, ", ")), 0)
    end
    weight.tensor:copy_(tensor)
  end
end

--- The net of a description.
function storage.make(model)
  local nn = require "perilune.nn"
  local layers = {}
  for i, entry in ipairs(model.layers) do layers[i] = make_layer(nn, entry) end
  layers.name = model.name
  local net = nn.Sequential(layers)
  if not model.input_shape then error("the file does not say the shape of the inputs", 0) end
  local before = core.set_grad_enabled(false)
  local ok, message = pcall(function()
    net:build(model.input_shape)
    for i, entry in ipairs(model.layers) do assign(net[i], entry.weights or {}) end
  end)
  core.set_grad_enabled(before)
  if not ok then error(message, 0) end
  net.classes, net.calibration, net.training = model.classes, model.calibration, model.training
  return net
end

-- --- files ---

-- One row a format: its ending, and the module with save(path, description) and load(path).
local formats = { { ending = ".h5", module = "perilune.keras" }, { ending = ".hdf5", module = "perilune.keras" },
  { ending = ".safetensors", module = "perilune.nn.safetensors" } }

local function format_of(path)
  if type(path) ~= "string" then error(('a path is wanted, such as "net.h5", got %s'):format(type(path)), 3) end
  for _, row in ipairs(formats) do
    if path:lower():sub(-#row.ending) == row.ending then return require(row.module) end
  end
  error(("'%s': the ending says the format, and it must be .h5 or .safetensors"):format(path), 3)
end

--- Writes a net; the file is whole or not there.
function storage.save(net, path)
  format_of(path).save(path, storage.describe(net))
  return net
end

--- Reads a net.
function storage.load(path)
  local model = format_of(path).load(path)
  local ok, net = pcall(storage.make, model)
  if not ok then error(("%s: %s"):format(path, net), 0) end
  return net
end

return storage
