--- What mouse, touch and wheel do in the window: handlers of perilune.draw.window's events, called with the face.
--
-- One pen at a time: the button or finger that put it down moves and lifts it, wherever it goes, and all others wait. A
-- release that never came is told by a move with no button held, or by the same button pressed again.
-- @module perilune.draw.pointing
local widgets = require "perilune.draw.widgets"

local pointing = {}

local WHEEL_STEP = 1.1

-- Is the event of the pen that is down?
local function of_pen(pen, event)
  return pen.touch == event.touch and (event.type == "move" or pen.touch ~= nil or pen.button == event.button)
end

local function lift(self)
  if self.pen then
    self.pen = nil
    self.canvas:finish()
  end
end

local function slide(self, x)
  local left, width = self.board:track()
  self.canvas.pen = widgets.pen_of((x - left) / math.max(1, width))
  self.program:say("pen %.0f %% of the canvas", self.canvas.pen * 100)
end

local function hover(self, event)
  local name = event and self.board:at(event.x, event.y, self.scroll)
  local pointer = name == "canvas" and not event.touch and not self.dialog and { x = event.x, y = event.y } or nil
  if name ~= self.hover or pointer or self.pointer then self.dirty = true end
  if name ~= self.hover then self.told_over = nil end
  self.hover, self.pointer = name, pointer
end

local function inside_dialog(self, event)
  local d = self.board.places.dialog
  return event.x >= d.x and event.y >= d.y and event.x < d.x + d.width and event.y < d.y + d.height
end

--- The pen goes down on the canvas, or a button is pressed.
function pointing.press(self, event)
  local again = self.pen and of_pen(self.pen, event) or self.pressed and self.pressed_by == event.touch
  if (self.pen or self.pressed) and not again then return end
  lift(self)
  self.pressed, self.pressed_by = nil, nil
  if self.dialog then
    if inside_dialog(self, event) then return end
    self.dialog, self.dirty = nil, true
  end
  local place = self.board:at(event.x, event.y, self.scroll)
  local left = event.touch ~= nil or event.button == "left"
  if place == "canvas" and (left or event.button == "right") then
    local x, y = self.board:canvas_place(event.x, event.y)
    self.canvas:finish()
    self.canvas:begin(x, y, { erase = not left, time = event.time })
    self.pen, self.pointer = { button = event.button, touch = event.touch }, nil
    self.moved_at = event.time
    self.meter:moved(event.time)
    self.program:say ""
  elseif place and left then
    self.pressed, self.pressed_by, self.dirty = place, event.touch, true
    if place == "pen" then slide(self, event.x) end
  end
end

--- The pen moves, or the pointer with nothing in its hand.
function pointing.move(self, event)
  if self.pen then
    if not of_pen(self.pen, event) then return end
    local lost = not event.touch and self.pen.held and event.button == nil
    if lost or not self.canvas.stroke then return lift(self) end -- a command may have ended the stroke
    self.pen.held = event.button
    local before = self.canvas.version
    local x, y = self.board:canvas_place(event.x, event.y)
    self.canvas:extend(x, y, event.time)
    if self.canvas.version ~= before then
      self.moved_at = event.time
      self.meter:moved(event.time)
    end
  elseif self.pressed == "pen" then
    if self.pressed_by == event.touch then slide(self, event.x) end
  else
    hover(self, event)
  end
end

local function activate(self, place)
  local class = math.tointeger(tonumber(place:match "^bar (%d+)$"))
  local letter = math.tointeger(tonumber(place:match "^letter (%d+)$"))
  if class then
    self:correct(self.program.recogniser.labels[class])
  elseif letter then
    self.choice = letter
  elseif place ~= "canvas" and place ~= "pen" and place ~= "verdict" and place ~= "bars" then
    self:command(place)
  end
end

--- The pen is lifted, or a button let go: that counts where it was pressed.
function pointing.release(self, event)
  if self.pen then
    if of_pen(self.pen, event) then
      lift(self)
      self.hover = self.board:at(event.x, event.y, self.scroll) -- the ring comes back with the next move
    end
    return
  end
  if not self.pressed or self.pressed_by ~= event.touch or not event.touch and event.button ~= "left" then return end
  local pressed = self.pressed
  self.pressed, self.pressed_by, self.dirty = nil, nil, true
  if self.board:at(event.x, event.y, self.scroll) == pressed then activate(self, pressed) end
end

--- The wheel scrolls bars that do not all fit; else it makes the pen wider or narrower.
function pointing.wheel(self, event)
  local most = self.board.layout.scroll_most
  local place = event.x and self.board:at(event.x, event.y, self.scroll) or self.hover
  if most > 0 and place and (place == "bars" or place:find "^bar ") then
    self.scroll = math.max(0, math.min(most, self.scroll - (event.dy > 0 and 1 or -1)))
    self.dirty = true
    return
  end
  local pen = self.canvas.pen * WHEEL_STEP ^ event.dy
  self.canvas.pen = math.min(widgets.PEN_MOST, math.max(widgets.PEN_LEAST, pen))
  self.program:say("pen %.0f %% of the canvas", self.canvas.pen * 100)
end

--- The pointer left the window. A pen that is down goes on: its button is held, and its moves are still told.
function pointing.leave(self)
  if not self.pen then hover(self, nil) end
end

return pointing
