--- What a training run was like: one list of numbers a quantity, one number an epoch.
--
--     history.epoch, history.loss, history.accuracy, history.val_loss, history.val_accuracy, history.lr,
--     history.seconds
--
-- All lists have the same length. A run that Ctrl-C ended has history.interrupted = true, and
-- history.partial holds the figures of the epoch that was cut short.
-- @module perilune.train.history
local core = require "perilune.core"
local html = require "perilune.display.html"
local interruption = require "perilune.interruption"
local json = require "perilune.json"
local schedules = require "perilune.optim.schedules"

local History = {}
History.__name = "perilune.History"

local methods = {}
History.__index = methods

-- The order in which a person wants to see the columns; others come between, by name.
local ranks = { epoch = 1, loss = 2, accuracy = 3, val_loss = 5, val_accuracy = 6, lr = 8, seconds = 9 }

local function rank(name) return ranks[name] or (name:find "^val_" and 7 or 4) end

--- A new history without epochs; given the table that `columns` made, with them.
function methods.new(columns)
  local history = setmetatable({}, History)
  for name, list in pairs(columns or { epoch = {} }) do
    history[name] = table.move(list, 1, #list, 1, {})
  end
  return history
end

--- The names of the columns, in the order in which they are shown.
function methods:names()
  local names = {}
  for name, value in pairs(self) do
    if type(value) == "table" and name ~= "partial" then names[#names + 1] = name end
  end
  table.sort(names, function(a, b)
    if rank(a) ~= rank(b) then return rank(a) < rank(b) end
    return a < b
  end)
  return names
end

--- Every column, copied into a plain table.
function methods:columns()
  local columns = {}
  for _, name in ipairs(self:names()) do columns[name] = table.move(self[name], 1, #self[name], 1, {}) end
  return columns
end

--- Adds an epoch. A quantity that earlier epochs lacked, or that this one lacks, is NaN there.
-- @param logs { epoch =, loss =, ... }; what is no number is left out
function methods:append(logs)
  local count = #self.epoch
  for name, value in pairs(logs) do
    if type(value) == "number" then
      if self[name] == nil then
        self[name] = {}
        for i = 1, count do self[name][i] = 0 / 0 end
      end
      self[name][count + 1] = value
    end
  end
  for _, name in ipairs(self:names()) do
    if self[name][count + 1] == nil then self[name][count + 1] = 0 / 0 end
  end
end

--- The best value of a quantity and the epoch that reached it.
-- @param name "val_accuracy", "loss", ...
-- @param mode "max" or "min"; by the name when left out
-- @return value, epoch; nil when there is no epoch
function methods:best(name, mode)
  local list = self[name]
  if type(list) ~= "table" then
    error(("history:best: there is no '%s'; there are %s"):format(
      tostring(name), table.concat(self:names(), ", ")), 2)
  end
  mode = mode or schedules.direction(name)
  local value, epoch
  for i, candidate in ipairs(list) do
    if candidate == candidate and (value == nil or (mode == "max" and candidate > value)
      or (mode == "min" and candidate < value)) then
      value, epoch = candidate, self.epoch[i]
    end
  end
  return value, epoch
end

-- JSON and CSV know neither NaN nor the infinities.
local function is_finite(value) return value == value and value ~= math.huge and value ~= -math.huge end

local function json_text(history)
  local columns = history:columns()
  for _, list in pairs(columns) do
    for i, value in ipairs(list) do list[i] = is_finite(value) and value or json.null end
    json.array(list)
  end
  return json.encode(columns) .. "\n"
end

local function csv(history)
  local names = history:names()
  local lines = { table.concat(names, ",") }
  for i = 1, #history.epoch do
    local cells = {}
    for j, name in ipairs(names) do
      local value = history[name][i]
      cells[j] = is_finite(value) and json.encode(value) or ""
    end
    lines[i + 1] = table.concat(cells, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Saves the columns as JSON or CSV, by the path's ending. The file appears whole or not at all.
-- @return the history
function methods:save(path)
  local text
  if path:find "%.json$" then text = json_text(self)
  elseif path:find "%.csv$" then text = csv(self)
  else error(("history:save: %s: the name must end in .json or .csv"):format(path), 2) end
  core.write_file(path, text)
  return self
end

local function cell(name, value)
  if value == nil then return "-" end
  if value ~= value then return name == "loss" and "nan" or "-" end -- others may not have been measured
  if math.type(value) == "integer" then return tostring(value) end
  if name == "seconds" then return ("%.2f"):format(value) end
  if name == "lr" then return ("%.3g"):format(value) end
  return math.abs(value) >= 1e-3 and math.abs(value) < 1e4 and ("%.4f"):format(value) or ("%.3g"):format(value)
end

--- How many epochs there are.
function History:__len() return #self.epoch end

-- The figures as rows of text, the names first.
local function rows_of(history)
  local names = history:names()
  local rows = { names }
  for i = 1, #history.epoch do
    rows[i + 1] = {}
    for j, name in ipairs(names) do rows[i + 1][j] = cell(name, history[name][i]) end
  end
  return rows
end

--- A small table, one line an epoch.
function History:__tostring()
  local rows, widths, lines = rows_of(self), {}, {}
  for j = 1, #rows[1] do
    widths[j] = 0
    for _, row in ipairs(rows) do widths[j] = math.max(widths[j], #row[j]) end
  end
  for i, row in ipairs(rows) do
    local cells = {}
    for j, text in ipairs(row) do cells[j] = (" "):rep(widths[j] - #text) .. text end
    lines[i] = table.concat(cells, "  ")
  end
  if self.interrupted then lines[#lines + 1] = "interrupted" end
  return table.concat(lines, "\n")
end

-- --- for notebooks ----------------------------------------------------------------------------------------------

local MOST = 100 -- epochs in the table of a page, the last of the run

--- The figures as an HTML table.
function methods:html()
  local rows, align = rows_of(self), {}
  for j = 1, #rows[1] do align[j] = "right" end
  local first = math.max(2, #rows - MOST + 1)
  local shown = {}
  for i = first, #rows do
    shown[#shown + 1] = {}
    for j, text in ipairs(rows[i]) do shown[#shown][j] = { text = text, mono = true } end
  end
  local notes = {}
  if first > 2 then notes[1] = ("the last %d of %d epochs"):format(MOST, #rows - 1) end
  if self.interrupted then notes[#notes + 1] = "interrupted" end
  return html.table { head = rows[1], rows = shown, align = align, notes = notes }
end

local PANEL_WIDTH, PANEL_HEIGHT, LETTERS = 450, 330, 10 -- two fit on a page

-- The curves in a size for a page.
local function drawn(history)
  local curves = require("perilune.plot").history(history)
  local options, count = curves.options, #curves.figures
  if count > 1 then options.fontsize = LETTERS end
  options.columns = math.min(count, 2)
  options.rows = math.ceil(count / options.columns)
  options.width, options.height = count == 1 and 560 or 2 * PANEL_WIDTH, options.rows * PANEL_HEIGHT
  return getmetatable(curves).__mime(curves)
end

--- What a notebook shows: curves, and the table where there are too few epochs for one or nothing can draw them.
function History:__mime()
  local forms = { ["text/plain"] = tostring(self) }
  if #self.epoch > 1 then
    local ok, curves, metadata = pcall(drawn, self)
    if ok then
      curves["text/plain"] = forms["text/plain"]
      return curves, metadata
    end
    interruption.pass(curves)
  end
  forms["text/html"] = self:html()
  return forms
end

return methods
