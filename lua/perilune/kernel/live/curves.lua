--- Training curves as an SVG document, written without another program, so that a live display can have a new one ten
-- times a second. The look is that of plot.history, by its colours. The same panels give the same bytes.
--
--     curves.svg { panel, ... }   panel = {
--       ylabel = "loss", xlabel = "epoch", xrange = { 0, 5 },
--       lines = { { x = {...}, y = {...}, color = "#rrggbb", width = 2, dots = true, steps = true }, ... },   in this
--                                          order; where `steps`, with a gap after every whole x
--       measure = { list of y, ... },      what the y axis must cover (what lies outside is cut off)
--       rings = { { x =, y =, color = }, ... }, legend = { { text =, color =, ring = true }, ... } }
--
-- A y that is no finite number is a gap. No ids and no style sheet: many of them live in one page, and pages that
-- cleanse what they show leave them whole.
-- @module perilune.kernel.live.curves
local color = require "perilune.plot.color"
local show = require "perilune.kernel.show"

local curves = {}

-- Pixels of one panel.
local WIDTH, HEIGHT = 400, 260
local LEFT, RIGHT, TOP, BOTTOM = 58, 14, 34, 44
local LETTER, GAP = 6.9, 14 -- of the legend
local MARGIN = 0.04 -- of the data's extent, above and below

local function finite(value) return value == value and value ~= math.huge and value ~= -math.huge end

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

--- A text for HTML or XML: what would be markup is not, control characters are spaces, other bytes than UTF-8 are "?".
function curves.escape(text)
  if not utf8.len(text) then text = text:gsub("[\128-\255]", "?") end
  return (text:gsub("%c", " "):gsub('[&<>"]', ENTITIES))
end

-- The step of 1, 2 or 5 times a power of ten that gives at most `most` steps over a length, and its decimals.
local function step_of(length, most)
  local power = math.floor(math.log(length / most, 10))
  for _, factor in ipairs { 1, 2, 5, 10, 20 } do
    local step = factor * 10.0 ^ power
    if length / step <= most then return step, math.max(0, -power - (factor >= 10 and 1 or 0)) end
  end
end

-- { at, text } for each tick between the ends.
local function ticks_of(lo, hi, most, whole)
  local step, decimals = step_of(hi - lo, most)
  if whole and step < 1 then step, decimals = 1, 0 end
  local shape = (math.max(math.abs(lo), math.abs(hi)) >= 1e5 or step < 1e-5) and "%.3g" or "%." .. decimals .. "f"
  local ticks = {}
  for i = math.ceil(lo / step - 1e-9), math.floor(hi / step + 1e-9) do
    ticks[#ticks + 1] = { i * step, shape:format(i * step) }
  end
  return ticks
end

-- What the y axis covers; nil where there is nothing finite.
local function range_of(lists)
  local lo, hi
  for _, list in ipairs(lists) do
    for i = 1, #list do
      local value = list[i]
      if finite(value) then lo, hi = math.min(lo or value, value), math.max(hi or value, value) end
    end
  end
  if not lo then return nil end
  local pad = lo == hi and (lo == 0 and 0.5 or math.abs(lo) * 0.1) or (hi - lo) * MARGIN
  return lo - pad, hi + pad
end

-- Points of a line inside the frame, as path data; where `dots`, as circles too.
local function draw_line(line, to_x, to_y, out)
  local path, pen, dots = {}, "M", {}
  for i, x in ipairs(line.x) do
    local y = line.y[i]
    if line.steps and i > 1 and math.ceil(x) > math.ceil(line.x[i - 1]) then pen = "M" end
    if finite(y) then
      local at_x, at_y = to_x(x), to_y(y)
      path[#path + 1] = ("%s%.1f %.1f"):format(pen, at_x, at_y)
      if line.dots then dots[#dots + 1] = ('<circle cx="%.1f" cy="%.1f" r="2.6"/>'):format(at_x, at_y) end
      pen = "L"
    else
      pen = "M"
    end
  end
  if #path > 1 then
    out[#out + 1] = ('<path d="%s" fill="none" stroke="%s" stroke-width="%g" stroke-linejoin="round"/>'):format(
      table.concat(path), line.color, line.width or 2)
  end
  if #dots > 0 then out[#out + 1] = ('<g fill="%s">%s</g>'):format(line.color, table.concat(dots)) end
end

local function text(out, x, y, anchor, hex, words, more)
  out[#out + 1] = ('<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s"%s>%s</text>'):format(x, y, anchor, hex,
    more or "", curves.escape(words))
end

-- Names above the frame, about in its middle; how wide the letters are is estimated.
local function draw_legend(entries, out)
  local total = -GAP
  for _, entry in ipairs(entries) do total = total + 24 + utf8.len(entry.text) * LETTER + GAP end
  local x = math.max(6, math.min((LEFT + WIDTH - RIGHT - total) / 2, WIDTH - 6 - total))
  local y = TOP - 16
  for _, entry in ipairs(entries) do
    if entry.ring then
      out[#out + 1] = ('<circle cx="%.1f" cy="%.1f" r="6" fill="none" stroke="%s" stroke-width="1.8"/>'):format(
        x + 9, y, entry.color)
    else
      out[#out + 1] = ('<path d="M%.1f %.1fh18" stroke="%s" stroke-width="2"/><circle cx="%.1f" cy="%.1f" r="2.6" fill="%s"/>')
        :format(x, y, entry.color, x + 9, y, entry.color)
    end
    text(out, x + 24, y + 4, "start", color.soft_ink, entry.text)
    x = x + 24 + utf8.len(entry.text) * LETTER + GAP
  end
end

-- Grid, ticks and their numbers. Gives where y is when there is a scale at all.
local function draw_axes(panel, width, height, to_x, out)
  local bottom = TOP + height
  local marks = {}
  for _, tick in ipairs(ticks_of(panel.xrange[1], panel.xrange[2], 8, true)) do
    local x = to_x(tick[1])
    out[#out + 1] = ('<path d="M%.1f %.1fV%d" stroke="%s" stroke-width="0.8"/>'):format(x, bottom, TOP, color.grid)
    marks[#marks + 1] = ("M%.1f %dv5"):format(x, bottom)
    text(out, x, bottom + 20, "middle", color.soft_ink, tick[2])
  end
  local lo, hi = range_of(panel.measure)
  local to_y = lo and function(y) return bottom - (y - lo) / (hi - lo) * height end
  for _, tick in ipairs(lo and ticks_of(lo, hi, 7) or {}) do
    local y = to_y(tick[1])
    out[#out + 1] = ('<path d="M%d %.1fh%d" stroke="%s" stroke-width="0.8"/>'):format(LEFT, y, width, color.grid)
    marks[#marks + 1] = ("M%d %.1fh-5"):format(LEFT, y)
    text(out, LEFT - 9, y + 4, "end", color.soft_ink, tick[2])
  end
  out[#out + 1] = ('<path d="M%d %dV%dH%d%s" fill="none" stroke="%s"/>'):format(LEFT, TOP, bottom, LEFT + width,
    table.concat(marks), color.frame)
  return to_y
end

local function draw_panel(panel, out)
  local width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
  local from, to = panel.xrange[1], panel.xrange[2]
  local function to_x(x) return LEFT + (x - from) / (to - from) * width end
  local to_y = draw_axes(panel, width, height, to_x, out)
  text(out, LEFT + width / 2, HEIGHT - 8, "middle", color.ink, panel.xlabel or "epoch")
  text(out, 0, 0, "middle", color.ink, panel.ylabel,
    (' transform="translate(13 %.1f) rotate(-90)"'):format(TOP + height / 2))
  draw_legend(panel.legend or {}, out)
  if not to_y then return end
  -- An inner svg cuts off what is outside; it reaches out a little, so that marks on the frame stay whole.
  local reach = 8
  out[#out + 1] = ('<svg x="%d" y="%d" width="%d" height="%d" viewBox="%d %d %d %d">'):format(LEFT - reach, TOP - reach,
    width + 2 * reach, height + 2 * reach, LEFT - reach, TOP - reach, width + 2 * reach, height + 2 * reach)
  for _, line in ipairs(panel.lines) do draw_line(line, to_x, to_y, out) end
  for _, ring in ipairs(panel.rings or {}) do
    if finite(ring.y) then
      out[#out + 1] = ('<circle cx="%.1f" cy="%.1f" r="7" fill="none" stroke="%s" stroke-width="1.8"/>'):format(
        to_x(ring.x), to_y(ring.y), ring.color)
    end
  end
  out[#out + 1] = "</svg>"
end

--- Panels beside each other, at most three in a row.
-- @param panels  at least one
-- @return the document, its width and height in pixels
function curves.svg(panels)
  local columns = #panels == 4 and 2 or math.min(#panels, 3)
  local width, height = columns * WIDTH, math.ceil(#panels / columns) * HEIGHT
  local out = { ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '):format(
    width, height, width, height)
    .. 'font-family="DejaVu Sans, Verdana, sans-serif" font-size="12" style="max-width:100%;height:auto">'
    .. ('<rect width="%d" height="%d" rx="4" fill="#ffffff"/>'):format(width, height) }
  for i, panel in ipairs(panels) do
    out[#out + 1] = ('<g transform="translate(%d %d)">'):format((i - 1) % columns * WIDTH, (i - 1) // columns * HEIGHT)
    draw_panel(panel, out)
    out[#out + 1] = "</g>"
  end
  out[#out + 1] = "</svg>"
  return table.concat(out), width, height
end

--- The same as an image element, for what is stored: pages that take svg elements out of what they show keep it.
function curves.image(panels, description)
  local svg, width = curves.svg(panels)
  return ('<img alt="%s" width="%d" style="max-width:100%%" src="data:image/svg+xml;base64,%s"/>'):format(
    curves.escape(description), width, show.base64(svg))
end

return curves
