--- The library's own view of Lua's globals, so that a cell may redefine any of them: `print = nil`, `table = {}`,
-- a strict _G. From `guard.install` on, each of Perilune's Lua modules is loaded with a copy of the globals as
-- they were, the standard library's tables copied too; _G itself, package and all values are the real ones. The
-- methods of strings (`("x"):rep(3)`) are the cells' while these run, and the library's own outside.
-- @module perilune.kernel.guard
local guard = {}

local package, loadfile, error, searchpath, find, format = package, loadfile, error, package.searchpath, string.find,
  string.format

local function copy(table_)
  local copied = {}
  for key, value in next, table_ do copied[key] = value end
  return copied
end

local function own_globals()
  local own = copy(_G)
  for name, value in next, own do
    if type(value) == "table" and value ~= _G and value ~= package then own[name] = copy(value) end
  end
  return own
end

--- Puts a searcher for perilune.* before Lua's own. Call it before those modules are loaded.
function guard.install()
  local own = own_globals()
  table.insert(package.searchers, 2, function(name)
    if not find(name, "^perilune%f[.%z]") then return nil end
    local path, message = searchpath(name, package.path)
    if not path then return message end
    local chunk, problem = loadfile(path, "bt", own)
    if not chunk then error(format("error loading module '%s' from file '%s':\n\t%s", name, path, problem), 0) end
    return chunk, path
  end)
end

--- An xpcall for cells: while it runs strings have the methods that cells gave them, before and after those of the
-- beginning.
-- @param call  xpcall, or what takes its place
function guard.strings(call)
  local get, set = debug.getmetatable, debug.setmetatable
  local theirs = get ""
  local ours = copy(theirs)
  ours.__index = setmetatable(copy(string), { __index = string }) -- what a cell adds to string is found
  local inside = false
  local function leave(...)
    theirs, inside = get "", false
    set("", ours)
    return ...
  end
  set("", ours)
  return function(f, handler, ...)
    if inside then return call(f, handler, ...) end
    inside = true
    set("", theirs)
    return leave(call(f, handler, ...))
  end
end

return guard
