--- The service's options: their names, defaults and limits, said once for Lua and for the command line.
-- @module perilune.serve.options
local args = require "perilune.args"

local options = {}

local MiB, KiB = 1 << 20, 1 << 10

-- Rows: name, kinds, default; for numbers least and most. On the command line `reuse_port` is --reuse-port.
options.list = {
  { "models", "table|string" },
  { "host", "string", "127.0.0.1" },
  { "port", "integer", 8080, least = 0, most = 65535 },
  { "reuse_port", "boolean", false },
  { "threads", "integer", 1, least = 1, most = 64 },
  { "workers", "integer", 1, least = 1, most = 64 },
  { "batch", "integer", 256, least = 1, most = 4096 },
  { "window", "number", 0.002, least = 0, most = 1 },
  { "queue", "integer", 4096, least = 1, most = 1 << 20 },
  { "body", "integer", 8 * MiB, least = KiB, most = 1 << 30 },
  { "header", "integer", 16 * KiB, least = KiB, most = MiB },
  { "connections", "integer", 16384, least = 1, most = 1 << 20 },
  { "idle", "number", 60, least = 1, most = 86400 },
  { "receive", "number", 10, least = 0.1, most = 3600 },
  { "answer", "number", 30, least = 0.1, most = 3600 },
  { "token", "string" },
  { "cors", "table|string" },
  { "hosts", "table|string" },
  { "access_log", "string" },
  { "corrections", "string" },
  { "corrections_most", "integer", 10000, least = 1, most = 1 << 30 },
  { "grace", "number", 10, least = 0, most = 3600 },
  { "page", "string" },
  { "log", "function" },
  { "door", "callable" },
}

-- What goes to the door as it is.
options.for_door = { "host", "port", "reuse_port", "threads", "workers", "batch", "window", "queue", "body", "header",
  "connections", "idle", "receive", "answer", "token", "cors", "hosts",
  "access_log" }

local function check_range(row, value)
  if row.least and value ~= nil and not (value >= row.least and value <= row.most) then
    error(("serve: %s wants a number from %s to %s, got %s"):format(row[1], row.least, row.most, value), 0)
  end
end

-- A token goes through a header's line: what cannot stand there would never be matched.
local function check_token(token)
  if token == nil then return end
  if token == "" then error("serve: the token is empty; leave it out to ask for none", 0) end
  if #token > 4096 or token:find "[^\x21-\x7E]" then
    error("serve: the token wants 1 to 4096 visible ASCII characters without blanks", 0)
  end
end

local function check_origins(cors)
  if type(cors) == "string" then cors = { cors } end
  for _, origin in ipairs(cors or {}) do
    if origin ~= "*" and not tostring(origin):find "^%a[%w+.-]*://[^/%s]+$" then
      error(("serve: cors wants an origin such as https://example.org (no path), or *, got %q"):format(tostring(origin)), 0)
    end
  end
  return cors
end

-- Names as a Host has them, without a port: any port will do.
local function check_hosts(hosts)
  if type(hosts) == "string" then hosts = { hosts } end
  for _, name in ipairs(hosts or {}) do
    name = tostring(name)
    if #name > 255 or not (name:find "^[%w_-][%w._-]*$" or name:find "^%[[%x:.]+%]$") then
      error(("serve: allow-host wants a name such as digits.example.org, without a port, got %q"):format(name), 0)
    end
  end
  return hosts
end

--- Checks options.
-- @param given a table, or nil
-- @return a new table with every option that has a value
-- @raise an error that names the wrong one and what it wants
function options.check(given)
  local o = args.named("serve", given, options.list)
  for _, row in ipairs(options.list) do check_range(row, o[row[1]]) end
  check_token(o.token)
  o.cors = check_origins(o.cors)
  o.hosts = check_hosts(o.hosts)
  if type(o.models) == "string" then o.models = { o.models } end
  if o.corrections == "" then error("serve: corrections wants a folder's path, got an empty one", 0) end
  return o
end

return options
