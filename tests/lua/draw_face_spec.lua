-- The terminal face's parts without a terminal: the pane of output, the line, and the picture as a whole.
local core = require "perilune.core"
local canvases = require "perilune.draw.canvas"
local colours = require "perilune.draw.colours"
local evaluate = require "perilune.repl.evaluate"
local lines = require "perilune.draw.line"
local panes = require "perilune.draw.pane"
local screens = require "perilune.draw.screen"
local views = require "perilune.draw.view"

local function row_of(screen, row)
  return table.concat(screen.characters, "", (row - 1) * screen.columns + 1, row * screen.columns)
end
local function picture(screen)
  local rows = {}
  for row = 1, screen.rows do rows[row] = row_of(screen, row) end
  return table.concat(rows, "\n")
end

describe("the pane of output", function()
  local theme = colours.theme "256"
  local function painted(pane, columns, rows)
    local screen = screens.new(columns, rows, { colours = "none" })
    pane:paint(screen, 1, rows, theme)
    local list = {}
    for row = 2, rows do list[row - 1] = row_of(screen, row):gsub(" +$", "") end
    return list
  end

  it("grows with what is written, up to a height", function()
    local pane = panes.new()
    assert.equal(0, pane:height(20, 10))
    pane:write "one\n"
    assert.equal(2, pane:height(20, 10))
    pane:write "two"
    assert.equal(3, pane:height(20, 10))
    pane:write(("\nmore"):rep(20))
    assert.equal(10, pane:height(20, 10))
    pane:close()
    assert.equal(0, pane:height(20, 10))
  end)

  it("shows the end, and goes back and on", function()
    local pane = panes.new()
    for i = 1, 30 do pane:write(i .. "\n") end
    assert.same({ "27", "28", "29", "30" }, painted(pane, 30, 5))
    assert.is_true(pane:scroll(-3, 30, 5))
    assert.same({ "24", "25", "26", "27" }, painted(pane, 30, 5))
    assert.is_true(pane:scroll(-300, 30, 5))
    assert.same({ "1", "2", "3", "4" }, painted(pane, 30, 5))
    assert.is_false(pane:scroll(-1, 30, 5))
    assert.is_true(pane:scroll(300, 30, 5))
    assert.is_false(pane:scroll(1, 30, 5))
    pane:scroll(-10, 30, 5)
    pane:write "new\n"
    assert.same({ "28", "29", "30", "new" }, painted(pane, 30, 5))
  end)

  it("breaks long lines, also when the width changes", function()
    local pane = panes.new()
    pane:write "abcdefghij\nend\n"
    assert.same({ "abcd", "efgh", "ij", "end" }, painted(pane, 4, 5))
    assert.equal(5, pane:height(4, 20))
    assert.equal(3, pane:height(10, 20))
    assert.same({ "abcdefghij", "end" }, painted(pane, 10, 3))
  end)

  it("ends lines and colours", function()
    local pane = panes.new()
    pane:write "\27[31mred"
    pane:end_line()
    pane:end_line()
    pane:write "plain"
    assert.equal("red\nplain", pane.text:plain())
    assert.is_nil(pane.text.lines[2].inks[1])
  end)
end)

describe("the line", function()
  local session, shown, line
  before_each(function()
    os.remove(os.getenv "PERILUNE_HISTORY" or "")
    session = evaluate.session { globals = setmetatable({ canvas = { clear = print, undo = print }, digit = 1 }, { __index = _G }) }
    shown = {}
    line = lines.new { session = session, columns = function() return 40 end, show = function(text) shown[#shown + 1] = text end }
  end)
  local function type_in(text)
    for character in text:gmatch(utf8.charpattern) do assert.is_nil(line:press(character)) end
  end
  local function text_of(cells) return table.concat(cells.characters, "", 1, cells.n) end

  it("is edited", function()
    type_in "1 + ä2"
    line:press "ctrl-a"
    type_in "x = "
    line:press "ctrl-e"
    line:press "backspace"
    assert.equal("x = 1 + ä", line:content())
    line:press "ctrl-w"
    line:press "ctrl-w"
    assert.equal("x = ", line:content())
    line:press "ctrl-y"
    line:press "ctrl-u"
    assert.equal("", line:content())
    line:paste "a\nb"
    assert.equal("a\nb", line:content())
  end)

  it("is taken by Enter when it is whole", function()
    type_in "for i = 1, 2 do"
    assert.is_nil(line:press "enter")
    type_in "end"
    assert.equal("accept", line:press "enter")
    assert.equal("for i = 1, 2 do\nend", line:take())
    assert.equal("", line:content())
    assert.equal("eof", line:press "ctrl-d")
  end)

  it("remembers", function()
    for _, piece in ipairs { "first", "second" } do
      type_in(piece)
      line:take()
    end
    line:press "up"
    line:press "up"
    assert.equal("first", line:content())
    line:press "down"
    assert.equal("second", line:content())
    line:begin()
    line:press "ctrl-r"
    type_in "fir"
    assert.equal("first", line:content())
    assert.is_truthy(text_of(line:rows(40, 8)[1]):find "search")
  end)

  it("is completed", function()
    type_in "canv"
    line:press "tab"
    assert.equal("canvas", line:content())
    type_in ":"
    line:press "tab"
    assert.equal("clear  undo\n", shown[1])
    type_in "cl"
    line:press "tab"
    assert.equal("canvas:clear", line:content())
  end)

  it("is seen around its cursor", function()
    type_in(("x"):rep(50))
    local rows, row, column = line:rows(40, 8)
    assert.equal(2, #rows)
    assert.equal("> " .. ("x"):rep(38), text_of(rows[1]))
    assert.same({ 2, 13 }, { row, column })
    line:paste(("\ny"):rep(20))
    rows, row = line:rows(40, 8)
    assert.equal(8, #rows)
    assert.equal(8, row)
    line:press "ctrl-home"
    rows, row, column = line:rows(40, 8)
    assert.equal(8, #rows)
    assert.same({ 1, 3 }, { row, column })
    assert.equal("> ", text_of(rows[1]):sub(1, 2))
  end)
end)

describe("the face's picture", function()
  local function row_with(digit, value)
    local row = {}
    for i = 1, 10 do row[i] = i == digit + 1 and value or (1 - value) / 9 end
    return row
  end
  local function prediction(digit, value)
    return { probabilities = row_with(digit, value), best = digit + 1, label = tostring(digit), confidence = value, certain = true,
      input = core.ones { 28, 28, 1 } }
  end
  local labels = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }
  local function state(canvas, seen)
    return { canvas = canvas, prediction = seen, values = seen and seen.probabilities or row_with(0, 0.1), labels = labels, message = "" }
  end
  local function drawn()
    local canvas = canvases.new()
    canvas:begin(0.5, 0.1)
    canvas:extend(0.5, 0.9)
    canvas:finish()
    return canvas
  end

  it("has a place for everything at every size", function()
    for columns = views.LEAST_COLUMNS, 220, 3 do
      for rows = views.LEAST_ROWS, 70 do
        local l = views.layout(columns, rows)
        assert.is_true(l.columns == 2 * l.rows and l.rows >= 5, columns .. " x " .. rows)
        assert.is_true(l.row >= 2 and l.row + l.rows - 1 < l.keys)
        assert.is_true(l.column + l.columns < l.panel and l.panel + l.panel_width - 1 <= columns)
        assert.is_true(l.panel_width >= 20)
      end
    end
    assert.is_nil(views.layout(43, 24))
    assert.is_nil(views.layout(80, 13))
  end)

  it("is painted at every size and mode, in part as in whole", function()
    for _, size in ipairs { { 80, 24 }, { 44, 14 }, { 200, 60 }, { 45, 60 }, { 300, 15 }, { 20, 5 } } do
      for _, mode in ipairs { "24bit", "256", "16", "none" } do
        local canvas = canvases.new()
        local view = views.new(size[1], size[2], { title = "title", colours = mode })
        view:paint(state(canvas))
        canvas:begin(0.2, 0.2)
        for i = 1, 10 do
          canvas:extend(0.2 + i / 20, 0.2 + i / 30)
          view:paint(state(canvas, prediction(1, i / 10)))
        end
        local whole = views.new(size[1], size[2], { title = "title", colours = mode })
        whole:paint(state(canvas, prediction(1, 1)))
        assert.equal(picture(whole.screen), picture(view.screen))
        assert.same(whole.screen.inks, view.screen.inks)
        assert.same(whole.screen.grounds, view.screen.grounds)
      end
    end
  end)

  it("comes back from under the pane", function()
    local canvas, pane = drawn(), panes.new()
    local view = views.new(80, 24, { title = "title", colours = "256" })
    local seen = state(canvas, prediction(1, 0.9))
    view:paint(seen)
    local before = picture(view.screen)
    pane:write(("output\n"):rep(40))
    seen.pane = pane
    view:paint(seen)
    assert.is_truthy(row_of(view.screen, 23):find "^output")
    assert.is_nil(view:hit(60, 5))
    assert.equal("pane", (view:hit(60, 20)))
    pane:close()
    view:paint(seen)
    assert.equal(before, picture(view.screen))
  end)

  it("says what it is, and what it may be", function()
    local view = views.new(80, 24, { title = "title", colours = "256" })
    local canvas = drawn()
    view:paint(state(canvas, prediction(1, 0.93)))
    assert.is_truthy(picture(view.screen):find("93.0%", 1, true))
    local unsure = prediction(3, 0.31)
    unsure.certain = false
    view:paint(state(canvas, unsure))
    assert.is_truthy(picture(view.screen):find("not a digit", 1, true))
    assert.is_truthy(picture(view.screen):find("perhaps 3, 31.0%", 1, true))
    local number = prediction(1, 0.9)
    number.number, number.digits = "1984", {}
    for i, digit in ipairs { 1, 9, 8, 4 } do number.digits[i] = prediction(digit, 0.9) end
    view:paint(state(canvas, number))
    assert.is_truthy(picture(view.screen):find("65.6%", 1, true))
    local chosen = state(canvas, number)
    chosen.chosen, chosen.shown = 2, number.digits[2]
    view:paint(chosen)
    local best = colours.theme("256").best
    local places = {}
    for column = 48, 78 do
      for row = 2, 13 do
        local kind, digit = view:hit(column, row)
        if view.screen.inks[(row - 1) * 80 + column] == best then places[kind == "digit" and digit or 0] = true end
      end
    end
    assert.same({ [2] = true }, places)
    assert.equal(best, view.screen.inks[22 * 80 + 49]) -- of the nine's bar
    number.number = "1984198419841984"
    view:paint(state(canvas, number))
    assert.is_truthy(picture(view.screen):find("» 1984198419841984 «", 1, true))
    local odd = state(canvas, prediction(1, 0.5))
    odd.prediction.label = "4x"
    view:paint(odd)
    assert.is_truthy(picture(view.screen):find("» 4x «", 1, true))
    local named = state(canvas, prediction(1, 0.5))
    named.prediction.label = "übungswort"
    view:paint(named)
    assert.is_truthy(picture(view.screen):find("» übungswort «", 1, true))
  end)

  it("knows what is clicked on", function()
    local view = views.new(80, 24, { title = "title", colours = "256" })
    view:paint(state(drawn(), prediction(1, 0.93)))
    for class = 1, 10 do
      assert.same({ "class", class }, { view:hit(60, 13 + class) })
      assert.is_truthy(row_of(view.screen, 13 + class):find(" " .. labels[class] .. " ", 1, true))
    end
    assert.is_nil(view:hit(60, 13))
    assert.is_nil(view:hit(10, 20))
    local clear = row_of(view.screen, 24):find("c clear", 1, true)
    assert.same({ "key", "c" }, { view:hit(clear + 3, 24) })
    assert.same({ 0.5, 0.5 }, { view:place(23.5, 12.5) })
    assert.is_nil(view:place(60, 12, true))
  end)

  it("lays the explanation over the canvas", function()
    local view = views.new(80, 24, { title = "title", colours = "24bit" })
    local seen = state(drawn(), prediction(1, 0.93))
    view:paint(seen)
    local at = 11 * 80 + 10
    local ground = view.screen.grounds[at]
    seen.heat = {}
    for y = 1, 44 do
      seen.heat[y] = {}
      for x = 1, 44 do seen.heat[y][x] = y <= 24 and 1 or 0 end
    end
    view:paint(seen)
    assert.not_equal(ground, view.screen.grounds[at])
    assert.equal(ground, view.screen.grounds[20 * 80 + 10])
    seen.heat = nil
    view:paint(seen)
    assert.equal(ground, view.screen.grounds[at])
  end)

  it("shows what the net sees where there is room, and where it is asked for", function()
    local seen = state(drawn(), prediction(1, 0.93))
    local small, large = views.new(80, 24, { title = "t", colours = "256" }), views.new(200, 60, { title = "t", colours = "256" })
    small:paint(seen)
    large:paint(seen)
    assert.is_nil(picture(small.screen):find("what the net sees", 1, true))
    assert.is_truthy(picture(large.screen):find("what the net sees", 1, true))
    seen.seeing = true
    small:paint(seen)
    assert.is_truthy(picture(small.screen):find("what the net sees: 1, 93.0%", 1, true))
    local classes = 0
    for row = 1, 24 do
      if small:hit(60, row) == "class" then classes = classes + 1 end
    end
    assert.equal(7, classes)
    seen.prediction.digits = { prediction(1, 0.9), prediction(2, 0.8) }
    small:paint(seen)
  end)

  it("costs little while the pen moves", function()
    for _, size in ipairs { { 80, 24, 0.03 }, { 200, 60, 0.08 } } do -- ten times what it takes on a machine of today
      local canvas = canvases.new()
      local view = views.new(size[1], size[2], { title = "t", colours = "24bit" })
      local seen = state(canvas, prediction(1, 0.93))
      view:paint(seen)
      canvas:begin(0.1, 0.1)
      local start = os.clock()
      for i = 1, 50 do
        canvas:extend(0.1 + i / 70, 0.1 + i / 90)
        view:paint(seen)
      end
      assert.is_true((os.clock() - start) / 50 < size[3])
    end
  end)
end)
