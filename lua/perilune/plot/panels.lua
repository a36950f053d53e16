--- Figures side by side on one page, row by row.
-- @classmod perilune.plot.Panels
local args = require "perilune.args"
local Figure = require "perilune.plot.figure"
local output = require "perilune.plot.output"

local Panels = { __name = "perilune.Panels" }
Panels.__index = Panels
output.mixin(Panels)

local OPTIONS = {
  { "rows", "integer" }, { "columns", "integer" }, { "title", "string" }, { "width", "number" },
  { "height", "number" }, { "font", "string", "DejaVu Sans" }, { "fontsize", "number", 12 },
}

--- Makes a page; plot.panels is this: plot.panels { fig1, fig2, columns = 2, title = "..." }.
function Panels.new(given)
  local named, figures = {}, {}
  if type(given) ~= "table" then error("plot.panels: wants { figure, figure, ..., columns = }", 2) end
  for key, value in pairs(given) do
    if math.type(key) ~= "integer" then named[key == "cols" and "columns" or key] = value end
  end
  for i, figure in ipairs(given) do
    if getmetatable(figure) ~= Figure then
      error(("plot.panels: [%d] wants a figure, got a %s"):format(i, type(figure)), 2)
    end
    figures[i] = figure
  end
  local o = args.named("plot.panels", named, OPTIONS)
  local count = #figures
  if count == 0 then error("plot.panels: no figures in it", 2) end
  o.columns = o.columns or o.rows and math.ceil(count / o.rows) or math.ceil(math.sqrt(count))
  o.rows = o.rows or math.ceil(count / math.max(1, o.columns))
  if o.rows < 1 or o.columns < 1 or o.rows * o.columns < count then
    error(("plot.panels: %d figures do not fit in %d x %d"):format(count, o.rows, o.columns), 2)
  end
  o.width, o.height = o.width or o.columns * 560, o.height or o.rows * 420 + (o.title and 30 or 0)
  if not (o.width >= 50 and o.width <= 10000 and o.height >= 50 and o.height <= 10000) then
    error("plot.panels: width and height want 50 to 10000 pixels", 2)
  end
  return setmetatable({ figures = figures, options = o }, Panels)
end

--- The commands of the page.
function Panels:compose(ctx)
  local o = self.options
  ctx.literal = "noenhanced"
  local title = o.title and " title " .. output.title(o.title, o, ctx) or ""
  local parts = { ("set multiplot layout %d,%d%s"):format(o.rows, o.columns, title) }
  ctx.panel_width = o.width / o.columns
  for _, figure in ipairs(self.figures) do parts[#parts + 1] = figure:compose(ctx) end
  parts[#parts + 1] = "unset multiplot"
  return table.concat(parts, "\n")
end

--- Whether any layer of any figure has this trait.
function Panels:has(trait)
  for _, figure in ipairs(self.figures) do
    if figure:has(trait) then return true end
  end
  return false
end

function Panels:__tostring()
  local o = self.options
  local title = o.title and (" '%s'"):format(o.title) or ""
  return ("Panels%s (%d figures, %d x %d)"):format(title, #self.figures, o.rows, o.columns)
end

return Panels
