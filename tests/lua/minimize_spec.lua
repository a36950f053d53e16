-- optimizer:minimize: backward and step as one give the bits of backward, then step; whatever the rule, however often
-- a weight is used, whoever else looks at it. And a run of fit gives the same bits either way and on any number of threads.
local peri = require "perilune"
local core = require "perilune.core"
local nn, optim, data = peri.nn, peri.optim, peri.data

-- Dense's first kernel has rows enough to be taken strip by strip, the second not; sizes with tails.
local function net_of(extra)
  peri.seed(5)
  local layers = { nn.Conv2D { 5, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 }, nn.Flatten {},
    nn.Dense { 37, activation = "relu" }, nn.Dense { 10, activation = "softmax" } }
  if extra then
    table.insert(layers, 2, nn.BatchNorm {})
    table.insert(layers, 5, nn.Dropout { 0.4 })
  end
  return nn.Sequential(layers):build { 18, 18, 1 }
end

local function batches(count, size)
  peri.seed(6)
  local list = {}
  for i = 1, count do list[i] = { peri.randn(size, 18, 18, 1), peri.randint(0, 9, { size }) } end
  return list
end

local function same(a, b, what)
  assert.equal(#a, #b)
  for i = 1, #a do assert.is_true(a[i]:equal(b[i]), ("%s: tensor %d differs"):format(what, i)) end
end

local function trained(make, whole, more)
  local net, opt = net_of(), make()
  opt:attach(net:parameters())
  for i, batch in ipairs(batches(6, 21)) do
    local loss = nn.losses.sparse_categorical_crossentropy(net(batch[1], { training = true }), batch[2])
    if more then loss = loss + more(net, i) end
    opt:zero_grad()
    if whole then
      loss:backward()
      opt:step()
    else
      opt:minimize(loss)
    end
  end
  return net, opt
end

local rules = {
  sgd = function() return optim.SGD { lr = 0.1 } end,
  momentum = function() return optim.SGD { lr = 0.05, momentum = 0.9 } end,
  nesterov = function() return optim.SGD { lr = 0.05, momentum = 0.9, nesterov = true, weight_decay = 0.01 } end,
  adam = function() return optim.Adam { lr = function(progress, step) return 1e-3 * step + progress end } end,
  amsgrad = function() return optim.Adam { lr = 2e-3, amsgrad = true, weight_decay = 0.01 } end,
  adamw = function() return optim.AdamW { lr = 2e-3 } end,
  rmsprop = function() return optim.RMSprop { lr = 2e-3 } end,
  centered = function() return optim.RMSprop { lr = 2e-3, centered = true, momentum = 0.5 } end,
  adagrad = function() return optim.Adagrad { lr = 0.05 } end,
  clip_value = function() return optim.Adam { clip_value = 1e-3 } end,
  clip_norm = function() return optim.SGD { clip_norm = 0.1 } end,
  global_clip_norm = function() return optim.SGD { global_clip_norm = 0.1 } end,
  ema = function() return optim.SGD { ema = 0.9 } end,
}

describe("minimize", function()
  for name, make in pairs(rules) do
    it("gives the bits of backward and step: " .. name, function()
      local whole, whole_optimizer = trained(make, true)
      local fused, fused_optimizer = trained(make, false)
      same(whole:weights(), fused:weights(), name)
      assert.equal(6, fused_optimizer.steps)
      local a, b = whole_optimizer:state(), fused_optimizer:state()
      assert.same(a.plain.steps, b.plain.steps)
      for key, tensor in pairs(a.tensors) do assert.is_true(tensor:equal(b.tensors[key]), key) end
      local used_up = not (name:find "clip" or name == "ema")
      for i, weight in ipairs(fused:parameters()) do assert.equal(used_up, weight.grad == nil, i) end
    end)
  end

  -- What else a loss may do with weights: each must see them as they were before the step.
  local uses = {
    ["used twice"] = function(net) return (net:parameters()[3] ^ 2):sum() * 0.01 end,
    ["used through a view"] = function(net) return net:parameters()[3].T:abs():sum() * 0.01 end,
    ["read as a constant"] = function(net)
      local w = net:parameters()[3]
      return (w:detach() * net:parameters()[1]:sum()):sum() * 0.01
    end,
    ["not used by some losses"] = function(net, i) return net:parameters()[i % 3 + 1]:sum() * 0 end,
  }
  for name, more in pairs(uses) do
    it("waits until nobody reads a weight any more: " .. name, function()
      same(trained(rules.adam, true, more):weights(), trained(rules.adam, false, more):weights(), name)
    end)
  end

  it("changes a weight that someone holds a view of, after all gradients", function()
    local w = peri.ones(300, 3)
    w:require_grad()
    local view = w:detach()
    local opt = optim.SGD { { w }, lr = 1 }
    opt:minimize(peri.dense(peri.ones(2, 300), w):sum())
    assert.equal(-1, view[{ 300, 3 }])
    assert.is_truthy(w.grad)
  end)

  it("steps what has a gradient only, and says so when nothing has one", function()
    local used, idle = peri.ones(4), peri.ones(4)
    used:require_grad()
    idle:require_grad()
    local opt = optim.Adam { { used, idle }, lr = 0.5 }
    opt:minimize((used * 2):sum())
    assert.near(0.5, used:detach()[1], 1e-6)
    assert.equal(1, idle:detach()[1])
    assert.same({ 1, 0 }, opt:state().plain.steps)
    local other = peri.ones(1)
    other:require_grad()
    assert.error_matches(function() opt:minimize(other:sum()) end, "none of its 2 tensors has a gradient")
    assert.error_matches(function() opt:minimize(peri.ones(1):sum()) end, "does not depend on any")
  end)

  it("leaves gradients to others afterwards: backward accumulates as ever", function()
    local w = peri.ones(300, 3)
    w:require_grad()
    local opt = optim.SGD { { w }, lr = 1 }
    local function loss() return peri.dense(peri.ones(2, 300), w):sum() end
    opt:minimize(loss())
    assert.is_nil(w.grad)
    loss():backward()
    assert.equal(2, w.grad[{ 1, 1 }])
    assert.equal(2, peri.grad(loss(), { w })[{ 300, 3 }])
    assert.equal(-1, w:detach()[{ 1, 1 }])
  end)

  it("finishes a step that Ctrl-C meets", function()
    local w = peri.ones(300, 3)
    w:require_grad()
    local opt = optim.SGD { { w }, lr = 1 }
    local loss = peri.dense(peri.ones(2, 300), w):sum()
    core.signal_interrupt(true)
    io.popen("kill -INT $PPID"):close()
    assert.is_true(core.interrupted())
    opt:minimize(loss)
    core.signal_interrupt(false)
    assert.is_true(core.interrupted())
    core.interrupt_clear()
    assert.equal(-1, w:detach()[{ 300, 3 }])
  end)
end)

describe("a run of fit", function()
  local function fitted(threads, gradients)
    local before = peri.threads()
    peri.threads(threads)
    local net = net_of(true)
    local x, y = peri.randn(150, 18, 18, 1), peri.randint(0, 9, { 150 })
    net:fit(data.tensors(x, y), { epochs = 2, batch = 32, verbose = 0, seed = 8, optimizer = optim.Adam {},
      loss = "sparse_categorical_crossentropy", metrics = { "accuracy" },
      callbacks = { { gradients = gradients, on_batch_end = function()
        -- the first batch tells how long a step takes, and leaves its gradients until the next
        assert.is_true(gradients == false or net:parameters()[1].grad ~= nil)
      end } } })
    peri.threads(before)
    assert.equal(gradients ~= false, net:parameters()[1].grad ~= nil)
    return net:weights()
  end
  local wanted = fitted(1)

  it("gives the same bits whether or not gradients are used up as they are made", function()
    same(wanted, fitted(1, false), "used up")
  end)

  for _, threads in ipairs { 2, 3, 8 } do
    it("gives the same bits on " .. threads .. " threads", function()
      same(wanted, fitted(threads), "whole")
      same(wanted, fitted(threads, false), "used up")
    end)
  end
end)
