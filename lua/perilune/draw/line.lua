--- The line at the bottom of the screen, in which Lua is typed: the prompt's own editor (perilune.repl.editor), shown in
-- cells of ours. Also asks for a word (a class's name).
-- @module perilune.draw.line
local ansi = require "perilune.draw.ansi"
local buffer = require "perilune.repl.buffer"
local complete = require "perilune.repl.complete"
local editor = require "perilune.repl.editor"
local history = require "perilune.repl.history"
local host = require "perilune.repl.host"
local inspect = require "perilune.repl.inspect"
local paint = require "perilune.repl.paint"
local prompt = require "perilune.repl.screen"
local screens = require "perilune.draw.screen"

local line = {}

local PROMPTS = { first = "\27[36m>\27[0m ", more = "\27[2m|\27[0m " }

local has_edit, edit = pcall(require, "perilune.edit") -- history and file names go without it

local Line = {}
Line.__index = Line

-- Runs a help of the editor's: it runs code of the values that it looks at, so it may fail, and is no error then.
local function guarded(f, ...)
  local ok, first, second = host.own_xpcall(f, function() end, ...)
  if ok then return first, second end
end

local function width_of(text)
  local sum = 0
  for _, code in utf8.codes(text, true) do sum = sum + screens.width(code) end
  return sum
end

-- What the editor takes for its screen: it remembers what is to be seen, and hands on what goes below the line.
local function recorder(self)
  local function nothing() end
  return {
    draw = function(_, prompts, text, cursor) self.prompts, self.text, self.place = prompts, text, cursor end,
    leave = nothing, fresh = nothing, clear = nothing, beep = nothing, resized = nothing,
    terminal = { write = function(text) self.show(text) end },
  }
end

--- A line.
-- @param options { session = see perilune.repl.evaluate (without one it only asks for a text), show = function(text) that
--   shows completions and help, columns = function() -> the screen's, prompts = { first, more } }
function line.new(options)
  local session = options.session
  local self = setmetatable({ show = options.show }, Line)
  self.editor = editor.new {
    keys = { waiting = function() return false end, pasted = function() return self.pasted end },
    screen = recorder(self), suspend = function() end,
    state = function(code) return session and session:is_complete(code) or "complete" end,
    complete = function(before, after)
      if not session then return nil end
      return guarded(complete.step, before, session, {
        files = has_edit and edit.files or nil, width = options.columns(), after = after })
    end,
    help = function(code, place) return session and guarded(inspect.at, session, code, place) end,
  }
  self.first_prompts = options.prompts or PROMPTS
  if session and has_edit then
    self.path = history.path()
    for _, entry in ipairs(history.load(self.path, edit)) do self.editor:remember(entry) end
  end
  self:begin()
  return self
end

--- Begins a new piece.
function Line:begin()
  local e = self.editor
  e.buffer, e.prompts = buffer.new(), self.first_prompts
  e.walking, e.search, e.recalled = nil, nil, nil
  e:draw()
end

--- The text as it is.
function Line:content() return self.editor.buffer.text end

--- What a key does.
-- @param name as perilune.repl.keys has them
-- @return "accept" when the piece is to run, "eof" for Ctrl-D in an empty line; else nil
function Line:press(name)
  local result = self.editor:press(name)
  self.editor:draw()
  return (result == "accept" or result == "eof") and result or nil
end

--- Puts pasted text in.
function Line:paste(text)
  self.pasted = text
  self:press "paste"
end

--- Ends the piece: it goes into the history, and a new one begins.
-- @return its text
function Line:take()
  local text = self:content()
  local piece = text:gsub("%s+$", "")
  if piece ~= "" and piece ~= self.last then
    self.last = piece
    self.editor:remember(piece)
    if self.path then history.append(self.path, edit, piece) end -- a history that cannot be kept is no reason to stop
  end
  self:begin()
  return text
end

--- As rows of cells: a list of lines as perilune.draw.ansi has them, and the cursor's row and column, from 1.
-- @param columns of the screen
-- @param most    rows; of more, those around the cursor
function Line:rows(columns, most)
  local rows, row, column = prompt.layout {
    text = self.text, cursor = self.place, first = self.prompts.first, more = self.prompts.more, columns = columns,
    width = width_of, changes = paint.changes(self.text),
  }
  local top = math.max(1, math.min(row, math.max(row, #rows) - most + 1))
  local shown = {}
  for i = top, math.min(#rows, top + most - 1) do
    local cells = ansi.new(1)
    cells:write(rows[i])
    shown[#shown + 1] = cells.lines[1]
  end
  return shown, row - top + 1, column + 1
end

return line
