-- The shortest recipe that reaches 98.9 % with the digit net: one process from nothing to a saved file.
--
--   build/perilune scripts/bench/cold.lua SEED MODEL.h5 [validate]
--
-- Prints "saved" when the file is on the disk, then the accuracy on the test set. With `validate`, learns from
-- 54,000 images and prints the accuracy on the 6,000 held out instead: the figure by which the recipe was chosen.
local peri = require "perilune"
local nn, optim, data = peri.nn, peri.optim, peri.data

local EPOCHS, BATCH, RATE = 2, 128, 8e-3

local seed, model, validate = math.tointeger(tonumber(arg[1])), arg[2], arg[3] == "validate"
peri.seed(seed)
local train, test = data.mnist()
if validate then train, test = train:split(0.9) end
local net = nn.Sequential {
  nn.Conv2D { 32, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
  nn.Conv2D { 64, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
  nn.Flatten {}, nn.Dense { 128, activation = "relu" }, nn.Dense { 10, activation = "softmax" },
}
net:build { 28, 28, 1 }
net:fit(train, { epochs = EPOCHS, batch = BATCH, loss = "sparse_categorical_crossentropy", metrics = { "accuracy" },
  optimizer = optim.Adam { lr = optim.schedules.one_cycle { RATE } }, verbose = 0 })
net:save(model)
io.stdout:write "saved\n"
io.stdout:flush()
print(("%.4f"):format(net:evaluate(test).accuracy))
