--- A canvas's picture as it is to be read: as drawn, but by a pen that is no broader than befits what is written.
--
-- Digits written small with a broad pen are blots, and touch their neighbours. A canvas knows its strokes, so they can be
-- drawn anew by a narrower pen (see image.befitting_pen). Pictures on the canvas stay as they are, and erasers as broad as
-- they were.
-- @module perilune.draw.ink
local core = require "perilune.core"
local image = require "perilune.image"
local raster = require "perilune.draw.raster"
local segments = require "perilune.draw.segments"

local ink = {}

local Ink = {}
Ink.__index = Ink

local KEPT_MOST = 200     -- strokes drawn alone

--- The picture of a canvas, kept up to date.
-- @param canvas see perilune.draw.canvas
-- @param side   rows and columns
function ink.new(canvas, side)
  local shadow = { strokes = {}, version = 0, epoch = 0 } -- a canvas, as far as a raster looks at it
  return setmetatable({ canvas = canvas, side = side, raster = canvas:raster(side), shadow = shadow,
    narrow = raster.new(shadow, side, side), strokes = setmetatable({}, { __mode = "k" }),
    everything = core.ones({ side, side }, "uint8"), kept = {}, count = 0, numbers = setmetatable({}, { __mode = "k" }),
    next_number = 1 }, Ink)
end

local function broadest_of(steps)
  local width = 0
  for _, step in ipairs(steps) do
    if not step.picture and not step.erase then width = math.max(width, step.width) end
  end
  return width
end

-- A stroke as it is, but narrower; the same table for the same stroke and width, as rasters want it.
function Ink:narrowed(step, width)
  local own = self.strokes[step]
  if not own or own.width ~= width then
    own = setmetatable({ width = width }, { __index = step })
    self.strokes[step] = own
  end
  return own
end

function Ink:redrawn(width)
  local list, narrowed = {}, {}
  for i, step in ipairs(self.canvas.strokes) do
    local broad = not step.picture and not step.erase and step.width > width
    if broad then narrowed[step] = self:narrowed(step, width) end
    list[i] = narrowed[step] or step
  end
  self.shadow.strokes, self.shadow.version, self.shadow.epoch = list, self.shadow.version + 1, self.shadow.epoch + 1
  return (self.narrow:update()), narrowed
end

--- Follows the canvas.
-- @return float32 (side, side, 1), ink 1 on 0, to be read only and until the next time; nil when there is no ink
function Ink:update()
  local picture = self.raster:update()
  local box = image.box(picture, 0.5)
  if not box then return nil end
  self.drawn_as = nil
  local pen = broadest_of(self.canvas.strokes)
  local most, befits = image.befitting_pen(box, pen, self.side)
  if befits then return picture end
  local narrow, drawn_as = self:redrawn(most)
  if not image.box(narrow, 0.5) then return picture end -- an eraser may have left only what the broad pen had drawn
  self.drawn_as = drawn_as
  return narrow
end

--- What is known of the strokes on the picture, for perilune.draw.segments.
function Ink:known()
  local list = {}
  for _, step in ipairs(self.canvas.strokes) do
    if not step.picture and not step.erase then list[#list + 1] = step end
  end
  return { list = list, side = self.side, alone = function(some) return self:alone(some) end }
end

-- Some strokes alone, as broad as they were last drawn, erasers too.
function Ink:only(some)
  local wanted, picture = {}, core.zeros { self.side, self.side, 1 }
  for _, step in ipairs(some) do wanted[step] = true end
  for _, step in ipairs(self.canvas.strokes) do
    if wanted[step] or step.erase then image.stroke(picture, self.drawn_as and self.drawn_as[step] or step) end
  end
  return picture
end

-- What a picture of some strokes alone depends on, as a text.
function Ink:key_of(some)
  local parts = {}
  local function add(step)
    self.numbers[step] = self.numbers[step] or self.next_number
    if self.numbers[step] == self.next_number then self.next_number = self.next_number + 1 end
    local own = self.drawn_as and self.drawn_as[step] or step
    parts[#parts + 1] = ("%d:%d:%.17g"):format(self.numbers[step], step.n, own.width)
  end
  for _, step in ipairs(some) do add(step) end
  for _, step in ipairs(self.canvas.strokes) do
    if step.erase then add(step) end
  end
  return table.concat(parts, " ")
end

-- Some strokes alone as the net is to see them, and the place where that is from; nil when nothing of them is left. Kept,
-- since a pen that moves changes one stroke and the others are asked for again.
function Ink:alone(some)
  local key = self:key_of(some)
  local kept = self.kept[key]
  if not kept then
    if self.count >= KEPT_MOST then self.kept, self.count = {}, 0 end
    local input, place = image.digit_of(self:only(some), self.everything, { 1 }, segments.THICKEN)
    kept = { input = input, place = place }
    self.kept[key], self.count = kept, self.count + 1
  end
  return kept.input, kept.place
end

return ink
