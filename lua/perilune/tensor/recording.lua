--- Recording for differentiation, on or off for one call.
-- @module perilune.tensor.recording
local core = require "perilune.core"

local function restore(before, ok, ...)
  core.set_grad_enabled(before)
  if not ok then error((...), 0) end
  return ...
end

--- Calls f with recording on (or off), and puts things back as they were, whatever happens.
-- @param on  whether operations are recorded meanwhile
-- @param f   the function
-- @param ... its arguments
-- @return what f returns
return function(on, f, ...)
  return restore(core.set_grad_enabled(on), pcall(f, ...))
end
