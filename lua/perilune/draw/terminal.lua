--- The terminal face: draws with the mouse, and shows what the recogniser says while the pen moves.
--
-- One loop: wait for input (or for the next frame while something moves), put it into the canvas, and at most 60 times
-- a second recognise and send what changed on the screen.
-- @module perilune.draw.terminal
local core = require "perilune.core"
local canvases = require "perilune.draw.canvas"
local keys = require "perilune.draw.keys"
local screens = require "perilune.draw.screen"
local views = require "perilune.draw.view"

local terminal = {}

local FRAME = 1 / 60
local ESCAPE_WAIT = 0.05 -- seconds after which an Esc alone is the key
local IDLE_WAIT = 0.5
local EASE = 0.5         -- how much of its way a bar goes in one frame
local STILL = 0.002

-- The alternate screen, no cursor, no wrapping; mouse buttons and drags (1002) as SGR reports (1006).
local ENTER = "\27[?1049h\27[?25l\27[?7l\27[0m\27[2J\27[?1002h\27[?1006h"
local LEAVE = "\27[?1006l\27[?1002l\27[?1000l\27[0m\27[2J\27[?7h\27[?25h\27[?1049l"

local Face = {}
Face.__index = Face

local leaving = { q = true, Q = true, escape = true, ["ctrl-c"] = true, ["ctrl-d"] = true }

local commands = {
  c = function(canvas) canvas:clear() end,
  u = function(canvas) canvas:undo() end,
  r = function(canvas) canvas:redo() end,
  ["+"] = function(canvas) canvas.pen = math.min(0.3, canvas.pen * 1.2) end,
  ["-"] = function(canvas) canvas.pen = math.max(0.02, canvas.pen / 1.2) end,
}

function Face:resize()
  local columns, rows = core.terminal_size()
  columns, rows = columns or 80, rows or 24
  if self.view and self.view.screen.columns == columns and self.view.screen.rows == rows and not self.redraw then return end
  self.redraw = false
  self.view = views.new(columns, rows, {
    canvas = self.canvas, labels = self.recogniser.labels, title = self.title, colours = self.colours,
  })
  core.raw_terminal_write "\27[0m\27[2J"
  self.dirty = true
end

function Face:on_mouse(event)
  local canvas = self.canvas
  local pen = event.button == "left" or event.button == "right"
  if event.action == "press" and pen then
    local x, y = self.view:place(event.column, event.row, true)
    canvas:finish()
    if x then canvas:begin(x, y, { erase = event.button == "right" }) end
  elseif event.action == "drag" and canvas.open then
    local x, y = self.view:place(event.column, event.row)
    if x then canvas:extend(x, y) end
  elseif event.action == "release" then
    canvas:finish()
  end
end

-- Returns true when the person wants to leave.
function Face:on_event(event)
  if event.kind == "mouse" then
    self:on_mouse(event)
  elseif leaving[event.key] then
    return true
  else
    local command = commands[event.key:lower()]
    if command then command(self.canvas) end
    self.redraw = self.redraw or event.key == "ctrl-l"
  end
  return false
end

function Face:recognise()
  if self.seen == self.canvas.version then return end
  self.seen = self.canvas.version
  self.prediction = self.recogniser:predict(self.canvas)
  self.dirty = true
end

-- Moves the bars towards what was predicted; true while they are on their way.
function Face:move_bars()
  local moving = false
  for i = 1, #self.recogniser.labels do
    local target, value = self.prediction and self.prediction.probabilities[i] or 0, self.values[i]
    if value ~= target then
      local next_value = value + (target - value) * EASE
      if math.abs(target - next_value) < STILL then next_value = target end
      self.values[i] = next_value
      moving = moving or next_value ~= target
      self.dirty = true
    end
  end
  return moving
end

function Face:frame()
  self:resize()
  self:recognise()
  local moving = self:move_bars()
  if self.dirty then
    self.dirty = false
    local bytes = self.view:paint {
      values = self.values, prediction = self.prediction, message = "draw a digit on the left",
    }
    if bytes ~= "" and not core.raw_terminal_write(bytes) then error("draw: the terminal is gone", 0) end
  end
  return moving
end

-- Until the person leaves or the input is closed.
function Face:loop()
  local decoder = keys.decoder()
  local moving, last = self:frame(), core.monotonic()
  local arrived = last -- the last input
  local fresh = false  -- there is input that no frame has shown yet
  while true do
    local wait = IDLE_WAIT
    if moving or fresh then wait = math.max(0, last + FRAME - core.monotonic()) end
    if decoder:waiting() then wait = math.min(wait, ESCAPE_WAIT) end
    local bytes, redraw = core.raw_terminal_read(wait)
    if not bytes then return end
    self.redraw = self.redraw or redraw
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

--- Opens the terminal face and returns when the person leaves.
-- @param options { recogniser = see perilune.draw.recogniser, canvas =, title =, colours = "24bit" or "256" }
-- @return the canvas
-- @raise what went wrong, after the terminal was restored
function terminal.run(options)
  local self = setmetatable({
    recogniser = options.recogniser, canvas = options.canvas or canvases.new(), title = options.title or "perilune draw",
    colours = options.colours or screens.colours(), values = {},
  }, Face)
  for i = 1, #self.recogniser.labels do self.values[i] = 0 end
  io.stdout:flush()
  core.raw_terminal(ENTER, LEAVE)
  local ok, reason = xpcall(self.loop, function(message)
    if type(message) ~= "string" or message:find "interrupted!?$" then return message end
    return os.getenv "PERILUNE_TRACE" == "1" and debug.traceback(message, 2) or message
  end, self)
  core.raw_terminal_end()
  if not ok then error(reason, 0) end
  return self.canvas
end

return terminal
