--- Chains of fields in code that is looked at without being run: `a.b[1].c`, `net:fit`, `("x"):rep`, and the call
-- that a place in the code stands inside of.
-- @module perilune.repl.chain
local members = require "perilune.repl.members"

local chain = {}

-- The value of a number or a quoted string token, without running code.
local function constant(token)
  if token.kind == "number" then return tonumber(token.text) end
  if token.kind == "string" and not token.text:find("\\", 1, true) then return token.text:match("^['\"](.*)['\"]$") end
end

local function reversed(list)
  local n = #list
  for i = 1, n // 2 do list[i], list[n + 1 - i] = list[n + 1 - i], list[i] end
  return list
end

--- Reads the chain that ends at tokens[i], backwards.
-- @return its keys from the root on (the root's is a name, or { literal = value } for ("text")), or nil when there
--   is none that could be followed without calling something
-- @return the index of its first token
function chain.read(tokens, i)
  local keys = {}
  while true do
    local token = tokens[i]
    if not token then return nil end
    if token.kind == "name" then
      keys[#keys + 1] = token.text
      local before = tokens[i - 1]
      if not before or (before.text ~= "." and before.text ~= ":") then return reversed(keys), i end
      i = i - 2
    elseif token.text == "]" and tokens[i - 1] and tokens[i - 2] and tokens[i - 2].text == "[" then
      local key = constant(tokens[i - 1])
      if key == nil then return nil end
      keys[#keys + 1] = key
      i = i - 3
    elseif token.text == ")" and tokens[i - 1] and tokens[i - 2] and tokens[i - 2].text == "(" then
      local before = tokens[i - 3]
      if before and (before.kind == "name" or before.text == "]" or before.text == ")") then return nil end -- a call
      local value = constant(tokens[i - 1])
      if value == nil then return nil end
      keys[#keys + 1] = { literal = value }
      return reversed(keys), i - 2
    else
      return nil
    end
  end
end

--- What a chain leads to in a session, or nil. Metamethods may run on the way.
-- @return the value, and the value that it is a field of
function chain.value(keys, session)
  local root, holder = keys[1], nil
  local value
  if type(root) == "table" then value = root.literal else value = session.environment:get(root) end
  for i = 2, #keys do
    if value == nil then return nil end
    holder, value = value, members.get(value, keys[i])
  end
  return value, holder
end

--- A chain as text: a.b[1]["c d"].
function chain.text(keys)
  local parts = {}
  for i, key in ipairs(keys) do
    if i == 1 then
      parts[i] = type(key) == "table" and ("(%q)"):format(key.literal) or key
    elseif type(key) == "string" and key:find("^[%a_][%w_]*$") then
      parts[i] = "." .. key
    else
      parts[i] = type(key) == "string" and ("[%q]"):format(key) or ("[%s]"):format(key)
    end
  end
  return table.concat(parts)
end

local openers, closers = { ["("] = true, ["{"] = true, ["["] = true }, { [")"] = true, ["}"] = true, ["]"] = true }

--- The innermost bracket that is open after tokens[n]: its index, or nil.
function chain.opening(tokens, n)
  local depth = 0
  for i = n, 1, -1 do
    local token = tokens[i]
    if token.kind == "operator" then
      if closers[token.text] then depth = depth + 1 end
      if openers[token.text] then
        if depth == 0 then return i end
        depth = depth - 1
      end
    end
  end
end

--- The keys of what the bracket tokens[i] calls: f(...), f { ... }; or nil.
function chain.callee(tokens, i)
  local bracket, before = tokens[i], tokens[i - 1]
  if not before or (bracket.text ~= "(" and bracket.text ~= "{") then return nil end
  if before.kind == "name" or before.text == "]" or before.text == ")" then
    local of = tokens[i - 2]
    if of and of.text == "function" then return nil end -- a declaration
    return (chain.read(tokens, i - 1))
  end
end

--- The call whose arguments, or whose table of arguments, tokens[n] ends inside of.
-- @return the keys of what is called, and the index of the table's bracket when it is in one; or nil
function chain.call(tokens, n)
  local at = chain.opening(tokens, n)
  if not at then return nil end
  local keys = chain.callee(tokens, at)
  if keys then return keys, tokens[at].text == "{" and at or nil end
  local before = tokens[at - 1]
  if tokens[at].text == "{" and before and (before.text == "," or before.text == "(") then
    local outer = chain.opening(tokens, at - 1)
    if outer and tokens[outer].text == "(" then return chain.callee(tokens, outer), at end
  end
end

return chain
