--- How data sets show themselves: what they hold, a row for each class with its count, and some of its pictures. The
-- pictures are the stored ones, before scaling, augmentation and map.
-- @module perilune.data.show
local core = require "perilune.core"
local html = require "perilune.display.html"
local picture = require "perilune.display.picture"

local show = {}

local MOST_CLASSES, MOST_SCANNED = 20, 200000
local STRIP, GRID = 8, 24 -- pictures in a class' row, and of a set without classes
local SIDE = 8            -- smaller pictures are rather numbers

local function grouped(n)
  local text = ("%d"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (text:gsub("^,", ""))
end

local function sizes(shape) return "(" .. table.concat(shape, ", ") .. ")" end

-- --- facts ------------------------------------------------------------------------------------------------------

local function facts_of(set)
  local facts = { { "examples", grouped(#set) }, { "each", ("%s %s"):format(set._x.dtype, sizes(set.shape)) } }
  if set._y then
    local each = set._y.shape
    table.remove(each, 1)
    facts[#facts + 1] = { "labels", set._y.dtype .. (#each > 0 and " " .. sizes(each) or "") }
  end
  local changed = {}
  if set._onehot then changed[#changed + 1] = ("labels one-hot of %d"):format(set._onehot) end
  if set.augmentation then changed[#changed + 1] = "augmented" end
  if #set._maps > 0 then changed[#changed + 1] = ("%d map%s"):format(#set._maps, #set._maps > 1 and "s" or "") end
  if #changed > 0 then facts[#facts + 1] = { "batches are", table.concat(changed, ", ") } end
  return facts
end

local function facts_html(set)
  local rows = {}
  for i, fact in ipairs(facts_of(set)) do rows[i] = { { text = fact[1], dim = true }, fact[2] } end
  return html.table { caption = "Dataset" .. (set.name and " " .. set.name or ""), rows = rows,
    align = { "left", "left" } }
end

-- --- pictures ---------------------------------------------------------------------------------------------------

local COLOURS = { [1] = true, [3] = true, [4] = true }

local function holds_pictures(set)
  local shape = set.shape
  local is_picture = #shape == 2 or (#shape == 3 and COLOURS[shape[3]])
  return is_picture and shape[1] >= SIDE and shape[2] >= SIDE and set._x.dtype ~= "int64" and picture.available()
end

-- The stored examples at these positions of the set, as an image element side by side; as many as fit a row.
local function strip_of(set, positions, words)
  local wide = set.shape[2]
  while #positions > 1 and #positions * (wide + 3) > 640 do table.remove(positions) end
  local order = core.tensor(positions, "int64")
  if set._order then order = core.take_rows(set._order, order, 1, #positions) end
  local rows, parts = core.take_rows(set._x, order, 1, #positions), {}
  for i = 1, #positions do parts[i] = rows[i] end
  return html.image(picture.strip(parts), words)
end

-- --- classes ----------------------------------------------------------------------------------------------------

-- Counts by label, and the first positions of each; nil when the labels name no classes.
local function classes_of(set)
  local y = set._y
  if not y or y.dtype ~= "int64" or #y.shape ~= 1 or #set == 0 then return nil end
  local counts, first, labels = {}, {}, {}
  local scanned = math.min(#set, MOST_SCANNED)
  for at, label in ipairs(core.take_rows(y, set._order, 1, scanned):totable()) do
    local list = first[label]
    if not list then
      list = {}
      first[label], labels[#labels + 1] = list, label
    end
    counts[label] = (counts[label] or 0) + 1
    if #list < STRIP then list[#list + 1] = at end
  end
  table.sort(labels)
  return labels, counts, first, scanned
end

local function class_name(set, label)
  local name = set.classes and set.classes[label + 1]
  return name ~= nil and tostring(name) or nil
end

local function classes_html(set)
  local labels, counts, first, scanned = classes_of(set)
  if not labels or (#labels > 100 and not set.classes) then return nil end
  local pictures, named, rows = holds_pictures(set), false, {}
  for i = 1, math.min(#labels, MOST_CLASSES) do
    local label = labels[i]
    local name = class_name(set, label) or ""
    named = named or (name ~= "" and name ~= ("%d"):format(label))
    rows[i] = { { text = ("%d"):format(label), mono = true }, name, { text = grouped(counts[label]), mono = true } }
    if pictures then
      rows[i][4] = { html = strip_of(set, first[label], ("examples of class %s"):format(name ~= "" and name or label)) }
    end
  end
  local notes = {}
  if #labels > MOST_CLASSES then notes[1] = ("the first %d of %d classes"):format(MOST_CLASSES, #labels) end
  if scanned < #set then notes[#notes + 1] = ("counted among the first %s examples"):format(grouped(scanned)) end
  local head, align = { "label", "class", "count" }, { "right", "left", "right", "left" }
  if pictures then head[4] = "the first of them" end
  if not named then -- digits call themselves
    for _, row in ipairs { head, align, table.unpack(rows) } do table.remove(row, 2) end
  end
  return html.table { head = head, rows = rows, align = align, notes = notes }
end

-- Pictures of a set that has no classes.
local function samples_html(set)
  if not holds_pictures(set) or #set == 0 then return nil end
  local rows, at = {}, 1
  while at <= math.min(#set, GRID) do
    local positions = {}
    for i = at, math.min(at + STRIP - 1, #set, GRID) do positions[#positions + 1] = i end
    rows[#rows + 1] = { { html = strip_of(set, positions, "examples") } }
    at = at + STRIP
  end
  return html.table { rows = rows }
end

--- The forms of a data set.
function show.mime(set)
  local parts = { facts_html(set) }
  parts[2] = classes_html(set) or samples_html(set)
  return { ["text/plain"] = tostring(set), ["text/html"] = table.concat(parts, "\n") }
end

return show
