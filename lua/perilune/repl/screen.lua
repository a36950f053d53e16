--- Shows text that is being edited at the bottom of a terminal: lines broken where the terminal ends, each line of code
-- after its prompt, a window of it where there are more rows than the terminal has.
--
-- A drawing begins where the last one began: `above` rows over the cursor. Whatever it shows is written at once.
-- @module perilune.repl.screen
local paint = require "perilune.repl.paint"

local screen = {}

local TAB = 4          -- columns
local WINDOWED = 65536 -- bytes; of longer text only the lines near the cursor are laid out

local Screen = {}
Screen.__index = Screen

--- A new one.
-- @param terminal  { write = function(text), width = function(text) -> columns, size = function() -> columns, rows }
-- @param color     whether code is shown in colours
function screen.new(terminal, color)
  return setmetatable({ terminal = terminal, color = color, above = 0, top = 1, widths = {} }, Screen)
end

-- --- layout ---

local Rows = {}
Rows.__index = Rows

function Rows:close()
  if self.style then self.parts[#self.parts + 1] = paint.reset end
  self.rows[#self.rows + 1] = table.concat(self.parts)
  self.widths[#self.widths + 1] = self.column
end

function Rows:open(prefix)
  self.parts, self.column = { prefix, self.style or nil }, self.width((prefix:gsub("\27%[[%d;]*m", "")))
end

function Rows:put(shown, width)
  if self.column + width > self.columns and self.column > 0 then
    self:close()
    self:open("")
  end
  self.parts[#self.parts + 1] = shown
  self.column = self.column + width
end

function Rows:mark_cursor(width)
  if self.column + width > self.columns then -- where the next character is going to be
    self:close()
    self:open("")
  end
  self.cursor_row, self.cursor_column = #self.rows + 1, self.column
end

-- What a character looks like and how wide it is.
local function look_of(character, width)
  if character == "\t" then return (" "):rep(TAB), TAB end
  local byte = character:byte()
  if byte < 32 or byte == 127 then return "?", 1 end
  if byte < 128 then return character, 1 end
  return character, width(character)
end

--- Breaks text into the rows of a terminal.
-- @param given  { text, cursor (bytes before it), first and more (prompts), columns, width, changes (see paint) }
-- @return rows; the cursor's row, from 1, and column, from 0; the rows' widths
function screen.layout(given)
  local width, text, changes = given.width, given.text, given.changes or {}
  local rows = setmetatable({ rows = {}, widths = {}, columns = given.columns, width = width, style = false }, Rows)
  rows:open(given.first)
  local at = 1
  while at <= #text do
    local stop = (utf8.offset(text, 2, at) or #text + 1) - 1
    local character = text:sub(at, stop)
    local change = changes[at]
    if change ~= nil and change ~= rows.style then
      rows.parts[#rows.parts + 1] = (rows.style and paint.reset or "") .. (change or "")
      rows.style = change
    end
    if character == "\n" then
      if at == given.cursor + 1 then rows:mark_cursor(1) end
      rows:close()
      rows:open(given.more)
    else
      local shown, columns = look_of(character, width)
      if at == given.cursor + 1 then rows:mark_cursor(columns) end
      rows:put(shown, columns)
    end
    at = stop + 1
  end
  if given.cursor >= #text then rows:mark_cursor(1) end
  rows:close()
  return rows.rows, rows.cursor_row, rows.cursor_column, rows.widths
end

-- The lines around the cursor of a long text, and the cursor in them.
local function near(text, cursor, lines)
  if #text <= WINDOWED then return text, cursor, true end
  local from, to = cursor, cursor
  for _ = 1, lines do
    while from > 0 and text:byte(from) ~= 10 and cursor - from < WINDOWED do from = from - 1 end
    if from > 0 and cursor - from < WINDOWED then from = from - 1 end
    to = text:find("\n", to + 1, true) or #text
    if to - cursor > WINDOWED then to = cursor + WINDOWED end
  end
  if from > 0 then from = from + 1 end
  from = utf8.offset(text, 0, math.min(from + 1, #text + 1)) - 1
  return text:sub(from + 1, to), cursor - from, from == 0
end

-- --- drawing ---

--- Draws the text.
-- @param prompts  { first, more }
-- @param text     what is edited
-- @param cursor   bytes before the cursor
function Screen:draw(prompts, text, cursor)
  local columns, height = self.terminal.size()
  local shown, place, whole = near(text, cursor, height)
  local rows, row, column, widths = screen.layout {
    text = shown, cursor = place, first = whole and prompts.first or prompts.more, more = prompts.more,
    columns = columns, width = self.terminal.width, changes = self.color and whole and paint.changes(text) or nil,
  }
  local top = math.max(1, math.min(self.top, row, #rows - height + 1))
  if row >= top + height then top = row - height + 1 end
  local last = math.min(#rows, top + height - 1)
  local up = self.above > 0 and ("\27[%dA"):format(self.above) or ""
  local back = last > row and ("\27[%dA"):format(last - row) or ""
  local right = column > 0 and ("\27[%dC"):format(column) or ""
  self.terminal.write("\r" .. up .. "\27[J" .. table.concat(rows, "\r\n", top, last) .. back .. "\r" .. right)
  self.top, self.above = top, row - top
  self.widths = table.move(widths, top, row - 1, 1, {})
end

--- The terminal has another size now: its rows above the cursor may have been broken anew.
function Screen:resized()
  local columns = self.terminal.size()
  self.above = 0
  for _, width in ipairs(self.widths) do
    self.above = self.above + math.max(1, (width + columns - 1) // columns)
  end
end

--- Begins a drawing on a line of its own, also when something was printed without a line break before.
function Screen:fresh()
  local columns = self.terminal.size()
  self.above, self.top, self.widths = 0, 1, {}
  self.terminal.write((" "):rep(columns) .. "\r") -- the blanks end on this line only when it was empty
end

--- Draws the text once more with the cursor at its end, and goes to the line below.
-- @param after  what is put behind it ("^C"), or nil
function Screen:leave(prompts, text, after)
  self:draw(prompts, text, #text)
  self.terminal.write((after or "") .. "\n")
  self.above, self.top, self.widths = 0, 1, {}
end

--- Puts a text in the drawing's place; the next drawing begins below it.
function Screen:tell(text)
  local up = self.above > 0 and ("\27[%dA"):format(self.above) or ""
  self.terminal.write("\r" .. up .. "\27[J" .. text .. "\n")
  self.above, self.top, self.widths = 0, 1, {}
end

--- Clears the terminal.
function Screen:clear()
  self.terminal.write("\27[H\27[2J")
  self.above, self.top, self.widths = 0, 1, {}
end

function Screen:beep() self.terminal.write("\a") end

return screen
