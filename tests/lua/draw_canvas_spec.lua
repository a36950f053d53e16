-- The canvas that is drawn on: its strokes, its pictures in any size, undo and redo, its files. What a picture must look
-- like is said by a naive rendering here, pixel by pixel.
local canvases = require "perilune.draw.canvas"

-- Inks the straight piece from a to b; coordinates and radius in pixels.
local function ink_piece(pixels, height, width, a, b, radius, erase)
  local dx, dy = b[1] - a[1], b[2] - a[2]
  local square = math.max(dx * dx + dy * dy, 1e-12)
  for y = 0, height - 1 do
    for x = 0, width - 1 do
      local px, py = x + 0.5 - a[1], y + 0.5 - a[2]
      local along = math.min(1, math.max(0, (px * dx + py * dy) / square))
      local ex, ey = px - along * dx, py - along * dy
      local cover = math.min(1, math.max(0, radius + 0.5 - math.sqrt(ex * ex + ey * ey)))
      local at = y * width + x + 1
      pixels[at] = erase and math.min(pixels[at], 1 - cover) or math.max(pixels[at], cover)
    end
  end
end

local function naive(canvas, height, width)
  local pixels = {}
  for i = 1, height * width do pixels[i] = 0 end
  for _, stroke in ipairs(canvas.strokes) do
    local radius = math.max(0.5, stroke.width * math.min(height, width) / 2)
    for i = 1, stroke.n do
      local k = math.max(1, i - 1)
      ink_piece(pixels, height, width, { stroke.x[k] * width, stroke.y[k] * height },
        { stroke.x[i] * width, stroke.y[i] * height }, radius, stroke.erase)
    end
  end
  return pixels
end

local function values(picture) return picture:reshape(-1):totable() end

local function assert_near(wanted, picture)
  local got, worst = values(picture), 0
  assert.equal(#wanted, #got)
  for i = 1, #wanted do worst = math.max(worst, math.abs(wanted[i] - got[i])) end
  assert.is_true(worst < 1e-6, ("a pixel is off by %g"):format(worst))
end

-- Random numbers of their own, so that a failure comes again.
local function generator(seed)
  local state = seed * 2654435761 + 1
  return function(low, high)
    state = (state * 6364136223846793005 + 1442695040888963407) & 0x7fffffffffffffff
    return low + (state >> 20) / 2 ^ 43 * (high - low)
  end
end

-- A stroke as no hand draws it: long jumps, short steps, level and upright pieces, places beyond the canvas.
local function scrawl(canvas, random)
  local x, y = random(-0.2, 1.2), random(-0.2, 1.2)
  canvas:begin(x, y, { erase = random(0, 1) < 0.3, width = math.max(0.001, random(0, 1) ^ 2) })
  local kind = random(0, 4) // 1
  for _ = 1, random(0, 9) // 1 do
    if kind == 0 then x, y = random(-0.2, 1.2), random(-0.2, 1.2)
    elseif kind == 1 then x = x + random(-0.1, 0.1)
    elseif kind == 2 then y = y + random(-0.1, 0.1)
    else x, y = x + random(-0.02, 0.02), y + random(-0.02, 0.02) end
    canvas:extend(x, y)
  end
  canvas:finish()
end

describe("a canvas's picture", function()
  it("is what its strokes cover, pixel by pixel", function()
    for seed = 1, 40 do
      local random, canvas = generator(seed), canvases.new()
      for _ = 1, random(1, 7) // 1 do scrawl(canvas, random) end
      local height, width = random(1, 60) // 1 | 0, random(1, 60) // 1 | 0
      assert_near(naive(canvas, height, width), canvas:render(height, width))
    end
  end)
end)
