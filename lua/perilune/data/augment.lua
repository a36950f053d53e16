--- Pictures changed at random on their way into a batch: turned, scaled, sheared, shifted, mirrored, distorted
-- elastically, erased in part, recoloured, mixed.
--
--     local light = data.augment { rotation = 10, scale = { 0.9, 1.1 }, shear = 5, shift = 2 }
--     train:augment(light)                     -- a set whose batches are augmented; net:fit takes it
--     train:batches { 128, shuffle = true, augment = light }
--     light(x)                                 -- one batch
--
-- What is drawn for a picture follows from the seed, the pass (epoch) and the picture's place in the stored set alone.
-- @module perilune.data.augment
local args = require "perilune.args"
local core = require "perilune.core"

local Augment = { __name = "perilune.Augmentation" }
Augment.__index = Augment

local spec = {
  { "rotation", "number|table", nil, "rotate|degrees|angle" },
  { "scale", "number|table", nil, "zoom" }, { "scale_x", "number|table" }, { "scale_y", "number|table" },
  { "shear", "number|table", nil, "shear_x" }, { "shear_y", "number|table" },
  { "shift", "number|table", nil, "translate|translation" }, { "shift_x", "number|table", nil, "translate_x" },
  { "shift_y", "number|table", nil, "translate_y" },
  { "flip", "string|table" }, { "elastic", "table|boolean" }, { "brightness", "number|table" },
  { "contrast", "number|table" }, { "noise", "number" }, { "erase", "table|number|boolean", nil, "cutout" },
  { "mixup", "number|boolean" }, { "probability", "number", 1, "p" }, { "fill", "number|table", nil, "fill_value" },
}

local function fail(format, ...) error("augment: " .. format:format(...), 0) end

-- { low, high } as it stands, or a number to either side of `middle`.
local function range(name, value, middle)
  if value == nil then return nil end
  if type(value) == "number" then
    if value < 0 or (middle == 1 and value > 1) then
      fail("%s = %g: a number goes to either side (0.1 is from %g to %g); write {low, high} for a range", name, value,
        middle - 0.1, middle + 0.1)
    end
    return { middle - value, middle + value }
  end
  if #value ~= 2 or type(value[1]) ~= "number" or type(value[2]) ~= "number" then
    fail("%s wants a number or {low, high}", name)
  end
  return { value[1], value[2] }
end

local flips = { horizontal = { 0.5, 0 }, vertical = { 0, 0.5 }, both = { 0.5, 0.5 },
  horizontal_and_vertical = { 0.5, 0.5 } }

local function flip_of(flip)
  if type(flip) == "string" then
    if not flips[flip] then fail('flip is "%s", expected "horizontal", "vertical" or "both"', flip) end
    return table.unpack(flips[flip])
  end
  local a = args.named("augment, flip", flip, { { "horizontal", "number", 0 }, { "vertical", "number", 0 } })
  return a.horizontal, a.vertical
end

local function elastic_of(elastic)
  if not elastic then return nil end
  local a = args.named("augment, elastic", elastic ~= true and elastic or nil,
    { { "alpha", "number|table", 34 }, { "sigma", "number", 4 } })
  return type(a.alpha) == "number" and { a.alpha, a.alpha } or range("elastic's alpha", a.alpha), a.sigma
end

local function erase_of(erase, flat)
  if not erase then return end
  if erase == true then erase = {} elseif type(erase) == "number" then erase = { probability = erase } end
  local a = args.named("augment, erase", erase, { { "probability", "number", 0.5, "p" },
    { "area", "table", nil, "scale" }, { "aspect", "table", nil, "ratio" }, { "value", "string", "fill" } })
  if a.value ~= "fill" and a.value ~= "random" then
    fail('erase\'s value is "%s", expected "fill" or "random"', a.value)
  end
  flat.erase, flat.erase_random = a.probability, a.value == "random"
  flat.erase_area, flat.erase_aspect = range("erase's area", a.area), range("erase's aspect", a.aspect)
end

-- The core's names and ranges from a person's.
local function flatten(a)
  local flat = {
    probability = a.probability, rotation = range("rotation", a.rotation, 0), scale = range("scale", a.scale, 1),
    scale_x = range("scale_x", a.scale_x, 1), scale_y = range("scale_y", a.scale_y, 1),
    shear_x = range("shear", a.shear, 0), shear_y = range("shear_y", a.shear_y, 0),
    shift_x = range("shift_x", a.shift_x or a.shift, 0), shift_y = range("shift_y", a.shift_y or a.shift, 0),
    brightness = range("brightness", a.brightness, 0), contrast = range("contrast", a.contrast, 1),
    noise = a.noise, mixup = a.mixup == true and 0.2 or a.mixup or nil,
  }
  if a.flip then flat.flip_horizontal, flat.flip_vertical = flip_of(a.flip) end
  flat.elastic_alpha, flat.elastic_sigma = elastic_of(a.elastic)
  erase_of(a.erase, flat)
  return flat
end

local function number_text(value)
  if type(value) ~= "table" then return type(value) == "number" and ("%g"):format(value) or tostring(value) end
  local parts, names = {}, {}
  for i, item in ipairs(value) do parts[i] = number_text(item) end
  for name in pairs(value) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do parts[#parts + 1] = name .. " = " .. number_text(value[name]) end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

--- Makes an augmentation from the options of data.augment.
-- @return an object that data sets take, and that is called with a batch
function Augment.new(options)
  local a = args.named("augment", options, spec)
  local parts = {}
  for _, row in ipairs(spec) do
    if a[row[1]] ~= nil and a[row[1]] ~= row[3] then parts[#parts + 1] = row[1] .. " = " .. number_text(a[row[1]]) end
  end
  local flat = flatten(a)
  return setmetatable({ _core = core.augmentation(flat), _text = table.concat(parts, ", "), fill = a.fill,
    mixup = flat.mixup }, Augment)
end

--- An augmentation as it is, or one made of options.
function Augment.of(given)
  if getmetatable(given) == Augment then return given end
  if type(given) ~= "table" then
    fail("wants its options in one table {...}, or what data.augment made, got %s",
      given == nil and "nil" or "a " .. type(given))
  end
  return Augment.new(given)
end

--- Augments one batch.
-- @param x       pictures (n, h, w, c) or (n, h, w), float32, or uint8, which becomes float32 in [0, 1]
-- @param y       labels or targets, which mixup wants
-- @param options { seed = the generator's, epoch = which draw this is (each call is another), classes = how many,
--   for mixup's labels }
-- @return x, and y (rows, after mixup)
function Augment:__call(x, y, options)
  local a = args.named("augment", options, { { "seed", "integer" }, { "epoch", "integer" }, { "classes", "integer" } })
  self._calls = (self._calls or 0) + 1
  local set = require("perilune.data").tensors(x, y)
  if a.classes then set = set:onehot(a.classes) end
  return set:batches { math.max(#set, 1), augment = self, seed = a.seed, epoch = a.epoch or self._calls, ahead = 0 } ()
end

function Augment:__tostring() return ("augment { %s }"):format(self._text) end

return Augment
