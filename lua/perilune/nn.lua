--- Layers, nets and losses.
--
-- Every layer takes its arguments in one table and can be used alone: `nn.Dense { 3 }(x)`. Containers take
-- layers, functions of a tensor, or objects with a method `forward`:
--
--     local net = nn.Sequential {
--       nn.Conv2D { 32, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
--       nn.Flatten {}, function(x) return x * 2 end,
--       nn.Dense { 10, activation = "softmax" },
--     }
-- @module perilune.nn
local core = require "perilune.core"
local compiled = require "perilune.nn.compiled"
local lua_layers = require "perilune.nn.lua_layers"
local plan = require "perilune.nn.plan"
local summary = require "perilune.nn.summary"

local nn = {}
local methods, metatable = core.layer_methods, core.layer_metatable
local tensor_metatable = getmetatable(core.zeros(1))

--- @field losses the losses: perilune.nn.losses
nn.losses = require "perilune.nn.losses"

local containers = { Sequential = true, Residual = true, Concat = true }

local function is_layer(value)
  return getmetatable(value) == metatable
end

--- Makes a layer of a Lua function, or of an object with a method forward.
-- @param object a function (x, options) -> tensor, or an object with forward(self, x, options) and, when
--   it has weights, parameters(self) -> list of tensors; build(self, input_shape) is called once before
--   the first forward. options.training says whether the net is in training.
-- @param options name, trainable
-- @return a layer
function nn.Lambda(object, options)
  if type(object) == "table" and getmetatable(object) == nil and object[1] ~= nil then
    options, object = object, object[1]
  end
  return lua_layers.wrap(object, options)
end

-- A container's list: everything in it becomes a layer.
local function new_container(type_name, arguments)
  local options = {}
  for key, value in pairs(arguments) do
    if math.type(key) ~= "integer" then options[key] = value end
  end
  local container = core.layer(type_name, options)
  for i = 1, #arguments do
    local child = arguments[i]
    container:adopt(is_layer(child) and child or lua_layers.wrap(child))
  end
  if options.trainable == false then container.trainable = false end
  return container
end

for _, info in ipairs(core.layer_types()) do
  if containers[info.name] then
    nn[info.name] = function(arguments)
      if type(arguments) ~= "table" then
        error(("nn.%s: wants a list of layers in one table {...}"):format(info.name), 2)
      end
      return new_container(info.name, arguments)
    end
  elseif info.name ~= "Lua" then
    nn[info.name] = function(arguments) return core.layer(info.name, arguments or {}) end
  end
end

-- Keras' names of the same layers.
for keras, ours in pairs { MaxPooling2D = "MaxPool2D", AveragePooling2D = "AveragePool2D",
  GlobalAveragePooling2D = "GlobalAveragePool2D", BatchNormalization = "BatchNorm",
  LayerNormalization = "LayerNorm" } do
  nn[keras] = nn[ours]
end

--- The layers inside a container, in order; an empty list for others.
function methods:children()
  local list = {}
  for i = 1, #self do list[i] = self[i] end
  return list
end

--- Adds a layer (or a function) to the end of a container that is not built; returns the container.
function methods:add(layer)
  self:adopt(is_layer(layer) and layer or lua_layers.wrap(layer))
  return self
end

--- Makes the weights for inputs of a shape.
-- @param shape the shape of one sample, without the batch axis: { 28, 28, 1 }
-- @param dtype "float32" (default) or "float64"
-- @return the layer
function methods:build(shape, dtype)
  if type(shape) ~= "table" then
    error(("net:build: wants the shape of one sample in a list, such as { 28, 28, 1 }, got %s"):format(tostring(shape)), 2)
  end
  if self:in_c() then
    self:build_c(shape, dtype)
  else
    lua_layers.build(self, shape, dtype)
  end
  return self
end

--- Runs the layer on a batch: layer(x, { training = true }).
-- @param x       a tensor whose first axis counts the samples
-- @param options training (default false): dropout drops, batch-norm uses the batch's moments
-- @return the result
function methods:forward(x, options)
  if getmetatable(x) ~= tensor_metatable then
    error(("net(x): x wants a tensor whose first axis counts the samples, got %s"):format(
      x == nil and "nil" or "a " .. type(x)), 2)
  elseif options ~= nil and type(options) ~= "table" then
    error(("net(x, options): options are a table such as { training = true }, got %s"):format(tostring(options)), 2)
  end
  local training = options ~= nil and options.training or false
  if self:in_c() then return self:forward_c(x, training) end
  return lua_layers.forward(self, x, training)
end
metatable.__call = methods.forward

-- Visits this layer and all inside it, depth first.
local function each(layer, visit)
  visit(layer)
  for i = 1, #layer do each(layer[i], visit) end
end

--- All layers in a net, containers before what they hold; the net itself is the first.
function methods:modules()
  local list = {}
  each(self, function(layer) list[#list + 1] = layer end)
  return list
end

--- Every weight of the net with its layer: a list of { layer, name, tensor, statistic, trainable }.
function methods:named_weights()
  local list = {}
  each(self, function(layer)
    local own = layer.type == "Lua" and lua_layers.weights(layer) or layer:own_weights()
    for _, weight in ipairs(own) do
      weight.layer = layer
      weight.trainable = layer.trainable and not weight.statistic
      list[#list + 1] = weight
    end
  end)
  return list
end

local function want_built(layer, method)
  if not layer.built then
    error(("%s: the net is not built, so it has no weights yet; call net:build { 28, 28, 1 } with the shape of one "
      .. "sample, or run it on a batch first"):format(method), 3)
  end
end

--- The tensors that training changes, in order; what an optimiser takes.
function methods:parameters()
  want_built(self, "parameters")
  local list = {}
  for _, weight in ipairs(self:named_weights()) do
    if weight.trainable then list[#list + 1] = weight.tensor end
  end
  return list
end

--- All weights, frozen ones and running statistics too, in order.
function methods:weights()
  want_built(self, "weights")
  local list = {}
  for i, weight in ipairs(self:named_weights()) do list[i] = weight.tensor end
  return list
end

--- The number of weights: all, and those that are trained.
function methods:count_params()
  want_built(self, "count_params")
  local total, trained = 0, 0
  for _, weight in ipairs(self:named_weights()) do
    local n = weight.tensor:numel()
    total = total + n
    if weight.trainable then trained = trained + n end
  end
  return total, trained
end

--- A table of the layers with output shapes and numbers of weights, as Keras prints it.
function methods:summary()
  want_built(self, "summary")
  return summary.of(self)
end

metatable.__tostring = function(layer)
  local ok, text = pcall(summary.line, layer)
  return ok and text or "layer (freed)"
end
metatable.__mime = summary.mime

--- Makes the net ready to run and nothing else: weights prepared, batch-norms folded into the layer before them,
-- dropout gone, memory planned once. A snapshot: what the net learns later is not seen.
-- @param options { batch = n }: the most samples that go through together, 1 for the least memory; any number may be
--   given later, larger batches are cut (default: as many as are fastest)
-- @return a compiled net c: c(x), c(x, y) into a tensor that is there, c:predict(data), c:current(); print it for
--   its steps
function methods:compile(options) return compiled.compile(self, options) end

--- What the net does, step by step: which layers are one op, their work as written and as done, what is kept for
-- backward and which backward it will be. The net runs once, on zeros.
-- @param options a batch size (default 32), the shape of a sample, or both with options: { 28, 28, 1, batch = 32,
--   training = true, fuse = true }
-- @return a list of steps that prints as a table
function methods:plan(options) return plan.of(self, options) end

--- The net as a function of a batch, for a while in which it does not learn: what predict and evaluate call. It is
-- the compiled net where that pays.
-- @param count how many samples are to come, about
function methods:at_rest(count) return compiled.at_rest(self, count) end

--- Saves the net: architecture, weights, class names and calibration (see perilune.draw.recogniser).
-- @param path where to; ".h5" is Keras' format, ".safetensors" holds the weights as any reader of such files knows them
function methods:save(path) return require("perilune.nn.storage").save(self, path) end

--- Reads a net that was saved, by this library or by Keras.
-- @param path a file ending in ".h5" or ".safetensors"
-- @return the net, built
function nn.load(path) return require("perilune.nn.storage").load(path) end

--- Is this a layer?
nn.is_layer = is_layer

--- Switches the fusing of layers on or off. It is on at start; off, every layer runs by itself, with the same
-- results within rounding: to compare, and to see what fusing saves.
-- @param on true or false; nil only asks
-- @param f  a function that alone is to run so, with the arguments behind it; the state before comes back after it
-- @return without f the state before, with f what it returns
function nn.fusion(on, f, ...)
  if on ~= nil and type(on) ~= "boolean" then
    error(("nn.fusion(on): on is true or false, got %s"):format(tostring(on)), 2)
  end
  local before = core.set_fusion(on)
  if f == nil then return before end
  local results = table.pack(pcall(f, ...))
  core.set_fusion(before)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- The fusions there are: a list of { name, doc }. net:plan() shows which a net has.
function nn.fusions() return core.fusions() end

require("perilune.train").attach(methods)

return nn
