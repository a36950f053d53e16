--- Lets a top-level `local` live on in later pieces of a session: `local x = 1` becomes `x = 1`, a variable
-- of the session's environment, before the code is compiled.
--
-- Only statements at block depth 0 are touched, and places of all other text stay as they are: the word
-- `local` and `<const>` turn into blanks, ` = nil` is put after a list without values. A <const> becomes a
-- variable that is assigned once (the environment sees to it). What cannot be said that way stays a local
-- of its own chunk: a <close>, whose end is the chunk's; a <const> in a chunk that declares the name twice or
-- that may jump back (goto); and later `local`s of such names. Closures share the session's variable, so
-- none goes stale.
-- @module perilune.repl.locals
local lexer = require "perilune.repl.lexer"

local locals = {}

-- Reads `local a <attribute>, b ...` whose keyword is tokens[i]: the names' tokens, their attributes by place
-- (the tokens of the word, or false), and the index of the first token after the list.
local function read_list(tokens, i)
  local names, attributes = {}, {}
  repeat
    local name = tokens[i + 1]
    if not name or name.kind ~= "name" then return nil end
    names[#names + 1] = name
    i = i + 2
    attributes[#names] = false
    if tokens[i] and tokens[i].text == "<" then
      local word, close = tokens[i + 1], tokens[i + 2]
      if not word or not close then return nil end
      attributes[#names] = { text = word.text, from = tokens[i].from, to = close.to }
      i = i + 3
    end
  until not tokens[i] or tokens[i].text ~= ","
  return names, attributes, i
end

-- The statements at block depth 0: a list of { word, names, attributes, after } (a function's: { word, name }),
-- how often each name is declared, and whether the chunk may jump.
local function statements(tokens)
  local list, times, jumps = {}, {}, false
  for i, token in ipairs(tokens) do
    if token.text == "goto" then jumps = true end
    if token.kind == "keyword" and token.block == 0 then
      local following = token.text == "local" and tokens[i + 1]
      if following and following.text == "function" then
        local name = tokens[i + 2]
        if name and name.kind == "name" then list[#list + 1] = { word = token, name = name, names = { name } } end
      elseif following then
        local names, attributes, after = read_list(tokens, i)
        -- A list that cannot be read is no Lua: the compiler will say so.
        if names then list[#list + 1] = { word = token, names = names, attributes = attributes, after = tokens[after] } end
      end
      if following and list[#list] and list[#list].word == token then
        for _, name in ipairs(list[#list].names) do times[name.text] = (times[name.text] or 0) + 1 end
      end
    end
  end
  return list, times, jumps
end

-- Must the statement stay as it is?
local function is_kept(statement, times, jumps, kept)
  local stays = false
  for i, name in ipairs(statement.names) do
    local attribute = statement.attributes and statement.attributes[i]
    if kept[name.text] then stays = true end
    if attribute and (attribute.text ~= "const" or jumps or times[name.text] > 1) then stays = true end
  end
  return stays
end

-- Adds what turns one statement into assignments.
local function rewrite(statement, plan)
  local edits = plan.edits
  edits[#edits + 1] = { statement.word.from, statement.word.to, "     " }
  for i, name in ipairs(statement.names) do
    plan.declared[#plan.declared + 1] = name.text
    local attribute = statement.attributes and statement.attributes[i]
    if attribute then
      plan.constants[name.text] = true
      edits[#edits + 1] = { attribute.from, attribute.to, (" "):rep(attribute.to - attribute.from + 1) }
    end
  end
  if statement.attributes and (not statement.after or statement.after.text ~= "=") then
    local last = statement.names[#statement.names].to
    edits[#edits + 1] = { last + 1, last, " = nil" }
  end
end

-- By place; what is only put in before what replaces.
local function earlier(a, b)
  if a[1] ~= b[1] then return a[1] < b[1] end
  return a[2] < b[2]
end

--- How the top-level locals of a chunk are to be rewritten.
-- @param tokens  its tokens with depths
-- @return { edits, declared, constants }: pieces of text to replace (from, to, text), the names that become
--   variables of the session in order, and the set of those that are <const>
function locals.plan(tokens)
  local plan, kept = { edits = {}, declared = {}, constants = {} }, {}
  local list, times, jumps = statements(tokens)
  for _, statement in ipairs(list) do
    if is_kept(statement, times, jumps, kept) then
      for _, name in ipairs(statement.names) do kept[name.text] = true end
    else
      rewrite(statement, plan)
    end
  end
  table.sort(plan.edits, earlier)
  return plan
end

--- The text to compile.
-- @param code   Lua source
-- @param edits  from locals.plan, in order
-- @param split  nil, or the place before which a word is put
-- @param word   "return " unless told
function locals.apply(code, edits, split, word)
  if split then
    edits = table.move(edits, 1, #edits, 1, {})
    edits[#edits + 1] = { split, split - 1, word or "return " }
    table.sort(edits, earlier)
  end
  local parts, at = {}, 1
  for _, edit in ipairs(edits) do
    parts[#parts + 1] = code:sub(at, edit[1] - 1)
    parts[#parts + 1] = edit[3]
    at = edit[2] + 1
  end
  parts[#parts + 1] = code:sub(at)
  return table.concat(parts)
end

--- Rewrites the top-level locals of a chunk.
-- @param code  Lua source
-- @return the source to compile
-- @return the names that became variables of the session, in order
-- @return the set of those that are <const>
function locals.rewrite(code)
  local plan = locals.plan(lexer.depths(lexer.tokens(code)))
  return locals.apply(code, plan.edits), plan.declared, plan.constants
end

return locals
