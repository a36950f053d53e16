--- The prompt's start-up file: Lua that runs in the session before the first prompt.
-- @module perilune.repl.startup
local folder = require "perilune.repl.folder"

local startup = {}

--- Where it is: $PERILUNE_INIT (empty: nowhere), else perilune/init.lua in the XDG folder for configuration.
function startup.path()
  local own = os.getenv("PERILUNE_INIT")
  if own then return own ~= "" and own or nil, true end
  return folder.file("XDG_CONFIG_HOME", ".config", "init.lua")
end

--- Runs a start-up file in a session.
-- @param path   of the file
-- @param asked  whether somebody named it: then it has to be there
-- @return nil when there is none or it ran to its end, else the description of what failed
function startup.run(session, path, asked)
  local file, why = io.open(path, "r")
  if not file then
    return asked and { status = "error", message = "the start-up file: " .. why, traceback = {} } or nil
  end
  local code = file:read("a")
  file:close()
  if not code then return { status = "error", message = "the start-up file cannot be read: " .. path, traceback = {} } end
  local result = session:run(code, { name = path, keep = false })
  if result.status == "ok" then return nil end
  result.traceback = result.traceback or {}
  return result
end

return startup
