--- Tells an interruption (Ctrl-C, a notebook's stop button) from other errors. The host raises "interrupted!" in Lua code, the
-- core "interrupted" from C work; a place may stand before either.
-- @module perilune.interruption
local interruption = {}

--- Is an error's value an interruption? The prompt's and the kernel's handlers make tables with a message of errors.
function interruption.is(reason)
  if type(reason) == "table" then reason = rawget(reason, "message") end
  return type(reason) == "string" and reason:find "interrupted!?$" ~= nil
end

--- Raises an error's value again when it is an interruption: for code that lives on after all other errors.
function interruption.pass(reason)
  if interruption.is(reason) then error(reason, 0) end
end

return interruption
