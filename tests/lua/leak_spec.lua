-- A thousand epochs of a tiny net leave memory where it was: the core's count of live bytes after a full
-- collection, and the process's resident pages, from /proc/self/statm.
package.path = "tests/lua/support/?.lua;" .. package.path
local core = require "perilune.core"
local tiny = require "tiny"

local EPOCHS = 1000
-- AddressSanitizer keeps what is freed for a while, to see it used: the process grows.
local sanitized = (os.getenv "LD_PRELOAD" or ""):find "asan"
local KIB = 1024

local function live()
  collectgarbage()
  collectgarbage()
  return (core.memory())
end

local function resident()
  local file <close> = assert(io.open "/proc/self/statm")
  file:read "n"
  return file:read "n" * 4 * KIB
end

-- Figures after a fifth of the epochs, when every buffer has its size, and at the end.
local function watched(train)
  local at = {}
  local result = train(EPOCHS, function(epoch)
    if epoch == EPOCHS // 5 or epoch == EPOCHS then
      at[epoch] = { live = live(), resident = resident(), lua = collectgarbage "count" * KIB }
    end
  end)
  local first, last = at[EPOCHS // 5], at[EPOCHS]
  assert.is_table(first)
  assert.is_table(last)
  return result, first, last
end

describe("1,000 epochs of a tiny net", function()
  for name, train in pairs { ["net:fit"] = tiny.fit, ["a loop by hand"] = tiny.by_hand } do
    describe("by " .. name, function()
      train(2, function() end) -- what is made once and kept, an op's signature for one, is made now
      local before = live()
      local result, first, last = watched(train)

      it("keep no tensor", function()
        assert.is_true(last.live <= first.live, ("%d bytes live after a fifth, %d at the end"):format(first.live, last.live))
      end)

      it("grow Lua's memory by the history's rows at most", function()
        local rows = name == "net:fit" and EPOCHS * 600 or 0
        assert.is_true(last.lua - first.lua < rows + 64 * KIB, ("%d bytes more"):format(last.lua - first.lua))
      end)

      it("leave the process no larger", function()
        if sanitized then return end
        assert.is_true(last.resident - first.resident < 4 * KIB * KIB, ("%d bytes more"):format(last.resident - first.resident))
      end)

      it("give everything back in the end", function()
        assert.is_truthy(result) -- the history of the one, the last loss of the other
        result = nil
        assert.is_true(live() <= before, ("%d bytes before, %d after"):format(before, live()))
      end)
    end)
  end
end)
