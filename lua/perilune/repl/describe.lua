--- What kind of value something is, in a few words: "float32 tensor [60000, 784]", "table of 3".
-- @module perilune.repl.describe

local function field(value, name)
  local ok, found = pcall(function() return value[name] end)
  return ok and found or nil
end

local function describe_table(value)
  local count = 0
  for _ in next, value do count = count + 1 end
  return ("table of %d"):format(count)
end

-- An object's own text where it is short and tells more than an address: "Dense 'dense' (64 -> 10)".
local function short_text(value)
  local ok, text = pcall(tostring, value)
  return ok and #text <= 60 and not text:find("\n", 1, true) and not text:find(": 0x%x+$") and text or nil
end

--- @param value anything
-- @return type and size in one line
return function(value)
  local kind = type(value)
  if kind == "table" or kind == "userdata" then
    local meta = debug.getmetatable(value)
    local name = type(meta) == "table" and rawget(meta, "__name")
    local dtype, shape = field(value, "dtype"), field(value, "shape")
    if type(dtype) == "string" and type(shape) == "table" then
      return ("%s tensor [%s]"):format(dtype, table.concat(shape, ", "))
    end
    if type(name) == "string" then return short_text(value) or name end
    return kind == "table" and describe_table(value) or kind
  end
  if kind == "string" then return ("string of %d bytes"):format(#value) end
  if kind == "number" then return ("%s %s"):format(math.type(value), value) end
  if kind == "boolean" then return ("boolean %s"):format(value) end
  return kind
end
