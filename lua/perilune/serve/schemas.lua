--- The shapes of what the service takes and gives, as JSON schemas of OpenAPI 3.0.
-- hosts/http_json.c reads the bodies, hosts/http_answer.c writes predictions and errors; these say the same in JSON.
-- @module perilune.serve.schemas
local drawing = require "perilune.serve.drawing"
local json = require "perilune.json"

local schemas = {}

local array = json.array
local PIXELS = 28 * 28

local function ref(name) return { ["$ref"] = "#/components/schemas/" .. name } end

local function object(properties, required, closed)
  local schema = { type = "object", properties = properties, required = required and array(required) or nil }
  if closed then schema.additionalProperties = false end
  return schema
end

local function list_of(items, least, most, description)
  return { type = "array", items = items, minItems = least, maxItems = most, description = description }
end

local text_or_number = { oneOf = array {
  { type = "string", maxLength = 256, pattern = "^[^\\u0000-\\u001F\\u007F]*$" }, { type = "number" } } }

-- What may stand beside pixels and strokes alike.
local function beside(properties)
  properties.label = { allOf = array { ref "Class" }, description = "What it shows, for /v1/correct." }
  properties.class = { allOf = array { ref "Class" }, description = "The class to explain, for /v1/explain." }
  properties.input = { type = "boolean", description = "Also answer what the net saw." }
  return properties
end

-- Pixels of one image, or of some in a list. Full ink is 255, or with "range": 1 it is 1. There are no upper bounds of lists
-- here: what is too much is told by 413, not by the shape.
local function pixels_body(full, most)
  local one = list_of({ type = "number", minimum = 0, maximum = full }, PIXELS, PIXELS)
  return object(beside {
    pixels = { oneOf = array { one, list_of(one, 1, most) },
      description = ("One image, row by row, or a list of them: 0 is the ground, %d the ink."):format(full) },
    range = { type = "integer", enum = array { full }, description = "What full ink is: 255 where this is left out." },
  }, full == 255 and { "pixels" } or { "pixels", "range" }, true)
end

local function strokes_body()
  local point = list_of({ type = "number" }, 2, 3, "x to the right, y down, and perhaps a time")
  local size = { type = "number", minimum = 0, exclusiveMinimum = true }
  return object(beside {
    strokes = list_of(list_of(point, 1), 1, nil, "Each from pen down to pen up."),
    pen = { allOf = array { size }, default = drawing.PEN, description = "The pen's width, in the unit of the points." },
    width = { allOf = array { size }, default = drawing.SIDE, description = "The canvas's." },
    height = { allOf = array { size }, default = drawing.SIDE, description = "The canvas's." },
  }, { "strokes" }, true)
end

-- Any of the bodies in JSON; most: images, or nil.
local function body(most)
  return { oneOf = array { pixels_body(255, most), pixels_body(1, most), ref "Strokes" } }
end

local function prediction()
  return object({
    label = { allOf = array { ref "Class" }, description = "The likeliest class: a number where its name is one." },
    probabilities = list_of({ type = "number", minimum = 0, maximum = 1 }, 1, nil, "In the order of the model's labels."),
    confidence = { type = "number", minimum = 0, maximum = 1, description = "The largest of them." },
    certain = { type = "boolean", description = "False: less sure than the model's threshold, perhaps no digit." },
    input = list_of({ type = "integer", minimum = 0, maximum = 255 }, PIXELS, PIXELS, "What the net saw, if asked for."),
  }, { "label", "probabilities", "confidence", "certain" })
end

local function part()
  local box = {}
  for _, side in ipairs { "left", "top", "right", "bottom" } do box[side] = { type = "number" } end
  return object({
    label = ref "Class", probabilities = list_of({ type = "number", minimum = 0, maximum = 1 }, 1),
    confidence = { type = "number", minimum = 0, maximum = 1 }, certain = { type = "boolean" },
    box = object(box, { "left", "top", "right", "bottom" }),
    newest = { type = "boolean", description = "Does the last stroke end in it?" },
    input = list_of({ type = "integer", minimum = 0, maximum = 255 }, PIXELS, PIXELS, "What the net saw, if asked for."),
  }, { "label", "probabilities", "confidence", "certain", "box", "newest" })
end

local function reading()
  return object({
    text = { type = "string", description = "The labels from left to right; empty where no ink is on the canvas." },
    certain = { type = "boolean", description = "Are all parts?" },
    parts = list_of(ref "Part", 0, nil, "Each with its box, in the unit of the strokes."),
    model = { type = "string" }, milliseconds = { type = "number", minimum = 0, description = "What the reading took." },
  }, { "text", "certain", "parts", "model", "milliseconds" })
end

local function model()
  return object({
    name = { type = "string" }, default = { type = "boolean", description = "Taken where a request names none." },
    shape = list_of({ type = "integer" }, 3, 3, "height, width, channels"),
    labels = list_of(ref "Class", 1), parameters = { type = "integer" },
    threshold = { type = "number" }, temperature = { type = "number" },
    calibrated = { type = "boolean", description = "Do temperature and threshold come from the model's file?" },
    corrections = { type = "boolean", description = "Is /v1/correct on?" },
  }, { "name", "default", "shape", "labels", "parameters", "threshold", "temperature", "calibrated", "corrections" })
end

--- All schemas by name.
function schemas.all()
  return {
    Class = text_or_number,
    Body = body(), -- of pictures,
    OneBody = body(1), -- and of one picture
    Strokes = strokes_body(),
    Prediction = prediction(),
    Predictions = object({ predictions = list_of(ref "Prediction", 1), model = { type = "string" },
      milliseconds = { type = "number", minimum = 0, description = "From the request's last byte to its answer." },
    }, { "predictions", "model", "milliseconds" }),
    Part = part(),
    Reading = reading(),
    Heat = object({ model = { type = "string" }, class = ref "Class", height = { type = "integer" }, width = { type = "integer" },
      heat = list_of(list_of({ type = "number", minimum = 0, maximum = 1 }, 1), 1, nil, "Rows of numbers: 1 speaks most."),
      coordinates = { type = "string", enum = array { "field", "canvas" },
        description = "What the heat lies over: the 28 x 28 that the net saw, or the strokes' canvas." },
    }, { "model", "class", "height", "width", "heat", "coordinates" }),
    Kept = object({ label = ref "Class", kept = { type = "integer", description = "Pictures of this request." },
      corrections = { type = "integer", description = "Pictures in the folder now." } }, { "label", "kept", "corrections" }),
    Model = model(),
    Models = object({ models = list_of(ref "Model", 1) }, { "models" }),
    Error = object({ error = object({ status = { type = "integer", minimum = 400, maximum = 599 },
      reason = { type = "string", description = "What is wrong, and where." } }, { "status", "reason" }) }, { "error" }),
  }
end

schemas.ref = ref

return schemas
