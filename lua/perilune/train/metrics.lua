--- How well a net does, gathered batch by batch.
--
-- A metric is an object with a `name` and
--
--     metric:reset()
--     metric:update(prediction, target, weights)   one batch; weights is nil or a list, one a sample
--     metric:result()                              a number, or an object that prints itself
--     metric:state(), metric:restore(state)        what a training checkpoint keeps
--
-- Predictions are (n, classes), or (n, 1) or (n) for a yes or no; targets are labels (n) or (n, 1), or
-- one-hot rows (n, classes). Which of these it is, the shapes tell. Labels are the data's own: 0 to
-- classes - 1. More dimensions in front are samples too.
-- @module perilune.train.metrics
local args = require "perilune.args"
local report = require "perilune.train.report"

local metrics = {}

-- The numbers of a nested table, in order.
local function flatten(value, into)
  into = into or {}
  if type(value) == "table" then
    for _, item in ipairs(value) do flatten(item, into) end
  else
    into[#into + 1] = value
  end
  return into
end

local function numbers(tensor) return flatten(tensor:totable()) end

local function last_size(tensor)
  local shape = tensor.shape
  return #shape > 1 and shape[#shape] or 1
end

local function shape_text(tensor) return "(" .. table.concat(tensor.shape, ", ") .. ")" end

-- The position of the largest number in each row, from 0: a class.
local function largest(tensor)
  local positions = numbers(tensor:argmax(-1))
  for i = 1, #positions do positions[i] = positions[i] - 1 end
  return positions
end

local function mismatch(where, prediction, target)
  error(("%s: predictions of shape %s do not go with targets of shape %s: labels (n) or one-hot rows like the "
    .. "predictions are wanted"):format(where, shape_text(prediction), shape_text(target)), 0)
end

--- The classes of a batch of targets: labels (n) or (n, 1), or one-hot rows.
function metrics.classes_of(target) return last_size(target) > 1 and largest(target) or numbers(target) end

-- The classes that a batch of targets names, held against the predictions: from labels or one-hot rows.
local function target_classes(where, prediction, target)
  local classes = last_size(prediction)
  local list
  if classes > 1 and last_size(target) == classes and #target.shape == #prediction.shape then
    list = largest(target)
  else
    list = numbers(target)
  end
  local samples = 1
  for i = 1, math.max(#prediction.shape - (classes > 1 and 1 or 0), 1) do samples = samples * prediction.shape[i] end
  if #list ~= samples then mismatch(where, prediction, target) end
  return list
end

--- The classes that a batch of predictions names; yes or no is above `threshold`.
local function predicted_classes(prediction, threshold)
  if last_size(prediction) > 1 then return largest(prediction) end
  local list = numbers(prediction)
  for i = 1, #list do list[i] = list[i] > threshold and 1 or 0 end
  return list
end

-- --- a running mean, the base of most -----------------------------------------------------------------------

local Mean = {}
Mean.__index = Mean
Mean.__name = "perilune.Metric"

function Mean:__tostring() return ("metric %s: %s"):format(self.name, tostring(self:result())) end
function Mean:reset() self.sum, self.count = 0.0, 0 end

--- Adds a value that stands for so many samples.
function Mean:add(value, count) self.sum, self.count = self.sum + value * count, self.count + count end

function Mean:result() return self.sum / self.count end
function Mean:state() return { sum = self.sum, count = self.count } end
function Mean:restore(state) self.sum, self.count = state.sum, state.count end

local function mean(name, update)
  local metric = setmetatable({ name = name, update = update }, Mean)
  metric:reset()
  return metric
end

--- A running mean to which values are added by hand: add(value, count), result().
function metrics.mean(name) return mean(name) end

-- Adds a list of values, one a sample, weighted.
local function add_list(metric, values, weights)
  local sum, count = 0.0, #values
  if weights then
    count = 0.0
    for i, value in ipairs(values) do
      sum, count = sum + value * weights[i], count + weights[i]
    end
  else
    for _, value in ipairs(values) do sum = sum + value end
  end
  metric.sum, metric.count = metric.sum + sum, metric.count + count
end

-- How many rows of scores name the class of their label or one-hot row, counted in C, and how many rows there are;
-- nil for other shapes and types.
local function hits(prediction, target)
  local classes = last_size(prediction)
  local rows = prediction:numel() // classes
  if classes < 2 then return nil end
  local wanted
  if #target.shape == #prediction.shape and last_size(target) == classes then
    wanted = target:argmax(-1)
  elseif target.dtype == "int64" or target.dtype == "uint8" then
    local labels <close> = target:to "int64"
    wanted = labels + 1
  else
    return nil
  end
  local right <close> = wanted
  if right:numel() ~= rows then return nil end
  local got <close> = prediction:argmax(-1)
  local same <close> = got:reshape(rows):eq(right:reshape(rows))
  local sum <close> = same:sum()
  return 0.0 + sum:item(), rows
end

--- The part of the samples whose class is right.
-- @param given { threshold = 0.5 }: for nets with one output; 0 where that is a logit
function metrics.accuracy(given)
  local a = args.named("metrics.accuracy", given, { { "threshold", "number", 0.5 }, { "name", "string", "accuracy" } })
  return mean(a.name, function(self, prediction, target, weights)
    if not weights then
      local right, count = hits(prediction, target)
      if right then
        self.sum, self.count = self.sum + right, self.count + count
        return
      end
    end
    local wanted = target_classes(self.name, prediction, target)
    local got = predicted_classes(prediction, a.threshold)
    for i, class in ipairs(wanted) do got[i] = got[i] == class and 1 or 0 end
    add_list(self, got, weights)
  end)
end

--- The part of the samples whose class is among the k likeliest. Of equal scores the right one wins.
-- @param given { k = 5 }
function metrics.top_k(given)
  local a = args.named("metrics.top_k", given, { positional = 1, { "k", "integer", 5 }, { "name", "string" } })
  if a.k < 1 then error("metrics.top_k: k must be 1 or more, got " .. a.k, 2) end
  return mean(a.name or "top_" .. a.k, function(self, prediction, target, weights)
    local classes = last_size(prediction)
    local wanted = target_classes(self.name, prediction, target)
    local scores = numbers(prediction)
    for i, class in ipairs(wanted) do
      local start, above = (i - 1) * classes, 0
      local score = scores[start + class + 1]
      if score == nil or class < 0 or class >= classes then
        error(("%s: label %s, but there are classes 0 to %d"):format(self.name, tostring(class), classes - 1), 0)
      end
      for j = start + 1, start + classes do
        if scores[j] > score then above = above + 1 end
      end
      wanted[i] = above < a.k and 1 or 0
    end
    add_list(self, wanted, weights)
  end)
end

-- A mean over every number of prediction and target.
local function elementwise(name, distance)
  return mean(name, function(self, prediction, target, weights)
    local got, wanted = numbers(prediction), numbers(target)
    if #got ~= #wanted then
      error(("%s: predictions of shape %s, targets of shape %s: as many numbers are wanted"):format(
        self.name, shape_text(prediction), shape_text(target)), 0)
    end
    local width = #got // prediction.shape[1]
    local rows = {}
    for i = 1, prediction.shape[1] do
      local sum = 0.0
      for j = (i - 1) * width + 1, i * width do sum = sum + distance(got[j] - wanted[j]) end
      rows[i] = sum / width
    end
    add_list(self, rows, weights)
  end)
end

--- The mean absolute error.
function metrics.mae() return elementwise("mae", math.abs) end

--- The mean squared error.
function metrics.mse() return elementwise("mse", function(d) return d * d end) end

-- --- metrics that count pairs of classes --------------------------------------------------------------------

local Confusion = {}
Confusion.__index = Confusion
Confusion.__name = Mean.__name
Confusion.__tostring = Mean.__tostring
Confusion.running = false -- too much to sum up after every batch

function Confusion:reset() self.counts, self.classes = {}, 0 end

local function grow(self, classes)
  for i = 1, classes do
    self.counts[i] = self.counts[i] or {}
    for j = 1, classes do self.counts[i][j] = self.counts[i][j] or 0 end
  end
  self.classes = classes
end

function Confusion:update(prediction, target, weights)
  local classes = last_size(prediction)
  local wanted = target_classes(self.name, prediction, target)
  local got = predicted_classes(prediction, self.threshold)
  if classes == 1 then classes = 2 end
  if classes > self.classes then grow(self, classes) end
  for i, class in ipairs(wanted) do
    local row = self.counts[(math.tointeger(class) or -1) + 1]
    if row == nil then
      error(("%s: label %s, but there are classes 0 to %d"):format(self.name, tostring(class), classes - 1), 0)
    end
    row[got[i] + 1] = row[got[i] + 1] + (weights and weights[i] or 1)
  end
end

function Confusion:result()
  local whole = report.new(self.counts, self.names)
  return self.figure and whole[self.figure](whole) or whole
end

function Confusion:state() return { counts = self.counts, classes = self.classes } end
function Confusion:restore(state) self.counts, self.classes = state.counts, state.classes end

local function counting(name, figure)
  return function(given)
    local a = args.named("metrics." .. name, given, { { "classes", "table" }, { "threshold", "number", 0.5 } })
    local metric = setmetatable({ name = name, figure = figure, names = a.classes, threshold = a.threshold }, Confusion)
    metric:reset()
    return metric
  end
end

--- The confusion matrix, with precision, recall and F1 of each class; the result is a perilune.train.report.
-- @param given { classes = names, threshold = 0.5 }
metrics.confusion = counting("confusion")

--- Precision, the mean over the classes.
metrics.precision = counting("precision", "precision")

--- Recall, the mean over the classes.
metrics.recall = counting("recall", "recall")

--- F1, the mean over the classes.
metrics.f1 = counting("f1", "f1")

-- --- from what a person writes to metrics -----------------------------------------------------------------------

local named = {
  accuracy = metrics.accuracy, acc = metrics.accuracy, binary_accuracy = metrics.accuracy,
  categorical_accuracy = metrics.accuracy, sparse_categorical_accuracy = metrics.accuracy,
  top_k = metrics.top_k, top_k_categorical_accuracy = metrics.top_k, confusion = metrics.confusion,
  confusion_matrix = metrics.confusion, precision = metrics.precision, recall = metrics.recall,
  f1 = metrics.f1, f1_score = metrics.f1, mae = metrics.mae, mse = metrics.mse,
}

-- A Lua function (prediction, target) -> number as a metric: the mean over the samples.
local function from_function(name, f)
  return mean(name, function(self, prediction, target)
    local value = f(prediction, target)
    if type(value) == "userdata" then value = value:item() end
    if type(value) ~= "number" then
      error(("metric '%s': a function (prediction, target) -> number is wanted, it returned a %s"):format(
        self.name, type(value)), 0)
    end
    self:add(value, prediction.shape[1])
  end)
end

local function one(key, spec, classes)
  if type(spec) == "string" then
    local k = spec:match "^top_(%d+)$"
    if k then return metrics.top_k { math.tointeger(k) } end
    local make = named[spec] or named[args.snake(spec)]
    if not make then
      local names = {}
      for name in pairs(named) do names[#names + 1] = name end
      table.sort(names)
      error(("metrics: there is no '%s'; there are %s, top_1, top_2, ..., and Lua functions"):format(
        spec, table.concat(names, ", ")), 0)
    end
    local metric = make()
    if getmetatable(metric) == Confusion then metric.names = classes end
    return metric
  elseif type(spec) == "function" then
    return from_function(type(key) == "string" and key or "metric_" .. key, spec)
  elseif type(spec) == "table" and spec.update and spec.result then
    spec:reset()
    return spec
  end
  error(("metrics: a name, a function or a metric is wanted, got a %s"):format(type(spec)), 0)
end

--- A list of metrics from what was asked for.
-- @param specs a list of names, functions and metrics; a key that is a string names a function:
--   { "accuracy", "top_3", wrong = function(p, y) ... end }
-- @param classes the classes' names, for those that print them
function metrics.of(specs, classes)
  if type(specs) == "string" then specs = { specs } end
  local list, keys = {}, {}
  for i, spec in ipairs(specs or {}) do list[i] = one(i, spec, classes) end
  for key in pairs(specs or {}) do
    if type(key) == "string" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do list[#list + 1] = one(key, specs[key], classes) end
  return list
end

return metrics
