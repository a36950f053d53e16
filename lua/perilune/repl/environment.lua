--- The variables of a session: what its code sees as globals.
--
-- Three kinds live here. Globals are the real ones: `x = 1` at the prompt sets _G.x, and modules see it.
-- Top-level locals (declared by the rewriting) are raw fields of the environment and never reach _G; those
-- that are <const> are raw fields of the table behind it, so that assigning to them is noticed.
-- Conveniences (`help`, `who`, `_`, a lazily required `peri`) are raw fields too, but no variables of the
-- user's, so they are not listed.
-- @module perilune.repl.environment
local environment = {}
environment.__index = environment

-- Global names that exist before the session begins; what comes later is the user's.
local function names_of(globals)
  local names = {}
  for name in pairs(globals) do names[name] = true end
  return names
end

--- A new environment over a table of globals.
-- @param globals  the real globals; _G by default
function environment.new(globals)
  globals = globals or _G
  local self = setmetatable({
    globals = globals, declared = {}, conveniences = {}, lazy = {}, before = names_of(globals), values = {},
    constants = {}, open = {},
  }, environment)
  self.meta = { __index = self.constants }
  self.behind = { __index = globals }
  setmetatable(self.constants, self.behind)
  self:watch()
  setmetatable(self.values, self.meta)
  return self
end

-- Sets what happens to names that are no raw fields. declared[name] is true for a variable, "const" for one that
-- is assigned once; open[name] says that this has yet to happen.
function environment:watch()
  local declared, open, globals, constants, behind = self.declared, self.open, self.globals, self.constants, self.behind
  local assigned = {}
  local function has_global(name)
    local ok, value = pcall(function() return globals[name] end) -- a strict table of globals raises
    return ok and value ~= nil
  end
  local function index_hiding(_, name)
    if not assigned[name] then return globals[name] end
  end
  behind.__index = globals
  function self.meta.__newindex(values, name, value)
    local kind = declared[name]
    if not kind then
      globals[name] = value
      return
    end
    if kind == "const" and not open[name] then
      error(("attempt to assign to const variable '%s'"):format(tostring(name)), 2)
    end
    assigned[name] = true
    -- From now on a declared local that is nil must not show the global of its name. Only then, because
    -- a function is slower than a table here.
    if has_global(name) then behind.__index = index_hiding end
    open[name] = nil
    rawset(kind == "const" and constants or values, name, value)
  end
end

--- Makes names variables of the session. A value that such a name has already stays until it is assigned.
-- @param names      a list
-- @param constants  the set of those that are assigned once from now on; or nil
function environment:declare(names, constants)
  local values, held = self.values, self.constants
  for _, name in ipairs(names) do
    local kind = constants and constants[name] and "const" or true
    local from, to = kind == "const" and values or held, kind == "const" and held or values
    local value = rawget(from, name)
    if value ~= nil then
      rawset(from, name, nil)
      rawset(to, name, value)
    end
    self.declared[name] = kind
    self.open[name] = kind == "const" or nil
  end
end

--- Gives the session a convenience; a variable of that name, if declared, stays.
function environment:provide(name, value)
  self.conveniences[name] = value
  if not self.declared[name] then rawset(self.values, name, value) end
end

--- Gives the session a value that is made when a chunk first names it.
-- @param make  a function without arguments; when it raises, the session goes without
function environment:provide_lazily(name, make)
  self.lazy[name] = make
end

--- Makes the lazy values that the tokens of a chunk name.
-- @return a list of messages of those that could not be made
function environment:need(tokens)
  local problems = {}
  for _, token in ipairs(tokens) do
    local make = token.kind == "name" and self.lazy[token.text]
    if make then
      self.lazy[token.text] = nil
      local ok, value = pcall(make)
      if ok then
        self:provide(token.text, value)
      else
        self.lazy[token.text] = make
        problems[#problems + 1] = ("'%s' is not there: %s"):format(token.text, tostring(value))
      end
    end
  end
  return problems
end

--- The value of a variable or global, as code would see it.
function environment:get(name)
  return self.values[name]
end

--- The user's variables, sorted by name: a list of { name, value, kind } with kind "local", "const" or "global".
function environment:variables()
  local list = {}
  for name, kind in pairs(self.declared) do
    local value = rawget(kind == "const" and self.constants or self.values, name)
    if value ~= nil then list[#list + 1] = { name = name, value = value, kind = kind == "const" and kind or "local" } end
  end
  for name, value in pairs(self.globals) do
    if not self.before[name] and type(name) == "string" then
      list[#list + 1] = { name = name, value = value, kind = "global" }
    end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

--- Forgets the user's variables; what the session began with stays.
-- @return how many were forgotten
function environment:clear()
  local count = #self:variables()
  for name in pairs(self.declared) do
    self.declared[name], self.open[name] = nil, nil
    rawset(self.values, name, nil)
    rawset(self.constants, name, nil)
  end
  for name in pairs(self.globals) do
    if not self.before[name] then self.globals[name] = nil end
  end
  for name, value in pairs(self.conveniences) do rawset(self.values, name, value) end
  self:watch()
  return count
end

return environment
