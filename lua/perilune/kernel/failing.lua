--- A failure as Jupyter tells it: name, value and a traceback in colour.
-- @module perilune.kernel.failing
local display = require "perilune.display"
local failure = require "perilune.repl.failure"
local host = require "perilune.repl.host"

local failing = {}

local plain = os.getenv "NO_COLOR"
plain = plain ~= nil and plain ~= ""

local function paint(text, role)
  return plain and text or display.paint(text, role)
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  return lines
end

local function name_of(description)
  if description.kind == "wrong" then return "SyntaxError" end
  if description.interrupted then return "Interrupted" end
  local meta = debug.getmetatable(description.value)
  local name = type(meta) == "table" and type(description.value) ~= "string" and rawget(meta, "__name")
  return type(name) == "string" and name or "Error"
end

--- A failure's description as text in colour.
-- @param description  from perilune.repl.failure
function failing.text(description)
  return failure.safe_text(description, paint, host.xpcall)
end

--- The three fields of an error reply and an error message.
-- @param description  from perilune.repl.failure
-- @return { ename, evalue, traceback }; traceback is a list of lines
function failing.fields(description)
  return {
    ename = name_of(description), evalue = description.message, traceback = lines_of(failing.text(description)),
  }
end

return failing
