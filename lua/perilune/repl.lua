--- The prompt. `perilune` without a script runs it; from any Lua: `require("perilune.repl").run()`.
--
-- The engine is in perilune.repl.evaluate (run a piece), .complete, .inspect (help) and .commands (who,
-- time, ...), none of which knows of a terminal: the notebook kernel uses the same.
-- @module perilune.repl
local repl = {}

--- Reads, runs and shows until the end of input.
-- @param options  nil or { color = true, version = "...", input = file, output = file, errors = file,
--   plain_start = true, before = function(session), after = function(session) }: without colours where color is false,
--   without the start-up file where plain_start is true; before and after are called around each piece, for a program
--   that has its things among the session's variables
function repl.run(options)
  return require("perilune.repl.terminal").run(options)
end

return repl
