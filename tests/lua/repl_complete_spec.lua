-- Completion, help, and the history file.
local evaluate = require "perilune.repl.evaluate"
local commands = require "perilune.repl.commands"
local complete = require "perilune.repl.complete"
local inspect = require "perilune.repl.inspect"
local history = require "perilune.repl.history"

local session, written

before_each(function()
  session = evaluate.session { globals = setmetatable({ string = string, math = math, io = io }, { __index = _G }) }
  written = {}
  commands.install(session, { output = { write = function(_, ...) written[#written + 1] = table.concat { ... } end } })
end)

local function at(code)
  return table.concat((complete.at(code, session)), " ")
end

describe("completion", function()
  it("knows variables, locals of the session and keywords", function()
    session:run "local zebra = 1"
    session:run "zenith = 2"
    assert.equal("zebra zenith", at "x = ze")
    assert.equal("while who", at "wh")
    assert.equal("", at "")
  end)

  it("follows fields, keys and metatables", function()
    session:run "local a = { b = { { deep_one = 1 } }, ['c d'] = { deep_two = 2 } }"
    assert.equal("b", at "print(a.")
    assert.equal("deep_one", at "a.b[1].de")
    assert.equal("deep_two", at "a['c d'].")
    session:run "local child = setmetatable({ own = 1 }, { __index = setmetatable({ base = 2 }, { __index = { root = 3 } }) })"
    assert.equal("base own root", at "child.")
  end)

  it("offers only what can be called after a colon", function()
    session:run "local o = { size = 1, grow = function() end }"
    assert.equal("grow", at "o:")
    assert.equal("grow size", at "o.")
    assert.equal("reverse", at "('x'):rev")
    session:run "local s = 'x'"
    assert.equal("reverse", at "s:rev")
  end)

  it("knows methods of userdata", function()
    session:run "local f = io.stdout"
    assert.matches("close flush lines", at "f:")
  end)

  it("asks __names and __methods", function()
    session:run "local t = setmetatable({}, { __names = { 'lazy_one' }, __methods = function() return { act = print } end })"
    assert.equal("act lazy_one", at "t.")
  end)

  it("survives metamethods that raise, and calls nothing", function()
    session:run "hit = 0 function f() hit = hit + 1 return {} end"
    session:run "local bad = setmetatable({}, { __index = function() error 'no' end })"
    assert.equal("", at "bad.x.")
    assert.equal("", at "f().")
    assert.equal(0, session:run("hit")[1])
  end)

  it("offers no keys that are no names, and no private ones unasked", function()
    session:run "local t = { [1] = 1, ['a b'] = 2, ['end'] = 3, _hidden = 4, seen = 5 }"
    assert.equal("seen", at "t.")
    assert.equal("_hidden", at "t._")
  end)

  it("tells what each is", function()
    session:run "local t = { twice = function(n) return 2 * n end, total = 3, tail = { 1 } }"
    local _, _, kind, details = complete.at("t.t", session)
    assert.equal("member", kind)
    assert.same({ { text = "tail", type = "table", signature = "" }, { text = "total", type = "number", signature = "" },
      { text = "twice", type = "function", signature = "twice(n)" } }, details)
    assert.equal("keyword", select(4, complete.at("whil", session))[1].type)
    assert.equal("module", select(4, complete.at("mat", session))[1].type)
    session:run "local x = peri.zeros(2)"
    assert.equal("tensor", select(4, complete.at("x", session))[1].type)
    assert.matches("^softmax%(x: tensor", select(4, complete.at("x:softm", session))[1].signature)
    assert.matches("shape", at "x.sh")
    assert.equal("", at "x:sha")
  end)

  it("knows what the piece itself declares", function()
    assert.equal("abacus abc", at "local abc <const>, abacus = 1, 2\nfor i = 1, 2 do ab")
    assert.equal("alpha", at "function f(alpha, beta)\n  return al")
    assert.equal("index", at "for index, v in pairs(t) do ind")
    assert.equal("", at "local function other(x) end oth2")
  end)

  it("offers the named arguments of what is called", function()
    session:run "local nn, net = peri.nn, peri.nn.Sequential {}"
    assert.equal("kernel kernel_initializer kernel_size", at "nn.Conv2D { ker")
    assert.equal("kernel kernel_initializer kernel_size", at "nn.Sequential { nn.Conv2D({ 3, ker")
    assert.equal("kernel_initializer kernel_size", at "nn.Conv2D { kernel = 3, ker")
    assert.equal("epochs", at "net:fit({ x, y }, { ep")
    assert.matches("momentum nesterov", at "peri.optim.SGD { lr = 0.1,")
    assert.equal("keepdim keepdims", at "peri.sum(t, { ke")
    assert.equal("batch batch_size", at "net:predict(x, { ba")
    local _, _, _, details = complete.at("nn.Dense { un", session)
    assert.same({ text = "units", type = "argument", signature = "int" }, details[1])
    assert.equal(" = ", (complete.step("nn.Dense { units", session, {})))
    assert.equal("", at "nn.Dense { units = qq")
    assert.equal("", at "local plain = { uni")
  end)

  it("follows functions that hand their options on, and reads comments where nothing is checked", function()
    session:run "local net, set = peri.nn.Sequential {}, peri.data.tensors(peri.ones(2, 2))"
    assert.equal("rotate rotation", at "peri.data.augment { rota")
    assert.equal("rotate rotation", at "set:augment { rota")
    assert.equal("fuse", at "net:plan { fus")
    assert.equal("dir", at "peri.data.mnist { di")
    assert.equal("layer", at "peri.explain.grad_cam(net, x, { lay")
    session:run "local fig = peri.plot.figure()"
    assert.equal("dash linewidth points", (at "fig:lines(x, { ":gsub("color ", ""):gsub(" title", "")))
    assert.equal("xlabel xrange xticks", at "peri.plot.lines(x, { x")
    assert.equal("dtype requires_grad", at "peri.zeros(2, { ")
    assert.equal("float32 float64", at "peri.zeros(2, { dtype = 'fl")
    assert.equal("float32 float64", at "peri.zeros(2, 'fl")
    assert.equal("uint8", at "peri.to(x, 'u")
    session:run "--- Mine.\n-- @param options speed (1: as it is), depth = 3\nlocal function mine(x, options)\n  return options\nend"
    assert.equal("depth speed", at "mine(1, { ")
    assert.matches("batches", at "set:ba")
  end)

  it("offers the words an argument takes", function()
    session:run "local nn = peri.nn"
    assert.equal("softmax softplus", at "nn.Dense { 3, activation = 'so")
    assert.equal("e'", (complete.step("nn.Conv2D { 3, padding = 'sam", session, {})))
    assert.equal("e", (complete.step("nn.Conv2D { 3, padding = 'sam", session, { after = "' }" })))
  end)

  it("offers string keys and modules", function()
    session:run "local t = { name = 1, ['a b'] = 2, native = { deep = 1 }, ['q\"'] = 3, ['größe'] = 4 }"
    assert.equal("name native", at "t[\"na")
    assert.equal("a b größe name native", at "print(t[\"")
    assert.equal("deep", at "t['native']['")
    assert.equal("öße\"]", (complete.step("t[\"gr", session, {})))
    assert.matches("perilune%.args", at "require 'perilune.ar")
    assert.matches("perilune%.args", at "require('perilune.ar")
  end)

  it("is silent in comments and open strings", function()
    assert.equal("", at "x = 1 -- str")
    assert.equal("", at "x = [[str")
  end)

  it("completes file names in quotes", function()
    local function files(folder)
      return folder == "data/" and { "digits.h5", "digits.csv", "plots/", ".hidden" } or { "data/" }
    end
    local step = function(code) return complete.step(code, session, { files = files }) end
    assert.equal("ta/", (step "io.open('da"))
    assert.equal("gits.", (step "io.open('data/di"))
    assert.equal("5'", (step "io.open('data/digits.h"))
    assert.same({ n = 2, nil, "digits.csv  digits.h5" }, table.pack(step "f('data/digits."))
  end)

  it("inserts what is common, then lists", function()
    session:run "local item_a, item_b = 1, 2"
    assert.equal("em_", (complete.step("it", session, {})))
    local insert, listing = complete.step("item_", session, {})
    assert.is_nil(insert)
    assert.equal("item_a  item_b", listing)
    assert.equal("  ", (complete.step("  ", session, {})))
  end)

  it("lays words out in columns", function()
    assert.equal("a  c\nb  d", complete.columns({ "a", "b", "c", "d" }, 6))
    assert.equal("long word", complete.columns({ "long word" }, 3))
  end)
end)

describe("help", function()
  it("gives an overview", function()
    assert.matches("help%(x%)", inspect.help(session))
  end)

  it("reads the comment above a Lua function", function()
    local text = inspect.help(session, require("perilune.args").named)
    assert.matches("^args.named%(where, given, spec%)", text)
    assert.matches("Checks a table of arguments", text)
    assert.matches("where: the function's name", text)
    assert.matches("args.lua:%d+", text)
  end)

  it("reads it for functions of the session too", function()
    session:run "--- Twice x.\nlocal function twice(x)\n  return 2 * x\nend"
    session:run "help(twice)"
    assert.matches("^twice%(x%)\n\nTwice x%.", written[1])
    session:run "help 'twice'"
    assert.matches("Twice x", written[2])
  end)

  it("lists a table's members and says what it does not know", function()
    assert.matches("pretty +A value as a person wants", inspect.help(session, require "perilune.display"))
    assert.matches("Nothing is known as 'nonsense'", inspect.help(session, "nonsense"))
    assert.matches("string.format", inspect.help(session, "string.format"))
    for _, value in ipairs { 1, true, "a b", io.stdout, coroutine.create(print) } do
      assert.is_string(inspect.help(session, value))
    end
  end)
end)

describe("looking at things", function()
  local look = require "perilune.repl.look"

  -- The cursor is where | stands.
  local function under(code, detail)
    local place = code:find("|", 1, true) - 1
    return inspect.at(session, (code:gsub("|", "")), place, detail)
  end

  before_each(function()
    session:run "--- Adds two numbers.\nlocal function add(a, b)\n  return a + b\nend"
    session:run "local box = { inner = { add = add, size = 3 } } net = peri.nn.Sequential {}"
  end)

  it("finds the name under the cursor, through chains", function()
    for _, code in ipairs { "ad|d(1)", "|add(1)", "add|(1)", "x = box.inner.add|", "box['inner'].a|dd(1)" } do
      assert.matches("Adds two numbers", under(code), 1, true)
    end
    assert.matches("^box.inner: table of 2", under "box.in|ner.add(1)")
    assert.matches("Trains a net", under "net:f|it(x)")
    assert.matches("reshape%(x: tensor", under "local y = peri.ones(4):reshape(2)\nt = peri.resha|pe(y)")
  end)

  it("finds the function whose call surrounds the cursor", function()
    assert.matches("Adds two numbers", under "add(1, |")
    assert.matches("Adds two numbers", under "x = add(unknown|, { 1, 2 })")
    assert.matches("Adds two numbers", under "add((1 + 2) * 3, |)")
    assert.matches("Trains a net", under "net:fit(data, { epochs| = 3 })")
    session:run "local units = 77"
    assert.matches("weighted sum", under "peri.nn.Dense { units| = 3 }")
    assert.matches("77", under "peri.nn.Dense { units = unit|s }")
    assert.is_nil(under "unknown(|")
    assert.is_nil(under "1 + |2")
    assert.is_nil(under "|")
    assert.is_nil(under "function add2(|")
  end)

  it("adds the source when asked for detail", function()
    assert.is_nil(under("add|"):find("return a + b", 1, true))
    assert.matches("--- Adds two numbers.\nlocal function add(a, b)\n  return a + b\nend", under("add|", 1), 1, true)
    assert.matches("source is C", under("print|", 1))
  end)

  it("reads questions and leaves code alone", function()
    for _, code in ipairs { "add?", "?add", " add ? ", "?? box.inner", "box.inner.add??", "box['inner']?", "net:fit?", "?",
      "peri.*pool*?" } do
      assert.is_table(look.question(code), code)
    end
    for _, code in ipairs { "add", "'add?'", "-- what?", "1 + add?", "add()?", "x = y?", "a?b?", "???", "", "f'?'" } do
      assert.is_nil(look.question(code), code)
    end
    assert.equal(1, look.question("add??").detail)
  end)

  it("answers them", function()
    assert.matches("Adds two numbers", look.answer(session, "add?"))
    assert.matches("return a + b", look.answer(session, "??box.inner.add"), 1, true)
    assert.matches("help%(x%)", look.answer(session, "?"))
    assert.matches("box: table of 1\n\n{ inner", look.answer(session, "box?"))
    assert.matches("Convolution of images", look.answer(session, "conv2d?"))
    assert.matches("Nothing is known as 'nonsense'", look.answer(session, "nonsense?"))
    assert.equal("peri.conv2d_pool peri.max_pool2d", (look.answer(session, "peri.*pool*?")
      :gsub("%b()", ""):gsub("peri.average_pool2d\n", ""):gsub("\n", " ")))
    assert.matches("Nothing fits", look.answer(session, "peri.*zzz*?"))
    assert.is_nil(look.answer(session, "1 + 1"))
  end)
end)

describe("who and time", function()
  it("list variables and pass results on", function()
    session:run "local list = { 1, 2 }"
    session:run "who()"
    assert.equal("list  table of 2\n", table.concat(written))
    assert.same({ 3, 4 }, { table.unpack(session:run "time(function(...) return ... end, 3, 4)", 1, 2) })
    assert.equal("error", session:run("time()").status)
    assert.matches("wants a function.*got a number", session:run("time(5)").message)
    assert.equal(7, session:run("time(setmetatable({}, { __call = function() return 7 end }))")[1])
    written = {}
    session:run "reset()"
    assert.equal("forgot 1 variable and the last results\n", table.concat(written))
    session:run "reset()"
    assert.matches("nothing to forget", table.concat(written))
  end)
end)

describe("the history", function()
  local path
  local files = {
    append = function(name, text) local f = assert(io.open(name, "a")) f:write(text) f:close() end,
    replace = function(name, text) local f = assert(io.open(name, "w")) f:write(text) f:close() end,
  }
  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  it("keeps entries of any shape", function()
    local entries = { "1 + 1", "for i = 1, 2 do\n  print '\\n'\nend", "s = '\\\\'" }
    for _, entry in ipairs(entries) do assert.is_true(history.append(path, files, entry)) end
    assert.same(entries, history.load(path, files))
  end)

  it("is bounded", function()
    for i = 1, 25 do history.append(path, files, "entry " .. i) end
    assert.same({ "entry 16", "entry 25" }, { history.load(path, files, 10)[1], history.load(path, files, 10)[10] })
    local lines = 0
    for _ in io.lines(path) do lines = lines + 1 end
    assert.equal(10, lines)
  end)

  it("says why it cannot be written, and is empty when it cannot be read", function()
    local ok, message = history.append("/nowhere/at/all", files, "x")
    assert.is_nil(ok)
    assert.matches("/nowhere", message)
    assert.same({}, history.load("/nowhere/at/all", files))
  end)
end)
