--- Plain data as JSON that comes back bit for bit: what a training checkpoint needs and JSON's own numbers,
-- which readers cut or turn from integers into floats, do not give.
--
-- Integers become "i42", floats "f0x1.8p+1" (also "finf", "fnan"), strings "sabc"; a table with keys 1 to n
-- becomes an array, any other an object whose keys are written the same way.
-- @module perilune.train.exact
local json = require "perilune.json"

local exact = {}

local function scalar(value)
  if math.type(value) == "integer" then return ("i%d"):format(value) end
  if value ~= value then return "fnan" end
  if type(value) == "number" then return ("f%a"):format(value) end
  if type(value) == "string" then return "s" .. value end
  error("exact: cannot write a " .. type(value), 0)
end

local function is_list(value)
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  return count > 0 and count == #value
end

local function pack(value)
  if type(value) == "boolean" then return value end
  if type(value) ~= "table" then return scalar(value) end
  local result, list = {}, is_list(value)
  for key, item in pairs(value) do result[list and key or scalar(key)] = pack(item) end
  return result
end

local specials = { fnan = 0 / 0, finf = math.huge, ["f-inf"] = -math.huge }

local function unscalar(text)
  local kind, rest = text:sub(1, 1), text:sub(2)
  if kind == "s" then return rest end
  if specials[text] then return specials[text] end
  local value = kind == "i" and math.tointeger(tonumber(rest)) or kind == "f" and tonumber(rest)
  if not value then error(("exact: '%s' is no value"):format(text), 0) end
  return value
end

local function unpack_value(value)
  if type(value) == "boolean" then return value end
  if type(value) == "string" then return unscalar(value) end
  if type(value) ~= "table" or value == json.null then
    error(("exact: a bare %s (%s) is no value"):format(type(value), tostring(value)), 0)
  end
  local result = {}
  for key, item in pairs(value) do
    result[type(key) == "string" and unscalar(key) or key] = unpack_value(item)
  end
  return result
end

--- The text of tables, strings, numbers and booleans.
function exact.encode(value) return json.encode(pack(value)) end

--- The value of a text that encode made.
-- @raise an error that says what is wrong with it
function exact.decode(text) return unpack_value(json.decode(text)) end

return exact
