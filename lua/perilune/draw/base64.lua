--- Base64 both ways: bytes in a JSON text.
-- @module perilune.draw.base64
local base64 = {
  --- Bytes as base64, on one line.
  encode = require("perilune.display.html").base64,
}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local value_of = {}
for i = 1, #ALPHABET do value_of[ALPHABET:byte(i)] = i - 1 end
local PAD = ("="):byte()

-- The 24 bits of four characters; nil for one that does not belong.
local function bits_of(a, b, c, d)
  a, b, c, d = value_of[a], value_of[b], value_of[c], value_of[d]
  return a and b and c and d and (a << 18 | b << 12 | c << 6 | d)
end

--- The bytes of a base64 text.
-- @return a string, or nil when it is none
function base64.decode(text)
  local size = #text
  if size % 4 ~= 0 then return nil end
  local parts, whole = {}, size
  if size > 0 and text:byte(size) == PAD then whole = size - 4 end
  for i = 1, whole, 4 do
    local bits = bits_of(text:byte(i, i + 3))
    if not bits then return nil end
    parts[#parts + 1] = string.char(bits >> 16, bits >> 8 & 255, bits & 255)
  end
  if whole == size then return table.concat(parts) end
  local a, b, c = text:byte(whole + 1, whole + 3)
  local two = c ~= PAD -- bytes in the last group, else one
  local bits = bits_of(a, b, two and c or ALPHABET:byte(1), ALPHABET:byte(1))
  if not bits or bits & (two and 0xFF or 0xFFFF) ~= 0 then return nil end
  parts[#parts + 1] = two and string.char(bits >> 16, bits >> 8 & 255) or string.char(bits >> 16)
  return table.concat(parts)
end

return base64
