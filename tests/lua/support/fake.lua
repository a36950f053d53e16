-- A world of nested tables: tensors, a core, a net with one weight, data and an optimiser, just enough for the
-- Lua code above the core to be tested on its own, deterministic and fast.
local fake = {}

-- --- tensors ------------------------------------------------------------------------------------------------

local Tensor = {}
Tensor.__index = Tensor
Tensor.__close = function() end

--- A nested table of numbers, or a number, as a tensor.
function fake.tensor(rows)
  if getmetatable(rows) == Tensor then rows = rows.rows end
  local shape, level = {}, rows
  while type(level) == "table" do
    shape[#shape + 1] = #level
    level = level[1]
  end
  if type(rows) == "table" and type(rows[1]) ~= "table" then rows = table.move(rows, 1, #rows, 1, {}) end
  return setmetatable({ rows = rows, shape = shape }, Tensor)
end

function Tensor:totable() return self.rows end
function Tensor:detach() return self end
function Tensor:numel() return #self.rows end
function Tensor:copy_(other) self.rows = fake.tensor(other).rows end

function Tensor:item()
  local value = self.rows
  while type(value) == "table" do value = value[1] end
  return value
end

function Tensor:argmax(axis)
  assert(axis == -1 and #self.shape == 2)
  local best = {}
  for i, row in ipairs(self.rows) do
    best[i] = 1
    for j, value in ipairs(row) do
      if value > row[best[i]] then best[i] = j end
    end
  end
  return fake.tensor(best)
end

-- --- the core ---------------------------------------------------------------------------------------------------

local function order(seed, epoch, count)
  local list, state = {}, (seed * 7919 + epoch * 104729 + 1) % 2147483647
  for i = 1, count do list[i] = i end
  for i = count, 2, -1 do
    state = state * 48271 % 2147483647
    local j = state % i + 1
    list[i], list[j] = list[j], list[i]
  end
  return list
end

--- A stand-in for perilune.core.
function fake.core()
  local core = { files = {}, flag = false, handlers = 0, now = 0 }
  local rng, recording = { key = 1, position = 0 }, true
  function core.write_file(path, bytes)
    local file <close> = assert(io.open(path, "wb"))
    assert(file:write(bytes))
  end
  function core.seed(n) rng = { key = n, position = 0 } end
  function core.rng_state() return { key = rng.key, position = rng.position } end
  function core.set_rng_state(state) rng = { key = state.key, position = state.position } end
  function core.random()
    rng.position = rng.position + 1
    return (rng.key * 48271 + rng.position * 16807 * rng.position) % 1009 / 1009
  end
  function core.grad_enabled() return recording end
  function core.set_grad_enabled(on)
    local before = recording
    recording = on
    return before
  end
  function core.interrupted() return core.flag end
  function core.interrupt_clear() core.flag = false end
  function core.interrupt_poll()
    if core.flag then
      core.flag = false
      error("interrupted", 0)
    end
  end
  function core.signal_interrupt(on) core.handlers = core.handlers + (on and 1 or -1) end
  function core.isatty() return false end
  function core.monotonic()
    core.now = core.now + 0.125
    return core.now
  end
  function core.arena() return { scope = function() return nil end, free = function() end } end
  core.tensor = fake.tensor
  function core.permutation(...) return fake.tensor(order(...)) end
  function core.save_safetensors(path, tensors, metadata)
    local kept = {}
    for name, tensor in pairs(tensors) do kept[name] = fake.tensor(tensor) end
    core.files[path] = { kept, metadata }
    assert(io.open(path, "w")):close()
  end
  function core.load_safetensors(path)
    if not core.files[path] then error(path .. ": no such file", 0) end
    return core.files[path][1], core.files[path][2]
  end
  return core
end

-- --- data, a net, an optimiser ------------------------------------------------------------------------------------

local Data = {}
Data.__index = Data
Data.__len = function(self) return #self.x end

--- Samples x (numbers) with targets y.
function fake.data(x, y) return setmetatable({ x = x, y = y }, Data) end

function Data:batches(options)
  local size = options[1]
  local list = options.shuffle and order(options.seed, options.epoch, #self.x) or nil
  local first = 1
  return function()
    if first > #self.x then return nil end
    local x, y = {}, {}
    for i = first, math.min(first + size - 1, #self.x) do
      local at = list and list[i] or i
      x[#x + 1], y[#y + 1] = self.x[at], self.y[at]
    end
    first = first + size
    return fake.tensor(x), fake.tensor(y)
  end
end

function Data:split(part)
  local cut = math.floor(#self.x * part + 0.5)
  local function piece(from, to)
    return fake.data(table.move(self.x, from, to, 1, {}), table.move(self.y, from, to, 1, {}))
  end
  return piece(1, cut), piece(cut + 1, #self.x)
end

local Net = {}
Net.__index = Net

--- A net that says w * x; in training each number is disturbed at random, as dropout does.
function fake.net(core, w) return setmetatable({ core = core, weight = fake.tensor { w or 0 }, calls = 0 }, Net) end

function Net:weights() return { self.weight } end
function Net:parameters() return { self.weight } end

function Net:save(path) self.saved = { path = path, weight = self.weight.rows[1] } end

function Net:__call(x, options)
  local w, rows = self.weight.rows[1], {}
  self.calls = self.calls + 1
  for i, value in ipairs(x.rows) do
    rows[i] = w * value * ((options and options.training) and 0.9 + 0.2 * self.core.random() or 1)
  end
  local prediction = fake.tensor(rows)
  prediction.x, prediction.net = x, self
  return prediction
end

--- The mean squared error, with weights.
function fake.loss(prediction, target, weights)
  local sum, slope, n = 0, 0, #target.rows
  for i, y in ipairs(target.rows) do
    local d = prediction.rows[i] - y
    local weight = weights and weights.rows[i] or 1
    sum, slope = sum + weight * d * d / n, slope + weight * 2 * d * prediction.x.rows[i] / n
  end
  local result = fake.tensor { sum }
  function result.backward() prediction.net.gradient = slope end
  return result
end

local Optimizer = {}
Optimizer.__index = Optimizer

--- Gradient descent with momentum on the net's one weight, on a schedule; with `ema` it averages.
function fake.optimizer(net, lr, ema)
  local driver = require("perilune.optim.schedules").driver(lr)
  return setmetatable({ net = net, driver = driver, velocity = 0, ema = ema, average = 0 }, Optimizer)
end

function Optimizer:zero_grad() self.net.gradient = nil end

function Optimizer:step()
  self.lr = self.driver:next()
  self.velocity = 0.5 * self.velocity - self.lr * self.net.gradient
  self.net.weight.rows[1] = self.net.weight.rows[1] + self.velocity
  if self.ema then self.average = 0.5 * self.average + 0.5 * self.net.weight.rows[1] end
end

function Optimizer:plan(...) self.driver:plan(...) end
function Optimizer:on_epoch(logs) self.driver:on_epoch(logs) end

function Optimizer:swap_ema()
  self.net.weight.rows[1], self.average = self.average, self.net.weight.rows[1]
end

function Optimizer:state()
  return { tensors = { velocity = fake.tensor { self.velocity }, average = fake.tensor { self.average } },
    plain = { driver = self.driver:state(), lr = self.lr } }
end

function Optimizer:restore(state)
  self.velocity, self.average = state.tensors.velocity.rows[1], state.tensors.average.rows[1]
  self.lr = state.plain.lr
  self.driver:restore(state.plain.driver)
end

--- Everything for a run: core (put in place of the real one), train, net, data, and options for fit.
function fake.world(given)
  given = given or {}
  local core = fake.core()
  for name in pairs(package.loaded) do
    if name:find "^perilune%.train" or name == "perilune.core" then package.loaded[name] = nil end
  end
  package.loaded["perilune.core"] = core
  local world = { core = core, train = require "perilune.train", net = fake.net(core, 0) }
  package.loaded["perilune.nn"] = { losses = { mean_squared_error = function(p, y)
    if type(p) == "table" and p.sample_weight then return fake.loss(p[1], p[2], p.sample_weight) end
    return fake.loss(p, y)
  end } }
  local x, y = {}, {}
  for i = 1, given.samples or 10 do
    x[i] = (i % 5 - 2) / 2
    y[i] = 3 * x[i] + (i % 3 - 1) / 10
  end
  world.data = fake.data(x, y)
  world.options = { loss = fake.loss, epochs = 4, batch = 3, seed = 5, verbose = 0,
    optimizer = fake.optimizer(world.net, given.lr or 0.1, given.ema) }
  return world
end

return fake
