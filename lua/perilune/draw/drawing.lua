--- What peri.draw() returns: what was drawn last and what it was taken for. In a notebook it follows the pen.
--
--     local drawing = peri.draw()
--     drawing.canvas:render(112)           -- the picture, float32 (112, 112, 1)
--     drawing.prediction.label             -- "3"; prediction is nil while nothing is drawn
--     drawing.prediction.input             -- what the net saw, (28, 28, 1)
-- @module perilune.draw.drawing
local canvases = require "perilune.draw.canvas"

local drawing = {}

-- As a cell's or a line's result it shows nothing: there is a canvas to be seen.
local Drawing = { __name = "perilune.draw.Drawing", __silent = true }
Drawing.__index = Drawing

--- A drawing. Fields: canvas (see perilune.draw.canvas), prediction (see perilune.draw.recogniser).
-- @param canvas     an empty one when left out
-- @param prediction nil when nothing is drawn
function drawing.new(canvas, prediction)
  return setmetatable({ canvas = canvas or canvases.new(), prediction = prediction }, Drawing)
end

function Drawing:__tostring()
  local strokes = #self.canvas.strokes
  local text = ("drawing of %d stroke%s"):format(strokes, strokes == 1 and "" or "s")
  local seen = self.prediction
  return seen and ("%s, recognised as %s (%.1f %%)"):format(text, seen.label, seen.confidence * 100) or text
end

return drawing
