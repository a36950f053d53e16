-- net:plan(): which layers are one op, their work, and that looking changes nothing.
local peri = require "perilune"
local core = require "perilune.core"
local nn = peri.nn

local function digits()
  return nn.Sequential { nn.Conv2D { 32, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
    nn.Conv2D { 64, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 }, nn.Flatten {}, nn.Dropout { 0.5 },
    nn.Dense { 128, activation = "relu" }, nn.Dense { 10, activation = "softmax" } }
end

local function column(plan, field)
  local list = {}
  for i, step in ipairs(plan) do list[i] = step[field] or false end
  return list
end

describe("a net's plan", function()
  it("tells of the digit net what is one op and what it costs", function()
    local plan = digits():plan { 28, 28, 1, batch = 8 }
    assert.same({ "1-2", "3-4", "5", "6", "7", "8" }, column(plan, "layers"))
    assert.same({ "conv2d_pool", "conv2d_pool", "reshape", "dropout", "dense", "dense" }, column(plan, "op"))
    assert.same({ "dense", "softmax" }, plan[6].ops)
    assert.same({ 5, 5, 64 }, plan[2].shape)
    assert.same({ 320, 18496, 0, 0, 204928, 1290 }, column(plan, "parameters"))
    assert.equal(8 * 26 * 26 * 32 * 9, plan[1].multiplications)
    assert.equal(8 * 11 * 11 * 64 * 32 * 9, plan[2].multiplications)
    assert.equal(8 * 1600 * 128, plan[5].executed)
    assert.is_true(plan[2].executed <= 8 * 10 * 10 * 64 * 32 * 9) -- what the pool drops is never computed
    -- the kernel's gradient alone for the first layer; behind a pool one place in four
    assert.equal(8 * 13 * 13 * 32 * 9, plan[1].gradients)
    assert.equal(2 * 8 * 5 * 5 * 64 * 32 * 9, plan[2].gradients)
    assert.equal(2 * plan[5].executed, plan[5].gradients)
    assert.same({ "sparse", "sparse", "view", "dense", "dense", "dense" }, column(plan, "backward"))
    -- the input, and a byte for each pooled place
    assert.equal(8 * (28 * 28 * 4 + 13 * 13 * 32), plan[1].saved)
    assert.equal(8 * (13 * 13 * 32 * 4 + 5 * 5 * 64), plan[2].saved)
    assert.equal(plan[1].saved + plan[2].saved + plan[4].saved + plan[5].saved + plan[6].saved, plan.saved)
    assert.is_truthy(plan[5].update)
    assert.is_false(column(plan, "update")[4])
  end)

  it("shows every layer by itself without fusing, and no backward at inference", function()
    local net = digits()
    local plain = net:plan { 28, 28, 1, fuse = false }
    assert.same({ "1", "2", "3", "4", "5", "6", "7", "8" }, column(plain, "layers"))
    assert.is_true(nn.fusion())
    local running = net:plan { training = false, batch = 1 }
    assert.equal(0, running.saved)
    assert.same({ false, false, false, false, false, false }, column(running, "backward"))
    assert.equal("conv2d_pool", running[2].op)
  end)

  it("prints as a table of at most 100 columns", function()
    local text = tostring(digits():plan { 28, 28, 1 })
    for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 100, line) end
    assert.matches("\n1%-2 +conv2d_pool +%(13, 13, 32%) +320 ", text)
    assert.matches("forward, 32 samples: 84.2 M multiply%-adds", text)
    local compiled = tostring(digits():build({ 28, 28, 1 }):compile())
    assert.matches("\n3%-4 +conv2d_pool +%(5, 5, 64%)", compiled)
    assert.matches("one sample: 2.63 M multiply%-adds", compiled)
  end)

  it("goes into containers and layers in Lua", function()
    local net = nn.Sequential { nn.Residual { nn.Sequential { nn.Dense { 4 }, nn.Activation { "relu" } } },
      function(x) return x * 2 + 1 end, nn.Concat { nn.Dense { 2 }, nn.Sequential { nn.Dense { 3 }, function(x) return -x end } } }
    local plan = net:plan { 4, batch = 3 }
    assert.same({ "1.1.1-2", "1", "2", "3.1", "3.2.1", "3.2.2", "3" }, column(plan, "layers"))
    assert.same({ "dense", "add", "mul", "dense", "dense", "neg", "cat" }, column(plan, "op"))
    assert.equal("dense", plan[1].fused)
    assert.same({ "mul", "add" }, plan[3].ops)
    assert.same({ 5 }, plan[7].shape)
    assert.equal("1", nn.Dense { 2 }:plan({ 3 })[1].layers)
  end)

  it("leaves statistics, weights and the generator as they were", function()
    local net = nn.Sequential { nn.Dense { 4 }, nn.BatchNorm {}, nn.Dropout { 0.5 } }:build { 3 }
    peri.no_grad(function() net[2].moving_mean:copy_(peri.randn(4)) end)
    local before, state = net[2].moving_mean:clone(), core.rng_state()
    net:plan()
    assert.is_true(net[2].moving_mean:equal(before))
    assert.same(state, core.rng_state())
    for _, w in ipairs(net:parameters()) do assert.is_nil(w.grad) end
  end)

  it("says what it wants", function()
    local function message(...) return select(2, pcall(...)) end
    local net = nn.Dense { 2 }
    assert.matches("not built; give the shape", message(net.plan, net))
    net:build { 3 }
    assert.matches("built for samples of shape %(3%), not %(4%)", message(net.plan, net, { 4 }))
    assert.matches("batch must be 1 or more", message(net.plan, net, 0))
    assert.matches("got a string", message(net.plan, net, "x"))
    assert.matches("unknown argument 'fused'", message(net.plan, net, { fused = false }))
    local broken = nn.Sequential { function(x) return x:item() end }
    assert.is_false(pcall(broken.plan, broken, { 3 }))
    assert.is_true(nn.fusion())
    assert.is_true(core.set_grad_enabled(true))
  end)
end)
