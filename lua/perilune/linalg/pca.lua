--- Principal components (Pearson 1901; Hotelling 1933) by the singular values of the centred data.
-- @classmod perilune.linalg.PCA
local PCA = { __name = "perilune.PCA" }
PCA.__index = PCA

-- Components have no sign of their own; the largest element of each is made positive, so that any LAPACK gives the same.
local function settled(vh)
  local largest = vh:abs():argmax(2):unsqueeze(2)
  return vh * vh:gather(2, largest):sign()
end

--- From a matrix x (n, d), with linalg and how many components are kept.
function PCA.new(linalg, x, count)
  local n = x.shape[1]
  local mean = x:mean(1)
  local _, s, vh = linalg.svd(x - mean)
  local variances = s:square() / (n - 1)
  local total = variances:sum()
  return setmetatable({
    mean = mean, components = settled(vh:slice(1, 1, count)), singular_values = s:slice(1, 1, count),
    variances = variances:slice(1, 1, count),
    ratios = variances:slice(1, 1, count) / (total:item() > 0 and total or 1),
  }, PCA)
end

local function want(self, where, x, width, word)
  local ok = type(x) == "userdata" and x.ndim == 2 and x.shape[2] == width
  if not ok then
    error(("pca:%s: wants %s (n, %d), got %s"):format(where, word, width,
      type(x) == "userdata" and x.shape and "(" .. table.concat(x.shape, ", ") .. ")" or type(x)), 3)
  end
  return self.components
end

--- Coordinates along the components.
-- @param x     (n, d)
-- @param count how many components (all that were kept)
-- @return (n, count)
function PCA:transform(x, count)
  local components = want(self, "transform", x, #self.mean, "a matrix")
  if count then components = components[{ { 1, count } }] end
  return (x - self.mean):matmul(components:transpose())
end

--- Back from coordinates: the point of the components' plane that they name.
-- @param z (n, count), count at most the components that were kept
-- @return (n, d)
function PCA:inverse(z)
  local count = type(z) == "userdata" and z.ndim == 2 and z.shape[2] <= #self.components and z.shape[2]
    or #self.components
  local components = want(self, "inverse", z, count, "coordinates")
  return z:matmul(components:slice(1, 1, count)) + self.mean
end

function PCA:__tostring()
  return ("PCA: %d components of %d dimensions, %.1f %% of the variance"):format(#self.components, #self.mean,
    self.ratios:sum():item() * 100)
end

return PCA
