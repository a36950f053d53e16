--- The kernel's logo: the Moon in a focus of an orbit, and a traveller at its perilune, the point nearest the Moon.
-- One geometry, in a square of side 1, gives the SVG and the pixels.
-- @module perilune.kernel.logo
local logo = {}

local SKY, ORBIT, MOON, CRATER, TRAVELLER = { 14, 22, 48 }, { 120, 150, 210 }, { 226, 228, 234 }, { 186, 190, 202 },
  { 255, 176, 32 }

local A, B, TILT = 0.40, 0.34, math.rad(-35) -- the orbit's half axes, and how far it leans
local FOCUS = math.sqrt(A * A - B * B)
local LINE = 0.035
local DISCS = { -- x and y along the orbit's axes, from its centre
  { FOCUS, 0, 0.135, MOON }, { FOCUS - 0.045, 0.04, 0.03, CRATER }, { FOCUS + 0.04, -0.05, 0.04, CRATER },
  { FOCUS + 0.055, 0.055, 0.022, CRATER }, { A, 0, 0.06, TRAVELLER },
}

local function hex(color) return ("#%02x%02x%02x"):format(table.unpack(color)) end

--- The logo as SVG.
function logo.svg()
  local lines = {
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640" role="img" aria-label="Perilune">',
    ('<rect width="640" height="640" rx="96" fill="%s"/>'):format(hex(SKY)),
    ('<g transform="translate(320 320) rotate(%.0f) scale(640)">'):format(math.deg(TILT)),
    ('<ellipse rx="%g" ry="%g" fill="none" stroke="%s" stroke-width="%g"/>'):format(A, B, hex(ORBIT), LINE),
  }
  for _, disc in ipairs(DISCS) do
    lines[#lines + 1] = ('<circle cx="%.4f" cy="%.4f" r="%g" fill="%s"/>'):format(disc[1], disc[2], disc[3], hex(disc[4]))
  end
  lines[#lines + 1] = "</g>\n</svg>\n"
  return table.concat(lines, "\n")
end

-- The colour at a point of the square.
local function color_at(x, y)
  local cos, sin = math.cos(TILT), math.sin(TILT)
  x, y = x - 0.5, y - 0.5
  x, y = x * cos + y * sin, y * cos - x * sin
  for i = #DISCS, 1, -1 do
    local disc = DISCS[i]
    if (x - disc[1]) ^ 2 + (y - disc[2]) ^ 2 <= disc[3] ^ 2 then return disc[4] end
  end
  local outer = (x / (A + LINE / 2)) ^ 2 + (y / (B + LINE / 2)) ^ 2
  local inner = (x / (A - LINE / 2)) ^ 2 + (y / (B - LINE / 2)) ^ 2
  return outer <= 1 and inner >= 1 and ORBIT or SKY
end

--- The logo's pixels, each the mean of 16 points.
-- @param size  rows and columns
-- @return nested lists of numbers in [0, 1], rows by columns by red, green, blue
function logo.pixels(size)
  local fine, rows = 4, {}
  for row = 1, size do
    rows[row] = {}
    for column = 1, size do
      local sum = { 0, 0, 0 }
      for i = 0, fine * fine - 1 do
        local x = (column - 1 + (i % fine + 0.5) / fine) / size
        local color = color_at(x, (row - 1 + (i // fine + 0.5) / fine) / size)
        for c = 1, 3 do sum[c] = sum[c] + color[c] end
      end
      for c = 1, 3 do sum[c] = sum[c] / (255 * fine * fine) end
      rows[row][column] = sum
    end
  end
  return rows
end

return logo
