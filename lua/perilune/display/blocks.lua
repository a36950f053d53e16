--- Pictures as characters: half blocks, two pixels each, in 24-bit or 256 colours; without colours letters from dark to
-- light. Pixels are about square, since a character is about twice as high as it is wide.
-- @module perilune.display.blocks
local blocks = {}

local SHADES = " .:-=+*#%@"
local SMALL = 14 -- pictures up to this side are drawn twice as large

local function image() return require "perilune.image" end

-- --- colours ----------------------------------------------------------------------------------------------------

local CUBE = { 0, 95, 135, 175, 215, 255 }

local function nearest_level(v)
  if v < 48 then return 0 end
  return v < 115 and 1 or (v - 35) // 40
end

-- The nearest of the 256 colours: of the cube, or a grey.
local function of_256(r, g, b)
  local i, j, k = nearest_level(r), nearest_level(g), nearest_level(b)
  local mean = (r + g + b) // 3
  local grey = mean > 238 and 23 or math.max(0, (mean - 3) // 10)
  local level = 8 + 10 * grey
  local function distance(x, y, z) return (x - r) ^ 2 + (y - g) ^ 2 + (z - b) ^ 2 end
  if distance(level, level, level) < distance(CUBE[i + 1], CUBE[j + 1], CUBE[k + 1]) then return 232 + grey end
  return 16 + 36 * i + 6 * j + k
end

local codes = {
  ["true"] = function(pixel) return ("2;%d;%d;%d"):format(pixel >> 16, pixel >> 8 & 255, pixel & 255) end,
  ["256"] = function(pixel) return ("5;%d"):format(of_256(pixel >> 16, pixel >> 8 & 255, pixel & 255)) end,
}

-- --- pixels -----------------------------------------------------------------------------------------------------

-- Rows of pixels 0xRRGGBB; alpha lies over white.
local function pixels_of(part)
  local rows, channels = part:totable(), part.shape[3]
  for _, row in ipairs(rows) do
    for x, p in ipairs(row) do
      local r, g, b = p[1], p[2] or p[1], p[3] or p[1]
      if channels == 4 then
        local alpha = p[4] / 255
        local function over(v) return math.floor(v * alpha + 255 * (1 - alpha) + 0.5) end
        r, g, b = over(r), over(g), over(b)
      end
      row[x] = r << 16 | g << 8 | b
    end
  end
  return rows
end

-- The picture in so many columns, at most.
local function fitted(part, width, height)
  local high, wide = part.shape[1], part.shape[2]
  local factor = math.min(1, width / wide, height / high)
  if factor < 1 then
    local to_high, to_wide = math.max(1, math.floor(high * factor + 0.5)), math.max(1, math.floor(wide * factor + 0.5))
    if part.shape[3] == 4 then
      local step = math.ceil(1 / factor)
      return part[{ { 1, high, step }, { 1, wide, step } }]
    end
    return (image().resize(part, to_high, to_wide, "area") * 255 + 0.5):byte()
  end
  if math.max(high, wide) <= SMALL and 2 * wide <= width and 2 * high <= height then
    return part:repeat_interleave(2, 1):repeat_interleave(2, 2)
  end
  return part
end

-- --- characters -------------------------------------------------------------------------------------------------

-- Runs of equal colours share one escape sequence. A pixel that is missing has the terminal's own ground.
local function coloured_line(upper, lower, width, code)
  local parts, front, back = {}, nil, nil
  for x = 1, width do
    local top, bottom = upper[x], lower and lower[x]
    local letter = "▀"
    if top == nil then
      letter = " "
      if front or back then parts[#parts + 1] = "\27[0m" end
      front, back = nil, nil
    else
      if top ~= front then parts[#parts + 1] = "\27[38;" .. code(top) .. "m" end
      if bottom ~= back then parts[#parts + 1] = bottom and "\27[48;" .. code(bottom) .. "m" or "\27[49m" end
      front, back = top, bottom
    end
    parts[#parts + 1] = letter
  end
  if front or back then parts[#parts + 1] = "\27[0m" end
  return table.concat(parts)
end

local function light(pixel)
  return (0.299 * (pixel >> 16) + 0.587 * (pixel >> 8 & 255) + 0.114 * (pixel & 255)) / 255
end

local function plain_line(upper, lower, width)
  local letters = {}
  for x = 1, width do
    local top, bottom = upper[x], lower and lower[x] or upper[x]
    local value = top and (light(top) + light(bottom or top)) / 2 or 0
    local at = math.floor(value * (#SHADES - 1) + 0.5) + 1
    letters[x] = SHADES:sub(at, at)
  end
  return (table.concat(letters):gsub(" +$", ""))
end

-- Several pictures side by side as one list of rows; nil where there is none.
local function beside(pictures, width, height, gap)
  local rows, total = {}, #pictures * (width + gap) - gap
  for y = 1, height do rows[y] = {} end
  for i, picture in ipairs(pictures) do
    local left = (i - 1) * (width + gap)
    for y, row in ipairs(picture) do
      for x, pixel in ipairs(row) do rows[y][left + x] = pixel end
    end
  end
  return rows, total
end

--- Draws.
-- @param parts  pictures of equal size, uint8 (H, W, 1|3|4)
-- @param total  how many there are altogether
-- @param screen { width, height, colors, unicode }
-- @return lines of text; how many of them were drawn, when not all, as words
function blocks.draw(parts, total, screen)
  local code = screen.unicode and codes[screen.colors] or nil
  local width, height = screen.width, math.max(8, 2 * (screen.height - 2))
  local first = fitted(parts[1], width, height)
  local high, wide = first.shape[1], first.shape[2]
  local columns = math.max(1, (width + 1) // (wide + 1))
  local rows = math.max(1, (height + 2) // (high + 2))
  local count = math.min(#parts, columns * rows)
  local lines = {}
  for start = 1, count, columns do
    local row = {}
    for i = start, math.min(start + columns - 1, count) do
      row[#row + 1] = pixels_of(i == 1 and first or fitted(parts[i], width, height))
    end
    if start > 1 then lines[#lines + 1] = "" end
    local pixels, across = beside(row, wide, high, 1)
    for y = 1, high, 2 do
      local line = code and coloured_line(pixels[y], pixels[y + 1], across, code)
        or plain_line(pixels[y], pixels[y + 1], across)
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, "\n"), total > count and ("%d of %d shown"):format(count, total) or nil
end

return blocks
