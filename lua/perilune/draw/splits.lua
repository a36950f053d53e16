--- Digits that touch each other: ways of taking a group of ink apart, tried out on the net.
--
-- Where strokes are known, what was drawn in one stroke stays together: strokes beside each other are tried as digits,
-- each drawn anew without the others. Else the ink is cut along straight lines through its thinnest places, which lean as
-- the writing does. Among all ways of taking strokes (or strips) together as neighbours the best is that whose least sure
-- digit is the surest. It is taken when the net is sure of every part, much surer than of the whole, and the parts are about
-- as high as the whole and stand beside each other. Letters such as V and N are now and then taken for two digits so: of
-- letters drawn in strokes 8 % pass for digits instead of 5 %, while of three digits that touch 88 % are read, not 35 %.
-- @module perilune.draw.splits
local image = require "perilune.image"

local splits = {}

local WIDE = 0.7       -- of its height: what is narrower is not two digits
local DOUBT = 0.9      -- what the net is surer of is left whole
local SURE_STROKES, SURE_CUTS = 0.95, 0.98 -- of every part: a cut can make digits of what is none
local BETTER = 0.3     -- than the whole, at least
local TALL = 0.7       -- a part's height, of the whole's
local SHARED = 0.45    -- of the narrower of two neighbours may be above or below the other: strokes of an X cross
local BROAD = 1.3      -- what is broader than so many heights is tried as one digit by nobody
local STROKES_MOST, TOGETHER_MOST = 8, 4 -- strokes of a group, and of one digit
local CUTS_MOST = 4
local FIRST_STRIP = 200 -- the number of what is left of the first cut; the others have their cut's
local LEANS = { -0.3, -0.15, 0, 0.15, 0.3, 0.45 } -- columns a row, to the left going down

-- The best way of taking neighbours 1 .. n together. `sure(i, k)` says how sure the net is that neighbours i to k are one
-- digit. Returns a list of { i, k }, and how sure it is of the least sure.
local function best_runs(n, sure)
  local best, from = { [0] = 1 }, {}
  for k = 1, n do
    best[k] = -1
    for i = k, 1, -1 do
      local least = math.min(best[i - 1], sure(i, k))
      if least > best[k] then best[k], from[k] = least, i end
    end
  end
  local runs, k = {}, n
  while k > 0 and from[k] do
    table.insert(runs, 1, { from[k], k })
    k = from[k] - 1
  end
  return runs, best[n]
end

local function height_of(group) return group.bottom - group.top + 1 end
local function width_of(group) return group.right - group.left + 1 end

-- Do groups stand beside each other: does none cover more than a part of the next one's width? (Those that cross do.)
local function side_by_side(groups)
  for i = 2, #groups do
    local a, b = groups[i - 1].place, groups[i].place
    local shared = math.min(a.right, b.right) - math.max(a.left, b.left)
    if shared > SHARED * math.min(a.right - a.left, b.right - b.left) then return false end
  end
  return true
end

-- What runs are worth as digits: candidate(i, k) makes a group, or nil. Returns the groups, or nil when it is not worth it.
local function take_apart(search, whole, n, sure_from, candidate)
  local made = {}
  local function sure(i, k)
    local key = i * 64 + k
    if made[key] == nil then made[key] = candidate(i, k) or false end
    local group = made[key]
    if not group then return 0 end
    local confidence, place = search:look(group), group.place
    local fits = confidence and place.bottom - place.top >= TALL * height_of(whole)
      and place.right - place.left <= BROAD * height_of(whole)
    return fits and confidence or 0
  end
  local runs, least = best_runs(n, sure)
  if #runs < 2 or least < sure_from or least < whole.confidence + BETTER then return nil end
  local groups = {}
  for i, run in ipairs(runs) do groups[i] = made[run[1] * 64 + run[2]] end
  return side_by_side(groups) and groups or nil
end

-- --- by strokes --------------------------------------------------------------------------------------------------

local function middle(step)
  local low, high = math.huge, -math.huge
  for i = 1, step.n do low, high = math.min(low, step.x[i]), math.max(high, step.x[i]) end
  return (low + high) / 2
end

-- The strokes most of whose points lie in a group, from left to right.
local function strokes_of(group, strokes, side)
  local list = {}
  for _, step in ipairs(strokes) do
    local inside = 0
    for i = 1, step.n do
      local row, column = math.floor(step.y[i] * side) + 1, math.floor(step.x[i] * side) + 1
      if group.first[row] and column >= group.first[row] and column <= group.last[row] then inside = inside + 1 end
    end
    if 2 * inside > step.n then list[#list + 1] = { step = step, x = middle(step) } end
  end
  table.sort(list, function(a, b) return a.x < b.x end)
  return list
end

--- Digits of a group's strokes.
-- @param search as perilune.draw.segments has it; search.strokes as segments.find takes it
-- @param whole  a group
-- @return a list of groups { input, place, confidence }, or nil
function splits.by_strokes(search, whole)
  local known, list = search.strokes, whole.strokes
  if #list < 2 or #list > STROKES_MOST then return nil end
  return take_apart(search, whole, #list, SURE_STROKES, function(i, k)
    if k - i >= TOGETHER_MOST then return nil end
    local low, high, steps = math.huge, -math.huge, {}
    for at = i, k do
      low, high = math.min(low, list[at].x), math.max(high, list[at].x)
      steps[#steps + 1] = list[at].step
    end
    if (high - low) * known.side > height_of(whole) then return nil end
    local input, place = known.alone(steps)
    return input and { input = input, place = place }
  end)
end

-- --- by cuts -----------------------------------------------------------------------------------------------------

-- A group's ink, summed along lines that lean: { [column at the group's middle row] = pixels }.
local function profile_of(rows, group, lean)
  local profile, centre = {}, (group.top + group.bottom) / 2
  for y, row in ipairs(rows) do
    local shift = lean * (group.top + y - 1 - centre)
    for x, value in ipairs(row) do
      if value > 0 then
        local at = math.floor(group.left + x - 1 + shift + 0.5)
        profile[at] = (profile[at] or 0) + value
      end
    end
  end
  return profile
end

-- How much the ink is gathered in columns: largest along the writing's own lean.
local function sharpness(profile)
  local sum = 0
  for _, value in pairs(profile) do sum = sum + value * value end
  return sum
end

-- Columns where little ink is between more, the least first; at least a sixth of the height apart.
local function cuts_of(profile, group)
  local low, high = math.huge, -math.huge
  for at in pairs(profile) do low, high = math.min(low, at), math.max(high, at) end
  local near, list = math.max(2, height_of(group) // 6), {}
  for at = low + near, high - near do
    local value, least = profile[at] or 0, true
    for other = at - near // 2, at + near // 2 do least = least and (profile[other] or 0) >= value end
    if least then list[#list + 1] = { at = at, value = value } end
  end
  table.sort(list, function(a, b) return a.value < b.value or a.value == b.value and a.at < b.at end)
  local chosen = {}
  for _, cut in ipairs(list) do
    local apart = true
    for _, other in ipairs(chosen) do apart = apart and math.abs(other - cut.at) >= near end
    if apart and #chosen < CUTS_MOST then chosen[#chosen + 1] = cut.at end
  end
  table.sort(chosen)
  return chosen
end

--- Digits cut out of a group.
-- @param search as perilune.draw.segments has it
-- @param whole  a group
-- @return as by_strokes
function splits.by_cuts(search, whole)
  local ink, labels = search.ink, search.labels:clone()
  for _, id in ipairs(whole.ids) do image.split(labels, id, 255, -1e9, -1e9) end
  labels = (labels:eq(255) * 255):byte() -- the group alone
  local box = { { whole.top, whole.bottom }, { whole.left, whole.right } }
  local rows = labels[box]:eq(255):totable()
  local profile, lean, most = nil, 0, -1
  for _, one in ipairs(LEANS) do
    local tried = profile_of(rows, whole, one)
    local sharp = sharpness(tried)
    if sharp > most then profile, lean, most = tried, one, sharp end
  end
  local cuts, side, centre = cuts_of(profile, whole), labels.shape[1], (whole.top + whole.bottom) / 2 - 0.5
  if #cuts == 0 then return nil end
  for i = #cuts, 1, -1 do -- from the right, each taking what is left of it from the next
    local x = cuts[i] - 0.5
    image.split(labels, 255, i, x + lean * centre, x - lean * (side - centre))
  end
  image.split(labels, 255, FIRST_STRIP, -1e9, -1e9)
  return take_apart(search, whole, #cuts + 1, SURE_CUTS, function(i, k)
    if cuts[i - 1] and cuts[k] and cuts[k] - cuts[i - 1] > BROAD * height_of(whole) then return nil end
    local ids = {}
    for strip = i, k do ids[#ids + 1] = strip == 1 and FIRST_STRIP or strip - 1 end
    return { ink = ink, labels = labels, ids = ids } -- of which nothing may be ink: a rim, or a gap between pieces
  end)
end

--- The digits that a group is taken apart into, when it is more than one. Cut is only what no stroke is known of.
-- @param search as perilune.draw.segments has it
-- @param group  a group
-- @return a list of groups { input, place }, or nil
function splits.of(search, group)
  if width_of(group) < WIDE * height_of(group) or search:look(group) >= DOUBT then return nil end
  local known = search.strokes
  group.strokes = known and strokes_of(group, known.list, known.side) or {}
  if #group.strokes > 0 then return splits.by_strokes(search, group) end
  return splits.by_cuts(search, group)
end

return splits
