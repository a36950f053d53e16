--- Draws one picture of every kind of chart from made-up data: lua5.4 scripts/plot_gallery.lua FOLDER [png|svg|pdf|txt]
-- The folder must exist. The data are the same on every run, and so are the pictures, bit by bit.
dofile((arg[0]:match "^(.*)/[^/]*$" or ".") .. "/tree.lua")
local plot = require "perilune.plot"

-- A small generator of its own: math.random's differs between builds of Lua.
local state = 42
local function uniform()
  state = (state * 1103515245 + 12345) % 2147483648
  return (state // 8) / 268435456
end

local function normal()
  return math.sqrt(-2 * math.log(1 - uniform())) * math.cos(2 * math.pi * uniform())
end

local function map(from, to, step, f)
  local x, y = {}, {}
  for v = from, to + step / 2, step do
    x[#x + 1], y[#y + 1] = v, f(v)
  end
  return x, y
end

local function run_of(epochs, rate, floor, overfit)
  local h = { epoch = {}, loss = {}, val_loss = {}, accuracy = {}, val_accuracy = {}, lr = {}, seconds = {} }
  for e = 1, epochs do
    local left = math.exp(-rate * (e - 1))
    h.epoch[e], h.lr[e], h.seconds[e] = e, 1e-3 * (1 - e / epochs), 4.1
    h.loss[e] = 0.31 * left + floor * 0.35 + 0.004 * uniform()
    h.val_loss[e] = 0.17 * left + floor + overfit * e + 0.006 * uniform()
    h.accuracy[e] = 1 - 0.095 * left - floor * 0.12 - 0.001 * uniform()
    h.val_accuracy[e] = 1 - 0.055 * left - floor * 0.31 - overfit * e * 0.2 - 0.0015 * uniform()
  end
  return h
end

-- A drawn digit-like stroke on 28 x 28, channels last.
local function glyph(kind)
  local picture = {}
  local dx, dy, size = 2 * uniform() - 1, 2 * uniform() - 1, 6.2 + 1.6 * uniform()
  for i = 1, 28 do
    picture[i] = {}
    for j = 1, 28 do
      local x, y = j - 14.5 - dx, i - 14.5 - dy
      local far
      if kind == 0 then
        far = math.abs(math.sqrt((1.35 * x) ^ 2 + y ^ 2) - size)
      elseif kind == 1 then
        far = math.abs(y) < size + 1 and math.abs(x + 0.25 * y) or 9
      else
        local bar = math.abs(x) < size and math.abs(y + size) or 9
        far = math.min(bar, math.abs(y) < size and math.abs(x + 0.55 * (y + size) - size) or 9)
      end
      picture[i][j] = { math.max(0, math.min(1, 2.3 - far)) }
    end
  end
  return picture
end

local gallery = {}

function gallery.history()
  return plot.history(run_of(12, 0.62, 0.028, 0.0009), { title = "The digit net on MNIST" })
end

function gallery.runs()
  return plot.history({
    ["Adam 1e-3"] = run_of(20, 0.5, 0.03, 0.0008), ["SGD 0.1"] = run_of(20, 0.22, 0.04, 0),
    ["RMSprop"] = run_of(20, 0.4, 0.034, 0.0014),
  }, { title = "Three optimisers" })
end

function gallery.lines()
  local fig = plot.figure { title = "Activations", xlabel = "input", ylabel = "output", yrange = { -1.3, 3 } }
  local shapes = {
    { "relu", function(x) return math.max(0, x) end },
    { "gelu", function(x) return x / (1 + math.exp(-1.702 * x)) end },
    { "tanh", function(x) return (math.exp(2 * x) - 1) / (math.exp(2 * x) + 1) end },
    { "sigmoid", function(x) return 1 / (1 + math.exp(-x)) end },
    { "softplus", function(x) return math.log(1 + math.exp(x)) end },
  }
  for _, shape in ipairs(shapes) do
    local x, y = map(-4, 4, 0.05, shape[2])
    fig:lines(x, y, { title = shape[1] })
  end
  return fig:hline(0)
end

function gallery.band()
  local x, mean = map(0, 10, 0.1, function(v) return math.sin(v) * math.exp(-v / 8) end)
  local low, high = {}, {}
  for i, m in ipairs(mean) do low[i], high[i] = m - 0.08 - 0.02 * x[i], m + 0.08 + 0.02 * x[i] end
  mean[40] = 0 / 0
  return plot.figure { title = "A mean, its spread, and one value missing", xlabel = "time", ylabel = "signal" }
    :band(x, low, high, { title = "spread", color = 1 }):lines(x, mean, { title = "mean", color = 1 })
end

function gallery.scatter()
  local fig = plot.figure { title = "Two features of three classes", xlabel = "feature 1", ylabel = "feature 2" }
  for k, centre in ipairs { { -1.6, 0.4 }, { 1.1, 1.5 }, { 0.7, -1.3 } } do
    local x, y = {}, {}
    for i = 1, 180 do x[i], y[i] = centre[1] + 0.75 * normal(), centre[2] + 0.6 * normal() end
    fig:scatter(x, y, { title = "class " .. k - 1 })
  end
  return fig
end

function gallery.log()
  local x, a = map(1, 1000, 1, function(v) return 2.2 * v ^ -0.7 * (1 + 0.08 * normal()) end)
  local _, b = map(1, 1000, 1, function(v) return 2.2 * v ^ -1.1 * (1 + 0.08 * normal()) end)
  return plot.figure { title = "Loss per step", xlabel = "step", ylabel = "loss", logx = true, logy = true }
    :lines(x, a, { title = "SGD", linewidth = 1.4 }):lines(x, b, { title = "Adam", linewidth = 1.4 })
end

function gallery.bars()
  return plot.figure { title = "Images per second", ylabel = "thousands", legend = "top left" }
    :bars({ "1 thread", "2 threads", "4 threads" }, { 11.2, 21.6, 40.1 }, { title = "forward", values = true })
    :bars({ "1 thread", "2 threads", "4 threads" }, { 4.1, 8.0, 15.3 }, { title = "training", values = true })
end

function gallery.histogram()
  local a, b = {}, {}
  for i = 1, 3000 do a[i], b[i] = 0.05 * normal(), 0.02 + 0.09 * normal() end
  return plot.figure { title = "Weights before and after", xlabel = "weight", ylabel = "how many" }
    :histogram(b, { title = "after", opacity = 0.55 }):histogram(a, { title = "before", opacity = 0.55 })
end

function gallery.heatmap()
  local matrix = {}
  for i = 1, 24 do
    matrix[i] = {}
    for j = 1, 36 do matrix[i][j] = math.sin(i / 4) * math.cos(j / 5) + 0.1 * normal() end
  end
  return plot.heatmap(matrix, { title = "Activations of a layer", xlabel = "unit", ylabel = "example" })
end

function gallery.values()
  return plot.heatmap({ { 1, 0.82, -0.3 }, { 0.82, 1, 0.1 }, { -0.3, 0.1, 1 } }, {
    title = "Correlations", palette = "diverging", range = { -1, 1 }, values = "%.2f", aspect = 1, width = 560,
    xnames = { "height", "weight", "age" }, ynames = { "height", "weight", "age" },
  })
end

function gallery.confusion()
  local matrix = {}
  for i = 1, 10 do
    matrix[i] = {}
    for j = 1, 10 do
      local miss = uniform()
      matrix[i][j] = i == j and 960 + math.floor(40 * uniform()) or miss > 0.6 and math.floor(miss * 9) or 0
    end
  end
  matrix[5][10], matrix[8][3] = 31, 22
  return plot.confusion(matrix)
end

function gallery.images()
  local x, labels, predictions = {}, {}, {}
  local meaning = { [0] = 0, 1, 7 }
  for i = 1, 30 do
    local kind = math.floor(uniform() * 3)
    x[i], labels[i] = glyph(kind), meaning[kind]
    predictions[i] = (i == 5 or i == 18) and 9 or labels[i]
  end
  return plot.images(x, { labels = labels, predictions = predictions, columns = 10, title = "Predictions" })
end

function gallery.filters()
  local kernel = {}
  for i = 1, 5 do
    kernel[i] = {}
    for j = 1, 5 do
      kernel[i][j] = { {} }
      for k = 1, 32 do
        local turn = k / 32 * math.pi * 2
        local along, across = (i - 3) * math.cos(turn) + (j - 3) * math.sin(turn), 0.15 * normal()
        kernel[i][j][1][k] = along * math.exp(-((i - 3) ^ 2 + (j - 3) ^ 2) / 4) + across
      end
    end
  end
  return plot.filters(kernel, { title = "First layer's kernels", columns = 8 })
end

function gallery.image()
  local picture = {}
  for i = 1, 96 do
    picture[i] = {}
    for j = 1, 144 do
      local x, y = (j - 72) / 40, (i - 48) / 40
      local light = math.exp(-(x * x + y * y))
      picture[i][j] = { light, 0.5 + 0.5 * math.sin(3 * x) * light, 0.5 + 0.4 * math.cos(4 * y) }
    end
  end
  return plot.image(picture, { title = "A picture in colours" })
end

function gallery.surface()
  local x, y, z = {}, {}, {}
  for i = 1, 49 do x[i], y[i] = (i - 25) / 8, (i - 25) / 8 end
  for i = 1, 49 do
    z[i] = {}
    for j = 1, 49 do
      z[i][j] = 3 * (1 - x[j]) ^ 2 * math.exp(-x[j] ^ 2 - (y[i] + 1) ^ 2)
        - 10 * (x[j] / 5 - x[j] ^ 3 - y[i] ^ 5) * math.exp(-x[j] ^ 2 - y[i] ^ 2)
        - math.exp(-(x[j] + 1) ^ 2 - y[i] ^ 2) / 3
    end
  end
  return plot.surface(x, y, z, { title = "A loss with valleys", xlabel = "w1", ylabel = "w2" })
end

function gallery.panels()
  local x, y = map(0, 6, 0.05, math.sin)
  local values = {}
  for i = 1, 400 do values[i] = normal() end
  return plot.panels {
    plot.lines(x, y, { title = "Lines" }), plot.hist(values, { title = "Histogram", color = 2 }),
    plot.bar({ "a", "b", "c" }, { 3, 5, 2 }, { title = "Bars", color = 3 }),
    plot.scatter(values, values, { title = "Points", color = 4 }), columns = 2, title = "Panels",
  }
end

local folder, format = ...
if not folder then
  io.stderr:write("usage: lua5.4 scripts/plot_gallery.lua FOLDER [png|svg|pdf|txt]\n")
  os.exit(2)
end
local names = {}
for name in pairs(gallery) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
  state = 42
  local path = ("%s/%s.%s"):format(folder, name, format or "png")
  gallery[name]():save(path)
  print(path)
end
