--- Lua's tokens with their places, for whoever looks at code without running it: the rewriting of
-- top-level locals, completion, is-it-complete.
--
-- It never raises: what Lua would refuse comes out as single-character tokens, and a string, long
-- string or comment that has no end is reported beside the tokens. Places are bytes, 1-based, inclusive.
-- @module perilune.repl.lexer
local lexer = {}

local find, sub, byte = string.find, string.sub, string.byte
local NEWLINE, RETURN, DASH = 10, 13, 45

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return
  then true until while]]):gmatch("%a+") do
  keywords[word] = true
end
lexer.keywords = keywords

local operators = {
  ["..."] = true, [".."] = true, ["=="] = true, ["~="] = true, ["<="] = true, [">="] = true,
  ["//"] = true, ["::"] = true, ["<<"] = true, [">>"] = true,
}

local alone = {} -- operators that begin no longer one
for char in ("+-*%^#&|(){}],;"):gmatch(".") do alone[char] = true end

-- The last byte of the quoted string that begins at `from`, or nil when the line or the code ends first.
local function quoted_end(code, from)
  local quote, at = code:sub(from, from), from + 1
  while true do
    at = code:find("[\\\n\r" .. quote .. "]", at)
    if not at then return nil end
    local char = code:sub(at, at)
    if char == quote then return at end
    if char ~= "\\" then return nil end
    if code:sub(at + 1, at + 1) == "z" then
      at = code:match("^%s*()", at + 2)
    else
      at = at + (code:find("^\r\n", at + 1) and 3 or 2) -- an escaped line break may be two bytes
    end
  end
end

-- The last byte of the long bracket that begins at `from`; false when it has no end, nil when none begins.
local function long_end(code, from)
  local level = code:match("^%[(=*)%[", from)
  if not level then return nil end
  local _, last = code:find("]" .. level .. "]", from + #level + 2, true)
  return last or false
end

local function number_end(code, from)
  local digits, exponent = "[%x]", "[pP]"
  if not code:find("^0[xX]", from) then digits, exponent = "%d", "[eE]" end
  local at = code:find("^0[xX]", from) and from + 2 or from
  at = code:match("^" .. digits .. "*()", at)
  if code:find("^%.[^.]", at) or code:find("^%.$", at) then at = code:match("^%." .. digits .. "*()", at) end
  at = code:match("^" .. exponent .. "[+-]?%d*()", at) or at
  return at - 1
end

-- Skips white space and comments: the place of the next token and whether a line began on the way; or nil
-- and the place of an endless comment.
local function skip(code, at)
  local fresh = at == 1
  while true do
    at = find(code, "[^ \t]", at) or #code + 1
    local char = byte(code, at)
    if char == NEWLINE or char == RETURN or char == 11 or char == 12 then
      fresh, at = fresh or char <= RETURN and char ~= 11 and char ~= 12, at + 1
    elseif char == DASH and byte(code, at + 1) == DASH then
      local last = long_end(code, at + 2)
      if last == false then return nil, at end
      if last and find(code:sub(at, last), "\n", 1, true) then fresh = true end
      at = last and last + 1 or (find(code, "[\r\n]", at) or #code + 1)
    else
      return at, fresh
    end
  end
end

-- Kind and last byte of the token at `at`, which is no name; the last byte is nil when the token has no end.
local function scan(code, at)
  local char = sub(code, at, at)
  if find(char, "%d") or find(code, "^%.%d", at) then
    return "number", number_end(code, at)
  elseif char == '"' or char == "'" then
    return "string", quoted_end(code, at)
  elseif char == "[" then
    local last = long_end(code, at)
    if last ~= nil then return "string", last or nil end
  elseif alone[char] then
    return "operator", at
  end
  for length = 3, 2, -1 do
    local text = sub(code, at, at + length - 1)
    if #text == length and operators[text] then return "operator", at + length - 1 end
  end
  return "operator", at
end

--- Cuts code into tokens.
-- @param code  Lua source
-- @return a list of { kind, text, from, to, fresh }: kind is "name", "keyword", "number", "string" or
--   "operator"; `fresh` says that it is the first token of its line
-- @return nil, or { kind = "string" or "comment", from } for what has no end; the tokens stop before it
function lexer.tokens(code)
  local tokens, count, at, length = {}, 0, 1, #code
  if sub(code, 1, 2) == "#!" then at = find(code, "\n", 1, true) or length + 1 end
  while true do
    local from, fresh = skip(code, at)
    if not from then return tokens, { kind = "comment", from = fresh } end
    if from > length then return tokens end
    local kind
    local _, last = find(code, "^[%a_][%w_]*", from)
    if not last then
      kind, last = scan(code, from)
      if not last then return tokens, { kind = "string", from = from } end
    end
    local text = sub(code, from, last)
    count = count + 1
    tokens[count] = {
      kind = kind or keywords[text] and "keyword" or "name", text = text, from = from, to = last, fresh = fresh,
      block = 0, bracket = 0,
    }
    at = last + 1
  end
end

-- How much a keyword moves the depth of blocks. `for` and `while` are counted at their `do`.
local steps = { ["function"] = 1, ["do"] = 1, ["if"] = 1, ["repeat"] = 1, ["end"] = -1, ["until"] = -1 }
local brackets = { ["("] = 1, ["{"] = 1, ["["] = 1, [")"] = -1, ["}"] = -1, ["]"] = -1 }

--- Marks each token with the depth of blocks and of brackets that it stands in (`block`, `bracket`);
-- an opening or closing token has the depth of what is outside it.
function lexer.depths(tokens)
  local block, bracket = 0, 0
  for _, token in ipairs(tokens) do
    local step = token.kind == "keyword" and steps[token.text] or 0
    local turn = token.kind == "operator" and brackets[token.text] or 0
    if step < 0 then block = block - 1 end
    if turn < 0 then bracket = bracket - 1 end
    token.block, token.bracket = block, bracket
    if step > 0 then block = block + 1 end
    if turn > 0 then bracket = bracket + 1 end
  end
  return tokens
end

return lexer
