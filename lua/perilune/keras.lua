--- Keras' whole-model .h5 files: the mapping between a description of a model and a tree of HDF5.
--
-- Knows the file, not the layers: a model is a plain table, and what its layers mean is the business of
-- `perilune.nn`. A description is
--
--     { name = "digits", input_shape = {28, 28, 1},
--       layers = { { class_name = "Conv2D", name = "conv2d", config = { filters = 32, kernel_size = {3, 3} },
--                    weights = { { name = "kernel", tensor = t }, { name = "bias", tensor = t } } }, ... },
--       classes = {"0", "1", ...},                   -- optional: what the outputs mean
--       calibration = { temperature = 1.2, ... },    -- optional: how sure the outputs are (perilune.draw.recogniser)
--       training = { loss = "...", metrics = {...}, optimizer = { class_name = "Adam", config = {...} } } }
--
-- Written files load in Keras 2, Keras 3 and TensorFlow.js; both Keras' files are read.
-- @module perilune.keras
local json = require "perilune.json"

local keras = {}

local KERAS_VERSION = "2.15.0" -- a missing version would mean 1, whose kernels were transposed
local LIST_LIMIT = 4000        -- names in one attribute: an object header holds 64 KB, a name's reference 16 bytes

local function fail(message, ...)
  error("keras: " .. message:format(...), 0)
end

-- What Keras writes for each class, so that a file says everything and no reader has to know defaults.
local function initializer(class_name, config)
  return { class_name = class_name, config = config or {} }
end
local glorot, zeros, ones = initializer("GlorotUniform", { seed = json.null }), initializer("Zeros"), initializer("Ones")

local conv = { strides = { 1, 1 }, padding = "valid", data_format = "channels_last", dilation_rate = { 1, 1 }, groups = 1,
               activation = "linear", use_bias = true, bias_initializer = zeros }
local pool = { pool_size = { 2, 2 }, padding = "valid", data_format = "channels_last" }

local explicit = {
  Conv2D = { conv, { kernel_initializer = glorot } },
  DepthwiseConv2D = { conv, { depth_multiplier = 1, depthwise_initializer = glorot } },
  Dense = { { activation = "linear", use_bias = true, kernel_initializer = glorot, bias_initializer = zeros } },
  MaxPooling2D = { pool },
  AveragePooling2D = { pool },
  GlobalAveragePooling2D = { { data_format = "channels_last", keepdims = false } },
  Flatten = { { data_format = "channels_last" } },
  ZeroPadding2D = { { data_format = "channels_last" } },
  Dropout = { { noise_shape = json.null, seed = json.null } },
  BatchNormalization = { { axis = -1, momentum = 0.99, epsilon = 1e-3, center = true, scale = true,
    beta_initializer = zeros, gamma_initializer = ones, moving_mean_initializer = zeros,
    moving_variance_initializer = ones } },
  LayerNormalization = { { axis = -1, epsilon = 1e-3, center = true, scale = true, beta_initializer = zeros,
    gamma_initializer = ones } },
  Embedding = { { mask_zero = false,
    embeddings_initializer = initializer("RandomUniform", { minval = -0.05, maxval = 0.05, seed = json.null }) } },
}

-- Keys that a reader would refuse in a class of these.
local refused = { DepthwiseConv2D = { groups = true, filters = true } }

local function full_config(layer)
  local config = { name = layer.name, trainable = true, dtype = "float32" }
  for _, part in ipairs(explicit[layer.class_name] or {}) do
    for key, value in pairs(part) do config[key] = value end
  end
  for key, value in pairs(layer.config or {}) do config[key] = value end
  for key in pairs(refused[layer.class_name] or {}) do config[key] = nil end
  if config.pool_size and config.strides == nil then config.strides = config.pool_size end
  return config
end

-- Splits a long list of names over `name0`, `name1`, ... as Keras does.
local function put_names(attributes, key, names)
  if #names <= LIST_LIMIT then
    attributes[key] = names
    return
  end
  for part = 0, (#names - 1) // LIST_LIMIT do
    attributes[key .. part] = table.move(names, part * LIST_LIMIT + 1,
                                         math.min((part + 1) * LIST_LIMIT, #names), 1, {})
  end
end

local function get_names(attributes, key)
  if attributes[key .. "0"] then
    local names, part = {}, 0
    while attributes[key .. part] do
      local piece = attributes[key .. part]
      table.move(piece, 1, #piece, #names + 1, names)
      part = part + 1
    end
    return names
  end
  local names = attributes[key]
  return type(names) == "string" and { names } or names
end

local function check_name(name, what, seen)
  if type(name) ~= "string" or name == "" then fail("%s has no name", what) end
  if name:find("/", 1, true) then fail("%s '%s': Keras allows no '/' in a name", what, name) end
  if seen[name] then fail("two layers are called '%s'", name) end
  seen[name] = true
end

-- The group of one layer: weights that training changes come first, each at <layer>/<weight>:0.
local function layer_group(layer)
  local names, tensors = {}, {}
  for _, first in ipairs { true, false } do
    for _, weight in ipairs(layer.weights or {}) do
      if (weight.trainable ~= false) == first then
        local name = ("%s/%s:0"):format(layer.name, weight.name)
        if tensors[name] then fail("layer '%s' has two weights called '%s'", layer.name, weight.name) end
        names[#names + 1] = name
        tensors[name] = weight.tensor
      end
    end
  end
  local group = { attributes = {}, tensors = tensors }
  put_names(group.attributes, "weight_names", names)
  return group
end

local function input_layer(model, seen)
  local shape = { json.null }
  if type(model.input_shape) ~= "table" then fail("input_shape is missing: build the model before saving it") end
  for _, size in ipairs(model.input_shape) do shape[#shape + 1] = size end
  local name, number = "input_1", 1
  while seen[name] do
    number = number + 1
    name = "input_" .. number
  end
  return { class_name = "InputLayer", config = { batch_input_shape = json.array(shape), dtype = model.input_dtype or "float32",
                                                 sparse = false, ragged = false, name = name } }
end

local function training_config(training)
  local optimizer = training.optimizer or { class_name = "Adam", config = { name = "Adam", learning_rate = 0.001 } }
  return { loss = training.loss or json.null, metrics = json.array(training.metrics or {}), weighted_metrics = json.null,
           loss_weights = json.null, optimizer_config = optimizer }
end

--- The HDF5 tree of a model, for `perilune.hdf5`.write.
-- @param model  a description; `layers` without an InputLayer
-- @return a tree
-- @raise an error when a name is missing, double or not allowed
function keras.encode(model)
  local seen, names, groups, layers = {}, {}, {}, {}
  for i, layer in ipairs(model.layers) do
    check_name(layer.name, "layer " .. i, seen)
    names[i] = layer.name
    groups[layer.name] = layer_group(layer)
    layers[i] = { class_name = layer.class_name, config = full_config(layer) }
  end
  table.insert(layers, 1, input_layer(model, seen))
  local config = { class_name = "Sequential", config = { name = model.name or "sequential", layers = json.array(layers) } }
  local tree = { attributes = { keras_version = KERAS_VERSION, backend = "tensorflow", model_config = json.encode(config) },
                 groups = { model_weights = { groups = groups,
                   attributes = { backend = "tensorflow", keras_version = KERAS_VERSION } } } }
  put_names(tree.groups.model_weights.attributes, "layer_names", names)
  if model.training then tree.attributes.training_config = json.encode(training_config(model.training)) end
  if model.classes then tree.attributes.perilune_classes = json.encode(json.array(model.classes)) end
  if model.calibration then tree.attributes.perilune_calibration = json.encode(model.calibration) end
  return tree
end

-- A configuration value as it is meant: tuples and objects that newer versions wrap are unwrapped, null is absent.
local function plain(value)
  if value == json.null then return nil end
  if type(value) ~= "table" then return value end
  if value.class_name == "__tuple__" or value.class_name == "TensorShape" then return plain(value.items) end
  if value.class_name == "DTypePolicy" then return plain(value.config).name end
  if value.class_name == "function" then return plain(value.config) end
  local result = {}
  for key, item in pairs(value) do
    if type(key) == "number" then result[key] = item == json.null and json.null or plain(item)
    elseif key ~= "module" and key ~= "registered_name" then result[key] = plain(item) end
  end
  return result
end

local function plain_layer(entry)
  if type(entry) ~= "table" or type(entry.class_name) ~= "string" or type(entry.config) ~= "table" then
    fail("model_config: a layer without class_name or config")
  end
  local config = plain(entry.config)
  if type(config.batch_shape) == "table" then config.batch_input_shape, config.batch_shape = config.batch_shape, nil end
  if entry.class_name:find("Normalization") and type(config.axis) == "table" and #config.axis == 1 then
    config.axis = config.axis[1]
  end
  if config.data_format == "channels_first" then
    fail("layer '%s' has its channels first; only channels-last models can be read", tostring(config.name))
  end
  return { class_name = entry.class_name, name = config.name, config = config, weights = {} }
end

-- The layers of a Sequential, the input's shape taken from an InputLayer or from the first layer.
local function read_layers(config)
  local layers, shape, inputs = {}, nil, {}
  for _, entry in ipairs(config.layers or fail("model_config has no layers")) do
    local layer = plain_layer(entry)
    local batch_shape = layer.config.batch_input_shape
    if batch_shape and not shape then shape = table.move(batch_shape, 2, #batch_shape, 1, {}) end
    layer.config.batch_input_shape = nil
    if layer.class_name == "InputLayer" then
      if layer.name then inputs[layer.name] = true end
    else
      layers[#layers + 1] = layer
    end
  end
  return layers, shape, inputs
end

local function find_group(group, path)
  for part in path:gmatch("[^/]+") do group = group and group.groups[part] end
  return group
end

local function find_tensor(group, path)
  local folder, name = path:match("^(.*)/([^/]*)$")
  group = find_group(group, folder or "")
  return group and group.tensors[name or path]
end

local function read_weights(weights, layer_name)
  local group, list = find_group(weights, layer_name), {}
  if not group then fail("the group of layer '%s' is missing", layer_name) end
  local names = get_names(group.attributes, "weight_names") or fail("layer '%s' has no weight_names", layer_name)
  for i, path in ipairs(names) do
    local tensor = find_tensor(group, path) or fail("layer '%s': weight '%s' is missing", layer_name, path)
    list[i] = { name = path:match("([^/]*)$"):gsub(":%d+$", ""), tensor = tensor }
  end
  return list
end

-- Keras gives weights by position: the file's layers in order, those without weights left out when the
-- counts differ, are the model's. Position counts, names do not.
local function give_weights(layers, names, weights, inputs)
  local stored, by_name = {}, {}
  for _, name in ipairs(names) do
    if not inputs[name] then
      stored[#stored + 1] = { name = name, list = read_weights(weights, name) }
      by_name[name] = stored[#stored]
    end
  end
  if #stored == #layers then
    for i, layer in ipairs(layers) do layer.weights = stored[i].list end
    return
  end
  for _, layer in ipairs(layers) do
    if by_name[layer.name] then
      layer.weights = by_name[layer.name].list
      by_name[layer.name] = nil
    end
  end
  for _, left in pairs(by_name) do
    if #left.list > 0 then
      fail("the file has weights of %d layers, its model %d layers, and none is called '%s'", #stored, #layers, left.name)
    end
  end
end

local function check_origin(attributes)
  local version, backend = attributes.keras_version, attributes.backend
  if type(version) ~= "string" or version:match("^1%.") then
    fail("written by Keras 1, whose kernels are transposed; load and save it again with Keras 2 or 3")
  end
  if backend == "theano" then
    fail("written with Theano, whose kernels are flipped; load and save it again with another backend")
  end
end

local function decode_attribute(attributes, key)
  local text = attributes[key]
  if type(text) ~= "string" then return nil end
  local ok, value = pcall(json.decode, text)
  if not ok then fail("attribute %s: %s", key, value) end
  return value
end

--- The weights of a tree alone, for a model that is known: also of files that hold nothing else.
-- @param tree  from `perilune.hdf5`.read
-- @return a list of { name = layer's name, weights = list of { name, tensor } }, in the file's order
function keras.decode_weights(tree)
  local weights, list = tree.groups.model_weights or tree, {}
  local names = get_names(weights.attributes, "layer_names") or fail("this is no Keras file: there are no layer_names")
  check_origin(weights.attributes.keras_version and weights.attributes or tree.attributes)
  for i, name in ipairs(names) do list[i] = { name = name, weights = read_weights(weights, name) } end
  return list
end

--- The description of a model in an HDF5 tree.
-- @param tree  from `perilune.hdf5`.read
-- @return a description; weights in the file's order, configurations without null, `training` as
--   { loss, metrics, optimizer }
-- @raise an error when the file is no Sequential model, or is malformed
function keras.decode(tree)
  local config = decode_attribute(tree.attributes, "model_config")
    or fail("the file has no model_config: it holds weights only, or is not Keras'")
  if config.class_name ~= "Sequential" then
    fail("the model is a %s; only Sequential models can be read", tostring(config.class_name))
  end
  local weights = tree.groups.model_weights or fail("the file has no model_weights")
  local names = get_names(weights.attributes, "layer_names") or fail("model_weights has no layer_names")
  check_origin(tree.attributes)
  local sequence = config.config[1] and { layers = config.config } or config.config -- Keras 2.0 had a bare list
  local layers, shape, inputs = read_layers(sequence)
  give_weights(layers, names, weights, inputs)
  local training = decode_attribute(tree.attributes, "training_config")
  return { name = plain(sequence.name), input_shape = shape and plain(shape), layers = layers,
           classes = decode_attribute(tree.attributes, "perilune_classes"),
           calibration = decode_attribute(tree.attributes, "perilune_calibration"),
           training = training and { loss = plain(training.loss), metrics = plain(training.metrics),
                                     optimizer = plain(training.optimizer_config) } }
end

local function with_path(path, f, ...)
  local ok, result = pcall(f, ...)
  if not ok then error(type(result) == "string" and path .. ": " .. result or result, 0) end
  return result
end

--- Writes a model; the file is written as a whole or not at all.
-- @param path   of the .h5 file
-- @param model  a description
function keras.save(path, model)
  require("perilune.hdf5").write(path, with_path(path, keras.encode, model))
end

--- Reads a model.
-- @param path  of the .h5 file
-- @return a description
function keras.load(path)
  return with_path(path, keras.decode, require("perilune.hdf5").read(path, { skip = { "optimizer_weights" } }))
end

return keras
