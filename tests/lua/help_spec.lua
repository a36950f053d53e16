-- help(): every function that people see has a text.
local peri = require "perilune"
local core = require "perilune.core"
local inspect = require "perilune.repl.inspect"

local topics = { "nn", "nn.losses", "optim", "optim.schedules", "data", "plot", "train", "train.callbacks",
  "train.metrics", "train.history", "train.checkpoint", "image", "linalg", "display", "draw", "explain" }

local function told(f)
  local text = inspect.help(nil, f)
  local body = text:match "\n\n(.*)"
  return body ~= nil and not body:find "^A function in C" and not body:find "^Defined at"
end

local function untold(where, held, hidden)
  local names = {}
  for name, value in pairs(held) do
    if type(value) == "function" and not (hidden and hidden[name]) and not name:find "^_" and not told(value) then
      names[#names + 1] = where .. name
    end
  end
  table.sort(names)
  return names
end

describe("help", function()
  it("knows Lua's own functions, and tells them from ops of the same name", function()
    for _, module in ipairs { "string", "table", "io", "os", "coroutine", "utf8" } do
      assert.same({}, untold(module .. ".", package.loaded[module]))
    end
    assert.is_truthy(inspect.help(nil, "table.concat"):find("separator", 1, true))
    assert.is_truthy(inspect.help(nil, math.abs):find("without its sign", 1, true))
    assert.is_truthy(inspect.help(nil, "abs"):find("tensor", 1, true))
  end)

  it("has a text for every function of the library", function()
    assert.same({}, untold("peri.", peri))
    for _, path in ipairs(topics) do
      local held = peri
      for part in path:gmatch "[^.]+" do held = held[part] end
      assert.same({}, untold(path .. ".", held), path)
    end
  end)

  it("has a text for every method of tensors, layers, data sets, figures and histories", function()
    -- what the library's own modules call on layers
    local inner = { adopt = true, attached = true, build_c = true, config = true, forward_c = true, in_c = true,
      own_weights = true, run_c = true, set_built = true, weights_state = true }
    assert.same({}, untold("tensor:", core.tensor_methods))
    assert.same({}, untold("layer:", core.layer_methods, inner))
    local set = peri.data.tensors(peri.ones(2, 2))
    for _, name in ipairs { "batches", "one", "tensors", "labels", "counts", "subset", "take", "shuffle", "split",
      "normalise", "onehot", "augment", "map" } do
      assert.is_true(told(set[name]), name)
    end
  end)

  it("tells of layers by their constructors, and of losses by their short names", function()
    assert.matches("units: int", inspect.help(nil, peri.nn.Dense), 1, true)
    assert.matches("momentum", inspect.help(nil, peri.optim.SGD), 1, true)
    assert.matches("squared differences", inspect.help(nil, peri.nn.losses.mse), 1, true)
    assert.matches("both ends included", inspect.help(nil, peri.arange), 1, true)
  end)

  it("tells of an operation and of the layer of the same name, each with the way to the other", function()
    assert.matches('kernel: tensor.*nn%.Conv2D: help "Conv2D"', inspect.help(nil, "conv2d"))
    assert.matches('filters: int.*peri%.conv2d: help "conv2d"', inspect.help(nil, "Conv2D"))
    assert.matches('peri%.max_pool2d: help "max_pool2d"', inspect.help(nil, peri.nn.MaxPool2D))
    assert.is_nil(inspect.help(nil, "matmul"):find("layer of that name", 1, true))
  end)

  it("says where a function that another one made got its name", function()
    local number = 0
    for line in io.lines(package.searchpath("perilune.plot", package.path)) do
      number = number + 1
      if line:find "^plot%.scatter =" then break end
    end
    assert.matches("perilune/plot.lua:" .. number .. "$", inspect.help(nil, peri.plot.scatter))
    local session = require("perilune.repl.evaluate").session { globals = { plot = peri.plot } }
    local text = require("perilune.repl.look").answer(session, "plot.scatter??")
    assert.truthy(text:find('\nplot.scatter = shortcut "scatter"\n', 1, true))
    assert.truthy(text:find("return function(...)", 1, true))
  end)

  it("fits a terminal, and speaks of its keys there only", function()
    local notebook = inspect.help { notebook = true }
    for line in (inspect.help(nil) .. "\n" .. notebook):gmatch "[^\n]+" do assert.is_true(#line <= 79, line) end
    assert.matches("Ctrl%-C", inspect.help(nil))
    assert.is_nil(notebook:find("Ctrl", 1, true))
    assert.matches("Interrupting the kernel", notebook)
  end)
end)
