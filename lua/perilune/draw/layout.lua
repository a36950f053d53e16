--- Where things are in the window: named rectangles for a size in points, nothing that paints or listens.
--
--     wide                                tall
--     +-----------------------------+     +----------------+
--     | clear undo redo save  - o + |     | clear undo ... |
--     | +----------+  +-----------+ |     | +------------+ |
--     | |          |  | verdict   | |     | |   canvas   | |
--     | |  canvas  |  |     input | |     | +------------+ |
--     | |          |  | bars      | |     | | verdict |b | |
--     | +----------+  +-----------+ |     | | input   |ars |
--     | status                      |     | status         |
--     +-----------------------------+     +----------------+
--
-- Of the two the one with the larger canvas is taken, or the one that leaves less empty. Lengths grow with the window
-- (`unit` is 1 at 900 x 640). All rectangles lie inside the window whatever its size, and none of them overlaps another
-- but the dialog, which lies on the canvas, and the parts of the panel. In windows too small to use still nothing breaks.
-- @module perilune.draw.layout
local layout = {}

local UNIT_WIDTH, UNIT_HEIGHT = 900, 640
local UNIT_LEAST, UNIT_MOST = 0.8, 3
local PANEL_LEAST = 172 -- of a panel beside the canvas, in points
local ROW_LEAST, ROW_MOST = 15, 46
local COLUMN_LEAST = 92

-- Widths of the toolbar's things, in units; a gap of `GROUP` parts groups, of `BUTTON` things of one group.
local groups = {
  { { "clear", 66 }, { "undo", 66 }, { "redo", 66 }, { "save", 66 } },
  { { "narrower", 32 }, { "pen", 96 }, { "wider", 32 } },
  { { "explain", 72 }, { "teach", 80 } },
}
local BUTTON, GROUP = 6, 16

local function rectangle(x, y, width, height)
  return { x = x, y = y, width = math.max(0, width), height = math.max(0, height) }
end

--- Does a rectangle hold a point?
function layout.inside(r, x, y)
  return r ~= nil and x >= r.x and y >= r.y and x < r.x + r.width and y < r.y + r.height
end

-- A rectangle's inner part, `by` smaller on each side.
local function inset(r, by)
  by = math.min(by, r.width / 2, r.height / 2)
  return rectangle(r.x + by, r.y + by, r.width - 2 * by, r.height - 2 * by)
end

local function width_of(list)
  local width = 0
  for i, group in ipairs(list) do
    width = width + (i > 1 and GROUP or 0) + (#group - 1) * BUTTON
    for _, one in ipairs(group) do width = width + one[2] end
  end
  return width
end

-- Lays groups out in a row: the last one ends at the right, those between are spread evenly. What is too wide shrinks.
local function lay_row(places, list, x, y, width, height, unit)
  local wanted = width_of(list) * unit
  local shrink = math.min(1, width / wanted)
  local scale = unit * shrink
  local slack = #list > 1 and (width - wanted * shrink) / (#list - 1) or 0
  for _, group in ipairs(list) do
    for i, one in ipairs(group) do
      if i > 1 then x = x + BUTTON * scale end
      places[one[1]] = rectangle(x, y, one[2] * scale, height)
      x = x + one[2] * scale
    end
    x = x + GROUP * scale + slack
  end
end

local function one_row(width, unit) return width >= 0.84 * width_of(groups) * unit end

-- The toolbar, in two rows where one would be too narrow to read. Returns its height.
local function lay_toolbar(self, x, y, width)
  local unit, places = self.unit, self.places
  local high = 36 * unit
  if one_row(width, unit) then
    lay_row(places, groups, x, y, width, high, unit)
    return high
  end
  lay_row(places, { groups[1], groups[3] }, x, y, width, high, unit)
  local narrower, pen, wider = table.unpack(groups[2])
  local rest = width / unit - narrower[2] - wider[2] - 2 * BUTTON
  lay_row(places, { { narrower, { pen[1], rest }, wider } }, x, y + high + BUTTON * unit, width, high, unit)
  return 2 * high + BUTTON * unit
end

-- Rows of bars in a rectangle: one column, or as many as make the rows high enough; what then does not fit is scrolled.
local function lay_bars(self, area, count)
  local least, unit = ROW_LEAST * math.min(1, self.unit), self.unit
  local columns = 1
  local function rows() return math.max(1, math.ceil(count / columns)) end
  while area.height / rows() < least and area.width / (columns + 1) >= COLUMN_LEAST * math.min(1.2, unit) do
    columns = columns + 1
  end
  local shown = math.max(1, math.min(rows(), math.floor(area.height / least)))
  local high = math.min(area.height / shown, ROW_MOST * unit)
  local gap = columns > 1 and 2 * self.gap or 0
  local wide = (area.width - (columns - 1) * gap) / columns
  self.places.bars, self.columns, self.shown = area, columns, math.min(count, shown * columns)
  self.scroll_most = math.max(0, rows() - shown) -- in rows
  self.rows = {}
  for i = 1, self.shown do
    local column, row = (i - 1) // shown, (i - 1) % shown
    self.rows[i] = rectangle(area.x + column * (wide + gap), area.y + row * high, wide, high)
  end
  self.rows_shown, self.rows_all = shown, rows()
end

-- The picture the net sees, square, with room for its caption below, at the right or the foot of an area.
local function lay_input(self, x, y, side)
  local caption = 16 * self.unit
  self.places.input = rectangle(x, y, side, side)
  self.places.caption = rectangle(x, y + side, side, caption)
  return side + caption
end

-- Verdict and input above the bars, or left of them, whichever suits the panel.
local function lay_panel(self, panel, count)
  local unit, places = self.unit, self.places
  local inner = inset(panel, 14 * unit)
  local caption = 16 * unit
  if panel.width > 1.2 * panel.height then
    local wide = math.min(inner.width * 0.42, inner.height * 1.1)
    local side = math.max(0, math.min(wide, inner.height * 0.5 - caption))
    places.verdict = rectangle(inner.x, inner.y, wide, inner.height - side - caption - self.gap)
    lay_input(self, inner.x + (wide - side) / 2, inner.y + inner.height - side - caption, side)
    local x = inner.x + wide + self.gap * 1.5
    lay_bars(self, rectangle(x, inner.y, inner.x + inner.width - x, inner.height), count)
    return
  end
  local high = math.max(0, math.min(inner.height * 0.34, inner.width * 0.46 + caption, 300 * unit))
  local side = math.max(0, math.min(high - caption, inner.width * 0.4))
  lay_input(self, inner.x + inner.width - side, inner.y, side)
  places.verdict = rectangle(inner.x, inner.y, inner.width - side - self.gap, high)
  local y = inner.y + high + self.gap
  lay_bars(self, rectangle(inner.x, y, inner.width, inner.y + inner.height - y), count)
end

-- What a window's content becomes with the panel beside the canvas, and below it: the canvas' side and the panel.
local function beside(content, gap, unit)
  local least = math.min(math.max(PANEL_LEAST, 220 * unit), 0.4 * content.width) -- the canvas is the larger part
  local side = math.min(content.height, content.width - gap - least)
  side = math.max(0, side)
  local width = math.min(content.width - side - gap, math.max(side, 360 * unit))
  local height = math.min(content.height, math.max(side, 320 * unit)) -- as high as the canvas, where bars have room
  return side, rectangle(content.x + side + gap, content.y, width, height)
end

local function below(content, gap, unit)
  local side = math.min(content.width, content.height - gap - math.max(170, 190 * unit))
  side = math.max(0, side)
  return side, rectangle(content.x, content.y + side + gap, content.width, content.height - side - gap)
end

--- The layout of a window.
-- @param width  of the window in points
-- @param height of the window in points
-- @param count  how many classes have a bar
-- @return { places = rectangles by name: clear, undo, redo, save, narrower, pen, wider, explain, teach, canvas, panel,
--   verdict, input, caption, bars, status, dialog, entry; rows = a rectangle a bar shown; unit, gap; shown, columns,
--   scroll_most = how many rows of bars can be scrolled away }
function layout.new(width, height, count)
  local unit = math.min(math.max(math.min(width / UNIT_WIDTH, height / UNIT_HEIGHT), UNIT_LEAST), UNIT_MOST)
  if width < height then unit = math.min(math.max(math.min(width / 560, height / 900), UNIT_LEAST), UNIT_MOST) end
  unit = math.min(unit, width / 300, height / 260) -- smaller than the least: everything shrinks
  local self = { unit = unit, gap = 12 * unit, places = {}, width = width, height = height }
  local margin, status = 14 * unit, 22 * unit
  local top = margin
  local area = rectangle(margin, 0, width - 2 * margin, 0)
  local wide_side, tall_side, panel
  -- The toolbar's height depends on its width, and that on the arrangement: first over the whole width.
  local function content_below(bar)
    local y = top + bar + self.gap
    return rectangle(area.x, y, area.width, height - y - status - 1.5 * self.gap)
  end
  local content = content_below(lay_toolbar(self, area.x, top, area.width))
  wide_side, panel = beside(content, self.gap, unit)
  local tall_panel
  tall_side, tall_panel = below(content, self.gap, unit)
  local side = wide_side
  local wasted = content.height - math.max(wide_side, panel.height)
  if tall_side > wide_side or (wasted > 0.15 * content.height and tall_side > 0.75 * wide_side) then
    side, panel = tall_side, tall_panel
    self.places.canvas = rectangle(content.x + (content.width - side) / 2, content.y, side, side)
  else
    local used = side + self.gap + panel.width
    local shift = (content.width - used) / 2 -- a very wide window: all in the middle
    self.places.canvas = rectangle(content.x + shift, content.y, side, side)
    panel.x = panel.x + shift
    if shift > 0 and one_row(used, unit) then lay_toolbar(self, area.x + shift, top, used) end
    area = rectangle(area.x + shift, 0, used, 0)
  end
  self.places.panel = panel
  lay_panel(self, panel, count)
  self.places.status = rectangle(area.x, height - status - self.gap * 0.75, area.width, status)
  local c = self.places.canvas
  local dialog_width = math.min(c.width - 2 * self.gap, 340 * unit)
  local dialog_height = math.min(c.height - 2 * self.gap, 132 * unit)
  self.places.dialog = rectangle(c.x + (c.width - dialog_width) / 2, c.y + c.height - dialog_height - self.gap,
    dialog_width, dialog_height)
  local d = inset(self.places.dialog, 14 * unit)
  self.places.entry = rectangle(d.x, d.y + 30 * unit, d.width, math.min(40 * unit, d.height - 30 * unit))
  return self
end

return layout
