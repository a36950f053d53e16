--- A tiny net and its training, for the tests that look for leaks: by net:fit and by hand, with everything that
-- holds memory from one epoch to the next (validation, BatchNorm, Dropout, Adam, a schedule, a Lua layer).
local peri = require "perilune"
local nn, optim = peri.nn, peri.optim

local tiny = {}

--- Points in three classes, and a net that learns them.
function tiny.problem()
  peri.seed(3)
  local y = peri.randint(0, 2, { 48 })
  local x = peri.randn { 48, 6, 6, 1 } + y:float():reshape(48, 1, 1, 1)
  local net = nn.Sequential {
    nn.Conv2D { 2, kernel = 3, activation = "relu" }, nn.BatchNorm {}, nn.MaxPool2D { 2 }, nn.Flatten {},
    nn.Dropout { 0.2 }, function(t) return t * 2 end, nn.Dense { 3, activation = "softmax" },
  }
  net:build { 6, 6, 1 }
  return net, x, y
end

--- Trains by fit.
-- @param after called with the epoch's number when it has ended
function tiny.fit(epochs, after)
  local net, x, y = tiny.problem()
  local all = peri.data.tensors(x, y)
  local train, validation = all:split(0.75)
  local history = net:fit(train, {
    validation = validation, epochs = epochs, batch = 16, verbose = 0,
    loss = "sparse_categorical_crossentropy", metrics = { "accuracy" },
    optimizer = optim.Adam { lr = function(progress) return 1e-2 * (1 - progress) end },
    callbacks = { function(epoch) after(epoch) end },
  })
  return history
end

--- Trains by hand.
function tiny.by_hand(epochs, after)
  local net, x, y = tiny.problem()
  local set = peri.data.tensors(x, y)
  local opt = optim.Adam { net:parameters(), lr = 1e-2 }
  local last
  for epoch = 1, epochs do
    for bx, by in set:batches { 16, shuffle = true } do
      local loss <close> = nn.losses.sparse_categorical_crossentropy(net(bx, { training = true }), by)
      opt:zero_grad()
      loss:backward()
      opt:step()
      last = loss:item()
    end
    after(epoch)
  end
  return last
end

return tiny
