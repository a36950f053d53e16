--- The colours of Lua code on a terminal: keywords, strings, numbers and comments.
-- @module perilune.repl.paint
local lexer = require "perilune.repl.lexer"

local paint = {}

local MOST = 16384 -- bytes; longer code is shown without colours, so that every key is answered at once

local codes = {
  keyword = "\27[35m", boolean = "\27[36m", number = "\27[36m", string = "\27[32m", comment = "\27[2m",
}
paint.reset = "\27[0m"

local constants = { ["nil"] = true, ["true"] = true, ["false"] = true }

local function role_of(token)
  if token.kind == "keyword" then return constants[token.text] and "boolean" or "keyword" end
  return codes[token.kind] and token.kind or nil
end

--- Where colours begin and end.
-- @param code  Lua source
-- @return a table of place (in bytes) -> the escape sequence that holds from there on, or false for none
function paint.changes(code)
  local changes = {}
  if #code > MOST then return changes end
  local tokens, open = lexer.tokens(code)
  local at = 1
  local function gap(to) -- between tokens there are blanks and comments
    local from = code:sub(at, to):find("--", 1, true)
    if from then changes[at + from - 1] = codes.comment end
  end
  for _, token in ipairs(tokens) do
    gap(token.from - 1)
    local role = role_of(token)
    changes[token.from] = role and codes[role] or false
    if role then changes[token.to + 1] = false end
    at = token.to + 1
  end
  gap(open and open.from - 1 or #code)
  if open then changes[open.from] = codes[open.kind] end
  return changes
end

--- Code with its colours.
function paint.code(code)
  local places, changes = {}, paint.changes(code)
  for place in pairs(changes) do places[#places + 1] = place end
  table.sort(places)
  local parts, at, on = {}, 1, false
  for _, place in ipairs(places) do
    parts[#parts + 1] = code:sub(at, place - 1)
    if on then parts[#parts + 1] = paint.reset end
    on = changes[place]
    parts[#parts + 1] = on or ""
    at = place
  end
  parts[#parts + 1] = code:sub(at) .. (on and paint.reset or "")
  return table.concat(parts)
end

return paint
