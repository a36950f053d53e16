--- The text being edited, with a cursor and undo. Text is UTF-8; the cursor is the number of bytes before it and never
-- stands inside a character.
-- @module perilune.repl.buffer
local buffer = {}

local Buffer = {}
Buffer.__index = Buffer

local UNDO_MOST = 200

--- A new one.
-- @param text  what it begins with; the cursor is at its end
function buffer.new(text)
  text = text or ""
  return setmetatable({ text = text, cursor = #text, undos = {}, killed = "" }, Buffer)
end

-- Remembers the state before a change. Changes of one kind right after each other are undone together.
function Buffer:mark(kind)
  if kind and kind == self.last_change then return end
  self.last_change = kind
  self.undos[#self.undos + 1] = { self.text, self.cursor }
  if #self.undos > UNDO_MOST then table.remove(self.undos, 1) end
end

--- Ends a run of changes that undo takes back together.
function Buffer:settle() self.last_change = nil end

function Buffer:undo()
  local state = table.remove(self.undos)
  if not state then return false end
  self.text, self.cursor, self.last_change = state[1], state[2], nil
  return true
end

--- Replaces everything.
function Buffer:set(text, cursor)
  self:mark()
  self.text, self.cursor = text, cursor or #text
end

--- Replaces the bytes from `from` + 1 to `to`; the cursor goes behind the new text.
function Buffer:replace(from, to, text, kind)
  self:mark(kind)
  self.text = self.text:sub(1, from) .. text .. self.text:sub(to + 1)
  self.cursor = from + #text
end

--- Puts text in at the cursor.
function Buffer:insert(text)
  local kind = #text <= 4 and not text:find("%s") and "typing" or nil
  self:replace(self.cursor, self.cursor, text, kind)
end

--- Deletes between the cursor and a place; with `kill` the text can be yanked.
function Buffer:delete_to(place, kill)
  local from, to = math.min(place, self.cursor), math.max(place, self.cursor)
  if from == to then return false end
  if kill then self.killed = self.text:sub(from + 1, to) end
  self:replace(from, to, "", not kill and "deleting" or nil)
  return true
end

-- --- places ---

function Buffer:next_character()
  return (utf8.offset(self.text, 2, self.cursor + 1) or #self.text + 1) - 1
end

function Buffer:previous_character()
  return self.cursor > 0 and utf8.offset(self.text, -1, self.cursor + 1) - 1 or 0
end

local WORD, OTHER = "[%w_\128-\255]", "[^%w_\128-\255]"

function Buffer:next_word()
  return self.text:match("^" .. OTHER .. "*" .. WORD .. "*()", self.cursor + 1) - 1
end

function Buffer:previous_word()
  local before = self.text:sub(1, self.cursor):reverse()
  return self.cursor - (before:match("^" .. OTHER .. "*" .. WORD .. "*()") - 1)
end

--- The beginning and end of the line that a place (the cursor) stands in.
function Buffer:line(place)
  place = place or self.cursor
  local from = self.text:sub(1, place):match(".*\n()") or 1
  return from - 1, (self.text:find("\n", place + 1, true) or #self.text + 1) - 1
end

function Buffer:in_first_line() return self:line() == 0 end

function Buffer:in_last_line()
  local _, to = self:line()
  return to == #self.text
end

-- The place at most `column` characters into the line from..to.
local function place_at(text, from, to, column)
  local offset = utf8.offset(text, column + 1, from + 1)
  return math.min(offset and offset - 1 or to, to)
end

--- Moves by a line up (-1) or down (1), keeping the column where the line is long enough.
-- @return false when there is no such line
function Buffer:move_line(step)
  local from, to = self:line()
  local column = utf8.len(self.text, from + 1, self.cursor, true) or self.cursor - from
  local there
  if step < 0 then there = from > 0 and from - 1 else there = to < #self.text and to + 1 end
  if not there then return false end
  local other_from, other_to = self:line(there)
  self.cursor = place_at(self.text, other_from, other_to, column)
  return true
end

--- Swaps the two characters around the cursor.
function Buffer:transpose()
  local from, to = self:line()
  if self.cursor == to and self.cursor > from then self.cursor = self:previous_character() end
  if self.cursor <= from or to <= from + 1 then return false end
  local left, right = self:previous_character(), self:next_character()
  local first, second = self.text:sub(left + 1, self.cursor), self.text:sub(self.cursor + 1, right)
  if second == "\n" or second == "" then return false end
  self:replace(left, right, second .. first)
  return true
end

return buffer
