--- A confusion matrix and what follows from it: accuracy, and precision, recall and F1 of every class.
--
-- report.counts[i][j] is how many samples of the i-th class were taken for the j-th; rows are the truth.
-- Where nothing was counted a ratio is 0, as scikit-learn has it.
-- @module perilune.train.report
local html = require "perilune.display.html"

local Report = {}
Report.__index = Report
Report.__name = "perilune.Report"

local report = {}

--- A report on counts.
-- @param counts square table of numbers
-- @param names the classes' names; 0, 1, 2, ... when left out
function report.new(counts, names)
  local copy, labels = {}, {}
  for i, row in ipairs(counts) do
    copy[i] = table.move(row, 1, #row, 1, {})
    labels[i] = tostring(names and names[i] or i - 1)
  end
  return setmetatable({ counts = copy, classes = labels }, Report)
end

local function ratio(part, whole) return whole > 0 and part / whole or 0.0 end

--- The figures of the i-th class: precision, recall, f1, support (how many there are).
function Report:of(i)
  local right, said, there = self.counts[i][i], 0, 0
  for j in ipairs(self.counts) do
    said, there = said + self.counts[j][i], there + self.counts[i][j]
  end
  local precision, recall = ratio(right, said), ratio(right, there)
  return { class = self.classes[i], precision = precision, recall = recall,
    f1 = ratio(2 * precision * recall, precision + recall), support = there }
end

--- The figures of every class, a list.
function Report:rows()
  local rows = {}
  for i in ipairs(self.counts) do rows[i] = self:of(i) end
  return rows
end

local function macro(self, figure)
  local sum = 0.0
  for i in ipairs(self.counts) do sum = sum + self:of(i)[figure] end
  return ratio(sum, #self.counts)
end

--- Precision, the plain mean over the classes.
function Report:precision() return macro(self, "precision") end

--- Recall, the plain mean over the classes.
function Report:recall() return macro(self, "recall") end

--- F1, the plain mean over the classes.
function Report:f1() return macro(self, "f1") end

--- How many samples there were.
function Report:total()
  local total = 0
  for _, row in ipairs(self.counts) do
    for _, count in ipairs(row) do total = total + count end
  end
  return total
end

--- The part that was right.
function Report:accuracy()
  local right = 0
  for i, row in ipairs(self.counts) do right = right + row[i] end
  return ratio(right, self:total())
end

local function padded(text, width)
  text = tostring(text)
  local length = utf8.len(text) or #text
  return (" "):rep(width - length) .. text
end

local function count_text(value) return math.type(value) == "integer" and tostring(value) or ("%.6g"):format(value) end

--- The matrix with the figures of each class beside it, one line a class.
function Report:__tostring()
  local width = 5
  for i, name in ipairs(self.classes) do
    width = math.max(width, utf8.len(name) or #name)
    for _, count in ipairs(self.counts[i]) do width = math.max(width, #count_text(count)) end
  end
  local head = { padded("", width) }
  for i, name in ipairs(self.classes) do head[i + 1] = padded(name, width) end
  local lines = { table.concat(head, " ") .. "  precision  recall      f1  support" }
  for i, row in ipairs(self.counts) do
    local cells, figures = { padded(self.classes[i], width) }, self:of(i)
    for j, count in ipairs(row) do cells[j + 1] = padded(count == 0 and "." or count_text(count), width) end
    lines[i + 1] = ("%s  %9.4f  %6.4f  %6.4f  %7s"):format(
      table.concat(cells, " "), figures.precision, figures.recall, figures.f1, count_text(figures.support))
  end
  lines[#lines + 1] = ("%s  %9.4f  %6.4f  %6.4f  %7s"):format(
    padded("mean", (width + 1) * (#self.classes + 1) - 1), self:precision(), self:recall(), self:f1(),
    count_text(self:total()))
  lines[#lines + 1] = ("accuracy %.4f; rows are the truth, columns what the net said"):format(self:accuracy())
  return table.concat(lines, "\n")
end

-- --- for notebooks ----------------------------------------------------------------------------------------------

-- Right ones are shaded blue, wrong ones orange, by their share of the class; a few mistakes show, too.
local function shade(right, share)
  if share <= 0 then return nil end
  local colour = right and "47,111,183" or "224,119,27"
  return ("rgba(%s,%.2f)"):format(colour, 0.08 + 0.62 * math.min(share, 1) ^ 0.6)
end

local function matrix_row(self, i, row)
  local there, cells = self:of(i).support, { { text = self.classes[i], tag = "th", bold = true, align = "right" } }
  for j, count in ipairs(row) do
    cells[j + 1] = { text = count == 0 and "" or count_text(count), bold = i == j or nil,
      shade = shade(i == j, ratio(count, there)) }
  end
  return cells
end

local FIGURES = { "precision", "recall", "f1" }

local MOST = 40 -- classes of which the page shows the matrix; of more, only the figures

--- The report as an HTML table: rows are the truth, columns what the net said, and the figures of each class.
function Report:html()
  local with_matrix = #self.classes <= MOST
  local head, rows, align = { "" }, {}, {}
  for i, name in ipairs(with_matrix and self.classes or {}) do head[i + 1] = { text = name, bold = true } end
  for _, name in ipairs { "precision", "recall", "f1", "support" } do head[#head + 1] = name end
  for i in ipairs(head) do align[i] = "right" end
  for i, row in ipairs(self.counts) do
    local figures, cells = self:of(i), matrix_row(self, i, with_matrix and row or {})
    for _, name in ipairs(FIGURES) do cells[#cells + 1] = { text = ("%.4f"):format(figures[name]), mono = true } end
    cells[#cells + 1] = { text = count_text(figures.support), mono = true }
    rows[i] = cells
  end
  local mean = { { text = "mean", span = with_matrix and #self.classes + 1 or 1, align = "right" } }
  for _, name in ipairs(FIGURES) do mean[#mean + 1] = { text = ("%.4f"):format(self[name](self)), mono = true, align = "right" } end
  mean[#mean + 1] = { text = count_text(self:total()), mono = true, align = "right" }
  return html.table { caption = ("accuracy %.4f; rows are the truth, columns what the net said"):format(self:accuracy()),
    head = head, rows = rows, align = align, foot = { mean } }
end

--- What a notebook shows.
function Report:__mime() return { ["text/plain"] = tostring(self), ["text/html"] = self:html() } end

return report
