-- Linear algebra: properties, NumPy's answers, and inputs that are wrong, empty or strided.
local peri = require "perilune"
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local golden = dofile(here .. "/support/golden.lua")

if not package.searchpath("perilune.linalg", package.cpath) then
  pending "linalg: built without LAPACK"
  return
end
local linalg = require "perilune.linalg"

local tolerance = { float32 = 2e-5, float64 = 1e-12 }

local function near(expected, got, most)
  assert.same(expected.shape, got.shape)
  if expected:numel() == 0 then return end
  local off = (expected - got):abs():max():item()
  assert.is_true(off <= most, ("off by %g, allowed %g"):format(off, most))
end
local function T(a) return a:transpose(-2, -1) end
local function identity_like(a, n) return peri.zeros(a.shape, a.dtype) + peri.eye(n, { dtype = a.dtype }) end

-- Dense, seen through a transposed view, every second row and column, and a broadcast batch.
local function inputs(dtype, m, n)
  return {
    peri.randn({ m, n }, { dtype = dtype }), peri.randn({ 2, 3, m, n }, { dtype = dtype }),
    T(peri.randn({ 2, n, m }, { dtype = dtype })),
    peri.randn({ 2 * m, 2 * n }, { dtype = dtype })[{ { 1, -1, 2 }, { 1, -1, 2 } }],
    peri.randn({ 1, m, n }, { dtype = dtype }):expand(3, m, n),
  }
end

local function fails(pattern, f, ...)
  local ok, reason = pcall(f, ...)
  assert.is_false(ok)
  assert.truthy(tostring(reason):find(pattern, 1, true), ("'%s' does not say '%s'"):format(reason, pattern))
end

describe("linalg", function()
  before_each(function() peri.seed(3) end)

  for _, dtype in ipairs { "float32", "float64" } do
    local most = tolerance[dtype]
    for _, size in ipairs { { 4, 4 }, { 5, 3 }, { 3, 5 }, { 1, 4 }, { 40, 30 } } do
      local m, n = size[1], size[2]
      local k = math.min(m, n)
      it(("decomposes %d x %d in %s"):format(m, n, dtype), function()
        for _, a in ipairs(inputs(dtype, m, n)) do
          local before = a:clone()
          for _, full in ipairs { false, true } do
            local u, s, vh = linalg.svd(a, { full_matrices = full })
            local kept = peri.eye(u.shape[#u.shape], { dtype = dtype })[{ {}, { 1, k } }]
            local vkept = peri.eye(vh.shape[#vh.shape - 1], { dtype = dtype })[{ { 1, k }, {} }]
            near(a, u:matmul(kept):matmul(s:unsqueeze(-1) * vkept:matmul(vh)), most * 20)
            local uu, vv = T(u):matmul(u), vh:matmul(T(vh))
            near(identity_like(uu, full and m or k), uu, most * 10)
            near(identity_like(vv, full and n or k), vv, most * 10)
            near(s, linalg.svdvals(a), most * 20)
            local q, r = linalg.qr(a, { mode = full and "complete" or "reduced" })
            near(a, q:matmul(r), most * 20)
            local qq = T(q):matmul(q)
            near(identity_like(qq, full and m or k), qq, most * 10)
            assert.equal(full and m or k, r.shape[#r.shape - 1])
          end
          near(before, a, 0)
        end
      end)
    end

    it("solves, inverts and factors in " .. dtype, function()
      for _, raw in ipairs(inputs(dtype, 4, 4)) do
        local a = raw + 5 * peri.eye(4, { dtype = dtype })
        local one = identity_like(a, 4)
        near(one, a:matmul(linalg.inverse(a)), most * 10)
        local b = peri.randn({ 4, 2 }, { dtype = dtype })
        local x = linalg.solve(a, b)
        near(a:matmul(x), b + a:matmul(x) * 0, most * 20)
        local v = peri.randn({ 4 }, { dtype = dtype })
        near(linalg.solve(a, v), linalg.solve(a, v:reshape(4, 1)):squeeze(-1), most * 10)
        local s = a:matmul(T(a))
        for _, upper in ipairs { false, true } do
          local l = linalg.cholesky(s, { upper = upper })
          near(s, upper and T(l):matmul(l) or l:matmul(T(l)), most * 100)
          local values, vectors = linalg.eigh(s, { upper = upper })
          near(s:matmul(vectors), vectors * values:unsqueeze(-2), most * 400)
          near(values, linalg.eigvalsh(s, { upper = upper }), most * 400)
        end
      end
    end)
  end

  for _, case in ipairs(golden.cases "linalg") do
    it("agrees with NumPy: " .. case.name, function()
      for _, dtype in ipairs { "float64", "float32" } do
        local given = {}
        for i, array in ipairs(case.args) do given[i] = golden.tensor(array, dtype) end
        if case.config.n then given[2] = case.config.n end
        if case.config.ord then given[2] = { ord = case.config.ord } end
        local got = { linalg[case["function"]](table.unpack(given)) }
        for i, wanted in ipairs(case.results) do
          golden.near(wanted, got[i], dtype == "float64" and 1e-9 or 2e-3, case.name)
        end
      end
    end)
  end

  it("says what is wrong", function()
    fails("cholesky: the leading minor of order 2 is not positive definite (batch 2)", linalg.cholesky,
      peri.tensor { { { 1.0, 0 }, { 0, 1 } }, { { 1, 2 }, { 2, 1 } } })
    fails("inverse: the matrix is singular: pivot 2", linalg.inverse, peri.tensor { { 1.0, 2 }, { 2, 4 } })
    fails("solve: the matrix is singular", linalg.solve, peri.zeros { 2, 2 }, peri.ones { 2 })
    fails("det: a is float32 (2, 3), expected square", linalg.det, peri.zeros { 2, 3 })
    fails("svd: a is int64 (2, 2), expected float32 or float64", linalg.svd, peri.zeros({ 2, 2 }, "int64"))
    fails("qr: a is float32 (3,), expected a matrix", linalg.qr, peri.zeros { 3 })
    fails("so b must be a vector (2)", linalg.solve, peri.eye(2), peri.ones { 3 })
    fails("no gradient flows", linalg.inverse, peri.tensor({ { 1.0 } }, { requires_grad = true }))
    fails("no gradient flows", linalg.norm, peri.tensor({ 1.0 }, { requires_grad = true }))
    fails("unknown argument 'full'", linalg.svd, peri.eye(2), { full = true })
    local leaf = peri.tensor({ { 2.0 } }, { requires_grad = true })
    assert.equal(0.5, peri.no_grad(linalg.inverse, leaf):item())
  end)

  it("refuses what is not finite, and says where", function()
    for _, bad in ipairs { 0 / 0, math.huge, -math.huge } do
      local a = peri.eye(3)
      a[{ 2, 3 }] = bad
      for _, name in ipairs { "svd", "svdvals", "qr", "eigh", "eigvalsh", "cholesky", "inverse", "det", "slogdet",
        "pinv", "matrix_rank" } do
        fails("a[2, 3] is ", linalg[name], a)
      end
      fails("a[2, 3] is ", linalg.lstsq, a, peri.ones { 3 })
      fails("b[2, 3] is ", linalg.solve, peri.eye(3), a)
    end
  end)

  it("knows empty and singular matrices", function()
    local u, s, vh = linalg.svd(peri.zeros { 0, 3 }, { full_matrices = true })
    assert.same({ 0, 0 }, u.shape)
    assert.same({ 0 }, s.shape)
    near(peri.eye(3), vh, 0)
    assert.equal(1, linalg.det(peri.zeros { 0, 0 }):item())
    assert.same({ 0, 2, 2 }, linalg.inverse(peri.zeros { 0, 2, 2 }).shape)
    assert.same({ 3, 0 }, linalg.pinv(peri.zeros { 0, 3 }).shape)
    assert.equal(0, linalg.matrix_rank(peri.zeros { 0, 3 }):item())
    assert.equal(0, linalg.det(peri.ones { 3, 3 }):item())
    local sign, logarithm = linalg.slogdet(peri.zeros { 2, 2 })
    assert.equal(0, sign:item())
    assert.equal(-math.huge, logarithm:item())
    assert.equal(1, linalg.matrix_rank(peri.ones { 4, 3 }):item())
    local x, _, rank = linalg.lstsq(peri.ones { 3, 2 }, peri.ones { 3 })
    near(peri.full({ 2 }, 0.5), x, 1e-6)
    assert.equal(1, rank:item())
  end)

  it("does not overflow where the answer is finite", function()
    local sign, logarithm = linalg.slogdet(peri.eye(40, { dtype = "float64" }) * 1e-30)
    assert.equal(1, sign:item())
    assert.is_true(math.abs(logarithm:item() - 40 * math.log(1e-30)) < 1e-8)
    near(peri.tensor({ 5e30 }), linalg.norm(peri.tensor { { 3e30, 4e30 } }, { axis = 2 }), 1e25)
  end)
end)
