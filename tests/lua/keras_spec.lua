-- The mapping between a model and Keras' .h5, on trees in memory and through a file.
local core = require "perilune.core"
local json = require "perilune.json"
local keras = require "perilune.keras"

local function model()
  return {
    name = "kleines", input_shape = { 4 }, classes = { "a", "\u{e4}" },
    layers = {
      { class_name = "Dense", name = "dense", config = { units = 2, activation = "relu" }, weights = {
        { name = "kernel", tensor = core.ones { 4, 2 } }, { name = "bias", tensor = core.zeros { 2 } } } },
      { class_name = "Dropout", name = "dropout", config = { rate = 0.5 } },
      { class_name = "BatchNormalization", name = "bn", config = {}, weights = {
        { name = "moving_mean", tensor = core.full({ 2 }, 3), trainable = false }, { name = "gamma", tensor = core.full({ 2 }, 1) },
        { name = "beta", tensor = core.full({ 2 }, 2) },
        { name = "moving_variance", tensor = core.full({ 2 }, 4), trainable = false } } },
    },
    training = { loss = "mse", metrics = {} },
  }
end

-- What hdf5.read gives for a tree: nested groups, all parts there.
local function as_read(tree)
  local path = os.tmpname()
  require("perilune.hdf5").write(path, tree)
  local read = require("perilune.hdf5").read(path)
  os.remove(path)
  return read
end

local function refused(message, tree)
  local ok, text = pcall(keras.decode, tree)
  assert.is_false(ok)
  assert.truthy(text:find(message, 1, true), text)
end

describe("keras", function()
  it("writes weights that training changes first, and every default", function()
    local tree = keras.encode(model())
    local weights = tree.groups.model_weights
    assert.same({ "dense", "dropout", "bn" }, weights.attributes.layer_names)
    assert.same({ "bn/gamma:0", "bn/beta:0", "bn/moving_mean:0", "bn/moving_variance:0" },
                weights.groups.bn.attributes.weight_names)
    assert.same({}, weights.groups.dropout.attributes.weight_names)
    local config = json.decode(tree.attributes.model_config).config
    assert.same({ json.null, 4 }, config.layers[1].config.batch_input_shape)
    assert.equal("InputLayer", config.layers[1].class_name)
    assert.equal(-1, config.layers[4].config.axis)
    assert.truthy(tree.attributes.training_config:find('"metrics":[]', 1, true))
    assert.equal('["a","\\u00e4"]', tree.attributes.perilune_classes)
  end)

  it("brings a model back through a file, twice the same bytes", function()
    local path = os.tmpname()
    keras.save(path, model())
    local first = io.open(path, "rb"):read "a"
    local back = keras.load(path)
    keras.save(path, model())
    assert.equal(first, io.open(path, "rb"):read "a")
    os.remove(path)
    assert.equal("kleines", back.name)
    assert.same({ 4 }, back.input_shape)
    assert.same({ "a", "\u{e4}" }, back.classes)
    assert.equal("mse", back.training.loss)
    assert.equal("Adam", back.training.optimizer.class_name)
    assert.equal(3, #back.layers)
    assert.equal("relu", back.layers[1].config.activation)
    assert.same({ { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 } }, back.layers[1].weights[1].tensor:totable())
    local names = {}
    for i, weight in ipairs(back.layers[3].weights) do names[i] = weight.name .. weight.tensor:totable()[1] end
    assert.same({ "gamma1.0", "beta2.0", "moving_mean3.0", "moving_variance4.0" }, names)
  end)

  it("splits thousands of names over several attributes, and joins them", function()
    local large = { input_shape = { 1 }, layers = {} }
    for i = 1, 9001 do large.layers[i] = { class_name = "Flatten", name = "layer_" .. i } end
    local tree = keras.encode(large)
    local attributes = tree.groups.model_weights.attributes
    assert.is_nil(attributes.layer_names)
    assert.same({ 4000, 4000, 1001 }, { #attributes.layer_names0, #attributes.layer_names1, #attributes.layer_names2 })
    local back = keras.decode(as_read(tree))
    assert.same({ 9001, "layer_9001" }, { #back.layers, back.layers[9001].name })
  end)

  it("gives weights by position, not by name", function()
    local tree = as_read(keras.encode(model()))
    tree.attributes.model_config = tree.attributes.model_config:gsub('"name":"dense"', '"name":"other"')
    local back = keras.decode(tree)
    assert.equal("other", back.layers[1].name)
    assert.same({ 4, 2 }, back.layers[1].weights[1].tensor.shape)
  end)

  it("says what is wrong", function()
    local function changed(change)
      local tree = as_read(keras.encode(model()))
      change(tree)
      return tree
    end
    refused("no model_config", changed(function(t) t.attributes.model_config = nil end))
    refused("attribute model_config", changed(function(t) t.attributes.model_config = "{" end))
    refused("is a Functional", changed(function(t) t.attributes.model_config = '{"class_name":"Functional"}' end))
    refused("Keras 1", changed(function(t) t.attributes.keras_version = nil end))
    refused("Theano", changed(function(t) t.attributes.backend = "theano" end))
    refused("channels first", changed(function(t)
      t.attributes.model_config = t.attributes.model_config:gsub('"rate":0.5', '%0,"data_format":"channels_first"')
    end))
    refused("group of layer 'bn' is missing", changed(function(t) t.groups.model_weights.groups.bn = nil end))
    refused("weight 'bn/gamma:0' is missing", changed(function(t)
      t.groups.model_weights.groups.bn.groups.bn.tensors["gamma:0"] = nil
    end))
    refused("none is called 'more'", changed(function(t)
      local weights = t.groups.model_weights
      table.insert(weights.attributes.layer_names, 1, "more")
      weights.groups.more = weights.groups.dense
      weights.groups.more.attributes.weight_names = { "dense/bias:0" }
    end))
    for _, name in ipairs { "a/b", "", "dense" } do
      local wrong = model()
      wrong.layers[2].name = name
      assert.has_error(function() keras.encode(wrong) end)
    end
  end)
end)

describe("json", function()
  it("gives one ASCII text for a value, and the value back", function()
    local value = { b = { 1, 2.5, true }, a = "\u{1F600}\u{e9}\n\"\\\1", c = json.null, d = json.array {}, e = 1e-7, f = 1e300, g = 3.0 }
    local text = json.encode(value)
    assert.equal('{"a":"\\ud83d\\ude00\\u00e9\\n\\"\\\\\\u0001","b":[1,2.5,true],"c":null,"d":[],"e":1e-07,"f":1e+300,"g":3.0}', text)
    assert.equal(json.null, json.decode(text).c)
    assert.same(value.a, json.decode(text).a)
    assert.equal("integer", math.type(json.decode("[3]")[1]))
  end)

  it("refuses what JSON has no word for", function()
    for _, value in ipairs { 0 / 0, math.huge, print, "\xFF" } do
      assert.has_error(function() json.encode { value } end)
    end
    local loop = {}
    loop.x = loop
    assert.has_error(function() json.encode(loop) end)
    assert.has_error(function() json.decode "{" end)
  end)
end)
