--- How much each pixel, or each place of a feature map, had to do with a score: saliency, integrated gradients,
-- Grad-CAM, occlusion. perilune.explain is the face of this and says what the arguments are.
-- @module perilune.explain.attribution
local args = require "perilune.args"
local core = require "perilune.core"
local picture = require "perilune.explain.picture"
local recording = require "perilune.tensor.recording"
local scores = require "perilune.explain.scores"
local walk = require "perilune.explain.walk"

local attribution = {}

-- What every method takes.
local CLASS, SCORE = { "class", "any" }, { "score", "string", "logit" }
local BATCH = { "batch", "integer", 128, "batch_size" }

local function want(where, name, value, least)
  if value < least then
    error(("%s: argument '%s' wants %s or more, got %s"):format(where, name, least, value), 0)
  end
end

local function rows(t, first, last) return t:slice(1, first, last - first + 1) end

-- Calls f with pieces of x and their classes, as asked for; joins the results.
local function in_pieces(where, x, o, f)
  want(where, "batch", o.batch, 1)
  local given = scores.given(where, o.class, x.shape[1])
  return scores.pieces(x.shape[1], o.batch, function(first, last)
    local part = given
    if type(given) == "table" then part = table.move(given, first, last, 1, {}) end
    return f(rows(x, first, last), part)
  end)
end

-- x's axes but the first, as the shape of one number a sample.
local function column(values, x)
  local shape = { x.shape[1] }
  for axis = 2, x.ndim do shape[axis] = 1 end
  return values:reshape(shape)
end

-- --- the gradient ---

-- The mean gradient over noisy copies; what is random follows from the seed and leaves the generator as it was.
local function smooth_gradient(where, net, x, classes, o)
  local n = x.shape[1]
  local flat = x:reshape(n, -1)
  local deviation = column((flat:max(2) - flat:min(2)) * o.noise, x)
  local sum
  for _ = 1, o.samples do
    local noisy = x + core.randn(x.shape, x.dtype) * deviation
    local gradient = scores.input_gradient(where, net, noisy, classes, o.score)
    sum = sum and sum:add_(gradient) or gradient
  end
  return sum / o.samples
end

local function with_seed(seed, f, ...)
  local before = core.rng_state()
  core.seed(seed)
  local results = table.pack(pcall(f, ...))
  core.set_rng_state(before)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

function attribution.saliency(net, x, options)
  local where = "explain.saliency"
  local o = args.named(where, options, { CLASS, { "times_input", "boolean", false }, { "samples", "integer", 0 },
    { "noise", "number", 0.15 }, { "seed", "integer", 0 }, SCORE, BATCH })
  want(where, "samples", o.samples, 0)
  want(where, "noise", o.noise, 0)
  x = scores.check_float(where, net, x)
  local map, values, classes = with_seed(o.seed, in_pieces, where, x, o, function(part, given)
    local gradient, score, class = scores.input_gradient(where, net, part, given, o.score)
    if o.samples > 0 then gradient = smooth_gradient(where, net, part, class, o) end
    return gradient, score, class
  end)
  if o.times_input then map = map * x end
  return map, { classes = classes, scores = values }
end

-- --- integrated gradients ---

-- A number, a tensor like one sample, or like all.
local function baseline_of(where, given, x)
  if type(given) == "number" then return core.full(x.shape, given, x.dtype) end
  local ok, result = pcall(function() return given:detach():to(x.dtype):expand(x.shape):contiguous() end)
  if not ok then
    error(("%s: argument 'baseline' wants a number or a tensor that fits x %s, got %s"):format(where,
      walk.shape_text(x.shape), scores.is_tensor(given) and walk.shape_text(given.shape) or type(given)), 0)
  end
  return result
end

-- The gradients at the middles of `steps` equal parts of the way from the baseline, averaged.
local function path_gradient(where, net, x, baseline, classes, o)
  local n, way = x.shape[1], x - baseline
  local together = math.max(1, o.batch // n) -- steps that go through the net at once
  local list, sum = classes:totable(), nil
  for first = 1, o.steps, together do
    local count = math.min(together, o.steps - first + 1)
    local points, labels = {}, {}
    for k = 1, count do
      points[k] = baseline + way * ((first + k - 1.5) / o.steps)
      table.move(list, 1, n, #labels + 1, labels)
    end
    local gradient = scores.input_gradient(where, net, core.cat(points, 1), labels, o.score)
    local shape = x.shape
    table.insert(shape, 1, count)
    gradient = gradient:reshape(shape):sum(1)
    sum = sum and sum:add_(gradient) or gradient
  end
  return sum / o.steps
end

function attribution.integrated_gradients(net, x, options)
  local where = "explain.integrated_gradients"
  local o = args.named(where, options, { CLASS, { "baseline", "any", 0 }, { "steps", "integer", 50 }, SCORE, BATCH })
  want(where, "steps", o.steps, 1)
  x = scores.check_float(where, net, x)
  local baseline, place = baseline_of(where, o.baseline, x), 1
  local map, values, classes, start = in_pieces(where, x, o, function(part, given)
    local base = rows(baseline, place, place + part.shape[1] - 1)
    place = place + part.shape[1]
    local score, class = scores.values(where, net, part, given, o.score)
    local base_score = scores.values(where, net, base, class, o.score)
    return (part - base) * path_gradient(where, net, part, base, class, o), score, class, base_score
  end)
  local delta = map:reshape(map.shape[1], -1):sum(2) - (values - start)
  return map, { classes = classes, scores = values, baseline_scores = start, delta = delta }
end

-- --- Grad-CAM ---

local function is_maps(place) return #place.shape == 3 end

-- Where a net's last feature maps are: the last convolution, or what stands behind it as long as its maps keep their
-- height and width (normalisation, activation, a residual sum, joined branches; not a pooling that makes them smaller).
local function last_maps(where, net)
  local places, found = walk.places(net), nil
  for i, place in ipairs(places) do
    if (place.type == "Conv2D" or place.type == "DepthwiseConv2D") and is_maps(place) then found = i end
  end
  if not found then
    error(("%s: the net has no convolution layer to look at: it is made of %s. saliency and integrated_gradients go "
      .. "with any net"):format(where, walk.listed(places)), 0)
  end
  local size = places[found].shape
  while places[found + 1] and is_maps(places[found + 1]) and places[found + 1].shape[1] == size[1]
    and places[found + 1].shape[2] == size[2] do
    found = found + 1
  end
  return places[found]
end

local function maps_place(where, net, layer)
  local place = layer == nil and last_maps(where, net) or walk.find(where, net, layer)
  if is_maps(place) then return place end
  local fit = {}
  for _, other in ipairs(walk.places(net)) do
    if is_maps(other) then fit[#fit + 1] = other end
  end
  error(("%s: layer %s gives %s, no maps (height, width, channels); %s"):format(where, place.name,
    walk.shape_text(place.shape), #fit > 0 and "those that do: " .. walk.listed(fit) or "no layer of this net does"), 0)
end

-- Feature maps at a place, their gradient, scores, classes. Nothing before the place is recorded.
local function maps_gradient(where, net, x, path, given, kind)
  local maps
  return recording(false, function()
    local y = walk.run(net, x, function(at, output)
      if at ~= path then return end
      maps = output:detach():require_grad()
      core.set_grad_enabled(true)
      return maps
    end)
    local said, ending = scores.outputs(where, y, kind)
    local score, classes = scores.of(where, net, said, ending, given, kind)
    return maps:detach(), scores.gradient(where, score, maps), score:detach(), classes
  end)
end

function attribution.grad_cam(net, x, options)
  local where = "explain.grad_cam"
  local o = args.named(where, options, { CLASS, { "layer", "any" }, { "resize", "boolean", true },
    { "relu", "boolean", true }, SCORE, BATCH })
  x = scores.check_float(where, net, x)
  local place = maps_place(where, net, o.layer)
  local map, values, classes = in_pieces(where, x, o, function(part, given)
    local maps, gradient, score, class = maps_gradient(where, net, part, place.path, given, o.score)
    local weights = gradient:mean({ 2, 3 }, true)
    return (maps * weights):sum(4), score, class
  end)
  if o.relu then map = map:relu() end
  if o.resize and x.ndim == 4 then map = picture.resample(map, x.shape[2], x.shape[3]) end
  return map, { classes = classes, scores = values, layer = place.name }
end

-- --- occlusion ---

-- The first pixels of windows that cover an axis: 1, 1 + stride, ... until one reaches the end.
local function starts(length, size, stride)
  local list, at = {}, 1
  repeat
    list[#list + 1] = at
    at = at + stride
  until list[#list] + size - 1 >= length
  return list
end

local function pair(where, name, value)
  local list = type(value) == "table" and value or { value, value }
  for i = 1, 2 do
    if math.type(list[i]) ~= "integer" or list[i] < 1 or #list ~= 2 then
      error(("%s: argument '%s' wants a whole number of pixels or { height, width }, got %s"):format(where, name,
        type(value) == "table" and "a table" or tostring(value)), 0)
    end
  end
  return list
end

local function windows_of(where, x, o)
  local size, list = pair(where, "size", o.size), {}
  local stride = pair(where, "stride", o.stride)
  if size[1] > x.shape[2] or size[2] > x.shape[3] then
    error(("%s: a window of %d x %d is larger than the pictures, %d x %d"):format(where, size[1], size[2], x.shape[2],
      x.shape[3]), 0)
  end
  local tops, lefts = starts(x.shape[2], size[1], stride[1]), starts(x.shape[3], size[2], stride[2])
  for _, top in ipairs(tops) do
    for _, left in ipairs(lefts) do
      list[#list + 1] = { {}, { top, math.min(x.shape[2], top + size[1] - 1) }, { left, math.min(x.shape[3], left + size[2] - 1) } }
    end
  end
  return list, #tops, #lefts
end

local function fill_of(where, fill, x)
  if type(fill) == "number" then return fill end
  local ok, result = pcall(function() return fill:detach():to(x.dtype):expand(x.shape) end)
  if ok then return result end
  error(("%s: argument 'fill' wants a number or a tensor that fits x %s, got %s"):format(where,
    walk.shape_text(x.shape), scores.is_tensor(fill) and walk.shape_text(fill.shape) or type(fill)), 0)
end

-- The scores (windows, n) of x with one window after another covered; as many windows at once as the batch holds.
local function covered_scores(where, net, x, windows, fill, classes, o)
  local n, list, parts = x.shape[1], classes:totable(), {}
  local together = math.max(1, o.batch // n)
  for first = 1, #windows, together do
    local count, labels = math.min(together, #windows - first + 1), {}
    local covered = x:unsqueeze(1):expand(count, table.unpack(x.shape)):clone()
    for k = 1, count do
      local window = windows[first + k - 1]
      covered[{ k, table.unpack(window) }] = type(fill) == "number" and fill or fill[window]
      table.move(list, 1, n, #labels + 1, labels)
    end
    local values = scores.values(where, net, covered:reshape(count * n, table.unpack(x.shape, 2)), labels, o.score)
    parts[#parts + 1] = values:reshape(count, n)
  end
  return core.cat(parts, 1)
end

-- Each pixel's mean over the windows that cover it; drops (windows, n), map (n, height, width).
local function spread(drops, windows, x)
  local n = x.shape[1]
  local map, count = core.zeros({ n, x.shape[2], x.shape[3] }, x.dtype), core.zeros({ 1, x.shape[2], x.shape[3] }, x.dtype)
  for k, window in ipairs(windows) do
    map[window] = map[window] + drops[k]:reshape(n, 1, 1)
    count[window] = count[window] + 1
  end
  return map / count:clamp_min(1)
end

function attribution.occlusion(net, x, options)
  local where = "explain.occlusion"
  local o = args.named(where, options, { CLASS, { "size", "integer|table", 5 }, { "stride", "integer|table", 1 },
    { "fill", "any", 0 }, SCORE, BATCH })
  x = scores.check_float(where, net, x)
  if x.ndim ~= 4 then
    error(("%s: wants pictures (n, height, width, channels), got %s"):format(where, walk.shape_text(x.shape)), 0)
  end
  local windows, high, wide = windows_of(where, x, o)
  local fill, place = fill_of(where, o.fill, x), 1
  local map, values, classes, drops = in_pieces(where, x, o, function(part, given)
    local n = part.shape[1]
    local patch = type(fill) == "number" and fill or rows(fill, place, place + n - 1)
    place = place + n
    local score, class = scores.values(where, net, part, given, o.score)
    local lost = score - covered_scores(where, net, part, windows, patch, class, o)
    return spread(lost, windows, part), score, class, lost:transpose():reshape(n, high, wide)
  end)
  return map, { classes = classes, scores = values, drops = drops }
end

return attribution
