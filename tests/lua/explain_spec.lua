-- Explanations: golden values of PyTorch, Keras and NumPy, the papers' properties, and nets left as they were.
local peri = require "perilune"
local tsne = require "perilune.explain.tsne"
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local golden = dofile(here .. "/support/golden.lua")
local explain, nn = peri.explain, peri.nn
local has_linalg = package.searchpath("perilune.linalg", package.cpath) ~= nil

local function largest(a, b) return (a - b):abs():max():item() end

local function near(expected, got, most)
  assert.same(expected.shape, got.shape)
  local off = largest(expected, got)
  assert.is_true(off <= most, ("off by %g, allowed %g"):format(off, most))
end

local function fails(pattern, f, ...)
  local ok, reason = pcall(f, ...)
  assert.is_false(ok)
  assert.truthy(tostring(reason):find(pattern, 1, true), ("'%s' does not say '%s'"):format(reason, pattern))
  assert.truthy(tostring(reason):find("explain_spec.lua:", 1, true), reason)
end

-- A small net of pictures with everything in it: a residual block, branches, a layer in Lua, dropout.
local function busy_net()
  return nn.Sequential {
    nn.Conv2D { 4, kernel = 3, activation = "relu", padding = "same" },
    nn.Residual { nn.BatchNorm {}, nn.Conv2D { 4, kernel = 3, padding = "same" } },
    nn.Concat { nn.Conv2D { 2, kernel = 1 }, nn.Sequential { nn.Conv2D { 3, kernel = 1 }, nn.Activation { "tanh" } } },
    nn.Lambda { function(x) return x * 2 end, name = "twice" },
    nn.MaxPool2D { 2 }, nn.Flatten {}, nn.Dropout { 0.5 },
    nn.Dense { 5, activation = "softmax" },
  }:build { 6, 8, 2 }
end

describe("explain, golden", function()
  for _, case in ipairs(golden.cases "explain") do
    for _, dtype in ipairs(case.kind == "net" and { "float64", "float32" } or {}) do
      it(("%s in %s"):format(case.name, dtype), function()
        local tolerance = golden.tolerance[dtype]
        local x = golden.tensor(case.x, dtype)
        local net, classes, o = golden.net(case, x, dtype), golden.tensor(case.classes), case.options
        local function check(array, tensor, what) golden.near(array, tensor, tolerance, what) end
        local map, about = explain.saliency(net, x, { class = classes })
        check(case.gradient, map, "saliency")
        check(case.scores, about.scores, "scores")
        check(case.probability_gradient, explain.saliency(net, x, { class = classes, score = "probability" }), "of the probability")
        for _, batch in ipairs { 1, 2, 100 } do -- in pieces, too
          local path, told = explain.integrated_gradients(net, x, { class = classes, baseline = o.baseline, steps = o.steps,
            batch = batch })
          check(case.integrated, path, "integrated gradients")
          near(path:flatten(2):sum(2) - (told.scores - told.baseline_scores), told.delta, 1e-5)
        end
        local cam, said = explain.grad_cam(net, x, { class = classes, relu = false, resize = false })
        check(case.cam, cam, "Grad-CAM")
        assert.equal(net[case.cam_layer].name, said.layer)
        check(case.resized, explain.grad_cam(net, x, { class = classes, layer = net[case.cam_layer], batch = 1 }), "resized")
        local covered, seen = explain.occlusion(net, x, { class = classes:totable(), size = o.size, stride = o.stride,
          fill = o.fill, batch = 2 })
        check(case.occlusion, covered, "occlusion")
        check(case.drops, seen.drops, "drops")
      end)
    end
    if case.kind == "tsne" then
      it(case.name, function()
        local p = tsne.affinities(golden.tensor(case.x, "float64"), case.perplexity)
        golden.near(case.affinities, p, 1e-6, "affinities")
        local y = golden.tensor(case.y, "float64")
        assert.near(case.kl, tsne.divergence(p, y), 1e-6)
        golden.near(case.gradient, tsne.gradient(y, p), 1e-5, "gradient")
      end)
    end
    if case.kind == "tsne_run" then
      it(case.name .. " ends within a tenth of scikit-learn's", function()
        local x = golden.tensor(case.x, "float32")
        for _, init in ipairs { has_linalg and "pca" or "random", "random" } do
          local _, about = explain.tsne(x, { perplexity = case.perplexity, init = init })
          assert.is_true(about.kl < 1.1 * case.kl, ("%g beside %g"):format(about.kl, case.kl))
          assert.is_true(about.kl > 0.5 * case.kl)
        end
      end)
    end
    if case.kind == "pca" and has_linalg then
      for _, dtype in ipairs { "float64", "float32" } do
        it(("%s in %s"):format(case.name, dtype), function()
          local x, tolerance = golden.tensor(case.x, dtype), golden.tolerance[dtype]
          local pca = peri.linalg.pca(x, { components = case.components.shape[1] })
          golden.near(case.components, pca.components, tolerance, "components")
          golden.near(case.ratios, pca.ratios, tolerance, "ratios")
          golden.near(case.variances, pca.variances, tolerance, "variances")
          local z = pca:transform(x)
          golden.near(case.transformed, z, tolerance, "transformed")
          golden.near(case.restored, pca:inverse(z), tolerance, "restored")
          near(z[{ {}, { 1, 2 } }], pca:transform(x, 2), tolerance)
          near(pca:inverse(peri.cat({ z[{ {}, { 1, 2 } }], z[{ {}, { 3, 3 } }] * 0 }, 2)), pca:inverse(z[{ {}, { 1, 2 } }]), 1e-6)
        end)
      end
    end
  end
end)

describe("explain", function()
  before_each(function() peri.seed(7) end)

  it("gives attributions that add up to the difference of scores", function()
    local net, x = busy_net():build({ 6, 8, 2 }), peri.rand(3, 6, 8, 2)
    local coarse, one = explain.integrated_gradients(net, x, { steps = 3 })
    local map, about = explain.integrated_gradients(net, x, { steps = 400, baseline = peri.full({ 6, 8, 2 }, 0.25) })
    assert.same(x.shape, coarse.shape)
    near(about.scores - about.baseline_scores, map:flatten(2):sum(2), 2e-3)
    near(peri.zeros(3), about.delta, 2e-3)
    assert.is_true(one.delta:abs():max():item() > 0)
    local linear = nn.Sequential { nn.Flatten {}, nn.Dense { 3 } }:build { 6, 8, 2 }
    local exact, told = explain.integrated_gradients(linear, x, { class = 1, steps = 1 })
    near(peri.zeros(3), told.delta, 1e-5)
    near(explain.saliency(linear, x, { class = 1, times_input = true }), exact, 1e-6)
  end)

  it("leaves the net, its gradients and the random numbers as they were", function()
    local net, x = busy_net(), peri.rand(2, 6, 8, 2)
    local before, grads, picture = {}, {}, x:clone()
    net(x):sum():backward()
    for i, p in ipairs(net:parameters()) do before[i], grads[i] = p:detach():clone(), p.grad and p.grad:clone() end
    local moments = net[2][1].moving_mean:clone()
    local state, y = peri.rng_state(), net(x):detach()
    local function look()
      explain.grad_cam(net, x)
      explain.saliency(net, x, { samples = 2 })
      explain.integrated_gradients(net, x, { steps = 2 })
      explain.occlusion(net, x, { stride = 3 })
      explain.occlusion(net, x, { stride = 3, batch = 1 })
      explain.activations(net, x)
      explain.tsne(x:flatten(2):tile(4, 1) + peri.arange(1, 8):float():unsqueeze(2), { perplexity = 2, iterations = 3, init = "random" })
      pcall(explain.saliency, net, x, { class = 99 })
    end
    look()
    assert.is_true(peri.grad_enabled())
    peri.no_grad(function()
      look()
      assert.is_false(peri.grad_enabled())
    end)
    assert.same(state, peri.rng_state())
    near(y, net(x):detach(), 0)
    near(moments, net[2][1].moving_mean, 0)
    near(picture, x, 0)
    assert.is_nil(x.grad)
    assert.is_false(x.requires_grad)
    for i, p in ipairs(net:parameters()) do
      near(before[i], p:detach(), 0)
      assert.is_true(p.requires_grad)
      if grads[i] then near(grads[i], p.grad, 0) else assert.is_nil(p.grad) end
    end
  end)

  it("explains logits before a softmax, the output itself without one, and both signs of a sigmoid", function()
    local x = peri.rand(4, 5)
    local soft = nn.Sequential { nn.Dense { 3, activation = "softmax" } }:build { 5 }
    local _, about = explain.saliency(soft, x, { class = 2 })
    near(soft[1].kernel:detach()[{ {}, 3 }]:unsqueeze(1):expand(4, 5), (explain.saliency(soft, x, { class = 2 })), 1e-6)
    near((x:matmul(soft[1].kernel) + soft[1].bias):detach()[{ {}, 3 }], about.scores, 1e-6)
    local _, likely = explain.saliency(soft, x, { class = 2, score = "probability" })
    near(soft(x):detach()[{ {}, 3 }], likely.scores, 1e-6)
    local tail = nn.Sequential { nn.Dense { 3 }, nn.Activation { "softmax" } }:build { 5 }
    near(tail[1].kernel:detach()[{ {}, 1 }]:unsqueeze(1):expand(4, 5), (explain.saliency(tail, x, { class = 0 })), 1e-6)
    local two = nn.Sequential { nn.Dense { 1, activation = "sigmoid" } }:build { 5 }
    local yes, no = explain.saliency(two, x, { class = 1 }), explain.saliency(two, x, { class = 0 })
    near(yes, -no, 0)
    local _, said = explain.saliency(two, x)
    assert.is_true(said.classes:equal(two(x):detach():gt(0.5):long():reshape(4)))
    local _, p1 = explain.saliency(two, x, { class = 1, score = "probability" })
    local _, p0 = explain.saliency(two, x, { class = 0, score = "probability" })
    near(peri.ones(4), p1.scores + p0.scores, 1e-6)
    local line = nn.Sequential { nn.Dense { 1 } }:build { 5 }
    near(line[1].kernel:detach():reshape(1, 5):expand(4, 5), (explain.saliency(line, x)), 1e-6)
    fails("ends in softmax or sigmoid", function() explain.saliency(line, x, { score = "probability" }) end)
  end)

  it("takes classes as labels, names, lists and tensors", function()
    local net, x = busy_net(), peri.rand(3, 6, 8, 2)
    net.classes = { "ant", "bee", "cat", "dog", "eel" }
    local _, said = explain.saliency(net, x)
    assert.is_true(said.classes:equal(net(x):detach():argmax(2) - 1))
    local function classes(given) return select(2, explain.saliency(net, x, { class = given, batch = 2 })).classes:totable() end
    assert.same({ 2, 2, 2 }, classes "cat")
    assert.same({ 2, 2, 2 }, classes(2.0))
    assert.same({ 4, 0, 1 }, classes { 4, "ant", 1 })
    assert.same({ 4, 0, 3 }, classes(peri.tensor({ 4, 0, 3 }, "int64")))
    fails("class 5 is none of the net's 5 classes: 0 to 4 called ant, bee", function() explain.saliency(net, x, { class = 5 }) end)
    fails("class -1 is none", function() explain.occlusion(net, x, { class = -1 }) end)
    fails("class 'cow' is none", function() explain.grad_cam(net, x, { class = "cow" }) end)
    fails("class 1.5 is none", function() explain.integrated_gradients(net, x, { class = 1.5 }) end)
    fails("has 2 classes for 3 samples", function() explain.saliency(net, x, { class = { 1, 2 } }) end)
  end)

  it("gives each sample what it would have alone", function()
    local net, x = busy_net(), peri.rand(3, 6, 8, 2)
    for _, method in ipairs { "grad_cam", "saliency", "integrated_gradients", "occlusion" } do
      local all = explain[method](net, x, { class = { 0, 1, 2 } })
      for i = 1, 3 do near(explain[method](net, x[{ { i }, {}, {}, {} }], { class = i - 1 })[1], all[i], 1e-5) end
    end
  end)

  it("keeps each sample's own baseline and cover when samples go in pieces", function()
    local net, x, other = busy_net(), peri.rand(3, 6, 8, 2), peri.rand(3, 6, 8, 2)
    local function path(batch)
      return (explain.integrated_gradients(net, x, { baseline = other, batch = batch, class = 1, steps = 5 }))
    end
    local function covered(batch) return (explain.occlusion(net, x, { fill = other, batch = batch, class = 1, stride = 3 })) end
    near(path(100), path(1), 1e-6)
    near(covered(100), covered(1), 1e-5)
  end)

  it("takes a layer that stands in a net twice where it stands last", function()
    local twice = nn.Dense { 4, activation = "tanh" }
    local net, x = nn.Sequential { twice, nn.Sequential { twice }, nn.Dense { 2 } }:build { 4 }, peri.rand(3, 4)
    near(twice(twice(x)):detach(), explain.activations(net, x, twice), 1e-6)
    near(twice(x):detach(), explain.activations(net, x, 1), 1e-6)
  end)

  it("finds the last feature maps, and layers by name, path, position and object", function()
    local net, x = busy_net(), peri.rand(2, 6, 8, 2)
    local map, about = explain.grad_cam(net, x)
    assert.equal("twice", about.layer) -- behind the joined branches, before the pooling
    assert.same({ 2, 6, 8 }, map.shape)
    assert.is_true(map:min():item() >= 0)
    assert.same({ 2, 6, 8 }, explain.grad_cam(net, x, { layer = "max_pooling2d" }).shape)
    assert.same({ 2, 3, 4 }, explain.grad_cam(net, x, { layer = -4, resize = false }).shape)
    near(explain.grad_cam(net, x, { layer = "3.2.1" }), explain.grad_cam(net, x, { layer = net[3][2][1] }), 0)
    near(explain.activations(net, x, "net.2"), explain.activations(net, x, net[2]), 0)
    near(explain.activations(net, x, 2), explain.activations(net, x, "residual"), 0)
    near(explain.activations(net, x, -1), net(x):detach(), 1e-6)
    fails("layer 'conv9' is none of the net's; these are: conv2d (6, 8, 4), 2.1 batch_normalization (6, 8, 4)",
      function() explain.activations(net, x, "conv9") end)
    fails("4 layers are called 'conv2d'; say which by its path: conv2d (6, 8, 4), 2.2 conv2d (6, 8, 4), 3.1 conv2d",
      function() explain.grad_cam(net, x, { layer = "conv2d" }) end)
    fails("layer dense gives (5), no maps (height, width, channels); those that do: conv2d",
      function() explain.grad_cam(net, x, { layer = "dense" }) end)
    local dense = nn.Sequential { nn.Flatten {}, nn.Dense { 3 } }:build { 6, 8, 2 }
    fails("has no convolution layer to look at: it is made of flatten (96), dense (3)", function() explain.grad_cam(dense, x) end)
  end)

  it("shows what every layer gives", function()
    local net, x = busy_net(), peri.rand(2, 6, 8, 2)
    local all = explain.activations(net, x)
    local names = {}
    for i, row in ipairs(all) do
      names[i] = row.path .. " " .. row.name
      assert.is_false(row.output.requires_grad)
    end
    assert.same({ "1 conv2d", "2.1 batch_normalization", "2.2 conv2d", "2 residual", "3.1 conv2d", "3.2.1 conv2d",
      "3.2.2 activation", "3.2 sequential", "3 concat", "4 twice", "5 max_pooling2d", "6 flatten", "7 dropout", "8 dense" }, names)
    near(all[4].output, all[3].output + all[1].output, 1e-6)
    near(all.concat, peri.cat({ all[5].output, all.activation }, -1), 0)
    near(all.twice, all.concat * 2, 0)
    near(all.dense, net(x):detach(), 1e-6)
    local one = nn.Dense { 3 }:build { 4 }
    assert.same({ 2, 3 }, explain.activations(one, peri.rand(2, 4), one).shape)
  end)

  it("covers all of a picture and no more", function()
    local net = nn.Sequential { nn.Lambda { function(x) return x:sum({ 2, 3 }) end } }:build { 5, 7, 2 }
    local x = peri.rand(2, 5, 7, 2)
    local map, about = explain.occlusion(net, x, { class = 1, size = 1, fill = 0 })
    near(x[{ {}, {}, {}, 2 }], map, 1e-5) -- one pixel covered costs what it held
    assert.same({ 2, 5, 7 }, about.drops.shape)
    local _, wide = explain.occlusion(net, x, { size = { 2, 7 }, stride = { 3, 4 } })
    assert.same({ 2, 2, 1 }, wide.drops.shape)
    local _, same = explain.occlusion(net, x, { class = 0, size = { 5, 7 }, fill = x })
    near(peri.zeros(2, 1, 1), same.drops, 1e-6)
    fails("a window of 6 x 5 is larger than the pictures, 5 x 7", function() explain.occlusion(net, x, { size = { 6, 5 } }) end)
    fails("argument 'stride' wants a whole number", function() explain.occlusion(net, x, { stride = 0 }) end)
    fails("argument 'fill' wants a number or a tensor that fits x (2, 5, 7, 2), got (3)",
      function() explain.occlusion(net, x, { fill = peri.zeros(3) }) end)
  end)

  it("smooths with noise that follows from the seed", function()
    local net, x = busy_net(), peri.rand(2, 6, 8, 2)
    local function smooth(seed, noise) return (explain.saliency(net, x, { samples = 4, seed = seed, noise = noise })) end
    near(smooth(1), smooth(1), 0)
    assert.is_true(largest(smooth(1), smooth(2)) > 0)
    near(explain.saliency(net, x), smooth(3, 0), 1e-6)
  end)

  it("says what is wrong with net and input", function()
    local net, x = busy_net(), peri.rand(2, 6, 8, 2)
    fails("the net is not built; call net:build", function() explain.saliency(nn.Dense { 3 }, x) end)
    fails("wants a net first, got a table", function() explain.grad_cam({}, x) end)
    local plain = nn.Sequential { nn.Dense { 2 } }:build { 3 }
    fails("give the net that it was compiled from", function() explain.saliency(plain:compile(), peri.rand(1, 3)) end)
    fails("x is (6, 8, 2), the net wants (n, 6, 8, 2); one sample becomes a batch of one with x:unsqueeze(1)",
      function() explain.grad_cam(net, x[1]) end)
    fails("x is (2, 3), the net wants (n, 6, 8, 2)", function() explain.activations(net, peri.rand(2, 3)) end)
    fails("x is uint8, and only floating numbers", function() explain.saliency(net, x:byte()) end)
    fails("unknown argument 'layers'", function() explain.grad_cam(net, x, { layers = 3 }) end)
    fails("argument 'steps' wants 1 or more, got 0", function() explain.integrated_gradients(net, x, { steps = 0 }) end)
    fails("argument 'batch' wants 1 or more", function() explain.saliency(net, x, { batch = 0 }) end)
    fails("argument 'baseline' wants a number or a tensor that fits x", function()
      explain.integrated_gradients(net, x, { baseline = "black" })
    end)
    fails("argument 'score' wants", function() explain.saliency(net, x, { score = "loss" }) end)
    local maps = nn.Sequential { nn.Conv2D { 2, kernel = 3 } }:build { 6, 8, 2 }
    fails("wants a net that gives a row of scores for each sample", function() explain.saliency(maps, x) end)
    local cut = nn.Sequential { nn.Flatten {}, nn.Dense { 2 }, function(y) return y:detach() end }:build { 6, 8, 2 }
    fails("does not depend on the input: is there a layer that detaches", function() explain.saliency(cut, x) end)
  end)
end)

describe("explain, pictures", function()
  it("colours heat maps by value", function()
    local colors = require "perilune.plot.color"
    local low, high = colors.scale("test", "perilune")[1], colors.scale("test", "perilune")[33]
    local function hex(rgb)
      local t = (rgb * 255):round():long():totable()
      return ("#%02x%02x%02x"):format(t[1], t[2], t[3])
    end
    local heat = explain.heat(peri.tensor { { 0, 1 }, { 4, 2 } })
    assert.same({ 2, 2, 3 }, heat.shape)
    assert.equal(low, hex(heat[1][1]))
    assert.equal(high, hex(heat[2][1]))
    local signed = explain.heat(peri.tensor { { -2, 0, 2 } })
    local scale = colors.scale("test", "diverging")
    assert.equal(scale[1], hex(signed[1][1]))
    assert.equal(scale[33], hex(signed[1][3]))
    local levels = signed[1][2]:min():item() -- zero lies in the palest middle
    assert.is_true(levels > 0.9)
    assert.same({ 2, 3, 4, 3 }, explain.heat(peri.randn(2, 3, 4, 5)).shape)
    near(explain.heat(peri.zeros(2, 2)), explain.heat(peri.zeros(2, 2), { range = { 0, 1 } }), 0)
    fails("palette wants one of", function() explain.heat(peri.zeros(2, 2), { palette = "jet" }) end)
    fails("argument 'range' wants { lowest, highest }", function() explain.heat(peri.zeros(2, 2), { range = { 1, 0 } }) end)
    fails("wants a map", function() explain.heat "x" end)
  end)

  it("lays heat over pictures and leaves cold places as they are", function()
    local x = peri.rand(2, 4, 6, 1)
    local map = peri.zeros(2, 4, 6)
    map[{ 1, 2, 3 }] = 5
    local laid = explain.overlay(x, map)
    assert.same({ 2, 4, 6, 3 }, laid.shape)
    near(x[2]:expand(4, 6, 3), laid[2], 1e-6)
    near(x[1]:expand(4, 6, 3)[{ { 3, 4 }, {}, {} }], laid[1][{ { 3, 4 }, {}, {} }], 1e-6)
    local opaque = explain.overlay(x, map, { opacity = 1 })
    near(explain.heat(map, { signed = true })[1][2][3], opaque[1][2][3], 1e-6)
    near(explain.heat(-map)[1][2][3], explain.overlay(x, -map, { opacity = 1 })[1][2][3], 1e-6)
    local lit = explain.overlay(x, map / 2, { opacity = 1, palette = "perilune", signed = false, range = { 0, 5 } })
    local shade = explain.heat(map / 2, { range = { 0, 5 } })[1][2][3]
    near(x[{ 1, 2, 3, {} }] + (shade - x[{ 1, 2, 3, {} }]) * 0.5 ^ 0.75, lit[1][2][3], 1e-6)
    assert.same({ 4, 6, 3 }, explain.overlay(peri.rand(4, 6, 3), peri.rand(2, 3)).shape)
    near(explain.magnitude(peri.tensor { { { { -3, 2 } } } }), peri.tensor { { { 3 } } }, 0)
    fails("1 maps for 2 pictures", function() explain.overlay(x, map[1]) end)
    fails("wants pictures", function() explain.overlay(peri.rand(4, 6), map) end)
    fails("argument 'opacity' wants 0 to 1", function() explain.overlay(x, map, { opacity = 2 }) end)
  end)
end)

describe("explain.tsne", function()
  -- Three clusters far apart in ten dimensions.
  local function clusters(each)
    peri.seed(11)
    local middles = peri.randn(3, 10) * 8
    return middles:repeat_interleave(each, 1) + peri.randn(3 * each, 10)
  end

  it("keeps clusters together, is the same every time, and makes the divergence small", function()
    if not has_linalg then return pending "linalg: built without LAPACK" end
    local x, seen = clusters(20), {}
    local y, about = explain.tsne(x, { perplexity = 10, watch = function(step, at) seen[step] = at.shape[1] end })
    assert.equal(1000, #seen)
    assert.same({ 60, 2 }, y.shape)
    local again = explain.tsne(x, { perplexity = 10 })
    near(y, again, 0)
    local d = (y:unsqueeze(2) - y):square():sum(3)
    for i = 1, 60 do
      local _, order = d[i]:sort()
      for k = 1, 20 do assert.equal((i - 1) // 20, (order[k] - 1) // 20) end
    end
    local p = tsne.affinities(x, 10)
    assert.near(1, p:sum():item(), 1e-9)
    assert.near(about.kl, tsne.divergence(p, y), 1e-9)
    local flat = tsne.divergence(p, peri.linalg.pca(x, { components = 2 }):transform(x))
    assert.is_true(about.kl < 0.5 * flat, ("%g beside %g of PCA"):format(about.kl, flat))
    local function random(seed) return (explain.tsne(x, { perplexity = 10, init = "random", seed = seed, iterations = 20 })) end
    near(random(3), random(3), 0)
    assert.is_true(largest(random(3), random(4)) > 0)
  end)

  it("has rows of the perplexity that was asked for", function()
    local n = 40
    local x = peri.randn(n, 5) * peri.arange(1, n):float():unsqueeze(2)
    x[1] = x[2] -- twins
    for _, perplexity in ipairs { 2.5, 12 } do
      local p = tsne.conditional(x, perplexity)
      local entropy = -(p * p:clamp_min(1e-300):log()):sum(2)
      near(peri.full({ n }, math.log(perplexity), "float64"), entropy, 1e-5)
      assert.near(0, p:diagonal():sum():item(), 0)
    end
  end)

  it("refuses what it cannot lay out", function()
    fails("wants 4 points or more, got 3", function() explain.tsne(peri.rand(3, 2)) end)
    fails("argument 'perplexity' is 30.0; with 10 points it must be above 0 and at most 9", function()
      explain.tsne(peri.rand(10, 4), { perplexity = 30.0 })
    end)
    fails("not finite", function() explain.tsne(peri.full({ 5, 2 }, 0 / 0), { perplexity = 2 }) end)
    fails("wants points first", function() explain.tsne { { 1, 2 } } end)
    fails("argument 'init' wants", function() explain.tsne(peri.rand(9, 4), { perplexity = 3, init = "circle" }) end)
    fails("argument 'init' wants a tensor (9, 2), got (2, 2)", function()
      explain.tsne(peri.rand(9, 4), { perplexity = 3, init = peri.zeros(2, 2) })
    end)
    if has_linalg then
      fails("expected a matrix of 2 rows or more", function() peri.linalg.pca(peri.rand(2, 3, 4)) end)
      fails("wants 1 to 3", function() peri.linalg.pca(peri.rand(3, 4), { components = 4 }) end)
      fails("have no 2 principal components", function() explain.tsne(peri.rand(9, 1), { perplexity = 3 }) end)
    end
  end)
end)
