--- The pane in which the output of pieces of Lua appears: it grows up from the bottom of the screen as far as it is
-- allowed to, and can be scrolled through.
-- @module perilune.draw.pane
local ansi = require "perilune.draw.ansi"

local pane = {}

local KEPT = 1000 -- lines

local Pane = {}
Pane.__index = Pane

--- An empty pane, closed.
function pane.new() return setmetatable({ text = ansi.new(KEPT), open = false, back = 0 }, Pane) end

--- Writes to it, opens it, and shows its end.
-- @param bytes with colours and line breaks as for a terminal
function Pane:write(bytes)
  if bytes == "" then return end
  self.text:write(bytes)
  self.open, self.back = true, 0
end

--- Ends a line that is not ended, and whatever colours hold.
function Pane:end_line()
  self.text:finish()
  if not self.text:at_line_start() then self.text:write "\n" end
end

--- Takes everything away.
function Pane:clear()
  self.text:clear()
  self.back = 0
end

function Pane:close() self.open, self.back = false, 0 end

--- Has anything been written to it?
function Pane:empty() return #self.text.lines == 1 and self.text:at_line_start() end

-- Rows of the screen that a line takes.
local function rows_of(line, columns) return math.max(1, (line.n + columns - 1) // columns) end

-- The last line counts when something is written on it.
local function last_line(text)
  local count = #text.lines
  return count > 1 and text:at_line_start() and count - 1 or count
end

-- All rows, at a width.
function Pane:total(columns)
  local key = columns << 32 ~ self.text.version
  if self.counted ~= key then
    local sum = 0
    for i = 1, last_line(self.text) do sum = sum + rows_of(self.text.lines[i], columns) end
    self.counted, self.sum = key, sum
  end
  return self.sum
end

--- Rows that it takes, its head's among them; 0 when it is closed or empty.
-- @param columns of the screen
-- @param most    rows that it may take
function Pane:height(columns, most)
  if not self.open or self:empty() then return 0 end
  return math.min(most, 1 + self:total(columns))
end

--- Scrolls by rows, back (below zero) or on.
-- @return false when it is there already
function Pane:scroll(rows, columns, most)
  local furthest = math.max(0, self:total(columns) + 1 - most)
  local back = math.max(0, math.min(furthest, self.back - rows))
  if back == self.back then return false end
  self.back = back
  return true
end

local function paint_line(screen, line, from, row, colours)
  for i = 1, screen.columns do
    local at = from + i - 1
    local character = line.characters[at]
    if at > line.n or not character then
      screen:put(i, row, " ", nil, colours.pane)
    else
      if i == screen.columns and line.characters[at + 1] == "" then character = " " end -- no room for its other half
      if i == 1 and character == "" then character = " " end
      screen:put(i, row, character, line.inks[at] or colours.text, line.grounds[at] or colours.pane)
    end
  end
end

local function paint_head(self, screen, row, colours, below)
  for column = 1, screen.columns do screen:put(column, row, "─", colours.faint, colours.pane) end
  screen:text(3, row, below > 0 and (" output · %d below "):format(below) or " output ", colours.faint, colours.pane)
  local hint = self.hint or " PgUp PgDn scroll · Esc closes "
  local length = utf8.len(hint)
  if screen.columns > length + 24 then
    screen:text(screen.columns - length - 1, row, hint, colours.faint, colours.pane)
  end
end

--- Paints it into rows top to bottom of a screen.
-- @param colours a theme (see perilune.draw.colours)
function Pane:paint(screen, top, bottom, colours)
  local columns, text = screen.columns, self.text
  local room = bottom - top
  self.back = math.max(0, math.min(self.back, self:total(columns) - room))
  paint_head(self, screen, top, colours, self.back)
  local row, skip = bottom, self.back
  for i = last_line(text), 1, -1 do
    local line = text.lines[i]
    for part = rows_of(line, columns) - 1, 0, -1 do
      if row <= top then return end
      if skip > 0 then
        skip = skip - 1
      else
        paint_line(screen, line, part * columns + 1, row, colours)
        row = row - 1
      end
    end
  end
  while row > top do
    screen:blank(row, 1, columns, colours.pane)
    row = row - 1
  end
end

return pane
