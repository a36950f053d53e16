--- What the service answers: one table, by which it routes and from which /openapi.json is made.
--
-- A row: method, path; kind = who answers and how the door reads it ("predict", "images", "plain": see perilune.http; "door":
-- the door itself; "file": fixed); answer = the function(service, request) of the kinds "images" and "plain"; and for
-- OpenAPI: id, summary, description, queries (names of perilune.serve.openapi's), body = the schema of the one that is read,
-- types = { content type = schema's name, or true for text and bytes } of the answer 200, unavailable = its 503's meaning.
-- @module perilune.serve.routes
local json = require "perilune.json"
local metrics = require "perilune.serve.metrics"
local models = require "perilune.serve.models"

local routes = {}

local JSON = "application/json"

-- Loaded with the first request: most services are never asked for these.
local function later(module)
  return function(service, request) return require(module).answer(service, request) end
end

local function answer_models(service, request)
  local rows = {}
  for i, model in ipairs(service.models) do
    local labels = {}
    for k, label in ipairs(model.labels) do labels[k] = models.label_value(label) end
    rows[i] = {
      name = model.name, default = i == 1, shape = json.array(model.shape), labels = json.array(labels),
      parameters = model.parameters, threshold = model.threshold, temperature = model.temperature,
      calibrated = model.calibrated, corrections = service.keeper ~= nil,
    }
  end
  request:answer { status = 200, body = json.message { models = json.array(rows) } }
end

routes.list = {
  { method = "POST", path = "/v1/predict", kind = "predict", id = "predict", summary = "Says what pictures show.",
    description = "Of one picture or several: JSON with pixels or strokes, a PNG or JPEG, or raw bytes (one a pixel, row by "
      .. "row, image behind image). Pixels and raw bytes go to the net as they are; pictures and strokes are made ready as "
      .. "MNIST's were. Requests of many connections go through the net together.",
    queries = { "model", "input" }, body = "Body", types = { [JSON] = "Predictions" } },
  { method = "POST", path = "/v1/read", kind = "images", answer = later "perilune.serve.read", id = "read",
    summary = "Reads several digits side by side.",
    description = "Takes strokes. `text` is all of them from left to right; the parts say what each is and where.",
    queries = { "model", "input" }, body = "Strokes", types = { [JSON] = "Reading" } },
  { method = "POST", path = "/v1/explain", kind = "images", answer = later "perilune.serve.explain", id = "explain",
    summary = "Shows where a picture speaks for a class (Grad-CAM).",
    description = "Takes the same bodies, of one picture. With `Accept: image/png` it gives a PNG to lay over the picture.",
    queries = { "model", "class", "size" }, body = "OneBody", types = { [JSON] = "Heat", ["image/png"] = true } },
  { method = "POST", path = "/v1/correct", kind = "images", answer = later "perilune.serve.correct", id = "correct",
    summary = "Keeps a picture with the class that it shows.",
    description = "Only where the service was started with a folder for them.",
    queries = { "label", "model" }, body = "Body", types = { [JSON] = "Kept" }, storage = true },
  { method = "GET", path = "/v1/models", kind = "plain", answer = answer_models, id = "models",
    summary = "Lists the models.", types = { [JSON] = "Models" } },
  { method = "GET", path = "/metrics", kind = "plain", answer = metrics.answer, id = "metrics",
    summary = "Counters and histograms for Prometheus.", types = { [metrics.TYPE] = true } },
  { method = "GET", path = "/healthz", kind = "door", id = "healthz", summary = "Is the service there?", types = {} },
  { method = "GET", path = "/readyz", kind = "door", id = "readyz", summary = "Does it take requests now?", types = {} },
  { method = "GET", path = "/openapi.json", kind = "file", id = "openapi", summary = "This description.",
    types = { [JSON] = "OpenAPI" } },
}

--- The routes as the door wants them.
function routes.for_door()
  local kinds = {}
  for _, row in ipairs(routes.list) do
    if row.kind ~= "door" and row.kind ~= "file" then kinds[row.method .. " " .. row.path] = row.kind end
  end
  return kinds
end

--- The function that answers a request; nil where the door should not have handed it over.
function routes.find(method, path)
  if method == "HEAD" then method = "GET" end
  for _, row in ipairs(routes.list) do
    if row.method == method and row.path == path then return row.answer end
  end
end

return routes
