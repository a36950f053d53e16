--- The terminal face's picture: where things are on a screen of a size, and painting them.
--
--     row 1            title, and what the person is told
--     from row 2 on    the canvas, two pixels a cell, and beside it the winner (large) and a bar for each class
--     the last row     the keys, or the line in which Lua is typed; a row for each where there are 30
--
-- The pane of what pieces of Lua print covers the lower part when it is open, and so do further rows of a piece.
-- @module perilune.draw.view
local colours = require "perilune.draw.colours"
local panels = require "perilune.draw.panel"
local screens = require "perilune.draw.screen"

local view = {}

view.LEAST_COLUMNS, view.LEAST_ROWS = 44, 14

local PANEL_LEAST = 24   -- columns for the bars
local ROOMY = 30         -- rows from which keys and line have one each
local PIECE_MOST = 8     -- rows of the piece that is typed
local SHADES = 32
local HEAT_SHARE = 0.75  -- how much of the ground the overlay's hottest place covers
local IDLE = "> : or Enter, then Lua: canvas:clear()  net:predict(digit)  correct(7)"

local View = {}
View.__index = View

--- The layout for a screen; nil when the screen is too small.
-- @return { column, row, columns, rows } of the canvas, panel and panel_width (columns of what is beside it), keys and
--   line (their rows)
function view.layout(columns, rows)
  if columns < view.LEAST_COLUMNS or rows < view.LEAST_ROWS then return nil end
  local keys = rows >= ROOMY and rows - 1 or rows
  local high = keys - 2
  local side = math.min(high * 2, columns - PANEL_LEAST - 4)
  side = side - side % 2
  return {
    column = 2, row = 2 + (high - side // 2) // 2, columns = side, rows = side // 2,
    panel = side + 5, panel_width = math.min(columns - side - 6, 60), keys = keys, line = rows,
  }
end

--- A view for a screen's size.
-- @param options { title =, colours = mode (see perilune.draw.colours) }
function view.new(columns, rows, options)
  local theme = colours.theme(options.colours)
  local self = setmetatable({
    screen = screens.new(columns, rows, { colours = options.colours, ground = theme.ground, ink = theme.text }),
    title = options.title, layout = view.layout(columns, rows), theme = theme, plain = options.colours == "none",
    whole = true, bar_rows = {}, spots = {}, buttons = {}, shades = {}, pixels = {},
  }, View)
  for i = 0, SHADES do self.shades[i] = colours.mix(theme.paper, theme.ink, i / SHADES) end
  return self
end

--- Where on the canvas a cell is: x, y from 0 to 1 inside it; nil without a canvas.
-- @param inside only cells of the canvas count; else places beyond it are given too
function View:place(column, row, inside)
  local l = self.layout
  if not l then return nil end
  local x, y = (column - l.column + 0.5) / l.columns, (row - l.row + 0.5) / l.rows
  if inside and (x < 0 or x > 1 or y < 0 or y > 1) then return nil end
  return x, y
end

--- What else is at a cell: "class" and its number for a bar, "digit" and its place in a number, "key" and the key that
-- the keys' row names there, "line", "pane"; or nil.
function View:hit(column, row)
  local l = self.layout
  if not l then return nil end
  if self.covered and row >= self.covered then
    return row >= self.line_top and "line" or "pane"
  end
  if row == l.keys and not self.keys_hidden then
    for _, button in ipairs(self.buttons) do
      if column >= button.from and column <= button.to then return "key", button.key end
    end
  end
  if row == l.line and l.line ~= l.keys then return "line" end
  local class = column >= l.panel and column < l.panel + l.panel_width and self.bar_rows[row]
  if class then return "class", class end
  for _, spot in ipairs(self.spots) do
    if column >= spot.left and column <= spot.right and row >= spot.top and row <= spot.bottom then
      return "digit", spot.digit
    end
  end
end

--- The rows that the pane of output may take.
function View:pane_most()
  return math.max(4, (self.screen.rows - 2) * 2 // 3)
end

-- --- the canvas -------------------------------------------------------------------------------------------------

-- Follows the canvas; returns the box of cells that have to be painted, or nil.
function View:follow(canvas)
  local l = self.layout
  if self.raster_of ~= canvas then
    self.raster_of, self.raster, self.whole = canvas, canvas:raster(l.columns, l.columns), true
    for y = 1, l.columns do
      self.pixels[y] = {}
      for x = 1, l.columns do self.pixels[y][x] = 0 end
    end
  end
  local picture, box = self.raster:update()
  if not box then return nil end
  local bottom, right = box.top + box.height - 1, box.left + box.width - 1
  local part = picture:reshape(l.columns, l.columns)[{ { box.top, bottom }, { box.left, right } }]:totable()
  for y, row in ipairs(part) do table.move(row, 1, box.width, box.left, self.pixels[box.top + y - 1]) end
  return { top = (box.top - 1) // 2, bottom = (bottom - 1) // 2, left = box.left, right = right }
end

-- The colour of a pixel, with what speaks for the answer laid over it.
local function colour_of(self, value, heat)
  local colour = self.shades[(value * SHADES + 0.5) // 1 | 0] or self.shades[value > 0 and SHADES or 0]
  if not heat or heat <= 0.05 then return colour end
  return colours.mix(colour, self.theme.heat, math.min(1, heat) * HEAT_SHARE)
end

-- Cells of the canvas, rows counted from 0, columns from 1.
function View:paint_cells(box)
  local l, pixels, screen = self.layout, self.pixels, self.screen
  local heat = self.heat
  for row = box.top, box.bottom do
    local upper, lower = pixels[2 * row + 1], pixels[2 * row + 2]
    local hot_upper, hot_lower = heat and heat[2 * row + 1], heat and heat[2 * row + 2]
    for column = box.left, box.right do
      local x, y = l.column + column - 1, l.row + row
      if self.plain then
        local top, bottom = upper[column] > 0.5, lower[column] > 0.5
        if not top and not bottom and heat and hot_upper[column] + hot_lower[column] > 1 then
          screen:put(x, y, "░")
        else
          panels.put_ink(screen, x, y, top, bottom)
        end
      elseif heat then
        panels.put_pixels(screen, x, y, colour_of(self, upper[column], hot_upper[column]),
          colour_of(self, lower[column], hot_lower[column]))
      else
        panels.put_pixels(screen, x, y, colour_of(self, upper[column]), colour_of(self, lower[column]))
      end
    end
  end
end

-- Without colours the canvas has an outline.
function View:paint_outline()
  local l = self.layout
  for row = l.row, l.row + l.rows - 1 do
    self.screen:put(l.column - 1, row, "│")
    self.screen:put(l.column + l.columns, row, "│")
  end
end

local function cell_of(l, place)
  return math.max(1, math.min(l.columns, math.floor(place.x * l.columns) + 1)),
    math.max(0, math.min(l.rows - 1, math.floor(place.y * l.rows)))
end

-- The keyboard's pen: a cross, filled while it is down.
function View:paint_mark(mark)
  local l = self.layout
  if self.marked then
    local column, row = cell_of(l, self.marked)
    self:paint_cells { top = row, bottom = row, left = column, right = column }
  end
  self.marked = mark and { x = mark.x, y = mark.y } or nil
  if not mark then return end
  local column, row = cell_of(l, mark)
  local value = math.max(self.pixels[2 * row + 1][column], self.pixels[2 * row + 2][column])
  self.screen:put(l.column + column - 1, l.row + row, mark.down and "◆" or "┼", self.theme.mark,
    self.shades[(value * SHADES + 0.5) // 1 | 0])
end

function View:paint_canvas(state)
  local l = self.layout
  local box = self:follow(state.canvas)
  if state.heat ~= self.heat then self.heat, self.whole = state.heat, true end
  if self.whole then
    box = { top = 0, bottom = l.rows - 1, left = 1, right = l.columns }
    if self.plain then self:paint_outline() end
  end
  if box then self:paint_cells(box) end
  self:paint_mark(state.mark)
end

-- --- the rows around it -----------------------------------------------------------------------------------------

-- The keys, as many as there is room for, the most wanted first. Each { what a click does, what is shown }.
local keys = {
  { nil, "draw: left" }, { nil, "erase: right" }, { "c", "c clear" }, { "u", "u undo" }, { "r", "r redo" },
  { "q", "q quit" },
  { ":", ": Lua" }, { "e", "e why" }, { nil, "0-9 right" }, { "t", "t teach" }, { "s", "s save" },
  { "v", "v net's view" }, { nil, "+ - pen" }, { nil, "arrows, space: draw" }, { nil, "x erase" },
}
local less_wanted = { { "c", "c clear" }, { "u", "u undo" }, { "e", "e why" }, { nil, "0-9 right" }, { "t", "t teach" },
  { "s", "s save" }, { "v", "v view" }, { ":", ": Lua" }, { "q", "q quit" } }

local function length_of(list)
  local sum = -2
  for _, key in ipairs(list) do sum = sum + utf8.len(key[2]) + 2 end
  return sum
end

function View:paint_keys(row)
  local s, column = self.screen, 2
  local list = length_of(keys) <= s.columns - 2 and keys or less_wanted
  s:blank(row, 1, s.columns)
  self.buttons = {}
  for _, key in ipairs(list) do
    local length = utf8.len(key[2])
    if column + length - 1 > s.columns then break end
    if key[1] then self.buttons[#self.buttons + 1] = { from = column, to = column + length - 1, key = key[1] } end
    s:text(column, row, key[2], self.theme.faint)
    column = column + length + 2
  end
end

function View:paint_title(message)
  local s, theme = self.screen, self.theme
  s:blank(1, 1, s.columns)
  local column = 2
  if message == "" or #self.title + #message + 6 <= s.columns then
    column = s:text(2, 1, self.title, theme.faint)
    if message ~= "" then column = s:text(column, 1, " · ", theme.faint) end
  end
  local line = message:match "^[^\n]*"
  s:text(column, 1, line, theme.text, nil, s.columns)
end

-- A line of cells as perilune.draw.ansi has them.
local function paint_row(screen, cells, row, theme)
  for column = 1, screen.columns do
    local character = column <= cells.n and cells.characters[column] or " "
    screen:put(column, row, character, cells.inks[column] or theme.text, cells.grounds[column] or theme.pane)
  end
end

-- The piece that is typed, from the bottom up. Returns its top row.
function View:paint_line(line)
  local s = self.screen
  local rows, cursor_row, cursor_column = line:rows(s.columns, math.min(PIECE_MOST, s.rows - 4))
  local top = self.layout.line - #rows + 1
  for i, cells in ipairs(rows) do paint_row(s, cells, top + i - 1, self.theme) end
  s:cursor(math.min(cursor_column, s.columns), top + cursor_row - 1)
  return top
end

-- Pane, keys and line, from the bottom up. What was covered and is no more is painted anew.
function View:paint_bottom(state)
  local s, l = self.screen, self.layout
  local bottom = l.keys - 1 -- the last row of the pane
  self.keys_hidden = false
  s:cursor(nil)
  self.line_top = s.rows + 1
  if state.line then
    self.line_top = self:paint_line(state.line)
    self.keys_hidden = self.line_top <= l.keys
    bottom = math.min(bottom, self.line_top - 1)
  elseif l.line ~= l.keys then
    s:blank(l.line, 1, s.columns)
    s:text(2, l.line, IDLE, self.theme.faint)
  end
  if not self.keys_hidden then self:paint_keys(l.keys) end
  local high = state.pane and state.pane:height(s.columns, math.min(self:pane_most(), bottom - 1)) or 0
  if high > 0 then state.pane:paint(s, bottom - high + 1, bottom, self.theme) end
  local covered = math.min(high > 0 and bottom - high + 1 or s.rows + 1, self.line_top)
  return covered <= s.rows and covered or nil
end

--- Paints everything that changed.
-- @param state { canvas =, prediction = or nil, chosen and shown (see perilune.draw.panel), values = bars' lengths,
--   labels =, message = "", heat = rows of numbers or nil, seeing =, mark = { x, y, down } or nil, line = see
--   perilune.draw.line, when it is typed in; pane = see perilune.draw.pane }
-- @return the bytes for the terminal
function View:paint(state)
  local s, l = self.screen, self.layout
  if not l then
    s:text(1, 1, ("needs %d x %d"):format(view.LEAST_COLUMNS, view.LEAST_ROWS), self.theme.best)
    s:text(1, 2, "q quits", self.theme.faint)
    return s:flush()
  end
  local before = self.covered
  self.whole = self.whole or before ~= nil
  if before then -- what comes out from under it
    for row = before, l.keys - 1 do s:blank(row, 1, s.columns) end
  end
  self:paint_canvas(state)
  local place = { column = l.panel, row = 2, width = l.panel_width, last_row = l.keys - 1 }
  self.bar_rows, self.spots = panels.paint(s, place, {
    prediction = state.prediction, shown = state.shown or state.prediction, chosen = state.chosen,
    values = state.values, labels = state.labels, theme = self.theme, plain = self.plain, seeing = state.seeing,
  })
  self:paint_title(state.message)
  self.covered = self:paint_bottom(state)
  self.whole = false
  return s:flush()
end

return view
