--- Changes a net a little, until it knows some drawings, and no more than that.
--
-- A batch is mostly rehearsal (perilune.draw.rehearsal), the rest the new drawings, changed a little at random, and
-- drawings that were kept earlier. Then the way from the weights before to the weights after is walked back: the nearest
-- point to the start is taken at which the net still knows the drawings, since whatever is forgotten is forgotten
-- along that way.
--
-- Layers run as they do when the net is used: Dropout drops nothing, and a BatchNorm's moments, which a few small
-- batches would spoil, stay what they are; its scale and shift are learned.
-- @module perilune.draw.tuning
local core = require "perilune.core"
local losses = require "perilune.nn.losses"
local optim = require "perilune.optim"
local outputs = require "perilune.draw.outputs"
local recording = require "perilune.tensor.recording"
local weights = require "perilune.train.weights"

local tuning = {}

local STEPS = 56       -- of one round
local ROUNDS = 3       -- at most, where one does not reach the goal
local REHEARSED = 112  -- of a batch
local EXAMPLES = 16    -- of a batch: drawings, as many of the new ones as of those kept before
local RATE = 1e-3      -- Adam's at the start; it falls to 0 over a round
local VARIATIONS = 48  -- of the new drawings, which the net is tried on
local ENOUGH = 0.97    -- of these are to be right, with this probability at least
local CLEARLY = 0.5
local KEPT_TRIED = 64  -- variations of drawings kept before, of which none that was right is to be lost
local HALVINGS = 5     -- of the way back
local SEED, TRIAL = 11, 12

local Tuning = {}
Tuning.__index = Tuning

local function augmentation()
  return require("perilune.data").augment { rotation = 9, scale = 0.12, shear = 7, shift = 1.2,
    elastic = { alpha = { 0, 20 }, sigma = 4 }, probability = 0.9 }
end

-- `count` places of a set of `size`, in turn from a step's own beginning on.
local function cycle(list, count, size, offset, step)
  for i = 1, count do list[#list + 1] = offset + ((step - 1) * count + i - 1) % size + 1 end
end

-- Copies of the pictures at these places, each changed in its own way, and their classes.
local function augmented(self, places, seed, epoch)
  local order, count = core.tensor(places, "int64"), #places
  local set = require("perilune.data").tensors(core.take_rows(self.pictures, order, 1, count),
    core.take_rows(self.labels, order, 1, count))
  return set:batches { count, augment = self.augment, seed = seed, epoch = epoch, ahead = 0 }()
end

-- The examples of a step: (EXAMPLES, 28, 28, 1), and rows with a one for the class.
local function examples(self, step)
  local places, old = {}, self.old > 0 and EXAMPLES // 2 or 0
  cycle(places, EXAMPLES - old, self.new, 0, step)
  if old > 0 then cycle(places, old, self.old, self.new, step) end
  local x, y = augmented(self, places, SEED, step)
  return x, core.onehot_rows(y, self.classes)
end

local function shaped(self, x) return x:reshape(x.shape[1], table.unpack(self.net.input_shape)) end

local function learn(self, optimizer, step)
  local x, target = self.rehearsal:batch(step, REHEARSED)
  local new_x, new_target = examples(self, step)
  x, target = core.cat({ x, new_x }, 1), core.cat({ target, new_target }, 1)
  local loss <close> = losses.categorical_crossentropy(self.net(shaped(self, x)), target, { from_logits = not self.proper })
  optimizer:zero_grad()
  optimizer:minimize(loss)
end

-- Probabilities at the net's temperature, as rows.
local function say(self, x)
  return recording(false, function()
    local y = self.net(shaped(self, x))
    if self.proper then y = y:clamp(1e-37, 1):log() end
    return (y / self.temperature):softmax():totable()
  end)
end

local function best_of(row)
  local best = 1
  for i = 2, #row do
    if row[i] > row[best] then best = i end
    if row[i] ~= row[i] then error("learning made the net's weights useless (its outputs are no numbers)", 0) end
  end
  return best
end

-- What the net is tried on, made once: the drawings themselves, variations of them, and variations of those kept before.
local function make_trial(self)
  local places = {}
  cycle(places, VARIATIONS, self.new, 0, 1)
  if self.old > 0 then cycle(places, KEPT_TRIED, self.old, self.new, 1) end
  local own = core.gather_rows(self.pictures, nil, 1, self.new, 1 / 255, 0)
  local near, labels = augmented(self, places, TRIAL, 1)
  self.trial = core.cat({ own, near }, 1)
  self.answers = core.cat({ core.take_rows(self.labels, nil, 1, self.new), labels }, 1):totable()
end

-- How the net does: { own = are the drawings right?, reached = is the goal?, near = the share of the variations that are
-- right, kept = how many of those kept are }.
local function try(self)
  local own, sure, near, kept = true, true, 0, 0
  for i, row in ipairs(say(self, self.trial)) do
    local answer = self.answers[i] + 1
    local right = best_of(row) == answer
    if i > self.new then right = right and row[answer] >= CLEARLY end
    if i <= self.new then
      own, sure = own and right, sure and right and row[answer] >= self.goal
    elseif i <= self.new + VARIATIONS then
      near = near + (right and 1 or 0)
    else
      kept = kept + (right and 1 or 0)
    end
  end
  return { own = own, near = near / VARIATIONS, kept = kept,
    reached = sure and near >= ENOUGH * VARIATIONS and kept >= (self.known or kept) }
end

-- One round of steps, shorter where the time is short. Returns how many were made.
local function round(self, first, limit)
  local optimizer = optim.Adam { self.net:parameters(), lr = RATE }
  local begin = core.monotonic()
  for step = 1, STEPS do
    local passed = core.monotonic() - begin
    if passed >= limit then return step - 1 end
    optimizer.lr = RATE * (1 - math.max((step - 1) / STEPS, passed / limit))
    learn(self, optimizer, first + step)
    core.interrupt_poll()
  end
  return STEPS
end

-- Weights between two lists.
local function between(a, b, share)
  return recording(false, function()
    local list = {}
    for i, tensor in ipairs(a) do list[i] = tensor + (b[i] - tensor) * share end
    return list
  end)
end

-- Goes back towards the weights before as far as the goal stays reached and no kept drawing is lost.
local function walk_back(self, before)
  local after, low, high = weights.copy(self.net), 0, 1
  for _ = 1, HALVINGS do
    local middle = (low + high) / 2
    weights.put(self.net, between(before, after, middle))
    if try(self).reached then high = middle else low = middle end
  end
  weights.put(self.net, between(before, after, high))
  return high
end

local function run(self, before)
  local begin, steps = core.monotonic(), 0
  local found = try(self)
  self.known = found.kept
  for _ = 1, ROUNDS do
    local left = self.limit - (core.monotonic() - begin)
    if found.reached or left <= 0 then break end
    local made = round(self, steps, left)
    steps = steps + made
    found = try(self)
    if made < STEPS then break end
  end
  local share = steps == 0 and 0 or found.reached and walk_back(self, before) or 1
  found = try(self)
  return { right = found.own, reached = found.reached, variations = found.near, steps = steps, share = share,
    seconds = core.monotonic() - begin }
end

--- Slight variations of drawings, as tuning makes them.
-- @param drawings { pictures, labels }, uint8 (n, 28, 28, 1) and int64 (n)
-- @return float32 (64, 28, 28, 1)
function tuning.variations(drawings)
  local places = {}
  cycle(places, 64, drawings[1].shape[1], 0, 1)
  return (augmented({ pictures = drawings[1], labels = drawings[2], augment = augmentation() }, places, SEED, 0))
end

--- Tunes a net.
-- @param job net, rehearsal (see perilune.draw.rehearsal; it knows the net's classes), fresh = the drawings, kept = those
--   of before, or nil: { pictures, labels }, uint8 (n, 28, 28, 1) and int64 (n), classes' places from 0; temperature (of
--   the recogniser), goal = the probability that the drawings are to reach, limit = seconds
-- @return { right = does the net know the drawings?, reached = is the goal, variations = the share of slight variations
--   that are right, steps, share = how much of the way was kept, seconds }
-- @raise an error (an interruption, too); the net is then as it was
function tuning.run(job)
  local self = setmetatable(job, Tuning)
  if #self.net:parameters() == 0 then
    error("draw: every layer of the net is frozen (trainable = false): nothing can be learned", 0)
  end
  self.classes, self.proper = self.rehearsal.classes, outputs.is_proper(self.net)
  self.new, self.old = self.fresh[1].shape[1], self.kept and self.kept[1].shape[1] or 0
  self.pictures = self.kept and core.cat({ self.fresh[1], self.kept[1] }, 1) or self.fresh[1]
  self.labels = self.kept and core.cat({ self.fresh[2], self.kept[2] }, 1) or self.fresh[2]
  self.augment = augmentation()
  make_trial(self)
  local before = weights.copy(self.net)
  local ok, result = pcall(recording, true, run, self, before)
  if ok then return result end
  weights.put(self.net, before)
  error(result, 0)
end

return tuning
