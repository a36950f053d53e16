--- What is drawn: strokes of points with time and pen width, which can be undone, redone and rendered to any size.
--
-- Coordinates run from 0 to 1, x to the right and y down; the canvas is square, and a width of 1 is its side. A stroke
-- inks, or erases what is under it. Nothing here knows of terminals or windows.
--
--     local canvas = require("perilune.draw.canvas").new()
--     canvas:begin(0.5, 0.1)
--     canvas:extend(0.5, 0.9)
--     canvas:finish()
--     local picture = canvas:render(28)       -- float32 (28, 28, 1), ink 1 on 0
-- @module perilune.draw.canvas
local core = require "perilune.core"
local raster = require "perilune.draw.raster"

local canvas = {}

local Canvas = {}
Canvas.__index = Canvas

--- A new canvas.
-- @param options { pen = 0.085, eraser = 0.16 }: widths in sides of the canvas
function canvas.new(options)
  options = options or {}
  return setmetatable({
    pen = options.pen or 0.085, eraser = options.eraser or 0.16,
    strokes = {}, -- each { x =, y =, t = lists, n =, width =, erase = }
    done = {},    -- what undo takes back, the newest last: lists of strokes as they were before
    undone = {},  -- what redo brings back
    version = 0,  -- grows with every change
    epoch = 0,    -- grows when something else happened than points that were added at the end
  }, Canvas)
end

--- Is this a canvas?
function canvas.is_canvas(value) return getmetatable(value) == Canvas end

local function snapshot(strokes) return table.move(strokes, 1, #strokes, 1, {}) end

local function clamp(value) return math.min(math.max(value, -1), 2) end

local UNDO_MOST = 200

function Canvas:remember()
  self.done[#self.done + 1] = snapshot(self.strokes)
  if #self.done > UNDO_MOST then table.remove(self.done, 1) end
  self.undone = {}
end

function Canvas:replace(strokes)
  self.strokes, self.open = strokes, nil
  self.version, self.epoch = self.version + 1, self.epoch + 1
end

--- Puts the pen down.
-- @param x       0 (left) to 1
-- @param y       0 (top) to 1
-- @param options { erase = true, width =, time = seconds }
function Canvas:begin(x, y, options)
  options = options or {}
  self:remember()
  self.open = {
    x = {}, y = {}, t = {}, n = 0, erase = options.erase or false,
    width = options.width or (options.erase and self.eraser or self.pen),
  }
  self.strokes[#self.strokes + 1] = self.open
  self:extend(x, y, options.time)
end

--- Moves the pen that is down; a place where it is already adds nothing.
function Canvas:extend(x, y, time)
  local stroke = self.open
  if not stroke then error("canvas:extend: no stroke is open; call canvas:begin(x, y) first", 2) end
  if type(x) ~= "number" or type(y) ~= "number" or x ~= x or y ~= y then
    error(("canvas: a point wants two numbers, got %s, %s"):format(tostring(x), tostring(y)), 2)
  end
  x, y = clamp(x), clamp(y)
  local n = stroke.n
  if n > 0 and stroke.x[n] == x and stroke.y[n] == y then return end
  n = n + 1
  stroke.x[n], stroke.y[n], stroke.t[n], stroke.n = x, y, time or core.monotonic(), n
  self.version = self.version + 1
end

--- Lifts the pen.
function Canvas:finish() self.open = nil end

--- Takes everything away; undo brings it back.
function Canvas:clear()
  if #self.strokes == 0 then return end
  self:remember()
  self:replace {}
end

--- Takes the last stroke (or clear) back. Returns whether there was one.
function Canvas:undo()
  local earlier = table.remove(self.done)
  if not earlier then return false end
  self.undone[#self.undone + 1] = snapshot(self.strokes)
  self:replace(earlier)
  return true
end

--- Does again what undo took back. Returns whether there was something.
function Canvas:redo()
  local later = table.remove(self.undone)
  if not later then return false end
  self.done[#self.done + 1] = snapshot(self.strokes)
  self:replace(later)
  return true
end

--- Has nothing been inked? (What was inked and then erased is seen by rendering only.)
function Canvas:empty()
  for _, stroke in ipairs(self.strokes) do
    if not stroke.erase then return false end
  end
  return true
end

--- A picture of the canvas that follows it: see perilune.draw.raster.
-- @param height rows
-- @param width  columns (default: as many)
function Canvas:raster(height, width) return raster.new(self, height, width or height) end

--- The canvas as a picture, anti-aliased.
-- @return float32 (height, width, 1), ink 1 on 0
function Canvas:render(height, width)
  return self:raster(height, width):tensor()
end

return canvas
