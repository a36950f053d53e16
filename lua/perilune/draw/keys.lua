--- What a terminal sends, as events: keys, pasted text, and the mouse as SGR reports (mode 1006) tell it.
--
-- Events are tables: { kind = "key", key = "c" } with a character, or a name as perilune.repl.keys has them ("escape",
-- "enter", "up", "ctrl-c", "alt-b", "page-up"); { kind = "paste", text = }; { kind = "mouse", action = "press" | "drag" |
-- "release" | "wheel", button = "left" | "middle" | "right" | "none", column =, row = } with columns and rows from 1, and
-- for the wheel step = -1 (up) or 1. Sequences that mean nothing here are swallowed whole.
-- @module perilune.draw.keys
local names = require "perilune.repl.keys"

local keys = {}

local Decoder = {}
Decoder.__index = Decoder

--- A decoder, which keeps the beginning of a sequence until its rest comes.
function keys.decoder() return setmetatable({ pending = "", silence = 0 }, Decoder) end

local buttons = { [0] = "left", [1] = "middle", [2] = "right", [3] = "none" }

local WHEEL, RARE, MOVED = 64, 128, 32 -- bits of a report's code

local function mouse_event(code, column, row, final)
  code, column, row = math.tointeger(tonumber(code)), math.tointeger(tonumber(column)), math.tointeger(tonumber(row))
  if not code or not column or not row then return nil end
  local event = { kind = "mouse", column = column, row = row, button = buttons[code & 3] }
  if code & WHEEL ~= 0 then
    if code & 2 ~= 0 then return nil end -- sideways
    event.action, event.step = "wheel", code & 1 == 0 and -1 or 1
  elseif code & RARE ~= 0 then
    return nil
  elseif final == "m" then
    event.action = "release"
  else
    event.action = code & MOVED ~= 0 and "drag" or "press"
  end
  return event
end

local function key(name) return { kind = "key", key = name } end

local function key_event(character)
  local name = names.plain[character]
  if not name and #character == 1 and character:byte() < 32 then
    name = "ctrl-" .. string.char(character:byte() + 96)
  end
  return key(name or character)
end

local SEQUENCE_MOST = 64 -- what is longer is no sequence that a terminal sends
local PASTE_BEGIN, PASTE_END = "\27[200~", "\27[201~"
local SILENCE_MOST = 20  -- waits after which a paste that has no end is over

-- Each of these takes the text and a place in it, and gives an event (or nil) and the place behind; the same place when
-- the rest is yet to come.

local function character_at(text, at)
  local first = text:byte(at)
  local wanted = first >= 0xF0 and 4 or first >= 0xE0 and 3 or first >= 0xC0 and 2 or 1
  if at + wanted - 1 > #text then return nil, at end
  local character = text:sub(at, at + wanted - 1)
  if not utf8.len(character) then return nil, at + 1 end
  return key_event(character), at + wanted
end

local function paste_at(text, at)
  local from, to = text:find(PASTE_END, at, true)
  if not from then return nil, at end
  return { kind = "paste", text = names.as_text(text:sub(at + #PASTE_BEGIN, from - 1)) }, to + 1
end

local function sequence_at(text, at)
  local body, final, stop = text:match("^\27%[([\32-\63]*)([\64-\126])()", at)
  if not body then
    local length = #text:match("^\27%[[\32-\63]*", at)
    if at + length > #text and length < SEQUENCE_MOST then return nil, at end
    return nil, at + length
  end
  local code, column, row = body:match "^<(%d+);(%d+);(%d+)$"
  if code and (final == "M" or final == "m") then return mouse_event(code, column, row, final), stop end
  if body == "200" and final == "~" then return paste_at(text, at) end
  local name = names.named(body, final)
  return name and key(name), stop
end

local function event_at(text, at)
  if text:byte(at) ~= 27 then return character_at(text, at) end
  local second = text:sub(at + 1, at + 1)
  if second == "" then return nil, at end
  if second == "[" then return sequence_at(text, at) end
  if second == "\27" then return key "escape", at + 1 end
  if second == "O" then
    if at + 2 > #text then return nil, at end
    local name = names.named("", text:sub(at + 2, at + 2))
    return name and key(name), at + 3
  end
  local event, stop = character_at(text, at + 1)
  if stop == at + 1 then return nil, at end
  return event and key("alt-" .. event.key), stop
end

-- Nothing has come for a while: a lone Esc is the key of that name, a paste goes on for a second, all else is dropped.
function Decoder:settle()
  local text = self.pending
  if text:sub(1, #PASTE_BEGIN) == PASTE_BEGIN then
    self.silence = self.silence + 1
    if self.silence < SILENCE_MOST then return {} end
    text = names.as_text(text:sub(#PASTE_BEGIN + 1))
    self.pending = ""
    return { { kind = "paste", text = text } }
  end
  self.pending = ""
  return { text == "\27" and key "escape" or nil }
end

--- Takes bytes; returns the list of events that are complete.
-- @param bytes what came; "" when nothing came for a while
function Decoder:feed(bytes)
  if bytes == "" then return self:settle() end
  self.silence = 0
  local events, at = {}, 1
  local text = self.pending .. bytes
  while at <= #text do
    local event, stop = event_at(text, at)
    if stop == at then break end
    events[#events + 1] = event
    at = stop
  end
  self.pending = text:sub(at)
  return events
end

--- Is a sequence begun whose rest has not come?
function Decoder:waiting() return self.pending ~= "" end

return keys
