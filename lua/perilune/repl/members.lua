--- The names that a value answers to, found without running more of its code than needed: fields, then
-- its metatable's `__index` tables, `__names` or `__methods` hooks, and for a C `__index` the tables it
-- holds as upvalues (that is how the binding keeps methods).
-- @module perilune.repl.members
local members = {}

local MAX_DEPTH = 16

--- Stands for the nil of a property that is there but has no value now.
members.absent = setmetatable({}, { __name = "nil", __tostring = function() return "nil" end })

local function add_keys(found, keys, methods)
  for key, value in next, keys do
    if type(key) == "string" and found[key] == nil then
      found[key] = value
    elseif math.type(key) == "integer" and type(value) == "string" and methods and found[value] == nil then
      found[value] = false -- a list of names
    end
  end
end

-- A hook is a table of methods, a list of names, or a function that gives either.
local function add_hook(found, hook, value)
  if type(hook) == "function" then
    local ok, result = pcall(hook, value)
    hook = ok and result or nil
  end
  if type(hook) == "table" then add_keys(found, hook, true) end
end

-- What a C `__index` computes: no table tells these names.
local properties = {
  ["perilune.Tensor"] = { "shape", "dtype", "ndim", "grad", "strides", "requires_grad", "T", "is_leaf" },
  ["perilune.Layer"] = { "name", "type", "trainable", "built", "dtype", "input_shape", "output_shape" },
}

local collect

local function add_index(found, index, depth)
  if type(index) == "table" then
    collect(found, index, depth + 1)
  elseif type(index) == "function" then
    local c = debug.getinfo(index, "S").what == "C"
    for i = 1, 255 do
      local name, held = debug.getupvalue(index, i)
      if not name then break end
      if type(held) == "table" and (c or name:lower():find("method")) then add_keys(found, held) end
    end
  end
end

function collect(found, value, depth)
  if depth > MAX_DEPTH then return end
  if type(value) == "table" then add_keys(found, value) end
  local meta = debug.getmetatable(value)
  if type(meta) ~= "table" then return end
  add_hook(found, rawget(meta, "__names"), value)
  for _, name in ipairs(properties[rawget(meta, "__name")] or {}) do
    local held = members.get(value, name)
    if held == nil then held = members.absent end
    found[name] = held
  end
  add_hook(found, rawget(meta, "__methods"), value)
  add_index(found, rawget(meta, "__index"), depth)
end

--- All string keys of a value.
-- @return a table of name -> value, the value being false where only the name is known
function members.of(value)
  local found = {}
  collect(found, value, 1)
  return found
end

--- value[key], or nil when that raises. Metamethods run: a lazily loaded topic must load to be looked into.
function members.get(value, key)
  local ok, found = pcall(function() return value[key] end)
  if ok then return found end
end

--- Can the value be called?
function members.callable(value)
  if type(value) == "function" then return true end
  local meta = debug.getmetatable(value)
  return type(meta) == "table" and rawget(meta, "__call") ~= nil
end

return members
