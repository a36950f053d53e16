--- The backend that shows when no other is there: text on standard output. In a file or a pipe figures come as
-- characters without colours, and all else as text.
-- @module perilune.display.terminal
local screen = require "perilune.display.screen"

local terminal = { name = "terminal" }

local texts, order = {}, {} -- what the displays show, by name; the oldest are forgotten
local REMEMBERED = 200
local clear_first = false

local function text_of(value)
  local display = require "perilune.display"
  if screen.is_terminal() then return display.terminal(value) end
  return display.terminal(value, { pipe = true, color = false, sixel = false, width = 80, height = 24 })
end

local function remember(id, text)
  if not id then return end
  if texts[id] == nil then
    order[#order + 1] = id
    if #order > REMEMBERED then texts[table.remove(order, 1)] = nil end
  end
  texts[id] = text
end

local function write(text)
  if clear_first then
    clear_first = false
    terminal.clear(false)
  end
  io.stdout:write(text, "\n")
  io.stdout:flush()
end

--- Prints a value.
function terminal.show_value(value, id)
  local text = text_of(value)
  remember(id, text)
  write(text)
end

--- Prints what a display shows now, when that is not what it showed before.
function terminal.update_value(value, id)
  local text = text_of(value)
  if texts[id] == text then return end
  remember(id, text)
  write(text)
end

--- Clears the screen.
function terminal.clear(wait)
  if not screen.is_terminal() or os.getenv "TERM" == "dumb" then return end
  if wait then
    clear_first = true
    return
  end
  io.stdout:write "\27[H\27[2J"
  io.stdout:flush()
end

return terminal
