--- The names that a function's table of options takes: nn.Conv2D { kernel = 3 }, net:fit(x, { epochs = 3 }).
--
-- Ops and layers have descriptors in the core, other C functions a row in the reference. A Lua function's options are
-- read off its checks: the specification (rows as perilune.args has them) that it holds as an upvalue or hands to
-- args.named in its source; those of the functions that it hands its options on to; what its comment tells of them.
-- @module perilune.repl.options
local lexer = require "perilune.repl.lexer"
local chain = require "perilune.repl.chain"
local members = require "perilune.repl.members"
local reference = require "perilune.repl.reference"
local signature = require "perilune.repl.signature"

local options = {}

local DEEPEST = 4 -- functions that hand their options on
local DTYPES = "float32|float64|int64|uint8"

-- Adds the names of a descriptor's signature: "kernel/kernel_size: pair = 1, activation: linear|relu = linear".
local function add_described(list, text)
  for part in (text .. ", "):gmatch("(.-), ") do
    local names, kind = part:match("^([%w_/]+):%s*(.*)$")
    for name in (names or ""):gmatch("[^/]+") do
      list[#list + 1] = { name = name, text = kind, choices = kind == "dtype" and DTYPES or kind:match("^[%a_|]+|[%a_|]+") }
    end
  end
end

local KINDS = {}
for word in ("any string number integer boolean table function callable tensor"):gmatch("%a+") do KINDS[word] = true end

local function is_row(value)
  if type(value) ~= "table" or getmetatable(value) or type(value[1]) ~= "string" or type(value[2]) ~= "string" then
    return false
  end
  for kind in value[2]:gmatch("[^|]+") do
    if not KINDS[kind] then return false end
  end
  return true
end

local function is_spec(value)
  if type(value) ~= "table" or getmetatable(value) or rawget(value, 1) == nil then return false end
  for _, row in ipairs(value) do
    if not is_row(row) then return false end
  end
  return true
end

local function add_row(list, name, kinds, default, others)
  local text = (kinds or "any"):gsub("|", " or ")
  if default ~= nil then text = text .. " = " .. tostring(default) end
  list[#list + 1] = { name = name, text = text }
  for other in (others or ""):gmatch("[^|]+") do list[#list + 1] = { name = other, text = text } end
end

local function unquoted(token)
  return token and token.kind == "string" and token.text:match("^[\"'](.*)[\"']$") or nil
end

-- Rows `{ "name", "kinds", default, "others" }` that code hands to args.named.
local function add_written(list, tokens)
  for i, token in ipairs(tokens) do
    if token.text == "named" and tokens[i + 1] and tokens[i + 1].text == "(" then
      local depth, at = tokens[i + 1].bracket, i + 2
      while tokens[at] and tokens[at].bracket > depth do
        local name, kinds = unquoted(tokens[at + 1]), unquoted(tokens[at + 3])
        if tokens[at].text == "{" and name and kinds and tokens[at + 2].text == "," then
          local comma, default, second = tokens[at + 4], tokens[at + 5], tokens[at + 6]
          local more = comma and comma.text == "," and second and second.bracket == comma.bracket
          local others = more and second.text == "," and unquoted(tokens[at + 7]) or nil
          if not more or default.text == "nil" or default.text == "args" then default = nil end
          add_row(list, name, kinds, default and default.text, others)
        end
        at = at + 1
      end
    end
  end
end

-- A set of names, { xlabel = true, ... }, held as OPTIONS.
local function add_set(list, held)
  for name, value in pairs(held) do
    if type(name) == "string" and value == true then add_row(list, name, "any") end
  end
end

local function add_upvalues(list, upvalues)
  for upvalue, held in pairs(upvalues) do
    if type(held) == "table" and upvalue:find("OPTIONS$") and held[1] == nil then
      add_set(list, held)
    elseif is_spec(held) then
      for _, row in ipairs(held) do add_row(list, row[1], row[2], row[3], row[4]) end
    elseif is_row(held) then
      add_row(list, held[1], held[2], held[3], held[4])
    end
  end
end

-- What the comment above a function tells of its options: "epochs (1)", "batch = 128".
local function add_told(list, lines, at)
  local first = at
  while first > 1 and lines[first - 1]:find("^%s*%-%-") do first = first - 1 end
  local text = table.concat(lines, " ", first, at - 1):gsub("%s*%-%-+%s*", " ")
  local told = text:match("@param options(.-)@") or text:match("@param options(.*)$")
  if not told then return end
  repeat -- what stands in brackets explains
    local count
    told, count = told:gsub("%b()", function(inner) return inner:find("[%w]") and "\1" or "" end)
  until count == 0 or not told:find("%b()")
  for name, mark in told:gmatch("([%a_][%w_]*)%s*([=\1])") do
    if mark == "=" or mark == "\1" then add_row(list, name, "any") end
  end
end

-- --- whole functions ---

local function upvalues_of(f)
  local upvalues = {}
  for i = 1, 255 do
    local name, held = debug.getupvalue(f, i)
    if not name then return upvalues end
    if held ~= nil then upvalues[name] = held end
  end
  return upvalues
end

-- The name of the parameter that the table of options comes in: the last one, "..." in a function of any number.
local function last_parameter(f)
  return signature.parameters(f):match("([%w_.]+)$")
end

-- The functions that stand in one line of the source with the parameter: it may be handed on to them.
local function followed(tokens, parameter, upvalues)
  local found, first = {}, 1
  for i, token in ipairs(tokens) do
    if token.fresh then first = i end
    if token.text == parameter and i > 1 then
      local last = i
      while tokens[last + 1] and not tokens[last + 1].fresh do last = last + 1 end
      for at = first, last do
        local following = tokens[at + 1] and tokens[at + 1].text
        local keys = tokens[at].kind == "name" and following ~= "." and following ~= ":" and chain.read(tokens, at)
        local value = keys and type(keys[1]) == "string" and upvalues[keys[1]]
        for step = 2, value and #keys or 0 do value = value ~= nil and members.get(value, keys[step]) or nil end
        if type(value) == "function" then found[#found + 1] = value end
      end
    end
  end
  return found
end

local function add_function(list, f, session, seen, depth)
  if seen[f] or depth > DEEPEST or debug.getinfo(f, "S").what == "C" then return end
  seen[f] = true
  local upvalues = upvalues_of(f)
  add_upvalues(list, upvalues)
  local info = debug.getinfo(f, "S")
  local lines = signature.lines(info.source, session)
  if not lines or info.lastlinedefined > #lines then return end
  local tokens = lexer.depths((lexer.tokens(table.concat(lines, "\n", info.linedefined, info.lastlinedefined))))
  add_written(list, tokens)
  local parameter = last_parameter(f)
  for _, other in ipairs(parameter and followed(tokens, parameter, upvalues) or {}) do
    add_function(list, other, session, seen, depth + 1)
  end
  if #list == 0 then add_told(list, lines, info.linedefined) end
end

-- { dtype =, requires_grad = } in the row of a function in C.
local function add_referred(list, row)
  for inner in row[1]:gmatch("%b{}") do
    for name in inner:gmatch("([%a_][%w_]*)%s*=") do
      local choices = name == "dtype" and DTYPES or nil
      list[#list + 1] = { name = name, text = choices or "any", choices = choices }
    end
  end
end

local function collect(list, f, session)
  if type(f) ~= "function" then
    local meta = debug.getmetatable(f)
    f = type(meta) == "table" and rawget(meta, "__call")
    if type(f) ~= "function" then return end
  end
  for _, name in ipairs(signature.all_names(f)) do
    local last = name:match("[^.]+$")
    local d = signature.descriptor(last)
    if d then return add_described(list, d.signature or "") end
    if debug.getinfo(f, "S").what == "C" and reference[last] then return add_referred(list, reference[last]) end
  end
  add_function(list, f, session, {}, 1)
end

--- The named arguments that a function takes in a table.
-- @param f        the function, or what can be called
-- @param session  where functions typed at the prompt have their source
-- @return a list of { name, text, choices }: text says what is wanted ("int = 1"), choices are the words that go
--   ("valid|same") or nil
function options.of(f, session)
  local list, seen, once = {}, {}, {}
  collect(list, f, session)
  for _, one in ipairs(list) do
    if not seen[one.name] then
      seen[one.name] = true
      once[#once + 1] = one
    end
  end
  return once
end

return options
