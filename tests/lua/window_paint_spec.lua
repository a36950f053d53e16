-- What windows paint, without a display (SDL's dummy driver, its software renderer): read back pixel by pixel.
if not package.searchpath("perilune.window", package.cpath) then return end -- built without SDL2

local look = dofile "tests/lua/support/look.lua"
local peri = require "perilune"

local near, ink, box_of, WHITE, RED, BLUE = look.near, look.ink, look.box, look.WHITE, look.RED, look.BLUE

local w

local function painted() return look.at(w) end

describe("a window paints", function()
  before_each(function() w = look.fresh() end)
  after_each(function() w:close() end)

  it("areas on whole pixels", function()
    w:fill(10, 20, 30, 5, 0xFF0000)
    local at, rows = painted()
    near(RED, at(10, 20))
    near(RED, at(39, 24))
    near(WHITE, at(9, 20))
    near(WHITE, at(40, 24))
    near(WHITE, at(10, 19))
    near(WHITE, at(39, 25))
    assert.same({ 10, 20, 39, 24 }, { box_of(rows, 2) })
  end)

  it("over what is there, as much as alpha says", function()
    w:fill(0, 0, 50, 50, 0x80FF0000)
    w:fill(0, 0, 20, 20, 0x000000FF) -- no alpha given: all of it
    local at = painted()
    near({ 255, 127, 127 }, at(30, 30), 2)
    near(BLUE, at(10, 10))
  end)

  it("round corners that fade", function()
    w:fill(20, 20, 60, 40, 0x000000, 12)
    local at, rows = painted()
    near(WHITE, at(20, 20))
    near(WHITE, at(79, 59))
    near({ 0, 0, 0 }, at(50, 20))
    near({ 0, 0, 0 }, at(20, 40))
    near({ 0, 0, 0 }, at(26, 26))
    local fading = 0
    for y = 20, 31 do
      for x = 20, 31 do
        local shade = at(x, y)[1]
        if shade > 5 and shade < 250 then fading = fading + 1 end
        assert.equal(shade, at(99 - x, y)[1]) -- the corners mirror each other
        assert.equal(shade, at(x, 79 - y)[1])
      end
    end
    assert.is_true(fading >= 8, "only " .. fading .. " pixels fade")
    local expected = 60 * 40 - (4 - math.pi) * 12 ^ 2
    assert.is_true(math.abs(ink(rows) - expected) < 4, "covers " .. ink(rows) .. " of " .. expected)
  end)

  it("a radius no larger than fits", function()
    w:fill(20, 20, 30, 10, 0x000000, 500)
    local at, rows = painted()
    near({ 0, 0, 0 }, at(35, 25))
    near(WHITE, at(20, 20))
    assert.same({ 20, 20, 49, 29 }, { box_of(rows) })
  end)

  it("straight lines on whole pixels", function()
    w:line(10, 20, 60, 20, 2, 0x000000)
    w:line(100, 10, 100, 60, 1, 0x000000)
    local _, rows = painted()
    assert.is_true(math.abs(ink(rows, 0, 0, 80) - 100) < 0.1)
    assert.is_true(math.abs(ink(rows, 81) - 50) < 0.1)
  end)

  it("oblique lines that fade, as thick as they are said to be", function()
    for _, thickness in ipairs { 0.5, 1, 3, 9 } do
      for _, to in ipairs { { 150, 80 }, { 60, 130 }, { 160, 139 } } do
        w:clear(0xFFFFFF)
        w:line(20, 20, to[1], to[2], thickness, 0x000000)
        local at, rows = painted()
        local length = math.sqrt((to[1] - 20) ^ 2 + (to[2] - 20) ^ 2)
        local expected = length * thickness + math.pi * (thickness / 2) ^ 2
        local covered = ink(rows)
        assert.is_true(math.abs(covered - expected) < 2 + 0.05 * expected, covered .. " instead of " .. expected)
        for part = 0, thickness >= 3 and 300 or -1 do -- no gaps
          near({ 0, 0, 0 }, at(math.floor(20 + (to[1] - 20) * part / 300), math.floor(20 + (to[2] - 20) * part / 300)))
        end
        near(WHITE, at(5, 100))
      end
    end
  end)

  it("the same line from either end, and a dot where a line has no length", function()
    w:line(20, 20, 150, 80, 3, 0x000000)
    local _, one = painted()
    w:clear(0xFFFFFF)
    w:line(150, 80, 20, 20, 3, 0x000000)
    local _, other = painted()
    assert.is_true(math.abs(ink(one) - ink(other)) < 1)
    w:clear(0xFFFFFF)
    w:line(50, 50, 50, 50, 10, 0x000000)
    local _, rows = painted()
    assert.is_true(math.abs(ink(rows) - math.pi * 25) < 3, "covers " .. ink(rows))
  end)

  it("lines that leave the window", function()
    w:line(-1e9, -1e9, 1e9, 1e9, 3, 0x000000)
    w:line(-1e300, 75, 1e300, 75, 1, 0xFF0000)
    w:line(-500, -400, -300, -20, 3, 0x000000)
    local at = painted()
    near({ 0, 0, 0 }, at(40, 40))
    near({ 0, 0, 0 }, at(140, 140))
    near(RED, at(180, 75))
    near(WHITE, at(150, 20))
  end)

  it("text inside what it measures", function()
    for _, align in ipairs { "left", "center", "right" } do
      w:clear(0xFFFFFF)
      local width, height = w:measure("Perilune 7", 20)
      assert.equal(width, w:text(100, 40, "Perilune 7", 20, 0x000000, align))
      local start = align == "left" and 100 or align == "center" and 100 - width / 2 or 100 - width
      local left, top, right, low = box_of((select(2, painted())))
      assert.is_true(left >= start - 2 and right <= start + width + 1, align)
      assert.is_true(right - left > width * 0.8)
      assert.is_true(top >= 40 and low < 40 + height)
      assert.is_true(low - top >= 12)
    end
  end)

  it("text larger where its size is", function()
    local small, large = { w:measure("Hg", 10) }, { w:measure("Hg", 40) }
    assert.is_true(large[1] > 3 * small[1] and large[2] > 3 * small[2])
  end)

  it("text in its colour", function()
    w:text(10, 10, "M", 80, 0xFF0000)
    local _, rows = painted()
    local reds = 0
    for _, row in ipairs(rows) do
      for _, pixel in ipairs(row) do
        if pixel[1] > 250 and pixel[2] < 5 and pixel[3] < 5 then reds = reds + 1 end
      end
    end
    assert.is_true(reds > 100)
  end)

  it("any text: none, no UTF-8, control characters, far too long", function()
    assert.equal(0, w:text(0, 0, "", 12, 0))
    assert.same({ 0 }, { (w:measure("", 12)) })
    assert.is_true(select(2, w:measure("", 12)) > 8)
    local replaced = w:measure("\u{FFFD}", 20)
    for _, bad in ipairs { "\xFF", "\xC0", "\xED", "\x80" } do assert.equal(replaced, (w:measure(bad, 20)), bad) end
    for _, bad in ipairs { "\xED\xA0\x80", "\xE0\x80\x80" } do assert.equal((w:measure(("\u{FFFD}"):rep(3), 20)), (w:measure(bad, 20))) end
    assert.equal((w:measure("a\u{FFFD}\u{FFFD}b", 20)), (w:measure("a\xE2\x82b", 20)))
    assert.equal((w:measure("a b", 20)), (w:measure("a\nb", 20)))
    assert.equal((w:measure("a b", 20)), (w:measure("a\0b", 20)))
    local long = ("Perilune "):rep(200000)
    assert.is_true(w:text(0, 0, long, 13, 0) > 1000)
    assert.is_true(w:text(-50000, 0, long, 13, 0, "center") > 1000)
    assert.is_true(w:text(0, 0, ("\xFF"):rep(100000), 400, 0) > 1000)
    assert.is_true(w:measure("日本語 ∞ ≠ 😀", 16) > 10)
  end)

  it("more texts than are kept, right each time", function()
    for i = 1, 700 do w:text(10, 10, "number " .. i, 12, 0x000000) end
    w:clear(0xFFFFFF)
    w:text(10, 10, "number 1", 12, 0x000000)
    local _, first = painted()
    w:clear(0xFFFFFF)
    for size = 8, 60 do w:text(1000, 1000, "out of sight", size, 0x000000) end
    w:text(10, 10, "number 1", 12, 0x000000)
    local _, again = painted()
    assert.same(first, again)
  end)
end)

describe("a window paints pictures", function()
  before_each(function() w = look.fresh() end)
  after_each(function() w:close() end)

  local function ramp()
    return peri.tensor { { { 0 }, { 0.25 } }, { { 0.5 }, { 1 } } }
  end

  it("of one channel between two colours", function()
    w:picture("p", ramp(), 20, 30, 40, 20, { low = 0xFFFFFFFF, high = 0xFF0000FF })
    local at = painted()
    near(WHITE, at(20, 30))
    near(WHITE, at(39, 39))
    near({ 191, 191, 255 }, at(40, 30), 2)
    near({ 127, 127, 255 }, at(20, 40), 2)
    near(BLUE, at(59, 49))
    near(WHITE, at(60, 50))
  end)

  it("in bytes, and in three channels as they are", function()
    w:picture("bytes", peri.tensor({ { { 0 }, { 255 } } }, "uint8"), 0, 0, 20, 10, { low = 0x000000, high = 0xFF0000 })
    w:picture("colours", peri.tensor { { { 1, 0, 0 }, { 0, 0, 1 } } }, 0, 20, 20, 10)
    local at = painted()
    near({ 0, 0, 0 }, at(5, 5))
    near(RED, at(15, 5))
    near(RED, at(5, 25))
    near(BLUE, at(15, 25))
  end)

  it("as they lie: slices and turned ones", function()
    local t = peri.zeros(4, 6, 1)
    t[{ 2, 3, 1 }] = 1
    w:picture("slice", t[{ { 2, 3 }, { 3, 4 } }], 0, 0, 20, 20, { low = 0xFFFFFF, high = 0x000000 })
    w:picture("turned", t:reshape(4, 6):transpose(1, 2), 50, 0, 40, 60, { low = 0xFFFFFF, high = 0x000000 })
    local at = painted()
    near({ 0, 0, 0 }, at(5, 5))
    near(WHITE, at(15, 5))
    near(WHITE, at(5, 15))
    near({ 0, 0, 0 }, at(65, 25)) -- row 3, column 2
    near(WHITE, at(75, 15))
  end)

  it("over what is there where alpha says so", function()
    w:fill(0, 0, 40, 40, 0x0000FF)
    w:picture("overlay", peri.tensor { { { 0 }, { 1 } } }, 0, 0, 40, 20, { low = 0x00FF0000, high = 0x80FF0000 })
    local at = painted()
    near(BLUE, at(5, 5))
    near({ 128, 0, 127 }, at(35, 5), 2)
  end)

  it("beyond 0 and 1, and nan, as the ends", function()
    w:picture("wild", peri.tensor { { { -5 }, { 7 }, { 0 / 0 } } }, 0, 0, 30, 10, { low = 0xFFFFFF, high = 0x000000 })
    local at = painted()
    near(WHITE, at(5, 5))
    near({ 0, 0, 0 }, at(15, 5))
    near(WHITE, at(25, 5))
  end)

  it("smoothly, or by the nearest pixel", function()
    local t = peri.tensor { { { 0 }, { 1 } } }
    local function shades()
      local at, seen, count = painted(), {}, 0
      for x = 0, 79 do
        local shade = at(x, 10)[1]
        if not seen[shade] then seen[shade], count = true, count + 1 end
      end
      return count
    end
    w:picture("p", t, 0, 0, 80, 20, { low = 0xFFFFFF, high = 0x000000 })
    assert.equal(2, shades())
    w:picture("p", t, 0, 0, 80, 20, { low = 0xFFFFFF, high = 0x000000, smooth = true })
    assert.is_true(shades() > 10)
  end)

  it("that leave the window, as if it were larger", function()
    local t = peri.zeros(40, 40, 1)
    t[{ 20, 20, 1 }], t[{ 21, 22, 1 }] = 1, 1
    w:picture("p", t, -3900, -3950, 8000, 8000, { low = 0xFFFFFF, high = 0x000000 })
    local at = painted() -- pixel 20, 20 ends at 100, 50
    near({ 0, 0, 0 }, at(98, 48))
    near(WHITE, at(102, 48))
    near(WHITE, at(98, 52))
    w:clear(0xFFFFFF)
    w:picture("p", t, -3900, -3950, 8000, 8000, { low = 0xFFFFFF, high = 0x000000, smooth = true })
    at = painted() -- its middle is at 0, -50
    for _, place in ipairs { { 20, 10 }, { 100, 60 }, { 180, 20 }, { 199, 149 } } do
      local x, y = place[1], place[2]
      local shade = 255 * (1 - (1 - (x + 0.5) / 200) * math.max(0, 1 - (y + 50.5) / 200))
      near({ shade, shade, shade }, at(x, y), 14)
    end
  end)

  it("only where they changed, unless something else did", function()
    local t = peri.zeros(10, 10, 1)
    local ink_on = { low = 0xFFFFFF, high = 0x000000 }
    w:picture("p", t, 0, 0, 100, 100, ink_on)
    t[{ {}, {}, 1 }] = 1
    w:picture("p", t, 0, 0, 100, 100, { low = 0xFFFFFF, high = 0x000000, box = { 2, 3, 4, 5 } })
    local at = painted()
    near(WHITE, at(25, 5))
    near(WHITE, at(15, 15))
    near({ 0, 0, 0 }, at(25, 15))
    near({ 0, 0, 0 }, at(65, 45))
    near(WHITE, at(75, 45))
    near(WHITE, at(65, 55))
    w:picture("p", t, 0, 0, 100, 100, { low = 0xFFFFFF, high = 0x000000, box = { top = 9, left = -3, height = 50, width = 5 } })
    at = painted()
    near({ 0, 0, 0 }, at(5, 95))
    near(WHITE, at(5, 75))
    near(WHITE, at(25, 95))
    w:picture("p", t, 0, 0, 100, 100, { low = 0xFFFFFF, high = 0x0000FF, box = { 1, 1, 1, 1 } })
    at = painted()
    near(BLUE, at(85, 85)) -- another colour: all of it
    w:picture("p", peri.ones(5, 5, 1), 0, 0, 100, 100, { low = 0xFFFFFF, high = 0x0000FF, box = { 1, 1, 1, 1 } })
    at = painted()
    near(BLUE, at(85, 85)) -- another size: all of it
    w:picture("p", t, 0, 0, 100, 100, { low = 0xFFFFFF, high = 0x000000, box = { 5, 5, -2, 0 } })
  end)

  it("again after the graphics device was lost", function()
    local t = peri.ones(4, 4, 1)
    w:picture("p", t, 0, 0, 40, 40, { low = 0xFFFFFF, high = 0x000000 })
    w:text(60, 60, "text", 20, 0x000000)
    local _, before = painted()
    w:push { type = "reset" }
    assert.equal("expose", w:event(1000).type)
    w:clear(0xFFFFFF)
    w:picture("p", t, 0, 0, 40, 40, { low = 0xFFFFFF, high = 0x000000, box = { 1, 1, 1, 1 } })
    w:text(60, 60, "text", 20, 0x000000)
    local _, after = painted()
    assert.same(before, after)
  end)

  it("under more names than are kept", function()
    local t = peri.ones(2, 2, 1)
    for i = 1, 100 do w:picture("p" .. i, t, 0, 0, 10, 10, { low = 0xFFFFFF, high = 0x000000 }) end
    w:picture("p1", t, 50, 50, 10, 10, { low = 0xFFFFFF, high = 0xFF0000, box = { 1, 1, 1, 1 } })
    near(RED, painted()(58, 58))
  end)
end)
