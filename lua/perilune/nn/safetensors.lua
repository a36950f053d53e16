--- Nets in .safetensors: the weights as tensors called LAYER/WEIGHT, which every reader of such files can load, and what
-- they are the weights of as a JSON text in the metadata, under "perilune_net":
--
--     { "version": 1, "name": "digits", "input_shape": [28, 28, 1], "classes": [...], "calibration": {...},
--       "layers": [ { "class_name": "Conv2D", "name": "conv2d", "config": {...}, "weights": ["conv2d/kernel", ...] } ] }
--
-- A net is the same description as perilune.keras has; classes, calibration and training are optional.
-- @module perilune.nn.safetensors
local core = require "perilune.core"
local json = require "perilune.json"

local safetensors = {}

local KEY, VERSION = "perilune_net", 1

local function fail(message, ...) error(message:format(...), 0) end

--- Writes a net; the file is there whole or not at all.
-- @param path  of the .safetensors file
-- @param model a description
function safetensors.save(path, model)
  local tensors, layers = {}, {}
  for i, layer in ipairs(model.layers) do
    local names = json.array {}
    for k, weight in ipairs(layer.weights or {}) do
      local name = layer.name .. "/" .. weight.name
      if tensors[name] then fail("%s: two weights are called '%s': give the layers names of their own", path, name) end
      names[k], tensors[name] = name, weight.tensor
    end
    layers[i] = { class_name = layer.class_name, name = layer.name, config = layer.config, weights = names }
  end
  local ok, text = pcall(json.encode, {
    version = VERSION, name = model.name, input_shape = json.array(model.input_shape), layers = json.array(layers),
    classes = model.classes and json.array(model.classes), calibration = model.calibration, training = model.training,
  })
  if not ok then fail("%s: %s", path, text) end
  core.save_safetensors(path, tensors, { [KEY] = text })
end

local function want(path, value, kind, what)
  if type(value) ~= kind then fail("%s: %s wants a %s, the file has %s", path, what, kind, tostring(value)) end
  return value
end

local function read_layer(path, entry, tensors)
  want(path, entry, "table", "a layer")
  local layer = { class_name = want(path, entry.class_name, "string", "a layer's class_name"),
    name = want(path, entry.name, "string", "a layer's name"), config = want(path, entry.config, "table", "a layer's config"),
    weights = {} }
  for i, name in ipairs(want(path, entry.weights, "table", "a layer's list of weights")) do
    local tensor = tensors[name] or fail("%s: the weight '%s' of layer '%s' is missing", path, tostring(name), layer.name)
    layer.weights[i] = { name = name:match "([^/]*)$", tensor = tensor }
  end
  return layer
end

--- Reads a net.
-- @param path of the .safetensors file
-- @return a description
function safetensors.load(path)
  local tensors, metadata = core.load_safetensors(path)
  local text = metadata and metadata[KEY]
  if not text then
    fail("%s: a safetensors file without a net: it says nothing of layers (no '%s' in its metadata). Its tensors are read "
      .. "by core.load_safetensors", path, KEY)
  end
  local ok, model = pcall(json.decode, text)
  if not ok or type(model) ~= "table" then fail("%s: its net cannot be read: %s", path, tostring(model)) end
  if model.version ~= VERSION then
    fail("%s: a net of version %s, this Perilune reads version %d", path, tostring(model.version), VERSION)
  end
  local layers = {}
  for i, entry in ipairs(want(path, model.layers, "table", "its list of layers")) do
    layers[i] = read_layer(path, entry, tensors)
  end
  model.layers = layers
  return model
end

return safetensors
