--- Says what is drawn on a canvas: the digits on it are found (perilune.draw.segments), each is prepared as MNIST's were
-- (perilune.image's digit), and a net says what they are.
--
-- The net takes one grey picture of 28 x 28, as (28, 28, 1), (28, 28) or (784), and gives one number a class:
-- probabilities, or logits (see perilune.draw.outputs).
--
--     local r = recogniser.load "digits.h5"             -- or recogniser.new(net), recogniser.bundled()
--     local seen = r:predict(canvas)                    -- nil: nothing is drawn
--     print(seen.label, seen.confidence, seen.certain)
--     print(seen.number)                                -- "1984", of several digits side by side
--
-- A prediction is { probabilities = {...}, best = place of the largest, label =, confidence =, top = the three likeliest
-- { label =, probability = }, certain = false when this is taken for no digit, input = float32 (28, 28, 1), box = { left =,
-- top =, right =, bottom = } on the canvas, from 0 to 1 }. Of several digits side by side it is the prediction of the one
-- that was written last (that the newest stroke belongs to; of pictures, the rightmost), with two fields more: digits = the
-- predictions of all from left to right, and number = their labels as one text; certain then speaks for all of them.
--
-- Not everything that is drawn is a digit. A net may bring a calibration, net.calibration = { temperature =, threshold =,
-- ... }, which net:save keeps: its logits are divided by the temperature, and what is then less likely than the
-- threshold is uncertain. recogniser.calibrate makes one.
-- @module perilune.draw.recogniser
local calibration = require "perilune.draw.calibration"
local core = require "perilune.core"
local nn = require "perilune.nn"
local image = require "perilune.image"
local inks = require "perilune.draw.ink"
local outputs = require "perilune.draw.outputs"
local segments = require "perilune.draw.segments"

local recogniser = {}

local Recogniser = {}
Recogniser.__index = Recogniser

local SIDE = 28
local RENDER = 6 * SIDE -- the canvas is rendered larger than the net sees it, and each digit shrunk by the mean
local TOP = 3           -- how many classes a prediction lists

local function product(shape)
  local n = 1
  for _, size in ipairs(shape) do n = n * size end
  return n
end

local function check_shape(net, name)
  local shape = net.input_shape
  if not shape then error(("%s: the net is not built; call net:build { 28, 28, 1 }"):format(name), 0) end
  if product(shape) ~= SIDE * SIDE then
    error(("%s: the net takes inputs of shape (%s); drawing needs one that takes grey pictures of 28 x 28: (28, 28, 1)")
      :format(name, table.concat(shape, ", ")), 0)
  end
  return shape
end

-- Labels of the classes: the net's own, or the digits from 0.
local function labels_of(net, count)
  local labels = {}
  for i = 1, count do labels[i] = tostring(net.classes and net.classes[i] or i - 1) end
  return labels
end

-- Takes up a net: what a recogniser knows of it.
local function take_up(self, net)
  local shape = check_shape(net, self.name)
  local output = net.output_shape
  if #output ~= 1 then
    error(("%s: the net gives (%s); drawing needs one that gives a number for each class"):format(
      self.name, table.concat(output, ", ")), 0)
  end
  local own = calibration.of(net, self.name)
  self.net, self.shape, self.labels = net, shape, labels_of(net, output[1])
  self.temperature, self.threshold, self.calibrated = own.temperature, own.threshold, net.calibration ~= nil
  return self
end

--- A recogniser. Its fields: net, name, labels (the classes' names: net.classes, or the digits), temperature and
-- threshold (of net.calibration; without one 1 and 0.6), version (grows when the net has learned or been replaced).
-- @param net  a built net
-- @param name for messages: the file it came from
function recogniser.new(net, name)
  if not nn.is_layer(net) then error("draw: wants a net (nn.Sequential {...} or nn.load(path)), got a " .. type(net), 2) end
  return take_up(setmetatable({ name = name or "net", version = 1 }, Recogniser), net)
end

--- Another net recognises from here on, or the same one that has learned: its classes and calibration are read again.
-- @param net a built net
-- @raise an error when it is none that can recognise drawings; all is as it was then
function Recogniser:use(net)
  if not nn.is_layer(net) then error("draw: use wants a net, got a " .. type(net), 2) end
  take_up(self, net)
  self.version = self.version + 1
end

--- A recogniser with a net from a file.
-- @param path ending in ".h5" or ".safetensors"
-- @raise an error that names the file
function recogniser.load(path) return recogniser.new(nn.load(path), path) end

--- Where the net that comes with Perilune is: beside this module.
-- @return its path, or nil and where it was looked for
function recogniser.bundled_path()
  local here = package.searchpath("perilune.draw.recogniser", package.path)
  local path = (here and here:match "^(.*)recogniser%.lua$" or "lua/perilune/draw/") .. "digits.safetensors"
  local file = io.open(path, "rb")
  if file then file:close() end
  return file and path or nil, path
end

--- A recogniser with the net that comes with Perilune, read anew.
-- @raise an error that says where it is missing
function recogniser.bundled()
  local path, place = recogniser.bundled_path()
  if not path then
    error(("draw: the net that comes with Perilune is missing: %s. Name another (perilune draw --model FILE), or make it "
      .. "again with scripts/train_recogniser.lua"):format(place), 0)
  end
  return recogniser.new(nn.load(path), "the net that comes with Perilune")
end

--- Fits a calibration to a net: the temperature at which its probabilities are most likely to be right on validation
-- data, and the threshold below which it is to say that something is no digit. It is for the caller to keep:
-- net.calibration = recogniser.calibrate(...).
-- @param net        a built net
-- @param validation digits that it has not learned from: a data set, or { pictures, labels }
-- @param negatives  pictures that are no digits: a data set or a tensor (n, 28, 28, 1); may be left out when the aim is
--   false_reject
-- @param options    what the threshold aims at, one of false_reject = the most of the digits that may be turned away
--   (default 0.01), false_accept = the most of the negatives that may pass, equal = true: where both shares meet
-- @return { temperature (from 0.05 to 20), threshold, false_reject, false_accept, accuracy (of the digits accepted),
--   positives, negatives (how many there were), nll_before and nll_after (negative log-likelihood a digit), error_before
--   and error_after (expected calibration error in 15 bins) }, before and after the temperature
function recogniser.calibrate(net, validation, negatives, options)
  local ok, result = pcall(calibration.calibrate, net, validation, negatives, options)
  if not ok then error(result, 2) end
  return result
end

--- How often a net is wrong about what is a digit, at its own temperature and threshold.
-- @param net       a built net
-- @param positives digits, as for calibrate; without labels the accuracy is left out
-- @param negatives pictures that are no digits; may be left out
-- @return { false_accept = share of the negatives it takes for digits, false_reject = share of the digits it turns away,
--   accuracy = share of the digits it accepts that are right, temperature, threshold, positives, negatives }
function recogniser.rates(net, positives, negatives)
  local ok, result = pcall(calibration.rates, net, positives, negatives)
  if not ok then error(result, 2) end
  return result
end

-- What the net says of inputs (28, 28, 1): the probabilities of each.
function Recogniser:rows(inputs)
  local batch = {}
  for i, input in ipairs(inputs) do batch[i] = input:reshape(1, table.unpack(self.shape)) end
  return outputs.probabilities(self.net, #batch == 1 and batch[1] or core.cat(batch, 1), self.temperature)
end

function Recogniser:confidences(inputs)
  local list = {}
  for i, row in ipairs(self:rows(inputs)) do list[i] = math.max(table.unpack(row)) end
  return list
end

-- A prediction for each input.
function Recogniser:say(inputs)
  local list = {}
  for i, row in ipairs(self:rows(inputs)) do
    local top = self:ranked(row, TOP)
    list[i] = {
      probabilities = row, best = top[1].class, label = top[1].label, confidence = top[1].probability, top = top,
      certain = top[1].probability >= self.threshold, input = inputs[i],
    }
  end
  return list
end

--- The classes from the likeliest down.
-- @param probabilities of a prediction
-- @param count         how many (all)
-- @return a list of { label =, probability =, class = its place among the labels }
function Recogniser:ranked(probabilities, count) return outputs.ranked(probabilities, self.labels, count) end

--- What the net sees in a picture.
-- @param picture a tensor or a path; bright ink on a dark ground unless options tell otherwise
-- @param options { ink = "light" (default), "dark" or "auto", thicken = 2 }: as perilune.image's digit has them
-- @return a prediction (see above) of all that is on it as one digit
function Recogniser:predict_picture(picture, options)
  options = options or {}
  return self:say { image.digit(picture, { ink = options.ink or "light", thicken = options.thicken or segments.THICKEN }) }[1]
end

-- Which of the digits holds the end of the newest stroke; without strokes, the last.
local function newest(canvas, list)
  local steps, best, nearest = canvas.strokes, #list, math.huge
  local step = steps[#steps]
  if not step or step.picture then return best end
  local x, y = step.x[step.n], step.y[step.n]
  for i, seen in ipairs(list) do
    local box = seen.box
    local across, down = math.max(box.left - x, 0, x - box.right), math.max(box.top - y, 0, y - box.bottom)
    if across * across + down * down < nearest then best, nearest = i, across * across + down * down end
  end
  return best
end

local function joined(list)
  local labels, longest = {}, 0
  for i, seen in ipairs(list) do
    labels[i] = seen.label
    longest = math.max(longest, utf8.len(seen.label) or #seen.label)
  end
  return table.concat(labels, longest > 1 and " " or "")
end

-- The prediction that stands for several: the newest digit's, and about all.
local function together(list, at)
  local seen, certain = {}, true
  for name, value in pairs(list[at]) do seen[name] = value end
  for _, one in ipairs(list) do certain = certain and one.certain end
  seen.digits, seen.number, seen.certain, seen.current = list, joined(list), certain, at
  return seen
end

-- The predictions of all digits on a canvas, each with the place where it is from.
function Recogniser:read(canvas)
  if self.canvas ~= canvas then self.canvas, self.ink = canvas, inks.new(canvas, RENDER) end
  local picture = self.ink:update()
  if not picture then return {} end
  local found, inputs = segments.find(picture, function(list) return self:confidences(list) end, self.ink:known()), {}
  for i, digit in ipairs(found) do inputs[i] = digit.input end
  local list = self:say(inputs)
  for i, seen in ipairs(list) do
    local place = found[i].place
    seen.box = { left = place.left / RENDER, top = place.top / RENDER, right = place.right / RENDER, bottom = place.bottom / RENDER }
    seen.place = place
  end
  return list
end

--- What the net sees on a canvas; nil when there is no ink.
-- @param canvas see perilune.draw.canvas
-- @return a prediction (see above)
function Recogniser:predict(canvas)
  local list = self:read(canvas)
  return #list > 1 and together(list, newest(canvas, list)) or list[1]
end

-- A class as its place among the labels, from 0; nil when none is given.
function Recogniser:class_of(class)
  if class == nil then return nil end
  for i, label in ipairs(self.labels) do
    if label == tostring(class) then return i - 1 end
  end
  error(("explain: there is no class %s; there are %s"):format(tostring(class), table.concat(self.labels, ", ")), 3)
end

--- Where the drawing speaks for a class: Grad-CAM of each digit (see perilune.explain), laid back on the canvas.
-- @param canvas see perilune.draw.canvas
-- @param class  a label; without it, of each digit the one that it is taken for
-- @param size   rows and columns of the result (168)
-- @return float32 (size, size, 1): 0 where nothing speaks for it, 1 where most does in each digit; nil without ink
function Recogniser:explain(canvas, class, size)
  size = size or RENDER
  if math.type(size) ~= "integer" or size < 1 then
    error(("explain: size wants a whole number of pixels, got %s"):format(tostring(size)), 2)
  end
  local place = self:class_of(class)
  local list = self:read(canvas)
  if #list == 0 then return nil end
  local heat, result = require "perilune.draw.heat", core.zeros { size, size, 1 }
  for _, seen in ipairs(list) do
    heat.lay(result, heat.of(self.net, seen.input, place or seen.best - 1), seen.place, size / RENDER)
  end
  return result
end

return recogniser
