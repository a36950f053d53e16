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
  assert.is_nil(message:match "perilune/[%w_/]+%.lua:%d+", message)
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
    says(function() net():evaluate { x, y[{ { 1, 3 } }] } end, "x has 8 rows and y has 3")
    says(function() fit({}, data.tensors(x)) end, LOSS, "compares with labels")
    says(function() fit { validation = 0.001 } end, "0.001 of 8 samples", "nothing to validate on")
  end)

  it("say what callbacks may be called", function()
    says(function() fit { callbacks = { { on_epoch_finish = print } } } end, "on_epoch_finish", "on_epoch_end")
    says(function() fit { callbacks = { on_epoch_end = print } } end, "wants a list", "on_epoch_end")
    says(function() fit { callbacks = { function() error "boom" end } } end, "callback 1", "on_epoch_end", "boom")
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
