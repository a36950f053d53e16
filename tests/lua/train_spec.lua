-- The training loop on a net of one weight (support/fake.lua): order of events, figures, options, interruption.
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local fake = dofile(here .. "/support/fake.lua")

local function fit(world, more)
  for name, value in pairs(more or {}) do world.options[name] = value end
  return world.train.fit(world.net, world.data, world.options)
end

describe("fit", function()
  it("learns, and its history has one figure an epoch of each quantity", function()
    local world = fake.world()
    local history = fit(world, { epochs = 6, validation = 0.2, metrics = { "mae" } })
    assert.same({ "epoch", "loss", "mae", "val_loss", "val_mae", "lr", "seconds" }, history:names())
    for _, name in ipairs(history:names()) do assert.equal(6, #history[name], name) end
    assert.is_true(history.loss[6] < history.loss[1] / 5)
    assert.same({ 1, 2, 3, 4, 5, 6 }, history.epoch)
    assert.is_nil(history.interrupted)
    assert.is_true(math.abs(world.net.weight.rows[1] - 3) < 0.5)
  end)

  it("weighs batches by their size in the figures", function()
    local world = fake.world { samples = 4 }
    world.data.y = { 1, 1, 1, 5 }
    world.data.x = { 0, 0, 0, 0 } -- predictions stay 0: losses are 1, 1, 1, 25
    local history = fit(world, { epochs = 1, shuffle = false, batch = 3 })
    assert.equal(28 / 4, history.loss[1])
  end)

  it("holds back the last part for validation", function()
    local world = fake.world()
    local first = table.move(world.data.x, 1, 8, 1, {})
    local seen = {}
    fit(world, { epochs = 1, validation = 0.2, shuffle = false, batch = 100, loss = function(p, y)
      seen[#seen + 1] = p.x.rows
      return fake.loss(p, y)
    end })
    assert.same(first, seen[1])
    assert.equal(2, #seen[2])
  end)

  it("is the same for the same seed, and shuffles differently for another", function()
    local function run(seed)
      local world = fake.world()
      return fit(world, { seed = seed }).loss, world.net.weight.rows[1]
    end
    local a, wa = run(5)
    local b, wb = run(5)
    local _, wc = run(6)
    assert.same(a, b)
    assert.equal(wa, wb)
    assert.are_not.equal(wa, wc)
  end)

  it("weighs classes and samples", function()
    local function weight(more)
      local world = fake.world { samples = 6 }
      world.data.x, world.data.y = { 1, 1, 1, 1, 1, 1 }, { 0, 0, 0, 1, 1, 1 }
      fit(world, more)
      return world.net.weight.rows[1]
    end
    local plain = { epochs = 40, batch = 6, loss = "mean_squared_error" }
    assert.is_true(math.abs(weight(plain) - 0.5) < 0.05)
    plain.class_weights = { [1] = 3 }
    assert.is_true(math.abs(weight(plain) - 0.75) < 0.06)
    plain.class_weights, plain.sample_weights = nil, { 3, 3, 3, 1, 1, 1 }
    assert.is_true(math.abs(weight(plain) - 0.25) < 0.05)
    plain.batch = 2 -- weights follow their samples through the shuffling
    assert.is_true(weight(plain) < 0.4)
  end)

  it("gives the schedule the run's progress and the epoch's figures", function()
    local rates, heard = {}, {}
    local world = fake.world { lr = { rate = function(_, progress, step, epoch)
      rates[#rates + 1] = { progress, step, epoch }
      return 0.1
    end, on_epoch = function(_, logs) heard[#heard + 1] = logs.val_loss end } }
    fit(world, { epochs = 2, batch = 5, validation = fake.data({ 1 }, { 3 }) })
    assert.same({ { 0, 1, 1 }, { 0.25, 2, 1 }, { 0.5, 3, 2 }, { 0.75, 4, 2 } }, rates)
    assert.equal(2, #heard)
  end)

  it("starts at a later epoch", function()
    local world = fake.world()
    assert.same({ 3, 4 }, fit(world, { initial_epoch = 2 }).epoch)
  end)

  it("evaluates averaged weights, and leaves them in the net", function()
    local world = fake.world { ema = true }
    local during = {}
    fit(world, { epochs = 3, validation = fake.data({ 1 }, { 0 }), callbacks = { {
      on_epoch_end = function(_, _, logs) during[#during + 1] = { logs.val_loss, world.net.weight.rows[1] } end } } })
    for _, pair in ipairs(during) do assert.equal(pair[2] ^ 2, pair[1]) end
    assert.equal(during[3][2], world.net.weight.rows[1])
    local averaged, trained = world.net.weight.rows[1], world.options.optimizer.average
    assert.are_not.equal(averaged, trained)
    local first
    fit(world, { epochs = 1, callbacks = { { on_batch_begin = function()
      first = first or world.net.weight.rows[1]
    end } } })
    assert.equal(trained, first) -- a further run goes on from the trained ones
  end)

  it("refuses wrong options and says which are right", function()
    local world = fake.world()
    local function message(more)
      local options = {}
      for name, value in pairs(world.options) do options[name] = value end
      for name, value in pairs(more) do options[name] = value end
      local ok, reason = pcall(world.train.fit, world.net, world.data, options)
      assert.is_false(ok)
      return reason
    end
    assert.matches("unknown argument 'epoch'; it takes validation, epochs, batch", message { epoch = 3 })
    assert.matches("argument 'batch' wants integer", message { batch = "all" })
    assert.matches("batch must be 1 or more", message { batch = 0 })
    assert.matches("fraction between 0 and 1", message { validation = 2 })
    assert.matches("validation: wants a data set", message { validation = "test" })
    assert.matches("loss: a name, a function", message { loss = 3 })
    assert.matches("there is no loss 'mse'; there are mean_squared_error", message { loss = "mse" })
    assert.matches("want a loss that gives one value a sample", message { class_weights = { [0] = 2 } })
    assert.matches("class_weights", message { class_weights = { cat = 1 } })
    assert.matches("sample_weights: one weight a sample is wanted, 10; got 2", message { sample_weights = { 1, 2 } })
    assert.matches("optimizer", message { optimizer = 3 })
    assert.matches("resume = true wants checkpoint", message { resume = true })
    assert.matches("no 'acuracy'", message { metrics = { "acuracy" } })
    local ok, reason = pcall(world.train.fit, world.net, { 1, 2 }, world.options)
    assert.is_false(ok)
    assert.matches("wants a data set", reason)
    ok, reason = pcall(world.train.fit, world.net, fake.data({}, {}), world.options)
    assert.is_false(ok)
    assert.matches("the data set is empty", reason)
  end)

  it("puts Ctrl-C's handler back whatever happens", function()
    local world = fake.world()
    fit(world)
    assert.equal(0, world.core.handlers)
    pcall(fit, world, { callbacks = { { on_batch_end = function() error "no" end } } })
    assert.equal(0, world.core.handlers)
    assert.is_true(world.core.grad_enabled())
  end)
end)

describe("Ctrl-C", function()
  local function interrupted_at(step)
    local world, count = fake.world(), 0
    return world, { on_batch_end = function()
      count = count + 1
      if count == step then world.core.flag = true end
    end }
  end

  it("ends the epoch with history and net intact", function()
    local world, callback = interrupted_at(6) -- the second batch of epoch 2
    local history = fit(world, { callbacks = { callback } })
    assert.is_true(history.interrupted)
    assert.same({ 1 }, history.epoch)
    assert.equal(2, history.partial.epoch)
    assert.equal(2, history.partial.batch)
    assert.is_number(history.partial.loss)
    assert.is_false(world.core.flag)
    assert.equal(6, world.options.optimizer.driver.step)
    assert.equal(0, world.core.handlers)
  end)

  it("inside the core's work is the same, without the batch that was under way", function()
    local world, count = fake.world(), 0
    local history = fit(world, { loss = function(...)
      count = count + 1
      if count == 6 then error "lua/x.lua:3: interrupted" end
      return fake.loss(...)
    end })
    assert.is_true(history.interrupted)
    assert.equal(1, history.partial.batch)
    assert.equal(5, world.options.optimizer.driver.step)
  end)

  it("is told apart from an error that speaks of one", function()
    local world = fake.world()
    assert.has_error(function()
      fit(world, { loss = function() error "was interrupted by a cow" end })
    end)
  end)
end)

describe("evaluate", function()
  it("takes up the loss and the metrics of the last fit", function()
    local world = fake.world()
    fit(world, { metrics = { "mae" } })
    local result = world.train.evaluate(world.net, world.data)
    assert.is_number(result.loss)
    assert.is_number(result.mae)
    assert.matches("^loss %d.%d+, mae %d.%d+$", tostring(result))
    for _, batch in ipairs { 1, 3, 4, 10 } do
      local again = world.train.evaluate(world.net, world.data, { batch = batch, loss = fake.loss })
      assert.is_true(math.abs(result.loss - again.loss) < 1e-12)
      assert.is_true(math.abs(result.mae - again.mae) < 1e-12)
    end
  end)

  it("lists its options for a wrong one", function()
    local world = fake.world()
    local ok, reason = pcall(world.train.evaluate, world.net, world.data, { size = 3 })
    assert.is_false(ok)
    assert.matches("unknown argument 'size'; it takes batch", reason)
  end)
end)

describe("a history", function()
  local History = fake.world().train.history

  it("knows the best epoch", function()
    local history = History.new()
    for i, value in ipairs { 0.5, 0.9, 0 / 0, 0.7 } do
      history:append { epoch = i, val_accuracy = value, loss = value }
    end
    local value, epoch = history:best "val_accuracy"
    assert.same({ 0.9, 2 }, { value, epoch })
    value, epoch = history:best "loss"
    assert.same({ 0.5, 1 }, { value, epoch })
    local ok, reason = pcall(history.best, history, "accuracy")
    assert.is_false(ok)
    assert.matches("there is no 'accuracy'; there are epoch, loss, val_accuracy", reason)
  end)

  it("prints as a table, and is written as CSV and JSON", function()
    local history = History.new()
    history:append { epoch = 1, loss = 0.5, accuracy = 0.25, lr = 1e-3, seconds = 1.5 }
    history:append { epoch = 2, loss = 0.25, accuracy = 0.5, val_loss = 0.125, lr = 1e-3, seconds = 1.25 }
    local text = tostring(history)
    assert.matches("^epoch +loss +accuracy +val_loss +lr +seconds\n", text)
    assert.matches("1  0.5000    0.2500         %-", text)
    local path = os.tmpname()
    local function read()
      local file = assert(io.open(path .. ".x"))
      local all = file:read "a"
      file:close()
      return all
    end
    os.remove(path .. ".x")
    history:save(path .. ".csv")
    os.rename(path .. ".csv", path .. ".x")
    assert.equal("epoch,loss,accuracy,val_loss,lr,seconds\n1,0.5,0.25,,0.001,1.5\n2,0.25,0.5,0.125,0.001,1.25\n",
      read())
    history:save(path .. ".json")
    os.rename(path .. ".json", path .. ".x")
    local back = require("cjson").decode(read())
    assert.same({ 0.5, 0.25 }, back.loss)
    assert.equal(2, #back.val_loss)
    os.remove(path .. ".x")
    os.remove(path)
    assert.has_error(function() history:save "history.txt" end)
    local ok, reason = pcall(history.save, history, "/nowhere/at/all.csv")
    assert.is_false(ok)
    assert.matches("/nowhere/at/all.csv", reason)
  end)
end)
