-- Help while typing: places in characters, types beside matches, pages, indentation; and the kernel's other answers.
package.path = "tests/lua/?.lua;" .. package.path
local notebook = require "support.notebook"

local book

before_each(function() book = notebook.open() end)
after_each(function() book.kernel:close() end)

local function complete(code, place)
  return (book:ask("complete_request", { code = code, cursor_pos = place or utf8.len(code) }))
end

describe("completion", function()
  it("counts characters, not bytes", function()
    local reply = complete("s = 'äöü' .. string.form")
    assert.same({ "format" }, reply.matches)
    assert.equal(20, reply.cursor_start)
    assert.equal(24, reply.cursor_end)
    reply = complete("s = 'äöü' .. string.form .. 'é'", 24)
    assert.same({ "format" }, reply.matches)
    assert.equal(24, reply.cursor_end)
  end)

  it("tells types in the form that front ends know", function()
    book:run "local thing = { name = 1, call = function(a, b) end }"
    local reply = complete "thing."
    assert.same({ "call", "name" }, reply.matches)
    local types = reply.metadata._jupyter_types_experimental
    assert.equal(2, #types)
    assert.equal("call", types[1].text)
    assert.equal("function", types[1].type)
    assert.equal(6, types[1].start)
    assert.equal(6, types[1]["end"])
    assert.truthy(types[1].signature:find("a, b", 1, true))
  end)

  it("answers with empty lists where nothing is known, and for strange places", function()
    local _, sent = book:ask("complete_request", { code = "nothing_of_the_kind.", cursor_pos = 20 })
    assert.truthy(sent[2].text:find('"matches":[]', 1, true))
    for _, place in ipairs { -5, 0, 1000, 1.5 } do
      assert.equal("ok", complete("string.", place).status)
    end
    assert.equal("ok", complete("str\xff.", 4).status)
    assert.equal("ok", (book:ask("complete_request", { code = "string.for" })).status)
  end)

  it("survives values that raise when they are looked into", function()
    book:run "trap = setmetatable({}, { __index = function() error 'no' end, __names = function() error 'no' end })"
    assert.equal("ok", complete("trap.").status)
    assert.equal("ok", complete("trap.x.").status)
  end)
end)

describe("very long code", function()
  it("is answered soon", function()
    local blanks, began = (" "):rep(20000), os.clock()
    for _, code in ipairs { blanks, "x = 1" .. blanks .. "y = 2", blanks .. ("x = 1 "):rep(5000),
        "x =" .. ("a+"):rep(100000), "a" .. (".a"):rep(100000) } do
      for _, kind in ipairs { "is_complete_request", "complete_request", "inspect_request" } do
        assert.not_equal("error", (book:ask(kind, { code = code, cursor_pos = #code })).status)
      end
      book:run(code)
    end
    assert.is_true(os.clock() - began < 20)
  end)

  it("and large tables are answered with the first of their names", function()
    book:run "large = {} for i = 1, 20000 do large[('k%05d'):format(i)] = i end"
    local reply = complete "large.k"
    assert.equal(10000, #reply.matches)
    assert.equal("k00001", reply.matches[1])
    assert.equal(10000, #complete("large['k").matches)
  end)
end)

describe("inspection", function()
  it("finds what stands at the cursor", function()
    book:run "--- Twice x.\nlocal function double(x) return 2 * x end"
    local reply = book:ask("inspect_request", { code = "y = double(3)", cursor_pos = 7, detail_level = 0 })
    assert.is_true(reply.found)
    assert.truthy(reply.data["text/plain"]:find("Twice x.", 1, true))
    local more = book:ask("inspect_request", { code = "y = double(3)", cursor_pos = 7, detail_level = 1 })
    assert.truthy(more.data["text/plain"]:find("return 2 * x", 1, true))
  end)

  it("lays the text out as Markdown as well", function()
    local markdown = require "perilune.kernel.markdown"
    assert.equal("```lua\nf(x)\n```\n\nTwice \\*x\\*.\n\n```text\n  x: one\n```\n\nDefined at In\\[1\\]:4",
      markdown.of "f(x)\n\nTwice *x*.\n  x: one\n\nDefined at In[1]:4")
    assert.equal("t: table of 1\n\n```text\n{ 1 }\n```", markdown.of "t: table of 1\n\n{ 1 }")
    assert.equal("g()\n\n````lua\n-- ```\n````", (markdown.of "g()\n\nSource:\n\n-- ```":gsub("^```lua\n(.-)\n```", "%1")))
    book:run "--- Twice x.\nlocal function double(x) return 2 * x end"
    local reply = book:ask("inspect_request", { code = "double", cursor_pos = 3, detail_level = 1 })
    assert.truthy(reply.data["text/markdown"]:find("```lua\ndouble(x)\n```", 1, true))
  end)

  it("says so when nothing is there", function()
    local reply, sent = book:ask("inspect_request", { code = "no_such_name", cursor_pos = 5, detail_level = 0 })
    assert.equal("ok", reply.status)
    assert.is_false(reply.found)
    assert.truthy(sent[2].text:find('"data":{}', 1, true))
  end)
end)

describe("is_complete", function()
  it("speaks of no keys that only a terminal has", function()
    local text = book:run("?").payload[1].data["text/plain"]
    assert.matches("Interrupting the kernel", text)
    assert.is_nil(text:find("Ctrl", 1, true))
  end)

  it("tells complete, incomplete and invalid code, and how to indent", function()
    local function ask(code) return (book:ask("is_complete_request", { code = code })) end
    for _, code in ipairs { "1", "x = 1", "for i = 1, 2 do end", "", "print?", "local x = 5", "f {\n}" } do
      assert.equal("complete", ask(code).status, code)
    end
    for _, code in ipairs { "x = = 1", "end", "f(]", "'open" } do assert.equal("invalid", ask(code).status, code) end
    for code, indent in pairs {
      ["for i = 1, 2 do"] = "  ", ["for i = 1, 2 do\n  if x then"] = "    ", ["f {"] = "  ", ["x = 1 +"] = "  ",
      ["s = [["] = "", ["if x then\n  y()\nelse"] = "  ", ["--[["] = "",
    } do
      local reply = ask(code)
      assert.equal("incomplete", reply.status, code)
      assert.equal(indent, reply.indent, code)
    end
  end)

  it("makes a front end a console", function()
    book:ask("is_complete_request", { code = "1" }, "terminal")
    book:ask("complete_request", { code = "1" }, "browser")
    assert.is_false(book.kernel:is_console())
    book:ask("complete_request", { code = "1" }, "terminal")
    assert.is_true(book.kernel:is_console())
  end)
end)

describe("the kernel", function()
  it("tells about itself", function()
    local reply, sent = book:ask("kernel_info_request", {})
    assert.equal("busy kernel_info_reply idle", notebook.types(sent))
    assert.equal("5.5", reply.protocol_version)
    assert.equal("lua", reply.language_info.name)
    assert.equal("5.4.6", reply.language_info.version)
    assert.equal(".lua", reply.language_info.file_extension)
    assert.truthy(sent[2].text:find('"supported_features":[]', 1, true))
  end)

  it("puts busy and idle around what it does not know, and answers what is malformed", function()
    assert.equal("busy idle", notebook.types(select(2, book:ask("debug_request", {}))))
    assert.equal("busy idle", notebook.types(select(2, book:ask("nonsense", "[1, 2"))))
    for _, content in ipairs { "{}", "[]", "{", "null", "5", '{"code": 5}', ('['):rep(5000) } do
      for _, type_ in ipairs { "execute_request", "complete_request", "inspect_request", "is_complete_request" } do
        local reply, sent = book:ask(type_, content)
        assert.equal("error", reply.status, type_ .. content:sub(1, 20))
        assert.equal("busy", sent[1].content.execution_state)
        assert.equal("idle", sent[#sent].content.execution_state)
      end
    end
  end)

  it("answers interrupt, shutdown and connect on shell", function()
    assert.equal("ok", (book:ask("interrupt_request", {})).status)
    assert.equal(1, (book:ask("connect_request", {})).shell)
    assert.same({ status = "ok", restart = true }, (book:ask("shutdown_request", { restart = true })))
    assert.is_true(book.kernel.ending)
  end)

  it("runs until the transport says that it is over", function()
    local messages = { { notebook.message("kernel_info_request", {}) }, { nil, "interrupt" }, { nil, "shutdown", false } }
    book.transport.receive = function() return table.unpack(table.remove(messages, 1), 1, 3) end
    book.kernel:run()
    assert.equal("starting busy kernel_info_reply idle", notebook.types(book.transport.sent))
  end)
end)

describe("os.exit in a cell", function()
  it("answers, then leaves", function()
    local left
    book.kernel.session.environment:provide("leave", function(code)
      book.kernel:exit(function(given) left = given error "gone" end, code)
    end)
    local reply, sent = book:run "leave(3)"
    assert.equal(3, left)
    assert.is_true(book.transport.closed)
    assert.same({ { source = "ask_exit", keepkernel = false } }, reply and sent[3].content.payload)
    assert.equal("idle", sent[4].content.execution_state)
  end)
end)
