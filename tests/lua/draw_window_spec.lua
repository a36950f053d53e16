-- The window face: what mouse, touch and keys do. Events come from a program, in a window that is not shown.
local here = debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$"
local peri = require "perilune"
local canvases = require "perilune.draw.canvas"
local lfs = require "lfs"
local programs = require "perilune.draw.program"
local hand = dofile(here .. "/support/hand.lua")

if not hand then
  describe("the window face", function() pending "this build has no windows" end)
  return
end

local answering, seven, drawings = hand.answering, hand.seven, hand.drawings
local push, at, pointer, stroke, middle, click, key = hand.push, hand.at, hand.pointer, hand.stroke, hand.middle, hand.click, hand.key

describe("the window face", function()
  local face

  local function open(options)
    face = hand.open(options)
    return face
  end

  after_each(hand.close)

  describe("draws", function()
    it("with pushed events, and recognises while the pen is down", function()
      open { program = programs.new() }
      assert.is_nil(face.prediction)
      for _, digit in ipairs { 0, 3, 7 } do
        hand.draw(drawings[digit + 1])
        assert.equal(tostring(digit), face.prediction.label)
        assert.same({ 28, 28, 1 }, face.prediction.input.shape)
        key "c"
        assert.is_nil(face.prediction)
      end
    end)

    it("points where the pointer is, with the events' own times", function()
      open()
      stroke { { 0.25, 0.5 }, { 0.5, 0.25 }, { 0.75, 0.5 } }
      local drawn = face.canvas.strokes[1]
      assert.equal(1, #face.canvas.strokes)
      assert.equal(3, drawn.n)
      assert.near(0.25, drawn.x[1], 0.005)
      assert.near(0.25, drawn.y[2], 0.005)
      assert.near(0.75, drawn.x[3], 0.005)
      assert.is_true(drawn.t[1] <= drawn.t[2] and drawn.t[2] <= drawn.t[3] and drawn.t[3] <= face.window:present())
      assert.is_false(drawn.erase)
    end)

    it("and erases with the right button; the middle one does nothing", function()
      open()
      stroke { { 0.2, 0.2 }, { 0.8, 0.8 } }
      stroke({ { 0.2, 0.2 }, { 0.8, 0.8 } }, "right")
      stroke({ { 0.2, 0.8 }, { 0.8, 0.2 } }, "middle")
      assert.equal(2, #face.canvas.strokes)
      assert.is_true(face.canvas.strokes[2].erase)
    end)

    it("with one finger at a time", function()
      open()
      pointer("press", 0.2, 0.2, nil, 5)
      pointer("press", 0.8, 0.8, nil, 6)
      pointer("move", 0.3, 0.2, nil, 5)
      pointer("move", 0.9, 0.9, nil, 6)
      pointer("release", 0.9, 0.9, nil, 6)
      pointer("move", 0.4, 0.2, nil, 5)
      pointer("release", 0.4, 0.2, nil, 5)
      assert.equal(1, #face.canvas.strokes)
      assert.equal(3, face.canvas.strokes[1].n)
    end)

    it("on outside the window, and comes back", function()
      open()
      pointer("press", 0.9, 0.5)
      pointer("move", 1.6, 0.5)
      push { type = "leave" }
      pointer("move", 1.9, 0.6)
      pointer("move", 0.5, 0.6)
      pointer("release", 0.5, 0.6)
      assert.equal(1, #face.canvas.strokes)
      assert.equal(4, face.canvas.strokes[1].n)
      assert.is_true(face.canvas.strokes[1].x[2] > 1.2)
    end)

    it("no further when the release got lost", function()
      open()
      pointer("press", 0.2, 0.2)
      pointer("move", 0.3, 0.2)
      local x, y = at(0.9, 0.9)
      push { type = "move", x = x, y = y } -- no button is held any more
      assert.is_nil(face.canvas.stroke)
      assert.equal(2, face.canvas.strokes[1].n)
      pointer("press", 0.2, 0.2)
      pointer("press", 0.5, 0.5) -- nor was there a move
      pointer("release", 0.5, 0.5)
      assert.equal(3, #face.canvas.strokes)
    end)

    it("nothing with other buttons while the pen is down", function()
      open()
      pointer("press", 0.2, 0.2)
      pointer("press", 0.5, 0.5, "right")
      pointer("release", 0.5, 0.5, "right")
      pointer("move", 0.4, 0.2)
      assert.equal(1, #face.canvas.strokes)
      assert.equal(2, face.canvas.strokes[1].n)
    end)

    it("on while a key is pressed, until one takes the stroke away", function()
      open()
      pointer("press", 0.2, 0.2)
      key "e"
      key "+"
      pointer("move", 0.3, 0.2)
      assert.equal(2, face.canvas.strokes[1].n)
      key "u"
      pointer("move", 0.4, 0.2)
      pointer("release", 0.4, 0.2)
      assert.equal(0, #face.canvas.strokes)
    end)

    it("replayed strokes", function()
      open { program = programs.new() }
      assert.equal("4", face:replay(drawings[5]).label)
      key "c"
      assert.equal("2", face:replay(canvases.from_table(drawings[3]), { speed = math.huge }).label)
    end)
  end)

  describe("has buttons and keys", function()
    it("to clear, undo and redo", function()
      open()
      stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
      stroke { { 0.8, 0.2 }, { 0.5, 0.8 } }
      local steps = {
        { function() click "undo" end, 1 }, { function() click "redo" end, 2 }, { function() click "clear" end, 0 },
        { function() key "u" end, 2 }, { function() key("z", "ctrl") end, 1 }, { function() key("y", "ctrl") end, 2 },
        { function() key "delete" end, 0 }, { function() key("z", "ctrl") end, 2 }, { function() key "c" end, 0 },
        { function() key "u" end, 2 }, { function() key "u" end, 1 }, { function() key "r" end, 2 },
      }
      for i, step in ipairs(steps) do
        step[1]()
        assert.equal(step[2], #face.canvas.strokes, "step " .. i)
      end
      assert.equal("7", face.prediction.label)
    end)

    it("that count where they are let go", function()
      open()
      stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
      local x, y = middle "clear"
      push { type = "press", x = x, y = y, button = "left" }
      x, y = middle "undo"
      push { type = "release", x = x, y = y, button = "left" }
      push { type = "press", x = x, y = y, button = "right" }
      push { type = "release", x = x, y = y, button = "right" }
      assert.equal(1, #face.canvas.strokes)
    end)

    it("for the pen's width: buttons, slider, keys, wheel", function()
      open()
      local pen = face.canvas.pen
      local function grew(f)
        f()
        local before = pen
        pen = face.canvas.pen
        return pen > before and 1 or pen < before and -1 or 0
      end
      assert.equal(1, grew(function() click "wider" end))
      assert.equal(-1, grew(function() click "narrower" end))
      assert.equal(1, grew(function() key "+" end))
      assert.equal(-1, grew(function() key "-" end))
      assert.equal(1, grew(function() key("=", "shift") end))
      assert.equal(-1, grew(function() push { type = "wheel", dy = -2 } end))
      assert.equal(1, grew(function() push { type = "text", text = "+" } end)) -- a keyboard with + elsewhere
      local r = face:places().pen
      push { type = "press", x = r.x + r.width - 1, y = r.y + r.height / 2, button = "left" }
      assert.near(0.3, face.canvas.pen, 1e-9)
      push { type = "move", x = r.x - 50, y = r.y, button = "left" }
      assert.near(0.02, face.canvas.pen, 1e-9)
      push { type = "release", x = r.x - 50, y = r.y, button = "left" }
      push { type = "move", x = r.x + r.width, y = r.y }
      assert.near(0.02, face.canvas.pen, 1e-9)
      for _ = 1, 40 do push { type = "wheel", dy = 3 } end
      assert.near(0.3, face.canvas.pen, 1e-9)
    end)

    it("to save and to open", function()
      open()
      local before, folder = lfs.currentdir(), os.tmpname()
      os.remove(folder)
      lfs.mkdir(folder)
      stroke { { 0.2, 0.2 }, { 0.8, 0.8 } }
      lfs.chdir(folder)
      key("s", "ctrl")
      local saved = lfs.attributes(folder .. "/drawing-1.png", "size")
      click "save"
      local again = lfs.attributes(folder .. "/drawing-2.png", "size")
      lfs.chdir(before)
      assert.is_true(saved > 100 and again == saved)
      assert.truthy(face.program.message:find("drawing-2.png", 1, true))
      face.canvas:save(folder .. "/strokes.json")
      key "c"
      push { type = "drop", path = folder .. "/strokes.json" }
      assert.is_not_nil(face.prediction)
      assert.near(0.8, face.canvas.strokes[1].x[2], 0.01)
      key "c"
      push { type = "drop", path = folder .. "/drawing-1.png" }
      assert.is_not_nil(face.prediction)
      push { type = "drop", path = folder .. "/nothing.png" }
      assert.truthy(face.program.message:find("nothing.png", 1, true))
      assert.is_not_nil(face.prediction)
      for name in lfs.dir(folder) do os.remove(folder .. "/" .. name) end
      lfs.rmdir(folder)
    end)

    it("for what speaks for the answer", function()
      local recogniser = answering(seven)
      local asked = {}
      function recogniser.explain(_, canvas, class)
        asked[#asked + 1] = { canvas = canvas, class = class }
        return peri.ones(28, 28, 1)
      end
      open { recogniser = recogniser }
      stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
      for _ = 1, 100 do face:step(5) end
      assert.equal(0, #asked)
      local plain = face:capture()
      key "e"
      for _ = 1, 20 do face:step(5) end
      assert.equal(1, #asked) -- once for one drawing
      assert.equal(face.canvas, asked[1].canvas)
      assert.is_nil(asked[1].class) -- for the answer
      assert.is_false(plain:equal(face:capture()))
      local x, y = middle "bar 4"
      push { type = "move", x = x, y = y }
      face:step(0)
      assert.equal("3", asked[2].class) -- for the class whose bar the pointer is over
      stroke { { 0.5, 0.5 }, { 0.6, 0.6 } }
      for _ = 1, 20 do face:step(5) end
      assert.is_true(#asked >= 3)
      click "explain"
      push { type = "leave" }
      local count = #asked
      key "u"
      for _ = 1, 20 do face:step(5) end
      assert.equal(count, #asked)
      assert.is_true(plain:equal(face:capture()))
    end)

    it("to leave", function()
      open()
      key "q"
      assert.is_true(face.closed)
      assert.is_false(face:step(0))
      face:run()
      open()
      push { type = "close" }
      assert.is_true(face.closed)
      assert.equal("window (closed)", tostring(face))
    end)
  end)

  describe("learns", function()
    local learned

    -- A program whose learner only notes what it is told.
    local function noting(options)
      learned = {}
      local program = programs.new { recogniser = options and options.recogniser or answering(seven) }
      program.learning = {
        correct = function(_, _, label)
          learned[#learned + 1] = { "correct", label, message = program.message }
          return { before = 0.9891, after = 0.9893, seconds = 0.5 }
        end,
        teach = function(_, name)
          learned[#learned + 1] = { "teach", name, message = program.message }
          return { seconds = 0.5 }
        end,
        pending = function() return false end,
      }
      return open { program = program }
    end

    it("what a click on a bar says", function()
      noting()
      stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
      click "bar 2"
      assert.same({ "correct", "1" }, { learned[1][1], learned[1][2] })
      assert.truthy(learned[1].message:find "learning") -- told before it began
      assert.truthy(face.program.message:find "98.93 %%.*98.91 %%")
      assert.is_nil(face:hint()) -- though the pointer is over the bar still
      local x, y = middle "bar 3"
      push { type = "move", x = x, y = y }
      assert.truthy(face:hint():find "this is 2")
    end)

    it("and tells the accuracies later where there was no time for them", function()
      noting()
      local report, pending = { seconds = 0.5 }, false
      function face.program.learning.correct() pending = true return report end
      function face.program.learning.pending() return pending end
      function face.program.learning.evaluate()
        pending, report.before, report.after = false, 0.99, 0.98
      end
      stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
      key "1"
      assert.is_nil(face.program.message:find("MNIST", 1, true))
      for _ = 1, 100 do face:step(10) end
      assert.truthy(face.program.message:find("98.00 % of MNIST", 1, true))
      assert.is_false(pending)
    end)

    it("what a digit's key says, once", function()
      noting()
      stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
      face.window:push { type = "key", key = "3" }
      push { type = "text", text = "3" }
      assert.equal(1, #learned)
      assert.equal("3", learned[1][2])
      push { type = "text", text = "5" } -- a keyboard that has digits behind shift
      assert.equal("5", learned[2][2])
    end)

    it("nothing from an empty canvas, and says so", function()
      noting()
      key "3"
      click "bar 4"
      assert.equal(0, #learned)
      assert.truthy(face.program.message:find "nothing on the canvas")
    end)

    it("a class whose name is typed", function()
      noting()
      stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
      face.window:push { type = "key", key = "t" }
      push { type = "text", text = "t" } -- of the key
      assert.equal("", face.dialog.text)
      push { type = "key", key = "c" }
      push { type = "text", text = "Ä" }
      push { type = "text", text = "b" }
      push { type = "text", text = "x" }
      key "backspace"
      assert.equal("Äb", face.dialog.text)
      assert.equal(1, #face.canvas.strokes) -- c did not clear
      key "enter"
      assert.same({ "teach", "Äb" }, { learned[1][1], learned[1][2] })
      assert.is_nil(face.dialog)
      key "t" -- again: the name stands there, chosen
      assert.equal("Äb", face.dialog.text)
      key "enter"
      assert.equal("Äb", learned[2][2])
      key "t"
      key "backspace" -- takes all that is chosen
      assert.equal("", face.dialog.text)
      key "escape"
      click "teach"
      push { type = "text", text = "Z" }
      assert.equal("Z", face.dialog.text)
      key "escape"
      assert.is_nil(face.dialog)
      assert.is_false(face.closed)
      assert.equal(2, #learned)
    end)

    it("no class without a name", function()
      noting()
      stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }
      key "t"
      push { type = "text", text = "  " }
      key "enter"
      assert.equal(0, #learned)
      for _ = 1, 60 do push { type = "text", text = "ab" } end
      assert.is_true(utf8.len(face.dialog.text) <= 32)
      pointer("press", 0.1, 0.1) -- beside it: closes, and draws
      pointer("release", 0.1, 0.1)
      assert.is_nil(face.dialog)
    end)
  end)
end)
