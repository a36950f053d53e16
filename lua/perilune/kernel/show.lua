--- The notebook as a place where values show themselves: display's backend.
--
-- Forms are texts by MIME type, except that pictures (image/png, image/jpeg, ...) are raw bytes, which go out in
-- base64, and that JSON (application/json, *+json) is a Lua table.
-- @module perilune.kernel.show
local display = require "perilune.display"

local show = {}

--- Bytes in base64.
show.base64 = require("perilune.display.html").base64

--- Forms as a message holds them.
function show.data(forms)
  local data = {}
  for mime, form in pairs(forms) do
    if type(form) == "table" then
      data[mime] = form
    elseif display.is_binary(mime) then
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
