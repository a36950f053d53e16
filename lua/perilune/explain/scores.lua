--- What the methods of explanation share: checks of net and input, the number that is explained (the score of one
-- class), and gradients that leave no trace in the net.
-- @module perilune.explain.scores
local core = require "perilune.core"
local recording = require "perilune.tensor.recording"
local walk = require "perilune.explain.walk"

local scores = {}

local layer_metatable, tensor_metatable = core.layer_metatable, getmetatable(core.zeros(1))
local shape_text = walk.shape_text

local function what(value) return value == nil and "nil" or "a " .. type(value) end

--- Is this a tensor?
function scores.is_tensor(value) return getmetatable(value) == tensor_metatable end

--- Raises unless the net is built and x a batch for it.
-- @return x outside any graph
function scores.check(where, net, x)
  if getmetatable(net) ~= layer_metatable then
    local compiled = getmetatable(net) == core.compiled_metatable
    error(("%s: wants a net first, got %s"):format(where, compiled
      and "a compiled one, which has no layers left to look into: give the net that it was compiled from" or what(net)), 0)
  end
  if not net.built then
    error(("%s: the net is not built; call net:build { 28, 28, 1 } with the shape of one sample, or load a trained net"):format(
      where), 0)
  end
  if getmetatable(x) ~= tensor_metatable then
    error(("%s: x wants a batch of samples in a tensor, got %s"):format(where, what(x)), 0)
  end
  local wanted, shape = net.input_shape, x.shape
  local hint = ""
  if #shape == #wanted then hint = "; one sample becomes a batch of one with x:unsqueeze(1)" end
  if table.concat(shape, ",", 2) ~= table.concat(wanted, ",") then
    error(("%s: x is %s, the net wants (n, %s)%s"):format(where, shape_text(shape), table.concat(wanted, ", "), hint), 0)
  end
  if shape[1] == 0 then error(("%s: x has no samples"):format(where), 0) end
  return x:detach()
end

--- The same, where x has to be differentiated.
function scores.check_float(where, net, x)
  x = scores.check(where, net, x)
  if x.dtype ~= "float32" and x.dtype ~= "float64" then
    error(("%s: x is %s, and only floating numbers can be differentiated: x:float()"):format(where, x.dtype), 0)
  end
  return x
end

-- --- the score ---

--- What a net says, ready to be explained: its logits where it ends in softmax or sigmoid, else its output.
-- @param where the function's name
-- @param y     the net's output, recorded
-- @param kind  "logit" or "probability"
-- @return (n, classes), and "softmax", "sigmoid" or nil
function scores.outputs(where, y, kind)
  local ending, logits
  for _, name in ipairs { "softmax", "log_softmax", "sigmoid" } do
    logits = logits or core.origin(y, name)
    ending = ending or logits and name
  end
  if kind ~= "logit" and kind ~= "probability" then
    error(("%s: argument 'score' wants \"logit\" or \"probability\", got \"%s\""):format(where, tostring(kind)), 0)
  end
  if kind == "probability" then
    if not logits then
      error(("%s: score = \"probability\" wants a net that ends in softmax or sigmoid; this one does not"):format(where), 0)
    end
    logits = ending == "log_softmax" and y:exp() or y
  end
  logits = logits or y
  if logits.ndim == 1 then logits = logits:unsqueeze(2) end
  if logits.ndim ~= 2 then
    error(("%s: wants a net that gives a row of scores for each sample, (n, classes); this one gives %s"):format(
      where, shape_text(y.shape)), 0)
  end
  return logits, ending
end

local function no_such_class(where, net, class, count)
  local names = net.classes and (" called %s"):format(table.concat(net.classes, ", ")) or ""
  error(("%s: class %s is none of the net's %d classes: 0 to %d%s"):format(where, tostring(class), count, count - 1, names), 0)
end

-- One class as the person wrote it: a label from 0, or a name out of net.classes.
local function class_number(where, net, class, count)
  if type(class) == "string" then
    for i, name in ipairs(net.classes or {}) do
      if name == class then return i - 1 end
    end
    no_such_class(where, net, "'" .. class .. "'", count)
  end
  local whole = type(class) == "number" and math.tointeger(class)
  if not whole or whole < 0 or whole >= count then no_such_class(where, net, class, count) end
  return whole
end

--- What was given as class, for n samples: nil, one class for all, or a list with one a sample.
function scores.given(where, given, n)
  if getmetatable(given) == tensor_metatable then given = given:totable() end
  if type(given) == "table" and #given ~= n then
    error(("%s: argument 'class' has %d classes for %d samples"):format(where, #given, n), 0)
  end
  return given
end

-- The classes to be explained: labels, as the data counts them, from 0; int64 (n).
-- given: nil (what the net says of each sample), or as scores.given has it; said: (n, classes), or (n, 1) for two
local function classes_of(where, net, given, said, count)
  local n = said.shape[1]
  if given == nil then
    if said.shape[2] == 1 then return said:detach():gt(0):long():reshape(n) end
    return said:detach():argmax(2) - 1
  end
  given = scores.given(where, given, n)
  local list = {}
  for i = 1, n do
    local one = given
    if type(given) == "table" then one = given[i] end
    list[i] = class_number(where, net, one, count)
  end
  return core.tensor(list, "int64")
end

--- The scores of classes: (n), recorded where `said` is; and the classes, int64 (n).
-- Of a single output that ended in sigmoid, class 1 has it as its logit and class 0 its negative. The single output of
-- a net without an ending (a regression) counts as class 0.
-- @param said   as outputs gives it, and so is ending
-- @param given  nil, or as scores.given has it
function scores.of(where, net, said, ending, given, kind)
  local n, width = said.shape[1], said.shape[2]
  if width > 1 or ending ~= "sigmoid" then
    local classes = classes_of(where, net, width == 1 and (given or 0) or given, said, width)
    return said:gather(2, (classes + 1):reshape(n, 1)):reshape(n), classes
  end
  local classes = classes_of(where, net, given, kind == "probability" and said - 0.5 or said, 2)
  local sign = (classes * 2 - 1):to(said.dtype)
  if kind == "probability" then return said:reshape(n) * sign + (1 - classes:to(said.dtype)), classes end
  return said:reshape(n) * sign, classes
end

--- The net's scores of a batch, without a graph.
-- @return scores (n), classes int64 (n)
function scores.values(where, net, x, class, kind)
  return recording(true, function()
    local said, ending = scores.outputs(where, net(x), kind)
    local score, classes = scores.of(where, net, said, ending, class, kind)
    return score:detach(), classes
  end)
end

--- The gradient of a score by a tensor it was computed from. No leaf's grad is touched.
function scores.gradient(where, score, by)
  local total = score:sum()
  local gradient = total.requires_grad and core.grad(total, { by })
  if not gradient then
    error(("%s: the score does not depend on the input: is there a layer that detaches its result?"):format(where), 0)
  end
  return gradient
end

--- The gradient of the scores by the input.
-- @return gradient (x's shape), scores (n), classes int64 (n)
function scores.input_gradient(where, net, x, class, kind)
  return recording(true, function()
    local leaf = x:detach():require_grad()
    local said, ending = scores.outputs(where, net(leaf), kind)
    local score, classes = scores.of(where, net, said, ending, class, kind)
    return scores.gradient(where, score, leaf), score:detach(), classes
  end)
end

--- Goes through n samples in pieces and joins what comes back.
-- @param f called with first and last; returns tensors with the samples in front
function scores.pieces(n, size, f)
  local parts, count = {}, 0
  for first = 1, n, size do
    local results = table.pack(f(first, math.min(n, first + size - 1)))
    count = results.n
    for k = 1, count do
      parts[k] = parts[k] or {}
      parts[k][#parts[k] + 1] = results[k]
    end
  end
  for k = 1, count do parts[k] = #parts[k] == 1 and parts[k][1] or core.cat(parts[k], 1) end
  return table.unpack(parts, 1, count)
end

return scores
