-- peri.profile: calls and times of every op, forward and backward.
local peri = require "perilune"

local function row(profile, name)
  for _, entry in ipairs(profile) do
    if entry.name == name then return entry end
  end
end

describe("profile", function()
  local function work(rows)
    local w = peri.randn(6, 4)
    w.requires_grad = true
    for _ = 1, 3 do
      local loss = (peri.ones(rows, 6):matmul(w)):sum()
      loss:backward()
    end
    return w, "second"
  end

  it("counts calls both ways, one row a shape, and gives what the function gives", function()
    local profile, w, second = peri.profile(work, 5)
    assert.equal("second", second)
    assert.same({ 6, 4 }, w.shape)
    local product = row(profile, "matmul")
    assert.same({ 5, 6 }, product.shape)
    assert.equal(3, product.forward_calls)
    assert.equal(3, product.backward_calls)
    assert.is_true(product.forward > 0 and product.backward > 0)
  end)

  it("adds up to the time in all", function()
    local profile = peri.profile(work, 50)
    local sum = profile.elsewhere
    for i, entry in ipairs(profile) do
      sum = sum + entry.forward + entry.backward
      local before = profile[i - 1]
      assert.is_true(not before or before.forward + before.backward >= entry.forward + entry.backward)
    end
    assert.near(profile.seconds, sum, 1e-9)
    assert.is_true(profile.elsewhere > 0)
    assert.matches("matmul %(50, 6%) +6 ", tostring(profile))
  end)

  it("ends when the function raises, and is off afterwards", function()
    assert.error_matches(function() peri.profile(error, "halt") end, "halt")
    work(5)
    assert.is_nil(row(peri.profile(function() end), "matmul"))
  end)

  it("refuses another inside, and what is no function", function()
    assert.error_matches(function() peri.profile(function() peri.profile(work, 1) end) end, "under way")
    assert.error_matches(function() peri.profile(3) end, "wants a function")
  end)
end)
