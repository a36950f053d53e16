--- POST /v1/correct?label=7: keeps a labelled picture in a folder (perilune.draw.collection), where
-- scripts/train_mnist.lua --extra and `perilune draw --drawings` find it. Off unless a folder is named.
--
-- The pictures' files are written before the answer is given. The three files that list all of them, which at thousands take
-- a good part of a second, are written when nobody has asked anything for some seconds, and at the end.
-- @module perilune.serve.correct
local collections = require "perilune.draw.collection"
local drawing = require "perilune.serve.drawing"
local json = require "perilune.json"
local models = require "perilune.serve.models"
local refusal = require "perilune.serve.refusal"

local correct = {}

local Keeper = {}
Keeper.__index = Keeper

local QUIET = 5 -- waits in vain, of a second each, before what has been kept is listed

--- What keeps corrections.
-- @param folder its path
-- @param most   how many pictures it may hold
-- @raise an error that says what is wrong with the folder
function correct.open(folder, most)
  local collection = collections.open(folder)
  return setmetatable({ collection = collection, most = most, count = #collection, quiet = 0 }, Keeper)
end

--- Keeps pictures of one class.
-- @param images float32 (n, 28, 28, 1)
-- @param label  a text
-- @param steps  what the only one was drawn of (canvas:strokes_table), or nil
-- @return how many of them there are now, of all classes
function Keeper:keep(images, label, steps)
  local n, list = images.shape[1], {}
  if self.count + n > self.most then
    refusal.raise(507, "the folder of corrections holds %d pictures of the %d that it may (--corrections-most)", self.count,
      self.most)
  end
  for i = 1, n do list[i] = { picture = images[i], strokes = steps } end
  local paths = {}
  local ok, err = pcall(self.collection.put_all, self.collection, list, label, paths)
  self.count = self.count + #paths
  self.unlisted = self.unlisted or #paths > 0
  if not ok then error(err, 0) end
  return self.count
end

--- Lists what has been kept since the last time.
function Keeper:list()
  if not self.unlisted then return end
  self.unlisted = nil
  self.collection:write_index()
  self.count = #self.collection
end

--- The same once it has been quiet for long enough.
-- @param busy was there something to do, this time?
function Keeper:turned(busy)
  self.quiet = busy and 0 or self.quiet + 1
  if self.quiet >= QUIET then self:list() end
end

local function label_of(model, request)
  local label = request.query.label
  if not label then refusal.raise(422, "label: what the picture shows is wanted: /v1/correct?label=7") end
  if request.label and request.label ~= label then
    refusal.raise(409, "label: the body says %q and the address %q", request.label, label)
  end
  if models.class_of(model, label) then return label end
  refusal.raise(404, "label: the model %s has no class %q; it has %s", model.name, label, table.concat(model.labels, ", "))
end

-- Strokes whose canvas cannot be made of them are kept as a picture all the same.
local function steps_of(request)
  if request.kind ~= "strokes" then return nil end
  local ok, canvas = pcall(drawing.canvas, request.body)
  return ok and canvas:strokes_table() or nil
end

--- Answers a request.
function correct.answer(service, request)
  local keeper = service.keeper
  if not keeper then
    refusal.raise(404, "corrections are not kept here: the service was started without --corrections FOLDER")
  end
  local model = service.models[request.model]
  local label = label_of(model, request)
  local ok, fault = pcall(collections.name, label)
  if not ok then refusal.raise(422, "label: %s", tostring(fault)) end
  local count = keeper:keep(request.images, label, steps_of(request))
  request:answer { status = 200, body = json.message {
    label = models.label_value(label), kept = request.images.shape[1], corrections = count,
  } }
end

return correct
