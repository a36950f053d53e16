--- The last results of a session: `_` and `_1` the newest, then `_2` to `_9`.
--
-- Remembering must not fill the memory. The newest result is held until the next one comes; older ones are held
-- while they are small, and what is large (a tensor past a megabyte, a net, a data set) is only known for as
-- long as something else holds it.
-- @module perilune.repl.results
local results = {}
results.__index = results

local KEPT = 9
local SMALL = 1 << 20    -- bytes
local LOOKED_AT = 1000   -- values inside a table

local ITEM_BYTES = { float32 = 4, float64 = 8, int64 = 8, uint8 = 1 }

local function field(value, name)
  local ok, found = pcall(function() return value[name] end)
  return ok and found or nil
end

-- Bytes that a tensor shows (a view's storage may be larger, but then something else made it), or nil.
local function tensor_bytes(value)
  local dtype, shape = field(value, "dtype"), field(value, "shape")
  local bytes = ITEM_BYTES[dtype]
  if not bytes or type(shape) ~= "table" then return nil end
  for _, size in ipairs(shape) do bytes = bytes * size end
  return bytes
end

-- Adds up what a value takes; `left` = { bytes, values } goes below zero when it is not small.
local function spend(value, left, seen)
  local kind = type(value)
  left.values = left.values - 1
  if kind == "string" then
    left.bytes = left.bytes - #value
  elseif kind == "userdata" then
    left.bytes = left.bytes - (tensor_bytes(value) or SMALL + 1)
  elseif kind == "thread" then
    left.bytes = -1
  elseif kind == "table" and not seen[value] then
    seen[value] = true
    left.bytes = left.bytes - 56
    for key, held in next, value do
      if left.bytes < 0 or left.values < 0 then return end
      left.bytes = left.bytes - 40
      spend(key, left, seen)
      spend(held, left, seen)
    end
  end
end

--- Is the value so small that holding on to it does no harm?
function results.is_small(value)
  local left = { bytes = SMALL, values = LOOKED_AT }
  spend(value, left, {})
  return left.bytes >= 0 and left.values >= 0
end

local function name_of(place) return "_" .. place end

--- The results of a session.
-- @param environment  from perilune.repl.environment
function results.new(environment)
  return setmetatable({ environment = environment, held = {}, known = setmetatable({}, { __mode = "v" }), count = 0 },
    results)
end

--- Takes a result in.
function results:add(value)
  if value == nil then return end
  for place = math.min(self.count + 1, KEPT), 2, -1 do
    self.held[place], self.known[place] = self.held[place - 1], self.known[place - 1]
  end
  if self.count > 0 and KEPT > 1 and not results.is_small(self.held[2]) then
    self.known[2], self.held[2] = self.held[2], nil
  end
  self.held[1], self.known[1] = value, nil
  self.count = math.min(self.count + 1, KEPT)
  self.environment:provide("_", value)
  for place = 1, self.count do self.environment:provide(name_of(place), self.held[place]) end
end

--- Shows a piece that is about to run the results that are known but not held, where it names them.
-- @return a function that hides them again
function results:lend(tokens)
  local lent = {}
  for _, token in ipairs(tokens) do
    local place = token.kind == "name" and math.tointeger(tonumber(token.text:match("^_([1-9])$")))
    local value = place and self.known[place]
    if value ~= nil then
      self.environment:provide(token.text, value)
      lent[#lent + 1] = token.text
    end
  end
  return function()
    for _, name in ipairs(lent) do self.environment:provide(name, nil) end
  end
end

--- Forgets them all.
function results:clear()
  self.held, self.known, self.count = {}, setmetatable({}, { __mode = "v" }), 0
  self.environment:provide("_", nil)
  for place = 1, KEPT do self.environment:provide(name_of(place), nil) end
end

return results
