--- /openapi.json: what the service takes and gives, made from the routes that it routes by (OpenAPI 3.0.3).
-- @module perilune.serve.openapi
local json = require "perilune.json"
local routes = require "perilune.serve.routes"
local schemas = require "perilune.serve.schemas"

local openapi = {}

local array, ref = json.array, schemas.ref
local JSON = "application/json"

-- What a query may say; a %00 in it is refused.
local function words() return { type = "string", pattern = "^[^\\u0000]*$" } end

local function binary() return { schema = { type = "string", format = "binary" } } end

-- ---- queries

local queries = {}

function queries.model(service)
  local names = {}
  for i, model in ipairs(service.models) do names[i] = model.name end
  return { description = "The model; without it the first that /v1/models lists.", schema = { type = "string", enum = array(names) } }
end

function queries.input()
  return { description = "1: also answer what the net saw, as bytes.", schema = words() }
end

function queries.class(service)
  return { description = "The class to explain, by its label; without it the likeliest. A body's own goes first.",
    schema = words(), example = service.models[1].labels[1] }
end

function queries.label(service)
  return { description = "The class that the picture shows, by its label.", required = true, schema = words(),
    example = service.models[1].labels[1] }
end

function queries.size()
  return { description = "Rows and columns of the heat: 28 over what the net saw, 56 over a canvas, when not said.",
    schema = { type = "integer", minimum = 1, maximum = 1024 } }
end

local function parameters_of(row, service)
  if not row.queries then return nil end
  local list = {}
  for i, name in ipairs(row.queries) do
    local parameter = queries[name](service)
    parameter.name, parameter["in"], parameter.required = name, "query", parameter.required or false
    list[i] = parameter
  end
  return array(list)
end

-- ---- bodies and answers

local ONE = { summary = "A one, drawn from top to bottom",
  value = { strokes = array { array { array { 140, 40 }, array { 138, 140 }, array { 140, 240 } } } } }

local function body(row)
  if row.body == "Strokes" then
    return { required = true, content = { [JSON] = { schema = ref(row.body), examples = { strokes = ONE } } } }
  end
  local example = {}
  for i = 1, 28 * 28 do example[i] = (i % 28 == 14 and i > 140 and i < 640) and 255 or 0 end
  return { required = true, content = {
    [JSON] = {
      schema = ref(row.body),
      examples = {
        strokes = ONE,
        pixels = { summary = "The same as 28 x 28 pixels", value = { pixels = array(example) } },
      },
    },
    ["image/png"] = binary(), ["image/jpeg"] = binary(), ["application/octet-stream"] = binary(),
  } }
end

local function failure(description, headers)
  return { description = description, content = { [JSON] = { schema = ref "Error" } }, headers = headers }
end

local function header(description, kind) return { description = description, schema = { type = kind or "string" } } end

-- What can befall any request that Lua or the net answers.
local function add_common(answers, service)
  answers["403"] = failure "The Host, or the Origin of a page that posts, is none that this service allows."
  if service.options.token then
    answers["401"] = failure("No bearer token, or another.", { ["WWW-Authenticate"] = header "Bearer" })
  end
  answers["500"] = failure "A fault of the service's own."
  answers["503"] = failure("Too busy, ending, or the model has changed its shape.", { ["Retry-After"] = header("Seconds", "integer") })
end

local function add_body_answers(answers, row)
  answers["400"] = failure "The body is malformed: the reason names the byte."
  answers["404"] = failure(row.storage and "There is no such model, or corrections are not kept." or "There is no such model.")
  answers["408"] = failure "The request took too long to arrive."
  answers["413"] = failure "The body is larger than the service takes, or holds too much."
  answers["415"] = failure "No such kind of body is known."
  answers["422"] = failure "Well-formed, but not what is wanted: the reason names the place."
  answers["429"] = failure("The queue is full.", { ["Retry-After"] = header("Seconds", "integer") })
  if row.storage then
    answers["409"] = failure "The body has another label than the address."
    answers["507"] = failure "The folder of corrections holds as many as it may."
  end
end

local function content_of(types)
  local content
  for kind, schema in pairs(types) do
    content = content or {}
    if schema == true then
      content[kind] = kind:find "^text/" and { schema = { type = "string" } } or binary()
    else
      content[kind] = { schema = ref(schema) }
    end
  end
  return content
end

local function operation_of(row, service)
  local answers = { ["200"] = { description = row.summary, content = content_of(row.types) } }
  if row.kind ~= "door" and row.kind ~= "file" then add_common(answers, service) end
  if row.body then add_body_answers(answers, row) end
  if row.kind == "file" then
    answers["403"] = failure "The Host is none that this service allows."
    answers["304"] = { description = "As the client has it already (If-None-Match)." }
  end
  if row.path == "/readyz" then answers["503"] = failure "Not yet, or not any more." end
  local open = row.kind == "door" or row.kind == "file"
  return {
    operationId = row.id, summary = row.summary, description = row.description, parameters = parameters_of(row, service),
    requestBody = row.body and body(row) or nil, responses = answers,
    security = service.options.token and (open and array {} or array { { bearer = array {} } }) or nil,
  }
end

-- ---- the whole

--- The document as a table.
-- @param service has models and options
function openapi.document(service)
  local paths = {}
  for _, row in ipairs(routes.list) do
    paths[row.path] = paths[row.path] or {}
    paths[row.path][row.method:lower()] = operation_of(row, service)
  end
  local components = schemas.all()
  components.OpenAPI = { type = "object", required = array { "openapi", "info", "paths" } }
  return {
    openapi = "3.0.3",
    info = { title = "Perilune", version = require("perilune")._VERSION,
      description = "A recogniser of handwritten digits as a service.", license = { name = "MIT" } },
    paths = paths,
    components = { schemas = components,
      securitySchemes = service.options.token and { bearer = { type = "http", scheme = "bearer" } } or nil },
  }
end

--- The document as JSON.
function openapi.text(service) return json.encode(openapi.document(service)) .. "\n" end

return openapi
