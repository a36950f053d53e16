#!/usr/bin/env lua5.4
-- Trains the digit net on MNIST, saves it, and plots how it went.
--
--   build/perilune scripts/train_mnist.lua --epochs 12 --seed 1
--   build/perilune scripts/train_mnist.lua --extra drawings          # corrected drawings, and classes taught, too
--   lua5.4 scripts/train_mnist.lua --help

dofile((arg[0]:match "^(.*)/[^/]*$" or ".") .. "/tree.lua")

local script = require "perilune.script"

local NAME = "train_mnist"

local function options()
  local parser = script.parser(NAME, "Trains the digit net (two convolutions, two dense layers) on MNIST.")
  parser:option("--epochs", "How often to go through the training data.", "12", script.count)
  parser:option("--batch", "Samples in a batch.", "128", script.count)
  parser:option("--lr", "The learning rate to start with.", "0.001", script.number)
  parser:option("--schedule", "How the learning rate changes."):default "linear"
    :choices { "constant", "linear", "cosine", "exponential", "step", "one_cycle", "plateau" }
  parser:option("--warmup", "Batches over which the learning rate rises from 0.", "0", script.integer)
  parser:option("--optimizer", "The optimiser."):default "adam"
    :choices { "adam", "adamw", "sgd", "rmsprop", "adagrad" }
  parser:option("--momentum", "Momentum of sgd.", "0.9", script.fraction)
  parser:option("--weight-decay", "Weight decay.", "0", script.number)
  parser:option("--clip-norm", "Cut gradients to this norm; 0 does not.", "0", script.number)
  parser:option("--ema", "Average the weights with this decay; 0 does not.", "0", script.fraction)
  parser:option("--filters", "Filters of the two convolutions (32 64)."):args(2):convert(script.count)
  parser:option("--units", "Units of the dense layer.", "128", script.count)
  parser:option("--dropout", "Part of the dense layer's units to drop while training.", "0", script.fraction)
  parser:option("--activation", "Activation of the hidden layers.", "relu")
  parser:option("--augment", "Change the images at random while learning: light turns, scales, slants and shifts them, "
    .. "full distorts them elastically too."):default "none":choices { "none", "light", "full" }
  parser:option("--extra", "Learn from the drawings in this folder too, as the drawing program keeps them (one folder a "
    .. "class); classes that are no digits become further outputs of the net. May be given again."):count "*"
    :argname "<folder>"
  parser:option("--extra-repeat", "How often each of these drawings counts in an epoch: they are few beside MNIST's.", "10",
    script.count)
  parser:option("--validation", "Part of the training data to hold back for validation.", "0.1", script.fraction)
  parser:option("--patience", "Stop after so many epochs without a better validation loss; 0 does not.", "0",
    script.integer)
  parser:option("--seed", "Of weights, order and dropout.", "1", script.integer)
  parser:option("--threads", "Threads to use; all processors when left out.", nil, script.count)
  parser:option("--precision", "How float32 is multiplied; bf16 rounds what it multiplies."):default "float32"
    :choices { "float32", "bf16" }
  parser:option("--data", "Folder of the MNIST files; the cache when left out.")
  parser:option("--model", "Where to save the net (.h5).", "digits.h5")
  parser:option("--plot", "Where to save the curves (.png, .svg, .pdf).", "plots/accuracy.png")
  parser:option("--history", "Where to save the figures of each epoch (.json, .csv).", "plots/history.json")
  parser:option("--checkpoint", "Keep a training checkpoint here, one file, written each epoch.")
  parser:flag("--resume", "Go on from the checkpoint if there is one.")
  parser:flag("--no-plot", "Draw no curves.")
  parser:flag("--json", "Print the result as one JSON object, the last line of standard output; all else goes to "
    .. "standard error.")
  parser:flag("--quiet", "No progress.")
  return script.parse(parser, arg)
end

local function augmentation(data, kind)
  if kind == "none" then return nil end
  return data.augment { rotation = 10, scale = { 0.9, 1.1 }, shear = 5, shift = 1.5,
    elastic = kind == "full" and { alpha = 20, sigma = 4 } or nil }
end

local function digit_net(nn, o, outputs)
  local first, second = table.unpack(o.filters or { 32, 64 }, 1, 2)
  local layers = {
    nn.Conv2D { first, kernel = 3, activation = o.activation }, nn.MaxPool2D { 2 },
    nn.Conv2D { second, kernel = 3, activation = o.activation }, nn.MaxPool2D { 2 },
    nn.Flatten {},
    nn.Dense { o.units, activation = o.activation },
  }
  if o.dropout > 0 then layers[#layers + 1] = nn.Dropout { o.dropout } end
  layers[#layers + 1] = nn.Dense { outputs, activation = "softmax" }
  local net = nn.Sequential(layers)
  net:build { 28, 28, 1 }
  return net
end

-- The collections of drawings to learn from.
local function open_extra(folders)
  local list = {}
  for i, folder in ipairs(folders) do
    list[i] = require("perilune.draw.collection").open(folder)
    for _, problem in ipairs(list[i].problems) do io.stderr:write(NAME, ": left out: ", problem, "\n") end
    if #list[i] == 0 then
      script.fail(NAME, script.NO_DATA, "--extra %s: there are no drawings in it (a folder for each class, with pictures of "
        .. "28 x 28 as the drawing program keeps corrections)", folder)
    end
  end
  return list
end

-- The classes of MNIST, and behind them those that only the drawings have, in the order of their names.
local function all_classes(digits, collections)
  local classes, known, more = table.move(digits, 1, #digits, 1, {}), {}, {}
  for _, name in ipairs(digits) do known[name] = true end
  for _, collection in ipairs(collections) do
    for name in pairs(collection:counts()) do
      if not known[name] then more[#more + 1], known[name] = name, true end
    end
  end
  table.sort(more)
  return table.move(more, 1, #more, #classes + 1, classes)
end

-- MNIST's training images, and each drawing several times. Returns how many drawings there are, too.
local function with_extra(train, collections, classes, times)
  local sets, count = { train }, 0
  for _, collection in ipairs(collections) do
    local drawings = collection:dataset(classes)
    count = count + #drawings
    for _ = 1, times do sets[#sets + 1] = drawings end
  end
  return #sets > 1 and require("perilune.data").concat(sets) or train, count
end

local function learning_rate(o, validated)
  local schedules = require "perilune.optim.schedules"
  local make = {
    constant = function() return o.lr end,
    linear = function() return schedules.linear { o.lr } end,
    cosine = function() return schedules.cosine { o.lr } end,
    exponential = function() return schedules.exponential { o.lr, factor = 0.8 } end,
    step = function() return schedules.step { o.lr, every = math.max(o.epochs // 3, 1), factor = 0.3 } end,
    one_cycle = function() return schedules.one_cycle { o.lr } end,
    plateau = function()
      return schedules.reduce_on_plateau { o.lr, factor = 0.3, patience = 1,
        monitor = validated and "val_loss" or "loss" }
    end,
  }
  local rate = make[o.schedule]()
  return o.warmup > 0 and schedules.warmup { rate, over = o.warmup } or rate
end

local function optimizer(optim, o, validated)
  local given = { lr = learning_rate(o, validated) }
  if o.weight_decay > 0 then given.weight_decay = o.weight_decay end
  if o.clip_norm > 0 then given.clip_norm = o.clip_norm end
  if o.ema > 0 then given.ema = o.ema end
  if o.optimizer == "sgd" then given.momentum = o.momentum end
  local names = { adam = "Adam", adamw = "AdamW", sgd = "SGD", rmsprop = "RMSprop", adagrad = "Adagrad" }
  return optim[names[o.optimizer]](given)
end

local function parameter_count(net)
  local count = 0
  for _, tensor in ipairs(net:parameters()) do count = count + tensor:numel() end
  return count
end

-- The picture is a pleasure, not the job: without gnuplot the run has still succeeded.
local function draw(history, o, say)
  if o.no_plot or #history.epoch == 0 then return end
  script.make_folder(o.plot)
  local ok, reason = pcall(function() require("perilune.plot").history(history):save(o.plot) end)
  if ok then say("curves: %s", o.plot) else io.stderr:write(NAME, ": no plot: ", tostring(reason), "\n") end
end

local function fit(net, train, validation, o, peri)
  local callbacks = { peri.train.callbacks.terminate_on_nan() }
  if o.patience > 0 then
    callbacks[2] = peri.train.callbacks.early_stopping { patience = o.patience, restore_best = true,
      monitor = validation and "val_loss" or "loss" }
  end
  return net:fit(train, {
    validation = validation, epochs = o.epochs, batch = o.batch,
    loss = "sparse_categorical_crossentropy", metrics = { "accuracy" },
    optimizer = optimizer(peri.optim, o, validation ~= nil), callbacks = callbacks,
    checkpoint = o.checkpoint, resume = o.resume and o.checkpoint ~= nil, verbose = o.quiet and 0 or 1,
  })
end

local function main()
  local o = options()
  if o.resume and not o.checkpoint then
    script.fail(NAME, script.USAGE, "--resume wants --checkpoint FILE")
  end
  local function say(format, ...) (o.json and io.stderr or io.stdout):write(format:format(...), "\n") end
  local peri = script.perilune(NAME)
  local threads = script.threads(o.threads)
  local precision, unit = peri.precision(o.precision)
  local arithmetic = precision == "bf16" and ("bf16 (%s)"):format(unit) or precision
  peri.seed(o.seed)

  local collections = open_extra(o.extra)
  local train, test = script.mnist(NAME, o.data)
  local classes, validation = all_classes(train.classes, collections), nil
  if o.validation > 0 then train, validation = train:split(1 - o.validation) end
  local drawings
  train, drawings = with_extra(train, collections, classes, o.extra_repeat)
  local net = digit_net(peri.nn, o, #classes)
  net.classes = classes
  say("%d images to learn from, %d to validate, %d to test; %d parameters; %d threads, %s, %s", #train,
    validation and #validation or 0, #test, parameter_count(net), threads, peri.isa(), arithmetic)

  if drawings > 0 then
    say("%d drawings among them, each %d times; classes: %s", drawings, o.extra_repeat, table.concat(classes, " "))
  end
  local augment = augmentation(peri.data, o.augment)
  if augment then say("%s", tostring(augment)) end
  local history = fit(net, augment and train:augment(augment) or train, validation, o, peri)
  script.make_folder(o.model)
  net:save(o.model)
  say("model: %s", o.model)
  script.make_folder(o.history)
  history:save(o.history)
  draw(history, o, say)
  if history.interrupted then return script.INTERRUPTED end

  local seen = net:evaluate(train).accuracy
  local held = validation and net:evaluate(validation).accuracy or nil
  local result = net:evaluate(test)
  say("accuracy: training %.4f, validation %s, test %.4f (%d of %d right)", seen,
    held and ("%.4f"):format(held) or "-", result.accuracy, math.floor(result.accuracy * #test + 0.5), #test)
  if o.json then
    local json = require "perilune.json"
    print(json.encode {
      train_accuracy = seen, validation_accuracy = held or json.null, test_accuracy = result.accuracy,
      seconds_per_epoch = script.median(history.seconds) or json.null, epochs = #history.epoch, seed = o.seed,
      threads = threads, isa = peri.isa(), precision = arithmetic,
      parameters = parameter_count(net), drawings = drawings > 0 and drawings or nil,
    })
  end
  return 0
end

script.run(NAME, main)
