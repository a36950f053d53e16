--- perilune.plot: every chart in every format, texts that try to break out, bad data, a missing or failing
-- gnuplot, and nothing left behind.
local plot = require "perilune.plot"

require("perilune.plot.gnuplot").warn = function() end -- 15,000 letters do not fit in a title

local function shell(command)
  local pipe <close> = assert(io.popen(command, "r"))
  return pipe:read "a"
end

local folder = (shell "mktemp -d"):gsub("\n", "")

local function slurp(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function exists(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil
end

-- Every temporary name that was handed out, so that others' files in /tmp do not matter.
local handed_out = {}
local tmpname = os.tmpname
os.tmpname = function() -- luacheck: ignore
  handed_out[#handed_out + 1] = tmpname()
  return handed_out[#handed_out]
end

local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "no error was raised")
  assert.is_truthy(tostring(message):find(pattern), ("'%s' does not match '%s'"):format(tostring(message), pattern))
  return message
end

local function history(epochs)
  local h = { epoch = {}, loss = {}, val_loss = {}, accuracy = {}, val_accuracy = {}, lr = {}, seconds = {} }
  for e = 1, epochs do
    h.epoch[e], h.loss[e], h.val_loss[e] = e, 1 / e, 1.1 / e + 0.02 * e
    h.accuracy[e], h.val_accuracy[e], h.lr[e], h.seconds[e] = 1 - 0.3 / e, 1 - 0.35 / e, 0.001, 2.5
  end
  return h
end

local function picture(size, value)
  local rows = {}
  for i = 1, size do
    rows[i] = {}
    for j = 1, size do rows[i][j] = value or (i + j) / (2 * size) end
  end
  return rows
end

local function kernel()
  local k = {}
  for i = 1, 3 do
    k[i] = {}
    for j = 1, 3 do k[i][j] = { { i - 2, j - 2, i * j, -1 } } end
  end
  return k
end

local made = {
  lines = function() return plot.lines({ 1, 2, 3 }, { 2, 4, 1 }, { title = "t", name = "a", xlabel = "x" }) end,
  y_only = function() return plot.lines { 3, 1, 2 } end,
  scatter = function() return plot.scatter({ 1, 2, 3 }, { 2, 4, 1 }, { mark = "diamond" }) end,
  band = function() return plot.figure():band({ 1, 2 }, { 0, 1 }, { 1, 3 }) end,
  bars = function() return plot.bar({ "cat", "50 %" }, { 3, 5 }, { values = true }) end,
  histogram = function() return plot.hist({ 1, 2, 2, 3, 3, 3, 9 }, { bins = 4 }) end,
  heatmap = function() return plot.heatmap({ { 1, 2 }, { 3, 0 / 0 } }, { values = true, xnames = { "a", "b" } }) end,
  image = function() return plot.image(picture(8)) end,
  surface = function() return plot.surface { { 1, 2, 1 }, { 2, 5, 2 }, { 1, 2, 0 } } end,
  history = function() return plot.history(history(5)) end,
  runs = function() return plot.history { a = history(5), b = history(8) } end,
  confusion = function() return plot.confusion { { 9, 1 }, { 0, 8 } } end,
  images = function()
    return plot.images({ picture(6), picture(6) }, { labels = { 7, 2 }, predictions = { 7, 3 } })
  end,
  filters = function() return plot.filters(kernel()) end,
  logarithmic = function() return plot.lines({ 1, 10, 1000 }, { 0.1, 0.02, 0.3 }, { logx = true, logy = true }) end,
  marks = function()
    return plot.lines({ 1, 2 }, { 1, 2 }):hline(1.5):vline(1.2):label(1, 2, "here"):box(1, 1, 2, 2)
  end,
  raw = function() return plot.figure():raw "set xlabel 'own'":raw { plot = "sin(x) with lines" } end,
  panels = function()
    return plot.panels { plot.lines { 1, 2 }, plot.hist { 1, 2, 5 }, columns = 2, title = "two" }
  end,
  empty = function() return plot.figure { title = "empty" } end,
}

describe("every chart", function()
  local magic = { png = "^\137PNG\r\n\26\n", svg = "^<%?xml.*</svg>%s*$", pdf = "^%%PDF%-", txt = "%S" }
  for name, make in pairs(made) do
    it("draws " .. name .. " as png, svg, pdf and characters", function()
      local fig = make()
      for ending, pattern in pairs(magic) do
        local path = ("%s/%s.%s"):format(folder, name, ending)
        assert.equal(fig, fig:save(path))
        assert.is_truthy(slurp(path):find(pattern), ending)
      end
      assert.is_truthy(fig:text { width = 60, height = 20, color = true }:find "%S")
      assert.is_nil(fig:text({ width = 60, height = 20, color = false }):find "\27")
      assert.is_truthy(tostring(fig):find "^%u%l+ ?.*%(" and #tostring(fig) < 120)
    end)
  end

  it("is the same, bit by bit, on every run", function()
    for _, name in ipairs { "history", "images", "surface" } do
      assert.equal(made[name]():svg(), made[name]():svg())
      assert.equal(made[name]():png(), made[name]():png())
    end
  end)

  it("has the pixels that were asked for", function()
    local png = plot.lines({ 1, 2 }, { width = 300, height = 200 }):png { scale = 3 }
    local wide, high = string.unpack(">I4I4", png, 17)
    assert.same({ 900, 600 }, { wide, high })
  end)

  it("tells lines apart and shades cells without colours", function()
    local text = plot.figure():lines({ 1, 2 }):lines({ 2, 1 }):text { width = 50, height = 15, color = false }
    assert.is_truthy(text:find "%*" and text:find "#")
    text = plot.heatmap({ { 0, 1 }, { 1, 0.5 } }):text { width = 50, height = 15, color = false }
    assert.is_truthy(text:find "@@@" and text:find "[+=][+=][+=]" and not text:find "XX")
  end)

  it("labels a logarithmic axis of another base by its own powers", function()
    local script = plot.lines({ 1, 2, 512 }, { 1, 8, 2 ^ 40 }, { logx = 2, logy = 2 }):script()
    assert.is_truthy(script:find("'128' 128, '256' 256", 1, true))
    assert.is_truthy(script:find("'2^{20}' 1048576", 1, true))
  end)

  it("draws sixels", function()
    assert.is_truthy(plot.lines({ 1, 2 }):sixel():find "\27P")
  end)
end)

describe("texts", function()
  local victim = folder .. "/injected"
  local nasty = {
    "`touch " .. victim .. "`", "$(touch " .. victim .. ")", "'; system('touch " .. victim .. "'); '", "'", "''",
    "'''", "it's",
    "'\n!touch " .. victim .. "\n", "\"\nsystem \"touch " .. victim .. "\"", "a\\",
    "\\' . system('touch " .. victim .. "')",
    "@macro", "%d %s %n %%", "{/Symbol a}_b^c ~d&{e}", "#comment", "", "\0\1\27[31m", "\xff\xfe broken \xc3",
    "EOD\nEOD\n!touch " .. victim,
    ("long "):rep(3000), "<b>&amp;</b>]]>", "</title>\n<script>1</script><title>", "naïve 数字 ☾",
  }
  it("are literal wherever they stand", function()
    for _, text in ipairs(nasty) do
      local fig = plot.figure { title = text, xlabel = text, ylabel = text, width = 400, height = 300 }
        :bars({ text, "b" }, { 1, 2 }, { title = text }):label(1, 1, text)
      local heat = plot.heatmap({ { 1, 2 } }, { xnames = { text, text }, colorbar = text, title = text })
      local svg = plot.panels({ fig, heat, title = text }):svg()
      assert.is_false(exists(victim), text)
      assert.is_truthy(svg:find "</svg>")
    end
  end)

  it("may name runs and classes", function()
    local runs, rows = {}, {}
    for i, text in ipairs(nasty) do
      runs[text], rows[i] = history(3), {}
      for j = 1, #nasty do rows[i][j] = i + j end
    end
    plot.history(runs):save(folder .. "/nasty.png")
    plot.confusion(rows, { classes = nasty }):save(folder .. "/nasty.pdf")
    assert.is_false(exists(victim))
  end)

  it("show markup, percent signs and quotes as they are", function()
    local svg = plot.figure { title = "a_b^2 {x} 50% 'q' \"r\" `s` @t \\n" }:bars({ "10%" }, { 1 }):svg()
    assert.is_truthy(svg:find("a_b^2 {x} 50% 'q' \"r\" `s` @t \\n", 1, true))
    assert.is_truthy(svg:find(">10%<", 1, true))
  end)

  it("take gnuplot's markup on request", function()
    local svg = plot.figure({ title = "a_b", enhanced = true }):lines({ 1, 2 }):svg()
    assert.is_nil(svg:find("a_b", 1, true))
  end)

  it("make valid XML", function()
    local parser = "python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' "
    if not os.execute "command -v python3 >/dev/null" then return pending "no python3 to parse XML with" end
    local path = folder .. "/xml.svg"
    for _, text in ipairs(nasty) do
      plot.lines({ 1, 2 }, { title = text, name = text }):save(path)
      assert.is_nil(slurp(path):find "<script")
      assert.is_true(os.execute(parser .. path .. " 2>/dev/null"), text)
    end
  end)

  it("in paths stay paths", function()
    local names = { "a b.svg", "q'uote.svg", "`touch injected`.svg", "$(touch injected).svg", "-x.svg", "a\nb.svg" }
    for _, name in ipairs(names) do
      plot.lines({ 1, 2 }):save(folder .. "/" .. name)
      assert.is_true(exists(folder .. "/" .. name))
    end
    assert.is_false(exists(victim) or exists "injected")
  end)
end)

describe("data", function()
  it("may be tensors", function()
    local tensor = setmetatable({}, { __index = { totable = function() return { 1, 4, 9 } end } })
    assert.equal(plot.lines({ 1, 4, 9 }):svg(), plot.lines(tensor):svg())
    assert.equal(plot.lines({ 1, 4, 9 }, { 1, 4, 9 }):svg(), plot.lines(tensor, tensor, {}):svg())
  end)

  it("have gaps where they are not finite", function()
    local script = plot.lines({ 1, 2, 3 }, { 1, 0 / 0, math.huge }):script()
    assert.is_truthy(script:find("2 NaN\n3 NaN", 1, true))
    for _, value in ipairs { 0 / 0, math.huge, -math.huge } do
      plot.lines({ value, value }):svg()
      plot.scatter({ value }, { 1 }, { logy = true }):svg()
      plot.hist({ value }):svg()
      plot.heatmap({ { value } }):svg()
      plot.bar({ value }, { value }):svg()
      plot.surface({ { value, value }, { value, value } }):svg()
      plot.history({ loss = { value, value }, val_loss = { value, value } }):svg()
    end
  end)

  it("may be constant, single, huge or tiny", function()
    for _, y in ipairs { { 5 }, { 0, 0 }, { 1e300, -1e300 }, { 1e-300, 2e-300 }, { -3, -3 } } do
      for _, kind in ipairs { "lines", "scatter", "bar", "hist" } do
        local data = kind == "hist" and { y } or { y, y }
        plot[kind](table.unpack(data)):svg()
      end
      plot.lines(y, { logy = true }):svg()
    end
  end)

  it("of the wrong kind raise errors that teach", function()
    fails("x has 2 values but y has 3", plot.lines, { 1, 2 }, { 1, 2, 3 })
    fails("y is empty", plot.lines, {})
    fails("fig:lines: y wants a list of numbers or a tensor, got nothing", function() plot.figure():lines() end)
    fails("y wants a list of numbers, got a string at %[2%]", plot.lines, { 1, "2" })
    fails("a matrix%?", plot.lines, { { 1, 2 } })
    fails("rows of different lengths", plot.heatmap, { { 1, 2 }, { 1 } })
    fails("unknown argument 'colour'; it takes title, color", plot.lines, { 1, 2 }, { colour = "red" })
    fails("color wants '#rrggbb'", plot.lines, { 1, 2 }, { color = "#12'; !ls" })
    fails("dash wants", plot.lines, { 1, 2 }, { dash = "wavy" })
    fails("palette wants one of", plot.heatmap, { { 1 } }, { palette = "jet" })
    fails("2 x 3", plot.confusion, { { 1, 2, 3 }, { 1, 2, 3 } })
    fails("labels has 1 values for 2 pictures", plot.images, { picture(4), picture(4) }, { labels = { 1 } })
    fails("classes has 2 names, but there is a label 5", plot.images, { picture(4) },
      { labels = { 5 }, classes = { "a", "b" } })
    fails("a history with at least one epoch", plot.history, {})
    fails("the history has no epoch yet", plot.history, { epoch = {}, loss = {} })
    fails("no run measured 'auc'", plot.history, history(3), { metrics = { "auc" } })
    fails("is not below", function() plot.lines({ 1, 2 }):xrange(3, 1):svg() end)
    fails("above zero", function() plot.lines({ 1, 2 }, { logy = true, yrange = { -1, 3 } }):svg() end)
    fails("do not share a figure", function() plot.lines({ 1, 2 }):surface { { 1, 2 }, { 3, 4 } } end)
    fails("width wants 50 to 10000 pixels", plot.figure, { width = 1e9 })
    fails("no figures", plot.panels, {})
    fails("do not fit", plot.panels, { plot.figure(), plot.figure(), rows = 1, columns = 1 })
    fails("^[^:]*plot_spec.lua:%d+: fig:lines", function()
      local fig = plot.lines { 1, "2" }
      return fig
    end)
  end)
end)

describe("the best epoch", function()
  it("is where validation is lowest for losses and highest for accuracies", function()
    local h = { loss = { 3, 2, 1 }, val_loss = { 3, 1.5, 2 }, val_accuracy = { 0.5, 0.9, 0.8 } }
    local script = plot.history(h):script()
    assert.is_truthy(script:find("best 1.5", 1, true))
    assert.is_truthy(script:find("best 0.9", 1, true))
    assert.is_truthy(script:find("<< EOD\n2 1.5\nEOD", 1, true))
  end)

  it("counts from the history's own epochs", function()
    local script = plot.history({ epoch = { 11, 12 }, loss = { 2, 1 }, val_loss = { 2, 1 } }):script()
    assert.is_truthy(script:find("<< EOD\n12 1\nEOD", 1, true))
  end)
end)

describe("the legend", function()
  it("keeps every name in narrow panels", function()
    local svg = plot.history(history(5), { metrics = { "loss", "accuracy" }, width = 560, height = 300 }):svg()
    for _, name in ipairs { "training", "validation", "best" } do
      local _, times = svg:gsub("<text>[^\n]*" .. name, "")
      assert.equal(2, times, name)
    end
  end)
end)

describe("saving", function()
  it("keeps the old file when gnuplot fails", function()
    local path = folder .. "/keep.svg"
    plot.lines({ 1, 2 }):save(path)
    local before = slurp(path)
    fails("gnuplot says", function() plot.lines({ 1, 2 }):raw("set nonsense"):save(path) end)
    assert.equal(before, slurp(path))
  end)

  it("says what is wrong with a path", function()
    fails("cannot tell the format", function() plot.lines({ 1, 2 }):save(folder .. "/x.bmp") end)
    fails("missing/x.png: .*No such file or directory %(make the folder first%)", function()
      plot.lines({ 1, 2 }):save(folder .. "/missing/x.png")
    end)
    fails("/dir.png: cannot write: it is a folder", function()
      os.execute("mkdir -p " .. folder .. "/dir.png")
      plot.lines({ 1, 2 }):save(folder .. "/dir.png")
    end)
    fails("wants a path", function() plot.lines({ 1, 2 }):save() end)
  end)

  it("leaves no part of a file", function()
    assert.equal("", shell("ls -A " .. folder .. " | grep '^\\.'"))
  end)
end)

describe("gnuplot", function()
  it("explains its errors, with the line", function()
    local message = fails("gnuplot says", function() plot.lines({ 1, 2 }):raw("set nonsense"):svg() end)
    assert.is_truthy(message:find("set nonsense", 1, true))
    assert.is_nil(message:find "/tmp/lua_")
  end)

  local function child(environment, code)
    local script = folder .. "/child.lua"
    local file <close> = assert(io.open(script, "w"))
    file:write(code)
    file:close()
    return shell(('LUA_PATH="%s" %s /usr/bin/env -u NO_COLOR "$(command -v lua5.4)" %s 2>&1 </dev/null'):format(
      package.path, environment, script))
  end

  it("that is missing says what to install", function()
    local said = child("PERILUNE_GNUPLOT=/nonexistent/gnuplot", [[
      local ok, message = pcall(function() require("perilune.plot").lines({ 1, 2 }):save "/dev/null/x.png" end)
      print(ok, message)]])
    assert.is_truthy(said:find "^false.*apt%-get install gnuplot%-nox")
    said = child("", [[
      local plot = require "perilune.plot"
      print(pcall(function() return plot.lines({ 1, 2 }):svg() end))]]):sub(1, 4)
    assert.equal("true", said)
  end)

  it("that dies of a signal is an error", function()
    local fake = folder .. "/dying"
    local file <close> = assert(io.open(fake, "w"))
    file:write "#!/bin/sh\nkill -9 $$\n"
    file:close()
    os.execute("chmod +x " .. fake)
    local said = child("PERILUNE_GNUPLOT=" .. fake, [[
      print(pcall(function() return require("perilune.plot").lines({ 1, 2 }):svg() end))]])
    assert.is_truthy(said:find "^false.*gnuplot says")
  end)

  it("opens a window that outlives the call, without waiting for it", function()
    local fake, log = folder .. "/window", folder .. "/window.log"
    local file <close> = assert(io.open(fake, "w"))
    -- Like gnuplot -persist: the window's process lives on with our standard streams.
    file:write(([[#!/bin/sh
if grep -q GPVAL "$2" 2>/dev/null; then echo ' qt png ' >&2; exit; fi
echo "$@" >%s; grep '^set terminal' "$3" >>%s
sleep 3 &
]]):format(log, log))
    file:close()
    os.execute("chmod +x " .. fake)
    local before = os.time()
    local said = child("DISPLAY=:99 PERILUNE_GNUPLOT=" .. fake, [[require("perilune.plot").lines({ 1, 2 }):show()]])
    assert.equal("", said)
    assert.is_true(os.time() - before < 3)
    assert.is_truthy(slurp(log):find "^%-d %-persist /tmp/lua_.*set terminal qt")
  end)

  it("draws in the terminal where there is no display", function()
    local said = child("DISPLAY= WAYLAND_DISPLAY= COLUMNS=70 LINES=20",
      [[require("perilune.plot").lines({ 1, 2, 3 }, { title = "seen" }):show()]])
    assert.is_truthy(said:find "seen")
    assert.is_nil(said:find "\27")
  end)
end)

describe("afterwards", function()
  it("no temporary file and no process is left", function()
    for _ = 1, 3 do
      plot.lines({ 1, 2 }):svg()
      pcall(function() plot.lines({ 1, 2 }):raw("set nonsense"):svg() end)
      pcall(function() plot.lines({ 1, 2 }):save(folder .. "/missing/x.png") end)
    end
    assert.is_true(#handed_out > 12)
    for _, path in ipairs(handed_out) do assert.is_false(exists(path), path) end
    local parent = shell "echo $PPID":match "%d+"
    assert.is_nil(shell("env -u LD_PRELOAD ps --ppid " .. parent .. " -o comm="):find "gnuplot")
  end)

  teardown(function()
    os.tmpname = tmpname -- luacheck: ignore
    os.execute("rm -r " .. folder)
  end)
end)
