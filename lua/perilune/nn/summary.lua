--- A net as a table of text, like Keras' summary.
-- @module perilune.nn.summary
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
    local label = ("  "):rep(depth) .. ("%s (%s)"):format(child.name, child.type)
    rows[#rows + 1] = { label, shape_text(child.output_shape), grouped(count(child)) }
    rows_of(child, depth + 1, rows)
  end
  return rows
end

-- Characters, not bytes, are what a column holds.
local function padded(text, width, right)
  local space = (" "):rep(width - (utf8.len(text) or #text))
  return right and space .. text or text .. space
end

--- The whole table.
function summary.of(net)
  local rows = rows_of(net, 0, {})
  if #rows == 0 then
    rows[1] = { ("%s (%s)"):format(net.name, net.type), shape_text(net.output_shape), grouped(count(net)) }
  end
  local heads, width = { "Layer (type)", "Output Shape", "Param #" }, {}
  for column = 1, 3 do
    width[column] = #heads[column]
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
  local lines = { ("Model: \"%s\""):format(net.name), rule("┌", "┬", "┐", "─"), cells(heads), rule("├", "┼", "┤", "─") }
  for _, row in ipairs(rows) do lines[#lines + 1] = cells(row) end
  lines[#lines + 1] = rule("└", "┴", "┘", "─")
  local total, trained = net:count_params()
  local size = net.dtype == "float64" and 8 or 4
  lines[#lines + 1] = ("Total params: %s (%s)"):format(grouped(total), bytes_text(total * size))
  lines[#lines + 1] = ("Trainable params: %s (%s)"):format(grouped(trained), bytes_text(trained * size))
  local fixed = total - trained
  lines[#lines + 1] = ("Non-trainable params: %s (%s)"):format(grouped(fixed), bytes_text(fixed * size))
  return table.concat(lines, "\n")
end

return summary
