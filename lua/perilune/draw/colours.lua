--- How many colours a terminal has, and how it is told one.
--
-- A colour is 0xRRGGBB, or, below zero, one of the terminal's own sixteen: -1 is its black, -16 its bright white (what
-- programs print has such). Modes: "24bit", "256", "16", and "none", in which no colour is told.
-- @module perilune.draw.colours
local colours = {}

local DEEP = { "%-direct", "^xterm%-kitty", "^alacritty", "^foot", "^wezterm", "^xterm%-ghostty" }
local MANY = { "256color", "^xterm$", "^screen", "^tmux" }

local function any(text, patterns)
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then return true end
  end
  return false
end

--- How many colours the terminal has, by what it says of itself.
-- @param getenv os.getenv, or another for tests
-- @return "24bit", "256", "16" or "none"
function colours.found(getenv)
  getenv = getenv or os.getenv
  local function value(name) return getenv(name) or "" end
  if value "NO_COLOR" ~= "" then return "none" end
  local said, term = value "COLORTERM", value "TERM"
  if said == "truecolor" or said == "24bit" or any(term, DEEP) then return "24bit" end
  if said ~= "" or any(term, MANY) then return "256" end
  return "16"
end

-- The 256 colours: a cube of these levels from 16 on, and greys from 232 on, from 8 in steps of 10.
local levels = { 0, 95, 135, 175, 215, 255 }

-- The first sixteen as xterm has them; others are near.
local sixteen = {
  [0] = 0x000000, 0xCD0000, 0x00CD00, 0xCDCD00, 0x0000EE, 0xCD00CD, 0x00CDCD, 0xE5E5E5,
  0x7F7F7F, 0xFF0000, 0x00FF00, 0xFFFF00, 0x5C5CFF, 0xFF00FF, 0x00FFFF, 0xFFFFFF,
}

local function distance(a, b)
  local red, green, blue = (a >> 16) - (b >> 16), (a >> 8 & 255) - (b >> 8 & 255), (a & 255) - (b & 255)
  return red * red + green * green + blue * blue
end

local function nearest_level(value)
  local best = 1
  for i, level in ipairs(levels) do
    if math.abs(level - value) < math.abs(levels[best] - value) then best = i end
  end
  return best
end

local function rgb(red, green, blue) return red << 16 | green << 8 | blue end

--- The nearest of the 256 colours: a place in the cube, or a grey.
function colours.palette(colour)
  local red, green, blue = colour >> 16 & 255, colour >> 8 & 255, colour & 255
  local r, g, b = nearest_level(red), nearest_level(green), nearest_level(blue)
  local grey = math.max(0, math.min(23, ((red + green + blue) // 3 - 3) // 10))
  local shade = 8 + 10 * grey
  if distance(rgb(shade, shade, shade), colour) < distance(rgb(levels[r], levels[g], levels[b]), colour) then
    return 232 + grey
  end
  return 16 + 36 * (r - 1) + 6 * (g - 1) + b - 1
end

--- The nearest of the standard sixteen, 0 to 15.
function colours.standard(colour)
  local best = 0
  for i = 1, 15 do
    if distance(sixteen[i], colour) < distance(sixteen[best], colour) then best = i end
  end
  return best
end

--- The colour of a number of the 256, as colours are given here.
function colours.of_palette(number)
  if number < 16 then return -1 - number end
  if number >= 232 then
    local shade = 8 + 10 * (number - 232)
    return rgb(shade, shade, shade)
  end
  number = number - 16
  return rgb(levels[number // 36 + 1], levels[number // 6 % 6 + 1], levels[number % 6 + 1])
end

--- A colour between two.
-- @param part 0 for the first, 1 for the second
function colours.mix(from, to, part)
  local function channel(shift)
    local a, b = from >> shift & 255, to >> shift & 255
    return math.floor(a + (b - a) * part + 0.5) << shift
  end
  return channel(16) | channel(8) | channel(0)
end

--- The escape sequence that makes a colour hold from there on; "" in the mode "none".
-- @param mode   of the terminal
-- @param ground true: behind the characters
function colours.code(mode, colour, ground)
  if mode == "none" then return "" end
  if colour < 0 or mode == "16" then
    local number = colour < 0 and -1 - colour or colours.standard(colour)
    return ("\27[%dm"):format((number < 8 and 30 + number or 82 + number) + (ground and 10 or 0))
  end
  local kind = ground and 48 or 38
  if mode == "256" then return ("\27[%d;5;%dm"):format(kind, colours.palette(colour)) end
  return ("\27[%d;2;%d;%d;%dm"):format(kind, colour >> 16 & 255, colour >> 8 & 255, colour & 255)
end

local themes = {
  deep = {
    ground = 0x101218, text = 0xD8DCE6, faint = 0x7A8194, paper = 0x1C2029, ink = 0xFFFFFF, bar = 0x5B7FB5,
    best = 0xFFB454, trough = 0x1C2029, heat = 0xF0503C, mark = 0x54D1C0, pane = 0x0A0C10,
  },
  -- Of the sixteen each that shall be told from another has its own: the paper is the dark grey, ink white.
  sixteen = {
    ground = 0x000000, text = 0xFFFFFF, faint = 0xE5E5E5, paper = 0x7F7F7F, ink = 0xFFFFFF, bar = 0x5C5CFF,
    best = 0xFFFF00, trough = 0x7F7F7F, heat = 0xFF0000, mark = 0x00FFFF, pane = 0x000000,
  },
}

--- What things on the screen are painted with, by name: ground, text, faint, paper, ink, bar, best, trough, heat, mark,
-- pane.
function colours.theme(mode) return mode == "16" and themes.sixteen or themes.deep end

return colours
