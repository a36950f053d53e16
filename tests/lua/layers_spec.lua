-- Every row of layers.def, at the example of its descriptor: shapes, gradients, freezing, saving.
local peri = require "perilune"
local core = require "perilune.core"
local gradcheck = require "perilune.gradcheck"
local nn = peri.nn

-- "{3, kernel = 3} on 6, 5, 2" -> a maker of layers, and the shape of a sample
local function parse(info)
  local arguments, shape = info.example:match "^(%b{}) on (.+)$"
  local make = assert(load("return function(nn, name) return nn[name] " .. arguments .. " end"))()
  return function() return make(nn, info.name) end, assert(load("return {" .. shape .. "}"))()
end

local function shape_text(shape) return table.concat(shape, ", ") end

local function batch(info, shape, dtype)
  local full = { 3, table.unpack(shape) }
  if info.name == "Embedding" then return core.randint(0, 6, full) end
  return core.randn(full, dtype or "float32")
end

describe("the layer", function()
  for _, info in ipairs(core.layer_types()) do
    if info.example then
      local make, shape = parse(info)

      it(info.name .. " gives the shape it says, alone and in a net", function()
        peri.seed(1)
        local layer = make()
        assert.is_nil(layer.output_shape)
        local y = layer(batch(info, shape))
        local expected = { 3, table.unpack(layer.output_shape) }
        assert.equal(shape_text(expected), shape_text(y.shape))
        assert.equal("float32", y.dtype)
        peri.seed(1)
        local net = nn.Sequential { make() }
        local again = net(batch(info, shape))
        assert.is_true(again:equal(y))
      end)

      it(info.name .. " has the gradients that differences give", function()
        peri.seed(2)
        local layer = make():build(shape, "float64")
        local x = batch(info, shape, "float64")
        local inputs = { x }
        if x.dtype == "float64" then x:require_grad() end
        for _, w in ipairs(layer:parameters()) do inputs[#inputs + 1] = w end
        if x.dtype ~= "float64" and #inputs == 1 then return end
        local ok, message = gradcheck.check(function(input)
          peri.seed(5) -- dropout draws the same each time
          return layer(input, { training = true })
        end, inputs)
        assert(ok, message)
      end)

      it(info.name .. " can be frozen", function()
        local layer = make()
        layer.trainable = false
        layer:build(shape)
        assert.equal(0, #layer:parameters())
        layer.trainable = true
        for _, w in ipairs(layer:parameters()) do assert.is_true(w.requires_grad) end
      end)

      it(info.name .. " comes back from a file bit by bit", function()
        local path = os.tmpname() .. ".h5"
        peri.seed(3)
        local net = nn.Sequential { make() }
        net:build(shape)
        local x = batch(info, shape)
        for _, w in ipairs(net:weights()) do
          peri.no_grad(function() w:copy_(core.rand(w.shape) + 0.1) end)
        end
        net:save(path)
        local back = nn.load(path)
        os.remove(path)
        assert.is_true(back(x):equal(net(x)))
        assert.equal(net:summary(), back:summary())
      end)
    end
  end
end)

describe("containers", function()
  it("run layers in C and in Lua alike", function()
    peri.seed(4)
    local dense = nn.Dense { 4, activation = "tanh" }
    local pure = nn.Sequential { dense, nn.Dense { 3 } }
    pure:build { 5 }
    local x = peri.randn(2, 5)
    local mixed = nn.Sequential { dense, function(t) return t end, pure[2] }
    mixed:build { 5 }
    assert.is_true(mixed(x):equal(pure(x)))
    assert.equal(#pure:parameters(), #mixed:parameters())
  end)

  it("Residual adds its input, Concat joins its branches", function()
    local x = peri.randn(2, 3)
    local inner = nn.Dense { 3 }
    local residual = nn.Residual { inner }
    assert.is_true(residual(x):equal(inner(x) + x))
    local a, b = nn.Dense { 2 }, nn.Dense { 4 }
    local joined = nn.Concat { a, b, function(t) return t * 2 end }(x)
    assert.is_true(joined:equal(peri.cat({ a(x), b(x), x * 2 }, 2)))
  end)

  it("take objects with weights", function()
    local Scale = {}
    Scale.__index = Scale
    function Scale:build(shape) self.factor = peri.ones(shape[1]) end
    function Scale:parameters() return { factor = self.factor } end
    function Scale:forward(x, options)
      assert.is_boolean(options.training)
      return x * self.factor
    end
    local net = nn.Sequential { nn.Dense { 3 }, setmetatable({}, Scale), nn.Dense { 1 } }
    net:build { 2 }
    assert.equal(5, #net:parameters())
    net(peri.randn(4, 2)):sum():backward()
    for _, w in ipairs(net:parameters()) do assert.is_truthy(w.grad) end
  end)

  it("name the layer in an error", function()
    local function message(f) return select(2, pcall(f)) end
    assert.matches("net%.2 Conv2D: .*3 does not fit", message(function()
      nn.Sequential { nn.MaxPool2D { 2 }, nn.Conv2D { 4, kernel = 3 } }:build { 4, 4, 1 }
    end))
    assert.matches("net%.2%.1 Dense", message(function()
      nn.Sequential { nn.Dense { 3 }, nn.Sequential { nn.Dense { 0 } } }:build { 2 }
    end))
    assert.matches("net%.2", message(function()
      nn.Sequential { nn.Dense { 3 }, function(x) return x:matmul(x) end }(peri.randn(2, 2))
    end))
    assert.matches("built for samples of shape %(4,%).*got %(2, 5%)", message(function()
      nn.Dense { 3 }:build { 4 }(peri.randn(2, 5))
    end))
    assert.matches("it takes units, activation", message(function() nn.Dense { 3, activaton = "relu" } end))
    assert.matches("it can be linear|relu", message(function() nn.Dense { 3, activation = "rely" } end))
    assert.matches("not built", message(function() nn.Dense { 3 }:parameters() end))
    assert.matches("called 'a'", message(function() nn.Sequential { nn.Dense { 1, name = "a" }, nn.Dense { 1, name = "a" } } end))
  end)

  it("give the fused run of layers the same result as the layers one by one", function()
    for _, pool in ipairs { 2, 3 } do
      for _, padding in ipairs { "valid", "same" } do
        peri.seed(6)
        local conv, max = nn.Conv2D { 5, kernel = 3, padding = padding, activation = "relu" }, nn.MaxPool2D { pool }
        local plain = nn.Conv2D { 5, kernel = 3, padding = padding }
        local fused, split = nn.Sequential { conv, max }, nn.Sequential { plain, nn.Activation { "relu" }, max }
        local x = peri.randn({ 2, 8, 9, 3 }, { requires_grad = true })
        fused:build { 8, 9, 3 }
        split:build { 8, 9, 3 }
        peri.no_grad(function()
          plain.kernel:copy_(conv.kernel)
          plain.bias:copy_(conv.bias)
        end)
        local y, steps = fused(x), max(conv(x))
        assert.is_true(((y - steps):abs():max():item()) < 1e-5)
        assert.is_true(((y - split(x)):abs():max():item()) < 1e-5)
        local seed = peri.randn(y.shape)
        local a = { peri.grad((y * seed):sum(), { x, conv.kernel, conv.bias }) }
        local b = { peri.grad((steps * seed):sum(), { x, conv.kernel, conv.bias }) }
        for i = 1, 3 do assert.is_true((a[i] - b[i]):abs():max():item() < 1e-4) end
      end
    end
  end)

  it("fuse no pool whose windows overlap or are padded", function()
    for _, pool in ipairs { { 3, stride = 2 }, { 2, padding = "same" }, { 2, stride = { 2, 1 } } } do
      peri.seed(7)
      local conv, max = nn.Conv2D { 4, kernel = 3, activation = "relu" }, nn.MaxPool2D(pool)
      local net = nn.Sequential { conv, max }
      local x = peri.randn(2, 9, 9, 2)
      local y = net(x)
      assert.equal(shape_text { 2, table.unpack(net.output_shape) }, shape_text(y.shape))
      assert.is_true(y:equal(max(conv(x))))
    end
  end)
end)

describe("initialisers", function()
  local function moments(name, shape)
    local t = core.initialise(peri.zeros(shape), name)
    return t:mean():item(), (t * t):mean():item(), t
  end
  it("have the variance of their formula", function()
    peri.seed(8)
    local cases = { glorot_uniform = 2 / 500, glorot_normal = 2 / 500, he_uniform = 2 / 200, he_normal = 2 / 200,
      lecun_uniform = 1 / 200, lecun_normal = 1 / 200, random_normal = 0.0025, random_uniform = 0.01 / 12 }
    for name, variance in pairs(cases) do
      local mean, square = moments(name, { 200, 300 })
      assert(math.abs(mean) < 0.02 * math.sqrt(variance), name)
      assert(math.abs(square / variance - 1) < 0.03, name .. " has variance " .. square)
    end
    local _, _, kernel = moments("glorot_uniform", { 3, 3, 8, 16 })
    assert.is_true(kernel:abs():max():item() <= math.sqrt(6 / (9 * 8 + 9 * 16)))
  end)
  it("are orthogonal where they say so", function()
    for _, shape in ipairs { { 6, 4 }, { 4, 6 }, { 5, 5 } } do
      local _, _, q = moments("orthogonal", shape)
      local small = shape[1] < shape[2] and q:matmul(q.T) or q.T:matmul(q)
      assert.is_true((small - peri.eye(#small)):abs():max():item() < 1e-5)
    end
  end)
end)
