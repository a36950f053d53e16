--- A canvas's picture in one size, kept up to date: points that were added at the end are inked alone; when steps were
-- taken away (undo, clear) or others stand in their place, the part of the picture that they touched is drawn anew.
--
-- A pixel holds how much of it is inked, 0 to 1: see perilune.image's stroke. A step that is a picture (see
-- perilune.draw.canvas) is laid into the square by the larger of both.
--
-- What has been inked is remembered step by step. Steps are told apart by being the same table, and a canvas only ever
-- adds points to its last one.
-- @module perilune.draw.raster
local core = require "perilune.core"

local raster = {}

local Raster = {}
Raster.__index = Raster

local SIDE_MOST = 8192

--- A picture of a canvas.
-- @param canvas see perilune.draw.canvas
-- @param height rows
-- @param width  columns
function raster.new(canvas, height, width)
  for _, side in ipairs { height, width } do
    if math.type(side) ~= "integer" or side < 1 or side > SIDE_MOST then
      error(("canvas: a picture's side wants a whole number from 1 to %d, got %s"):format(SIDE_MOST, tostring(side)), 3)
    end
  end
  return setmetatable({
    canvas = canvas, height = height, width = width, image = require "perilune.image",
    picture = core.zeros { height, width, 1 },
    inked = {}, -- each { step =, n = points so far, box = what it touched, nil for nothing }
  }, Raster)
end

local function join(a, b)
  if not (a and b) then return a or b end
  local top, left = math.min(a.top, b.top), math.min(a.left, b.left)
  return {
    top = top, left = left,
    height = math.max(a.top + a.height, b.top + b.height) - top,
    width = math.max(a.left + a.width, b.left + b.width) - left,
  }
end

local function cut(a, b)
  local top, left = math.max(a.top, b.top), math.max(a.left, b.left)
  local height = math.min(a.top + a.height, b.top + b.height) - top
  local width = math.min(a.left + a.width, b.left + b.width) - left
  return height > 0 and width > 0 and { top = top, left = left, height = height, width = width } or nil
end

local function part(box, dy, dx)
  return { { box.top - dy, box.top - dy + box.height - 1 }, { box.left - dx, box.left - dx + box.width - 1 } }
end

-- Lays a step's picture down, fitted to the square; inside `within` alone when that is given.
function Raster:lay(entry, within)
  local picture = entry.step.picture
  if not entry.fitted then
    local rows, columns = picture.shape[1], picture.shape[2]
    local high, wide = rows / math.max(rows, columns), columns / math.max(rows, columns)
    local height = math.max(1, math.floor(high * self.height + 0.5))
    local width = math.max(1, math.floor(wide * self.width + 0.5))
    entry.fitted = self.image.resize(picture, height, width)
    entry.box = { top = (self.height - height) // 2 + 1, left = (self.width - width) // 2 + 1, height = height, width = width }
  end
  local box = within and cut(entry.box, within) or entry.box
  if within and not cut(entry.box, within) then return nil end
  local place = part(box, 0, 0)
  self.picture[place] = core.maximum(self.picture[place], entry.fitted[part(box, entry.box.top - 1, entry.box.left - 1)])
  return box
end

-- Inks what is new of a step. Returns the box it touched.
function Raster:ink(entry)
  local step = entry.step
  if step.picture then
    if entry.fitted then return nil end
    return self:lay(entry)
  end
  if entry.n == step.n then return nil end
  local box = self.image.stroke(self.picture, step, entry.n + 1)
  entry.n, entry.box = step.n, join(entry.box, box)
  return box
end

-- Takes away what was inked behind the first `kept` steps, and draws those again underneath.
function Raster:take_back(kept)
  local box
  for i = #self.inked, kept + 1, -1 do
    box = join(box, self.inked[i].box)
    self.inked[i] = nil
  end
  if not box then return nil end
  self.picture[part(box, 0, 0)] = 0
  for _, entry in ipairs(self.inked) do
    if entry.fitted then
      self:lay(entry, box)
    elseif entry.box and cut(entry.box, box) then
      self.image.stroke(self.picture, entry.step, 1, box)
    end
  end
  return box
end

-- How many of the inked steps are still the canvas's first ones.
function Raster:common()
  local steps = self.canvas.strokes
  for i, entry in ipairs(self.inked) do
    if entry.step ~= steps[i] then return i - 1 end
  end
  return #self.inked
end

function Raster:follow()
  local canvas, inked, box = self.canvas, self.inked, nil
  if self.epoch ~= canvas.epoch then
    local common = self:common()
    if common < #inked then box = self:take_back(common) end
    self.epoch = canvas.epoch
  end
  for i = math.max(1, #inked), #canvas.strokes do
    inked[i] = inked[i] or { step = canvas.strokes[i], n = 0 }
    box = join(box, self:ink(inked[i]))
  end
  return box
end

--- Follows the canvas.
-- @return the picture, float32 (height, width, 1), the same tensor every time, kept up to date in place
-- @return the box that may have changed since the last time, { top =, left =, height =, width = } with rows and columns
--   counted from 1; nil when nothing has
function Raster:update()
  if self.version == self.canvas.version then return self.picture, nil end
  local whole
  if self.broken then -- an update was interrupted: nobody knows how far it came
    self.picture:fill_(0)
    self.inked, whole = {}, { top = 1, left = 1, height = self.height, width = self.width }
  end
  self.broken = true
  local version = self.canvas.version
  local box = join(whole, self:follow())
  self.version, self.broken = version, false
  return self.picture, box
end

--- The picture as it is now.
-- @return float32 (height, width, 1), a copy
function Raster:tensor() return (self:update()):clone() end

return raster
