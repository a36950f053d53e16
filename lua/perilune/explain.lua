--- Looking inside a net: what made it say what it says, what its layers see, and where samples lie in its features.
--
--     local explain = peri.explain
--     local map, about = explain.grad_cam(net, x)               -- (n, 28, 28) of x (n, 28, 28, 1)
--     peri.image.save("why.png", explain.overlay(x, map)[1])
--
-- Every method takes the net, a batch of samples, and options in one table:
--
--   class  which class is to be explained: a label from 0, as the data counts, or a name out of net.classes; one for
--          all samples, or a list or tensor with one a sample. Without it, what the net says of each sample.
--   score  "logit" (default): the number of that class before the softmax (or sigmoid) that the net ends in, as the
--          papers on saliency and Grad-CAM have it, since a probability also moves when only other classes do; or
--          "probability": after it, as Zeiler and Fergus draw occlusion. A net that ends in neither is explained by
--          what it gives.
--   batch  how many samples go through the net together (128); it changes memory and nothing else
--
-- and gives the attribution and a table about it: { classes = int64 (n), scores = (n), ... }. The net runs as it does
-- outside training (no dropout, running moments), and nothing in it changes: no weight, no gradient of a weight, no
-- random number. Nets with layers in Lua, Residual and Concat go too.
-- @module perilune.explain
local args = require "perilune.args"
local attribution = require "perilune.explain.attribution"
local picture = require "perilune.explain.picture"
local recording = require "perilune.tensor.recording"
local scores = require "perilune.explain.scores"
local tsne = require "perilune.explain.tsne"
local walk = require "perilune.explain.walk"

local explain = {}

-- Calls f; errors from below carry no position, and get the line that called the function which called this.
local function call(f, ...)
  local results = table.pack(pcall(f, ...))
  if not results[1] then args.raise(results[2], 3) end
  return table.unpack(results, 2, results.n)
end

--- Grad-CAM: where in the picture the last feature maps speak for a class. Each map is weighted by the mean of the
-- score's gradient over it, and what the sum has above zero is kept (Selvaraju, Cogswell, Das, Vedantam, Parikh and
-- Batra 2017).
-- @param net     a built net
-- @param x       pictures (n, height, width, channels)
-- @param options class = a label, a name, or one a sample (default: what the net says); score = "logit" or "probability";
--   batch = 128; layer = a layer whose output is maps: its name ("conv2d_1"), path ("4.1"), position or itself (default:
--   the last convolution with what follows it at the same height and width);
--   resize = true: stretched to the pictures' size, as the paper does, false: the layer's; relu = true: false also
--   keeps what speaks against the class
-- @return maps (n, height, width), or the layer's height and width
-- @return { classes, scores, layer = its name }
function explain.grad_cam(net, x, options)
  local map, about = call(attribution.grad_cam, net, x, options)
  return map, about
end

--- Saliency: the gradient of the score by the input, which says what a small change of each pixel would do (Simonyan,
-- Vedaldi and Zisserman 2014; they draw its size: explain.magnitude). With times_input what each pixel did, in first
-- order. With samples = 25 or so the mean over noisy copies, which has less grain: SmoothGrad (Smilkov, Thorat, Kim,
-- Viegas and Wattenberg 2017).
-- @param net     a built net
-- @param x       samples (n, ...)
-- @param options class = a label, a name, or one a sample (default: what the net says); score = "logit" or "probability";
--   batch = 128; times_input = false; samples = 0; noise = 0.15 (its deviation, as a part
--   of each sample's range); seed = 0 (of the noise)
-- @return an attribution of x's shape, with signs
-- @return { classes, scores }
function explain.saliency(net, x, options)
  local map, about = call(attribution.saliency, net, x, options)
  return map, about
end

--- Integrated gradients: the way from a baseline to the sample, times the mean gradient along it (Sundararajan, Taly
-- and Yan 2017). Attributions add up to the difference between the scores of sample and baseline.
-- @param net     a built net
-- @param x       samples (n, ...)
-- @param options class = a label, a name, or one a sample (default: what the net says); score = "logit" or "probability";
--   batch = 128; baseline = 0 (a number, or a tensor like one sample or all); steps = 50
--   (gradients are taken at the middles of so many parts)
-- @return an attribution of x's shape, with signs
-- @return { classes, scores, baseline_scores, delta = what the sum misses of scores - baseline_scores (n); more steps
--   make it smaller }
function explain.integrated_gradients(net, x, options)
  local map, about = call(attribution.integrated_gradients, net, x, options)
  return map, about
end

--- Occlusion: how much the score falls when a window of the picture is covered (Zeiler and Fergus 2014). Windows begin
-- at the top left and go by the stride until they have covered everything; the last may reach over the edge.
-- @param net     a built net
-- @param x       pictures (n, height, width, channels)
-- @param options class = a label, a name, or one a sample (default: what the net says); score = "logit" or "probability";
--   batch = 128; size = 5 (pixels, or { height, width }), stride = 1 (the same), fill = 0
--   (what covers: a number, or a tensor that fits x)
-- @return maps (n, height, width): the mean fall over the windows that cover a pixel; above zero it spoke for the class
-- @return { classes, scores, drops = the fall for each window (n, rows, columns) }
function explain.occlusion(net, x, options)
  local map, about = call(attribution.occlusion, net, x, options)
  return map, about
end

local function all_activations(net, x)
  local list = {}
  for i, place in ipairs(walk.places(net)) do
    list[i] = { name = place.name, type = place.type, path = place.path }
    list[place.path] = list[i]
  end
  walk.run(net, x, function(path, output)
    if list[path] then list[path].output = output:detach() end
  end)
  for i = 1, #list do list[list[i].path] = nil end
  for _, row in ipairs(list) do list[row.name] = row.output end
  return list
end

local function activations(net, x, layer)
  local where = "explain.activations"
  x = scores.check(where, net, x)
  if layer == nil or layer == "all" then return recording(false, all_activations, net, x) end
  local place, found = walk.find(where, net, layer), nil
  recording(false, walk.run, net, x, function(path, output)
    if path == place.path then found = output:detach() end
  end)
  return found
end

--- What layers give: feature maps of convolutions, features of dense layers.
-- @param net   a built net
-- @param x     samples (n, ...)
-- @param layer a name ("dense"), a path ("4.1"), a position (-2: the last but one), or the layer itself; nil or "all"
--   for every layer
-- @return a tensor (n, ...) of the layer's output shape; for all, a list of { name, type, path, output } in the order
--   the net runs, whose outputs are also there by name: all.conv2d
function explain.activations(net, x, layer)
  local output = call(activations, net, x, layer)
  return output
end

local function magnitude(map)
  local where = "explain.magnitude"
  if not scores.is_tensor(map) or map.ndim < 3 then
    error(("%s: wants an attribution (n, height, width, channels), got %s"):format(where,
      scores.is_tensor(map) and walk.shape_text(map.shape) or type(map)), 0)
  end
  map = map:detach():abs()
  return map.ndim == 4 and map:max(4) or map
end

--- The size of an attribution: the largest absolute value over the channels, as Simonyan et al. draw saliency.
-- @param map (n, height, width, channels)
-- @return (n, height, width)
function explain.magnitude(map)
  local size = call(magnitude, map)
  return size
end

--- A heat map in colours. One without negative values goes from night blue to light; one with them from blue by white
-- at zero to red. Each map has a scale of its own unless a range is given.
-- @param map     (height, width), (n, height, width), or an attribution (n, height, width, channels), whose channels
--   are added up
-- @param options range = { lowest, highest }, signed (found out), palette = "perilune", "diverging", "blues", "grey"
-- @return float32 (n, height, width, 3) or (height, width, 3), in [0, 1]
function explain.heat(map, options)
  local colours = call(picture.heat, map, options)
  return colours
end

--- A heat map over the picture that it explains: red where it speaks for the class, blue where against it, and where it
-- says nothing the picture as it is. White on black is hard to draw on: 1 - x is ink on paper. A map of another size is
-- stretched.
-- @param x       pictures (n, height, width, 1 or 3), or one without n, in [0, 1]
-- @param map     as for explain.heat, for each picture
-- @param options range as for explain.heat; palette = a scale in place of red and blue, signed = false: its colours go
--   from 0 up; opacity = 0.85 where the map is strongest
-- @return float32 (n, height, width, 3) or (height, width, 3), in [0, 1]
function explain.overlay(x, map, options)
  local pictures = call(picture.overlay, x, map, options)
  return pictures
end

--- t-SNE: points of many dimensions laid out in two, neighbours beside each other (van der Maaten and Hinton 2008). It
-- is the exact method: time and memory go with n squared, 2,000 points take some 10 s. Distances between far groups,
-- and the sizes of groups, mean little.
-- @param x       points (n, features); further axes are taken as features
-- @param options dimensions = 2, perplexity = 30 (how many neighbours count, about), iterations = 1000, early = 100 of
--   them with p exaggerated, exaggeration = 4, learning_rate = n / exaggeration (at least 50), init = "pca", "random"
--   (by the seed) or a tensor, seed = 0, watch = function(step, layout) called after each step
-- @return float32 (n, dimensions): the same for the same arguments
-- @return { kl = the Kullback-Leibler divergence that was reached, perplexity, iterations }
function explain.tsne(x, options)
  local layout, about = call(tsne.layout, x, options)
  return layout, about
end

return explain
