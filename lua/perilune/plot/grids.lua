--- Figures made of many small pictures, and the confusion matrix.
-- @module perilune.plot.grids
local args = require "perilune.args"
local color = require "perilune.plot.color"
local data = require "perilune.plot.data"
local Figure = require "perilune.plot.figure"

local grids = {}

-- A class as people call it: its name where there are names (the first belongs to class 0), else the label.
local function class_name(where, classes, label)
  if type(label) == "string" then return label end
  local whole = math.tointeger(label)
  if not classes then return whole and ("%d"):format(whole) or ("%g"):format(label) end
  local name = whole and classes[whole + 1]
  if name == nil then
    data.fail(where, "classes has %d names, but there is a label %s (labels count from 0)", #classes, tostring(label))
  end
  return tostring(name)
end

-- Labels as a list of numbers or names; a matrix of probabilities gives each row's most probable class.
local function labels_of(where, name, value, count)
  if value == nil then return nil end
  local list = data.plain(where, name, value)
  if type(list[1]) == "table" then
    local best = {}
    for i, row in ipairs(data.matrix(where, name, list)) do
      local at = 1
      for j = 2, #row do
        if row[j] > row[at] then at = j end
      end
      best[i] = #row == 1 and row[1] or at - 1
    end
    list = best
  end
  if #list ~= count then data.fail(where, "%s has %d values for %d pictures", name, #list, count) end
  return list
end

local TILE, CAPTION, MARGIN = 88, 22, 14 -- pixels of an ordinary screen

-- Lays out tiles. captions[i] and wrong[i] are optional.
local function tiles(where, pictures, o)
  local first = data.picture(where, "pictures[1]", pictures[1])
  local high, wide = #first, #first[1]
  local unit = wide / TILE -- one pixel of the screen, in pixels of the pictures
  local gap = 10 * unit
  local step_x, step_y = wide + gap, high + (o.captions and CAPTION * unit or 0) + gap
  local columns = o.columns
  local rows = math.ceil(#pictures / columns)
  local fig = Figure.new {
    title = o.title, width = math.max(160, columns * step_x / unit + 2 * MARGIN),
    height = math.max(120, rows * step_y / unit + 2 * MARGIN + (o.title and 34 or 0)),
  }
  for i, picture in ipairs(pictures) do
    local row, column = (i - 1) // columns, (i - 1) % columns
    local left, top = column * step_x + 0.5, row * step_y + (o.captions and CAPTION * unit or 0) + 0.5
    fig:image(picture, { left = left, top = top, palette = o.palette, range = o.range })
    local wrong = o.wrong and o.wrong[i]
    if o.captions then
      fig:label(left + (wide - 1) / 2, top - CAPTION * unit * 0.55, o.captions[i],
        { align = "center", color = wrong and color.wrong or color.right, size = 11 })
    end
    local reach = 0.5 + unit
    if wrong or o.framed then
      fig:box(left - reach, top - reach, left + wide - 1 + reach, top + high - 1 + reach,
        { color = wrong and color.wrong or color.grid, linewidth = wrong and 2.5 or 1 })
    end
  end
  return fig
end

local function default_columns(count)
  return math.max(1, math.min(12, math.ceil(math.sqrt(count * 1.6))))
end

-- A data set brings its labels and the names of its classes.
local function unpack_set(x, o)
  if type(x) ~= "table" or type(x.batches) ~= "function" then return x end
  local count = math.min(#x, math.max(1, o.count))
  local pictures, labels = x:take(count):batches({ count })()
  o.labels, o.classes = o.labels or labels, o.classes or x.classes
  return pictures
end

--- Pictures in rows, each with its label; a wrong prediction is framed and says what the picture really is.
-- @param x        pictures [N][H][W], [N][H][W][1] or [N][H][W][3], one alone, or a data set
-- @param options  labels, predictions (labels, or probabilities [N][classes]), classes (names, the first for
--   label 0), columns, count (how many at most: 40), palette ("grey", or "ink" for dark on light), title
function grids.images(x, options)
  local where = "plot.images"
  local o = args.named(where, options, {
    { "labels", "any" }, { "predictions", "any" }, { "classes", "any" }, { "columns", "integer" },
    { "count", "integer", 40 }, { "palette", "string", "grey" }, { "title", "string" }, { "range", "table" },
  })
  local all = data.plain(where, "x", unpack_set(x, o))
  if data.depth(all) == 2 then all = { all } end
  if #all == 0 then data.fail(where, "x is empty") end
  local labels = labels_of(where, "labels", o.labels, #all)
  local guesses = labels_of(where, "predictions", o.predictions, #all)
  local classes = o.classes and data.plain(where, "classes", o.classes)
  local pictures, captions, wrong = {}, (labels or guesses) and {}, {}
  for i = 1, math.min(#all, math.max(1, o.count)) do
    pictures[i] = all[i]
    local label, guess = labels and labels[i], guesses and guesses[i]
    wrong[i] = label ~= nil and guess ~= nil and label ~= guess
    if captions then
      captions[i] = class_name(where, classes, guess or label)
      if wrong[i] then captions[i] = captions[i] .. ", is " .. class_name(where, classes, label) end
    end
  end
  local low, high = data.picture_range(data.deep_bounds(pictures))
  return tiles(where, pictures, {
    captions = captions, wrong = wrong, title = o.title, palette = o.palette, framed = o.palette == "ink",
    range = o.range or { low, high }, columns = math.max(1, o.columns or default_columns(#pictures)),
  })
end

-- The kernels [H][W][in][out] of one input channel, as a list of pictures.
local function kernels_of(where, kernel, channel)
  local list, inputs = {}, #kernel[1][1]
  if type(kernel[1][1][1]) ~= "table" or channel < 1 or channel > inputs then
    data.fail(where, "kernel wants [H][W][in][out] and a channel of 1 to in")
  end
  for out = 1, #kernel[1][1][1] do
    local picture = {}
    for i = 1, #kernel do
      picture[i] = {}
      for j = 1, #kernel[i] do picture[i][j] = kernel[i][j][channel][out] end
    end
    list[out] = picture
  end
  return list
end

--- The kernels of a convolution, blue below zero and red above, all on one scale.
-- @param kernel   a Conv2D that is built, its kernel [H][W][in][out], or [N][H][W]
-- @param options  channel (which input: 1), columns, title
function grids.filters(kernel, options)
  local where = "plot.filters"
  local o = args.named(where, options, {
    { "channel", "integer", 1 }, { "columns", "integer" }, { "title", "string" }, { "palette", "string", "diverging" },
  })
  local meta = getmetatable(kernel)
  if type(meta) == "table" and meta.__name == "perilune.Layer" then kernel = kernel:weights()[1] end
  local given = data.plain(where, "kernel", kernel)
  local depth = data.depth(given)
  if depth ~= 3 and depth ~= 4 then
    data.fail(where, "kernel wants [H][W][in][out] or [N][H][W], got a table of depth %d", depth)
  end
  local pictures = depth == 4 and kernels_of(where, given, o.channel) or given
  local low, high = data.deep_bounds(pictures)
  local reach = math.max(math.abs(low or 0), math.abs(high or 0))
  if reach == 0 then reach = 1 end
  return tiles(where, pictures, {
    title = o.title, palette = o.palette, range = { -reach, reach }, framed = true,
    columns = math.max(1, o.columns or default_columns(#pictures)),
  })
end

--- The confusion matrix: a row for each true class, a column for each prediction, counts in the cells, colours
-- by the share of the row (to the power 0.6, so that a few mistakes show).
-- @param matrix   counts [true][predicted], or the confusion that net:evaluate gives (with its classes)
-- @param options  classes (names; 0, 1, ... unless told), normalize (write shares instead of counts), title
function grids.confusion(matrix, options)
  local where = "plot.confusion"
  local o = args.named(where, options, {
    { "classes", "any" }, { "normalize", "boolean", false }, { "title", "string" }, { "palette", "string", "blues" },
  })
  if type(matrix) == "table" and matrix.confusion then matrix = matrix.confusion end -- all that evaluate gave
  local from_report = type(matrix) == "table" and matrix.counts
  local rows = data.matrix(where, "matrix", from_report or matrix)
  if #rows ~= #rows[1] then data.fail(where, "matrix wants as many rows as columns, got %d x %d", #rows, #rows[1]) end
  local classes = o.classes or from_report and matrix.classes
  local names = classes and data.plain(where, "classes", classes)
  if not names then
    names = {}
    for i = 1, #rows do names[i] = tostring(i - 1) end
  end
  local shares, shown, right, total = {}, {}, 0, 0
  for i, row in ipairs(rows) do
    local sum = 0
    for _, count in ipairs(row) do sum = sum + count end
    shares[i], shown[i] = {}, {}
    for j, count in ipairs(row) do
      local share = sum > 0 and count / sum or 0
      shares[i][j] = share ^ 0.6 -- few mistakes show, too
      shown[i][j] = count == 0 and 0 / 0 or o.normalize and 100 * share or count -- an empty cell says zero
    end
    right, total = right + row[i], total + sum
  end
  local percent = total > 0 and 100 * right / total or 0
  local title = o.title or ("Confusion matrix: %.2f %% of %g right"):format(percent, total)
  local side = math.max(420, math.min(1600, 150 + #rows * 46))
  local fig = Figure.new {
    title = title, xlabel = "predicted", ylabel = "true", width = side + 40, height = side, aspect = 1,
  }
  return fig:heatmap(shares, {
      palette = o.palette, range = { 0, 1 }, xnames = names, ynames = names, shown = shown, colorbar = false,
      values = o.normalize and "%.1f" or "%.0f",
    })
end

return grids
