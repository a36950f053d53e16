--- Several digits on one picture: which pieces of ink are one digit, and where a piece is more than one.
--
-- A picture of clean ink falls into connected pieces. Two pieces are joined by where they are to each other: what lies over
-- or under the other, or beside it and is much shorter, is part of it when it is near; what stands beside it and is about
-- as high is a digit of its own, however little room is between them (distances are taken row by row, so that slanted
-- digits may overlap). Where that leaves it open, the net is asked: are both together surer than the less sure one alone?
-- A piece that the net is not sure of and that is wide is cut where that makes all parts digits.
--
-- `read` stands for the net: it is given a list of inputs (28, 28, 1) and says how sure it is of each, 0 to 1.
-- @module perilune.draw.segments
local image = require "perilune.image"
local splits = require "perilune.draw.splits"

local segments = {
  --- Strokes thinner than MNIST's are widened to them: in pixels of its 20 x 20 box.
  THICKEN = image.THICKEN,
}

local NEIGHBOURS = 6   -- so many pieces to the right may belong to one
local SURE = 3         -- scores beyond need no net
local WEIGHT = 2       -- of the net's word against a score
local LEAST = 0.02     -- of its confidences
local ASKED_MOST = 20  -- pairs that the net is asked about: of a scrawl the places alone have to do
local DIGITS_MOST = 20 -- more pieces are a scrawl, and one

-- --- groups of pieces -------------------------------------------------------------------------------------------

-- A group is what may be a digit: { ids, top, left, bottom, right (last ones), first = { [row] = column }, last = the same }.
local function group_of(piece, id)
  local group = { ids = { id }, top = piece.top, left = piece.left, bottom = piece.top + piece.height - 1,
    right = piece.left + piece.width - 1, first = {}, last = {} }
  local rows = piece.rows
  for i = 1, piece.height do
    if rows[2 * i - 1] <= rows[2 * i] then
      group.first[piece.top + i - 1], group.last[piece.top + i - 1] = rows[2 * i - 1], rows[2 * i]
    end
  end
  return group
end

local function joined(a, b)
  local group = { ids = table.move(b.ids, 1, #b.ids, #a.ids + 1, { table.unpack(a.ids) }), top = math.min(a.top, b.top),
    left = math.min(a.left, b.left), bottom = math.max(a.bottom, b.bottom), right = math.max(a.right, b.right), first = {},
    last = {} }
  for row = group.top, group.bottom do
    local x, y, u, v = a.first[row], b.first[row], a.last[row], b.last[row]
    group.first[row], group.last[row] = x and y and math.min(x, y) or x or y, u and v and math.max(u, v) or u or v
  end
  return group
end

local function height_of(group) return group.bottom - group.top + 1 end
local function width_of(group) return group.right - group.left + 1 end

-- The smallest distance between two groups in the rows that both have; negative where they are on both sides of each
-- other; nil without such rows.
local function row_gap(a, b)
  local right, left, shared = math.huge, math.huge, false
  for row = math.max(a.top, b.top), math.min(a.bottom, b.bottom) do
    if a.first[row] and b.first[row] then
      shared = true
      right, left = math.min(right, b.first[row] - a.last[row] - 1), math.min(left, a.first[row] - b.last[row] - 1)
    end
  end
  return shared and math.max(right, left) or nil
end

-- Over or under each other.
local function stacked_score(a, b, reach)
  local across = math.max(a.left, b.left) - math.min(a.right, b.right) - 1
  local down = math.max(0, math.max(a.top, b.top) - math.min(a.bottom, b.bottom) - 1)
  local share = -across / math.min(width_of(a), width_of(b))
  if share >= 0.25 then return down <= 0.25 * reach and 4 or down <= 0.4 * reach and 1 or -4 end
  local distance = math.sqrt(math.max(0, across) ^ 2 + down ^ 2)
  return distance <= 0.12 * reach and 0.5 or -4
end

-- Beside each other.
local function beside_score(a, b, gap, reach)
  if gap < 0 then return 4 end
  gap = gap / reach
  if math.min(height_of(a), height_of(b)) >= 0.7 * reach then return gap <= 0.05 and -1.5 or -4 end
  return gap <= 0.05 and 2.5 or gap <= 0.12 and 1 or gap <= 0.2 and -1 or -4
end

-- How much speaks for one digit (above 0) or two, by where they are. tallest: of all pieces
local function score_of(a, b, tallest)
  local reach = math.max(math.max(a.bottom, b.bottom) - math.min(a.top, b.top) + 1, 0.6 * tallest)
  local gap = row_gap(a, b)
  return gap and beside_score(a, b, gap, reach) or stacked_score(a, b, reach)
end

-- --- the net's word ----------------------------------------------------------------------------------------------

local Search = {}
Search.__index = Search

function Search:prepare(group)
  if group.input then return end
  group.input, group.place = image.digit_of(group.ink or self.ink, group.labels or self.labels, group.ids, segments.THICKEN)
end

-- How sure the net is of a group; nil of one that has no ink (a strip of a piece may be all rim).
function Search:look(group)
  if not group.confidence then
    self:prepare(group)
    if not group.input then return nil end
    group.confidence = self.read({ group.input })[1]
  end
  return group.confidence
end

local function log_of(confidence) return math.log(math.max(LEAST, confidence)) end

function Search:judge(a, b)
  local score = score_of(a, b, self.tallest)
  if math.abs(score) >= SURE or self.asked >= ASKED_MOST then return score end
  self.asked = self.asked + 1
  local apart = math.min(log_of(self:look(a)), log_of(self:look(b)))
  return score + WEIGHT * (log_of(self:look(joined(a, b))) - apart)
end

-- Joins the pair for which most speaks, until nothing speaks for any.
function Search:join(groups)
  local known = {} -- scores by both groups
  while #groups > 1 do
    local best, at, with = 0, nil, nil
    for i, a in ipairs(groups) do
      known[a] = known[a] or {}
      for k = i + 1, math.min(#groups, i + NEIGHBOURS) do
        local b = groups[k]
        known[a][b] = known[a][b] or self:judge(a, b)
        if known[a][b] > best then best, at, with = known[a][b], i, k end
      end
    end
    if not at then break end
    groups[at] = joined(groups[at], groups[with])
    table.remove(groups, with)
    table.sort(groups, function(a, b) return a.left < b.left end)
  end
  return groups
end

-- Takes groups apart that are more than one digit.
function Search:split(groups)
  local list = {}
  for _, group in ipairs(groups) do
    local parts = splits.of(self, group) or { group }
    table.move(parts, 1, #parts, #list + 1, list)
  end
  return list
end

local function all_of(pieces)
  local ids = {}
  for id in ipairs(pieces) do ids[id] = id end
  return ids
end

--- The digits on a picture of clean ink.
-- @param ink     float32 (H, W, 1), 1 on 0
-- @param read    see above
-- @param strokes what is known of the strokes on it: { list = strokes, side = rows and columns of the picture, alone = a
--   function that makes an input, and the place where it is from, of some of them }; optional
-- @return a list from left to right of { input = float32 (28, 28, 1), place = where it is from (see image.digit_of) }; empty
--   when there is no ink
function segments.find(ink, read, strokes)
  local labels, pieces = image.pieces(ink)
  local search = setmetatable({ ink = ink, labels = labels, read = read, strokes = strokes, tallest = 0, asked = 0 }, Search)
  local groups = {}
  for i, piece in ipairs(pieces) do
    groups[i] = group_of(piece, i)
    search.tallest = math.max(search.tallest, piece.height)
  end
  groups = #groups <= 2 * DIGITS_MOST and search:join(groups) or groups
  groups = #groups <= DIGITS_MOST and search:split(groups) or { { ids = all_of(pieces) } }
  for _, group in ipairs(groups) do search:prepare(group) end
  table.sort(groups, function(a, b) return a.place.left + a.place.right < b.place.left + b.place.right end)
  return groups
end

return segments
