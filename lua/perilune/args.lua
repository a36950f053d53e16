--- Named arguments, checked: an unknown or mistyped name is an error that lists the right ones.
-- @module perilune.args
local args = {}

--- Marks an argument that must be given.
args.required = setmetatable({}, { __tostring = function() return "required" end })

local function kind_of(value)
  if math.type(value) == "integer" then return "integer" end
  local meta = getmetatable(value)
  if type(meta) == "table" and type(meta.__name) == "string" and type(value) ~= "string" then
    return meta.__name:match("[^.]+$"):lower()
  end
  return type(value)
end

local function fits(value, kinds)
  local kind = kind_of(value)
  for wanted in kinds:gmatch("[^|]+") do
    if wanted == "any" or wanted == kind or wanted == type(value) then return true end
    if wanted == "integer" and math.type(value) == "float" and value % 1 == 0 then return true end
    if wanted == "callable" then
      local meta = getmetatable(value)
      if kind == "function" or (type(meta) == "table" and meta.__call) then return true end
    end
  end
  return false
end

local function names_of(spec)
  local names = {}
  for i, row in ipairs(spec) do names[i] = row[1] end
  return table.concat(names, ", ")
end

--- Checks a table of arguments against a specification.
-- @param where  the function's name, for messages: "net:fit"
-- @param given  the caller's table, or nil for none; never changed
-- @param spec   a list of rows { name, kinds, default }; kinds is "integer", "number|function", "any",
--   "callable", a type, or the last part of a userdata's name in lower case ("tensor"); the default
--   `args.required` makes an argument mandatory, nil leaves it optional. Row i also takes `given[i]`
--   when `spec.positional` is at least i.
-- @return a new table with every argument by name
-- @raise an error, at the caller's caller, that names the argument and what was expected
function args.named(where, given, spec)
  given = given or {}
  if type(given) ~= "table" then
    error(("%s: wants its arguments in one table {...}, got a %s"):format(where, kind_of(given)), 3)
  end
  local result, known = {}, {}
  for i, row in ipairs(spec) do
    local name, kinds, default = row[1], row[2], row[3]
    known[name] = true
    local value = given[name]
    if i <= (spec.positional or 0) then
      known[i] = true
      if value == nil then value = given[i] end
    end
    if value == nil then
      if default == args.required then
        error(("%s: argument '%s' is missing (%s)"):format(where, name, kinds), 3)
      end
      value = default
    elseif not fits(value, kinds) then
      error(("%s: argument '%s' wants %s, got %s (%s)"):format(
        where, name, (kinds:gsub("|", " or ")), kind_of(value), tostring(value)), 3)
    end
    if math.type(value) == "float" and kinds == "integer" then value = math.tointeger(value) end
    result[name] = value
  end
  for name in pairs(given) do
    if not known[name] then
      error(("%s: unknown argument '%s'; it takes %s"):format(where, tostring(name), names_of(spec)), 3)
    end
  end
  return result
end

return args
