--- What in a digit speaks for a class, on the 28 x 28 that the net sees and back on the canvas.
-- @module perilune.draw.heat
local core = require "perilune.core"
local explain = require "perilune.explain"
local image = require "perilune.image"

local heat = {}

local FIELD = 28
local MARGIN = 4 -- pixels of the field around the digit's box that are shown too, where colour fades

local function has_maps(net)
  for _, layer in ipairs(net:modules()) do
    if layer.type == "Conv2D" or layer.type == "DepthwiseConv2D" then return true end
  end
  return false
end

-- 1 on the ink and fading to 0 within some three pixels of it: what lies further away speaks by being empty, and a patch of
-- colour there would say nothing to a person.
local function near(input)
  local blurred = image.resize(image.resize(input, FIELD // 3, FIELD // 3, "bilinear"), FIELD, FIELD, "bilinear")
  return core.maximum(input, (blurred * 2.5):clamp(0, 1))
end

--- Grad-CAM of one input, or of a net without convolutions what each pixel adds to the score (the gradient times the
-- pixel); on the ink and beside it.
-- @param net   a built net
-- @param input float32 (28, 28, 1)
-- @param class a label from 0
-- @return float32 (28, 28, 1), 0 where nothing speaks for the class, at most 1
function heat.of(net, input, class)
  local x = input:reshape(1, table.unpack(net.input_shape))
  local map
  if has_maps(net) then
    map = explain.grad_cam(net, x, { class = class, resize = false })
    map = image.resize(map[1]:unsqueeze(3), FIELD, FIELD, "bilinear")
  else
    map = explain.saliency(net, x, { class = class, times_input = true }):relu():reshape(FIELD, FIELD, 1)
  end
  map = map * near(input)
  local most = map:max():item()
  return most > 0 and map / most or map
end

-- The pixels first .. first + count - 1 of one axis of the field as pixels of the canvas: the first and how many.
local function stretch(first, count, low, high, field_first, field_count, scale)
  local each = (high - low) / field_count
  local from = math.floor((low + (first - field_first) * each) * scale + 0.5)
  local to = math.floor((low + (first + count - field_first) * each) * scale + 0.5)
  return from, math.max(1, to - from)
end

--- Lays a digit's map on a canvas's, by the larger of both.
-- @param canvas float32 (S, S, 1), changed
-- @param map    float32 (28, 28, 1)
-- @param place  where the digit is from: see perilune.image's digit_of
-- @param scale  S over the side of the picture that place speaks of
function heat.lay(canvas, map, place, scale)
  local size = canvas.shape[1]
  local top, left = math.max(0, place.field_top - MARGIN), math.max(0, place.field_left - MARGIN)
  local rows = math.min(FIELD, place.field_top + place.field_height + MARGIN) - top
  local columns = math.min(FIELD, place.field_left + place.field_width + MARGIN) - left
  top, left, rows, columns = math.tointeger(top), math.tointeger(left), math.tointeger(rows), math.tointeger(columns)
  local y, height = stretch(top, rows, place.top, place.bottom, place.field_top, place.field_height, scale)
  local x, width = stretch(left, columns, place.left, place.right, place.field_left, place.field_width, scale)
  local part = map[{ { top + 1, top + rows }, { left + 1, left + columns } }]:contiguous()
  part = image.resize(part, height, width, "bilinear")
  local first_row, first_column = math.max(0, -y), math.max(0, -x)
  local last_row, last_column = math.min(height, size - y), math.min(width, size - x)
  if last_row <= first_row or last_column <= first_column then return end
  local where = { { y + first_row + 1, y + last_row }, { x + first_column + 1, x + last_column } }
  canvas[where] = core.maximum(canvas[where], part[{ { first_row + 1, last_row }, { first_column + 1, last_column } }])
end

return heat
