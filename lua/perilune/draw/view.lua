--- The terminal face's picture: where things are on a screen of a size, and painting them.
--
--     row 1            title
--     rows 2 to n - 1  the canvas, two pixels a cell, and beside it the winner (large) and a bar for each class
--     row n            the keys
-- @module perilune.draw.view
local font = require "perilune.draw.font"
local screens = require "perilune.draw.screen"

local view = {}

view.LEAST_COLUMNS, view.LEAST_ROWS = 44, 14

local colours = {
  ground = 0x101218, text = 0xD8DCE6, faint = 0x7A8194, paper = 0x1C2029, ink = 0xFFFFFF,
  bar = 0x5B7FB5, best = 0xFFB454, trough = 0x1C2029,
}
local PANEL_LEAST = 24 -- columns for the bars
local SCALE = 2        -- of the large character
local KEYS = "draw: left  erase: right  c clear  u undo  r redo  q quit"

local View = {}
View.__index = View

--- The layout for a screen; nil when the screen is too small.
function view.layout(columns, rows)
  if columns < view.LEAST_COLUMNS or rows < view.LEAST_ROWS then return nil end
  local high = rows - 2
  local side = math.min(high * 2, columns - PANEL_LEAST - 4)
  side = side - side % 2
  return {
    column = 2, row = 2 + (high - side // 2) // 2, columns = side, rows = side // 2,
    panel = side + 5, panel_width = math.min(columns - side - 6, 60),
  }
end

--- A view of a canvas for a screen's size.
-- @param options { canvas =, labels =, title =, colours = }
function view.new(columns, rows, options)
  local self = setmetatable({
    screen = screens.new(columns, rows, { colours = options.colours, ground = colours.ground, ink = colours.text }),
    labels = options.labels, title = options.title, layout = view.layout(columns, rows),
  }, View)
  if self.layout then self.raster = options.canvas:raster(self.layout.columns, self.layout.columns) end
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

local function mix(from, to, part)
  local function channel(shift)
    local a, b = from >> shift & 255, to >> shift & 255
    return math.floor(a + (b - a) * part + 0.5) << shift
  end
  return channel(16) | channel(8) | channel(0)
end

function View:paint_canvas()
  local l, pixels = self.layout, self.raster:update():reshape(-1):totable()
  local shades = self.shades
  if not shades then
    shades = {}
    for i = 0, 32 do shades[i] = mix(colours.paper, colours.ink, i / 32) end
    self.shades = shades
  end
  for row = 0, l.rows - 1 do
    local upper = 2 * row * l.columns
    for column = 1, l.columns do
      local top = shades[(pixels[upper + column] * 32 + 0.5) // 1 | 0]
      local bottom = shades[(pixels[upper + l.columns + column] * 32 + 0.5) // 1 | 0]
      if top == bottom then
        self.screen:put(l.column + column - 1, l.row + row, " ", top, top)
      else
        self.screen:put(l.column + column - 1, l.row + row, "▀", top, bottom)
      end
    end
  end
end

-- The large character, in half-blocks; text for a name that the font does not have. Returns the rows it took.
function View:paint_large(label, column, row)
  local glyph = font.glyph(label)
  if not glyph then
    self.screen:text(column, row + 1, "» " .. label .. " «", colours.best)
    return 3
  end
  local high = font.HEIGHT * SCALE
  local function on(x, y)
    local line = glyph[y // SCALE + 1]
    return line ~= nil and line[x // SCALE + 1]
  end
  for y = 0, high - 1, 2 do
    for x = 0, font.WIDTH * SCALE - 1 do
      local top, bottom = on(x, y), on(x, y + 1)
      self.screen:put(column + x, row + y // 2, top and (bottom and "█" or "▀") or bottom and "▄" or " ", colours.best)
    end
  end
  return high // 2
end

local eighths = { [0] = " ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█" }

function View:paint_bar(row, label, width, value, is_best)
  local l, colour = self.layout, is_best and colours.best or colours.bar
  local column = self.screen:text(l.panel, row, (" "):rep(width - (utf8.len(label) or #label)) .. label .. " ",
    is_best and colours.best or colours.text)
  local room = l.panel + l.panel_width - column - 7
  local filled = math.floor(math.max(0, math.min(1, value)) * room * 8 + 0.5)
  for i = 0, room - 1 do
    self.screen:put(column + i, row, eighths[math.max(0, math.min(8, filled - 8 * i))], colour, colours.trough)
  end
  self.screen:text(column + room, row, ("%6.1f%%"):format(value * 100), is_best and colours.best or colours.faint)
end

-- Which classes have a bar: all in their order when there is room, else the likeliest.
local function rows_of(values, room)
  local order = {}
  for i = 1, #values do order[i] = i end
  if #order > room then
    table.sort(order, function(a, b)
      if values[a] ~= values[b] then return values[a] > values[b] end
      return a < b
    end)
    for i = #order, room + 1, -1 do order[i] = nil end
  end
  return order
end

local function shortened(label, most)
  local length = utf8.len(label)
  if not length then return label:sub(1, most) end
  return length > most and label:sub(1, utf8.offset(label, most) - 1) .. "…" or label
end

function View:paint_bars(row, values, best)
  local room = self.screen.rows - row
  local order, width = rows_of(values, room), 1
  local names = {}
  for i, class in ipairs(order) do
    names[i] = shortened(self.labels[class], 10)
    width = math.max(width, utf8.len(names[i]) or #names[i])
  end
  for i, class in ipairs(order) do self:paint_bar(row + i - 1, names[i], width, values[class], class == best) end
end

--- Paints everything.
-- @param state { values = bars' lengths, prediction = of the recogniser or nil, message = instead of the winner }
-- @return the bytes for the terminal
function View:paint(state)
  local s = self.screen
  s:clear()
  if not self.layout then
    s:text(1, 1, ("needs %d x %d"):format(view.LEAST_COLUMNS, view.LEAST_ROWS), colours.best)
    s:text(1, 2, "q quits", colours.faint)
    return s:flush()
  end
  s:text(2, 1, self.title, colours.faint)
  s:text(2, s.rows, KEYS, colours.faint)
  self:paint_canvas()
  local bars_high = math.min(#self.labels, s.rows - 2)
  local row = 2
  if s.rows - 2 - bars_high >= font.HEIGHT * SCALE // 2 + 2 then
    if state.prediction then
      local top = row + (s.rows - 2 - bars_high - font.HEIGHT * SCALE // 2) // 2
      self:paint_large(state.prediction.label, self.layout.panel + 2, top)
      s:text(self.layout.panel + 16, top + 3, ("%.1f%%"):format(state.prediction.confidence * 100), colours.text)
    else
      s:text(self.layout.panel, row + 2, state.message, colours.faint)
    end
  end
  self:paint_bars(s.rows - bars_high, state.values, state.prediction and state.prediction.best)
  return s:flush()
end

return view
