-- Augmentation: what is done to a picture, what is drawn, and that the same is drawn however a set is walked.
local peri = require "perilune"
local golden = require "tests.lua.support.golden"
local data = peri.data

local function flat(t) return t:reshape(t:numel()):totable() end

-- n pictures of random bytes, labels i % classes.
local function pictures(n, h, w, c, classes)
  local labels = {}
  for i = 1, n do labels[i] = i % (classes or 3) end
  return data.tensors { peri.rand(n, h, w, c) * 255, peri.tensor(labels, "int64") }, labels
end

local function bytes(n, h, w, c)
  return data.tensors { (peri.rand(n, h, w, c) * 256):byte(), peri.arange(0, n - 1, "int64") % 4 }
end

-- Every batch of a pass, one after another: the values of x, and of y.
local function walk(ds, options)
  local xs, ys = {}, {}
  for x, y in ds:batches(options) do
    table.move(flat(x), 1, x:numel(), #xs + 1, xs)
    table.move(flat(y), 1, y:numel(), #ys + 1, ys)
  end
  return xs, ys
end

local function says(f, ...)
  local ok, message = pcall(f)
  assert.is_false(ok)
  for _, part in ipairs { ... } do assert.truthy(message:find(part, 1, true), message) end
end

-- The only picture of a batch, augmented by fixed options.
local function once(x, options) return data.augment(options)(x) end

local full = { rotation = 15, scale = { 0.8, 1.2 }, shear = 8, shift = 2, elastic = { alpha = 20, sigma = 3 },
  flip = "horizontal", brightness = 0.1, contrast = 0.2, noise = 0.02, erase = { probability = 0.5, value = "random" } }

setup(function() peri.seed(11) end)

describe("a picture", function()
  it("is the same bits when nothing is asked for, of bytes and of floats", function()
    for _, ds in ipairs { bytes(5, 6, 7, 3), pictures(5, 7, 6, 1), (bytes(5, 4, 4, 2):normalise { mean = 0.3, std = 0.4 }) } do
      assert.same(flat((ds:tensors())), flat((ds:augment {}:tensors())))
      assert.same(flat((ds:tensors())), flat((ds:augment { rotation = { 0, 0 }, scale = 0, shift = 0 }:tensors())))
      assert.same(flat((ds:tensors())), flat((ds:augment { rotation = 90, probability = 0 }:tensors())))
    end
  end)

  it("is turned exactly by quarter turns", function()
    for _, c in ipairs { 1, 3 } do
      local x = peri.rand(2, 9, 9, c)
      for i, quarter in ipairs { x:transpose(2, 3):flip(2), x:flip(2):flip(3), x:transpose(2, 3):flip(3) } do
        local angle = 90 * i -- counter-clockwise
        assert.same(flat(quarter:contiguous()), flat((once(x, { rotation = { angle, angle } }))), angle)
        assert.same(flat(quarter:contiguous()), flat((once(x, { rotation = { angle - 360, angle - 360 } }))))
      end
    end
  end)

  it("is shifted exactly by whole pixels, and filled", function()
    local x = peri.rand(1, 5, 6, 2)
    local y = once(x, { shift_x = { 2, 2 }, shift_y = { -1, -1 }, fill = { 7, 8 } })
    assert.same(flat(x[{ {}, { 2, 5 }, { 1, 4 }, {} }]:contiguous()), flat(y[{ {}, { 1, 4 }, { 3, 6 }, {} }]:contiguous()))
    assert.same({ 7, 8 }, flat(y[{ 1, 5, 6, {} }]:contiguous()))
    assert.same({ 7, 8 }, flat(y[{ 1, 1, 2, {} }]:contiguous()))
    y = once(x, { shift_x = { 0.5, 0.5 } }) -- half the side
    assert.same(flat(x[{ {}, {}, { 1, 3 }, {} }]:contiguous()), flat(y[{ {}, {}, { 4, 6 }, {} }]:contiguous()))
    assert.equal(0, y[{ {}, {}, { 1, 3 }, {} }]:sum():item())
  end)

  it("is mirrored exactly", function()
    local x = peri.rand(1, 5, 6, 2)
    assert.same(flat(x:flip(3)), flat((once(x, { flip = { horizontal = 1 } }))))
    assert.same(flat(x:flip(2)), flat((once(x, { flip = { vertical = 1 } }))))
    local seen = {}
    for i = 1, 40 do
      seen[data.augment { flip = "horizontal" }(x, nil, { epoch = i })[{ 1, 1, 1, 1 }]] = true
    end
    assert.same({ [x[{ 1, 1, 1, 1 }]] = true, [x[{ 1, 1, 6, 1 }]] = true }, seen)
  end)

  it("goes where PyTorch and Keras put it", function()
    for _, case in ipairs(golden.cases "augment") do
      local options = {}
      for name, value in pairs(case.config) do options[name] = { value, value } end
      golden.near(case.y, once(golden.tensor(case.x, "float32"), options), 2e-5, case.name)
    end
  end)

  it("keeps its ink, roughly, and its range", function()
    local ds = data.drawn { n = 200 }
    local before = ds:tensors():sum():item()
    for _, options in ipairs { { rotation = 30 }, { elastic = true }, { shear = 10 }, { shift = 2, scale = 0.1 } } do
      local x = ds:augment(options):tensors()
      local after = x:sum():item()
      assert(math.abs(after / before - 1) < 0.04, after / before)
      assert(x:min():item() >= 0 and x:max():item() <= 1)
    end
  end)

  it("is brightened and stretched about its mean, in the scale of its batch", function()
    local ds = bytes(3, 8, 8, 2)
    local x = ds:tensors()
    local y = ds:augment { brightness = { 0.25, 0.25 } }:tensors()
    assert(((y - x):add(-0.25)):abs():max():item() < 1e-6)
    y = ds:augment { contrast = { 0.5, 0.5 } }:tensors()
    local mean = x:mean { 2, 3, keepdim = true }
    assert(((y - mean) - (x - mean) * 0.5):abs():max():item() < 1e-5)
    -- the same seen after normalise
    y = ds:augment { brightness = { 0.25, 0.25 }, shift_x = { 3, 3 }, fill = 1 }:normalise { mean = 0.5, std = 0.1 }:tensors()
    assert.near((1 + 0.25 - 0.5) / 0.1, y[{ 1, 1, 1, 1 }], 1e-4)
    assert(((y * 0.1 + 0.5 - 0.25)[{ {}, {}, { 4, 8 }, {} }] - x[{ {}, {}, { 1, 5 }, {} }]):abs():max():item() < 1e-5)
  end)

  it("gets noise of the deviation asked for", function()
    local noise = once(peri.zeros(4, 50, 50, 2), { noise = 0.3 })
    assert.near(0, noise:mean():item(), 0.01)
    assert.near(0.3, noise:std():item(), 0.01)
  end)
end)

describe("what is drawn", function()
  -- The bright dot of a dark picture, where it went: one position a picture.
  local function dots(n, options)
    local x = peri.zeros({ n, 31, 31, 1 })
    x[{ {}, 16, 24, 1 }] = 1 -- eight to the right of the middle
    local y = once(x, options)
    local axis = peri.arange(-15, 15):float()
    local mass = y:sum { 2, 3, 4 }
    return flat((y:sum { 2, 4 } * axis):sum(2) / mass), flat((y:sum { 3, 4 } * axis):sum(2) / mass)
  end

  local function spread(values)
    local low, high, sum = math.huge, -math.huge, 0
    for _, v in ipairs(values) do low, high, sum = math.min(low, v), math.max(high, v), sum + v end
    return low, high, sum / #values
  end

  local function near_range(low, high, values, tolerance)
    local least, most, mean = spread(values)
    assert(least >= low - 0.1 and most <= high + 0.1, ("%g to %g"):format(least, most))
    assert(least < low + tolerance and most > high - tolerance, ("%g to %g"):format(least, most))
    assert.near((low + high) / 2, mean, tolerance)
  end

  it("is spread evenly over what was asked for", function()
    local xs, ys = dots(1000, { shift = 3 })
    near_range(5, 11, xs, 0.3)
    near_range(-3, 3, ys, 0.3)
    near_range(6.4, 9.6, (dots(1000, { scale = 0.2 })), 0.2)
    xs, ys = dots(1000, { rotation = { 10, 40 } })
    local angles = {}
    for i = 1, #xs do angles[i] = math.deg(math.atan(-ys[i], xs[i])) end
    near_range(10, 40, angles, 2)
  end)

  it("erases the part asked for, once in so many pictures", function()
    local y = once(peri.ones(1000, 28, 28, 1), { erase = { probability = 0.4, area = { 0.1, 0.2 } } })
    local hit, total = 0, 0
    for _, left in ipairs(flat(y:mean { 2, 3, 4 })) do
      if left < 1 then
        hit, total = hit + 1, total + (1 - left)
        assert(left > 0.77 and left < 0.93, left)
      end
    end
    assert.near(400, hit, 60)
    assert.near(0.15, total / hit, 0.01)
    assert.equal(0, y:min():item())
  end)

  it("displaces elastically as far as alpha and sigma say", function()
    -- of a ramp, the value is the column; uniform noise (variance 1/3) under a Gaussian's weights squared, 1/(4 pi sigma^2)
    local ramp = peri.arange(0, 59):float():reshape(1, 1, 60, 1):expand(40, 60, 60, 1):contiguous()
    local moved = once(ramp, { elastic = { alpha = 30, sigma = 4 } }) - ramp
    local inner = moved[{ {}, { 15, 45 }, { 15, 45 }, {} }]
    assert.near(30 * math.sqrt(1 / 3 / (4 * math.pi * 16)), inner:std():item(), 0.1)
    assert.near(0, inner:mean():item(), 0.1)
  end)

  it("is another in each pass, and the same for a seed", function()
    local ds = bytes(4, 8, 8, 1):augment { shift = 3 }
    local one, two = walk(ds, { 2, seed = 5, epoch = 1 }), walk(ds, { 2, seed = 5, epoch = 2 })
    assert.is_not.same(one, two)
    assert.same(one, (walk(ds, { 2, seed = 5, epoch = 1 })))
    assert.is_not.same(one, (walk(ds, { 2, seed = 6, epoch = 1 })))
    assert.is_not.same((walk(ds, { 2 })), (walk(ds, { 2 })))
    local light = data.augment { shift = 3 }
    local x = peri.rand(1, 8, 8, 1)
    assert.is_not.same(flat((light(x))), flat((light(x))))
    assert.same(flat((light(x, nil, { epoch = 9 }))), flat((light(x, nil, { epoch = 9 }))))
  end)

  it("does not depend on batch size, threads, workers, batches ahead, or the order of the set", function()
    local ds = bytes(50, 12, 10, 2)
    local options = { mixup = 0.4 }
    for name, value in pairs(full) do options[name] = value end
    local set = ds:augment(options)
    local threads = peri.threads()
    local xs, ys = walk(set, { 50, seed = 1, epoch = 3, ahead = 0 })
    for _, how in ipairs { { 7, ahead = 0 }, { 7, ahead = 3 }, { 1, ahead = 5, workers = 3 }, { 16, ahead = 2, workers = 2 }, { 25 } } do
      peri.threads(how.workers or 1)
      how.seed, how.epoch = 1, 3
      local x, y = walk(set, how)
      assert.same(xs, x)
      assert.same(ys, y)
    end
    peri.threads(threads)
    -- walked in another order, every picture is the same
    local shuffled = peri.tensor((walk(set, { 9, shuffle = true, seed = 1, epoch = 3 }))):reshape(50, 240)
    local straight = peri.tensor(xs):reshape(50, 240)
    for i, at in ipairs(require("perilune.core").permutation(1, 3, 50):totable()) do
      assert.is_true(shuffled[i]:equal(straight[at]))
    end
  end)
end)

describe("mixup", function()
  it("mixes pictures and labels by one weight", function()
    -- picture i is full of i; so x tells what was mixed
    local n = 60
    local rows = peri.arange(1, n):float():reshape(n, 1, 1, 1):expand(n, 3, 3, 1):contiguous()
    local ds = data.tensors { rows, peri.arange(0, n - 1, "int64") }:augment { mixup = 1 }
    local x, y = ds:tensors()
    assert.same({ n, n }, y.shape)
    assert.equal("float32", y.dtype)
    assert(((y:sum(2) - 1):abs()):max():item() < 1e-6)
    local value = (y * peri.arange(1, n):float()):sum(2)
    assert((value - x[{ {}, 2, 2, 1 }]):abs():max():item() < 1e-4)
    local own = flat(y:max(2)) -- the larger weight
    local mean = 0
    for _, weight in ipairs(own) do mean = mean + weight / n end
    assert(mean > 0.65 and mean < 0.85, mean) -- 3/4 for Beta(1, 1)
  end)

  it("draws partners from the set alone, not from what it was split off", function()
    local n = 40
    local rows = peri.arange(1, n):float():reshape(n, 1, 1, 1):contiguous()
    local part = data.tensors { rows, peri.arange(0, n - 1, "int64") }:onehot(n):take(5):augment { mixup = 1 }
    local _, y = part:tensors()
    assert.equal(0, y[{ {}, { 6, n } }]:abs():max():item())
  end)

  it("mixes float targets, and small alphas leave most pictures alone", function()
    local ds = data.tensors(peri.rand(200, 2, 2, 1), peri.ones(200, 3)):augment { mixup = 0.05 }
    local x, y = ds:tensors()
    assert(((y - 1):abs()):max():item() < 1e-6)
    assert.is_true(x:max():item() <= 1 and x:min():item() >= 0)
    local labelled = pictures(300, 2, 2, 1):augment { mixup = 0.05 }
    local sure = 0
    for _, weight in ipairs(flat(select(2, labelled:tensors()):max(2))) do sure = sure + (weight > 0.95 and 1 or 0) end
    assert(sure > 240, sure)
  end)

  it("goes with categorical_crossentropy, and says so otherwise", function()
    local train, rest = data.drawn { n = 120 }:split(0.8)
    local function net()
      peri.seed(2)
      return peri.nn.Sequential { peri.nn.Flatten {}, peri.nn.Dense { 10, activation = "softmax" } }
    end
    local mixed = train:augment { mixup = 0.2 }
    local history = net():fit(mixed, { loss = "categorical_crossentropy", metrics = { "accuracy" }, verbose = 0,
      validation = rest:onehot(), class_weights = { [0] = 2 } })
    assert(history.val_accuracy[1] >= 0)
    assert(net():fit(mixed, { loss = "categorical_crossentropy", verbose = 0, validation = 0.25 }).val_loss[1] > 0)
    says(function() net():fit(mixed, { loss = "sparse_categorical_crossentropy", verbose = 0 }) end,
      "one-hot", "categorical_crossentropy")
    says(function() net():fit(mixed, { loss = "categorical_crossentropy", verbose = 0, validation = rest }) end,
      "one-hot rows", ":onehot()")
  end)
end)

describe("an augmented set", function()
  it("says what it is, and stays itself under split, take, normalise, map", function()
    local light = data.augment { rotation = 10, scale = { 0.9, 1.1 }, elastic = { alpha = 34, sigma = 4 } }
    assert.equal("augment { rotation = 10, scale = { 0.9, 1.1 }, elastic = { alpha = 34, sigma = 4 } }", tostring(light))
    local ds = bytes(10, 8, 8, 1):augment(light)
    assert.truthy(tostring(ds):find "augmented")
    local first, second = ds:split(0.5)
    assert.equal(light, first.augmentation)
    assert.equal(5, #second)
    local x = ds:take(3):map(function(x) return x * 2 end):batches { 3, seed = 1, epoch = 1 } ()
    local plain = ds:batches { 3, seed = 1, epoch = 1 } ()
    assert.is_true((plain * 2):equal(x))
    assert.is_nil(ds:augment(false).augmentation)
    assert.same(flat((ds:augment(false):tensors())), flat((ds:batches { 10, augment = false } ())))
  end)

  it("is augmented while a net learns, and only then", function()
    local ds = data.drawn { n = 40 }
    local seen = {}
    local net = peri.nn.Sequential { peri.nn.Flatten {},
      peri.nn.Dense { 10, activation = "softmax" } }
    local loss = peri.nn.losses.sparse_categorical_crossentropy
    net:fit(ds:augment { shift = 3 }, { epochs = 2, batch = 40, shuffle = false, verbose = 0, seed = 4,
      loss = function(prediction, y)
        seen[#seen + 1] = prediction:sum():item()
        return loss(prediction, y)
      end })
    assert.equal(2, #seen)
    local plain, augmented = net:evaluate(ds, { loss = "sparse_categorical_crossentropy" }),
      net:evaluate(ds:augment { shift = 3 }, { loss = "sparse_categorical_crossentropy" })
    assert.equal(plain.loss, augmented.loss)
    assert.is_true(net:predict(ds):equal(net:predict(ds:augment { shift = 3 })))
  end)

  it("goes on in the middle of an epoch with the same bits", function()
    local path = os.tmpname()
    local function train(options)
      peri.seed(3)
      local net = peri.nn.Sequential { peri.nn.Flatten {}, peri.nn.Dense { 16, activation = "relu" },
        peri.nn.Dense { 10, activation = "softmax" } }
      local given = { epochs = 2, batch = 10, verbose = 0, seed = 3, loss = "categorical_crossentropy",
        checkpoint = { path, every = 3 } }
      for name, value in pairs(options) do given[name] = value end
      local ok, reason = pcall(net.fit, net, data.drawn { n = 80, seed = 1 }:augment { rotation = 20, elastic = true,
        mixup = 0.3 }, given)
      return net, ok, reason
    end
    local function weights(net)
      local all = {}
      for i, w in ipairs(net:parameters()) do all[i] = flat(w:detach()) end
      return all
    end
    local whole = weights((train {}))
    os.remove(path)
    local _, ok, reason = train { callbacks = { { on_batch_end = function(_, batch, _, run)
      if run.epoch == 2 and batch == 5 then error "stop here" end
    end } } }
    assert.is_false(ok)
    assert.truthy(reason:find "stop here")
    local net
    net, ok, reason = train { callbacks = { {} }, resume = true }
    assert.is_true(ok, reason)
    os.remove(path)
    assert.same(whole, weights(net))
  end)
end)

describe("batches ahead", function()
  it("never change under somebody who keeps them", function()
    local ds = bytes(200, 6, 6, 1):augment { shift = 2 }
    local kept, copies = {}, {}
    for x, y in ds:batches { 5, ahead = 3, workers = 2, seed = 1, epoch = 1 } do
      kept[#kept + 1], copies[#copies + 1] = { x, y }, { flat(x), flat(y) }
      if #kept % 3 == 0 then -- let some go
        kept[#kept - 1] = nil
        kept[#kept], copies[#copies - 1] = nil, nil
        copies[#copies] = nil
        collectgarbage()
      end
    end
    for i, pair in ipairs(kept) do assert.same(copies[i], { flat(pair[1]), flat(pair[2]) }) end
  end)

  it("end cleanly in the middle: break, an error, the collector", function()
    local core = require "perilune.core"
    collectgarbage()
    collectgarbage()
    local before = core.memory()
    do
      local ds = bytes(400, 20, 20, 1):augment(full)
      for _ = 1, 20 do
        for x in ds:batches { 10, ahead = 3, workers = 2 } do
          if x then break end
        end
        pcall(function()
          for _ in ds:batches { 10, ahead = 2 } do error "stop" end
        end)
        local forgotten = ds:batches { 10, ahead = 4 }
        forgotten()
      end
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, (core.memory()))
  end)

  it("serve a set without augmentation, and one without labels", function()
    local ds = bytes(23, 4, 4, 1)
    assert.same({ walk(ds, { 5, shuffle = true, seed = 2, epoch = 1 }) },
      { walk(ds, { 5, shuffle = true, seed = 2, epoch = 1, ahead = 2 }) })
    local count = 0
    for x, y in data.tensors(peri.rand(7, 3, 3)):augment { rotation = 5 }:batches { 3, drop_last = true } do
      count = count + 1
      assert.same({ 3, 3, 3 }, x.shape)
      assert.is_nil(y)
    end
    assert.equal(2, count)
    local embedded = data.tensors(peri.tensor({ { 1, 2 }, { 3, 4 } }, "int64")):batches { 2, ahead = 1 } ()
    assert.equal("int64", embedded.dtype)
  end)

  it("hand on the errors of what maps them, and of labels", function()
    local ds = bytes(9, 4, 4, 1):augment { rotation = 5 }:map(function() error "no map today" end)
    says(function() for _ in ds:batches { 3, ahead = 2 } do end end, "no map today")
    says(function() for _ in bytes(9, 4, 4, 1):onehot(2):augment { shift = 1 }:batches { 3 } do end end,
      "label 2 at row 3")
  end)
end)

describe("errors of augmentation", function()
  it("teach", function()
    local ds = bytes(3, 4, 4, 1)
    says(function() ds:augment { rotatoin = 10 } end, "unknown argument 'rotatoin'", "rotation, scale", "mixup")
    says(function() data.augment { rotation = "ten" } end, "'rotation' wants number or table", "ten")
    says(function() data.augment { rotation = { 1 } } end, "rotation wants a number or {low, high}")
    says(function() data.augment { rotation = { 3, 1 } } end, "rotation is {3, 1}", "lower number first")
    says(function() data.augment { rotation = -5 } end, "rotation = -5", "either side")
    says(function() data.augment { scale = 1.2 } end, "scale = 1.2", "{low, high}")
    says(function() data.augment { scale = { 0, 1 } } end, "scale is {0, 1}", "0.01 to 100")
    says(function() data.augment { shear = 60, shear_y = 60 } end, "85 together")
    says(function() data.augment { flip = "sideways" } end, '"horizontal", "vertical" or "both"')
    says(function() data.augment { elastic = { alfa = 3 } } end, "unknown argument 'alfa'", "alpha, sigma")
    says(function() data.augment { elastic = { sigma = 0 } } end, "sigma is 0")
    says(function() data.augment { erase = 2 } end, "erase's probability is 2")
    says(function() data.augment { erase = { value = "pink" } } end, '"fill" or "random"')
    says(function() data.augment { mixup = -1 } end, "mixup is -1")
    says(function() ds:augment(3) end, "wants its options in one table", "got a number")
    says(function() ds:augment { shift = 1 }:augment { noise = 1 } end, "augmented already")
    says(function() ds:map(function(x) return x end):augment { shift = 1 } end, "comes before map")
    says(function() data.tensors(peri.ones(3, 784)):augment { shift = 1 } end, "wants pictures", "(784)")
    says(function() data.tensors(peri.ones(3, 4, 4)):augment { mixup = 1 } end, "mixup", "has none")
    says(function() return ds .. ds:augment { shift = 1 } end, "join the sets first")
    says(function() ds:batches { 3, ahead = -1 } end, "ahead is -1")
    says(function() ds:batches { 3, ahead = 1000, augment = { shift = 1 } } end, "ahead is 1000")
  end)
end)
