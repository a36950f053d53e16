-- Random numbers: moments, ranges, and the same numbers from the same seed.
local peri = require "perilune"
local core = require "perilune.core"

local n = 100000
local function close(expected, actual, tolerance)
  assert(math.abs(expected - actual) <= tolerance, ("%g where %g was expected, within %g"):format(actual, expected, tolerance))
end

describe("random numbers", function()
  before_each(function() peri.seed(1234) end)

  for _, dtype in ipairs { "float32", "float64" } do
    it("uniform, " .. dtype, function()
      local x = peri.rand(n, dtype)
      close(0.5, x:mean():item(), 0.005)
      close(1 / 12, x:var():item(), 0.002)
      assert.is_true(x:min():item() >= 0 and x:max():item() < 1)
      local counts = x:histogram(10, 0, 1)
      for i = 1, 10 do close(n / 10, counts[i], 500) end
    end)

    it("normal, " .. dtype, function()
      local x = peri.randn(n, dtype)
      close(0, x:mean():item(), 0.02)
      close(1, x:std():item(), 0.02)
      close(0, (x ^ 3):mean():item(), 0.06)
      close(3, (x ^ 4):mean():item(), 0.15)
      close(0.6827, x:abs():lt(1):double():mean():item(), 0.01)
    end)
  end

  it("integers hold both ends, evenly", function()
    local counts = peri.randint(0, 5, n):bincount(6)
    assert.equal(6, #counts)
    for i = 1, 6 do close(n / 6, counts[i], 600) end
  end)

  it("permutations hold every position once, any place alike", function()
    assert.same(peri.arange(1000, "int64"):totable(), (peri.randperm(1000):sort()):totable())
    local first = peri.zeros(4, "int64")
    for _ = 1, 4000 do
      local at = peri.randperm(4)[1]
      first[at] = first[at] + 1
    end
    for i = 1, 4 do close(1000, first[i], 150) end
  end)

  it("bernoulli", function()
    local x = peri.full({ n }, 0.3):bernoulli()
    close(0.3, x:mean():item(), 0.01)
    assert.same({ 0.0, 1.0 }, (x:unique()):totable())
    assert.same({ 0.0, 1.0 }, peri.tensor({ 0, 1 }):bernoulli():totable())
    assert.error_matches(function() peri.tensor({ 1.5 }):bernoulli() end, "in %[0, 1%], one is 1.5")
  end)

  it("multinomial with replacement has the weights' shares", function()
    local counts = (peri.tensor({ 1, 0, 3 }):multinomial(n, true) - 1):bincount(3)
    close(0.25 * n, counts[1], 600)
    assert.equal(0, counts[2])
    assert.same({ 2, 5 }, peri.rand(2, 4):multinomial(5, true).shape)
  end)

  it("multinomial without replacement draws each place once, the heavy first", function()
    local first = 0
    for _ = 1, 2000 do
      local drawn = peri.tensor({ 1, 3, 0 }):multinomial(2):totable()
      assert.is_true(drawn[1] ~= drawn[2] and drawn[1] < 3 and drawn[2] < 3)
      if drawn[1] == 2 then first = first + 1 end
    end
    close(1500, first, 120)
    assert.error_matches(function() peri.tensor({ 1, 0 }):multinomial(2) end, "1 weights are positive, not enough for 2")
    assert.error_matches(function() peri.tensor({ -1, 0 }):multinomial(1) end, "a weight is %-1")
  end)

  it("in place", function()
    local x = peri.zeros(n):uniform_(2, 4)
    close(3, x:mean():item(), 0.02)
    x:normal_(5, 2)
    close(5, x:mean():item(), 0.05)
    close(2, x:std():item(), 0.05)
    assert.error_matches(function() peri.zeros(2, "int64"):normal_() end, "float32 or float64")
  end)

  it("are the same from the same seed, and others from another", function()
    local function draw(seed)
      peri.seed(seed)
      return { peri.rand(5), peri.randn(5), peri.randint(1, 1000, 5), peri.randperm(9), peri.rand(7):multinomial(3),
        peri.rand(6):bernoulli() }
    end
    local a, b, c = draw(7), draw(7), draw(8)
    for i = 1, #a do assert.is_true(a[i]:equal(b[i])) end
    assert.is_false(a[1]:equal(c[1]))
    assert.is_false(a[2]:equal(c[2]))
  end)

  it("go on from a saved state", function()
    peri.rand(3)
    local state = core.rng_state()
    local a = peri.randn(4)
    core.set_rng_state(state)
    assert.is_true(peri.randn(4):equal(a))
  end)
end)
