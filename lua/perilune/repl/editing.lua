--- The prompt's reader on a terminal: libedit with completion and a history that persists.
-- @module perilune.repl.editing
local edit = require "perilune.edit"
local history = require "perilune.repl.history"
local complete = require "perilune.repl.complete"
local host = require "perilune.repl.host"

local editing = {}

local Editing = {}
Editing.__index = Editing

function Editing:read(prompt)
  self.terminal.output:flush()
  return self.editor:read(prompt)
end

-- A piece that failed is remembered too: it is the one that a person wants back to mend.
function Editing:remember(piece)
  if piece:find("^%s*$") or piece == self.last then return end
  self.last = piece
  self.editor:remember(piece)
  local ok, message = history.append(self.path, edit, piece)
  if not ok and not self.complained then
    self.complained = true
    self.terminal.errors:write(message, "\n")
  end
end

function Editing:close()
  self.editor:close()
end

--- Opens the reader.
-- @param terminal  { output, errors, session }
function editing.open(terminal)
  local self = setmetatable({ terminal = terminal, path = history.path() }, Editing)
  self.editor = edit.open {
    history = 5000,
    complete = function(before)
      return complete.step(before, terminal.session, { files = edit.files, width = host.columns() or 80 })
    end,
  }
  for _, entry in ipairs(history.load(self.path, edit)) do self.editor:remember(entry) end
  return self
end

return editing
