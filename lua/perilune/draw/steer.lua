--- What keys, the mouse and pasted text do in the terminal face (perilune.draw.terminal): they draw, run the program's
-- commands, or go into the line at the bottom.
-- @module perilune.draw.steer
local programs = require "perilune.draw.program"

local steer = {}

local STEP, FINE = 1 / 24, 1 / 96 -- of the keyboard's pen, in sides of the canvas; the latter with Shift
local WHEEL_ROWS = 3

-- Scrolls the pane of output; going back brings one that is closed to light.
local function scroll(face, rows)
  if not face.pane.open and not face.pane:empty() and rows < 0 then
    face.pane.open = true
  else
    face.pane:scroll(rows, face.view.screen.columns, face.view:pane_most())
  end
end

-- --- the keyboard's pen -------------------------------------------------------------------------------------------

local directions = { left = { -1, 0 }, right = { 1, 0 }, up = { 0, -1 }, down = { 0, 1 } }

-- Arrow keys move it; while it is down it draws or erases. Returns false for any other key.
local function move_pen(face, key)
  local shifted = key:match "^shift%-(.*)$"
  local direction = directions[shifted or key]
  if not direction then return false end
  local mark, step, canvas = face.mark or { x = 0.5, y = 0.5 }, shifted and FINE or STEP, face.program.canvas
  face.mark = mark
  mark.x = math.max(0, math.min(1, mark.x + direction[1] * step))
  mark.y = math.max(0, math.min(1, mark.y + direction[2] * step))
  mark.down = mark.down and canvas.stroke ~= nil -- a command may have ended the stroke
  if mark.down then canvas:extend(mark.x, mark.y) end
  return true
end

-- Down, or up when it is down already.
local function put_pen(face, erase)
  local mark, canvas = face.mark or { x = 0.5, y = 0.5 }, face.program.canvas
  local lift = mark.down and canvas.stroke ~= nil and mark.erase == erase
  face.mark, face.choice = mark, nil
  canvas:finish()
  mark.down, mark.erase = not lift, erase
  if mark.down then
    face.pane:close()
    canvas:begin(mark.x, mark.y, { erase = erase })
  end
end

-- --- keys ---------------------------------------------------------------------------------------------------------

local leaving = { q = true, Q = true, ["ctrl-c"] = true, ["ctrl-d"] = true }

-- Keys of the program's commands beside those that it names itself.
local others = { ["ctrl-z"] = "undo", ["ctrl-y"] = "redo", ["ctrl-s"] = "save", delete = "clear" }

local slow = { save = true } -- commands that may print, or take their time

local function type_lua(face) face.typing = true end

-- The next of a number's digits.
local function next_digit(face)
  local at = face:chosen()
  if at then face.choice = at % #face.program.prediction.digits + 1 end
end

local function page(face, direction) scroll(face, direction * (face.view:pane_most() // 2)) end

-- Keys that are the face's own.
local own = {
  [":"] = type_lua,
  enter = type_lua,
  tab = next_digit,
  [" "] = function(face) put_pen(face, false) end,
  x = function(face) put_pen(face, true) end,
  t = function(face) face:teach() end,
  v = function(face) face.seeing = not face.seeing end,
  ["ctrl-l"] = function(face) face.redraw = true end,
  ["page-up"] = function(face) page(face, -1) end,
  ["page-down"] = function(face) page(face, 1) end,
}

-- A key while one draws. Returns true when the person wants to leave.
local function on_key(face, key)
  local program = face.program
  if leaving[key] then return true end
  if key == "escape" then
    if not face.pane.open then return true end
    face.pane:close()
  elseif own[key] then
    own[key](face)
  elseif key:find "^%d$" then
    face:correct(key)
  elseif not move_pen(face, key) then
    local command = others[key] or (programs.of_key(key) or {}).name
    if command and slow[command] then
      program:say ""
      face:work("", program.run, program, command)
    elseif command then
      program:attempt(command)
    end
  end
end

local function leave_line(face) face.typing, face.asking = false, nil end

-- A key in the line, or in the one that asks.
local function on_typed(face, key)
  local line = face.asking or face.line
  if key == "escape" and not line.editor.search then
    face.pane:close()
    leave_line(face)
  elseif key == "ctrl-c" then
    if line:content() == "" then leave_line(face) else line:begin() end
  elseif key == "page-up" or key == "page-down" or key == "ctrl-l" then
    own[key](face)
  else
    local result = line:press(key)
    if result == "eof" then
      leave_line(face)
    elseif result == "accept" then
      local text = line:take()
      if face.asking then face:answer(text) else face:run_piece(text) end
    end
  end
end

-- --- the mouse ----------------------------------------------------------------------------------------------------

-- Drawing takes away what is in its way.
local function draw(face, x, y, erase)
  local program = face.program
  face.pane:close()
  face.typing, face.mark, face.choice = false, nil, nil
  program:say ""
  program.canvas:begin(x, y, { erase = erase })
  face.meter:moved(face.arrived)
end

-- Returns true when the person wants to leave.
local function on_press(face, event)
  local kind, what = face.view:hit(event.column, event.row)
  local left = event.button == "left"
  if kind == "line" then
    face.typing = true
  elseif kind == "class" and left then
    face:correct(face.program.recogniser.labels[what])
  elseif kind == "digit" and left then
    face.choice = what
  elseif kind == "key" and left then
    return on_key(face, what)
  elseif not kind and (left or event.button == "right") then
    local x, y = face.view:place(event.column, event.row, true)
    if x then draw(face, x, y, not left) end
  end
end

local function on_mouse(face, event)
  local canvas = face.program.canvas
  if event.action == "press" then
    canvas:finish()
    return on_press(face, event)
  elseif event.action == "drag" and canvas.stroke then
    local x, y = face.view:place(event.column, event.row)
    if x then
      canvas:extend(x, y)
      face.meter:moved(face.arrived)
    end
  elseif event.action == "release" then
    canvas:finish()
  elseif event.action == "wheel" then
    scroll(face, event.step * WHEEL_ROWS)
  end
end

-- --- the whole ----------------------------------------------------------------------------------------------------

local openable = { png = true, jpg = true, jpeg = true, pgm = true, json = true }

-- The path that a terminal pastes for a file that is dropped on it: perhaps in quotes, escaped, or as an address.
local function path_of(text)
  local path = text:match "^%s*(.-)%s*$"
  local quoted = path:match "^'(.*)'$" or path:match '^"(.*)"$'
  if quoted then return quoted end
  if path:find "^file://" then
    return (path:gsub("^file://[^/]*", ""):gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
  end
  return (path:gsub("\\(.)", "%1"))
end

-- Text goes into the line; a picture or strokes that are dropped on the canvas are opened.
local function on_paste(face, text)
  local line = face.asking or face.typing and face.line
  if line then return line:paste(text) end
  local path = path_of(text)
  local ending = path:match "%.(%w+)$"
  if ending and openable[ending:lower()] and not path:find "\n" then
    face:work("", face.program.open, face.program, path)
  end
end

--- Does what an event asks for.
-- @param face  see perilune.draw.terminal
-- @param event see perilune.draw.keys
-- @return true when the person wants to leave
function steer.on_event(face, event)
  if event.kind == "mouse" then return on_mouse(face, event) end
  if event.kind == "paste" then return on_paste(face, event.text) end
  if face.asking or face.typing then return on_typed(face, event.key) end
  return on_key(face, event.key)
end

return steer
