--- What a net rehearses while it learns a drawing, so that it forgets nothing: a fixed draw of MNIST's training images,
-- letters and scribbles that are no digits, and what the net said of each before its first correction.
--
-- The net is held to its own words of then rather than to the labels: where it was unsure it stays so, and its calibration
-- stays true. Only where it was wrong about an image of MNIST, the label stands. Of letters and scribbles those that look
-- like a class that has been taught are left out.
--
-- Without MNIST the program's own drawn digits take its place, and no accuracy is known.
-- @module perilune.draw.rehearsal
local core = require "perilune.core"
local outputs = require "perilune.draw.outputs"
local recording = require "perilune.tensor.recording"

local rehearsal = {}

local IMAGES = 6144   -- of MNIST
local DRAWN = 768     -- digits in its place, which take 0.3 s to draw
local NEGATIVES = 160 -- letters, and as many scribbles
local SEED = 5
local ALIKE = 0.6     -- the cosine from which a negative looks like a drawing

local Rehearsal = {}
Rehearsal.__index = Rehearsal

local function data() return require "perilune.data" end

-- MNIST's training images that are rehearsed, and its test set; or nil and why not.
local function load_mnist(folder)
  local ok, train, test = pcall(data().mnist, { dir = folder })
  if not ok then return nil, nil, (tostring(train):gsub("^[^\n:]+%.lua:%d+: ", "")) end
  return train:shuffle(SEED):take(IMAGES), test
end

-- The places of the digits among a net's classes; nil when it does not have all ten.
local function places_of(labels)
  local places, count = {}, 0
  for i, label in ipairs(labels) do
    local digit = label:match "^%d$" and tonumber(label)
    if digit and not places[digit] then places[digit], count = i, count + 1 end
  end
  return count == 10 and places or nil
end

--- Loads what is rehearsed.
-- @param options { mnist = the folder of its files, or nil for the usual places }
-- @return an object: source ("MNIST" or "drawn digits"), missing (why there is no MNIST, or nil)
function rehearsal.new(options)
  local digits, test, missing = load_mnist(options and options.mnist)
  local self = setmetatable({ source = digits and "MNIST" or "drawn digits", missing = missing, test = test }, Rehearsal)
  digits = digits or data().drawn { n = DRAWN, seed = SEED }
  local x, labels = digits:tensors()
  local letters = data().letters { n = NEGATIVES, seed = SEED }
  local scribbles = data().scribbles { n = NEGATIVES, seed = SEED }
  self.digits = #digits
  self.x = core.cat({ x, (letters:tensors()), (scribbles:tensors()) }, 1)
  self.labels = labels:totable()
  local order = core.permutation(SEED, 1, self.x.shape[1])
  self.order = order:totable()
  self.x = core.take_rows(self.x, order, 1, self.x.shape[1])
  return self
end

-- What a net says, as probabilities; batches as it takes them.
local function say(net, x, shape)
  return outputs.logits(net, x:reshape(x.shape[1], table.unpack(shape))):softmax()
end

--- Takes down what a net says now, to be held to it from here on.
-- @param net    a net
-- @param labels its classes' names
function Rehearsal:anchor(net, labels)
  local places, count = places_of(labels), #labels
  self.places, self.classes = places, count
  local targets = recording(false, say, net, self.x, net.input_shape)
  local best = targets:argmax(2):totable()
  local wrong, right = {}, {}
  for row, at in ipairs(self.order) do
    local place = places and at <= self.digits and places[self.labels[at]]
    if place and best[row] ~= place then wrong[#wrong + 1], right[#right + 1] = row, place end
  end
  for i, row in ipairs(wrong) do
    targets[row] = core.onehot_rows(core.tensor({ right[i] - 1 }, "int64"), count)[1]
  end
  self.targets, self.kept = targets, nil
end

--- The net has got more classes: what is rehearsed belongs to none of them.
function Rehearsal:widen(more)
  local rows = self.targets.shape[1]
  self.targets = core.cat({ self.targets, core.zeros({ rows, more }, self.targets.dtype) }, 2)
  self.classes = self.classes + more
end

--- Leaves out the letters and scribbles that look like pictures of taught classes.
-- @param pictures float32 (k, 28, 28, 1), or nil: nothing is left out
function Rehearsal:spare(pictures)
  self.kept = nil
  if not pictures then return end
  local rows = self.x.shape[1]
  local function unit(x)
    local flat = x:reshape(x.shape[1], -1)
    return flat / ((flat * flat):sum(2, true):sqrt() + 1e-6)
  end
  local likeness = recording(false, function() return unit(self.x):matmul(unit(pictures):t()):max(2) end):totable()
  local kept = {}
  for row = 1, rows do
    if self.order[row] <= self.digits or likeness[row] < ALIKE then kept[#kept + 1] = row end
  end
  self.kept = core.tensor(kept, "int64")
end

--- A batch in turn: x (count, 28, 28, 1) and what the net is held to (count, classes).
-- @param step  which batch, from 1
-- @param count how many
function Rehearsal:batch(step, count)
  local all = self.kept and self.kept.shape[1] or self.x.shape[1]
  count = math.min(count, all)
  local first = (step - 1) * count % (all - count + 1) + 1
  return core.take_rows(self.x, self.kept, first, count), core.take_rows(self.targets, self.kept, first, count)
end

--- What a class that is to be taught must be told from: the letters and scribbles that do not look like one that has been,
-- and so many digits.
-- @return float32 (n, 28, 28, 1)
function Rehearsal:others(count)
  local rows = {}
  for _, row in ipairs(self.kept and self.kept:totable() or core.arange(1, #self.order, "int64"):totable()) do
    local is_digit = self.order[row] <= self.digits
    if not is_digit or count > 0 then rows[#rows + 1] = row end
    if is_digit then count = count - 1 end
  end
  return core.take_rows(self.x, core.tensor(rows, "int64"), 1, #rows)
end

--- Can an accuracy be told: is MNIST here, and does the net have all ten digits?
function Rehearsal:can_tell() return self.test ~= nil and self.places ~= nil end

-- How many of a set's images a net is right about.
local function right_of(self, net, set)
  local right = 0
  recording(false, function()
    for x, y in set:batches { 1000 } do
      local best = net:predict(x:reshape(x.shape[1], table.unpack(net.input_shape))):argmax(2):totable()
      for i, label in ipairs(y:totable()) do
        if best[i] == self.places[label] then right = right + 1 end
      end
    end
  end)
  return right
end

--- A net's accuracy on MNIST's 10,000 test images.
-- @return from 0 to 1; nil when none can be told
function Rehearsal:accuracy(net)
  if not self:can_tell() then return nil end
  return right_of(self, net, self.test) / #self.test
end

--- Seconds that this takes, about: a twentieth is tried.
function Rehearsal:cost(net)
  if not self:can_tell() then return 0 end
  local part, begin = self.test:take(math.max(1, #self.test // 20)), core.monotonic()
  right_of(self, net, part)
  return (core.monotonic() - begin) * #self.test / #part
end

return rehearsal
