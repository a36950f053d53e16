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

local function who(session, output)
  local variables, width = session.environment:variables(), 0
  for _, variable in ipairs(variables) do width = math.max(width, #variable.name) end
  for _, variable in ipairs(variables) do
    output:write(("%-" .. width .. "s  %s%s\n"):format(variable.name, describe(variable.value),
      variable.kind == "global" and "  (global)" or ""))
  end
  if #variables == 0 then output:write("no variables yet\n") end
end

local function time(output, f, ...)
  if f == nil then error("time: wants a function, as in time(net.fit, net, train) or time(function() ... end)", 3) end
  local start = host.clock()
  local results = table.pack(f(...))
  output:write(commands.duration(host.clock() - start), "\n")
  return table.unpack(results, 1, results.n)
end

--- Puts the functions into a session.
-- @param session  from perilune.repl.evaluate
-- @param options  { output = file }, anything with a method write
function commands.install(session, options)
  local output, environment = options.output, session.environment
  environment:provide_lazily("peri", function() return require "perilune" end)
  environment:provide("who", function() who(session, output) end)
  environment:provide("reset", function() session:reset() end)
  environment:provide("time", function(f, ...) return time(output, f, ...) end)
  environment:provide("timing", function(on)
    session.timing = on == nil or on and true or false
  end)
  environment:provide("help", function(...)
    output:write(require("perilune.repl.inspect").help(session, ...), "\n")
  end)
end

return commands
