--- How sure a recogniser may be: the temperature of a net's probabilities, the threshold below which it says "not a
-- digit", and the rates at which both kinds of mistake happen then. perilune.draw.recogniser is the face of this.
--
-- Temperature scaling (Guo, Pleiss, Sun and Weinberger 2017): the logits are divided by one number T, so that the
-- probabilities say how often the net is right; which class is the likeliest does not change.
-- @module perilune.draw.calibration
local args = require "perilune.args"
local core = require "perilune.core"
local data = require "perilune.data"
local outputs = require "perilune.draw.outputs"

local calibration = {}

--- What a net without calibration has. A net that has learned digits and nothing else is sure of 99 % of MNIST's test
-- digits at this confidence; of scribbles it is then sure too often, which only negatives can teach it.
calibration.default = { temperature = 1, threshold = 0.6 }

local LOWEST, HIGHEST = 0.05, 20 -- of temperatures: where none is best (every sample right), the search ends
local BINS = 15
local BATCH = 256

local function is_tensor(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__name == "perilune.Tensor"
end

--- A net's calibration, checked.
-- @param net  a net
-- @param name of the net, for messages
-- @return { temperature =, threshold =, ... }
function calibration.of(net, name)
  local given = net.calibration
  if given == nil then return calibration.default end
  local temperature = type(given) == "table" and given.temperature
  local threshold = type(given) == "table" and given.threshold
  if type(temperature) ~= "number" or not (temperature > 0 and temperature < math.huge)
    or type(threshold) ~= "number" or not (threshold >= 0 and threshold <= 1) then
    error(("%s: its calibration wants { temperature = above 0, threshold = from 0 to 1 }, got %s"):format(name or "net",
      type(given) == "table" and ("{ temperature = %s, threshold = %s }"):format(tostring(temperature), tostring(threshold))
      or type(given)), 0)
  end
  return given
end

-- --- what the net says of data -----------------------------------------------------------------------------------

-- A data set of a data set, of a tensor (n, 28, 28, 1), or of { x, y }.
local function set_of(where, what, given)
  if is_tensor(given) then return data.tensors(given) end
  if type(given) == "table" and is_tensor(given[1]) then return data.tensors(given[1], given[2]) end
  if (type(given) == "table" or type(given) == "userdata") and given.batches then return given end
  error(("%s: %s wants a data set, a tensor of pictures (n, 28, 28, 1) or { pictures, labels }, got %s"):format(where, what,
    given == nil and "nil" or "a " .. type(given)), 0)
end

-- Logits as float64 (n, classes), and the labels int64 (n) or nil.
local function collect(where, what, net, given)
  local set, logits, labels = set_of(where, what, given), {}, {}
  if #set == 0 then error(("%s: %s has no samples"):format(where, what), 0) end
  for x, y in set:batches { BATCH, shuffle = false } do
    logits[#logits + 1] = outputs.logits(net, x:reshape(x.shape[1], table.unpack(net.input_shape))):double()
    labels[#labels + 1] = y
  end
  logits = core.cat(logits, 1)
  if not logits:eq(logits):all():item() then
    error(("%s: the net's outputs for %s are no numbers (nan): has its training diverged?"):format(where, what), 0)
  end
  return logits, #labels > 0 and core.cat(labels, 1) or nil
end

local function want_labels(where, what, labels, classes)
  if not labels or labels.dtype ~= "int64" or labels.ndim ~= 1 then
    error(("%s: %s has no labels (int64, one a picture)"):format(where, what), 0)
  end
  local most = labels:max():item()
  if labels:min():item() < 0 or most >= classes then
    error(("%s: %s has a label %d, the net %d classes, from 0"):format(where, what, most, classes), 0)
  end
  return labels
end

-- For each row the largest probability, and whether it is the label's: two Lua lists.
local function confidences(logits, temperature, labels)
  local p = (logits / temperature):softmax()
  local right = labels and (p:argmax(2) - 1):eq(labels):totable()
  return p:max(2):totable(), right
end

-- --- temperature ---------------------------------------------------------------------------------------------------

--- The mean negative log-likelihood of labels at a temperature.
-- @param logits (n, classes)
-- @param labels int64 (n), from 0
function calibration.nll(logits, labels, temperature)
  local places = (labels + 1):reshape(-1, 1)
  return -(logits:double() / temperature):log_softmax():gather(2, places):mean():item()
end

--- The temperature at which the likelihood of labels is largest. The negative log-likelihood is convex in 1/T, and its
-- slope there, the mean over samples of what the net expects of the logits minus the label's logit, is followed to its
-- zero by halving: between 0.05 and 20, which also are the answers beyond.
-- @param logits (n, classes)
-- @param labels int64 (n), from 0
function calibration.temperature(logits, labels)
  logits = logits:double()
  local own = logits:gather(2, (labels + 1):reshape(-1, 1)):mean():item()
  local function slope(inverse)
    return ((logits * inverse):softmax() * logits):sum(2):mean():item() - own
  end
  local low, high = 1 / HIGHEST, 1 / LOWEST
  if slope(low) >= 0 then return HIGHEST end
  if slope(high) <= 0 then return LOWEST end
  while high - low > 1e-9 * high do
    local middle = (low + high) / 2
    if slope(middle) > 0 then high = middle else low = middle end
  end
  return 2 / (low + high)
end

--- Expected calibration error: in 15 equal bins of confidence, how far the share of right answers is from the mean
-- confidence, weighted by how many samples are there.
-- @param confidence a list of numbers in [0, 1]
-- @param right      a list: whether (true, or 1) the answer was right
function calibration.error_of(confidence, right)
  local sums, hits, total = {}, {}, 0
  for i, value in ipairs(confidence) do
    local bin = math.min(math.floor(value * BINS), BINS - 1)
    sums[bin] = (sums[bin] or 0) + value
    hits[bin] = (hits[bin] or 0) + ((right[i] == true or right[i] == 1) and 1 or 0)
  end
  for bin, sum in pairs(sums) do total = total + math.abs(sum - hits[bin]) end
  return total / #confidence
end

-- --- threshold -------------------------------------------------------------------------------------------------------

-- How many of a sorted list are below a value.
local function below(sorted, value)
  local low, high = 0, #sorted
  while low < high do
    local middle = (low + high) // 2
    if sorted[middle + 1] < value then low = middle + 1 else high = middle end
  end
  return low
end

-- The largest threshold that rejects at most this share of the positives.
local function threshold_rejecting(positives, share)
  return positives[math.min(#positives, math.floor(share * #positives + 1e-9) + 1)]
end

-- The smallest confidence among all at which at most this share of the negatives is accepted.
local function threshold_accepting(positives, negatives, share)
  local best = 1
  for _, list in ipairs { positives, negatives } do
    for _, value in ipairs(list) do
      if value < best and (#negatives - below(negatives, value)) <= share * #negatives + 1e-9 then best = value end
    end
  end
  return best
end

-- Where the shares of rejected positives and accepted negatives are nearest to each other.
local function threshold_equal(positives, negatives)
  local best, least = 1, math.huge
  for _, value in ipairs(positives) do
    local apart = math.abs(below(positives, value) / #positives - 1 + below(negatives, value) / #negatives)
    if apart < least then best, least = value, apart end
  end
  return best
end

local function choose_threshold(aim, positives, negatives)
  positives = table.move(positives, 1, #positives, 1, {})
  table.sort(positives)
  if aim.false_reject then return threshold_rejecting(positives, aim.false_reject) end
  negatives = table.move(negatives, 1, #negatives, 1, {})
  table.sort(negatives)
  if aim.false_accept then return threshold_accepting(positives, negatives, aim.false_accept) end
  return threshold_equal(positives, negatives)
end

local function aim_of(where, options, has_negatives)
  local a = args.named(where, options, { { "false_reject", "number" }, { "false_accept", "number" }, { "equal", "boolean" } })
  local aims = 0
  for _, name in ipairs { "false_reject", "false_accept" } do
    local share = a[name]
    if share and not (share >= 0 and share < 1) then
      error(("%s: argument '%s' wants a share from 0 to below 1, got %s"):format(where, name, share), 0)
    end
    aims = aims + (share and 1 or 0)
  end
  if aims + (a.equal and 1 or 0) > 1 then
    error(("%s: false_reject, false_accept and equal are three ways to choose one threshold: give one"):format(where), 0)
  end
  if (a.false_accept or a.equal) and not has_negatives then
    error(("%s: %s wants negatives: pictures that are no digits"):format(where, a.equal and "equal" or "false_accept"), 0)
  end
  if not a.false_accept and not a.equal then a.false_reject = a.false_reject or 0.01 end
  return a
end

-- --- the two functions -----------------------------------------------------------------------------------------------

-- Rates from lists of confidences.
local function rates_of(threshold, positives, right, negatives)
  local rejected, accepted, hits = 0, 0, 0
  for i, value in ipairs(positives) do
    if value < threshold then
      rejected = rejected + 1
    elseif right and (right[i] == true or right[i] == 1) then
      hits = hits + 1
    end
  end
  for _, value in ipairs(negatives or {}) do
    if value >= threshold then accepted = accepted + 1 end
  end
  local taken = #positives - rejected
  return {
    false_reject = rejected / #positives, false_accept = negatives and accepted / #negatives or nil,
    accuracy = right and taken > 0 and hits / taken or nil, positives = #positives, negatives = negatives and #negatives or 0,
  }
end

-- See recogniser.calibrate.
function calibration.calibrate(net, validation, negatives, options)
  local where = "recogniser.calibrate"
  local aim = aim_of(where, options, negatives ~= nil)
  local logits, labels = collect(where, "validation", net, validation)
  want_labels(where, "validation", labels, logits.shape[2])
  local temperature = calibration.temperature(logits, labels)
  local before, right = confidences(logits, 1, labels)
  local after = confidences(logits, temperature, labels)
  local others = negatives and confidences(collect(where, "negatives", net, negatives), temperature)
  local threshold = choose_threshold(aim, after, others)
  local result = rates_of(threshold, after, right, others)
  result.temperature, result.threshold = temperature, threshold
  result.nll_before, result.nll_after = calibration.nll(logits, labels, 1), calibration.nll(logits, labels, temperature)
  result.error_before, result.error_after = calibration.error_of(before, right), calibration.error_of(after, right)
  return result
end

-- See recogniser.rates.
function calibration.rates(net, positives, negatives)
  local where, own = "recogniser.rates", calibration.of(net)
  local logits, labels = collect(where, "positives", net, positives)
  if labels then want_labels(where, "positives", labels, logits.shape[2]) end
  local confidence, right = confidences(logits, own.temperature, labels)
  local others = negatives and confidences(collect(where, "negatives", net, negatives), own.temperature)
  local result = rates_of(own.threshold, confidence, right, others)
  result.temperature, result.threshold = own.temperature, own.threshold
  return result
end

return calibration
