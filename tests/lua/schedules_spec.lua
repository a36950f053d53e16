-- Learning-rate schedules against the rates that PyTorch and Keras give (tests/golden/schedules.py), and
-- the kinds of learning rate that are no schedule.
local cjson = require "cjson"
local schedules = require "perilune.optim.schedules"

local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."

local function golden()
  local file = assert(io.open(here .. "/../golden/schedules.json"))
  local text = file:read "a"
  file:close()
  return cjson.decode(text)
end

local function close(expected, actual, what)
  local tolerance = 1e-6 * math.max(math.abs(expected), 1e-6)
  assert(math.abs(expected - actual) <= tolerance, ("%s: expected %.9g, got %.9g"):format(what, expected, actual))
end

-- The position of the i-th golden rate, in the case's unit.
local positions = {
  epoch = function(i) return 0, (i - 1) * 10 + 1, i end,
  batch = function(i) return 0, i, 1 end,
  run = function(i, count) return (i - 1) / (count - 1), i, 1 end,
}

describe("schedules", function()
  for _, case in ipairs(golden().cases) do
    it("agrees with " .. case.name, function()
      local schedule = schedules[case.schedule == "warmup" and "of" or case.schedule](
        case.schedule == "warmup" and case.arguments.lr or case.arguments)
      if case.schedule == "warmup" then
        schedule = schedules.warmup { schedule, over = case.arguments.over, from = case.arguments.from }
      end
      for i, rate in ipairs(case.rates) do
        if case.kind == "plateau" then
          close(rate, schedule:rate(0, i, i), "epoch " .. i)
          if case.values[i] then schedule:on_epoch { [case.arguments.monitor or "val_loss"] = case.values[i] } end
        else
          close(rate, schedule:rate(positions[case.kind](i, #case.rates)), "point " .. i)
        end
      end
    end)
  end

  it("falls over the whole run by default", function()
    local line = schedules.linear { 1 }
    assert.equal(1, line:rate(0, 1, 1))
    assert.equal(0.25, line:rate(0.75, 76, 4))
    local cosine = schedules.cosine { 2 }
    close(1, cosine:rate(0.5, 1, 1), "half-way")
  end)

  it("names a mistyped argument and the right ones", function()
    local ok, message = pcall(schedules.cosine, { 0.1, restart = 3 })
    assert.is_false(ok)
    assert.matches("unknown argument 'restart'", message)
    assert.matches("restarts", message)
    assert.has_error(function() schedules.step { 0.1, every = 0 } end)
    assert.has_error(function() schedules.step { 0.1, every = 2, unit = "epochs" } end)
    assert.has_error(function() schedules.piecewise { boundaries = { 1, 2 }, values = { 1, 2 } } end)
    assert.has_error(function() schedules.cosine { 0.1, over = 2, restarts = 2 } end)
    assert.has_error(function() schedules.one_cycle { 0.1, peak = 1 } end)
  end)
end)

describe("a learning rate", function()
  it("is a number, a function, a coroutine or a schedule", function()
    assert.equal(0.5, schedules.of(0.5):rate(0, 1, 1))
    assert.equal(3.25, schedules.of(function(p, s, e) return p + s + e end):rate(0.25, 1, 2))
    local object = { rate = function(self, _, step) return self.base * step end, base = 2 }
    assert.equal(6, schedules.of(object):rate(0, 3, 1))
    assert.equal(0.5, schedules.of(schedules.of(0.5)):rate(0, 1, 1))
    local rates = schedules.of(coroutine.create(function(progress, step)
      assert(progress == 0 and step == 1)
      coroutine.yield(0.3)
      coroutine.yield(0.2)
    end))
    assert.equal(0.3, rates:rate(0, 1, 1))
    assert.equal(0.2, rates:rate(0, 2, 1))
    assert.equal(0.2, rates:rate(0, 3, 1))
    assert.equal(0.2, rates:rate(0, 4, 1))
  end)

  it("that is anything else says what is wanted", function()
    local ok, message = pcall(schedules.of, "fast")
    assert.is_false(ok)
    assert.matches("learning rate: a number, a function", message)
    assert.has_error(function() schedules.of(-1) end)
    assert.has_error(function() schedules.of(function() return 0 / 0 end):rate(0, 1, 1) end)
    assert.has_error(function() schedules.of(function() end):rate(0, 1, 1) end)
  end)

  it("that fails inside a coroutine shows where", function()
    local rates = schedules.of(coroutine.create(function() error "no more rates" end))
    local ok, message = pcall(rates.rate, rates, 0, 1, 1)
    assert.is_false(ok)
    assert.matches("no more rates", message)
    assert.matches("schedules_spec", message)
  end)
end)

describe("the driver", function()
  it("counts steps, epochs and progress", function()
    local seen = {}
    local driver = schedules.driver(function(progress, step, epoch)
      seen[#seen + 1] = { progress, step, epoch }
      return 1
    end)
    driver:plan(6, 3)
    for _ = 1, 6 do driver:next() end
    assert.same({ { 0, 1, 1 }, { 1 / 6, 2, 1 }, { 2 / 6, 3, 1 },
      { 3 / 6, 4, 2 }, { 4 / 6, 5, 2 }, { 5 / 6, 6, 2 } }, seen)
    driver:plan(4, 2, 2)
    driver:next()
    assert.same({ 0.5, 3, 2 }, seen[7])
  end)

  it("goes on where it was, whatever the kind", function()
    local kinds = {
      number = function() return 0.1 end,
      cosine = function() return schedules.cosine { 0.1, restarts = 2 } end,
      plateau = function() return schedules.warmup { schedules.reduce_on_plateau { 0.1, patience = 1 }, over = 5 } end,
      coroutine = function()
        return coroutine.create(function() for i = 1, 7 do coroutine.yield(1 / i) end end)
      end,
    }
    for name, make in pairs(kinds) do
      local whole, half = schedules.driver(make()), schedules.driver(make())
      local function run(driver, from, to)
        local rates = {}
        for i = from, to do
          rates[#rates + 1] = driver:next()
          if i % 2 == 0 then driver:on_epoch { val_loss = 1 } end
        end
        return rates
      end
      whole:plan(10, 2)
      half:plan(10, 2)
      run(whole, 1, 5)
      run(half, 1, 5)
      local again = schedules.driver(make())
      again:plan(10, 2)
      again:restore(half:state())
      assert.same(run(whole, 6, 10), run(again, 6, 10), name)
    end
  end)
end)
