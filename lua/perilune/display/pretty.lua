--- Values as text that people read: tables with their keys sorted and aligned, never too deep or too long.
-- @module perilune.display.pretty
local pretty = {}

local WORDS = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true "
  .. "until while"):gmatch "%a+" do
  WORDS[word] = true
end

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

local COLOURS = {
  number = "\27[36m", string = "\27[32m", boolean = "\27[35m", key = "\27[34m", dim = "\27[2m", error = "\27[31m",
}

--- Colours text for a terminal by its role: "number", "string", "boolean", "key", "dim" or "error".
function pretty.paint(text, role)
  local start = COLOURS[role]
  return start and start .. text .. "\27[0m" or text
end

local function plain(text) return text end

-- Width on a screen: characters, without colours. What is no UTF-8 counts its bytes.
local function cells(text)
  text = text:gsub("\27%[[%d;]*m", "")
  return utf8.len(text) or #text
end

-- A string as Lua source on one line, UTF-8 kept readable, other bytes escaped, long ones cut.
local function quoted(text, longest)
  local cut = #text > longest
  if cut then text = text:sub(1, (utf8.offset(text, 0, longest + 1) or longest + 1) - 1) end
  local strange = utf8.len(text) and '[%c"\\]' or '[%c"\\\128-\255]'
  local shown = text:gsub(strange, function(c) return ESCAPES[c] or ("\\%d"):format(c:byte()) end)
  return '"' .. shown .. (cut and '"...' or '"')
end

-- A number as short as can be read back; whole floats keep their point.
local function number(x)
  if math.type(x) == "integer" then return ("%d"):format(x) end
  if x ~= x then return "nan" end
  if x == math.huge or x == -math.huge then return x > 0 and "inf" or "-inf" end
  local short = ("%.7g"):format(x)
  if tonumber(short) ~= x then short = ("%.10g"):format(x) end
  return short:find "[%.e]" and short or short .. ".0"
end

local function own_text(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and (rawget(meta, "__tostring") or rawget(meta, "__name")) and true or false
end

-- tostring that cannot fail, since it is the value's own code.
local function safe_text(value)
  local ok, text = pcall(tostring, value)
  return ok and text or ("<%s: its __tostring failed: %s>"):format(type(value), tostring(text))
end

local function field(value, name)
  local ok, found = pcall(function() return value[name] end)
  return ok and found or nil
end

-- A value with a text of its own inside a table; of a tensor of several lines type and shape say enough.
local function inner_text(value, text, depth)
  if not text:find "\n" then return text end
  local dtype, shape = field(value, "dtype"), field(value, "shape")
  if type(dtype) == "string" and type(shape) == "table" then
    return ("%s tensor [%s]"):format(dtype, table.concat(shape, ", "))
  end
  return (text:gsub("\n", "\n" .. ("  "):rep(depth)))
end

-- Keys in an order that people expect: numbers, then names, then the rest.
local function sorted_keys(t, length)
  local keys = {}
  for key in next, t do
    if not (math.type(key) == "integer" and key >= 1 and key <= length) then keys[#keys + 1] = key end
  end
  local rank = { number = 1, string = 2, boolean = 3 }
  table.sort(keys, function(a, b)
    local ra, rb = rank[type(a)] or 4, rank[type(b)] or 4
    if ra ~= rb then return ra < rb end
    if ra <= 2 then return a < b end
    return tostring(a) < tostring(b)
  end)
  return keys
end

local write -- below: pieces of a table call it for their parts

local function key_text(key, state, depth)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" and not WORDS[key] then
    return state.paint(key, "key")
  end
  return "[" .. write(key, state, depth) .. "]"
end

-- The parts of a table, in order, at most state.items of them.
local function parts_of(t, state, depth)
  local parts, length, left = {}, rawlen(t), state.items
  for i = 1, length do
    if left == 0 or state.total <= 0 then
      left = 0
      break
    end
    parts[#parts + 1], left = write(rawget(t, i), state, depth + 1), left - 1
  end
  local keys = sorted_keys(t, length)
  local wide, names = 0, {}
  for i = 1, math.min(#keys, left) do
    names[i] = key_text(keys[i], state, depth + 1)
    wide = math.max(wide, cells(names[i]))
  end
  for i, name in ipairs(names) do
    parts[#parts + 1] = { name, write(rawget(t, keys[i]), state, depth + 1) }
  end
  local hidden = length + #keys - #parts
  return parts, wide, hidden
end

local function flat(parts)
  local words = {}
  for i, part in ipairs(parts) do
    words[i] = type(part) == "table" and part[1] .. " = " .. part[2] or part
  end
  return "{ " .. table.concat(words, ", ") .. " }"
end

-- Short elements of a list share lines, in columns; all else has its own.
local function stacked(parts, wide, indent, width)
  local lines, row, widest = {}, nil, 0
  for _, part in ipairs(parts) do
    if type(part) == "string" and cells(part) <= 24 then widest = math.max(widest, cells(part)) end
  end
  for _, part in ipairs(parts) do
    local short = type(part) == "string" and cells(part) <= 24
    if type(part) == "table" then
      part = part[1] .. (" "):rep(wide - cells(part[1])) .. " = " .. part[2]
    elseif short then
      part = (" "):rep(widest - cells(part)) .. part
    end
    if row and short and #indent + cells(row) + cells(part) + 5 <= width then
      row = row .. ", " .. part
      lines[#lines] = indent .. "  " .. row
    else
      row = short and part or nil
      lines[#lines + 1] = indent .. "  " .. part
    end
  end
  return "{\n" .. table.concat(lines, ",\n") .. "\n" .. indent .. "}"
end

local function write_table(t, state, depth)
  if state.open[t] then return state.paint("<cycle>", "dim") end
  if next(t) == nil then return "{}" end
  if depth >= state.depth then return state.paint("{...}", "dim") end
  state.open[t] = true
  local parts, wide, hidden = parts_of(t, state, depth)
  state.open[t] = nil
  if hidden > 0 then parts[#parts + 1] = state.paint(("... %d more"):format(hidden), "dim") end
  local line = flat(parts)
  local indent = ("  "):rep(depth)
  if not line:find "\n" and cells(line) + #indent <= state.width then return line end
  return stacked(parts, wide, indent, state.width)
end

function write(value, state, depth)
  local kind = type(value)
  state.total = state.total - 1
  if kind == "string" then return state.paint(quoted(value, state.letters), "string") end
  if kind == "number" then return state.paint(number(value), "number") end
  if kind == "boolean" or kind == "nil" then return state.paint(tostring(value), "boolean") end
  if kind ~= "table" or own_text(value) then
    local text = safe_text(value)
    return depth > 0 and inner_text(value, text, depth) or text
  end
  return write_table(value, state, depth)
end

--- A value as a person wants to read it: tables with their keys sorted and aligned, on one line where they fit,
-- never deeper or longer than asked, cycles marked; what has a __tostring of its own by that.
-- @param value    anything
-- @param options  depth (4), width (100), items (60 for each table), letters (200 for each string inside),
--   total (3000 values altogether), color (false)
function pretty.pretty(value, options)
  options = options or {}
  local state = {
    depth = options.depth or 4, width = options.width or 100, items = options.items or 60,
    letters = options.letters or 200, open = {},
    total = options.total or 3000, paint = options.color and pretty.paint or plain,
  }
  return (write(value, state, 0))
end

--- A value as the prompt prints it: a string and a number as `print` would, all else as `display.pretty`.
-- @param options  as for `display.pretty`
function pretty.text(value, options)
  if type(value) == "string" then return value end
  if type(value) == "number" then
    return options and options.color and pretty.paint(tostring(value), "number") or tostring(value)
  end
  return pretty.pretty(value, options)
end

return pretty
