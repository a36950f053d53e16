--- Pictures drawn from strokes: what data's drawn digits, letters and scribbles have in common.
--
-- A drawing is a list of strokes in a unit square, x to the right and y down. A stroke is a list of points { x, y },
-- joined by a smooth curve (Catmull-Rom) that goes through all of them; `sharp` joins them by straight lines; a single
-- point is a dot. To draw it, its points are jittered, the whole turned, slanted, scaled and shifted, and inked with a
-- pen of some width: everything by a generator of its own, so that the same seed draws the same everywhere.
-- @module perilune.data.strokes
local core = require "perilune.core"

local strokes = {}

--- An arc of an ellipse as a stroke. Angles go clockwise from the top.
function strokes.oval(cx, cy, rx, ry, from, to)
  local stroke = {}
  local steps = math.max(4, math.ceil(math.abs(to - from) / 0.7))
  for i = 0, steps do
    local angle = from + (to - from) * i / steps
    stroke[#stroke + 1] = { cx + rx * math.sin(angle), cy - ry * math.cos(angle) }
  end
  return stroke
end

--- Random numbers: random(low, high). xorshift64* with a mixed seed, whole numbers all through.
function strokes.generator(seed)
  local state = (seed ~ 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9
  state = state ~ (state >> 31)
  if state == 0 then state = 1 end
  return function(low, high)
    state = state ~ (state >> 12)
    state = state ~ (state << 25)
    state = state ~ (state >> 27)
    local unit = ((state * 0x2545F4914F6CDD1D) >> 11) * 0x1p-53
    return low + unit * (high - low)
  end
end

local function catmull_rom(a, b, c, d, t)
  return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t)
end

--- The points of a stroke's line, { x, y } each.
-- @param stroke a stroke
-- @param jitter how far its points are moved at most
-- @param random see generator
-- @param place  place(x, y) maps the unit square into the picture
function strokes.trace(stroke, jitter, random, place)
  local points, line = {}, {}
  for i, p in ipairs(stroke) do points[i] = { p[1] + random(-jitter, jitter), p[2] + random(-jitter, jitter) } end
  if #points == 1 then return { { place(points[1][1], points[1][2]) } } end
  for i = 1, #points - 1 do
    local a, b, c, d = points[math.max(1, i - 1)], points[i], points[i + 1], points[math.min(#points, i + 2)]
    local steps = stroke.sharp and 1 or 5
    for k = i == 1 and 0 or 1, steps do
      local t = k / steps
      if stroke.sharp then
        line[#line + 1] = { place(b[1] + t * (c[1] - b[1]), b[2] + t * (c[2] - b[2])) }
      else
        line[#line + 1] = { place(catmull_rom(a[1], b[1], c[1], d[1], t), catmull_rom(a[2], b[2], c[2], d[2], t)) }
      end
    end
  end
  return line
end

-- Inks one straight piece: pixels within `radius` of it get their coverage, the rim fading over a pixel.
local function ink(canvas, size, a, b, radius)
  local dx, dy = b[1] - a[1], b[2] - a[2]
  local square = math.max(dx * dx + dy * dy, 1e-12)
  local reach = radius + 1
  local left = math.max(0, math.floor(math.min(a[1], b[1]) - reach))
  local right = math.min(size - 1, math.ceil(math.max(a[1], b[1]) + reach))
  local top = math.max(0, math.floor(math.min(a[2], b[2]) - reach))
  local bottom = math.min(size - 1, math.ceil(math.max(a[2], b[2]) + reach))
  for y = top, bottom do
    for x = left, right do
      local px, py = x + 0.5 - a[1], y + 0.5 - a[2]
      local t = math.min(1, math.max(0, (px * dx + py * dy) / square))
      local ex, ey = px - t * dx, py - t * dy
      local cover = radius + 0.5 - math.sqrt(ex * ex + ey * ey)
      local at = y * size + x + 1
      if cover > canvas[at] then canvas[at] = math.min(1, cover) end
    end
  end
end

-- From the unit square to the picture: turned by an angle, slanted, scaled and shifted.
local function placement(size, random)
  local angle, slant = random(-0.24, 0.24), random(-0.3, 0.3)
  local height = size * random(0.58, 0.78)
  local width = height * random(0.65, 1.0)
  local cx, cy = size * (0.5 + random(-0.07, 0.07)), size * (0.5 + random(-0.07, 0.07))
  local cos, sin = math.cos(angle), math.sin(angle)
  return function(x, y)
    local u, v = (x - 0.5) * width, (y - 0.5) * height
    u = u - slant * v
    return cx + u * cos - v * sin, cy + u * sin + v * cos
  end
end

-- One drawing as a flat list of size x size values 0..255.
local function draw_one(drawing, size, random)
  local place, jitter = placement(size, random), random(0.01, 0.045)
  local radius, strength = size / 28 * random(0.6, 1.5), random(0.75, 1)
  local canvas = {}
  for i = 1, size * size do canvas[i] = 0 end
  for _, stroke in ipairs(drawing) do
    local line = strokes.trace(stroke, jitter, random, place)
    for i = 1, math.max(1, #line - 1) do ink(canvas, size, line[i], line[i + 1] or line[i], radius) end
  end
  for i = 1, size * size do
    local value = canvas[i] * strength * 255 + (canvas[i] > 0 and random(-12, 12) or 0)
    canvas[i] = math.floor(math.min(255, math.max(0, value)) + 0.5)
  end
  return canvas
end

--- Draws pictures of each class in turn, shuffled.
-- @param where   the caller's name, for messages
-- @param n       how many
-- @param seed    the same seed draws the same pictures
-- @param size    of a side, 16 to 1024 pixels
-- @param classes how many there are; labels are 0 to classes - 1
-- @param choose  choose(label, random) gives the drawing
-- @return x uint8 (n, size, size, 1), y int64 (n)
function strokes.pictures(where, n, seed, size, classes, choose)
  if n < 1 then error(("%s: n is %d, expected 1 or more"):format(where, n), 0) end
  if size < 16 or size > 1024 then error(("%s: size is %d, expected 16 to 1024"):format(where, size), 0) end
  local random, labels = strokes.generator(seed), {}
  local x = core.zeros({ n, size, size, 1 }, "uint8")
  for i, place in ipairs(core.permutation(seed, 0, n):totable()) do
    labels[i] = place % classes
    x[i] = core.tensor(draw_one(choose(labels[i], random), size, random), "uint8"):reshape(size, size, 1)
  end
  return x, core.tensor(labels, "int64")
end

return strokes
