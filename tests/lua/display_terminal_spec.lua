--- What a terminal shows: pictures as blocks, figures as characters or sixels, and what the environment says it can do.
local peri = require "perilune"
local display = require "perilune.display"
local screen = require "perilune.display.screen"

local has_pictures = package.searchpath("perilune.image", package.cpath) ~= nil

-- Runs f with these variables in the environment, and no others.
local function with(variables, f)
  local getenv = os.getenv
  os.getenv = function(name) return variables[name] end -- luacheck: ignore
  local results = table.pack(pcall(f))
  os.getenv = getenv -- luacheck: ignore
  assert(results[1], results[2])
  return table.unpack(results, 2, results.n)
end

describe("the screen", function()
  it("has the colours that its names say", function()
    local function colors(variables) return with(variables, screen.colors) end
    assert.equal("true", colors { TERM = "xterm-256color", COLORTERM = "truecolor" })
    assert.equal("true", colors { TERM = "xterm", COLORTERM = "24bit" })
    assert.equal("256", colors { TERM = "xterm-256color" })
    assert.equal("256", colors { TERM = "screen" })
    assert.equal("none", colors { TERM = "dumb", COLORTERM = "truecolor" })
    assert.equal("none", colors { TERM = "vt100" })
    assert.equal("none", colors {})
    assert.equal("none", colors { TERM = "xterm-256color", COLORTERM = "truecolor", NO_COLOR = "1" })
    assert.equal("256", colors { TERM = "xterm-256color", NO_COLOR = "" })
  end)

  it("draws sixels where it is known to, or told so", function()
    local function sixel(variables) return with(variables, screen.sixel) end
    assert.is_false(sixel { TERM = "xterm-256color" })
    assert.is_true(sixel { TERM = "xterm-256color", PERILUNE_SIXEL = "1" })
    assert.is_true(sixel { TERM = "foot" })
    assert.is_true(sixel { TERM = "xterm-256color", TERM_PROGRAM = "WezTerm" })
    assert.is_false(sixel { TERM = "foot", PERILUNE_SIXEL = "0" })
    assert.is_false(sixel { TERM = "foot", TMUX = "/tmp/tmux-0/default" })
    assert.is_false(sixel {})
  end)

  it("is what the caller says before what is looked up", function()
    local s = screen.of { color = false, width = 33, height = 11, sixel = false, unicode = true }
    assert.same({ width = 33, height = 11, colors = "none", sixel = false, unicode = true }, s)
    with({ TERM = "xterm", COLORTERM = "truecolor", LANG = "C" }, function()
      assert.equal("true", screen.of({ color = true }).colors)
      assert.is_false(screen.of({}).unicode)
    end)
    with({ TERM = "dumb", LANG = "de_DE.UTF-8" }, function()
      assert.equal("256", screen.of({ color = true }).colors)
      assert.is_true(screen.of({}).unicode)
    end)
  end)
end)

describe("display.terminal", function()
  it("gives text for what is no picture", function()
    assert.equal("{ 1 }", display.terminal { 1 })
    assert.equal("text", display.terminal "text")
    assert.equal(tostring(peri.eye(3)), display.terminal(peri.eye(3)))
    assert.equal("**b**", display.terminal(peri.markdown "**b**"))
  end)

  it("hands the screen to the object", function()
    local seen
    local thing = setmetatable({}, { __terminal = function(_, s) seen = s return nil end, __tostring = function() return "me" end })
    assert.equal("me", display.terminal(thing, { width = 44, height = 10, color = false }))
    assert.equal(44, seen.width)
    assert.equal("none", seen.colors)
  end)

  it("draws figures as characters in its width", function()
    local figure = peri.plot.lines { 1, 3, 2 }
    local text = display.terminal(figure, { width = 50, height = 14, color = false, sixel = false })
    local lines = 0
    for line in (text .. "\n"):gmatch "(.-)\n" do
      lines = lines + 1
      assert.is_true(utf8.len(line) <= 50)
    end
    assert.is_true(lines <= 14 and lines > 6)
    assert.is_nil(text:find("\27", 1, true))
  end)

  it("draws figures as sixels where that is possible", function()
    local figure = peri.plot.figure { width = 300, height = 200 }:lines { 1, 2 }
    if not require("perilune.plot.gnuplot").terminals().sixelgd then
      assert.is_truthy(display.terminal(figure, { sixel = true, width = 40, height = 12 }))
      return
    end
    assert.is_truthy(display.terminal(figure, { sixel = true }):find "^\27P")
  end)
end)

if not has_pictures then
  describe("blocks", function() pending "are not in this build" end)
  return
end

local TRUE = { colors = "true", unicode = true, width = 80, height = 30 }

-- The characters of a text without colours.
local function letters(text) return (text:gsub("\27%[[%d;]*m", "")) end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  return lines
end

-- Reads half blocks back: rows of "r,g,b", false where nothing is.
local function read_back(lines)
  local rows = {}
  for n, line in ipairs(lines) do
    local upper, lower, front, back = {}, {}, nil, nil
    local at = 1
    while at <= #line do
      local codes, rest = line:match("^\27%[([%d;]*)m()", at)
      if codes then
        local role, colour = codes:match "^(%d+);2;([%d;]+)$"
        if codes == "0" then front, back = nil, nil
        elseif codes == "49" then back = nil
        elseif role == "38" then front = colour
        else back = colour end
        at = rest
      else
        local letter = line:match(utf8.charpattern, at)
        upper[#upper + 1], lower[#lower + 1] = letter == "▀" and front or false, letter == "▀" and back or false
        at = at + #letter
      end
    end
    rows[2 * n - 1], rows[2 * n] = upper, lower
  end
  return rows
end

describe("blocks", function()
  it("hold every pixel in its colour", function()
    local x = (peri.rand(16, 20, 3) * 255):byte()
    local lines = lines_of(display.terminal(x, TRUE))
    assert.equal(9, #lines)
    assert.equal("uint8 (16, 20, 3)", lines[9])
    lines[9] = nil
    local rows, values = read_back(lines), x:totable()
    for i = 1, 16 do
      for j = 1, 20 do assert.equal(table.concat(values[i][j], ";"), rows[i][j]) end
    end
  end)

  it("end an odd picture with half a line, and every line in the terminal's own colours", function()
    local lines = lines_of(display.terminal(peri.rand(15, 16, 1), TRUE))
    assert.equal(9, #lines)
    assert.is_truthy(lines[8]:find("\27[49m", 1, true) or not lines[8]:find("\27[48", 1, true))
    for i = 1, 8 do assert.is_truthy(lines[i]:find "\27%[0m$") end
  end)

  it("draw small pictures twice as large", function()
    local lines = lines_of(display.terminal(peri.rand(8, 8, 1), TRUE))
    assert.equal(9, #lines)
    assert.equal(16, utf8.len(letters(lines[1])))
  end)

  it("fit into the width and height", function()
    for _, size in ipairs { { 40, 30 }, { 100, 12 }, { 200, 60 } } do
      local text = display.terminal(peri.rand(300, 500, 3), { colors = "true", unicode = true, width = size[1], height = size[2] })
      local lines = lines_of(text)
      assert.is_true(#lines <= size[2])
      local width = utf8.len(letters(lines[1]))
      assert.is_true(width <= size[1])
      assert.near(500 / 300, width / (2 * (#lines - 1)), 0.12)
    end
  end)

  it("lay batches out side by side, and say how many there are", function()
    local text = display.terminal(peri.rand(50, 28, 28, 1), { colors = "true", unicode = true, width = 80, height = 32 })
    local lines = lines_of(text)
    assert.equal("float32 (50, 28, 28, 1), 4 of 50 shown", lines[#lines])
    assert.equal(2 * 14 + 1 + 1, #lines)
    assert.equal(57, utf8.len(letters(lines[1])))
    assert.equal("", lines[15])
  end)

  it("use the nearest of 256 colours, or shades without any", function()
    local x = peri.zeros({ 16, 16, 3 }, "uint8")
    x[{ {}, {}, 1 }] = 255
    local options = { colors = "256", unicode = true, width = 80, height = 30 }
    assert.is_truthy(display.terminal(x, options):find("38;5;196", 1, true))
    assert.is_truthy(display.terminal(peri.full({ 16, 16, 1 }, 128, "uint8"), options):find("38;5;244", 1, true))
    assert.is_truthy(display.terminal(peri.full({ 16, 16, 1 }, 255, "uint8"), options):find("38;5;231", 1, true))
    local ramp = peri.zeros(16, 20, 1)
    for i = 1, 20 do ramp[{ {}, i, 1 }] = (i - 1) / 19 end
    for _, plain in ipairs { { color = false }, { colors = "none" }, { colors = "true", unicode = false } } do
      plain.width, plain.height = 80, 30
      local text = display.terminal(ramp, plain)
      assert.is_nil(text:find "[\27\128-\255]")
      assert.equal("  ..::--==++**##%%@@", lines_of(text)[1])
    end
  end)

  it("lay alpha over white", function()
    local x = peri.zeros({ 16, 16, 4 }, "uint8")
    assert.is_truthy(display.terminal(x, TRUE):find("38;2;255;255;255", 1, true))
  end)

  it("draw pictures that were asked for, and files", function()
    local text = display.terminal(peri.image(peri.eye(16)), TRUE)
    assert.is_truthy(text:find("38;2;255;255;255", 1, true))
    local file = peri.image(peri.image.encode(peri.ones(16, 16, 3)))
    assert.is_truthy(display.terminal(file, TRUE):find("38;2;255;255;255", 1, true))
    assert.equal("GIF picture (4 bytes)", display.terminal(peri.image "GIF8", TRUE))
    assert.is_truthy(display.terminal(peri.image "\x89PNG broken", TRUE):find "^PNG picture")
  end)
end)

describe("the terminal as backend", function()
  -- What a child with its output in a pipe prints.
  local function child(code)
    local path = os.tmpname()
    local file = io.open(path, "w")
    file:write(code)
    file:close()
    local pipe = assert(io.popen("lua5.4 " .. path .. " 2>&1"))
    local text = pipe:read "a"
    pipe:close()
    os.remove(path)
    return text
  end

  it("prints into a pipe: numbers, figures as characters, updates that change something", function()
    assert.equal("{ 1 }\n{ 2 }\n{ 1 }\n", child [[
      local peri = require "perilune"
      local h = peri.display { 1 }
      h:update { 1 }
      h:update { 2 }
      h:update { 2 }
      h:update { 1 }
      peri.clear_output()
      peri.clear_output(true)
    ]])
    assert.is_truthy(child [[ peri = require "perilune"; peri.display(peri.zeros(8, 8, 1)) ]]:find "^%[%[%[0")
    local figure = child [[ peri = require "perilune"; peri.display(peri.plot.lines { 1, 2, 3 }) ]]
    assert.is_truthy(figure:find "%+%-%-%-%-")
    assert.is_nil(figure:find("\27", 1, true))
  end)
end)
