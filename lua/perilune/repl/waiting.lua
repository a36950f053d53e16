--- What lives while the prompt waits for keys: a window, say, that wants its events handled.
--
--     local undo = waiting.with(function(milliseconds) ... end)   -- from now on, until undo() is called
--
-- The function is called again and again while the prompt waits. It does what there is to do, and comes back when
-- standard input can be read (`w:event(milliseconds)` of a window that watches the input does that: "input"), when so
-- many milliseconds are over, or when a signal came ("timeout" comes early then); coming back early does no harm, but
-- doing so again and again without waiting is a busy loop. It must read nothing from standard input. What it has to say
-- it says with waiting.tell, which puts the text above the line that is being edited.
--
-- When it returns "leave", the prompt ends where nothing is typed yet, as with Ctrl-D.
--
-- Ctrl-C reaches into the function as it does into a piece: it ends what runs there, the line that is being edited is
-- given up, and the function goes on living, unless it had kept the prompt waiting for more than a second. Any other
-- error of its own ends it: it is told, and the prompt lives.
-- While a piece runs nothing here is called: code of a piece and code of a window see each other's values only between
-- pieces, never half-way, so a window stands still until the piece has ended.
-- @module perilune.repl.waiting
local core = require "perilune.core"
local host = require "perilune.repl.host"
local interruption = require "perilune.interruption"

local waiting = {}

local ALONE, TOGETHER = 250, 20 -- milliseconds of one function's turn: what signals no flag tells of is seen after it
local LATE = 1                  -- seconds after its turn in which a function may come back

local waiters = {} -- in the order in which they came: { f = function }
local told = {}    -- texts that are to be shown
local turn = 0

local function remove(waiter)
  for i, other in ipairs(waiters) do
    if other == waiter then return table.remove(waiters, i) end
  end
end

--- Lets a function run while the prompt waits.
-- @param f  a function (milliseconds)
-- @return a function that ends this; calling it again does nothing
function waiting.with(f)
  if type(f) ~= "function" then
    error(("waiting.with: wants a function (milliseconds), got %s"):format(type(f)), 2)
  end
  local waiter = { f = f }
  waiters[#waiters + 1] = waiter
  return function() remove(waiter) end
end

--- Is there anybody?
function waiting.any() return #waiters > 0 end

--- Shows a text above the line that is being edited; from a function that runs while the prompt waits.
function waiting.tell(text) told[#told + 1] = tostring(text) end

local function message_of(reason)
  return ("what ran beside the prompt has ended: %s"):format(
    type(reason) == "table" and rawget(reason, "message") or tostring(reason))
end

-- Gives the next one its turn. Returns "interrupt" after Ctrl-C, "leave" when it says so, else nil.
local function run(milliseconds)
  turn = turn % #waiters + 1
  local waiter = waiters[turn]
  if host.interrupted() then return "interrupt" end
  local slice = math.min(milliseconds, #waiters > 1 and TOGETHER or ALONE)
  local due = core.monotonic() + slice / 1000
  local ok, reason = host.xpcall(waiter.f, function(reason) return reason end, math.ceil(slice))
  if ok then return reason == "leave" and reason or nil end
  local interrupted = interruption.is(reason)
  if interrupted and core.monotonic() - due < LATE then return "interrupt" end
  remove(waiter)
  waiting.tell(message_of(interrupted and "it did not come back" or reason))
  return interrupted and "interrupt" or nil
end

--- A reader of bytes during whose waits the functions run.
-- @param read  a function (milliseconds, most) -> bytes, or nil and why: "timeout", "interrupt", "redraw", "eof"
-- @param tell  a function (text), which shows it; "redraw" comes afterwards
-- @return a function like `read`, whose why may also be "leave"
function waiting.around(read, tell)
  return function(milliseconds, most)
    local deadline = milliseconds >= 0 and core.monotonic() + milliseconds / 1000 or math.huge
    while #waiters > 0 do
      local bytes, why = read(0, most)
      if bytes or why ~= "timeout" then return bytes, why end
      local left = (deadline - core.monotonic()) * 1000
      if left <= 0 then return nil, "timeout" end
      local came = run(left)
      if #told > 0 then
        local text = table.concat(told, "\n")
        told = {}
        tell(text)
        came = came or "redraw"
      end
      if came then return nil, came end
    end
    local left = deadline - core.monotonic()
    return read(milliseconds < 0 and -1 or math.max(0, math.ceil(left * 1000)), most)
  end
end

return waiting
