--- Batches to probabilities: the service's hot loop.
-- @module perilune.serve.predict
local alone = require "perilune.alone"
local models = require "perilune.serve.models"
local refusal = require "perilune.serve.refusal"

local predict = {}

local FEW = 2 -- images that one thread has done before others would have woken

local function answer(service, batch)
  local images, model = batch.images, service.models[batch.model]
  local p
  if #batch <= FEW then p = alone(models.probabilities, model, images) else p = models.probabilities(model, images) end
  service.door:answer(batch, p)
  p:free() -- at once: many batches would pass before the collector saw a reason
  images:free()
end

--- Answers a batch; a failure is told to all whose requests are in it, and ends nothing else.
-- @param service has door, models and log
-- @param batch   see perilune.http
function predict.answer(service, batch)
  local ok, err = pcall(answer, service, batch)
  if ok then return end
  local status, reason = refusal.of(err)
  service:say("a batch of %d failed: %s", #batch, reason)
  service.door:fail(batch, status, reason)
end

return predict
