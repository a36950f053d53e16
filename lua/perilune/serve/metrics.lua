--- GET /metrics: what the door and the process have counted, in Prometheus' text format 0.0.4.
-- @module perilune.serve.metrics
local core = require "perilune.core"

local metrics = {}

--- The content type.
metrics.TYPE = "text/plain; version=0.0.4; charset=utf-8"

local escapes = { ["\\"] = "\\\\", ["\n"] = "\\n", ['"'] = '\\"' }

local function labels_text(labels)
  if not labels then return "" end
  local parts = {}
  for i, pair in ipairs(labels) do
    parts[i] = ('%s="%s"'):format(pair[1], tostring(pair[2]):gsub('[\\\n"]', escapes))
  end
  return #parts > 0 and "{" .. table.concat(parts, ",") .. "}" or ""
end

local function number_text(value)
  if math.type(value) == "integer" then return ("%d"):format(value) end
  if value == math.huge then return "+Inf" end
  local text = ("%.17g"):format(value)
  local short = ("%.12g"):format(value)
  return tonumber(short) == value and short or text
end

local Page = {}
Page.__index = Page

function Page:line(name, labels, value)
  self[#self + 1] = ("%s%s %s"):format(name, labels_text(labels), number_text(value))
end

-- One metric: its name, what it is, and the samples that `write` adds.
function Page:metric(name, kind, help, write)
  self[#self + 1] = ("# HELP %s %s"):format(name, (help:gsub("[\\\n]", escapes)))
  self[#self + 1] = ("# TYPE %s %s"):format(name, kind)
  write(name)
end

function Page:value(name, kind, help, value)
  if value == nil then return end
  self:metric(name, kind, help, function() self:line(name, nil, value) end)
end

-- h: { count =, sum =, buckets = { { bound, how many were at most that and above the bound before }, ... } }
function Page:histogram(name, help, h)
  self:metric(name, "histogram", help, function()
    local total = 0
    for _, bucket in ipairs(h.buckets) do
      total = total + bucket[2]
      self:line(name .. "_bucket", { { "le", number_text(bucket[1]) } }, total)
    end
    self:line(name .. "_sum", nil, h.sum)
    self:line(name .. "_count", nil, total)
  end)
end

local function door_values(page, stats)
  page:metric("perilune_requests_total", "counter", "Requests answered, by route and status.", function(name)
    for _, row in ipairs(stats.routes) do
      local method, path = row.route:match "^(%S+) (%S+)$"
      page:line(name, { { "method", method or row.route }, { "path", path or row.route }, { "status", row.status } }, row.count)
    end
  end)
  page:value("perilune_images_total", "counter", "Images of the requests that were answered well.", stats.images)
  page:histogram("perilune_request_seconds", "From a request's beginning to its answer's end.", stats.latency)
  page:histogram("perilune_batch_images", "Images that went through the net together.", stats.batches)
  page:value("perilune_queue_images", "gauge", "Images that wait for the net.", stats.queued)
  page:value("perilune_waiting_requests", "gauge", "Requests that wait for their answer.", stats.waiting)
  page:value("perilune_connections", "gauge", "Connections that are open.", stats.connections)
  page:value("perilune_connections_total", "counter", "Connections taken since the start.", stats.accepted)
  page:value("perilune_connections_refused_total", "counter", "Connections closed for being slow.", stats.refused)
  page:value("perilune_received_bytes_total", "counter", "Bytes of bodies received.", stats.received)
  page:value("perilune_sent_bytes_total", "counter", "Bytes of bodies sent.", stats.sent)
end

local function service_values(page, service)
  page:metric("perilune_model_parameters", "gauge", "Numbers that a model has learned.", function(name)
    for _, model in ipairs(service.models) do page:line(name, { { "model", model.name } }, model.parameters) end
  end)
  page:metric("perilune_model_reloads_total", "counter", "Reloads of models' files, by what came of them.", function(name)
    for _, model in ipairs(service.models) do
      local count = service.reloads[model.name]
      page:line(name, { { "model", model.name }, { "result", "ok" } }, count.ok)
      page:line(name, { { "model", model.name }, { "result", "failed" } }, count.failed)
    end
  end)
  if service.keeper then
    page:value("perilune_corrections", "gauge", "Pictures in the folder of corrections.", service.keeper.count)
  end
  local live, kept = core.memory()
  page:value("perilune_tensor_bytes", "gauge", "Memory of tensors in use.", live)
  page:value("perilune_tensor_kept_bytes", "gauge", "Memory kept for tensors to come.", kept)
  page:value("perilune_lua_bytes", "gauge", "Memory of Lua's values.", math.floor(collectgarbage "count" * 1024))
end

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a" or ""
end

-- What every process tells Prometheus, under the names that its dashboards know; only what the system says.
local function process_values(page, service)
  page:value("process_start_time_seconds", "gauge", "When the service was started, in seconds since 1970.", service.started)
  local resident = read "/proc/self/status":match "VmRSS:%s+(%d+) kB"
  page:value("process_resident_memory_bytes", "gauge", "Memory in the machine's own.", resident and math.tointeger(resident) * 1024)
  page:value("process_cpu_seconds_total", "counter", "Time of processors used.", os.clock())
end

--- The page.
-- @param service has door, models, reloads, keeper and started
-- @return a text
function metrics.text(service)
  local page = setmetatable({}, Page)
  door_values(page, service.door:stats())
  service_values(page, service)
  process_values(page, service)
  return table.concat(page, "\n") .. "\n"
end

--- Answers a request.
function metrics.answer(service, request)
  request:answer { status = 200, type = metrics.TYPE, body = metrics.text(service) }
end

return metrics
