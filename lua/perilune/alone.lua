--- Calls a function on one thread: small work, a picture or a few, is done before other threads have woken, and on a
-- machine that is busy those come late.
-- @module perilune.alone
local core = require "perilune.core"

local function back(threads, ok, ...)
  core.threads(threads)
  if not ok then error((...), 0) end
  return ...
end

--- @param f   a function
-- @param ...  its arguments
-- @return what f gave
return function(f, ...)
  local threads = core.threads()
  core.threads(1)
  return back(threads, pcall(f, ...))
end
