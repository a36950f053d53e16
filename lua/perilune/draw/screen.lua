--- A screen of cells that sends the terminal only what changed since the last time.
--
-- A cell is a character with a colour and a ground (see perilune.draw.colours); one that is two columns wide has an
-- empty cell behind it. What is put where it is already costs nothing, and only the rows that something was put in
-- are looked at.
-- @module perilune.draw.screen
local colours = require "perilune.draw.colours"

local screen = {}

local Screen = {}
Screen.__index = Screen

local has_edit, edit = pcall(require, "perilune.edit")

-- Letters of these ranges are one column wide everywhere that matters: Latin, and symbols, lines and blocks.
local function narrow(code) return code < 0x300 or code >= 0x2000 and code < 0x2E80 end

--- Columns that a character takes: 0 (it joins the one before), 1 or 2.
function screen.width(code)
  if narrow(code) or not has_edit then return 1 end
  return edit.width(utf8.char(code))
end

--- A screen whose cells are empty.
-- @param columns, rows its size
-- @param options { colours = mode, ground =, ink = colours of empty cells }
function screen.new(columns, rows, options)
  local self = setmetatable({
    columns = columns, rows = rows, colours = options.colours or "256",
    ground = options.ground or 0, ink = options.ink or 0xFFFFFF, codes = {},
    characters = {}, inks = {}, grounds = {},                -- as they shall be
    shown_characters = {}, shown_inks = {}, shown_grounds = {}, -- as the terminal has them
    from = {}, to = {},                                      -- by row: columns between which something was put
  }, Screen)
  for i = 1, columns * rows do
    self.characters[i], self.inks[i], self.grounds[i] = " ", self.ground, self.ground
    self.shown_characters[i], self.shown_inks[i], self.shown_grounds[i] = false, false, false
  end
  for row = 1, rows do self.from[row], self.to[row] = 1, columns end
  return self
end

--- Puts one character; places beyond the screen are left out.
function Screen:put(column, row, character, ink, ground)
  local columns = self.columns
  if column < 1 or row < 1 or column > columns or row > self.rows then return end
  ground = ground or self.ground
  ink = character == " " and ground or ink or self.ink -- of a blank nobody sees it
  local i = (row - 1) * columns + column
  if self.characters[i] == character and self.grounds[i] == ground and self.inks[i] == ink then return end
  self.characters[i], self.inks[i], self.grounds[i] = character, ink, ground
  if column < self.from[row] then self.from[row] = column end
  if column > self.to[row] then self.to[row] = column end
end

--- Puts blanks into a part of a row.
function Screen:blank(row, from, to, ground)
  for column = from, to do self:put(column, row, " ", nil, ground) end
end

--- Puts text from a place on; control characters and broken UTF-8 become "?".
-- @param last  the last column that it may take (default: the screen's)
-- @return the column behind it
function Screen:text(column, row, text, ink, ground, last)
  last = math.min(last or self.columns, self.columns)
  if not utf8.len(text) then text = text:gsub("[\128-\255]", "?") end
  for _, code in utf8.codes(text) do
    local character = (code < 32 or code >= 127 and code < 160) and "?" or utf8.char(code)
    local width = screen.width(code)
    if column + width - 1 > last then break end
    if width > 0 then self:put(column, row, character, ink, ground) end
    if width > 1 then self:put(column + 1, row, "", ink, ground) end
    column = column + width
  end
  return column
end

function Screen:code(colour, ground)
  local key = ground and ~colour << 1 or colour << 1 | 1
  local code = self.codes[key]
  if not code then
    code = colours.code(self.colours, colour, ground)
    self.codes[key] = code
  end
  return code
end

--- Where the terminal's cursor is to be seen from the next flush on; nil for nowhere.
function Screen:cursor(column, row) self.cursor_column, self.cursor_row = column, row end

-- Appends what shows the row's changed part.
function Screen:flush_row(row, out, pen)
  local base = (row - 1) * self.columns
  local characters, inks, grounds = self.characters, self.inks, self.grounds
  local had, had_ink, had_ground = self.shown_characters, self.shown_inks, self.shown_grounds
  local at
  for i = base + self.from[row], base + self.to[row] do
    local character, ink, ground = characters[i], inks[i], grounds[i]
    if had[i] ~= character or had_ground[i] ~= ground or had_ink[i] ~= ink then
      had[i], had_ink[i], had_ground[i] = character, ink, ground
      if character ~= "" then -- else the cell before has shown it
        if at ~= i then out[#out + 1] = ("\27[%d;%dH"):format(row, i - base) end
        if character ~= " " and ink ~= pen.ink then pen.ink = ink; out[#out + 1] = self:code(ink, false) end
        if ground ~= pen.ground then pen.ground = ground; out[#out + 1] = self:code(ground, true) end
        out[#out + 1] = character
        at = i + 1
        if characters[i + 1] == "" and i < base + self.columns then at = i + 2 end
      end
    end
  end
  self.from[row], self.to[row] = self.columns + 1, 0
end

--- The bytes that make the terminal show the cells; "" when it does already.
function Screen:flush()
  local out, pen = {}, {}
  for row = 1, self.rows do
    if self.from[row] <= self.to[row] then self:flush_row(row, out, pen) end
  end
  local column, row = self.cursor_column, self.cursor_row
  local moved = #out > 0 or column ~= self.shown_column or row ~= self.shown_row
  if column and moved then
    out[#out + 1] = ("\27[%d;%dH"):format(row, column)
    if not self.shown_column then out[#out + 1] = "\27[?25h" end
  elseif not column and self.shown_column then
    out[#out + 1] = "\27[?25l"
  end
  self.shown_column, self.shown_row = column, row
  return table.concat(out)
end

return screen
