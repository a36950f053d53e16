--- What stands beside the canvas in the terminal: the winner (large), a bar for each class, and the picture that the net
-- sees. Painted into a part of a perilune.draw.screen.
-- @module perilune.draw.panel
local colours = require "perilune.draw.colours"
local font = require "perilune.draw.font"

local panel = {}

local SCALE_MOST = 5   -- of the large characters, in pixels of two a cell's height
local SEEN = 28        -- the net's picture: columns, and rows of pixels
local NAME_MOST = 10   -- letters of a class's name beside its bar
local eighths = { [0] = " ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█" }

-- Two pixels in one cell: of colours, or of ink where a terminal has none.
local function put_pixels(screen, column, row, top, bottom)
  if top == bottom then
    screen:put(column, row, " ", nil, top)
  else
    screen:put(column, row, "▀", top, bottom)
  end
end
panel.put_pixels = put_pixels

local inked = { [0] = " ", "▀", "▄", "█" }

--- Two pixels of ink in one cell, for a terminal without colours.
function panel.put_ink(screen, column, row, top, bottom)
  screen:put(column, row, inked[(top and 1 or 0) + (bottom and 2 or 0)])
end

-- --- the winner -------------------------------------------------------------------------------------------------

-- Large characters in half-blocks; `colour_of` tells each one's, `spots` gets their places. Returns the rows and columns
-- they took; nil when the font lacks one or there is no room.
local function paint_large(screen, text, column, row, width, height, colour_of, spots)
  local glyphs = {}
  for character in text:gmatch(utf8.charpattern) do glyphs[#glyphs + 1] = font.glyph(character) or nil end
  if #glyphs == 0 or #glyphs ~= utf8.len(text) then return nil end
  local across = #glyphs * (font.WIDTH + 1) - 1
  local scale = math.min(SCALE_MOST, width // across, 2 * height // font.HEIGHT)
  if scale < 1 then return nil end
  local high = font.HEIGHT * scale
  for i, glyph in ipairs(glyphs) do
    local left, colour = column + (i - 1) * (font.WIDTH + 1) * scale, colour_of(i)
    spots[#spots + 1] = { digit = i, left = left, right = left + font.WIDTH * scale - 1, top = row,
      bottom = row + (high - 1) // 2 }
    for y = 0, high - 1, 2 do
      for x = 0, font.WIDTH * scale - 1 do
        local top = glyph[y // scale + 1][x // scale + 1]
        local below = glyph[(y + 1) // scale + 1]
        local bottom = below ~= nil and below[x // scale + 1]
        screen:put(left + x, row + y // 2, inked[(top and 1 or 0) + (bottom and 2 or 0)], colour)
      end
    end
  end
  return (high + 1) // 2, across * scale
end

local function percent(value) return ("%.1f%%"):format(value * 100) end

-- A number's own likelihood: that all of its digits are right.
local function likelihood(prediction)
  local product = prediction.confidence
  if prediction.number and prediction.digits then
    product = 1
    for _, digit in ipairs(prediction.digits) do product = product * digit.confidence end
  end
  return product
end

-- In `height` rows from `row` on.
local function paint_winner(screen, at, row, height, state, spots)
  local prediction, theme = state.prediction, state.theme
  if not prediction then
    screen:text(at.column, row + height // 2, "draw a digit on the left", theme.faint, nil, at.last)
    if height >= 3 then
      screen:text(at.column, row + height // 2 + 1, "by mouse, or arrows and space", theme.faint, nil, at.last)
    end
    return
  end
  if prediction.certain == false then
    local middle = row + math.max(0, height // 2 - 1)
    screen:text(at.column + 2, middle, "not a digit", theme.best, nil, at.last)
    if height >= 2 then
      screen:text(at.column + 2, middle + 1, ("perhaps %s, %s"):format(prediction.number or prediction.label,
        percent(likelihood(prediction))), theme.faint, nil, at.last)
    end
    return
  end
  local text = prediction.number or prediction.label
  local said = percent(likelihood(prediction))
  local digit_height = math.max(1, math.min(height - 4, SCALE_MOST * font.HEIGHT // 2 + 1))
  local top = row + math.max(0, (height - digit_height) // 2)
  local room = at.width - 3 - (#text == 1 and 8 or 0)
  local rows, across = nil, nil
  if height >= 6 then
    -- Of a number the digit whose bars are shown stands out.
    rows, across = paint_large(screen, text, at.column + 2, top, room, digit_height, function(i)
      return (state.chosen or i) == i and theme.best or theme.text
    end, spots)
  end
  if not rows then
    local column = screen:text(at.column, row + height // 2, ("» %s «"):format(text), theme.best, nil, at.last)
    if column + 2 + #said <= at.last then screen:text(column + 2, row + height // 2, said, theme.text) end
  elseif at.column + across + 5 + #said <= at.last then
    screen:text(at.column + across + 5, top + rows // 2, said, theme.text)
  else
    screen:text(at.column + 2, top + rows + 1, said, theme.text)
  end
end

-- --- the bars ---------------------------------------------------------------------------------------------------

local function paint_bar(screen, at, row, bar, state)
  local theme = state.theme
  local colour = bar.best and theme.best or theme.bar
  local column = screen:text(at.column, row, (" "):rep(bar.width - (utf8.len(bar.name) or #bar.name)) .. bar.name .. " ",
    bar.best and theme.best or theme.text)
  local room = at.last - column - 6
  local filled = math.floor(math.max(0, math.min(1, bar.value)) * room * 8 + 0.5)
  for i = 0, room - 1 do
    screen:put(column + i, row, eighths[math.max(0, math.min(8, filled - 8 * i))], colour, theme.trough)
  end
  screen:text(column + room, row, ("%6.1f%%"):format(bar.value * 100), bar.best and theme.best or theme.faint)
end

-- Which classes have a bar: all in their order when there is room, else the likeliest.
local function chosen(values, room)
  local order = {}
  for i = 1, #values do order[i] = i end
  if #order > room then
    table.sort(order, function(a, b)
      if values[a] ~= values[b] then return values[a] > values[b] end
      return a < b
    end)
    for i = #order, room + 1, -1 do order[i] = nil end
  end
  return order
end

local function shortened(label, most)
  local length = utf8.len(label)
  if not length then return label:sub(1, most) end
  return length > most and label:sub(1, utf8.offset(label, most) - 1) .. "…" or label
end

-- In the rows from `row` to `last`. Returns the classes by row.
local function paint_bars(screen, at, row, last, state)
  local order, width = chosen(state.values, last - row + 1), 1
  local names, classes = {}, {}
  for i, class in ipairs(order) do
    names[i] = shortened(state.labels[class], NAME_MOST)
    width = math.max(width, utf8.len(names[i]) or #names[i])
  end
  for i, class in ipairs(order) do
    local y = row + i - 1
    classes[y] = class
    paint_bar(screen, at, y, { name = names[i], width = width, value = state.values[class],
      best = state.shown ~= nil and class == state.shown.best }, state)
  end
  return classes
end

-- --- what the net sees ------------------------------------------------------------------------------------------

-- A picture (28, 28, 1) from a cell on; `step` 2 shows it at half its size.
local function paint_seen(screen, column, row, picture, step, state)
  local theme, plain = state.theme, state.plain
  local pixels = picture:reshape(SEEN, SEEN):totable()
  local function value(x, y) -- the mean of a pixel's square
    local sum = 0
    for j = 1, step do
      for i = 1, step do sum = sum + pixels[y * step + j][x * step + i] end
    end
    return sum / (step * step)
  end
  local side = SEEN // step
  for y = 0, side - 1, 2 do
    for x = 0, side - 1 do
      local top, bottom = value(x, y), value(x, y + 1)
      if plain then
        panel.put_ink(screen, column + x, row + y // 2, top > 0.5, bottom > 0.5)
      else
        put_pixels(screen, column + x, row + y // 2, colours.mix(theme.paper, theme.ink, top),
          colours.mix(theme.paper, theme.ink, bottom))
      end
    end
  end
end

-- Of several digits each at half the size, as many as there is room for. Returns the rows taken.
-- @param alone the winner has no place of its own
local function paint_inputs(screen, at, row, state, spots, alone)
  local prediction, theme = state.prediction, state.theme
  local behind = screen:text(at.column, row, "what the net sees", theme.faint, nil, at.last)
  if alone and prediction then
    local certain = prediction.certain ~= false
    local said = ("%s, %s"):format(prediction.number or prediction.label, percent(likelihood(prediction)))
    screen:text(behind, row, ": " .. (certain and said or "no digit"), theme.best, nil, at.last)
  end
  local digits = prediction and prediction.digits
  if digits and #digits > 1 then
    for i, digit in ipairs(digits) do
      local column = at.column + (i - 1) * (SEEN // 2 + 1)
      if column + SEEN // 2 - 1 <= at.last then
        paint_seen(screen, column, row + 1, digit.input, 2, state)
        spots[#spots + 1] = { digit = i, left = column, right = column + SEEN // 2 - 1, top = row + 1,
          bottom = row + SEEN // 4 }
      end
    end
  elseif prediction and prediction.input then
    paint_seen(screen, at.column, row + 1, prediction.input, 1, state)
  elseif not state.plain then
    for y = 1, SEEN // 2 do screen:blank(row + y, at.column, at.column + SEEN - 1, theme.paper) end
  end
  return SEEN // 2 + 1
end

-- --- the whole --------------------------------------------------------------------------------------------------

local WINNER_LEAST = 6

--- Paints the panel.
-- @param screen see perilune.draw.screen
-- @param at     { column, row, width, last_row }
-- @param state  { prediction = or nil, chosen = which of a number's digits the bars are of, or nil; shown = that one's
--   prediction, values = bars' lengths, labels =, theme = see perilune.draw.colours, plain = no colours, seeing = the
--   net's picture is asked for although there is little room }
-- @return the classes that have a bar, by row of the screen
-- @return where digits of a number can be chosen: a list of { left =, right =, top =, bottom =, digit = }
function panel.paint(screen, at, state)
  local spots = {}
  at.last = at.column + at.width - 1
  for row = at.row, at.last_row do screen:blank(row, at.column, at.last) end
  local height = at.last_row - at.row + 1
  local bars = math.min(#state.values, height)
  local free, row = height - bars, at.row
  local wide = at.width >= SEEN
  if wide and free >= SEEN // 2 + 2 + WINNER_LEAST + 4 then
    paint_inputs(screen, at, at.last_row - bars - SEEN // 2 - 1, state, spots)
    free = free - SEEN // 2 - 2
  elseif state.seeing and wide and height >= SEEN // 2 + 4 then
    row = row + paint_inputs(screen, at, row, state, spots, true)
    bars = math.min(#state.values, height - SEEN // 2 - 1)
    free = height - SEEN // 2 - 1 - bars
  end
  if free >= 1 then paint_winner(screen, at, row, free, state, spots) end
  return paint_bars(screen, at, at.last_row - bars + 1, at.last_row, state), state.chosen and spots or {}
end

return panel
