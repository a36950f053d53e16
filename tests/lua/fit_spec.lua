-- Training on the real core: nets, losses, data, checkpoints, memory and Ctrl-C together.
local core = require "perilune.core"
local peri = require "perilune"
local nn, data, train = peri.nn, peri.data, peri.train

local drawn = data.drawn { n = 400, seed = 1 }

local function digit_net(seed)
  peri.seed(seed)
  return nn.Sequential {
    nn.Conv2D { 4, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 }, nn.BatchNorm {},
    nn.Flatten {}, nn.Dropout { 0.3 }, nn.Dense { 10, activation = "softmax" },
  }:build { 28, 28, 1 }
end

-- Gradient descent with momentum, written in Lua: an optimiser of a person's own.
local Momentum = {}
Momentum.__index = Momentum

local function momentum(net, lr)
  return setmetatable({ lr = lr, parameters = net:parameters(), velocity = {} }, Momentum)
end

function Momentum:zero_grad()
  for _, parameter in ipairs(self.parameters) do parameter.grad = nil end
end

function Momentum:step()
  peri.no_grad(function()
    for i, parameter in ipairs(self.parameters) do
      local before = self.velocity[i]
      self.velocity[i] = before and before * 0.9 + parameter.grad or parameter.grad
      parameter:sub_(self.velocity[i] * self.lr)
    end
  end)
end

function Momentum:state()
  local tensors = {}
  for i, velocity in ipairs(self.velocity) do tensors["velocity/" .. i] = velocity end
  return { tensors = tensors, plain = { lr = self.lr } }
end

function Momentum:restore(state)
  self.lr = state.plain.lr
  for i in ipairs(self.parameters) do self.velocity[i] = state.tensors["velocity/" .. i] end
end

local function options(net, more)
  local o = { epochs = 4, batch = 32, loss = "sparse_categorical_crossentropy", metrics = { "accuracy" }, verbose = 0,
    optimizer = momentum(net, 0.02) }
  for name, value in pairs(more or {}) do o[name] = value end
  return o
end

local function same_weights(a, b)
  local other = b:weights()
  for i, tensor in ipairs(a:weights()) do assert.is_true(tensor:equal(other[i]), "weight " .. i) end
end

describe("fit", function()
  it("learns drawn digits, and tells class names to the net", function()
    local net = digit_net(1)
    local history = net:fit(drawn, options(net, { validation = 0.2, epochs = 6 }))
    assert.is_true(history.accuracy[6] > 0.7, tostring(history))
    assert.is_true(history.val_accuracy[6] > 0.7, tostring(history))
    assert.same(drawn.classes, net.classes)
    local result = net:evaluate(drawn, { metrics = { "accuracy", "confusion", "top_3", "f1" } })
    assert.equal(result.accuracy, result.confusion:accuracy())
    assert.equal(400, result.confusion:total())
    assert.is_true(result.top_3 >= result.accuracy)
    assert.matches("loss %d", tostring(result))
  end)

  it("takes a pair of tensors, one-hot rows, and a net that is not built", function()
    peri.seed(3)
    local x, y = drawn:onehot(10):tensors()
    local net = nn.Sequential { nn.Flatten {}, nn.Dense { 10, activation = "softmax" } }
    net:fit({ x, y }, { loss = "categorical_crossentropy", metrics = { "accuracy" }, verbose = 0, epochs = 1,
      optimizer = { step = function() end, zero_grad = function() end } })
    assert.is_true(net.built)
    assert.equal(400, net:predict(x, { batch = 64 }).shape[1])
    assert.is_true(net:predict(x, { batch = 64 }):equal(net:predict(drawn)))
    assert.is_false(net:predict(x[{ { 1, 3 } }]).requires_grad)
    assert.is_true(peri.allclose(net:predict(x[3]), net:predict(x)[3])) -- one sample, its row
  end)

  it("weighs samples and classes as the loss does by hand", function()
    local x, y = drawn:take(6):tensors()
    local name = "sparse_categorical_crossentropy"
    local net = nn.Sequential { nn.Flatten {}, nn.Dense { 10, activation = "softmax" } }:build { 28, 28, 1 }
    local function compare(weights, more)
      local expected = nn.losses[name] { net(x), y, sample_weight = peri.tensor(weights) }:item()
      more.loss, more.verbose, more.batch = name, 0, 6
      more.optimizer = { step = function() end, zero_grad = function() end } -- nothing moves
      assert.is_true(math.abs(expected - net:fit({ x, y }, more).loss[1]) < 1e-5)
    end
    local weights = { 1, 0, 2, 0.5, 3, 1 }
    compare(weights, { sample_weights = weights }) -- shuffled: each weight stays with its sample
    compare(weights, { sample_weights = peri.tensor(weights), shuffle = false })
    local classes, by_label = { [y:totable()[1]] = 5, [y:totable()[3]] = 0.25 }, {}
    for k, label in ipairs(y:totable()) do by_label[k] = classes[label] or 1 end
    compare(by_label, { class_weights = classes })
    for k in ipairs(by_label) do by_label[k] = by_label[k] * weights[k] end
    compare(by_label, { class_weights = classes, sample_weights = weights })
  end)

  it("takes an optimiser by name, and one with averages through an empty run", function()
    local net = digit_net(1)
    assert.is_true(net:fit(drawn, options(net, { epochs = 2, optimizer = "adam" })).loss[2] < 3)
    assert.same({}, net:fit(drawn, options(net, { epochs = 0, optimizer = peri.optim.SGD { ema = 0.9 } })).epoch)
    local ok, reason = pcall(net.fit, net, drawn, options(net, { optimizer = "magic" }))
    assert.is_false(ok)
    assert.matches("there is no optimizer 'magic'; there are Adagrad, Adam, AdamW", reason)
  end)

  it("is the same with one thread and with two", function()
    local nets, before = {}, core.threads()
    for threads = 1, 2 do
      core.threads(threads)
      nets[threads] = digit_net(2)
      nets[threads]:fit(drawn, options(nets[threads], { epochs = 2 }))
    end
    core.threads(before)
    same_weights(nets[1], nets[2])
  end)

  it("needs no more memory after many epochs than after a few", function()
    local x, y = drawn:take(64):tensors()
    local net = nn.Sequential { nn.Flatten {}, nn.Dense { 4, activation = "relu" }, nn.Dense { 10 } }
    net:build { 28, 28, 1 }
    local function losses(p, t) return nn.losses.sparse_categorical_crossentropy(p, t, { from_logits = true }) end
    local o = { loss = losses, metrics = { "accuracy" }, epochs = 20, verbose = 0, optimizer = momentum(net, 0.01) }
    local function live()
      net:fit({ x, y }, o)
      collectgarbage()
      collectgarbage()
      return (core.memory())
    end
    local first = live()
    for _ = 1, 3 do live() end
    assert.is_true(live() <= first, "memory grows")
  end)

  it("comes back from Ctrl-C with what it learned", function()
    local net, count = digit_net(1), 0
    local history = net:fit(drawn, options(net, { epochs = 50, callbacks = { { on_batch_end = function()
      count = count + 1
      if count == 20 then io.popen("kill -INT $PPID"):close() end
    end } } }))
    assert.is_true(history.interrupted)
    assert.equal(20, count)
    assert.equal(1, #history.epoch)
    assert.equal(7, history.partial.batch)
    assert.is_false(core.interrupted())
  end)
end)

describe("a training checkpoint", function()
  local path
  before_each(function() path = os.tmpname() os.remove(path) end)
  after_each(function() os.remove(path) end)

  -- A run of 4 epochs, whole and in two pieces, the first of which `stop` ends.
  local function compare(make, stop)
    local whole = digit_net(7)
    local expected = whole:fit(drawn, options(whole, { optimizer = make(whole), validation = 0.2 }))
    local first, count = digit_net(7), 0
    local stopped = first:fit(drawn, options(first, { optimizer = make(first), validation = 0.2, checkpoint = path,
      callbacks = { { on_batch_end = function()
        count = count + 1
        if count == stop then io.popen("kill -INT $PPID"):close() end
      end } } }))
    assert.is_true(stopped.interrupted)
    local second = digit_net(8)
    core.seed(99)
    local history = second:fit(drawn, options(second, { optimizer = make(second), validation = 0.2, resume = path,
      callbacks = { {} } }))
    same_weights(whole, second)
    for _, name in ipairs { "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr" } do
      assert.same(expected[name], history[name], name)
    end
  end

  it("makes 2 + 2 epochs equal 4, with dropout and running statistics", function()
    compare(function(net) return momentum(net, 0.02) end, 20)
  end)

  it("goes on in the middle of an epoch", function()
    compare(function(net) return momentum(net, 0.02) end, 23)
  end)

  it("holds for every optimiser, with momentum, averages, clipping and schedules", function()
    local optim = peri.optim
    for name, given in pairs {
      SGD = function() return { lr = optim.schedules.cosine { 0.02, restarts = 1.5 }, momentum = 0.9, ema = 0.9 } end,
      Adam = function() return { lr = function(progress) return 1e-3 * (1 - progress) end, clip_norm = 1 } end,
      AdamW = function() return { lr = optim.schedules.reduce_on_plateau { 1e-3, patience = 1 }, ema = 0.99 } end,
      RMSprop = function() return { momentum = 0.5, centered = true } end,
      Adagrad = function()
        return { lr = coroutine.create(function() for k = 1, 1000 do coroutine.yield(0.1 / k) end end) }
      end,
    } do
      compare(function() return optim[name](given()) end, name == "Adam" and 20 or 24)
    end
  end)

  it("is told from other files", function()
    core.save_safetensors(path, { a = peri.zeros(2) }, {})
    local net = digit_net(1)
    local ok, reason = pcall(net.fit, net, drawn, options(net, { resume = path }))
    assert.is_false(ok)
    assert.matches("no training checkpoint", reason)
    local file = assert(io.open(path, "w"))
    file:write "garbage"
    file:close()
    ok, reason = pcall(net.fit, net, drawn, options(net, { resume = path }))
    assert.is_false(ok)
    assert.matches(path, reason, 1, true)
  end)
end)

describe("train", function()
  it("offers its parts", function()
    for _, name in ipairs { "callbacks", "metrics", "history", "checkpoint", "progress" } do
      assert.is_table(train[name], name)
    end
  end)
end)
