-- The window face: what it shows and when, its sizes, numbers, latency, and opening it from Lua.
local here = debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$"
local canvases = require "perilune.draw.canvas"
local draw = require "perilune.draw"
local programs = require "perilune.draw.program"
local hand = dofile(here .. "/support/hand.lua")

if not hand then
  describe("the window face's picture", function() pending "this build has no windows" end)
  return
end

local answering, said, seven, drawings = hand.answering, hand.said, hand.seven, hand.drawings
local push, at, stroke, middle, click, key = hand.push, hand.at, hand.stroke, hand.middle, hand.click, hand.key

describe("the window face's picture", function()
  local face

  local function open(options)
    face = hand.open(options)
    return face
  end

  after_each(hand.close)

  it("reads digits side by side as a number, and shows the bars of the chosen one", function()
    local recogniser = answering(function(self)
      local whole, digits = said(self, 2, 0.8), {}
      for i, best in ipairs { 2, 10, 9, 5 } do
        digits[i] = said(self, best, 0.8)
        digits[i].box = { left = 0.25 * (i - 1) + 0.02, right = 0.25 * i - 0.02, top = 0.3, bottom = 0.7 }
      end
      whole.digits, whole.number = digits, "1984"
      return whole
    end)
    open { recogniser = recogniser }
    stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
    assert.equal("1984", face.prediction.number)
    assert.equal("4", face:shown().label) -- the last
    local letter = face.board.letters[2]
    local x, y = letter.x + letter.width / 2, letter.y + letter.height / 2
    push { type = "press", x = x, y = y, button = "left" }
    push { type = "release", x = x, y = y, button = "left" }
    assert.equal("9", face:shown().label)
    local corrected
    face.program.learning = {
      correct = function(_, drawing, label) corrected = { drawing, label } return { seconds = 0 } end,
      pending = function() return false end,
    }
    local input = face.prediction.digits[2].input
    key "6"
    assert.equal("6", corrected[2])
    assert.is_true(rawequal(input, corrected[1])) -- that digit alone
    key "c"
    assert.is_nil(face:shown())
  end)

  it("says what it cannot tell", function()
    local confidence = 0.3
    open { recogniser = answering(function(self) return said(self, 3, confidence) end) }
    local texts = {}
    local paint = face.board.text
    rawset(face.board, "text", function(self, x, y, text, ...)
      texts[text] = true
      return paint(self, x, y, text, ...)
    end)
    face:capture()
    assert.is_true(texts["draw a digit"])
    stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
    assert.is_true(texts["not a digit"])
    assert.is_true(texts["nearest: 2, 30.0 %"])
    confidence = 0.75
    stroke { { 0.2, 0.8 }, { 0.8, 0.8 } }
    assert.is_true(texts["75.0 %"])
  end)

  it("moves its bars, and says the number at once", function()
    open()
    stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
    assert.equal(0.9, face:shown().probabilities[8])
    assert.is_true(face.values[8] < 0.9)
    local last = face.values[8]
    for _ = 1, 200 do
      face:step(5)
      assert.is_true(face.values[8] >= last)
      last = face.values[8]
      if last == 0.9 then break end
    end
    assert.equal(0.9, last)
  end)

  it("paints only what has changed, and recognises once a change", function()
    local recogniser = answering(seven)
    open { recogniser = recogniser }
    local painted, paint = 0, face.board.paint
    rawset(face.board, "paint", function(...)
      painted = painted + 1
      return paint(...)
    end)
    for _ = 1, 20 do face:step(0) end
    assert.equal(0, painted)
    stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
    for _ = 1, 200 do face:step(5) end -- the bars come to rest
    local settled, asked = painted, recogniser.asked
    assert.is_true(settled > 2)
    for _ = 1, 20 do face:step(0) end
    assert.equal(settled, painted)
    assert.equal(asked, recogniser.asked)
    push { type = "expose" }
    assert.equal(settled + 1, painted)
    face.canvas:clear() -- from outside
    face:step(0)
    assert.equal(settled + 2, painted)
    assert.is_nil(face.prediction)
  end)

  it("takes all events that wait in one step", function()
    local recogniser = answering(seven)
    open { recogniser = recogniser }
    local asked = recogniser.asked
    local x, y = at(0.2, 0.2)
    face.window:push { type = "press", x = x, y = y, button = "left" }
    for i = 1, 50 do face.window:push { type = "move", x = x + 4 * i, y = y, button = "left" } end
    face.window:push { type = "release", x = x + 200, y = y, button = "left" }
    face:step(0)
    assert.equal(51, face.canvas.strokes[1].n)
    assert.equal(asked + 1, recogniser.asked)
  end)

  it("measures from the event to the frame that shows its prediction", function()
    open { program = programs.new() }
    assert.same({ n = 0 }, face:latency())
    hand.draw(drawings[2])
    local latency, points = face:latency(), 0
    for _, one in ipairs(face.canvas.strokes) do points = points + one.n end
    assert.equal(points, latency.n)
    assert.is_true(latency.p50 > 0 and latency.p50 <= latency.p99 and latency.p99 <= latency.most)
    assert.is_true(latency.p50 < 1)
  end)

  it("lays itself out anew in another size, and draws in the right place", function()
    open()
    for _, size in ipairs { { 480, 360 }, { 480, 800 }, { 1200, 700 }, { 150, 100 }, { 700, 500 } } do
      push { type = "resize", width = size[1], height = size[2] }
      face:step(20)
      local width, height = face.window:size()
      for name, r in pairs(face:places()) do
        assert.is_true(r.x >= 0 and r.y >= 0 and r.x + r.width <= width + 0.01 and r.y + r.height <= height + 0.01, name)
      end
      if face:places().canvas.width > 100 then
        key "c"
        stroke { { 0.25, 0.25 }, { 0.75, 0.5 } }
        assert.near(0.75, face.canvas.strokes[1].x[2], 0.02)
        assert.near(0.5, face.canvas.strokes[1].y[2], 0.02)
      end
    end
    local width, height, scale = face.window:size()
    assert.same({ height * scale // 1, width * scale // 1, 3 }, face:capture().shape)
  end)

  it("scrolls through more classes than fit, and corrects the right one", function()
    local program = programs.new { recogniser = answering(seven, 90) }
    local corrected
    program.learning = {
      correct = function(_, _, label) corrected = label return { seconds = 0 } end, pending = function() return false end,
    }
    open { program = program, width = 480, height = 360 }
    assert.is_true(face.board.layout.scroll_most > 0)
    assert.is_nil(face:places()["bar 90"])
    stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
    local x, y = middle "bars"
    push { type = "move", x = x, y = y }
    local pen = face.canvas.pen
    for _ = 1, 90 do push { type = "wheel", dy = -1 } end
    assert.equal(pen, face.canvas.pen)
    assert.is_not_nil(face:places()["bar 90"])
    click "bar 90"
    assert.equal("class 90", corrected)
  end)

  it("follows a program that is changed from outside", function()
    open()
    stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
    face.program.recogniser = answering(function(self) return said(self, 12, 0.7) end, 12)
    face.program.canvas = canvases.new()
    face.canvas:begin(0.1, 0.1)
    face.canvas:extend(0.9, 0.9)
    face:refresh()
    assert.equal("class 12", face.prediction.label)
    assert.is_not_nil(face:places()["bar 12"])
  end)

  it("draws its canvas in pixels, not in points", function()
    open()
    local _, _, scale = face.window:size()
    stroke { { 0.1, 0.5 }, { 0.9, 0.5 } }
    local picture, c = face:capture(), face:places().canvas
    local function brightness(x, y)
      local column, row = math.floor((c.x + x * c.width) * scale) + 1, math.floor((c.y + y * c.height) * scale) + 1
      return picture[{ row, column }]:totable()[1]
    end
    assert.is_true(brightness(0.5, 0.5) < 60) -- ink
    assert.is_true(brightness(0.5, 0.2) > 200) -- paper
    assert.equal(c.width * scale, face.board.raster.width)
  end)

  it("opens from the drawing module, with names that are checked", function()
    face = draw.window { hidden = true, prompt = false, width = 500, height = 400 }
    assert.equal(500, (face.window:size()))
    local ok, reason = pcall(function() draw.window { hiden = true } end)
    assert.is_false(ok)
    assert.truthy(reason:find("draw_window_shows_spec.lua:%d+: draw: there is no option hiden; there are canvas, colours, "))
    local net = face.net
    face:close()
    face = draw.window { net = net, hidden = true, prompt = false }
    assert.equal(net, face.net)
    face:close()
  end)
end)
