--- Pictures in folders, one folder a class.
-- @module perilune.data.folder
local core = require "perilune.core"

local folder = {}

local endings = { png = true, jpg = true, jpeg = true, pgm = true, ppm = true, pbm = true, pnm = true }

local function file_system()
  local ok, lfs = pcall(require, "lfs")
  if not ok then error("data.folder: needs lua-filesystem (Debian: lua-filesystem)", 0) end
  return lfs
end

-- Sorted names in a folder for which `wanted(path, name)` holds; hidden ones are passed over.
local function list(path, wanted)
  local lfs, names = file_system(), {}
  local ok, next_name, state = pcall(lfs.dir, path)
  if not ok then error(("data.folder: %s"):format(next_name), 0) end
  for name in next_name, state do
    if name:sub(1, 1) ~= "." and wanted(path .. "/" .. name, name) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function is_folder(path) return file_system().attributes(path, "mode") == "directory" end
local function is_picture(path, name)
  return endings[(name:match "%.([^.]+)$" or ""):lower()] and file_system().attributes(path, "mode") == "file"
end

-- Classes' names, and a list of { path, label }.
local function scan(path)
  local classes, entries = list(path, is_folder), {}
  for i, class in ipairs(classes) do
    for _, name in ipairs(list(path .. "/" .. class, is_picture)) do
      entries[#entries + 1] = { path .. "/" .. class .. "/" .. name, i - 1 }
    end
  end
  if #classes == 0 then error(("data.folder: %s has no folders in it, expected one for each class"):format(path), 0) end
  if #entries == 0 then
    error(("data.folder: no folder in %s holds a picture (.png, .jpg, .jpeg, .pgm, .ppm)"):format(path), 0)
  end
  return classes, entries
end

local function shape_text(shape) return table.concat(shape, " x ") end

-- One picture in its final form.
local function read(path, a)
  local image = require "perilune.image"
  if a.digit then return image.digit(path) end
  local x = image.load(path, { channels = a.channels })
  if a.size then x = image.resize(x, a.size[1], a.size[2]) end
  return x
end

--- Reads every picture of every class into one uint8 tensor.
-- @param path the folder of folders
-- @param a    { size = { height, width } or nil, channels = 1, 3 or nil, digit = boolean }
-- @return x (n, h, w, c) uint8, y int64, the classes' names
function folder.read(path, a)
  local classes, entries = scan(path)
  local x, first
  local labels = {}
  for i, entry in ipairs(entries) do
    local picture = read(entry[1], a)
    local shape = picture.shape
    if not x then
      first = shape
      x = core.zeros({ #entries, shape[1], shape[2], shape[3] }, "uint8")
    elseif shape[1] ~= first[1] or shape[2] ~= first[2] or shape[3] ~= first[3] then
      error(("data.folder: %s is %s, but %s is %s; give size = { height, width }%s"):format(entry[1], shape_text(shape),
        entries[1][1], shape_text(first), shape[3] ~= first[3] and " and channels = 1 or 3" or ""), 0)
    end
    x[i] = (picture * 255 + 0.5):to "uint8"
    labels[i] = entry[2]
  end
  return x, core.tensor(labels, "int64"), classes
end

return folder
