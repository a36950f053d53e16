-- Golden cases (tests/golden/*.json) as tensors, and how near a result must come to them.
-- The files count axes and positions from 0, as Python does; here they become Perilune's, from 1.
local cjson = require "cjson"
local peri = require "perilune"

local golden = {}

local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."

--- How far a result may be off, relative to the largest element expected.
golden.tolerance = { float64 = 1e-9, float32 = 1e-5 }

-- cjson reads every number as a float; whole ones are integers here, as sizes and axes must be.
local function whole(value)
  if type(value) == "table" then
    for key, item in pairs(value) do value[key] = whole(item) end
    return value
  end
  return math.type(value) == "float" and math.tointeger(value) or value
end

--- The cases of tests/golden/TOPIC.json.
function golden.cases(topic)
  local path = ("%s/../../golden/%s.json"):format(here, topic)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return whole(cjson.decode(text))
end

--- Is this JSON value an array (not a list of them)?
function golden.is_array(value)
  return type(value) == "table" and value.data ~= nil
end

--- A tensor of a JSON array; floats become `dtype`.
function golden.tensor(array, dtype)
  local data = array.data
  if array.positions then
    data = {}
    for i, position in ipairs(array.data) do data[i] = position + 1 end
  end
  local made = peri.tensor(data, { dtype = array.dtype or dtype })
  return made:reshape(array.shape)
end

--- A leaf that collects a gradient, or for integers an ordinary tensor.
function golden.leaf(array, dtype)
  local made = golden.tensor(array, dtype)
  if not array.dtype then made.requires_grad = true end
  return made
end

local function axis(value)
  if type(value) == "table" then
    local axes = {}
    for i, one in ipairs(value) do axes[i] = axis(one) end
    return axes
  end
  return value >= 0 and value + 1 or value
end

local counted_from_zero = { axis = true, axes = true, axis1 = true, axis2 = true }

--- A case's config as Perilune's named arguments, a new table.
function golden.config(config)
  local made = {}
  for name, value in pairs(config) do made[name] = counted_from_zero[name] and axis(value) or value end
  return made
end

local function make(case)
  local given = golden.config(case.config)
  for i, child in ipairs(case.children or {}) do given[i] = make(child) end
  return peri.nn[case.layer](given)
end

--- Calls f(layer, case) for every layer of the net that has weights, in the net's order.
function golden.each(net, case, f)
  if case.weights and next(case.weights) then f(net, case) end
  for i, child in ipairs(case.children or {}) do golden.each(net[i], child, f) end
end

--- A layer or net as a case describes it, built for the shape of x, with the case's weights.
function golden.net(case, x, dtype)
  local net = make(case)
  local shape = x.shape
  table.remove(shape, 1)
  net:build(shape, dtype)
  golden.each(net, case, function(layer, said)
    for name, array in pairs(said.weights) do
      local weight = assert(layer[name], ("%s has no weight '%s'"):format(said.layer, name))
      peri.no_grad(weight.copy_, weight, golden.tensor(array, dtype))
    end
  end)
  return net
end

local function flatten(value, into)
  if type(value) ~= "table" then
    into[#into + 1] = value
  else
    for _, item in ipairs(value) do flatten(item, into) end
  end
  return into
end

--- Raises unless the tensor has the array's shape, and its elements are the array's within the tolerance.
-- @param what  names the compared thing in the message: "gradient of kernel"
function golden.near(array, tensor, tolerance, what)
  assert(tensor ~= nil, what .. " is missing")
  local shape = table.concat(tensor.shape, ", ")
  local wanted = table.concat(array.shape, ", ")
  if shape ~= wanted then error(("%s has shape (%s), not (%s)"):format(what, shape, wanted), 2) end
  local offset = array.positions and 1 or 0
  local scale = 1e-2
  for _, value in ipairs(array.data) do scale = math.max(scale, math.abs(value)) end
  for i, value in ipairs(flatten(tensor:totable(), {})) do
    local expected = array.data[i] + offset
    if math.abs(value - expected) > tolerance * scale or value ~= value then
      error(("%s: element %d is %.17g, the golden value %.17g"):format(what, i, value, expected), 2)
    end
  end
end

return golden
