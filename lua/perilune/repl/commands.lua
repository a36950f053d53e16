--- The few functions that a session offers beside Lua's own: who, reset, time, timing, help, and `peri`.
-- They are variables of the session, never real globals.
-- @module perilune.repl.commands
local host = require "perilune.repl.host"
local describe = require "perilune.repl.describe"

local commands = {}

--- Seconds as text with a fitting unit.
function commands.duration(seconds)
  if seconds >= 1 then return ("%.3f s"):format(seconds) end
  if seconds >= 1e-3 then return ("%.3f ms"):format(seconds * 1e3) end
  return ("%.1f us"):format(seconds * 1e6)
end

local function who(session, output, paint)
  local variables, width = session.environment:variables(), 0
  for _, variable in ipairs(variables) do width = math.max(width, #variable.name) end
  for _, variable in ipairs(variables) do
    local kind = variable.kind ~= "local" and paint(("  (%s)"):format(variable.kind), "dim") or ""
    output:write(paint(variable.name, "key"), (" "):rep(width - #variable.name + 2), describe(variable.value), kind, "\n")
  end
  if #variables == 0 then output:write("no variables yet\n") end
end

local function reset(session, output)
  local count = session:reset()
  output:write(count == 0 and "there was nothing to forget\n" or ("forgot %d variable%s and the last results\n"):format(
    count, count == 1 and "" or "s"))
end

local function time(output, f, ...)
  local meta = type(f) ~= "function" and debug.getmetatable(f)
  if type(f) ~= "function" and not (type(meta) == "table" and rawget(meta, "__call")) then
    error(("time: wants a function, as in time(net.fit, net, data) or time(function() ... end), got %s"):format(
      f == nil and "nil" or "a " .. type(f)), 3)
  end
  local start = host.clock()
  local results = table.pack(f(...))
  output:write(commands.duration(host.clock() - start), "\n")
  return table.unpack(results, 1, results.n)
end

local function plain(text) return text end

--- Puts the functions into a session.
-- @param session  from perilune.repl.evaluate
-- @param options  { output = file, paint }: anything with a method write, and what colours text by its role (nil: nothing)
function commands.install(session, options)
  local output, environment, paint = options.output, session.environment, options.paint or plain
  environment:provide_lazily("peri", function() return require "perilune" end)
  environment:provide("who", function() who(session, output, paint) end)
  environment:provide("reset", function() reset(session, output) end)
  environment:provide("time", function(f, ...) return time(output, f, ...) end)
  environment:provide("timing", function(on)
    session.timing = on == nil or on and true or false
  end)
  environment:provide("help", function(...)
    output:write(require("perilune.repl.look").painted(require("perilune.repl.inspect").help(session, ...), paint), "\n")
  end)
end

return commands
