--- A screen of cells that sends the terminal only what changed since the last time.
--
-- A cell is a character of width one with a colour and a ground. Colours are 0xRRGGBB; on a terminal without 24-bit
-- colour the nearest of the 256 are taken.
-- @module perilune.draw.screen
local screen = {}

local Screen = {}
Screen.__index = Screen

--- How many colours the terminal has, by what it says of itself: "24bit" or "256".
-- @param getenv os.getenv, or another for tests
function screen.colours(getenv)
  getenv = getenv or os.getenv
  local said, term = getenv "COLORTERM" or "", getenv "TERM" or ""
  if said == "truecolor" or said == "24bit" or term:find "%-direct" then return "24bit" end
  return "256"
end

-- The palette's cube has these levels, its greys run from 8 in steps of 10.
local levels = { 0, 95, 135, 175, 215, 255 }

local function nearest_level(value)
  local best = 1
  for i, level in ipairs(levels) do
    if math.abs(level - value) < math.abs(levels[best] - value) then best = i end
  end
  return best
end

--- The nearest of the 256 colours: a place in the cube, or a grey.
function screen.palette(colour)
  local red, green, blue = colour >> 16 & 255, colour >> 8 & 255, colour & 255
  local r, g, b = nearest_level(red), nearest_level(green), nearest_level(blue)
  local grey = math.max(0, math.min(23, ((red + green + blue) // 3 - 3) // 10))
  local shade = 8 + 10 * grey
  local function distance(x, y, z) return (x - red) ^ 2 + (y - green) ^ 2 + (z - blue) ^ 2 end
  if distance(shade, shade, shade) < distance(levels[r], levels[g], levels[b]) then return 232 + grey end
  return 16 + 36 * (r - 1) + 6 * (g - 1) + b - 1
end

--- A screen.
-- @param columns, rows its size
-- @param options { colours = "24bit" or "256", ground =, ink = colours of empty cells }
function screen.new(columns, rows, options)
  local self = setmetatable({
    columns = columns, rows = rows, colours = options.colours or "256",
    ground = options.ground or 0, ink = options.ink or 0xFFFFFF, shown = {}, codes = {},
  }, Screen)
  self:clear()
  return self
end

--- Empties all cells (on the next flush).
function Screen:clear()
  local empty = { " ", self.ink, self.ground }
  self.cells = {}
  for i = 1, self.columns * self.rows do self.cells[i] = empty end
end

--- Puts one character; places beyond the screen are left out.
function Screen:put(column, row, character, ink, ground)
  if column < 1 or row < 1 or column > self.columns or row > self.rows then return end
  self.cells[(row - 1) * self.columns + column] = { character, ink or self.ink, ground or self.ground }
end

--- Puts text from a place on; control characters and broken UTF-8 become "?". Returns the column behind it.
function Screen:text(column, row, text, ink, ground)
  if not utf8.len(text) then text = text:gsub("[\128-\255]", "?") end
  for _, code in utf8.codes(text) do
    local character = (code < 32 or code >= 127 and code < 160) and "?" or utf8.char(code)
    self:put(column, row, character, ink, ground)
    column = column + 1
  end
  return column
end

function Screen:code(colour, ground)
  local key = ground and ~colour or colour
  local code = self.codes[key]
  if not code then
    local kind = ground and 48 or 38
    if self.colours == "24bit" then
      code = ("\27[%d;2;%d;%d;%dm"):format(kind, colour >> 16 & 255, colour >> 8 & 255, colour & 255)
    else
      code = ("\27[%d;5;%dm"):format(kind, screen.palette(colour))
    end
    self.codes[key] = code
  end
  return code
end

local function same(a, b) return b and a[1] == b[1] and a[2] == b[2] and a[3] == b[3] end

--- The bytes that make the terminal show the cells; "" when it does already.
function Screen:flush()
  local out, at, ink, ground = {}, nil, nil, nil
  for i, cell in ipairs(self.cells) do
    if not same(cell, self.shown[i]) then
      if at ~= i or (i - 1) % self.columns == 0 then
        out[#out + 1] = ("\27[%d;%dH"):format((i - 1) // self.columns + 1, (i - 1) % self.columns + 1)
      end
      if cell[2] ~= ink then ink = cell[2]; out[#out + 1] = self:code(ink, false) end
      if cell[3] ~= ground then ground = cell[3]; out[#out + 1] = self:code(ground, true) end
      out[#out + 1] = cell[1]
      self.shown[i], at = cell, i + 1
    end
  end
  return table.concat(out)
end

return screen
