--- What a person hands to a chart, as plain lists of Lua numbers: tables, or anything with a method
-- `totable` (a tensor). Every function takes `where` and `name` for its messages and raises at level 0
-- text that says which argument, what was wanted and what came.
-- @module perilune.plot.data
local data = {}

local function fail(where, format, ...)
  error(where .. ": " .. format:format(...), 0)
end
data.fail = fail

local function method(value, name)
  local kind = type(value)
  if kind ~= "table" and kind ~= "userdata" then return nil end
  if kind == "table" and getmetatable(value) == nil then return nil end
  local ok, found = pcall(function() return value[name] end)
  return ok and type(found) == "function" and found or nil
end

--- Whether a value can be data: a tensor, or a table that is a list.
function data.is_list(value)
  if method(value, "totable") then return true end
  return type(value) == "table" and value[1] ~= nil
end

--- The value as a Lua table; a tensor through its `totable`.
function data.plain(where, name, value)
  local totable = method(value, "totable")
  if totable then value = totable(value) end
  if type(value) ~= "table" then
    fail(where, "%s wants a list of numbers or a tensor, got %s", name,
      value == nil and "nothing" or ("a %s (%s)"):format(type(value), tostring(value)))
  end
  return value
end

--- A list of numbers.
function data.vector(where, name, value)
  local list = data.plain(where, name, value)
  if #list == 0 then fail(where, "%s is empty", name) end
  for i = 1, #list do
    if type(list[i]) ~= "number" then
      local hint = type(list[i]) == "table" and " (a matrix? hand over one row or column of it)" or ""
      fail(where, "%s wants a list of numbers, got a %s at [%d]%s", name, type(list[i]), i, hint)
    end
  end
  return list
end

--- A list of rows, all equally long.
function data.matrix(where, name, value)
  local rows = data.plain(where, name, value)
  if #rows == 0 then fail(where, "%s is empty", name) end
  for i = 1, #rows do
    if type(rows[i]) ~= "table" then
      fail(where, "%s wants a matrix (a list of rows), got a %s at [%d]", name, type(rows[i]), i)
    end
    data.vector(where, ("%s[%d]"):format(name, i), rows[i])
    if #rows[i] ~= #rows[1] then
      fail(where, "%s has rows of different lengths: row 1 has %d, row %d has %d", name, #rows[1], i, #rows[i])
    end
  end
  return rows
end

local function depth_of(value)
  local depth = 0
  while type(value) == "table" do
    value, depth = value[1], depth + 1
  end
  return depth
end
data.depth = depth_of

--- One picture: rows of grey values [H][W] or [H][W][1], or rows of pixels [H][W][3].
-- @return rows, and whether they hold colours
function data.picture(where, name, value)
  local rows = data.plain(where, name, value)
  local depth = depth_of(rows)
  if depth == 2 then return data.matrix(where, name, rows), false end
  local channels = depth == 3 and #rows[1][1]
  if channels ~= 1 and channels ~= 3 then
    fail(where, "%s wants a picture [H][W], [H][W][1] or [H][W][3], got %s", name,
      channels and channels .. " channels" or "a table of depth " .. depth)
  end
  local width = #rows[1]
  local grey = {}
  for i, row in ipairs(rows) do
    if type(row) ~= "table" or #row ~= width then
      fail(where, "%s has rows of different lengths (row %d)", name, i)
    end
    grey[i] = {}
    for j, pixel in ipairs(row) do
      if type(pixel) ~= "table" or #data.vector(where, ("%s[%d][%d]"):format(name, i, j), pixel) ~= channels then
        fail(where, "%s wants %d channels at [%d][%d]", name, channels, i, j)
      end
      grey[i][j] = pixel[1]
    end
  end
  if channels == 1 then return grey, false end
  return rows, true
end

--- Two lists that belong together.
function data.same_length(where, name_a, a, name_b, b)
  if #a ~= #b then
    fail(where, "%s has %d values but %s has %d; they must be equally many", name_a, #a, name_b, #b)
  end
end

local function finite(x) return x == x and x ~= math.huge and x ~= -math.huge end
data.finite = finite

--- Smallest and largest finite number, and the smallest above zero; nils where there is none.
function data.bounds(list, lo, hi, positive)
  for i = 1, #list do
    local x = list[i]
    if finite(x) then
      if not lo or x < lo then lo = x end
      if not hi or x > hi then hi = x end
      if x > 0 and (not positive or x < positive) then positive = x end
    end
  end
  return lo, hi, positive
end

--- The same over a matrix or a picture.
function data.deep_bounds(rows, lo, hi)
  for _, row in ipairs(rows) do
    if type(row) == "table" then
      lo, hi = data.deep_bounds(row, lo, hi)
    else
      return data.bounds(rows, lo, hi)
    end
  end
  return lo, hi
end

--- The range that pictures of these values are meant in: [0, 1], [0, 255], or from lowest to highest.
function data.picture_range(lo, hi)
  if not lo then return 0, 1 end
  if lo >= 0 and hi <= 1 then return 0, 1 end
  if lo >= 0 and hi <= 255 and hi > 2 then return 0, 255 end
  if lo == hi then return lo - 0.5, hi + 0.5 end
  return lo, hi
end

--- 1, 2, ... n.
function data.count(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

return data
