--- What the window shows: paints a program's state with a layout (perilune.draw.layout) into a window
-- (perilune.window, or anything that has its drawing functions).
--
-- The state is handed to paint and not kept: values = lengths of the bars, chosen = which digit of a number the bars are
-- of, hover and pressed = names of places ("clear", "bar 3"), pointer = { x, y } over the canvas, scroll = rows of bars
-- scrolled away, heat = (S, S, 1) over the canvas or nil, speaks_for = the label that it is of
-- where it is not the answer's, dialog = { text =, caret = bool, name = } or nil.
-- @module perilune.draw.board
local layouts = require "perilune.draw.layout"
local theme = require "perilune.draw.theme"
local widgets = require "perilune.draw.widgets"

local board = {}

local SIDE = 28 -- of the picture the net sees
local RASTER_MOST = 4096
local NOTHING = { top = 1, left = 1, height = 0, width = 0 }

local Board = setmetatable({}, { __index = widgets.Widgets })
Board.__index = Board

--- A board.
-- @param window  that it paints into
-- @param program see perilune.draw.program
function board.new(window, program)
  local self = setmetatable({ window = window, program = program }, Board)
  self:resize()
  return self
end

-- Moves a rectangle's edges to whole pixels: what was beside each other stays so.
local function snap(r, scale)
  local function edge(value) return math.floor(value * scale + 0.5) / scale end
  local x, y = edge(r.x), edge(r.y)
  r.x, r.y, r.width, r.height = x, y, edge(r.x + r.width) - x, edge(r.y + r.height) - y
end

--- Lays everything out anew when the window's size or the number of classes has changed. Returns whether it had to.
function Board:resize()
  local width, height, scale = self.window:size()
  local count = #self.program.recogniser.labels
  if width == self.width and height == self.height and scale == self.scale and count == self.count then return false end
  self.width, self.height, self.scale, self.count = width, height, scale, count
  self.layout = layouts.new(width, height, count)
  for _, r in pairs(self.layout.places) do snap(r, scale) end
  for _, r in ipairs(self.layout.rows) do snap(r, scale) end
  local canvas = self.layout.places.canvas
  canvas.height = canvas.width
  self.unit, self.places = self.layout.unit, self.layout.places
  self.raster, self.letters = nil, {}
  return true
end

--- The name of the place at a point: "canvas", "clear", "bar 3" (the third class) ..., or nil.
-- @param scroll rows of bars that are scrolled away
function Board:at(x, y, scroll)
  local row = self:row_at(x, y)
  if row then return "bar " .. self:class_of(row, scroll) end
  for i, r in ipairs(self.letters) do
    if layouts.inside(r, x, y) then return "letter " .. i end
  end
  for _, name in ipairs(widgets.ACTIVE) do
    if layouts.inside(self.places[name], x, y) then return name end
  end
end

function Board:row_at(x, y)
  for i, r in ipairs(self.layout.rows) do
    if layouts.inside(r, x, y) and self:class_of(i, self.scrolled or 0) <= self.count then return i end
  end
end

-- Which class a row shows, with so many rows scrolled away.
function Board:class_of(row, scroll)
  local shown, all = self.layout.rows_shown, self.layout.rows_all
  return (row - 1) // shown * all + (row - 1) % shown + 1 + (scroll or 0)
end

--- Where on the canvas a point of the window is: 0 to 1 inside it.
function Board:canvas_place(x, y)
  local c = self.places.canvas
  return (x - c.x) / math.max(1, c.width), (y - c.y) / math.max(1, c.height)
end

-- ---- the canvas

function Board:paint_ink()
  local c, canvas = self.places.canvas, self.program.canvas
  local side = math.floor(math.min(RASTER_MOST, math.max(1, c.width * self.scale)) + 0.5)
  if not self.raster or self.raster_of ~= canvas then
    self.raster, self.raster_of = canvas:raster(side, side), canvas
    self.fresh_raster = true
  end
  local pixels, changed = self.raster:update()
  self.window:picture("ink", pixels, c.x, c.y, c.width, c.height, {
    low = theme.no_ink, high = theme.ink, smooth = side == RASTER_MOST, box = not self.fresh_raster and (changed or NOTHING) or nil,
  })
  self.fresh_raster = false
end

function Board:paint_digits(prediction, chosen)
  local c, w, unit = self.places.canvas, self.window, self.unit
  local line = math.max(1 / self.scale, 1.25 * unit)
  for i, digit in ipairs(prediction.digits) do
    local box = digit.box
    if box then
      local pad = 0.012
      local left, top = math.max(0, box.left - pad) * c.width + c.x, math.max(0, box.top - pad) * c.height + c.y
      local right, bottom = math.min(1, box.right + pad) * c.width + c.x, math.min(1, box.bottom + pad) * c.height + c.y
      local colour = i == chosen and theme.box_chosen or theme.box
      w:line(left, top, right, top, line, colour)
      w:line(right, top, right, bottom, line, colour)
      w:line(right, bottom, left, bottom, line, colour)
      w:line(left, bottom, left, top, line, colour)
      if top - c.y > 18 * unit then
        self:text(left, top - 17 * unit, digit.certain == false and "?" or digit.label, 12 * unit, theme.box_text)
      end
    end
  end
end

-- The pen's size where the pointer is.
function Board:paint_ring(pointer)
  local c = self.places.canvas
  local radius = self.program.canvas.pen * c.width / 2
  local pieces = math.max(16, math.min(64, math.floor(radius)))
  local line = math.max(1, self.unit)
  local x, y = pointer.x + radius, pointer.y
  for i = 1, pieces do
    local angle = 2 * math.pi * i / pieces
    local next_x, next_y = pointer.x + radius * math.cos(angle), pointer.y + radius * math.sin(angle)
    self.window:line(x, y, next_x, next_y, line, theme.ring)
    x, y = next_x, next_y
  end
end

function Board:paint_canvas(state)
  local c, w, unit, program = self.places.canvas, self.window, self.unit, self.program
  w:fill(c.x, c.y, c.width, c.height, theme.paper, 10 * unit)
  if program.canvas:empty() then
    local hint = "draw here"
    local size = self:fitting(hint, 22 * unit, c.width - 4 * self.layout.gap)
    self:text(c.x + c.width / 2, c.y + c.height / 2 - size * 0.6, hint, size, theme.hint, "center")
  end
  self:paint_ink()
  if state.heat then
    w:picture("heat", state.heat, c.x, c.y, c.width, c.height, { low = theme.no_heat, high = theme.heat, smooth = true })
  end
  local prediction = program.prediction
  if prediction and prediction.digits then self:paint_digits(prediction, state.chosen) end
  if state.heat and prediction then
    local class = state.speaks_for or prediction.digits and "each digit" or prediction.label
    self:chip(c.x + self.layout.gap, c.y + c.height - self.layout.gap, "what speaks for " .. class)
  end
  if state.pointer then self:paint_ring(state.pointer) end
end

-- ---- the panel

-- A number's digits side by side, each a place of its own; the chosen one is underlined.
function Board:paint_number(prediction, chosen, area, size)
  local w = self.window
  local width = self:measure(prediction.number, size)
  local x, y = area.x + (area.width - width) / 2, area.y
  local gap = prediction.number:find(" ", 1, true) and self:measure(" ", size) or 0
  for i, digit in ipairs(prediction.digits) do
    local wide = self:measure(digit.label, size)
    self:text(x, y, digit.label, size, digit.certain == false and theme.soft or theme.accent)
    self.letters[i] = { x = x, y = y, width = wide, height = size * 1.1 }
    if i == chosen then
      local high = math.max(2, 0.035 * size)
      w:fill(x + wide * 0.1, y + size * 1.0, wide * 0.8, high, theme.accent, high / 2)
    end
    x = x + wide + gap
  end
end

local function least_sure(digits)
  local least = 1
  for _, digit in ipairs(digits) do least = math.min(least, digit.confidence) end
  return least
end

-- What the verdict says: the large text, the line below it (the longest form that fits is taken), and whether the large
-- text is an answer.
local function words_of(prediction, classes)
  if not prediction then return "draw a digit", { "the right button erases", "right: eraser" }, false end
  local percent = ("%.1f %%"):format(prediction.confidence * 100)
  if prediction.number then
    percent = ("%.1f %%"):format(least_sure(prediction.digits) * 100)
    return prediction.number, { ("%d digits, %s the least sure"):format(#prediction.digits, percent), percent }, true
  end
  if prediction.certain == false then
    local large = classes > 10 and "none of these" or "not a digit"
    return large, { ("nearest: %s, %s"):format(prediction.label, percent), prediction.label .. ", " .. percent }, false
  end
  return prediction.label, { percent }, true
end

-- Where a font's figures lie in a line of its text, in parts of the size.
local FIGURE_TOP, FIGURE_BOTTOM = 0.2, 0.93

function Board:paint_verdict(state)
  local r, unit = self.places.verdict, self.unit
  local large, texts, answer = words_of(self.program.prediction, self.count)
  local small, small_size = self:choose(texts, 14 * unit, r.width)
  local wanted = answer and math.min(0.86 * (r.height - 2.2 * small_size) / (FIGURE_BOTTOM - FIGURE_TOP), 320 * unit)
    or math.min(26 * unit, r.height * 0.3)
  local size = self:fitting(large, math.max(1, wanted), r.width)
  local high, gap = (FIGURE_BOTTOM - FIGURE_TOP) * size, math.min(0.16 * size, 14 * unit) + 4 * unit
  local top = r.y + math.max(0, (r.height - high - gap - small_size * 1.2) / 2)
  local y = top - FIGURE_TOP * size
  self.letters = {}
  if answer and self.program.prediction.number then
    self:paint_number(self.program.prediction, state.chosen, { x = r.x, y = y, width = r.width }, size)
  else
    self:text(r.x + r.width / 2, y, large, size, answer and theme.accent or theme.text, "center")
  end
  self:text(r.x + r.width / 2, top + high + gap, small, small_size, theme.soft, "center")
end

function Board:paint_input(shown)
  local r, w, unit = self.places.input, self.window, self.unit
  -- Whole pixels a pixel, so that all are of one size.
  local pixels = r.width * self.scale
  local side = (pixels >= SIDE and pixels // SIDE * SIDE or pixels) / self.scale
  local x, y = r.x + (r.width - side) / 2, r.y + (r.width - side) / 2
  x, y = math.floor(x * self.scale) / self.scale, math.floor(y * self.scale) / self.scale
  if shown and shown.input then
    w:picture("input", shown.input, x, y, side, side, { low = theme.seen_ground, high = theme.seen_ink, smooth = false })
  else
    w:fill(x, y, side, side, theme.seen_ground)
  end
  local caption = self.places.caption
  local text, size = self:choose({ "what the net sees", "net's view", "28 × 28" }, 11 * unit, caption.width)
  self:text(caption.x + caption.width / 2, caption.y + 3 * unit, text, size, theme.faint, "center")
end

-- How wide the classes' names and the percents are, at a size of text.
function Board:columns_of(size, width)
  local names = 0
  for _, label in ipairs(self.program.recogniser.labels) do names = math.max(names, (self:measure(label, size))) end
  return math.min(names, width * 0.34), (self:measure("100.0 %", size * 0.9))
end

function Board:paint_row(r, class, state, columns, best)
  local w, unit = self.window, self.unit
  local name = "bar " .. class
  local is_best = class == best
  if state.hover == name then w:fill(r.x - 6 * unit, r.y, r.width + 12 * unit, r.height, theme.row, 6 * unit) end
  local middle, size = r.y + r.height / 2, columns.size
  self:label(r.x, middle, self:cut(self.program.recogniser.labels[class], size, columns.names), size,
    is_best and theme.accent or theme.text)
  local x = r.x + columns.names + 8 * unit
  local wide = r.x + r.width - x - columns.percents - 8 * unit
  local value = math.max(0, math.min(1, state.values[class] or 0))
  local high = math.max(3, math.min(r.height * 0.5, 16 * unit))
  if wide > 4 then
    w:fill(x, middle - high / 2, wide, high, theme.trough, high / 2)
    local filled = value * wide
    if filled >= 0.75 then
      w:fill(x, middle - high / 2, math.max(filled, math.min(high, wide) * math.min(1, value * 20)), high,
        is_best and theme.accent or theme.bar, high / 2)
    end
  end
  local probability = state.shown and state.shown.probabilities[class] -- true at once, while the bar is on its way
  if probability then
    self:label(r.x + r.width, middle, ("%.1f %%"):format(probability * 100), size * 0.9, is_best and theme.text or theme.faint,
      "right")
  end
end

function Board:paint_bars(state)
  local rows = self.layout.rows
  if not rows[1] then return end
  local size = math.max(5, math.min(rows[1].height * 0.62, 16 * self.unit))
  if self.columns_size ~= size or self.columns_labels ~= self.program.recogniser.labels or self.columns_width ~= rows[1].width then
    local names, percents = self:columns_of(size, rows[1].width)
    self.columns = { names = names, percents = percents, size = size }
    self.columns_size, self.columns_labels, self.columns_width = size, self.program.recogniser.labels, rows[1].width
  end
  local best = state.shown and state.shown.certain ~= false and state.shown.best
  self.scrolled = state.scroll or 0
  for i, r in ipairs(rows) do
    local class = self:class_of(i, self.scrolled)
    if class <= self.count then self:paint_row(r, class, state, self.columns, best) end
  end
  self:scroll_mark(self.scrolled)
end

function Board:paint_panel(state)
  local p = self.places.panel
  self.window:fill(p.x, p.y, p.width, p.height, theme.panel, 10 * self.unit)
  self:paint_verdict(state)
  self:paint_input(state.shown)
  self:paint_bars(state)
end

--- Paints everything; the window's present shows it.
-- @param state see above
function Board:paint(state)
  local prediction = self.program.prediction
  state.shown = prediction and prediction.digits and prediction.digits[state.chosen or 1] or prediction
  self.window:clear(theme.ground)
  self:paint_toolbar(state)
  self:paint_canvas(state)
  self:paint_panel(state)
  self:paint_status(state)
  if state.dialog then self:paint_dialog(state) end
end

return board
