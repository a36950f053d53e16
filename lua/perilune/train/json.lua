--- JSON with nothing lost: every double comes back bit for bit, integers stay integers, keys are sorted.
--
-- Written here because a training checkpoint must resume with the very same numbers, which lua-cjson cuts
-- at 14 digits. NaN and the infinities, which JSON lacks, are the strings "nan", "inf" and "-inf" with
-- `exact`, and null without.
-- @module perilune.train.json
local json = {}

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(text)
  return '"' .. text:gsub('[%c"\\\127]', function(c) return escapes[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function number(value, exact)
  if math.type(value) == "integer" then return tostring(value) end
  if value ~= value then return exact and '"nan"' or "null" end
  if value == math.huge then return exact and '"inf"' or "null" end
  if value == -math.huge then return exact and '"-inf"' or "null" end
  local text = ("%.15g"):format(value)
  if tonumber(text) ~= value then text = ("%.17g"):format(value) end
  if not text:find "[.e]" then text = text .. ".0" end -- so that a float comes back as one
  return text
end

local encode

local function array(value, exact)
  local parts = {}
  for i, item in ipairs(value) do parts[i] = encode(item, exact) end
  return "[" .. table.concat(parts, ", ") .. "]"
end

local function object(value, exact)
  local keys = {}
  for key in pairs(value) do
    if type(key) ~= "string" and math.type(key) ~= "integer" then
      error("json: a key is a string or an integer, got a " .. type(key))
    end
    keys[#keys + 1] = tostring(key)
  end
  table.sort(keys)
  local parts = {}
  for i, key in ipairs(keys) do
    local item = value[key]
    if item == nil then item = value[math.tointeger(key)] end
    parts[i] = quote(key) .. ": " .. encode(item, exact)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

function encode(value, exact)
  local kind = type(value)
  if kind == "table" then
    if #value > 0 then return array(value, exact) end
    return object(value, exact)
  elseif kind == "number" then
    return number(value, exact)
  elseif kind == "string" then
    return quote(value)
  elseif kind == "boolean" then
    return tostring(value)
  end
  error("json: cannot write a " .. kind)
end

--- A value as JSON text. A table with value[1] is an array, any other an object (the empty one too).
-- @param value tables, strings, numbers, booleans
-- @param exact keep NaN and the infinities, as strings that json.decode knows
function json.encode(value, exact) return encode(value, exact) end

local specials = { nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge }
local literals = { ["true"] = true, ["false"] = false }
local unescapes = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function fail(text, at, what)
  error(("json: %s at byte %d (%s)"):format(what, at, text:sub(at, at + 15)))
end

local function decode_string(text, at)
  local finish = at
  repeat finish = text:find('["\\]', finish + 1) or fail(text, at, "a string without an end")
    local escaped = text:sub(finish, finish) == "\\"
    if escaped then finish = finish + 1 end
  until not escaped
  local body = text:sub(at + 1, finish - 1):gsub("\\(.)(%x?%x?%x?%x?)", function(letter, hex)
    if letter == "u" and #hex == 4 then return utf8.char(tonumber(hex, 16)) end
    return (unescapes[letter] or letter) .. hex
  end)
  return body, finish + 1
end

local decode

local function decode_many(text, at, depth, close)
  local result, count = {}, 0
  at = text:match("^%s*()", at + 1)
  if text:sub(at, at) == close then return result, at + 1 end
  while true do
    local key, value
    if close == "}" then
      if text:sub(at, at) ~= '"' then fail(text, at, "a key in quotes is wanted") end
      key, at = decode_string(text, at)
      at = text:match("^%s*:()", at) or fail(text, at, "':' is wanted")
      key = math.tointeger(tonumber(key)) or key
    else
      count = count + 1
      key = count
    end
    value, at = decode(text, at, depth + 1)
    result[key] = value
    local mark
    mark, at = text:match("^%s*([,%]}])%s*()", at)
    if mark == close then return result, at end
    if mark ~= "," then fail(text, at or #text, "',' or '" .. close .. "' is wanted") end
  end
end

function decode(text, at, depth)
  if depth > 100 then fail(text, at, "nested too deeply") end
  at = text:match("^%s*()", at)
  local first = text:sub(at, at)
  if first == "{" then return decode_many(text, at, depth, "}") end
  if first == "[" then return decode_many(text, at, depth, "]") end
  if first == '"' then
    local value
    value, at = decode_string(text, at)
    local special = specials[value]
    return special == nil and value or special, at
  end
  local word, after = text:match("^([%w+.-]+)()", at)
  if word == "null" then return nil, after end
  if literals[word] ~= nil then return literals[word], after end
  local value = word and word:find "^-?%d" and not word:find "[xX]" and tonumber(word)
  if not value then fail(text, at, "a value is wanted") end
  return value, after
end

--- What json.encode(value, true) wrote. Keys that look like integers become integers.
-- @raise an error that says where the text is no JSON
function json.decode(text)
  local value, at = decode(text, 1, 1)
  if text:find("%S", at) then fail(text, at, "something after the end") end
  return value
end

return json
