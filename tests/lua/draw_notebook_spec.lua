-- The drawing canvas of a notebook's cell, held against a kernel and a display that only write down what they get: what
-- is stored, how a page's questions are answered, which net is taken. tests/outside/browser.py draws in real pages.
local peri = require "perilune"
local base64 = require "perilune.draw.base64"
local canvases = require "perilune.draw.canvas"
local display = require "perilune.display"
local evaluate = require "perilune.repl.evaluate"
local json = require "perilune.json"
local recogniser = require "perilune.draw.recogniser"
local nn = peri.nn

local function net_of(classes)
  peri.seed(3)
  local net = nn.Sequential { nn.Flatten {}, nn.Dense { classes or 10, activation = "softmax" } }
  net:build { 28, 28, 1 }
  return net
end

-- A page that has opened a comm: ask(question) gives the answer.
local function page(open, canvas)
  local comm = { sent = {} }
  function comm:send(data) self.sent[#self.sent + 1] = json.decode(json.encode(data)) end
  function comm:close(data) self.closed = data or {} end
  open(comm, { canvas = canvas }, {})
  function comm.ask(question)
    comm.on_message(comm, question, {})
    return comm.sent[#comm.sent]
  end
  return comm
end

local LINE = { 0.5, 0.1, 0.5, 0.3, 0.48, 0.6, 0.5, 0.9 }
local BAR = { 0.3, 0.2, 0.7, 0.25 }

local function piece(at, from, points, erase)
  return { at = at, from = from, width = erase and 0.16 or 0.085, erase = erase or false, points = points }
end

describe("the canvas in a notebook", function()
  local real, registered, kernel, shown, take_away, session

  before_each(function()
    real, registered, shown = package.loaded["perilune.kernel"], nil, {}
    kernel = { id = "0f3c-77" }
    package.loaded["perilune.kernel"] = {
      running = function() return kernel end,
      comm = { register = function(target, f)
        assert.equal("perilune.draw", target)
        registered = f
      end },
    }
    take_away = display.register {
      name = "fake",
      show = function(forms, given) shown[#shown + 1] = { forms = { forms }, id = given.id } end,
      update = function(forms, given)
        for _, one in ipairs(shown) do
          if one.id == given.id then one.forms[#one.forms + 1] = forms end
        end
      end,
    }
    session = evaluate.session { globals = setmetatable({}, { __index = _G }) }
  end)

  after_each(function()
    take_away()
    package.loaded["perilune.kernel"] = real
    evaluate.current = nil
  end)

  it("is stored the same in every run, without the kernel's id, which is displayed before it", function()
    peri.draw(net_of())
    local before = shown[1].forms
    assert.equal(2, #before)
    assert.truthy(before[1]["text/html"]:find("0f3c-77", 1, true))
    assert.is_nil(before[2]["text/html"]:find("0f3c-77", 1, true))
    kernel, shown = { id = "another" }, {}
    peri.draw(net_of())
    assert.equal(before[2]["text/html"], shown[1].forms[2]["text/html"])
    assert.truthy(shown[1].forms[1]["text/html"]:find("another", 1, true))
    for _, forms in ipairs(shown[1].forms) do assert.truthy(forms["text/plain"]:find "Run this cell in JupyterLab") end
  end)

  it("is one script in itself, with a text for pages that run none", function()
    peri.draw(net_of())
    local html = shown[1].forms[2]["text/html"]
    local text, script = html:match '^<div class="perilune%-draw" data%-canvas="1">(.-)</div>%s*<script>(.*)</script>$'
    assert.truthy(text:find("Run this cell in JupyterLab or Jupyter Notebook", 1, true))
    assert.is_nil(script:find "</")
    assert.is_nil(script:find "\n%s*//")
    assert.is_nil(html:find "https?://")
    assert.is_nil(html:find "src=")
    assert.is_true(#html < 32768)
  end)

  it("tells a page what it needs, and nothing of canvases that it does not know", function()
    local net = net_of(3)
    net.classes = { "cat", "dog", "owl" }
    peri.draw(net)
    peri.draw { net = net }
    local first = page(registered, 2)
    assert.same({ "cat", "dog", "owl" }, first.sent[1].labels)
    assert.same({}, first.sent[1].strokes)
    assert.is_true(first.sent[1].pen > 0 and first.sent[1].eraser > first.sent[1].pen)
    for _, number in ipairs { 3, 0, "1", 1.5 } do
      local other = page(registered, number)
      assert.same({ reason = "unknown" }, other.closed)
      assert.is_nil(other.on_message)
    end
    first.on_close(first, {}, {})
    assert.same({ reason = "unknown" }, page(registered, 2).closed)
    assert.is_nil(page(registered, 1).closed)
  end)

  it("recognises what the terminal recognises, however the strokes were cut", function()
    local net = net_of()
    local drawing = peri.draw(net)
    local canvas = canvases.new()
    for _, points in ipairs { LINE, BAR } do
      canvas:begin(points[1], points[2])
      for i = 3, #points, 2 do canvas:extend(points[i], points[i + 1]) end
    end
    local wanted = recogniser.new(net):predict(canvas)
    local at_once = page(registered, 1).ask { ask = 1, epoch = 1, strokes = { piece(1, 0, LINE), piece(2, 0, BAR) } }
    local comm = page(registered, 1)
    comm.ask { ask = 1, epoch = 1, strokes = { piece(1, 0, { 0.5, 0.1 }) } }
    comm.ask { ask = 2, epoch = 1, strokes = { piece(1, 1, { 0.5, 0.3, 0.48, 0.6 }) } }
    local cut = comm.ask { ask = 3, epoch = 1, strokes = { piece(1, 3, { 0.5, 0.9 }), piece(2, 0, BAR) } }
    assert.equal(1, at_once.ask)
    assert.equal(3, cut.ask)
    assert.same(at_once.probabilities, cut.probabilities)
    assert.equal(at_once.picture, cut.picture)
    assert.equal(wanted.best, cut.best)
    assert.equal(28 * 28 * 2, #cut.picture)
    for i, value in ipairs(wanted.probabilities) do assert.near(value, cut.probabilities[i], 1e-5) end
    local pixels = wanted.input:reshape(-1):totable()
    for i = 1, 784 do assert.near(pixels[i], tonumber(cut.picture:sub(2 * i - 1, 2 * i), 16) / 255, 0.5 / 255 + 1e-6) end
    assert.equal(2, #drawing.canvas.strokes)
    assert.equal(wanted.label, drawing.prediction.label)
    assert.equal(("drawing of 2 strokes, recognised as %s (%.1f %%)"):format(wanted.label, wanted.confidence * 100),
      tostring(drawing))
    assert.is_true(display.is_silent(drawing))
  end)

  it("begins anew with a new epoch, erases, and sees when there is nothing", function()
    peri.draw(net_of())
    local comm = page(registered, 1)
    local before = comm.ask { ask = 1, epoch = 1, strokes = { piece(1, 0, LINE) } }
    assert.is_nil(before.empty)
    assert.same({ ask = 2, empty = true }, comm.ask { ask = 2, epoch = 2, strokes = {} })
    comm.ask { ask = 3, epoch = 2, strokes = { piece(1, 0, LINE) } }
    assert.same({ ask = 4, empty = true }, comm.ask { ask = 4, epoch = 2, strokes = { piece(2, 0, LINE, true) } })
    local after = comm.ask { ask = 5, epoch = 3, strokes = { piece(1, 0, LINE) } }
    assert.equal(before.picture, after.picture)
  end)

  it("asks for all of it when a piece is missing", function()
    peri.draw(net_of())
    local comm = page(registered, 1)
    assert.same({ ask = 1, lost = true }, comm.ask { ask = 1, epoch = 1, strokes = { piece(1, 2, BAR) } })
    assert.same({ ask = 2, lost = true }, comm.ask { ask = 2, epoch = 2, strokes = { piece(2, 0, BAR) } })
    comm.ask { ask = 3, epoch = 3, strokes = { piece(1, 0, BAR) } }
    assert.same({ ask = 4, lost = true }, comm.ask { ask = 4, epoch = 3, strokes = { piece(1, 1, BAR) } })
    assert.is_nil(comm.ask({ ask = 5, epoch = 4, strokes = { piece(1, 0, LINE) } }).lost)
  end)

  it("says what is wrong with a page's question or the net, and goes on", function()
    local net = net_of()
    peri.draw(net)
    local comm = page(registered, 1)
    local wrong = {
      [{}] = "no strokes", [{ 7 }] = "a stroke that is none",
      [{ piece(1, 0, { 0.5 }) }] = "no list of points", [{ piece(1, 0, { 0.5, "y" }) }] = "two numbers",
      [{ piece(1.5, 0, LINE) }] = "no whole number", [{ piece(1, -1, LINE) }] = "no whole number",
      [{ { at = 1, from = 0, width = 7, points = LINE } }] = "pen's width of 7",
    }
    for strokes, words in pairs(wrong) do
      local answer = comm.ask { ask = 9, epoch = 1, strokes = next(strokes) and strokes or nil }
      assert.equal(9, answer.ask)
      assert.truthy(answer.error:find(words, 1, true), answer.error)
    end
    local sent = #comm.sent
    comm.on_message(comm, "no table", {})
    assert.equal(sent, #comm.sent)
    assert.is_nil(comm.ask({ ask = 10, epoch = 1, strokes = { piece(1, 0, LINE) } }).error)
    peri.no_grad(function()
      for _, weights in ipairs(net:parameters()) do weights:copy_(weights * (0 / 0)) end
    end)
    assert.truthy(comm.ask({ ask = 11, epoch = 1, strokes = { piece(1, 4, BAR) } }).error:find("nan", 1, true))
  end)

  it("gives what was drawn to a page that is opened again, and takes a canvas to go on with", function()
    local drawing = peri.draw(net_of())
    page(registered, 1).ask { ask = 1, epoch = 1, strokes = { piece(1, 0, LINE), piece(2, 0, BAR, true) } }
    local again = page(registered, 1).sent[1].strokes
    assert.same({ LINE, BAR }, { again[1].points, again[2].points })
    assert.same({ 0.085, false, 0.16, true }, { again[1].width, again[1].erase, again[2].width, again[2].erase })
    peri.draw { net = net_of(), canvas = drawing.canvas }
    assert.same(again, page(registered, 2).sent[1].strokes)
  end)

  it("says when something is no digit, and reads several as a number", function()
    local net = net_of()
    peri.draw(net)
    local unsure = page(registered, 1).ask { ask = 1, epoch = 1, strokes = { piece(1, 0, LINE) } }
    assert.is_true(unsure.uncertain) -- a net that has learned nothing
    assert.is_nil(unsure.number)
    peri.draw()
    local comm = page(registered, 2)
    local sure = comm.ask { ask = 1, epoch = 1, strokes = { piece(1, 0, LINE) } }
    assert.same({ "1" }, { comm.sent[1].labels[sure.best] })
    assert.same({ nil, nil, nil }, { sure.uncertain, sure.number, sure.digits })
    local several = comm.ask { ask = 2, epoch = 2, strokes = {
      piece(1, 0, { 0.2, 0.2, 0.2, 0.8 }), piece(2, 0, { 0.5, 0.2, 0.5, 0.8 }), piece(3, 0, { 0.8, 0.2, 0.8, 0.8 }) } }
    assert.same({ "111", 3 }, { several.number, several.digits })
    assert.is_nil(several.uncertain)
  end)

  it("shows pictures that a canvas comes with, and recognises them", function()
    local canvas = canvases.new()
    canvas:place(peri.ones(60, 8, 1))
    canvas:begin(0.2, 0.2)
    canvas:extend(0.2, 0.3)
    canvas:finish()
    peri.draw { canvas = canvas }
    local comm = page(registered, 1)
    local strokes = comm.sent[1].strokes
    assert.same({ 1, {}, false }, { strokes[1].picture, strokes[1].points, strokes[1].erase })
    assert.equal("\137PNG", base64.decode(strokes[1].png):sub(1, 4))
    assert.is_nil(strokes[2].picture)
    local shown_first = { at = 1, from = 0, width = 1, erase = false, points = {}, picture = 1 }
    local answer = comm.ask { ask = 1, epoch = 1, strokes = { shown_first } }
    assert.equal("1", comm.sent[1].labels[answer.best])
    comm.ask { ask = 2, epoch = 1, strokes = { piece(2, 0, { 0.2, 0.2, 0.2, 0.3 }) } }
    assert.same({ ask = 3, empty = true }, comm.ask { ask = 3, epoch = 1, strokes = { { at = 3, from = 0, width = 1, erase = true,
      points = { 0, 0, 1, 1 } } } })
    local again = page(registered, 1) -- opened again: the picture is still there
    assert.same({ 1, nil, nil }, { again.sent[1].strokes[1].picture, again.sent[1].strokes[2].picture, again.sent[1].strokes[3].picture })
    for _, bad in ipairs { 2, 0, "1", {} } do
      shown_first.picture = bad
      assert.truthy(comm.ask({ ask = 4, epoch = 2, strokes = { shown_first } }).error:find("a picture that it was not given", 1, true))
    end
    shown_first.picture, shown_first.at = 1, 2
    assert.same({ ask = 5, lost = true }, comm.ask { ask = 5, epoch = 3, strokes = { shown_first } })
  end)

  it("takes the session's variable net, or its only net", function()
    local variables = session.environment.values
    local function name_shown()
      peri.draw()
      return page(registered, #shown).sent[1].net
    end
    assert.has_error(function() peri.draw { model = "/nowhere/net.h5" } end)
    assert.equal("Recognised by the net that comes with Perilune.", name_shown())
    variables.digits = net_of()
    assert.equal("Recognised by digits.", name_shown())
    variables.other = net_of()
    local ok, reason = pcall(peri.draw)
    assert.is_false(ok)
    assert.truthy(reason:find("several nets are here: digits, other; say which", 1, true), reason)
    variables.net = net_of()
    assert.equal("Recognised by net.", name_shown())
    peri.draw(variables.other)
    assert.equal("Recognised by other.", page(registered, #shown).sent[1].net)
    peri.draw(net_of())
    assert.equal("Recognised by the net given.", page(registered, #shown).sent[1].net)
  end)

  it("refuses what cannot recognise digits, and what it does not know", function()
    local small = nn.Sequential { nn.Dense { 10 } }
    small:build { 5 }
    for given, words in pairs {
      [small] = "28 x 28", [{ nett = small }] = "no option nett", [{ net = 5 }] = "wants a net", [7] = "got a number",
    } do
      local ok, reason = pcall(peri.draw, given)
      assert.is_false(ok)
      assert.truthy(reason:find(words, 1, true), reason)
    end
    assert.same({}, shown)
  end)
end)

describe("peri.draw where nobody can draw", function()
  it("says what it wants", function()
    local pipe = assert(io.popen([[lua5.4 -e 'print(pcall(require("perilune").draw))' 2>&1 </dev/null]]))
    local text = pipe:read "a"
    pipe:close()
    assert.truthy(text:find("false\t.*wants a notebook's cell or a terminal"), text)
    assert.truthy(text:find("predict_picture", 1, true), text)
  end)
end)
