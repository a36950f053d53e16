--- A set of examples: rows of a stored tensor, in some order, turned into batches.
--
-- The examples are stored once, as they came (pictures as uint8); subsets, splits and shuffled sets share them and
-- differ in the order, a list of positions. A batch is gathered, converted to float32 and scaled in one pass in C.
-- On its way to a batch an example passes: scale and shift, augmentation, one-hot labels, the functions given to map.
-- Nothing changes a set: every method gives a new one.
-- @module perilune.data.dataset
local args = require "perilune.args"
local core = require "perilune.core"
local Augment = require "perilune.data.augment"

--- The class.
local Dataset = { __name = "perilune.Dataset" }
local methods = {}

local function is_tensor(value) return getmetatable(value) and getmetatable(value).__name == "perilune.Tensor" end

local function as_list(value) return type(value) == "table" and value or { value } end

-- `shape` is one example's.
function Dataset.__index(self, key)
  if key == "shape" then
    local shape = self._x.shape
    table.remove(shape, 1)
    return shape
  end
  if key == "x" or key == "y" then
    error(("a data set has no field '%s': x, y = ds:tensors() gives it as a net sees it, ds:labels() the labels, "
      .. "ds:one(i) one example"):format(key), 2)
  end
  return methods[key]
end

function Dataset.__len(self) return self._count end

-- A set like this one with other fields; false clears a field.
local function derive(self, changes)
  local fields = {}
  for name, value in pairs(self) do fields[name] = value end
  fields._passes = 0
  for name, value in pairs(changes) do fields[name] = value or nil end
  return setmetatable(fields, Dataset)
end

-- The order as a tensor.
local function order_of(self) return self._order or core.arange(1, self._count, "int64") end

--- Makes a set.
-- @param fields x (rows), y (rows, or nil), classes (names, or nil), name, scale (1/255 for uint8, else 1), shift
function Dataset.new(fields)
  local x, y = fields.x, fields.y
  if not is_tensor(x) or #x.shape < 1 then
    error(("data: x wants a tensor of rows, got %s"):format(is_tensor(x) and "a scalar" or type(x)), 0)
  end
  if y ~= nil and (not is_tensor(y) or #y.shape < 1 or y.shape[1] ~= x.shape[1]) then
    error(("data: x has %d rows, so y wants a tensor of %d rows, got %s"):format(x.shape[1], x.shape[1],
      is_tensor(y) and "(" .. table.concat(y.shape, ", ") .. ")" or type(y)), 0)
  end
  return setmetatable({
    _x = x:contiguous(), _y = y and y:contiguous(), _count = x.shape[1], _maps = {}, _passes = 0,
    _scale = fields.scale or (x.dtype == "uint8" and 1 / 255 or 1), _shift = fields.shift or 0,
    classes = fields.classes, name = fields.name,
  }, Dataset)
end

-- --- rows -------------------------------------------------------------------------------------------------------

-- Types that a net takes as they are, when nothing is to be scaled: positions for embeddings, float64.
local function passes_unchanged(self)
  return self._scale == 1 and self._shift == 0 and self._x.dtype ~= "uint8"
end

-- Element-wise over two numbers or lists for channels.
local function each_channel(f, a, b)
  local result = {}
  a, b = as_list(a), as_list(b)
  for i = 1, math.max(#a, #b) do result[i] = f(a[i] or a[1], b[i] or b[1]) end
  return #result == 1 and result[1] or result
end

local function multiply(a, b) return a * b end
local function add(a, b) return a + b end

-- The functions given to map, one after another.
local function mapped(self, x, y)
  for _, f in ipairs(self._maps) do
    local new_x, new_y = f(x, y)
    if not is_tensor(new_x) then
      error(("data: the function given to map returned %s, expected a tensor x (and y)"):format(type(new_x)), 0)
    end
    x, y = new_x, new_y or y
  end
  return x, y
end

-- A loader of the core's for rows in an order. Brightness, noise and fill are meant in the scale that batches had when
-- the set was augmented; without a fill, what lies outside a picture is what is stored as 0.
local function loader(self, order, more)
  local recipe = { x = self._x, y = self._y, order = order, members = self._order, keep = passes_unchanged(self),
    scale = self._scale, shift = self._shift, classes = self._onehot }
  if self.augmentation then
    local unit = each_channel(function(now, was) return now / was end, self._scale, self._augmented.scale)
    local origin = each_channel(function(u, was) return -u * was end, unit, self._augmented.shift)
    recipe.unit, recipe.origin = unit, each_channel(add, origin, self._shift)
    recipe.fill = self._shift
    if self.augmentation.fill then
      recipe.fill = each_channel(add, each_channel(multiply, self.augmentation.fill, unit), recipe.origin)
    end
    recipe.augment = self.augmentation._core
  end
  for name, value in pairs(more) do recipe[name] = value end
  return core.loader(recipe)
end

-- The rows order[first .. first + count - 1], ready for a net; augmented as they were in the last pass.
local function rows(self, order, first, count)
  local x, y
  if self.augmentation then
    order = core.take_rows(order or order_of(self), nil, first, count)
    x, y = loader(self, order, { size = math.max(count, 1), ahead = 0, seed = core.rng_state().key, epoch = self._passes })()
    return mapped(self, x, y)
  end
  if passes_unchanged(self) then x = core.take_rows(self._x, order, first, count)
  else x = core.gather_rows(self._x, order, first, count, self._scale, self._shift) end
  if self._y then
    y = core.take_rows(self._y, order, first, count)
    if self._onehot then y = core.onehot_rows(y, self._onehot) end
  end
  return mapped(self, x, y)
end

-- A shuffled order for one pass: a function of seed and pass alone.
local function shuffled(self, seed, pass)
  local order = core.permutation(seed, pass, self._count)
  return self._order and core.take_rows(self._order, order, 1, self._count) or order
end

local batch_arguments = {
  positional = 1,
  { "size", "integer", 128, "batch_size|batch" }, { "shuffle", "boolean", false }, { "seed", "integer" }, { "epoch", "integer" },
  { "drop_last", "boolean", false }, { "augment", "any" }, { "ahead", "integer", nil, "prefetch" },
  { "workers", "integer", 1, "num_workers" },
}

-- Batches that are gathered when they are asked for.
local function in_place(self, order, a)
  local count, first = self._count, 1
  return function()
    local left = count - first + 1
    if left < 1 or (a.drop_last and left < a.size) then return nil end
    local size = math.min(a.size, left)
    first = first + size
    return rows(self, order, first - size, size)
  end
end

-- Batches of the core's loader. It is the loop's closing value too, so that its threads end with the loop.
local function loaded(self, order, a, seed, epoch)
  local source = loader(self, order, { size = a.size, drop_last = a.drop_last, seed = seed, epoch = epoch,
    ahead = a.ahead, workers = a.workers })
  return function()
    local x, y = source()
    if x ~= nil then return mapped(self, x, y) end
  end, nil, nil, source
end

--- Iterates over the set in batches: `for x, y in ds:batches { 128, shuffle = true } do`.
-- @param options { size = 128 (also the first in the list), shuffle = false, seed = the generator's, epoch = which
--   pass this is (each shuffled or augmented pass has its own draws; counted when not given), drop_last = false,
--   augment = what data.augment made, or its options (false: an augmented set as it is stored), ahead = batches that
--   are prepared before they are asked for (of an augmented set 2 where processors are left over from peri.threads(),
--   else 0: they are prepared by all threads when they are asked for), workers = 1: threads that prepare them }
-- @return an iterator that gives x (float32, rows first) and y
function methods:batches(options)
  local a = args.named("batches", options, batch_arguments)
  if a.size < 1 then error(("batches: size is %d, expected 1 or more"):format(a.size), 2) end
  if a.ahead and a.ahead < 0 then error(("batches: ahead is %d, expected 0 to 64"):format(a.ahead), 2) end
  local set = self
  if a.augment ~= nil then set = self:augment(a.augment) end
  local order, seed, epoch = set._order, a.seed or core.rng_state().key, a.epoch
  if a.shuffle or set.augmentation then
    self._passes = self._passes + 1
    epoch = epoch or self._passes
    if a.shuffle then order = shuffled(set, seed, epoch) end
  end
  if set.augmentation or (a.ahead or 0) > 0 then return loaded(set, order, a, seed, epoch) end
  return in_place(set, order, a)
end

--- One example.
-- @param i its position, from 1; negative ones count from the end
-- @return x without the rows' axis, and y: a number where labels are numbers
function methods:one(i)
  local at = math.type(i) == "integer" and (i < 0 and self._count + 1 + i or i)
  if not at or at < 1 or at > self._count then
    error(("one: there is no example %s in a set of %d"):format(tostring(i), self._count), 2)
  end
  local x, y = rows(self, self._order, at, 1)
  if y and #y.shape == 1 then y = y:totable()[1] elseif y then y = y[1] end
  return x[1], y
end

--- Everything as one batch: for sets that fit into memory as float32.
-- @return x, y
function methods:tensors() return rows(self, self._order, 1, self._count) end

--- The labels (or targets) of the whole set, as they are stored.
function methods:labels()
  return self._y and core.take_rows(self._y, self._order, 1, self._count)
end

-- Labels as a Lua list of whole numbers, for a method that needs them.
local function label_list(self, where)
  if not self._y or self._y.dtype ~= "int64" or #self._y.shape ~= 1 then
    error(("%s: this set has no labels (int64, one a row)"):format(where), 3)
  end
  return self:labels():totable()
end

--- How many examples each class has: a table from label to number.
function methods:counts()
  local counts = {}
  for _, label in ipairs(label_list(self, "counts")) do counts[label] = (counts[label] or 0) + 1 end
  return counts
end

-- --- other sets out of this -------------------------------------------------------------------------------------

-- The set of these positions (an int64 tensor, 1-based, in this set).
local function chosen(self, positions)
  local count = positions.shape[1]
  local order = self._order and core.take_rows(self._order, positions, 1, count) or positions
  return derive(self, { _order = order, _count = count })
end

--- The examples at these positions, in this order.
-- @param positions a list or an int64 tensor of positions from 1
function methods:subset(positions)
  if not is_tensor(positions) then positions = core.tensor(positions, "int64") end
  for _, at in ipairs(positions:totable()) do
    if at < 1 or at > self._count then
      error(("subset: there is no example %d in a set of %d"):format(at, self._count), 2)
    end
  end
  return chosen(self, positions)
end

--- The first n examples (all, when there are fewer).
function methods:take(n)
  if math.type(n) ~= "integer" or n < 0 then
    error(("take: wants a number of examples, got %s"):format(tostring(n)), 2)
  end
  n = math.min(n, self._count)
  return derive(self, { _order = core.take_rows(order_of(self), nil, 1, n), _count = n })
end

--- The set in a random order that follows from the seed.
-- @param seed without it, the generator's
function methods:shuffle(seed)
  if seed ~= nil and math.type(seed) ~= "integer" then
    error(("shuffle: the seed is a whole number, got %s"):format(tostring(seed)), 2)
  end
  return derive(self, { _order = shuffled(self, seed or core.rng_state().key, 0) })
end

-- How many of each class go to the first part: the fraction, its remainders given where they are largest.
local function quotas(labels, fraction)
  local counts, classes, taken = {}, {}, {}
  for _, label in ipairs(labels) do
    if not counts[label] then classes[#classes + 1] = label end
    counts[label] = (counts[label] or 0) + 1
  end
  local left = math.floor(#labels * fraction + 0.5)
  for _, label in ipairs(classes) do
    taken[label] = math.floor(counts[label] * fraction)
    left = left - taken[label]
  end
  table.sort(classes, function(a, b)
    local part_a, part_b = counts[a] * fraction - taken[a], counts[b] * fraction - taken[b]
    if part_a ~= part_b then return part_a > part_b end
    return a < b
  end)
  for i = 1, left do taken[classes[i]] = taken[classes[i]] + 1 end
  return taken
end

-- Which positions belong to the first part: a list of booleans.
local function drawn(self, fraction, a)
  local order = a.shuffle and core.permutation(a.seed, 0, self._count):totable()
  local labels = a.stratified and label_list(self, "split")
  local quota, first = labels and quotas(labels, fraction), {}
  local left = math.floor(self._count * fraction + 0.5)
  for i = 1, self._count do
    local at = order and order[i] or i
    if quota then
      local label = labels[at]
      first[at] = quota[label] > 0
      quota[label] = quota[label] - 1
    else
      first[at] = i <= left
    end
  end
  return first
end

--- Splits in two, at random by default, each part in this set's order.
-- @param fraction how much goes to the first part, between 0 and 1
-- @param options  { stratified = false: every class is split by the fraction, seed = 0, shuffle = true: which examples
--   go where is drawn by the seed; false cuts the set as it stands }
-- @return two sets
function methods:split(fraction, options)
  local a = args.named("split", options, { { "stratified", "boolean", false }, { "seed", "integer", 0 },
    { "shuffle", "boolean", true } })
  if type(fraction) ~= "number" or not (fraction > 0 and fraction < 1) then
    error(("split: wants a fraction between 0 and 1, got %s"):format(tostring(fraction)), 2)
  end
  local first, lists = drawn(self, fraction, a), { {}, {} }
  for i = 1, self._count do
    local list = lists[first[i] and 1 or 2]
    list[#list + 1] = i
  end
  return chosen(self, core.tensor(lists[1], "int64")), chosen(self, core.tensor(lists[2], "int64"))
end

local function refuse_after_map(self, where)
  if #self._maps > 0 then error(("%s: comes before map: it works on the stored examples"):format(where), 3) end
end

--- Shifts and scales what batches give: (x - mean) / std, by channel where mean and std are lists.
-- @param how { mean =, std = }, or "standard": this set's own mean and deviation, by channel (the last axis)
-- @return the set, and { mean =, std = }, to be given to the test set
function methods:normalise(how)
  refuse_after_map(self, "normalise")
  local mean, std
  if how == "standard" then
    local shape = self._x.shape
    local each = #shape > 1 and shape[#shape] <= 64 and shape[#shape] or 1
    local means, deviations = core.row_moments(self._x, self._order, each)
    mean = each_channel(function(m, s) return m * s end, means, self._scale)
    mean = each_channel(function(m, s) return m + s end, mean, self._shift)
    std = each_channel(function(d, s) return d * math.abs(s) > 0 and d * math.abs(s) or 1 end, deviations, self._scale)
  else
    local a = args.named("normalise", how, { { "mean", "number|table", 0 }, { "std", "number|table", 1 } })
    mean, std = a.mean, a.std
    for _, value in ipairs(as_list(std)) do
      if value <= 0 or value ~= value then
        error(("normalise: std is %s, expected more than 0"):format(tostring(value)), 2)
      end
    end
  end
  local shift = each_channel(function(s, m) return s - m end, self._shift, mean)
  return derive(self, {
    _scale = each_channel(function(s, d) return s / d end, self._scale, std),
    _shift = each_channel(function(s, d) return s / d end, shift, std),
  }), { mean = mean, std = std }
end

methods.normalize = methods.normalise

-- How many classes a set with labels has, where nobody says: as many as there are names, or the largest label says.
local function class_count(self, where)
  if self.classes then return #self.classes end
  local count = 0
  for _, label in ipairs(label_list(self, where)) do count = math.max(count, label + 1) end
  return count
end

--- Labels as rows of zeros with a one.
-- @param classes how many; without it, as many as there are names, or the largest label says
function methods:onehot(classes)
  refuse_after_map(self, "onehot")
  if classes ~= nil and (math.type(classes) ~= "integer" or classes < 1) then
    error(("onehot: wants how many classes there are, got %s"):format(tostring(classes)), 2)
  end
  label_list(self, "onehot")
  return derive(self, { _onehot = classes or class_count(self, "onehot") })
end

--- A set whose batches are augmented: its pictures turned, scaled, shifted and more, at random, differently in each
-- pass. net:fit learns from it so; net:evaluate, net:predict and validation see the pictures as they are stored.
-- With mixup, labels become rows, for categorical_crossentropy.
-- @param options what data.augment made, or its options; false: a set without augmentation
function methods:augment(options)
  if options == false then return derive(self, { augmentation = false, _augmented = false }) end
  refuse_after_map(self, "augment")
  if self.augmentation then
    error("augment: this set is augmented already; name everything in one augment { ... }, or begin with "
      .. "augment(false)", 2)
  end
  local ok, augmentation = pcall(Augment.of, options)
  if not ok then args.raise(augmentation, 2) end
  local shape, dtype = self.shape, self._x.dtype
  if (#shape ~= 2 and #shape ~= 3) or (dtype ~= "uint8" and dtype ~= "float32") then
    error(("augment: wants pictures (h, w, channels) or (h, w) of uint8 or float32, this set has (%s) of %s"):format(
      table.concat(shape, ", "), dtype), 2)
  end
  local set = derive(self, { augmentation = augmentation, _augmented = { scale = self._scale, shift = self._shift } })
  if augmentation.mixup then
    if not self._y then error("augment: mixup mixes labels too, and this set has none", 2) end
    if not self._onehot and self._y.dtype == "int64" then set._onehot = class_count(self, "augment, mixup") end
  end
  return set
end

--- Puts a function between the set and its batches.
-- @param f called with x and y of each batch; returns new ones (y may be left out when it stays)
function methods:map(f)
  if type(f) ~= "function" then error(("map: wants a function, got %s"):format(type(f)), 2) end
  local maps = table.move(self._maps, 1, #self._maps, 1, {})
  maps[#maps + 1] = f
  return derive(self, { _maps = maps })
end

local function same(a, b)
  a, b = as_list(a), as_list(b)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then return false end
  end
  return true
end

--- One set after another; also `a .. b`.
-- @param sets a list of sets with examples of one shape and type
function Dataset.concat(sets)
  local xs, ys, first = {}, {}, sets[1]
  for i, set in ipairs(sets) do
    if getmetatable(set) ~= Dataset then
      error(("concat: argument %d is a %s, expected a data set"):format(i, type(set)), 0)
    end
    refuse_after_map(set, "concat")
    if set.augmentation then error("concat: join the sets first, and augment them then", 0) end
    if set._x.dtype ~= first._x.dtype or not same(set.shape, first.shape) or (set._y == nil) ~= (first._y == nil)
      or not same(set._scale, first._scale) or not same(set._shift, first._shift) or set._onehot ~= first._onehot then
      error(("concat: set %d is not like the first: %s and %s"):format(i, tostring(set), tostring(first)), 0)
    end
    xs[i] = core.take_rows(set._x, set._order, 1, set._count)
    ys[i] = set:labels()
  end
  if not first then error("concat: wants a list of data sets", 0) end
  local x, y = core.cat(xs, 1), first._y and core.cat(ys, 1)
  return derive(first, { _x = x, _y = y, _count = x.shape[1], _order = false })
end

--- Writes the set as IDX files, which data.idx reads: the examples as they are stored (pictures as bytes, in this set's
-- order), without scaling, augmentation and one-hot rows. A file is there whole, or as it was before.
-- @param options { images = path, labels = path (left out: the examples alone) }
function methods:save_idx(options)
  refuse_after_map(self, "save_idx")
  local ok, reason = pcall(require("perilune.data.save").idx, core.take_rows(self._x, self._order, 1, self._count),
    self:labels(), options)
  if not ok then args.raise(reason, 2) end
end

--- What a notebook shows.
function Dataset.__mime(self) return require("perilune.data.show").mime(self) end

function Dataset.__concat(a, b) return Dataset.concat { a, b } end

function Dataset.__tostring(self)
  local parts = { ("%d x (%s) %s"):format(self._count, table.concat(self.shape, ", "), self._x.dtype) }
  if self.classes then parts[#parts + 1] = ("%d classes"):format(#self.classes)
  elseif self._y then parts[#parts + 1] = ("y %s"):format(self._y.dtype) end
  if self._onehot then parts[#parts + 1] = "one-hot" end
  if self.augmentation then parts[#parts + 1] = "augmented" end
  if #self._maps > 0 then parts[#parts + 1] = ("%d map%s"):format(#self._maps, #self._maps > 1 and "s" or "") end
  return ("Dataset%s: %s"):format(self.name and " " .. self.name or "", table.concat(parts, ", "))
end

return Dataset
