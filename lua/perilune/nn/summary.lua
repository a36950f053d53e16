--- A net as a table of its layers, like Keras' summary: as text, and as HTML for notebooks.
-- @module perilune.nn.summary
local html = require "perilune.display.html"

local summary = {}

local function shape_text(shape)
  local sizes = { "None" }
  for i, size in ipairs(shape) do sizes[i + 1] = ("%d"):format(size) end
  return "(" .. table.concat(sizes, ", ") .. ")"
end

local function grouped(n)
  local text = ("%d"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (text:gsub("^,", ""))
end

local function bytes_text(bytes)
  if bytes < 1024 then return ("%.2f B"):format(bytes) end
  if bytes < 1024 ^ 2 then return ("%.2f KB"):format(bytes / 1024) end
  return ("%.2f MB"):format(bytes / 1024 ^ 2)
end

local function count(layer)
  local total = 0
  for _, weight in ipairs(layer:named_weights()) do
    if weight.layer == layer or rawequal(weight.layer, layer) then total = total + weight.tensor:numel() end
  end
  return total
end

--- One line about a layer: what tostring gives.
function summary.line(layer)
  local parts = { layer.type, " '", layer.name, "'" }
  if layer.built then
    parts[#parts + 1] = (" %s -> %s"):format(shape_text(layer.input_shape), shape_text(layer.output_shape))
  else
    parts[#parts + 1] = " (not built)"
  end
  return table.concat(parts)
end

local function rows_of(layer, depth, rows)
  for i = 1, #layer do
    local child = layer[i]
    rows[#rows + 1] = { depth = depth, name = child.name, type = child.type, shape = shape_text(child.output_shape),
      count = grouped(count(child)) }
    rows_of(child, depth + 1, rows)
  end
  return rows
end

-- The layers of a net, or the one that it is.
local function layers_of(net)
  local rows = rows_of(net, 0, {})
  if #rows == 0 then
    rows[1] = { depth = 0, name = net.name, type = net.type, shape = shape_text(net.output_shape),
      count = grouped(count(net)) }
  end
  return rows
end

-- How many weights: { what, how many, bytes } for all, the trained and the fixed.
local function totals_of(net)
  local total, trained = net:count_params()
  local size = net.dtype == "float64" and 8 or 4
  local rows = {}
  for i, row in ipairs { { "Total", total }, { "Trainable", trained }, { "Non-trainable", total - trained } } do
    rows[i] = { row[1] .. " params", grouped(row[2]), bytes_text(row[2] * size) }
  end
  return rows
end

-- Characters, not bytes, are what a column holds.
local function padded(text, width, right)
  local space = (" "):rep(width - (utf8.len(text) or #text))
  return right and space .. text or text .. space
end

local HEADS = { "Layer (type)", "Output Shape", "Param #" }

--- The whole table.
function summary.of(net)
  local rows, width = {}, {}
  for i, row in ipairs(layers_of(net)) do
    rows[i] = { ("  "):rep(row.depth) .. ("%s (%s)"):format(row.name, row.type), row.shape, row.count }
  end
  for column = 1, 3 do
    width[column] = #HEADS[column]
    for _, row in ipairs(rows) do width[column] = math.max(width[column], utf8.len(row[column]) or #row[column]) end
  end
  local function rule(left, middle, right, line)
    local cells = {}
    for column = 1, 3 do cells[column] = line:rep(width[column] + 2) end
    return left .. table.concat(cells, middle) .. right
  end
  local function cells(row)
    return "│ " .. padded(row[1], width[1]) .. " │ " .. padded(row[2], width[2]) .. " │ " .. padded(row[3], width[3], true) .. " │"
  end
  local lines = { ("Model: \"%s\""):format(net.name), rule("┌", "┬", "┐", "─"), cells(HEADS), rule("├", "┼", "┤", "─") }
  for _, row in ipairs(rows) do lines[#lines + 1] = cells(row) end
  lines[#lines + 1] = rule("└", "┴", "┘", "─")
  for _, row in ipairs(totals_of(net)) do lines[#lines + 1] = ("%s: %s (%s)"):format(row[1], row[2], row[3]) end
  return table.concat(lines, "\n")
end

--- The same as an HTML table.
function summary.html(net)
  local rows, foot = {}, {}
  for i, row in ipairs(layers_of(net)) do
    rows[i] = { { html = ("&nbsp;"):rep(4 * row.depth) .. html.escape(row.name) }, row.type,
      { text = row.shape, mono = true }, { text = row.count, mono = true } }
  end
  for i, row in ipairs(totals_of(net)) do
    foot[i] = { { text = row[1], span = 2, bold = i == 1 or nil, align = "left" }, { text = row[3], align = "left" },
      { text = row[2], mono = true, bold = i == 1 or nil, align = "right" } }
  end
  local from = net.input_shape and (", input " .. shape_text(net.input_shape)) or ""
  return html.table { caption = ("%s (%s)%s"):format(net.name, net.type, from), foot = foot, rows = rows,
    head = { "Layer", "Type", "Output shape", "Parameters" }, align = { "left", "left", "left", "right" } }
end

--- What a notebook shows of a layer or a net: the table once it is built, else its line.
function summary.mime(layer)
  local ok, built = pcall(function() return layer.built end)
  if not (ok and built) then return { ["text/plain"] = tostring(layer) } end
  return { ["text/plain"] = #layer > 0 and summary.of(layer) or tostring(layer), ["text/html"] = summary.html(layer) }
end

return summary
