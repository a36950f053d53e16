--- Data sets as files of the IDX format, as MNIST's own are.
-- @module perilune.data.save
local args = require "perilune.args"
local core = require "perilune.core"

local save = {}

local function fail(format, ...) error(("save_idx: %s"):format(format:format(...)), 0) end

-- Pictures of one channel have no axis for it in a file, as MNIST's have none.
local function images_of(x)
  local shape = x.shape
  if #shape == 4 and shape[4] == 1 then return x:reshape(shape[1], shape[2], shape[3]) end
  return x
end

-- Labels as unsigned bytes where they all fit, as MNIST's are.
local function labels_of(y)
  if y.dtype ~= "int64" then return y end
  for _, label in ipairs(y:reshape(-1):totable()) do
    if label < 0 or label > 255 then return y end
  end
  return y:to "uint8"
end

--- Writes stored examples and labels; each file is there whole, or as it was before.
-- @param x       the examples as they are stored
-- @param y       the labels, or nil
-- @param options { images = path, labels = path }
function save.idx(x, y, options)
  local a = args.named("save_idx", options, { { "images", "string", args.required }, { "labels", "string" } })
  if a.labels and not y then fail("%s: this set has no labels to write", a.labels) end
  core.idx_write(a.images, images_of(x):contiguous())
  if a.labels then core.idx_write(a.labels, labels_of(y):contiguous()) end
end

return save
