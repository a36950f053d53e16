#!/usr/bin/env lua5.4
-- How well a saved net does on MNIST: loss, accuracy, the confusion matrix with precision, recall and F1.
--
--   build/perilune scripts/evaluate.lua --model digits.h5
--   lua5.4 scripts/evaluate.lua --help

dofile((arg[0]:match "^(.*)/[^/]*$" or ".") .. "/tree.lua")

local script = require "perilune.script"

local NAME = "evaluate"

local function options()
  local parser = script.parser(NAME, "Evaluates a saved net on MNIST.")
  parser:option("--model", "The net.", "digits.h5")
  parser:option("--data", "Folder of the MNIST files; the cache when left out.")
  parser:option("--set", "Which part of the data."):default "test":choices { "test", "train" }
  parser:option("--batch", "Samples in a batch.", "256", script.count)
  parser:option("--threads", "Threads to use; all processors when left out.", nil, script.count)
  parser:flag("--json", "Print the result as one JSON object, the last line of standard output; all else goes to "
    .. "standard error.")
  return script.parse(parser, arg)
end

local function main()
  local o = options()
  local peri = script.perilune(NAME)
  local threads = script.threads(o.threads)
  local net = peri.nn.load(o.model)
  local train, test = script.mnist(NAME, o.data)
  local set = o.set == "train" and train or test
  local start = peri.monotonic()
  local result = net:evaluate(set, { batch = o.batch, loss = "sparse_categorical_crossentropy",
    metrics = { "accuracy", "top_2", "confusion" } })
  local seconds = peri.monotonic() - start
  local output = o.json and io.stderr or io.stdout
  output:write(tostring(result), "\n",
    ("%d images in %.2f s, %.0f a second, %d threads\n"):format(#set, seconds, #set / seconds, threads))
  if o.json then
    print(require("perilune.json").encode {
      model = o.model, set = o.set, images = #set, loss = result.loss, accuracy = result.accuracy,
      top_2 = result.top_2, seconds = seconds, threads = threads, confusion = result.confusion.counts,
      classes = result.confusion:rows(),
    })
  end
  return 0
end

script.run(NAME, main)
