--- The notebook as a place where values show themselves: display's backend.
--
-- Forms are texts by MIME type, except that pictures (image/png, image/jpeg, ...) are raw bytes, which go out in
-- base64, and that JSON (application/json, *+json) is a Lua table.
-- @module perilune.kernel.show
local display = require "perilune.display"

local show = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- Two characters for each number of twelve bits.
local pairs_of = {}
for n = 0, 4095 do
  local high, low = (n >> 6) + 1, (n & 63) + 1
  pairs_of[n] = ALPHABET:sub(high, high) .. ALPHABET:sub(low, low)
end

--- Bytes in base64.
function show.base64(bytes)
  local parts, n, size = {}, 0, #bytes
  for i = 1, size - 2, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    parts[n + 1], parts[n + 2] = pairs_of[a << 4 | b >> 4], pairs_of[(b & 15) << 8 | c]
    n = n + 2
  end
  local left = size % 3
  if left == 1 then
    parts[n + 1] = pairs_of[bytes:byte(size) << 4] .. "=="
  elseif left == 2 then
    local a, b = bytes:byte(size - 1, size)
    parts[n + 1] = pairs_of[a << 4 | b >> 4] .. pairs_of[(b & 15) << 8]:sub(1, 1) .. "="
  end
  return table.concat(parts)
end

local function is_bytes(mime)
  return mime:find "^image/" and mime ~= "image/svg+xml" or mime:find "^audio/" or mime:find "^video/"
    or mime == "application/pdf"
end

--- Forms as a message holds them.
function show.data(forms)
  local data = {}
  for mime, form in pairs(forms) do
    if type(form) == "table" then
      data[mime] = form
    elseif is_bytes(mime) then
      data[mime] = show.base64(tostring(form))
    else
      data[mime] = tostring(form)
    end
  end
  return data
end

--- The backend of a kernel.
-- @param kernel  with a method publish(type, content); nothing is shown while its `quiet` is set
function show.backend(kernel)
  local function publish(type_, forms, info)
    if kernel.quiet then return end
    info = info or {}
    kernel:publish(type_, {
      data = show.data(forms), metadata = info.metadata or {},
      transient = info.id ~= nil and { display_id = tostring(info.id) } or {},
    })
  end
  return {
    name = "notebook",
    show = function(forms, info) publish("display_data", forms, info) end,
    update = function(forms, info) publish("update_display_data", forms, info) end,
    clear = function(wait)
      if not kernel.quiet then kernel:publish("clear_output", { wait = wait and true or false }) end
    end,
    progress = function(given)
      local found = package.searchpath("perilune.kernel.live", package.path)
      return found and require("perilune.kernel.live").progress(kernel, given)
    end,
  }
end

--- Makes a kernel the place where values are shown.
-- @return a function that ends it
function show.register(kernel)
  return display.register(show.backend(kernel))
end

return show
