--- The terminal face: draws with the mouse or the keyboard, shows what the recogniser says while the pen moves, and runs Lua
-- that is typed at the bottom.
--
-- One loop: wait for input (or for the next frame while something moves), put it into the program (perilune.draw.program),
-- and at most 60 times a second recognise and send what changed on the screen.
-- @module perilune.draw.terminal
local colours = require "perilune.draw.colours"
local core = require "perilune.core"
local interruption = require "perilune.interruption"
local keys = require "perilune.draw.keys"
local lines = require "perilune.draw.line"
local panes = require "perilune.draw.pane"
local pieces = require "perilune.draw.pieces"
local programs = require "perilune.draw.program"
local views = require "perilune.draw.view"
local waiting = require "perilune.repl.waiting"

local terminal = {}

local FRAME = 1 / 60
local ESCAPE_WAIT = 0.05 -- seconds after which an Esc alone is the key
local IDLE_WAIT = 0.5
local EASE = 0.5         -- how much of its way a bar goes in one frame
local STILL = 0.002
local STEP, FINE = 1 / 24, 1 / 96 -- of the keyboard's pen, in sides of the canvas; the latter with Shift
local WHEEL_ROWS = 3

-- The alternate screen, no cursor, no wrapping; mouse buttons and drags (1002) as SGR reports (1006); pastes marked (2004).
local ENTER = "\27[?1049h\27[?25l\27[?7l\27[0m\27[2J\27[?1002h\27[?1006h\27[?2004h"
local LEAVE = "\27[?2004l\27[?1006l\27[?1002l\27[?1000l\27[0m\27[2J\27[?7h\27[?25h\27[?1049l"

local Face = {}
Face.__index = Face

-- --- painting ---------------------------------------------------------------------------------------------------

function Face:resize()
  local columns, rows = core.raw_terminal_size()
  columns, rows = columns or 80, rows or 24
  if self.view and self.view.screen.columns == columns and self.view.screen.rows == rows and not self.redraw then return end
  self.redraw = false
  self.view = views.new(columns, rows, { title = self.title, colours = self.colours })
  core.raw_terminal_write "\27[0m\27[2J"
  self.dirty = true
end

-- What speaks for the answer, as rows of numbers in the canvas's pixels; nil when it is not asked for.
function Face:find_heat()
  local program, layout = self.program, self.view.layout
  if not program.explaining or not program.prediction or not layout then
    self.heat, self.heat_of = nil, nil
    return
  end
  if self.heat_of == program.prediction and self.heat_side == layout.columns then return end
  self.heat_of, self.heat_side = program.prediction, layout.columns
  local recogniser = program.recogniser
  local heat = program:attempt(recogniser.explain, recogniser, program.canvas, nil, layout.columns)
  self.heat = heat and heat:reshape(layout.columns, layout.columns):totable() or nil
  if not heat then program.explaining = false end
end

-- Moves the bars towards what was predicted; true while they are on their way.
function Face:move_bars()
  local program, moving = self.program, false
  local count = #program.recogniser.labels
  for i = #self.values, count + 1, -1 do self.values[i] = nil end
  for i = 1, count do
    local target, value = program.prediction and program.prediction.probabilities[i] or 0, self.values[i] or 0
    local next_value = value
    if value ~= target then
      next_value = value + (target - value) * EASE
      if math.abs(target - next_value) < STILL then next_value = target end
      moving = moving or next_value ~= target
      self.dirty = true
    end
    self.values[i] = next_value
  end
  return moving
end

-- The bars are where they shall be: nothing moves while something else runs.
function Face:settle_bars()
  repeat until not self:move_bars()
end

function Face:paint()
  self.dirty = false
  local program = self.program
  local bytes = self.view:paint {
    canvas = program.canvas, prediction = program.prediction, values = self.values, labels = program.recogniser.labels,
    message = program.message, heat = self.heat, seeing = self.seeing, mark = self.mark, line = self.asking or self.typing and self.line,
    pane = self.pane,
  }
  if bytes ~= "" and not core.raw_terminal_write(bytes) then error("draw: the terminal is gone", 0) end
end

function Face:frame()
  self:resize()
  if self.program:recognise() then self.dirty = true end
  self:find_heat()
  local moving = self:move_bars()
  if self.program.message ~= self.told then self.told, self.dirty = self.program.message, true end
  if self.dirty then self:paint() end
  return moving
end

-- --- what takes its time ----------------------------------------------------------------------------------------

-- Runs one of the program's functions; what goes wrong is told.
function Face:work(what, f, ...)
  local program = self.program
  program:say(what)
  self:settle_bars()
  self:frame()
  local ok, failed = self.pieces:work(f, ...)
  if not ok then program:say(failed.interrupted and "interrupted" or failed.message) end
  program:forget()
end

function Face:correct(label)
  if not label then return end
  self:work(("learning that this is %s ..."):format(label), self.program.correct, self.program, label)
end

function Face:teach()
  self.asking = lines.new { show = function() end, columns = function() return self.view.screen.columns end,
    prompts = { first = "\27[36mteach which class?\27[0m ", more = "" } }
end

-- Enter in the line that asks for a class.
function Face:answer(text)
  self.asking = nil
  local name = text:match "^%s*(.-)%s*$"
  if name ~= "" then self:work(("learning %s ..."):format(name), self.program.teach, self.program, name) end
end

function Face:run_piece(code)
  if not code:find "%S" then return end
  self.program:say ""
  self:settle_bars()
  self.pieces:run(code)
end

-- --- the pen ----------------------------------------------------------------------------------------------------

-- Drawing takes away what is in its way.
function Face:to_canvas()
  self.typing = false
  self.pane:close()
end

function Face:on_press(event)
  local kind, what = self.view:hit(event.column, event.row)
  if kind == "class" and event.button == "left" then return self:correct(self.program.recogniser.labels[what]) end
  if kind == "key" and event.button == "left" then return self:on_key(what) end
  if kind == "line" then self.typing = true return end
  if kind == "pane" then return end
  local x, y = self.view:place(event.column, event.row, true)
  if not x or event.button ~= "left" and event.button ~= "right" then return end
  self:to_canvas()
  self.mark = nil
  self.program:say ""
  self.program.canvas:begin(x, y, { erase = event.button == "right" })
end

-- Returns true when the person wants to leave.
function Face:on_mouse(event)
  local canvas = self.program.canvas
  if event.action == "press" then
    canvas:finish()
    return self:on_press(event)
  elseif event.action == "drag" and canvas.stroke then
    local x, y = self.view:place(event.column, event.row)
    if x then canvas:extend(x, y) end
  elseif event.action == "release" then
    canvas:finish()
  elseif event.action == "wheel" then
    self:scroll(event.step * WHEEL_ROWS)
  end
end

local directions = { left = { -1, 0 }, right = { 1, 0 }, up = { 0, -1 }, down = { 0, 1 } }

-- Arrow keys move the keyboard's pen, which draws or erases while it is down.
function Face:move_pen(name)
  local shifted = name:match "^shift%-(.*)$"
  local direction = directions[shifted or name]
  if not direction then return false end
  local mark, step = self.mark or { x = 0.5, y = 0.5 }, shifted and FINE or STEP
  mark.x = math.max(0, math.min(1, mark.x + direction[1] * step))
  mark.y = math.max(0, math.min(1, mark.y + direction[2] * step))
  self.mark = mark
  local canvas = self.program.canvas
  mark.down = mark.down and canvas.stroke ~= nil
  if mark.down then canvas:extend(mark.x, mark.y) end
  return true
end

function Face:put_pen(erase)
  local mark, canvas = self.mark or { x = 0.5, y = 0.5 }, self.program.canvas
  self.mark = mark
  local was_down, was_erasing = mark.down and canvas.stroke ~= nil, mark.erase
  canvas:finish()
  mark.down = not (was_down and was_erasing == erase)
  mark.erase = erase
  if mark.down then canvas:begin(mark.x, mark.y, { erase = erase }) end
end

-- --- keys -------------------------------------------------------------------------------------------------------

function Face:scroll(rows)
  local columns = self.view.screen.columns
  if not self.pane.open and not self.pane:empty() and rows < 0 then
    self.pane.open = true
  else
    self.pane:scroll(rows, columns, self.view:pane_most())
  end
end

local leaving = { q = true, Q = true, ["ctrl-c"] = true, ["ctrl-d"] = true }

-- Keys of the program's commands beside those that it names itself.
local others = { ["ctrl-z"] = "undo", ["ctrl-y"] = "redo", ["ctrl-s"] = "save", delete = "clear" }

local slow = { save = true } -- commands that may print, or take their time

-- Keys that are the face's own.
local own = {
  [":"] = function(self) self.typing = true end,
  enter = function(self) self.typing = true end,
  [" "] = function(self) self:put_pen(false) end,
  x = function(self) self:put_pen(true) end,
  t = function(self) self:teach() end,
  v = function(self) self.seeing = not self.seeing end,
  ["ctrl-l"] = function(self) self.redraw = true end,
  ["page-up"] = function(self) self:scroll(-self.view:pane_most() // 2) end,
  ["page-down"] = function(self) self:scroll(self.view:pane_most() // 2) end,
}

-- A key while one draws. Returns true when the person wants to leave.
function Face:on_key(key)
  local program = self.program
  if leaving[key] then return true end
  if key == "escape" then
    if not self.pane.open then return true end
    self.pane:close()
  elseif own[key] then
    own[key](self)
  elseif key:find "^%d$" then
    self:correct(key)
  elseif not self:move_pen(key) then
    local command = others[key] or (programs.of_key(key) or {}).name
    if command and slow[command] then
      program:say ""
      self:work("", program.run, program, command)
    elseif command then
      program:attempt(command)
    end
  end
end

-- A key in the line, or in the one that asks.
function Face:on_typed(key)
  local line = self.asking or self.line
  if key == "ctrl-c" or key == "escape" and not line.editor.search then
    if key == "escape" then self.pane:close() end
    if key == "escape" or line:content() == "" then
      self.typing, self.asking = false, nil
    else
      line:begin()
    end
    return
  end
  if key == "page-up" or key == "page-down" then return own[key](self) end
  if key == "ctrl-l" then self.redraw = true return end
  local result = line:press(key)
  if result == "eof" then
    self.typing, self.asking = false, nil
  elseif result == "accept" then
    local text = line:take()
    if self.asking then self:answer(text) else self:run_piece(text) end
  end
end

-- A file that is dropped on a terminal comes as its path, perhaps in quotes.
function Face:on_paste(text)
  local line = self.asking or self.typing and self.line
  if line then return line:paste(text) end
  local path = text:match "^%s*(.-)%s*$"
  path = path:match "^'(.*)'$" or path:match '^"(.*)"$' or path:gsub("^file://", ""):gsub("\\(.)", "%1")
  local lower = path:lower()
  if lower:find "%.png$" or lower:find "%.jpe?g$" or lower:find "%.pgm$" or lower:find "%.json$" then
    self:work("", self.program.open, self.program, path)
  end
end

-- Returns true when the person wants to leave.
function Face:on_event(event)
  self.dirty = true
  if event.kind == "mouse" then return self:on_mouse(event) end
  if event.kind == "paste" then
    self:on_paste(event.text)
  elseif self.asking or self.typing then
    self:on_typed(event.key)
  else
    return self:on_key(event.key)
  end
end

-- --- the loop ---------------------------------------------------------------------------------------------------

-- What came within so many seconds, "" for nothing; nil when the input is closed. Windows live meanwhile.
function Face:read(seconds)
  self.reader = self.reader or waiting.around(function(milliseconds)
    local bytes, redraw = core.raw_terminal_read(milliseconds / 1000)
    self.redraw = self.redraw or redraw
    if not bytes then return nil, "eof" end
    if bytes ~= "" then return bytes end
    return nil, redraw and "redraw" or "timeout"
  end, function(text)
    self.pane:end_line()
    self.pane:write(text .. "\n")
    self.dirty = true
  end)
  local bytes, why = self.reader(seconds * 1000, math.huge)
  return bytes or (why ~= "eof" and why ~= "leave" and "" or nil)
end

-- Until the person leaves or the input is closed.
function Face:loop()
  local decoder = self.decoder
  local moving, last = self:frame(), core.monotonic()
  local arrived = last -- the last input
  local fresh = false  -- there is input that no frame has shown yet
  while true do
    local wait = IDLE_WAIT
    if moving or fresh then wait = math.max(0, last + FRAME - core.monotonic()) end
    if decoder:waiting() then wait = math.min(wait, ESCAPE_WAIT) end
    local bytes = self:read(wait)
    if not bytes then return end
    local now = core.monotonic()
    if bytes ~= "" then arrived = now end
    if bytes ~= "" or now - arrived >= ESCAPE_WAIT then
      for _, event in ipairs(decoder:feed(bytes)) do
        if self:on_event(event) then return end
        fresh = true
      end
    end
    if bytes == "" or now - last >= FRAME then
      moving, last, fresh = self:frame(), core.monotonic(), false
    end
  end
end

-- The loop again after an interrupt that was a piece's, and came when that had just ended.
function Face:live()
  local function explain(message)
    if type(message) ~= "string" or interruption.is(message) then return message end
    return os.getenv "PERILUNE_TRACE" == "1" and debug.traceback(message, 2) or message
  end
  while true do
    local ok, reason = xpcall(self.loop, explain, self)
    if ok or not (self.pieces.working and interruption.is(reason)) then return ok, reason end
    self.pieces:settle()
  end
end

-- The face's parts that show themselves on the screen.
function Face:furnish()
  self.pane = panes.new()
  self.pieces = pieces.new {
    program = self.program, pane = self.pane, colours = self.colours,
    paint = function() -- a net may be half-way through a step: nothing is recognised here
      self:resize()
      self:settle_bars()
      self:paint()
    end,
    size = function() return self.view.screen.columns, self.view:pane_most() - 1 end,
  }
  self.line = lines.new {
    session = self.pieces.session, columns = function() return self.view.screen.columns end,
    show = function(text)
      self.pane:end_line()
      self.pane:write(text)
    end,
  }
end

--- Opens the terminal face and returns when the person leaves.
-- @param options those of perilune.draw.program's new (net, model, recogniser, canvas, drawings), or program = one that is
--   there; and title =, colours = "24bit", "256", "16" or "none" (default: what the terminal says of itself)
-- @return the canvas, and the program
-- @raise what went wrong, after the terminal was restored
function terminal.run(options)
  local self = setmetatable({
    program = options.program or programs.new(options), title = options.title or "perilune draw",
    colours = options.colours or colours.found(), values = {}, decoder = keys.decoder(),
  }, Face)
  self:furnish()
  io.stdout:flush()
  core.raw_terminal(ENTER, LEAVE)
  local ok, reason = self:live()
  core.raw_terminal_end()
  self.pieces:close()
  if not ok then error(reason, 0) end
  return self.program.canvas, self.program
end

return terminal
