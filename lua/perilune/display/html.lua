--- HTML that looks right everywhere: in JupyterLab, light and dark, and where a page's host strips styles and scripts.
-- No text has a colour of its own; lines and shades are half-transparent grey; what matters is said by elements
-- (table, th, b, align) and not by styles alone. Everything that comes in as text is escaped.
-- @module perilune.display.html
local html = {}

local REPLACEMENT = utf8.char(0xFFFD)

--- The text as valid UTF-8: bytes that are none become U+FFFD.
function html.clean(text)
  if utf8.len(text) then return text end
  local parts, from = {}, 1
  while from <= #text do
    local length, bad = utf8.len(text, from)
    if length then break end
    parts[#parts + 1] = text:sub(from, bad - 1) .. REPLACEMENT
    from = bad + 1
  end
  parts[#parts + 1] = text:sub(from)
  return table.concat(parts)
end

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- Text for between tags or inside quotes.
function html.escape(text)
  text = html.clean(tostring(text)):gsub("[&<>\"']", ENTITIES)
  return (text:gsub("[%z\1-\8\11\12\14-\31\127]", REPLACEMENT))
end

local LINE = "1px solid rgba(128,128,128,.4)"
local TABLE = "border-collapse:collapse;border:none;margin:2px 0 6px 0;width:auto;font-size:13px"

--- A cell that is more than text: { text = or html =, bold = true, dim = true, shade = "rgba(...)", span = columns,
-- align = "left" }. A plain string stands for { text = string }.
local function cell_html(tag, cell, align, line)
  if type(cell) ~= "table" then cell = { text = cell } end
  align = cell.align or align or "left"
  local styles = { ("text-align:%s;padding:2px 8px;white-space:nowrap;border:none"):format(align) }
  if line then styles[#styles + 1] = ("border-%s:%s"):format(line, LINE) end
  if tag == "th" and not cell.bold then styles[#styles + 1] = "font-weight:normal" end
  if cell.mono then styles[#styles + 1] = "font-family:monospace" end
  if cell.shade then styles[#styles + 1] = "background:" .. cell.shade end
  local inside = cell.html or html.escape(cell.text or "")
  if cell.bold then inside = "<b>" .. inside .. "</b>" end
  if cell.dim then inside = '<span style="opacity:.6">' .. inside .. "</span>" end
  return ('<%s align="%s"%s style="%s">%s</%s>'):format(tag, align,
    cell.span and (' colspan="%d"'):format(cell.span) or "", table.concat(styles, ";"), inside, tag)
end

local function row_html(tag, row, align, line)
  local cells = {}
  for i, cell in ipairs(row) do
    local own = type(cell) == "table" and cell.tag or tag
    cells[i] = cell_html(own, cell, align and align[i], line)
  end
  return "<tr>" .. table.concat(cells) .. "</tr>\n"
end

--- A table.
-- @param given caption (text), head (a row of cells, or nil), rows (lists of cells), align (of each column: "left",
--   "right" or "center"), foot (rows below a line), notes (lines of text under the table)
function html.table(given)
  local parts = { ('<table style="%s">\n'):format(TABLE) }
  if given.caption then
    parts[#parts + 1] = ('<caption style="caption-side:top;text-align:left;white-space:nowrap;padding:0 0 4px 0">'
      .. '%s</caption>\n'):format(html.escape(given.caption))
  end
  if given.head then
    parts[#parts + 1] = "<thead>" .. row_html("th", given.head, given.align, "bottom") .. "</thead>\n"
  end
  parts[#parts + 1] = "<tbody>\n"
  for _, row in ipairs(given.rows) do parts[#parts + 1] = row_html("td", row, given.align, row.line) end
  for i, row in ipairs(given.foot or {}) do
    parts[#parts + 1] = row_html("td", row, given.align, i == 1 and "top" or nil)
  end
  parts[#parts + 1] = "</tbody></table>"
  for _, note in ipairs(given.notes or {}) do
    parts[#parts + 1] = ('\n<div style="font-size:13px;opacity:.8">%s</div>'):format(html.escape(note))
  end
  return table.concat(parts)
end

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- Two characters for each number of twelve bits.
local DIGITS = {}
for n = 0, 4095 do
  local high, low = (n >> 6) + 1, (n & 63) + 1
  DIGITS[n] = ALPHABET:sub(high, high) .. ALPHABET:sub(low, low)
end

--- Bytes as base64, on one line.
function html.base64(bytes)
  local parts, n, size = {}, 0, #bytes
  for i = 1, size - 2, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    parts[n + 1], parts[n + 2] = DIGITS[a << 4 | b >> 4], DIGITS[(b & 15) << 8 | c]
    n = n + 2
  end
  local left = size % 3
  if left == 1 then
    parts[n + 1] = DIGITS[bytes:byte(size) << 4] .. "=="
  elseif left == 2 then
    local a, b = bytes:byte(size - 1, size)
    parts[n + 1] = DIGITS[a << 4 | b >> 4] .. DIGITS[(b & 15) << 8]:sub(1, 1) .. "="
  end
  return table.concat(parts)
end

--- A picture inside the page.
-- @param png    the file's bytes
-- @param words  what it shows, for those who do not see it
function html.image(png, words)
  return ('<img alt="%s" src="data:image/png;base64,%s" style="image-rendering:pixelated;max-width:none">'):format(
    html.escape(words), html.base64(png))
end

return html
