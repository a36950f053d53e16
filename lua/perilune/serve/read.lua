--- POST /v1/read: several digits side by side, as the drawing program reads them (perilune.draw.recogniser).
--
-- Only of strokes: which of them belong together is a good part of what tells digits apart.
-- @module perilune.serve.read
local alone = require "perilune.alone"
local core = require "perilune.core"
local drawing = require "perilune.serve.drawing"
local json = require "perilune.json"
local models = require "perilune.serve.models"
local recogniser = require "perilune.draw.recogniser"
local refusal = require "perilune.serve.refusal"

local read = {}

-- Numbers as predictions have them: no more digits than say something.
local function rounded(value) return math.floor(value * 1e6 + 0.5) / 1e6 end

-- One digit. The canvas is a square with the drawing in its middle; boxes are told in the unit of the strokes.
local function part_of(seen, side, left, top, wants_input)
  local probabilities = {}
  for i, p in ipairs(seen.probabilities) do probabilities[i] = rounded(p) end
  local function unit(share, before) return math.floor((share * side - before) * 1000 + 0.5) / 1000 end
  local input
  if wants_input then
    input = seen.input:reshape(-1):totable()
    for i, value in ipairs(input) do input[i] = math.floor(value * 255 + 0.5) end
  end
  return {
    label = models.label_value(seen.label), confidence = rounded(seen.confidence), certain = seen.certain,
    probabilities = json.array(probabilities), input = input and json.array(input),
    box = { left = unit(seen.box.left, left), top = unit(seen.box.top, top),
      right = unit(seen.box.right, left), bottom = unit(seen.box.bottom, top) },
  }
end

--- Answers a request.
function read.answer(service, request)
  if request.kind ~= "strokes" then
    refusal.raise(request.kind == "pixels" and 422 or 415,
      "strokes are read here: {\"strokes\": [[[x, y], ...], ...]}; /v1/predict takes anything else, as one digit")
  end
  local began, model = core.monotonic(), service.models[request.model]
  local canvas, height, width, side = drawing.canvas(request.body)
  -- one of its own: it would keep the drawing
  local reader = recogniser.new(model.net, model.name)
  local seen = alone(reader.predict, reader, canvas)
  local parts, list = {}, seen and (seen.digits or { seen }) or {}
  local input = request.query.input
  local wants_input = input ~= nil and input ~= "0" and input ~= "false" -- as the door has it
  for i, one in ipairs(list) do
    parts[i] = part_of(one, side, (1 - width) / 2 * side, (1 - height) / 2 * side, wants_input)
    parts[i].newest = i == (seen.current or 1)
  end
  request:answer { status = 200, body = json.message {
    text = seen and (seen.number or seen.label) or "", certain = seen ~= nil and seen.certain, parts = json.array(parts),
    model = model.name, milliseconds = rounded(1000 * (core.monotonic() - began)),
  } }
end

return read
