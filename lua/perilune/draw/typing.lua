--- What keys do in the window: handlers of perilune.draw.window's events, called with the face.
--
-- A key comes as "key" and, when it writes something, as "text" right behind. Commands go by the key; where its name says
-- nothing (digits on a keyboard that has them behind shift), by the text.
-- @module perilune.draw.typing
local programs = require "perilune.draw.program"

local typing = {}

local NAME_MOST = 32 -- characters of a class' name

local special = { delete = "clear", t = "teach" }
local with_ctrl = { z = "undo", y = "redo", s = "save" }

local function close_dialog(self)
  self.dialog, self.dirty = nil, true
end

-- Does what a key or a character stands for. Returns whether it stands for something.
local function obey(self, key)
  if key == "q" or key == "Q" or key == "escape" then
    self.leaving = true
  elseif key:find "^%d$" then
    self.canvas:finish()
    self:correct(key)
  else
    local command = programs.of_key(key)
    local name = special[key:lower()] or command and command.name
    if not name then return false end
    self:command(name)
  end
  return true
end

-- What stands there when the dialog opens, and what Ctrl-A chooses, gives way to what is typed.
local function take_back(self)
  local dialog = self.dialog
  if dialog.chosen then
    dialog.text = ""
  elseif dialog.text ~= "" then
    dialog.text = dialog.text:sub(1, utf8.offset(dialog.text, -1) - 1)
  end
  dialog.chosen, self.dirty = false, true
end

local function dialog_key(self, event)
  local key = event.key
  if event.ctrl and key == "a" then
    self.dialog.chosen, self.dirty = true, true
    return
  end
  if key == "escape" then
    close_dialog(self)
  elseif key == "backspace" then
    take_back(self)
  elseif key == "enter" then
    local name = self.dialog.text:match "^%s*(.-)%s*$"
    if name == "" then return end
    close_dialog(self)
    self:teach(name)
  end
end

--- A key was pressed.
function typing.key(self, event)
  if self.dialog then return dialog_key(self, event) end
  local key = event.key
  if event.ctrl then
    local name = with_ctrl[key]
    if name == "undo" and event.shift then name = "redo" end
    if name then self:command(name) end
  elseif not event.alt then
    self.key_done = obey(self, key) and key or nil
  end
end

--- A text was typed.
function typing.text(self, event)
  local done = self.key_done
  self.key_done = nil
  if done and (event.text:lower() == done or not done:find "%w") then return end -- of the key that has done its work
  if not self.dialog then
    obey(self, event.text)
    return
  end
  local text = (self.dialog.chosen and "" or self.dialog.text) .. event.text:gsub("%c", "")
  if utf8.len(text) and utf8.len(text) <= NAME_MOST then self.dialog.text, self.dialog.chosen = text, false end
  self.dirty = true
end

return typing
