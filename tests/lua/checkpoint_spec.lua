-- Training checkpoints on a net of one weight: a run that stops and goes on is the run that never stopped.
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local fake = dofile(here .. "/support/fake.lua")

local function fit(world, more)
  for name, value in pairs(more or {}) do world.options[name] = value end
  return world.train.fit(world.net, world.data, world.options)
end

local path

-- A fresh world, as after a restart of the process, that still has the files of an earlier one.
local function reborn(earlier, given)
  local world = fake.world(given)
  world.core.files = earlier.core.files
  return world
end

local function rates()
  return { lr = { rate = function(_, progress, step) return 0.1 * (1 - progress) / step ^ 0.1 end } }
end

local function options(world)
  return { metrics = { "mae" }, validation = 0.2, epochs = 4, callbacks = { world.train.callbacks.lr_log() } }
end

-- Figures without the seconds, which no two runs share.
local function figures(history)
  local columns = history:columns()
  columns.seconds = nil
  return columns
end

describe("a training checkpoint", function()
  before_each(function() path = os.tmpname() os.remove(path) end)
  after_each(function() os.remove(path) end)

  -- Runs the whole; then a second time stopping after `stop` batches, resuming in a fresh world.
  local function compare(stop, every, end_it)
    local whole = fake.world(rates())
    local expected = fit(whole, options(whole))
    local first, count = fake.world(rates()), 0
    local more = options(first)
    more.checkpoint = every and { path, every = every } or path
    more.callbacks[2] = { on_batch_end = function()
      count = count + 1
      if count == stop then end_it(first) end
    end }
    pcall(fit, first, more)
    local second = reborn(first, rates())
    more = options(second)
    more.callbacks[2] = {}
    more.checkpoint, more.resume = path, true
    second.core.seed(99) -- must not matter
    more.seed = nil
    second.options.seed = nil
    local history = fit(second, more)
    assert.same(figures(expected), figures(history))
    assert.equal(whole.net.weight.rows[1], second.net.weight.rows[1])
    assert.equal(whole.options.optimizer.velocity, second.options.optimizer.velocity)
    assert.same(options(whole).callbacks[1].rates, {})
    assert.equal(12, #more.callbacks[1].rates)
  end

  it("makes 2 + 2 epochs equal 4", function()
    compare(6, nil, function(world) world.core.flag = true end) -- Ctrl-C in the last batch of epoch 2
    compare(7, nil, function(world) world.core.flag = true end) -- in the first of epoch 3
    compare(7, nil, function() error "power cut" end) -- goes on from the end of epoch 2
  end)

  it("goes on in the middle of an epoch", function()
    compare(5, nil, function(world) world.core.flag = true end)
    compare(6, 1, function() error "power cut" end)
  end)

  it("goes on from a run that was shorter", function()
    local first = fake.world()
    fit(first, { epochs = 2, checkpoint = path })
    local second = reborn(first)
    local history = fit(second, { epochs = 4, resume = path })
    local whole = fake.world()
    assert.same(figures(fit(whole, { epochs = 4 })), figures(history))
    assert.equal(whole.net.weight.rows[1], second.net.weight.rows[1])
  end)

  it("keeps the best weights of early stopping", function()
    local first = fake.world()
    local values = { 1, 2, 3, 4, 5 }
    local function more(world)
      return { epochs = 4, checkpoint = path, resume = true, callbacks = {
        function(epoch, logs) logs.val_loss = values[epoch] end,
        world.train.callbacks.early_stopping { patience = 3, restore_best = true } } }
    end
    local best
    local stopping = more(first)
    stopping.callbacks[3] = function(epoch)
      best = best or first.net.weight.rows[1]
      if epoch == 2 then error "power cut" end
    end
    pcall(fit, first, stopping)
    local second = reborn(first)
    local going_on = more(second)
    going_on.callbacks[3] = {}
    local history = fit(second, going_on)
    assert.equal(4, #history.epoch)
    assert.equal(best, second.net.weight.rows[1])
  end)

  it("starts afresh with resume = true when there is none", function()
    local world = fake.world()
    assert.equal(4, #fit(world, { checkpoint = path, resume = true }).epoch)
  end)

  it("is refused where it does not fit", function()
    local first = fake.world()
    fit(first, { epochs = 1, checkpoint = path })
    local function refusal(more, given)
      local world = reborn(first, given)
      more.resume = path
      local ok, reason = pcall(fit, world, more)
      assert.is_false(ok)
      assert.matches(path, reason, 1, true)
      return reason
    end
    assert.matches("a batch size of 3, this run has 4", refusal { batch = 4 })
    assert.matches("a number of samples of 10, this run has 12", refusal({}, { samples = 12 }))
    assert.matches("a number of metrics of 0, this run has 1", refusal { metrics = { "mae" } })
    first.core.files[path][1]["weights/1"] = fake.tensor { 1, 2 }
    assert.matches("weight 1 of the net has shape %(1%), its value %(2%)", refusal {})
    first.core.files[path][2] = {}
    assert.matches("no training checkpoint", refusal {})
    first.core.files[path][2] = { perilune = "{" }
    assert.matches("cannot be read", refusal {})
    first.core.files[path][2] = { perilune = '{"sversion": "i7"}' }
    assert.matches("version 7, this Perilune reads version 1", refusal {})
    local ok = pcall(fit, fake.world(), { resume = "/no/such/file" })
    assert.is_false(ok)
  end)
end)

describe("exact", function()
  local exact = require "perilune.train.exact"

  it("keeps every number and text", function()
    local value = { 0.1, 1 / 3, 5e-324, 2 ^ 53, 1.0, -0.0, math.huge, -math.huge, 1e300, math.maxinteger,
      math.mininteger, true, false, "a\n\"é\\u12\0b\127", {}, { [3] = 1, [2.5] = "x", a = { { b = 2 } } } }
    local back = exact.decode(exact.encode(value))
    assert.same(value, back)
    for i, item in ipairs(value) do assert.equal(math.type(item), math.type(back[i])) end
    assert.equal("-0.0", tostring(back[6]))
    back = exact.decode(exact.encode { a = 0 / 0 })
    assert.is_true(back.a ~= back.a)
  end)

  it("says where it is wrong", function()
    for _, text in ipairs { "{", "[1]", '["x1"]', '["i1.5"]', '["fx"]', "null", '{"a": true}', "" } do
      assert.has_error(function() exact.decode(text) end, nil, text)
    end
    assert.has_error(function() exact.encode { print } end)
  end)
end)
