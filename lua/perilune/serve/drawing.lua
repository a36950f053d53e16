--- A request's strokes as a canvas of perilune.draw: for laying heat over them, and for keeping them.
-- @module perilune.serve.drawing
local canvases = require "perilune.draw.canvas"
local json = require "perilune.json"

-- What a body has that does not say: the pen's width, the canvas's sides. hosts/http_body.h reads them so (PERI_BODY_PEN,
-- PERI_BODY_SIDE), and a test holds the two together.
local drawing = { PEN = 20, SIDE = 280 }

local TIME_MOST = 1e9

local function number(value, default) return type(value) == "number" and value or default end

-- On a canvas of side 1, which keeps whole millionths, from -1 to 2.
local function placed(value, side) return math.floor(math.max(-1, math.min(2, value / side)) * 1e6 + 0.5) / 1e6 end

-- Seconds, of any that a client may say: nobody's drawing takes longer.
local function time_of(point) return math.max(-TIME_MOST, math.min(TIME_MOST, number(point[3], 0))) end

--- The strokes of a body that the door has read as such.
-- @param body JSON text: { "strokes": [[[x, y(, t)], ...], ...], "pen", "width", "height" }
-- @return a square canvas, whose side is the drawing's longer one; the shorter lies in its middle (as in core/image/drawing.c)
-- @return the drawing's height and width in sides of the canvas
-- @return that side in the unit of the strokes
-- @raise an error when there is more of it than a canvas takes
function drawing.canvas(body)
  local given = json.decode(body)
  local width, height = number(given.width, drawing.SIDE), number(given.height, drawing.SIDE)
  local side = math.max(width, height)
  local left, top = (side - width) / 2, (side - height) / 2
  local pen, list = math.max(1e-4, math.min(1, number(given.pen, drawing.PEN) / side)), {}
  for i, stroke in ipairs(given.strokes) do
    local points = {}
    for k, point in ipairs(stroke) do points[k] = { placed(point[1] + left, side), placed(point[2] + top, side), time_of(point) } end
    list[i] = { width = pen, points = points }
  end
  return canvases.from_table(list), height / side, width / side, side
end

return drawing
