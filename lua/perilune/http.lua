--- The service's door: connections, requests and batches of images (libmicrohttpd; a part that a build may lack).
--
--     local http = require "perilune.http"
--     local door = http.open {
--       port = 8080, routes = { ["POST /v1/predict"] = "predict", ["GET /v1/models"] = "plain" },
--       models = { { name = "digits", shape = { 28, 28, 1 }, labels = { "0", "1" }, threshold = 0.5 } },
--     }
--     while true do
--       local what, it = door:wait(1)
--       if what == "batch" then door:answer(it, net:predict(it.images))
--       elseif what == "request" then it:answer { body = "{}" }
--       elseif what == "signal" and it ~= "HUP" then break end
--     end
--     door:close()
--
-- `door:wait(seconds)` gives "batch", batch; "request", request; "signal", "HUP" | "TERM" | "INT"; or nil when the time is
-- over, or when the door has been drained. Only one thread serves a door.
--
-- A batch has `model` (place in the list), `images` float32 (N, H, W, C), `classes` and its length `#batch`.
-- `door:answer(batch, probabilities)` takes float32 (N, classes); `door:fail(batch, status, reason)`.
--
-- A request has `method`, `path`, `query` and `headers` (tables; names of headers in lower case), `body`; those of a route
-- "images" also `images`, `kind` ("pixels", "raw", "picture", "strokes"), `label`, `class`, `input` and `model`.
-- `request:answer { status = 200, type = "application/json", body =, headers = { name = value } }`;
-- `request:fail(status, reason)` answers {"error":{"status":...,"reason":...}}.
--
-- `door:models(list)` swaps the models; `door:ready(flag)` is what /readyz says (/healthz is always well); `door:stats()` counts;
-- `door:drain(seconds)` takes no more connections and is true when everything was answered: call it between waits until it
-- is; `door:close()`, `door:closed()`; `door.port`, `door.host`.
-- @module perilune.http
local args = require "perilune.args"
require "perilune.core"

-- The binary part is a library of its own with this module's name: Perilune works without libmicrohttpd.
local function load_library()
  local path = package.searchpath("perilune.http", package.cpath)
  if not path then
    error("perilune.http: this build has no service; install libmicrohttpd and yajl (Debian: libmicrohttpd-dev, libyajl-dev, "
      .. "libpng-dev, libjpeg-dev) and build again", 0)
  end
  local open, reason = package.loadlib(path, "luaopen_perilune_http")
  if not open then error(("perilune.http: %s cannot be loaded: %s"):format(path, reason), 0) end
  return open("perilune.http", path)
end

local library = load_library()
local http = {}

local OPTIONS = {
  { "host", "string", "127.0.0.1" }, { "port", "integer", 8080 }, { "reuse_port", "boolean", false },
  { "threads", "integer", 1 }, { "workers", "integer", 1 }, { "batch", "integer", 256 }, { "window", "number", 0.002 },
  { "queue", "integer", 4096 }, { "body", "integer", 8 << 20 }, { "header", "integer", 16 << 10 },
  { "connections", "integer", 16384 }, { "idle", "number", 60 }, { "receive", "number", 10 }, { "answer", "number", 30 },
  { "token", "string" }, { "cors", "table|string" }, { "hosts", "table|string" }, { "headers", "table", {} },
  { "access_log", "string" },
  { "models", "table", args.required }, { "files", "table", {} }, { "routes", "table", {} },
}
local MODEL = { { "name", "string", args.required }, { "shape", "table", args.required }, { "labels", "table", args.required },
  { "threshold", "number", 0 } }
local FILE = { { "type", "string", args.required }, { "body", "string", args.required }, { "headers", "table", {} } }
local KINDS = { predict = true, images = true, plain = true }

local function refuse(format, ...) error("http.open: " .. format:format(...), 0) end

local function texts(where, list)
  for i, value in ipairs(list) do
    if type(value) ~= "string" then refuse("%s[%d]: a string is wanted, got %s", where, i, type(value)) end
  end
  return list
end

local function header_list(where, list)
  for i, row in ipairs(list) do
    if type(row) ~= "table" then refuse("%s[%d]: { name, value } is wanted, got %s", where, i, type(row)) end
    texts(("%s[%d]"):format(where, i), row)
    if #row ~= 2 then refuse("%s[%d]: { name, value } is wanted, got %d texts", where, i, #row) end
  end
  return list
end

local function model_list(models)
  local list = {}
  if type(models) ~= "table" then refuse("models: a list is wanted, got %s", type(models)) end
  for i, given in ipairs(models) do
    local model = args.named(("http.open: models[%d]"):format(i), given, MODEL)
    for axis = 1, 3 do
      local size = model.shape[axis]
      if math.type(size) ~= "integer" or size < 1 or size > 4096 then
        refuse("models[%d].shape: { height, width, channels } is wanted, each from 1 to 4096", i)
      end
    end
    if #model.labels == 0 then refuse("models[%d].labels: at least one is wanted", i) end
    list[i] = { name = model.name, height = model.shape[1], width = model.shape[2], channels = model.shape[3],
      labels = texts(("models[%d].labels"):format(i), model.labels), threshold = model.threshold }
  end
  if #list == 0 then refuse("models: at least one is wanted") end
  return list
end

local function sorted_keys(t, where)
  local keys = {}
  for key in pairs(t) do
    if type(key) ~= "string" then refuse("%s: names are strings, got %s", where, type(key)) end
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

local function file_list(files)
  local list = {}
  for i, path in ipairs(sorted_keys(files, "files")) do
    local file = args.named(("http.open: files['%s']"):format(path), files[path], FILE)
    list[i] = { path = path, type = file.type, body = file.body, headers = header_list(("files['%s'].headers"):format(path), file.headers) }
  end
  return list
end

local function route_list(routes)
  local list = {}
  for i, key in ipairs(sorted_keys(routes, "routes")) do
    local method, path = key:match "^(%u+) (/%S*)$"
    if not method then refuse("routes: '%s' is not like \"POST /v1/predict\"", key) end
    if not KINDS[routes[key]] then refuse("routes['%s']: predict, images or plain is wanted, got %s", key, tostring(routes[key])) end
    list[i] = { method = method, path = path, kind = routes[key] }
  end
  return list
end

local swap_models = library.door.models
function library.door.models(door, list) return swap_models(door, model_list(list)) end

--- Opens a door.
-- @param options host = "127.0.0.1", port = 8080 (0: any that is free), reuse_port = false (several processes share a port);
--   threads = 1 that serve connections, workers = 1 that read pictures, strokes and large JSON; batch = 256 images at
--   most, window = 0.002 s at most, queue = 4096 images that wait at most (then 429); body = 8 MiB, header = 16 KiB,
--   connections = 16384; idle = 60 s, receive = 10 s for a whole request (then 408), answer = 30 s (then 503); token = a
--   bearer token that all but files, /healthz and /readyz want; cors = a list of origins, or "*"; hosts = a list of
--   names that a request's Host may be beside localhost (where the door is on loopback, or when there are any);
--   headers = { { name, value }, ... } on every answer; access_log = a path or "-";
--   models = { { name =, shape = { 28, 28, 1 }, labels = { ... }, threshold = 0 }, ... };
--   files = { ["/"] = { type =, body =, headers = { ... } }, ... }; routes = { ["POST /v1/predict"] = "predict" | "images" | "plain", ... }
-- @return the door
function http.open(options)
  local o = args.named("http.open", options, OPTIONS)
  if type(o.cors) == "string" then o.cors = { o.cors } end
  if o.cors then texts("cors", o.cors) end
  if type(o.hosts) == "string" then o.hosts = { o.hosts } end
  if o.hosts then texts("hosts", o.hosts) end
  o.headers = header_list("headers", o.headers)
  o.models = model_list(o.models)
  o.files = file_list(o.files)
  o.routes = route_list(o.routes)
  return library.open(o)
end

return http
