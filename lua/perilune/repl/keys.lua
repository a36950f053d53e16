--- What a terminal sends, as names of keys: "a", "ä", "enter", "up", "ctrl-left", "alt-b", "paste".
--
-- Bytes are asked for one at a time, so that what a person typed after Enter stays with the terminal for whoever
-- reads next; only the text of a paste is read in pieces.
-- @module perilune.repl.keys
local keys = {}

local ESCAPE_WAIT = 50 -- milliseconds in which the rest of a sequence comes, else Esc was pressed
local PASTE_END = "\27[201~"

local Keys = {}
Keys.__index = Keys

--- A reader of keys.
-- @param read  a function (milliseconds, most) -> bytes, or nil and why: "timeout", "interrupt", "redraw", "eof"
function keys.new(read)
  return setmetatable({ read = read, pending = "" }, Keys)
end

-- One byte, from what a paste brought along or from the terminal; or nil, and what came instead is held.
function Keys:byte(milliseconds)
  if self.pending ~= "" then
    local byte = self.pending:sub(1, 1)
    self.pending = self.pending:sub(2)
    return byte
  end
  local byte, why = self.read(milliseconds, 1)
  -- Ctrl-C in the middle of a sequence, or while asking whether more waits, is for the next question.
  if not byte and why ~= "timeout" then self.held = why end
  return byte
end

local finals = {
  A = "up", B = "down", C = "right", D = "left", H = "home", F = "end", Z = "shift-tab", P = "f1", M = "enter",
}
local numbered = {
  ["1"] = "home", ["2"] = "insert", ["3"] = "delete", ["4"] = "end", ["5"] = "page-up", ["6"] = "page-down",
  ["7"] = "home", ["8"] = "end", ["11"] = "f1", ["200"] = "paste",
}
local modifiers = { [2] = "shift-", [3] = "alt-", [4] = "alt-shift-", [5] = "ctrl-", [6] = "ctrl-shift-", [7] = "ctrl-alt-" }

--- The name of the key that sends ESC [ body final ("1;5", "D"), or ESC O final; nil for what means nothing here.
function keys.named(body, final)
  local first, second = body:match("^(%d*);?(%d*)$")
  local name = first and (final == "~" and numbered[first] or finals[final])
  return name and (modifiers[tonumber(second)] or "") .. name or nil
end

-- ESC [ parameters final, whose beginning has been read; "" for what means nothing here.
function Keys:sequence()
  local body = ""
  while true do
    local byte = self:byte(ESCAPE_WAIT)
    if not byte or #body > 32 then return "" end
    if byte:find("^[\64-\126]") then return keys.named(body, byte) or "" end
    body = body .. byte
  end
end

--- Keys that send one byte and have a name.
keys.plain = { ["\r"] = "enter", ["\t"] = "tab", ["\127"] = "backspace", ["\8"] = "backspace", ["\31"] = "ctrl-_" }
local plain = keys.plain

function Keys:after_escape()
  local byte = self:byte(ESCAPE_WAIT)
  if not byte then return "escape" end
  if byte == "[" then return self:sequence() end
  if byte == "O" then return finals[self:byte(ESCAPE_WAIT) or ""] or "" end
  if byte == "\27" then
    local inner = self:after_escape() -- Alt and a key that is a sequence itself
    return inner == "escape" and inner or "alt-" .. inner
  end
  return "alt-" .. (plain[byte] or byte)
end

-- The character whose first byte is given; U+FFFD for what is no UTF-8.
function Keys:character(byte)
  local first = byte:byte()
  local length = first < 0x80 and 1 or first >= 0xF0 and 4 or first >= 0xE0 and 3 or first >= 0xC2 and 2 or 0
  for _ = 2, length do
    local following = self:byte(ESCAPE_WAIT)
    if not following or not following:find("^[\128-\191]") then
      self.pending = (following or "") .. self.pending
      return "\u{FFFD}"
    end
    byte = byte .. following
  end
  return utf8.len(byte) and byte or "\u{FFFD}"
end

--- A line begins. What was typed before, while a piece ran, came through the terminal's own line editing, which makes a
-- line feed of Enter: until nothing waits any more, a line feed is Enter.
function Keys:begin_line() self.ahead = true end

--- The next key.
-- @return its name: a character, or a word; "" for a sequence that means nothing here
-- @return or nil, and "interrupt", "redraw" or "eof"
function Keys:next()
  local byte = not self.held and self.ahead and self:byte(0)
  if byte == "\n" then return "enter" end
  if not byte then
    self.ahead = false
    byte = not self.held and self:byte(-1)
  end
  if not byte then
    local why = self.held
    self.held = nil
    return nil, why
  end
  if byte == "\27" then return self:after_escape() end
  if plain[byte] then return plain[byte] end
  if byte:byte() < 32 then return "ctrl-" .. string.char(byte:byte() + 96) end
  return self:character(byte)
end

--- Has more been typed already?
function Keys:waiting()
  if self.pending == "" and not self.held then self.pending = self:byte(0) or "" end
  return self.pending ~= "" or self.held ~= nil
end

--- What is put in for pasted bytes: line breaks as \n, no control characters, valid UTF-8.
function keys.as_text(pasted)
  local text = pasted:gsub("\r\n?", "\n"):gsub("[%z\1-\8\11-\31\127]", "")
  if utf8.len(text) then return text end
  local parts, at = {}, 1
  while at <= #text do
    local _, bad = utf8.len(text, at)
    parts[#parts + 1] = text:sub(at, (bad or #text + 1) - 1)
    if bad then parts[#parts + 1] = "\u{FFFD}" end
    at = (bad or #text) + 1
  end
  return table.concat(parts)
end

--- The text of a paste whose beginning ("paste") was the last key: line breaks as \n, no control characters.
-- @return the text, or nil and why it broke off
function Keys:pasted()
  local parts, tail = { self.pending }, self.pending
  self.pending = ""
  while true do
    local at = tail:find(PASTE_END, 1, true)
    if at then
      local all = table.concat(parts)
      local stop = #all - #tail + at
      self.pending = all:sub(stop + #PASTE_END)
      return keys.as_text(all:sub(1, stop - 1))
    end
    local bytes, why = self.read(-1, 4096)
    if bytes then
      parts[#parts + 1] = bytes
      tail = tail:sub(-#PASTE_END) .. bytes
    elseif why ~= "redraw" then
      return nil, why
    end
  end
end

return keys
