-- The lexer, and the rewriting of top-level locals into variables of the session.
local lexer = require "perilune.repl.lexer"
local locals = require "perilune.repl.locals"

local function texts(code)
  local list = {}
  for i, token in ipairs((lexer.tokens(code))) do list[i] = token.text end
  return list
end

describe("lexer", function()
  it("cuts code into tokens", function()
    assert.same({ "a", "=", "b", "..", "1.5e-3", "//", "0x1p4", "<<", "2" }, texts "a = b..1.5e-3 // 0x1p4 << 2")
    assert.same({ "f", "{", "x", "=", "...", "}", "::", "l", "::" }, texts "f{x=...} ::l::")
    assert.same({ "t", ".", "x", ":", "y", "(", ".5", ")" }, texts "t.x:y(.5)")
  end)

  it("keeps strings and leaves out comments", function()
    assert.same({ "'a\\'b'", '"local x"', "[==[ ]] ]==]", "z" },
      texts "'a\\'b' \"local x\" --[[ local y \n]] [==[ ]] ]==] -- local q\nz")
    assert.same({ '"a\\z \n  b"', "c" }, texts '"a\\z \n  b" c')
    assert.same({ '"a\\\nb"', "c" }, texts '"a\\\nb" c')
  end)

  it("skips a first line that begins with #!", function()
    assert.same({ "x" }, texts "#!/usr/bin/lua\nx")
    assert.same({ "#", "x" }, texts "#x")
  end)

  it("reports what has no end", function()
    for code, kind in pairs { ["x = [[abc"] = "string", ["x = 'abc"] = "string", ["x --[==[ ]]"] = "comment" } do
      local tokens, open = lexer.tokens(code)
      assert.equal("x", tokens[1].text)
      assert.equal(kind, open.kind)
    end
  end)

  it("gives places", function()
    local tokens = lexer.tokens "ab\n  cd"
    assert.same({ 1, 2, true }, { tokens[1].from, tokens[1].to, tokens[1].fresh })
    assert.same({ 6, 7, true }, { tokens[2].from, tokens[2].to, tokens[2].fresh })
  end)
end)

describe("locals.rewrite", function()
  local function rewritten(code)
    local text, declared = locals.rewrite(code)
    return text, table.concat(declared, " ")
  end

  it("turns top-level locals into variables, leaving places alone", function()
    local text, declared = rewritten "local x, y = 1, 2"
    assert.equal("      x, y = 1, 2", text)
    assert.equal("x y", declared)
  end)

  it("gives a value to a list without one", function()
    assert.equal("      x, y = nil\nz = 1", (rewritten "local x, y\nz = 1"))
  end)

  it("turns local functions into functions", function()
    local text, declared = rewritten "local function f(a) local b = a return b end"
    assert.equal("      function f(a) local b = a return b end", text)
    assert.equal("f", declared)
  end)

  it("leaves inner blocks alone", function()
    for _, code in ipairs {
      "do local x = 1 end", "for i = 1, 2 do local x = i end", "while true do local x = 1 break end",
      "if a then local x = 1 elseif b then local y = 2 else local z = 3 end", "repeat local x = 1 until x",
      "f(function() local x = 1 end)", "t = { g = function() local x end }", "s = 'local x = 1'", "-- local x",
      "s = [[\nlocal x\n]]",
    } do
      local text, declared = rewritten(code)
      assert.equal(code, text)
      assert.equal("", declared)
    end
  end)

  it("finds a local after an inner block", function()
    local _, declared = rewritten "repeat local a until a; if x then y() end local b = function() end local c"
    assert.equal("b c", declared)
  end)

  it("makes a <const> a variable that is told apart", function()
    local text, declared = rewritten "local x <const> = 1"
    assert.equal("      x         = 1", text)
    assert.equal("x", declared)
    assert.equal("      x, y = nil        \nz()", (rewritten "local x, y <const>\nz()"))
    local _, _, constants = locals.rewrite "local a <const>, b = 1, 2"
    assert.same({ a = true }, constants)
  end)

  it("leaves <close> alone, and <const> where the name comes twice or the piece may jump", function()
    for _, code in ipairs { "local f <close> = g()", "local a <const>, b <close> = 1, g()",
      "local x <const> = 1\nlocal x <const> = 2", "::top:: local x <const> = 1\nif y then goto top end" } do
      assert.equal(code, (rewritten(code)))
    end
    local text, declared = rewritten "local x <const> = 1\nlocal x = 2\nlocal y = x"
    assert.equal("local x <const> = 1\nlocal x = 2\n      y = x", text)
    assert.equal("y", declared)
  end)

  it("never raises on broken code", function()
    for _, code in ipairs { "local", "local x,", "local function", "local 1", "local x <", "end local x", ")", "\255" } do
      assert.has_no.errors(function() locals.rewrite(code) end)
    end
  end)
end)
