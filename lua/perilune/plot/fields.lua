--- Kinds of chart that fill a field: heat map, picture, surface. Layers as in charts.lua; `space` is "3d" for
-- a surface, which stands in a figure alone; `scale` names the colours, `levels` their lowest and highest value.
-- @module perilune.plot.fields
local args = require "perilune.args"
local color = require "perilune.plot.color"
local data = require "perilune.plot.data"
local quote = require "perilune.plot.quote"

local fields = {}
local number = quote.number

-- x y value lines of a matrix whose first row is at (left, top), rows going down. gnuplot wants two rows and two
-- columns to know the size of a cell, so a single one is written as two halves.
local function cells(rows, left, top)
  local lines = {}
  local xs, ys = #rows[1] == 1 and { -0.25, 0.25 } or { 0 }, #rows == 1 and { -0.25, 0.25 } or { 0 }
  for i, row in ipairs(rows) do
    for _, dy in ipairs(ys) do
      for j, value in ipairs(row) do
        local shown = type(value) == "table"
          and ("%s %s %s"):format(number(value[1]), number(value[2]), number(value[3])) or number(value)
        for _, dx in ipairs(xs) do
          lines[#lines + 1] = ("%s %s %s"):format(number(left + j - 1 + dx), number(top + i - 1 + dy), shown)
        end
      end
    end
  end
  return lines
end

-- In a file of shapes, few cells are rectangles with sharp edges; many are an embedded picture.
local function shapes(rows, most, ctx)
  return ctx.vector and #rows * #rows[1] <= most and " pixels" or ""
end

local function levels_of(where, range, lo, hi)
  range = range or {}
  lo, hi = range[1] or lo or 0, range[2] or hi or 1
  if type(lo) ~= "number" or type(hi) ~= "number" or lo > hi then
    data.fail(where, "range wants { lowest, highest }, got { %s, %s }", tostring(lo), tostring(hi))
  end
  if lo == hi then return { lo - 0.5, hi + 0.5 } end
  return { lo, hi }
end

local function tick_list(where, name, names, count)
  if not names then return nil end
  names = data.plain(where, name, names)
  if #names ~= count then
    data.fail(where, "%s has %d names for %d rows or columns", name, #names, count)
  end
  local ticks = {}
  for i, text in ipairs(names) do ticks[i] = { i, tostring(text) } end
  return ticks
end

-- Words in the cells, each in the ink that reads on its colour; `shown` may hold other values than `rows`,
-- which give the colours.
local function annotations(where, rows, shown, format, scale, levels, ctx)
  local lines = {}
  for i, row in ipairs(rows) do
    for j, value in ipairs(row) do
      if data.finite(value) and data.finite(shown[i][j]) then
        local ink = color.on_scale(where, scale, (value - levels[1]) / (levels[2] - levels[1]))
        lines[#lines + 1] = ("%d %d %s %d"):format(j, i, number(shown[i][j]), tonumber(ink:sub(2), 16))
      end
    end
  end
  if #lines == 0 then return "" end
  return (", %s using 1:2:(sprintf(%s, $3))%s notitle"):format(ctx.block(lines), quote.string(format),
    ctx.plain and " with labels" or ":4 with labels tc rgb variable")
end

--- A matrix as colours; row 1 is on top. Names for the rows and columns, values in the cells on request.
function fields.heatmap(figure, matrix, options)
  local where = "fig:heatmap"
  local rows = data.matrix(where, "matrix", matrix)
  local o = args.named(where, options, {
    { "palette", "string", "perilune" }, { "range", "table" }, { "xnames", "any" }, { "ynames", "any" },
    { "values", "boolean|string", false }, { "shown", "any" }, { "colorbar", "boolean|string", true },
  })
  color.scale(where, o.palette)
  local levels = levels_of(where, o.range, data.deep_bounds(rows))
  local shown = o.shown and data.matrix(where, "shown", o.shown)
  if shown and (#shown ~= #rows or #shown[1] ~= #rows[1]) then
    data.fail(where, "shown is %d x %d but the matrix is %d x %d", #shown, #shown[1], #rows, #rows[1])
  end
  figure.xticks_from_data = tick_list(where, "xnames", o.xnames, #rows[1]) or figure.xticks_from_data
  figure.yticks_from_data = tick_list(where, "ynames", o.ynames, #rows) or figure.yticks_from_data
  return {
    where = where, tight = true, flipped = true, cells = rows, scale = o.palette, levels = levels,
    colorbar = o.colorbar, x = { 0.5, #rows[1] + 0.5 }, y = { 0.5, #rows + 0.5 },
    draw = function(_, ctx)
      local element = ("%s using 1:2:3 with image%s notitle"):format(ctx.block(cells(rows, 1, 1)),
        shapes(rows, 2500, ctx))
      if not o.values then return element end
      local format = type(o.values) == "string" and o.values or "%g"
      return element .. annotations(where, rows, shown or rows, format, o.palette, levels, ctx)
    end,
  }
end

--- One picture, or several side by side through `left` and `top`: grey [H][W], or colours [H][W][3].
function fields.image(_, picture, options)
  local where = "fig:image"
  local rows, coloured = data.picture(where, "picture", picture)
  local o = args.named(where, options, {
    { "palette", "string", "grey" }, { "range", "table" }, { "left", "number", 1 }, { "top", "number", 1 },
    { "colorbar", "boolean|string", false },
  })
  color.scale(where, o.palette)
  local levels = levels_of(where, o.range, data.picture_range(data.deep_bounds(rows)))
  local function draw(_, ctx)
    return ("%s using 1:2:3 with image%s notitle"):format(ctx.block(cells(rows, o.left, o.top)), shapes(rows, 100, ctx))
  end
  if coloured then
    local function channel(k)
      return ("(255.0*($%d-(%s))/(%s))"):format(k, number(levels[1]), number(levels[2] - levels[1]))
    end
    draw = function(_, ctx)
      return ("%s using 1:2:%s:%s:%s with rgbimage notitle"):format(
        ctx.block(cells(rows, o.left, o.top)), channel(3), channel(4), channel(5))
    end
  end
  return {
    where = where, tight = true, flipped = true, bare = true, cells = not coloured and rows, scale = o.palette,
    levels = levels, colorbar = o.colorbar, draw = draw,
    x = { o.left - 0.5, o.left + #rows[1] - 0.5 }, y = { o.top - 0.5, o.top + #rows - 0.5 },
  }
end

--- A surface z[i][j] over x[j] and y[i], or over 1, 2, ...
function fields.surface(_, x, y, z, options)
  local where = "fig:surface"
  if not data.is_list(y) then x, y, z, options = nil, nil, x, y end
  z = data.matrix(where, "z", z)
  x = x and data.vector(where, "x", x) or data.count(#z[1])
  y = y and data.vector(where, "y", y) or data.count(#z)
  data.same_length(where, "x", x, "z[1]", z[1])
  data.same_length(where, "y", y, "z", z)
  local o = args.named(where, options, {
    { "palette", "string", "perilune" }, { "range", "table" }, { "colorbar", "boolean|string", true },
    { "mesh", "boolean", true },
  })
  color.scale(where, o.palette)
  return {
    where = where, space = "3d", scale = o.palette, colorbar = o.colorbar, x = { data.bounds(x) },
    y = { data.bounds(y) }, z = { data.deep_bounds(z) }, levels = levels_of(where, o.range, data.deep_bounds(z)),
    draw = function(_, ctx)
      local lines = {}
      for i = 1, #y do
        for j = 1, #x do
          lines[#lines + 1] = ("%s %s %s"):format(number(x[j]), number(y[i]), number(z[i][j]))
        end
        lines[#lines + 1] = ""
      end
      local style = ctx.plain and "lines" or "pm3d"
      return ctx.block(lines) .. " using 1:2:3 with " .. style .. " notitle"
    end,
    setup = function()
      return "set pm3d depthorder " .. (o.mesh and "border lc rgb '#66ffffff' lw 0.4" or "noborder")
    end,
  }
end

return fields
