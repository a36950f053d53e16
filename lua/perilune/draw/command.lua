--- The command `perilune draw`: its options, and which face shows.
--
-- A window where there is a display and the module for it, else the terminal. A window's terminal stays a prompt (see
-- perilune.draw.beside); without a terminal the window's end is the program's.
-- @module perilune.draw.command
local core = require "perilune.core"
local host = require "perilune.repl.host"
local interruption = require "perilune.interruption"
local script = require "perilune.script"

local command = {}

local function options_of(arguments)
  local parser = script.parser("perilune draw", "Draw a digit and see it recognised while the pen moves: in a window "
    .. "where there is a display, else in the terminal. Left button or finger draws, right button erases. Keys: c clears, "
    .. "u undoes, r does again, + and - change the pen, s saves, e shows what speaks for the answer, 0 to 9 says what "
    .. "it is (the net learns it), t teaches a new class, q or Esc leaves.")
  parser:argument("drawing", "A picture (PNG, JPEG, PGM) or saved strokes (.json) to begin with."):args "?"
  parser:mutex(parser:flag("--window", "In a window, or say why there is none."),
    parser:flag("--terminal", "In the terminal, also where there is a display."))
  parser:option("--model", "The net: a file that net:save wrote, or Keras; else the one that comes with Perilune.")
  parser:option("--drawings", "The folder that corrected drawings go to.", "drawings")
  parser:option("--colors --colours", "How many the terminal has; found out when left out."):choices { "24bit", "256", "16", "none" }
    :target "colours"
  parser:flag("--latency", "When you leave, print how long it took from the pen to the prediction shown.")
  return script.parse(parser, arguments)
end

local function is_set(name)
  local value = os.getenv(name)
  return value ~= nil and value ~= ""
end

local function has_terminal() return core.isatty(0) and core.isatty(1) and os.getenv "TERM" ~= "dumb" end

-- Is a person at the terminal, and we not in its background (perilune draw &)?
local function has_person()
  if not has_terminal() then return false end
  local file = io.open("/proc/self/stat", "rb")
  local text = file and file:read "a" or ""
  if file then file:close() end
  local group, foreground = text:match "^.*%) %a %d+ (%d+) %d+ %d+ (%-?%d+)"
  return group == foreground
end

-- The face of the window; or nil and why there is none.
local function open_window(options, program)
  if options.terminal then return nil end
  local display = is_set "DISPLAY" or is_set "WAYLAND_DISPLAY" or is_set "SDL_VIDEODRIVER"
  if not options.window and not display then return nil end
  local ok, face = pcall(function() return require("perilune.draw.window").open { program = program } end)
  if ok then return face end
  interruption.pass(face)
  if options.window or not has_terminal() then error(face, 0) end
  return nil, script.reason(face)
end

-- @param l as perilune.draw.latency sums it up
local function print_latency(l)
  if l.n == 0 then
    print "pen to prediction: nothing was drawn"
  else
    print(("pen to prediction: p50 %.2f ms, p99 %.2f ms, most %.2f ms, n = %d"):format(
      l.p50 * 1000, l.p99 * 1000, l.most * 1000, l.n))
  end
end

local function in_terminal(options, program, why)
  if not has_terminal() then
    error("drawing needs a terminal that reports the mouse, on standard input and output, or a display for its window "
      .. "(DISPLAY or WAYLAND_DISPLAY)", 0)
  end
  if why then program:say("no window: %s", why) end
  local _, _, latency = require("perilune.draw.terminal").run {
    program = program, colours = options.colours, title = "perilune draw · " .. program.recogniser.name,
  }
  if options.latency then print_latency(latency) end
end

-- Opens what is to be shown, where Ctrl-C reaches.
local function prepare(options)
  local program = require("perilune.draw.program").new { model = options.model, drawings = options.drawings }
  if options.drawing then program:open(options.drawing) end
  local face, why = open_window(options, program)
  if face then return face end
  in_terminal(options, program, why)
end

local function run(options)
  local function guarded(f, ...)
    local ok, result = host.xpcall(f, function(reason)
      local traced = type(reason) == "string" and not interruption.is(reason) and os.getenv "PERILUNE_TRACE" == "1"
      return traced and debug.traceback(reason, 2) or reason
    end, ...)
    if not ok then error(result, 0) end
    return result
  end
  local face = guarded(prepare, options)
  if not face then return end
  local ok, reason = pcall(function()
    if has_person() then
      require("perilune.draw.beside").prompt(face)
    else
      guarded(face.run, face)
    end
  end)
  face:close()
  if options.latency then print_latency(face:latency()) end
  if not ok then error(reason, 0) end
end

--- Runs the command.
-- @param arguments a list of strings
-- @return the exit status
function command.main(arguments)
  local options = options_of(arguments)
  local ok, reason = pcall(run, options)
  if ok then return 0 end
  if interruption.is(reason) then return script.INTERRUPTED end
  io.stderr:write("perilune draw: ", script.reason(reason), "\n")
  return script.FAILED
end

return command
