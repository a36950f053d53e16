--- What the files of perilune.tensor share: checks of arguments.
-- @module perilune.tensor.common
local common = {}

--- Is this a tensor?
function common.is_tensor(x)
  local meta = getmetatable(x)
  return type(meta) == "table" and meta.__name == "perilune.Tensor"
end

--- Raises unless x is a tensor; names the function and the argument.
function common.want_tensor(where, name, x)
  if not common.is_tensor(x) then
    error(("%s: argument '%s' wants a tensor, got %s"):format(where, name, type(x)), 3)
  end
  return x
end

--- Raises unless n is an integer of at least `least`.
function common.want_integer(where, name, n, least)
  local exact = math.tointeger(n)
  if type(n) ~= "number" or not exact or (least and exact < least) then
    error(("%s: argument '%s' wants an integer%s, got %s"):format(
      where, name, least and (" of at least " .. least) or "", tostring(n)), 3)
  end
  return exact
end

--- An axis from 1 or from -1 at the end, as 1-based.
function common.axis(where, axis, ndim)
  local exact = type(axis) == "number" and math.tointeger(axis)
  if not exact then error(("%s: 'axis' wants an integer, got %s"):format(where, tostring(axis)), 3) end
  local at = exact < 0 and exact + ndim + 1 or exact
  if exact == 0 or at < 1 or at > ndim then
    error(("%s: axis %d is out of range: there are %d axes (1 to %d, or -1 to -%d)"):format(
      where, exact, ndim, ndim, ndim), 3)
  end
  return at
end

--- Arguments in order, or by name in a last table: fills a list of values after the first.
-- @param where  the function's name
-- @param names  the names of the arguments, in order
-- @param ...    what the caller gave
-- @return the values in that order
function common.arguments(where, names, ...)
  local given = table.pack(...)
  local last = given[given.n]
  local named = {}
  if given.n > 0 and type(last) == "table" and next(last) ~= nil and type((next(last))) == "string" then
    named, given.n = last, given.n - 1
  end
  if given.n > #names then
    error(("%s: too many arguments; it takes %s"):format(where, table.concat(names, ", ")), 3)
  end
  local values, known = {}, {}
  for i, name in ipairs(names) do
    known[name] = true
    local positional = nil
    if i <= given.n then positional = given[i] end
    if positional ~= nil and named[name] ~= nil then
      error(("%s: argument '%s' is given twice"):format(where, name), 3)
    end
    values[i] = positional
    if positional == nil then values[i] = named[name] end
  end
  for name in pairs(named) do
    if not known[name] then
      error(("%s: unknown argument '%s'; it takes %s"):format(where, tostring(name), table.concat(names, ", ")), 3)
    end
  end
  return table.unpack(values, 1, #names)
end

return common
