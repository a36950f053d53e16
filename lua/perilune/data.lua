--- Data sets: MNIST and Fashion-MNIST, IDX and CSV files, folders of pictures, tensors, and digits, letters and
-- scribbles drawn by the program itself.
--
--     local train, test = data.mnist()
--     local train, validation = train:split(0.9, { stratified = true })
--     for x, y in train:batches { 128, shuffle = true } do ... end   -- x float32 (n, 28, 28, 1) in [0, 1], y int64 (n)
--
-- What a set can do: #ds, ds.shape (of one example), ds.classes, ds:batches, ds:one(i), ds:tensors(), ds:labels(),
-- ds:counts(), ds:split, ds:subset, ds:take, ds:shuffle, ds:normalise, ds:onehot, ds:augment, ds:map, and a .. b.
-- @module perilune.data
local args = require "perilune.args"
local core = require "perilune.core"
local Augment = require "perilune.data.augment"
local Dataset = require "perilune.data.dataset"
local files = require "perilune.data.files"

local data = { Dataset = Dataset }

-- Raises messages of files at the line that asked for the set.
local function call(f, ...)
  local results = table.pack(pcall(f, ...))
  if not results[1] then args.raise(results[2], 3) end
  return table.unpack(results, 2, results.n)
end

local digits = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }
local clothes = { "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
  "Ankle boot" }

-- Labels must name one of the classes.
local function check_labels(y, classes, path)
  for i, label in ipairs(y:totable()) do
    if label < 0 or label >= classes then
      error(("idx: %s: label %d is %d, expected 0 to %d"):format(path, i, label, classes - 1), 0)
    end
  end
end

local function load_mnist(name, directory, classes)
  local paths, sets = files.find(name, directory), {}
  for i, part in ipairs { { "train", 60000 }, { "t10k", 10000 } } do
    local images, labels = paths[part[1] .. "-images"], paths[part[1] .. "-labels"]
    local x, y = files.read_pair(images, labels, { part[2], 28, 28 })
    check_labels(y, #classes, labels)
    sets[i] = Dataset.new { x = x, y = y, classes = classes, name = name .. (i == 1 and " train" or " test") }
  end
  return sets[1], sets[2]
end

local mnist_arguments = { positional = 1, { "dir", "string" } }

local function mnist_directory(where, options)
  if type(options) == "string" then options = { options } end
  return args.named(where, options, mnist_arguments).dir
end

--- MNIST: 60,000 and 10,000 handwritten digits, 28 x 28.
-- @param options { dir = where the four files lie; without it: $PERILUNE_DATA, then the cache that
--   scripts/fetch_mnist.sh fills (${XDG_CACHE_HOME:-~/.cache}/perilune/mnist) }
-- @return the training set and the test set
function data.mnist(options)
  return call(load_mnist, "mnist", mnist_directory("data.mnist", options), digits)
end

--- Fashion-MNIST: MNIST's sizes, ten kinds of clothes. Debian's package dataset-fashion-mnist has it.
-- @param options { dir = where the four files lie }
-- @return the training set and the test set
function data.fashion_mnist(options)
  return call(load_mnist, "fashion-mnist", mnist_directory("data.fashion_mnist", options), clothes)
end

--- Images and labels in IDX files, raw or .gz (EMNIST, KMNIST and others are made so).
-- @param options { images = path, labels = path, classes = names, transposed = false (EMNIST's images are) }
function data.idx(options)
  local a = args.named("data.idx", options, { { "images", "string", args.required },
    { "labels", "string", args.required }, { "classes", "table" }, { "transposed", "boolean", false } })
  local x, y = call(files.read_pair, a.images, a.labels)
  if a.transposed then x = x:permute(1, 3, 2, 4) end
  return Dataset.new { x = x, y = y, classes = a.classes, name = a.images:match "[^/]+$" }
end

-- The shape of an example of `columns` numbers: what is asked for, or a square picture where MNIST's is.
local function row_shape(columns, shape, path)
  if not shape then return columns == 784 and { 28, 28, 1 } or { columns } end
  local product = 1
  for _, size in ipairs(shape) do product = product * size end
  if product ~= columns then
    error(("csv: %s has %d columns beside the label, which do not make (%s)"):format(path, columns,
      table.concat(shape, ", ")), 0)
  end
  return shape
end

local function load_csv(a)
  local x, y = core.csv_read(a.path, { header = a.header, label = a.label, separator = a.separator })
  local shape = row_shape(x.shape[2], a.shape, a.path)
  local is_picture = x.dtype == "uint8" and #shape == 3
  x = x:reshape(x.shape[1], table.unpack(shape))
  local classes = a.classes or (is_picture and x.shape[2] == 28 and y and digits or nil)
  return Dataset.new { x = x, y = y, classes = classes, scale = a.scale or (is_picture and 1 / 255 or 1),
    name = a.path:match "[^/]+$" }
end

--- A table of numbers, one example a row; Kaggle's digit-recognizer and mnist-in-csv are recognised. Raw or .gz.
-- @param options { path = (also the first), label = the label's column (its number from 1, or its name; false: none;
--   without it the column called "label", or the first of 785), header = true or false (looked for), separator = ",",
--   shape = of an example ({28, 28, 1} for 784 columns), scale = factor for the values (1/255 for pictures of whole
--   numbers, else 1), classes = names }
function data.csv(options)
  if type(options) == "string" then options = { options } end
  return call(load_csv, args.named("data.csv", options, { positional = 1,
    { "path", "string", args.required }, { "label", "integer|string|boolean" }, { "header", "boolean" },
    { "separator", "string", "," }, { "shape", "table" }, { "scale", "number" }, { "classes", "table" } }))
end

local function load_folder(a)
  if a.size and (#a.size ~= 2) then error("data.folder: size wants { height, width }", 0) end
  local x, y, classes = require("perilune.data.folder").read(a.path, a)
  return Dataset.new { x = x, y = y, classes = classes, name = a.path:match "([^/]+)/*$" }
end

--- Pictures by class: each folder in `path` is a class and gives it its name; classes are numbered from 0 in the order
-- of their names.
-- @param options { path = (also the first), size = { height, width } that every picture is resized to (without it all
--   must agree), channels = 1 or 3 (as the files have them), digit = true to preprocess each as MNIST's were }
function data.folder(options)
  if type(options) == "string" then options = { options } end
  return call(load_folder, args.named("data.folder", options, { positional = 1,
    { "path", "string", args.required }, { "size", "table" }, { "channels", "integer" },
    { "digit", "boolean", false } }))
end

--- A set of tensors: data.tensors(x, y) or data.tensors { x, y, ... }.
-- @param x    rows; uint8 is scaled to [0, 1], other types are left as they are
-- @param y    a label or target for each row, or nil
-- @param more in the table: classes = names, scale = factor, name =
function data.tensors(x, y)
  local options = type(x) == "table" and x or { x, y }
  local a = args.named("data.tensors", options, { positional = 2, { "x", "tensor", args.required }, { "y", "tensor" },
    { "classes", "table" }, { "scale", "number" }, { "name", "string" } })
  return call(Dataset.new, a)
end

--- One set after another.
-- @param sets a list of sets whose examples have one shape and type
function data.concat(sets) return call(Dataset.concat, sets) end

--- Digits drawn by the program itself from strokes, turned, slanted and jittered at random: a set like MNIST that
-- needs no files.
-- @param options { n = 1000, seed = 0, size = 28 }
function data.drawn(options)
  local a = args.named("data.drawn", options, { { "n", "integer", 1000 }, { "seed", "integer", 0 },
    { "size", "integer", 28 } })
  local x, y = call(require("perilune.data.drawn").draw, a.n, a.seed, a.size)
  return Dataset.new { x = x, y = y, classes = digits, name = "drawn digits" }
end

-- The kinds that are asked for: a list, the name of a group, or nil for all.
local function kinds_of(where, source, wanted)
  if wanted == nil then return source.kinds end
  local list = type(wanted) == "table" and wanted or source.groups[wanted]
  if not list or #list == 0 then
    error(('%s: kinds is "%s", expected "training", "validation", "held_out" or a list of kinds'):format(where,
      type(wanted) == "table" and "{}" or wanted), 0)
  end
  local known = {}
  for _, kind in ipairs(source.kinds) do known[kind] = true end
  for _, kind in ipairs(list) do
    if not known[kind] then
      error(("%s: there is no kind '%s'; there are %s"):format(where, tostring(kind), table.concat(source.kinds, " ")), 0)
    end
  end
  return table.move(list, 1, #list, 1, {})
end

local function drawn_of_kinds(where, module, options)
  local a = args.named(where, options, { { "n", "integer", 1000 }, { "seed", "integer", 0 },
    { "size", "integer", 28 }, { "kinds", "table|string" } })
  local source = require(module)
  local kinds = call(kinds_of, where, source, a.kinds)
  local x, y = call(require("perilune.data.strokes").pictures, where, a.n, a.seed, a.size, #kinds,
    function(label, random) return source.choose(kinds[label + 1], random) end)
  return Dataset.new { x = x, y = y, classes = kinds, name = "drawn " .. module:match "[^.]+$" }
end

--- Letters drawn as data.drawn draws digits, for teaching a digit net what is none. Those that alone nobody could tell
-- from a digit are not among them (O, l, Z, S, B, g, q ...: see perilune.data.letters).
-- @param options { n = 1000, seed = 0, size = 28, kinds = which, a list of letters or a part of all: "training",
--   "validation" or "held_out", which have no letter in common }
-- @return a set whose classes are the letters
function data.letters(options) return drawn_of_kinds("data.letters", "perilune.data.letters", options) end

--- Scribbles of some twenty kinds (curves at random, zigzags, dots, boxes, spirals, stars ...), neither digits nor
-- letters.
-- @param options { n = 1000, seed = 0, size = 28, kinds = which, a list of kinds or a part of all, as data.letters }
-- @return a set whose classes are the kinds
function data.scribbles(options) return drawn_of_kinds("data.scribbles", "perilune.data.scribbles", options) end

--- What is to happen to pictures on their way into a batch. The result goes to ds:augment and ds:batches, and can be
-- called with a batch: x, y = augment(x, y). A number is drawn evenly to either side (rotation = 10: from -10 to 10;
-- scale = 0.1: from 0.9 to 1.1), { low, high } between the two.
-- @param options { rotation = degrees, counter-clockwise; scale, scale_x, scale_y = factors (larger than 1 makes larger);
--   shear (of the columns), shear_y = degrees; shift, shift_x, shift_y = pixels, below 1 parts of the side;
--   flip = "horizontal", "vertical", "both" or { horizontal = chance, vertical = chance };
--   elastic = { alpha = 34, sigma = 4 } in pixels (Simard et al. 2003), true for these;
--   erase = { probability = 0.5, area = { 0.02, 0.33 }, aspect = { 0.3, 3.3 }, value = "fill" or "random" } (Zhong et
--   al. 2017), or the chance, or true; brightness = added; contrast = 0.2: from 0.8 to 1.2 times the distance from the
--   mean; noise = standard deviation; mixup = 0.2: Beta's alpha (Zhang et al. 2018); probability = 1: the chance that a
--   picture is changed at all; fill = what lies outside a picture, a number or one a channel (what is stored as 0) }
function data.augment(options) return call(Augment.new, options) end

return data
