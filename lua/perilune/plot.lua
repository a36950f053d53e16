--- Plots with gnuplot. Two ways in:
--
--     local fig = plot.figure { title = "Two waves", xlabel = "t" }
--     fig:lines(t, a, { title = "a" }):lines(t, b, { title = "b", dash = "dashed" }):save "waves.png"
--
--     plot.history(history):save "accuracy.png"       -- and the other shortcuts below
--
-- Data are lists of numbers or tensors; NaN and infinity are gaps. A figure goes to a file (fig:save), a window
-- or the terminal (fig:show, fig:text), a string (fig:svg, fig:png). Texts are shown literally; fig:raw is the
-- way to gnuplot's own language.
-- @module perilune.plot
local color = require "perilune.plot.color"
local data = require "perilune.plot.data"
local Figure = require "perilune.plot.figure"
local grids = require "perilune.plot.grids"
local history = require "perilune.plot.history"
local output = require "perilune.plot.output"
local Panels = require "perilune.plot.panels"

local plot = {}

-- Errors from below carry no position; they get the caller's.
local function positioned(make)
  return function(...)
    local ok, made = pcall(make, ...)
    if not ok then error(made, 2) end
    return made
  end
end

--- A new figure. Options: title, xlabel, ylabel, zlabel, xrange = {low, high}, yrange, zrange, logx, logy, logz
-- (true or a base), xticks (a step, a list of numbers or of {position, text}, "whole", false), yticks, zticks,
-- legend (true, false, "above", "below", "right", "top left", ...), grid, frame, aspect ("equal" or height/width),
-- view = {tilt, turn}, enhanced (gnuplot's markup in texts), width, height, font, fontsize. Each is also a method.
plot.figure = positioned(Figure.new)

--- Figures on one page: plot.panels { fig1, fig2, columns = 2, title = "..." }.
plot.panels = positioned(Panels.new)

--- Training curves of one or several runs, the best epoch marked: plot.history(history),
-- plot.history { first = history1, second = history2 }.
plot.history = positioned(history)

--- The confusion matrix: a row for each true class, a column for each prediction.
-- @param matrix  counts [true][predicted], or the confusion that net:evaluate gives
-- @param options classes (names), normalize (shares instead of counts), title
plot.confusion = positioned(grids.confusion)

--- Pictures in rows, each with its label; a wrong prediction is framed and says what the picture really is.
-- @param x       pictures [N][H][W], [N][H][W][1] or [N][H][W][3], or one alone
-- @param options labels, predictions (labels, or probabilities [N][classes]), classes (names), columns, count
--   (how many at most: 40), palette ("grey", or "ink" for dark on light), title
plot.images = positioned(grids.images)

--- The kernels of a convolution, blue below zero and red above, all on one scale.
-- @param kernel  a Conv2D that is built, its kernel [H][W][in][out], or [N][H][W]
-- @param options channel (which input: 1), columns, title
plot.filters = positioned(grids.filters)

--- What a notebook gets of figures: "svg" (the default: small, and sharp at any size), "png", or "both", for pages that
-- show no SVG, such as JupyterLab's of a notebook that is not trusted yet. The environment variable PERILUNE_FIGURES
-- says it, too. An SVG of more than 500 KB becomes a PNG in any case.
-- @param kind "svg", "png" or "both"; nil only asks
-- @return what it was
function plot.pages(kind) return output.pages(kind) end

--- The colours of the 1st, 2nd, ... series.
plot.colors = color.series

local FIGURE_OPTIONS = {
  xlabel = true, ylabel = true, zlabel = true, xrange = true, yrange = true, zrange = true, logx = true, logy = true,
  logz = true, xticks = true, yticks = true, zticks = true, legend = true, grid = true, frame = true, aspect = true,
  view = true, enhanced = true, width = true, height = true, font = true, fontsize = true,
}

-- plot.NAME(data..., options): a figure with one layer; options of the figure and of the layer stand in one table,
-- where `title` is the figure's and `name` the layer's in the legend.
local function shortcut(kind)
  return positioned(function(...)
    local given, count = { ... }, select("#", ...)
    local last = given[count]
    local for_figure, for_layer = {}, {}
    if count > 1 and type(last) == "table" and not data.is_list(last) and getmetatable(last) == nil then
      for key, value in pairs(last) do
        if key == "title" then
          for_figure.title = value
        elseif key == "name" then
          for_layer.title = value
        elseif FIGURE_OPTIONS[key] then
          for_figure[key] = value
        else
          for_layer[key] = value
        end
      end
      count = count - 1
    end
    given[count + 1] = next(for_layer) and for_layer or nil
    local fig = Figure.new(for_figure)
    return fig[kind](fig, table.unpack(given, 1, count + 1))
  end)
end

--- plot.lines(y), plot.lines(x, y, { title = "...", ylabel = "...", color = "red" })
plot.lines = shortcut "lines"
--- plot.scatter(x, y, options)
plot.scatter = shortcut "scatter"
--- plot.bar({ "cat", "dog" }, { 3, 5 }, options)
plot.bar = shortcut "bars"
plot.bars = plot.bar
--- plot.hist(values, { bins = 20 })
plot.hist = shortcut "histogram"
plot.histogram = plot.hist
--- plot.heatmap(matrix, { values = true })
plot.heatmap = shortcut "heatmap"
--- plot.image(picture, options)
plot.image = shortcut "image"
--- plot.surface(z), plot.surface(x, y, z, options)
plot.surface = shortcut "surface"

return plot
