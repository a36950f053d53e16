--- What the prompt asks of the program it runs in. The `perilune` command gives perilune.host (Ctrl-C, a
-- wall clock, the terminal's size); in stock lua5.4 the standard library stands in for it.
-- @module perilune.repl.host
local ok, native = pcall(require, "perilune.host")
if ok then return native end

local host = {}

host.xpcall = xpcall
host.own_xpcall = xpcall
host.clock = os.clock -- processor time: the standard library has no finer wall clock

function host.interrupted()
  return false
end

function host.coroutine_traceback()
  return nil
end

function host.isatty()
  return false
end

function host.columns()
  return tonumber(os.getenv("COLUMNS"))
end

return host
