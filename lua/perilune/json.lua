--- JSON for files: the same value always gives the same text, in ASCII.
-- Keys are sorted and everything outside ASCII is escaped, so that a model file is reproducible and any
-- reader's text encoding will do. Decoding is lua-cjson's.
-- @module perilune.json
local json = {}

local function cjson()
  local found, library = pcall(require, "cjson.safe")
  if not found then
    error("json: lua-cjson is missing (Debian package lua-cjson)", 3)
  end
  return library
end

local array_meta = { __name = "perilune.json.array" }
local null_meta = { __name = "perilune.json.null", __tostring = function() return "null" end }

--- JSON's null, in tables to be encoded and in decoded ones.
json.null = setmetatable({}, null_meta)

--- Marks a list as an array, which matters when it is empty ({} alone is an object).
-- @param list  a list; changed
-- @return the list
function json.array(list)
  return setmetatable(list, array_meta)
end

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
                  ["\t"] = "\\t" }

local function escape_code(code)
  if code < 0x10000 then return ("\\u%04x"):format(code) end
  code = code - 0x10000
  return ("\\u%04x\\u%04x"):format(0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF))
end

local function encode_string(text)
  if not utf8.len(text) then error("json: a string is not UTF-8: " .. ("%q"):format(text:sub(1, 80)), 0) end
  local escaped = text:gsub('[%c"\\\127]', function(c) return escapes[c] or ("\\u%04x"):format(c:byte()) end)
  escaped = escaped:gsub(utf8.charpattern, function(c) return #c > 1 and escape_code(utf8.codepoint(c)) or nil end)
  return '"' .. escaped .. '"'
end

local function encode_number(number)
  if math.type(number) == "integer" then return ("%d"):format(number) end
  if number ~= number or number == math.huge or number == -math.huge then
    error("json: there is no JSON for " .. tostring(number), 0)
  end
  local text
  for digits = 15, 17 do
    text = ("%." .. digits .. "g"):format(number):gsub(",", ".")
    if tonumber(text) == number then break end
  end
  return text:find("[.e]") and text or text .. ".0"
end

-- How strings and numbers are written: for files, where a value that JSON has no way to write is an error, ...
local exact = { string = encode_string, number = encode_number }

-- ... and for messages, which have to get through: by cjson, some 20 times faster.
local function message_writer()
  local library = cjson().new()
  library.encode_keep_buffer(false) -- a buffer that has once held 50 MB would stay
  return {
    string = function(text) return library.encode(json.text(text)) end,
    number = function(number)
      if number ~= number or number == math.huge or number == -math.huge then return "null" end
      return encode_number(number)
    end,
  }
end
local messages

local encode

local function encode_array(list, depth, write)
  local parts = {}
  for i = 1, #list do parts[i] = encode(list[i], depth, write) end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function encode_object(object, depth, write)
  local keys, parts = {}, {}
  for key in pairs(object) do
    if type(key) ~= "string" then error("json: an object's key must be a string, got " .. tostring(key), 0) end
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = write.string(key) .. ":" .. encode(object[key], depth, write) end
  return "{" .. table.concat(parts, ",") .. "}"
end

function encode(value, depth, write)
  local kind = type(value)
  if depth > 100 then error("json: nested too deep (a table inside itself?)", 0) end
  if kind == "string" then return write.string(value) end
  if kind == "number" then return write.number(value) end
  if kind == "boolean" then return tostring(value) end
  if kind ~= "table" then error("json: there is no JSON for a " .. kind, 0) end
  if value == json.null then return "null" end
  if getmetatable(value) == array_meta or #value > 0 then return encode_array(value, depth + 1, write) end
  return encode_object(value, depth + 1, write)
end

--- The JSON text of a value.
-- @param value  strings, numbers, booleans, `json.null`, lists and tables with string keys
-- @return a text in ASCII, the same for equal values
-- @raise an error for anything else, and for numbers that are not finite
function json.encode(value)
  local ok, text = pcall(encode, value, 0, exact)
  if not ok then error(text, 2) end
  return text
end

--- The JSON text of a value for a message that has to arrive: as `json.encode`, but in UTF-8, what is no UTF-8
-- becomes U+FFFD, and numbers that are not finite become null.
-- @raise an error without a place: it is the value's, not the code's that sends it
function json.message(value)
  messages = messages or message_writer()
  return encode(value, 0, messages)
end

--- A string as UTF-8: each byte that is none becomes U+FFFD.
function json.text(bytes)
  local good, bad = utf8.len(bytes)
  if good then return bytes end
  local parts, from = {}, 1
  repeat
    parts[#parts + 1] = bytes:sub(from, bad - 1)
    parts[#parts + 1] = "\xEF\xBF\xBD"
    from = bad + 1
    good, bad = utf8.len(bytes, from)
  until good
  parts[#parts + 1] = bytes:sub(from)
  return table.concat(parts)
end

-- cjson's own null becomes ours, and its floats become integers where they are whole.
local function tidy(value, null)
  if value == null then return json.null end
  if type(value) == "table" then
    for key, item in pairs(value) do value[key] = tidy(item, null) end
  elseif math.type(value) == "float" and math.abs(value) < 2^53 then
    return math.tointeger(value) or value
  end
  return value
end

--- The value of a JSON text. null becomes `json.null`, arrays and objects become tables, whole numbers integers.
-- @param text  a string
-- @return the value
-- @raise an error that says where the text is malformed
function json.decode(text)
  local library = cjson()
  local value, message = library.decode(text)
  if value == nil then error("json: " .. tostring(message), 2) end
  return tidy(value, library.null)
end

return json
