--- Batches for training, whatever they come from: a data set of perilune.data (anything with # and
-- batches{...}), or a pair of tensors { x, y }.
-- @module perilune.train.feed
local feed = {}

local Feed = {}
Feed.__index = Feed

local function is_tensor(value) return type(value) == "userdata" and value.shape ~= nil end

--- Batches of a source.
-- @param where  the function's name, for messages
-- @param source a data set, or { x, y }
-- @return an object with `source`, `count`, batches(options) and steps(size)
function feed.of(where, source)
  local kind = type(source)
  if kind == "table" and is_tensor(source[1]) and is_tensor(source[2]) and not source.batches then
    local x, y = source[1].shape, source[2].shape
    if x[1] ~= y[1] then
      error(("%s: x has %s rows and y has %s; both want one row a sample"):format(where, x[1] or "no",
        y[1] or "no"), 0)
    end
    source = require("perilune.data").tensors(source[1], source[2])
  elseif not ((kind == "table" or kind == "userdata") and source.batches) then
    error(("%s: wants a data set (perilune.data) or a pair of tensors {x, y}, got %s"):format(where,
      is_tensor(source) and "a tensor" or source == nil and "nil" or "a " .. kind), 0)
  end
  local count = #source
  if count == 0 then error(("%s: the data set is empty"):format(where), 0) end
  return setmetatable({ source = source, count = count }, Feed)
end

--- How many batches of a size there are; the last may be smaller.
function Feed:steps(size) return (self.count + size - 1) // size end

--- Iterates over x, y. What order and augmentation draw follows from seed and epoch alone; without an epoch nothing
-- is being learned, and an augmented set gives its examples as they are stored.
-- @param options { size =, shuffle =, seed =, epoch = }
function Feed:batches(options)
  local given = { options.size, shuffle = options.shuffle or false, seed = options.seed, epoch = options.epoch }
  if self.source.augmentation and not options.epoch then given.augment = false end
  return self.source:batches(given)
end

--- Splits off a part of the samples, always the same ones.
-- @param part the fraction to split off, between 0 and 1
function Feed:split(part)
  local first, second = self.source:split(1 - part)
  return feed.of("net:fit", first), feed.of("net:fit", second)
end

return feed
