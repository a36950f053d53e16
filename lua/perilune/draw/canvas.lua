--- What is drawn: strokes of points with time and pen width, and pictures, which can be undone, redone, replayed, saved
-- and rendered to any size.
--
-- Coordinates run from 0 to 1, x to the right and y down; the canvas is square, and a width of 1 is its side. A stroke
-- inks, or erases what is under it. Nothing here knows of terminals or windows.
--
--     local canvas = require("perilune.draw.canvas").new()
--     canvas:begin(0.5, 0.1)
--     canvas:extend(0.5, 0.9)
--     canvas:finish()
--     local picture = canvas:render(28)       -- float32 (28, 28, 1), ink 1 on 0
--     canvas:save "one.json"
-- @module perilune.draw.canvas
local core = require "perilune.core"
local interruption = require "perilune.interruption"
local player = require "perilune.draw.player"
local raster = require "perilune.draw.raster"
local strokes = require "perilune.draw.strokes"

local canvas = {}

local Canvas = { __name = "perilune.draw.Canvas" }
Canvas.__index = Canvas

local FINENESS = 1e6  -- coordinates are whole millionths: what a file can say in few digits
local UNDO_MOST = 200 -- steps that can be taken back
local MEASURE = 256   -- pixels a side of the picture in which the ink's box is found

local function is_finite(value) return type(value) == "number" and value - value == 0 end

local function want_width(value, what)
  if not is_finite(value) or value <= 0 then
    error(("canvas: %s wants a number above 0 (in sides of the canvas), got %s"):format(what, tostring(value)), 3)
  end
  return math.min(math.max(value, 1e-4), 1)
end

--- A new canvas. While the pen is down its field `stroke` is the step that grows; else it is nil.
-- @param options { pen = 0.085, eraser = 0.16 }: widths in sides of the canvas
function canvas.new(options)
  options = options or {}
  return setmetatable({
    pen = want_width(options.pen or 0.085, "pen"), eraser = want_width(options.eraser or 0.16, "eraser"),
    strokes = {}, -- the drawing's steps: see perilune.draw.strokes
    done = {},    -- what undo takes back, the newest last: { added = step } or { before =, after = lists of steps }
    undone = {},  -- what redo brings back, likewise
    version = 0,  -- grows with every change
    -- stroke: the one that is being drawn, nil while the pen is up
    epoch = 0,    -- grows when something else happened than points that were added at the end
  }, Canvas)
end

--- Is this a canvas?
function canvas.is_canvas(value) return getmetatable(value) == Canvas end

-- ---- steps. A list of steps only ever grows at its end, or is replaced by another; so undo needs no copies.

local function changed(self)
  self.stroke = nil
  self.version, self.epoch = self.version + 1, self.epoch + 1
end

local function remember(self, change)
  self.done[#self.done + 1] = change
  if #self.done > UNDO_MOST then table.remove(self.done, 1) end
  self.undone = {}
end

local function add(self, step)
  self.stroke = nil
  self.strokes[#self.strokes + 1] = step
  self.version = self.version + 1
  remember(self, { added = step })
end

local function replace(self, steps)
  remember(self, { before = self.strokes, after = steps })
  self.strokes = steps
  changed(self)
end

--- Takes the last stroke (or clear, picture, file) back.
-- @return whether there was one
function Canvas:undo()
  local change = table.remove(self.done)
  if not change then return false end
  if change.added then self.strokes[#self.strokes] = nil else self.strokes = change.before end
  self.undone[#self.undone + 1] = change
  changed(self)
  return true
end

--- Does again what undo took back.
-- @return whether there was something
function Canvas:redo()
  local change = table.remove(self.undone)
  if not change then return false end
  if change.added then self.strokes[#self.strokes + 1] = change.added else self.strokes = change.after end
  self.done[#self.done + 1] = change
  changed(self)
  return true
end

--- Takes everything away; undo brings it back.
function Canvas:clear()
  self.stroke = nil
  if #self.strokes > 0 then replace(self, {}) end
end

-- ---- drawing

local function coordinate(value)
  return math.floor(math.min(math.max(value, -1), 2) * FINENESS + 0.5) / FINENESS
end

local function want_point(x, y, time)
  if not is_finite(x) or not is_finite(y) then
    error(("canvas: a point wants two numbers, got %s, %s"):format(tostring(x), tostring(y)), 3)
  end
  if time ~= nil and not is_finite(time) then
    error(("canvas: a point's time wants seconds, got %s"):format(tostring(time)), 3)
  end
end

local function append(stroke, x, y, time)
  local n = stroke.n + 1
  stroke.x[n], stroke.y[n], stroke.t[n], stroke.n = x, y, time or core.monotonic(), n
end

--- Puts the pen down.
-- @param x       0 (left) to 1
-- @param y       0 (top) to 1
-- @param options { erase = true, width = the canvas's pen or eraser, time = seconds }
function Canvas:begin(x, y, options)
  options = options or {}
  want_point(x, y, options.time)
  local width = options.width or (options.erase and self.eraser or self.pen)
  local stroke = { x = {}, y = {}, t = {}, n = 0, erase = options.erase and true or false, width = want_width(width, "width") }
  append(stroke, coordinate(x), coordinate(y), options.time)
  add(self, stroke)
  self.stroke = stroke
end

--- Moves the pen that is down; a place where it is already adds nothing.
-- @param x    as of begin
-- @param y    as of begin
-- @param time in seconds; now when left out
function Canvas:extend(x, y, time)
  local stroke = self.stroke
  if not stroke then error("canvas:extend: no stroke is open; call canvas:begin(x, y) first", 2) end
  want_point(x, y, time)
  x, y = coordinate(x), coordinate(y)
  if stroke.x[stroke.n] == x and stroke.y[stroke.n] == y then return end
  append(stroke, x, y, time)
  self.version = self.version + 1
end

--- Lifts the pen.
function Canvas:finish() self.stroke = nil end

--- Has nothing been inked? (What was inked and then erased is seen by rendering only.)
function Canvas:empty()
  for _, step in ipairs(self.strokes) do
    if not step.erase then return false end
  end
  return true
end

local function is_tensor(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__name == "perilune.Tensor"
end

-- A picture as a step: of bytes, as a file keeps them, and no larger than one may have.
local function picture_step(picture)
  local image = require "perilune.image"
  local rows, columns = picture.shape[1], picture.shape[2]
  local longer = math.max(rows, columns)
  if longer > strokes.SIDE_MOST then
    local scale = strokes.SIDE_MOST / longer
    picture = image.resize(picture, math.max(1, math.floor(rows * scale)), math.max(1, math.floor(columns * scale)))
  end
  local png = image.encode(picture)
  return strokes.picture_step(image.decode(png, { channels = 1 }), png, core.monotonic())
end

-- What was given to place as a step.
local function placed_step(given, time)
  if type(given) == "table" and given.png then
    return strokes.picture_step(given.picture, given.png, time or core.monotonic())
  end
  local shape = is_tensor(given) and given.shape
  if not shape or not (#shape == 2 or #shape == 3 and shape[3] == 1) or given.dtype == "int64" then
    error(("canvas:place: wants a picture of ink, float32 or uint8 (H, W, 1), got %s"):format(
      shape and ("%s (%s)"):format(given.dtype, table.concat(shape, ", ")) or "a " .. type(given)), 3)
  end
  return picture_step(given)
end

--- Lays a picture on what is drawn, as one step that can be undone; it is fitted to the square.
-- @param picture (H, W, 1) or (H, W), ink 1 (or 255, in uint8) on 0; or a step of a canvas that is a picture
-- @param time    of such a step, in seconds; now when left out
function Canvas:place(picture, time)
  local step, pictures = placed_step(picture, time), 0
  for _, other in ipairs(self.strokes) do pictures = pictures + (other.picture and 1 or 0) end
  if pictures >= strokes.PICTURES_MOST then
    error(("canvas:place: there are %d pictures on this canvas, as many as there may be; clear it first"):format(pictures), 2)
  end
  add(self, step)
end

function Canvas:__tostring()
  local count = #self.strokes
  return ("canvas of %d stroke%s"):format(count, count == 1 and "" or "s")
end

-- ---- pictures of it

--- A picture of the canvas that follows it: see perilune.draw.raster.
-- @param height rows
-- @param width  columns (default: as many)
function Canvas:raster(height, width) return raster.new(self, height, width or height) end

--- The canvas as a picture, anti-aliased.
-- @param height rows
-- @param width  columns (default: as many)
-- @return float32 (height, width, 1), ink 1 on 0
function Canvas:render(height, width) return (self:raster(height, width):update()) end

--- The box of the ink, to a part in 256 of the canvas.
-- @return left, top, right, bottom from 0 to 1; nil when there is no ink
function Canvas:box()
  self.measure = self.measure or self:raster(MEASURE)
  local box = require("perilune.image").box(self.measure:update(), 0.25)
  if not box then return nil end
  local left, top = (box.left - 1) / MEASURE, (box.top - 1) / MEASURE
  return left, top, left + box.width / MEASURE, top + box.height / MEASURE
end

-- ---- tables and files

--- The drawing as plain tables: see perilune.draw.strokes.
-- @return { format = "perilune strokes", version = 1, strokes = { { width =, erase =, points = { { x, y, t }, ... } }, ... } }
function Canvas:strokes_table() return strokes.to_table(self.strokes) end

--- A canvas from plain tables.
-- @param given as strokes_table gives it, or its list of strokes alone
-- @return the canvas; there is nothing to undo on it
-- @raise an error that says which stroke and which point is not as it must be
function canvas.from_table(given)
  local self = canvas.new()
  self.strokes = strokes.shift(strokes.from_table(given, "canvas.from_table"), core.monotonic())
  self.version = 1
  return self
end

local function ending(path, where)
  if type(path) ~= "string" then error(("%s: wants a path, got a %s"):format(where, type(path)), 3) end
  return (path:match "%.([^./]*)$" or ""):lower()
end

local pictures = { png = true, jpg = true, jpeg = true, pgm = true }

-- Calls what works on a file; errors are raised without a place in the code: they name the file.
local function with_file(f, ...)
  local ok, result = pcall(f, ...)
  if ok then return result end
  interruption.pass(result)
  local text, place = tostring(result), "^[^\n:]+:%d+: "
  while text:find(place) do text = text:gsub(place, "") end
  error(text, 0)
end

-- The steps of a file.
local function read(path, kind)
  if kind == "json" then return strokes.shift(strokes.read(path), core.monotonic()) end
  return { picture_step(require("perilune.image").ink(path)) }
end

--- Puts a file's drawing in the place of what is drawn; undo brings that back.
-- @param path strokes (.json), or a picture (PNG, JPEG, PGM) whose ink is found, be it dark or light
-- @raise an error that names the file; the canvas is then as it was
function Canvas:open(path)
  replace(self, with_file(read, path, ending(path, "canvas:open")))
end

--- A canvas with a file's drawing: see Canvas:open.
-- @return the canvas; there is nothing to undo on it
function canvas.load(path)
  local self = canvas.new()
  self.strokes, self.version = with_file(read, path, ending(path, "canvas.load")), 1
  return self
end

--- Saves the drawing. The file is there whole or not at all.
-- @param path    its ending tells the kind: .json for strokes with their times and widths; .png, .jpg, .jpeg or .pgm for a
--   picture of dark ink on white
-- @param options { size = 280, quality = 90 (JPEG) } of a picture
-- @return path
function Canvas:save(path, options)
  local kind = ending(path, "canvas:save")
  options = options or {}
  if kind == "json" then
    with_file(function() core.write_file(path, strokes.encode(self.strokes)) end)
  elseif pictures[kind] then
    local picture = 1 - self:render(options.size or 280)
    with_file(require("perilune.image").save, path, picture, { quality = options.quality })
  else
    error(("canvas:save: %s: the name must end in .json, .png, .jpg, .jpeg or .pgm"):format(path), 2)
  end
  return path
end

-- ---- replay

--- Draws recorded strokes on this canvas, each of their points when its time has come.
-- @param given   strokes as canvas:strokes_table() gives them, a list of such strokes, or a canvas
-- @param options { speed = 1: how much faster than they were drawn }
-- @return a player: player:play(seconds) draws what is due so long after its beginning, and returns when the next point
--   will be, in seconds, or nil at the end
function Canvas:player(given, options)
  if canvas.is_canvas(given) then given = given:strokes_table() end
  local steps = strokes.from_table(given, "canvas:replay")
  return player.new(self, steps, options and options.speed)
end

--- Draws recorded strokes again, in their own time.
-- @param given   as of player
-- @param options { speed = 1 (math.huge: at once), on_step = function(canvas, seconds since the beginning), called each
--   time points were drawn; when it returns false, the rest is left out }
-- @return the canvas
function Canvas:replay(given, options)
  options = options or {}
  self:player(given, options):run(options.on_step)
  return self
end

return canvas
