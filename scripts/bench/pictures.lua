-- The pictures that a benchmark's net learns from.
local peri = require "perilune"

-- @param work { net =, batch =, size = }
-- @return a data set: MNIST, Fashion-MNIST, or random pictures of size x size x 3
return function(work)
  if work.net == "images" then
    local count = math.max(2 * work.batch, 256)
    local x = (peri.rand(count, work.size, work.size, 3) * 255):byte()
    return peri.data.tensors(x, (peri.rand(count) * 10):long())
  end
  if work.net == "vgg" or work.net == "resnet" then return (peri.data.fashion_mnist()) end
  return (peri.data.mnist())
end
