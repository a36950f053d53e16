--- A figure: options, layers drawn in the order they were added, and ways out (output.lua). Every method that
-- changes a figure returns it, so that calls chain.
-- @classmod perilune.plot.Figure
local args = require "perilune.args"
local axes = require "perilune.plot.axes"
local charts = require "perilune.plot.charts"
local fields = require "perilune.plot.fields"
local output = require "perilune.plot.output"

local Figure = { __name = "perilune.Figure" }
Figure.__index = Figure
output.mixin(Figure)

-- Options: arguments of plot.figure{...}, and methods that set them later.
local OPTIONS = {
  { "title", "string" }, { "xlabel", "string" }, { "ylabel", "string" }, { "zlabel", "string" },
  { "xrange", "table" }, { "yrange", "table" }, { "zrange", "table" },
  { "logx", "boolean|number" }, { "logy", "boolean|number" }, { "logz", "boolean|number" },
  { "xticks", "any" }, { "yticks", "any" }, { "zticks", "any" },
  { "legend", "boolean|string" }, { "grid", "boolean", true }, { "frame", "boolean", false },
  { "aspect", "number|string" }, { "view", "table" }, { "enhanced", "boolean", false },
  { "width", "number", 800 }, { "height", "number", 500 },
  { "font", "string", "DejaVu Sans" }, { "fontsize", "number", 12 },
}

local function check_size(options, level)
  for _, name in ipairs { "width", "height" } do
    local size = options[name]
    if not (size >= 50 and size <= 10000) then
      error(("plot: %s wants 50 to 10000 pixels, got %s"):format(name, tostring(size)), level + 1)
    end
  end
  if not (options.fontsize >= 2 and options.fontsize <= 200) then
    error("plot: fontsize wants 2 to 200, got " .. tostring(options.fontsize), level + 1)
  end
end

--- Makes a figure; plot.figure is this.
function Figure.new(options)
  local self = setmetatable({ layers = {}, raw_commands = {}, raw_plots = {}, series = 0 }, Figure)
  self.options = args.named("plot.figure", options, OPTIONS)
  check_size(self.options, 2)
  return self
end

for _, row in ipairs(OPTIONS) do
  local name = row[1]
  Figure[name] = function(self, value, ...)
    if name:match "range$" and type(value) ~= "table" then value = { value, ... } end
    local defaulted = value == nil and true or value -- fig:logy() switches on
    self.options[name] = args.named("fig:" .. name, { [name] = defaulted }, { row })[name]
    check_size(self.options, 2)
    return self
  end
end

local function adder(make)
  return function(self, ...)
    local ok, layer = pcall(make, self, ...)
    if not ok then error(layer, 2) end
    if self.layers[1] and (layer.space == "3d") ~= self:is_3d() then
      error(layer.where .. ": a surface and plane charts do not share a figure; use plot.panels", 2)
    end
    self.layers[#self.layers + 1] = layer
    return self
  end
end

for _, kinds in ipairs { charts, fields } do
  for name, make in pairs(kinds) do Figure[name] = adder(make) end
end

--- gnuplot's own language: commands that run just before `plot`, or an element of the `plot` command itself,
-- as in fig:raw { plot = "sin(x) with lines" }. This text is code: it can do whatever gnuplot can.
function Figure:raw(code)
  if type(code) == "string" then
    self.raw_commands[#self.raw_commands + 1] = code
  elseif type(code) == "table" and type(code.plot) == "string" then
    self.raw_plots[#self.raw_plots + 1] = code.plot
  else
    error('fig:raw: wants a string of commands or { plot = "sin(x) with lines" }', 2)
  end
  return self
end

--- The place in the palette of the next series; one with its own colour takes none.
function Figure:next_color(asked)
  if asked == nil then self.series = self.series + 1 end
  return self.series
end

--- Whether any layer has this trait.
function Figure:has(trait)
  for _, layer in ipairs(self.layers) do
    if layer[trait] then return true end
  end
  return false
end

--- Whether it is drawn in space.
function Figure:is_3d() return self.layers[1] ~= nil and self.layers[1].space == "3d" end

--- The commands of this plot, for a page of its own or a panel.
function Figure:compose(ctx)
  ctx.literal = self.options.enhanced and "enhanced" or "noenhanced"
  ctx.bar_index, ctx.bar_count = 1, 0
  for _, layer in ipairs(self.layers) do
    if layer.is_bars and layer.y[1] then ctx.bar_count = ctx.bar_count + 1 end
  end
  local lines = axes.commands(self, ctx)
  for _, command in ipairs(self.raw_commands) do lines[#lines + 1] = command end
  local elements = {}
  for _, layer in ipairs(self.layers) do
    elements[#elements + 1] = layer.draw and layer:draw(ctx)
  end
  for _, element in ipairs(self.raw_plots) do elements[#elements + 1] = element end
  if #elements == 0 then -- nothing finite: the empty axes are the picture
    elements[1] = "NaN notitle"
    if not self.layers[1] then table.insert(lines, "set xrange [0:1]\nset yrange [0:1]") end
  end
  lines[#lines + 1] = (self:is_3d() and "splot " or "plot ") .. table.concat(elements, ", \\\n  ")
  return table.concat(lines, "\n")
end

function Figure:__tostring()
  local title = self.options.title and (" '%s'"):format(self.options.title) or ""
  local n = #self.layers
  return ("Figure%s (%d layer%s, %g x %g)"):format(title, n, n == 1 and "" or "s", self.options.width,
    self.options.height)
end

return Figure
