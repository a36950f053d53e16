--- How far lines of Lua are indented: two spaces past the line that holds the innermost open block or bracket.
-- @module perilune.repl.indent
local lexer = require "perilune.repl.lexer"

local indent = {}

local STEP = 2

-- What a line begins with that closes something, or stands between its parts.
local closers = { ["end"] = true, ["until"] = true, ["else"] = true, ["elseif"] = true,
  [")"] = true, ["}"] = true, ["]"] = true }
local opens = { ["function"] = true, ["do"] = true, ["if"] = true, ["repeat"] = true,
  ["("] = true, ["{"] = true, ["["] = true }
local shuts = { ["end"] = true, ["until"] = true, [")"] = true, ["}"] = true, ["]"] = true }

local function leading(code, place)
  local from = code:sub(1, place):match("^.*\n()") or 1
  return #code:match("^[ \t]*", from)
end

-- The tokens that are open at the end of the code, outermost first, and the last token.
local function open_at_end(code)
  local tokens, unfinished = lexer.tokens(code)
  local stack = {}
  for _, token in ipairs(tokens) do
    local counts = token.kind == "keyword" or token.kind == "operator"
    if counts and shuts[token.text] then
      stack[#stack] = nil
    elseif counts and opens[token.text] then
      stack[#stack + 1] = token
    end
  end
  return stack, tokens[#tokens], unfinished
end

-- Operators after which the next line carries on.
local function carries_on(token)
  if not token or token.kind == "string" or token.kind == "name" or token.kind == "number" then return false end
  if token.kind == "keyword" then return token.text == "and" or token.text == "or" or token.text == "not" end
  return not shuts[token.text] and token.text ~= ";" and token.text ~= "::" and token.text ~= "..." and token.text ~= ","
end

--- How many spaces a line that follows begins with.
-- @param before  the code before it, without its line break
-- @param line    what the line begins with, as far as that is known
-- @return the number, or nil when the line stands inside a string or comment
function indent.of(before, line)
  local stack, last, unfinished = open_at_end(before)
  if unfinished then return nil end
  local word = line and (line:match("^%s*(%a+)") or line:match("^%s*([%]%)}])"))
  local top = stack[#stack]
  if not top then return carries_on(last) and leading(before, #before) + STEP or 0 end
  if word and closers[word] then return leading(before, top.from) end
  if carries_on(last) and not opens[last.text] then return leading(before, #before) + STEP end
  return leading(before, top.from) + STEP
end

--- Does what was typed at the end of a line's beginning make it close something? Then the line moves.
function indent.closes(line)
  return closers[line:match("^%s*(%a+)$") or line:match("^%s*([%]%)}])$") or ""] or false
end

return indent
