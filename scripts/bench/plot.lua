-- The pictures of bench.sh: build/perilune scripts/bench/plot.lua TABLE draws build/bench/TABLE.json as
-- plots/bench-TABLE.png.
local root = arg[0]:match "^(.*)/scripts/" or "."
local peri = require "perilune"
local json = require "perilune.json"
local plot = peri.plot

local name = arg[1]
local file <close> = assert(io.open(("%s/build/bench/%s.json"):format(root, name)))
local result = json.decode(file:read "a")
local rows = result.rows

local function column(key, chosen, factor)
  local values = {}
  for _, row in ipairs(chosen or rows) do values[#values + 1] = type(row[key]) == "number" and row[key] * (factor or 1) or row[key] end
  return values
end

local function chosen(key, value)
  local found = {}
  for _, row in ipairs(rows) do
    if row[key] == value then found[#found + 1] = row end
  end
  return found
end

local function where() return ("%d threads, %s"):format(result.threads or 1, result.machine:match "^[^,]*") end

local draw = {}

function draw.train()
  return plot.figure { title = "Seconds an epoch, the digit net (" .. where() .. ")", ylabel = "seconds", width = 1100, height = 520 }
    :bars(column "name", column "seconds", { values = "%.2f" })
end

function draw.cold()
  return plot.figure { title = "From the start of the process to a saved digit net (" .. where() .. ")", ylabel = "seconds",
    width = 900, height = 460 }:bars(column "name", column "seconds", { values = "%.1f" })
end

function draw.nets()
  local fig = plot.figure { title = "PyTorch's time of a training step / Perilune's (" .. where() .. ")", ylabel = "times",
    width = 900, height = 460, legend = "above" }
  for _, batch in ipairs { 32, 128, 512 } do
    local part = chosen("batch", batch)
    fig:bars(column("net", part), column("ratio", part), { title = "batch " .. batch, values = "%.1f" })
  end
  return fig:hline(1)
end

function draw.inference()
  local speed = plot.figure { title = "Inference of the digit net (" .. where() .. ")", xlabel = "batch", ylabel = "images a second",
    logx = 2, logy = true, width = 900, height = 480, legend = "above" }
  local seen = {}
  for _, row in ipairs(rows) do
    if not seen[row.name] then
      seen[row.name] = true
      local part = chosen("name", row.name)
      speed:lines(column("batch", part), column("images", part), { title = row.name, points = true })
    end
  end
  return speed
end

function draw.scaling()
  local pages = { columns = 3, title = "Training time of an image (" .. where() .. ")" }
  local labels = { batch = "batch", width = "width of the digit net", size = "image size" }
  for _, what in ipairs { "batch", "width", "size" } do
    local part = chosen("what", what)
    local x = column("value", part)
    pages[#pages + 1] = plot.figure { xlabel = labels[what], ylabel = "microseconds an image", logx = 2, logy = true, legend = "above" }
      :lines(x, column("perilune", part, 1e6), { title = "Perilune", points = true })
      :lines(x, column("torch", part, 1e6), { title = "PyTorch, its better layout", points = true })
  end
  return plot.panels(pages)
end

-- Of the many rows of the table those of whole layers.
local SHOWN = { "matmul 512^3", "dense 128x1600x128", "dense dX", "dense dW", "conv1 + pool", "conv1 + pool dW",
  "13x13x32>64 n 128 + pool", "28x28x32>32 n 32", "28x28x32>32 n 32 dX", "28x28x32>32 n 32 dW", "14x14x64>128 n 128",
  "14x14x64>128 n 128 dW", "7x7x128>128 n 128", "7x7x128>128 n 128 dX", "14x14x16>16 n 512", "56x56x64>64 n 4" }

function draw.kernels()
  local fig = plot.figure { title = "Percent of the multiply-add probe, on operations executed, one thread", ylabel = "%",
    yrange = { 0, 110 }, width = 1300, height = 560, legend = "above" }
  for _, isa in ipairs { "avx512", "avx2" } do
    local found, names, fractions = {}, {}, {}
    for _, row in ipairs(chosen("isa", isa)) do found[row.name] = row.fraction end
    for _, shown in ipairs(SHOWN) do
      if found[shown] then names[#names + 1], fractions[#fractions + 1] = shown, 100 * found[shown] end
    end
    if #names > 0 then fig:bars(names, fractions, { title = isa, values = "%.0f" }) end
  end
  return fig
end

function draw.startup()
  return plot.figure { title = "Start-up", ylabel = "milliseconds", width = 600, height = 400 }
    :bars(column "name", column("seconds", nil, 1e3), { values = "%.1f" })
end

-- Of each family the row that was best in its cell.
function draw.serve()
  local pages = { columns = 2, title = "The digit net as a service, one image a request (" .. where() .. ")" }
  local bodies = { raw = "raw bytes", json = "JSON" }
  for _, kind in ipairs { "raw", "json" } do
    local fig = plot.figure { xlabel = "connections", ylabel = bodies[kind] .. ", thousand requests a second",
      legend = "above" }
    for _, family in ipairs { "perilune", "node", "torch" } do
      local names, rates = {}, {}
      for _, row in ipairs(rows) do
        if row.kind == kind and row.family == family and row.best then
          names[#names + 1], rates[#rates + 1] = tostring(row.connections), row.rate / 1e3
        end
      end
      if #names > 0 then fig:bars(names, rates, { title = result.families[family], values = "%.1f" }) end
    end
    pages[#pages + 1] = fig
  end
  return plot.panels(pages)
end

local path = ("%s/plots/bench-%s.png"):format(root, name)
draw[name]():save(path)
print("picture: " .. path)
