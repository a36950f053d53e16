--- The pieces of HTML that live displays are made of. Styles are inline and colours those of the page (half seen where
-- they shall step back), so that they are right on light and dark pages; without styles the text still reads.
-- @module perilune.kernel.live.html
local color = require "perilune.plot.color"
local curves = require "perilune.kernel.live.curves"

local html = { escape = curves.escape }

local GOING, DONE, STOPPED, FAILED = color.series[1], color.series[3], color.series[2], color.series[4]

-- How a run that ended so is coloured; one that goes on is blue.
local COLOURS = { done = DONE, early = DONE, left = STOPPED, interrupted = STOPPED, failed = FAILED }

--- A bar; `part` of it, from 0 to 1, is full.
-- @param kind  nil while it grows; else how it ended: done, early, left, interrupted or failed
function html.bar(part, kind)
  return ('<div style="height:6px;border-radius:3px;overflow:hidden;background:rgba(128,128,128,.28);margin:4px 0 8px">'
    .. '<div style="height:100%%;width:%.1f%%;background:%s"></div></div>'):format(
    math.max(0, math.min(part, 1)) * 100, COLOURS[kind] or GOING)
end

--- A line: what it is about in bold, and what is said of it, the quieter things half seen.
function html.line(head, words, quiet)
  local parts = { "<b>" .. curves.escape(head) .. "</b>" }
  if words and words ~= "" then parts[#parts + 1] = "<span>" .. curves.escape(words) .. "</span>" end
  if quiet and quiet ~= "" then
    parts[#parts + 1] = '<span style="opacity:.65">' .. curves.escape(quiet) .. "</span>"
  end
  return "<div>" .. table.concat(parts, " &ensp; ") .. "</div>"
end

--- A table of numbers, the first column names.
-- @param rows  lists of texts, the first of them the heads
function html.table(rows)
  local out = { '<table style="border-collapse:collapse;margin:4px 0 8px;font-size:13px;line-height:1.4;'
    .. 'font-variant-numeric:tabular-nums">' }
  for i, row in ipairs(rows) do
    out[#out + 1] = "<tr>"
    for j, text in ipairs(row) do
      local tag = (i == 1 or j == 1) and "th" or "td"
      out[#out + 1] = ('<%s style="text-align:%s;padding:1px 14px 1px 0;font-weight:%s">%s</%s>'):format(tag,
        j == 1 and "left" or "right", i == 1 and "bold" or "normal", curves.escape(text), tag)
    end
    out[#out + 1] = "</tr>"
  end
  out[#out + 1] = "</table>"
  return table.concat(out)
end

--- Lines of text, one below the other.
function html.notes(list)
  local out = {}
  for i, text in ipairs(list) do out[i] = '<div style="opacity:.85">' .. curves.escape(text) .. "</div>" end
  return table.concat(out)
end

--- The whole, as wide as its pictures at most.
function html.whole(parts, width)
  return ('<div style="max-width:%dpx;font-size:13px;line-height:1.5">%s</div>'):format(width, table.concat(parts))
end

return html
