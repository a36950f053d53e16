--- A canvas's picture in one size, kept up to date: points that were added at the end are inked alone, anything else
-- (undo, clear) draws all of it anew.
--
-- A pixel holds how much of it is inked, 0 to 1. A stroke is the set of points nearer than half its width to its line;
-- the rim fades over one pixel. Ink takes the larger of what is there and its own cover, an eraser takes its cover away.
-- @module perilune.draw.raster
local core = require "perilune.core"

local raster = {}

local Raster = {}
Raster.__index = Raster

--- @param canvas see perilune.draw.canvas
function raster.new(canvas, height, width)
  for _, side in ipairs { height, width } do
    if math.type(side) ~= "integer" or side < 1 or side > 8192 then
      error(("canvas: a picture's side wants a whole number from 1 to 8192, got %s"):format(tostring(side)), 3)
    end
  end
  return setmetatable({ canvas = canvas, height = height, width = width, pixels = {} }, Raster)
end

function Raster:wipe()
  local pixels = self.pixels
  for i = 1, self.height * self.width do pixels[i] = 0.0 end
  self.strokes, self.points = 1, 0 -- inked so far: all before this stroke, and so many points of it
  self.epoch = self.canvas.epoch
end

-- Inks the straight piece from a to b, which may be one point. Coordinates and radius in pixels.
function Raster:piece(ax, ay, bx, by, radius, erase)
  local pixels, width, height = self.pixels, self.width, self.height
  local dx, dy = bx - ax, by - ay
  local square = math.max(dx * dx + dy * dy, 1e-12)
  local reach = radius + 1
  local left = math.max(0, math.floor(math.min(ax, bx) - reach))
  local right = math.min(width - 1, math.floor(math.max(ax, bx) + reach))
  local top = math.max(0, math.floor(math.min(ay, by) - reach))
  local bottom = math.min(height - 1, math.floor(math.max(ay, by) + reach))
  for y = top, bottom do
    for x = left, right do
      local px, py = x + 0.5 - ax, y + 0.5 - ay
      local along = math.min(1, math.max(0, (px * dx + py * dy) / square))
      local ex, ey = px - along * dx, py - along * dy
      local cover = math.min(1, radius + 0.5 - math.sqrt(ex * ex + ey * ey))
      if cover > 0 then
        local at = y * width + x + 1
        if erase then
          pixels[at] = math.min(pixels[at], 1 - cover)
        elseif cover > pixels[at] then
          pixels[at] = cover
        end
      end
    end
  end
end

--- Follows the canvas. Returns the pixels, row by row.
function Raster:update()
  local strokes = self.canvas.strokes
  if self.epoch ~= self.canvas.epoch then self:wipe() end
  local across, down = self.width, self.height
  while strokes[self.strokes] do
    local stroke, from = strokes[self.strokes], self.points
    local radius = math.max(0.5, stroke.width * math.min(across, down) / 2)
    for i = from + 1, stroke.n do
      local last = math.max(1, i - 1)
      self:piece(stroke.x[last] * across, stroke.y[last] * down, stroke.x[i] * across, stroke.y[i] * down, radius,
        stroke.erase)
    end
    self.points = stroke.n
    if not strokes[self.strokes + 1] then break end
    self.strokes, self.points = self.strokes + 1, 0
  end
  return self.pixels
end

--- The picture as a tensor.
-- @return float32 (height, width, 1)
function Raster:tensor()
  return core.tensor(self:update(), "float32"):reshape(self.height, self.width, 1)
end

return raster
