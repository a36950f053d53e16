--- Attributions as pictures: colours of a heat map, alone or laid over what was explained.
-- @module perilune.explain.picture
local args = require "perilune.args"
local color = require "perilune.plot.color"
local core = require "perilune.core"

local picture = {}

local function is_tensor(value) return getmetatable(value) == getmetatable(core.zeros(1)) end

local function shape_text(t) return "(" .. table.concat(t.shape, ", ") .. ")" end

-- The matrix that takes a line of `from` values to one of `to`: each new place is a mean of its two neighbours, pixels
-- being squares whose middles are compared, as in image.resize.
local function stretch(from, to, dtype)
  local weights = {}
  for i = 1, to do
    local at = math.max(0, math.min(from - 1, (i - 0.5) * from / to - 0.5))
    local left = math.floor(at)
    local row = {}
    for j = 1, from do row[j] = 0.0 end
    row[left + 1] = 1 - (at - left)
    if left + 2 <= from then row[left + 2] = at - left end
    weights[i] = row
  end
  return core.tensor(weights, dtype)
end

--- Maps (n, h, w) in another size, by bilinear interpolation.
function picture.resample(maps, height, width)
  local h, w = maps.shape[2], maps.shape[3]
  if h ~= height then maps = stretch(h, height, maps.dtype):matmul(maps) end
  if w ~= width then maps = maps:matmul(stretch(w, width, maps.dtype):transpose()) end
  return maps
end

-- --- colours ---

local tables = {} -- name -> (LEVELS, 3)
local LEVELS = 256

local function colour_table(where, name)
  if tables[name] then return tables[name] end
  local scale, levels = color.scale(where, name), {}
  for i = 0, LEVELS - 1 do
    local at = i / (LEVELS - 1) * (#scale - 1)
    local low = math.min(math.floor(at), #scale - 2)
    local rgb = {}
    local from, to = { scale[low + 1]:match "#(%x%x)(%x%x)(%x%x)" }, { scale[low + 2]:match "#(%x%x)(%x%x)(%x%x)" }
    for c = 1, 3 do
      local a, b = tonumber(from[c], 16), tonumber(to[c], 16)
      rgb[c] = (a + (b - a) * (at - low)) / 255
    end
    levels[i + 1] = rgb
  end
  tables[name] = core.tensor(levels, "float32")
  return tables[name]
end

-- Maps (n, h, w) from what a person has: (h, w), (n, h, w), or an attribution (n, h, w, channels) whose channels are
-- added up. Also whether it was a single one.
local function maps_of(where, map)
  if not is_tensor(map) then
    error(("%s: wants a map, a tensor (n, height, width), got %s"):format(where, map == nil and "nil" or "a " .. type(map)), 0)
  end
  map = map:detach():float()
  if map.ndim == 2 then return map:unsqueeze(1), true end
  if map.ndim == 4 then return map:sum(4), false end
  if map.ndim ~= 3 then
    error(("%s: wants a map (height, width), (n, height, width) or (n, height, width, channels), got %s"):format(where,
      shape_text(map)), 0)
  end
  return map, false
end

-- Where in the scale each value stands, 0 to 1, and how much it says, 0 to 1.
local function placed(where, map, o)
  local signed = o.signed
  if signed == nil then signed = map:min():item() < 0 end
  local low, high
  if o.range then
    low, high = o.range[1], o.range[2]
    if type(low) ~= "number" or type(high) ~= "number" or low >= high then
      error(("%s: argument 'range' wants { lowest, highest }"):format(where), 0)
    end
  else
    local reach = map:abs():max({ 2, 3 }, true)
    high = reach + reach:eq(0):to(reach.dtype) -- a map of zeros stays one
    low = signed and -high or high * 0
  end
  local at = ((map - low) / (high - low)):clamp(0, 1)
  return at, signed and (at * 2 - 1):abs() or at, o.palette or (signed and "diverging" or "perilune")
end

local PALETTE = { "palette", "string" }
local RANGE, SIGNED = { "range", "table" }, { "signed", "boolean" }

local function coloured(where, at, palette)
  local shape = at.shape
  shape[#shape + 1] = 3
  local level = (at * (LEVELS - 1)):round():long() + 1
  return colour_table(where, palette):index_select(1, level:reshape(-1)):reshape(shape)
end

function picture.heat(map, options)
  local where = "explain.heat"
  local o = args.named(where, options, { PALETTE, RANGE, SIGNED })
  local maps, single = maps_of(where, map)
  local at, _, palette = placed(where, maps, o)
  local result = coloured(where, at, palette)
  return single and result[1] or result
end

-- Pictures (n, h, w, 3) from (n, h, w, 1 or 3), (h, w, 1 or 3).
local function pictures_of(where, x)
  if not is_tensor(x) or (x.ndim ~= 3 and x.ndim ~= 4) or (x.shape[x.ndim] ~= 1 and x.shape[x.ndim] ~= 3) then
    error(("%s: wants pictures (n, height, width, 1 or 3) first, got %s"):format(where,
      is_tensor(x) and shape_text(x) or (x == nil and "nil" or "a " .. type(x))), 0)
  end
  x = x:detach():float():clamp(0, 1)
  local single = x.ndim == 3
  if single then x = x:unsqueeze(1) end
  return x:expand(x.shape[1], x.shape[2], x.shape[3], 3), single
end

-- What is laid over the pictures and how thickly. Between red and blue lies nothing, so that there the picture shows
-- as it is; another scale's colours follow the value.
local function veil(where, maps, o)
  if o.palette == nil and o.signed == nil then o.signed = true end
  local at, strength, palette = placed(where, maps, o)
  if palette == "diverging" then at = at:ge(0.5):to(at.dtype) end
  return coloured(where, at, palette), (strength ^ 0.75 * o.opacity):unsqueeze(4)
end

function picture.overlay(x, map, options)
  local where = "explain.overlay"
  local o = args.named(where, options, { PALETTE, RANGE, SIGNED, { "opacity", "number", 0.85 } })
  if not (o.opacity >= 0 and o.opacity <= 1) then
    error(("%s: argument 'opacity' wants 0 to 1, got %s"):format(where, o.opacity), 0)
  end
  local pictures, single = pictures_of(where, x)
  local maps = maps_of(where, map)
  if maps.shape[1] ~= pictures.shape[1] then
    error(("%s: %d maps for %d pictures"):format(where, maps.shape[1], pictures.shape[1]), 0)
  end
  maps = picture.resample(maps, pictures.shape[2], pictures.shape[3])
  local colours, opacity = veil(where, maps, o)
  local result = pictures + (colours - pictures) * opacity
  return single and result[1] or result
end

return picture
