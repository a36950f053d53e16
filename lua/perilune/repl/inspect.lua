--- help(x): what a value is and how it is used, as text.
--
-- Ops and layers carry descriptors in the core (perilune.core.describe); a Lua function's text is the
-- comment above it in its source; a table or an object lists what it holds.
-- @module perilune.repl.inspect
local members = require "perilune.repl.members"
local lexer = require "perilune.repl.lexer"
local signature = require "perilune.repl.signature"
local reference = require "perilune.repl.reference"
local standard = require "perilune.repl.standard"

local inspect = {}

local OVERVIEW = [[
Perilune: deep learning at the Lua prompt.

  peri             the library: peri.tensor, peri.nn, peri.optim, peri.data ...
  help(x)          what x is; also by name: help "conv2d", help "string.format"
  x?  x??          the same, and with its source; also net:fit?, peri.*pool*?
  who()            your variables, with types and shapes
  reset()          forgets them
  time(f, ...)     runs f and says how long it took
  timing(true)     says so after every input
  _, _1, ... _9    the last result, and the last nine. The newest stays; an
                   older one that is large (a tensor past a megabyte, a net) is
                   there only for as long as something else holds it

An expression is printed; a `;` at its end keeps it quiet. A top-level `local`
lives on in later input, a <const> one too; a <close> ends with its input.

Tab completes names, methods, the arguments inside f { ... }, keys and files in
quotes; Shift-Tab tells what is at the cursor.]]

local TERMINAL = OVERVIEW .. [[ Enter runs what is complete,
else it begins a new line (Alt-Enter always does). Up and Down move in the text
and through what was typed before, Ctrl-R searches it. Ctrl-C stops what runs.]]

local NOTEBOOK = OVERVIEW .. [[ Interrupting the kernel (the
stop button) stops what runs, and all variables stay.]]

local descriptor, names_of = signature.descriptor, signature.names_of

-- The layer that has an op's name, or the other way round: conv2d and Conv2D.
local function namesake(d)
  local core = package.loaded["perilune.core"]
  local function bare(name) return (name:gsub("_", ""):lower()) end
  if d.kind == "op" then
    for _, layer in ipairs(core.layer_types()) do
      if bare(layer.name) == bare(d.name) then
        return ('The layer of that name is nn.%s: help "%s" tells of it.'):format(layer.name, layer.name)
      end
    end
  elseif d.kind == "layer" then
    for _, op in ipairs(core.ops()) do
      if bare(op) == bare(d.name) then
        return ('The operation on tensors is peri.%s: help "%s" tells of it.'):format(op, op)
      end
    end
  end
end

local function descriptor_text(d)
  local called = d.signature or ""
  if d.name and called:sub(1, #d.name) ~= d.name then called = ("%s(%s)"):format(d.name, called) end
  local lines = { called }
  if d.doc and d.doc ~= "" then lines[#lines + 1] = d.doc end
  if d.example and d.example ~= "" then
    lines[#lines + 1] = "Example arguments:\n  " .. d.example:gsub(";%s+", "\n  ")
  end
  lines[#lines + 1] = namesake(d)
  return table.concat(lines, "\n\n")
end

local function name_of(value) return names_of(value)[1] end

-- --- comments above Lua functions ---

-- The comment that ends on the line above `at`, without its dashes.
local function comment_above(lines, at)
  local first = at
  while first > 1 and lines[first - 1]:find("^%s*%-%-") do
    first = first - 1
    if lines[first]:find("^%s*%-%-%-") then break end
  end
  local comment = {}
  for i = first, at - 1 do comment[#comment + 1] = lines[i]:gsub("^%s*%-%-%-?%s?", "") end
  while comment[1] == "" do table.remove(comment, 1) end
  return comment, first
end

-- The comment of three dashes above the paragraph in which line `at` stands: one for several short functions; and its
-- first line.
local function comment_of_paragraph(lines, at)
  while at > 1 and lines[at - 1]:find "%S" do
    if lines[at - 1]:find "^%s*%-%-" then
      local comment, first = comment_above(lines, at)
      return lines[first]:find "^%s*%-%-%-" and comment or {}, first
    end
    at = at - 1
  end
  return {}
end

-- The comment (of three dashes) above the line that puts a function under its name, for one that another function
-- made: `plot.lines = shortcut "lines"`, `define("mean_squared_error", ...)`. Returns the comment, its first line and
-- that of the name.
local function comment_by_name(lines, names)
  for _, name in ipairs(names) do
    local last = name:match("[^.]+$"):gsub("%p", "%%%0")
    for at = 2, #lines do
      local here = lines[at]
      if here:find("^%s*[%w_.]+[.]" .. last .. "%s*=") or here:find("^%s*[%w_.]+%s*%(?%s*\"" .. last .. "\"") then
        local comment, first = comment_of_paragraph(lines, at)
        local kept = {}
        for _, line in ipairs(comment) do
          if not line:find("^@function") then kept[#kept + 1] = line end
        end
        if #kept > 0 then return kept, first, at end
      end
    end
  end
  return {}
end

--- Signature and comment of a Lua function.
-- @param f        the function
-- @param session  where functions typed at the prompt have their source; optional
-- @return { signature, comment, place, named }; comment is a list of lines; named the text of the lines that put the
--   function under its name, when those are not its own
function inspect.lua_function(f, session)
  local info = debug.getinfo(f, "S")
  local lines = signature.lines(info.source, session)
  local written = lines and lines[info.linedefined]
  local name = written and (written:match("function%s+([%w_.:]+)%s*%(") or written:match("([%w_.]+)%s*=%s*function"))
  local comment = written and comment_above(lines, info.linedefined) or {}
  local first, at
  if #comment == 0 and lines then comment, first, at = comment_by_name(lines, names_of(f)) end
  if #comment == 0 and lines then comment = comment_of_paragraph(lines, info.linedefined) end
  return {
    signature = ("%s(%s)"):format(name_of(f) or name or "function", signature.parameters(f)),
    comment = comment,
    place = ("%s:%d"):format(info.short_src, at or info.linedefined),
    named = at and at ~= info.linedefined and table.concat(lines, "\n", first, at) or nil,
  }
end

-- @param x  text   becomes   x: text
local function tidy(line)
  line = line:gsub("^@t?param%s+(%S+)%s*", "  %1: "):gsub("^@t?return%s*", "  returns "):gsub("^@raise%s*", "  raises ")
  return (line:gsub("^@usage%s*", "Example: "))
end

-- What is known of a function of Lua's own; else the descriptor of an op or layer, or the reference's row, by any of
-- its names.
local function described(f)
  local known = standard.of(f)
  if known then return table.concat(known, "\n\n") end
  local names = signature.all_names(f)
  for _, name in ipairs(names) do
    local last = name:match("[^.]+$")
    local d, row = descriptor(last), reference[last]
    if d then return descriptor_text(d) end
    if row then return table.concat(row, "\n\n") end
  end
  return nil, names[1]
end

local function function_text(f, session)
  if debug.getinfo(f, "S").what == "C" then
    local text, name = described(f)
    if text then return text end
    return name and ("%s(...)\n\nA function in C."):format(name) or "A function in C without a description."
  end
  local known = inspect.lua_function(f, session)
  local text = #known.comment == 0 and described(f)
  if text then return text end
  local parts = { known.signature }
  if #known.comment > 0 then
    local lines = {}
    for i, line in ipairs(known.comment) do lines[i] = tidy(line) end
    parts[#parts + 1] = table.concat(lines, "\n")
  end
  parts[#parts + 1] = "Defined at " .. known.place
  return table.concat(parts, "\n\n")
end

-- --- tables and objects ---

-- The first sentence of what is known of a member, or what kind of thing it is.
local function one_line(name, value, session)
  local known = standard.of(value)
  local d = not known and members.callable(value) and descriptor(name)
  local text
  if known or d then
    text = known and known[2] or d.doc
  elseif type(value) == "function" and debug.getinfo(value, "S").what ~= "C" then
    text = table.concat(inspect.lua_function(value, session).comment, " ")
  end
  text = (text or ""):match("^[^@]*"):match("^%s*(.-)%s*$"):gsub("%s+", " ")
  text = text:match("^(.-[.;])%s") or text
  if text == "" and type(value) ~= "function" and value then text = type(value) end
  return text
end

local function members_text(value, session)
  local names, found, width = {}, members.of(value), 0
  for name in pairs(found) do
    if name:sub(1, 1) ~= "_" then
      names[#names + 1] = name
      width = math.max(width, math.min(#name, 24))
    end
  end
  table.sort(names)
  local lines = {}
  for i, name in ipairs(names) do
    lines[i] = ("  %-" .. width .. "s  %s"):format(name, one_line(name, found[name], session)):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

local function object_text(value, session)
  local meta = debug.getmetatable(value)
  local kind = type(meta) == "table" and rawget(meta, "__name") or type(value)
  local name = name_of(value)
  local d = name and descriptor(name:match("[^.]+$"))
    or type(kind) == "string" and descriptor(kind:match("[^.]+$"))
  local parts = {}
  if d then
    parts[1] = descriptor_text(d)
  else
    parts[1] = name and ("%s: a %s"):format(name, kind) or ("A %s"):format(kind)
  end
  local call = type(meta) == "table" and rawget(meta, "__call")
  if not d and type(call) == "function" and debug.getinfo(call, "S").what ~= "C" then
    parts[#parts + 1] = function_text(call, session)
  end
  local listed = members_text(value, session)
  if listed ~= "" then parts[#parts + 1] = listed end
  return table.concat(parts, "\n\n")
end

-- --- by name ---

local function resolve(path, values)
  local value = values
  for name in path:gmatch("[^.:]+") do
    value = members.get(value, name)
    if value == nil then return nil end
  end
  return value
end

--- Finds what a dotted name stands for: a variable of the session, or something inside the library.
function inspect.find(session, path)
  if session then session.environment:need(lexer.tokens(path)) end
  local value = session and resolve(path, session.environment.values)
  if value ~= nil then return value end
  local there, library = pcall(require, "perilune")
  if not there then return nil end
  for _, prefix in ipairs { "", "nn.", "nn.losses.", "optim.", "data.", "plot.", "linalg.", "image.", "explain." } do
    value = resolve(prefix .. path, library)
    if value ~= nil then return value end
  end
end

local function named_text(session, path)
  local known = path:find(".", 1, true) and standard.of(path) -- table.concat is no op
  if known then return table.concat(known, "\n\n") end
  pcall(require, "perilune.core") -- for its descriptors
  local d = descriptor(path) or descriptor(path:match("[^.:]+$") or "")
  if d then return descriptor_text(d) end
  local value = inspect.find(session, path)
  if value == nil then return ("Nothing is known as '%s'. help() tells what there is."):format(path) end
  if type(value) == "function" then return function_text(value, session) end
  return object_text(value, session)
end

--- What stands at a place in code that may not have run: see perilune.repl.look.
-- @param session  from perilune.repl.evaluate
-- @param code     the code around it
-- @param place    how many bytes of it are before the cursor
-- @param detail   1 adds the source; 0 or nothing does not
-- @return text, or nil when nothing is known there
function inspect.at(session, code, place, detail)
  return require("perilune.repl.look").at(session, code, place, detail)
end

--- The text of help(...).
-- @param session  from perilune.repl.evaluate
-- @param ...      nothing for the overview; a name as a string; or any value
function inspect.help(session, ...)
  if select("#", ...) == 0 then return session and session.notebook and NOTEBOOK or TERMINAL end
  local value = ...
  local kind = type(value)
  if kind == "string" then
    if value:find("^[%a_][%w_.:]*$") then return named_text(session, value) end
    return "A string. Its methods:\n\n" .. members_text(value, session)
  elseif kind == "function" then
    return function_text(value, session)
  elseif kind == "table" or kind == "userdata" then
    return object_text(value, session)
  elseif kind == "number" then
    return ("A number: %s %s"):format(math.type(value), value)
  end
  return ("A value of type %s: %s"):format(kind, tostring(value))
end

return inspect
