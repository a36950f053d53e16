#!/bin/bash
# MNIST from outside: train, evaluate and predict as a person would, and the same bits with one thread and two, and
# in one go or resumed. Usage: mnist.sh BUILD_FOLDER; skips without the data.
# slow: four epochs
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/checks.sh"
needs_mnist
command -v gnuplot >/dev/null || { echo "skipped: no gnuplot"; exit 77; }
train() { # name, options
  script "$1" train_mnist.lua --json --seed 5 --model "$1.h5" --plot "$1.png" --history "$1.json" "${@:2}"
}

check "one epoch with one thread" train one --epochs 1 --threads 1
check "one epoch with two threads" train two --epochs 1 --threads 2
check "the same seed gives the same bits with one thread and two" cmp one.h5 two.h5

cat >result.lua <<'LUA'
local json = require "perilune.json"
local lines = {}
for line in io.lines "one.out" do lines[#lines + 1] = line end
assert(#lines == 1, "standard output has " .. #lines .. " lines, not the one of the result")
local result = json.decode(lines[#lines])
local wanted = { train_accuracy = 1, validation_accuracy = 1, test_accuracy = 1, seconds_per_epoch = 1, epochs = 1, seed = 1,
  threads = 1, isa = "", precision = "", parameters = 1 }
for key, value in pairs(wanted) do
  assert(type(result[key]) == type(value), key .. " is " .. tostring(result[key]))
end
for key in pairs(result) do assert(wanted[key], "there is a key too many, " .. key) end
assert(result.epochs == 1 and result.seed == 5 and result.threads == 1 and result.parameters == 225034, lines[#lines])
assert(result.seconds_per_epoch > 0)
for _, key in ipairs { "train_accuracy", "validation_accuracy", "test_accuracy" } do
  assert(result[key] > (key == "test_accuracy" and 0.97 or 0.96) and result[key] <= 1, key .. " is " .. result[key])
end
LUA
check "the result is one line of JSON with its keys, and an accuracy over 97 %" lua result.lua

cat >picture.lua <<'LUA'
local file <close> = assert(io.open("one.png", "rb"))
local width, height = (">I4I4"):unpack(assert(file:read(24), "too short"), 17)
assert(width >= 400 and width <= 4000 and height >= 300 and height <= 4000, width .. "x" .. height)
local picture = require("perilune").image.load "one.png"
assert(picture.shape[1] == height and picture.shape[2] == width)
assert(file:seek "end" > 5000, "an empty picture")
LUA
check "the curves are a PNG of a sensible size" lua picture.lua

cat >history.lua <<'LUA'
local history = require("perilune.json").decode(assert(io.open("one.json")):read "a")
assert(#history.epoch == 1 and history.val_accuracy[1] > 0.95)
LUA
check "the history holds the epoch" lua history.lua

check "one epoch of two, with a checkpoint" train part --epochs 1 --checkpoint run.ckpt --no-plot --schedule constant
check "resumed to the second" train rest --epochs 2 --checkpoint run.ckpt --resume --no-plot --schedule constant
check "two epochs in one go" train whole --epochs 2 --no-plot --schedule constant
check "1 + resume + 1 is 2, bit for bit" cmp rest.h5 whole.h5
check "and it is not what one epoch gave" bash -c '! cmp -s part.h5 whole.h5'

check "evaluate.lua" script evaluated evaluate.lua --model one.h5 --json
cat >agrees.lua <<'LUA'
local json = require "perilune.json"
local function last(path)
  local line
  for each in io.lines(path) do line = each end
  return json.decode(line)
end
local trained, evaluated = last "one.out", last "evaluated.out"
assert(math.abs(trained.test_accuracy - evaluated.accuracy) < 1e-6, trained.test_accuracy .. " and " .. evaluated.accuracy)
assert(evaluated.images == 10000)
LUA
check "evaluate.lua says the accuracy that training said" lua agrees.lua

cat >digits.lua <<'LUA'
-- The first test image of each digit as a picture, thrice as large, black on white.
local peri = require "perilune"
local _, test = peri.data.mnist()
local net, seen = peri.nn.load "one.h5", {}
for i = 1, 100 do
  local image, label = test:one(i)
  if not seen[label] and net:predict(image:reshape(1, 28, 28, 1)):argmax(2):totable()[1] == label + 1 then
    seen[label] = true
    peri.image.save(label .. ".png", 1 - peri.image.resize(image, 84, 84))
  end
end
for digit = 0, 9 do assert(seen[digit], "no " .. digit .. " among the first hundred") end
LUA
check "pictures of ten digits" lua digits.lua
cat >said.lua <<'LUA'
local said = {}
for line in io.lines "predicted.out" do said[#said + 1] = line end
local results = require("perilune.json").decode(said[#said]).results
local right = 0
for _, result in ipairs(results) do
  if result.image == result.class .. ".png" then right = right + 1 else print(result.image, result.class) end
end
assert(#results == 10 and right >= 9, right .. " of " .. #results)
LUA
check "predict.lua" script predicted predict.lua --model one.h5 --json {0..9}.png
check "predict.lua knows them" lua said.lua

cat >drawings.lua <<'LUA'
-- Letters as the drawing program keeps what it is taught, and a digit.
local peri = require "perilune"
local kept = require("perilune.draw.collection").open "drawings"
local x = peri.data.letters { n = 40, seed = 5, kinds = { "A" } }:tensors()
for i = 1, 40 do kept:add(x[i], "A") end
kept:add((peri.data.drawn { n = 1, seed = 3 }:one(1)), 7)
LUA
check "a folder of drawings" lua drawings.lua
check "one epoch with the drawings too" train extra --epochs 1 --no-plot --extra drawings --extra-repeat 40 --filters 8 16 --units 32
cat >extra.lua <<'LUA'
local peri = require "perilune"
local net = peri.nn.load "extra.h5"
assert(table.concat(net.classes, " ") == "0 1 2 3 4 5 6 7 8 9 A", table.concat(net.classes, " "))
local x, right = peri.data.letters { n = 40, seed = 6, kinds = { "A" } }:tensors(), 0
for _, best in ipairs(net:predict(x):argmax(2):totable()) do right = right + (best == 11 and 1 or 0) end
local result = require("perilune.json").decode(assert(io.open "extra.out"):read "a")
assert(right >= 25 and result.drawings == 41 and result.test_accuracy > 0.9, right .. " and " .. result.test_accuracy)
LUA
check "the net has a class more, knows it, and is one of MNIST's still" lua extra.lua

finish
