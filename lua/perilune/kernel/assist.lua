--- Help while typing: completion, inspection, is-it-complete, and the pages of `name?`.
--
-- Places in messages count Unicode characters from 0; Lua's count bytes from 1. What is no UTF-8 is counted in bytes.
-- @module perilune.kernel.assist
local json = require "perilune.json"
local complete = require "perilune.repl.complete"
local indent = require "perilune.repl.indent"
local inspect = require "perilune.repl.inspect"
local look = require "perilune.repl.look"
local markdown = require "perilune.kernel.markdown"

local assist = {}

-- How many bytes the first `place` characters have; all of them without a place.
local function bytes_before(code, place)
  place = math.tointeger(place)
  if not place or place < 0 then return #code end
  if not utf8.len(code) then return math.min(place, #code) end
  local at = utf8.offset(code, place + 1)
  return at and at - 1 or #code
end

local function characters(text)
  return utf8.len(text) or #text
end

local function files()
  local ok, edit = pcall(require, "perilune.edit")
  return ok and edit.files or nil
end

-- What front ends show beside each match.
local function types_of(items, from, to)
  local types = json.array {}
  for i, item in ipairs(items) do
    types[i] = { start = from, ["end"] = to, text = item.text, type = item.type, signature = item.signature }
  end
  return types
end

--- The content of a complete_reply.
function assist.complete(session, content)
  local code = content.code
  local before = code:sub(1, bytes_before(code, content.cursor_pos))
  local matches, from, _, items = complete.at(before, session, files())
  local first, last = characters(before:sub(1, from - 1)), characters(before)
  return {
    status = "ok", matches = json.array(matches), cursor_start = first, cursor_end = last,
    metadata = { _jupyter_types_experimental = types_of(items or {}, first, last) },
  }
end

local function forms_of(text)
  return { ["text/plain"] = text, ["text/markdown"] = markdown.of(text) }
end

--- The content of an inspect_reply.
function assist.inspect(session, content)
  local code = content.code
  local detail = content.detail_level == 1 and 1 or 0
  local text = inspect.at(session, code, bytes_before(code, content.cursor_pos), detail)
  return { status = "ok", found = text ~= nil, data = text and forms_of(text) or {}, metadata = {} }
end

--- The page that a cell such as `print?` asks for, as a payload; nil for any other cell.
function assist.page(session, code)
  local text = look.answer(session, code)
  return text and { source = "page", start = 0, data = forms_of(text) }
end

-- The white space with which the line after incomplete code begins.
local function indent_of(code)
  return (" "):rep(indent.of(code:match("^.*%S") or "") or 0)
end

local STATUS = { complete = "complete", incomplete = "incomplete", wrong = "invalid" }

--- The content of an is_complete_reply.
function assist.is_complete(session, content)
  local status = look.question(content.code) and "complete" or STATUS[session:is_complete(content.code)]
  return { status = status, indent = status == "incomplete" and indent_of(content.code) or nil }
end

return assist
