--- Pictures: PNG, JPEG and PGM/PPM in and out, resizing, and MNIST's preprocessing of a drawn or photographed digit.
--
-- A picture is a float32 tensor (H, W, C) with values in [0, 1]; C is 1 (grey) or 3 (red, green, blue). Functions
-- that take a picture also take uint8 (0 to 255), float64, and (H, W) for grey.
--
--     local image = require "perilune.image"
--     local x = image.load "seven.jpg"
--     image.save("small.png", image.resize(x, 64, 48))
--     local digit = image.digit "seven.jpg"          -- (28, 28, 1), as MNIST's own pictures were made
-- @module perilune.image
local args = require "perilune.args"
require "perilune.core"

-- The binary part is a library of its own with this module's name: Perilune works without libpng and libjpeg.
local function load_library()
  local path = package.searchpath("perilune.image", package.cpath)
  if not path then
    error("perilune.image: this build has no pictures; install libpng and libjpeg (Debian: libpng-dev, "
      .. "libjpeg-dev) and build again", 0)
  end
  local open, reason = package.loadlib(path, "luaopen_perilune_image")
  if not open then error(("perilune.image: %s cannot be loaded: %s"):format(path, reason), 0) end
  return open("perilune.image", path)
end

local library = load_library()
local image = {
  --- What the programs that recognise drawings thicken to (see image.digit).
  THICKEN = library.thicken,
}

local channel_counts = { grey = 1, gray = 1, rgb = 3, [1] = 1, [3] = 3 }

local function channels_of(where, wanted)
  if wanted == nil then return 0 end
  return channel_counts[wanted]
    or error(("%s: argument 'channels' wants 1 or \"grey\", 3 or \"rgb\", got %s"):format(where, tostring(wanted)), 3)
end

-- Raises the library's messages at the person's own line.
local function call(f, ...)
  local ok, result = pcall(f, ...)
  if not ok then args.raise(result, 3) end
  return result
end

--- Reads a picture. What kind it is, its first bytes tell. Transparent parts are laid over white; a photograph is
-- turned as its EXIF orientation says.
-- @param path    the file
-- @param options { channels = 1 (or "grey") or 3 (or "rgb") }; without it, grey files give 1 channel, others 3
-- @return float32 (H, W, C) in [0, 1]
function image.load(path, options)
  local a = args.named("image.load", options, { { "channels", "integer|string" } })
  return call(library.read, path, channels_of("image.load", a.channels))
end

--- The same from a string that holds a file.
-- @param bytes   the file's contents
-- @param options { channels =, name = for messages }
function image.decode(bytes, options)
  local a = args.named("image.decode", options, { { "channels", "integer|string" }, { "name", "string" } })
  return call(library.parse, bytes, channels_of("image.decode", a.channels), a.name)
end

local function want_picture(where, picture)
  local meta = getmetatable(picture)
  if type(meta) ~= "table" or meta.__name ~= "perilune.Tensor" then
    error(("%s: wants a picture, a tensor (height, width, channels), got %s"):format(where,
      picture == nil and "nil" or "a " .. type(picture)), 3)
  end
end

--- Writes a picture; the name's ending tells the kind: .png, .jpg, .jpeg, .pgm, .ppm. The file is there whole or not
-- at all.
-- @param path    the file
-- @param picture values beyond [0, 1] are clamped
-- @param options { quality = 90 } for JPEG, 1 to 100
function image.save(path, picture, options)
  local a = args.named("image.save", options, { { "quality", "integer", 90 } })
  if type(path) ~= "string" then error(("image.save: wants a path first, got a %s"):format(type(path)), 2) end
  want_picture("image.save", picture)
  call(library.write, path, picture, a.quality)
end

--- A picture as the bytes of a PNG file. Here its last channel may be alpha: (H, W, 2) or (H, W, 4).
-- @param picture values beyond [0, 1] are clamped
-- @param options { scale = 1: every pixel becomes a square of so many pixels, 1 to 64 }
-- @return a string
function image.encode(picture, options)
  local a = args.named("image.encode", options, { { "scale", "integer", 1 } })
  want_picture("image.encode", picture)
  return call(library.encode, picture, a.scale)
end

--- A picture in another size.
-- @param picture the picture
-- @param height  rows
-- @param width   columns; without it, as many as keep the picture's proportions
-- @param filter  "auto" (the mean of the pixels underneath where it shrinks, bilinear where it grows), "area",
--   "bilinear" or "nearest"
function image.resize(picture, height, width, filter)
  want_picture("image.resize", picture)
  if math.type(height) ~= "integer" or (width ~= nil and math.type(width) ~= "integer") then
    error(("image.resize: wants whole numbers height and width, got %s and %s"):format(tostring(height),
      tostring(width)), 2)
  end
  width = width or math.max(1, (height * picture.shape[2] + picture.shape[1] // 2) // picture.shape[1])
  return call(library.resize, picture, height, width, filter)
end

--- Grey by Rec. 601's luma: .299 R + .587 G + .114 B.
-- @return (H, W, 1)
function image.grey(picture)
  want_picture("image.grey", picture)
  return call(library.grey, picture)
end

local inks = { auto = 0, dark = -1, light = 1 }

-- What one of the library's functions finds in a picture or a file; errors of a file's contents name it.
local function find(where, f, picture, a)
  local ink = inks[a.ink] or error(("%s: argument 'ink' wants auto, dark or light, got %s"):format(where, a.ink), 3)
  if type(picture) ~= "string" then
    want_picture(where, picture)
    return call(f, picture, ink, a.thicken)
  end
  local ok, found = pcall(f, call(library.read, picture, 1), ink, a.thicken)
  if not ok then error(("%s: %s"):format(picture, (found:gsub("^[^\n:]+:%d+: ", ""))), 3) end
  return found
end

--- A digit as MNIST's makers would have cut it: the ink is told from its ground however that is lit, made bright
-- on black, cropped, scaled so that its longer side is 20 pixels, and centred by mass in 28 x 28.
-- @param picture a picture or a path
-- @param options { ink = "auto", "dark" or "light" (than its ground), thicken = strokes thinner than this, in pixels of
--   the result, are widened to it (default 0: never) }
-- @return float32 (28, 28, 1)
-- @raise an error that says so when there is no ink
function image.digit(picture, options)
  local a = args.named("image.digit", options, { { "ink", "string", "auto" }, { "thicken", "number", 0 } })
  return find("image.digit", library.digit, picture, a)
end

--- What is written on a picture, as ink: told from its ground however that is lit, cleaned of specks and edges.
-- @param picture a picture or a path
-- @param options { ink = "auto", "dark" or "light" (than its ground) }
-- @return float32 (h, w, 1), ink 1 on 0, in the picture's proportions, its longer side at most 640 pixels
-- @raise an error that says so when there is no ink
function image.ink(picture, options)
  local a = args.named("image.ink", options, { { "ink", "string", "auto" } })
  return find("image.ink", library.ink, picture, a)
end

--- Draws a pen's stroke into a picture of ink, in place, anti-aliased. Ink takes the larger of what is there and its
-- own cover, an eraser takes its cover away; what is drawn twice changes nothing.
-- @param picture float32 (H, W, 1), ink 1 on 0; changed
-- @param stroke  { x = list, y = list: points in the picture's sides, from 0 to 1, y down; n = how many (default: all),
--   width = the pen's in the shorter side, erase = true to take ink away }
-- @param from    the first point that is new (default 1): the line to it begins at the point before
-- @param within  only in this box, { top =, left =, height =, width = } with rows and columns counted from 1
-- @return the box that was touched, or nil when the stroke passes by the picture
function image.stroke(picture, stroke, from, within)
  return call(library.stroke, picture, stroke.x, stroke.y, from or 1, stroke.n or #stroke.x, stroke.width, stroke.erase,
    within)
end

--- The box of what is brighter than a threshold.
-- @param picture   float32 (H, W, 1)
-- @param threshold default 0.5
-- @return { top =, left =, height =, width = }, rows and columns counted from 1, or nil
function image.box(picture, threshold) return call(library.box, picture, threshold) end

--- The broadest pen that befits what is written: 0.13 of the digits' height (MNIST's pens: about 0.1 to 0.2).
-- @param box  of what was drawn, as image.box gives it
-- @param pen  that it was drawn with, in sides of the picture, which is square
-- @param side rows and columns of the picture
-- @return the pen, in sides of the picture
-- @return whether the pen that it was drawn with may stay as it is
function image.befitting_pen(box, pen, side)
  local ok, most, befits = pcall(library.befitting, box, pen, side)
  if not ok then args.raise(most, 2) end
  return most, befits
end

--- The connected pieces of what is inked on a clean picture. Specks (under a 25th of the largest piece) are none.
-- @param ink float32 (H, W, 1), 1 on 0, as a canvas or image.ink gives it
-- @return uint8 (H, W): which piece a pixel is of, 0 for none
-- @return the pieces by their left edges, at most 255: { top, left, height, width, area (rows, columns counted from 1),
--   rows = { first and last column in the top row, in the next, ...; first above last where it has none } }
function image.pieces(ink)
  want_picture("image.pieces", ink)
  local ok, labels, pieces = pcall(library.pieces, ink)
  if not ok then args.raise(labels, 2) end
  return labels, pieces
end

--- Gives another number to what a piece has at the right of a line.
-- @param labels   as image.pieces gives them; changed
-- @param piece    its number
-- @param number   the other, 1 to 255
-- @param x_top    where the line crosses the picture's upper edge, in pixels
-- @param x_bottom where it crosses the lower one
function image.split(labels, piece, number, x_top, x_bottom) call(library.split, labels, piece, number, x_top, x_bottom) end

--- Pieces together as one digit, as image.digit makes it of a whole picture.
-- @param ink     the picture that image.pieces was given
-- @param labels  as it gave them
-- @param chosen  the numbers of the digit's pieces
-- @param thicken as image.digit has it
-- @return float32 (28, 28, 1); nil when they have no ink
-- @return where its pixels are from: { top, left, bottom, right = the edges of the digit's box in the picture, in pixels from
--   0; field_top, field_left, field_height, field_width = where that box is in the 28 x 28, rows and columns from 0 }
function image.digit_of(ink, labels, chosen, thicken)
  local ok, digit, place = pcall(library.digit_of, ink, labels, chosen, thicken or 0)
  if not ok then args.raise(digit, 2) end
  return digit, place
end

return image
