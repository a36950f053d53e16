--- Training and loops as a notebook shows them: one display each that grows while they run (bar, time left, figures,
-- curves) and whose last form, the one that a notebook keeps, tells no times: it is the same for the same training.
--
-- These are progress objects as train/progress.lua describes them; the kernel gives them out as the backend of
-- perilune.display. What they need of it is the place:
--
--     place.show(forms, { id = })        a new display        place.update(forms, { id = })    its next form
--     place.new_id()                     an id no other display of any kernel has
--     place.cell()                       the same value for all of a cell, another for the next
--     place.console()                    whether the front end shows text only; then that is what it gets
--     place.output                       where text goes (io.stdout)
--     place.has_shown(history)           is told whose curves are in a display (may be nil)
--
-- A display is drawn at most ten times a second, and less often where drawing would take more than a fiftieth of the
-- time. What is left to draw when a cell ends, live.end_cell draws: the kernel calls it before it replies.
-- @module perilune.kernel.live
local core = require "perilune.core"
local progress = require "perilune.train.progress"
local Fit = require "perilune.kernel.live.fit"
local Loop = require "perilune.kernel.live.loop"

local live = {}

local HERTZ = 10
local SHARE = 0.02 -- of the time, at most, goes into drawing
local OWN_FITS, OWN_LOOPS = 4, 12 -- displays of their own in a cell; what comes after shares one

-- --- one display --------------------------------------------------------------------------------------------------

local Screen = {}
Screen.__index = Screen

local pending = {} -- screens whose last form is not drawn yet

local function new_screen(place, clock)
  return setmetatable({ place = place, clock = clock, next = -math.huge, drawn = 0 }, Screen)
end

--- Whether it may be drawn now.
function Screen:due() return self.clock() >= self.next end

--- Draws what `model:forms()` gives.
function Screen:draw(model)
  pending[self] = nil
  local before = self.clock()
  local forms = model:forms()
  if self.id then
    self.place.update(forms, { id = self.id })
  else
    self.id = self.place.new_id()
    self.place.show(forms, { id = self.id })
  end
  self.drawn = self.drawn + 1
  local cost = self.clock() - before
  self.next = before + math.max(1 / HERTZ, cost / SHARE)
end

--- Draws when it is time to, and with it the last forms of others that wait.
function Screen:tick(model)
  if not self:due() then return end
  self:draw(model)
  live.flush(true)
end

--- Draws a last form, now or later.
function Screen:settle(model)
  if self:due() then return self:draw(model) end
  pending[self] = model
end

--- Draws the last forms that wait.
-- @param only_due  those whose time has come; all of them unless told
function live.flush(only_due)
  for screen, model in pairs(pending) do
    if not only_due or screen:due() then screen:draw(model) end
  end
end

-- --- what a cell has shown so far -----------------------------------------------------------------------------------

local cell = {}

local function cell_of(place)
  local token = place.cell()
  if cell.token ~= token then
    live.end_cell()
    cell = { token = token, fits = 0, loops = 0, open = {}, levels = {} }
  end
  return cell
end

--- A cell has ended: what waits is drawn, and loops that nobody ended, as their iterator was kept in a variable, are.
function live.end_cell()
  local open = cell.open or {}
  for i = #open, 1, -1 do open[i]:close { kind = "left" } end
  live.flush()
  cell = {}
end

local function new_fit(given, place)
  local here = cell_of(place)
  here.fits = here.fits + 1
  local fit = Fit.new(given)
  if here.fits <= OWN_FITS then
    fit.screen = new_screen(place, given.clock)
  else
    here.shared = here.shared or { screen = new_screen(place, given.clock), before = {}, first = here.fits }
    fit.screen, fit.shared = here.shared.screen, here.shared
  end
  fit.number, fit.has_shown = here.fits, place.has_shown
  return fit
end

-- Loops inside a loop share a display; so do those after the first dozen.
local function new_loop(given, place)
  local here = cell_of(place)
  local loop = Loop.new(given)
  local depth = #here.open + 1
  if depth == 1 then here.loops = here.loops + 1 end
  local level = here.levels[depth]
  if not level or (depth == 1 and here.loops <= OWN_LOOPS) then
    level = new_screen(place, given.clock)
    here.levels[depth] = level
    for i = #here.levels, depth + 1, -1 do here.levels[i] = nil end
  end
  loop.screen = level
  here.open[depth] = loop
  function loop.on_close()
    for i = #here.open, 1, -1 do
      if here.open[i] == loop then table.remove(here.open, i) end
    end
  end
  return loop
end

--- The progress object for a training or a loop.
-- @param given  { verbose = 1, loop = true for a loop, title =, clock = }; verbose 0 shows nothing, 2 one line an epoch
-- @param place  what the head of this file tells
function live.new(given, place)
  local how = { verbose = given.verbose or 1, loop = given.loop, title = given.title,
    clock = given.clock or core.monotonic }
  if how.verbose == 0 then return progress.new(how) end
  if how.verbose == 2 or place.console() then
    how.output, how.times, how.terminal = place.output or io.stdout, false, how.verbose ~= 2
    how.width, how.unicode, how.hertz = function() return 80 end, true, 4
    return progress.new(how)
  end
  return how.loop and new_loop(how, place) or new_fit(how, place)
end

--- The progress object that a kernel gives out.
-- @param kernel  see perilune.kernel.server; its field `shown` tells of histories in which cell their curves were
--   shown, its function end_cell is to be called when a cell has run
-- @param given   as for live.new
function live.progress(kernel, given)
  kernel.shown = kernel.shown or setmetatable({}, { __mode = "k" })
  kernel.end_cell = live.end_cell
  local show = require("perilune.kernel.show").backend(kernel)
  return live.new(given, {
    show = show.show, update = show.update,
    new_id = function() return kernel:uuid() end,
    cell = function() return kernel.message end,
    console = function() return kernel:is_console() end,
    has_shown = function(history) kernel.shown[history] = kernel.message end,
  })
end

return live
