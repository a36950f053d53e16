-- Metrics against counts made by hand.
local metrics = require "perilune.train.metrics"
local report = require "perilune.train.report"
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local fake = dofile(here .. "/support/fake.lua")

local T = fake.tensor

local function run(metric, ...)
  for _, batch in ipairs { ... } do metric:update(batch[1], batch[2], batch[3]) end
  return metric:result()
end

describe("accuracy", function()
  local prediction = T { { 0.1, 0.7, 0.2 }, { 0.8, 0.1, 0.1 }, { 0.2, 0.2, 0.6 }, { 0.3, 0.4, 0.3 } }

  it("takes labels from 0, one-hot rows and columns of labels alike", function()
    assert.equal(0.75, run(metrics.accuracy(), { prediction, T { 1, 0, 2, 0 } }))
    assert.equal(0.75, run(metrics.accuracy(), { prediction, T { { 1 }, { 0 }, { 2 }, { 0 } } }))
    assert.equal(0.75, run(metrics.accuracy(),
      { prediction, T { { 0, 1, 0 }, { 1, 0, 0 }, { 0, 0, 1 }, { 1, 0, 0 } } }))
  end)

  it("weighs batches by their size, and samples by their weights", function()
    local one = T { { 0.9, 0.1 } }
    local three = T { { 0.9, 0.1 }, { 0.9, 0.1 }, { 0.9, 0.1 } }
    assert.equal(0.5, run(metrics.accuracy(), { one, T { 1 } }, { three, T { 0, 0, 1 } }))
    assert.equal(0.9, run(metrics.accuracy(), { three, T { 0, 0, 1 }, { 4, 5, 1 } }))
  end)

  it("of one output is yes or no", function()
    assert.equal(0.75, run(metrics.accuracy(), { T { { 0.9 }, { 0.4 }, { 0.2 }, { 0.6 } }, T { 1, 1, 0, 1 } }))
    assert.equal(1.0, run(metrics.accuracy { threshold = 0 }, { T { 0.3, -0.2 }, T { { 1 }, { 0 } } }))
  end)

  it("refuses targets that do not go with the predictions", function()
    local ok, message = pcall(run, metrics.accuracy(), { prediction, T { 1, 0 } })
    assert.is_false(ok)
    assert.matches("%(4, 3%).*%(2%)", message)
    assert.has_error(function()
      run(metrics.accuracy(), { prediction, T { { 1, 0 }, { 1, 0 }, { 1, 0 }, { 1, 0 } } })
    end)
  end)
end)

describe("top_k", function()
  local prediction = T { { 0.1, 0.5, 0.4 }, { 0.6, 0.3, 0.1 }, { 0.2, 0.3, 0.5 } }

  it("counts a class among the k likeliest", function()
    assert.equal(1 / 3, run(metrics.top_k { 1 }, { prediction, T { 2, 1, 2 } }))
    assert.equal(1.0, run(metrics.top_k { 2 }, { prediction, T { 2, 1, 2 } }))
    assert.equal(2 / 3, run(metrics.of { "top_2" }[1], { prediction, T { 0, 1, 2 } }))
  end)

  it("says which label is no class", function()
    local ok, message = pcall(run, metrics.top_k { 2 }, { prediction, T { 0, 3, 2 } })
    assert.is_false(ok)
    assert.matches("label 3, but there are classes 0 to 2", message)
    assert.has_error(function() run(metrics.top_k { 2 }, { prediction, T { 0, -1, 2 } }) end)
  end)
end)

describe("confusion", function()
  -- truth:      0 0 0 1 1 2;  said: 0 0 1 1 1 1
  local said = T { { 1, 0, 0 }, { 1, 0, 0 }, { 0, 1, 0 }, { 0, 1, 0 }, { 0, 1, 0 }, { 0, 1, 0 } }
  local truth = T { 0, 0, 0, 1, 1, 2 }

  it("counts pairs and gives precision, recall and F1 of each class", function()
    local result = run(metrics.confusion { classes = { "cat", "dog", "cow" } }, { said, truth })
    assert.same({ { 2, 1, 0 }, { 0, 2, 0 }, { 0, 1, 0 } }, result.counts)
    assert.same({ class = "cat", precision = 1.0, recall = 2 / 3, f1 = 0.8, support = 3 }, result:of(1))
    assert.same({ class = "dog", precision = 0.5, recall = 1.0, f1 = 2 * 0.5 / 1.5, support = 2 }, result:of(2))
    assert.same({ class = "cow", precision = 0.0, recall = 0.0, f1 = 0.0, support = 1 }, result:of(3))
    assert.equal(4 / 6, result:accuracy())
    assert.equal(0.5, result:precision())
    local text = tostring(result)
    assert.matches("cow", text)
    assert.matches("0.8000", text)
  end)

  it("as single numbers are the means over the classes", function()
    assert.equal(0.5, run(metrics.of { "precision" }[1], { said, truth }))
    assert.equal((2 / 3 + 1) / 3, run(metrics.of { "recall" }[1], { said, truth }))
    assert.equal((0.8 + 2 / 3) / 3, run(metrics.of { "f1" }[1], { said, truth }))
  end)

  it("of one output has two classes", function()
    local result = run(metrics.confusion(), { T { 0.9, 0.2, 0.7 }, T { 1, 1, 0 } })
    assert.same({ { 0, 1 }, { 1, 1 } }, result.counts)
  end)

  it("refuses a label outside the classes", function()
    assert.has_error(function() run(metrics.confusion(), { T { { 1, 0 } }, T { 2 } }) end)
  end)

  it("goes on from its state", function()
    local a, b = metrics.confusion(), metrics.confusion()
    a:update(said, truth)
    b:restore(a:state())
    assert.same(a:result().counts, b:result().counts)
  end)

  it("keeps a report apart from later counting", function()
    local metric = metrics.confusion()
    local first = run(metric, { said, truth })
    metric:update(said, truth)
    assert.equal(2, first.counts[1][1])
  end)
end)

describe("metrics.of", function()
  it("takes Lua functions, named by their key, averaged over samples", function()
    local list = metrics.of { "accuracy", first = function(_, y) return y:totable()[1] end }
    assert.equal("accuracy", list[1].name)
    assert.equal("first", list[2].name)
    assert.equal(1.5, run(list[2], { T { { 1, 0 } }, T { 3 } }, { T { { 1, 0 }, { 1, 0 }, { 1, 0 } }, T { 1, 0, 0 } }))
  end)

  it("has errors of regression", function()
    local batch = { T { { 1 }, { 4 } }, T { 2, 2 } }
    assert.equal(1.5, run(metrics.of { "mae" }[1], batch))
    assert.equal(2.5, run(metrics.of { "mse" }[1], batch))
  end)

  it("lists the names for a wrong one", function()
    local ok, message = pcall(metrics.of, { "acuracy" })
    assert.is_false(ok)
    assert.matches("there is no 'acuracy'; there are acc, accuracy", message)
    assert.has_error(function() metrics.of { 3 } end)
    assert.has_error(function() run(metrics.of { function() return "x" end }[1], { T { 1 }, T { 1 } }) end)
  end)
end)

describe("a report", function()
  it("of nothing has zeros, no NaN", function()
    local empty = report.new { { 0, 0 }, { 0, 0 } }
    assert.equal(0.0, empty:accuracy())
    assert.equal(0.0, empty:f1())
    assert.is_string(tostring(empty))
  end)
end)
