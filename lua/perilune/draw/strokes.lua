--- A drawing as plain tables and as JSON, checked as something that a stranger wrote.
--
--     { format = "perilune strokes", version = 1, strokes = {
--         { width = 0.085, erase = false, points = { { x, y, t }, ... } },       -- t: seconds from the first point of all
--         { picture = the base64 of a grey PNG, bright ink on black, time = t }, ... } }
--
-- On a canvas a step of the drawing is a stroke { x =, y =, t = lists, n =, width =, erase = } or a picture
-- { picture = float32 (H, W, 1), png = its file, time =, and no points }.
-- @module perilune.draw.strokes
local base64 = require "perilune.draw.base64"
local json = require "perilune.json"

local strokes = {}

local FORMAT, VERSION = "perilune strokes", 1
local STROKES_MOST, POINTS_MOST = 20000, 100000 -- more than a hand draws in a day
local FILE_MOST = 1 << 24                       -- bytes: what so many points take, and some pictures
local PICTURE_MOST = 1 << 21                    -- bytes of a picture's base64
local LEAST, MOST = -1, 2                       -- of a coordinate: a stroke may leave the canvas
local TIME_MOST = 1e9

--- A drawing has at most so many pictures, ...
strokes.PICTURES_MOST = 64
--- ... and none of them a longer side.
strokes.SIDE_MOST = 1024

-- ---- to tables

-- Seconds to the microsecond, within what can be read again.
local function rounded(time) return math.floor(math.max(-TIME_MOST, math.min(TIME_MOST, time)) * 1e6 + 0.5) / 1e6 end

local function time_of(step) return step.picture and step.time or step.t[1] end

local function check_counts(steps)
  local points, pictures = 0, 0
  for _, step in ipairs(steps) do
    points = points + step.n
    if step.picture then pictures = pictures + 1 end
  end
  if #steps > STROKES_MOST or points > POINTS_MOST or pictures > strokes.PICTURES_MOST then
    error(("canvas: %d strokes, %d points and %d pictures are more than a file may have (%d, %d and %d)"):format(
      #steps, points, pictures, STROKES_MOST, POINTS_MOST, strokes.PICTURES_MOST), 0)
  end
end

--- A canvas's steps as plain tables.
-- @param steps canvas.strokes
-- @return the form above
function strokes.to_table(steps)
  check_counts(steps)
  local list, begin = {}, steps[1] and time_of(steps[1])
  for i, step in ipairs(steps) do
    if step.picture then
      list[i] = { picture = base64.encode(step.png), time = rounded(step.time - begin) }
    else
      local points = {}
      for k = 1, step.n do points[k] = { step.x[k], step.y[k], rounded(step.t[k] - begin) } end
      list[i] = { width = step.width, erase = step.erase, points = json.array(points) }
    end
  end
  return { format = FORMAT, version = VERSION, strokes = json.array(list) }
end

--- The same as a JSON text.
function strokes.encode(steps) return json.encode(strokes.to_table(steps)) .. "\n" end

-- ---- from tables

local function said(value)
  if type(value) == "string" then return ("%q"):format(value:sub(1, 40)) end
  return type(value) == "number" and tostring(value) or value == nil and "nothing" or "a " .. type(value)
end

-- Complains of a place in the table: fail(where, "stroke %d", 3, ": ...").
local function fail(where, format, ...) error(where .. ": " .. format:format(...), 0) end

local function is_number(value, least, most) return type(value) == "number" and value >= least and value <= most end

local function check_list(where, list, most, what)
  if type(list) ~= "table" then fail(where, "%s wants a list, got %s", what, said(list)) end
  if #list > most then fail(where, "%s has %d entries, expected at most %d", what, #list, most) end
end

local names = { "x", "y", "t" }

local function read_point(where, i, k, point)
  if type(point) ~= "table" then fail(where, "stroke %d, point %d wants { x, y, t }, got %s", i, k, said(point)) end
  for axis, name in ipairs(names) do
    local least, most = LEAST, MOST
    if name == "t" then least, most = -TIME_MOST, TIME_MOST end
    if not is_number(point[axis], least, most) then
      fail(where, "stroke %d, point %d: %s is %s, expected a number from %g to %g", i, k, name, said(point[axis]), least, most)
    end
  end
  return point[1] + 0.0, point[2] + 0.0, point[3] + 0.0
end

local function read_stroke(where, i, given, room)
  if not is_number(given.width, 1e-6, 1) then
    fail(where, "stroke %d: width is %s, expected a number above 0, at most 1", i, said(given.width))
  end
  if given.erase ~= nil and type(given.erase) ~= "boolean" then
    fail(where, "stroke %d: erase is %s, expected true or false", i, said(given.erase))
  end
  check_list(where, given.points, room, ("stroke %d: points (%d are left of the %d that all strokes may have)"):format(
    i, room, POINTS_MOST))
  local x, y, t = {}, {}, {}
  for k, point in ipairs(given.points) do x[k], y[k], t[k] = read_point(where, i, k, point) end
  if #x == 0 then fail(where, "stroke %d has no points", i) end
  if #x < #given.points then fail(where, "stroke %d, point %d wants { x, y, t }, got nothing", i, #x + 1) end
  return { x = x, y = y, t = t, n = #x, width = given.width + 0.0, erase = given.erase or false }
end

-- A PNG's size stands in its head; it is looked at before anything is unpacked.
local function check_png(where, i, png)
  if #png < 24 or png:sub(1, 8) ~= "\137PNG\r\n\26\n" then fail(where, "stroke %d: the picture is no PNG file", i) end
  local width, height = (">I4I4"):unpack(png, 17)
  if math.max(width, height) > strokes.SIDE_MOST or math.min(width, height) < 1 then
    fail(where, "stroke %d: the picture is %d x %d, expected 1 to %d pixels a side", i, height, width, strokes.SIDE_MOST)
  end
end

local function read_picture(where, i, given)
  local png = type(given.picture) == "string" and #given.picture <= PICTURE_MOST and base64.decode(given.picture)
  if not png then fail(where, "stroke %d: picture wants a PNG file in base64, got %s", i, said(given.picture)) end
  local time = given.time == nil and 0 or given.time
  if not is_number(time, -TIME_MOST, TIME_MOST) then
    fail(where, "stroke %d: time is %s, expected a number from %g to %g", i, said(time), -TIME_MOST, TIME_MOST)
  end
  check_png(where, i, png)
  local ok, picture = pcall(require("perilune.image").decode, png,
    { channels = 1, name = ("%s: stroke %d: the picture"):format(where, i) })
  if not ok then error(picture, 0) end
  return strokes.picture_step(picture, png, time + 0.0)
end

--- A step that is a picture.
-- @param picture float32 (H, W, 1)
-- @param png     its file
-- @param time    in seconds
function strokes.picture_step(picture, png, time)
  return { picture = picture, png = png, time = time, x = {}, y = {}, t = {}, n = 0, width = 1.0, erase = false }
end

--- A canvas's steps from plain tables.
-- @param given the form above, or its list of strokes alone
-- @param where for messages: a path
-- @return a list of steps
-- @raise an error that names the place: which stroke, which point
function strokes.from_table(given, where)
  if type(given) ~= "table" then fail(where, "wants a table of strokes, got %s", said(given)) end
  local list = given
  if given.strokes ~= nil or given.format ~= nil then
    if given.format ~= FORMAT then fail(where, "format is %s, expected %q", said(given.format), FORMAT) end
    if given.version ~= VERSION then fail(where, "version is %s, expected %d", said(given.version), VERSION) end
    list = given.strokes
  end
  check_list(where, list, STROKES_MOST, "strokes")
  local steps, points, pictures = {}, 0, 0
  for i, one in ipairs(list) do
    if type(one) ~= "table" then fail(where, "stroke %d wants a table, got %s", i, said(one)) end
    if one.picture ~= nil then
      pictures = pictures + 1
      if pictures > strokes.PICTURES_MOST then fail(where, "stroke %d: more than %d pictures", i, strokes.PICTURES_MOST) end
      steps[i] = read_picture(where, i, one)
    else
      steps[i] = read_stroke(where, i, one, POINTS_MOST - points)
      points = points + steps[i].n
    end
  end
  return steps
end

--- The steps of a JSON text.
-- @param text  a string
-- @param where for messages: a path
function strokes.decode(text, where)
  local ok, value = pcall(json.decode, text)
  if not ok then error(("%s: %s"):format(where, (tostring(value):gsub("^.-json: ", "not JSON: "))), 0) end
  if type(value) ~= "table" or value.format == nil then
    error(("%s: no drawing: expected { \"format\": %q, ... }"):format(where, FORMAT), 0)
  end
  return strokes.from_table(value, where)
end

--- The steps of a file.
function strokes.read(path)
  return strokes.decode(require("perilune.core").read_file(path, FILE_MOST), path)
end

--- Sets a drawing's times so that its last moment is `now`.
-- @return the steps, changed
function strokes.shift(steps, now)
  local last = -math.huge
  for _, step in ipairs(steps) do last = math.max(last, step.picture and step.time or step.t[step.n]) end
  for _, step in ipairs(steps) do
    if step.picture then step.time = step.time - last + now end
    for k = 1, step.n do step.t[k] = step.t[k] - last + now end
  end
  return steps
end

return strokes
