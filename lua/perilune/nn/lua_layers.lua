--- Layers written in Lua, and the loop over containers that hold them.
--
-- A function or object hangs in its userdata's user value, so that it lives and dies with the layer. Runs of
-- layers in C between two layers in Lua are one call into C.
-- @module perilune.nn.lua_layers
local core = require "perilune.core"

local lua_layers = {}

local function callable(object)
  local meta = getmetatable(object)
  return type(object) == "function" or (type(meta) == "table" and meta.__call ~= nil)
end

--- Wraps a function or an object with a method forward as a layer.
function lua_layers.wrap(object, options)
  local has_forward = type(object) == "table" and type(object.forward) == "function"
  if not has_forward and not callable(object) then
    error(("a layer is made by nn, is a function of a tensor, or an object with a method forward; got a %s"):format(
      type(object)), 3)
  end
  local layer = core.layer("Lua", { name = options and options.name, trainable = options and options.trainable })
  layer:attached().object = object
  return layer
end

-- What the person's code makes of x: a tensor, or an error.
local function run_object(layer, x, training)
  local object, options = layer:attached().object, { training = training }
  local y
  if type(object) == "table" and type(object.forward) == "function" then y = object:forward(x, options)
  else y = object(x, options) end
  if getmetatable(y) ~= getmetatable(x) then
    error(("a layer written in Lua must give a tensor, it gave %s"):format(y == nil and "nil" or "a " .. type(y)), 0)
  end
  return y
end

--- The weights of a layer in Lua: what its parameters() gives, a list or a table by name.
function lua_layers.weights(layer)
  local object, list = layer:attached().object, {}
  if type(object) ~= "table" or type(object.parameters) ~= "function" then return list end
  local given = object:parameters()
  for i, tensor in ipairs(given) do list[i] = { name = "weight_" .. i, tensor = tensor, statistic = false } end
  local names = {}
  for name in pairs(given) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do list[#list + 1] = { name = name, tensor = given[name], statistic = false } end
  return list
end

-- Puts a child's place in front of an error's message.
local function blamed(index, layer, message)
  if type(message) ~= "string" then return message end
  local rest = message:match("^net(%..*)")
  if rest then return ("net.%d%s"):format(index, rest) end
  return ("net.%d %s: %s"):format(index, layer.type, message)
end

local function guarded(index, layer, f, ...)
  local ok, result = xpcall(f, function(message) return blamed(index, layer, message) end, ...)
  if not ok then error(result, 0) end
  return result
end

-- The children one after another; neighbours in C together.
local function chain(layer, x, training)
  local index, count = 1, #layer
  while index <= count do
    local child = layer[index]
    if child:in_c() then
      local last = index
      while last < count and layer[last + 1]:in_c() do last = last + 1 end
      x = layer:run_c(index, last, x, training)
      index = last + 1
    else
      x = guarded(index, child, lua_layers.forward, child, x, training)
      index = index + 1
    end
  end
  return x
end

--- One pass through a layer that is written in Lua or holds one that is.
function lua_layers.forward(layer, x, training)
  if not layer.built then
    local shape = x.shape
    table.remove(shape, 1)
    lua_layers.build(layer, shape, x.dtype:find "float" and x.dtype or nil)
  end
  if layer.type == "Lua" then
    return run_object(layer, x, training)
  elseif layer.type == "Concat" then
    local branches = {}
    for i = 1, #layer do branches[i] = guarded(i, layer[i], layer[i].forward, layer[i], x, { training = training }) end
    return core.cat(branches, -1)
  end
  local y = chain(layer, x, training)
  return layer.type == "Residual" and y + x or y
end

-- The output shape of a layer in Lua: what it makes of one sample of zeros.
local function output_shape(layer, shape, dtype)
  local before = core.set_grad_enabled(false)
  local ok, y = pcall(run_object, layer, core.zeros({ 1, table.unpack(shape) }, dtype or "float32"), false)
  core.set_grad_enabled(before)
  if not ok then error(y, 0) end
  local out = y.shape
  table.remove(out, 1)
  return out
end

local function same(a, b) return table.concat(a, ",") == table.concat(b, ",") end

--- Builds a layer that is written in Lua or holds one that is.
function lua_layers.build(layer, shape, dtype)
  if layer.built then
    if same(layer.input_shape, shape) then return end
    error(("the layer is built for inputs of shape (%s), not (%s)"):format(
      table.concat(layer.input_shape, ", "), table.concat(shape, ", ")), 0)
  end
  local out = shape
  if layer.type == "Lua" then
    local object = layer:attached().object
    if type(object) == "table" and type(object.build) == "function" then object:build(shape, dtype) end
    for _, weight in ipairs(lua_layers.weights(layer)) do weight.tensor.requires_grad = layer.trainable end
    out = output_shape(layer, shape, dtype)
  elseif layer.type == "Concat" then
    local total = 0
    for i = 1, #layer do
      guarded(i, layer[i], layer[i].build, layer[i], shape, dtype)
      out = layer[i].output_shape
      total = total + out[#out]
    end
    out[#out] = total
  else
    for i = 1, #layer do
      guarded(i, layer[i], layer[i].build, layer[i], out, dtype)
      out = layer[i].output_shape
    end
  end
  layer:set_built(shape, out)
end

return lua_layers
