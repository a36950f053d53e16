--- What a terminal sends, as events: keys, and the mouse as SGR reports (mode 1006) tell it.
--
-- Events are tables: { kind = "key", key = "c" } with key a character, or "escape", "enter", "backspace", "ctrl-c", ...;
-- { kind = "mouse", action = "press" | "drag" | "release" | "wheel", button = "left" | "middle" | "right" | "none",
-- column =, row = } with columns and rows from 1. Sequences that mean nothing here are swallowed whole.
-- @module perilune.draw.keys
local keys = {}

local Decoder = {}
Decoder.__index = Decoder

--- A decoder, which keeps the beginning of a sequence until its rest comes.
function keys.decoder() return setmetatable({ pending = "" }, Decoder) end

local buttons = { [0] = "left", [1] = "middle", [2] = "right", [3] = "none" }

local function mouse_event(code, column, row, final)
  code, column, row = math.tointeger(tonumber(code)), math.tointeger(tonumber(column)), math.tointeger(tonumber(row))
  if not code or not column or not row then return nil end
  local event = { kind = "mouse", column = column, row = row, button = buttons[code & 3] }
  if code & 64 ~= 0 then
    event.action = "wheel"
  elseif code & 128 ~= 0 then
    return nil
  elseif final == "m" then
    event.action = "release"
  else
    event.action = code & 32 ~= 0 and "drag" or "press"
  end
  return event
end

local names = { ["\r"] = "enter", ["\n"] = "enter", ["\t"] = "tab", ["\127"] = "backspace", ["\8"] = "backspace" }

local function key_event(character)
  local name = names[character]
  if not name and #character == 1 and character:byte() < 32 then
    name = "ctrl-" .. string.char(character:byte() + 96)
  end
  return { kind = "key", key = name or character }
end

local SEQUENCE_MOST = 64 -- what is longer is no sequence that a terminal sends

-- One event or sequence at the beginning of `text`: the event (or nil) and how many bytes it took; 0 bytes when
-- the rest is yet to come.
local function decode(text)
  if text:byte() ~= 27 then
    local length = utf8.len(text, 1, 1, true) and utf8.offset(text, 2) or nil
    local first = text:byte()
    local wanted = first >= 0xF0 and 4 or first >= 0xE0 and 3 or first >= 0xC0 and 2 or 1
    if wanted > #text then return nil, 0 end
    if not length or length ~= wanted + 1 then return nil, 1 end
    return key_event(text:sub(1, wanted)), wanted
  end
  local second = text:sub(2, 2)
  if second == "" then return nil, 0 end
  if second == "[" then
    local body, final, stop = text:match("^\27%[([\32-\63]*)([\64-\126])()")
    if body then
      local code, column, row = body:match "^<(%d+);(%d+);(%d+)$"
      if code and (final == "M" or final == "m") then return mouse_event(code, column, row, final), stop - 1 end
      return nil, stop - 1
    end
    local length = #text:match("^\27%[[\32-\63]*")
    if length == #text and length < SEQUENCE_MOST then return nil, 0 end
    return nil, length
  elseif second == "O" then
    return nil, #text >= 3 and 3 or 0
  elseif second == "\27" then
    return { kind = "key", key = "escape" }, 1
  end
  return nil, 2 -- Alt and a key
end

--- Takes bytes; returns the list of events that are complete.
-- @param bytes what came; "" when nothing came for a while, which makes a lone Esc the key of that name
function Decoder:feed(bytes)
  local events = {}
  local text = self.pending .. bytes
  if bytes == "" and text ~= "" then
    self.pending = ""
    return { text == "\27" and { kind = "key", key = "escape" } or nil }
  end
  while text ~= "" do
    local event, taken = decode(text)
    if taken == 0 then break end
    events[#events + 1] = event
    text = text:sub(taken + 1)
  end
  self.pending = text
  return events
end

--- Is a sequence begun whose rest has not come?
function Decoder:waiting() return self.pending ~= "" end

return keys
