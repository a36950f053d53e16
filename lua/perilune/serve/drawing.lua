--- A request's strokes as a canvas of perilune.draw: for laying heat over them, and for keeping them.
-- @module perilune.serve.drawing
local canvases = require "perilune.draw.canvas"
local json = require "perilune.json"

local drawing = {}

local PEN, SIDE = 20, 280 -- what a body that does not say gets: hosts/http_body.h has the same

local function number(value, default) return type(value) == "number" and value or default end

--- The strokes of a body that the door has read as such.
-- @param body JSON text: { "strokes": [[[x, y(, t)], ...], ...], "pen", "width", "height" }
-- @return a canvas; the drawing's longer side is the canvas's, and begins at its top left
-- @return the drawing's height and width in sides of the canvas
-- @raise an error when a stroke lies too far beside the canvas
function drawing.canvas(body)
  local given = json.decode(body)
  local width, height = number(given.width, SIDE), number(given.height, SIDE)
  local side = math.max(width, height)
  local pen, list = math.min(1, number(given.pen, PEN) / side), {}
  for i, stroke in ipairs(given.strokes) do
    local points = {}
    for k, point in ipairs(stroke) do points[k] = { point[1] / side, point[2] / side, number(point[3], 0) } end
    list[i] = { width = pen, points = points }
  end
  return canvases.from_table(list), height / side, width / side
end

return drawing
