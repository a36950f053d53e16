-- Prints what a training step of a net executes, in floating-point operations (2 for a multiplication with addition),
-- transforms included: forward and backward as net:plan() counts them, the sparse gradients by the share of pooled cells
-- that live after fifty steps of training.
--
--   build/perilune scripts/bench/operations.lua '{"net": "digit", "batch": 128}'
local root = arg[0]:match "^(.*)/scripts/" or "."
package.path = root .. "/scripts/bench/?.lua;" .. package.path
local peri = require "perilune"
local json = require "perilune.json"

local work = json.decode(arg[1])
peri.seed(1)
local net = require "nets"(work)
local pool = require "pictures"(work)
local left = 50
net:fit(pool, { epochs = 1, batch = work.batch, loss = "sparse_categorical_crossentropy", verbose = 0,
  callbacks = { { on_batch_end = function()
    left = left - 1
    return left == 0
  end } } })

local plan = net:plan(work.batch)
local total, at = 2 * plan.executed, 0
local batches, state, control = pool:batches { work.batch }
local x = batches(state, control)
for _, step in ipairs(plan) do
  local last = tonumber(step.layers:match "(%d+)$")
  for layer = at + 1, last do x = net[layer](x) end
  at = last
  local live = step.backward == "sparse" and x:gt(0):float():mean():item() or 1
  total = total + 2 * live * step.gradients
end
print(json.encode(total))
