-- What the terminal face is shown with: colours, cells, programs' output as cells, keys, and the picture as a whole.
local colours = require "perilune.draw.colours"
local screens = require "perilune.draw.screen"
local ansi = require "perilune.draw.ansi"
local keys = require "perilune.draw.keys"

describe("colours", function()
  local function found(variables) return colours.found(function(name) return variables[name] end) end

  it("are found from what a terminal says of itself", function()
    assert.equal("24bit", found { COLORTERM = "truecolor", TERM = "xterm" })
    assert.equal("24bit", found { TERM = "xterm-direct" })
    assert.equal("24bit", found { TERM = "xterm-kitty" })
    assert.equal("256", found { TERM = "xterm-256color" })
    assert.equal("256", found { TERM = "screen", COLORTERM = "" })
    assert.equal("256", found { TERM = "linux", COLORTERM = "yes" })
    assert.equal("16", found { TERM = "linux" })
    assert.equal("16", found { TERM = "vt220" })
    assert.equal("16", found {})
    assert.equal("none", found { TERM = "xterm-256color", COLORTERM = "truecolor", NO_COLOR = "1" })
    assert.equal("256", found { TERM = "xterm-256color", NO_COLOR = "" })
  end)

  it("are told each in its way", function()
    assert.equal("\27[38;2;1;2;255m", colours.code("24bit", 0x0102FF))
    assert.equal("\27[48;2;1;2;255m", colours.code("24bit", 0x0102FF, true))
    assert.equal("\27[38;5;196m", colours.code("256", 0xFF0000))
    assert.equal("\27[48;5;244m", colours.code("256", 0x808080, true))
    assert.equal("\27[97m", colours.code("16", 0xFFFFFF))
    assert.equal("\27[100m", colours.code("16", 0x7F7F7F, true))
    assert.equal("\27[30m", colours.code("16", 0x101010))
    assert.equal("\27[41m", colours.code("16", 0xC00000, true))
    assert.equal("", colours.code("none", 0xFFFFFF))
  end)

  it("of the terminal's own sixteen are told by their number", function()
    for _, mode in ipairs { "24bit", "256", "16" } do
      assert.equal("\27[31m", colours.code(mode, -2))
      assert.equal("\27[95m", colours.code(mode, -14))
      assert.equal("\27[47m", colours.code(mode, -8, true))
    end
  end)

  it("of the 256 come back as they went", function()
    for number = 16, 255 do
      local again = colours.palette(colours.of_palette(number))
      assert.equal(colours.of_palette(number), colours.of_palette(again))
    end
    assert.equal(-10, colours.of_palette(9))
  end)

  it("are the nearest of sixteen", function()
    assert.equal(0, colours.standard(0x101010))
    assert.equal(9, colours.standard(0xF01010))
    assert.equal(8, colours.standard(0x707078))
    assert.equal(12, colours.standard(0x5050F8))
  end)

  it("of the theme can be told apart where there are sixteen", function()
    local theme = colours.theme "16"
    local numbers = {}
    for _, name in ipairs { "ground", "paper", "ink", "bar", "best", "heat", "mark" } do
      local number = colours.standard(theme[name])
      assert.is_nil(numbers[number], name)
      numbers[number] = name
    end
  end)
end)

-- What a terminal shows after bytes: only moves, colours and characters are known to it.
local function terminal(columns, rows)
  local cells, x, y = {}, 1, 1
  for i = 1, columns * rows do cells[i] = " " end
  local self = {}
  function self.feed(bytes)
    local at = 1
    while at <= #bytes do
      local row, column, stop = bytes:match("^\27%[(%d+);(%d+)H()", at)
      local other = bytes:match("^\27%[[%d;?]*[mhl]()", at)
      if row then
        y, x, at = tonumber(row), tonumber(column), stop
      elseif other then
        at = other
      else
        local character = bytes:match(utf8.charpattern, at)
        cells[(y - 1) * columns + x] = character
        x, at = x + 1, at + #character
      end
    end
  end
  function self.row(n) return table.concat(cells, "", (n - 1) * columns + 1, n * columns) end
  return self
end

describe("a screen", function()
  it("sends what changed, and nothing twice", function()
    local s, t = screens.new(10, 3, { colours = "24bit" }), terminal(10, 3)
    t.feed(s:flush())
    assert.equal("", s:flush())
    s:text(2, 2, "hello")
    local bytes = s:flush()
    assert.is_truthy(bytes:find("hello", 1, true))
    assert.equal(1, select(2, bytes:gsub("\27%[%d+;%d+H", "")))
    t.feed(bytes)
    assert.equal(" hello    ", t.row(2))
    s:text(2, 2, "help!")
    bytes = s:flush()
    assert.is_nil(bytes:find("hel", 1, true))
    t.feed(bytes)
    assert.equal(" help!    ", t.row(2))
    s:text(2, 2, "hello")
    s:text(2, 2, "help!")
    assert.equal("", s:flush())
  end)

  it("shows the same as if all were sent, whatever is put", function()
    local s, t = screens.new(20, 8, { colours = "256" }), terminal(20, 8)
    local state = 7
    local function random(n)
      state = (state * 1103515245 + 12345) % 2147483648
      return state // 65536 % n + 1
    end
    for _ = 1, 200 do
      for _ = 1, random(30) do
        s:put(random(24) - 2, random(10) - 1, ("ab ▀█"):match(utf8.charpattern, ({ 1, 2, 3, 4, 7 })[random(5)]), random(4), random(3))
      end
      t.feed(s:flush())
    end
    local fresh, whole = screens.new(20, 8, { colours = "256" }), terminal(20, 8)
    for i = 1, 160 do fresh.characters[i], fresh.inks[i], fresh.grounds[i] = s.characters[i], s.inks[i], s.grounds[i] end
    whole.feed(fresh:flush())
    for row = 1, 8 do assert.equal(whole.row(row), t.row(row)) end
  end)

  it("keeps the row's end for what is two columns wide", function()
    local s = screens.new(4, 1, { colours = "none" })
    assert.equal(4, s:text(2, 1, "日"))
    assert.equal(" 日 ", (s:flush():gsub("\27%[%d+;%d+H", "")))
    assert.equal(4, s:text(4, 1, "日"))
    assert.equal("", s:flush())
  end)

  it("makes control characters and broken text harmless", function()
    local s = screens.new(8, 1, { colours = "none" })
    s:text(1, 1, "a\27[2Jb\255")
    assert.is_nil(s:flush():gsub("\27%[%d+;%d+H", ""):find "[\27\255]")
  end)

  it("shows the cursor where it is wanted and hides it again", function()
    local s = screens.new(8, 2, { colours = "none" })
    s:flush()
    s:cursor(3, 2)
    assert.equal("\27[2;3H\27[?25h", s:flush())
    assert.equal("", s:flush())
    s:text(1, 1, "x")
    assert.equal("\27[1;1Hx\27[2;3H", s:flush())
    s:cursor(nil)
    assert.equal("\27[?25l", s:flush())
  end)

  it("tells no colour where there are none", function()
    local s = screens.new(8, 2, { colours = "none", ground = 0x112233 })
    s:text(1, 1, "x", 0xFF0000, 0x00FF00)
    assert.is_nil(s:flush():find "m")
  end)
end)

describe("output as cells", function()
  local function written(...)
    local text = ansi.new(100)
    for _, bytes in ipairs { ... } do text:write(bytes) end
    return text
  end

  it("has lines, tabs, and lines begun again", function()
    assert.equal("one\ntwo", written("one\ntwo"):plain())
    assert.equal("a       b", written("a\tb"):plain())
    assert.equal("20%", written("10%\r20%"):plain())
    assert.equal("do", written("done\rdo\27[K"):plain())
    assert.equal("ax", written("ab\8x"):plain())
    assert.equal("50 of 100", written("Epoch 1 of 9\r\27[K50 of 100"):plain())
  end)

  it("keeps colours", function()
    local line = written("\27[31mr\27[1;92mg\27[38;5;22mp\27[38;2;1;2;3;48;5;196mx\27[39my\27[0mz").lines[1]
    assert.same({ -2, -11, colours.of_palette(22), 0x010203, nil, nil }, line.inks)
    assert.is_nil(line.inks[5])
    assert.equal(0xFF0000, line.grounds[4])
    assert.equal(0xFF0000, line.grounds[5])
    assert.is_nil(line.grounds[6])
    local swapped = written("\27[31;42;7mx").lines[1]
    assert.equal(-3, swapped.inks[1])
    assert.equal(-2, swapped.grounds[1])
  end)

  it("drops all else that a terminal would act on", function()
    for _, sequence in ipairs { "\27[10;10H", "\27[?1049h", "\27]0;title\7", "\27]8;;http://x\27\\", "\27Pq#0;1\27\\", "\27c",
      "\27(0", "\27[5A", "\7", "\27[>0q", "\27[38;5m", "\27[1000000000000m", "\27_G\27\\", "\0", "\27[?25l" } do
      assert.equal("ab", written("a" .. sequence .. "b"):plain())
    end
  end)

  it("is the same however it is cut into pieces", function()
    local bytes = "ä日\27[31mré\27]0;t\7d\27[0m\r\n\27Pq\27\\end\27[38;2;9;8;7m!"
    local whole = written(bytes)
    for cut = 1, #bytes - 1 do
      local parts = written(bytes:sub(1, cut), bytes:sub(cut + 1))
      assert.same(whole.lines, parts.lines)
    end
    assert.equal("ä日réd\nend!", whole:plain())
  end)

  it("shows what is no text as such", function()
    assert.equal("a\u{FFFD}b", written("a\255b"):plain())
    assert.equal("a\u{FFFD}(", written("a\xE3("):plain():sub(1, 5))
  end)

  it("is bounded", function()
    local text = ansi.new(100)
    for i = 1, 1000 do text:write(i .. "\n") end
    assert.is_true(#text.lines <= 126)
    assert.is_truthy(text:plain():find "999\n1000\n$")
    text:write(("x"):rep(100000))
    for _, line in ipairs(text.lines) do assert.is_true(line.n <= 4096) end
  end)
end)

describe("keys", function()
  local function events(...)
    local decoder, list = keys.decoder(), {}
    for _, bytes in ipairs { ... } do
      for _, event in ipairs(decoder:feed(bytes)) do list[#list + 1] = event end
    end
    return list, decoder
  end
  local function names(...)
    local list = {}
    for i, event in ipairs((events(...))) do list[i] = event.key or event.action or event.text end
    return list
  end

  it("have names", function()
    assert.same({ "a", "ä", "enter", "tab", "backspace", "ctrl-c", "up", "ctrl-left", "page-up", "shift-tab", "home", "alt-b", "alt-up" },
      { table.unpack(names "aä\r\t\127\3\27[A\27[1;5D\27[5~\27[Z\27OH\27b\27[1;3A") })
    assert.same({ "escape" }, names("\27", ""))
    assert.same({ "escape", "x" }, names("\27", "", "x"))
  end)

  it("come whole out of pieces", function()
    local bytes = "\27[<0;10;5M\27[<32;11;5Mä\27[1;5D\27[<0;11;5m\27[200~some\27[Atext\27[201~x"
    local whole = events(bytes)
    assert.equal(7, #whole)
    for cut = 1, #bytes - 1 do assert.same(whole, (events(bytes:sub(1, cut), bytes:sub(cut + 1)))) end
    local single = {}
    for i = 1, #bytes do single[i] = bytes:sub(i, i) end
    assert.same(whole, (events(table.unpack(single))))
  end)

  it("of the mouse are places, buttons and turns of the wheel", function()
    assert.same({ kind = "mouse", action = "press", button = "left", column = 10, row = 5 }, events "\27[<0;10;5M"[1])
    assert.same({ kind = "mouse", action = "drag", button = "right", column = 1, row = 2 }, events "\27[<34;1;2M"[1])
    assert.equal(-1, events "\27[<64;1;1M"[1].step)
    assert.equal(1, events "\27[<65;1;1M"[1].step)
    assert.same({}, (events "\27[<66;1;1M\27[<999;1;1M\27[<0;99999999999999999999;1M\27[<0;1M\27[<;;M"))
  end)

  it("a paste without an end is over after a while", function()
    local list, decoder = events "\27[200~one\rtwo"
    assert.same({}, list)
    assert.is_true(decoder:waiting())
    for _ = 1, 100 do
      list = decoder:feed ""
      if list[1] then break end
    end
    assert.equal("one\ntwo", list[1].text)
    assert.is_false(decoder:waiting())
  end)

  it("never stop at anything", function()
    local state = 3
    for _ = 1, 300 do
      local bytes = {}
      for i = 1, 40 do
        state = (state * 1103515245 + 12345) % 2147483648
        local pick = state // 65536 % 12
        bytes[i] = pick < 4 and "\27" or pick < 6 and "[" or pick < 7 and "<0;1" or string.char(state // 65536 % 256)
      end
      local decoder = keys.decoder()
      decoder:feed(table.concat(bytes))
      for _ = 1, 30 do decoder:feed "" end
      assert.is_false(decoder:waiting())
      assert.same({ kind = "key", key = "q" }, decoder:feed "q"[1])
    end
  end)

  it("take a burst at once", function()
    local bytes = {}
    for i = 1, 5000 do bytes[i] = ("\27[<32;%d;%dM"):format(i % 80 + 1, i % 24 + 1) end
    local start = os.clock()
    assert.equal(5000, #events(table.concat(bytes)))
    assert.is_true(os.clock() - start < 1)
  end)
end)
