#!/bin/bash
# The net that comes with Perilune: its rates, measured again, are those that it states; and the script that made it
# runs from beginning to end. Usage: recogniser.sh BUILD_FOLDER; skips without MNIST.
# slow: draws some ten thousand pictures, and an epoch of training
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/checks.sh"
needs_mnist
recogniser() { script "$1" train_recogniser.lua --json --quiet "${@:2}"; } # name, options

check "measuring the net" recogniser measured --measure
cat >agrees.lua <<'LUA'
-- Counts may differ by two pictures of a set: other processors round otherwise.
local result = require("perilune.json").decode(assert(io.open "measured.out"):read "a")
local stated, checked = result.calibration.measured, 0
for name, row in pairs(result.measured) do
  for key, value in pairs(row) do
    local said = assert(stated[name], name .. " is not stated")[key]
    local slack = key == "pictures" and 0 or 2 / row.pictures + 1e-9
    assert(math.abs(value - said) <= slack, ("%s, %s: %.5f measured, %.5f stated"):format(name, key, value, said))
    checked = checked + 1
  end
end
assert(result.measured.mnist.pictures == 10000 and checked >= 16, checked .. " figures")
LUA
check "what it states is what is measured" lua agrees.lua

check "a short training" recogniser trained --seed 3 --epochs 1 --ema 0 --digits 100 --letters 100 --scribbles 100 \
  --signs 100 --model short.safetensors
cat >short.lua <<'LUA'
local result = require("perilune.json").decode(assert(io.open "trained.out"):read "a")
local net = require("perilune").nn.load "short.safetensors"
assert(result.seed == 3 and net.calibration.temperature == result.calibration.temperature)
assert(math.abs(net.calibration.false_reject - 0.01) < 0.002)
local _, test = require("perilune").data.mnist()
local accuracy = net:evaluate(test).accuracy
assert(accuracy > 0.95, "accuracy " .. accuracy)
assert(math.abs(net.calibration.measured.mnist.accuracy - accuracy) < 1e-6)
assert(net.calibration.measured.letters.pictures == 2400)
LUA
check "gives a net that has learned, with its calibration" lua short.lua
check "a second training, with one thread" recogniser again --seed 3 --epochs 1 --ema 0 --digits 100 --letters 100 \
  --scribbles 100 --signs 100 --no-test --threads 1 --model again.safetensors
cat >same.lua <<'LUA'
local core = require "perilune.core"
local one, two = core.load_safetensors "short.safetensors", core.load_safetensors "again.safetensors"
local count = 0
for name, tensor in pairs(one) do
  assert(tensor:equal(two[name]), name)
  count = count + 1
end
assert(count == 12, count .. " weights")
LUA
check "gives the same bits" lua same.lua

finish
