--- Lets a top-level `local` live on in later lines of a session: `local x = 1` becomes `x = 1`, a variable
-- of the session's environment, before the code is compiled.
--
-- Only statements at block depth 0 are touched, places of all other text stay as they are (the word
-- `local` turns into blanks, ` = nil` is put after a list without values), and a statement with an
-- attribute (<const>, <close>) stays a local of its own chunk, as do later `local`s of the same name there.
-- Closures share the session's variable, so none goes stale.
-- @module perilune.repl.locals
local lexer = require "perilune.repl.lexer"

local locals = {}

-- Reads `local a <attribute>, b ...` whose keyword is tokens[i]: the names' tokens, whether one has an
-- attribute, and the index of the first token after the list.
local function read_list(tokens, i)
  local names, attribute = {}, false
  repeat
    local name = tokens[i + 1]
    if not name or name.kind ~= "name" then return nil end
    names[#names + 1] = name
    i = i + 2
    if tokens[i] and tokens[i].text == "<" then
      attribute, i = true, i + 3
    end
  until not tokens[i] or tokens[i].text ~= ","
  return names, attribute, i
end

local function any_kept(names, kept)
  for _, name in ipairs(names) do
    if kept[name.text] then return true end
  end
  return false
end

-- Works on one `local` statement at tokens[i]: adds edits { from, to, text } and the names declared.
local function rewrite_statement(tokens, i, edits, declared, kept)
  local word, following = tokens[i], tokens[i + 1]
  if following and following.text == "function" then
    local name = tokens[i + 2]
    if name and name.kind == "name" and not kept[name.text] then
      edits[#edits + 1] = { word.from, word.to, "     " }
      declared[#declared + 1] = name.text
    end
    return
  end
  local names, attribute, after = read_list(tokens, i)
  if not names then return end -- not Lua: the compiler will say so
  if attribute or any_kept(names, kept) then
    for _, name in ipairs(names) do kept[name.text] = true end
    return
  end
  edits[#edits + 1] = { word.from, word.to, "     " }
  if not tokens[after] or tokens[after].text ~= "=" then
    local last = names[#names].to
    edits[#edits + 1] = { last + 1, last, " = nil" }
  end
  for _, name in ipairs(names) do declared[#declared + 1] = name.text end
end

--- Rewrites the top-level locals of a chunk.
-- @param code    Lua source
-- @param tokens  its tokens with depths, when the caller has them already
-- @return the source to compile
-- @return the names that became variables of the session, in order
function locals.rewrite(code, tokens)
  tokens = tokens or lexer.depths(lexer.tokens(code))
  local edits, declared, kept = {}, {}, {}
  for i, token in ipairs(tokens) do
    if token.text == "local" and token.kind == "keyword" and token.block == 0 then
      rewrite_statement(tokens, i, edits, declared, kept)
    end
  end
  local parts, at = {}, 1
  for _, edit in ipairs(edits) do
    parts[#parts + 1] = code:sub(at, edit[1] - 1)
    parts[#parts + 1] = edit[3]
    at = edit[2] + 1
  end
  parts[#parts + 1] = code:sub(at)
  return table.concat(parts), declared
end

return locals
