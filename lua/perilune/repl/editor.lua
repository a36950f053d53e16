--- The prompt's editor: keys to changes of a piece of code that may have several lines.
--
-- Enter runs the piece when it is complete (or wrong, so that the error shows) and the cursor is in its last line,
-- else it breaks the line and indents. Up and down move inside the piece and past its ends through the history,
-- among the entries that begin with what was typed. A paste goes in as it is.
-- @module perilune.repl.editor
local buffer = require "perilune.repl.buffer"
local indent = require "perilune.repl.indent"

local editor = {}

local Editor = {}
Editor.__index = Editor

--- A new one.
-- @param options  { keys (perilune.repl.keys), screen (perilune.repl.screen), state = function(code) -> "complete",
--   "incomplete" or "wrong", complete = function(before, after) -> insert, listing, help = function(code, place) -> text,
--   suspend = function() }
function editor.new(options)
  return setmetatable({
    keys = options.keys, screen = options.screen, state = options.state, complete = options.complete,
    help = options.help, suspend = options.suspend, history = {}, killed = "",
  }, Editor)
end

--- Adds an entry to the history; one that is there already moves to its end.
function Editor:remember(entry)
  if self.history[#self.history] ~= entry then self.history[#self.history + 1] = entry end
end

-- --- small moves and changes ---

local actions = {} -- by key: function (self), which may return "accept", "eof" or "beep"

local function move(place)
  return function(self)
    local b = self.buffer
    local there = type(place) == "string" and b[place](b) or place(b)
    if there == b.cursor then return "beep" end
    b.cursor = there
    b:settle()
  end
end

local function delete(place, kill)
  return function(self)
    local b = self.buffer
    local there = type(place) == "string" and b[place](b) or place(b)
    if not b:delete_to(there, kill) then return "beep" end
    if kill then self.killed = b.killed end
  end
end

local function line_start(b)
  local from = b:line()
  return b.cursor > from and from or 0
end

local function line_end(b)
  local _, to = b:line()
  return b.cursor < to and to or #b.text
end

local function kill_end(b)
  local _, to = b:line()
  return b.cursor < to and to or math.min(to + 1, #b.text)
end

local function kill_start(b)
  local from = b:line()
  return b.cursor > from and from or math.max(from - 1, 0)
end

local function bind(names, action)
  for name in names:gmatch("%S+") do actions[name] = action end
end

bind("left ctrl-b", move "previous_character")
bind("right ctrl-f", move "next_character")
bind("ctrl-left alt-left alt-b", move "previous_word")
bind("ctrl-right alt-right alt-f", move "next_word")
bind("home ctrl-a", move(line_start))
bind("end ctrl-e", move(line_end))
bind("ctrl-home alt-<", move(function() return 0 end))
bind("ctrl-end alt->", move(function(b) return #b.text end))
bind("delete", delete "next_character")
bind("ctrl-w alt-backspace", delete("previous_word", true))
bind("alt-d ctrl-delete", delete("next_word", true))
bind("ctrl-k", delete(kill_end, true))
bind("ctrl-u", delete(kill_start, true))
bind("ctrl-y", function(self)
  self.buffer:settle()
  self.buffer:insert(self.killed)
  self.buffer:settle()
end)
bind("ctrl-t", function(self) if not self.buffer:transpose() then return "beep" end end)
bind("ctrl-_", function(self) if not self.buffer:undo() then return "beep" end end)
bind("ctrl-l", function(self) self.screen:clear() end)
bind("ctrl-z", function(self)
  self.suspend()
  self.screen:fresh()
end)
bind("ctrl-d", function(self)
  if self.buffer.text == "" then return "eof" end
  return actions.delete(self)
end)

-- Back over the blanks that a line begins with goes two at a time.
bind("backspace shift-backspace", function(self)
  local b = self.buffer
  local from = b:line()
  local blanks = b.text:sub(from + 1, b.cursor):match("^ +$")
  local there = b:previous_character()
  if blanks then there = b.cursor - (#blanks % 2 == 0 and 2 or 1) end
  if not b:delete_to(there) then return "beep" end
end)

-- --- lines ---

-- Gives the line that begins at `from` another indentation; the cursor stays with its text.
local function set_indentation(b, from, wanted)
  local now = b.text:match("^[ \t]*", from + 1)
  if now == (" "):rep(wanted) then return end
  local cursor = math.max(b.cursor + wanted - #now, from)
  b:replace(from, from + #now, (" "):rep(wanted), "typing")
  b.cursor = cursor
end

local function break_line(self)
  local b = self.buffer
  if self.keys:waiting() then -- lines that come faster than typed bring their own indentation
    b:insert("\n")
    return
  end
  local from, to = b:line()
  if b.text:sub(from + 1, b.cursor):find("^[ \t]+$") then b:delete_to(from) end
  local rest = b.text:sub(b.cursor + 1, (b.text:find("\n", b.cursor + 1, true) or #b.text + 1) - 1)
  local wanted = indent.of(b.text:sub(1, b.cursor), rest ~= "" and rest or nil) or 0
  local blanks = #rest:match("^[ \t]*")
  if to > b.cursor and blanks > 0 then b:replace(b.cursor, b.cursor + blanks, "") end
  b:insert("\n" .. (" "):rep(wanted))
end

bind("alt-enter ctrl-j", break_line)

bind("enter", function(self)
  local b = self.buffer
  if b.text:find("^%s*$") then return "accept" end
  if not b:in_last_line() and b.text ~= self.recalled then return break_line(self) end
  if self.state(b.text) == "incomplete" then
    if b.text == self.recalled then b.cursor = #b.text end
    return break_line(self)
  end
  return "accept"
end)

-- A line that has just become `end`, `else`, `}` ... moves left; one that was and goes on (`ends`) moves back.
local function adjust(self)
  local b = self.buffer
  local from, to = b:line()
  if from == 0 or b.cursor ~= to then return end
  local line = b.text:sub(from + 1, to)
  local before = b.text:sub(1, from - 1)
  if indent.closes(line) then
    local wanted = indent.of(before, line)
    if wanted then set_indentation(b, from, wanted) end
  elseif indent.closes(line:sub(1, -2)) and line:find("[%w_]$") then
    local wanted = indent.of(before)
    if wanted then set_indentation(b, from, wanted) end
  end
end

local function type_character(self, character)
  self.buffer:insert(character)
  if not self.keys:waiting() then adjust(self) end
end

bind("paste", function(self)
  local text, why = self.keys:pasted()
  if not text then return why end
  self.buffer:settle()
  self.buffer:insert((text:gsub("\n+$", ""))) -- Enter is the person's to press
  self.buffer:settle()
end)

-- --- completion and help ---

-- Shows text below the piece, which is then drawn anew under it.
local function show_below(self, text)
  self.screen:leave(self.prompts, self.buffer.text)
  self.screen.terminal.write(text .. "\n")
end

bind("tab", function(self)
  local b = self.buffer
  if self.keys:waiting() then return type_character(self, "\t") end
  local insert, listing = self.complete(b.text:sub(1, b.cursor), b.text:sub(b.cursor + 1))
  b:settle()
  if insert and insert ~= "" then
    b:insert(insert)
  elseif listing then
    show_below(self, listing)
  else
    return "beep"
  end
end)

bind("shift-tab f1", function(self)
  local b = self.buffer
  local from = b:line()
  local blanks = b.text:sub(from + 1, b.cursor):match("^ +$")
  if blanks then return set_indentation(b, from, math.max(0, #blanks - 2)) end
  local text = self.help(b.text, b.cursor)
  if not text then return "beep" end
  show_below(self, text)
end)

-- --- history ---

-- Goes to the next older (-1) or newer (1) entry that begins with what was typed.
local function walk(self, step)
  local b = self.buffer
  if not self.walking then
    self.walking = { place = #self.history + 1, draft = b.text, cursor = b.cursor, prefix = b.text:sub(1, b.cursor) }
  end
  local state = self.walking
  local place = state.place + step
  while self.history[place] do
    local entry = self.history[place]
    if entry ~= b.text and entry:sub(1, #state.prefix) == state.prefix then
      state.place = place
      b:set(entry)
      self.recalled = entry
      return
    end
    place = place + step
  end
  if step > 0 and state.place <= #self.history then
    state.place = #self.history + 1
    b:set(state.draft, state.cursor)
    self.recalled = nil
    return
  end
  return "beep"
end

local walks = {} -- actions that go on with a walk through the history

local function vertical(step)
  return function(self)
    local b = self.buffer
    b:settle()
    if b:move_line(step) then return end
    return walk(self, step)
  end
end

local function through_history(step)
  return function(self) return walk(self, step) end
end

bind("up", vertical(-1))
bind("down", vertical(1))
bind("ctrl-p page-up", through_history(-1))
bind("ctrl-n page-down", through_history(1))
for name in ("up down ctrl-p ctrl-n page-up page-down"):gmatch("%S+") do walks[name] = true end

-- --- incremental search ---

-- Looks for the pattern from an entry on, in a direction; upper and lower case are one while all is lower case.
local function find_entry(self, from, step)
  local search = self.search
  local fold = not search.pattern:find("%u")
  local place = from
  while self.history[place] do
    local entry = self.history[place]
    local at = (fold and entry:lower() or entry):find(search.pattern, 1, true)
    if at and search.pattern ~= "" then
      search.place, search.failing = place, false
      self.buffer.text, self.buffer.cursor = entry, at - 1
      return
    end
    place = place + step
  end
  search.failing = search.pattern ~= ""
  if search.failing then self.screen:beep() end
end

local function end_search(self, keep)
  local search = self.search
  self.search = nil
  if keep then
    local found, cursor = self.buffer.text, self.buffer.cursor
    self.buffer.text, self.buffer.cursor = search.text, search.cursor
    if found ~= search.text then
      self.buffer:set(found, cursor)
      self.recalled = found
    end
  else
    self.buffer.text, self.buffer.cursor = search.text, search.cursor
  end
end

bind("ctrl-r", function(self)
  local b = self.buffer
  self.search = { pattern = "", place = #self.history + 1, text = b.text, cursor = b.cursor }
end)

local function search_key(self, key)
  local search = self.search
  if key == "ctrl-r" or key == "ctrl-s" then
    if search.pattern == "" then search.pattern = self.last_pattern or "" end
    local step = key == "ctrl-r" and -1 or 1
    find_entry(self, search.place + step, step)
  elseif key == "backspace" then
    search.pattern = search.pattern:sub(1, (utf8.offset(search.pattern, -1) or 1) - 1)
    find_entry(self, #self.history, -1)
  elseif key == "ctrl-g" then
    end_search(self, false)
  elseif utf8.len(key) == 1 then
    search.pattern = search.pattern .. key
    find_entry(self, math.min(search.place, #self.history), -1)
  else
    self.last_pattern = search.pattern ~= "" and search.pattern or self.last_pattern
    end_search(self, true)
    if key ~= "escape" and key ~= "" then return false end
  end
  return true
end

-- --- the whole ---

local function search_prompts(search, prompts)
  return { first = ("(%ssearch) %s: "):format(search.failing and "failing " or "", search.pattern), more = prompts.more }
end

function Editor:draw()
  if self.keys:waiting() then return end -- once, when all that came is in
  local prompts = self.search and search_prompts(self.search, self.prompts) or self.prompts
  self.screen:draw(prompts, self.buffer.text, self.buffer.cursor)
end

-- What one key does: nil, or why the reading ends.
function Editor:press(key)
  if self.search and search_key(self, key) then return nil end
  if not walks[key] then self.walking = nil end
  local action = actions[key]
  if action then return action(self) end
  if key ~= "" and utf8.len(key) == 1 then return type_character(self, key) end
  return key ~= "" and "beep" or nil
end

--- Shows a text above what is being edited, which is drawn again by the "redraw" that follows.
function Editor:tell(text) self.screen:tell(text) end

--- Edits one piece.
-- @param prompts  { first, more }: before the first line and before the others
-- @return the piece; or nil, and "eof" or "interrupt"
function Editor:read(prompts)
  self.buffer, self.prompts = buffer.new(), prompts
  self.walking, self.search, self.recalled = nil, nil, nil
  self.screen:fresh()
  self:draw()
  self.keys:begin_line()
  while true do
    local key, why = self.keys:next()
    local result = why
    if why == "leave" then result = self.buffer.text == "" and "eof" or nil end
    if key then result = self:press(key) end
    if result == "accept" then
      self.screen:leave(prompts, self.buffer.text)
      return self.buffer.text
    elseif result == "eof" or result == "interrupt" then
      if self.search then end_search(self, false) end
      self.screen:leave(prompts, self.buffer.text, result == "interrupt" and "^C" or nil)
      return nil, result
    elseif result == "redraw" then
      self.screen:resized()
    elseif result == "beep" then
      self.screen:beep()
    end
    self:draw()
  end
end

return editor
