--- Corrected drawings as a data set on disk.
--
--     drawings/7/0001.png                  28 x 28, grey, what the net sees: bright ink on a dark ground, as in MNIST
--     drawings/7/0001.json                 its strokes
--     drawings/A/0001.png                  a class that was taught
--     drawings/drawings-images-idx3-ubyte  all pictures, as MNIST's files hold them,
--     drawings/drawings-labels-idx1-ubyte  their labels, and
--     drawings/drawings-classes.json       what these mean: ["0", ..., "9", "A"]
--
-- data.folder reads the folders, data.idx the files (with classes = collection.open(folder).classes), and
-- scripts/train_mnist.lua --extra trains on them. The pictures are what counts: the three files are made of them anew
-- with every change, and whatever befalls them loses nothing. A picture's name is taken in one step that fails where the
-- name is in use, so that several programs can add to one folder at once.
-- @module perilune.draw.collection
local core = require "perilune.core"
local image = require "perilune.image"
local json = require "perilune.json"

local collection = {}

local SIDE = 28
local NAME_MOST = 64   -- bytes of a class's name
local ATTEMPTS = 10000 -- at a free number, and at files that others do not change meanwhile
local IMAGES, LABELS, CLASSES = "drawings-images-idx3-ubyte", "drawings-labels-idx1-ubyte", "drawings-classes.json"

local Collection = { __name = "perilune.draw.Collection" }
Collection.__index = Collection

local function file_system()
  local ok, lfs = pcall(require, "lfs")
  if not ok then error("drawings: needs lua-filesystem (Debian: lua-filesystem)", 0) end
  return lfs
end

-- --- names ------------------------------------------------------------------------------------------------------

-- What is wrong with a class's name as a folder's, or nil.
local function fault_of(name)
  if name == "" then return "is empty" end
  if #name > NAME_MOST then return ("has %d bytes, more than %d"):format(#name, NAME_MOST) end
  if not utf8.len(name) then return "is no UTF-8" end
  if name:find "%c" then return "holds a control character" end
  if name:find "[/\\]" then return "holds a slash" end
  if name:find "^%." then return "begins with a dot" end
  if name:find "^%s" or name:find "%s$" then return "begins or ends with a blank" end
end

--- A class's name as text, checked: it becomes a folder's name.
-- @param label a text, or a whole number (7 is "7")
-- @return a text
-- @raise an error that says what is wrong with it
function collection.name(label)
  local name = label
  if type(label) == "number" and math.tointeger(label) then name = ("%d"):format(label) end
  if type(name) ~= "string" then
    error(("drawings: a class is named by a text or a whole number, got %s"):format(
      type(label) == "number" and tostring(label) or "a " .. type(label)), 0)
  end
  local fault = fault_of(name)
  if fault then
    local shown = name:gsub("[%c\128-\255]", "?"):sub(1, 40)
    error(('drawings: a class\'s name becomes a folder\'s, and "%s" %s; another would do, such as "%s"'):format(shown, fault,
      "A"), 0)
  end
  return name
end

-- --- reading ----------------------------------------------------------------------------------------------------

-- Sorted names in a folder of which `wanted` holds.
local function names_in(path, wanted)
  local lfs, names = file_system(), {}
  local ok, next_name, state = pcall(lfs.dir, path)
  if not ok then error(("drawings: %s"):format(next_name), 0) end
  for name in next_name, state do
    if name:sub(1, 1) ~= "." and wanted(name, path .. "/" .. name) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function is_folder(_, path) return file_system().attributes(path, "mode") == "directory" end
local function is_picture(name) return name:lower():find "%.png$" ~= nil end

-- A picture of the folder as bytes (1, 28, 28, 1), or nil and what is wrong with it.
local function read_picture(path)
  local ok, picture = pcall(image.load, path, { channels = 1 })
  if not ok then return nil, (tostring(picture):gsub("^[^\n:]+%.lua:%d+: ", "")) end
  local shape = picture.shape
  if shape[1] ~= SIDE or shape[2] ~= SIDE then
    return nil, ("%s is %d x %d, expected %d x %d, as corrections are kept; data.folder { digit = true } takes any size")
      :format(path, shape[1], shape[2], SIDE, SIDE)
  end
  return (picture * 255 + 0.5):to "uint8":reshape(1, SIDE, SIDE, 1)
end

-- One picture, from memory unless the file has changed.
function Collection:picture(path)
  local found = file_system().attributes(path)
  if not found then return nil, nil end -- gone since the folder was listed
  local stamp = ("%d %d %d"):format(found.size, found.modification, found.ino)
  local known = self.read[path]
  if not known or known.stamp ~= stamp then
    local bytes, fault = read_picture(path)
    known = { stamp = stamp, bytes = bytes, fault = fault }
    self.read[path] = known
  end
  return known.bytes, known.fault
end

local digits = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }

-- The digits, and behind them what else there are folders of, in their order.
local function classes_of(folders)
  local classes, known = table.move(digits, 1, #digits, 1, {}), {}
  for _, name in ipairs(digits) do known[name] = true end
  for _, name in ipairs(folders) do
    if not known[name] then classes[#classes + 1] = name end
  end
  return classes
end

--- Looks at the folder again: others may have added to it. Fields afterwards: classes (the digits and what else was
-- taught), entries (a list of { path =, label = class's name, bytes = uint8 (1, 28, 28, 1) }), problems (a list of what is
-- wrong with files that cannot be used; they are left as they are).
function Collection:refresh()
  local folders = names_in(self.folder, is_folder)
  local entries, problems, listing = {}, {}, {}
  for _, name in ipairs(folders) do
    local fault = fault_of(name)
    if fault then problems[#problems + 1] = ("%s/%s: the name %s"):format(self.folder, name, fault) end
    for _, file in ipairs(fault and {} or names_in(self.folder .. "/" .. name, is_picture)) do
      local path = ("%s/%s/%s"):format(self.folder, name, file)
      local bytes, problem = self:picture(path)
      if bytes then
        entries[#entries + 1] = { path = path, label = name, bytes = bytes }
        listing[#listing + 1] = path .. " " .. self.read[path].stamp
      elseif problem then
        problems[#problems + 1] = problem
      end
    end
  end
  self.classes, self.entries, self.problems = classes_of(folders), entries, problems
  self.listing = table.concat(listing, "\n")
  return self
end

-- --- as a data set ----------------------------------------------------------------------------------------------

function Collection:__len() return #self.entries end

--- How many drawings each class has: a table from its name to a number.
function Collection:counts()
  local counts = {}
  for _, entry in ipairs(self.entries) do counts[entry.label] = (counts[entry.label] or 0) + 1 end
  return counts
end

--- The drawings as tensors.
-- @param classes which classes there are, in which order (default: the collection's); drawings of others are left out
-- @return uint8 (n, 28, 28, 1), and int64 (n): the classes' places, counted from 0; nil when there is none
function Collection:stored(classes)
  local place, parts, labels = {}, {}, {}
  for i, name in ipairs(classes or self.classes) do place[name] = i - 1 end
  for _, entry in ipairs(self.entries) do
    if place[entry.label] then
      parts[#parts + 1], labels[#labels + 1] = entry.bytes, place[entry.label]
    end
  end
  if #parts == 0 then return nil end
  return core.cat(parts, 1), core.tensor(labels, "int64")
end

--- The drawings as a data set, like MNIST's.
-- @param classes as of stored
-- @return the set, or nil when there is none
function Collection:dataset(classes)
  local x, y = self:stored(classes)
  if x == nil then return nil end
  return require("perilune.data").tensors { x, y, classes = classes or self.classes, name = "drawings" }
end

-- --- writing ----------------------------------------------------------------------------------------------------

--- Writes the three files of all drawings. Whoever writes them looks at the folder again behind it: of several that write at
-- once, the last one to see a change has the last word.
function Collection:write_index()
  local written
  for _ = 1, ATTEMPTS do
    self:refresh()
    if self.listing == written then return end
    local set = self:dataset()
      or require("perilune.data").tensors(core.zeros({ 0, SIDE, SIDE, 1 }, "uint8"), core.zeros({ 0 }, "int64"))
    set:save_idx { images = self.folder .. "/" .. IMAGES, labels = self.folder .. "/" .. LABELS }
    core.write_file(self.folder .. "/" .. CLASSES, json.encode(json.array(self.classes)) .. "\n")
    written = self.listing
  end
end

local function make_folder(path)
  local lfs = file_system()
  local made, reason = lfs.mkdir(path)
  if made or lfs.attributes(path, "mode") == "directory" then return end
  if lfs.attributes(path, "mode") then reason = "there is a file of that name" end
  error(("drawings: cannot make the folder %s: %s"):format(path, reason), 0)
end

-- The number behind the highest that a class's files have.
local function next_number(path)
  local highest = 0
  for _, name in ipairs(names_in(path, function(name) return name:find "^%d+%.%w+$" ~= nil end)) do
    highest = math.max(highest, math.tointeger(tonumber(name:match "^%d+")) or 0)
  end
  return highest + 1
end

-- Writes a picture under the next free number; returns the path without its ending.
local function claim(folder, bytes)
  local number = next_number(folder)
  for _ = 1, ATTEMPTS do
    local stem = ("%s/%04d"):format(folder, number)
    if core.create_file(stem .. ".png", bytes) then return stem end
    number = math.max(number + 1, next_number(folder))
  end
  error(("drawings: %s: no number is free"):format(folder), 0)
end

-- A tensor of what the net sees.
local function seen(picture)
  local meta = getmetatable(picture)
  if type(meta) ~= "table" or meta.__name ~= "perilune.Tensor" then
    error(("drawings: wants what the net sees, a picture (28, 28, 1), got %s"):format(picture == nil and "nil"
      or "a " .. type(picture)), 0)
  end
  local shape = picture.shape
  if shape[1] ~= SIDE or shape[2] ~= SIDE or #shape > 3 or (shape[3] or 1) ~= 1 then
    error(("drawings: wants what the net sees, a picture (28, 28, 1), got (%s); image.digit makes it of any"):format(
      table.concat(shape, ", ")), 0)
  end
  return picture:reshape(SIDE, SIDE, 1)
end

--- Adds drawings of one class, and leaves the three files of all drawings as they are: for who writes them later
-- (write_index), since that takes the longer the more drawings there are.
-- @param list  of { picture = what the net sees, (28, 28, 1): bright ink on a dark ground, strokes = what it was drawn of,
--   for the .json beside it (see canvas:strokes_table), or nil }
-- @param label their class: 7, "7" or a name
-- @param paths a list that the paths of the pictures' files are added to, one as soon as it is there
-- @return paths
-- @raise an error that names the class or the path that is wrong; what was there before stays
function Collection:put_all(list, label, paths)
  local name, files = collection.name(label), {}
  for i, item in ipairs(list) do
    files[i] = { image.encode(seen(item.picture)), item.strokes and json.encode(item.strokes) .. "\n" }
  end
  paths = paths or {}
  make_folder(self.folder)
  make_folder(self.folder .. "/" .. name)
  for _, file in ipairs(files) do
    local stem = claim(self.folder .. "/" .. name, file[1])
    paths[#paths + 1] = stem .. ".png"
    if file[2] then core.write_file(stem .. ".json", file[2]) end
  end
  return paths
end

--- Adds drawings of one class: the three files of all drawings are written once, behind the last.
-- @param ... as of put_all
-- @return paths
-- @raise as put_all
function Collection:add_all(...)
  local paths = self:put_all(...)
  self:write_index()
  return paths
end

--- Adds one drawing.
-- @param picture as of add_all
-- @param label   as of add_all
-- @param strokes as of add_all
-- @return the path of the picture's file
-- @raise as add_all
function Collection:add(picture, label, strokes)
  return self:add_all({ { picture = picture, strokes = strokes } }, label)[1]
end

--- Takes drawings away that were added by mistake; of one that is gone already nothing is said.
-- @param ... what add gave
function Collection:remove(...)
  local lfs = file_system()
  for _, path in ipairs { ... } do
    local ok, reason = os.remove(path)
    if not ok and lfs.attributes(path, "mode") then error(("drawings: cannot remove %s"):format(reason), 0) end
    os.remove((path:gsub("%.png$", ".json")))
    lfs.rmdir(path:match "^(.*)/[^/]*$") -- which it does to an empty folder alone
  end
  self:write_index()
end

--- The collection in a folder; a folder that is not there is made with the first drawing.
-- @param folder its path
-- @return a collection: #c, c.folder, c.classes, c.entries, c.problems, c:counts(), c:dataset(), c:add(), c:add_all(), c:remove()
-- @raise an error when something else has that name, or the folder cannot be read
function collection.open(folder)
  if type(folder) ~= "string" or folder == "" then
    error(("drawings: wants a folder's path, got %s"):format(folder == "" and "an empty one" or "a " .. type(folder)), 0)
  end
  local self = setmetatable({ folder = folder:gsub("(.)/+$", "%1"), read = {}, classes = classes_of {}, entries = {},
    problems = {}, listing = "" }, Collection)
  local mode = file_system().attributes(folder, "mode")
  if mode == nil then return self end
  if mode ~= "directory" then error(("drawings: %s is a %s, expected a folder"):format(folder, mode), 0) end
  return self:refresh()
end

return collection
