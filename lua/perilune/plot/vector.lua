--- gnuplot's SVG made fit for a page: valid XML, squares that stay squares, fonts with a fallback, and no reference
-- from one element to another, so that pictures side by side cannot get mixed up and a host that forbids <use> (as
-- code-hosting pages do) still shows every mark.
-- @module perilune.plot.vector
local vector = {}

local SHAPE = "<(%l+) ([^<>]*)/>"

local function attributes_of(text)
  local list, by_name = {}, {}
  for name, value in text:gmatch "([%w:-]+)='([^']*)'" do
    list[#list + 1], by_name[name] = name, value
  end
  return list, by_name
end

-- The marks that the file defines, by name: { tag =, text = attributes, transform = or "" }. Where one is made of
-- another, the inner one's attributes come first, as <use> has it.
local function marks_of(definitions)
  local marks = {}
  for tag, text in definitions:gmatch(SHAPE) do
    local names, own = attributes_of(text)
    local base = own["xlink:href"] and marks[own["xlink:href"]:sub(2)]
    local parts = base and { base.text } or {}
    for _, name in ipairs(names) do
      if name ~= "id" and name ~= "xlink:href" and name ~= "transform"
        and not (base and (" " .. base.text):find(" " .. name .. "=", 1, true)) then
        parts[#parts + 1] = ("%s='%s'"):format(name, own[name])
      end
    end
    if own.id and (tag ~= "use" or base) then
      marks[own.id] = { tag = base and base.tag or tag, text = table.concat(parts, " "),
        transform = (own.transform or "") .. (base and base.transform or "") }
    end
  end
  return marks
end

-- A mark where it stands, in its colour.
local function placed(mark, text)
  local names, own = attributes_of(text)
  local parts = { own.color and mark.text:gsub("currentColor", (own.color:gsub("%s+", ""):gsub("%%", "%%%%"))) or mark.text }
  for _, name in ipairs(names) do
    if name ~= "color" and name ~= "transform" then parts[#parts + 1] = ("%s='%s'"):format(name, own[name]) end
  end
  local transform = (own.transform or "") .. mark.transform
  if transform ~= "" then parts[#parts + 1] = ("transform='%s'"):format(transform) end
  return ("<%s %s/>"):format(mark.tag, table.concat(parts, " "))
end

-- Puts the marks where they are used, and leaves out the definitions.
local function expand(svg)
  local first, last = svg:find "<defs>.-</defs>"
  if not first then return svg end
  local definitions, body = svg:sub(first, last), svg:sub(last + 1)
  local marks = marks_of(definitions)
  body = body:gsub("<use xlink:href='#(gp%w+)' ([^<>]*)/>", function(id, text)
    return marks[id] and placed(marks[id], text)
  end)
  if body:find("#gp", 1, true) then return svg end -- of a gnuplot that writes them otherwise: left as it is
  local kept = {} -- what else is defined and referred to
  for element, id in definitions:gmatch "(<filter id='(%w+)'.-</filter>)" do
    if body:find("#" .. id, 1, true) then kept[#kept + 1] = element end
  end
  return svg:sub(1, first - 1) .. (#kept > 0 and "<defs>" .. table.concat(kept) .. "</defs>" or "") .. body
end

-- A short name for a text, the same for the same text.
local function fingerprint(text)
  local hash = 0x811c9dc5
  for at = 1, #text - 7, 8 do
    hash = (hash ~ string.unpack("<i8", text, at)) * 0x100000001b3
    hash = hash ~ (hash >> 29)
  end
  for at = #text - #text % 8 + 1, #text do hash = (hash ~ text:byte(at)) * 0x100000001b3 end
  return ("p%012x"):format((hash ~ (hash >> 17)) & 0xffffffffffff)
end

-- Names of elements: those that nothing refers to go, the others become the picture's own.
local function own_names(svg)
  local used, any = {}, false
  for id in svg:gmatch "href=['\"]#([%w_]+)['\"]" do used[id], any = true, true end
  for id in svg:gmatch "url%(#([%w_]+)%)" do used[id], any = true, true end
  local own = any and fingerprint(svg) .. "_"
  svg = svg:gsub("(%sid=)(['\"])([%w_]+)%2", function(start, mark, id)
    return used[id] and start .. mark .. own .. id .. mark or ""
  end)
  if not any then return svg end
  return (svg:gsub("(href=['\"]#)([%w_]+['\"])", "%1" .. own .. "%2"):gsub("(url%(#)([%w_]+%))", "%1" .. own .. "%2"))
end

--- Tidies. gnuplot escapes < and & in texts, but XML forbids "]]>" as well; it takes "Name:Bold" for a family's
-- name; and browsers blur an embedded picture that they enlarge.
function vector.tidy(svg)
  svg = svg:gsub("%]%]>", "]]&gt;"):gsub("<image ", "<image style='image-rendering:pixelated' ")
  svg = svg:gsub('(<%a+ [^<>]-font%-family=)"([^"<>]*)"', function(start, family)
    local name = family:match "^(.*):Bold$"
    return ('%s"%s, sans-serif"%s'):format(start, name or family, name and ' font-weight="bold"' or "")
  end)
  return own_names(expand(svg))
end

--- The picture at its own size, or as wide as the page where that is less: a viewer that only knows its proportions
-- would always make it as wide as the page. A part of a page has no XML declaration: nbconvert refuses one.
function vector.sized(svg, width, height)
  svg = svg:gsub("^%s*<%?xml.-%?>%s*", "")
  return (svg:gsub("<svg ", ('<svg width="%g" height="%g" style="max-width:100%%%%;height:auto" '):format(width, height), 1))
end

return vector
