-- The nets of the benchmarks, as side_perilune.lua trains them; nets_torch.py holds the same, nets_keras.py the digit net.
local peri = require "perilune"
local nn = peri.nn

local nets = {}

-- Each: the layers and the shape of an image. `width` multiplies the filters and units where a table asks for it.
function nets.digit(width)
  return { 28, 28, 1 }, {
    nn.Conv2D { 32 * width, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
    nn.Conv2D { 64 * width, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
    nn.Flatten {}, nn.Dense { 128 * width, activation = "relu" }, nn.Dense { 10, activation = "softmax" },
  }
end

function nets.mlp()
  return { 28, 28, 1 }, {
    nn.Flatten {}, nn.Dense { 512, activation = "relu" }, nn.Dense { 512, activation = "relu" },
    nn.Dense { 10, activation = "softmax" },
  }
end

-- LeNet-5 (LeCun et al. 1998) with ReLU and max-pooling.
function nets.lenet()
  return { 28, 28, 1 }, {
    nn.Conv2D { 6, kernel = 5, padding = "same", activation = "relu" }, nn.MaxPool2D { 2 },
    nn.Conv2D { 16, kernel = 5, activation = "relu" }, nn.MaxPool2D { 2 },
    nn.Flatten {}, nn.Dense { 120, activation = "relu" }, nn.Dense { 84, activation = "relu" },
    nn.Dense { 10, activation = "softmax" },
  }
end

local function conv_norm(layers, filters, stride, kernel)
  layers[#layers + 1] = nn.Conv2D { filters, kernel = kernel or 3, stride = stride or 1, padding = "same", use_bias = false }
  layers[#layers + 1] = nn.BatchNorm {}
end

function nets.vgg()
  local layers = {}
  for _, filters in ipairs { 32, 64, 128 } do
    for _ = 1, 2 do
      conv_norm(layers, filters)
      layers[#layers + 1] = nn.Activation { "relu" }
    end
    layers[#layers + 1] = nn.MaxPool2D { 2 }
  end
  layers[#layers + 1] = nn.Flatten {}
  layers[#layers + 1] = nn.Dense { 128, activation = "relu" }
  layers[#layers + 1] = nn.Dense { 10, activation = "softmax" }
  return { 28, 28, 1 }, layers
end

-- ResNet of three stages of two blocks: 16, 32, 64 filters. A stage begins with a strided convolution.
function nets.resnet()
  local layers = {}
  for stage, filters in ipairs { 16, 32, 64 } do
    conv_norm(layers, filters, stage > 1 and 2 or 1)
    layers[#layers + 1] = nn.Activation { "relu" }
    for _ = 1, 2 do
      local inner = {}
      conv_norm(inner, filters)
      inner[#inner + 1] = nn.Activation { "relu" }
      conv_norm(inner, filters)
      layers[#layers + 1] = nn.Residual(inner)
      layers[#layers + 1] = nn.Activation { "relu" }
    end
  end
  layers[#layers + 1] = nn.GlobalAveragePool2D {}
  layers[#layers + 1] = nn.Dense { 10, activation = "softmax" }
  return { 28, 28, 1 }, layers
end

-- Six 3 x 3 convolutions on images of any size.
local function images(size)
  return { size, size, 3 }, {
    nn.Conv2D { 32, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
    nn.Conv2D { 64, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
    nn.Conv2D { 64, kernel = 3, padding = "same", activation = "relu" }, nn.GlobalAveragePool2D {},
    nn.Dense { 10, activation = "softmax" },
  }
end

-- Builds a net of this file.
-- @param work { net =, width =, size = }
-- @return the net, the shape of an image
return function(work)
  local shape, layers
  if work.net == "images" then shape, layers = images(work.size) else shape, layers = nets[work.net](work.width or 1) end
  local net = nn.Sequential(layers)
  net:build(shape)
  return net, shape
end
