--- Linear algebra on LAPACK: decompositions, equations, determinants, norms.
--
-- Works on float32 and float64 tensors, and on each matrix of a batch (..., m, n). Names and results are NumPy's. No
-- gradient flows through these functions: a tensor that is being differentiated is refused. What is not finite is
-- refused too, where LAPACK would see it.
--
--     local linalg = require "perilune.linalg"
--     local U, S, Vh = linalg.svd(a)
--     local x = linalg.solve(a, b)
-- @module perilune.linalg
local args = require "perilune.args"
local core = require "perilune.core"

-- The binary part is a library of its own with this module's name: nothing else loads LAPACK.
local function load_library()
  local path = package.searchpath("perilune.linalg", package.cpath)
  if not path then
    error("perilune.linalg: this build has no LAPACK; install libopenblas-dev (Debian, Ubuntu) and build again", 0)
  end
  local open, reason = package.loadlib(path, "luaopen_perilune_linalg")
  if not open then error(("perilune.linalg: %s cannot be loaded: %s"):format(path, reason), 0) end
  return open("perilune.linalg", path)
end

local library = load_library()
local linalg = {}

-- Calls f with recording switched off: results are detached.
local function detached(f, ...)
  local before = core.set_grad_enabled(false)
  local function restore(ok, ...)
    core.set_grad_enabled(before)
    if not ok then error((...), 0) end
    return ...
  end
  return restore(pcall(f, ...))
end

local function is_tensor(x)
  local meta = getmetatable(x)
  return type(meta) == "table" and meta.__name == "perilune.Tensor"
end

-- What the functions that are written in Lua check for themselves: a float tensor without a gradient.
local function check(name, a, least_axes)
  if not is_tensor(a) then error(("%s: a must be a tensor, got a %s"):format(name, type(a)), 3) end
  if a.requires_grad and core.grad_enabled() then
    error(name .. ": no gradient flows through linalg; give it a:detach(), or call it inside peri.no_grad", 3)
  end
  if a.dtype ~= "float32" and a.dtype ~= "float64" then
    error(("%s: a is %s, expected float32 or float64 (a:double() converts)"):format(name, a.dtype), 3)
  end
  if #a.shape < least_axes then
    error(("%s: a is %s (%s), expected a matrix (m, n) or a batch of them (..., m, n)"):format(
      name, a.dtype, table.concat(a.shape, ", ")), 3)
  end
end

local function axis_order(a, first, second)
  local order = {}
  for d = 1, #a.shape do order[d] = d end
  order[first], order[second] = order[second], order[first]
  return order
end

local function transposed(a)
  local n = #a.shape
  return a:permute(axis_order(a, n - 1, n))
end

--- Singular value decomposition: a = U diag(S) Vh, in each matrix.
-- @param a       (..., m, n)
-- @param options { full_matrices = false }: true gives square U and Vh
-- @return U (..., m, k), S (..., k) from the largest down, Vh (..., k, n); k = min(m, n)
function linalg.svd(a, options)
  local o = args.named("linalg.svd", options, { { "full_matrices", "boolean", false } })
  return library.svd(a, o.full_matrices)
end

--- The singular values alone, from the largest down.
function linalg.svdvals(a) return library.svdvals(a) end

--- Eigenvalues and eigenvectors of a symmetric matrix.
-- @param a       (..., n, n); one triangle of it is read
-- @param options { upper = false }
-- @return values (..., n) from the smallest up, vectors (..., n, n), one a column
function linalg.eigh(a, options)
  local o = args.named("linalg.eigh", options, { { "upper", "boolean", false } })
  return library.eigh(a, o.upper)
end

--- The eigenvalues of a symmetric matrix alone.
function linalg.eigvalsh(a, options)
  local o = args.named("linalg.eigvalsh", options, { { "upper", "boolean", false } })
  return library.eigvalsh(a, o.upper)
end

--- QR decomposition: a = Q R, Q with orthonormal columns, R upper triangular.
-- @param a       (..., m, n)
-- @param options { mode = "reduced" or "complete" }
-- @return Q (..., m, k), R (..., k, n); k = min(m, n), or m when complete
function linalg.qr(a, options)
  local o = args.named("linalg.qr", options, { { "mode", "string", "reduced" } })
  if o.mode ~= "reduced" and o.mode ~= "complete" then
    error(("linalg.qr: argument 'mode' wants reduced or complete, got %s"):format(o.mode), 2)
  end
  return library.qr(a, o.mode == "complete")
end

--- Cholesky decomposition of a symmetric positive definite matrix: a = L L', of which one triangle is read.
-- @param options { upper = false }: true gives U with a = U' U
function linalg.cholesky(a, options)
  local o = args.named("linalg.cholesky", options, { { "upper", "boolean", false } })
  return library.cholesky(a, o.upper)
end

--- The x with a x = b.
-- @param a (..., n, n)
-- @param b a vector (n), or matrices (..., n, k); batches broadcast
function linalg.solve(a, b) return library.solve(a, b) end

--- Least squares: the x of least norm among those that make |a x - b| least.
-- @param a       (..., m, n)
-- @param b       (..., m, k), or a vector (m)
-- @param options { rcond = }: singular values below rcond times the largest count as 0 (default: the type's
--   precision times max(m, n))
-- @return x (..., n, k) or (n); residuals: the sum of (a x - b)^2 for each column; rank; a's singular values
function linalg.lstsq(a, b, options)
  local o = args.named("linalg.lstsq", options, { { "rcond", "number" } })
  local x, rank, s = library.lstsq(a, b, o.rcond)
  local residuals = detached(function()
    local vector = #b.shape == 1
    local difference = a:matmul(vector and x:reshape(#x, 1) or x) - (vector and b:reshape(#b, 1) or b)
    local sums = (difference * difference):sum(-2)
    return vector and sums:reshape {} or sums
  end)
  return x, residuals, rank, s
end

--- Principal components: the directions in which the rows of a matrix differ most, by the singular values of the
-- centred matrix.
-- @param x       (n, d), one sample a row
-- @param options { components = k }: how many are kept (default: min(n, d))
-- @return an object: components (k, d), one a row, from the largest variance down (the largest element of each is
--   positive); variances (k), over n - 1; ratios (k), of the variance of all; singular_values (k); mean (d); and the
--   methods pca:transform(x, count) -> (n, count) and pca:inverse(z) -> (n, d)
function linalg.pca(x, options)
  local o = args.named("linalg.pca", options, { { "components", "integer" } })
  check("linalg.pca", x, 2)
  local n, d = x.shape[1], x.shape[2]
  if #x.shape ~= 2 or n < 2 then
    error(("linalg.pca: x is (%s), expected a matrix of 2 rows or more; x:flatten(2) makes rows of pictures"):format(
      table.concat(x.shape, ", ")), 2)
  end
  local count = o.components or math.min(n, d)
  if count < 1 or count > math.min(n, d) then
    error(("linalg.pca: argument 'components' wants 1 to %d, the smaller side of (%d, %d), got %d"):format(
      math.min(n, d), n, d, count), 2)
  end
  return detached(require("perilune.linalg.pca").new, linalg, x, count)
end

--- The inverse of each matrix.
function linalg.inverse(a) return library.inverse(a) end
linalg.inv = linalg.inverse

--- The determinant of each matrix.
function linalg.det(a) return library.det(a) end

--- Sign and logarithm of the absolute determinant; a singular matrix gives 0 and -inf.
function linalg.slogdet(a) return library.slogdet(a) end

--- The sum of each matrix's diagonal.
function linalg.trace(a) return library.trace(a) end

local precision = { float32 = 2.0 ^ -23, float64 = 2.0 ^ -52 }

-- The singular value below which others count as 0, with a last axis of 1; k is at least 1.
local function cutoff(a, s, rcond)
  local n = #a.shape
  rcond = rcond or precision[a.dtype] * math.max(a.shape[n - 1], a.shape[n])
  return s:max { axis = -1, keepdims = true } * rcond
end

local function empty(a)
  local n = #a.shape
  return a.shape[n - 1] == 0 or a.shape[n] == 0 or a:numel() == 0
end

--- The pseudo-inverse of Moore and Penrose, by singular values.
-- @param options { rcond = }: as in lstsq
-- @return (..., n, m)
function linalg.pinv(a, options)
  local o = args.named("linalg.pinv", options, { { "rcond", "number" } })
  local u, s, vh = library.svd(a, false)
  return detached(function()
    if empty(a) then return transposed(a):clone() end
    local kept = s:gt(cutoff(a, s, o.rcond))
    local inverse = core.where(kept, core.where(kept, s, 1) ^ -1, 0)
    return transposed(vh):matmul(inverse:unsqueeze(-1) * transposed(u))
  end)
end

--- How many singular values are not 0.
-- @param options { rcond = }: as in lstsq
-- @return int64 (batch)
function linalg.matrix_rank(a, options)
  local o = args.named("linalg.matrix_rank", options, { { "rcond", "number" } })
  local s = library.svdvals(a)
  return detached(function()
    local batch = table.move(a.shape, 1, #a.shape - 2, 1, {})
    if empty(a) then return core.zeros(batch, "int64") end
    return s:gt(cutoff(a, s, o.rcond)):to("int64"):sum(-1)
  end)
end

--- A square matrix multiplied by itself n times; a negative n powers the inverse.
function linalg.matrix_power(a, n)
  check("matrix_power", a, 2)
  local dims, power = #a.shape, math.tointeger(n)
  if not power then error(("matrix_power: n must be a whole number, got %s"):format(tostring(n)), 2) end
  if a.shape[dims - 1] ~= a.shape[dims] then
    error(("matrix_power: a is (%s), expected square matrices (..., n, n)"):format(table.concat(a.shape, ", ")), 2)
  end
  local base = power < 0 and library.inverse(a) or a
  return detached(function()
    local result, rest = nil, math.abs(power)
    while rest > 0 do
      if rest & 1 == 1 then result = result and result:matmul(base) or base end
      rest = rest >> 1
      if rest > 0 then base = base:matmul(base) end
    end
    if result then return result:clone() end
    return core.zeros(a.shape, a.dtype) + core.eye(a.shape[dims], { dtype = a.dtype })
  end)
end

-- --- norms ---

local function vector_norm(x, order, axes)
  local function total(t, method) return t[method](t, { axis = axes }) end
  if order == 2 then
    -- Scaled by the largest element, so that squares neither overflow nor vanish.
    local largest = x:abs():max { axis = axes, keepdims = true }
    local scale = core.where(largest:gt(0):mul(largest:lt(math.huge)), largest, 1)
    local scaled = x / scale
    return (total(scaled * scaled, "sum"):sqrt()) * scale:reshape(total(x, "sum").shape)
  end
  if order == math.huge then return total(x:abs(), "max") end
  if order == -math.huge then return total(x:abs(), "min") end
  if order == 0 then return total(x:ne(0):to(x.dtype), "sum") end
  if order == 1 then return total(x:abs(), "sum") end
  return total(x:abs() ^ order, "sum") ^ (1 / order)
end

local singular_norms = {
  nuc = function(s) return s:sum(-1) end,
  [2] = function(s) return s:max { axis = -1 } end,
  [-2] = function(s) return s:min { axis = -1 } end,
}

-- The norm of the matrices in the last two axes.
local function matrix_norm(x, order)
  if order == "fro" then return vector_norm(x, 2, { -2, -1 }) end
  if singular_norms[order] then return singular_norms[order](library.svdvals(x)) end
  local sums = x:abs():sum(math.abs(order) == 1 and -2 or -1)
  return order > 0 and sums:max { axis = -1 } or sums:min { axis = -1 }
end

local matrix_orders = { fro = true, nuc = true, [1] = true, [-1] = true, [2] = true, [-2] = true,
  [math.huge] = true, [-math.huge] = true }

local function check_axes(a, axis)
  local axes = type(axis) == "table" and axis or { axis }
  local result = {}
  for i, one in ipairs(axes) do
    local place = math.tointeger(one) or 0
    if place < 0 then place = #a.shape + 1 + place end
    if place < 1 or place > #a.shape then
      error(("norm: axis %s is none of a tensor with %d axes"):format(tostring(one), #a.shape), 0)
    end
    result[i] = place
  end
  if #result < 1 or #result > 2 or result[1] == result[2] then
    error("norm: axis wants one axis (vectors) or two different ones (matrices)", 0)
  end
  return result
end

local function norm_over(a, order, axes)
  if #axes == 1 then
    if type(order) == "string" then error(("norm: ord '%s' is for matrices; a vector's is a number"):format(order), 0) end
    return vector_norm(a, order or 2, { axes[1] })
  end
  order = order or "fro"
  if not matrix_orders[order] then
    error(("norm: ord %s is none of a matrix': fro, nuc, 1, -1, 2, -2, inf, -inf"):format(tostring(order)), 0)
  end
  local permutation, rest = {}, #a.shape
  for d = 1, rest do
    if d ~= axes[1] and d ~= axes[2] then permutation[#permutation + 1] = d end
  end
  table.move(axes, 1, 2, rest - 1, permutation)
  return matrix_norm(a:permute(permutation), order)
end

local orders = { inf = math.huge, ["-inf"] = -math.huge }

--- A norm, as numpy.linalg.norm gives it.
-- @param a       any shape
-- @param options { ord =, axis =, keepdims = false }, or ord alone. ord: nil (the square root of the sum of squares),
--   a number (math.huge too, or "inf"), and for matrices "fro", "nuc", 1, -1, 2, -2, inf, -inf. axis: one axis, whose
--   vectors are measured, or two, whose matrices are; without it a of one or two axes is measured as it is, and with
--   neither ord nor axis a of any shape as one vector
function linalg.norm(a, options)
  if type(options) ~= "table" then options = { ord = options } end
  check("norm", a, 0)
  local o = args.named("linalg.norm", options,
    { { "ord", "number|string" }, { "axis", "integer|table" }, { "keepdims", "boolean", false } })
  local order = orders[o.ord] or o.ord
  local ok, result = pcall(detached, function()
    local axes
    local norm
    if o.axis == nil and order == nil then
      axes = {}
      for d = 1, #a.shape do axes[d] = d end
      norm = vector_norm(a:reshape(-1), 2, { 1 })
    else
      if o.axis == nil and (#a.shape < 1 or #a.shape > 2) then
        error(("norm: a has %d axes: with ord, say in axis which are the vectors' or the matrices'"):format(#a.shape), 0)
      end
      axes = check_axes(a, o.axis or (#a.shape == 1 and { 1 } or { 1, 2 }))
      norm = norm_over(a, order, axes)
    end
    if not o.keepdims then return norm end
    local shape = table.move(a.shape, 1, #a.shape, 1, {})
    for _, axis in ipairs(axes) do shape[axis] = 1 end
    return norm:reshape(shape)
  end)
  if not ok then error(result, 2) end
  return result
end

return linalg
