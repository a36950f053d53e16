-- The Lua half of formats.py: `lua5.4 tests/outside/formats.lua write|read FOLDER`.
--   write  makes files of every format, and for the models a file of plain numbers beside them
--   read   reads what formats.py has made and writes each tensor again as npy
local core = require "perilune.core"
local hdf5 = require "perilune.hdf5"
local json = require "perilune.json"
local keras = require "perilune.keras"

local mode, folder = arg[1], arg[2]
local function at(name) return folder .. "/" .. name end

core.seed(3)
local function random(...) return core.mul(core.randn(...), 0.1) end

local function digit_net()
  local function layer(class_name, name, config, weights)
    return { class_name = class_name, name = name, config = config, weights = weights or {} }
  end
  local function pair(kernel, bias) return { { name = "kernel", tensor = kernel }, { name = "bias", tensor = bias } } end
  return {
    name = "digits", input_shape = { 28, 28, 1 }, classes = { "null", "eins", "zw\u{f6}lf" },
    training = { loss = "sparse_categorical_crossentropy", metrics = { "accuracy" },
      optimizer = { class_name = "Adam", config = { name = "Adam", learning_rate = 0.001, beta_1 = 0.9, beta_2 = 0.999,
        epsilon = 1e-7, amsgrad = false } } },
    layers = {
      layer("Conv2D", "conv2d", { filters = 32, kernel_size = { 3, 3 }, activation = "relu" },
        pair(random(3, 3, 1, 32), random(32))),
      layer("MaxPooling2D", "max_pooling2d", {}),
      layer("Conv2D", "conv2d_1", { filters = 64, kernel_size = { 3, 3 }, activation = "relu" },
        pair(random(3, 3, 32, 64), random(64))),
      layer("BatchNormalization", "batch_normalization", {}, {
        { name = "moving_mean", tensor = random(64), trainable = false }, -- written last, whatever the order here
        { name = "gamma", tensor = core.rand(64) }, { name = "beta", tensor = random(64) },
        { name = "moving_variance", tensor = core.rand(64), trainable = false } }),
      layer("MaxPooling2D", "max_pooling2d_1", { pool_size = { 2, 2 } }),
      layer("Flatten", "flatten", {}),
      layer("Dropout", "dropout", { rate = 0.25 }),
      layer("Dense", "dense", { units = 128, activation = "relu" }, pair(random(1600, 128), random(128))),
      layer("Dense", "dense_1", { units = 10, activation = "softmax" }, pair(random(128, 10), random(10))),
    },
  }
end

local function write()
  local list = {}
  for _, dtype in ipairs { "float32", "float64", "int64", "uint8" } do
    list["scalar_" .. dtype] = core.full({}, 3, dtype)
    list["matrix_" .. dtype] = core.full({ 3, 4 }, 7, dtype)
    list["empty_" .. dtype] = core.zeros({ 2, 0, 3 }, dtype)
  end
  list["\u{e9}/turned"] = core.transpose(core.arange(1, 6):reshape(2, 3))
  for name, tensor in pairs(list) do core.save_npy(at((name:gsub("/", "_")) .. ".npy"), tensor) end
  core.save_npz(at "all.npz", list)
  core.save_safetensors(at "all.safetensors", list, { format = "pt", state = json.encode { text = "a\n\"\u{1F600}" } })
  local net = digit_net()
  keras.save(at "digits.h5", net)
  local weights = {}
  for _, layer in ipairs(net.layers) do
    for _, weight in ipairs(layer.weights) do weights[layer.name .. "." .. weight.name] = weight.tensor end
  end
  core.save_npz(at "digits.npz", weights)
end

local function read()
  for _, name in ipairs(json.decode(io.open(at "names.json"):read "a")) do
    core.save_npy(at("back." .. name), core.load_npy(at(name)))
  end
  core.save_npz(at "back.npz", core.load_npz(at "packed.npz"))
  local tensors, texts = core.load_safetensors(at "theirs.safetensors")
  core.save_safetensors(at "back.safetensors", tensors, texts)
  for _, name in ipairs { "keras3.h5", "keras2.h5", "foreign.h5" } do
    local model, list = keras.load(at(name)), {}
    local shown = { name = model.name, input_shape = model.input_shape, layers = json.array {}, training = model.training }
    for i, layer in ipairs(model.layers) do
      shown.layers[i] = { class_name = layer.class_name, name = layer.name, config = layer.config }
      for k, weight in ipairs(layer.weights) do list[("%02d.%d.%s"):format(i, k, weight.name)] = weight.tensor end
    end
    core.save_npz(at("back." .. name .. ".npz"), list)
    io.open(at("back." .. name .. ".json"), "w"):write(json.encode(shown)):close()
  end
  local good = pcall(hdf5.read, at "digits.h5")
  for _, name in ipairs(json.decode(io.open(at "bad.json"):read "a")) do
    local ok, message = pcall(hdf5.read, at(name))
    print(name, ok, message)
    assert(not ok and message:find(name, 1, true), name .. " must be refused with its path")
  end
  assert(good)
end

if mode == "write" then write() else read() end
