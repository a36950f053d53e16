-- Trains small nets that hold every layer, on random data, and saves each for a real Keras to read:
--   build/perilune tests/outside/write_models.lua FOLDER
-- FOLDER gets NAME.h5 and NAME.json (inputs and predictions; see keras_reads_h5.py).
local cjson = require "cjson"
local peri = require "perilune"
local grow = require "perilune.nn.grow"
local nn, optim = peri.nn, peri.optim

local folder = arg[1] or error("usage: write_models.lua FOLDER", 0)

-- name, input shape, layers, the names Keras has for them; every layer that Keras knows is in one of them
local models = {
  { "digits", { 28, 28, 1 },
    { nn.Conv2D { 32, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
      nn.Conv2D { 64, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 }, nn.Flatten {},
      nn.Dense { 128, activation = "relu" }, nn.Dense { 10, activation = "softmax" } },
    "Conv2D MaxPooling2D Conv2D MaxPooling2D Flatten Dense Dense" },
  { "images", { 9, 8, 3 },
    { nn.ZeroPadding2D { { 1, 0, 2, 1 } },
      nn.Conv2D { 6, kernel = { 3, 2 }, stride = 2, padding = "same", use_bias = false },
      nn.BatchNorm {}, nn.Activation { "relu" },
      nn.DepthwiseConv2D { kernel = 3, padding = "same", depth_multiplier = 2 },
      nn.LayerNorm {}, nn.Activation { "gelu" },
      nn.Conv2D { 8, kernel = 3, padding = "same", dilation = 2, groups = 2 },
      nn.AveragePool2D { 2, padding = "same" }, nn.Dropout { 0.5 }, nn.GlobalAveragePool2D {},
      nn.Dense { 5, activation = "tanh" } },
    "ZeroPadding2D Conv2D BatchNormalization Activation DepthwiseConv2D LayerNormalization Activation Conv2D "
      .. "AveragePooling2D Dropout GlobalAveragePooling2D Dense" },
  { "shapes", { 6, 4 },
    { nn.Dense { 6, activation = "elu" }, nn.Reshape { { 3, 4, 3 } }, nn.MaxPool2D { 2, padding = "same" },
      nn.Flatten {}, nn.Dense { 2, activation = "sigmoid" } },
    "Dense Reshape MaxPooling2D Flatten Dense" },
  { "grown", { 6, 6, 1 }, -- a net that has been taught a class
    { nn.Flatten {}, nn.Dense { 7, activation = "relu" }, nn.Dropout { 0.2 }, nn.Dense { 4, activation = "softmax" } },
    "Flatten Dense Dropout Dense", taught = true },
  { "words", { 5 }, { nn.Embedding { 11, 4 }, nn.Flatten {}, nn.Dense { 3, activation = "softmax" } },
    "Embedding Flatten Dense", integers = 10 },
  { "norms", { 4, 3, 2 },
    { nn.BatchNorm { scale = false, momentum = 0.9 }, nn.LayerNorm { center = false, epsilon = 1e-2 },
      nn.BatchNorm { center = false }, nn.GlobalAveragePool2D { keepdims = true }, nn.Conv2D { 3, kernel = 1 },
      nn.Flatten {} },
    "BatchNormalization LayerNormalization BatchNormalization GlobalAveragePooling2D Conv2D Flatten" },
  { "frozen", { 5, 5, 2 },
    { nn.Conv2D { 3, kernel = 2, trainable = false }, nn.BatchNorm { trainable = false }, nn.BatchNorm {}, nn.Flatten {},
      nn.Dense { 4, kernel_initializer = "he_normal" } },
    "Conv2D BatchNormalization BatchNormalization Flatten Dense" },
  { "nested", { 6, 6, 2 },
    { nn.Sequential { nn.Conv2D { 3, kernel = 2 }, nn.BatchNorm {}, nn.DepthwiseConv2D { kernel = 2 }, nn.MaxPool2D { 2 } },
      nn.Flatten {}, nn.Sequential { nn.Dense { 5 }, nn.BatchNorm {}, nn.Sequential { nn.Dense { 5, trainable = false } },
        nn.Dense { 4, activation = "elu" } },
      nn.Sequential { nn.Dense { 4 }, nn.BatchNorm {}, nn.Dense { 3 }, trainable = false } },
    "Sequential Flatten Sequential Sequential" },
}
-- The two activations that have a parameter are layers of their own in Keras.
local class = { leaky_relu = "LeakyReLU", elu = "ELU" }
for _, name in ipairs { "relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "softplus", "softmax" } do
  models[#models + 1] = { "activation_" .. name, { 4 },
    { nn.Dense { 5 }, nn.Activation { name, alpha = class[name] and 0.3 }, nn.Dense { 2, activation = name } },
    "Dense " .. (class[name] or "Activation") .. " Dense" }
end

local function flatten(value, into)
  if type(value) ~= "table" then
    into[#into + 1] = value
  else
    for _, item in ipairs(value) do flatten(item, into) end
  end
  return into
end

local function array(tensor)
  local made = { shape = tensor.shape, data = flatten(tensor:totable(), {}) }
  if tensor.dtype == "int64" then made.dtype = "int64" end
  return made
end

local function inputs(model, count)
  local shape = { count, table.unpack(model[2]) }
  if model.integers then return peri.randint(0, model.integers, shape) end
  return peri.randn(shape)
end

local function write(model)
  local name, shape, layers, names = table.unpack(model)
  local net = nn.Sequential(layers)
  net:build(shape)
  local x = inputs(model, 16)
  if model.taught then net = grow.classes(net, { "new" }, { examples = x + 1, others = x }) end
  local y = peri.rand(net:predict(x).shape)
  net:fit({ x, y }, { epochs = 3, batch = 8, loss = "mean_squared_error", optimizer = optim.Adam { lr = 0.001 },
    verbose = 0 })
  local said = { x = array(inputs(model, 4)), layers = {} }
  said.prediction = array(net:predict(peri.tensor(said.x.data, said.x.dtype or "float32"):reshape(said.x.shape)))
  for word in names:gmatch "%S+" do table.insert(said.layers, word) end
  net.classes, net.calibration = { "what", "only", "Perilune reads" }, { temperature = 1.5, threshold = 0.5 }
  net:save(("%s/%s.h5"):format(folder, name))
  local file <close> = assert(io.open(("%s/%s.json"):format(folder, name), "w"))
  assert(file:write(cjson.encode(said)))
end

peri.seed(7)
for _, model in ipairs(models) do write(model) end
