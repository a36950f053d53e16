--- Runs what would spoil a drawn screen: pieces of Lua that a person typed, and work that takes its time. What is printed
-- meanwhile goes to the pane, Ctrl-C interrupts it, and the screen is painted while it lasts.
--
-- The session is the prompt's, when the drawing program runs at one, so that its variables are there; else a new one.
-- @module perilune.draw.pieces
local commands = require "perilune.repl.commands"
local core = require "perilune.core"
local display = require "perilune.display"
local evaluate = require "perilune.repl.evaluate"
local failure = require "perilune.repl.failure"
local host = require "perilune.repl.host"
local progress = require "perilune.train.progress"
local repl = require "perilune.repl.terminal"

local pieces = {}

local FRAME, SLOW_FRAME = 1 / 60, 1 / 15 -- seconds between paintings while a piece runs; the latter where text comes
local LENT = { "digit", "prediction", "canvas", "net", "program", "correct", "teach", "show" } -- to the prompt's session

local Pieces = {}
Pieces.__index = Pieces

-- --- output -----------------------------------------------------------------------------------------------------

-- What was printed by any means since the last time.
function Pieces:collect()
  local bytes, lost = core.raw_terminal_output()
  if lost > 0 then self.pane:write(("... %d bytes before this\n"):format(lost)) end
  self.pane:write(bytes)
end

function Pieces:write(text)
  self:collect()
  self.pane:write(text)
end

-- Paints, but not too often.
function Pieces:refresh(frame)
  local now = core.monotonic()
  if now - self.painted < (frame or SLOW_FRAME) then return end
  self.painted = now
  self:collect()
  self.paint()
end

-- Where the prompt's machinery and progress bars write to.
local function sink(self)
  return {
    write = function(file, ...)
      self:write(table.concat({ ... }))
      return file
    end,
    flush = function() self:refresh() end,
  }
end

-- What values are shown on.
local function screen_of(self)
  local columns, rows = self.size()
  local deep = { ["24bit"] = "true", none = "none" }
  return { width = columns, height = rows, colors = deep[self.colours] or "256", color = self.colours ~= "none",
    unicode = true, sixel = false, pipe = false }
end

-- The place where peri.display shows things, and progress bars.
local function backend(self)
  local function show(value)
    self:write(display.terminal(value, screen_of(self)) .. "\n")
    self:refresh()
  end
  return {
    name = "draw", show = show, show_value = show, update_value = show,
    clear = function() self.pane:clear() end,
    progress = function(given)
      local mine = { output = self.sink, terminal = true, unicode = true, colours = self.colours ~= "none",
        width = function() return (self.size()) end, clock = core.monotonic }
      for name, value in pairs(given) do
        if mine[name] == nil then mine[name] = value end
      end
      return progress.new(mine)
    end,
  }
end

-- --- the session ------------------------------------------------------------------------------------------------

-- print, which also brings to the screen what was printed.
local function live_print(self)
  return function(...)
    print(...)
    self:refresh()
  end
end

-- show(): a piece that draws shows how far it is, canvas:replay(strokes, { on_step = show }).
local function live_show(self)
  return function()
    self.program:recognise()
    self:refresh(FRAME)
  end
end

local function open_session(self)
  self.before = evaluate.current
  if evaluate.current then
    self.session, self.lent = evaluate.current, true
    self.session_xpcall = self.session.xpcall
    self.session.xpcall = host.own_xpcall
    return
  end
  self.session = evaluate.session { xpcall = host.own_xpcall, coroutine_traceback = host.coroutine_traceback }
  commands.install(self.session, { output = self.sink, paint = self.feeder_paint })
  self.session.environment:provide("print", live_print(self))
end

--- What runs pieces for a face.
-- @param options { program = see perilune.draw.program, pane = see perilune.draw.pane, paint = function() that brings the
--   screen up to date, size = function() -> columns and rows for values, colours = the terminal's mode }
function pieces.new(options)
  local self = setmetatable({
    program = options.program, pane = options.pane, paint = options.paint, size = options.size, colours = options.colours,
    painted = -math.huge, stock = host.own_xpcall == xpcall,
  }, Pieces)
  self.sink, self.show = sink(self), live_show(self)
  self.feeder_paint = function(text, role) return self.colours ~= "none" and display.paint(text, role) or text end
  open_session(self)
  self.feeder = repl.feeder {
    session = self.session, output = self.sink, errors = self.sink, color = self.colours ~= "none",
    screen = function() return screen_of(self) end, xpcall = host.own_xpcall,
  }
  return self
end

--- Gives back what was lent to a session that lives on.
function Pieces:close()
  if self.lent then
    self.session.xpcall = self.session_xpcall
    for _, name in ipairs(LENT) do self.session.environment:provide(name, nil) end
  end
  evaluate.current = self.before
end

-- --- running ----------------------------------------------------------------------------------------------------

--- Ends what `work` began, also when an interrupt came in between: the terminal hands over keys again.
function Pieces:settle()
  core.raw_terminal_run(false)
  if self.signals then
    self.signals = false
    core.signal_interrupt(false)
  end
  core.interrupt_clear()
  self:collect()
  if self.undo_backend then self.undo_backend = self.undo_backend() and nil end
  self.pane:end_line()
  self.working = false
end

--- Calls a function that may take its time, print, and be interrupted.
-- @return true and its results, or false and the description of what went wrong (see perilune.repl.failure)
function Pieces:work(f, ...)
  self.working = true
  local ok, reason = pcall(core.raw_terminal_run, true)
  if not ok then
    self:settle()
    return false, failure.describe(reason, {})
  end
  if self.stock then -- nobody else listens to Ctrl-C
    core.signal_interrupt(true)
    self.signals = true
  end
  self.undo_backend = display.register(backend(self))
  local results = failure.protect(f, host.own_xpcall, ...)
  self:settle()
  if not results[1] then results[2] = failure.describe(results[2], self.session.sources) end
  return table.unpack(results, 1, results.n)
end

--- Runs a piece of Lua with the program's things in scope; what comes of it is in the pane then.
function Pieces:run(code)
  local program, environment = self.program, self.session.environment
  self.pane:end_line()
  self.pane:write((self.colours ~= "none" and "\27[36m>\27[0m " or "> ") .. code:gsub("\n", "\n| ") .. "\n")
  local ok, failed = self:work(function()
    program:scope(environment)
    environment:provide("show", self.show)
    local net, canvas = environment:get "net", environment:get "canvas"
    self.feeder:feed(code, true)
    if rawequal(net, environment:get "net") and rawequal(canvas, environment:get "canvas") then
      program:forget()
    else
      program:adopt(environment)
    end
  end)
  if not ok then
    self.pane:write(failure.safe_text(failed, self.feeder_paint, host.own_xpcall) .. "\n")
    program:forget()
  end
end

return pieces
