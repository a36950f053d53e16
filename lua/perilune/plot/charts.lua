--- Kinds of chart in the plane. Each function takes a figure and what the person handed over, checks it, and
-- returns a layer:
--   where, title   for messages and the legend
--   x, y           { lowest, highest, smallest above zero } of what it shows, or nil
--   zero           its y axis starts at 0 where nothing lies below
--   tight          no margin around its data
--   setup(ctx)     gnuplot commands that stand before `plot`, or nil
--   draw(ctx)      its element of the `plot` command, or nil where there is nothing finite to show
-- ctx.block(lines) stores data lines in the script and returns their name; ctx.plain tells of a terminal of
-- characters, ctx.mono of one without colours, ctx.vector of a file of shapes; ctx.literal is the word that keeps
-- text literal (or, on request, does not); ctx.panel_width is what a figure has of a page, in place of its own width.
-- @module perilune.plot.charts
local args = require "perilune.args"
local color = require "perilune.plot.color"
local data = require "perilune.plot.data"
local quote = require "perilune.plot.quote"

local charts = {}
local number = quote.number

-- (y, options), (x, y, options): x is 1, 2, ... where it is left out.
local function split(where, x, y, options)
  if not data.is_list(y) and (y == nil or type(y) == "table") and options == nil then
    y, options, x = x, y, nil
  end
  y = data.vector(where, "y", y)
  x = x and data.vector(where, "x", x) or data.count(#y)
  data.same_length(where, "x", x, "y", y)
  return x, y, options
end

local function columns(...)
  local lists, lines = { ... }, {}
  for i = 1, #lists[1] do
    local row = {}
    for j = 1, #lists do row[j] = number(lists[j][i]) end
    lines[i] = table.concat(row, " ")
  end
  return lines
end

local function title_of(layer, ctx)
  return layer.title and "title " .. quote.string(layer.title) .. " " .. ctx.literal or "notitle"
end

local DASHES = { solid = "1", dashed = "(9,5)", dotted = "(2,4)" }

local function dash_of(where, name)
  if not DASHES[name] then
    data.fail(where, "dash wants 'solid', 'dashed' or 'dotted', got %s", tostring(name))
  end
  return DASHES[name]
end

--- A line through points; NaN and infinity are gaps.
function charts.lines(figure, x, y, options)
  local where = "fig:lines"
  x, y, options = split(where, x, y, options)
  local o = args.named(where, options, {
    { "title", "string" }, { "color", "any" }, { "linewidth", "number", 2 }, { "dash", "string", "solid" },
    { "points", "boolean", false },
  })
  local rgb, dash = color.resolve(where, o.color, figure:next_color(o.color)), dash_of(where, o.dash)
  return {
    where = where, title = o.title, x = { data.bounds(x) }, y = { data.bounds(y) },
    draw = function(self, ctx)
      if not self.y[1] then return end
      local style = o.points and not ctx.plain and "linespoints pt 7 ps 0.55" or "lines"
      return ("%s using 1:2 with %s lw %s lc rgb '%s' dt %s %s"):format(
        ctx.block(columns(x, y)), style, number(o.linewidth), rgb, dash, title_of(self, ctx))
    end,
  }
end

local MARKS = { circle = 7, ring = 6, square = 5, triangle = 9, diamond = 13, plus = 1, cross = 2 }

--- Points.
function charts.scatter(figure, x, y, options)
  local where = "fig:scatter"
  x, y, options = split(where, x, y, options)
  local o = args.named(where, options, {
    { "title", "string" }, { "color", "any" }, { "size", "number", 0.9 }, { "mark", "string", "circle" },
    { "opacity", "number", 0.75 },
  })
  if not MARKS[o.mark] then
    data.fail(where, "mark wants circle, ring, square, triangle, diamond, plus or cross, got %s", o.mark)
  end
  local rgb = color.resolve(where, o.color, figure:next_color(o.color))
  local see_through = math.floor((1 - math.max(0, math.min(1, o.opacity))) * 255 + 0.5)
  return {
    where = where, title = o.title, x = { data.bounds(x) }, y = { data.bounds(y) },
    draw = function(self, ctx)
      if not self.y[1] then return end
      return ("%s using 1:2 with points pt %d ps %s lc rgb '#%02x%s' %s"):format(ctx.block(columns(x, y)),
        MARKS[o.mark], number(o.size), ctx.plain and 0 or see_through, rgb:sub(2), title_of(self, ctx))
    end,
  }
end

--- A filled band between two curves: a spread around a mean.
function charts.band(figure, x, low, high, options)
  local where = "fig:band"
  x = data.vector(where, "x", x)
  low, high = data.vector(where, "low", low), data.vector(where, "high", high)
  data.same_length(where, "x", x, "low", low)
  data.same_length(where, "x", x, "high", high)
  local o = args.named(where, options, { { "title", "string" }, { "color", "any" }, { "opacity", "number", 0.22 } })
  local rgb = color.resolve(where, o.color, figure:next_color(o.color))
  local lo, hi, positive = data.bounds(low)
  lo, hi, positive = data.bounds(high, lo, hi, positive)
  return {
    where = where, title = o.title, x = { data.bounds(x) }, y = { lo, hi, positive },
    draw = function(self, ctx)
      if not lo then return end
      return ("%s using 1:2:3 with filledcurves fs transparent solid %s noborder lc rgb '%s' %s"):format(
        ctx.block(columns(x, low, high)), number(o.opacity), rgb, title_of(self, ctx))
    end,
  }
end

--- Bars, upright from zero. Names in place of x become the ticks; several layers of bars stand side by side.
function charts.bars(figure, x, y, options)
  local where = "fig:bars"
  local names
  if data.is_list(y) and type(data.plain(where, "x", x)[1]) == "string" then
    names = x
    data.same_length(where, "x", x, "y", data.vector(where, "y", y))
    x = data.count(#names)
  end
  x, y, options = split(where, x, y, options)
  local o = args.named(where, options, {
    { "title", "string" }, { "color", "any" }, { "barwidth", "number", 0.72 }, { "values", "boolean|string", false },
  })
  local rgb = color.resolve(where, o.color, figure:next_color(o.color))
  local step = math.huge
  for i = 2, #x do step = math.min(step, math.abs(x[i] - x[i - 1])) end
  if not data.finite(step) or step == 0 then step = 1 end
  local lo, hi = data.bounds(x)
  if names then
    figure.xticks_from_data = {}
    for i, name in ipairs(names) do figure.xticks_from_data[i] = { i, tostring(name) } end
  end
  local layer = {
    where = where, title = o.title, zero = true, is_bars = true,
    x = { lo and lo - 0.5 * step, hi and hi + 0.5 * step }, y = { data.bounds(y) },
  }
  function layer.draw(self, ctx)
    if not self.y[1] then return end
    local wide = step * o.barwidth / ctx.bar_count
    local at, widths = {}, {}
    for i = 1, #x do
      at[i] = x[i] + (ctx.bar_index - (ctx.bar_count + 1) / 2) * wide
      widths[i] = wide * (ctx.bar_count > 1 and 0.94 or 1)
    end
    ctx.bar_index = ctx.bar_index + 1
    local block = ctx.block(columns(at, y, widths))
    local bars = ("%s using 1:2:3 with boxes fs solid 1 noborder lc rgb '%s' %s"):format(
      block, rgb, title_of(self, ctx))
    if not o.values then return bars end
    local format = type(o.values) == "string" and o.values or "%g"
    return ("%s, %s using 1:2:(sprintf(%s, $2)) with labels offset 0,0.6 %s notitle"):format(
      bars, block, quote.string(format), color.text(ctx, color.soft_ink))
  end
  return layer
end

-- Freedman and Diaconis' width of a bin, held between 5 and 100 bins.
local function bin_count(sorted)
  local n = #sorted
  local function quantile(q) return sorted[math.floor(q * (n - 1) + 0.5) + 1] end
  local spread, range = quantile(0.75) - quantile(0.25), sorted[n] - sorted[1]
  local count = spread > 0 and math.ceil(range / (2 * spread * n ^ (-1 / 3))) or math.ceil(math.log(n + 1, 2)) + 1
  return math.max(5, math.min(100, count))
end

--- How often values fall into equal intervals.
function charts.histogram(figure, values, options)
  local where = "fig:histogram"
  local given = data.vector(where, "values", values)
  local o = args.named(where, options, {
    { "title", "string" }, { "color", "any" }, { "bins", "integer" }, { "range", "table" },
    { "density", "boolean", false }, { "opacity", "number", 0.8 },
  })
  local sorted = {}
  for i = 1, #given do
    if data.finite(given[i]) then sorted[#sorted + 1] = given[i] end
  end
  table.sort(sorted)
  local lo, hi = (o.range or {})[1] or sorted[1] or 0, (o.range or {})[2] or sorted[#sorted] or 1
  if lo == hi then lo, hi = lo - 0.5, hi + 0.5 end
  if type(lo) ~= "number" or type(hi) ~= "number" or lo >= hi then
    data.fail(where, "range wants { lowest, highest }")
  end
  local bins = o.bins or #sorted > 0 and bin_count(sorted) or 5
  if bins < 1 or bins > 10000 then data.fail(where, "bins wants 1 to 10000, got %d", bins) end
  local width, counts, middles, total = (hi - lo) / bins, {}, {}, 0
  for i = 1, bins do counts[i], middles[i] = 0, lo + (i - 0.5) * width end
  for _, value in ipairs(sorted) do
    if value >= lo and value <= hi then
      local bin = math.min(bins, math.floor((value - lo) / width) + 1)
      counts[bin], total = counts[bin] + 1, total + 1
    end
  end
  if o.density and total > 0 then
    for i = 1, bins do counts[i] = counts[i] / (total * width) end
  end
  local rgb = color.resolve(where, o.color, figure:next_color(o.color))
  return {
    where = where, title = o.title, zero = true, x = { lo, hi }, y = { data.bounds(counts) },
    draw = function(self, ctx)
      return ("%s using 1:2:(%s) with boxes lc rgb '%s' fs transparent solid %s border lc rgb '%s' %s"):format(
        ctx.block(columns(middles, counts)), number(width), rgb, number(o.opacity), color.tint(rgb, 0.55),
        title_of(self, ctx))
    end,
  }
end

local function rule(where, value, options, horizontal)
  if type(value) ~= "number" or not data.finite(value) then
    data.fail(where, "wants a finite number, got %s", tostring(value))
  end
  local o = args.named(where, options, {
    { "color", "any", color.frame }, { "linewidth", "number", 1.2 }, { "dash", "string", "dashed" },
  })
  local rgb, dash = color.resolve(where, o.color, 1), dash_of(where, o.dash)
  local bounds = { value, value, value > 0 and value or nil }
  return {
    where = where, x = not horizontal and bounds or nil, y = horizontal and bounds or nil,
    setup = function()
      local from, to = ("first %s, graph 0"):format(number(value)), ("first %s, graph 1"):format(number(value))
      if horizontal then
        from, to = ("graph 0, first %s"):format(number(value)), ("graph 1, first %s"):format(number(value))
      end
      return ("set arrow from %s to %s nohead back lw %s lc rgb '%s' dt %s"):format(
        from, to, number(o.linewidth), rgb, dash)
    end,
  }
end

--- A level line across the figure.
function charts.hline(_, y, options) return rule("fig:hline", y, options, true) end

--- An upright line across the figure.
function charts.vline(_, x, options) return rule("fig:vline", x, options, false) end

--- A frame around a part of the plane.
function charts.box(_, x1, y1, x2, y2, options)
  local where = "fig:box"
  local corners = data.vector(where, "corners", { x1, y1, x2, y2 })
  if #corners < 4 then data.fail(where, "wants x1, y1, x2, y2") end
  local o = args.named(where, options, { { "color", "any", "red" }, { "linewidth", "number", 2.5 } })
  local rgb = color.resolve(where, o.color, 1)
  return {
    where = where, x = { data.bounds { x1, x2 } }, y = { data.bounds { y1, y2 } },
    setup = function()
      return ("set object rectangle from first %s, first %s to first %s, first %s front fs empty border lc rgb '%s' "
        .. "lw %s"):format(number(x1), number(y1), number(x2), number(y2), rgb, number(o.linewidth))
    end,
  }
end

local ANCHORS = { left = "left", right = "right", center = "center" }

--- Words at a point.
function charts.label(_, x, y, text, options)
  local where = "fig:label"
  if type(x) ~= "number" or type(y) ~= "number" or text == nil then
    data.fail(where, "wants x, y and a text")
  end
  local o = args.named(where, options, {
    { "color", "any", color.soft_ink }, { "align", "string", "left" }, { "size", "number" },
    { "dx", "number", 0 }, { "dy", "number", 0 },
  })
  local rgb = color.resolve(where, o.color, 1)
  if not ANCHORS[o.align] then data.fail(where, "align wants left, center or right, got %s", o.align) end
  return {
    where = where,
    x = { data.bounds { x } }, y = { data.bounds { y } },
    setup = function(_, ctx)
      return ("set label %s at first %s, first %s %s %s front %s offset %s,%s%s"):format(
        quote.string(text), number(x), number(y), ANCHORS[o.align], ctx.literal,
        color.text(ctx, rgb), number(o.dx), number(o.dy),
        o.size and not ctx.plain and (" font ',%s'"):format(number(o.size)) or "")
    end,
  }
end

return charts
