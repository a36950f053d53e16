--- Colours: the series' palette, told apart with any colour vision (two of them differ by a CIELAB distance of 15 at
-- least, also as protanopes, deuteranopes and tritanopes see them, after Machado et al. 2009), and the scales of
-- heat maps, computed in Oklch (Ottosson, 2020) so that equal steps of value look like equal steps of light.
-- @module perilune.plot.color
local data = require "perilune.plot.data"

local color = {}

--- Colours of the 1st, 2nd, ... series.
color.series = { "#2f6fb7", "#e0771b", "#1aa88c", "#b02458", "#4a2f8f", "#ecc224", "#86cdf2", "#6b7280" }

--- Names that a person may write.
color.names = {
  blue = "#2f6fb7", orange = "#e0771b", green = "#1aa88c", red = "#b02458", purple = "#4a2f8f",
  gold = "#ecc224", sky = "#86cdf2", grey = "#6b7280", gray = "#6b7280", black = "#1d2230", white = "#ffffff",
}

--- What is not data: words, frames, grid.
color.ink, color.soft_ink, color.frame, color.grid = "#1d2230", "#414857", "#8b92a0", "#e4e7ed"
color.right, color.wrong = "#414857", "#b02458"

--- The colour that a person asked for, or the series' own.
function color.resolve(where, value, index)
  if value == nil then return color.series[(index - 1) % #color.series + 1] end
  if math.type(value) == "integer" then return color.series[(value - 1) % #color.series + 1] end
  if type(value) == "string" then
    if value:match("^#%x%x%x%x%x%x$") then return value end
    if color.names[value] then return color.names[value] end
  end
  local known = {}
  for name in pairs(color.names) do known[#known + 1] = name end
  table.sort(known)
  data.fail(where, "color wants '#rrggbb', a number (1 is the first of the palette) or one of %s; got %s",
    table.concat(known, ", "), tostring(value))
end

--- The words that colour a text; none in a terminal of characters, where all text has the terminal's own colour.
function color.text(ctx, hex)
  return ctx.plain and "" or ("textcolor rgb '%s'"):format(hex)
end

--- The colour mixed with white: 0 is white, 1 the colour itself.
function color.tint(hex, amount)
  return "#" .. hex:sub(2):gsub("%x%x", function(pair)
    return ("%02x"):format(math.floor(255 + (tonumber(pair, 16) - 255) * amount + 0.5))
  end)
end

local function encode(x) -- linear light to sRGB
  return x <= 0.0031308 and 12.92 * x or 1.055 * x ^ (1 / 2.4) - 0.055
end

local function oklch(light, chroma, hue)
  local a, b = chroma * math.cos(math.rad(hue)), chroma * math.sin(math.rad(hue))
  local l = (light + 0.3963377774 * a + 0.2158037573 * b) ^ 3
  local m = (light - 0.1055613458 * a - 0.0638541728 * b) ^ 3
  local s = (light - 0.0894841775 * a - 1.2914855480 * b) ^ 3
  return 4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s
end

local function hex_of(light, chroma, hue)
  while true do -- the most colourful that a screen can show
    local r, g, b = oklch(light, chroma, hue)
    local inside = math.min(r, g, b) >= -1e-4 and math.max(r, g, b) <= 1.0001
    if inside or chroma < 1e-3 then
      local hex = "#"
      for _, x in ipairs { r, g, b } do
        x = math.max(0, math.min(1, x))
        hex = hex .. ("%02x"):format(math.floor(encode(x) * 255 + 0.5))
      end
      return hex
    end
    chroma = chroma * 0.97
  end
end

-- Each scale maps p in [0, 1] to lightness, chroma, hue.
local scales = {
  perilune = function(p) -- night blue, through sea green, to the light of the Moon
    return 0.21 + 0.75 * p, 0.09 + 0.055 * math.sin(math.pi * (0.1 + 0.8 * p)), 290 - 188 * p ^ 1.1
  end,
  blues = function(p) return 0.995 - 0.64 * p, 0.165 * math.sin(math.pi / 2 * p) ^ 0.9, 255 end,
  grey = function(p) return p, 0, 0 end,
  ink = function(p) return 1 - 0.85 * p, 0, 0 end,
  diverging = function(p) -- blue below, white in the middle, red above
    local from_middle = math.abs(2 * p - 1)
    return 0.985 - 0.50 * from_middle ^ 1.1, 0.19 * from_middle ^ 0.85, p < 0.5 and 252 or 22
  end,
}

local STEPS = 32
local made = {}

--- A scale as a list of STEPS + 1 colours, from lowest to highest.
function color.scale(where, name)
  local scale = scales[name]
  if not scale then
    local known = {}
    for key in pairs(scales) do known[#known + 1] = key end
    table.sort(known)
    data.fail(where, "palette wants one of %s; got %s", table.concat(known, ", "), tostring(name))
  end
  if not made[name] then
    local list = {}
    for i = 0, STEPS do list[i + 1] = hex_of(scale(i / STEPS)) end
    if name == "grey" then -- linear in the pixel's own value: a picture looks as it is
      list = { "#000000", "#ffffff" }
    end
    made[name] = list
  end
  return made[name]
end

--- The gnuplot command that sets a scale.
function color.palette_command(where, name)
  local list, stops = color.scale(where, name), {}
  for i, hex in ipairs(list) do stops[i] = ("%d '%s'"):format(i - 1, hex) end
  return "set palette defined (" .. table.concat(stops, ", ") .. ")"
end

--- Black or white, whichever reads better on the scale's colour at p in [0, 1].
function color.on_scale(where, name, p)
  local list = color.scale(where, name)
  local hex = list[math.floor(math.max(0, math.min(1, p)) * (#list - 1) + 0.5) + 1]
  local r, g, b = hex:match("#(%x%x)(%x%x)(%x%x)")
  local luma = 0.30 * tonumber(r, 16) + 0.59 * tonumber(g, 16) + 0.11 * tonumber(b, 16)
  return luma > 140 and color.ink or "#ffffff"
end

return color
