-- Numbers and digits as a person draws them on a canvas, and MNIST's pasted side by side: what segmentation is held
-- against. Digits are data.drawn's ways of writing them, jittered; a hand has a slant, a pen, a size and a distance that
-- it keeps between digits. The same seed draws the same.
local canvases = require "perilune.draw.canvas"
local core = require "perilune.core"
local drawn = require "perilune.data.drawn"
local strokes = require "perilune.data.strokes"

local numbers = {}

local BANDS = 24 -- rows in which the distance between neighbours is looked at

-- A digit's lines, its height 1: a list of lists of { x, y }.
local function lines_of(digit, random, slant, jitter, number)
  local ways = drawn.ways[digit]
  local way = ways[number or math.min(#ways, 1 + math.floor(random(0, #ways)))]
  local width, height = random(0.65, 1), random(0.88, 1.08)
  local lines = {}
  for i, stroke in ipairs(way) do
    lines[i] = strokes.trace(stroke, jitter, random, function(x, y)
      return (x - 0.5) * width - slant * (y - 0.5), (y - 0.5) * height
    end)
  end
  return lines
end

-- The outermost x of lines in bands of rows, `right` or left.
local function edge(lines, right)
  local list = {}
  for _, line in ipairs(lines) do
    for i = 2, #line do
      local a, b = line[i - 1], line[i]
      for k = 0, 8 do
        local x, y = a[1] + (b[1] - a[1]) * k / 8, a[2] + (b[2] - a[2]) * k / 8
        local band = math.floor((y + 0.7) / 1.4 * BANDS)
        for near = band - 1, band + 1 do
          if not list[near] or (right and x > list[near]) or (not right and x < list[near]) then list[near] = x end
        end
      end
    end
  end
  return list
end

-- How far the second digit has to be moved so that in no band it is nearer than `distance` to the first.
local function advance(first, second, distance)
  local right, left, most = edge(first, true), edge(second, false), -math.huge
  for band, x in pairs(right) do
    if left[band] then most = math.max(most, x + distance - left[band]) end
  end
  return most
end

-- Digits laid side by side, in heights of a digit from 0: all lines, and the box of their points.
local function lay_out(digits, random, hand)
  local all, shift, before, box = {}, 0, nil, { math.huge, math.huge, -math.huge, -math.huge }
  for _, digit in ipairs(digits) do
    local lines = lines_of(digit, random, hand.slant + random(-0.05, 0.05), hand.jitter, hand.way)
    if before then shift = shift + advance(before, lines, hand.pen + random(table.unpack(hand.gap))) end
    before = lines
    local drop = random(-0.06, 0.06)
    for _, line in ipairs(lines) do
      local moved = {}
      for i, p in ipairs(line) do
        moved[i] = { p[1] + shift, p[2] + drop }
        box = { math.min(box[1], moved[i][1]), math.min(box[2], moved[i][2]), math.max(box[3], moved[i][1]),
          math.max(box[4], moved[i][2]) }
      end
      all[#all + 1] = moved
    end
  end
  return all, box
end

--- A canvas with digits side by side.
-- @param digits a list of numbers 0 to 9
-- @param seed   of all that is random
-- @param hand   { slant, jitter, pen = width in heights of a digit, gap = { least, most } ink left free between digits, in
--   heights, most = a digit's largest height on the canvas, size = { least, most } of that, way = of writing }, all optional
function numbers.canvas(digits, seed, hand)
  local random = strokes.generator(seed)
  local own = { slant = random(-0.3, 0.3), jitter = random(0.005, 0.03), pen = random(0.06, 0.2), gap = { 0.08, 0.35 },
    most = 0.75, size = { 0.6, 1 } }
  for name, value in pairs(hand or {}) do own[name] = value end
  local lines, box = lay_out(digits, random, own)
  local wide, high = box[3] - box[1] + own.pen, box[4] - box[2] + own.pen
  local height = math.min(own.most, 0.98 / wide, 0.98 / high) * random(table.unpack(own.size))
  local left, top = random(0, 1 - wide * height), random(0, 1 - high * height)
  local canvas = canvases.new()
  for _, line in ipairs(lines) do
    for i, p in ipairs(line) do
      local x, y = left + (p[1] - box[1] + own.pen / 2) * height, top + (p[2] - box[2] + own.pen / 2) * height
      if i == 1 then canvas:begin(x, y, { width = own.pen * height }) else canvas:extend(x, y) end
    end
    canvas:finish()
  end
  return canvas
end

--- A random list of digits.
function numbers.digits(count, random)
  local list = {}
  for i = 1, count do list[i] = math.min(9, math.floor(random(0, 10))) end
  return list
end

--- MNIST's own digits side by side as one picture, ink 1 on 0.
-- @param pictures a list of (28, 28, 1)
-- @param random   see perilune.data.strokes
-- @param gap      { least, most } pixels between the boxes of their ink
-- @return float32 (height, width, 1)
function numbers.pasted(pictures, random, gap)
  local image, parts, wide = require "perilune.image", {}, 4
  for i, picture in ipairs(pictures) do
    local box = image.box(picture, 0.2)
    parts[i] = { ink = picture[{ {}, { box.left, box.left + box.width - 1 } }], width = box.width,
      left = wide + math.floor(random(gap[1], gap[2] + 1)), top = math.floor(random(0, 5)) }
    wide = parts[i].left + box.width
  end
  local paper = core.zeros { 36, wide + 4, 1 }
  for _, part in ipairs(parts) do
    local place = { { part.top + 1, part.top + 28 }, { part.left + 1, part.left + part.width } }
    paper[place] = core.maximum(paper[place], part.ink)
  end
  return paper
end

return numbers
