--- The prompt beside a window: the window lives while the prompt waits for keys, and the two see each other's values
-- between pieces (see perilune.repl.waiting).
--
-- The window that `perilune draw` opens and its prompt end together: Ctrl-D closes the window, and closing the window
-- leaves the prompt where nothing is typed yet. A window that code at a prompt has opened goes alone.
-- @module perilune.draw.beside
local evaluate = require "perilune.repl.evaluate"
local host = require "perilune.repl.host"
local interruption = require "perilune.interruption"
local waiting = require "perilune.repl.waiting"

local beside = {}

local GREETING = 'Draw in the window. digit, canvas, net and prediction are here; correct(7) and teach "A" learn the '
  .. "drawing. Ctrl-D closes the window."

-- Lets the window live while a prompt waits; `ended` is what is said when it has been closed.
local function live(face, ended)
  local undo, pieces
  local function wait(milliseconds)
    local session = evaluate.current
    if session and session.count ~= pieces then -- a piece was run: it may have changed anything
      pieces = session.count
      face.program:forget()
    end
    if face.closed then
      undo()
      return ended
    end
    face.window:watch_input(true)
    local ok, reason = pcall(face.step, face, milliseconds)
    if not face.closed then
      face.window:watch_input(false)
      if ok or interruption.is(reason) then return interruption.pass(reason) end
      face:close()
    end
    undo()
    if not ok then error(reason, 0) end
    return ended
  end
  undo = waiting.with(wait)
  return undo
end

--- Lets a window that code has opened live beside the prompt, where there is one, until it is closed.
function beside.attach(face)
  if evaluate.current then live(face) end
end

--- Runs a prompt beside a window until one of them ends.
-- @param face see perilune.draw.window
function beside.prompt(face)
  local program = face.program
  local undo = live(face, "leave")
  print(GREETING)
  local ok, reason = pcall(require("perilune.repl").run, {
    version = host.versions and host.versions() or nil,
    before = function(session)
      program:scope(session.environment)
      session.environment:provide_lazily("draw", function() return require "perilune.draw" end)
      session.environment:provide("window", face)
    end,
    after = function(session)
      program:adopt(session.environment)
      face:step(0)
    end,
  })
  undo()
  if not ok then error(reason, 0) end
end

return beside
