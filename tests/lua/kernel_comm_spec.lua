-- Comms in both directions, and what a cell may do to them.
package.path = "tests/lua/?.lua;" .. package.path
local notebook = require "support.notebook"
local comm = require "perilune.kernel.comm"

local book

before_each(function() book = notebook.open() end)
after_each(function() book.kernel:close() end)

local function open(id, target, data)
  return select(2, book:ask("comm_open", { comm_id = id, target_name = target, data = data or {} }))
end

local function send(id, data)
  return select(2, book:ask("comm_msg", { comm_id = id, data = data or {} }))
end

describe("a comm that the browser opens", function()
  it("reaches its target, whose messages go both ways", function()
    local opened, closed
    comm.register("echo", function(line, data, message)
      opened = { line.target, data, message.content.comm_id, message.buffers }
      function line.on_message(self, given) self:send({ back = given }, { "\1\2" }) end
      function line.on_close(_, given) closed = given end
    end)
    assert.equal("busy idle", notebook.types(open("c1", "echo", { a = 1 })))
    assert.same({ "echo", { a = 1 }, "c1", {} }, opened)
    local sent = send("c1", { x = { 1, 2 } })
    assert.equal("busy comm_msg idle", notebook.types(sent))
    assert.same({ comm_id = "c1", data = { back = { x = { 1, 2 } } } }, sent[2].content)
    assert.same({ "\1\2" }, sent[2].buffers)
    assert.same({ c1 = { target_name = "echo" } }, (book:ask("comm_info_request", {})).comms)
    assert.same({}, (book:ask("comm_info_request", { target_name = "other" })).comms)
    book:ask("comm_close", { comm_id = "c1", data = { bye = true } })
    assert.same({ bye = true }, closed)
    assert.same({}, comm.list())
    assert.equal("busy idle", notebook.types(send("c1")))
  end)

  it("may be served by anything that can be called", function()
    local got = {}
    local function called(name)
      return setmetatable({}, { __call = function(_, line, data)
        got[#got + 1] = name .. tostring(data.n)
        return line
      end })
    end
    comm.register("callable", setmetatable({}, { __call = function(_, line)
      line.on_message, line.on_close = called "message", called "close"
    end }))
    assert.equal("busy idle", notebook.types(open("c0", "callable")))
    assert.equal("busy idle", notebook.types(send("c0", { n = 1 })))
    book:ask("comm_close", { comm_id = "c0", data = { n = 2 } })
    assert.same({ "message1", "close2" }, got)
  end)

  it("is closed again when nobody knows its target", function()
    local sent = open("c2", "unknown")
    assert.equal("busy comm_close idle", notebook.types(sent))
    assert.same({ comm_id = "c2", data = {} }, sent[2].content)
    assert.truthy(sent[2].text:find('"data":{}', 1, true))
  end)

  it("is closed when its target fails, and lives on when a handler fails", function()
    comm.register("bad", function() error "no" end)
    assert.equal("busy comm_close idle", notebook.types(open("c3", "bad")))
    assert.same({}, comm.list())
    local count = 0
    comm.register("shaky", function(line)
      line.on_message = function()
        count = count + 1
        error {}
      end
    end)
    open("c4", "shaky")
    send "c4"
    assert.equal("busy idle", notebook.types(send "c4"))
    assert.equal(2, count)
  end)

  it("is passed over when it is malformed", function()
    for _, content in ipairs { "{}", '{"comm_id": 5}', '{"comm_id": "none", "data": null}', "[", '{"comm_id":"x","target_name":[]}' } do
      for _, type_ in ipairs { "comm_open", "comm_msg", "comm_close" } do
        local _, sent = book:ask(type_, content)
        assert.equal("idle", sent[#sent].content.execution_state)
      end
    end
  end)
end)

describe("a comm that a cell opens", function()
  it("is told, sends, and closes", function()
    local line = comm.open("plot", { title = "t" }, { m = 1 })
    local sent = book.transport.sent
    assert.equal("comm_open", sent[#sent].type)
    assert.same({ comm_id = line.id, target_name = "plot", data = { title = "t" } }, sent[#sent].content)
    assert.same({ m = 1 }, sent[#sent].metadata)
    line:send()
    assert.truthy(sent[#sent].text:find('"data":{}', 1, true))
    local got
    line.on_message = function(_, data) got = data end
    send(line.id, { v = 5 })
    assert.same({ v = 5 }, got)
    line:close { done = true }
    assert.equal("comm_close", sent[#sent].type)
    assert.is_true(line.closed)
    line:close()
    assert.has_error(function() line:send {} end, "comm:send: this comm (plot) is closed")
    assert.truthy(tostring(line):find "closed")
  end)

  it("teaches what it wants", function()
    assert.has_error(function() comm.register(5, print) end, "comm.register: wants the target's name, got a number")
    assert.has_error(function() comm.register("x", 5) end, "comm.register: wants a function for 'x', got a number")
    assert.has_error(function() comm.open() end, "comm.open: wants the target's name, got a nil")
    local fine, problem = pcall(function() comm.open("x"):send { f = print } end)
    assert.is_false(fine)
    assert.truthy(problem:find "kernel_comm_spec.lua:%d+: comm: json: there is no JSON for a function")
    comm.attach(nil)
    assert.has_error(function() comm.open "x" end, "comm.open: there is no notebook kernel here; comms live in a notebook's cells")
    comm.attach(book.kernel)
    local ok, message = pcall(comm.open("x").send, "not a comm")
    assert.is_false(ok)
    assert.truthy(message:find "with a colon")
  end)
end)
