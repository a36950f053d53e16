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

describe("who and time", function()
  it("list variables and pass results on", function()
    session:run "local list = { 1, 2 }"
    session:run "who()"
    assert.equal("list  table of 2\n", table.concat(written))
    assert.same({ 3, 4 }, { table.unpack(session:run "time(function(...) return ... end, 3, 4)", 1, 2) })
    assert.equal("error", session:run("time()").status)
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
