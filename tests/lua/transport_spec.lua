-- The binding of the notebook's transport: what it takes and gives, and that captured streams come back. What goes
-- over the sockets is held by tests/c/transport.c and tests/outside.
local ok, transport = pcall(require, "perilune.transport")
if not ok then return end -- built without libzmq

local folder

local function connection(changes)
  local made = { transport = "ipc", ip = folder .. "/k", shell_port = 1, control_port = 2, stdin_port = 3,
    iopub_port = 4, hb_port = 5, key = "k" }
  for name, value in pairs(changes or {}) do made[name] = value end
  return made
end

local function options(changes)
  return { connection = connection(changes), session = "s", username = "u", kernel_info = "{}" }
end

setup(function()
  folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
end)

teardown(function()
  os.execute("rm -r " .. folder)
end)

describe("transport.open", function()
  it("names what is wrong with its options", function()
    assert.error_matches(function() transport.open {} end, "connection: a table")
    assert.error_matches(function() transport.open(options { shell_port = "x" }) end, "shell_port: a port")
    assert.error_matches(function() transport.open(options { hb_port = 70000 }) end, "hb_port: a port")
    assert.error_matches(function() transport.open(options { key = false }) end, "key: a string")
    assert.error_matches(function() transport.open(options { transport = "udp" }) end, "'udp', known are 'tcp' and 'ipc'")
    local wrong = options()
    wrong.kernel_info = "no JSON"
    assert.error_matches(function() transport.open(wrong) end, "kernel_info is no JSON object")
  end)

  it("names an address that is taken, and gives it free again", function()
    local t = transport.open(options())
    assert.error_matches(function() transport.open(options()) end, "cannot bind shell to ipc://.*in use")
    t:close()
    t:close()
    transport.open(options()):close()
    assert.error_matches(function() t:receive(0) end, "it is closed")
  end)
end)

describe("a transport", function()
  local t

  before_each(function() t = transport.open(options()) end)
  after_each(function() t:close() end)

  it("waits for messages, and not for ever", function()
    local message, why = t:receive(1)
    assert.is_nil(message)
    assert.equal("timeout", why)
    assert.equal(0, t:dropped())
  end)

  it("takes texts and lists of texts only", function()
    assert.error_matches(function() t:publish("x", "{}", "{}", { {} }) end, "a list of strings")
    assert.error_matches(function() t:parent("no JSON", {}, false) end, "a parent that is no JSON object")
    assert.error_matches(function() t:reply({ identities = {} }, "x") end, "string expected")
    t:parent(nil, nil, false)
    t:publish "status"
  end)

  it("captures the streams and gives them back", function()
    local read, lines, popen, method = io.read, io.lines, io.popen, io.stdin.read
    t:capture(true)
    t:capture(true)
    local results = {
      select(2, pcall(io.read)), (select(2, pcall(io.stdin.read, io.stdin))), (select(2, pcall(io.lines))),
    }
    local input, why = t:input("?", false)
    io.write "nobody sees this\n"
    io.stdout:setvbuf "full"
    print "nor this"
    t:flush()
    t:capture(false)
    for _, result in ipairs(results) do
      assert.matches("input: this front end takes no input %(allow_stdin is false%)", result)
    end
    assert.equal(3, #results)
    assert.is_nil(input)
    assert.equal("refused", why)
    assert.equal(read, io.read)
    assert.equal(lines, io.lines)
    assert.equal(popen, io.popen)
    assert.equal(method, io.stdin.read)
    t:capture(true) -- and closing ends it as well
    t:close()
    assert.equal(read, io.read)
    assert.equal("userdata", type(io.stdout))
    assert.truthy(io.stdout:write(""))
  end)

  it("reads other files while it captures", function()
    local path = folder .. "/text"
    transport.append(path, "one\ntwo\n")
    t:capture(true)
    local file = io.open(path)
    local text, list = file:read "a", {}
    file:close()
    for line in io.lines(path) do list[#list + 1] = line end
    t:capture(false)
    assert.equal("one\ntwo\n", text)
    assert.same({ "one", "two" }, list)
  end)
end)

describe("beside it", function()
  it("there are names for messages", function()
    local a, b = transport.uuid(), transport.uuid()
    assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", a)
    assert.not_equal(a, b)
  end)

  it("files are appended to, folders made, for the user alone", function()
    local path = folder .. "/deep/er/history"
    assert.is_true(transport.append(path, "a\0b"))
    assert.is_true(transport.append(path, "c"))
    local file = assert(io.open(path, "rb"))
    assert.equal("a\0bc", file:read "a")
    file:close()
    local modes = io.popen(("stat -c %%a %s %s"):format(path, folder .. "/deep"))
    assert.equal("600\n700\n", modes:read "a")
    modes:close()
    assert.error_matches(function() transport.append(path .. "/x", "y") end, "history")
  end)

  it("commands end as os.execute and io.popen tell it", function()
    assert.is_true(transport.execute())
    assert.same({ true, "exit", 0 }, { transport.execute "true" })
    assert.same({ nil, "exit", 7 }, { transport.execute "exit 7" })
    assert.same({ nil, "signal", 9 }, { transport.execute "kill -9 $$" })
    local pipe = transport.popen "echo hi; exit 3"
    assert.equal("hi", pipe:read "l")
    assert.same({ nil, "exit", 3 }, { pipe:close() })
    assert.error_matches(function() return pipe:read() end, "closed file")
    pipe = transport.popen("cat > " .. folder .. "/written", "w")
    pipe:write "text"
    assert.same({ true, "exit", 0 }, { pipe:close() })
    assert.error_matches(function() transport.popen("true", "rw") end, "invalid mode")
  end)
end)
