--- Draws recorded strokes on a canvas again, in their own time.
--
-- The points keep the times between them that they were recorded with, whatever the speed, so that what was replayed is
-- the recorded drawing.
-- @module perilune.draw.player
local core = require "perilune.core"

local player = {}

local Player = {}
Player.__index = Player

-- When each point is due, in recorded seconds; no point is drawn before the one in front of it. A step that is a picture
-- is one.
local function schedule(steps)
  local due, first = {}, nil
  for i, step in ipairs(steps) do
    for k = 1, math.max(1, step.n) do
      local time = step.picture and step.time or step.t[k]
      first = first or time
      due[#due + 1] = { stroke = i, point = k, at = time - first }
    end
  end
  return due
end

--- A player: see Canvas:player.
-- @param canvas to draw on
-- @param steps  what: see perilune.draw.strokes
-- @param speed  1 when left out
function player.new(canvas, steps, speed)
  speed = speed or 1
  if type(speed) ~= "number" or not (speed > 0) then
    error(("canvas:replay: speed wants a number above 0, got %s"):format(tostring(speed)), 3)
  end
  return setmetatable({
    canvas = canvas, steps = steps, speed = speed, due = schedule(steps), next = 1, begin = core.monotonic(),
  }, Player)
end

function Player:draw(entry)
  local canvas, step, time = self.canvas, self.steps[entry.stroke], self.begin + entry.at
  if step.picture then
    canvas:place(step, time)
  elseif entry.point == 1 then
    canvas:begin(step.x[1], step.y[1], { erase = step.erase, width = step.width, time = time })
    self.stroke = canvas.stroke
  elseif canvas.stroke == self.stroke then -- else somebody undid or cleared it under the pen: the rest of it is gone too
    canvas:extend(step.x[entry.point], step.y[entry.point], time)
  end
  if step.picture or (entry.point == step.n and canvas.stroke == self.stroke) then canvas:finish() end
end

--- Draws what is due.
-- @param seconds since the beginning
-- @return when the next point is due, in seconds since the beginning; nil when all is drawn
-- @return how many points were drawn
function Player:play(seconds)
  local before = self.next
  local entry = self.due[before]
  while entry and (self.speed == math.huge or entry.at <= seconds * self.speed) do
    self.next = self.next + 1
    self:draw(entry)
    entry = self.due[self.next]
  end
  return entry and entry.at / self.speed, self.next - before
end

--- Draws everything, waiting between the points.
-- @param on_step see Canvas:replay
function Player:run(on_step)
  local begin = core.monotonic()
  while true do
    local now = core.monotonic() - begin
    local due, drawn = self:play(now)
    if drawn > 0 and on_step and on_step(self.canvas, now) == false then
      self.canvas:finish()
      return
    end
    if not due then return end
    core.sleep(due - (core.monotonic() - begin))
  end
end

return player
