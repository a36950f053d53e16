-- Cells: what is sent for one, and in which order.
package.path = "tests/lua/?.lua;" .. package.path
local notebook = require "support.notebook"
local json = require "perilune.json"

local book

before_each(function() book = notebook.open() end)
after_each(function() book.kernel:close() end)

local function result_of(sent)
  local found = notebook.of_type(sent, "execute_result")
  assert.equal(1, #found)
  return found[1].content
end

describe("a cell", function()
  it("is busy, told, answered and idle, in this order", function()
    local reply, sent = book:run "x = 1"
    assert.equal("busy execute_input execute_reply idle", notebook.types(sent))
    assert.same({ status = "ok", execution_count = 1, payload = {}, user_expressions = {} }, reply)
    assert.truthy(sent[3].text:find('"payload":[]', 1, true))
    assert.truthy(sent[3].text:find('"user_expressions":{}', 1, true))
    assert.same({ code = "x = 1", execution_count = 1 }, sent[2].content)
    for _, one in ipairs(sent) do assert.equal(sent[1].parent.msg_id, one.parent.msg_id) end
  end)

  it("shows its last expression before it answers", function()
    local _, sent = book:run "local a = 20\na + 1"
    assert.equal("busy execute_input execute_result execute_reply idle", notebook.types(sent))
    local content = result_of(sent)
    assert.equal("21", content.data["text/plain"])
    assert.equal(1, content.execution_count)
    assert.truthy(sent[3].text:find('"metadata":{}', 1, true))
  end)

  it("keeps locals, counts on, and knows a silenced value", function()
    book:run "local a = 5"
    local reply, sent = book:run "a"
    assert.equal("5", result_of(sent).data["text/plain"])
    assert.equal(2, reply.execution_count)
    assert.equal(0, #notebook.of_type(select(2, book:run "a;"), "execute_result"))
  end)

  it("joins several plain values and shows rich ones one after the other", function()
    assert.equal("1\ttrue", result_of(select(2, book:run "1, true")).data["text/plain"])
    local _, sent = book:run [[
      local rich = setmetatable({}, { __mime = function() return { ["text/html"] = "<b>", ["text/plain"] = "b" } end })
      rich, 7]]
    assert.equal("<b>", notebook.of_type(sent, "display_data")[1].content.data["text/html"])
    assert.equal("7", result_of(sent).data["text/plain"])
  end)

  it("sends pictures in base64 and JSON as JSON", function()
    local _, sent = book:run [[
      setmetatable({}, { __mime = function()
        return { ["image/png"] = "\255\0\1\2", ["application/json"] = { a = { 1, 2 } }, ["text/plain"] = "p" }
      end })]]
    local data = result_of(sent).data
    assert.equal("/wABAg==", data["image/png"])
    assert.same({ a = { 1, 2 } }, data["application/json"])
  end)

  it("of nothing is answered and not counted", function()
    local reply = book:run "  \n"
    assert.equal("ok", reply.status)
    assert.equal(0, reply.execution_count)
  end)
end)

describe("a cell that fails", function()
  it("sends one error and the same in its reply", function()
    local reply, sent = book:run "local t = nil\nt.x = 1"
    assert.equal("busy execute_input error execute_reply idle", notebook.types(sent))
    local told = sent[3].content
    assert.equal("error", reply.status)
    assert.equal("Error", told.ename)
    assert.truthy(told.evalue:find("^In%[1%]:2: attempt to index a nil value"))
    assert.same(told.traceback, reply.traceback)
    assert.truthy(table.concat(told.traceback, "\n"):find("t.x = 1", 1, true))
    assert.is_nil(table.concat(told.traceback, "\n"):find("kernel/", 1, true))
    assert.equal(1, reply.execution_count)
  end)

  it("shows no frame of the call that protects it", function()
    local guarded = require("perilune.kernel.guard").strings(xpcall)
    local cell = assert(load("local t\nlocal function f() t.x = 1 end\nf()\nreturn 1", "=In[1]"))
    local traceback = require("perilune.repl.failure").protect(cell, guarded)[2].traceback
    assert.same({ "In[1]:2: in local 'f'", "In[1]:3: in main chunk" }, traceback)
  end)

  it("tells wrong and unfinished code apart from what it raises", function()
    assert.equal("SyntaxError", book:run("x = = 1").ename)
    assert.equal("SyntaxError", book:run("for i = 1, 2 do").ename)
  end)

  it("survives error objects of every kind", function()
    for _, code in ipairs {
      "error()", "error({})", "error(nil)", "error(setmetatable({}, { __tostring = function() error 'no' end }))",
      "error(setmetatable({}, { __tostring = function() return 5 end }))", "error(print)",
      "local function f() return f() + 1 end f()", "error('\\255\\0')", "string.rep('x', 1 << 62)",
      "setmetatable({}, { __tostring = function() error 'no' end })",
      "setmetatable({}, { __mime = function() error {} end })", "setmetatable({}, { __mime = function() return 5 end })",
      "setmetatable({}, { __mime = function() return { ['text/plain'] = {} , [1] = 2 } end })",
      "setmetatable({}, { __mime = function() return { ['application/json'] = { print } } end })",
      "setmetatable({}, { __name = 5 })", "local t = setmetatable({}, {__index = function(t, k) return t[k] end}) t.x = t.y",
    } do
      local reply, sent = book:run(code)
      local types = notebook.types(sent)
      assert.truthy(types:find("^busy execute_input .*execute_reply idle$"), code .. ": " .. types)
      assert.equal(reply.status == "error" and 1 or 0, #notebook.of_type(sent, "error"), code)
    end
    assert.equal("2", result_of(select(2, book:run "1 + 1")).data["text/plain"])
  end)

  it("aborts what waits behind it, unless it is told not to", function()
    local function serve_all(stop)
      local queue = book.transport.queue
      queue[1] = notebook.message("execute_request", { code = "y = 2", store_history = true })
      queue[2] = notebook.message("kernel_info_request", {})
      local before = #book.transport.sent
      book:run("error 'x'", { stop_on_error = stop })
      while true do
        local message = table.remove(book.kernel.waiting, 1) or table.remove(queue, 1)
        if not message then break end
        book.kernel:serve(message)
      end
      return table.move(book.transport.sent, before + 1, #book.transport.sent, 1, {})
    end
    local sent = serve_all(true)
    local replies = notebook.of_type(sent, "execute_reply")
    assert.equal("aborted", replies[2].content.status)
    assert.equal(1, #notebook.of_type(sent, "kernel_info_reply"))
    assert.equal("busy execute_input error execute_reply idle busy execute_reply idle busy kernel_info_reply idle",
      notebook.types(sent))
    replies = notebook.of_type(serve_all(false), "execute_reply")
    assert.equal("ok", replies[2].content.status)
  end)
end)

describe("what a request asks for", function()
  it("leaves nothing on iopub when it is silent", function()
    local reply, sent = book:run("peri_show = 1\n5", { silent = true })
    assert.equal("busy execute_reply idle", notebook.types(sent))
    assert.equal(0, reply.execution_count)
    reply, sent = book:run("error 'x'", { silent = true })
    assert.equal("busy execute_reply idle", notebook.types(sent))
    assert.equal("error", reply.status)
    assert.is_false(book.transport.muted)
  end)

  it("moves neither counter nor history without store_history", function()
    book:run "1"
    local reply, sent = book:run("41 + 1", { store_history = false })
    assert.equal(1, reply.execution_count)
    assert.equal("42", result_of(sent).data["text/plain"])
    assert.equal(1, #book.kernel.history.entries)
    assert.equal("1", result_of(select(2, book:run "_")).data["text/plain"])
  end)

  it("evaluates user_expressions", function()
    local reply = book:run("local n = 6", { user_expressions = { good = "n * 7", bad = "nil + 1", wrong = "1 +" } })
    assert.same({ status = "ok", data = { ["text/plain"] = "42" }, metadata = {} }, reply.user_expressions.good)
    assert.equal("error", reply.user_expressions.bad.status)
    assert.equal("SyntaxError", reply.user_expressions.wrong.ename)
    assert.equal("2", result_of(select(2, book:run "1 + 1")).data["text/plain"])
  end)

  it("gives pages for name?", function()
    for _, code in ipairs { "print?", "?print", "print??", "string.format?", "?" } do
      local reply, sent = book:run(code)
      assert.equal(1, #reply.payload, code)
      assert.equal("page", reply.payload[1].source)
      assert.equal("string", type(reply.payload[1].data["text/plain"]))
      assert.equal("busy execute_input execute_reply idle", notebook.types(sent))
    end
    assert.equal("error", book:run("1 + 1?").status)
  end)
end)

describe("display", function()
  it("goes to the notebook, with ids and updates", function()
    local display = require "perilune.display"
    book.kernel.session.environment:provide("show", display.show)
    local _, sent = book:run "show { 1, 2 }"
    assert.equal("busy execute_input display_data execute_reply idle", notebook.types(sent))
    assert.truthy(sent[3].text:find('"transient":{}', 1, true))
    assert.equal("busy execute_reply idle", notebook.types(select(2, book:run("show(1)", { silent = true }))))
  end)

  it("encodes bytes as base64 does", function()
    local show = require "perilune.kernel.show"
    for text, wanted in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==" } do
      assert.equal(wanted, show.base64(text))
    end
  end)

  it("sends what is no UTF-8", function()
    local _, sent = book:run "'\\xff\\0ok'"
    assert.equal("string", type(result_of(sent).data["text/plain"]))
    assert.truthy(utf8.len(notebook.of_type(sent, "execute_result")[1].text))
  end)
end)

describe("messages for the wire", function()
  it("tell lists from objects and never fail on text", function()
    assert.equal('{"a":[],"b":{},"c":"\239\191\189\\u0000","d":null}',
      json.message { a = json.array {}, b = {}, c = "\xff\0", d = 0 / 0 })
  end)
end)
