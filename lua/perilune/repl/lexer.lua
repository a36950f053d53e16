--- Lua's tokens with their places, for whoever looks at code without running it: the rewriting of
-- top-level locals, completion, is-it-complete.
--
-- It never raises: what Lua would refuse comes out as single-character tokens, and a string, long
-- string or comment that has no end is reported beside the tokens. Places are bytes, 1-based, inclusive.
-- @module perilune.repl.lexer
local lexer = {}

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

-- Skips white space and comments: the place of the next token, or nil and the place of an endless comment.
local function skip(code, at)
  while true do
    at = code:match("^%s*()", at)
    if code:sub(at, at + 1) ~= "--" then return at end
    local last = long_end(code, at + 2)
    if last == false then return nil, at end
    at = last and last + 1 or (code:find("\n", at, true) or #code + 1)
  end
end

-- Kind and last byte of the token at `at`; the last byte is nil when the token has no end.
local function scan(code, at)
  local char = code:sub(at, at)
  if char:find("[%a_]") then
    local last = code:match("^[%w_]*()", at) - 1
    return keywords[code:sub(at, last)] and "keyword" or "name", last
  elseif char:find("%d") or code:find("^%.%d", at) then
    return "number", number_end(code, at)
  elseif char == '"' or char == "'" then
    return "string", quoted_end(code, at)
  elseif char == "[" then
    local last = long_end(code, at)
    if last ~= nil then return "string", last or nil end
  end
  for length = 3, 2, -1 do
    local text = code:sub(at, at + length - 1)
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
  local tokens, at, before = {}, 1, 0
  if code:sub(1, 1) == "#" then at = code:find("\n", 1, true) or #code + 1 end
  while true do
    local next_at, comment = skip(code, at)
    if not next_at then return tokens, { kind = "comment", from = comment } end
    if next_at > #code then return tokens end
    local kind, last = scan(code, next_at)
    if not last then return tokens, { kind = "string", from = next_at } end
    tokens[#tokens + 1] = {
      kind = kind, text = code:sub(next_at, last), from = next_at, to = last,
      fresh = before == 0 or code:sub(before, next_at):find("\n", 1, true) ~= nil,
    }
    before, at = last + 1, last + 1
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
