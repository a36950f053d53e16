--- The window face: its loop takes events to the program and shows what came of them.
--
--     local face = require("perilune.draw").window { net = net, hidden = true }
--     face:replay "seven.json"
--     print(face.prediction.label)
--     face:close()
--
-- A step takes all events that wait, recognises once, paints once and presents, without waiting for the screen; nothing
-- is painted when nothing has changed. Pointer and keys are perilune.draw.pointing's and .typing's.
-- @module perilune.draw.window
local boards = require "perilune.draw.board"
local core = require "perilune.core"
local interruption = require "perilune.interruption"
local latency = require "perilune.draw.latency"
local pointing = require "perilune.draw.pointing"
local programs = require "perilune.draw.program"
local typing = require "perilune.draw.typing"

local window = {}

local FRAME = 1 / 60        -- between frames in which only bars move
local EASE = 0.045          -- seconds in which a bar goes 63 % of its way
local STILL = 0.002
local EXPLAIN_CALM = 0.04   -- seconds without the pen after which the overlay is made anew
local EXPLAIN_PAUSE = 0.1   -- and between two while the pen moves
local OVERLAY = 168         -- its side
local CALM = 0.4            -- seconds without the pen after which what can wait is done

local Face = {}

-- face.prediction, face.canvas, face.net: the program's own.
local of_program = {
  prediction = function(program) return program.prediction end,
  canvas = function(program) return program.canvas end,
  net = function(program) return program.recogniser.net end,
}
local meta = { __name = "perilune.draw.Window", __silent = true }

function meta.__index(self, name)
  local read = of_program[name]
  if read then return read(rawget(self, "program")) end
  return Face[name]
end

function meta:__tostring()
  local seen = self.prediction
  return self.closed and "window (closed)" or "window" .. (seen and (", recognised as " .. (seen.number or seen.label)) or "")
end

--- Opens the window.
-- @param options { program = see perilune.draw.program; or what program.new takes: net =, name =, model =, canvas =,
--   drawings =; width = 900, height = 640, font = path, hidden = true: never on the screen }
-- @return the face; fields: program, prediction, canvas, net, window (see perilune.window), closed
-- @raise why there is no window: not built with SDL2, no display, no font
function window.open(options)
  options = options or {}
  local program = options.program or programs.new(options)
  local opened = require("perilune.window").open {
    title = "Perilune", width = options.width or 900, height = options.height or 640, font = options.font,
    hidden = options.hidden,
  }
  local self = setmetatable({
    window = opened, program = program, values = {}, scroll = 0, meter = latency.new(),
    moved_at = 0, explained_at = 0, worked_at = 0, dirty = true, closed = false,
  }, meta)
  self.board = boards.new(opened, program)
  self:frame()
  return self
end

-- ---- what is shown

--- Which of a number's digits the bars are of: the one that was clicked, else that is being written; nil when one digit is
-- there.
function Face:chosen()
  local digits = self.prediction and self.prediction.digits
  if not digits then return nil end
  return self.choice and self.choice <= #digits and self.choice or self.prediction.current or #digits
end

--- The prediction that bars and picture belong to: of the whole canvas, or of a number's chosen digit.
function Face:shown()
  local prediction = self.prediction
  return prediction and prediction.digits and prediction.digits[self:chosen()] or prediction
end

-- Moves the bars towards what was predicted; true while they are on their way.
function Face:move_bars(now)
  local shown, moving = self:shown(), false
  local part = 1 - math.exp(-(now - (self.bars_at or now - FRAME)) / EASE)
  for i = 1, #self.program.recogniser.labels do
    local target, value = shown and shown.probabilities[i] or 0, self.values[i] or 0
    if value ~= target then
      value = value + (target - value) * part
      if math.abs(target - value) < STILL then value = target end
      self.values[i], self.dirty = value, true
      moving = moving or value ~= target
    end
  end
  self.bars_at = moving and now or nil
  return moving
end

-- Takes over what the program changed by itself, or a prompt in it.
function Face:follow()
  local program = self.program
  if program:attempt(program.recognise, program) or program.prediction ~= self.seen_prediction then
    self.seen_prediction, self.dirty = program.prediction, true
    if not (program.prediction and program.prediction.digits) then self.choice = nil end
  end
  if self.board:resize() then self.dirty, self.heat = true, nil end
  self.scroll = math.min(self.scroll, self.board.layout.scroll_most)
  local canvas = program.canvas
  local now = { program.message, program.explaining, canvas, canvas.version, canvas.pen }
  for i, value in ipairs(now) do
    if self.seen == nil or self.seen[i] ~= value then self.dirty = true end
  end
  self.seen = now
  if not program.explaining or not program.prediction then self.heat, self.explained = nil, nil end
end

-- What the pointer is over, told in the status line; not of what was just clicked, whose outcome stands there.
function Face:hint()
  local class = self:bar()
  if class and self.prediction and self.told_over ~= self.hover then
    return ("click if this is %s: it is kept and learned"):format(self.program.recogniser.labels[class])
  end
end

function Face:paint()
  self.board:paint {
    values = self.values, chosen = self:chosen(), hover = self.hover, pressed = self.pressed, pointer = self.pointer,
    scroll = self.scroll, heat = self.heat, speaks_for = self.explained_label,
    dialog = self.dialog, hint = not self.busy and self:hint() or nil, busy = self.busy,
  }
  local shown_at = self.window:present()
  self.dirty, self.painted_at = false, shown_at
  return shown_at
end

-- Recognises what changed and shows it. Returns whether bars are on their way.
function Face:frame()
  self:follow()
  local moving = self:move_bars(core.monotonic())
  local shown_at = self.dirty and self:paint() or core.monotonic()
  self.meter:shown(shown_at)
  return moving
end

-- The class whose bar the pointer is over, as a place among the labels; or nil.
function Face:bar()
  return self.hover and math.tointeger(tonumber(self.hover:match "^bar (%d+)$"))
end

-- The overlay, when it is wanted and no longer of this drawing: only while no event waits, and seldom while the pen
-- moves. It shows what speaks for the answer, or for the class whose bar the pointer is over. Returns how long to wait
-- until it is due, nil when there is nothing to do.
function Face:explain()
  local program, recogniser = self.program, self.program.recogniser
  if not program.explaining or not program.prediction then return nil end
  local label = recogniser.labels[self:bar()]
  if self.explained == program.prediction and self.explained_label == label then return nil end
  local now = core.monotonic()
  local due = program.canvas.stroke and math.min(self.moved_at + EXPLAIN_CALM, self.explained_at + EXPLAIN_PAUSE) or now
  if now < due then return due - now end
  self.explained, self.explained_label = program.prediction, label
  self.heat = program:attempt(recogniser.explain, recogniser, program.canvas, label, OVERLAY)
  self.explained_at, self.dirty = core.monotonic(), true
  return 0
end

-- What a correction had no time for is done when the person pauses. Returns how long to wait for that, or nil.
function Face:catch_up()
  local program = self.program
  if program.canvas.stroke or not program:behind() then return nil end
  local left = math.max(self.moved_at, self.worked_at) + CALM - core.monotonic()
  if left > 0 then return left end
  program:attempt(program.catch_up, program)
  self.dirty = true
  return 0
end

-- ---- what the person does

--- Does something that takes a while, with a word about it in the status line before it begins.
-- @param text "learning ..."
-- @return what f gave; nil when it failed, which the message tells
function Face:work(text, f, ...)
  self.program:say(text)
  self.busy = true
  self:paint()
  local ok, result = pcall(self.program.attempt, self.program, f, ...)
  self.busy, self.dirty, self.told_over, self.worked_at = false, true, self.hover, core.monotonic()
  if not ok then error(result, 0) end
  return result
end

--- Corrects what was recognised: the drawing, or a number's chosen digit, is kept with this label and learned.
function Face:correct(label)
  local digit = self:chosen() and self:shown().input or nil
  return self:work(("learning this %s ..."):format(label), self.program.correct, self.program, label, digit)
end

--- Teaches a class from the drawing.
function Face:teach(name)
  self.taught = name
  return self:work(("learning %s ..."):format(name), self.program.teach, self.program, name)
end

--- Runs a command by its name; "teach" asks for the name of the class.
function Face:command(name)
  if name == "teach" then
    self.dialog = { text = self.taught or "", chosen = true }
    self.dirty = true
  else
    self.program:attempt(name)
  end
end

local handlers = {
  press = pointing.press, move = pointing.move, release = pointing.release, wheel = pointing.wheel, leave = pointing.leave,
  key = typing.key, text = typing.text,
  close = function(self) self.leaving = true end,
  expose = function(self) self.dirty = true end,
  resize = function(self) self.dirty = true end,
  drop = function(self, event) self.program:attempt(self.program.open, self.program, event.path) end,
}

function Face:take(event)
  local handler = handlers[event.type]
  if event.type ~= "text" then self.key_done = nil end -- see perilune.draw.typing
  if handler then handler(self, event) end
end

-- The first event within a time; then all that wait. Returns "input" when standard input is what came.
function Face:listen(milliseconds)
  local event, why = self.window:event(milliseconds)
  while event do
    self:take(event)
    if self.leaving then return nil end
    event = self.window:event(0)
  end
  return why
end

--- Takes the events that wait, and shows what came of them.
-- @param milliseconds to wait for an event at most when none waits (0; -1: until one comes)
-- @return whether the window is still open, and "input" when standard input can be read (see perilune.window)
function Face:step(milliseconds)
  if self.closed then return false end
  local wait, now = milliseconds or 0, core.monotonic()
  local soonest = math.huge
  if self.moving then soonest = math.max(0, (self.painted_at or now) + FRAME - now) end
  soonest = math.min(soonest, self.explain_in or math.huge, self.catch_up_in or math.huge)
  if soonest < math.huge and (wait < 0 or soonest * 1000 < wait) then wait = math.ceil(soonest * 1000) end
  local why = self:listen(wait)
  if self.leaving then
    self:close()
    return false
  end
  self.moving = self:frame()
  self.explain_in, self.catch_up_in = self:explain(), self:catch_up()
  if self.explain_in == 0 or self.catch_up_in == 0 then
    self.explain_in, self.catch_up_in = nil, nil
    self.moving = self:frame()
  end
  return true, why
end

--- Steps until the window is closed.
function Face:run()
  while self:step(-1) do end
end

--- Draws recorded strokes on the canvas, in their own time; the window lives meanwhile.
-- @param strokes a canvas, the table that canvas:strokes_table() gives, or the path of a .json
-- @param options { speed = math.huge: how many times faster than they were drawn }
-- @return the prediction
function Face:replay(strokes, options)
  local canvases = require "perilune.draw.canvas"
  if type(strokes) == "string" then strokes = canvases.load(strokes) end
  if canvases.is_canvas(strokes) then strokes = strokes:strokes_table() end
  self.canvas:replay(strokes, {
    speed = options and options.speed or math.huge, on_step = function() return self:step(0) end,
  })
  self:step(0)
  return self.prediction
end

--- Shows what was changed from outside: the canvas, the net's weights.
function Face:refresh()
  self.program:forget()
  self:step(0)
end

--- From a pen's event to the presented frame that shows its prediction.
-- @return { p50 =, p99 =, most = seconds (nil without events), n = how many events }
function Face:latency() return self.meter:summary() end

--- The rectangles of what is in the window, in points: { clear = { x, y, width, height }, canvas =, bars = ..., ["bar 3"] = }.
function Face:places()
  local places = {}
  for name, r in pairs(self.board.places) do places[name] = { x = r.x, y = r.y, width = r.width, height = r.height } end
  for i, r in ipairs(self.board.layout.rows) do
    local class = self.board:class_of(i, self.scroll)
    if class <= self.board.count then places["bar " .. class] = { x = r.x, y = r.y, width = r.width, height = r.height } end
  end
  return places
end

--- The window's picture. @return uint8 (height, width, 3)
function Face:capture()
  self:paint()
  return self.window:capture()
end

--- Closes the window; what it learned and drew stays in face.program.
function Face:close()
  if self.closed then return end
  self.closed = true
  self.canvas:finish()
  self.window:close()
  if self.on_close then self.on_close(self) end
end

meta.__close = Face.close

--- Runs a function that steps; Ctrl-C closes the window and is passed on.
function window.guarded(face, f, ...)
  local result = table.pack(pcall(f, ...))
  if result[1] then return table.unpack(result, 2, result.n) end
  face:close()
  interruption.pass(result[2])
  error(result[2], 0)
end

return window
