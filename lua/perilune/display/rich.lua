--- Texts and pictures that a program hands over as they are: peri.html, markdown, latex, svg, json and image. Each is
-- an object that shows itself where the front end can, and as text elsewhere.
-- @module perilune.display.rich
local args = require "perilune.args"
local pretty = require "perilune.display.pretty"

local rich = {}

local Rich = { __name = "perilune.Rich" }
Rich.__index = Rich

function Rich:__tostring() return self.plain end
function Rich:__mime() return self.forms, self.metadata end
function Rich:__terminal(screen) return self.drawn and self.drawn(screen) or self.plain end

local function make(plain, kind, form, metadata, drawn)
  return setmetatable({ plain = plain, forms = { ["text/plain"] = plain, [kind] = form },
    metadata = metadata and { [kind] = metadata }, drawn = drawn }, Rich)
end

local function want_text(where, text)
  if type(text) ~= "string" then
    error(("%s: wants a text, got %s"):format(where, text == nil and "nil" or "a " .. type(text)), 3)
  end
  return text
end

local ENTITIES = { lt = "<", gt = ">", amp = "&", quot = '"', nbsp = " ", ["#39"] = "'" }

-- What is left of a page without its tags.
local function without_tags(text)
  text = text:gsub("<!%-%-.-%-%->", ""):gsub("<[sS][tT][yY][lL][eE].-</[sS][tT][yY][lL][eE]>", "")
    :gsub("<[sS][cC][rR][iI][pP][tT].-</[sS][cC][rR][iI][pP][tT]>", "")
  text = text:gsub("</t[dh]>%s*<t[dh][^<>]*>", "  "):gsub("<[bB][rR]%s*/?>", "\n"):gsub("</[pP]>", "\n"):gsub("<[^<>]*>", "")
  text = text:gsub("&(#?%w+);", ENTITIES):gsub("^%s+", ""):gsub("%s+$", ""):gsub("\n%s*\n%s*", "\n")
  return text
end

--- HTML, as it is. Where there is only text, what is left without the tags.
-- @param text the HTML
-- @return an object that shows itself
function rich.html(text)
  return make(without_tags(want_text("html", text)), "text/html", text)
end

--- Markdown, as it is; in a terminal its source.
-- @param text the Markdown
-- @return an object that shows itself
function rich.markdown(text) return make(want_text("markdown", text), "text/markdown", text) end

--- A formula or a text with formulas in LaTeX; without any $ or \begin it is one formula.
-- @param text "\\frac{a}{b}", or "The sum is $\\sum_i x_i$"
-- @return an object that shows itself
function rich.latex(text)
  want_text("latex", text)
  local whole = text:find("[$]") or text:find("\\begin", 1, true) or text:find("\\[", 1, true) or text:find("\\(", 1, true)
  return make(text, "text/latex", whole and text or "$\\displaystyle " .. text .. "$")
end

local function read(where, path)
  local file, reason = io.open(path, "rb")
  local bytes, why
  if file then
    bytes, why = file:read "a" -- a folder opens but does not read
    file:close()
  end
  if not bytes then error(("%s: cannot read %s"):format(where, reason or path .. ": " .. tostring(why)), 3) end
  return bytes
end

--- An SVG picture.
-- @param text the SVG itself, or the path of a file
-- @return an object that shows itself
function rich.svg(text)
  want_text("svg", text)
  local name = "SVG picture"
  if not text:find("<svg", 1, true) then
    name = ("SVG picture %s"):format(text)
    text = read("svg", text)
    if not text:find("<svg", 1, true) then error(("svg: %s holds no <svg> element"):format(name:match "[^ ]*$"), 2) end
  end
  return make(name, "image/svg+xml", text)
end

--- Data as a tree that can be folded; in a terminal as display.pretty writes it.
-- @param value a table that JSON can hold
-- @return an object that shows itself
function rich.json(value)
  if type(value) ~= "table" then error(("json: wants a table, got a %s"):format(type(value)), 2) end
  local ok, reason = pcall(require("perilune.json").encode, value)
  if not ok then error((reason:gsub("^json: ", "json: this table is no JSON: ")), 2) end
  return make(pretty.pretty(value), "application/json", value)
end

local MAGIC = { ["\x89PNG"] = "png", ["\xFF\xD8\xFF"] = "jpeg", ["GIF8"] = "gif" }

local function kind_of_bytes(bytes)
  for start, kind in pairs(MAGIC) do
    if bytes:sub(1, #start) == start then return kind end
  end
end

local image_arguments = { { "width", "integer" }, { "height", "integer" }, { "scale", "integer" }, { "range", "table" },
  { "columns", "integer" } }

--- A picture.
-- @param x       a tensor: (H, W) or (H, W, 1 to 4), or a batch (N, H, W, 1 to 4), shown as a grid; floats beyond
--   [0, 1] are stretched from the lowest to the highest. Or the path of a PNG, JPEG or GIF file, or such a file's bytes
-- @param options { width =, height = on the page, in its pixels; for tensors also scale = how many pixels on the page
--   one of the tensor's is wide, range = { black, white }, columns = of a grid }
-- @return an object that shows itself
function rich.image(x, options)
  local a = args.named("image", options, image_arguments)
  local size = (a.width or a.height) and { width = a.width, height = a.height } or nil
  if type(x) == "string" then
    local name, kind = "picture", kind_of_bytes(x)
    if not kind then
      name, x = x, read("image", x)
      kind = kind_of_bytes(x)
      if not kind then error(("image: %s is neither PNG, JPEG nor GIF"):format(name), 2) end
    end
    return make(("%s %s (%d bytes)"):format(kind:upper(), name, #x), "image/" .. kind, x, size, function(screen)
      if kind == "gif" then return nil end
      local ok, text = pcall(function()
        return require("perilune.display.picture").drawn(require("perilune.image").decode(x), screen)
      end)
      return ok and text or nil
    end)
  end
  local picture = require "perilune.display.picture"
  local ok, made = pcall(picture.asked, x, a)
  if not ok then error(made, 2) end
  return make(made.plain, "image/png", made.png, size, made.drawn)
end

return rich
