--- Where figures and panels go: files, a string, a window, the terminal. A drawable object has
--   options.width, options.height   its size in pixels of an ordinary screen
--   compose(ctx)                    its plot commands
--   has(trait)                      whether any of its layers has this field
-- and takes these methods. ctx is what charts.lua describes.
-- @module perilune.plot.output
local args = require "perilune.args"
local core = require "perilune.core"
local display = require "perilune.display"
local color = require "perilune.plot.color"
local gnuplot = require "perilune.plot.gnuplot"
local quote = require "perilune.plot.quote"
local screens = require "perilune.display.screen"
local vector = require "perilune.plot.vector"

local output = {}

-- Commands that select a terminal, by format. All fonts are given at an ordinary screen's size.
local terminals = {}

local function font_of(self)
  return quote.string(("%s,%s"):format(self.options.font, quote.number(self.options.fontsize)))
end

local function pixels(self, scale)
  return ("%d,%d"):format(math.floor(self.options.width * scale + 0.5), math.floor(self.options.height * scale + 0.5))
end

function terminals.png(self, how)
  local scale = how.scale or 2
  if gnuplot.terminals().pngcairo then
    return ("set terminal pngcairo enhanced size %s font %s fontscale %s linewidth %s pointscale %s background '%s'")
      :format(pixels(self, scale), font_of(self), quote.number(0.75 * scale), quote.number(scale),
        quote.number(scale), color.names.white)
  end
  return ("set terminal png truecolor enhanced size %s font %s fontscale %s linewidth %s background '#ffffff'"):format(
    pixels(self, scale), font_of(self), quote.number(0.75 * scale), quote.number(scale))
end

function terminals.svg(self)
  return ("set terminal svg enhanced size %s dynamic font %s background '#ffffff'"):format(
    pixels(self, 1), font_of(self))
end

function terminals.pdf(self)
  return ("set terminal pdfcairo enhanced size %.4fin,%.4fin font %s fontscale 0.5625 linewidth 1.2"):format(
    self.options.width / 96, self.options.height / 96, font_of(self))
end

function terminals.sixel(self, how)
  return ("set terminal sixelgd enhanced truecolor size %s font %s background '#ffffff'"):format(
    pixels(self, how.scale or 1), font_of(self))
end

-- Without colours, lines have marks of their own; filled cells come as colours in any case (tidy_text).
function terminals.txt(self, how)
  return ("set terminal dumb enhanced size %d,%d %s"):format(how.columns, how.rows,
    (how.color or self:has "tight") and "ansi256" or "mono")
end

function terminals.window(self, how)
  return ("set terminal %s enhanced size %s font %s %s"):format(how.terminal, pixels(self, 1), font_of(self),
    how.terminal == "x11" and "" or "title " .. quote.string(self.options.title or "Perilune"))
end

-- The whole script for a format.
local function script_of(self, format, how)
  local plain = format == "txt"
  local blocks, ctx = {}, { plain = plain, mono = plain and not how.color, vector = format == "svg" or format == "pdf" }
  function ctx.block(lines)
    local name = ("$data%d"):format(#blocks + 1)
    blocks[#blocks + 1] = ("%s << EOD\n%s\nEOD\n"):format(name, table.concat(lines, "\n"))
    return name
  end
  local body = self:compose(ctx)
  return table.concat { "set encoding utf8\n", table.concat(blocks), terminals[format](self, how), "\n", body, "\n" }
end

local function render(self, format, how)
  local picture = gnuplot.render(script_of(self, format, how or {}))
  return format == "svg" and vector.tidy(picture) or picture
end

local SHADES = " .:-=+*#%@"

-- How light one of a terminal's 256 colours is, in [0, 1].
local function lightness(index)
  if index >= 232 then return (index - 232) / 23 end
  if index < 16 then return index == 0 and 0 or 1 end
  local r, g, b = (index - 16) // 36, (index - 16) // 6 % 6, (index - 16) % 6
  return (0.30 * r + 0.59 * g + 0.11 * b) / 5
end

-- gnuplot fills cells with runs of a letter in the cell's colour (and counts the greys from 241 where terminals
-- count from 232). A block means the same; without colours a shade does, dense for light.
local function tidy_text(text, colored)
  text = text:gsub("\f", ""):gsub("\27%[38;5;(%d+)m(X*)", function(code, run)
    local index = tonumber(code)
    index = math.min(255, index >= 241 and index - 9 or index)
    if colored then return ("\27[38;5;%dm%s"):format(index, ("█"):rep(#run)) end
    local shade = math.floor(lightness(index) * (#SHADES - 1) + 0.5) + 1
    return SHADES:sub(shade, shade):rep(#run)
  end)
  if not colored then text = text:gsub("\27%[[%d;]*m", "") end
  text = text:gsub("[ \t]+\n", "\n"):gsub("^\n+", "")
  return text
end

--- The picture as characters.
-- @param options  width, height (in characters), color (default: where standard output is a terminal)
function output:text(options)
  local o = args.named("fig:text", options, { { "width", "integer" }, { "height", "integer" }, { "color", "boolean" } })
  local columns, rows = o.width, o.height
  if not (columns and rows) then
    local wide, high = screens.size()
    columns, rows = columns or math.min(wide, 120), rows or math.min(high - 1, 32)
  end
  if columns < 20 or rows < 6 or columns > 1000 or rows > 1000 then
    error(("fig:text: %d x %d characters; wants 20 x 6 to 1000 x 1000"):format(columns, rows), 2)
  end
  local colored = o.color
  if colored == nil then colored = screens.is_terminal() and screens.colors() ~= "none" end
  return tidy_text(render(self, "txt", { columns = columns, rows = rows, color = colored }), colored)
end

--- The picture as an SVG document.
function output:svg() return render(self, "svg") end

--- The picture as PNG bytes; `scale` is how many of its pixels make one of the figure's (2 unless told).
function output:png(options)
  local o = args.named("fig:png", options, { { "scale", "number" } })
  return render(self, "png", { scale = o.scale })
end

--- The picture as sixels, for terminals that draw them.
function output:sixel()
  if not gnuplot.terminals().sixelgd then
    error("fig:sixel: this gnuplot was built without the terminal sixelgd; fig:text() draws with characters", 2)
  end
  return render(self, "sixel")
end

--- The gnuplot script of the picture, to read or to take further by hand.
function output:script(format)
  format = format or "svg"
  if not terminals[format] or format == "window" then
    error(("fig:script: no format '%s'; there are png, svg, pdf, txt and sixel"):format(tostring(format)), 2)
  end
  return script_of(self, format, { columns = 80, rows = 24 })
end

local savers = {
  png = function(self, o) return render(self, "png", { scale = o.scale }) end,
  svg = function(self) return render(self, "svg") end,
  pdf = function(self) return render(self, "pdf") end,
  txt = function(self) return tidy_text(render(self, "txt", { columns = 100, rows = 30 })) end,
  gp = function(self) return self:script "svg" end,
}

--- Writes the picture to a file whose ending says how: .png, .svg, .pdf, .txt (characters), .gp (the script).
-- The file appears whole or not at all.
-- @param path     the file
-- @param options  scale: pixels of a PNG for one of the figure's, 2 unless told
-- @return the figure itself
function output:save(path, options)
  if type(path) ~= "string" then error("fig:save: wants a path, got a " .. type(path), 2) end
  local o = args.named("fig:save", options, { { "scale", "number", 2 } })
  local ending = (path:match("%.(%w+)$") or ""):lower()
  if not savers[ending] then
    error(("fig:save: cannot tell the format from '%s'; end it in .png, .svg, .pdf, .txt or .gp"):format(path), 2)
  end
  if not (o.scale > 0 and o.scale <= 16) then error("fig:save: scale wants more than 0 and at most 16", 2) end
  core.write_file(path, savers[ending](self, o))
  return self
end

-- The best window that this gnuplot can open here, if any.
local function window_terminal()
  if not (os.getenv "DISPLAY" or os.getenv "WAYLAND_DISPLAY") then return nil end
  local has = gnuplot.terminals()
  for _, name in ipairs { "qt", "wxt", "x11" } do
    if has[name] then return name end
  end
end

-- What a terminal shows of a figure (see perilune.display): sixels where it draws them, else characters.
local function on_terminal(self, screen)
  if screen.sixel and gnuplot.terminals().sixelgd then return self:sixel() end
  return self:text { width = math.min(screen.width, 120), height = math.max(6, math.min(screen.height - 1, 32)),
    color = screen.colors ~= "none" }
end

--- Shows the picture: in the notebook that runs this code, else in a window that stays open until its user
-- closes it (the prompt goes on at once), else in the terminal, as sixels where it is known to draw them.
function output:show()
  local terminal = not display.has_backend() and window_terminal()
  if not terminal then return display.show(self) end
  gnuplot.render(script_of(self, "window", { terminal = terminal }), { window = true })
end

local LARGE = 500000 -- bytes of an SVG from which on a PNG weighs less

local KINDS = { svg = true, png = true, both = true }
local kind_of_pages -- what output.pages was told

--- What pages get of figures: see plot.pages.
function output.pages(kind)
  if kind ~= nil and not KINDS[kind] then
    error(('plot.pages: wants "both", "svg" or "png", got %s'):format(tostring(kind)), 2)
  end
  local told = os.getenv "PERILUNE_FIGURES"
  local before = kind_of_pages or KINDS[told] and told or "svg"
  kind_of_pages = kind or kind_of_pages
  return before
end

-- What a notebook shows of a figure. A PNG beside an SVG is for pages that show none, and has a pixel a pixel.
local function mime(self)
  local kind, forms, size = output.pages(), { ["text/plain"] = tostring(self) }, nil
  local svg = kind ~= "png" and self:svg()
  if svg and #svg <= LARGE then forms["image/svg+xml"] = vector.sized(svg, self.options.width, self.options.height) end
  if kind ~= "svg" or not forms["image/svg+xml"] then
    forms["image/png"] = self:png { scale = forms["image/svg+xml"] and 1 or 2 }
    size = { ["image/png"] = { width = math.floor(self.options.width), height = math.floor(self.options.height) } }
  end
  return forms, size
end

--- Makes a class drawable.
function output.mixin(class)
  for _, name in ipairs { "text", "svg", "png", "sixel", "script", "save", "show" } do class[name] = output[name] end
  class.__mime, class.__terminal = mime, on_terminal
end

--- A title, in its font: the figure's, bold and a sixth larger.
function output.title(text, options, ctx)
  return ("%s %s font %s %s"):format(quote.string(text), ctx.literal,
    quote.string(("%s:Bold,%s"):format(options.font, quote.number(options.fontsize * 7 / 6))),
    color.text(ctx, color.ink))
end

return output
