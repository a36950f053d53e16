-- Windows without a display (SDL's dummy driver): their life, events that are pushed and come back, errors, the scale.
-- What they paint is in window_paint_spec.lua.
if not package.searchpath("perilune.window", package.cpath) then return end -- built without SDL2

local look = dofile "tests/lua/support/look.lua"
local core = require "perilune.core"
local peri = require "perilune"
local window = require "perilune.window"

local near, open, WIDTH, HEIGHT, RED, BLUE = look.near, look.open, look.WIDTH, look.HEIGHT, look.RED, look.BLUE

local w

local function painted(of) return look.at(of or w) end

describe("a window", function()
  before_each(function() w = look.fresh() end)
  after_each(function() w:close() end)

  it("has the size that was asked for", function()
    local width, height, scale = w:size()
    assert.same({ WIDTH, HEIGHT, 1 }, { width, height, scale })
    assert.same({ HEIGHT, WIDTH, 3 }, w:capture().shape)
    assert.equal("uint8", w:capture().dtype)
    assert.is_truthy(tostring(w):find("200.0 x 150.0 points", 1, true))
  end)

  describe("takes events", function()
    -- What comes back for an event that is pushed, without its time.
    local function back(event)
      local before = core.monotonic()
      w:push(event)
      local came = assert(w:event(1000))
      assert.is_true(came.time >= before - 0.003 and came.time <= core.monotonic(), "a time of its own")
      came.time = nil
      return came
    end

    it("as they were pushed", function()
      for _, event in ipairs {
        { type = "press", button = "left", x = 10, y = 20 }, { type = "release", button = "right", x = 199, y = 149 },
        { type = "press", button = "middle", x = 0, y = 0 }, { type = "move", x = 17, y = -4 },
        { type = "move", button = "left", x = 300, y = 200 }, { type = "move", button = "right", x = 3, y = 2 },
        { type = "text", text = "ä" }, { type = "drop", path = "/tmp/a picture ü.png" },
        { type = "resize" }, { type = "expose" }, { type = "close" }, { type = "leave" },
      } do
        assert.same(event, back(event))
      end
    end)

    it("of keys", function()
      for _, key in ipairs { "c", "+", "ä", "escape", "delete", "enter", "backspace", "tab", "space", "up", "page-up", "f5" } do
        assert.same({ type = "key", key = key, ctrl = false, shift = false, alt = false }, back { type = "key", key = key })
      end
      assert.same({ type = "key", key = "z", ctrl = true, shift = true, alt = true, repeated = true },
        back { type = "key", key = "z", ctrl = true, shift = true, alt = true, repeated = true })
      assert.equal("c", back { type = "key", key = "C" }.key)
    end)

    it("of the wheel", function()
      local came = back { type = "wheel", dy = -1.5 }
      assert.equal("wheel", came.type)
      assert.equal(-1.5, came.dy)
    end)

    it("of fingers, finer than pixels", function()
      local came = back { type = "press", x = 10.25, y = 20.5, touch = 7 }
      assert.equal("press", came.type)
      assert.equal("left", came.button)
      assert.equal(7, came.touch)
      assert.is_true(math.abs(came.x - 10.25) < 0.01 and math.abs(came.y - 20.5) < 0.01)
      assert.equal("move", back { type = "move", x = 1, y = 1, touch = 7 }.type)
      assert.equal("release", back { type = "release", x = 1, y = 1, touch = 7 }.type)
    end)

    it("in their order", function()
      for i = 1, 500 do w:push { type = "move", x = i, y = i % 7 } end
      for i = 1, 500 do assert.equal(i, w:event(0).x) end
      assert.is_nil(w:event(0))
    end)

    it("of long text in pieces that are whole characters", function()
      local text = ("äbc日😀"):rep(30)
      w:push { type = "text", text = text }
      local parts = {}
      for event in function() return w:event(0) end do
        assert.is_truthy(utf8.len(event.text))
        parts[#parts + 1] = event.text
      end
      assert.equal(text, table.concat(parts))
    end)

    it("and changes its size", function()
      w:push { type = "resize", width = 240, height = 130 }
      assert.equal("resize", w:event(1000).type)
      assert.same({ 240, 130, 1 }, { w:size() })
      assert.same({ 130, 240, 3 }, w:capture().shape)
      w:clear(0x00FF00)
      near({ 0, 255, 0 }, painted()(239, 129))
    end)

    it("in the time that it is given", function()
      local start = core.monotonic()
      assert.same({ nil, "timeout" }, { w:event(40) })
      local took = core.monotonic() - start
      assert.is_true(took >= 0.039 and took < 1, "took " .. took)
      start = core.monotonic()
      assert.same({ nil, "timeout" }, { w:event(0) })
      assert.is_true(core.monotonic() - start < 0.5)
    end)

    it("without using the processor", function()
      local start = os.clock()
      w:event(300)
      assert.is_true(os.clock() - start < 0.15, "used " .. os.clock() - start)
    end)

    it("each of its own window", function()
      local other <close> = open { title = "other" }
      while other:event(0) do end
      while w:event(0) do end
      other:push { type = "move", x = 1, y = 1 }
      w:push { type = "move", x = 2, y = 2 }
      other:push { type = "move", x = 3, y = 3 }
      assert.equal(2, w:event(1000).x)
      assert.is_nil(w:event(0))
      assert.equal(1, other:event(1000).x)
      assert.equal(3, other:event(1000).x)
      other:clear(0xFF0000)
      w:clear(0x0000FF)
      near(RED, painted(other)(5, 5))
      near(BLUE, painted(w)(5, 5))
    end)

    it("and is not drowned by those that nobody takes", function()
      for i = 1, 3 do
        for _ = 1, 3000 do w:push { type = "move", x = i, y = 1 } end
        open():close() -- the queue of SDL is emptied into the window's own
        local other <close> = open()
        other:event(0)
      end
      local count, last = 0, nil
      for event in function() return w:event(0) end do count, last = count + 1, event end
      assert.is_true(count >= 4096 and count < 9000, "kept " .. count)
      assert.equal(3, last.x) -- where the pen is now
    end)
  end)

  it("tells when it was shown", function()
    local before = core.monotonic()
    local time = w:present()
    assert.is_true(time >= before and time <= core.monotonic())
  end)

  it("keeps what was painted when it is shown", function()
    w:fill(0, 0, 50, 50, 0xFF0000)
    w:present()
    near(RED, painted()(10, 10))
  end)

  it("takes a title", function()
    w:title "Grüße"
    assert.error_matches(function() w:title {} end, "argument 'title' wants a text, got table")
  end)

  it("closes once, and says so afterwards", function()
    assert.is_false(w:closed())
    w:close()
    w:close()
    assert.is_true(w:closed())
    assert.equal("window (closed)", tostring(w))
    for _, name in ipairs { "size", "event", "present", "capture", "clear", "push", "measure" } do
      assert.error_matches(function() w[name](w) end, "window: it is closed", 1, true)
    end
  end)

  it("closes itself when it is collected or its block ends", function()
    for _ = 1, 30 do open() end
    collectgarbage()
    collectgarbage()
    local other
    do
      local short <close> = open()
      other = short
      short:fill(0, 0, 10, 10, 0xFF0000)
    end
    assert.is_true(other:closed())
    w:fill(0, 0, 10, 10, 0xFF0000)
    near(RED, painted()(5, 5))
  end)

  it("gives back its memory", function()
    local function once()
      local short <close> = open()
      short:text(0, 0, "text", 12, 0)
      short:fill(0, 0, 90, 90, 0, 12)
      short:line(0, 0, 90, 50, 3, 0)
      short:picture("p", peri.ones(3, 3, 1), 0, 0, 9, 9)
      while short:event(0) do end
      short:push { type = "move", x = 1, y = 1 }
      short:push { type = "drop", path = "a path that nobody takes" }
      short:event(0)
      short:push { type = "drop", path = "nor this one" }
    end
    once()
    collectgarbage()
    local before = core.memory()
    for _ = 1, 5 do once() end
    collectgarbage()
    assert.equal(before, (core.memory()))
  end)
end)

describe("errors", function()
  before_each(function() w = open() end)
  after_each(function() w:close() end)

  it("name the argument, what is wanted and what came", function()
    local wrong = {
      { function() w:fill(1, 2, "3x", 4, 0) end, "window:fill: argument 'width' wants a finite number, got string" },
      { function() w:fill(0 / 0, 2, 3, 4, 0) end, "argument 'x' wants a finite number, got %-?nan" },
      { function() w:fill(1, 2, 3, math.huge, 0) end, "argument 'height' wants a finite number, got inf" },
      { function() w:fill(1, 2, 3, 4) end, "window:fill: argument 'colour' wants a colour, 0xRRGGBB or 0xAARRGGBB, got no value" },
      { function() w:fill(1, 2, 3, 4, -1) end, "wants a colour, 0xRRGGBB or 0xAARRGGBB, got %-1" },
      { function() w:fill(1, 2, 3, 4, 0x1FFFFFFFF) end, "wants a colour" },
      { function() w:fill(1, 2, 3, 4, 0.5) end, "wants a colour, 0xRRGGBB or 0xAARRGGBB, got 0.5" },
      { function() w:clear "red" end, "window:clear: argument 'colour'" },
      { function() w:line(1, 2, 3, {}, 1, 0) end, "window:line: argument 'y2' wants a finite number, got table" },
      { function() w:text(1, 2, nil, 12, 0) end, "window:text: argument 'text' wants a text, got nil" },
      { function() w:text(1, 2, "a", 0, 0) end, "argument 'size' wants more than 0 and at most 400, got 0" },
      { function() w:text(1, 2, "a", 1e6, 0) end, "argument 'size' wants more than 0" },
      { function() w:text(1, 2, "a", 12, 0, "middle") end, "'align' wants \"left\", \"center\" or \"right\", got 'middle'" },
      { function() w:measure("a") end, "window:measure: argument 'size'" },
      { function() w:picture("p", 3, 0, 0, 1, 1) end, "wants a tensor, got number" },
      { function() w:picture("p", peri.zeros(2, 2, 2), 0, 0, 1, 1) end, "%(H, W, 1%) or %(H, W, 3%), got float32 %(2, 2, 2%)" },
      { function() w:picture("p", peri.zeros(2, 2):double(), 0, 0, 1, 1) end, "wants float32 or uint8" },
      { function() w:picture("p", peri.zeros(0, 2), 0, 0, 1, 1) end, "wants sides of 1 to 8192" },
      { function() w:picture({}, peri.zeros(2, 2), 0, 0, 1, 1) end, "argument 'name' wants a text" },
      { function() w:picture("p", peri.zeros(2, 2), 0, 0, 1) end, "argument 'height'" },
      { function() w:picture("p", peri.zeros(2, 2), 0, 0, 1, 1, 7) end, "argument 'options' wants a table, got number" },
      { function() w:picture("p", peri.zeros(2, 2), 0, 0, 1, 1, { hihg = 1 }) end,
        "unknown option 'hihg'; it takes low, high, smooth, box" },
      { function() w:picture("p", peri.zeros(2, 2), 0, 0, 1, 1, { box = 7 }) end, "'box' wants { top, left, height, width }" },
      { function() w:picture("p", peri.zeros(2, 2), 0, 0, 1, 1, { box = { 1, 2, 3 } }) end, "argument 'width'" },
      { function() w:event "soon" end, "window:event: argument 'milliseconds'" },
      { function() w:watch_input() end, "window:watch_input: argument 'on' wants true or false, got no value" },
      { function() w:push "press" end, "window:push: wants an event, a table with its type, got string" },
      { function() w:push {} end, "'type' wants a string, got nil" },
      { function() w:push { type = "pres" } end, "no event of type 'pres'; there are press, move, release, wheel" },
      { function() w:push { type = "press", x = 1, y = 2 } end, "'button' wants \"left\", \"middle\" or \"right\", got nil" },
      { function() w:push { type = "press", x = 1, button = "left" } end, "argument 'y'" },
      { function() w:push { type = "key", key = "no such key" } end, "there is no key 'no such key'" },
      { function() w:push { type = "key", key = ("k"):rep(5000) } end, "there is no key" },
      { function() w:push { type = "key", key = "\xC3" } end, "there is no key" },
      { function() w:push { type = "drop" } end, "'path' wants a string" },
      { function() w.fill(7, 1, 2, 3, 4, 0) end, "perilune.Window expected" },
    }
    for _, case in ipairs(wrong) do assert.error_matches(case[1], case[2]) end
  end)

  it("of opening say what is wrong", function()
    assert.error_matches(function() window.open { widht = 7 } end, "unknown argument 'widht'; it takes title, width")
    assert.error_matches(function() open { width = 1e9 } end, "width and height want 64 to 16384 points")
    assert.error_matches(function() open { width = 0 / 0 } end, "width and height want")
    assert.error_matches(function() open { font = "/no/such/font.ttf" } end, "no font to read at /no/such/font.ttf")
    assert.error_matches(function() window.open { title = 7 } end, "argument 'title' wants string")
  end)

  it("of a font that is none come when text is painted", function()
    local other <close> = open { font = "tests/lua/window_spec.lua" }
    assert.error_matches(function() other:text(0, 0, "a", 12, 0) end, "the font tests/lua/window_spec.lua cannot be read")
  end)

  it("are none where places are far away", function()
    w:fill(-1e300, -1e300, 2e300, 2e300, 0xFF0000, 1e300)
    near(RED, painted()(5, 5))
    w:fill(1e300, 1, 1e300, 1, 0)
    w:fill(5, 5, -10, 10, 0)
    w:text(1e300, -1e300, "far", 12, 0)
    w:picture("p", peri.ones(2, 2), -1e6, -1e6, 2e6, 2e6)
    w:picture("p", peri.ones(2, 2), 1e300, 0, 1e300, 10)
    w:line(0, 0, 10, 10, 1e300, 0x0000FF)
    w:line(0, 0, 10, 10, -3, 0)
    w:push { type = "move", x = 1e300, y = -1e300 }
    assert.is_truthy(w:event(0))
  end)
end)

describe("the scale", function()
  -- Runs a program in another Lua with a variable set; returns what it prints.
  local function run(variables, code)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(code)
    file:close()
    local pipe = assert(io.popen(("%s %s %s 2>&1"):format(variables, arg and arg[-1] or "lua5.4", path)))
    local text = pipe:read "a"
    pipe:close()
    os.remove(path)
    return text
  end

  local CODE = [[
    local w = require("perilune.window").open { width = 100, height = 80, hidden = true }
    local width, height, scale = w:size()
    w:clear(0xFFFFFF)
    w:fill(10, 10, 20, 5, 0x000000)
    local picture = w:capture()
    local rows, ink = picture:totable(), 0
    for _, row in ipairs(rows) do for _, pixel in ipairs(row) do ink = ink + (255 - pixel[1]) // 255 end end
    w:push { type = "press", button = "left", x = 12, y = 7 }
    local event
    repeat event = assert(w:event(1000)) until event.type == "press"
    local text = w:measure("Perilune", 12)
    print(("%g %g %g %d %d %d %g %g %s"):format(width, height, scale, picture.shape[2], picture.shape[1], ink, event.x, event.y,
      text > 40 and text < 80))]]

  it("is what PERILUNE_SCALE says: points stay, pixels are more", function()
    assert.equal("100 80 1 100 80 100 12 7 true\n", run("PERILUNE_SCALE=", CODE))
    assert.equal("100 80 2 200 160 400 12 7 true\n", run("PERILUNE_SCALE=2", CODE))
    assert.is_truthy(run("PERILUNE_SCALE=1.5", CODE):find("100 80 1.5 150 120 ", 1, true))
    assert.is_truthy(run("PERILUNE_SCALE=large", CODE):find "PERILUNE_SCALE wants pixels a point, 0.5 to 8, got large")
    assert.is_truthy(run("PERILUNE_SCALE=100", CODE):find "PERILUNE_SCALE wants")
  end)

  it("and fonts come from PERILUNE_FONT", function()
    assert.is_truthy(run("PERILUNE_FONT=/no/font.ttf", CODE):find("no font to read at /no/font.ttf (PERILUNE_FONT)", 1, true))
  end)

  it("leaves a window open at the end without harm", function()
    assert.equal("", run("", [[w = require("perilune.window").open { hidden = true } w:text(1, 1, "a", 12, 0)]]))
    assert.equal("", run("", [[w = require("perilune.window").open { hidden = true } w:text(1, 1, "a", 12, 0) os.exit(0)]]))
    assert.equal("", run("", [[w = require("perilune.window").open { hidden = true } os.exit(0, true)]]))
  end)
end)
