--- The commands that lay out one plot: ranges with a margin around the data, ticks, grid, legend, colours.
-- A figure holds options (figure.lua lists them) and layers (charts.lua tells what they are).
-- @module perilune.plot.axes
local color = require "perilune.plot.color"
local data = require "perilune.plot.data"
local output = require "perilune.plot.output"
local quote = require "perilune.plot.quote"

local axes = {}
local number = quote.number
local MARGIN = 0.04 -- of the data's extent, on each side

-- What all layers cover along an axis.
local function extent(figure, axis)
  local all = { tight = axis ~= "z" and #figure.layers > 0, zero = false }
  for _, layer in ipairs(figure.layers) do
    local b = layer[axis]
    if b and b[1] then
      all.lo = math.min(all.lo or b[1], b[1])
      all.hi = math.max(all.hi or b[2], b[2])
      all.positive = math.min(all.positive or b[3] or math.huge, b[3] or math.huge)
    end
    all.tight = all.tight and (layer.tight or layer.space == "3d" or not b)
    if axis == "y" and layer.zero then all.zero = true end
    if axis == "x" and layer.zero then all.snug = true end
  end
  return all
end

local function log_range(all)
  local lo, hi = all.positive, all.hi
  if not lo or lo == math.huge or not hi or hi <= 0 then return 1, 10 end
  if lo == hi then return lo / 2, hi * 2 end
  local pad = (math.log(hi, 10) - math.log(lo, 10)) * MARGIN
  return 10 ^ (math.log(lo, 10) - pad), 10 ^ (math.log(hi, 10) + pad)
end

local function linear_range(all)
  local lo, hi = all.lo, all.hi
  if not lo then return 0, 1 end
  if all.tight then return lo, hi end
  if all.zero then lo, hi = math.min(lo, 0), math.max(hi, 0) end
  if lo == hi then
    local half = lo == 0 and 1 or math.abs(lo) * 0.1
    return all.zero and lo == 0 and 0 or lo - half, hi + half
  end
  local pad = (hi - lo) * (all.snug and 0.01 or MARGIN)
  return all.zero and lo == 0 and 0 or lo - pad, all.zero and hi == 0 and 0 or hi + pad
end

-- The range of an axis: what its user set, else what the data cover. nils where there are no data.
local function range_of(figure, axis, is_log)
  local set = figure.options[axis .. "range"] or {}
  local all = extent(figure, axis)
  local lo, hi
  if all.lo or #figure.layers > 0 then
    if is_log then lo, hi = log_range(all) else lo, hi = linear_range(all) end
  end
  lo, hi = set[1] or lo, set[2] or hi
  local where = "fig:" .. axis .. "range"
  for _, bound in pairs { lo or 0, hi or 0 } do
    if type(bound) ~= "number" or not data.finite(bound) then
      data.fail(where, "wants two finite numbers, got %s", tostring(bound))
    end
  end
  if lo and hi and lo >= hi then
    data.fail(where, "the lower end %s is not below the upper end %s", number(lo), number(hi))
  end
  if is_log and lo and lo <= 0 then
    data.fail(where, "a logarithmic axis starts above zero, got %s", number(lo))
  end
  return lo, hi
end

-- 1, 2, 5, 10, ... between the ends: a logarithmic axis of few decades is read by these.
local function few_decades(lo, hi)
  local ticks = {}
  for power = math.floor(math.log(lo, 10)), math.ceil(math.log(hi, 10)) do
    for _, digit in ipairs { 1, 2, 5 } do
      local at = digit * 10.0 ^ power
      if at >= lo * 0.999 and at <= hi * 1.001 then ticks[#ticks + 1] = number(at) end
    end
  end
  return table.concat(ticks, ", ")
end

-- Powers of a base that is not 10, a dozen at most: by their values while these are short, else as powers.
local function powers_of(base, lo, hi, plain)
  local first = math.ceil(math.log(lo, base) - 1e-6)
  local last = math.floor(math.log(hi, base) + 1e-6)
  local short = first >= -3 and base ^ last < 1e6
  local shape = plain and "%s^%d" or "%s^{%d}"
  local ticks = {}
  local step = (last - first) // 12 + 1
  for power = -(-first // step) * step, last, step do
    local at = number(base ^ power)
    ticks[#ticks + 1] = quote.string(short and at or shape:format(number(base), power)) .. " " .. at
  end
  return table.concat(ticks, ", ")
end

-- A step of 1, 2 or 5 times a power of ten, at least 1, for at most `most` ticks.
local function whole_step(lo, hi, most)
  local step = 1
  for _, factor in ipairs { 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 1e5, 1e6, 1e9 } do
    if (hi - lo) / step <= most then break end
    step = factor
  end
  return math.tointeger(step)
end

local function listed_ticks(where, ticks)
  local list = {}
  for i, tick in ipairs(ticks) do
    if type(tick) == "table" and type(tick[1]) == "number" and tick[2] ~= nil then
      list[i] = quote.tick(tick[2]) .. " " .. number(tick[1])
    elseif type(tick) == "number" then
      list[i] = number(tick)
    else
      data.fail(where, "wants a step, a list of numbers, a list of { position, text }, 'whole' or false")
    end
  end
  return "(" .. table.concat(list, ", ") .. ")"
end

-- How wide the plot will be: a panel has its share of the page.
local function width_of(figure, ctx) return ctx.panel_width or figure.options.width end

-- Long names lean.
local function lean(figure, axis, ticks, ctx)
  if axis ~= "x" or type(ticks) ~= "table" then return "" end
  local letters = 0
  for _, tick in ipairs(ticks) do
    local text = type(tick) == "table" and quote.clean(tick[2]) or ""
    letters = letters + (utf8.len(text) or 0) + 2
  end
  return letters * figure.options.fontsize * 0.62 > width_of(figure, ctx) * 0.85 and " rotate by 38 right" or ""
end

-- Ticks of one axis; `ctx.literal` does not hold for them, as powers of ten are written enhanced.
local function ticks_of(figure, axis, lo, hi, is_log, ctx)
  local ticks = figure.options[axis .. "ticks"]
  if ticks == nil then ticks = figure[axis .. "ticks_from_data"] end
  if ticks == nil and figure:has "bare" then ticks = false end
  local where, set = "fig:" .. axis .. "ticks", "set " .. axis .. "tics "
  if ticks == false then return "unset " .. axis .. "tics" end
  local plainly = "noenhanced" .. lean(figure, axis, ticks, ctx)
  if type(ticks) == "number" then return set .. number(ticks) .. " " .. plainly end
  if type(ticks) == "table" then return set .. listed_ticks(where, ticks) .. " " .. plainly end
  if ticks == "whole" then
    return lo and set .. whole_step(lo, hi, ctx.plain and 8 or 12) .. " " .. plainly or set .. plainly
  end
  if ticks ~= nil then listed_ticks(where, { ticks }) end
  if not is_log then return set .. plainly end
  if type(is_log) == "number" and is_log ~= 10 then
    return lo and ("%s(%s) enhanced"):format(set, powers_of(is_log, lo, hi, ctx.plain)) or set .. plainly
  end
  if lo and math.log(hi / lo, 10) < 2.5 then return set .. "(" .. few_decades(lo, hi) .. ") " .. plainly end
  return ("set format %s '%s'\n%senhanced\nset m%stics 10"):format(axis, ctx.plain and "1e%T" or "10^{%T}", set, axis)
end

local function axis_commands(figure, axis, ctx, emit)
  local o = figure.options
  local log = o["log" .. axis]
  local lo, hi = range_of(figure, axis, log)
  if log then emit(("set logscale %s %s"):format(axis, number(log == true and 10 or log))) end
  if lo or hi then
    local from, to = lo and number(lo) or "*", hi and number(hi) or "*"
    if axis == "y" and figure:has "flipped" then from, to = to, from end
    emit(("set %srange [%s:%s]"):format(axis, from, to))
  end
  emit(ticks_of(figure, axis, lo, hi, log, ctx))
  if o[axis .. "label"] then
    emit(("set %slabel %s %s %s"):format(axis, quote.string(o[axis .. "label"]), ctx.literal,
      color.text(ctx, color.ink)))
  end
end

local LEGENDS = {
  below = "bmargin center horizontal Left reverse", right = "rmargin top vertical Left reverse",
  ["top left"] = "inside top left vertical Left reverse", ["top right"] = "inside top right vertical Left reverse",
  ["bottom left"] = "inside bottom left vertical Left reverse",
  ["bottom right"] = "inside bottom right vertical Left reverse",
}

-- How many names the legend has, and the letters of the longest.
local function names_of(figure)
  local count, longest = #figure.raw_plots, #figure.raw_plots > 0 and 8 or 0
  for _, layer in ipairs(figure.layers) do
    if layer.title then
      count, longest = count + 1, math.max(longest, utf8.len(quote.clean(layer.title)) or 0)
    end
  end
  return count, longest
end

-- Between the title and the plot, in as many rows as the names need. gnuplot itself would put it over the title.
local function legend_above(figure, ctx, count, longest)
  if ctx.plain then return "tmargin center horizontal Left reverse" end
  local columns = width_of(figure, ctx) * 0.86 // ((longest + 6) * figure.options.fontsize * 0.62)
  local rows = math.ceil(count / math.max(1, columns))
  figure.title_offset = rows * 1.25
  return ("at graph 0.5, graph 1.015 center bottom horizontal maxrows %d Left reverse"):format(rows)
end

-- Above the plot while two rows are enough for the names, else on its right.
local function legend_of(figure, ctx)
  local wanted, count, longest = figure.options.legend, names_of(figure)
  figure.title_offset = 0
  if wanted == false or count == 0 then return "unset key" end
  if wanted == nil or wanted == true then
    local wide = count * (longest + 6) * figure.options.fontsize * 0.62
    wanted = wide < width_of(figure, ctx) * 1.7 and "above" or "right"
  end
  local place = LEGENDS[wanted] or wanted == "above" and legend_above(figure, ctx, count, longest)
  if not place then
    data.fail("fig:legend", "wants true, false, 'above', 'below', 'right', 'top left', 'top right', 'bottom left' "
      .. "or 'bottom right', got %s", tostring(wanted))
  end
  return ("set key %s %s samplen 1.6 spacing 1.25 width 1 %s"):format(
    place, ctx.literal, color.text(ctx, color.soft_ink))
end

local function title_of(figure, ctx, emit)
  local o, up = figure.options, figure.title_offset
  if up > 0 then emit("set tmargin " .. number(up + (o.title and 2.6 or 0.8))) end
  if o.title then
    emit("set title " .. output.title(o.title, o, ctx) .. (up > 0 and " offset 0," .. number(up) or ""))
  end
end

-- Colours of heat maps and surfaces: one scale a plot.
local function colors_of(figure, ctx, emit)
  local scale, lo, hi, bar
  for _, layer in ipairs(figure.layers) do
    if layer.scale then
      if scale and scale ~= layer.scale then
        data.fail(layer.where, "one figure has one palette: '%s' here, '%s' before", layer.scale, scale)
      end
      scale, bar = layer.scale, bar or layer.colorbar
      lo, hi = math.min(lo or layer.levels[1], layer.levels[1]), math.max(hi or layer.levels[2], layer.levels[2])
    end
  end
  if not scale then return emit "unset colorbox" end
  emit(color.palette_command("palette", ctx.mono and "grey" or scale))
  emit(("set cbrange [%s:%s]"):format(number(lo), number(hi)))
  if not bar or ctx.plain then return emit "unset colorbox" end
  emit(("set style line 99 lw 0.8 lc rgb '%s'\nset colorbox border 99"):format(color.frame))
  emit(("set cbtics scale 0.4 %s"):format(color.text(ctx, color.soft_ink)))
  if type(bar) == "string" then
    emit(("set cblabel %s noenhanced %s"):format(quote.string(bar), color.text(ctx, color.ink)))
  end
end

local function frame_of(figure, ctx, emit)
  local o = figure.options
  if figure:has "bare" then
    emit "unset border\nset size ratio -1"
    return
  end
  local sides = (o.frame or figure:has "tight" or ctx.plain) and 31 or 3
  emit(("set border %d lw 1 lc rgb '%s'"):format(figure:is_3d() and 31 or sides, color.frame))
  emit(("set tics nomirror out scale 0.5,0.25 %s"):format(color.text(ctx, color.soft_ink)))
  if o.grid and not figure:has "tight" and not ctx.plain then
    emit(("set grid back lt 1 lw 0.8 lc rgb '%s'"):format(color.grid))
  end
  if o.aspect then
    local ratio = o.aspect == "equal" and -1 or o.aspect
    if type(ratio) ~= "number" then data.fail("fig:aspect", "wants 'equal' or height / width, got %s", o.aspect) end
    emit("set size ratio " .. number(ratio))
  end
end

--- All commands before `plot`.
function axes.commands(figure, ctx)
  local lines = {}
  local function emit(line)
    if line then lines[#lines + 1] = line end
  end
  local o = figure.options
  emit "reset\nset format '%h'"
  frame_of(figure, ctx, emit)
  axis_commands(figure, "x", ctx, emit)
  axis_commands(figure, "y", ctx, emit)
  if figure:is_3d() then
    axis_commands(figure, "z", ctx, emit)
    local view = o.view or { 58, 32 }
    emit(("set view %s,%s\nset xyplane 0%s"):format(number(view[1]), number(view[2]),
      ctx.plain and "\nset hidden3d" or ""))
  end
  colors_of(figure, ctx, emit)
  emit(legend_of(figure, ctx))
  title_of(figure, ctx, emit)
  for _, layer in ipairs(figure.layers) do
    if layer.setup then emit(layer:setup(ctx)) end
  end
  return lines
end

return axes
