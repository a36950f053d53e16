--- Training, evaluating and predicting: net:fit, net:evaluate, net:predict.
--
--     local history = net:fit(data, { epochs = 12, batch = 128, validation = 0.1,
--       loss = "sparse_categorical_crossentropy", metrics = { "accuracy" }, optimizer = optim.Adam { lr = 1e-3 } })
--     print(net:evaluate(test))
--     local probabilities = net:predict(x)
--
-- Parts: train.callbacks, train.metrics, train.history, train.checkpoint, train.progress.
-- @module perilune.train
local args = require "perilune.args"
local core = require "perilune.core"
local checkpoint = require "perilune.train.checkpoint"
local evaluation = require "perilune.train.evaluation"
local feed = require "perilune.train.feed"
local losses = require "perilune.train.loss"
local metrics = require "perilune.train.metrics"
local optimizers = require "perilune.train.optimizer"
local progress = require "perilune.train.progress"
local Run = require "perilune.train.run"

local train = {
  callbacks = require "perilune.train.callbacks",
  checkpoint = checkpoint,
  history = require "perilune.train.history",
  metrics = metrics,
  progress = progress,
}

-- With which loss and metrics a net was last trained; evaluate takes them up.
local habits = setmetatable({}, { __mode = "k" })

--- The loss and metrics a net was last trained with: { loss =, metrics = }, or an empty table.
function train.habits(net) return habits[net] or {} end

--- Tells with which loss and metrics a net goes, for one that comes from a file.
function train.set_habits(net, given) habits[net] = { loss = given.loss, metrics = given.metrics } end

local fit_options = {
  { "validation", "any", nil, "validation_split|validation_data" }, { "epochs", "integer", 1 },
  { "batch", "integer", 32, "batch_size" }, { "loss", "any", args.required }, { "metrics", "table|string" },
  { "optimizer", "any" }, { "class_weights", "table", nil, "class_weight" },
  { "sample_weights", "any", nil, "sample_weight" },
  { "shuffle", "boolean", true }, { "callbacks", "table" }, { "verbose", "integer", 1 }, { "seed", "integer" },
  { "initial_epoch", "integer", 0 }, { "checkpoint", "string|table" }, { "resume", "boolean|string" },
  { "progress", "any" }, { "output", "any" },
}

local function at_least(where, name, value, least)
  if value < least then error(("%s: %s must be %d or more, got %d"):format(where, name, least, value), 0) end
end

-- The training data and the validation data, split off where a fraction was asked for.
local function split(dataset, a)
  local data = feed.of("net:fit", dataset)
  local validation = a.validation
  if type(validation) == "number" then
    if validation <= 0 or validation >= 1 then
      error(("net:fit: validation: a data set or a fraction between 0 and 1 is wanted, got %s"):format(validation), 0)
    end
    if a.sample_weights then
      error("net:fit: with sample_weights give the validation data as a set of its own: a fraction would leave open "
        .. "which weights belong to the rest", 0)
    end
    local held = math.floor(data.count * validation + 0.5)
    if held < 1 or held >= data.count then
      error(("net:fit: validation = %s of %d samples leaves nothing to %s"):format(validation, data.count,
        held < 1 and "validate on" or "learn from"), 0)
    end
    return data:split(validation)
  end
  return data, validation and feed.of("net:fit, validation", validation)
end

-- net:fit(x, y, options), as Keras has it, is net:fit({ x, y }, options).
local function paired(dataset, options, more)
  if type(dataset) == "userdata" and type(options) == "userdata" then return { dataset, options }, more end
  return dataset, options
end

-- { path =, every = } from what was given as checkpoint.
local function saving(given)
  if given == nil then return nil end
  if type(given) == "string" then return { path = given } end
  return args.named("net:fit, checkpoint", given, { positional = 1, { "path", "string", args.required },
    { "every", "integer" } })
end

-- The checkpoint to go on from, or nil. `resume = true` starts afresh where there is none yet.
local function resumption(a, save)
  if not a.resume then return nil end
  if a.resume == true then
    if not save then error("net:fit: resume = true wants checkpoint = PATH; or say resume = PATH", 0) end
    return checkpoint.exists(save.path) and checkpoint.load(save.path) or nil
  end
  return checkpoint.load(a.resume)
end

--- Trains a net.
-- @param net     the net
-- @param dataset a data set (perilune.data), or { x, y }; net:fit(x, y, options) also goes
-- @param options a table (Keras' names batch_size, validation_split, class_weight and the like go too):
--   validation (a data set, or the fraction of the data to hold back), epochs (1), batch (32),
--   loss (a name, a function (prediction, target), or a loss), metrics (names, functions, metrics),
--   optimizer (an optimiser or a name; Adam), class_weights ({ [label] = weight }), sample_weights (one a sample),
--   shuffle (true), callbacks (a list), verbose (0 nothing, 1 a bar, in a notebook curves too, 2 lines), seed, initial_epoch (0),
--   checkpoint (a path, or { path, every = batches }), resume (true, or a path), progress (an object in place of
--   the bar), output (a file; io.stderr)
-- @return a history; its field `interrupted` is true where Ctrl-C ended the run
function train.fit(net, dataset, options, more)
  dataset, options = paired(dataset, options, more)
  local a = args.named("net:fit", options, fit_options)
  at_least("net:fit", "epochs", a.epochs, 0)
  at_least("net:fit", "batch", a.batch, 1)
  at_least("net:fit", "initial_epoch", a.initial_epoch, 0)
  local data, validation = split(dataset, a)
  local loss = losses.of(a.loss)
  local save = saving(a.checkpoint)
  local state = resumption(a, save)
  if a.seed then core.seed(a.seed) end
  train.set_habits(net, a)
  train.build(net, data)
  if net.classes == nil then net.classes = dataset.classes end -- so that they travel with the net
  local run = Run.new {
    net = net, data = data, validation = validation, size = a.batch, epochs = a.epochs,
    first_epoch = a.initial_epoch + 1, seed = a.seed or core.rng_state().key, shuffle = a.shuffle, loss = loss,
    metrics = a.metrics, classes = dataset.classes, class_weights = a.class_weights,
    sample_weights = a.sample_weights, callbacks = a.callbacks, checkpoint = save,
    optimizer = optimizers.of(a.optimizer, net),
    display = a.progress or progress.choose { verbose = a.verbose, output = a.output },
  }
  if state then run:resume(state) end
  return run:go()
end

--- Builds a net that is not built yet, by letting it see one sample.
function train.build(net, data)
  if net.built ~= false then return end
  local next_batch, state, first = data:batches { size = 1 }
  evaluation.predict(net, next_batch(state, first), 1)
end

--- Loss and metrics of a net over a data set.
-- @param options { batch = 256, loss =, metrics = }; loss and metrics are by default those of the last fit, and
--   metrics { "accuracy" } where there was none
-- @return { loss =, accuracy =, ... }, which prints itself
function train.evaluate(net, dataset, options, more)
  dataset, options = paired(dataset, options, more)
  local a = args.named("net:evaluate", options, { { "batch", "integer", 256, "batch_size" }, { "loss", "any" },
    { "metrics", "table|string" } })
  local data = feed.of("net:evaluate", dataset)
  at_least("net:evaluate", "batch", a.batch, 1)
  local habit = train.habits(net)
  local loss = a.loss or habit.loss
  local list = metrics.of(a.metrics or habit.metrics or { "accuracy" }, dataset.classes)
  return evaluation.run(net, data, a.batch, loss and losses.of(loss), list)
end

local function same_shape(a, b)
  for axis = 1, math.max(#a, #b) do
    if a[axis] ~= b[axis] then return false end
  end
  return true
end

--- What a net says of every sample, or of one.
-- @param x a tensor (n, ...), a data set, or one sample: a tensor of the net's input shape
-- @param options { batch = 256 }
-- @return a tensor, one row a sample; of one sample its row
function train.predict(net, x, options)
  local a = args.named("net:predict", options, { { "batch", "integer", 256, "batch_size" } })
  at_least("net:predict", "batch", a.batch, 1)
  if type(x) ~= "userdata" then
    x = feed.of("net:predict", x)
  elseif net.built and net.input_shape and x.ndim == #net.input_shape then
    if same_shape(x.shape, net.input_shape) then return evaluation.predict(net, x:unsqueeze(1), 1)[1] end
    error(("net:predict: x of shape (%s) is no sample of (%s), and no batch of such"):format(
      table.concat(x.shape, ", "), table.concat(net.input_shape, ", ")), 0)
  end
  return evaluation.predict(net, x, a.batch)
end

--- Adds fit, evaluate and predict to a table of methods (of nets).
function train.attach(methods)
  methods.fit, methods.evaluate, methods.predict = train.fit, train.evaluate, train.predict
end

return train
