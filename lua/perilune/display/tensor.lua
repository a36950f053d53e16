--- How tensors show themselves: as a table with a cell a number, elided in the middle, and pictures as pictures.
-- Only what is shown is read: some dozens of numbers, whatever the size.
-- @module perilune.display.tensor
local html = require "perilune.display.html"
local picture = require "perilune.display.picture"

local tensor = {}

-- How many are shown from each end of an axis, by the number of axes; of the slices of three axes and more, two from
-- the start and one from the end.
local EDGES = { 6, 5, 3 }
local SLICES_BEFORE, SLICES_AFTER = 2, 1
local DIGITS = 4

-- --- numbers, all alike, as print.c writes them -----------------------------------------------------------------

local function finite(x) return x == x and x ~= math.huge and x ~= -math.huge end

-- Does a number read back as itself when written with so many digits?
local function shows(format, value, single)
  return math.abs(tonumber(format:format(value)) - value) <= value * (single and 1e-7 or 1e-15)
end

local function needed(kind, values, single)
  local digits = 0
  for _, value in ipairs(values) do
    while digits < DIGITS and not shows(("%%.%d%s"):format(digits, kind), value, single) do digits = digits + 1 end
  end
  return math.max(digits, 1)
end

-- One format for all numbers that are shown.
local function format_of(numbers, dtype)
  if dtype == "int64" or dtype == "uint8" then return function(x) return ("%d"):format(x) end end
  local sizes, largest, smallest = {}, 0, nil
  for _, x in ipairs(numbers) do
    local size = math.abs(x)
    if finite(x) and size > 0 then
      sizes[#sizes + 1] = size
      largest, smallest = math.max(largest, size), math.min(smallest or size, size)
    end
  end
  local kind = (largest >= 1e8 or (smallest and smallest < 1e-4)) and "e" or "f"
  local format = ("%%.%d%s"):format(needed(kind, sizes, dtype == "float32"), kind)
  return function(x)
    if finite(x) then return format:format(x) end
    return x ~= x and "nan" or x > 0 and "inf" or "-inf"
  end
end

-- --- what is shown ----------------------------------------------------------------------------------------------

-- The positions of an axis that are shown, with false for what is left out.
local function positions(size, before, after)
  local list = {}
  if size <= before + after + 1 then
    for i = 1, size do list[i] = i end
    return list
  end
  for i = 1, before do list[i] = i end
  list[before + 1] = false
  for i = size - after + 1, size do list[#list + 1] = i end
  return list
end

-- The numbers of a matrix at these positions, read in blocks of neighbours.
local function read(x, rows, columns)
  local function runs(list)
    local found, first = {}, nil
    for i, at in ipairs(list) do
      first = first or at or nil
      if at and not list[i + 1] then
        found[#found + 1], first = { first, at }, nil
      end
    end
    return found
  end
  local cells = {}
  for _, down in ipairs(runs(rows)) do
    for _, across in ipairs(runs(columns)) do
      for i, row in ipairs(x[{ down, across }]:totable()) do
        local at = down[1] + i - 1
        cells[at] = cells[at] or {}
        for j, value in ipairs(row) do cells[at][across[1] + j - 1] = value end
      end
    end
  end
  return cells
end

-- The positions along the leading axes of the n-th slice, from 1.
local function unravel(n, shape, axes)
  local at, rest = {}, n - 1
  for axis = axes, 1, -1 do
    at[axis] = rest % shape[axis] + 1
    rest = rest // shape[axis]
  end
  return at
end

-- A list of { label =, cells = } for the matrices that are shown, false for those left out.
local function slices_of(x, shape, rows, columns)
  local axes = #shape - 2
  if axes < 1 then return { { cells = read(x, rows, columns) } } end
  local count = 1
  for axis = 1, axes do count = count * shape[axis] end
  local slices = {}
  for i, n in ipairs(positions(count, SLICES_BEFORE, SLICES_AFTER)) do
    if n then
      local at = unravel(n, shape, axes)
      local matrix = x
      for axis = 1, axes do matrix = matrix[at[axis]] end
      slices[i] = { label = "[" .. table.concat(at, ", ") .. "]", cells = read(matrix, rows, columns) }
    else
      slices[i] = { hidden = count - SLICES_BEFORE - SLICES_AFTER }
    end
  end
  return slices
end

-- --- the table --------------------------------------------------------------------------------------------------

local ELLIPSIS = "…"

local function caption_of(x, shape)
  local text = ("%s (%s)"):format(x.dtype, table.concat(shape, ", "))
  if x.requires_grad then text = text .. ", requires a gradient" end
  return text
end

local function label(text) return { text = text, dim = true, tag = "th" } end

local function row_of(values, columns, text)
  local row = {}
  for j, at in ipairs(columns) do
    row[j] = { text = at and text(values[at]) or ELLIPSIS, mono = true, dim = not at or nil }
  end
  return row
end

-- All numbers that are shown, in a list.
local function numbers_of(slices, rows, columns)
  local numbers = {}
  for _, slice in ipairs(slices) do
    for _, i in ipairs(slice.cells and rows or {}) do
      for _, j in ipairs(i and columns or {}) do
        if j then numbers[#numbers + 1] = slice.cells[i][j] end
      end
    end
  end
  return numbers
end

local function matrix_rows(slices, rows, columns, text)
  local lines = {}
  for _, slice in ipairs(slices) do
    if slice.hidden then
      lines[#lines + 1] = { { text = ("%s %d more"):format(ELLIPSIS, slice.hidden), dim = true, span = #columns + 1,
        align = "left" }, line = "top" }
    elseif slice.label then
      lines[#lines + 1] = { { text = slice.label, bold = true, span = #columns + 1, align = "left" }, line = "top" }
    end
    for _, i in ipairs(slice.cells and rows or {}) do
      local row
      if i then
        row = row_of(slice.cells[i], columns, text)
      else
        row = {}
        for j = 1, #columns do row[j] = { text = "⋮", dim = true, mono = true } end
      end
      table.insert(row, 1, label(i and tostring(i) or ""))
      lines[#lines + 1] = row
    end
  end
  return lines
end

local function heads_of(columns)
  local head = { label "" }
  for j, at in ipairs(columns) do head[j + 1] = label(at and tostring(at) or ELLIPSIS) end
  return head
end

local function right(count)
  local align = {}
  for i = 1, count do align[i] = "right" end
  return align
end

-- A number alone, or the list of a vector.
local function flat_table(x, shape, caption)
  local columns = positions(shape[1] or 1, EDGES[1], EDGES[1])
  local values = {}
  if #shape == 0 then
    values[1] = x:item()
  else
    values = read(x:reshape(1, shape[1]), { 1 }, columns)[1]
  end
  local numbers = numbers_of({ { cells = { values } } }, { 1 }, columns)
  local head
  if #shape == 1 then
    head = heads_of(columns)
    table.remove(head, 1)
  end
  return html.table { caption = caption, head = head,
    rows = { row_of(values, columns, format_of(numbers, x.dtype)) }, align = right(#columns) }
end

--- The tensor as an HTML table.
function tensor.html(x)
  local shape = x.shape
  local plain, caption = x:detach(), caption_of(x, shape)
  if x:numel() == 0 then
    return html.table { caption = caption, rows = { { { text = "no elements", dim = true } } } }
  end
  if #shape < 2 then return flat_table(plain, shape, caption) end
  local edge = EDGES[math.min(#shape, 3)]
  local rows, columns = positions(shape[#shape - 1], edge, edge), positions(shape[#shape], edge, edge)
  local slices = slices_of(plain, shape, rows, columns)
  local text = format_of(numbers_of(slices, rows, columns), x.dtype)
  return html.table { caption = caption, head = heads_of(columns),
    rows = matrix_rows(slices, rows, columns, text), align = right(#columns + 1) }
end

-- The sizes, or nil when the tensor has been freed.
local function is_there(x)
  local ok = pcall(function() return x.shape end)
  return ok
end

--- The forms of a tensor. Pictures have no table: pages prefer HTML, and would not show the picture.
function tensor.mime(x)
  local forms = { ["text/plain"] = tostring(x) }
  if not is_there(x) then return forms end
  local found = picture.of(x)
  if found then
    forms["image/png"] = picture.png(found)
  else
    forms["text/html"] = tensor.html(x)
  end
  return forms
end

--- What a terminal shows of a tensor: pictures as blocks, type and sizes below them; nil for all else.
function tensor.terminal(x, screen)
  if screen.pipe or not is_there(x) then return nil end
  local found = picture.of(x)
  if not found then return nil end
  local text, part = picture.text(found, screen)
  return ("%s\n%s%s"):format(text, caption_of(x, x.shape), part and ", " .. part or "")
end

return tensor
