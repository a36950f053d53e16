-- Compiled nets against net(x): every layer, runs of layers that become one step, any batch size, and what a
-- snapshot promises.
local peri = require "perilune"
local core = require "perilune.core"
local compiled = require "perilune.nn.compiled"
local nn = peri.nn

local function near(a, b, within, what)
  assert.same(b.shape, a.shape, what)
  if b:numel() == 0 then return end
  local worst, size = (a - b):abs():max():item(), b:abs():max():item() + 1
  assert(worst <= within * size, ("%s differs by %g"):format(what or "it", worst))
end

-- Weights away from their start, so that biases and moments count.
local function stir(net)
  peri.no_grad(function()
    for _, w in ipairs(net:weights()) do w:copy_(core.rand(w.shape) * 0.5 + 0.05) end
  end)
  return net
end

local function compare(net, shape, input, batches)
  net:build(shape)
  stir(net)
  for _, batch in ipairs(batches or { 1, 4 }) do
    local c = net:compile { batch = batch }
    for _, n in ipairs { 1, 3, 4, 9 } do
      local x = input and input(n) or core.randn { n, table.unpack(shape) }
      near(c(x), net(x), 1e-4, ("batch %d, %d samples"):format(batch, n))
    end
  end
end

local nets = {}

describe("a compiled net", function()
  for _, info in ipairs(core.layer_types()) do
    if info.example then
      it("runs " .. info.name, function()
        peri.seed(1)
        local arguments, shape_text = info.example:match "^(%b{}) on (.+)$"
        local make = assert(load("return function(nn, name) return nn[name] " .. arguments .. " end"))()
        local shape = assert(load("return {" .. shape_text .. "}"))()
        local input = info.name == "Embedding" and function(n) return core.randint(0, 6, { n, table.unpack(shape) }) end
        compare(nn.Sequential { make(nn, info.name) }, shape, input)
        compare(make(nn, info.name), shape, input)
      end)
    end
  end

  local conv, dense, act, norm = nn.Conv2D, nn.Dense, nn.Activation, nn.BatchNorm
  nets = {
    ["the digit net"] = { { 28, 28, 1 }, function()
      return nn.Sequential { conv { 32, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
        conv { 64, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 }, nn.Flatten {}, nn.Dropout { 0.5 },
        dense { 128, activation = "relu" }, dense { 10, activation = "softmax" } }
    end },
    ["batch-norms behind convolutions and dense layers"] = { { 12, 11, 3 }, function()
      return nn.Sequential { conv { 20, kernel = 3, bias = false, padding = "same" }, norm {}, act { "relu" }, nn.MaxPool2D { 2 },
        nn.DepthwiseConv2D { 3, depth_multiplier = 2 }, norm { scale = false }, nn.Dropout { 0.2 }, act { "leaky_relu", alpha = 0.3 },
        conv { 5, kernel = 1, activation = "tanh" }, norm { center = false }, nn.Flatten {}, dense { 9 }, norm {},
        dense { 4, activation = "gelu" } }
    end },
    ["residuals, one of them with relu behind"] = { { 8, 8, 6 }, function()
      return nn.Sequential { nn.Residual { conv { 6, kernel = 3, padding = "same" }, norm {}, act { "relu" },
        conv { 6, kernel = 3, padding = "same" }, norm {} }, act { "relu" },
        nn.Residual { nn.Residual { act { "elu", alpha = 0.5 } } }, nn.Residual {}, nn.GlobalAveragePool2D {}, dense { 3 } }
    end },
    ["branches"] = { { 6, 7, 4 }, function()
      return nn.Sequential { nn.Concat { conv { 3, kernel = 1, activation = "relu" }, nn.Sequential { nn.ZeroPadding2D { 1 },
        conv { 5, kernel = 3 }, act { "sigmoid" } }, nn.AveragePool2D { 3, stride = 1, padding = "same" }, nn.Dropout {} },
        nn.MaxPool2D { 3, stride = 2 }, nn.Flatten {}, dense { 7, activation = "softplus" } }
    end },
    ["sequences in sequences"] = { { 9, 9, 2 }, function()
      return nn.Sequential { nn.Sequential { conv { 4, kernel = 3 } },
        nn.Sequential { act { "relu" }, nn.Sequential { nn.MaxPool2D { 2 } } },
        nn.Reshape { { -1, 4 } }, nn.LayerNorm {}, act { "softmax" }, nn.Flatten {}, dense { 5, activation = "silu" } }
    end },
    ["branches of which one is rearranged"] = { { 4, 5 }, function()
      return nn.Concat { nn.Flatten {}, nn.Sequential { act { "softmax" }, nn.Flatten {} } }
    end },
    ["nothing but a change of shape"] = { { 4, 5 }, function() return nn.Sequential { nn.Flatten {} } end },
    ["nothing at all"] = { { 4, 5 }, function() return nn.Sequential {} end },
  }
  for name, case in pairs(nets) do
    it("is " .. name, function()
      peri.seed(2)
      compare(case[2](), case[1])
    end)
  end

  it("takes words in front of other layers", function()
    peri.seed(3)
    compare(nn.Sequential { nn.Embedding { 7, 3 }, nn.Flatten {}, dense { 4, activation = "relu" } }, { 5 },
      function(n) return core.randint(0, 6, { n, 5 }) end)
  end)
end)

describe("compiling", function()
  local function small()
    peri.seed(4)
    return nn.Sequential { nn.Conv2D { 8, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 }, nn.Flatten {},
      nn.Dense { 6, activation = "softmax" } }:build { 10, 10, 1 }
  end

  it("writes into a tensor that is there, and says when it does not fit", function()
    local net = small()
    local c, x, y = net:compile { batch = 1 }, peri.randn(2, 10, 10, 1), peri.zeros(2, 6)
    assert.is_true(rawequal(c(x, y), y))
    near(y, net(x), 1e-5)
    assert.matches("must be a dense float32 tensor of samples %(6,%), got float32 %(3, 6%)", select(2, pcall(c, x, peri.zeros(3, 6))))
    assert.matches("samples of shape %(10, 10, 1%), got %(10, 10, 1%)", select(2, pcall(c, peri.zeros(10, 10, 1))))
    assert.matches("must be float32, got uint8", select(2, pcall(c, x:byte())))
  end)

  it("takes a view, an empty batch, and more samples than asked for", function()
    local net = small()
    local c = net:compile { batch = 2 }
    local x = peri.randn(2, 10, 10, 9):permute { 4, 2, 3, 1 }[{ {}, {}, {}, { 1, 1 } }]
    near(c(x), net(x), 1e-5)
    assert.same({ 0, 6 }, c(peri.zeros(0, 10, 10, 1)).shape)
  end)

  it("is a snapshot that knows when it is old", function()
    local net = small()
    local c, x = net:compile(), peri.randn(3, 10, 10, 1)
    local before = c(x)
    assert.is_true(c:current())
    peri.no_grad(function() net[4].bias:copy_(peri.randn(6)) end)
    assert.is_false(c:current())
    assert.is_true(c(x):equal(before))
    near(net:compile()(x), net(x), 1e-5)
  end)

  it("lives on without its net", function()
    local c, x = small():compile(), peri.randn(3, 10, 10, 1)
    collectgarbage()
    assert.same({ 3, 6 }, c(x).shape)
  end)

  it("gives the same bits with any number of threads", function()
    local net, before = nets["the digit net"][2]():build { 28, 28, 1 }, core.threads()
    for _, n in ipairs { 1, 5, 100 } do
      local x, first = peri.randn(n, 28, 28, 1), nil
      for _, threads in ipairs { 1, 2, 3, 8 } do
        core.threads(threads)
        local y = net:compile()(x)
        first = first or y
        assert.is_true(y:equal(first))
      end
    end
    core.threads(before)
  end)

  it("refuses what it cannot do, and says why", function()
    local function message(f) return select(2, pcall(f)) end
    assert.matches("not built", message(function() nn.Dense { 2 }:compile() end))
    assert.matches("written in Lua", message(function()
      nn.Sequential { nn.Dense { 2 }, function(x) return x end }:build { 3 }:compile()
    end))
    assert.matches("wants a float32 net; the weights of this one are float64", message(function()
      nn.Dense { 2 }:build({ 3 }, "float64"):compile()
    end))
    assert.matches("batch must be 1 or more", message(function() nn.Dense { 2 }:build { 3 }:compile { batch = 0 } end))
    assert.matches("unknown argument 'bath'", message(function() nn.Dense { 2 }:build { 3 }:compile { bath = 1 } end))
    local c = nn.Dense { 2 }:build { 3 }:compile()
    c:free()
    assert.matches("freed", message(function() c(peri.zeros(1, 3)) end))
  end)

  it("keeps no memory when run", function()
    local c, x, y = small():compile { batch = 1 }, peri.randn(1, 10, 10, 1), peri.zeros(1, 6)
    c(x, y)
    local before = core.memory()
    for _ = 1, 10 do c(x, y) end
    assert.equal(before, (core.memory()))
  end)

  it("names its steps and counts their work", function()
    local steps = small():compile():steps()
    assert.equal("conv2d_pool", steps[1].op)
    assert.equal("1-2", steps[1].layers)
    assert.same({ 4, 4, 8 }, steps[1].shape)
    assert.equal(80, steps[1].parameters)
    assert.equal(8 * 8 * 8 * 9, steps[1].multiplications)
    assert.equal("dense", steps[2].op)
    assert.equal("softmax", steps[3].op)
  end)
end)

describe("predict and evaluate", function()
  it("take the compiled form when the net rests, and give the same", function()
    peri.seed(5)
    local net = nn.Sequential { nn.Conv2D { 8, kernel = 3 }, nn.BatchNorm {}, nn.Activation { "relu" }, nn.Flatten {},
      nn.Dense { 4, activation = "softmax" } }:build { 6, 6, 1 }
    stir(net)
    local x, y = peri.randn(100, 6, 6, 1), core.randint(0, 3, { 100 })
    local options = { loss = "sparse_categorical_crossentropy", metrics = { "accuracy" }, batch = 32 }
    local fast, p = net:evaluate({ x, y }, options), net:predict(x)
    local form = compiled.form_of(net, 100)
    assert.is_truthy(form)
    assert.equal("softmax", form:left_out())
    local slow, q = nn.fusion(false, function() return net:evaluate({ x, y }, options), net:predict(x) end)
    near(p, q, 1e-5)
    assert.is_true(math.abs(fast.loss - slow.loss) < 1e-5)
    assert.equal(slow.accuracy, fast.accuracy)
    peri.no_grad(function() net[5].bias:copy_(peri.randn(4)) end)
    near(net:predict(x), net(x), 1e-5)
    assert.is_false(form:current())
  end)

  it("compile a net for few samples only when they see it twice alike", function()
    local net = nn.Dense { 3 }:build { 2 }
    assert.is_nil(compiled.form_of(net, 1))
    assert.is_truthy(compiled.form_of(net, 1))
    peri.no_grad(function() net.bias:copy_(peri.randn(3)) end)
    assert.is_nil(compiled.form_of(net, 1))
    assert.is_nil(nn.fusion(false, compiled.form_of, net, 100))
    assert.is_nil(compiled.form_of(nn.Sequential { function(t) return t end }:build { 2 }, 100))
    assert.is_nil(compiled.form_of(nn.Dense { 3 }:build({ 2 }, "float64"), 100))
    assert.is_nil(compiled.form_of(nn.Dense { 3 }, 100))
  end)
end)
