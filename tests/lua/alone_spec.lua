local alone = require "perilune.alone"
local core = require "perilune.core"

describe("perilune.alone", function()
  local before

  before_each(function()
    before = core.threads()
    core.threads(3)
  end)

  after_each(function() core.threads(before) end)

  it("calls on one thread and gives back what there was", function()
    local during
    alone(function() during = core.threads() end)
    assert.are.equal(1, during)
    assert.are.equal(3, core.threads())
  end)

  it("hands arguments and results through, nils as well", function()
    local results = table.pack(alone(function(...) return select("#", ...), ..., nil end, "a", nil, "c"))
    assert.are.equal(3, results.n)
    assert.are.equal(3, results[1])
    assert.are.equal("a", results[2])
    assert.is_nil(results[3])
    assert.are.equal(0, select("#", alone(function() end)))
  end)

  it("gives the threads back when the function fails, and its error as it was", function()
    local reason = { "a table" }
    local ok, err = pcall(alone, function() error(reason) end)
    assert.is_false(ok)
    assert.are.equal(reason, err)
    assert.are.equal(3, core.threads())
    ok, err = pcall(alone, function() error("just so", 0) end)
    assert.is_false(ok)
    assert.are.equal("just so", err)
  end)

  it("may be called within itself", function()
    local inner
    alone(function() inner = alone(core.threads) end)
    assert.are.equal(1, inner)
    assert.are.equal(3, core.threads())
  end)
end)
