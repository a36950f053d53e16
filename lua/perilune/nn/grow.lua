--- A net with more classes: the same layers and weights, and more units in the last Dense.
--
-- What the net says of its old classes stays nearly as it was: a new unit starts as the mean of the old ones with a low
-- bias, so that a new class begins as an unlikely one.
--
-- That is not enough for a net that has learned to show nothing of what is no digit: hidden units that are silent for a
-- letter tell no letter from another. Where examples are given, and the layer in front of the last Dense is a Dense
-- too, that one gets a few units for the class: each looks along the direction in which the examples differ from other
-- things, every feature over its variance (Fisher's discriminant of 1936, of features taken as independent), behind a
-- threshold that silences it for nearly all those. The new class listens to them, the old ones do not.
-- @module perilune.nn.grow
local core = require "perilune.core"
local recording = require "perilune.tensor.recording"
local storage = require "perilune.nn.storage"

local grow = {}

local HANDICAP = 3   -- how far a new unit's bias lies below the mean of the old ones: e^-3 of an ordinary class
local DETECTORS = 4  -- hidden units for a class, each made of another part of the others
local LOUD = 8       -- what they add together to the class's logit for an ordinary example
local QUIET = 0.99   -- the share of the others that they are silent for, to begin with

-- Layers that may follow the last Dense, and stand between it and a hidden one: they keep the numbers apart.
local passing = { Activation = true, Softmax = true, ReLU = true, LeakyReLU = true, ELU = true, Dropout = true }

-- --- which layers -----------------------------------------------------------------------------------------------

-- The description of the last Dense, where it is (the path of containers) and its place in the innermost list; walks into
-- containers that are one chain. Or nil, and what the net ends in instead.
local function last_dense(layers, path)
  for i = #layers, 1, -1 do
    local entry = layers[i]
    if entry.class_name == "Dense" then return entry, path, i end
    if entry.class_name == "Sequential" then
      return last_dense(entry.config.layers, path .. entry.config.name .. "/")
    end
    if not passing[entry.class_name] then return nil, entry.class_name end
  end
end

-- The place of a Dense in front of the last one that nothing but passing layers separates from it, at the top level.
local function hidden_dense(layers, last)
  for i = last - 1, 1, -1 do
    if layers[i].class_name == "Dense" then return i end
    if not passing[layers[i].class_name] then return nil end
  end
end

-- The top layer of a description that a Dense inside it belongs to, and the beginning of its weights' names there.
local function owner_of(model, dense, path)
  local first = path:match "^([^/]+)/"
  if not first then return dense, "" end
  for _, entry in ipairs(model.layers) do
    if entry.name == first then return entry, path:sub(#first + 2) .. dense.config.name .. "/" end
  end
end

local function weight_of(entry, name)
  for _, weight in ipairs(entry.weights) do
    if weight.name == name then return weight end
  end
end

-- --- more of a weight -------------------------------------------------------------------------------------------

-- A weight with more columns: the mean of the old ones, lowered by `less`.
local function widened(tensor, more, less)
  local axis = #tensor.shape
  local column = tensor:mean(axis, true) - less
  local columns = { tensor }
  for i = 1, more do columns[i + 1] = column end
  return core.cat(columns, axis)
end

local function widen_last(model, more)
  local dense, path, place = last_dense(model.layers, "")
  if not dense then
    error(("grow: the net's last layer with weights must be a Dense, so that it can get a unit more; %s"):format(
      path and "it ends in " .. path or "it has none"), 0)
  end
  local owner, prefix = owner_of(model, dense, path)
  local kernel, bias = weight_of(owner, prefix .. "kernel"), weight_of(owner, prefix .. "bias")
  dense.config.units = dense.config.units + more
  kernel.tensor = widened(kernel.tensor, more, 0)
  if bias then bias.tensor = widened(bias.tensor, more, HANDICAP) end
  return path == "" and place or nil, kernel
end

-- --- detectors --------------------------------------------------------------------------------------------------

-- What the layers before `place` make of a batch, as rows.
local function features(net, place, x)
  x = x:reshape(x.shape[1], table.unpack(net.input_shape))
  for i = 1, place - 1 do x = net[i](x) end
  return x:reshape(x.shape[1], -1)
end

-- One detector: the weights of a unit and its bias, which give the examples 1 in the mean.
local function detector(own, others)
  local mine, theirs = own:mean(1), others:mean(1)
  local spread = own:var(1) + others:var(1)
  local way = (mine - theirs) / (spread + spread:mean():item() * 0.1 + 1e-6)
  local near, far = own:matmul(way), others:matmul(way):totable()
  table.sort(far)
  local loud, silent = near:mean():item(), far[math.max(1, math.floor(#far * QUIET))]
  local threshold = math.min(silent, near:min():item())
  local scale = 1 / math.max(loud - threshold, 1e-6)
  return way * scale, -threshold * scale
end

-- The rows i, i + step, i + 2 step ... of a matrix.
local function every(rows, first, step)
  return rows[{ { first, rows.shape[1], step } }]
end

-- Adds the detectors of one class, the last output, to the hidden Dense at `place`; `kernel` is the last Dense's.
local function add_detectors(net, model, place, kernel, examples, others)
  local own, rest = features(net, place, examples), features(net, place, others)
  local entry = model.layers[place]
  local columns, biases = {}, {}
  for i = 1, DETECTORS do
    local way, bias = detector(own, every(rest, i, DETECTORS))
    columns[i], biases[i] = way:reshape(-1, 1), bias
  end
  local hidden, bias = weight_of(entry, "kernel"), weight_of(entry, "bias")
  hidden.tensor = core.cat({ hidden.tensor, core.cat(columns, 2) }, 2)
  if bias then bias.tensor = core.cat({ bias.tensor, core.tensor(biases) }, 1) end
  entry.config.units = entry.config.units + DETECTORS
  local classes = kernel.tensor.shape[2]
  local rows = core.zeros(DETECTORS, classes)
  for i = 1, DETECTORS do rows[{ i, classes }] = LOUD / DETECTORS end
  kernel.tensor = core.cat({ kernel.tensor, rows }, 1)
end

--- A new net with more classes; the old one stays as it is.
-- @param net     a built Sequential that ends in a Dense, and perhaps in a softmax behind it
-- @param names   of the new classes, a list
-- @param options { classes = names of those that there are (default: net.classes, or the digits from 0), examples = inputs
--   of the new class, when it is one, and others = inputs that are not of it: float32 (n, ...) of the input's size }
-- @return a net with the same layers, weights and calibration, its classes named
-- @raise an error for a net that ends otherwise, or that holds layers written in Lua
function grow.classes(net, names, options)
  options = options or {}
  local old, count = options.classes or net.classes, net.output_shape[1]
  local classes = {}
  for i = 1, count do classes[i] = tostring(old and old[i] or i - 1) end
  return recording(false, function()
    local model = storage.describe(net)
    local last, kernel = widen_last(model, #names)
    local hidden = last and hidden_dense(model.layers, last)
    if hidden and options.examples and #names == 1 then
      add_detectors(net, model, hidden, kernel, options.examples, options.others)
    end
    model.classes = table.move(names, 1, #names, count + 1, classes)
    return storage.make(model)
  end)
end

return grow
