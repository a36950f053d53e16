--- How a function is called: its parameters, and the names that its table of options takes.
--
-- Ops and layers have descriptors in the core. A Lua function's options are read off its checks: the specification
-- (rows as perilune.args has them) that it holds as an upvalue or hands to args.named in its source.
-- @module perilune.repl.signature
local lexer = require "perilune.repl.lexer"
local reference = require "perilune.repl.reference"
local standard = require "perilune.repl.standard"

local signature = {}

--- The descriptor of an op or layer, or nil.
function signature.descriptor(name)
  local core = package.loaded["perilune.core"]
  if type(core) ~= "table" or type(core.describe) ~= "function" then return nil end
  local found, result = pcall(core.describe, name)
  if found and type(result) == "table" then return result end
end

--- The names under which loaded modules of the standard library or ours hold a value, shortest first: "nn.Conv2D".
function signature.names_of(value)
  local names = {}
  for module, held in pairs(package.loaded) do
    if type(held) == "table" and type(module) == "string" then
      for key, candidate in next, held do
        if rawequal(candidate, value) and type(key) == "string" then
          names[#names + 1] = (module == "_G" or module == "perilune" or module == "perilune.core") and key
            or module:gsub("^perilune%.", "") .. "." .. key
        end
      end
    end
  end
  table.sort(names, function(a, b) return #a < #b or (#a == #b and a < b) end)
  return names
end

--- All names of a function of the library: those of names_of, and what it is called as a method.
function signature.all_names(f)
  local names = signature.names_of(f)
  local core = package.loaded["perilune.core"]
  for _, held in ipairs { core and core.tensor_methods, core and core.layer_methods } do
    for key, value in pairs(held) do
      if rawequal(value, f) then names[#names + 1] = key end
    end
  end
  return names
end

--- The text of a file or of a piece of the session, as a list of lines; or nil.
-- @param source  as debug.getinfo gives it
function signature.lines(source, session)
  local text
  if source:sub(1, 1) == "@" then
    local file = io.open(source:sub(2), "r")
    if not file then return nil end
    text = file:read("a")
    file:close()
  else
    text = session and session.sources[source:sub(2)]
  end
  if not text then return nil end
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do lines[#lines + 1] = line end
  return lines
end

--- The names of a Lua function's parameters: "where, given, ...".
function signature.parameters(f)
  local info, names = debug.getinfo(f, "u"), {}
  for i = 1, info.nparams do names[i] = debug.getlocal(f, i) end
  if info.isvararg then names[#names + 1] = "..." end
  return table.concat(names, ", ")
end

--- One line for a member of a value: how it is called, as far as that is known without reading files.
function signature.brief(name, value)
  local kind = type(value)
  if kind ~= "function" and value ~= false then return "" end
  local row = standard.of(value)
  if row then return row[1] end
  local info = kind == "function" and debug.getinfo(value, "S")
  local lua = info and info.what ~= "C"
  local given = (not lua or info.source:find("perilune[/\\]nn%.lua$")) and signature.descriptor(name)
  if given then return ("%s(%s)"):format(given.name, given.signature or "") end
  if lua then return ("%s(%s)"):format(name, signature.parameters(value)) end
  return reference[name] and reference[name][1] or name .. "(...)"
end

-- Adds the names of a descriptor's signature: "kernel/kernel_size: pair = 1, activation: linear|relu = linear".
local function add_described(list, text)
  for part in (text .. ", "):gmatch("(.-), ") do
    local names, kind = part:match("^([%w_/]+):%s*(.*)$")
    for name in (names or ""):gmatch("[^/]+") do
      list[#list + 1] = { name = name, text = kind, choices = kind:match("^[%a_|]+|[%a_|]+") }
    end
  end
end

local function is_spec(value)
  if type(value) ~= "table" or type(rawget(value, 1)) ~= "table" then return false end
  for _, row in ipairs(value) do
    if type(row) ~= "table" or type(row[1]) ~= "string" or (row[2] ~= nil and type(row[2]) ~= "string") then return false end
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

-- Rows `{ "name", "kinds", default, "others" }` that a function's source hands to args.named.
local function add_written(list, f, session)
  local info = debug.getinfo(f, "S")
  local lines = signature.lines(info.source, session)
  if not lines or info.lastlinedefined > #lines then return end
  local tokens = lexer.depths((lexer.tokens(table.concat(lines, "\n", info.linedefined, info.lastlinedefined))))
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

--- The named arguments that a function takes in a table.
-- @param f        the function
-- @param session  where functions typed at the prompt have their source
-- @return a list of { name, text, choices }: text says what is wanted ("int = 1"), choices are the words that go
--   ("valid|same") or nil
function signature.arguments(f, session)
  local list = {}
  if type(f) ~= "function" then
    local meta = debug.getmetatable(f)
    f = type(meta) == "table" and rawget(meta, "__call")
    if type(f) ~= "function" then return list end
  end
  for _, name in ipairs(signature.all_names(f)) do
    local d = signature.descriptor(name:match("[^.]+$"))
    if d then
      add_described(list, d.signature or "")
      return list
    end
  end
  if debug.getinfo(f, "S").what == "C" then return list end
  for i = 1, 255 do
    local name, held = debug.getupvalue(f, i)
    if not name then break end
    if is_spec(held) then
      for _, row in ipairs(held) do add_row(list, row[1], row[2], row[3], row[4]) end
    end
  end
  add_written(list, f, session)
  return list
end

return signature
