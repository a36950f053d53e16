-- Data sets: batches, splits and orders, and the files they come from.
local peri = require "perilune"
local data = peri.data

local function list(t) return t:totable() end

-- n rows (i, 10 i), labels i % 3.
local function counted(n)
  local rows, labels = {}, {}
  for i = 1, n do rows[i], labels[i] = { i, 10 * i }, i % 3 end
  return data.tensors { peri.tensor(rows), peri.tensor(labels, "int64"), classes = { "a", "b", "c" } }
end

-- The first column of every batch, in order.
local function walk(ds, options)
  local seen, sizes = {}, {}
  for x, y in ds:batches(options) do
    sizes[#sizes + 1] = #x
    for i, row in ipairs(list(x)) do
      seen[#seen + 1] = row[1]
      assert(y == nil or list(y)[i] == row[1] % 3)
    end
  end
  return seen, sizes
end

local function sorted(values)
  local copy = table.move(values, 1, #values, 1, {})
  table.sort(copy)
  return copy
end

local function range(n)
  local values = {}
  for i = 1, n do values[i] = i end
  return values
end

local folder
local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
  file:close()
  return folder .. "/" .. name
end

setup(function()
  folder = os.tmpname()
  os.remove(folder)
  assert(os.execute(("mkdir -p '%s'"):format(folder)))
end)
teardown(function() os.execute(("rm -rf '%s'"):format(folder)) end)

describe("a data set", function()
  it("gives batches in order, the last one smaller or dropped", function()
    local seen, sizes = walk(counted(10), { 4 })
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, seen)
    assert.same({ 4, 4, 2 }, sizes)
    assert.same({ 4, 4 }, select(2, walk(counted(10), { size = 4, drop_last = true })))
  end)

  it("shuffles by seed and epoch alone", function()
    local ds = counted(50)
    local first = walk(ds, { 7, shuffle = true, seed = 3, epoch = 1 })
    assert.same(range(50), sorted(first))
    assert.is_not.same(range(50), first)
    assert.same(first, (walk(counted(50), { 50, shuffle = true, seed = 3, epoch = 1 })))
    assert.is_not.same(first, (walk(ds, { 7, shuffle = true, seed = 3, epoch = 2 })))
    assert.is_not.same(first, (walk(ds, { 7, shuffle = true, seed = 4, epoch = 1 })))
    peri.seed(9)
    local one = walk(counted(50), { 7, shuffle = true })
    peri.seed(9)
    local again = counted(50)
    assert.same(one, (walk(again, { 7, shuffle = true })))
    assert.is_not.same(one, (walk(again, { 7, shuffle = true }))) -- the second pass
  end)

  it("knows its size, its shape, its classes and itself as text", function()
    local ds = counted(10)
    assert.equal(10, #ds)
    assert.same({ 2 }, ds.shape)
    assert.same({ "a", "b", "c" }, ds.classes)
    assert.equal("Dataset: 10 x (2) float32, 3 classes", tostring(ds))
    assert.same({ [0] = 3, [1] = 4, [2] = 3 }, ds:counts())
    local x, y = ds:one(-1)
    assert.same({ 10, 100 }, list(x))
    assert.equal(1, y)
    assert.has_error(function() ds:one(11) end, nil)
  end)

  it("splits without losing or doubling an example", function()
    local ds = counted(100)
    local a, b = ds:split(0.7)
    assert.equal(70, #a)
    local all = walk(a)
    assert.same(all, sorted(all))
    for _, value in ipairs(walk(b)) do all[#all + 1] = value end
    assert.same(range(100), sorted(all))
    assert.same((walk(a)), (walk((ds:split(0.7)))))
    assert.is_not.same((walk(a)), (walk((ds:split(0.7, { seed = 1 })))))
    assert.same(range(70), (walk((ds:split(0.7, { shuffle = false })))))
    assert.has_error(function() ds:split(1) end)
    local inner = b:split(0.5) -- of a set that has an order already
    assert.equal(15, #inner)
  end)

  it("splits every class by the fraction when stratified", function()
    local rows, labels = {}, {}
    for i = 1, 110 do rows[i], labels[i] = { i }, i <= 100 and 0 or 1 end
    local a, b = data.tensors(peri.tensor(rows), peri.tensor(labels, "int64")):split(0.8, { stratified = true })
    assert.same({ [0] = 80, [1] = 8 }, a:counts())
    assert.same({ [0] = 20, [1] = 2 }, b:counts())
  end)

  it("takes, picks, shuffles and joins", function()
    local ds = counted(10)
    assert.same({ 1, 2, 3 }, (walk(ds:take(3))))
    assert.equal(10, #ds:take(99))
    assert.equal(0, #ds:take(0))
    assert.same({ 9, 2, 9 }, (walk(ds:subset { 9, 2, 9 })))
    assert.same({ 2, 9 }, (walk(ds:subset { 9, 2, 9 }:subset { 2, 3 })))
    assert.has_error(function() ds:subset { 11 } end)
    local mixed = walk(ds:shuffle(5))
    assert.same(mixed, (walk(ds:shuffle(5))))
    assert.same(range(10), sorted(mixed))
    assert.same({ 1, 2, 9 }, (walk(ds:take(2) .. ds:subset { 9 })))
    assert.has_error(function() return ds .. data.tensors(peri.ones(3, 5), nil) end)
  end)

  it("scales bytes to [0, 1] and normalises by channel", function()
    local bytes = data.tensors { peri.tensor({ { { 0, 255 }, { 51, 102 } } }, "uint8") }
    local x = bytes:tensors()
    assert.equal("float32", x.dtype)
    for i, value in ipairs { 0, 1, 0.2, 0.4 } do
      assert.near(value, list(x:reshape(4))[i], 1e-6)
    end
    local ds, moments = counted(10):normalise "standard"
    assert.near(5.5, moments.mean[1], 1e-9)
    assert.near(55, moments.mean[2], 1e-9)
    for _, column in ipairs(list(ds:tensors():transpose(1, 2))) do
      local sum, squares = 0, 0
      for _, value in ipairs(column) do sum, squares = sum + value, squares + value * value end
      assert.near(0, sum, 1e-5)
      assert.near(10, squares, 1e-4)
    end
    assert.near((0.2 - 0.1) / 0.5, list(bytes:normalise { mean = 0.1, std = 0.5 }:tensors():reshape(4))[3], 1e-6)
    assert.has_error(function() bytes:normalise { std = 0 } end)
    assert.has_error(function() bytes:normalise { sdt = 1 } end)
  end)

  it("gives one-hot labels, and maps batches lazily", function()
    local _, y = counted(3):onehot():tensors()
    assert.same({ { 0, 1, 0 }, { 0, 0, 1 }, { 1, 0, 0 } }, list(y))
    local calls = 0
    local ds = counted(4):map(function(x, labels)
      calls = calls + 1
      return x * 2, labels
    end):map(function(x) return x + 1 end)
    assert.equal(0, calls)
    assert.same({ { 3, 21 }, { 5, 41 } }, list((ds:batches { 2 }())))
    assert.equal(1, calls)
    assert.same({ 3, 21 }, list((ds:one(1))))
    assert.has_error(function() ds:normalise { mean = 1 } end)
    assert.has_error(function() counted(2):map(function() end):tensors() end)
  end)

  it("leaves int64 examples as they are, for embeddings", function()
    assert.equal("int64", data.tensors(peri.tensor({ { 1, 2 } }, "int64")):tensors().dtype)
  end)

  it("teaches by its errors", function()
    local function says(f, ...)
      local ok, message = pcall(f)
      assert.is_false(ok)
      for _, part in ipairs { ... } do assert.truthy(message:find(part, 1, true), message) end
    end
    says(function() counted(3):batches { 0 } end, "size is 0")
    says(function() counted(3):batches { sise = 2 } end, "unknown argument 'sise'", "size, shuffle, seed, epoch")
    says(function() data.tensors(peri.ones(3, 2), peri.ones(2)) end, "3 rows")
    says(function() data.tensors(peri.ones(3, 2)):counts() end, "no labels")
    says(function() counted(3):onehot(2):tensors() end, "label 2 at row 2")
  end)
end)

describe("files", function()
  local function be(n) return (">I4"):pack(n) end

  local function pair(name, images, labels)
    return write(name .. "-images", "\0\0\8\3" .. be(#images) .. be(2) .. be(2) .. table.concat(images)),
      write(name .. "-labels", "\0\0\8\1" .. be(#labels) .. table.concat(labels))
  end

  it("reads IDX pairs", function()
    local images, labels = pair("good", { "\0\255\51\102", "abcd" }, { "\7", "\3" })
    local ds = data.idx { images = images, labels = labels }
    assert.same({ 2, 2, 1 }, ds.shape)
    local x, y = ds:one(1)
    assert.equal(7, y)
    assert.near(1, list(x:reshape(4))[2], 1e-6)
    x = data.idx { images = images, labels = labels, transposed = true }:one(1)
    assert.near(0.2, list(x:reshape(4))[2], 1e-6)
    images, labels = pair("odd", { "abcd", "abcd" }, { "\1" })
    local ok, message = pcall(data.idx, { images = images, labels = labels })
    assert.is_false(ok)
    assert.truthy(message:find("2 images, but .- 1 labels"))
  end)

  it("reads Kaggle's CSV, with and without labels", function()
    local cells = {}
    for i = 1, 784 do cells[i] = i % 256 end
    local row = table.concat(cells, ",")
    local ds = data.csv { write("train.csv", "label," .. row:gsub("%d+", "pixel%0") .. "\n5," .. row .. "\n") }
    assert.same({ 28, 28, 1 }, ds.shape)
    assert.equal(5, select(2, ds:one(1)))
    assert.equal(10, #ds.classes)
    assert.near(2 / 255, list(ds:one(1):reshape(784))[2], 1e-6)
    ds = data.csv(write("test.csv", row:gsub("%d+", "pixel%0") .. "\n" .. row .. "\n" .. row .. "\n"))
    assert.equal(2, #ds)
    assert.is_nil(ds:labels())
    ds = data.csv { write("flowers.csv", "4.5,3,0\n1.5,2,1\n"), label = 3 }
    assert.same({ 4.5, 3 }, list((ds:one(1))))
    local ok, message = pcall(data.csv, { write("bad.csv", "1,2\n3,x\n") })
    assert.is_false(ok)
    assert.truthy(message:find("line 2, column 2", 1, true))
  end)

  it("says where MNIST was looked for and how to get it", function()
    for _, name in ipairs { "mnist", "fashion_mnist" } do
      local ok, message = pcall(data[name], { dir = folder })
      assert.is_false(ok)
      assert.truthy(message:find(folder, 1, true))
      assert.truthy(message:find("train-images-idx3-ubyte", 1, true))
    end
  end)

  it("checks MNIST's sizes", function()
    local images, labels = pair("x", { "abcd" }, { "\1" })
    for _, part in ipairs { "train", "t10k" } do
      os.execute(("cp %s %s/%s-images-idx3-ubyte; cp %s %s/%s-labels-idx1-ubyte"):format(images, folder, part, labels,
        folder, part))
    end
    local ok, message = pcall(data.mnist, { dir = folder })
    assert.is_false(ok)
    assert.truthy(message:find("expected (60000, 28, 28)", 1, true))
  end)
end)

describe("drawn digits", function()
  it("are the same for a seed, balanced, and not alike", function()
    local a, b = data.drawn { n = 40, seed = 1 }, data.drawn { n = 40, seed = 1 }
    assert.same(list((a:tensors())), list((b:tensors())))
    for label = 0, 9 do assert.equal(4, a:counts()[label]) end
    assert.is_not.same(list((a:tensors())), list((data.drawn { n = 40, seed = 2 }:tensors())))
    assert.same({ 40, 40, 1 }, data.drawn { n = 1, size = 40 }.shape)
    for x in a:batches { 1 } do
      local sum = x:sum():item()
      assert(sum > 15 and sum < 300, sum)
    end
  end)
end)

describe("MNIST", function()
  local found, train, test = pcall(data.mnist)
  if not found then
    pending "is not on this machine (scripts/fetch_mnist.sh)"
    return
  end

  it("has its numbers", function()
    assert.equal(60000, #train)
    assert.equal(10000, #test)
    local x, y = train:one(1)
    assert.equal(5, y)
    assert.near(27525 / 255, x:sum():item(), 1e-2)
    assert.equal(5923, train:counts()[0])
    assert.equal(7, select(2, test:one(1)))
  end)
end)
