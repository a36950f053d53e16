--- The terminal face: draws with the mouse or the keyboard, shows what the recogniser says while the pen moves, and runs
-- Lua that is typed at the bottom.
--
-- One loop: wait for input (or for the next frame while something moves), let it steer the program (perilune.draw.steer),
-- and at most 60 times a second recognise and send what changed on the screen.
-- @module perilune.draw.terminal
local colours = require "perilune.draw.colours"
local core = require "perilune.core"
local interruption = require "perilune.interruption"
local keys = require "perilune.draw.keys"
local latency = require "perilune.draw.latency"
local lines = require "perilune.draw.line"
local panes = require "perilune.draw.pane"
local pieces = require "perilune.draw.pieces"
local programs = require "perilune.draw.program"
local steer = require "perilune.draw.steer"
local views = require "perilune.draw.view"
local waiting = require "perilune.repl.waiting"

local terminal = {}

local FRAME = 1 / 60         -- between frames in which only bars move
local INPUT_FRAME = 1 / 120  -- between frames that show what came
local ESCAPE_WAIT = 0.05 -- seconds after which an Esc alone is the key
local IDLE_WAIT = 0.5
local CALM = 0.4 -- seconds without input after which what can wait is done
local EASE = 0.5         -- how much of its way a bar goes in one frame
local STILL = 0.002

-- The alternate screen, no cursor, no wrapping; mouse buttons and drags (1002) as SGR reports (1006); pastes are marked
-- (2004).
local ENTER = "\27[?1049h\27[?25l\27[?7l\27[0m\27[2J\27[?1002h\27[?1006h\27[?2004h"
local LEAVE = "\27[?2004l\27[?1006l\27[?1002l\27[?1000l\27[0m\27[2J\27[?7h\27[?25h\27[?1049l"

local Face = {}
Face.__index = Face

-- --- painting ---------------------------------------------------------------------------------------------------

function Face:resize()
  local columns, rows = core.raw_terminal_size()
  columns, rows = columns or 80, rows or 24
  local screen = self.view and self.view.screen
  if screen and screen.columns == columns and screen.rows == rows and not self.redraw then return end
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

-- Which of a number's digits the bars are of: the one that was chosen, else that is being written (nil when there is one
-- digit alone); and the prediction that they show.
function Face:chosen()
  local prediction = self.program.prediction
  local digits = prediction and prediction.digits
  if not digits then return nil, prediction end
  local at = self.choice and self.choice <= #digits and self.choice or prediction.current or #digits
  return at, digits[at]
end

-- Moves the bars towards what was predicted; true while they are on their way.
function Face:move_bars()
  local _, shown = self:chosen()
  local moving, count = false, #self.program.recogniser.labels
  for i = #self.values, count + 1, -1 do self.values[i] = nil end
  for i = 1, count do
    local target, value = shown and shown.probabilities[i] or 0, self.values[i] or 0
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
  local chosen, shown = self:chosen()
  local bytes = self.view:paint {
    canvas = program.canvas, prediction = program.prediction, chosen = chosen, shown = shown,
    values = self.values, labels = program.recogniser.labels,
    message = program.message, heat = self.heat, seeing = self.seeing, mark = self.mark, pane = self.pane,
    line = self.asking or self.typing and self.line,
  }
  if bytes ~= "" and not core.raw_terminal_write(bytes) then error("draw: the terminal is gone", 0) end
end

function Face:frame()
  self:resize()
  if self.program:attempt(self.program.recognise, self.program) then self.dirty = true end
  self:find_heat()
  local moving = self:move_bars()
  if self.program.message ~= self.told then self.told, self.dirty = self.program.message, true end
  if self.dirty then self:paint() end
  self.meter:shown(core.monotonic())
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

-- Of a number the chosen digit is corrected alone.
function Face:correct(label)
  local chosen, shown = self:chosen()
  self:work(("learning that this is %s ..."):format(label), self.program.correct, self.program, label,
    chosen and shown.input or nil)
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

-- What a correction had no time for is done when the person pauses.
function Face:catch_up()
  local program = self.program
  if program.canvas.stroke or core.monotonic() - self.arrived < CALM or not program:behind() then return end
  program:attempt(program.catch_up, program)
  self.dirty = true
end

-- Until the person leaves or the input is closed.
function Face:loop()
  local decoder = self.decoder
  local moving, last = self:frame(), core.monotonic()
  self.arrived = last  -- the last input
  local fresh = false  -- there is input that no frame has shown yet
  while true do
    local wait = IDLE_WAIT
    local pause = fresh and INPUT_FRAME or FRAME
    if moving or fresh then wait = math.max(0, last + pause - core.monotonic()) end
    -- Only a silence that was waited through ends a sequence: after a slow frame its rest may be on its way.
    if decoder:waiting() then wait = ESCAPE_WAIT end
    local asked = core.monotonic()
    local bytes = self:read(wait)
    if not bytes then return end
    local now = core.monotonic()
    if bytes ~= "" then self.arrived = now end
    if bytes ~= "" or now - asked >= 0.9 * ESCAPE_WAIT then
      for _, event in ipairs(decoder:feed(bytes)) do
        self.dirty = true
        if steer.on_event(self, event) then return end
        fresh = true
      end
    end
    if bytes == "" then self:catch_up() end
    if bytes == "" or now - last >= (fresh and INPUT_FRAME or FRAME) then
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
-- @param options those of perilune.draw.program's new (net, model, recogniser, canvas, drawings), or program = one that
--   is there; and title =, colours = "24bit", "256", "16" or "none" (default: what the terminal says of itself)
-- @return the canvas, the program, and how long it took from the pen to the prediction on the screen (see
--   perilune.draw.latency's summary)
-- @raise what went wrong, after the terminal was restored
function terminal.run(options)
  local self = setmetatable({
    program = options.program or programs.new(options), title = options.title or "perilune draw",
    colours = options.colours or colours.found(), values = {}, decoder = keys.decoder(), meter = latency.new(),
  }, Face)
  self:furnish()
  io.stdout:flush()
  core.raw_terminal(ENTER, LEAVE)
  local ok, reason = self:live()
  core.raw_terminal_end()
  self.pieces:close()
  if not ok then error(reason, 0) end
  return self.program.canvas, self.program, self.meter:summary()
end

return terminal
