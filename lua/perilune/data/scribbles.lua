--- Scribbles: what people draw that is neither digit nor letter, made of strokes at random.
-- @module perilune.data.scribbles
local strokes = require "perilune.data.strokes"

local scribbles = {}

local oval, turn = strokes.oval, 2 * math.pi

local function line(...) return { sharp = true, ... } end
local function whole(random, low, high) return math.min(high, math.floor(random(low, high + 1))) end
local function spot(random) return { random(0.02, 0.98), random(0.02, 0.98) } end

-- Random places, each at least `apart` from the one before.
local function wander(random, n, apart)
  local points = { spot(random) }
  while #points < n do
    local last, next = points[#points], spot(random)
    if math.abs(last[1] - next[1]) + math.abs(last[2] - next[2]) >= apart then points[#points + 1] = next end
  end
  return points
end

-- Corners around the middle, at these distances in turn, closed.
local function around(random, corners, distances)
  local from, points = random(0, turn), { sharp = true }
  for i = 0, corners do
    local angle, far = from + i * turn / corners, distances[i % #distances + 1]
    points[#points + 1] = { 0.5 + far * math.sin(angle), 0.5 - far * math.cos(angle) }
  end
  return points
end

-- There and back over a part of the square: bars of hatching, `tilt` to the side.
local function hatching(random, bars, top, bottom)
  local points, tilt = { sharp = true }, random(-0.2, 0.2)
  for i = 0, bars do
    local x = 0.08 + 0.84 * i / bars
    points[#points + 1] = { x + (i % 2 == 0 and tilt or -tilt) / 2, i % 2 == 0 and top or bottom }
  end
  return points
end

-- One stroke of a made-up sign, of a pen that knows nine places and goes to `count` of them: straight, in curves, or as
-- an arc or a ring between two of them.
local function sign_stroke(random, count)
  local function place() return { 0.12 + 0.38 * whole(random, 0, 2), 0.05 + 0.45 * whole(random, 0, 2) } end
  local points = { place() }
  while #points < count do
    local last, next = points[#points], place()
    if last[1] ~= next[1] or last[2] ~= next[2] then points[#points + 1] = next end
  end
  local how = random(0, 1)
  points.sharp = how < 0.5
  if count > 2 or how < 0.45 then return points end
  local a, b = points[1], points[2]
  local x, y, bulge = (a[1] + b[1]) / 2, (a[2] + b[2]) / 2, random(0.25, 0.6) * (random(0, 1) < 0.5 and -1 or 1)
  if how < 0.8 then return { a, { x + bulge * (b[2] - a[2]), y - bulge * (b[1] - a[1]) }, b } end
  return oval(x, y, random(0.15, 0.3), random(0.15, 0.3), 0, turn)
end

-- Each kind gives the strokes of one drawing.
local kinds = {
  -- one line that goes here and there; with fewer places it could be a digit by chance
  curve = function(random) return { wander(random, whole(random, 7, 11), 0.4) } end,
  zigzag = function(random) return { hatching(random, whole(random, 4, 7), random(0.05, 0.4), random(0.6, 0.95)) } end,
  dots = function(random)
    local drawing = {}
    for i = 1, whole(random, 2, 6) do drawing[i] = { spot(random) } end
    return drawing
  end,
  dot = function() return { { { 0.5, 0.5 } } } end,
  tangle = function(random)
    local drawing = {}
    for i = 1, whole(random, 2, 4) do drawing[i] = wander(random, whole(random, 3, 6), 0.3) end
    return drawing
  end,
  lines = function(random)
    local drawing = {}
    for i = 1, whole(random, 3, 6) do drawing[i] = line(table.unpack(wander(random, 2, 0.5))) end
    return drawing
  end,
  box = function(random)
    local left, top, right, bottom = random(0, 0.3), random(0, 0.3), random(0.7, 1), random(0.7, 1)
    return { line({ left, top }, { right, top }, { right, bottom }, { left, bottom }, { left, top }) }
  end,
  triangle = function(random) return { around(random, 3, { random(0.4, 0.5) }) } end,
  spiral = function(random)
    local points, turns, from = {}, random(2, 3.5), random(0, turn)
    local way = random(0, 1) < 0.5 and 1 or -1
    local steps = math.ceil(turns * 9)
    for i = 0, steps do
      local angle, far = from + way * turns * turn * i / steps, 0.03 + 0.46 * i / steps
      points[#points + 1] = { 0.5 + far * math.sin(angle), 0.5 - far * math.cos(angle) }
    end
    return { points }
  end,
  wave = function(random)
    local points, humps, high, from = {}, random(1.5, 3.5), random(0.1, 0.3), random(0, turn)
    local steps = math.ceil(humps * 8)
    for i = 0, steps do
      points[#points + 1] = { 0.04 + 0.92 * i / steps, 0.5 + high * math.sin(from + humps * turn * i / steps) }
    end
    return { points }
  end,
  parallel = function(random)
    local drawing, bars, across = {}, whole(random, 2, 4), random(0, 1) < 0.5
    for i = 1, bars do
      local at = 0.1 + 0.8 * (i - 1) / (bars - 1)
      drawing[i] = across and line({ 0.05, at }, { 0.95, at }) or line({ at, 0.05 }, { at, 0.95 })
    end
    return drawing
  end,
  scratch = function(random) return { hatching(random, whole(random, 9, 14), random(0, 0.15), random(0.8, 1)) } end,
  cross = function(random)
    local x, y = random(0.4, 0.6), random(0.4, 0.6)
    return { line({ x, 0.03 }, { x, 0.97 }), line({ 0.03, y }, { 0.97, y }) }
  end,
  loops = function(random)
    local points, count, high = {}, random(2.5, 4.5), random(0.2, 0.35)
    local steps = math.ceil(count * 8)
    for i = 0, steps do
      local angle = count * turn * i / steps
      points[#points + 1] = { 0.12 + 0.7 * i / steps - 0.14 * math.sin(angle), 0.5 - high * math.cos(angle) }
    end
    return { points }
  end,
  arrow = function(random)
    local drawing = { line({ 0.05, 0.5 }, { 0.95, 0.5 }), line({ 0.66, 0.24 }, { 0.95, 0.5 }, { 0.66, 0.76 }) }
    local way, swap = random(0, 1) < 0.5, random(0, 1) < 0.5
    for _, stroke in ipairs(drawing) do
      for i, p in ipairs(stroke) do
        local x = way and 1 - p[1] or p[1]
        stroke[i] = swap and { p[2], x } or { x, p[2] }
      end
    end
    return drawing
  end,
  star = function(random)
    if random(0, 1) < 0.5 then return { around(random, 10, { 0.48, 0.2 }) } end
    local points, from = { sharp = true }, random(-0.2, 0.2)
    for i = 0, 5 do
      local angle = from + i * turn * 2 / 5
      points[#points + 1] = { 0.5 + 0.48 * math.sin(angle), 0.5 - 0.48 * math.cos(angle) }
    end
    return { points }
  end,
  hash = function(random)
    local near, far = random(0.25, 0.38), random(0.62, 0.75)
    return { line({ near, 0.03 }, { near, 0.97 }), line({ far, 0.03 }, { far, 0.97 }),
      line({ 0.03, near }, { 0.97, near }), line({ 0.03, far }, { 0.97, far }) }
  end,
  -- letters of no alphabet: they teach what a letter never seen looks like. A few are digits by chance, which would be
  -- more with fewer places, unless there is a dot above, large enough not to be taken for a speck
  sign = function(random)
    if random(0, 1) < 0.06 then
      local x, y = random(0.3, 0.7), random(0, 0.1)
      return { { { random(0.4, 0.6), 0.36 }, { random(0.4, 0.6), 0.66 }, { random(0.2, 0.8), 0.96 } },
        line({ x, y }, { x + random(-0.05, 0.05), y + random(0.02, 0.08) }) }
    end
    local drawing, count = {}, whole(random, 1, 4)
    local least, most = ({ 5, 3, 2, 2 })[count], ({ 6, 4, 3, 3 })[count]
    for i = 1, count do drawing[i] = sign_stroke(random, whole(random, least, most)) end
    return drawing
  end,
  heart = function()
    return { { { 0.5, 0.3 }, { 0.34, 0.08 }, { 0.08, 0.2 }, { 0.1, 0.5 }, { 0.5, 0.95 } },
      { { 0.5, 0.3 }, { 0.66, 0.08 }, { 0.92, 0.2 }, { 0.9, 0.5 }, { 0.5, 0.95 } } }
  end,
  face = function(random)
    local mouth = random(0.6, 0.8)
    return { oval(0.5, 0.5, 0.46, 0.48, 0, turn), { { random(0.28, 0.38), 0.36 } }, { { random(0.62, 0.72), 0.36 } },
      { { 0.3, mouth }, { 0.5, random(0.6, 0.85) }, { 0.7, mouth } } }
  end,
  tick = function(random)
    local low = random(0.26, 0.42)
    return { line({ 0.06, random(0.45, 0.6) }, { low, 0.95 }, { 0.95, random(0.05, 0.2) }) }
  end,
  -- a closed line that is nobody's 0: dented, or with corners, some with something inside
  closed = function(random)
    local points, corners, from, dent = { sharp = random(0, 1) < 0.4 }, whole(random, 5, 9), random(0, turn), random(0.12, 0.26)
    for i = 0, corners - 1 do
      local angle, far = from + i * turn / corners, i % 3 == 0 and dent or random(0.38, 0.5)
      points[#points + 1] = { 0.5 + far * math.sin(angle), 0.5 - far * math.cos(angle) }
    end
    points[#points + 1] = points[1]
    return { points, random(0, 1) < 0.3 and { { 0.5, 0.5 } } or nil }
  end,
  -- an oval with two marks or more; with one it could be somebody's crossed 0
  marked = function(random)
    local drawing = { oval(0.5, 0.5, random(0.3, 0.46), random(0.4, 0.48), 0, turn) }
    for i = 2, whole(random, 3, 5) do
      local x, y = random(0.32, 0.68), random(0.25, 0.75)
      drawing[i] = random(0, 1) < 0.5 and { { x, y } } or line({ x, y }, { x + random(-0.2, 0.2), y + random(-0.2, 0.2) })
    end
    return drawing
  end,
  house = function(random)
    local eaves = random(0.35, 0.5)
    return { line({ 0.12, eaves }, { 0.12, 0.97 }, { 0.88, 0.97 }, { 0.88, eaves }),
      line({ 0.02, eaves }, { 0.5, 0.03 }, { 0.98, eaves }) }
  end,
  fish = function(random)
    local high = random(0.2, 0.34)
    return { { { 0.98, 0.5 - high }, { 0.7, 0.5 + 0.2 * high }, { 0.4, 0.5 + high }, { 0.03, 0.5 }, { 0.4, 0.5 - high },
      { 0.7, 0.5 - 0.2 * high }, { 0.98, 0.5 + high } }, line({ 0.97, 0.5 - high }, { 0.97, 0.5 + high }) }
  end,
  bolt = function(random)
    local x = random(-0.05, 0.05)
    return { line({ 0.6, 0.02 }, { 0.2, 0.55 + x }, { 0.46, 0.55 + x }, { 0.34, 0.98 }, { 0.82, 0.4 + x }, { 0.54, 0.4 + x },
      { 0.6, 0.02 }) }
  end,
  tree = function(random)
    local low = random(0.55, 0.72)
    return { line({ 0.5, 0.03 }, { 0.1, low }, { 0.9, low }, { 0.5, 0.03 }), line({ 0.5, low }, { 0.5, 0.97 }) }
  end,
  flag = function(random)
    local low = random(0.4, 0.55)
    return { line({ 0.2, 0.03 }, { 0.2, 0.98 }), line({ 0.2, 0.05 }, { 0.85, 0.05 }, { 0.85, low }, { 0.2, low }) }
  end,
  envelope = function(random)
    local top, middle = random(0.15, 0.28), random(0.5, 0.62)
    return { line({ 0.03, top }, { 0.97, top }, { 0.97, 0.85 }, { 0.03, 0.85 }, { 0.03, top }),
      line({ 0.03, top }, { 0.5, middle }, { 0.97, top }) }
  end,
  flower = function(random)
    local drawing, petals, from = { oval(0.5, 0.36, 0.1, 0.1, 0, turn) }, whole(random, 4, 6), random(0, turn)
    for i = 1, petals do
      local angle = from + i * turn / petals
      drawing[i + 1] = oval(0.5 + 0.22 * math.sin(angle), 0.36 - 0.22 * math.cos(angle), 0.12, 0.12, 0, turn)
    end
    drawing[petals + 2] = line({ 0.5, 0.46 }, { 0.5, 0.98 })
    return drawing
  end,
  rings = function(random)
    local gap = random(0.2, 0.32)
    return { oval(0.5, 0.5, 0.46, 0.46, 0, turn), oval(0.5, 0.5, 0.46 - gap, 0.46 - gap, 0, turn) }
  end,
}

--- The kinds, divided as perilune.data.letters divides the letters.
scribbles.groups = {
  training = { "box", "closed", "curve", "dot", "dots", "face", "heart", "lines", "marked", "parallel", "scratch", "sign",
    "spiral", "tangle", "triangle", "wave" },
  validation = { "arrow", "cross", "loops", "zigzag" },
  held_out = { "bolt", "envelope", "fish", "flag", "flower", "hash", "house", "rings", "star", "tick", "tree" },
}

scribbles.kinds = {}
for kind in pairs(kinds) do scribbles.kinds[#scribbles.kinds + 1] = kind end
table.sort(scribbles.kinds)

--- One scribble of a kind.
function scribbles.choose(kind, random) return kinds[kind](random) end

return scribbles
