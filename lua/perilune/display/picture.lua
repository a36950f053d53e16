--- Tensors as pictures: which ones are meant to be looked at, and how they become PNG files or characters.
--
-- A picture here is uint8, (H, W, C) with C of 1 (grey), 3 (colours) or 4 (with alpha). The PNG has pixels of its own
-- for every pixel of the tensor (a square of `scale`), because pages blur what they enlarge.
-- @module perilune.display.picture
local core = require "perilune.core"
local blocks = require "perilune.display.blocks"
local recording = require "perilune.tensor.recording"

local picture = {}

local LEAST_SIDE = 8        -- smaller ones are rather numbers
local GRID = 40             -- pictures of a batch that are shown
local PAGE = 720            -- pixels of the page, across
local TILE, FEW, ALONE = 90, 150, 200 -- how large a picture wants to be: of many, of up to 4, alone
local LARGEST, LARGEST_TILE = 1024, 240 -- what is larger is made smaller

local function image() return require "perilune.image" end

--- Whether pictures can be encoded in this build.
function picture.available()
  local ok = pcall(image)
  return ok
end

-- --- from a tensor to uint8 -------------------------------------------------------------------------------------

-- At most `most` rows and columns: every k-th of a huge one, then the mean of the pixels underneath.
local function smaller(x, most)
  local height, width = x.shape[1], x.shape[2]
  local longest = math.max(height, width)
  if longest <= most then return x end
  local step = longest // (2 * most)
  if step > 1 then x = x[{ { 1, height, step }, { 1, width, step } }] end
  height, width = x.shape[1], x.shape[2]
  longest = math.max(height, width)
  if x.shape[3] == 4 or longest <= most then
    step = (longest + most - 1) // most
    return step > 1 and x[{ { 1, height, step }, { 1, width, step } }] or x
  end
  local shrunk = image().resize(x, math.max(1, height * most // longest), math.max(1, width * most // longest))
  return x.dtype == "uint8" and (shrunk * 255 + 0.5):byte() or shrunk
end

-- Values to 0..255 by the range { black, white }.
local function to_bytes(x, range)
  if x.dtype == "uint8" and range == nil then return x end
  range = range or { 0, 1 }
  local low, high = range[1], range[2]
  local unit = high > low and 255 / (high - low) or 0
  local scaled = (x:to "float64" - low) * unit
  scaled = core.where(scaled:eq(scaled), scaled, 0.0) -- what is no number is black
  return (scaled:clamp(0, 255) + 0.5):byte()
end

-- Lowest and highest of the values that are finite; 0 and 1 when there is none.
local function bounds(x)
  if x.dtype == "float32" or x.dtype == "float64" then
    local usable = (x - x):eq(0)
    if usable:long():sum():item() == 0 then return 0, 1 end
    return core.where(usable, x, math.huge):min():item(), core.where(usable, x, -math.huge):max():item()
  end
  return x:min():item(), x:max():item()
end

-- The range in which the values of the shown pictures lie: none for bytes as they are, { 0, 1 }, or nil, "beyond".
local function range_of(parts)
  local low, high
  for _, part in ipairs(parts) do
    local from, to = part:min():item(), part:max():item()
    if not (from == from and to == to) then return nil, "beyond" end
    low, high = math.min(low or from, from), math.max(high or to, to)
  end
  if parts[1].dtype == "uint8" then return high <= 1 and { 0, 1 } or nil end -- a mask is black and white
  if low >= 0 and high <= 1 then return { 0, 1 } end
  return nil, "beyond"
end

-- --- which tensors ----------------------------------------------------------------------------------------------

local COLOURS = { [1] = true, [3] = true, [4] = true }
local DTYPES = { uint8 = true, float32 = true, float64 = true }

-- The pictures of a tensor as a list of (H, W, C) views, the first GRID of a batch.
local function parts_of(x, shape)
  if #shape < 4 then return { x } end
  local parts = {}
  for i = 1, math.min(shape[1], GRID) do parts[i] = x[i] end
  return parts
end

local function looks_like_pictures(shape)
  local channels, height, width = shape[#shape], shape[#shape - 2], shape[#shape - 1]
  if #shape == 3 then return COLOURS[channels] and height >= LEAST_SIDE and width >= LEAST_SIDE end
  return #shape == 4 and shape[1] >= 1 and COLOURS[channels] and height >= LEAST_SIDE and width >= LEAST_SIDE
end

-- { parts = list of uint8 (H, W, C), total = how many there are, batch = is it one? }
local function collected(x, shape, most, range_wanted)
  local parts = parts_of(x, shape)
  for i, part in ipairs(parts) do parts[i] = smaller(part, most) end
  local range, problem = range_wanted, nil
  if not range then range, problem = range_of(parts) end
  if problem then return nil end
  for i, part in ipairs(parts) do parts[i] = to_bytes(part, range) end
  return { parts = parts, total = #shape == 4 and shape[1] or 1, batch = #shape == 4 }
end

--- The pictures in a tensor that is meant to be looked at: uint8, or floats within [0, 1], (H, W, 1|3|4) or
-- (N, H, W, 1|3|4) with sides of 8 or more. (H, W) alone may be any matrix and is none.
-- @return { parts, total, batch }, or nil
function picture.of(x)
  local shape = x.shape
  if not (DTYPES[x.dtype] and looks_like_pictures(shape) and picture.available()) then return nil end
  return recording(false, collected, x:detach(), shape, #shape == 4 and LARGEST_TILE or LARGEST)
end

-- --- PNG --------------------------------------------------------------------------------------------------------

local function enlargement(wish, height, width) return math.max(1, math.min(64, wish // math.max(height, width))) end

-- The grid's measures: columns, rows, scale, gap (in the tensor's pixels).
local function layout(count, height, width, given)
  local wish = count <= 4 and FEW or TILE
  if given.columns then wish = math.min(wish, PAGE // given.columns - 6) end
  local scale = given.scale or enlargement(wish, height, width)
  local gap = math.max(1, 6 // scale)
  local columns = given.columns or math.max(1, math.min(count, 8, (PAGE // scale + gap) // (width + gap)))
  return columns, (count + columns - 1) // columns, scale, gap
end

-- Pictures side by side, with nothing (transparent pixels) between them.
local function grid(parts, columns, rows, gap)
  local height, width, channels = table.unpack(parts[1].shape)
  local colours = channels == 1 and 1 or 3
  local sheet = core.zeros({ rows * (height + gap) - gap, columns * (width + gap) - gap, colours + 1 }, "uint8")
  for i, part in ipairs(parts) do
    local top, left = (i - 1) // columns * (height + gap) + 1, (i - 1) % columns * (width + gap) + 1
    local down, across = { top, top + height - 1 }, { left, left + width - 1 }
    if channels == 4 then
      sheet[{ down, across }] = part
    else
      sheet[{ down, across, { 1, colours } }] = part
      sheet[{ down, across, { colours + 1, colours + 1 } }] = 255
    end
  end
  return sheet
end

local function encoded(found, given)
  local first = found.parts[1].shape
  if not found.batch then
    local scale = given.scale or enlargement(ALONE, first[1], first[2])
    return image().encode(found.parts[1], { scale = scale })
  end
  local columns, rows, scale, gap = layout(#found.parts, first[1], first[2], given)
  return image().encode(grid(found.parts, columns, rows, gap), { scale = scale })
end

--- The PNG of pictures that picture.of found: one enlarged by a whole factor, or a grid.
-- @param found what picture.of gave
-- @param given scale, columns; chosen when left out
function picture.png(found, given) return recording(false, encoded, found, given or {}) end

--- Small pictures of equal size side by side in one PNG, for a table's cell.
-- @param parts a list of tensors (H, W) or (H, W, C), of any type
-- @param scale pixels of the page for one of theirs; chosen when nil, for tiles of about `side` pixels
-- @param side  56 unless told
function picture.strip(parts, scale, side)
  return recording(false, function()
    local list, low, high = {}, nil, nil
    for i, part in ipairs(parts) do
      part = part:detach()
      if part.ndim == 2 then part = part:reshape(part.shape[1], part.shape[2], 1) end
      list[i] = smaller(part, LARGEST_TILE)
      local from, to = bounds(list[i])
      low, high = math.min(low or from, from), math.max(high or to, to)
    end
    local range = { low, high }
    if list[1].dtype == "uint8" then range = high <= 1 and { 0, 1 } or nil
    elseif low >= 0 and high <= 1 then range = { 0, 1 } end
    for i, part in ipairs(list) do list[i] = to_bytes(part, range) end
    local height, width = list[1].shape[1], list[1].shape[2]
    scale = scale or enlargement(side or 56, height, width)
    return image().encode(grid(list, #list, 1, math.max(1, 3 // scale)), { scale = scale })
  end)
end

-- --- characters -------------------------------------------------------------------------------------------------

--- Pictures as text, as blocks.lua draws them.
function picture.text(found, screen) return recording(false, blocks.draw, found.parts, found.total, screen) end

--- One picture, as image.load gives it, as text.
function picture.drawn(x, screen)
  return recording(false, function()
    local part = smaller(x:detach(), LARGEST_TILE)
    return (blocks.draw({ to_bytes(part) }, 1, screen))
  end)
end

-- --- what a person asks to see ----------------------------------------------------------------------------------

local function is_tensor(x)
  local meta = getmetatable(x)
  return type(meta) == "table" and meta.__name == "perilune.Tensor"
end

local function check(x)
  if not is_tensor(x) then
    error(("image: wants a tensor, a path or a file's bytes, got %s"):format(x == nil and "nil" or "a " .. type(x)), 0)
  end
  local shape = x.shape
  local channels = shape[#shape]
  if not (#shape == 2 or ((#shape == 3 or #shape == 4) and channels >= 1 and channels <= 4 and channels ~= 2)) then
    error(("image: wants a picture (H, W) or (H, W, 1|3|4), or a batch (N, H, W, 1|3|4), got (%s)"):format(
      table.concat(shape, ", ")), 0)
  end
  if x:numel() == 0 then error(("image: the picture has no pixels: (%s)"):format(table.concat(shape, ", ")), 0) end
end

local function check_range(range)
  if range and not (type(range[1]) == "number" and type(range[2]) == "number" and range[1] < range[2]) then
    error("image: range wants { black, white }, two numbers, the first below the second", 0)
  end
  return range
end

--- A tensor that somebody calls a picture.
-- @param x     the tensor
-- @param given scale, range, columns
-- @return { plain, png, drawn }
function picture.asked(x, given)
  check(x)
  local range = check_range(given.range)
  if given.scale and (given.scale < 1 or given.scale > 64) then
    error(("image: scale wants 1 to 64, got %d"):format(given.scale), 0)
  end
  if given.columns and given.columns < 1 then error("image: columns wants 1 or more", 0) end
  local plain = ("picture of %s (%s)"):format(x.dtype, table.concat(x.shape, ", "))
  local found = recording(false, function()
    local y = x:detach()
    if y.ndim == 2 then y = y:reshape(y.shape[1], y.shape[2], 1) end
    if y.dtype == "int64" then y = y:double() end
    local shape = y.shape
    local most = #shape == 4 and LARGEST_TILE or LARGEST
    local made = collected(y, shape, most, range)
    if made then return made end
    local low, high
    for _, part in ipairs(parts_of(y, shape)) do
      local from, to = bounds(part)
      low, high = math.min(low or from, from), math.max(high or to, to)
    end
    return collected(y, shape, most, { low, high })
  end)
  return { plain = plain, png = picture.png(found, given), drawn = function(screen) return (picture.text(found, screen)) end }
end

return picture
