-- The window's layout: whatever its size and however many classes, nothing overlaps and nothing is outside.
local layouts = require "perilune.draw.layout"

local SIZES = {
  { 480, 360 }, { 360, 640 }, { 360, 300 }, { 480, 800 }, { 600, 600 }, { 640, 480 }, { 900, 640 }, { 1280, 720 }, { 1920, 1080 },
  { 2560, 1080 }, { 3840, 2160 }, { 2160, 3840 }, { 1080, 1920 }, { 768, 1024 },
}
local TINY = { { 300, 200 }, { 120, 90 }, { 50, 400 }, { 1000, 120 }, { 1, 1 } }
local COUNTS = { 1, 2, 10, 11, 26, 62, 100 }

local function each(sizes, f)
  for _, size in ipairs(sizes) do
    for _, count in ipairs(COUNTS) do
      f(layouts.new(size[1], size[2], count), size[1], size[2], count)
    end
  end
end

local function apart(a, b)
  local slack = 1e-6
  return a.x + a.width <= b.x + slack or b.x + b.width <= a.x + slack or a.y + a.height <= b.y + slack
    or b.y + b.height <= a.y + slack
end

local function within(a, b)
  local slack = 1e-6
  return a.x >= b.x - slack and a.y >= b.y - slack and a.x + a.width <= b.x + b.width + slack
    and a.y + a.height <= b.y + b.height + slack
end

-- What lies on something else on purpose.
local on = { dialog = "canvas", entry = "dialog", verdict = "panel", input = "panel", caption = "panel", bars = "panel" }

local function both(sizes)
  local all = table.move(sizes, 1, #sizes, 1, {})
  return table.move(TINY, 1, #TINY, #all + 1, all)
end

describe("the window's layout", function()
  it("keeps everything inside the window", function()
    each(both(SIZES), function(l, width, height, count)
      for name, r in pairs(l.places) do
        assert.is_true(within(r, { x = 0, y = 0, width = width, height = height }),
          ("%s at %d x %d with %d classes"):format(name, width, height, count))
      end
    end)
  end)

  it("lets nothing overlap", function()
    each(both(SIZES), function(l, width, height, count)
      for a, first in pairs(l.places) do
        for b, second in pairs(l.places) do
          local stacked = a == b or on[a] == b or on[b] == a or a == "dialog" or b == "dialog" or a == "entry" or b == "entry"
          assert.is_true(stacked or apart(first, second),
            ("%s and %s at %d x %d with %d classes"):format(a, b, width, height, count))
        end
      end
    end)
  end)

  it("lays what is on something inside it", function()
    each(SIZES, function(l)
      for name, ground in pairs(on) do assert.is_true(within(l.places[name], l.places[ground]), name .. " in " .. ground) end
    end)
  end)

  it("shows each class in a row of its own, or by scrolling", function()
    each(SIZES, function(l, width, height, count)
      local what = ("%d x %d, %d classes"):format(width, height, count)
      for i, row in ipairs(l.rows) do
        assert.is_true(within(row, l.places.bars), what)
        assert.is_true(row.height >= 11.9, what .. ": a row can be read")
        for j = 1, i - 1 do assert.is_true(apart(row, l.rows[j]), what) end
      end
      assert.is_true(#l.rows >= math.min(count, height < 360 and 7 or 10), what .. ": ten classes fit")
      local columns = math.ceil(#l.rows / l.rows_shown)
      assert.is_true((l.rows_shown + l.scroll_most) * columns >= count, what .. ": the last one can be scrolled to")
    end)
  end)

  it("gives the canvas most of the shorter side, and squares", function()
    each(SIZES, function(l, width, height, count)
      local c = l.places.canvas
      assert.is_true(math.abs(c.width - c.height) < 1e-6)
      local what = ("%d x %d: %.0f"):format(width, height, c.width)
      assert.is_true(c.width >= 0.55 * math.min(width, height), what)
      assert.is_true(c.width * c.height > 0.8 * l.places.panel.width * l.places.panel.height, what)
      assert.is_true(l.places.input.width >= 40, ("%d x %d, %d: input %.0f"):format(width, height, count, l.places.input.width))
      assert.is_true(math.abs(l.places.input.width - l.places.input.height) < 1e-6)
    end)
  end)

  it("grows with the window", function()
    local before = 0
    for _, size in ipairs { { 480, 360 }, { 640, 480 }, { 900, 640 }, { 1280, 960 }, { 1920, 1440 }, { 3840, 2880 } } do
      local l = layouts.new(size[1], size[2], 10)
      assert.is_true(l.places.canvas.width > before)
      before = l.places.canvas.width
    end
  end)

  it("puts the panel beside a wide canvas and below a tall one", function()
    local wide, tall = layouts.new(900, 640, 10).places, layouts.new(480, 800, 10).places
    assert.is_true(wide.panel.x >= wide.canvas.x + wide.canvas.width)
    assert.is_true(tall.panel.y >= tall.canvas.y + tall.canvas.height)
  end)

  it("knows what a rectangle holds", function()
    local r = { x = 10, y = 20, width = 30, height = 40 }
    assert.is_true(layouts.inside(r, 10, 20))
    assert.is_true(layouts.inside(r, 39.9, 59.9))
    assert.is_false(layouts.inside(r, 40, 30))
    assert.is_false(layouts.inside(r, 20, 60))
    assert.is_false(layouts.inside(nil, 20, 30))
  end)
end)
