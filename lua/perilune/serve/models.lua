--- The models of the service: nets from files, by name, and their reload.
--
--     local list = models.load { "digits=digits.h5", "fashion.h5" }     -- the first is the default
--     list, said = models.reload(list)                                  -- a list of what became of each
--
-- A model is { name, path (nil: the net that comes with Perilune), recogniser, net, shape = { height, width, channels },
-- labels, temperature, threshold, calibrated, parameters = how many numbers the net has }. None of it changes afterwards:
-- a reload makes new ones.
-- @module perilune.serve.models
local core = require "perilune.core"
local outputs = require "perilune.draw.outputs"
local recogniser = require "perilune.draw.recogniser"
local script = require "perilune.script"

local models = {}

local DEFAULT = "digits"       -- the name of the net that comes with Perilune
local SHAPE = { 28, 28, 1 }    -- what a recogniser takes, however its net has it
local NAME_MOST = 64           -- bytes
local WARM = 64                -- images that go through a net before it serves: it is compiled then

-- ---- names

local function is_name(text) return #text <= NAME_MOST and text:find "^[%w_][%w_.-]*$" ~= nil end

local function check_name(name, given)
  if is_name(name) then return name end
  error(("model %q: the name %q does not fit into a URL; a name has 1 to %d of the letters a-z A-Z, digits, and . _ - (not "
    .. "first): NAME=FILE gives one"):format(given, name, NAME_MOST), 0)
end

-- "NAME=FILE", or "FILE", whose name is the file's without its folder and ending.
local function parse(given)
  if type(given) ~= "string" or given == "" then
    error(("a model is named by NAME=FILE or FILE, got %s"):format(given == "" and "an empty text" or "a " .. type(given)), 0)
  end
  local name, path = given:match "^([^=/]*)=(.*)$"
  if not name then
    path = given
    name = path:match "[^/]*$":gsub("^(.+)%.[^.]*$", "%1")
  end
  if path == "" then error(("model %q: there is no file behind the ="):format(given), 0) end
  return { name = check_name(name, given), path = path }
end

--- What models are to be served.
-- @param given a list of "NAME=FILE" or "FILE", or of { name =, net = a built net }; empty or nil: the net that comes with
--   Perilune, as "digits"
-- @return a list of { name =, path = or net = (neither: the net that comes with Perilune) }
-- @raise an error that names the one that is wrong
function models.parse(given)
  local list, known = {}, {}
  for i, one in ipairs(given or {}) do
    local spec = type(one) ~= "table" and parse(one)
      or { name = check_name(tostring(one.name), tostring(one.name)), net = one.net, path = one.path }
    if known[spec.name] then
      error(("two models have the name %q: %s; NAME=FILE gives one of them another"):format(spec.name,
        ("%s and %s"):format(known[spec.name], spec.path or "a net")), 0)
    end
    known[spec.name] = spec.path or "a net"
    list[i] = spec
  end
  if #list == 0 then list[1] = { name = DEFAULT } end
  return list
end

-- ---- loading

local function recogniser_of(spec)
  if spec.net then return recogniser.new(spec.net, spec.name) end
  return spec.path and recogniser.load(spec.path) or recogniser.bundled()
end

local function count_parameters(net)
  local count = 0
  for _, parameter in ipairs(net:parameters()) do count = count + parameter:numel() end
  return count
end

local function load(spec)
  local r = recogniser_of(spec)
  local model = {
    name = spec.name, path = spec.path, spec = spec, recogniser = r, net = r.net, shape = SHAPE, labels = r.labels,
    temperature = r.temperature, threshold = r.threshold, calibrated = r.calibrated, parameters = count_parameters(r.net),
    inputs = r.net.input_shape,
  }
  -- what diverged in training is found here, and the first client does not wait while the net is compiled
  local ok, reason = pcall(models.probabilities, model, core.zeros { WARM, table.unpack(SHAPE) })
  if not ok then error(("%s: %s"):format(spec.path or spec.name, script.reason(reason)), 0) end
  return model
end

--- Loads models.
-- @param given as models.parse takes it
-- @return a list of models
-- @raise an error that names the file which is missing or broken
function models.load(given)
  local list = {}
  for i, spec in ipairs(models.parse(given)) do list[i] = load(spec) end
  return list
end

--- Loads the files anew. A file that cannot be loaded leaves its model as it was.
-- @param list of models, not changed
-- @return a new list
-- @return for each model { name =, path =, reason = why it stays as it was, or nil }
function models.reload(list)
  local fresh, said = {}, {}
  for i, old in ipairs(list) do
    local ok, result = pcall(load, old.spec)
    fresh[i] = ok and result or old
    said[i] = { name = old.name, path = old.path, reason = not ok and script.reason(result) or nil }
  end
  return fresh, said
end

-- ---- use

--- What a model says of images: just what its recogniser would.
-- @param model  one of a list
-- @param images float32 (n, 28, 28, 1)
-- @return float32 (n, classes)
function models.probabilities(model, images)
  local inputs = model.inputs
  if #inputs == 3 then return outputs.softened(model.net, images, model.temperature) end
  local shaped <close> = images:reshape(images.shape[1], table.unpack(inputs)) -- not left to the collector
  return outputs.softened(model.net, shaped, model.temperature)
end

--- The models as the door wants them.
function models.for_door(list)
  local rows = {}
  for i, model in ipairs(list) do
    rows[i] = { name = model.name, shape = model.shape, labels = model.labels, threshold = model.threshold }
  end
  return rows
end

--- A label as JSON has it in answers: a number where it is one.
function models.label_value(label)
  local number = label:find "^%-?%d+$" and math.tointeger(label)
  return number and ("%d"):format(number) == label and number or label
end

--- The place of a class among a model's labels.
-- @param model a model
-- @param label a text
-- @return from 1, or nil
function models.class_of(model, label)
  for i, one in ipairs(model.labels) do
    if one == label then return i end
  end
end

return models
