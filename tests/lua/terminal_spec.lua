-- What the core tells about the terminal, the clock, and Ctrl-C.
local core = require "perilune.core"

-- Runs Lua code in another lua5.4, with the same paths; its output and exit code.
local function elsewhere(code, wrap)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(("package.path = %q\npackage.cpath = %q\n"):format(package.path, package.cpath), code)
  file:close()
  local pipe = assert(io.popen((wrap or "%s 2>&1"):format("lua5.4 " .. path)))
  local output = pipe:read "a"
  local _, _, status = pipe:close()
  os.remove(path)
  return output, status
end

describe("the terminal", function()
  it("is told from a file", function()
    local file = assert(io.tmpfile())
    assert.is_false(core.isatty(file))
    file:close()
    assert.has_error(function() core.isatty(file) end)
    assert.has_error(function() core.isatty(-1) end)
    assert.has_error(function() core.isatty "stdout" end)
    assert.equal("true\r\n", (elsewhere("print(require('perilune.core').isatty(io.stdout))",
      "script -qec '%s' /dev/null </dev/null 2>&1")))
  end)

  it("has a size where there is one", function()
    local output = elsewhere("print(require('perilune.core').terminal_size())",
      "script -qec 'stty cols 77 rows 33; %s' /dev/null </dev/null 2>&1")
    assert.equal("77\t33\r\n", output)
    assert.equal("nil\n", (elsewhere("print((require('perilune.core').terminal_size()))", "setsid %s </dev/null 2>&1")))
  end)

  it("has a clock that does not go back", function()
    local before = core.monotonic()
    for _ = 1, 1000 do
      local now = core.monotonic()
      assert.is_true(now >= before)
      before = now
    end
  end)
end)

describe("Ctrl-C", function()
  it("raises the flag while it is asked for, and what was there before comes back", function()
    local output = elsewhere [[
      local core = require "perilune.core"
      local function kill() io.popen("kill -INT $PPID"):close() end -- os.execute would ignore the signal
      core.signal_interrupt(true)
      core.signal_interrupt(true)
      kill()
      print(core.interrupted())
      core.interrupt_clear()
      print(core.interrupted())
      core.signal_interrupt(false)
      kill()
      print(core.interrupted())
      core.interrupt_clear()
      core.signal_interrupt(false)
      local ok, reason = pcall(function()
        kill()
        for _ = 1, 10 do math.abs(1) end
      end)
      print(ok, reason:match "interrupted!", core.interrupted())
    ]]
    assert.equal("true\nfalse\ntrue\nfalse\tinterrupted!\tfalse\n", output)
  end)

  it("twice gets through, though nobody looked at the flag", function()
    local output = elsewhere [[
      local core = require "perilune.core"
      core.signal_interrupt(true)
      local ok, reason = pcall(function()
        for _ = 1, 3 do io.popen("kill -INT $PPID"):close() end
        local start = os.clock()
        while os.clock() - start < 5 do end
      end)
      core.signal_interrupt(false)
      print(ok, reason:match "interrupted!")
    ]]
    assert.equal("false\tinterrupted!\n", output)
  end)
end)
