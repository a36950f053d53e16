--- Where the prompt's lines come from: the editor on a terminal, else plain lines.
--
-- A reader has read(prompt, more) -> a line or a whole piece, or nil and "eof" or "interrupt"; remember(piece) for the history;
-- close().
-- @module perilune.repl.input
local host = require "perilune.repl.host"
local waiting = require "perilune.repl.waiting"

local input = {}

local Plain = {}
Plain.__index = Plain

-- A terminal's lines come one at a time, so that nothing waits in the file's buffer while its descriptor is empty.
function Plain:wait()
  local edit = require "perilune.edit"
  local function ready(milliseconds)
    if edit.ready(milliseconds) then return true end
    return nil, "timeout"
  end
  local _, why = waiting.around(ready, function(text) self.output:write("\n", text, "\n") end)(-1)
  if why == "timeout" then why = host.interrupted() and "interrupt" or nil end -- a signal ended the wait
  return why
end

function Plain:read(prompt)
  local why
  host.interrupted()
  repeat
    self.output:write(prompt)
    self.output:flush()
    why = self.terminal and waiting.any() and self:wait() or nil
  until why ~= "redraw"
  if why then
    self.output:write("\n")
    return nil, why
  end
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
  return setmetatable({ file = options.input or io.stdin, output = terminal.output,
    terminal = not options.input and host.isatty(0) }, Plain)
end

return input
