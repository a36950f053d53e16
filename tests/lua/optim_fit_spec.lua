-- net:fit with the real optimisers: it learns, and a run cut in two by a checkpoint ends with the same bits.
local peri = require "perilune"
local train = require "perilune.train"
local nn, optim = peri.nn, peri.optim

local function world()
  peri.seed(3)
  local x = peri.randn(96, 5)
  local y = x:sum(2):reshape(96, 1)
  local net = nn.Sequential { nn.Dense { 8, activation = "tanh" }, nn.Dropout { 0.1 }, nn.Dense { 1 } }
  net:build { 5 }
  return net, peri.data.tensors(x, y)
end

local function fit(net, set, optimizer, epochs, more)
  local options = { epochs = epochs, batch = 16, loss = "mse", optimizer = optimizer, verbose = 0, seed = 5 }
  for key, value in pairs(more or {}) do options[key] = value end
  return train.fit(net, set, options)
end

local function bits(net)
  local all = {}
  for i, weight in ipairs(net:weights()) do all[i] = weight:totable() end
  return all
end

describe("net:fit", function()
  it("learns with every optimiser, made or named, and follows its schedule", function()
    for _, name in ipairs { "SGD", "Adam", "AdamW", "RMSprop", "Adagrad" } do
      local net, set = world()
      local history = fit(net, set, optim[name] { lr = optim.schedules.cosine { 0.05 } }, 6)
      assert.is_true(history.loss[6] < history.loss[1], name)
      assert.is_true(history.lr[6] < history.lr[1], name)
    end
    local net, set = world()
    fit(net, set, "rmsprop", 1)
    fit(net, set, nil, 1)
  end)

  it("resumes with the same bits", function()
    local path = os.tmpname()
    for name, given in pairs { Adam = { ema = 0.9, amsgrad = true }, SGD = { momentum = 0.9, nesterov = true } } do
      local function made()
        local own = { lr = function(_, step) return 0.1 / step end }
        for key, value in pairs(given) do own[key] = value end
        return optim[name](own)
      end
      os.remove(path)
      local whole, set = world()
      fit(whole, set, made(), 4)
      local first, same = world()
      fit(first, same, made(), 2, { checkpoint = path })
      local second, again = world()
      fit(second, again, made(), 4, { checkpoint = path, resume = true })
      assert.same(bits(whole), bits(second))
      assert.are_not.same(bits(first), bits(second))
    end
    os.remove(path)
  end)

  it("leaves frozen layers alone, and takes up what thaws", function()
    local net, set = world()
    local opt = optim.Adam {}
    net[1].trainable = false
    local before = net[1].kernel:totable()
    fit(net, set, opt, 1)
    assert.same(before, net[1].kernel:totable())
    assert.equal(2, #opt)
    net[1].trainable = true
    fit(net, set, opt, 1)
    assert.equal(4, #opt)
    assert.are_not.same(before, net[1].kernel:totable())
  end)

  it("says so when the optimiser belongs to another net", function()
    local one, set = world()
    local other = world()
    local opt = optim.Adam {}
    fit(one, set, opt, 1)
    local ok, message = pcall(fit, other, set, opt, 1)
    assert.is_false(ok)
    assert.matches("make a new optimizer for another net", message)
  end)
end)
