--- Learns from corrections while a person draws: a drawing gets its right class, or a new one, and the net knows it a
-- moment later without forgetting the others.
--
--     local l = learner.new(recogniser, { drawings = "drawings" })
--     local report = l:correct(canvas, 7)     -- this is a seven
--     print(report.before, report.after)      -- accuracy on MNIST's test images
--     l:teach("A", { canvas, another })       -- a class that the net does not have
--     l:undo()                                -- a wrong key
--
-- The drawing is kept in a folder (perilune.draw.collection), then the net is tuned (perilune.draw.tuning). MNIST's test
-- images choose nothing: accuracies are there to be seen. The net is changed in place and keeps its calibration; a
-- class that is taught makes a new net, which the recogniser takes over with the temperature and the threshold of
-- the old one.
-- @module perilune.draw.learner
local args = require "perilune.args"
local canvases = require "perilune.draw.canvas"
local collection = require "perilune.draw.collection"
local core = require "perilune.core"
local grow = require "perilune.nn.grow"
local rehearsal = require "perilune.draw.rehearsal"
local tuning = require "perilune.draw.tuning"
local weights = require "perilune.train.weights"

local learner = {}

local Learner = { __name = "perilune.draw.Learner" }
Learner.__index = Learner

local PATIENCE = 0.9     -- seconds that a correction may take in all
local WORTH_A_WAIT = 0.3 -- the part of them that may go into the accuracy before, where it is not known yet
local LEARNING_MOST, LEARNING_LEAST = 0.6, 0.2 -- parts of them for learning
local GOAL = 0.6         -- the probability that a drawing is to reach, or somewhat above the recogniser's threshold
local TEACHING = 3       -- times as long for a new class
local OTHERS = 512       -- digits that a new class is told from, beside letters and scribbles
local UNDO_MOST = 16
local MOST_DRAWINGS = 100 -- at once

--- A learner.
-- @param recogniser see perilune.draw.recogniser; its net is the one that learns
-- @param options    { drawings = the folder that drawings are kept in ("drawings"), mnist = the folder of MNIST's files
--   (default: the usual places), patience = 0.9: seconds that a correction may take in all; what is cut short by it
--   depends on the machine's speed }
-- @return a learner; nothing is loaded before the first correction, or l:prepare()
function learner.new(recogniser, options)
  local a = args.named("learner.new", options, { { "drawings", "string", "drawings" }, { "mnist", "string" },
    { "patience", "number", PATIENCE } })
  return setmetatable({ recogniser = recogniser, folder = a.drawings, mnist = a.mnist, patience = a.patience, history = {} },
    Learner)
end

-- --- what it knows of the net -----------------------------------------------------------------------------------

-- Weights that somebody else has changed make a new beginning: what is rehearsed is what the net says now.
function Learner:follow()
  local net = self.recogniser.net
  local state = net:weights_state()
  if rawequal(self.net, net) and self.state == state then return end
  self.net, self.state, self.known, self.cost, self.history = net, state, nil, nil, {}
  self.rehearsal:anchor(net, self.recogniser.labels)
end

--- Loads what corrections need (MNIST, the drawings kept so far), so that the first one does not wait for it: for a
-- face to call when it is idle. Does nothing when all is there.
function Learner:prepare()
  self.kept = self.kept or collection.open(self.folder)
  self.rehearsal = self.rehearsal or rehearsal.new { mnist = self.mnist }
  self:follow()
end

-- The accuracy of a net with weights that it had once; it is left as it is.
function Learner:accuracy_before(entry)
  if entry.known ~= nil then return entry.known or nil end
  local now = weights.copy(entry.net)
  weights.put(entry.net, entry.values)
  local ok, known = pcall(self.rehearsal.accuracy, self.rehearsal, entry.net)
  weights.put(entry.net, now)
  self.state = self.net:weights_state()
  if not ok then error(known, 0) end
  entry.known = known or false
  return known
end

--- The accuracy of the net as it is now on MNIST's 10,000 test images; worked out once for the same weights. What the last
-- report lacks for want of time is filled in: see l:pending().
-- @return from 0 to 1; nil without MNIST, or for a net that does not have all ten digits
function Learner:evaluate()
  self:prepare()
  local entry = self.history[#self.history]
  if self:pending() then self.report.before = self:accuracy_before(entry) end
  if self.known == nil then
    local begin = core.monotonic()
    self.known = self.rehearsal:accuracy(self.recogniser.net) or false
    self.cost = core.monotonic() - begin
  end
  if self:pending() then self.report.after = self.known or nil end
  return self.known or nil
end

--- Are the accuracies of the last report still to be worked out, by l:evaluate(), since there was no time for it? For a
-- face to ask when it is idle.
function Learner:pending()
  local entry, report = self.history[#self.history], self.report
  return report ~= nil and report.after == nil and entry ~= nil and report.paths == entry.paths
    and self.rehearsal:can_tell()
end

-- Seconds that working out an accuracy takes, about.
function Learner:evaluation_cost()
  if self.known ~= nil then return 0 end
  self.cost = self.cost or self.rehearsal:cost(self.recogniser.net)
  return self.cost
end

-- What is to be said beside the accuracies.
function Learner:note()
  if self.rehearsal.missing then
    return "MNIST is not here: rehearsed drawn digits, and the accuracy is not known (scripts/fetch_mnist.sh gets MNIST)"
  elseif not self.rehearsal:can_tell() then
    return "the net does not have all ten digits: no accuracy on MNIST"
  end
end

-- --- drawings ---------------------------------------------------------------------------------------------------

local function is_tensor(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__name == "perilune.Tensor"
end

local is_canvas = canvases.is_canvas

-- A drawing as the net sees it, and its strokes: { picture =, strokes = }.
function Learner:look(drawing)
  if is_canvas(drawing) then
    local prediction = self.recogniser:predict(drawing)
    if not prediction then error("draw: there is no ink on the canvas to learn from: draw first", 0) end
    return { picture = prediction.input, strokes = drawing:strokes_table() }
  elseif is_tensor(drawing) then
    local shape = drawing.shape
    if shape[1] == 28 and shape[2] == 28 and drawing:numel() == 784 then
      return { picture = drawing:reshape(28, 28, 1) }
    end
    return { picture = self.recogniser:predict_picture(drawing).input }
  end
  error(("draw: wants a canvas or a picture to learn from, got a %s"):format(type(drawing)), 0)
end

function Learner:look_at_all(drawings)
  if is_canvas(drawings) or is_tensor(drawings) then drawings = { drawings } end
  if type(drawings) ~= "table" or #drawings == 0 then
    error("draw: wants a canvas or a list of them to learn from", 0)
  end
  if #drawings > MOST_DRAWINGS then
    error(("draw: %d drawings at once are more than %d: train on them instead, scripts/train_mnist.lua --extra FOLDER"):format(
      #drawings, MOST_DRAWINGS), 0)
  end
  local list = {}
  for i, drawing in ipairs(drawings) do list[i] = self:look(drawing) end
  return list
end

-- The place of a class among the labels, from 0; nil when there is none.
local function place_of(labels, name)
  for i, label in ipairs(labels) do
    if label == name then return i - 1 end
  end
end

-- Pictures of one class, as tuning takes them.
local function as_bytes(list, place)
  local pictures, labels = {}, {}
  for i, item in ipairs(list) do
    pictures[i], labels[i] = (item.picture * 255 + 0.5):to "uint8":reshape(1, 28, 28, 1), place
  end
  return { core.cat(pictures, 1), core.tensor(labels, "int64") }
end

-- --- learning ---------------------------------------------------------------------------------------------------

function Learner:remember(paths)
  local recogniser = self.recogniser
  self.history[#self.history + 1] = { net = recogniser.net, values = weights.copy(recogniser.net), known = self.known,
    targets = self.rehearsal.targets, classes = self.rehearsal.classes, paths = paths }
  if #self.history > UNDO_MOST then table.remove(self.history, 1) end
end

-- Puts all back to how it was at an entry of the history.
function Learner:restore(entry)
  weights.put(entry.net, entry.values)
  self.rehearsal.targets, self.rehearsal.classes = entry.targets, entry.classes
  self.recogniser:use(entry.net)
  self.net, self.state, self.known, self.report = entry.net, entry.net:weights_state(), entry.known, nil
end

-- What is rehearsed may not speak against the classes that were taught beyond the digits, nor against drawings of one
-- that is to be.
function Learner:spare(drawings)
  local taught, parts = {}, {}
  for _, label in ipairs(self.recogniser.labels) do taught[label] = not label:match "^%d$" end
  for _, entry in ipairs(self.kept.entries) do
    if taught[entry.label] then parts[#parts + 1] = entry.bytes end
  end
  if drawings then parts[#parts + 1] = as_bytes(drawings, 0)[1] end
  self.rehearsal:spare(#parts > 0 and core.cat(parts, 1):float() / 255 or nil)
end

-- Tunes the net for drawings that have been kept already; on failure it is as it was.
function Learner:tune(list, place, earlier, limit)
  local recogniser = self.recogniser
  self:spare()
  local result = tuning.run {
    net = recogniser.net, rehearsal = self.rehearsal, fresh = as_bytes(list, place), kept = earlier,
    temperature = recogniser.temperature, goal = math.min(0.95, math.max(GOAL, recogniser.threshold + 0.05)), limit = limit,
  }
  recogniser:use(recogniser.net)
  self.net, self.state = recogniser.net, recogniser.net:weights_state()
  if result.steps > 0 then self.known = nil end
  return result
end

-- Keeps the drawings, then learns them with `work`, then tells of it.
function Learner:learn(begin, name, list, work)
  local paths = {}
  if self:evaluation_cost() < WORTH_A_WAIT * self.patience then self:evaluate() end
  local before = self.known or nil
  local pictures, labels = self.kept:stored(self.recogniser.labels)
  local earlier = pictures and { pictures, labels }
  self:remember(paths)
  local ok, result = pcall(function()
    self.kept:add_all(list, name, paths)
    return work(earlier)
  end)
  if not ok then
    self:restore(table.remove(self.history))
    error(result, 0)
  end
  local report = { before = before, kept = paths[1], paths = paths, label = name, learned = result.right,
    steps = result.steps, share = result.share, note = self:note() }
  self.report = report
  report.seconds = core.monotonic() - begin
  if self.known ~= nil or (before and report.seconds + (self.cost or 0) < self.patience) then self:evaluate() end
  return report
end

-- How long a correction that began then may go on learning, so that it is all done in time.
function Learner:time_left(begin)
  local left = self.patience - (core.monotonic() - begin) - (self.cost or 0)
  return math.max(LEARNING_LEAST * self.patience, math.min(LEARNING_MOST * self.patience, left))
end

-- Errors at the caller's line, interruptions as they are.
local function raise(reason) args.raise(reason, 3) end

--- Keeps a drawing as an example of a class that the net has, and learns it.
-- @param drawing a canvas (of several digits on it the newest), or a picture (28, 28, 1) as the net sees it, or any picture,
--   bright on dark
-- @param label   the class: 7, "7" or a name
-- @return { before =, after = accuracy on MNIST's test images (nil without MNIST, and where there was no time: l:pending()
--   is true then, and l:evaluate() fills them in), seconds = until the net knew it, kept = the path of the picture,
--   learned = does the net say so now?, note = what is to be said beside, or nil }
-- @raise an error; the net is then as it was, and a drawing that was kept stays
function Learner:correct(drawing, label)
  local begin = core.monotonic()
  local ok, report = pcall(function()
    local name = collection.name(label)
    local place = place_of(self.recogniser.labels, name)
    if not place then
      error(('draw: the net has no class "%s"; it has %s; teach("%s") adds it'):format(name,
        table.concat(self.recogniser.labels, ", "), name), 0)
    end
    local list = { self:look(drawing) }
    self:prepare()
    return self:learn(begin, name, list, function(earlier)
      return self:tune(list, place, earlier, self:time_left(begin))
    end)
  end)
  if not ok then raise(report) end
  return report
end

-- The recogniser's net gets one more class.
function Learner:extend(name, list)
  local recogniser, bytes = self.recogniser, as_bytes(list, #self.recogniser.labels)
  self:spare(list)
  recogniser:use(grow.classes(recogniser.net, { name }, { classes = recogniser.labels,
    examples = tuning.variations(bytes), others = self.rehearsal:others(OTHERS) }))
  self.rehearsal:widen(1)
  return #recogniser.labels - 1
end

--- Teaches a class from drawings, one to ten or so: the net gets one output more; to a class that it has, they are
-- further examples.
-- @param name     of the class: "A"
-- @param drawings a canvas or a picture, or a list of them
-- @return as correct
-- @raise an error; the net is then as it was, and drawings that were kept stay
function Learner:teach(name, drawings)
  local begin = core.monotonic()
  local ok, report = pcall(function()
    local class = collection.name(name)
    local list = self:look_at_all(drawings)
    self:prepare()
    local place = place_of(self.recogniser.labels, class)
    return self:learn(begin, class, list, function(earlier)
      return self:tune(list, place or self:extend(class, list), earlier, TEACHING * self.patience)
    end)
  end)
  if not ok then raise(report) end
  return report
end

--- Takes the last correction back: the net is what it was, and the drawing is not kept any more. For a wrong key.
-- @return its label; nil when there is nothing to take back
function Learner:undo()
  local entry = table.remove(self.history)
  if not entry then return nil end
  local label = self.report and self.report.paths == entry.paths and self.report.label
    or entry.paths[1] and entry.paths[1]:match "([^/]+)/[^/]*$"
  self:restore(entry)
  self.kept:remove(table.unpack(entry.paths))
  return label
end

return learner
