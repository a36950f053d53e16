#!/usr/bin/env lua5.4
-- Makes the net that the drawing program uses when no other is named: a net of ten digits that was shown, too, what is
-- no digit, with the temperature and the threshold by which it says "not a digit", and the rates at which it is wrong.
--
--   build/perilune scripts/train_recogniser.lua --seed 1
--   build/perilune scripts/train_recogniser.lua --measure       (the committed net's rates, without training)
--
-- It learns from MNIST's training pictures, from digits drawn from strokes (perilune.data.drawn), and from letters and
-- scribbles (perilune.data.letters and .scribbles), whose label is that every digit is equally likely: outlier exposure
-- (Hendrycks, Mazeika, Dietterich 2019). All drawings are rendered as a canvas is and go through the preprocessing that
-- the drawing program uses. Pictures are turned, slanted, stretched and distorted at random, and their strokes made
-- thicker or thinner, as pens and mice do. Temperature and threshold come from 6,000 of MNIST's training pictures, which
-- it has not learned from, and from kinds of letters and scribbles that it has not seen. What is printed in the end, and
-- stored with the net, is of MNIST's test pictures and of kinds that neither learning nor choosing has seen; of
-- Fashion-MNIST where it is installed, and of letters in handwriting fonts (tests/outside/handwriting.lua, --also).
--
-- The committed net is that of --seed 1: 86,514 parameters, the same bits with any number of threads of one kind of
-- processor.

local root = dofile((arg[0]:match "^(.*)/[^/]*$" or ".") .. "/tree.lua")

local script = require "perilune.script"

local NAME = "train_recogniser"
local DIGITS = 10
local RENDER, THICKEN = 112, 2 -- as perilune.draw.recogniser renders a canvas and thickens its strokes

-- Seeds of what is drawn: a set of pictures that is learned from, chosen by and measured on never shares one.
local seeds = { training = 1000, validation = 2000, held_out = 3000 }

local function named_folder(text)
  local name, folder = text:match "^([%w_-]+)=(.+)$"
  if not name then return nil, ("'%s' is not NAME=FOLDER"):format(text) end
  return { name = name, folder = folder }
end

local function options()
  local parser = script.parser(NAME, "Trains the net that the drawing program uses when no other is named, and measures "
    .. "how often it takes a digit for none and something else for a digit.")
  parser:option("--epochs", "How often to go through the training data.", "18", script.count)
  parser:option("--batch", "Samples in a batch.", "128", script.count)
  parser:option("--lr", "The highest learning rate.", "0.002", script.number)
  parser:option("--ema", "Average the weights with this decay; 0 does not.", "0.999", script.fraction)
  parser:option("--filters", "Filters of the first and the second pair of convolutions (24 48)."):args(2)
    :convert(script.count)
  parser:option("--units", "Units of the dense layer.", "64", script.count)
  parser:option("--dropout", "Part of the dense layer's units to drop while training.", "0", script.fraction)
  parser:option("--digits", "Drawn digits to learn from, beside MNIST.", "4000", script.count)
  parser:option("--letters", "Drawn letters to learn from, as no digits.", "6000", script.count)
  parser:option("--scribbles", "Scribbles to learn from, as no digits.", "6000", script.count)
  parser:option("--signs", "Made-up signs to learn from, as no digits.", "10000", script.count)
  parser:option("--weight", "What a picture that is no digit counts for, beside a digit's 1.", "0.5", script.number)
  parser:option("--validation", "Part of MNIST's training pictures to hold back.", "0.1", script.fraction)
  parser:option("--false-reject", "Part of the held back digits that the threshold may turn away.", "0.01",
    script.fraction)
  parser:option("--also", "Measure the false accepts on these pictures too: a folder with a folder of pictures, "
    .. "all of one size, for each class."):args(1)
    :count "*":argname "NAME=FOLDER":convert(named_folder)
  parser:option("--seed", "Of weights, order and augmentation.", "1", script.integer)
  parser:option("--threads", "Threads to use; all processors when left out.", nil, script.count)
  parser:option("--data", "Folder of the MNIST files; the cache when left out.")
  parser:option("--model", "Where to save the net (.safetensors, .h5).", root .. "/lua/perilune/draw/digits.safetensors")
  parser:flag("--measure", "Do not train: measure the net that is saved there already.")
  parser:flag("--no-test", "Leave MNIST's test pictures and the held-out kinds alone: for choosing among options.")
  parser:flag("--json", "Print the result as one JSON object, the last line of standard output; all else goes to "
    .. "standard error.")
  parser:flag("--quiet", "No progress.")
  return script.parse(parser, arg)
end

-- --- data --------------------------------------------------------------------------------------------------------------

-- A set of drawings as the drawing program shows them to a net: float32 (n, 28, 28, 1). Their ink is light unless told.
local function as_seen(peri, set, o, title, ink)
  local image, rows = peri.image, {}
  for i in peri.progress(#set, { title = title, verbose = o.quiet and 0 or 1 }) do
    rows[i] = image.digit((set:one(i)), { ink = ink or "light", thicken = THICKEN }):reshape(1, 28, 28, 1)
  end
  return peri.cat(rows, 1)
end

-- Letters and scribbles of a group, `letters` and `scribbles` of them: two sets.
local function negatives(peri, group, counts, o)
  local sets = {}
  for i, name in ipairs { "letters", "scribbles" } do
    local drawn = peri.data[name] { n = counts[name], seed = seeds[group] + i, size = RENDER, kinds = group }
    sets[name] = peri.data.tensors { as_seen(peri, drawn, o, ("%s %s"):format(group, name)), drawn:labels(),
      classes = drawn.classes, name = name }
  end
  return sets
end

local function drawn_digits(peri, group, count, o)
  local drawn = peri.data.drawn { n = count, seed = seeds[group], size = RENDER }
  return peri.data.tensors { as_seen(peri, drawn, o, group .. " digits"), drawn:labels(), classes = drawn.classes }
end

local function one_hot(peri, set) return peri.one_hot(set:labels(), DIGITS):float() end

-- A set's pictures as uint8, a part at a time: as float32 all of them would take four times the room.
local function as_bytes(peri, set)
  local parts = {}
  for x in set:batches { 4096 } do parts[#parts + 1] = (x * 255 + 0.5):byte() end
  return peri.cat(parts, 1)
end

-- Letters of no alphabet.
local function signs(peri, count, o)
  local drawn = peri.data.scribbles { n = count, seed = seeds.training + 3, size = RENDER, kinds = { "sign" } }
  return peri.data.tensors(as_seen(peri, drawn, o, "training signs"))
end

-- Everything to learn from as one set: a digit's target is its label, of anything else each digit is as likely. And
-- what each picture counts for.
local function training_set(peri, mnist, o)
  local digits = drawn_digits(peri, "training", o.digits, o)
  local others = negatives(peri, "training", o, o)
  local xs, ys, weights = {}, {}, {}
  for i, set in ipairs { mnist, digits, others.letters, others.scribbles, signs(peri, o.signs, o) } do
    xs[i] = as_bytes(peri, set)
    ys[i] = i <= 2 and one_hot(peri, set) or peri.full({ #set, DIGITS }, 1 / DIGITS)
    weights[i] = peri.full({ #set }, i <= 2 and 1 or o.weight)
  end
  return peri.data.tensors { peri.cat(xs, 1), peri.cat(ys, 1) }, peri.cat(weights, 1)
end

-- Strokes of each picture made thicker (by up to 0.7 of what a 3 x 3 maximum adds) or thinner (by up to 0.5 of what a
-- minimum takes).
local function other_pens(peri)
  local window = { size = 3, stride = 1, padding = "same" }
  return function(x, y)
    local n = x.shape[1]
    local change = peri.rand(n, 1, 1, 1) * 1.2 - 0.5
    local thick, thin = peri.max_pool2d(x, window) - x, x + peri.max_pool2d(-x, window)
    return x + change:clamp(0, 1) * thick + change:clamp(-1, 0) * thin, y
  end
end

local function augmented(peri, set)
  return set:augment { rotation = 12, shear = 12, scale_x = { 0.8, 1.1 }, scale_y = { 0.9, 1.05 }, shift = 1.2,
    elastic = { alpha = { 0, 28 }, sigma = 4 } }:map(other_pens(peri))
end

-- --- the net -------------------------------------------------------------------------------------------------------------

local function make_net(peri, o)
  local nn = peri.nn
  local first, second = table.unpack(o.filters or { 24, 48 }, 1, 2)
  local layers = {
    nn.Conv2D { first, kernel = 3, activation = "relu" }, nn.Conv2D { first, kernel = 3, activation = "relu" },
    nn.MaxPool2D { 2 },
    nn.Conv2D { second, kernel = 3, activation = "relu" }, nn.Conv2D { second, kernel = 3, activation = "relu" },
    nn.MaxPool2D { 2 },
    nn.Flatten {}, nn.Dense { o.units, activation = "relu" },
  }
  if o.dropout > 0 then layers[#layers + 1] = nn.Dropout { o.dropout } end
  layers[#layers + 1] = nn.Dense { DIGITS, activation = "softmax" }
  layers.name = "digits"
  local net = nn.Sequential(layers)
  net:build { 28, 28, 1 }
  return net
end

local function train(peri, o, say)
  local mnist = script.mnist(NAME, o.data)
  local learned, validation = mnist:split(1 - o.validation)
  local set, weights = training_set(peri, learned, o)
  local net = make_net(peri, o)
  say("%d pictures to learn from (%d of MNIST, %d drawn digits, %d letters, %d scribbles, %d signs); %d to validate", #set,
    #learned, o.digits, o.letters, o.scribbles, o.signs, #validation)
  local rate = require("perilune.optim.schedules").one_cycle { o.lr }
  local history = net:fit(augmented(peri, set), {
    validation = validation:onehot(DIGITS), epochs = o.epochs, batch = o.batch, sample_weights = weights,
    loss = "categorical_crossentropy",
    -- while learning, the accuracy counts letters and scribbles too, which have no right answer; the validation's does not
    metrics = { "accuracy" },
    optimizer = peri.optim.Adam { lr = rate, ema = o.ema > 0 and o.ema or nil },
    callbacks = { peri.train.callbacks.terminate_on_nan() }, verbose = o.quiet and 0 or 1,
  })
  if history.interrupted then return nil end
  net.classes = mnist.classes
  return net, validation
end

-- --- when is it no digit? ----------------------------------------------------------------------------------------------

-- Temperature and threshold, from what was not learned from.
local function calibrate(peri, net, validation, o, say)
  local recogniser = require "perilune.draw.recogniser"
  local others = negatives(peri, "validation", { letters = 1200, scribbles = 800 }, o)
  local x = peri.cat({ (others.letters:tensors()), (others.scribbles:tensors()) }, 1)
  local own = recogniser.calibrate(net, validation, x, { false_reject = o.false_reject })
  say("validation: temperature %.4f; expected calibration error %.4f before and %.4f after", own.temperature,
    own.error_before, own.error_after)
  say("  threshold %.4f: %.2f %% of %d digits turned away, %.2f %% of %d letters and scribbles accepted", own.threshold,
    100 * own.false_reject, own.positives, 100 * own.false_accept, own.negatives)
  return own
end

-- The part of a set's pictures that the net takes for digits, as a table for JSON, and for each class, as text.
local function accepted(net, set)
  local recogniser = require "perilune.draw.recogniser"
  local function rate(part) return 1 - recogniser.rates(net, (part:tensors())).false_reject end
  local places, parts = {}, {}
  for i, label in ipairs(set:labels():totable()) do
    places[label + 1] = places[label + 1] or {}
    table.insert(places[label + 1], i)
  end
  for class, name in ipairs(set.classes) do
    if places[class] then parts[#parts + 1] = ("%s %.1f"):format(name, 100 * rate(set:subset(places[class]))) end
  end
  return { pictures = #set, false_accept = rate(set) }, table.concat(parts, ", ")
end

-- Digits: how many are recognised, how many turned away, and how many of the others are right.
local function turned_away(net, set)
  local rates = require("perilune.draw.recogniser").rates(net, set)
  local all = net:evaluate(set, { loss = "sparse_categorical_crossentropy", metrics = { "accuracy" } })
  return { pictures = #set, accuracy = all.accuracy, false_reject = rates.false_reject,
    accepted_accuracy = rates.accuracy }
end

-- Sets that are no digits, by name, in order: what was drawn for it, Fashion-MNIST where it is at hand, and --also.
local function strangers(peri, o)
  local others = negatives(peri, "held_out", { letters = 2400, scribbles = 2200 }, o)
  local list = { { "letters", others.letters }, { "scribbles", others.scribbles } }
  local found, _, clothes = pcall(peri.data.fashion_mnist)
  if found then list[#list + 1] = { "clothes", clothes } end
  for _, more in ipairs(o.also) do
    local set = peri.data.folder { more.folder, channels = 1 }
    list[#list + 1] = { more.name, peri.data.tensors { as_seen(peri, set, o, more.name, "auto"), set:labels(),
      classes = set.classes } }
  end
  return list
end

local function measure(peri, net, o, say)
  local _, test = script.mnist(NAME, o.data)
  local drawn = drawn_digits(peri, "held_out", 1000, o)
  local result = {}
  say("digits                      recognised   turned away   right of the rest")
  for _, row in ipairs {
    { "mnist", "MNIST's test pictures", test }, { "mnist_preprocessed", "  after preprocessing",
      peri.data.tensors(as_seen(peri, test, o, "preprocessing"), test:labels()) },
    { "drawn", "drawn digits", drawn },
  } do
    local r = turned_away(net, row[3])
    result[row[1]] = r
    say("%-23s %6d  %9.2f %% %11.2f %% %17.2f %%", row[2], r.pictures, 100 * r.accuracy, 100 * r.false_reject,
      100 * r.accepted_accuracy)
  end
  say("no digits                   accepted")
  for _, row in ipairs(strangers(peri, o)) do
    local r, kinds = accepted(net, row[2])
    result[row[1]] = r
    say("%-23s %6d  %7.2f %%   (%s)", row[1], r.pictures, 100 * r.false_accept, kinds)
  end
  return result
end

-- --- the run ---------------------------------------------------------------------------------------------------------

local function report(o, net, result)
  if not o.json then return end
  local parameters = 0
  for _, tensor in ipairs(net:parameters()) do parameters = parameters + tensor:numel() end
  print(require("perilune.json").encode { seed = o.seed, parameters = parameters, calibration = net.calibration,
    measured = result })
end

local function main()
  local o = options()
  local function say(format, ...) (o.json and io.stderr or io.stdout):write(format:format(...), "\n") end
  local peri = script.perilune(NAME)
  local threads = script.threads(o.threads)
  peri.seed(o.seed)
  local function save(net)
    script.make_folder(o.model)
    net:save(o.model)
  end
  local net, validation
  if o.measure then
    net = peri.nn.load(o.model)
  else
    say("%d threads, %s", threads, peri.isa())
    net, validation = train(peri, o, say)
    if not net then return script.INTERRUPTED end
    net.calibration = calibrate(peri, net, validation, o, say)
    save(net)
  end
  local result
  if not o.no_test then result = measure(peri, net, o, say) end
  if not o.measure then
    net.calibration.measured = result
    save(net)
    say("model: %s", o.model)
  end
  report(o, net, result)
  return 0
end

script.run(NAME, main)
