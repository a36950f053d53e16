--- How long it takes from the pen to the prediction that a person sees.
-- @module perilune.draw.latency
local latency = {}

local KEPT = 100000 -- the newest

local Meter = {}
Meter.__index = Meter

--- A meter that has measured nothing.
function latency.new() return setmetatable({ waiting = {}, seconds = {}, n = 0 }, Meter) end

--- The pen moved.
-- @param time when it did, as core.monotonic tells it
function Meter:moved(time) self.waiting[#self.waiting + 1] = time end

--- All moves so far can be seen.
-- @param time since when
function Meter:shown(time)
  for i, moved in ipairs(self.waiting) do
    self.seconds[self.n % KEPT + 1] = time - moved
    self.n = self.n + 1
    self.waiting[i] = nil
  end
end

--- What was measured.
-- @return { p50 =, p99 =, most = seconds (nil while there is nothing), n = how many moves }
function Meter:summary()
  local sorted = table.move(self.seconds, 1, #self.seconds, 1, {})
  table.sort(sorted)
  local function at(part) return sorted[math.max(1, math.ceil(#sorted * part))] end
  return { p50 = at(0.5), p99 = at(0.99), most = sorted[#sorted], n = self.n }
end

return latency
