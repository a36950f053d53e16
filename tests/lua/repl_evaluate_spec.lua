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
    assert.equal("HIHI", (values "s = 'HI'; (s):rep(2)"))
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

  it("keeps the last nine results and no more", function()
    for i = 1, 12 do values(("'r%d'"):format(i)) end
    assert.same({ "r12", "r12", "r11", "r4", nil, n = 5 }, table.pack(values "_, _1, _2, _9, _10"))
    values "nil"
    assert.equal("r12", (values "_2"))
  end)

  it("holds on to a large result only until the next, lends it while it lives", function()
    local weak = setmetatable({}, { __mode = "v" })
    session.environment.globals.make = function() weak[1] = { ("x"):rep(2 << 20) } return weak[1] end
    values "make()"
    collectgarbage() collectgarbage()
    assert.equal(weak[1], (values "_1"))
    values "kept = _2"
    values "1"
    collectgarbage() collectgarbage()
    assert.is_table(weak[1])
    assert.is_true((values "_2 == kept or _3 == kept or _4 == kept"))
    values "seen = _2 == kept or _3 == kept or _4 == kept" -- gives no result, after which all is sorted anew
    assert.is_true(session.environment.globals.seen)
    values "kept = nil"
    collectgarbage() collectgarbage()
    assert.is_nil(weak[1])
  end)

  it("keeps no large tensor alive", function()
    local core = require "perilune.core"
    local results = require "perilune.repl.results"
    assert.is_true(results.is_small(core.zeros(100, 100)))
    assert.is_true(results.is_small { 1, "x", { core.zeros(10) }, print })
    assert.is_false(results.is_small(core.zeros(1000, 1000)))
    assert.is_false(results.is_small { core.zeros(300, 300), { core.zeros(1000, 1000) } })
    session.environment.globals.core = core
    collectgarbage() collectgarbage()
    local before = core.memory()
    values "core.zeros(1000, 1000)"
    assert.is_true(core.memory() - before >= 4e6)
    values "1"
    collectgarbage() collectgarbage()
    assert.is_true(core.memory() - before < 1e6)
  end)

  it("takes a name from its caller, and counts and keeps nothing when told so", function()
    values "'kept'"
    local result = session:run("local a = 1\na, error('x')", { name = "In[7]", keep = false })
    assert.equal("In[7]:2: x", result.message)
    assert.equal("a, error('x')", result.line)
    assert.equal(5, session:run("5", { keep = false })[1])
    assert.equal("kept", (values "_"))
    assert.equal(2, session.count)
  end)

  it("shows the line of an older piece", function()
    session:run("function bad(x)\n  return x.y.z\nend", { name = "In[3]" })
    local result = session:run("local t = bad {}\nreturn t", { name = "In[9]" })
    assert.equal("In[3]", result.line_source)
    assert.equal(2, result.line_number)
    assert.equal("return x.y.z", result.line)
    result = session:run("error('no place', 0)", { name = "In[10]" })
    assert.same({ "no place", "error('no place', 0)", "In[10]" }, { result.message, result.line, result.line_source })
  end)

  it("keeps the sources of the last pieces only", function()
    for i = 1, 400 do session:run("x = " .. i, { name = "In[" .. i .. "]", keep = false }) end
    assert.is_nil(session.sources["In[100]"])
    assert.equal("x = 300", session.sources["In[300]"])
    local count = 0
    for _ in pairs(session.sources) do count = count + 1 end
    assert.equal(256, count)
  end)

  it("keeps a <const>, which cannot be assigned", function()
    values "local n <const>, m = 5, 6"
    assert.same({ 5, 6 }, { values "n, m" })
    local result = session:run "n = 7"
    assert.matches("^In%[%d+%]:1: attempt to assign to const variable 'n'", result.message)
    values "m = 7"
    assert.equal("error", session:run("local function f() n = 8 end f()").status)
    assert.equal(5, (values "n"))
    assert.equal("wrong", session:run("local k <const> = 1\nk = 2").kind)
    values "local n <const> = n * 2"
    assert.equal(10, (values "n"))
    values "local n = n + 1"
    values "n = n + 1"
    assert.equal(12, (values "n"))
    values "local print <const> = nil"
    assert.is_nil((values "print"))
    values "local q <const> = 3"
    session:reset()
    assert.same({ nil, nil, print, n = 3 }, table.pack(values "n, q, print"))
  end)

  it("closes a <close> at the end of its piece", function()
    values "log = {} local function guard() return setmetatable({}, { __close = function() log[#log + 1] = 'closed' end }) end"
    assert.equal(0, (values "local g <close> = guard()\n#log"))
    assert.equal("closed", (values "log[1]"))
    assert.is_nil((values "g"))
  end)

  it("takes other systems' line ends, a #! line, and # as the length", function()
    assert.equal(3, (values "local a = 1\r\nlocal b = 2 -- x\r\na + b\r\n"))
    assert.equal(2, (values "a = 5\r2"))
    assert.equal(4, (values "\xEF\xBB\xBFlocal b = 4\nb"))
    assert.equal("error('y')", session:run("a = 5\rerror('y')").line)
    assert.equal(7, (values "#!/usr/bin/env perilune\nlocal x = 7\nx"))
    assert.equal("In[6]:2: x", session:run("#! no code (\nerror('x')").message)
    session.environment:provide_lazily("lib", function() return { 1, 2 } end)
    assert.equal(2, (values "#lib"))
    assert.is_true(session:run("#lib;").silent)
  end)

  it("finds the last expression whatever stands around it", function()
    assert.equal(3, (values "x = 1 -- one\nx + 2 -- three"))
    assert.equal(6, (values "for i = 1, 2 do end x + 5"))
    assert.equal(2, (values "goto done\n::done::\n2"))
    assert.same({ 1, 2 }, { values "x = 1; x, 2" })
    assert.same({ 4 }, { values "local function fact(n) return n < 2 and 1 or n * fact(n - 1) end\nfact(3) - 2" })
    assert.equal(9, (values "y = {\n 1,\n 9\n}\ny[2]"))
    assert.equal(1, (values "do local hidden = 1 end\nx"))
    assert.is_true(session:run("x = 1\nx;").silent)
  end)

  it("keeps the piece's own frame under its last call", function()
    session:run "function raise() error('away', 2) end"
    for _, code in ipairs { "\nraise()", "x = 1\nraise() -- said", "x = 1\nraise();", "pcall(print), raise()" } do
      local description = session:run(code, { name = "In[9]" })
      assert.is_truthy(description.message:find "^In%[9%]:%d: away", code)
      assert.is_truthy(description.traceback[#description.traceback]:find "^In%[9%]:%d: in main chunk", code)
      assert.is_truthy(description.line:find("raise()", 1, true), code)
    end
    local message = session:run("x = 1\nnowhere.there -- is").message
    assert.is_truthy(message:find("]:2: attempt to index a nil value", 1, true), message)
  end)

  it("shows the line of the cell where the library's message has no place", function()
    local frames = { "lua/perilune/args.lua:94: in field 'named'", "In[9]:2: in main chunk" }
    local description = { status = "error", message = "no place", traceback = frames }
    assert.equal("library()", failure.describe(description, { ["In[9]"] = "x = 1\nlibrary()" }).line)
  end)

  it("does not show the file that io.write gives back", function()
    assert.equal(0, session:run("io.write('')").n)
    assert.equal(2, session:run("io.stdout, 1").n)
  end)

  it("compiles long pieces in few steps", function()
    local steps, lines = 0, {}
    local real = load
    _G.load = function(...) steps = steps + 1 return real(...) end -- luacheck: ignore 122
    local function count(code)
      steps = 0
      session:compile(code)
      return steps
    end
    for i = 1, 1000 do lines[i] = ("print(%d, t.x)"):format(i) end
    local calls = table.concat(lines, "\n")
    local seen = { count(calls), count(calls .. "\n1 + 1"), count("x y\n" .. calls), count(calls .. "\nx y\n" .. calls),
      count("x = a" .. ("\n  and b"):rep(1000)), count("x = a" .. (" +\n  b"):rep(1000)), count("x = {" .. ("\n{ 1 },"):rep(1000)) }
    _G.load = real -- luacheck: ignore 122
    for i, n in ipairs(seen) do assert.is_true(n < 80, ("piece %d: %d steps"):format(i, n)) end
    assert.is_true(seen[1] <= 6)
    assert.is_true(seen[5] <= 6)
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

  it("says what is missing at the end of the last line that holds any", function()
    for code, line in pairs { ["1 +"] = 1, ["1 +\n\n"] = 1, ["for i = 1, 2 do\n  f(i)\n"] = 2, ["f("] = 1, ["x =\n-- why"] = 1 } do
      assert.matches("^In%[%d%]:" .. line .. ": .*<eof>$", session:run(code).message)
    end
  end)

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

  it("in expressions say what is wrong with the expression", function()
    assert.matches("near '%*'", session:run("1 +* 2").message)
    assert.matches("'}' expected near '3'", session:run("{ 1, 2 3 }").message)
    assert.matches("near 'y'", session:run("x y").message)
    assert.matches("C stack overflow$", session:run(("("):rep(300) .. "1" .. (")"):rep(300)).message)
    assert.matches("overflow", session:run(("'a' .. "):rep(5000) .. "'b'").message)
    assert.equal("error", session:run(("do "):rep(10000) .. ("end "):rep(10000)).status)
  end)

  it("say the same place once", function()
    local message = session:run("coroutine.wrap(function() local t; t.x = 1 end)()").message
    assert.equal("In[1]:1: attempt to index a nil value (local 't')", message)
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

  it("hide the frames of prompt and kernel", function()
    require("perilune.repl.commands").install(session, { output = { write = function() end } })
    values "local function f() error 'x' end"
    local traceback = session:run("time(f)\nlocal y").traceback
    assert.equal(2, #traceback)
    for _, frame in ipairs(traceback) do assert.matches("^In", frame) end
    session = evaluate.session { coroutine_traceback = function()
      return "stack traceback:\n\tIn[1]:1: in function 'f'\n\t...a/lua/perilune/repl/commands.lua:9: in function <x>"
    end }
    assert.same({ "In[1]:1: in function 'f'", "(in a coroutine, resumed by)" },
      { table.unpack(session:run("error 'x'").traceback, 1, 2) })
  end)

  it("tell an interrupt from other errors", function()
    assert.is_true(session:run("error('interrupted!', 0)").interrupted)
    assert.is_false(session:run("error('x')").interrupted)
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
