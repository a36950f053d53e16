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

-- A value in a message: a number or a word is shown, of anything larger the kind says enough.
local function shown(value)
  local kind = kind_of(value)
  local article = kind:find("^[aeiou]") and "an " or "a "
  if type(value) == "string" then return ("a string (%s)"):format(#value > 40 and value:sub(1, 37) .. "..." or value) end
  if type(value) == "number" or type(value) == "boolean" then return article .. kind .. (" (%s)"):format(value) end
  return value == nil and "nil" or article .. kind
end

-- What was given for a row under its own name, its place or one of its other names.
local function value_of(given, row, place, known, where)
  local value = given[row[1]]
  known[row[1]] = true
  if place then
    known[place] = true
    if value == nil then value = given[place] end
  end
  for other in (row[4] or ""):gmatch("[^|]+") do
    known[other] = true
    if given[other] ~= nil then
      if value ~= nil then error(("%s: '%s' and '%s' are one argument, given twice"):format(where, row[1], other), 4) end
      value = given[other]
    end
  end
  return value
end

--- Checks a table of arguments against a specification.
-- @param where  the function's name, for messages: "net:fit"
-- @param given  the caller's table, or nil for none; never changed
-- @param spec   a list of rows { name, kinds, default, others }; kinds is "integer", "number|function", "any",
--   "callable", a type, or the last part of a userdata's name in lower case ("tensor"); the default
--   `args.required` makes an argument mandatory, nil leaves it optional; others are more names for it,
--   "batch_size|size". Row i also takes `given[i]` when `spec.positional` is at least i.
-- @return a new table with every argument by name
-- @raise an error, at the caller's caller, that names the argument and what was expected
function args.named(where, given, spec)
  given = given or {}
  if type(given) ~= "table" then
    error(("%s: wants its arguments in one table {...}, got %s"):format(where, shown(given)), 3)
  end
  local result, known = {}, {}
  for i, row in ipairs(spec) do
    local name, kinds, default = row[1], row[2], row[3]
    local value = value_of(given, row, i <= (spec.positional or 0) and i or nil, known, where)
    if value == nil then
      if default == args.required then
        error(("%s: argument '%s' is missing (%s)"):format(where, name, kinds), 3)
      end
      value = default
    elseif not fits(value, kinds) then
      error(("%s: argument '%s' wants %s, got %s"):format(where, name, (kinds:gsub("|", " or ")), shown(value)), 3)
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

--- Raises a message, put down to a line on the stack unless it already begins with that line.
-- @param message an error's message, or any error object
-- @param level   as error takes it: 1 is the caller of this function
function args.raise(message, level)
  local info = debug.getinfo(level + 1, "Sl")
  local place = info and info.currentline > 0 and ("%s:%d: "):format(info.short_src, info.currentline)
  if type(message) == "string" and place and message:sub(1, #place) ~= place then message = place .. message end
  error(message, 0)
end

--- The name of one of Keras' classes as a function's: "MeanSquaredError" is "mean_squared_error".
function args.snake(name)
  return (name:gsub("(%l)(%u)", "%1_%2"):lower())
end

return args
