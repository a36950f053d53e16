--- perilune.display: forms, backends, and tables as people read them.
local display = require "perilune.display"
local pretty = display.pretty

describe("display.pretty", function()
  it("writes plain values as Lua does", function()
    assert.equal("nil", pretty(nil))
    assert.equal("true", pretty(true))
    assert.equal("3", pretty(3))
    assert.equal("3.0", pretty(3.0))
    assert.equal("0.1", pretty(0.1))
    assert.equal("1e+300", pretty(1e300))
    assert.equal("nan", pretty(0 / 0))
    assert.equal("-inf", pretty(-math.huge))
    assert.equal([["a\n\"b\"\\\0"]], pretty "a\n\"b\"\\\0")
  end)

  it("keeps short tables on a line, keys in order", function()
    assert.equal("{}", pretty {})
    assert.equal('{ 1, 2, { "x" }, a = 1, b = 2, ["end"] = 3, ["no name"] = 4, [false] = 5 }',
      pretty { 1, 2, { "x" }, b = 2, a = 1, ["end"] = 3, ["no name"] = 4, [false] = 5 })
    assert.equal("{ [0] = 1, [2.5] = 2 }", pretty { [0] = 1, [2.5] = 2 })
  end)

  it("aligns the names of long ones", function()
    assert.equal("{\n  a    = 1,\n  long = { 1, 2, 3 }\n}", pretty({ a = 1, long = { 1, 2, 3 } }, { width = 20 }))
  end)

  it("puts short elements of a list in columns", function()
    assert.equal("{\n    1,  22,\n  333,   4\n}", pretty({ 1, 22, 333, 4 }, { width = 12 }))
  end)

  it("marks cycles, but not what is merely shared", function()
    local t = { name = "t" }
    t.self = t
    assert.equal('{ name = "t", self = <cycle> }', pretty(t))
    local shared = { 1 }
    assert.equal("{ { 1 }, { 1 } }", pretty { shared, shared })
  end)

  it("stops at depth, items and letters", function()
    assert.equal("{ { {...} } }", pretty({ { { 1 } } }, { depth = 2 }))
    assert.equal("{ 1, 2, ... 3 more }", pretty({ 1, 2, 3, 4, 5 }, { items = 2 }))
    assert.equal('"ab"...', pretty("abcd", { letters = 2 }))
    assert.equal('"é"...', pretty("éé", { letters = 3 }))
    local deep = {}
    for _ = 1, 10000 do deep = { deep } end
    assert.is_true(#pretty(deep) < 100)
  end)

  it("asks no metamethod of a table but __tostring", function()
    local function ask() error "asked" end
    local strict = setmetatable({ 1 }, { __index = ask, __pairs = ask, __len = ask })
    assert.equal("{ 1 }", pretty(strict))
    assert.equal("{ me }", pretty { setmetatable({}, { __tostring = function() return "me" end }) })
  end)

  it("survives a __tostring that fails", function()
    local bad = setmetatable({}, { __tostring = function() error "no" end })
    assert.matches("__tostring failed", pretty(bad))
    assert.matches("__tostring failed", pretty { bad })
  end)

  it("says type and shape of a tensor inside a table", function()
    local tensor = setmetatable({ dtype = "float32", shape = { 2, 3 } }, { __tostring = function() return "[[\n]]" end })
    assert.equal("{ x = float32 tensor [2, 3] }", pretty { x = tensor })
    assert.equal("[[\n]]", pretty(tensor))
  end)

  it("escapes what a terminal would obey, and bytes that are no text", function()
    assert.equal('"\\27[31m"', pretty "\27[31m")
    assert.equal('"\\255x"', pretty "\255x")
  end)

  it("is bounded altogether", function()
    local wide = {}
    for i = 1, 50 do
      wide[i] = {}
      for j = 1, 50 do
        wide[i][j] = {}
        for k = 1, 50 do wide[i][j][k] = k end
      end
    end
    assert.is_true(#pretty(wide) < 50000)
  end)

  it("colours only when asked, and counts no colours in widths", function()
    assert.is_nil(pretty({ 1, a = "x" }):find("\27", 1, true))
    assert.equal("{ \27[36m1\27[0m }", pretty({ 1 }, { color = true }))
    local value = { 1, 22, 333, 4, name = "x", other = { true } }
    local coloured = pretty(value, { width = 14, color = true })
    assert.equal(pretty(value, { width = 14 }), (coloured:gsub("\27%[[%d;]*m", "")))
  end)

  it("does not trip over hidden metatables", function()
    assert.equal("{ 1 }", pretty(setmetatable({ 1 }, { __metatable = "locked" })))
    assert.equal("{ 1 }", pretty(setmetatable({ 1 }, { __metatable = false })))
  end)
end)

describe("display.text", function()
  it("gives strings and numbers as print would", function()
    assert.equal("a\n\"b\"", display.text "a\n\"b\"")
    assert.equal(tostring(1 / 3), display.text(1 / 3))
    assert.equal("{ 1 }", display.text { 1 })
  end)
end)

describe("display.show", function()
  local Picture = { __tostring = function() return "a picture" end }
  Picture.__mime = function() return { ["image/svg+xml"] = "<svg/>" } end

  it("hands the forms to the backend that registered last", function()
    local seen = {}
    local first = display.register { show = function() seen[#seen + 1] = "first" end }
    local second = display.register { show = function(forms, object) seen[#seen + 1] = { forms, object } end }
    local picture = setmetatable({}, Picture)
    assert.is_true(display.has_backend())
    display.show(picture)
    assert.same({ ["image/svg+xml"] = "<svg/>", ["text/plain"] = "a picture" }, seen[1][1])
    assert.equal(picture, seen[1][2].object)
    assert.is_true(second())
    assert.is_false(second())
    display.show(1)
    assert.equal("first", seen[2])
    assert.is_true(first())
    assert.is_false(display.has_backend())
  end)

  it("gives every value a text", function()
    assert.same({ ["text/plain"] = "{ 1 }" }, display.forms { 1 })
    assert.same({ ["text/plain"] = '"s"' }, display.forms "s")
  end)

  it("refuses what is no backend", function()
    local ok, message = pcall(function() display.register {} end)
    assert.is_false(ok)
    assert.is_truthy(message:find "display_spec.lua.*show = function")
  end)

  it("takes a figure's own show", function()
    local shown
    local remove = display.register { show = function(forms) shown = forms end }
    require("perilune.plot").lines({ 1, 2 }):show()
    remove()
    assert.is_truthy(shown["image/svg+xml"]:find "<svg")
    assert.is_truthy(shown["text/plain"]:find "^Figure")
  end)
end)
