--- The prompt's reader on a terminal: the editor with completion, help and a history that persists.
-- @module perilune.repl.editing
local edit = require "perilune.edit"
local history = require "perilune.repl.history"
local complete = require "perilune.repl.complete"
local editor = require "perilune.repl.editor"
local inspect = require "perilune.repl.inspect"
local keys = require "perilune.repl.keys"
local screen = require "perilune.repl.screen"
local host = require "perilune.repl.host"
local waiting = require "perilune.repl.waiting"

local editing = {}

local Editing = {}
Editing.__index = Editing

local HELP_ROWS = 5 -- of the terminal that help at the cursor leaves free

--- Reads a piece.
-- @param prompt  before its first line
-- @param more    before its other lines
function Editing:read(prompt, more)
  self.terminal.output:flush()
  edit.enter()
  local ok, piece, why = pcall(self.editor.read, self.editor, {
    first = self.terminal:paint(prompt, "key"), more = self.terminal:paint(more, "dim"),
  })
  edit.leave()
  if not ok then error(piece, 0) end
  return piece, why
end

-- A piece that failed is remembered too: it is the one that a person wants back to mend.
function Editing:remember(piece)
  piece = piece:gsub("%s+$", "")
  if piece == "" or piece == self.last then return end
  self.last = piece
  self.editor:remember(piece)
  local ok, message = history.append(self.path, edit, piece)
  if not ok and not self.complained then
    self.complained = true
    self.terminal.errors:write(message, "\n")
  end
end

function Editing.close() edit.leave() end

-- Runs a help of the editor's: it runs code of the values it looks at, so it may fail or hang, and is no error then.
local function guarded(f, ...)
  local ok, first, second = host.xpcall(f, function() end, ...)
  if ok then return first, second end
end

local function cut(text)
  local _, rows = edit.size()
  local lines, most = {}, math.max(4, rows - HELP_ROWS)
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  if #lines <= most then return text end
  return table.concat(lines, "\n", 1, most - 1) .. ("\n... %d more lines: type help()"):format(#lines - most + 1)
end

--- Opens the reader.
-- @param terminal  { output, errors, session, color, paint }
function editing.open(terminal)
  local session = terminal.session
  local self = setmetatable({ terminal = terminal, path = history.path() }, Editing)
  local read = waiting.around(edit.read, function(text) self.editor:tell(text) end)
  self.editor = editor.new {
    keys = keys.new(read), screen = screen.new(edit, terminal.color), suspend = edit.suspend,
    state = function(code) return session:is_complete(code) end,
    complete = function(before, after)
      return guarded(complete.step, before, session, { files = edit.files, width = edit.size(), after = after })
    end,
    help = function(code, place)
      local text = guarded(inspect.at, session, code, place)
      return text and cut(text)
    end,
  }
  for _, entry in ipairs(history.load(self.path, edit)) do self.editor:remember(entry) end
  return self
end

return editing
