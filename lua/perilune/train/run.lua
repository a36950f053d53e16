--- One run of training: the loop behind net:fit, with its position, so that it can stop and go on anywhere.
--
-- A run knows `epoch` (from 1), `batch` (batches of this epoch already learned) and `step` (batches of the
-- whole run already learned). A batch counts once its step is made; whatever interrupts the run leaves
-- position, weights and optimiser at the end of a batch. (Where backward and step are one, memory that runs out
-- between the first weight and the last leaves some a step ahead; an interruption waits.)
-- @module perilune.train.run
local core = require "perilune.core"
local callbacks = require "perilune.train.callbacks"
local checkpoint = require "perilune.train.checkpoint"
local evaluation = require "perilune.train.evaluation"
local history = require "perilune.train.history"
local metrics = require "perilune.train.metrics"
local sample_weights = require "perilune.train.sample_weights"

local Run = {}
Run.__index = Run
Run.__name = "perilune.Run"

local TRAINING = { training = true }

-- Backward and step become one when a step takes less than this, in seconds: Ctrl-C has to wait for it. The bits
-- are the same either way, so that they do not depend on the clock.
local BRIEF = 0.08

--- A run.
-- @param given net, optimizer, data (a feed), validation (a feed or nil), size (of a batch), epochs,
--   first_epoch, seed, shuffle, loss (a function), metrics (specs), classes, class_weights, sample_weights,
--   callbacks (a list), checkpoint ({ path =, every = }), display (a progress)
function Run.new(given)
  local self = setmetatable(given, Run)
  self.steps = self.data:steps(self.size)
  self.epoch, self.batch, self.seen, self.before, self.rng = self.first_epoch, 0, 0, 0, core.rng_state()
  self.history = history.new()
  self.callbacks = callbacks.list(self.callbacks)
  self.metrics, self.validation_metrics = metrics.of(self.metrics, self.classes), metrics.of(self.metrics, self.classes)
  self.loss_mean = metrics.mean "loss"
  self.weigh = sample_weights.of(self)
  self.arena = core.arena()
  return self
end

--- Writes a line for the person who watches.
function Run:note(text) self.display:note(text) end

--- Seconds spent on this epoch so far, those before a resumption included.
function Run:elapsed() return self.before + (self.started and core.monotonic() - self.started or 0) end

-- Changes the weights. The first time by backward and step, which tells how long they take.
function Run:descend(loss)
  if self.brief then return self.optimizer:minimize(loss) end
  local started = core.monotonic()
  loss:backward()
  self.optimizer:step()
  if self.brief == nil then
    self.brief = self.optimizer:fuses() and not self.callbacks:want_gradients() and core.monotonic() - started < BRIEF
  end
end

--- One step on one batch: the one place where a net learns.
-- @return the loss, a number, before the step
function Run:learn(x, y, weights)
  local scope <close> = self.arena:scope(x) -- luacheck: ignore
  local prediction <close> = self.net(x, TRAINING)
  local loss <close> = self.loss(prediction, y, weights)
  self.optimizer:zero_grad()
  self:descend(loss)
  local value, seen <close> = loss:item(), prediction:detach()
  self.loss_mean:add(value, x.shape[1])
  for _, metric in ipairs(self.metrics) do evaluation.update(metric, seen, y) end
  return value
end

-- The figures so far, as callbacks and the progress see them.
function Run:logs(value)
  local logs = { loss = self.loss_mean:result(), batch_loss = value, lr = self.optimizer:rate() }
  for _, metric in ipairs(self.metrics) do
    if metric.running ~= false then logs[metric.name] = metric:result() end
  end
  return logs
end

-- After a batch: its number, the generator's state there, and whoever wants to know. True ends training.
function Run:after_batch(value, count)
  self.batch, self.step, self.seen = self.batch + 1, self.step + 1, self.seen + count
  self.rng = core.rng_state()
  local logs = self:logs(value)
  self.display:update(self.batch, self.seen, logs)
  local stop = self.callbacks:call("on_batch_end", self.batch, logs, self)
  local saving = self.checkpoint
  if saving and saving.every and self.batch % saving.every == 0 and self.batch < self.steps then
    checkpoint.save(self, saving.path)
  end
  return stop
end

-- After a resumption, when the batches already learned have been passed over: the generator's state there.
function Run:catch_up()
  if self.resumed_rng then core.set_rng_state(self.resumed_rng) end
  self.resumed_rng = nil
end

-- The batches of this epoch that are still to be learned. Returns true when a callback wants to stop.
function Run:batches()
  local passed, skip = 0, self.batch
  if skip == 0 then self:catch_up() end
  local how = { size = self.size, shuffle = self.shuffle, seed = self.seed, epoch = self.epoch }
  for x, y in self.data:batches(how) do -- closed with the loop, whatever ends it
    passed = passed + 1
    if passed > skip then
      self:catch_up()
      local stop = self.callbacks:call("on_batch_begin", passed, {}, self)
      local count = x.shape[1]
      local value = self:learn(x, y, self.weigh(y, self.epoch, (passed - 1) * self.size, count))
      stop = self:after_batch(value, count) or stop
      if stop then return true end
      core.interrupt_poll()
    end
  end
  self:catch_up()
  return false
end

-- The finished epoch's figures.
function Run:summary()
  local logs = { epoch = self.epoch, loss = self.loss_mean:result(), lr = self.optimizer:rate() }
  for _, metric in ipairs(self.metrics) do logs[metric.name] = metric:result() end
  logs.seconds = self:elapsed()
  if self.validation then
    local result = evaluation.run(self.net, self.validation, self.size, self.loss, self.validation_metrics)
    for name, value in pairs(result) do logs["val_" .. name] = value end
  end
  return logs
end

-- Everything between the last batch of an epoch and the first of the next.
function Run:finish_epoch(stopped)
  self.optimizer:average(true)
  local logs = self:summary()
  self.history:append(logs)
  self.display:end_epoch(logs)
  self.optimizer:on_epoch(logs)
  local stop = self.callbacks:call("on_epoch_end", self.epoch, logs, self) or stopped
  self.optimizer:average(false)
  self.epoch, self.batch, self.seen, self.before, self.rng = self.epoch + 1, 0, 0, 0, core.rng_state()
  self:reset()
  if self.checkpoint then checkpoint.save(self, self.checkpoint.path) end
  return stop
end

function Run:reset()
  self.started = nil
  self.loss_mean:reset()
  for _, metric in ipairs(self.metrics) do metric:reset() end
end

function Run:epoch_loop()
  local stop = false
  while self.epoch <= self.epochs and not stop do
    self.started = core.monotonic()
    self.display:begin_epoch(self.epoch, self.epochs, self.steps, self.data.count)
    stop = self.callbacks:call("on_epoch_begin", self.epoch, {}, self)
    if stop then break end
    local stopped = self:batches()
    if stopped and self.batch < self.steps then
      self:cut_short()
      break
    end
    stop = self:finish_epoch(stopped)
  end
end

-- Remembers the figures of an epoch that did not reach its end.
function Run:cut_short()
  if self.batch == 0 then return end
  local partial = { epoch = self.epoch, batch = self.batch, loss = self.loss_mean:result() }
  for _, metric in ipairs(self.metrics) do partial[metric.name] = metric:result() end
  self.history.partial = partial
end

-- Of C work alone: a second Ctrl-C raises "interrupted!" and ends the fit as any error does.
local function is_interruption(reason) return type(reason) == "string" and reason:find "interrupted$" ~= nil end

-- Ctrl-C: not an error, an end. What was learned so far is kept, on disk too where that is wanted.
function Run:interrupt()
  self.history.interrupted = true
  self:cut_short()
  local text = ("interrupted in epoch %d after batch %d of %d; what was learned is kept"):format(
    self.epoch, self.batch, self.steps)
  self.display:close { kind = "interrupted", text = text, history = self.history }
  self:note(text)
  if self.checkpoint then checkpoint.save(self, self.checkpoint.path) end
end

--- Goes on from a loaded checkpoint.
function Run:resume(state)
  self.resume_state = state
  self.seed = state.seed
end

function Run:prepare()
  self.optimizer:average(false)
  self.step = (self.first_epoch - 1) * self.steps
  self.optimizer:plan(self.epochs * self.steps, self.steps, self.step)
  self.callbacks:call("on_train_begin", {}, self)
  if self.resume_state then
    checkpoint.restore(self, self.resume_state)
    self.step = (self.epoch - 1) * self.steps + self.batch
    self.resumed_rng, self.rng, self.resume_state = self.resume_state.rng, self.resume_state.rng, nil
  end
end

--- Trains.
-- @return the history
function Run:go()
  core.interrupt_clear()
  core.signal_interrupt(true)
  local ok, reason = pcall(function()
    self:prepare()
    self:epoch_loop()
  end)
  if not ok and is_interruption(reason) then
    core.interrupt_clear() -- dealt with here
    ok, reason = pcall(function()
      self.optimizer:average(false)
      self:interrupt()
    end)
  end
  core.signal_interrupt(false)
  self.arena:free()
  self.display:close(ok and { kind = "done", history = self.history } or { kind = "failed",
    text = ("ended by an error in epoch %d after batch %d of %d"):format(self.epoch, self.batch, self.steps) })
  if not ok then
    pcall(self.optimizer.average, self.optimizer, false)
    error(reason, 0)
  end
  self.optimizer:average(true)
  self.callbacks:call("on_train_end", {}, self)
  return self.history
end

return Run
