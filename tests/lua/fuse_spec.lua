-- Every run of layers that one op does at once, against the same layers run one by one: results, gradients of the
-- input and of every weight, in both modes and both types.
local peri = require "perilune"
local core = require "perilune.core"
local nn = peri.nn

-- fusion = name in nn.fusions; shape of a sample; the layers, anew each time
local pairs_of_layers = {
  { fusion = "conv2d_pool", shape = { 8, 9, 3 }, layers = function()
    return { nn.Conv2D { 5, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 } }
  end },
  { fusion = "conv2d_pool", shape = { 9, 8, 2 }, layers = function()
    return { nn.Conv2D { 17, kernel = 3, padding = "same" }, nn.Activation { "relu" }, nn.MaxPool2D { 3 } }
  end },
  { fusion = "conv2d", shape = { 7, 6, 3 }, layers = function()
    return { nn.Conv2D { 6, kernel = 3, stride = 2, padding = "same" }, nn.Activation { "relu" } }
  end },
  { fusion = "conv2d", shape = { 6, 6, 4 }, layers = function()
    return { nn.DepthwiseConv2D { 3, depth_multiplier = 2 }, nn.Activation { "relu" } }
  end },
  { fusion = "dense", shape = { 11 }, layers = function()
    return { nn.Dense { 19 }, nn.Activation { "relu" } }
  end },
  { fusion = "dense", shape = { 4, 5 }, layers = function()
    return { nn.Dense { 3, bias = false }, nn.Activation { "relu" } }
  end },
  { fusion = "conv2d_norm", shape = { 7, 6, 3 }, layers = function()
    return { nn.Conv2D { 18, kernel = 3, padding = "same" }, nn.BatchNorm {} }
  end },
  { fusion = "conv2d_norm", shape = { 9, 6, 3 }, layers = function()
    return { nn.Conv2D { 5, kernel = 3, stride = 2, bias = false }, nn.BatchNorm { momentum = 0.7 }, nn.Activation { "relu" } }
  end },
  { fusion = "conv2d_norm", shape = { 7, 8, 3 }, layers = function()
    return { nn.Conv2D { 35, kernel = 3 }, nn.BatchNorm { scale = false }, nn.Activation { "relu" }, nn.MaxPool2D { 2 } }
  end },
  { fusion = "batch_norm", shape = { 7 }, layers = function()
    return { nn.Dense { 40 }, nn.BatchNorm { epsilon = 0.1 }, nn.Activation { "relu" } }
  end },
  { fusion = "batch_norm", shape = { 5, 4, 3 }, layers = function()
    return { nn.BatchNorm { center = false }, nn.Activation { "relu" }, nn.MaxPool2D { 2 } }
  end },
  { fusion = "residual", shape = { 6, 5, 20 }, layers = function()
    return { nn.Residual { nn.Conv2D { 20, kernel = 3, padding = "same", bias = false }, nn.BatchNorm {}, nn.Activation { "relu" },
      nn.Conv2D { 20, kernel = 3, padding = "same" }, nn.BatchNorm {} }, nn.Activation { "relu" } }
  end },
  { fusion = "residual", shape = { 6 }, layers = function()
    return { nn.Residual { nn.Dense { 6, activation = "tanh" }, nn.BatchNorm {} }, nn.Activation { "tanh" } }
  end },
  { fusion = "residual", shape = { 4, 4, 2 }, layers = function()
    return { nn.Residual { nn.BatchNorm {} }, nn.Activation { "relu" } }
  end },
  { shape = { 6, 6, 3 }, layers = function() -- inside a residual, and a sequence inside it
    return { nn.Residual { nn.Sequential { nn.Conv2D { 3, kernel = 3, padding = "same" }, nn.Activation { "relu" } } } }
  end },
}

local tolerance = { float32 = 2e-4, float64 = 1e-11 }

local function near(a, b, within, what)
  assert.same(a.shape, b.shape, what)
  local worst = (a - b):abs():max():item()
  local size = b:abs():max():item() + 1
  assert(worst <= within * size, ("%s differs by %g"):format(what, worst))
end

local function run(net, x, training, seed)
  local states = {}
  for i, w in ipairs(net:weights()) do states[i] = w:clone() end
  x.grad = nil
  for _, p in ipairs(net:parameters()) do p.grad = nil end
  peri.seed(11)
  local y = net(x, { training = training })
  y:backward(seed)
  local result = { y = y:detach(), dx = x.grad:clone(), grads = {}, after = {} }
  for i, p in ipairs(net:parameters()) do result.grads[i] = p.grad:clone() end
  peri.no_grad(function()
    for i, w in ipairs(net:weights()) do
      result.after[i] = w:clone()
      w:copy_(states[i])
    end
  end)
  return result
end

local function compare(case, dtype, training)
  peri.seed(5)
  local net = nn.Sequential(case.layers()):build(case.shape, dtype)
  peri.no_grad(function()
    for _, w in ipairs(net:weights()) do w:copy_(core.rand(w.shape, dtype) + 0.1) end -- variances too
    for _, w in ipairs(net:parameters()) do w:copy_(core.rand(w.shape, dtype) * 0.6 - 0.2) end
  end)
  local x = core.randn({ 3, table.unpack(case.shape) }, dtype):require_grad()
  local seed = core.randn({ 3, table.unpack(net.output_shape) }, dtype)
  local fused = run(net, x, training, seed)
  local plain = nn.fusion(false, run, net, x, training, seed)
  near(fused.y, plain.y, tolerance[dtype], "the result")
  near(fused.dx, plain.dx, tolerance[dtype], "the gradient of x")
  for i, g in ipairs(plain.grads) do near(fused.grads[i], g, tolerance[dtype], "gradient " .. i) end
  for i, w in ipairs(plain.after) do near(fused.after[i], w, tolerance[dtype], "weight or statistic " .. i) end
end

describe("a fused run", function()
  for at, case in ipairs(pairs_of_layers) do
    for _, dtype in ipairs { "float32", "float64" } do
      for _, training in ipairs { false, true } do
        it(("%d %s is its layers one by one, %s%s"):format(at, case.fusion or "nested", dtype,
          training and " in training" or ""), function() compare(case, dtype, training) end)
      end
    end
  end

  it("is known by name", function()
    local known = {}
    for _, fusion in ipairs(nn.fusions()) do
      known[fusion.name] = true
      assert.is_true(#fusion.doc > 20)
    end
    for _, case in ipairs(pairs_of_layers) do assert.is_true(case.fusion == nil or known[case.fusion]) end
  end)

  it("says the place and the shapes when the input does not fit", function()
    local net = nn.Sequential { nn.Dense { 2 }, nn.Dense { 3 }, nn.Activation { "relu" } }:build { 4 }
    local _, message = pcall(function() return net:run_c(2, 3, peri.zeros(2, 4), false) end)
    assert.matches("net%.2 Dense: .*built for samples of shape %(2,%).*got %(2, 4%)", message)
  end)
end)

describe("nn.fusion", function()
  it("switches and gives the state before", function()
    assert.is_true(nn.fusion())
    assert.is_true(nn.fusion(false))
    assert.is_false(nn.fusion(true))
    assert.is_true(nn.fusion())
  end)
  it("comes back after a function, and after its error", function()
    assert.same({ 1, 2 }, { nn.fusion(false, function(a, b)
      assert.is_false(nn.fusion())
      return a, b
    end, 1, 2) })
    assert.is_true(nn.fusion())
    assert.is_false(pcall(nn.fusion, false, error, "x"))
    assert.is_true(nn.fusion())
    assert.matches("true or false", select(2, pcall(nn.fusion, 1)))
  end)
end)
