--- A window to paint in and to take events from (SDL2; a part that a build may lack).
--
--     local window = require "perilune.window"
--     local w = window.open { title = "Hello", width = 900, height = 640 }
--     w:clear(0xFFFFFF)
--     w:fill(20, 20, 200, 100, 0x2060C0, 12)              -- x, y, width, height, colour, radius of its corners
--     w:line(20, 140, 220, 180, 3, 0x80C02020)            -- x1, y1, x2, y2, thickness, colour
--     w:text(20, 200, "Grüße", 16, 0x202020)              -- x, y (its top), text, size, colour, "left"|"center"|"right"
--     w:picture("digit", tensor, 300, 20, 280, 280, { low = 0xFFFFFF, high = 0x000000 })
--     w:present()
--     local event, why = w:event(-1)
--
-- Positions and sizes are in points; w:size() gives the window's width and height in points, and how many pixels a
-- point is. Colours are 0xRRGGBB or 0xAARRGGBB. What was painted stays until it is painted over or the window's size
-- changes, so a face may paint only what changed. Sizes of text are those of its font's em, in points.
--
-- `w:event(milliseconds)` waits (-1: for ever) and gives a table, or nil and "timeout" (also when a signal ended the
-- wait) or "input" (see below). Every event has `type` and `time`, the seconds of core.monotonic() when it happened:
--
--     press, release   x, y, button ("left", "middle", "right"), touch (a finger's number, else nil)
--     move             x, y, the button that is held, touch
--     wheel            dy (notches, away from the person is more than 0), x, y
--     key              key ("c", "escape", "page-up", ...), ctrl, shift, alt, repeated (the key is being held)
--     text             text: what keys have typed; a key that types gives a key event too
--     drop             path of a file that was dropped on the window
--     resize, expose   the window wants to be painted
--     leave, close     the mouse left the window; the person wants it closed
--
-- `w:push(event)` puts such an event (its time is then) into the queue that real ones come from; { type = "resize",
-- width =, height = } gives the window that size. `w:watch_input(true)`: event comes back with "input" when standard
-- input can be read, until it was read. Ctrl-C raises "interrupted" in a wait.
--
-- `w:picture(name, tensor, x, y, width, height, options)`: float32 in [0, 1] or uint8, of shape (H, W, 3), or (H, W, 1)
-- mapped between two colours 0xAARRGGBB: `low` (black) and `high` (white), where alpha counts, unless both have none;
-- `smooth` scales linearly; `box = { top, left, height, width }` (from 1) is the part that changed since the picture
-- of that name was painted last, all of it when not given.
--
-- `w:measure(text, size)` -> width, height; `w:present()` shows what was painted -> seconds; `w:capture()` -> uint8
-- (H, W, 3) in pixels; `w:title(text)`; `w:close()`, `w:closed()`. A window closes itself when it is collected.
-- @module perilune.window
local args = require "perilune.args"
require "perilune.core"

-- The binary part is a library of its own with this module's name: Perilune works without SDL2.
local function load_library()
  local path = package.searchpath("perilune.window", package.cpath)
  if not path then
    error("perilune.window: this build has no windows; install SDL2 and SDL2_ttf (Debian: libsdl2-dev, "
      .. "libsdl2-ttf-dev, fonts-dejavu-core) and build again", 0)
  end
  local open, reason = package.loadlib(path, "luaopen_perilune_window")
  if not open then error(("perilune.window: %s cannot be loaded: %s"):format(path, reason), 0) end
  return open("perilune.window", path)
end

local library = load_library()
local window = {}

local OPTIONS = { { "title", "string", "Perilune" }, { "width", "number", 900 }, { "height", "number", 640 },
  { "font", "string" }, { "hidden", "boolean", false } }

--- Opens a window.
-- @param options nil or { title = "Perilune", width = 900, height = 640 (points; cut to the screen), font = a .ttf
--   file (else $PERILUNE_FONT, else DejaVu Sans), hidden = true: not shown, and needs no display }.
--   $PERILUNE_SCALE says how many pixels a point is where the system is wrong about it.
-- @return the window
function window.open(options)
  local o = args.named("window.open", options, OPTIONS)
  return library.open(o.title, o.width, o.height, o.font, o.hidden)
end

return window
