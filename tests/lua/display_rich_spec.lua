--- Display handles, backends, texts and pictures handed over as they are, forms that go wrong, and HTML itself.
local peri = require "perilune"
local display = require "perilune.display"
local html = require "perilune.display.html"

local function says(part, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find(part, 1, true), tostring(message))
end

local function object(mime, name) return setmetatable({}, { __name = name, __mime = mime }) end

describe("forms", function()
  it("always have a text", function()
    assert.same({ ["text/plain"] = "{ a = 1 }" }, display.forms { a = 1 })
    assert.same({ ["text/plain"] = "nil" }, display.forms(nil))
    assert.same({ ["text/plain"] = '"x"' }, display.forms "x")
    assert.equal("<b>", display.forms(object(function() return { ["text/html"] = "<b>" } end))["text/html"])
  end)

  it("bring their metadata, a table at least", function()
    local _, metadata = display.forms(object(function() return {}, { ["image/png"] = { width = 3 } } end))
    assert.same({ ["image/png"] = { width = 3 } }, metadata)
    assert.same({}, select(2, display.forms(1)))
  end)

  it("are the object's own table no longer", function()
    local own = { ["text/html"] = "x" }
    display.forms(object(function() return own end))
    assert.is_nil(own["text/plain"])
  end)

  it("become UTF-8 where they are texts, and stay bytes where they are not", function()
    local bytes = "\xff\xfe\0"
    local forms = display.forms(object(function()
      return { ["text/plain"] = bytes, ["image/svg+xml"] = bytes, ["image/png"] = bytes, ["audio/wav"] = bytes }
    end))
    assert.equal("��\0", forms["text/plain"])
    assert.equal("��\0", forms["image/svg+xml"])
    assert.equal(bytes, forms["image/png"])
    assert.equal(bytes, forms["audio/wav"])
    assert.equal("�", display.forms(setmetatable({}, { __tostring = function() return "\xe4" end }))["text/plain"])
  end)

  it("that fail are errors with the type's name", function()
    says("the __mime of a my.Thing failed: ", display.forms, object(function() error "no" end, "my.Thing"))
    says("spec.lua:", display.forms, object(function() error "no" end, "my.Thing"))
    says("my.Thing wants to return a table", display.forms, object(function() return "text" end, "my.Thing"))
    says("my.Thing wants to return a table", display.forms, object(function() return {}, 3 end, "my.Thing"))
    says("gives a number for text/html", display.forms, object(function() return { ["text/html"] = 3 } end))
    says("gives a string for application/json, which wants a table", display.forms,
      object(function() return { ["application/json"] = "{}" } end))
    says("no MIME type", display.forms, object(function() return { "text" } end))
    says("interrupted!", display.forms, object(function() error("interrupted!", 0) end))
  end)

  it("fall back on the text for those who want that", function()
    local thing = setmetatable({ 1 }, { __name = "my.Thing", __mime = function() error "no" end, __tostring = function() return "me" end })
    local forms, metadata, problem = display.safe_forms(thing)
    assert.same({ ["text/plain"] = "me" }, forms)
    assert.same({}, metadata)
    assert.is_truthy(problem:find("my.Thing failed", 1, true))
    assert.is_nil(select(3, display.safe_forms(1)))
    says("interrupted!", display.safe_forms, object(function() error("interrupted!", 0) end))
  end)

  it("ask no metatable that hides or answers everything", function()
    assert.same({ ["text/plain"] = "{ 1 }" }, display.forms(setmetatable({ 1 }, { __metatable = "locked" })))
    local strict = setmetatable({}, setmetatable({}, { __index = function() error "asked" end }))
    assert.same({ ["text/plain"] = "{}" }, display.forms(strict))
  end)
end)

describe("a backend", function()
  local log, remove
  local function entry(kind)
    return function(forms, given) log[#log + 1] = { kind, forms["text/plain"], given } end
  end
  before_each(function()
    log = {}
    remove = display.register { name = "test", show = entry "show", update = entry "update",
      clear = function(wait) log[#log + 1] = { "clear", wait } end,
      progress = function(given) return { "progress", given } end }
  end)
  after_each(function() remove() end)

  it("gets forms, metadata, the object and the display's name", function()
    local handle = peri.display({ 1 }, { id = "here" })
    assert.equal("show", log[1][1])
    assert.equal("{ 1 }", log[1][2])
    assert.equal("here", log[1][3].id)
    assert.same({}, log[1][3].metadata)
    assert.same({ 1 }, log[1][3].object)
    assert.equal(handle, handle:update "new")
    assert.same({ "update", '"new"' }, { log[2][1], log[2][2] })
    assert.equal("here", log[2][3].id)
  end)

  it("gets a new name for each display without one", function()
    local a, b = peri.display(1), peri.display(2)
    assert.is_string(a.id)
    assert.not_equal(a.id, b.id)
    assert.equal(a.id, log[1][3].id)
  end)

  it("clears and makes progress", function()
    peri.clear_output()
    peri.clear_output(true)
    assert.same({ { "clear", false }, { "clear", true } }, log)
    assert.same({ "progress", 7 }, display.progress(7))
  end)

  it("that only shows gets updates shown", function()
    remove()
    remove = display.register { show = entry "show" }
    peri.display(1):update(2)
    peri.clear_output()
    assert.same({ "1", "2" }, { log[1][2], log[2][2] })
    assert.is_nil(display.progress {})
  end)

  it("leaves nothing behind when the value fails", function()
    says("my.Thing", peri.display, object(function() error "no" end, "my.Thing"))
    assert.equal(0, #log)
  end)

  it("is told of handles that they say nothing themselves", function()
    assert.is_true(display.is_silent(peri.display(1)))
    assert.is_false(display.is_silent(1))
    assert.is_false(display.is_silent "text")
    assert.is_false(display.is_silent(peri.ones(2)))
  end)
end)

describe("rich texts", function()
  local function only(x)
    local forms = display.forms(x)
    local plain = forms["text/plain"]
    forms["text/plain"] = nil
    return forms, plain
  end

  it("go out as they are, with a text for those who see only that", function()
    local forms, plain = only(peri.html "<h1>A &amp; B</h1><style>x{}</style><p>one<br>two</p><script>alert(1)</script>")
    assert.equal("<h1>A &amp; B</h1><style>x{}</style><p>one<br>two</p><script>alert(1)</script>", forms["text/html"])
    assert.equal("A & Bone\ntwo", plain)
    forms, plain = only(peri.markdown "**b**")
    assert.same({ { ["text/markdown"] = "**b**" }, "**b**" }, { forms, plain })
    assert.equal("**b**", tostring(peri.markdown "**b**"))
  end)

  it("know formulas from texts with formulas", function()
    assert.equal("$\\displaystyle x^2$", only(peri.latex "x^2")["text/latex"])
    assert.equal("the $x$", only(peri.latex "the $x$")["text/latex"])
    assert.equal("\\begin{align}x\\end{align}", only(peri.latex "\\begin{align}x\\end{align}")["text/latex"])
  end)

  it("read SVG from a text or a file", function()
    local svg = "<svg xmlns='http://www.w3.org/2000/svg'/>"
    assert.equal(svg, only(peri.svg(svg))["image/svg+xml"])
    local path = os.tmpname()
    local file = io.open(path, "w")
    file:write(svg)
    file:close()
    assert.equal(svg, only(peri.svg(path))["image/svg+xml"])
    os.remove(path)
    says("no_such.svg", peri.svg, "no_such.svg")
    says("holds no <svg>", peri.svg, "LICENSE")
    says("cannot read", peri.svg, "/")
  end)

  it("hand tables over as JSON", function()
    local forms, plain = only(peri.json { a = { 1, 2 } })
    assert.same({ ["application/json"] = { a = { 1, 2 } } }, forms)
    assert.equal("{ a = { 1, 2 } }", plain)
    says("is no JSON", peri.json, { f = print })
    says("wants a table", peri.json, 3)
  end)

  it("want texts", function()
    for name, f in pairs { html = peri.html, markdown = peri.markdown, latex = peri.latex, svg = peri.svg } do
      says(name .. ": wants a text, got nil", f)
      says("display_rich_spec.lua", function() f {} end)
    end
  end)
end)

describe("HTML", function()
  it("escapes everything that comes in", function()
    local nasty = "<script>alert('x')</script>&\"\xff\27[31m"
    local page = html.table { caption = nasty, head = { nasty }, rows = { { nasty, { text = nasty } } }, notes = { nasty } }
    assert.is_nil(page:find("<script", 1, true))
    assert.is_nil(page:find("\27", 1, true))
    assert.is_truthy(utf8.len(page))
    assert.equal("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;��[31m", html.escape(nasty))
  end)

  it("has no scripts, no style elements and no colour of text", function()
    local page = html.table { caption = "c", head = { "h" }, rows = { { { text = "x", bold = true, dim = true, mono = true,
      shade = "rgba(1,2,3,.5)", span = 2 } } }, foot = { { "f" } }, align = { "right" } }
    for _, part in ipairs { "<script", "<style", "onclick", "class=", ";color:", '"color:' } do
      assert.is_nil(page:find(part, 1, true), part)
    end
    assert.is_truthy(page:find('align="right"', 1, true))
  end)

  it("writes base64 like everyone", function()
    assert.same({ "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy", "AP+A" }, { html.base64 "",
      html.base64 "f", html.base64 "fo", html.base64 "foo", html.base64 "foob", html.base64 "fooba", html.base64 "foobar",
      html.base64 "\0\xff\x80" })
  end)

  it("cleans bytes that are no UTF-8, and keeps all others", function()
    assert.equal("aé�b", html.clean "aé\xc3b")
    assert.equal("���", html.clean "\xff\xfe\xfd")
    assert.equal("�", html.clean "\xff")
    assert.equal("", html.clean "")
    assert.equal("x\0y", html.clean "x\0y")
  end)
end)
