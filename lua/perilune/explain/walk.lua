--- A net layer by layer: finding a layer, and running the net so that what each layer gives can be looked at or
-- replaced on its way.
--
-- A place is one layer where it stands: { path = "4.1", layer =, name =, type =, shape = (of one sample) }. The path
-- counts as error messages of nets do (net.4.1). Places are in the order in which their outputs come to be, so that
-- a container stands behind what it holds. A layer that stands in a net twice has two places.
-- @module perilune.explain.walk
local core = require "perilune.core"

local walk = {}

local function shape_text(shape) return "(" .. table.concat(shape, ", ") .. ")" end
walk.shape_text = shape_text

local function collect(layer, path, list)
  for i = 1, #layer do collect(layer[i], path == "" and tostring(i) or path .. "." .. i, list) end
  if path ~= "" then
    list[#list + 1] = { path = path, layer = layer, name = layer.name, type = layer.type, shape = layer.output_shape }
  end
  return list
end

--- All places of a net, the net itself left out (unless it is a single layer: its path is then "").
function walk.places(net)
  if #net == 0 then
    return { { path = "", layer = net, name = net.name, type = net.type, shape = net.output_shape } }
  end
  return collect(net, "", {})
end

--- Places as words for a message: "conv2d (26, 26, 32), max_pooling2d (13, 13, 32), 5.1 dense (10)".
function walk.listed(places)
  local words = {}
  for i, place in ipairs(places) do
    words[i] = ("%s%s %s"):format(place.path:find "%." and place.path .. " " or "", place.name, shape_text(place.shape))
  end
  return table.concat(words, ", ")
end

--- The place that a person means.
-- @param where  the function's name, for messages
-- @param net    the net
-- @param wanted a name ("conv2d_1"), a path ("4.1" or "net.4.1"), a position among the net's layers (-1: the last), or
--   the layer itself
-- @return the place; a layer that is used twice is taken where it stands last
function walk.find(where, net, wanted)
  local places, found = walk.places(net), {}
  local path = type(wanted) == "string" and (wanted:match "^net%.(.+)$" or wanted)
  if math.type(wanted) == "integer" then path = tostring(wanted < 0 and wanted + #net + 1 or wanted) end
  local by_name = {}
  for _, place in ipairs(places) do
    if place.path == path or rawequal(place.layer, wanted) then found[#found + 1] = place end
    if place.name == wanted then by_name[#by_name + 1] = place end
  end
  if #found > 0 then return found[#found] end
  if #by_name == 1 then return by_name[1] end
  if #by_name > 1 then
    error(("%s: %d layers are called '%s'; say which by its path: %s"):format(where, #by_name, wanted,
      walk.listed(by_name)), 0)
  end
  local shown = path and ("'%s'"):format(path) or "a " .. type(wanted)
  error(("%s: layer %s is none of the net's; these are: %s"):format(where, shown, walk.listed(places)), 0)
end

local function run(layer, x, path, visit)
  local y = x
  if #layer == 0 then
    y = layer(x)
  elseif layer.type == "Concat" then
    local branches = {}
    for i = 1, #layer do branches[i] = run(layer[i], x, path == "" and tostring(i) or path .. "." .. i, visit) end
    y = core.cat(branches, -1)
  else
    for i = 1, #layer do y = run(layer[i], y, path == "" and tostring(i) or path .. "." .. i, visit) end
    if layer.type == "Residual" then y = y + x end
  end
  return visit(path, y) or y
end

--- Runs a net, not in training, one layer after another.
-- @param visit called as visit(path, output) for every place; what it returns, if not nil, goes on in output's stead
-- @return the net's output
function walk.run(net, x, visit) return run(net, x, "", visit) end

return walk
