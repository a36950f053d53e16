-- What people mistype or mix up: each gets a message that says what, where and what was expected, at their own line.
local peri = require "perilune"
local nn, data, optim = peri.nn, peri.data, peri.optim

local x = peri.arange(32):reshape(8, 4) / 32
local y = peri.tensor({ 0, 1, 2, 0, 1, 2, 0, 1 }, "int64")
local set = data.tensors(x, y)
local LOSS = "sparse_categorical_crossentropy"

local function net() return nn.Sequential { nn.Dense { 3, activation = "softmax" } }:build { 4 } end

local function fit(options, source)
  options.loss, options.verbose = options.loss or LOSS, 0
  return net():fit(source or set, options)
end

-- The message of what f raises: it must say all of `parts` and speak of no line of the library.
local function says(f, ...)
  local ok, message = pcall(f)
  assert.is_false(ok)
  message = tostring(message)
  for _, part in ipairs { ... } do assert.matches(part, message, 1, true) end
  assert.is_nil(message:match "lua/perilune/[%w_/]+%.lua:%d+", message)
  assert.is_nil(message:match "attempt to", message)
end

describe("names that people bring from Keras and PyTorch", function()
  it("work in fit, evaluate and predict", function()
    local history = fit { batch_size = 4, validation_split = 0.25, class_weight = { [0] = 2, 1, 1 } }
    assert.equal(1, #history.val_loss)
    assert.equal(1, #fit({ validation_data = { x, y } }).val_loss)
    local own = net()
    own:fit(x, y, { loss = LOSS, verbose = 0 })
    assert.is_number(own:evaluate(x, y, { batch_size = 3 }).loss)
    assert.same({ 8, 3 }, own:predict(x, { batch_size = 3 }).shape)
  end)

  it("work for losses, metrics, layers and axes", function()
    fit { loss = "SparseCategoricalCrossentropy", metrics = { "SparseCategoricalAccuracy" } }
    for _, name in ipairs { "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "BatchNormalization",
      "LayerNormalization" } do
      assert.is_true(nn.is_layer(nn[name] {}), name)
    end
    assert.same({ 1, 4 }, x:sum({ dim = 1, keepdim = true }).shape)
    assert.same({ 8 }, x:softmax({ dim = 2 }):argmax({ dim = 2 }).shape)
  end)

  it("are not taken twice", function()
    says(function() fit { batch = 2, batch_size = 4 } end, "'batch' and 'batch_size'", "twice")
  end)
end)

describe("messages of training", function()
  it("say what a data set must be", function()
    says(function() net():evaluate() end, "net:evaluate: wants a data set", "got nil")
    says(function() net():evaluate(3) end, "net:evaluate", "got a number")
    says(function() net():predict() end, "net:predict", "got nil")
    says(function() net():predict(x[1][{ { 1, 3 } }]) end, "net:predict: x of shape (3) is no sample of (4), and no batch")
    says(function() net():evaluate { x, y[{ { 1, 3 } }] } end, "x has 8 rows and y has 3")
    says(function() fit({}, data.tensors(x)) end, LOSS, "compares with labels")
    says(function() fit { validation = 0.001 } end, "0.001 of 8 samples", "nothing to validate on")
  end)

  it("say what callbacks may be called", function()
    says(function() fit { callbacks = { { on_epoch_finish = print } } } end, "on_epoch_finish", "on_epoch_end")
    says(function() fit { callbacks = { on_epoch_end = print } } end, "wants a list", "on_epoch_end")
    says(function() fit { callbacks = { function() error "boom" end } } end, "callback 1", "on_epoch_end", "boom")
  end)

  it("say that there is nothing to train", function()
    local own = net()
    own.trainable = false
    says(function() own:fit(set, { loss = LOSS, verbose = 0 }) end, "no weights to train")
    says(function() nn.Sequential {}:fit(set, { loss = LOSS, verbose = 0 }) end, "no weights to train")
  end)

  it("show a loss that is not a number as such, and count epochs", function()
    local history = fit({ epochs = 2 }, data.tensors(x * (0 / 0), y))
    assert.matches("nan", tostring(history), 1, true)
    assert.equal(2, #history)
  end)

  it("say what functions of a person's own must give", function()
    says(function() fit { loss = function() return 3 end } end, "loss", "must give a tensor", "a number")
    says(function() fit { loss = function() end } end, "must give a tensor", "nil")
    says(function() nn.Lambda(function() return 3 end)(x) end, "must give a tensor", "a number")
    says(function() nn.Sequential { function() end }(x) end, "net.1", "must give a tensor", "nil")
    says(function() fit { optimizer = optim.SGD { lr = function() return "x" end } } end, "learning rate", "got x")
  end)
end)

describe("messages of nets and tensors", function()
  it("say what a net wants", function()
    says(function() net()() end, "net(x)", "wants a tensor", "nil")
    says(function() net()(3) end, "net(x)", "a number")
    says(function() net()(x, true) end, "training = true", "got true")
    says(function() nn.Sequential { nn.Dense { 3 } }:build(8) end, "net:build", "{ 28, 28, 1 }", "got 8")
    says(function() net():save() end, "path", "nil")
    says(function() nn.Sequential { nn.Dense { 3 }, colour = 3 } end, "'colour'; it takes name, trainable")
  end)

  it("keep a container from holding itself", function()
    local inner = nn.Sequential { nn.Dense { 3 } }
    local outer = nn.Sequential { inner }
    says(function() inner:add(inner) end, "cannot hold itself")
    says(function() inner:add(outer) end, "cannot hold itself")
    assert.equal(1, #inner)
  end)

  it("say what a loss's reduction and an assigned value can be", function()
    says(function() nn.losses.mse { x, x, reduction = "most" } end, "none", "most")
    says(function() x:clone()[1] = "a" end, "assignment", "string")
  end)

  it("do not print whole tensors or tables", function()
    for _, f in ipairs {
      function() optim.Adam { x } end, function() peri.cat(x, x) end, function() return x + {} end,
    } do
      local ok, message = pcall(f)
      assert.is_false(ok)
      assert.is_true(#message < 160, message)
    end
  end)

  it("say what a constructor wants when it gets nothing", function()
    for _, name in ipairs { "zeros", "ones", "rand", "randn", "arange", "eye", "full" } do
      says(function() peri[name]() end, name, "got nothing")
    end
  end)

  it("say that a tensor was freed, and that no_grad wants a function", function()
    local gone = peri.ones(3)
    gone:free()
    says(function() return gone + 1 end, "has been freed")
    says(function() return gone.shape end, "has been freed")
    says(function() return net()(gone) end, "has been freed")
    says(function() peri.no_grad() end, "no_grad", "nil")
  end)
end)

describe("messages of data and pictures", function()
  it("say what a set wants", function()
    says(function() set:shuffle "a" end, "shuffle", "seed", "got a")
    says(function() set:onehot "a" end, "onehot", "got a")
    says(function() return set.x end, "no field 'x'", "ds:tensors()")
    says(function() data.mnist "/nowhere" end, "/nowhere")
    assert.equal(2, #set:take(2):batches { batch_size = 8 }())
    local ok, message = pcall(function() data.idx { images = "/nowhere", labels = "/nowhere" } end)
    assert.is_false(ok)
    assert.equal(1, select(2, message:gsub("errors_spec.lua:%d+:", "")))
  end)

  it("say what pictures are", function()
    says(function() peri.image.resize(x) end, "image.resize", "height", "nil")
    says(function() peri.image.resize() end, "image.resize", "wants a picture", "nil")
    says(function() peri.image.digit(3) end, "image.digit", "wants a picture", "a number")
    says(function() peri.image.save(3, x) end, "image.save", "path", "number")
    says(function() peri.image.save("/tmp/x.png", 3) end, "image.save", "wants a picture", "a number")
  end)
end)

describe("names that people bring from NumPy and PyTorch", function()
  it("are methods of tensors", function()
    assert.same({ 4, 8 }, x:view(4, 8).shape)
    assert.same({ 8, 4 }, x:size())
    assert.equal(4, x:size(-1))
    says(function() x:size(3) end, "size: axis 3", "2 axes")
    assert.equal(2, x:dim())
    assert.same({ 8, 8 }, x:mm(x:t()).shape)
    assert.equal(0.5, x:clip(0, 0.5):max():item())
    assert.equal("int64", x:astype("int64").dtype)
    assert.same({ 1, 2 }, peri.tensor({ 1, 2 }, "int64"):tolist())
    assert.same({ 16, 4 }, peri.concatenate({ x, x }).shape)
    for _, names in ipairs { { "view", "reshape" }, { "bmm", "matmul" },
      { "swapaxes", "transpose" }, { "absolute", "abs" }, { "power", "pow" }, { "requires_grad_", "require_grad" } } do
      assert.is_function(x[names[1]])
      assert.equal(x[names[2]], x[names[1]], names[1])
    end
    assert.equal(peri.seed, peri.manual_seed)
  end)
end)

describe("what training gives", function()
  it("is plotted as it comes: the confusion of evaluate, the kernels of a layer", function()
    local own = net()
    local result = own:evaluate(data.tensors { x, y, classes = { "ant", "bee", "cat" } }, { metrics = { "confusion" } })
    local figure = peri.plot.confusion(result.confusion)
    assert.is_truthy(tostring(figure):find("of 8 right", 1, true))
    local named = own:evaluate(data.tensors { x, y }, { metrics = { "accuracy", "confusion_matrix" } })
    assert.is_truthy(tostring(peri.plot.confusion(named)):find("of 8 right", 1, true))
    local drawn = data.drawn { n = 6, seed = 1 }
    assert.is_truthy(peri.plot.images(drawn, { count = 4, predictions = drawn:take(4):batches({ 4 })():sum({ 2, 3, 4 }) * 0 }))
    local convolution = nn.Conv2D { 2, kernel = 3 }:build { 5, 5, 1 }
    assert.is_truthy(tostring(peri.plot.filters(convolution)):find("layers", 1, true))
    says(function() peri.plot.filters(3) end, "plot.filters", "kernel", "a number")
  end)
end)

describe("the line that a message names", function()
  it("is the person's own where a function of the core is called by the library", function()
    says(function() peri.linalg.svd(3) end, "errors_spec.lua", "svd: argument 1 wants a tensor, got number")
  end)

  it("is the person's own, also where the clone lies in a folder called perilune", function()
    local chunk = load("local t = ...\nreturn t + t:reshape(4, 8)", "@/home/ann/perilune/mine.lua")
    local ok, message = pcall(chunk, x)
    assert.is_false(ok)
    assert.equal(1, message:find("/home/ann/perilune/mine.lua:2: add", 1, true), message)
  end)
end)
