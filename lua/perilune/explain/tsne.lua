--- t-SNE: points of many dimensions laid out in two, so that neighbours stay neighbours.
--
-- The exact method of van der Maaten and Hinton ("Visualizing Data using t-SNE", 2008), n x n matrices throughout:
--
--     p_j|i = exp(-|x_i - x_j|^2 beta_i) / sum,   beta_i such that the entropy of row i is log(perplexity)
--     p_ij = (p_j|i + p_i|j) / 2n                 q_ij = (1 + |y_i - y_j|^2)^-1 / sum
--     dKL/dy_i = 4 sum_j (p_ij - q_ij) (1 + |y_i - y_j|^2)^-1 (y_i - y_j)
--
-- It begins at the first principal components (Kobak and Berens 2019). p is exaggerated at first, by the authors' factor
-- of 4: with 12, which is usual today for many thousand points, a few hundred can shrink into one spot and lose what they
-- began with (600 digits end at a divergence of 0.86, with 4 at 0.72). Steps have momentum and a gain for each
-- coordinate, and are n / exaggeration unless told (Belkina et al. 2019).
-- @module perilune.explain.tsne
local args = require "perilune.args"
local core = require "perilune.core"

local WHERE = "explain.tsne"
local tsne = {}

local function fail(format, ...) error((WHERE .. ": " .. format):format(...), 0) end

local FAR = 1e300 -- beyond any distance

-- Squared distances between rows, (n, n), 0 on the diagonal.
local function squared_distances(x)
  local square = x:square():sum(2, true)
  local d = x:matmul(x:transpose()):mul_(-2):add_(square):add_(square:transpose())
  return d:relu()
end

--- p_j|i (n, n), float64, one row for each i: the beta of all rows is searched at once, by halving.
function tsne.conditional(x, perplexity)
  local d = squared_distances(x:double())
  local n = d.shape[1]
  local eye = core.eye(n, { dtype = "float64" })
  local off = 1 - eye
  d = (d - (d + eye * FAR):min(2, true)) * off
  local beta = core.ones({ n, 1 }, "float64")
  local low, high = core.zeros({ n, 1 }, "float64"), core.full({ n, 1 }, math.huge, "float64")
  local wanted, p = math.log(perplexity), nil
  for _ = 1, 100 do
    p = (d * -beta):exp():mul_(off)
    local sum = p:sum(2, true)
    p:div_(sum)
    local miss = (p * d):sum(2, true) * beta + sum:log() - wanted -- the entropy's
    if miss:abs():max():item() < 1e-9 then break end
    local flat = miss:gt(0) -- too many neighbours: beta must grow
    low, high = core.where(flat, beta, low), core.where(flat, high, beta)
    local open = high:eq(math.huge)
    beta = core.where(open, beta * 2, (low + core.where(open, beta, high)) / 2)
  end
  return p
end

--- p_ij (n, n), float64, of points (n, d); its sum is 1.
function tsne.affinities(x, perplexity)
  local p = tsne.conditional(x, perplexity)
  return (p + p:transpose()) / (2 * x.shape[1])
end

-- 1 / (1 + |y_i - y_j|^2) as one product of matrices: rows (-2 y_i, |y_i|^2 + 1, 1) and (y_j, 1, |y_j|^2).
local function kernel(y)
  local n = y.shape[1]
  local square, one = y:square():sum(2, true), core.ones({ n, 1 }, y.dtype)
  local left = core.cat({ y * -2, square + 1, one }, 2)
  return left:matmul(core.cat({ y, one, square }, 2):transpose()):clamp_min(1):reciprocal()
end

--- The gradient of the divergence by y, given p (of y's type).
function tsne.gradient(y, p)
  local n, dimensions = y.shape[1], y.shape[2]
  local near = kernel(y)
  local total = near:sum() - n -- without the diagonal's ones
  local pull = (near / -total):add_(p):mul_(near)
  local sums = pull:matmul(core.cat({ y, core.ones({ n, 1 }, y.dtype) }, 2))
  return (y * sums:slice(2, dimensions + 1, 1) - sums:slice(2, 1, dimensions)) * 4
end

--- The Kullback-Leibler divergence of a layout y (n, dimensions) from affinities p: what t-SNE makes small.
function tsne.divergence(p, y)
  local off = 1 - core.eye(y.shape[1], { dtype = "float64" })
  local near = kernel(y:double()):mul_(off)
  local q = (near / near:sum()):clamp_min(1e-300)
  return (p * (p:clamp_min(1e-300) / q):log()):sum():item()
end

-- Where the layout begins: deviation 1e-4 along the first axis.
local function start(x, o)
  local n = x.shape[1]
  if type(o.init) == "userdata" then
    if o.init.ndim ~= 2 or o.init.shape[1] ~= n or o.init.shape[2] ~= o.dimensions then
      fail("argument 'init' wants a tensor (%d, %d), got (%s)", n, o.dimensions, table.concat(o.init.shape, ", "))
    end
    return o.init:detach():float():clone()
  elseif o.init == "random" then
    local before = core.rng_state()
    core.seed(o.seed)
    local y = core.randn({ n, o.dimensions }, "float32") * 1e-4
    core.set_rng_state(before)
    return y
  elseif o.init ~= "pca" then
    fail("argument 'init' wants \"pca\", \"random\" or a tensor, got %s", tostring(o.init))
  end
  if x.shape[2] < o.dimensions then
    fail("points of %d dimensions have no %d principal components to begin with; say init = \"random\"", x.shape[2],
      o.dimensions)
  end
  local y = require("perilune.linalg").pca(x, { components = o.dimensions }):transform(x)
  local deviation = y:slice(2, 1, 1):std():item()
  return (y * (1e-4 / (deviation > 0 and deviation or 1))):float()
end

local function check(x, o)
  local n = x.shape[1]
  if n < 4 then fail("wants 4 points or more, got %d", n) end
  if not (o.perplexity > 0 and o.perplexity <= n - 1) then
    fail("argument 'perplexity' is %s; with %d points it must be above 0 and at most %d (about a third of that is sensible)",
      o.perplexity, n, n - 1)
  end
  if o.iterations < 0 or o.early < 0 or o.dimensions < 1 then fail("iterations, early and dimensions must not be negative") end
  if not (o.exaggeration > 0) then fail("argument 'exaggeration' wants more than 0, got %s", o.exaggeration) end
  if x:isfinite():all():item() == 0 then fail("x holds values that are not finite") end
end

-- Steps down the gradient; calls o.watch now and then.
local function descend(y, p, o)
  local p_now = (p * o.exaggeration):float()
  local rate = o.learning_rate or math.max(50, y.shape[1] / o.exaggeration)
  local velocity, gains = core.zeros(y.shape, y.dtype), core.ones(y.shape, y.dtype)
  for step = 1, o.iterations do
    if step == o.early + 1 then p_now = p:float() end
    local g = tsne.gradient(y, p_now)
    local against = (g * velocity):lt(0) -- the step goes on as before: grow
    gains = core.where(against, gains + 0.2, gains * 0.8):clamp_min(0.01)
    velocity = velocity * (step <= o.early and 0.5 or 0.8) - g * gains * rate
    y = y + velocity
    y = y - y:mean(1, true)
    if o.watch then o.watch(step, y) end
  end
  return y
end

local function prepared(x, options)
  local o = args.named(WHERE, options, {
    { "dimensions", "integer", 2 }, { "perplexity", "number", 30 }, { "iterations", "integer", 1000 },
    { "early", "integer", 100 }, { "exaggeration", "number", 4 }, { "learning_rate", "number" },
    { "init", "any", "pca" }, { "seed", "integer", 0 }, { "watch", "function" },
  })
  if type(x) ~= "userdata" or (x.dtype ~= "float32" and x.dtype ~= "float64") or x.ndim < 2 then
    fail("wants points first, a float tensor (n, features), got %s", type(x) == "userdata" and tostring(x.dtype) or type(x))
  end
  x = x:detach():reshape(x.shape[1], -1)
  check(x, o)
  return x, o
end

function tsne.layout(x, options)
  local points, o = prepared(x, options)
  local before = core.set_grad_enabled(false)
  local ok, y, divergence = pcall(function()
    local p = tsne.affinities(points, o.perplexity)
    local layout = descend(start(points, o), p, o)
    return layout, tsne.divergence(p, layout)
  end)
  core.set_grad_enabled(before)
  if not ok then error(y, 0) end
  return y, { kl = divergence, perplexity = o.perplexity, iterations = o.iterations }
end

return tsne
