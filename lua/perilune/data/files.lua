--- Where the well-known sets lie on this machine.
-- @module perilune.data.files
local core = require "perilune.core"

local files = {}

local function cache(name)
  local home = os.getenv "XDG_CACHE_HOME"
  if not home or home == "" then home = (os.getenv "HOME" or ".") .. "/.cache" end
  return home .. "/perilune/" .. name
end

local sets = {
  mnist = {
    title = "MNIST", system = {},
    advice = "`bash scripts/fetch_mnist.sh` fetches them once",
  },
  ["fashion-mnist"] = {
    title = "Fashion-MNIST", system = { "/usr/share/datasets/fashion-mnist", "/usr/share/dataset-fashion-mnist" },
    advice = "Debian and Ubuntu have them: `apt-get install dataset-fashion-mnist`",
  },
}

-- The folders that are looked through, in order. A folder that a person names is the only one.
local function folders(name, directory)
  if directory then return { directory } end
  local list, home = {}, os.getenv "PERILUNE_DATA"
  if home and home ~= "" then
    list[#list + 1] = home .. "/" .. name
    if name == "mnist" then list[#list + 1] = home end
  end
  list[#list + 1] = cache(name)
  for _, folder in ipairs(sets[name].system) do list[#list + 1] = folder end
  return list
end

local function readable(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- The names a file goes by: with - or . before idx, raw or packed.
local function find_in(folder, stem, kind)
  for _, form in ipairs { "%s/%s-%s", "%s/%s-%s.gz", "%s/%s.%s", "%s/%s.%s.gz" } do
    local path = form:format(folder, stem, kind)
    if readable(path) then return path end
  end
end

local parts = { { "train-images", "idx3-ubyte" }, { "train-labels", "idx1-ubyte" }, { "t10k-images", "idx3-ubyte" },
  { "t10k-labels", "idx1-ubyte" } }

-- The four files in one folder, and the names of those that are not there.
local function look(folder)
  local found, missing = {}, {}
  for _, part in ipairs(parts) do
    local path = find_in(folder, part[1], part[2])
    if path then found[part[1]] = path else missing[#missing + 1] = part[1] .. "-" .. part[2] end
  end
  return found, missing
end

--- The paths of a set's four files.
-- @param name      "mnist" or "fashion-mnist"
-- @param directory the only folder to look in, or nil for the usual places
-- @return a table: ["train-images"], ["train-labels"], ["t10k-images"], ["t10k-labels"]
-- @raise what is missing, where it was looked for and how to get it
function files.find(name, directory)
  local looked, best = folders(name, directory), nil
  for _, folder in ipairs(looked) do
    local found, missing = look(folder)
    if #missing == 0 then return found end
    if #missing < #parts and not best then best = { folder = folder, missing = missing } end
  end
  local lines = { ("%s is not here."):format(sets[name].title) }
  if best then lines[#lines + 1] = ("%s lacks %s."):format(best.folder, table.concat(best.missing, ", ")) end
  lines[#lines + 1] = ("Looked in: %s."):format(table.concat(looked, ", "))
  lines[#lines + 1] = sets[name].advice .. (
    "; or put train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte "
    .. "(raw or .gz) into %s, or say dir = \"...\"."):format(directory or cache(name))
  error(table.concat(lines, "\n  "), 0)
end

local function shape_text(shape) return "(" .. table.concat(shape, ", ") .. ")" end

-- A pair of files as x (n, h, w, 1) and y (n); `expected` sizes are checked when given.
function files.read_pair(images, labels, expected)
  local x, y = core.idx_read(images), core.idx_read(labels)
  local shape = x.shape
  if #shape ~= 3 and #shape ~= 4 then
    error(("idx: %s holds %s, expected images (n, height, width)"):format(images, shape_text(shape)), 0)
  end
  if #y.shape ~= 1 then error(("idx: %s has %d axes, expected labels with one"):format(labels, #y.shape), 0) end
  if y.shape[1] ~= shape[1] then
    error(("idx: %s holds %d images, but %s %d labels"):format(images, shape[1], labels, y.shape[1]), 0)
  end
  if expected and (shape[1] ~= expected[1] or shape[2] ~= expected[2] or shape[3] ~= expected[3]) then
    error(("idx: %s holds %s, expected (%s)"):format(images, shape_text(shape),
      table.concat(expected, ", ")), 0)
  end
  if #shape == 3 then x = x:reshape(shape[1], shape[2], shape[3], 1) end
  return x, y:to "int64"
end

return files
