--- The connection file in which a front end tells a kernel where to listen: read and checked.
-- @module perilune.kernel.connection
local json = require "perilune.json"

local connection = {}

local PORTS = { "shell_port", "control_port", "stdin_port", "iopub_port", "hb_port" }

local function fail(path, format, ...)
  error(("connection file %s: %s"):format(path, format:format(...)), 0)
end

local function check(given, path)
  if type(given) ~= "table" then fail(path, "holds no JSON object") end
  given.transport = given.transport or "tcp"
  given.key = given.key or ""
  if given.transport ~= "tcp" and given.transport ~= "ipc" then
    fail(path, "transport wants \"tcp\" or \"ipc\", got %s", tostring(given.transport))
  end
  for _, name in ipairs { "ip", "key" } do
    if type(given[name]) ~= "string" then fail(path, "%s wants a string, got %s", name, tostring(given[name])) end
  end
  for _, name in ipairs(PORTS) do
    local port = given[name]
    if math.type(port) ~= "integer" or port < 1 or port > 65535 then
      fail(path, "%s wants a port from 1 to 65535, got %s", name, tostring(port))
    end
  end
  local scheme = given.signature_scheme
  if given.key ~= "" and scheme ~= nil and scheme ~= "hmac-sha256" then
    fail(path, "signature_scheme wants \"hmac-sha256\", got %s", tostring(scheme))
  end
end

--- Reads a connection file.
-- @param path  of the file
-- @return { transport, ip, shell_port, control_port, stdin_port, iopub_port, hb_port, key }
-- @return the kernel's id: of /run/kernel-ID.json it is ID
-- @raise an error that names the file and what is wrong with it
function connection.read(path)
  local file, problem = io.open(path, "rb")
  if not file then error("connection file " .. problem, 0) end
  local text = file:read "a" or ""
  file:close()
  local ok, given = pcall(json.decode, text)
  if not ok then fail(path, "%s", tostring(given):gsub("^json: ", "")) end
  check(given, path)
  local result = { transport = given.transport, ip = given.ip, key = given.key }
  for _, name in ipairs(PORTS) do result[name] = given[name] end
  local name = path:match "([^/]*)$":gsub("%.json$", "")
  return result, (name:gsub("^kernel%-", ""))
end

return connection
