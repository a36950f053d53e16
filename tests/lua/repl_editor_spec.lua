-- The prompt's editor without a terminal: keys from their bytes, changes of the text, indentation, rows on a screen,
-- history, search.
local buffer = require "perilune.repl.buffer"
local editor = require "perilune.repl.editor"
local evaluate = require "perilune.repl.evaluate"
local indent = require "perilune.repl.indent"
local keys = require "perilune.repl.keys"
local paint = require "perilune.repl.paint"
local screen = require "perilune.repl.screen"

-- What a person types: strings with a pause between each two, { "interrupt" } and the like for what comes instead.
local function typed(parts)
  local items = {}
  for _, part in ipairs(parts) do
    for at = 1, type(part) == "string" and #part or 0 do items[#items + 1] = part:sub(at, at) end
    if type(part) == "table" then items[#items + 1] = part end
    items[#items + 1] = "pause"
  end
  local at = 1
  return function(milliseconds, most)
    if items[at] == "pause" then
      if milliseconds >= 0 then return nil, "timeout" end
      while items[at] == "pause" do at = at + 1 end
    end
    local item = items[at]
    if item == nil then return nil, milliseconds >= 0 and "timeout" or "eof" end
    if type(item) == "table" then
      at = at + 1
      return nil, item[1]
    end
    local from = at
    while at - from < most and type(items[at]) == "string" and #items[at] == 1 do at = at + 1 end
    return table.concat(items, "", from, at - 1)
  end
end

local function width_of(text) return utf8.len(text) or #text end

describe("keys", function()
  local function names(...)
    local reader, list = keys.new(typed { ... }), {}
    while true do
      local key, why = reader:next()
      list[#list + 1] = key or "(" .. why .. ")"
      if why == "eof" then return list end
    end
  end

  it("are named", function()
    assert.same({ "a", "ä", "日", "enter", "tab", "backspace", "ctrl-a", "ctrl-r", "ctrl-_", "(eof)" },
      names("a", "ä", "日", "\r", "\t", "\127", "\1", "\18", "\31"))
    assert.same({ "up", "down", "home", "end", "delete", "shift-tab", "(eof)" },
      names("\27[A", "\27OB", "\27[H", "\27[4~", "\27[3~", "\27[Z"))
    assert.same({ "ctrl-left", "alt-right", "ctrl-delete", "alt-b", "alt-enter", "alt-backspace", "escape", "(eof)" },
      names("\27[1;5D", "\27[1;3C", "\27[3;5~", "\27b", "\27\r", "\27\127", "\27"))
  end)

  it("mean nothing where a sequence is not known, broken off, or no UTF-8", function()
    assert.same({ "", "x", "(eof)" }, names("\27[?1;2c", "x"))
    assert.same({ "", "x", "(eof)" }, names("\27[12", "x"))
    assert.same({ "\u{FFFD}", "x", "\u{FFFD}", "y", "(eof)" }, names("\255", "x", "\xE6\x97y"))
  end)

  it("hold an interrupt that comes in the middle", function()
    assert.same({ "escape", "(interrupt)", "a", "(redraw)", "(eof)" }, names("\27", { "interrupt" }, "a", { "redraw" }))
    local reader = keys.new(typed { { "interrupt" }, "x" })
    assert.is_true(reader:waiting())
    assert.same({ n = 2, nil, "interrupt" }, table.pack(reader:next()))
    assert.equal("x", reader:next())
  end)

  it("take a paste whole, and what comes after it", function()
    local text = "local a = 1\r\n\tb\27\7 = 'ü\255'\r"
    local reader = keys.new(typed { "\27[200~" .. text .. "\27[201~", "x" })
    assert.equal("paste", reader:next())
    assert.equal("local a = 1\n\tb = 'ü\u{FFFD}'\n", reader:pasted())
    assert.equal("x", reader:next())
    local long = ("y"):rep(10000)
    reader = keys.new(typed { "\27[200~" .. long .. "\27[201~z" })
    reader:next()
    assert.equal(long, reader:pasted())
    assert.equal("z", reader:next())
    for length = 4080, 4100 do -- wherever the end mark is cut in two
      reader = keys.new(typed { "\27[200~" .. ("y"):rep(length) .. "\27[201~" })
      reader:next()
      assert.equal(length, #reader:pasted())
    end
    reader = keys.new(typed { "\27[200~never ends" })
    reader:next()
    assert.same({ n = 2, nil, "eof" }, table.pack(reader:pasted()))
  end)
end)

describe("the buffer", function()
  it("moves by characters, words and lines", function()
    local b = buffer.new("größe = f(日本)\nx\nlonger line")
    assert.is_true(b:in_last_line())
    assert.is_true(b:move_line(-1))
    assert.equal("größe = f(日本)\nx", b.text:sub(1, b.cursor))
    assert.is_true(b:move_line(-1))
    assert.is_false(b:move_line(-1))
    assert.equal("g", b.text:sub(1, b.cursor))
    b.cursor = b:next_character()
    b.cursor = b:next_character()
    assert.equal("grö", b.text:sub(1, b.cursor))
    b.cursor = b:next_word()
    assert.equal("größe", b.text:sub(1, b.cursor))
    b.cursor = b:next_word()
    b.cursor = b:next_word()
    assert.equal("größe = f(日本", b.text:sub(1, b.cursor))
    b.cursor = b:previous_character()
    assert.equal("größe = f(日", b.text:sub(1, b.cursor))
    b.cursor = b:previous_word()
    assert.equal("größe = f(", b.text:sub(1, b.cursor))
  end)

  it("takes changes back, typing by words", function()
    local b = buffer.new("")
    for char in ("ab cd"):gmatch(".") do b:insert(char) end
    b:undo()
    assert.equal("ab ", b.text)
    b:undo()
    b:undo()
    assert.equal("", b.text)
    assert.is_false(b:undo())
  end)
end)

describe("indentation", function()
  local function of(before, line) return indent.of(before, line) end

  it("follows blocks and brackets", function()
    assert.equal(0, of "x = 1")
    assert.equal(2, of "for i = 1, 2 do")
    assert.equal(2, of "local function f(a, b)")
    assert.equal(4, of "  if x then")
    assert.equal(4, of "for i = 1, 2 do\n  if x then")
    assert.equal(2, of "for i = 1, 2 do\n  if x then y() end")
    assert.equal(2, of "f(function(x)")
    assert.equal(2, of "t = {")
    assert.equal(6, of "    t = { -- end }")
    assert.equal(2, of "if a then\n  b()\nelse")
    assert.equal(2, of "x = 'end' .. [[\n]] .. (")
    assert.equal(2, of "x =")
    assert.equal(2, of "x = a +")
    assert.equal(0, of "end end )")
  end)

  it("moves closing lines back", function()
    assert.equal(0, of("for i = 1, 2 do\n  x()", "end"))
    assert.equal(2, of("f {\n  g {\n    1,", "  }, 2"))
    assert.equal(0, of("f(function()\n  x()", "end)"))
    assert.equal(0, of("if a then\n  b()", "elseif c then"))
    assert.equal(2, of("if a then\n  b()", "ending = 1"))
    for _, line in ipairs { "end", "  }", "  else", "until" } do assert.is_true(indent.closes(line), line) end
    for _, line in ipairs { "ends", "x }", "en", "", "end x" } do assert.is_false(indent.closes(line), line) end
  end)

  it("leaves strings and comments alone", function()
    assert.is_nil(of "x = [[ for i = 1, 2 do")
    assert.is_nil(of "--[[ if")
  end)
end)

describe("colours", function()
  it("do not change the text", function()
    for _, code in ipairs { "local x = 1 -- one\nreturn 'a' .. x", "x = [[ open", "--[[ open\nx", "f(nil, true, 0x1F) end)", "",
      "-- only", "\255\0 x" } do
      assert.equal(code, (paint.code(code):gsub("\27%[[%d;]*m", "")))
    end
    assert.equal("x \27[2m--[[c]] \27[0m= \27[36m1\27[0m", paint.code "x --[[c]] = 1")
    assert.equal("\27[35mlocal\27[0m x = \27[36m1\27[0m \27[2m-- one\27[0m", paint.code "local x = 1 -- one")
  end)
end)

describe("rows", function()
  local function layout(text, cursor, columns)
    local rows, row, column = screen.layout { text = text, cursor = cursor or #text, first = "> ", more = "| ",
      columns = columns or 10, width = function(c) return width_of(c) + select(2, c:gsub("日", "")) end }
    return table.concat(rows, "/"), row, column
  end

  it("break where lines and the terminal end", function()
    assert.same({ "> abc/| d", 2, 3 }, { layout "abc\nd" })
    assert.same({ "> 12345678/9", 2, 1 }, { layout "123456789" })
    assert.same({ "> 12345678/", 2, 0 }, { layout "12345678" })
    assert.same({ "> 12345678/| x", 2, 3 }, { layout "12345678\nx" })
    assert.same({ "> ", 1, 2 }, { layout "" })
    assert.same({ "> 1234567/日", 2, 2 }, { layout "1234567日" })
    assert.same({ "> a    b?", 1, 9 }, { layout "a\tb\1" })
  end)

  it("know where the cursor is", function()
    assert.same({ "> abc/| d", 1, 3 }, { layout("abc\nd", 1) })
    assert.same({ "> abc/| d", 1, 5 }, { layout("abc\nd", 3) })
    assert.same({ "> abc/| d", 2, 2 }, { layout("abc\nd", 4) })
    assert.same({ "> 1234567/日", 2, 0 }, { layout("1234567日", 7) })
  end)

  it("are windowed to the terminal's height, and always hold the cursor", function()
    local written
    local view = screen.new({ size = function() return 20, 5 end, width = width_of,
      write = function(text) written = text end }, false)
    local lines = {}
    for i = 1, 5000 do lines[i] = ("line %d of a long text"):format(i):sub(1, 15) end
    for count, order in pairs { [5000] = { 5000, 2500, 1, 4999, 3 }, [300] = { 300, 297, 295, 1, 150, 151, 152, 153, 154, 155, 3 } } do
      local text = table.concat(lines, "\n", 1, count)
      for _, wanted in ipairs(order) do
        local at = select(2, text:find("line " .. wanted .. " ", 1, true))
        view:draw({ first = "> ", more = "| " }, text, at)
        local _, breaks = written:gsub("\n", "")
        assert.equal(4, breaks)
        assert.truthy(written:find("line " .. wanted .. " ", 1, true), wanted)
        assert.is_true(view.above <= 4)
        assert.is_nil(written:find("J[>|] \r\n"))
      end
    end
    view:draw({ first = "> ", more = "| " }, "a\nb", 3)
    assert.equal("\r\27[J> a\r\n| b\r\27[3C", (written:gsub("\27%[%dA", "", 1)))
  end)
end)

describe("the editor", function()
  local session, written, width, complete

  local terminal = {
    write = function(text) written[#written + 1] = text end, width = width_of, size = function() return width, 24 end,
  }

  local function open(parts, history)
    session = evaluate.session { globals = setmetatable({}, { __index = _G }) }
    local self = editor.new {
      keys = keys.new(typed(parts)), screen = screen.new(terminal, true),
      state = function(code) return session:is_complete(code) end, suspend = function() written[#written + 1] = "(stop)" end,
      complete = function(before, after) return complete(before, after) end,
      help = function(code, place) return ("help at %d of %s"):format(place, code) end,
    }
    for _, entry in ipairs(history or {}) do self:remember(entry) end
    return self
  end

  -- What reading gives when these are typed; each character by itself.
  local function read(parts, history)
    local single = {}
    for _, part in ipairs(parts) do
      if type(part) == "string" and not part:find("^[\27\1-\31]") then
        for _, code in utf8.codes(part) do single[#single + 1] = utf8.char(code) end
      else
        single[#single + 1] = part
      end
    end
    return open(single, history):read { first = "> ", more = "| " }
  end

  before_each(function()
    written, width = {}, 80
    complete = function() end
  end)

  local UP, DOWN, LEFT, RIGHT, HOME, ENTER = "\27[A", "\27[B", "\27[D", "\27[C", "\27[H", "\r"

  it("gives a complete line, and a wrong one, so that its error shows", function()
    assert.equal("1 + 1", read { "1 + 1", ENTER })
    assert.equal("x y", read { "x y", ENTER })
    assert.equal("", read { ENTER })
    assert.same({ n = 2, nil, "eof" }, table.pack(read { "\4" }))
    assert.same({ n = 2, nil, "eof" }, table.pack(read { "half" }))
    assert.same({ n = 2, nil, "interrupt" }, table.pack(read { "half", { "interrupt" } }))
  end)

  it("breaks and indents an incomplete piece", function()
    assert.equal("for i = 1, 2 do\n  if i > 1 then\n    f(i)\n  end\nend",
      read { "for i = 1, 2 do", ENTER, "if i > 1 then", ENTER, "f(i)", ENTER, "end", ENTER, "end", ENTER })
    assert.equal("if a then\n  b()\nelse\n  c()\nend", read { "if a then", ENTER, "b()", ENTER, "else", ENTER, "c()", ENTER, "end",
      ENTER })
    assert.equal("t = {\n  1,\n}", read { "t = {", ENTER, "1,", ENTER, "}", ENTER })
    assert.equal("do\n  ends = 1\nend", read { "do", ENTER, "ends = 1", ENTER, "end", ENTER })
    assert.equal("s = [[\na\n]]", read { "s = [[", ENTER, "a", ENTER, "]]", ENTER })
    assert.equal("do\n\nend", read { "do", ENTER, ENTER, "end", ENTER })
  end)

  it("breaks a line in the middle of a piece", function()
    assert.equal("do\na()\n  b()\nend", read { "do", ENTER, "b()", ENTER, "end", UP, HOME, "a()", ENTER, "\27>", ENTER })
    assert.equal("f {\n}", read { "f {}", LEFT, "\27\r", ENTER })
  end)

  it("edits", function()
    assert.equal("abXc", read { "abc", LEFT, "X", ENTER })
    assert.equal("größen", read { "grße", LEFT, LEFT, "ö", "\5", "n", ENTER })
    assert.equal("x = 2", read { "y = 2", HOME, "\27[3~", "x", ENTER })
    assert.equal("a", read { "a b c", "\23", "\23", "\127", ENTER })
    assert.equal("b c", read { "a b c", HOME, "\27[1;5C", RIGHT, "\21", ENTER })
    assert.equal("ba", read { "ab", "\20", ENTER })
    assert.equal("x()x()", read { "x()", "\21", "\25", "\25", ENTER })
    assert.equal("abc", read { "abc", "\11", "d", "\127", ENTER })
    assert.equal("do\n  x()\nend", read { "do", ENTER, "  x()", HOME, "\27[1;5C", LEFT, "\127", "\5", ENTER, "end", ENTER })
    assert.equal("ab", read { "ab", "\26", ENTER })
    assert.truthy(table.concat(written):find("(stop)", 1, true))
  end)

  it("walks through the history by what was typed", function()
    local history = { "alpha = 1", "beta = 2", "alpha = 3", "for i = 1, 2 do\n  f(i)\nend" }
    assert.equal("alpha = 3", read({ "al", UP, ENTER }, history))
    assert.equal("alpha = 1", read({ "al", UP, UP, ENTER }, history))
    assert.equal("al", read({ "al", UP, UP, DOWN, DOWN, ENTER }, history))
    assert.equal("alpha = 1", read({ "al", UP, UP, UP, ENTER }, history))
    assert.equal(history[4], read({ UP, ENTER }, history))
    assert.equal("alpha = 3x", read({ "al", UP, "x", UP, ENTER }, history))
    assert.equal("beta = 2", read({ "\16", "\16", "\16", ENTER }, history))
  end)

  it("moves inside a recalled piece and edits it", function()
    local history = { "old()", "for i = 1, 2 do\n  f(i)\nend" }
    assert.equal("for i = 1, 2 do\n  f(i + 1)\nend", read({ UP, UP, "\5", LEFT, " + 1", DOWN, ENTER }, history))
    assert.equal("old()", read({ UP, UP, UP, UP, ENTER }, history))
    assert.equal("for i = 1, 2 do\n  f(i)\nend", read({ UP, UP, ENTER }, history))
  end)

  it("searches as one types", function()
    local history = { "local net = Net()", "print(net)", "x = 1" }
    assert.equal("print(net)", read({ "\18", "net", ENTER }, history))
    assert.equal("local net = Net()", read({ "\18", "net", "\18", ENTER }, history))
    assert.equal("print(net)", read({ "\18", "net", "\18", "\19", ENTER }, history))
    assert.equal("local net = Net()", read({ "\18", "Net", ENTER }, history))
    assert.equal("kept", read({ "kept", "\18", "net", "\7", ENTER }, history))
    assert.equal("print(Xnet)", read({ "\18", "net", "\27", "X", ENTER }, history))
    assert.same({ n = 2, nil, "interrupt" }, table.pack(read({ "\18", "net", { "interrupt" } }, history)))
    read({ "\18", "zzz", "\7", ENTER }, history)
    assert.truthy(table.concat(written):find("failing search", 1, true))
  end)

  it("takes pastes as they are", function()
    local text = "for i = 1, 2 do\n      f(i)\n\tend"
    assert.equal(text, read { "\27[200~" .. text:gsub("\n", "\r") .. "\r\27[201~", ENTER })
    assert.equal("a\n  b", read { "\27[200~a\r  b\27[201~", ENTER })
    -- unmarked: all at once, each piece by itself, no indentation added
    local self = open { "do\r    x()\r  end\r1 + 1\r" }
    assert.equal("do\n    x()\n  end", self:read { first = "> ", more = "| " })
    assert.equal("1 + 1", self:read { first = "> ", more = "| " })
  end)

  it("completes and shows what there is", function()
    complete = function(before, after) return before == "pri" and after == "(x)" and "nt" or nil end
    assert.equal("print(x)", read { "pri(x)", LEFT, LEFT, LEFT, "\t", ENTER })
    complete = function() return nil, "one  two" end
    assert.equal("t", read { "t", "\t", ENTER })
    assert.truthy(table.concat(written):find("one  two\n", 1, true))
    assert.equal("f(1)", read { "f(1)", LEFT, "\27[Z", ENTER })
    assert.truthy(table.concat(written):find("help at 3 of f(1)", 1, true))
  end)

  it("survives a narrow terminal and any bytes", function()
    width = 1
    assert.equal("日x", read { "日x", ENTER })
    width = 7
    local random, seed = {}, 7
    for i = 1, 3000 do
      seed = (seed * 1103515245 + 12345) & 0x7fffffff
      random[i] = string.char((seed >> 8) & 255)
    end
    local self = open({ table.concat(random), "x" }, { "a", "b\nc" })
    for _ = 1, 200 do
      local piece, why = self:read { first = "> ", more = "| " }
      if why == "eof" then break end
      assert.is_true(piece == nil or utf8.len(piece) ~= nil)
    end
  end)
end)
