--- What a net says of a batch, as logits and as probabilities at a temperature.
--
-- A net that ends in softmax gives probabilities: the logits are what it has before it, or else the probabilities'
-- logarithms, which differ from them by a number that is the same for all classes. Any other net's outputs are taken for
-- logits. Which it is, is tried out once a net.
-- @module perilune.draw.outputs
local compiled = require "perilune.nn.compiled"
local core = require "perilune.core"
require "perilune.tensor" -- gives tensors clamp

local outputs = {}

local LEAST = 1e-37 -- the smallest probability that has a logarithm in float32

-- Does the net give probabilities: rows of no negative numbers that add up to one, whatever it sees?
local function gives_probabilities(net)
  local shape = net.input_shape
  local x = core.cat({ core.zeros(1, table.unpack(shape)), core.ones(1, table.unpack(shape)) }, 1)
  for _, row in ipairs(net:predict(x):totable()) do
    local sum = 0
    for _, value in ipairs(row) do
      if not (value >= 0) then return false end
      sum = sum + value
    end
    if math.abs(sum - 1) > 1e-3 then return false end
  end
  return true
end

local proper = setmetatable({}, { __mode = "k" }) -- by net

--- Does a net give probabilities (rather than logits)?
function outputs.is_proper(net)
  if proper[net] == nil then proper[net] = gives_probabilities(net) end
  return proper[net]
end

--- The logits of a batch.
-- @param net a built net that gives a row of numbers for each sample
-- @param x   (n, ...) as the net takes it
-- @return float32 (n, classes)
function outputs.logits(net, x)
  local form = compiled.form_of(net, x.shape[1])
  if not form or not form:takes(x) or form:left_out() ~= "softmax" then
    local y = net:predict(x)
    return outputs.is_proper(net) and y:clamp(LEAST, 1):log() or y
  end
  return form(x)
end

--- The probabilities of a batch at a temperature.
-- @param net         as for logits
-- @param x           a batch
-- @param temperature what the logits are divided by: above 1 the net is less sure of itself
-- @return float32 (n, classes)
-- @raise an error when the net's outputs are no numbers
function outputs.softened(net, x, temperature)
  -- what is between is freed at once: a service makes it thousands of times a second, and the collector, which learns of
  -- memory late, would stop for tens of milliseconds to free it
  local logits <close> = outputs.logits(net, x)
  local divisor <close> = core.full({ 1 }, temperature) -- as an operator would make it of the number, and leave it
  local scaled <close> = logits / divisor
  local p = scaled:softmax()
  local total <close> = p:sum()
  local sum = total:item() -- nan as soon as one of them is
  if sum ~= sum then error("the net's outputs are no numbers (nan): has its training diverged?", 0) end
  return p
end

--- The same as Lua numbers: a list of rows.
function outputs.probabilities(net, x, temperature) return outputs.softened(net, x, temperature):totable() end

--- The classes from the likeliest down; equals by label.
-- @param probabilities a row
-- @param labels        the classes' names
-- @param count         how many (all)
-- @return a list of { label =, probability =, class = its place }
function outputs.ranked(probabilities, labels, count)
  local list = {}
  for i, probability in ipairs(probabilities) do
    list[i] = { label = labels[i], probability = probability, class = i }
  end
  table.sort(list, function(a, b)
    if a.probability ~= b.probability then return a.probability > b.probability end
    return a.class < b.class
  end)
  return table.move(list, 1, math.min(count or #list, #list), 1, {})
end

return outputs
