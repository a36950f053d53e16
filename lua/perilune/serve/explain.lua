--- POST /v1/explain: where a picture speaks for a class, as numbers or as a PNG (Grad-CAM; see perilune.draw.heat).
--
-- The heat of strokes lies over their canvas; that of anything else over the 28 x 28 that the net saw.
-- @module perilune.serve.explain
local core = require "perilune.core"
local drawing = require "perilune.serve.drawing"
local heat = require "perilune.draw.heat"
local image = require "perilune.image"
local ink = require "perilune.draw.ink"
local json = require "perilune.json"
local models = require "perilune.serve.models"
local refusal = require "perilune.serve.refusal"
local segments = require "perilune.draw.segments"

local explain = {}

local FIELD = 28
local RENDER = 6 * FIELD        -- the side in which the recogniser renders a canvas
local CANVAS = 2 * FIELD        -- rows and columns of a square canvas's heat
local COLOUR = { 0.86, 0.16, 0.12 } -- of a PNG where the heat is strongest
local MOST = 0.85               -- opacity there
local SIZE_MOST = 1024

-- The class that is asked for, or the one that the model takes the picture for, as its place among the labels.
local function class_of(model, request, input)
  local wanted = request.class or request.query.class
  if not wanted then
    local p <close> = models.probabilities(model, input)
    return p:argmax(2):item()
  end
  return models.class_of(model, wanted) or refusal.raise(404,
    "class: the model %s has no class %q; it has %s", model.name, wanted, table.concat(model.labels, ", "))
end

local function size_of(request)
  local text = request.query.size
  if text == nil then return nil end
  local size = text:find "^%d+$" and math.tointeger(tonumber(text))
  if size and size >= 1 and size <= SIZE_MOST then return size end
  refusal.raise(422, "size: a whole number of pixels from 1 to %d is wanted, got %q", SIZE_MOST, text)
end

-- The heat of the field laid over the canvas that the strokes are from: float32 (rows, columns, 1).
local function over_canvas(map, request, size)
  local canvas, height, width = drawing.canvas(request.body)
  local picture = ink.new(canvas, RENDER):update()
  local everything = core.ones({ RENDER, RENDER }, "uint8")
  local _, place = image.digit_of(picture, everything, { 1 }, segments.THICKEN)
  local laid = core.zeros { size, size, 1 }
  heat.lay(laid, map, place, size / RENDER)
  local rows, columns = math.max(1, math.floor(height * size + 0.5)), math.max(1, math.floor(width * size + 0.5))
  local top, left = (size - rows) // 2, (size - columns) // 2 -- the drawing lies in the middle of the canvas
  return laid[{ { top + 1, top + rows }, { left + 1, left + columns } }]:contiguous()
end

-- A PNG to lay over what it explains: one colour, the more opaque the hotter.
local function as_png(map)
  local planes = {}
  for i, value in ipairs(COLOUR) do planes[i] = core.full(map.shape, value) end
  planes[4] = map * MOST
  return image.encode(core.cat(planes, 3))
end

local function rounded_rows(map)
  local rows = map:reshape(map.shape[1], map.shape[2]):totable()
  for _, row in ipairs(rows) do
    for k, value in ipairs(row) do row[k] = math.floor(value * 1000 + 0.5) / 1000 end
  end
  return rows
end

-- Does a client rather want a picture? Whatever it names first.
local function wants_png(request)
  local accept = request.headers.accept or ""
  local png, text = accept:find("image/png", 1, true), accept:find("application/json", 1, true)
  return png ~= nil and (text == nil or png < text)
end

--- Answers a request.
function explain.answer(service, request)
  local model, images = service.models[request.model], request.images
  if images.shape[1] ~= 1 then
    refusal.raise(422, "one image is explained at a time, the body has %d", images.shape[1])
  end
  local size, class = size_of(request), class_of(model, request, images)
  local map = heat.of(model.net, images:reshape(FIELD, FIELD, 1), class - 1)
  local strokes = request.kind == "strokes"
  if strokes then
    map = over_canvas(map, request, size or CANVAS)
  elseif size and size ~= FIELD then
    map = image.resize(map, size, size, "bilinear")
  end
  if wants_png(request) then
    return request:answer { status = 200, type = "image/png", body = as_png(map) }
  end
  request:answer { status = 200, body = json.message {
    model = model.name, class = models.label_value(model.labels[class]), height = map.shape[1], width = map.shape[2],
    heat = rounded_rows(map), coordinates = strokes and "canvas" or "field",
  } }
end

return explain
