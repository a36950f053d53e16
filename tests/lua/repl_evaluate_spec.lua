-- The session: what a piece gives, what stays, incomplete against wrong, errors.
local evaluate = require "perilune.repl.evaluate"
local failure = require "perilune.repl.failure"

local session

local function values(code)
  local result = session:run(code)
  assert.equal("ok", result.status, result.message)
  return table.unpack(result, 1, result.n)
end

before_each(function()
  session = evaluate.session { globals = setmetatable({}, { __index = _G }) }
end)

describe("a session", function()
  it("gives the values of expressions", function()
    assert.same({ 3, "x", nil, n = 3 }, table.pack(values "1 + 2, 'x', nil"))
    assert.same({ n = 0 }, table.pack(values "x = 1"))
    assert.same({ n = 0 }, table.pack(values "-- nothing"))
    assert.equal(5, (values "return 5"))
  end)

  it("gives the last expression of several statements", function()
    assert.equal(3, (values "local a = 1\nlocal b = 2\na + b"))
    assert.equal(6, (values "x = 5; x + 1"))
    assert.equal(2, #values "local t = {}\nfor i = 1, 2 do\n  t[i] = i\nend\nt")
    assert.equal("HI", (values "s = 'hi'\nstring.upper(s)"))
  end)

  it("does not tear a statement apart to find an expression", function()
    assert.equal(0, select("#", values "function g(x) return x end y = g\n(4)"))
    assert.equal(4, (values "y"))
    assert.equal(0, select("#", values "z = 5\n- 3"))
    assert.equal(2, (values "z"))
  end)

  it("knows a silenced piece", function()
    assert.is_true(session:run("1 + 1;").silent)
    assert.is_false(session:run("1 + 1").silent)
  end)

  it("keeps top-level locals, and closures over them", function()
    values "local n, other = 0"
    values "local function bump() n = n + 1 return n end"
    assert.equal(1, (values "bump()"))
    values "n = 10"
    assert.equal(11, (values "bump()"))
    assert.equal(11, (values "n"))
    assert.is_nil(session.environment.globals.n)
    values "local n = n + 1"
    assert.equal(12, (values "n"))
  end)

  it("lets a local hide a global, even as nil", function()
    values "local print = print"
    assert.equal(print, (values "print"))
    values "local print"
    assert.is_nil((values "print"))
    assert.equal(print, _G.print)
    assert.equal(math, (values "math"))
  end)

  it("sets real globals", function()
    values "shared = 7"
    assert.equal(7, session.environment.globals.shared)
    assert.equal(8, (values "load('return shared + 1', 'x', 't', _ENV)()"))
  end)

  it("keeps the last three results and no more", function()
    for i = 1, 5 do values(("'r%d'"):format(i)) end
    assert.same({ "r5", "r5", "r4", "r3" }, { values "_, _1, _2, _3" })
    local weak = setmetatable({}, { __mode = "v" })
    session.environment.globals.make = function() weak[1] = {} return weak[1] end
    values "make()"
    for i = 1, 4 do values(tostring(i)) end
    collectgarbage() collectgarbage()
    assert.is_nil(weak[1])
  end)

  it("forgets on reset", function()
    values "local a = 1; b = 2; print = 3"
    session.environment:provide("tool", "hammer")
    values "local tool = 1"
    session:reset()
    assert.is_nil((values "a"))
    assert.is_nil((values "b"))
    assert.equal("hammer", (values "tool"))
    assert.same({}, session.environment:variables())
  end)

  it("makes a lazy value when a piece names it", function()
    local made = 0
    session.environment:provide_lazily("lib", function() made = made + 1 return { x = 1 } end)
    values "1"
    assert.equal(0, made)
    assert.equal(1, (values "lib.x"))
    assert.equal(1, (values "lib.x"))
    assert.equal(1, made)
  end)

  it("says why a lazy value is not there", function()
    session.environment:provide_lazily("lib", function() error("broken", 0) end)
    local result = session:run("lib")
    assert.same({ "'lib' is not there: broken" }, result.problems)
  end)
end)

describe("completeness", function()
  local cases = {
    complete = { "1", "x = 1", "for i = 1, 2 do end", "", "-- x", "f()", "'a'", "return 1", "x;" },
    incomplete = {
      "for i = 1, 2 do", "f(", "{1, 2,", "function f()", "x =", "x +", "[[abc", "--[[ x", "if a then", "if a then b() else",
      "return f(", "local t = {", "repeat", "x = 1\ny +", "local function f()\n  return 1", "not",
    },
    wrong = { "x y", "end", "1 +* 2", "'abc", "\"abc\ndef", "for i 1", "f())", "local 1", "x = = 1", "x = }" },
  }
  for kind, codes in pairs(cases) do
    for _, code in ipairs(codes) do
      it(("%q is %s"):format(code, kind), function()
        assert.equal(kind, session:is_complete(code))
      end)
    end
  end

  it("does not count or keep an incomplete piece", function()
    assert.equal("incomplete", session:run("f(").status)
    assert.equal(0, session.count)
  end)
end)

describe("errors", function()
  it("come with message, source line and a traceback of the user's frames only", function()
    values "local function f(n) if n == 0 then\nerror('deep') end local x = f(n - 1) return x end"
    local result = session:run("f(2)\nlocal y = 1")
    assert.equal("error", result.status)
    assert.equal("In[1]:2: deep", result.message)
    assert.equal("error('deep') end local x = f(n - 1) return x end", result.line)
    assert.equal(4, #result.traceback)
    assert.matches("main chunk", result.traceback[4])
    for _, frame in ipairs(result.traceback) do assert.is_nil(frame:find("repl/", 1, true)) end
  end)

  it("end at the user's frames after a tail call too", function()
    values "function f() error('x') end"
    for _, frame in ipairs(session:run("f()").traceback) do assert.is_nil(frame:find("repl/", 1, true)) end
  end)

  it("are bounded in depth", function()
    values "function f(n) if n == 0 then error('x') end return (f(n - 1)) end"
    local traceback = session:run("local y = f(100)").traceback
    assert.equal(21, #traceback)
    assert.matches("more", traceback[11])
  end)

  it("survive a stack overflow", function()
    local result = session:run("local function f() return 1 + f() end f()")
    assert.equal("error", result.status)
    assert.matches("stack overflow", result.message)
    assert.equal(2, (values "1 + 1"))
  end)

  it("show objects that are no strings", function()
    assert.matches("table value.*\n{ code = 7 }", failure.text(session:run("error { code = 7 }")))
    assert.equal("(error object is a nil value)", session:run("error()").message)
    local text = session:run("error(setmetatable({}, { __tostring = function() return 'mine' end }))").message
    assert.equal("mine", text)
    assert.matches("boolean", session:run("error(setmetatable({}, { __tostring = function() return false end }) == 1)").message)
  end)

  it("in syntax show the line", function()
    local result = session:run("x = 1\nx y z")
    assert.equal("wrong", result.kind)
    assert.equal("x y z", result.line)
    assert.equal(2, result.line_number)
  end)

  it("in a wrapped coroutine are not lost", function()
    assert.matches("oops", session:run("coroutine.wrap(function() error 'oops' end)()").message)
  end)

  it("in a wrapped coroutine show its frames first, where the host keeps them", function()
    local kept
    session = evaluate.session { coroutine_traceback = function() return kept end }
    kept = "stack traceback:\n\t[C]: in function 'error'\n\tIn[1]:1: in function 'inner'"
    local traceback = session:run("local x = nil + 1").traceback
    assert.equal("In[1]:1: in function 'inner'", traceback[1])
    assert.equal(3, #traceback)
  end)

  it("refuse bytecode", function()
    assert.equal("error", session:run(string.dump(function() end)).status)
  end)
end)
