-- Perilune's side: trains by net:fit, or infers by a compiled net, as asked on standard input (see sides.py).
local here = arg[0]:match "^(.*)/[^/]*$" or "."
dofile(here .. "/../tree.lua")
package.path = here .. "/?.lua;" .. package.path
local peri = require "perilune"
local core = require "perilune.core"
local json = require "perilune.json"

local work = json.decode(arg[1])
peri.threads(work.threads)
peri.seed(1)
if work.precision == "bf16" then peri.precision "bf16" end
local net = require "nets"(work)

local pool = require "pictures"(work)

-- Seconds a step of `steps` training steps: net:fit, ended by a callback.
local optimizer = peri.optim.Adam { lr = 1e-3 }
local asked = 0
local function train(steps)
  local left, spent = steps, 0
  while left > 0 do
    asked = asked + 1
    local first = left
    local count = { on_batch_end = function()
      left = left - 1
      return left == 0
    end }
    local started = core.monotonic()
    net:fit(pool, { epochs = 1, batch = work.batch, loss = "sparse_categorical_crossentropy", verbose = 0,
      optimizer = optimizer, seed = asked, callbacks = { count } })
    spent = spent + core.monotonic() - started
    if left == first then error "no batch was learned" end
  end
  return { seconds = spent / steps }
end

local function infer(steps, compiled, x)
  local laps = {}
  local sum = 0
  for i = 1, steps do
    local started = core.monotonic()
    compiled(x):free()
    laps[i] = core.monotonic() - started
    sum = sum + laps[i]
  end
  table.sort(laps)
  return { seconds = sum / steps, p50 = laps[steps // 2 + 1], p99 = laps[math.min(steps, steps * 99 // 100 + 1)] }
end

local compiled, pixels
if work.kind == "infer" then
  compiled = net:compile { batch = work.batch }
  local batches, state, control = pool:batches { work.batch }
  pixels = batches(state, control)
end
io.stdout:setvbuf "line"
print(("perilune, %s, %d threads"):format(peri.isa(), peri.threads()))
for line in io.lines() do
  local steps = json.decode(line).steps
  print(json.encode(compiled and infer(steps, compiled, pixels) or train(steps)))
end
