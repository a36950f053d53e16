-- The functions and methods of tensors beyond the ops' own tests: values by hand, arguments, errors, types.
local peri = require "perilune"
local core = require "perilune.core"
local gradcheck = require "perilune.gradcheck"

local function long(list) return peri.tensor(list, "int64") end
local function near(expected, t, tolerance)
  local e = peri.tensor(expected, t.dtype)
  assert.same(e.shape, t.shape)
  assert(peri.allclose(t, e, { rtol = 0, atol = tolerance or 1e-5, equal_nan = true }), tostring(t) .. " where expected " .. tostring(e))
end
local nan, inf = 0 / 0, math.huge

describe("order", function()
  it("sorts with NaN last either way, and equal elements in place", function()
    local x = peri.tensor { 3, nan, 1, 2, -inf, 2 }
    local up, at = x:sort()
    near({ -inf, 1, 2, 2, 3, nan }, up)
    assert.same({ 5, 3, 4, 6, 1, 2 }, at:totable())
    local down, from = x:sort { descending = true }
    near({ 3, 2, 2, 1, -inf, nan }, down)
    assert.same({ 1, 4, 6, 3, 5, 2 }, from:totable())
  end)

  it("sorts every type and any axis, long lines as short ones", function()
    for _, dtype in ipairs { "float32", "float64", "int64", "uint8" } do
      for _, n in ipairs { 1, 2, 40, 300 } do
        peri.seed(n)
        local x = peri.randint(0, 255, { 3, n, 2 }):to(dtype)
        if dtype ~= "uint8" then x = x - 100 end
        for _, down in ipairs { false, true } do
          local model, values, at = x:totable(), x:sort(2, down)
          assert.is_true(x:gather(2, at):equal(values))
          assert.is_true(x:argsort(2, down):equal(at))
          for i = 1, 3 do
            for j = 1, 2 do
              local line = {}
              for k = 1, n do line[k] = { model[i][k][j], k } end
              table.sort(line, function(a, b)
                if a[1] ~= b[1] then return (a[1] < b[1]) ~= down end
                return a[2] < b[2]
              end)
              for k = 1, n do
                assert.equal(line[k][1], values[{ i, k, j }])
                assert.equal(line[k][2], at[{ i, k, j }])
              end
            end
          end
        end
      end
    end
  end)

  it("topk is the front of the order", function()
    peri.seed(5)
    local x = peri.randint(-50, 50, { 4, 1000 }):float()
    for _, k in ipairs { 0, 1, 7, 100, 900, 1000 } do
      for _, largest in ipairs { true, false } do
        local all, places = x:sort(2, largest)
        local values, at = x:topk(k, { largest = largest })
        assert.is_true(values:equal(all:slice(2, 1, k)))
        assert.is_true(at:equal(places:slice(2, 1, k)))
      end
    end
    assert.error_matches(function() x:topk(1001) end, "k is 1001, but axis 2")
  end)

  it("median, mode, unique", function()
    assert.equal(2.0, peri.tensor({ 1, 5, 3, 2 }):median():item())
    near({ 2, 5 }, (peri.tensor { { 1, 2, 3 }, { 9, 5, 4 } }:median(2)))
    near({ nan, 1 }, (peri.tensor { { 1, nan, 3 }, { 1, 1, 9 } }:median(2)))
    local values, counts = peri.tensor({ 3, 1, 3, 2, 1, 3 }):unique()
    near({ 1, 2, 3 }, values)
    assert.same({ 2, 1, 3 }, counts:totable())
    local most, times = long({ 4, 7, 7 }):mode()
    assert.same({ 7, 2 }, { most, times })
  end)
end)

describe("choice", function()
  it("where takes masks and numbers", function()
    local x = peri.tensor { -1, 2 }
    near({ 0.5, 2 }, peri.where(x:lt(0), 0.5, x))
    near({ { -1, 2 }, { 9, 9 } }, peri.where(peri.tensor({ { 1 }, { 0 } }, "uint8"), x, 9))
    assert.error_matches(function() peri.where(x, x, x) end, "must be a mask of uint8")
    assert.error_matches(function() peri.where(x:lt(0), x, x:double()) end, "do not mix")
    near({ 7, 2 }, x:masked_fill(x:lt(0), 7))
  end)

  it("histogram counts what is inside", function()
    local counts, edges = peri.tensor({ 0, 0.5, 1, 1.5, 2, 3, nan }):histogram(2, 0, 2)
    assert.same({ 2, 3 }, counts:totable())
    near({ 0, 1, 2 }, edges)
    assert.same({ 0, 2, 0 }, (peri.tensor({ 4, 4 }):histogram(3)):totable())
    assert.error_matches(function() peri.ones(2):histogram(0) end, "at least 1 bin")
    assert.error_matches(function() peri.ones(2):histogram { min = 2, max = 1 } end, "no range")
  end)

  it("one_hot and bincount take labels from 0", function()
    near({ { 1, 0 }, { 0, 1 } }, long({ 0, 1 }):one_hot(2))
    assert.error_matches(function() long({ 2 }):one_hot(2) end, "label 2 is not in 0 to 1")
    assert.error_matches(function() peri.ones(2):one_hot(2) end, "must be int64 or uint8")
    assert.same({ 1, 0, 2 }, long({ 2, 0, 2 }):bincount():totable())
    assert.error_matches(function() long({ -1 }):bincount() end, "count from 0")
  end)
end)

describe("shape", function()
  local x = peri.arange(24):reshape(2, 3, 4)

  it("stack, split, chunk, unbind", function()
    assert.same({ 2, 2, 3, 4 }, peri.stack({ x, x }).shape)
    assert.same({ 2, 3, 4, 2 }, peri.stack({ x, x }, -1).shape)
    assert.error_matches(function() peri.stack { x, x[1] } end, "tensor 2 has shape %(3, 4%)")
    for _, parts in ipairs { x:split(2, 3), x:split({ 1, 3 }, 3), x:chunk(3, 3), x:split(3, 2) } do
      assert.is_true(#parts >= 1)
    end
    assert.is_true(peri.cat(x:split({ 1, 3 }, 3), 3):equal(x))
    assert.is_true(peri.cat(x:chunk(3, 3), 3):equal(x))
    assert.is_true(peri.stack(x:unbind(2), 2):equal(x))
    assert.error_matches(function() x:split({ 1, 1 }, 3) end, "sizes sum to 2, but axis 3 has 4")
  end)

  it("flip, roll, tile, repeat_interleave", function()
    local v = peri.tensor { 1, 2, 3 }
    near({ 3, 2, 1 }, v:flip())
    near({ 3, 1, 2 }, v:roll(1))
    near({ 2, 3, 1 }, v:roll(-1, 1))
    near({ { 1, 2, 3, 1, 2, 3 }, { 1, 2, 3, 1, 2, 3 } }, v:tile(2, 2))
    near({ 1, 1, 2, 2, 3, 3 }, v:repeat_interleave(2))
    assert.is_true(x:flip { 1, 2 }:flip { 2, 1 }:equal(x))
  end)

  it("t, mT, movedim, view_as, narrow", function()
    assert.same({ 4, 3 }, x[1]:t().shape)
    assert.same({ 2, 4, 3 }, x:mT().shape)
    assert.same({ 4, 2, 3 }, x:movedim(3, 1).shape)
    assert.same({ 24 }, x:view_as(peri.zeros(24)).shape)
    near({ { 2, 3 } }, x[{ { 1 }, 1 }]:narrow(2, 2, 2))
  end)

  it("diag, diagonal, tril, triu, pad", function()
    local m = peri.arange(9):reshape(3, 3)
    near({ 1, 5, 9 }, m:diag())
    near({ 2, 6 }, m:diagonal(1))
    near({ 4, 8 }, m:diagonal(-1))
    near({}, m:diagonal(5))
    near({ { 0, 0 }, { 7, 0 } }, peri.tensor({ 7 }):diag(-1))
    near({ { 1, 0, 0 }, { 4, 5, 0 }, { 7, 8, 9 } }, m:tril())
    near({ { 0, 2, 3 }, { 0, 0, 6 }, { 0, 0, 0 } }, m:triu(1))
    near({ { 9, 9, 9 }, { 9, 1, 2 } }, peri.tensor({ { 1, 2 } }):pad({ 1, 0, 1, 0 }, 9))
  end)

  it("diff, meshgrid", function()
    near({ 3, 5 }, peri.tensor({ 1, 4, 9 }):diff())
    near({ 2 }, peri.tensor({ 1, 4, 9 }):diff(2))
    local a, b = peri.meshgrid(peri.tensor { 1, 2 }, peri.tensor { 5, 6, 7 })
    near({ { 1, 1, 1 }, { 2, 2, 2 } }, a)
    near({ { 5, 6, 7 }, { 5, 6, 7 } }, b)
  end)
end)

describe("statistics", function()
  local x = peri.tensor { { 1, 2, 4 }, { 3, 3, 3 } }

  it("var and std have PyTorch's correction", function()
    near({ 7 / 3, 0 }, x:var(2))
    near({ 14 / 9, 0 }, x:var { axis = 2, correction = 0 })
    near({ { math.sqrt(7 / 3) }, { 0 } }, x:std { axis = -1, keepdims = true })
    assert.error_matches(function() x:var { unbiased = true } end, "unknown argument 'unbiased'; it takes axis, correction, keepdims")
  end)

  it("norm, logsumexp, dot, outer, clamp, lerp", function()
    near(5, peri.tensor({ 3, -4 }):norm())
    near(7, peri.tensor({ 3, -4 }):norm(1))
    near(4, peri.tensor({ 3, -4 }):norm(inf))
    near(3, peri.tensor({ 3, -4 }):norm(-inf))
    near((27 + 64) ^ (1 / 3), peri.tensor({ 3, -4 }):norm(3))
    near(1000 + math.log(2), peri.tensor({ 1000, 1000 }):logsumexp(), 1e-3)
    near(-inf, peri.tensor({ -inf, -inf }):logsumexp())
    near(11, peri.dot(peri.tensor { 1, 2 }, peri.tensor { 3, 4 }))
    near({ { 3, 4 }, { 6, 8 } }, peri.outer(peri.tensor { 1, 2 }, peri.tensor { 3, 4 }))
    near({ 2, 2, 3 }, x[1]:clamp(2, 3))
    near({ 1, 2, 2 }, x[1]:clamp { max = 2 })
    near({ 2, 2.5, 3.5 }, x[1]:lerp(x[2], 0.5))
  end)

  it("cov and corrcoef", function()
    local rows = peri.tensor { { 1, 2, 3 }, { 1, 0, -1 } }
    near({ { 1, -1 }, { -1, 1 } }, rows:cov())
    near({ { 1, -1 }, { -1, 1 } }, rows:corrcoef())
  end)

  it("masks: tests and logic", function()
    local t = peri.tensor { 1, nan, inf, -inf, 0 }
    assert.same({ 0, 1, 0, 0, 0 }, t:isnan():totable())
    assert.same({ 0, 0, 1, 1, 0 }, t:isinf():totable())
    assert.same({ 1, 0, 0, 0, 1 }, t:isfinite():totable())
    local a, b = peri.tensor({ 0, 0, 1, 5 }, "uint8"), peri.tensor({ 0, 3, 0, 1 }, "uint8")
    assert.same({ 0, 0, 0, 1 }, a:logical_and(b):totable())
    assert.same({ 0, 1, 1, 1 }, a:logical_or(b):totable())
    assert.same({ 0, 1, 1, 0 }, a:logical_xor(b):totable())
    assert.same({ 1, 1, 0, 0 }, a:logical_not():totable())
    assert.equal(0, a:all():item())
    assert.equal(1, a:any():item())
    assert.equal(2, a:count_nonzero():item())
    assert.same({ 1, 0 }, peri.tensor({ { 1, 2 }, { 0, 1 } }):all(2):totable())
  end)
end)

describe("einsum", function()
  peri.seed(2)
  local a, b, c = peri.randn(2, 3, "float64"), peri.randn(3, 4, "float64"), peri.randn(4, 2, "float64")
  local s, u = peri.randn(5, 2, 3, "float64"), peri.randn(5, 3, 4, "float64")
  local square = peri.randn(3, 3, "float64")
  local cases = {
    { "ij,jk->ik", { a, b }, function() return a:matmul(b) end },
    { "ij,jk", { a, b }, function() return a:matmul(b) end },
    { "bij,bjk->bik", { s, u }, function() return s:matmul(u) end },
    { "ij,jk,kl->il", { a, b, c }, function() return a:matmul(b):matmul(c) end },
    { "ii->", { square }, function() return square:trace() end },
    { "ii", { square }, function() return square:trace() end },
    { "ii->i", { square }, function() return square:diag() end },
    { "ij->ji", { a }, function() return a:transpose() end },
    { "ba", { a }, function() return a:transpose() end },
    { "ij->", { a }, function() return a:sum() end },
    { "ij->j", { a }, function() return a:sum(1) end },
    { "ij,ij->ij", { a, a }, function() return a * a end },
    { "ij,ij->", { a, a }, function() return (a * a):sum() end },
    { "i,j->ij", { a[1], b[1] }, function() return peri.outer(a[1], b[1]) end },
    { "i,j->ji", { a[1], b[1] }, function() return peri.outer(b[1], a[1]) end },
    { "bij,jk->bik", { s, b }, function() return s:matmul(b) end },
    { "ij, kj -> ik", { a, square }, function() return a:matmul(square:transpose()) end },
    { "ij,kl->ijkl", { a, b }, function() return a:reshape(2, 3, 1, 1) * b end },
    { "i,i,i->i", { a[1], a[1], a[1] }, function() return a[1] ^ 3 end },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local got, wanted = peri.einsum(case[1], table.unpack(case[2])), case[3]()
      assert.same(wanted.shape, got.shape)
      assert.is_true(peri.allclose(got, wanted))
    end)
  end

  it("says what is wrong", function()
    local function refused(pattern, ...)
      local arguments = table.pack(...)
      assert.error_matches(function() peri.einsum(table.unpack(arguments, 1, arguments.n)) end, pattern)
    end
    refused("names 2 operands, but 1 tensors", "ij,jk->ik", a)
    refused("operand 1 has 2 axes", "ijk->i", a)
    refused("axis 'j' is 3 in one place and 4", "ij,kj->ik", a, b)
    refused("'z' of the result is on no operand", "ij->z", a)
    refused("'i' is twice in the result", "ij->ii", a)
    refused("no letter", "i1->i", a)
    refused("no tensor but number", "ij->ij", 4)
    refused("wants an equation", a)
  end)
end)

describe("gradients", function()
  peri.seed(9)
  local function input(...) return peri.randn(...):double():require_grad() end
  local cases = {
    var = { function(x) return x:var(2) end, input(3, 4) },
    std = { function(x) return x:std() end, input(3, 4) },
    logsumexp = { function(x) return x:logsumexp(1) end, input(3, 4) },
    norm = { function(x) return x:norm { p = 3, axis = 2 } end, input(3, 4) },
    roll = { function(x) return x:roll(1, 2) end, input(3, 4) },
    flip = { function(x) return x:flip { 1, 2 } end, input(3, 4) },
    tile = { function(x) return x:tile(2, 3) end, input(2, 2) },
    diag = { function(x) return x:diag(1) end, input(3) },
    tril = { function(x) return x:tril() end, input(3, 3) },
    pad = { function(x) return x:pad { 1, 2, 0, 1 } end, input(2, 3) },
    diff = { function(x) return x:diff() end, input(5) },
    stack = { function(x, y) return peri.stack({ x, y }, 2) end, input(3), input(3) },
    median = { function(x) return (x:median(2)) end, input(3, 4) },
    clamp = { function(x) return x:clamp(-0.3, 0.4) end, input(3, 4) },
    cov = { function(x) return x:cov() end, input(3, 4) },
    einsum = { function(x, y) return peri.einsum("bij,bkj->ik", x, y) end, input(2, 3, 4), input(2, 2, 4) },
    diagonal = { function(x) return peri.einsum("iij->j", x) end, input(3, 3, 2) },
    meshgrid = { function(x, y)
      local a, b = peri.meshgrid(x, y)
      return a * b
    end, input(3), input(2) },
  }
  for name, case in pairs(cases) do
    it("of " .. name, function() assert(gradcheck.check(case[1], { table.unpack(case, 2) })) end)
  end
end)

describe("arguments", function()
  local t, i = peri.ones(2, 3), long { 1, 2 }
  local wrong = {
    { "an unknown name", function() t:sum { axes = 1 } end, "unknown argument 'axes'; it takes x, axis, keepdims" },
    { "a wrong kind", function() t:sum "rows" end, "'axis' wants axes, got string %(rows%)" },
    { "axis 0", function() t:sum(0) end, "counts from 1" },
    { "an axis too far", function() t:sum(3) end, "axis 3 is out of range: there are 2 axes" },
    { "an axis twice", function() t:sum { 1, 1 } end, "named twice" },
    { "too many", function() t:exp(1) end, "too many arguments" },
    { "too few", function() peri.matmul(t) end, "argument 'b' is missing" },
    { "shapes", function() return t + peri.ones(4) end, "%(2, 3%).*%(4,%)" },
    { "types", function() return t + i end, "do not mix; convert one with" },
    { "a float with integers", function() return i + 0.5 end, "0.5.* is no integer, but the tensor is int64" },
    { "uint8 out of range", function() return i:byte() + 300 end, "does not fit into uint8" },
    { "text", function() return t + "x" end, "wants tensor, got string" },
    { "==", function() return t == peri.ones(2, 3) end, "a:eq%(b%)" },
    { "<", function() return t < t end, "a:lt%(b%)" },
    { "<=", function() return t <= t end, "a:le%(b%)" },
    { "item of many", function() t:item() end, "float32 %(2, 3%) has no single value" },
    { "a dtype", function() peri.zeros(2, "float16") end, "unknown element type 'float16'" },
    { "an option", function() peri.zeros(2, { type = "float64" }) end, "unknown option 'type'; it takes dtype, requires_grad" },
    { "ragged lists", function() peri.tensor { { 1, 2 }, { 3 } } end, "rectangular" },
    { "a negative size", function() peri.zeros(-1) end, "must not be negative" },
    { "a huge size", function() peri.zeros(1 << 40, 1 << 40) end, "too large" },
    { "an empty tensor whose strides do not fit", function() peri.zeros(0, 1 << 40, 1 << 40) end, "too large" },
    { "reshape", function() t:reshape(4, 2) end, "6 elements of shape %(2, 3%) do not fit shape %(4, 2%)" },
  }
  for _, case in ipairs(wrong) do
    it("(" .. case[1] .. ") are told", function() assert.error_matches(case[2], case[3]) end)
  end

  it("numbers may come first, and take the tensor's type", function()
    near({ 1, 0 }, 2 - peri.tensor { 1, 2 })
    near({ 2, 1 }, 2 / peri.tensor { 1, 2 })
    near({ 2, 4 }, 2 ^ peri.tensor { 1, 2 })
    assert.same({ 1, 0 }, (2 - i):totable())
    assert.equal("int64", (2 - i).dtype)
    assert.equal("float64", (1 + t:double()).dtype)
    assert.same({ 2, 1 }, (long { 5, -5 } % 3):totable())
    assert.same({ 1, -2 }, (long { 5, -5 } // 3):totable())
  end)
end)

describe("construction and change in place", function()
  it("likes", function()
    local t = peri.zeros(2, 3, "float64")
    for _, name in ipairs { "zeros_like", "ones_like", "rand_like", "randn_like", "empty_like" } do
      local u = t[name](t)
      assert.same({ { 2, 3 }, "float64" }, { u.shape, u.dtype })
    end
    assert.equal(7.0, t:full_like(7)[{ 1, 1 }])
    assert.equal("int64", t:zeros_like("int64").dtype)
  end)

  it("map and apply", function()
    local t = peri.tensor { { 1, 2 }, { 3, 4 } }
    near({ { 1, 4 }, { 9, 16 } }, t:map(function(v) return v * v end))
    near({ { 2, 3 }, { 4, 5 } }, t:apply(function(v) return v + 1 end))
    near({ { 2, 3 }, { 4, 5 } }, t)
    assert.error_matches(function() t:map(function() end) end, "gave nil for element 1")
  end)
end)

describe("npy files", function()
  local path = os.tmpname()
  local function file(kind) return path .. kind end
  teardown(function()
    os.remove(path)
    os.remove(file ".npy")
    os.remove(file ".npz")
  end)

  it("round-trip every type and layout", function()
    for _, dtype in ipairs { "float32", "float64", "int64", "uint8" } do
      for _, t in ipairs { peri.arange(6):reshape(2, 3), peri.arange(6):reshape(2, 3):transpose(), peri.tensor(5), peri.zeros(0, 3) } do
        t = t:to(dtype)
        peri.save(file ".npy", t)
        assert.is_true(peri.load(file ".npy"):equal(t))
      end
    end
    peri.save(file ".npz", { a = peri.ones(2), b = long { 3 } })
    local read = peri.load(file ".npz")
    assert.same({ 1.0, 1.0 }, read.a:totable())
    assert.same({ 3 }, read.b:totable())
  end)

  it("say what is wrong", function()
    assert.error_matches(function() peri.save("x.txt", peri.ones(1)) end, "must end in .npy")
    assert.error_matches(function() peri.save(file ".npy", { peri.ones(1) }) end, "holds one tensor")
    assert.error_matches(function() peri.save(file ".npz", peri.ones(1)) end, "tensors by name")
    assert.error_matches(function() peri.load "/nowhere/x.npy" end, "/nowhere/x.npy")
  end)
end)

describe("every op", function()
  it("has a word of documentation and an example", function()
    for _, name in ipairs(core.ops()) do
      local info = core.describe(name)
      assert.is_truthy(info.doc and info.example, name)
    end
  end)
end)
