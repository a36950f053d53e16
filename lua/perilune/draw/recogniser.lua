--- Says what is drawn on a canvas: MNIST's preprocessing (perilune.image's digit), then a net.
--
-- The net takes one grey picture of 28 x 28, as (28, 28, 1), (28, 28) or (784), and gives one number a class:
-- probabilities, or logits, which are told by not adding up to one.
-- @module perilune.draw.recogniser
local nn = require "perilune.nn"
local image = require "perilune.image"

local recogniser = {}

local Recogniser = {}
Recogniser.__index = Recogniser

local SIDE = 28
local RENDER = 4 * SIDE -- the canvas is rendered larger than the net sees it, and shrunk by the mean
local THICKEN = 2       -- strokes thinner than MNIST's are widened to them, in pixels of its 20 x 20 box

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

--- A recogniser.
-- @param net  a built net
-- @param name for messages: the file it came from
function recogniser.new(net, name)
  if not nn.is_layer(net) then error("draw: wants a net (nn.Sequential {...} or nn.load(path)), got a " .. type(net), 2) end
  local self = setmetatable({ net = net, name = name or "net" }, Recogniser)
  self.shape = check_shape(net, self.name)
  local output = net.output_shape
  if #output ~= 1 then
    error(("%s: the net gives (%s); drawing needs one that gives a number for each class"):format(
      self.name, table.concat(output, ", ")), 0)
  end
  self.labels = labels_of(net, output[1])
  return self
end

--- A recogniser with a net from a file.
-- @raise an error that names the file
function recogniser.load(path) return recogniser.new(nn.load(path), path) end

local function probabilities_of(row)
  local sum, largest, proper = 0, -math.huge, true
  for _, value in ipairs(row) do
    sum, largest = sum + value, math.max(largest, value)
    proper = proper and value >= 0
  end
  if proper and math.abs(sum - 1) < 1e-3 then return row end
  local exponentials, total = {}, 0
  for i, value in ipairs(row) do
    exponentials[i] = math.exp(value - largest)
    total = total + exponentials[i]
  end
  for i, value in ipairs(exponentials) do exponentials[i] = value / total end
  return exponentials
end

--- What the net sees in a picture.
-- @param picture bright ink on a dark ground
-- @return { probabilities = {...}, best = place of the largest, label =, confidence =, input = (28, 28, 1) }
function Recogniser:predict_picture(picture)
  local input = image.digit(picture, { ink = "light", thicken = THICKEN })
  local batch = input:reshape(1, table.unpack(self.shape))
  local row = probabilities_of(self.net:predict(batch):totable()[1])
  local best = 1
  for i = 2, #row do
    if row[i] > row[best] then best = i end
  end
  return { probabilities = row, best = best, label = self.labels[best], confidence = row[best], input = input }
end

--- What the net sees on a canvas; nil when there is no ink.
-- @param canvas see perilune.draw.canvas
function Recogniser:predict(canvas)
  if self.canvas ~= canvas then self.canvas, self.raster = canvas, canvas:raster(RENDER) end
  local picture = self.raster:update()
  if not image.box(picture, 0.5) then return nil end
  return self:predict_picture(picture)
end

return recogniser
