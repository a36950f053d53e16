-- What tests of windows share: windows without a display, and looking at what was painted.
local window = require "perilune.window"

local look = { WIDTH = 200, HEIGHT = 150, WHITE = { 255, 255, 255 }, RED = { 255, 0, 0 }, BLUE = { 0, 0, 255 } }

--- A window that is not shown, 200 x 150 points when nothing else is said.
function look.open(options)
  options = options or {}
  options.hidden = true
  options.width, options.height = options.width or look.WIDTH, options.height or look.HEIGHT
  return window.open(options)
end

--- A window that is white and has no events.
function look.fresh()
  local w = look.open()
  w:clear(0xFFFFFF)
  while w:event(0) do end
  return w
end

--- What was painted, as a function of a pixel's place (from 0) that gives { red, green, blue }; and as rows.
function look.at(w)
  local rows = w:capture():totable()
  return function(x, y) return rows[y + 1][x + 1] end, rows
end

--- Raises an error unless two colours are alike.
function look.near(expected, actual, tolerance)
  for i = 1, 3 do
    if math.abs(expected[i] - actual[i]) > (tolerance or 1) then
      error(("expected %s, got %s"):format(table.concat(expected, " "), table.concat(actual, " ")), 2)
    end
  end
end

--- How much of a shape in black on white covers the pixels of a box, in pixels.
function look.ink(rows, left, top, right, low)
  local sum = 0
  for y = top or 0, low or #rows - 1 do
    for x = left or 0, right or #rows[1] - 1 do sum = sum + (255 - rows[y + 1][x + 1][1]) / 255 end
  end
  return sum
end

--- The box of what is not white, by one channel: left, top, right, low; nil when all is.
function look.box(rows, channel)
  local left, top, right, low
  for y, row in ipairs(rows) do
    for x, pixel in ipairs(row) do
      if pixel[channel or 1] < 250 then
        left, right = math.min(left or x, x), math.max(right or x, x)
        top, low = math.min(top or y, y), math.max(low or y, y)
      end
    end
  end
  return left and left - 1, top and top - 1, right and right - 1, low and low - 1
end

return look
