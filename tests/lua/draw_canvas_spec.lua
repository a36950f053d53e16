-- The canvas that is drawn on: its strokes, its pictures in any size, undo and redo, its files. What a picture must look
-- like is said by a naive rendering here, pixel by pixel.
local canvases = require "perilune.draw.canvas"
local core = require "perilune.core"

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


local function random_canvas(seed, most)
  local random, canvas = generator(seed), canvases.new()
  for _ = 1, random(1, most) // 1 do scrawl(canvas, random) end
  return canvas, random
end

local function line(canvas, x1, y1, x2, y2, options)
  canvas:begin(x1, y1, options)
  canvas:extend(x2, y2)
  canvas:finish()
end

local scratch = dofile(debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" .. "/support/scratch.lua")
local file = scratch.file

setup(scratch.make)
teardown(scratch.remove)

-- A message of an error, which must be one without a place in the code.
local function message_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.is_string(message)
  return message
end
local function says(words, f, ...)
  local message = message_of(f, ...)
  assert.is_truthy(message:find(words, 1, true), ("wanted: %s\ngot: %s"):format(words, message))
end

describe("a canvas's picture", function()
  it("is what its strokes cover, pixel by pixel", function()
    for seed = 1, 40 do
      local canvas, random = random_canvas(seed, 7)
      local height, width = random(1, 60) // 1 | 0, random(1, 60) // 1 | 0
      assert_near(naive(canvas, height, width), canvas:render(height, width))
    end
  end)

  it("is kept up to date in place, whatever happens, in all sizes at once", function()
    for seed = 1, 25 do
      local random, canvas = generator(seed), canvases.new()
      local rasters, pictures = {}, {}
      for i, size in ipairs { { 28, 28 }, { 61, 40 }, { 1, 1 }, { 9, 33 } } do
        rasters[i] = canvas:raster(size[1], size[2])
        pictures[i] = rasters[i]:update()
      end
      for _ = 1, 60 do
        local what = random(0, 10) // 1
        if what < 5 then scrawl(canvas, random)
        elseif what == 5 then canvas:begin(random(0, 1), random(0, 1)) -- and the pen stays down
        elseif what == 6 then if canvas.stroke then canvas:extend(random(0, 1), random(0, 1)) end
        elseif what == 7 then canvas:undo()
        elseif what == 8 then canvas:redo()
        elseif what == 9 and random(0, 1) < 0.3 then canvas:clear()
        else canvas:place(core.tensor { { random(0, 1), random(0, 1), 0 }, { 1, 0, random(0, 1) } }) end
        for i, raster in ipairs(rasters) do
          if random(0, 1) < 0.5 then
            local before = pictures[i]:clone()
            local picture, box = raster:update()
            assert.is_true(rawequal(picture, pictures[i]))
            assert.is_true(picture:equal(canvas:render(raster.height, raster.width)))
            if box then -- all that changed lies in it
              before[{ { box.top, box.top + box.height - 1 }, { box.left, box.left + box.width - 1 } }] =
                picture[{ { box.top, box.top + box.height - 1 }, { box.left, box.left + box.width - 1 } }]
            end
            assert.is_true(before:equal(picture))
          end
        end
      end
    end
  end)

  it("tells what changed, as a box inside the picture that is no larger than it must be", function()
    local canvas = canvases.new { pen = 0.1 }
    local raster = canvas:raster(100, 200)
    local _, box = raster:update()
    assert.is_nil(box)
    canvas:begin(0.5, 0.5)
    _, box = raster:update() -- a radius of 5 pixels, and the rim
    assert.is_true(box.top <= 46 and box.top >= 43 and box.left <= 96 and box.left >= 93)
    assert.is_true(box.height >= 10 and box.height <= 16 and box.width >= 10 and box.width <= 16)
    _, box = raster:update()
    assert.is_nil(box)
    canvas:extend(0.9, 0.5)
    _, box = raster:update()
    assert.is_true(box.width >= 90 and box.width <= 96 and box.height <= 16)
    canvas:extend(0.9, 0.6) -- the last piece alone
    _, box = raster:update()
    assert.is_true(box.width <= 16 and box.left >= 170)
    canvas:undo()
    _, box = raster:update()
    assert.is_true(box.left <= 96 and box.width <= 96 and box.height <= 30)
    canvas:undo()
    _, box = raster:update()
    assert.is_nil(box)
    line(canvas, 0, 0, 0, 0)
    _, box = raster:update()
    assert.same({ 1, 1 }, { box.top, box.left })
    canvas:clear()
    raster:update()
    line(canvas, -0.9, -0.9, -0.5, -0.9) -- beside the canvas
    _, box = raster:update()
    assert.is_nil(box)
  end)

  it("is a copy when it is asked for as one", function()
    local canvas = canvases.new()
    line(canvas, 0.2, 0.2, 0.8, 0.8)
    local raster = canvas:raster(20)
    local copy = raster:tensor()
    assert.same({ 20, 20, 1 }, copy.shape)
    assert.equal("float32", copy.dtype)
    canvas:clear()
    assert.equal(0, raster:update():sum():item())
    assert.is_true(copy:sum():item() > 10)
  end)

  it("is whole again after an update that was broken off", function()
    local canvas, image = canvases.new(), require "perilune.image"
    local raster, stroke = canvas:raster(40), image.stroke
    for i = 1, 5 do line(canvas, 0.1 * i, 0.1, 0.1 * i, 0.9) end
    local calls = 0
    image.stroke = function(...)
      calls = calls + 1
      stroke(...)
      if calls == 3 then error "interrupted" end
    end
    assert.has_error(function() raster:update() end, nil)
    image.stroke = stroke
    canvas:undo()
    canvas:undo()
    canvas:undo()
    local picture, box = raster:update()
    assert.is_true(picture:equal(canvas:render(40)))
    assert.same({ top = 1, left = 1, height = 40, width = 40 }, box)
  end)

  it("has a side of 1 to 8192 pixels", function()
    for _, side in ipairs { 0, -1, 8193, 1.5, "20" } do
      says("side wants a whole number", function() canvases.new():raster(side) end)
      says("side wants a whole number", function() canvases.new():render(20, side) end)
    end
  end)

  it("is drawn for ever so many points and the widest pen, and can be broken off", function()
    local canvas = canvases.new { pen = 1 }
    local random = generator(5)
    canvas:begin(0.5, 0.5)
    for _ = 1, 20000 do canvas:extend(random(0, 1), random(0, 1)) end
    assert.equal(64 * 64, canvas:render(64):sum():item())
  end)
end)

describe("drawing", function()
  it("keeps points, times and widths", function()
    local canvas = canvases.new { pen = 0.1, eraser = 0.2 }
    canvas:begin(0.1, 0.2, { time = 5 })
    canvas:extend(0.3, 0.4, 5.5)
    canvas:extend(0.3, 0.4, 6) -- where it is already
    canvas:extend(7, -7, 6)    -- far away
    canvas:begin(0.5, 0.5, { erase = true })
    canvas:begin(0.5, 0.5, { width = 0.03 })
    local first, second, third = table.unpack(canvas.strokes)
    assert.same({ { 0.1, 0.3, 2.0 }, { 0.2, 0.4, -1.0 }, { 5, 5.5, 6 }, 3 }, { first.x, first.y, first.t, first.n })
    assert.same({ 0.1, false }, { first.width, first.erase })
    assert.same({ 0.2, true }, { second.width, second.erase })
    assert.same({ 0.03, false }, { third.width, third.erase })
    assert.is_true(math.abs(second.t[1] - core.monotonic()) < 60)
  end)

  it("refuses what is no place, no time, no width", function()
    local canvas = canvases.new()
    says("call canvas:begin(x, y) first", function() canvas:extend(0.5, 0.5) end)
    for _, bad in ipairs { 0 / 0, math.huge, -math.huge, "0.5", {} } do
      says("wants two numbers", function() canvas:begin(bad, 0.5) end)
      says("wants two numbers", function() canvas:begin(0.5, bad) end)
      says("time wants seconds", function() canvas:begin(0.5, 0.5, { time = bad }) end)
      says("width wants a number above 0", function() canvas:begin(0.5, 0.5, { width = bad }) end)
      says("pen wants a number above 0", function() canvases.new { pen = bad } end)
    end
    says("eraser wants a number above 0", function() canvases.new { eraser = 0 } end)
    assert.same({ 0, 0, false }, { #canvas.strokes, canvas.version, canvas:undo() })
    canvas:begin(0.5, 0.5)
    says("wants two numbers", function() canvas:extend(0 / 0, 0.5) end)
    assert.equal(1, canvas.strokes[1].n)
    canvas:finish()
    says("no stroke is open", function() canvas:extend(0.5, 0.5) end)
  end)

  it("tells a canvas from other things, and shows itself as a line", function()
    assert.is_true(canvases.is_canvas(canvases.new()))
    for _, other in ipairs { {}, "canvas", 1, core.zeros(2) } do assert.is_false(canvases.is_canvas(other)) end
    local canvas = canvases.new()
    canvas:begin(0, 0)
    assert.equal("canvas of 1 stroke", tostring(canvas))
    canvas:begin(0, 0)
    assert.equal("canvas of 2 strokes", tostring(canvas))
  end)

  it("knows where the ink is", function()
    local canvas = canvases.new { pen = 0.1 }
    assert.is_nil(canvas:box())
    line(canvas, 0.3, 0.5, 0.6, 0.7)
    local left, top, right, bottom = canvas:box()
    for i, wanted in ipairs { 0.25, 0.45, 0.65, 0.75 } do
      assert.is_true(math.abs(wanted - ({ left, top, right, bottom })[i]) < 1 / 128)
    end
    line(canvas, 0.3, 0.5, 0.45, 0.6, { erase = true, width = 0.25 })
    assert.is_true((canvas:box()) > 0.4)
    line(canvas, 0, 0, 1, 1, { erase = true, width = 1 })
    assert.is_nil(canvas:box())
    canvas:undo()
    assert.is_true((canvas:box()) > 0.4)
    canvas:clear()
    canvas:begin(0.1234, 0.4321, { width = 0.0001 }) -- a dot finer than a pixel
    left, top, right, bottom = canvas:box()
    assert.is_true(left <= 0.1234 and 0.1234 <= right and top <= 0.4321 and 0.4321 <= bottom)
  end)

  it("stays fast: ten thousand strokes in a row, followed all the time", function()
    local canvas, random = canvases.new(), generator(3)
    local raster = canvas:raster(28)
    local function draw(count)
      local begin = os.clock()
      for _ = 1, count do
        line(canvas, random(0, 1), random(0, 1), random(0, 1), random(0, 1))
        raster:update()
      end
      return os.clock() - begin
    end
    local first = draw(2000)
    draw(6000)
    assert.is_true(draw(2000) < 4 * first + 0.05)
    local begin = os.clock()
    for _ = 1, 200 do canvas:undo() end
    assert.is_true(os.clock() - begin < 0.5)
    assert.equal(9800, #canvas.strokes)
    assert.is_false(canvas:undo()) -- so many steps are kept, and no more
  end)
end)

describe("undo and redo", function()
  it("cover strokes, clear, pictures and opened files", function()
    local canvas = canvases.new()
    line(canvas, 0.1, 0.1, 0.9, 0.9)
    local path = canvas:save(file "one.json")
    local states = { canvas:render(30) }
    local function step(f)
      f()
      states[#states + 1] = canvas:render(30)
      assert.is_false(states[#states]:equal(states[#states - 1]))
    end
    step(function() canvas:place(core.ones(3, 9, 1)) end)
    step(function() canvas:clear() end)
    step(function() line(canvas, 0.5, 0.1, 0.5, 0.9) end)
    step(function() canvas:open(path) end)
    step(function() line(canvas, 0.9, 0.1, 0.1, 0.9, { erase = true }) end)
    for i = #states - 1, 1, -1 do
      assert.is_true(canvas:undo())
      assert.is_true(canvas:render(30):equal(states[i]))
    end
    assert.is_true(canvas:undo())
    assert.is_false(canvas:undo())
    assert.is_true(canvas:empty())
    for i = 1, #states do
      assert.is_true(canvas:redo())
      assert.is_true(canvas:render(30):equal(states[i]))
    end
    assert.is_false(canvas:redo())
    canvas:undo()
    canvas:begin(0, 0)
    assert.is_false(canvas:redo()) -- what was undone is gone once something else is drawn
  end)

  it("bring back everything, in any order of things", function()
    for seed = 1, 60 do
      local random, canvas, states = generator(seed), canvases.new(), {}
      for _ = 1, 40 do -- each state by how many steps lie behind it
        local what = random(0, 8) // 1
        if what < 4 then scrawl(canvas, random)
        elseif what == 4 then canvas:clear()
        elseif what == 5 then canvas:place(core.tensor { { random(0, 1), random(0, 1) } })
        elseif what == 6 then canvas:undo()
        else canvas:redo() end
        local picture = canvas:render(16)
        if what < 6 then states[#canvas.done] = picture end
        if #canvas.done == 0 then assert.is_true(canvas:empty()) else assert.is_true(picture:equal(states[#canvas.done])) end
      end
      local last = canvas:render(16)
      while canvas:redo() do last = canvas:render(16) end
      while canvas:undo() do end
      assert.is_true(canvas:empty())
      assert.equal(0, canvas:render(16):sum():item())
      assert.is_nil(canvas:box())
      while canvas:redo() do end
      assert.is_true(canvas:render(16):equal(last))
    end
  end)

  it("lift the pen", function()
    local canvas = canvases.new()
    canvas:begin(0.5, 0.5)
    canvas:undo()
    assert.is_nil(canvas.stroke)
    canvas:redo()
    says("no stroke is open", function() canvas:extend(0.1, 0.1) end)
    canvas:begin(0.5, 0.5)
    canvas:clear()
    says("no stroke is open", function() canvas:extend(0.1, 0.1) end)
    canvas:begin(0.5, 0.5)
    canvas:place(core.ones(2, 2))
    says("no stroke is open", function() canvas:extend(0.1, 0.1) end)
  end)
end)

describe("a picture on a canvas", function()
  it("is fitted to the square, in the middle of it", function()
    local canvas = canvases.new()
    canvas:place(core.ones(10, 20, 1))
    local picture = canvas:render(40)
    assert.equal(40 * 20, picture:sum():item())
    assert.equal(40 * 20, picture[{ { 11, 30 } }]:sum():item())
    assert.same({ 0.0, 0.25, 1.0, 0.75 }, { canvas:box() })
    canvas:undo()
    canvas:place(core.full({ 200, 2, 1 }, 255, "uint8")) -- high and narrow, as bytes
    assert.same({ 40, 1 }, (function()
      local box = require("perilune.image").box(canvas:render(40))
      return { box.height, box.width }
    end)())
    assert.is_false(canvas:empty())
  end)

  it("is inked over and erased, and never darkens what is there", function()
    local canvas = canvases.new()
    line(canvas, 0, 0.5, 1, 0.5, { width = 0.5 })
    canvas:place(core.full({ 4, 4 }, 0.5))
    local column = values(canvas:render(16)[{ {}, 8 }])
    assert.equal(1, column[8])
    assert.is_true(math.abs(column[1] - 128 / 255) < 1e-6)
    line(canvas, 0, 0.5, 1, 0.5, { width = 0.5, erase = true })
    column = values(canvas:render(16)[{ {}, 8 }])
    assert.equal(0, column[8])
    assert.is_true(math.abs(column[1] - 128 / 255) < 1e-6)
  end)

  it("is wanted as ink, and no number in it is taken as none", function()
    local canvas = canvases.new()
    for _, bad in ipairs { core.zeros(3, 4, 3), core.zeros(3), core.zeros { 2, 2, 1, 1 }, core.zeros({ 2, 2 }, "int64"), 5, "x" } do
      says("wants a picture of ink", function() canvas:place(bad) end)
    end
    assert.equal(0, #canvas.strokes)
    canvas:place(core.tensor { { 0 / 0, math.huge }, { -5, 0.5 } })
    local got = values(canvas:render(2))
    assert.same({ 0, 1, 0 }, { got[1], got[2], got[3] })
  end)

  it("may be there so many times, and of any size", function()
    local canvas = canvases.new()
    canvas:place(core.ones(3000, 1500))
    assert.equal(1024, canvas.strokes[1].picture.shape[1])
    assert.equal(512, canvas.strokes[1].picture.shape[2])
    canvas:place(core.ones(1, 9000))
    assert.same({ 1, 1024, 1 }, canvas.strokes[2].picture.shape)
    for _ = 3, 64 do canvas:place(core.ones(1, 1)) end
    says("there are 64 pictures", function() canvas:place(core.ones(1, 1)) end)
  end)
end)
