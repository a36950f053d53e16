--- Looking at things by name: what stands under the cursor (Shift-Tab in a notebook), and `name?`, `?name`,
-- `name??`, `peri.*pool*?` typed as a piece of their own.
-- @module perilune.repl.look
local lexer = require "perilune.repl.lexer"
local chain = require "perilune.repl.chain"
local members = require "perilune.repl.members"
local describe = require "perilune.repl.describe"
local signature = require "perilune.repl.signature"
local inspect = require "perilune.repl.inspect"
local display = require "perilune.display"

local look = {}

local MOST_LINES = 24 -- of a value's own text

-- The lines of a Lua function with the comment above them, or why there are none.
local function source_of(f, session)
  local info = debug.getinfo(f, "S")
  if info.what == "C" then return "Its source is C." end
  local lines = signature.lines(info.source, session)
  if not lines or info.lastlinedefined > #lines then return "Its source is not at hand." end
  local first = info.linedefined
  while first > 1 and lines[first - 1]:find("^%s*%-%-") do first = first - 1 end
  local named = inspect.lua_function(f, session).named
  return (named and named .. "\n\n" or "") .. table.concat(lines, "\n", first, info.lastlinedefined)
end

local function cut(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  if #lines <= MOST_LINES then return text end
  local hidden = #lines - MOST_LINES
  return table.concat(lines, "\n", 1, MOST_LINES) .. ("\n... %d more lines"):format(hidden)
end

local function has_values(value)
  local kind = type(value)
  if kind == "userdata" then return true end
  if kind ~= "table" then return kind ~= "function" end
  for _, module in next, package.loaded do
    if rawequal(module, value) then return false end
  end
  return true
end

-- The function that makes a value answer to a call, when it is no function itself.
local function called(value)
  local meta = type(value) ~= "function" and debug.getmetatable(value)
  local call = type(meta) == "table" and rawget(meta, "__call")
  return type(call) == "function" and call or value
end

--- What is known of a value.
-- @param name    how it was written, for the first line
-- @param detail  1 adds the source of a function, and of an object its members
-- @return text
function look.about(session, name, value, detail)
  if type(value) == "function" then
    local text = inspect.help(session, value)
    if detail == 1 then text = text .. "\n\nSource:\n\n" .. source_of(value, session) end
    return text
  end
  if not has_values(value) then return inspect.help(session, value) end
  local parts = { ("%s: %s"):format(name, describe(value)) }
  local shown, text = pcall(display.text, value, { depth = 3, items = 20, width = 100 })
  if shown and text ~= "" then parts[#parts + 1] = cut(text) end
  if detail == 1 and type(value) ~= "string" and type(value) ~= "number" then
    parts[#parts + 1] = inspect.help(session, value)
    if type(called(value)) == "function" then parts[#parts + 1] = "Source:\n\n" .. source_of(called(value), session) end
  end
  return table.concat(parts, "\n\n")
end

-- The index of the name that the cursor stands in or right behind, or nil.
local function name_at(tokens, place)
  for i, token in ipairs(tokens) do
    if token.from > place + 1 then return nil end
    if token.kind == "name" and token.to >= place then return i end
  end
end

--- What stands at a place: the name there with the chain before it, or else the function whose call surrounds it.
-- Parameters and result as for inspect.at.
function look.at(session, code, place, detail)
  local tokens = lexer.tokens(code)
  session.environment:need(tokens)
  local here = name_at(tokens, place)
  local is_argument = here and tokens[here + 1] and tokens[here + 1].text == "=" and tokens[here - 1]
    and (tokens[here - 1].text == "{" or tokens[here - 1].text == ",")
  local keys = here and not is_argument and chain.read(tokens, here)
  if keys then
    local value = chain.value(keys, session)
    if value ~= nil then return look.about(session, chain.text(keys), value, detail) end
  end
  local last = 0
  while tokens[last + 1] and tokens[last + 1].to <= place do last = last + 1 end
  keys = chain.call(tokens, last)
  if not keys then return nil end
  local value = chain.value(keys, session)
  if value ~= nil then return look.about(session, chain.text(keys), value, detail) end
end

-- Without the white space around it. In one go from the left and one from the right: a pattern with both would try
-- every pair of places in a cell of mere blanks.
local function trimmed(text)
  return text:match("^.*%S", (text:find("%S"))) or ""
end

--- Reads a piece that asks: `name?`, `?name`, `name??`, `a.b:c?`, `peri.*pool*?`, `?`.
-- @return { keys, text, detail } (keys nil for a pattern and for a lone `?`), or nil when the piece is code
function look.question(code)
  code = trimmed(code)
  local inner, marks = code:match("^([^?]*)(%?%??)$")
  if not inner then
    marks, inner = code:match("^(%?%??)([^?]*)$")
  end
  if not inner then return nil end
  inner = trimmed(inner)
  local question = { text = inner, detail = #marks - 1 }
  if inner == "" or (inner:find("*", 1, true) and inner:find("^[%a_*][%w_.*]*$")) then return question end
  local tokens, open = lexer.tokens(inner)
  if open or #tokens == 0 then return nil end
  local first
  question.keys, first = chain.read(tokens, #tokens)
  return first == 1 and question or nil
end

-- peri.*pool*: the names that fit, with how they are called.
local function matches(session, text)
  local path, pattern = text:match("^(.*)%.([^.]*)$")
  local found = {}
  if path and not path:find("*", 1, true) then
    local value = inspect.find(session, path)
    if value ~= nil then found = members.of(value) end
  elseif not path then
    pattern = text
    local environment = session.environment
    for _, place in ipairs { environment.globals, environment.constants, environment.values } do
      for name, value in next, place do found[name] = value end
    end
  end
  pattern = "^" .. (pattern or ""):gsub("%*", ".*") .. "$"
  local lines = {}
  for name, value in pairs(found) do
    if type(name) == "string" and name:find(pattern) then
      local how = signature.brief(name, value)
      lines[#lines + 1] = (path and path .. "." or "") .. (how ~= "" and how or name)
    end
  end
  table.sort(lines)
  return #lines > 0 and table.concat(lines, "\n") or ("Nothing fits '%s'."):format(text)
end

--- Answers a piece that asks.
-- @return text, or nil when the piece is code
function look.answer(session, code)
  local question = look.question(code)
  if not question then return nil end
  if question.text == "" then return inspect.help(session) end
  session.environment:need(lexer.tokens(question.text))
  if not question.keys then return matches(session, question.text) end
  local value = chain.value(question.keys, session)
  if value ~= nil then return look.about(session, question.text, value, question.detail) end
  return inspect.help(session, question.text)
end

-- One line of help in colours: the name that a list's row begins with, a parameter's, and calls of their own.
local function painted_line(line, paint, first)
  if first and line:find("^[%w_.:]+%b()$") then
    return (line:gsub("^([%w_.:]+)", function(name) return paint(name, "key") end))
  end
  local margin, name, rest = line:match("^(  )(%S.-)(%s%s.*)$")
  if not margin then margin, name, rest = line:match("^(  )([%w_.]+)(:.*)$") end
  if name then return margin .. paint(name, "key") .. rest end
  if line:find("^Defined at ") or line:find("^%.%.%. %d+ more") then return paint(line, "dim") end
  return line
end

--- Help in colours.
-- @param text   from help, look.answer or inspect.at
-- @param paint  a function (text, role)
function look.painted(text, paint)
  local lines, source = {}, false
  for line in (text .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = source and line or painted_line(line, paint, #lines == 0)
    source = source or line == "Source:"
  end
  local whole = table.concat(lines, "\n")
  if source and paint("x", "key") ~= "x" then
    local head, code = whole:match("^(.-\n?Source:\n\n)(.*)$")
    if head then whole = head .. require("perilune.repl.paint").code(code) end
  end
  return whole
end

return look
