--- Learning rates that change while a net learns.
--
-- Anywhere a learning rate is wanted it may be
--
--  * a number;
--  * a function (progress, step, epoch) -> number;
--  * a coroutine that yields one rate a batch (each resume is handed progress, step, epoch; when it ends,
--    its last rate stays);
--  * a schedule: an object with a method rate(progress, step, epoch) and, if it wants them,
--    on_epoch(metrics), state() and restore(state).
--
-- `progress` runs from 0 before the first batch towards 1 after the last one of the whole run; `step` is
-- the number of the batch about to be learned, `epoch` the number of its epoch, both from 1.
--
-- The ready-made schedules below are functions of that position alone, save for reduce_on_plateau, which
-- listens to a metric. Where one has a `unit`, time is counted in "epoch"s done, in "batch"es done, or in
-- fractions of the whole "run".
-- @module perilune.optim.schedules
local args = require "perilune.args"

local schedules = {}

local Schedule = {}
Schedule.__index = Schedule
Schedule.__name = "perilune.Schedule"

function Schedule:__tostring() return ("schedules.%s"):format(self.name) end

--- What a notebook shows.
function Schedule:__mime() return require("perilune.optim.curve").mime(self) end

--- The rate at a position; see the module's head.
function Schedule:rate(progress, step, epoch) return self.formula(progress, step, epoch) end

local function schedule(name, formula)
  return setmetatable({ name = name, formula = formula }, Schedule)
end

local clocks = {
  epoch = function(_, _, epoch) return epoch - 1 end,
  batch = function(_, step) return step - 1 end,
  run = function(progress) return progress end,
}

-- A function from a position to the time done, in a unit.
local function clock(where, unit)
  return clocks[unit] or error(('%s: unit is "epoch", "batch" or "run", got "%s"'):format(where, tostring(unit)), 3)
end

local function positive(where, name, value)
  if value <= 0 then error(("%s: %s must be above 0, got %s"):format(where, name, tostring(value)), 3) end
  return value
end

-- A function from a position to the part done, 0 to 1, of `over` units; of the whole run when `over` is nil.
local function fraction(where, over, unit)
  local time = clock(where, unit)
  if over == nil then return function(progress) return math.min(progress, 1) end end
  positive(where, "over", over)
  return function(progress, step, epoch) return math.min(time(progress, step, epoch) / over, 1) end
end

--- Drops by a factor every so often: lr * factor ^ floor(t / every).
-- PyTorch's StepLR (step_size, gamma).
-- @param given { lr, every =, factor = 0.1, unit = "epoch" }
function schedules.step(given)
  local a = args.named("schedules.step", given, { positional = 1,
    { "lr", "number", args.required }, { "every", "number", args.required },
    { "factor", "number", 0.1 }, { "unit", "string", "epoch" } })
  local time = clock("schedules.step", a.unit)
  positive("schedules.step", "every", a.every)
  return schedule("step", function(...) return a.lr * a.factor ^ (time(...) // a.every) end)
end

--- A rate for each stretch of time: values[i] while t < boundaries[i], the last value afterwards. In
-- epochs, boundaries { 5, 8 } mean up to and including epoch 5, up to 8, and after.
-- PyTorch's MultiStepLR; Keras' PiecewiseConstantDecay (which counts batches, and changes one later).
-- @param given { boundaries = {...}, values = {...}, unit = "epoch" }
function schedules.piecewise(given)
  local a = args.named("schedules.piecewise", given, { { "boundaries", "table", args.required },
    { "values", "table", args.required }, { "unit", "string", "epoch" } })
  local time = clock("schedules.piecewise", a.unit)
  if #a.values ~= #a.boundaries + 1 then
    error(("schedules.piecewise: %d boundaries want %d values, got %d"):format(
      #a.boundaries, #a.boundaries + 1, #a.values), 2)
  end
  for i = 2, #a.boundaries do
    if a.boundaries[i] <= a.boundaries[i - 1] then error("schedules.piecewise: boundaries must rise", 2) end
  end
  return schedule("piecewise", function(...)
    local t = time(...)
    for i, boundary in ipairs(a.boundaries) do
      if t < boundary then return a.values[i] end
    end
    return a.values[#a.values]
  end)
end

--- Decays by a constant ratio: lr * factor ^ (t / every), in whole steps if staircase.
-- Keras' ExponentialDecay (decay_rate, decay_steps); with every = 1 PyTorch's ExponentialLR (gamma).
-- @param given { lr, factor =, every = 1, staircase = false, unit = "epoch" }
function schedules.exponential(given)
  local a = args.named("schedules.exponential", given, { positional = 1,
    { "lr", "number", args.required }, { "factor", "number", args.required }, { "every", "number", 1 },
    { "staircase", "boolean", false }, { "unit", "string", "epoch" } })
  local time = clock("schedules.exponential", a.unit)
  positive("schedules.exponential", "every", a.every)
  return schedule("exponential", function(...)
    local t = time(...) / a.every
    return a.lr * a.factor ^ (a.staircase and math.floor(t) or t)
  end)
end

--- Falls along a polynomial: (lr - final) * (1 - f) ^ power + final, f the part done.
-- Keras' PolynomialDecay; PyTorch's PolynomialLR has final = 0.
-- @param given { lr, final = 0, power = 1, over = the whole run, unit = "epoch" }
function schedules.polynomial(given)
  local a = args.named("schedules.polynomial", given, { positional = 1,
    { "lr", "number", args.required }, { "final", "number", 0 }, { "power", "number", 1 },
    { "over", "number" }, { "unit", "string", "epoch" } })
  local part = fraction("schedules.polynomial", a.over, a.unit)
  return schedule("polynomial", function(...) return (a.lr - a.final) * (1 - part(...)) ^ a.power + a.final end)
end

--- Falls in a straight line; polynomial with power 1.
-- @param given { lr, final = 0, over = the whole run, unit = "epoch" }
function schedules.linear(given)
  local a = args.named("schedules.linear", given, { positional = 1,
    { "lr", "number", args.required }, { "final", "number", 0 }, { "over", "number" },
    { "unit", "string", "epoch" } })
  local line = schedules.polynomial { a.lr, final = a.final, over = a.over, unit = a.unit }
  line.name = "linear"
  return line
end

-- Where time t falls among periods of lengths first, first * growth, ...: how many are over, and the part
-- done of the one under way.
local function period_of(t, first, growth)
  if growth == 1 then return t // first, t / first % 1 end
  local over = math.floor(math.log(1 - t / first * (1 - growth), growth) + 1e-12)
  local start = first * (1 - growth ^ over) / (1 - growth)
  return over, (t - start) / (first * growth ^ over)
end

--- Half a cosine from lr down to final: final + (lr - final) * (1 + cos(pi * f)) / 2, f the part done of
-- the whole run, or of `over`. With restarts (a first period's length) it springs back to the top and
-- falls again, each period `growth` times as long and `decay` times as high.
-- Loshchilov and Hutter, SGDR, 2017, equation 5; PyTorch's CosineAnnealingLR and
-- CosineAnnealingWarmRestarts (T_0 = restarts, T_mult = growth); Keras' CosineDecay, CosineDecayRestarts.
-- @param given { lr, final = 0, over = the whole run, restarts = nil, growth = 1, decay = 1, unit = "epoch" }
function schedules.cosine(given)
  local where = "schedules.cosine"
  local a = args.named(where, given, { positional = 1,
    { "lr", "number", args.required }, { "final", "number", 0 }, { "over", "number" }, { "restarts", "number" },
    { "growth", "number", 1 }, { "decay", "number", 1 }, { "unit", "string", "epoch" } })
  local function curve(top, part) return a.final + (top - a.final) * (1 + math.cos(math.pi * part)) / 2 end
  if a.restarts == nil then
    local part = fraction(where, a.over, a.unit)
    return schedule("cosine", function(...) return curve(a.lr, part(...)) end)
  end
  if a.over then error(where .. ": give over (one fall) or restarts (the first period), not both", 2) end
  positive(where, "restarts", a.restarts)
  if a.growth < 1 then error(where .. ": growth must be 1 or more, got " .. tostring(a.growth), 2) end
  local time = clock(where, a.unit)
  return schedule("cosine", function(...)
    local over, part = period_of(time(...), a.restarts, a.growth)
    return curve(a.final + (a.lr - a.final) * a.decay ^ over, part)
  end)
end

--- Up to a high rate and down to almost nothing, within the run: from lr / div up to lr during the first
-- `peak` of the run, then down to lr / div / final_div; with three_phase first back to lr / div in as much
-- time, then on down. Along a cosine, or a line.
-- Smith and Topin, Super-convergence, 2018; PyTorch's OneCycleLR (whose phases are counted in steps, so
-- that its peak of p over T steps is a peak of (p T - 1) / (T - 1) here).
-- @param given { lr, peak = 0.3, div = 25, final_div = 1e4, anneal = "cos" or "linear", three_phase = false }
function schedules.one_cycle(given)
  local where = "schedules.one_cycle"
  local a = args.named(where, given, { positional = 1,
    { "lr", "number", args.required }, { "peak", "number", 0.3 }, { "div", "number", 25 },
    { "final_div", "number", 1e4 }, { "anneal", "string", "cos" }, { "three_phase", "boolean", false } })
  if a.anneal ~= "cos" and a.anneal ~= "linear" then
    error(('%s: anneal is "cos" or "linear", got "%s"'):format(where, a.anneal), 2)
  end
  if a.peak <= 0 or a.peak >= (a.three_phase and 0.5 or 1) then
    error(("%s: peak must lie between 0 and %s, got %s"):format(where, a.three_phase and "0.5" or "1", a.peak), 2)
  end
  local low = a.lr / positive(where, "div", a.div)
  local phases = { { 0, a.peak, low, a.lr } }
  if a.three_phase then
    phases[2] = { a.peak, 2 * a.peak, a.lr, low }
    phases[3] = { 2 * a.peak, 1, low, low / positive(where, "final_div", a.final_div) }
  else
    phases[2] = { a.peak, 1, a.lr, low / positive(where, "final_div", a.final_div) }
  end
  return schedule("one_cycle", function(progress)
    local phase
    for i = 1, #phases do
      phase = phases[i]
      if progress <= phase[2] then break end
    end
    local part = math.min((progress - phase[1]) / (phase[2] - phase[1]), 1)
    if a.anneal == "cos" then return phase[4] + (phase[3] - phase[4]) / 2 * (1 + math.cos(math.pi * part)) end
    return phase[3] + (phase[4] - phase[3]) * part
  end)
end

-- --- schedules that remember ---------------------------------------------------------------------------

local Warmup = setmetatable({}, { __index = Schedule })
Warmup.__index, Warmup.__name, Warmup.__tostring = Warmup, Schedule.__name, Schedule.__tostring
Warmup.__mime = Schedule.__mime

function Warmup:rate(progress, step, epoch)
  local rate = self.inner:rate(progress, step, epoch)
  return rate * (self.from + (1 - self.from) * self.part(progress, step, epoch))
end

function Warmup:on_epoch(metrics) return self.inner:on_epoch(metrics) end
function Warmup:state() return self.inner:state() end
function Warmup:restore(state) self.inner:restore(state) end

--- Starts another learning rate (of any kind) gently: multiplies it by a factor that rises in a line from
-- `from` to 1 over so many batches.
-- PyTorch's LinearLR (start_factor, total_iters).
-- @param given { inner, over = 1000, from = 0, unit = "batch" }
function schedules.warmup(given)
  local a = args.named("schedules.warmup", given, { positional = 1,
    { "lr", "any", args.required }, { "over", "number", 1000 }, { "from", "number", 0 },
    { "unit", "string", "batch" } })
  return setmetatable({ name = "warmup", inner = schedules.of(a.lr), from = a.from,
    part = fraction("schedules.warmup", a.over, a.unit) }, Warmup)
end

local Plateau = setmetatable({}, { __index = Schedule })
Plateau.__index, Plateau.__name, Plateau.__tostring = Plateau, Schedule.__name, Schedule.__tostring

function Plateau:rate() return self.now end

function Plateau:on_epoch(metrics)
  local value = metrics[self.monitor]
  if value == nil then
    local names = {}
    for name in pairs(metrics) do names[#names + 1] = tostring(name) end
    table.sort(names)
    error(("schedules.reduce_on_plateau: there is no metric '%s' to monitor; there are %s"):format(
      self.monitor, table.concat(names, ", ")))
  end
  if self.resting > 0 then self.resting, self.waited = self.resting - 1, 0 end
  local better
  if self.mode == "max" then better = value > self.best + self.min_delta
  else better = value < self.best - self.min_delta end
  if better then
    self.best, self.waited = value, 0
  elseif self.resting == 0 then
    self.waited = self.waited + 1
    if self.waited >= self.patience and self.now > self.min_lr then
      self.now = math.max(self.now * self.factor, self.min_lr)
      self.resting, self.waited = self.cooldown, 0
    end
  end
end

local remembered = { "now", "best", "waited", "resting" }

function Plateau:state()
  local state = {}
  for _, name in ipairs(remembered) do state[name] = self[name] end
  return state
end

function Plateau:restore(state)
  for _, name in ipairs(remembered) do self[name] = state[name] end
end

--- Which way a metric gets better: "max" for accuracies and the like, "min" for losses.
function schedules.direction(monitor)
  for _, word in ipairs { "acc", "top_", "precision", "recall", "f1", "auc" } do
    if monitor:find(word, 1, true) then return "max" end
  end
  return "min"
end

--- Lowers the rate when a metric has stopped getting better: after `patience` epochs without a gain of
-- more than min_delta it is multiplied by factor, and then left alone for `cooldown` epochs.
-- Keras' ReduceLROnPlateau, names and rules.
-- @param given { lr, monitor = "val_loss", factor = 0.1, patience = 10, min_delta = 1e-4, cooldown = 0,
--   min_lr = 0, mode = "auto", "min" or "max" }
function schedules.reduce_on_plateau(given)
  local where = "schedules.reduce_on_plateau"
  local a = args.named(where, given, { positional = 1,
    { "lr", "number", args.required }, { "monitor", "string", "val_loss" }, { "factor", "number", 0.1 },
    { "patience", "integer", 10 }, { "min_delta", "number", 1e-4 }, { "cooldown", "integer", 0 },
    { "min_lr", "number", 0 }, { "mode", "string", "auto" } })
  if a.factor >= 1 then error(("%s: factor must be below 1, got %s"):format(where, a.factor), 2) end
  if a.mode == "auto" then a.mode = schedules.direction(a.monitor) end
  if a.mode ~= "min" and a.mode ~= "max" then
    error(('%s: mode is "auto", "min" or "max", got "%s"'):format(where, a.mode), 2)
  end
  a.name, a.now, a.waited, a.resting = "reduce_on_plateau", a.lr, 0, 0
  a.best = a.mode == "max" and -math.huge or math.huge
  return setmetatable(a, Plateau)
end

-- --- any kind of learning rate as a schedule --------------------------------------------------------------

local Coroutine = setmetatable({}, { __index = Schedule })
Coroutine.__index, Coroutine.__name, Coroutine.__tostring = Coroutine, Schedule.__name, Schedule.__tostring

function Coroutine:rate(progress, step, epoch)
  if coroutine.status(self.thread) == "dead" then return self.last end
  local ok, rate = coroutine.resume(self.thread, progress, step, epoch)
  if not ok then error(debug.traceback(self.thread, "learning rate's coroutine: " .. tostring(rate))) end
  if rate ~= nil then
    self.last = rate
  elseif self.last == nil then
    error("learning rate's coroutine ended without yielding a rate", 0)
  end
  self.past[#self.past + 1] = { progress, step, epoch }
  return self.last
end

-- A coroutine cannot be written to a file: its past is, and a fresh one is led through it again.
function Coroutine:state() return { past = self.past } end

function Coroutine:restore(state)
  if #self.past > 0 then error "learning rate's coroutine has already run: resuming wants a fresh one" end
  for _, position in ipairs(state.past) do self:rate(position[1], position[2], position[3]) end
end

local function checked(inner, value)
  if type(value) ~= "number" or value ~= value or value < 0 or value == math.huge then
    error(("learning rate (%s): a number of 0 or more is wanted, got %s"):format(tostring(inner), tostring(value)), 0)
  end
  return value
end

-- Every schedule that schedules.of hands out: checked, and with all four methods.
local Checked = {}
Checked.__index = Checked
Checked.__name = Schedule.__name
function Checked:__tostring() return tostring(self.inner) end
Checked.__mime = Schedule.__mime

function Checked:rate(progress, step, epoch)
  return checked(self.inner, self.inner:rate(progress, step, epoch))
end

function Checked:on_epoch(metrics)
  if self.inner.on_epoch then self.inner:on_epoch(metrics) end
end

function Checked:state() return self.inner.state and self.inner:state() or nil end

function Checked:restore(state)
  if state ~= nil and self.inner.restore then self.inner:restore(state) end
end

--- Any kind of learning rate as a schedule with rate, on_epoch, state and restore, whose rate is checked.
function schedules.of(lr)
  local inner = lr
  local kind = type(lr)
  if kind == "number" then
    checked("constant", lr)
    inner = schedule("constant", function() return lr end)
  elseif kind == "function" then
    inner = schedule("function", lr)
  elseif kind == "thread" then
    inner = setmetatable({ name = "coroutine", thread = lr, past = {} }, Coroutine)
  elseif kind == "table" and getmetatable(lr) == Checked then
    return lr
  elseif not ((kind == "table" or kind == "userdata") and lr.rate) then
    error(("learning rate: a number, a function (progress, step, epoch), a coroutine or a schedule is wanted, "
      .. "got a %s (%s)"):format(kind, tostring(lr)), 2)
  end
  return setmetatable({ inner = inner }, Checked)
end

-- --- the driver: where in the run we are ----------------------------------------------------------------------

local Driver = {}
Driver.__index = Driver

--- Follows a learning rate through a run; an optimiser has one. Fields: `step` and `epoch` (of the batch
-- last learned, 0 and 1 at first) and `now` (its rate).
-- @param lr any kind of learning rate
function schedules.driver(lr)
  return setmetatable({ schedule = schedules.of(lr), step = 0, epoch = 1 }, Driver)
end

--- Tells how long the run is, so that there is a progress and epochs are counted; without it progress
-- stays 0. Starts at its beginning, or after `done` steps.
function Driver:plan(total_steps, steps_per_epoch, done)
  self.total, self.per_epoch, self.step = total_steps, steps_per_epoch, done or 0
end

--- The rate of the next batch. Moves on by one.
function Driver:next()
  local step = self.step + 1
  if self.per_epoch then self.epoch = (step - 1) // self.per_epoch + 1 end
  local progress = self.total and math.min((step - 1) / self.total, 1) or 0
  self.now = self.schedule:rate(progress, step, self.epoch)
  self.step = step
  return self.now
end

--- An epoch is over; metrics are its { loss =, val_loss =, ... }.
function Driver:on_epoch(metrics)
  self.schedule:on_epoch(metrics or {})
  if not self.per_epoch then self.epoch = self.epoch + 1 end
end

--- What a training checkpoint keeps.
function Driver:state()
  return { step = self.step, epoch = self.epoch, now = self.now, inner = self.schedule:state() }
end

function Driver:restore(state)
  self.step, self.epoch, self.now = state.step, state.epoch, state.now
  self.schedule:restore(state.inner)
end

return schedules
