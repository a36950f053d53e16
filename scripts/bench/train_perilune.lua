-- One side of train.sh: waits for a number of training steps on standard input, answers with seconds an epoch.
local root = arg[0]:match "^(.*)/scripts/" or "."
if not package.searchpath("perilune.core", package.cpath) then
  package.path = root .. "/lua/?.lua;" .. root .. "/lua/?/init.lua;" .. package.path
  package.cpath = root .. "/build/lua/?.so;" .. package.cpath
end
local peri = require "perilune"
local core = require "perilune.core"
local nn, optim, data = peri.nn, peri.optim, peri.data

peri.threads(tonumber(arg[1]) or peri.threads())
peri.seed(1)
local train = data.mnist()
local net = nn.Sequential {
  nn.Conv2D { 32, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
  nn.Conv2D { 64, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
  nn.Flatten {}, nn.Dense { 128, activation = "relu" }, nn.Dense { 10, activation = "softmax" },
}
net:build { 28, 28, 1 }
local opt = optim.Adam { net:parameters(), lr = 1e-3 }
local loss_of = nn.losses.sparse_categorical_crossentropy

local epoch, next_batch, state, control = 0, nil, nil, nil
local function batch()
  for _ = 1, 2 do
    if next_batch then
      local x, y = next_batch(state, control)
      control = x
      if x and #x == 128 then return x, y end
    end
    epoch = epoch + 1
    next_batch, state, control = train:batches { 128, shuffle = true, epoch = epoch }
  end
end

io.stdout:setvbuf "line"
print(("perilune: %s, %d threads"):format(peri.isa(), peri.threads()))
for line in io.lines() do
  local steps = tonumber(line)
  local started = core.monotonic()
  for _ = 1, steps do
    local x, y = batch()
    local loss <close> = loss_of(net(x, { training = true }), y)
    opt:zero_grad()
    loss:backward()
    opt:step()
  end
  print(("%.6f"):format((core.monotonic() - started) / steps * 469))
end
