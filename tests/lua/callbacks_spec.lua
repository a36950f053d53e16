-- Callbacks on a net of one weight: when they are called, with what, and what the ready-made ones do.
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local fake = dofile(here .. "/support/fake.lua")

local function fit(world, more)
  for name, value in pairs(more or {}) do world.options[name] = value end
  return world.train.fit(world.net, world.data, world.options)
end

-- A callback that plays the given values as val_loss, as if validation had given them.
local function play(values)
  return { on_epoch_end = function(_, epoch, logs) logs.val_loss = values[epoch] end }
end

local function lines(path)
  local list = {}
  for line in io.lines(path) do list[#list + 1] = line end
  return list
end

describe("callbacks", function()
  it("are called at every turning point, in order, with self, position, figures and run", function()
    local world, calls = fake.world(), {}
    local callback = {}
    for _, point in ipairs { "on_train_begin", "on_train_end" } do
      callback[point] = function(self, logs, run)
        assert(self == callback and type(logs) == "table" and run.net == world.net)
        calls[#calls + 1] = point
      end
    end
    for _, point in ipairs { "on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end" } do
      callback[point] = function(self, number, logs, run)
        assert(self == callback and type(logs) == "table" and run.net == world.net)
        calls[#calls + 1] = point .. " " .. number
      end
    end
    fit(world, { epochs = 2, batch = 5, callbacks = { callback } })
    local function epoch(n)
      return { "on_epoch_begin " .. n, "on_batch_begin 1", "on_batch_end 1", "on_batch_begin 2", "on_batch_end 2",
        "on_epoch_end " .. n }
    end
    local wanted = { "on_train_begin" }
    for n = 1, 2 do table.move(epoch(n), 1, 6, #wanted + 1, wanted) end
    wanted[#wanted + 1] = "on_train_end"
    assert.same(wanted, calls)
  end)

  it("may be plain functions, called at the end of an epoch", function()
    local world, seen = fake.world(), {}
    fit(world, { epochs = 3, callbacks = { function(epoch, logs) seen[epoch] = logs.loss end } })
    assert.equal(3, #seen)
  end)

  it("end training by returning true or stop", function()
    for _, answer in ipairs { true, "stop" } do
      local world = fake.world()
      assert.equal(2, #fit(world, { callbacks = { function(epoch) return epoch == 2 and answer end } }).epoch)
      local history = fit(fake.world(), { callbacks = { { on_batch_end = function(_, batch, _, run)
        return run.epoch == 2 and batch == 2 and answer
      end } } })
      assert.equal(1, #history.epoch)
      assert.equal(2, history.partial.batch)
    end
  end)

  it("that fail are named, and leave everything as it was after the batch", function()
    local world = fake.world()
    local ok, reason = pcall(fit, world, { callbacks = { { on_batch_end = function() end },
      { name = "mine", on_batch_end = function(_, batch, _, run)
        if run.epoch == 2 and batch == 3 then error "the cat sat on it" end
      end } } })
    assert.is_false(ok)
    assert.matches("callback 2 %(mine%), on_batch_end: .*the cat sat on it", reason)
    assert.matches("callbacks_spec", reason)
    assert.equal(7, world.options.optimizer.driver.step)
    fit(world, { callbacks = {} }) -- and training can go on
    local text
    ok, text = pcall(fit, fake.world(), { callbacks = { 3 } })
    assert.is_false(ok)
    assert.matches("callback 1: a table with on_epoch_end", text)
  end)
end)

describe("checkpoint", function()
  it("saves the net when it is the best so far", function()
    local world, saved = fake.world(), {}
    function world.net.save(_, path) saved[#saved + 1] = path end
    fit(world, { callbacks = { play { 4, 2, 3, 1 },
      world.train.callbacks.checkpoint { "best-{epoch}-{val_loss:.1f}.h5" } } })
    assert.same({ "best-1-4.0.h5", "best-2-2.0.h5", "best-4-1.0.h5" }, saved)
  end)

  it("saves every epoch when told so", function()
    local world, saved = fake.world(), {}
    function world.net.save(_, path) saved[#saved + 1] = path end
    fit(world, { callbacks = { world.train.callbacks.checkpoint { path = "last.h5", save_best_only = false } } })
    assert.equal(4, #saved)
  end)

  it("says what there is to monitor", function()
    local world = fake.world()
    local ok, reason = pcall(fit, world, { callbacks = { world.train.callbacks.checkpoint { "x.h5" } } })
    assert.is_false(ok)
    assert.matches("callback 1 %(checkpoint%).*there is no 'val_loss' to monitor; there are epoch, loss", reason)
    assert.has_error(function() world.train.callbacks.checkpoint {} end)
    assert.has_error(function() world.train.callbacks.checkpoint { "x", mode = "up" } end)
  end)
end)

describe("early_stopping", function()
  it("waits for patience epochs and restores the best weights", function()
    local world = fake.world()
    local kept = {}
    local history = fit(world, { epochs = 10, callbacks = { play { 5, 3, 4, 3, 3.5, 1 },
      function(epoch) kept[epoch] = world.net.weight.rows[1] end,
      world.train.callbacks.early_stopping { patience = 2, restore_best = true } } })
    assert.equal(4, #history.epoch)
    assert.equal(kept[2], world.net.weight.rows[1])
    assert.are_not.equal(kept[4], kept[2])
  end)

  it("takes only gains above min_delta, in the metric's direction", function()
    local world = fake.world()
    local history = fit(world, { epochs = 10, callbacks = { play { 5, 4.9, 4.85, 4.8, 1 },
      world.train.callbacks.early_stopping { patience = 2, min_delta = 0.5 } } })
    assert.equal(3, #history.epoch)
    world = fake.world()
    history = fit(world, { epochs = 4, callbacks = { function(epoch, logs) logs.val_accuracy = epoch end,
      world.train.callbacks.early_stopping { monitor = "val_accuracy", patience = 1 } } })
    assert.equal(4, #history.epoch)
  end)
end)

describe("logs", function()
  it("hold the rate of every batch", function()
    local world = fake.world { lr = function(_, step) return step / 100 end }
    local log = world.train.callbacks.lr_log()
    fit(world, { epochs = 1, callbacks = { log } })
    assert.same({ 0.01, 0.02, 0.03, 0.04 }, log.rates)
  end)

  it("are written as CSV, and can be appended to", function()
    local world, path = fake.world(), os.tmpname()
    fit(world, { epochs = 2, callbacks = { world.train.callbacks.csv_log { path } } })
    local first = lines(path)
    assert.equal("epoch,loss,lr,seconds", first[1])
    assert.matches("^1,%d+%.%d+,0%.1,%d", first[2])
    assert.equal(3, #first)
    fit(world, { epochs = 1, callbacks = { world.train.callbacks.csv_log { path, append = true } } })
    assert.equal(4, #lines(path))
    fit(world, { epochs = 1, callbacks = { world.train.callbacks.csv_log { path } } })
    assert.equal(2, #lines(path))
    os.remove(path)
  end)
end)

describe("terminate_on_nan", function()
  it("ends training at the first batch whose loss is no number", function()
    local world, count = fake.world(), 0
    local history = fit(world, { callbacks = { world.train.callbacks.terminate_on_nan() }, loss = function(...)
      count = count + 1
      local loss = fake.loss(...)
      if count == 6 then loss.rows = { 0 / 0 } end
      return loss
    end })
    assert.equal(6, count)
    assert.equal(1, #history.epoch)
  end)
end)

describe("lambda", function()
  it("takes functions without a self and refuses other names", function()
    local world, seen = fake.world(), {}
    fit(world, { epochs = 2, callbacks = { world.train.callbacks.lambda {
      on_train_begin = function() seen[#seen + 1] = "begin" end,
      on_epoch_end = function(epoch) seen[#seen + 1] = epoch end } } })
    assert.same({ "begin", 1, 2 }, seen)
    assert.has_error(function() world.train.callbacks.lambda { on_epoch = print } end)
  end)
end)
