--- Where the prompt's lines come from: the editor on a terminal, else plain lines.
--
-- A reader has read(prompt, more) -> a line or a whole piece, or nil and "eof" or "interrupt"; remember(piece) for the history;
-- close().
-- @module perilune.repl.input
local host = require "perilune.repl.host"

local input = {}

local Plain = {}
Plain.__index = Plain

function Plain:read(prompt)
  self.output:write(prompt)
  self.output:flush()
  host.interrupted()
  local line = self.file:read("L")
  if not line then
    local interrupted = host.interrupted()
    self.output:write("\n")
    return nil, interrupted and "interrupt" or "eof"
  end
  return (line:gsub("\r?\n$", ""))
end

function Plain.remember() end
function Plain.close() end

--- Opens a reader.
-- @param terminal  { output, errors, session }
-- @param options   { input = file }: lines come from this file, without editing
function input.open(terminal, options)
  local dumb = (os.getenv("TERM") or "dumb") == "dumb" -- it knows no cursor that moves
  if not options.input and not dumb and host.isatty(0) and host.isatty(1) then
    return require("perilune.repl.editing").open(terminal)
  end
  return setmetatable({ file = options.input or io.stdin, output = terminal.output }, Plain)
end

return input
