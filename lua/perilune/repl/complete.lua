--- Completion: what could stand at the end of a piece of code.
--
-- Names come from the session and from what a chain of fields (a.b[1].c, a:m) leads to, through metatables
-- and userdata; inside quotes file names. Nothing is called, but metamethods may run to follow a chain.
-- @module perilune.repl.complete
local lexer = require "perilune.repl.lexer"
local members = require "perilune.repl.members"

local complete = {}

local SHOWN = 200 -- candidates listed at once

-- The value of a number or a quoted string token, without running code.
local function constant(token)
  if token.kind == "number" then return tonumber(token.text) end
  if token.kind == "string" and not token.text:find("\\", 1, true) then return token.text:match("^['\"](.*)['\"]$") end
end

-- Reads the chain that ends at tokens[i] backwards: its keys from the root on, or nil. The root's key is a
-- name, or { literal = value } for ("text").
local function read_chain(tokens, i)
  local keys = {}
  while true do
    local token = tokens[i]
    if not token then return nil end
    if token.kind == "name" then
      table.insert(keys, 1, token.text)
      local before = tokens[i - 1]
      if not before or (before.text ~= "." and before.text ~= ":") then return keys end
      i = i - 2
    elseif token.text == "]" and tokens[i - 1] and tokens[i - 2] and tokens[i - 2].text == "[" then
      local key = constant(tokens[i - 1])
      if key == nil then return nil end
      table.insert(keys, 1, key)
      i = i - 3
    elseif token.text == ")" and tokens[i - 1] and tokens[i - 2] and tokens[i - 2].text == "(" then
      local before = tokens[i - 3]
      if before and (before.kind == "name" or before.text == "]" or before.text == ")") then return nil end -- a call
      local value = constant(tokens[i - 1])
      if value == nil then return nil end
      table.insert(keys, 1, { literal = value })
      return keys
    else
      return nil
    end
  end
end

local function value_of(keys, session)
  local root = keys[1]
  local value
  if type(root) == "table" then value = root.literal else value = session.environment.values[root] end
  for i = 2, #keys do
    if value == nil then return nil end
    value = members.get(value, keys[i])
  end
  return value
end

local function matching(found, partial, accept)
  local matches = {}
  for name, value in pairs(found) do
    if type(name) == "string" and name:sub(1, #partial) == partial and name:find("^[%a_][%w_]*$")
      and not lexer.keywords[name] and (partial ~= "" or name:sub(1, 1) ~= "_") and accept(value) then
      matches[#matches + 1] = name
    end
  end
  return matches
end

local function anything()
  return true
end

local function method(value)
  return value == false or members.callable(value) -- false: only the name is known
end

local function names_in_scope(session, partial)
  local environment, found = session.environment, {}
  for _, place in ipairs { environment.globals, environment.lazy, environment.values } do
    for name in next, place do found[name] = true end
  end
  local matches = matching(found, partial, anything)
  for word in pairs(lexer.keywords) do
    if word:sub(1, #partial) == partial then matches[#matches + 1] = word end
  end
  return matches
end

local function file_names(partial, files)
  local folder, start = partial:match("^(.*/)([^/]*)$")
  if not folder then folder, start = "", partial end
  local place = folder == "" and "." or folder
  if place:sub(1, 2) == "~/" then return {} end -- Lua opens no such file
  local matches = {}
  for _, name in ipairs(files(place)) do
    if name:sub(1, #start) == start and (start ~= "" or name:sub(1, 1) ~= ".") then
      matches[#matches + 1] = folder .. name
    end
  end
  return matches
end

--- The words that could stand at the end of `before`.
-- @param before   code up to the cursor
-- @param session  from perilune.repl.evaluate
-- @param files    nil, or a function (folder) that lists file names, folders ending in "/"
-- @return a sorted list of words, and the place (in bytes) where the word that they replace begins
-- @return the kind: "name", "member" or "file"
function complete.at(before, session, files)
  local tokens, open = lexer.tokens(before)
  local matches, from, kind = {}, #before + 1, "name"
  if open then
    local quote = before:sub(open.from, open.from)
    if open.kind == "string" and files and (quote == '"' or quote == "'") then
      from, kind = open.from + 1, "file"
      matches = file_names(before:sub(from), files)
    end
  else
    local last = tokens[#tokens]
    local partial, i = "", #tokens
    if last and last.to == #before and (last.kind == "name" or last.kind == "keyword") then
      partial, from, i = last.text, last.from, i - 1
    end
    local rest = before:sub(last and last.to + 1 or 1)
    local separator = tokens[i] and tokens[i].text
    session.environment:need(tokens)
    if rest:find("%-%-") then
      matches = {}
    elseif separator == "." or separator == ":" then
      kind = "member"
      local keys = read_chain(tokens, i - 1)
      local value = keys and value_of(keys, session)
      if value ~= nil then
        matches = matching(members.of(value), partial, separator == ":" and method or anything)
      end
    elseif partial ~= "" then
      matches = names_in_scope(session, partial)
    end
  end
  table.sort(matches)
  return matches, from, kind
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

--- One press of Tab.
-- @param before   code up to the cursor
-- @param session  from perilune.repl.evaluate
-- @param options  { files = function, width = 80 }
-- @return the text to insert, or nil
-- @return the candidates to list below the line, or nil
function complete.step(before, session, options)
  if before:find("^%s*$") then return "  " end
  local matches, from, kind = complete.at(before, session, options.files)
  if #matches == 0 then return nil end
  local partial = before:sub(from)
  local insert = common_prefix(matches):sub(#partial + 1)
  if #matches == 1 then
    if kind == "file" and matches[1]:sub(-1) ~= "/" then insert = insert .. before:sub(from - 1, from - 1) end
    return insert
  end
  if insert ~= "" then return insert end
  local shown = {}
  for i = 1, math.min(#matches, SHOWN) do
    shown[i] = kind == "file" and matches[i]:match("[^/]+/?$") or matches[i]
  end
  if #matches > SHOWN then shown[#shown + 1] = ("... %d more"):format(#matches - SHOWN) end
  return nil, complete.columns(shown, options.width or 80)
end

return complete
