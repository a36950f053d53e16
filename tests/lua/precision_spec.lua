-- peri.precision: how float32 is multiplied.
local peri = require "perilune"
local gradcheck = require "perilune.gradcheck"

describe("precision", function()
  after_each(function() peri.precision "float32" end)

  -- a number that bfloat16 does not hold, and its neighbour that it does
  local fine, coarse = 1 + 2 ^ -10, 1
  local function product(a, dtype) -- of more than two rows: those may stay float32
    dtype = dtype or "float32"
    return (peri.eye(4, dtype) * a):matmul(peri.eye(4, dtype))[{ 3, 3 }]
  end

  it("is float32 at first, and says what multiplies bfloat16", function()
    local name, unit = peri.precision()
    assert.equal("float32", name)
    local known = { amx = true, avx512bf16 = true, ["amx-emulated"] = true, emulated = true }
    assert.is_true(known[unit], unit)
    assert.equal(fine, product(fine))
  end)

  it("rounds what is multiplied in bf16, and goes back", function()
    assert.equal("bf16", (peri.precision "bf16"))
    assert.equal("bf16", (peri.precision()))
    assert.equal(coarse, product(fine))
    assert.equal("float32", (peri.precision "float32"))
    assert.equal(fine, product(fine))
  end)

  it("adds up in float32", function()
    peri.precision "bf16"
    local n = 3000 -- bfloat16 itself would stop at 256
    assert.equal(n, peri.ones(1, n):matmul(peri.ones(n, 1)):item())
    assert.equal(n, peri.ones(64, n):matmul(peri.ones(n, 64))[{ 7, 9 }])
  end)

  it("rounds the operands of convolutions, but not of those with one channel", function()
    peri.precision "bf16"
    local function once(channels)
      local x = peri.full({ 1, 3, 3, channels }, fine)
      local kernel = peri.full({ 1, 1, channels, 4 }, 1)
      return peri.conv2d(x, kernel)[{ 1, 1, 1, 1 }]
    end
    assert.equal(2 * coarse, once(2))
    assert.equal(fine, once(1))
  end)

  it("leaves tensors, float64, sums and elementwise arithmetic alone", function()
    peri.precision "bf16"
    assert.equal(fine, product(fine, "float64"))
    assert.equal("float32", peri.ones(2, 2):matmul(peri.ones(2, 2)).dtype)
    local t = peri.tensor { fine, fine }
    assert.equal(2 * fine, t:sum():item())
    assert.equal(fine * fine, (t * t)[1])
  end)

  it("passes the gradient check, which is float64's", function()
    peri.precision "bf16"
    local with = { dtype = "float64", requires_grad = true }
    assert(gradcheck.check(function(a, b) return a:matmul(b) end, { peri.randn({ 3, 4 }, with), peri.randn({ 4, 2 }, with) }))
    local x, kernel = peri.randn({ 2, 5, 5, 2 }, with), peri.randn({ 3, 3, 2, 3 }, with)
    assert(gradcheck.check(function(a, b) return peri.conv2d(a, b) end, { x, kernel }))
  end)

  it("gives the same bits with any number of threads", function()
    peri.precision "bf16"
    local before, want = peri.threads(), nil
    local a, b = peri.randn(130, 700), peri.randn(700, 90)
    local x, kernel = peri.randn(9, 13, 13, 6), peri.randn(3, 3, 6, 20)
    for _, threads in ipairs { 1, 2, 3, 8 } do
      peri.threads(threads)
      local got = { a:matmul(b), peri.conv2d(x, kernel) }
      want = want or got
      assert.is_true(got[1]:equal(want[1]) and got[2]:equal(want[2]), threads)
    end
    peri.threads(before)
  end)

  it("names the right ones when given another", function()
    for _, wrong in ipairs { "bfloat16", "", 16, true } do
      local ok, message = pcall(peri.precision, wrong)
      assert.is_false(ok)
      assert.matches('"float32" or "bf16"', message, 1, true)
      assert.matches("precision_spec.lua", message, 1, true)
    end
    assert.equal("float32", (peri.precision()))
  end)

  it("trains: a fit in bf16 learns what float32 learns", function()
    local function train(precision)
      peri.precision(precision)
      peri.seed(3)
      local x = peri.rand(256, 8, 8, 2)
      local y = (x:mean { axis = { 2, 3 } }:argmax(2) - 1)
      local nn = peri.nn
      local net = nn.Sequential { nn.Conv2D { 8, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 }, nn.Flatten {},
        nn.Dense { 16, activation = "relu" }, nn.Dense { 2, activation = "softmax" } }
      net:build { 8, 8, 2 }
      local history = net:fit(peri.data.tensors(x, y), { epochs = 30, batch = 32, verbose = 0,
        loss = "sparse_categorical_crossentropy", optimizer = peri.optim.Adam { lr = 0.01 } })
      return history.loss[1], history.loss[#history.loss]
    end
    local _, wide = train "float32"
    local first, narrow = train "bf16"
    assert.is_true(narrow < 0.3 * first and narrow < 2 * wide + 0.05, ("%g, %g, %g"):format(first, narrow, wide))
  end)
end)
