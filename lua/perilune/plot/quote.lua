--- Words and numbers as gnuplot's language wants them. This is the only door from a person's text into a
-- script, and nothing that passes it can end the string, run a command or start an escape:
--   * only single-quoted strings are written, where gnuplot expands neither backticks, macros nor backslashes;
--   * a newline, which would end the command, leaves the quotes: 'first'."\n".'second'; so does an apostrophe,
--     as gnuplot 5.4 misreads a doubled one at a string's start: 'it'."'".'s';
--   * control characters become spaces, and bytes that are no UTF-8 become U+FFFD, as the SVG must be valid XML.
-- @module perilune.plot.quote
local quote = {}

local REPLACEMENT = utf8.char(0xFFFD)

local function valid_utf8(text)
  local parts, from = {}, 1
  while true do
    local length, bad = utf8.len(text, from)
    if length then break end
    parts[#parts + 1] = text:sub(from, bad - 1) .. REPLACEMENT
    from = bad + 1
    if from > #text then return table.concat(parts) end
  end
  parts[#parts + 1] = text:sub(from)
  return table.concat(parts)
end

--- Printable text: valid UTF-8, no control characters but the newline.
function quote.clean(text)
  text = valid_utf8(tostring(text)):gsub("\r\n?", "\n")
  text = text:gsub("[^\n%C]", " ")
  return (text:gsub("\xEF\xBF[\xBE\xBF]", REPLACEMENT)) -- U+FFFE and U+FFFF, which XML forbids
end

--- A gnuplot string expression with exactly this text.
function quote.string(text)
  local lines = {}
  for line in (quote.clean(text) .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = "'" .. line:gsub("'", [['."'".']]) .. "'"
  end
  return table.concat(lines, '."\\n".')
end

--- The same for a tick's label, which gnuplot hands to its printf.
function quote.tick(text)
  return quote.string((tostring(text):gsub("%%", "%%%%")))
end

--- A number; what is not finite becomes NaN, which gnuplot draws as a gap.
function quote.number(x)
  if math.type(x) == "integer" then return ("%d"):format(x) end
  if x ~= x or x == math.huge or x == -math.huge then return "NaN" end
  return ("%.10g"):format(x)
end

return quote
