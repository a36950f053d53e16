--- Completion: what could stand at the end of a piece of code.
--
-- Names come from the session, from what the piece itself declares, and from what a chain of fields (a.b[1].c, a:m)
-- leads to, through metatables and userdata; inside a call's table the named arguments of what is called; inside
-- quotes keys (t["na), the words an argument takes, modules and file names. Nothing is called, but metamethods may
-- run to follow a chain.
-- @module perilune.repl.complete
local lexer = require "perilune.repl.lexer"
local members = require "perilune.repl.members"
local chain = require "perilune.repl.chain"
local options = require "perilune.repl.options"
local signature = require "perilune.repl.signature"

local complete = {}

local SHOWN = 200   -- candidates listed at once
local MOST = 10000  -- candidates looked at: more help nobody, and to describe a million takes a minute

-- --- what kind of thing a candidate is ---

local function type_of(value)
  if value == false then return "function" end -- only the name is known
  local kind = type(value)
  if kind ~= "table" and kind ~= "userdata" then return kind end
  for _, module in next, package.loaded do
    if rawequal(module, value) then return "module" end
  end
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and (name:match("[%w_]+$") or name):lower() or kind
end

local function candidate(name, value)
  return { text = name, type = type_of(value), signature = signature.brief(name, value) }
end

local function by_text(a, b) return a.text < b.text end

local function starts_with(text, start) return text:sub(1, #start) == start end

-- Sorted, the first of very many.
local function candidates(names, found)
  table.sort(names)
  local list = {}
  for i = 1, math.min(#names, MOST) do list[i] = candidate(names[i], found[names[i]]) end
  return list
end

-- --- names ---

local function matching(found, partial, accept)
  local names = {}
  for name, value in pairs(found) do
    if type(name) == "string" and starts_with(name, partial) and name:find("^[%a_][%w_]*$")
      and not lexer.keywords[name] and (partial ~= "" or name:sub(1, 1) ~= "_") and accept(value) then
      names[#names + 1] = name
    end
  end
  return candidates(names, found)
end

local function anything() return true end

local function method(value)
  return value == false or members.callable(value) -- false: only the name is known
end

-- Names that the piece declares before tokens[n]: locals, parameters, loop variables.
local function declared_in(tokens, n)
  local found, at = {}, 1
  while at < n do
    local text, kind = tokens[at].text, tokens[at].kind
    local list = false
    if kind == "keyword" and (text == "local" or text == "for") then
      list = true
    elseif kind == "keyword" and text == "function" then
      while tokens[at + 1] and tokens[at + 1].text ~= "(" and at < n do at = at + 1 end
      at, list = at + 1, true
    end
    at = at + 1
    while list and at < n and tokens[at].kind == "name" do
      found[tokens[at].text] = members.absent
      local following = tokens[at + 1] and tokens[at + 1].text
      if following == "<" then at, following = at + 3, tokens[at + 4] and tokens[at + 4].text end
      list = following == ","
      at = at + (list and 2 or 1)
    end
  end
  return found
end

local function names_in_scope(session, partial, tokens, n)
  local environment, found = session.environment, declared_in(tokens, n)
  for name in pairs(found) do found[name] = members.absent end
  for name in next, environment.lazy do found[name] = false end
  for _, place in ipairs { environment.globals, environment.constants, environment.values } do
    for name, value in next, place do found[name] = value end
  end
  local list = matching(found, partial, anything)
  for _, item in ipairs(list) do
    if environment.lazy[item.text] then item.type, item.signature = "module", "" end
    if item.type == "nil" then item.type = "local" end
  end
  for word in pairs(lexer.keywords) do
    if starts_with(word, partial) then list[#list + 1] = { text = word, type = "keyword", signature = "" } end
  end
  table.sort(list, by_text)
  return list
end

-- --- named arguments ---

-- What the table whose bracket is tokens[at] may hold: the arguments of the function that `keys` lead to.
local function arguments_of(session, keys)
  local value = chain.value(keys, session)
  return value ~= nil and options.of(value, session) or {}
end

-- The names that go at a place inside a call's table, where a name may begin.
local function named_arguments(session, tokens, i, partial)
  local before = tokens[i] and tokens[i].text
  if before ~= "{" and before ~= "," and before ~= ";" then return {} end
  local keys, table_at = chain.call(tokens, i)
  if not keys or not table_at then return {} end
  local given, list = {}, {}
  for at = table_at + 1, i do
    if tokens[at + 1] and tokens[at + 1].text == "=" then given[tokens[at].text] = true end
  end
  for _, argument in ipairs(arguments_of(session, keys)) do
    if starts_with(argument.name, partial) and not given[argument.name] then
      given[argument.name] = true
      list[#list + 1] = { text = argument.name, type = "argument", signature = argument.text }
    end
  end
  table.sort(list, by_text)
  return list
end

-- --- inside quotes ---

local function file_names(partial, files)
  local folder, start = partial:match("^(.*/)([^/]*)$")
  if not folder then folder, start = "", partial end
  local place = folder == "" and "." or folder
  if place:sub(1, 2) == "~/" then return {} end -- Lua opens no such file
  local list = {}
  for _, name in ipairs(files(place)) do
    if starts_with(name, start) and (start ~= "" or name:sub(1, 1) ~= ".") then
      list[#list + 1] = { text = folder .. name, type = "file", signature = "" }
    end
  end
  table.sort(list, by_text)
  return list
end

-- t["na
local function string_keys(session, tokens, partial, quote)
  local keys = chain.read(tokens, #tokens - 1)
  local value = keys and chain.value(keys, session)
  if value == nil then return {} end
  local names, found = {}, members.of(value)
  for name in pairs(found) do
    if starts_with(name, partial) and not name:find("[%c\\" .. quote .. "]") then names[#names + 1] = name end
  end
  local list = candidates(names, found)
  for _, item in ipairs(list) do item.type = "key" end
  return list
end

-- nn.Dense { 3, activation = "re; and types of numbers where they go by place: zeros(2, "fl
local function choices(session, tokens, partial)
  local named = tokens[#tokens].text == "="
  local name = named and tokens[#tokens - 1].text or "dtype"
  local keys, table_at = chain.call(tokens, named and #tokens - 1 or #tokens)
  local list = {}
  if not keys or named ~= (table_at ~= nil) then return list end
  for _, argument in ipairs(arguments_of(session, keys)) do
    if argument.name == name then
      for word in (argument.choices or ""):gmatch("[^|]+") do
        if starts_with(word, partial) then list[#list + 1] = { text = word, type = "string", signature = "" } end
      end
    end
  end
  table.sort(list, by_text)
  return list
end

-- require "peri
local function modules(partial)
  local list, seen = {}, {}
  for _, place in ipairs { package.loaded, package.preload } do
    for name in next, place do
      if starts_with(name, partial) and not seen[name] then
        seen[name] = true
        list[#list + 1] = { text = name, type = "module", signature = "" }
      end
    end
  end
  table.sort(list, by_text)
  return list
end

local function in_quotes(session, tokens, partial, quote, files)
  local last = tokens[#tokens]
  local before = last and (last.text == "(" and tokens[#tokens - 1] or last)
  if last and last.text == "[" and #tokens > 1 then
    return string_keys(session, tokens, partial, quote), "key"
  elseif before and before.text == "require" then
    return modules(partial), "module"
  end
  local words = last and choices(session, tokens, partial) or {}
  if #words > 0 then return words, "choice" end
  return files and file_names(partial, files) or {}, "file"
end

-- --- the whole ---

local function in_code(before, tokens, session)
  local last = tokens[#tokens]
  local partial, i, from = "", #tokens, #before + 1
  if last and last.to == #before and (last.kind == "name" or last.kind == "keyword") then
    partial, from, i = last.text, last.from, i - 1
  end
  local separator = tokens[i] and tokens[i].text
  if before:sub(last and last.to + 1 or 1):find("--", 1, true) then return {}, from, "name" end -- in a comment
  if separator == "." or separator == ":" then
    local keys = chain.read(tokens, i - 1)
    local value
    if keys then value = chain.value(keys, session) end
    if value == nil then return {}, from, "member" end
    return matching(members.of(value), partial, separator == ":" and method or anything), from, "member"
  end
  local list = named_arguments(session, tokens, i, partial)
  if partial ~= "" then
    for _, item in ipairs(names_in_scope(session, partial, tokens, #tokens)) do list[#list + 1] = item end
  end
  return list, from, "name"
end

--- The words that could stand at the end of `before`.
-- @param before   code up to the cursor
-- @param session  from perilune.repl.evaluate
-- @param files    nil, or a function (folder) that lists file names, folders ending in "/"
-- @return a list of words (named arguments first, each group sorted), and the place (in bytes) where the word that
--   they replace begins; a word inside quotes is what stands between them
-- @return the kind: "name", "member", "key", "choice", "module" or "file"
-- @return a list of { text, type, signature } beside the words; type is "function", "table", "module", "tensor",
--   "keyword", "argument", "key", "file" ..., signature is how a function is called, what an argument wants, or ""
function complete.at(before, session, files)
  local tokens, open = lexer.tokens(before)
  local list, from, kind = {}, #before + 1, "name"
  session.environment:need(tokens)
  if not open then
    list, from, kind = in_code(before, tokens, session)
  elseif open.kind == "string" then
    local quote = before:sub(open.from, open.from)
    if (quote == '"' or quote == "'") and not before:find("[\r\n]", open.from) then
      from = open.from + 1
      list, kind = in_quotes(session, tokens, before:sub(from), quote, files)
    end
  end
  local words = {}
  for place, item in ipairs(list) do words[place] = item.text end
  return words, from, kind, list
end

local function common_prefix(words)
  local prefix = words[1]
  for i = 2, #words do
    local n = 0
    while n < #prefix and prefix:byte(n + 1) == words[i]:byte(n + 1) do n = n + 1 end
    prefix = prefix:sub(1, n)
  end
  -- Never a part of a character.
  while #prefix > 0 and not utf8.len(prefix) and utf8.len(words[1]) do prefix = prefix:sub(1, -2) end
  return prefix
end

--- Words in columns, read downwards.
function complete.columns(words, width)
  local widest = 0
  for _, word in ipairs(words) do widest = math.max(widest, utf8.len(word) or #word) end
  local across = math.max(1, width // (widest + 2))
  local down = (#words + across - 1) // across
  local lines = {}
  for row = 1, down do
    local parts = {}
    for i = row, #words, down do
      parts[#parts + 1] = words[i] .. (" "):rep(widest + 2 - (utf8.len(words[i]) or #words[i]))
    end
    lines[row] = table.concat(parts):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

-- What closes a word that is the only one: a quote, a quote and a bracket, ` = `.
local function ending(item, kind, before, from, after)
  local quote = before:sub(from - 1, from - 1)
  if item.type == "argument" then return after:find("^%s*=") and "" or " = " end
  if kind == "key" then
    local close = quote .. "]"
    return starts_with(after, close) and "" or starts_with(after, quote) and "" or close
  end
  if kind == "choice" or kind == "module" or (kind == "file" and item.text:sub(-1) ~= "/") then
    return starts_with(after, quote) and "" or quote
  end
  return ""
end

--- One press of Tab.
-- @param before   code up to the cursor
-- @param session  from perilune.repl.evaluate
-- @param given    { files = function, width = 80, after = code behind the cursor }
-- @return the text to insert, or nil
-- @return the candidates to list below the line, or nil
function complete.step(before, session, given)
  if before:match("[^\n]*$"):find("^%s*$") then return "  " end
  local words, from, kind, list = complete.at(before, session, given.files)
  if #words == 0 then return nil end
  local insert = common_prefix(words):sub(#before - from + 2)
  if #words == 1 then return insert .. ending(list[1], kind, before, from, given.after or "") end
  if insert ~= "" then return insert end
  local shown = {}
  for i = 1, math.min(#words, SHOWN) do
    shown[i] = kind == "file" and words[i]:match("[^/]+/?$") or words[i]
    if list[i].type == "argument" then shown[i] = shown[i] .. " =" end
  end
  if #words > SHOWN then shown[#shown + 1] = ("... %d more"):format(#words - SHOWN) end
  return nil, complete.columns(shown, given.width or 80)
end

return complete
