--- What a notebook shows of net:fit: state of a training, and its forms while it runs and after it.
--
-- A Fit keeps the figures of every epoch (`epochs_done`) and, in between, a trace of the running figures: every
-- `stride`-th batch, the stride doubled whenever the trace has grown to TRACE points, so that it depends on the
-- batches alone and costs the same for any length. `screen` (live.lua) draws it.
-- @module perilune.kernel.live.fit
local color = require "perilune.plot.color"
local curves = require "perilune.kernel.live.curves"
local html = require "perilune.kernel.live.html"
local progress = require "perilune.train.progress"
local schedules = require "perilune.optim.schedules"

local Fit = {}
Fit.__index = Fit
Fit.__name = "perilune.Progress"

local TRACE = 240    -- points
local POINTS = 400   -- of a curve at most: of more epochs some are left out, the last never
local PANELS = 6     -- curves at most; all figures are in the table
local NOTES = 8      -- lines at most that a running display carries
local ROWS = 40      -- epochs, or earlier trainings, that a table tells in full

local RANK = { loss = 1, accuracy = 2 }

--- A training that has not begun.
function Fit.new(given)
  return setmetatable({ clock = given.clock, epochs_done = {}, notes = {}, trace = { x = {} }, stride = 1, counted = 0,
    logs = {}, batch = 0, seconds = 0, timed = 0, names = {}, known = {} }, Fit)
end

-- --- what happens -------------------------------------------------------------------------------------------------

function Fit:begin_epoch(epoch, epochs, batches, samples)
  local now = self.clock()
  if not self.from then self.from = epoch - 1 end
  if self.started then self.seconds, self.timed = self.seconds + now - self.started, self.timed + 1 end
  self.epoch, self.epochs, self.batches, self.samples = epoch, epochs, batches, samples
  self.started, self.batch, self.first = now, 0, nil
  if self.drawn then self.screen:tick(self) else self:show() end
end

-- The first form is drawn at once: it is the display's place among the cell's outputs.
function Fit:show()
  self.drawn = true
  if not self.screen.id then self.screen:draw(self) else self.screen:tick(self) end
end

-- Half of the points, and from now on half as many.
local function thin(self)
  for _, list in pairs(self.trace) do
    for i = 1, TRACE // 2 do list[i] = list[2 * i] end
    for i = TRACE, TRACE // 2 + 1, -1 do list[i] = nil end
  end
  self.stride = self.stride * 2
end

function Fit:remember(logs)
  local trace = self.trace
  local at = #trace.x + 1
  trace.x[at] = self.epoch - 1 + self.batch / self.batches
  for _, name in ipairs(progress.ordered(logs)) do
    if not trace[name] then
      trace[name] = {}
      for i = 1, at - 1 do trace[name][i] = 0 / 0 end
    end
    trace[name][at] = logs[name]
  end
  for _, list in pairs(trace) do
    if list[at] == nil then list[at] = 0 / 0 end
  end
  if at == TRACE then thin(self) end
end

function Fit:update(batch, done, logs)
  if not self.first then self:meet(logs) end
  self.batch, self.done, self.logs, self.counted = batch, done, logs, self.counted + 1
  if self.counted % self.stride == 0 then self:remember(logs) end
  -- The first batch also warms up; the estimate starts after it.
  if not self.first then self.first = { batch = batch, at = self.clock() } end
  self.screen:tick(self)
end

function Fit:end_epoch(logs)
  local kept = { epoch = self.epoch }
  for _, name in ipairs(progress.ordered(logs)) do kept[name] = logs[name] end
  self.epochs_done[#self.epochs_done + 1] = kept
  self.logs, self.batch = kept, self.batches
  self:meet(kept)
  self.screen:tick(self)
end

function Fit:note(text)
  if self.outcome and self.outcome.text == text then return end -- the head says so
  self.notes[#self.notes + 1] = text
  if self.outcome then self.screen:settle(self) elseif self.drawn then self.screen:tick(self) end
end

--- The training has ended.
-- @param outcome  { kind = "done" | "interrupted" | "failed", text = how and where, history = }
function Fit:close(outcome)
  if self.outcome then return end
  self.outcome = { kind = outcome and outcome.kind or "done", text = outcome and outcome.text }
  if not self.drawn then return end
  self:name_end()
  if outcome and outcome.history and self.has_shown then self.has_shown(outcome.history) end
  if self.shared then table.insert(self.shared.before, self) end
  self.screen:settle(self)
end

local function plural(count, word) return ("%d %s%s"):format(count, word, count == 1 and "" or "s") end

function Fit:name_end()
  local outcome, last = self.outcome, self.epochs_done[#self.epochs_done]
  if outcome.kind ~= "done" then
    outcome.text = outcome.text or outcome.kind
  elseif last and last.epoch == self.epoch then
    outcome.kind = self.epoch < self.epochs and "early" or "done"
    outcome.text = self.epoch < self.epochs and ("ended after epoch %d of %d"):format(self.epoch, self.epochs)
      or plural(self.epochs, "epoch")
  else
    outcome.kind, outcome.text = "early", ("ended in epoch %d of %d after batch %d of %d"):format(self.epoch,
      self.epochs, self.batch, self.batches)
  end
end

-- --- figures ------------------------------------------------------------------------------------------------------

-- `names` are what is measured, without validation's twins: loss, accuracy, then whatever else.
function Fit:meet(logs)
  for _, name in ipairs(progress.ordered(logs)) do
    local base = name:gsub("^val_", "")
    if not self.known[base] then
      self.known[base] = true
      table.insert(self.names, base)
    end
  end
  table.sort(self.names, function(a, b)
    local ra, rb = RANK[a] or 3, RANK[b] or 3
    if ra ~= rb then return ra < rb end
    return a < b
  end)
end

--- The best value of a quantity and its epoch; nil when there is none.
function Fit:best(name)
  local mode, best, epoch = schedules.direction(name), nil, nil
  for _, logs in ipairs(self.epochs_done) do
    local value = logs[name]
    local known = value and value == value and math.abs(value) ~= math.huge
    if known and (not best or (mode == "max" and value > best) or (mode == "min" and value < best)) then
      best, epoch = value, logs.epoch
    end
  end
  return best, epoch
end

function Fit:has_validation()
  local last = self.epochs_done[#self.epochs_done] or {}
  for name in pairs(last) do
    if name:find "^val_" then return true end
  end
  return false
end

-- Seconds until the epoch's batches are done, and until all is; nil while nobody can know.
function Fit:left()
  local now = self.clock()
  if not self.first or self.batch <= self.first.batch or self.outcome then return nil end
  local per_batch = (now - self.first.at) / (self.batch - self.first.batch)
  local epoch = per_batch * self.batches -- what comes after the batches too, once an epoch has shown it
  if self.timed > 0 then epoch = self.seconds / self.timed end
  local here = per_batch * (self.batches - self.batch)
  return here, math.max(here, epoch - (now - self.started)) + (self.epochs - self.epoch) * epoch
end

-- "0:14 left, 3:02 in all, 4.1k samples a second"
function Fit:pace()
  local here, all = self:left()
  if not here then return "" end
  local parts = { self.epochs > self.epoch and ("%s left in the epoch, %s in all"):format(progress.clock(here),
    progress.clock(all)) or progress.clock(here) .. " left" }
  local spent = self.clock() - self.started
  if spent > 0 and self.done then parts[2] = (progress.rate(self.done / spent):gsub("/s", " samples/s")) end
  return table.concat(parts, ", ")
end

function Fit:part()
  local span = self.epochs - self.from
  return span > 0 and (self.epoch - 1 - self.from + self.batch / math.max(self.batches, 1)) / span or 1
end

-- --- curves -------------------------------------------------------------------------------------------------------

local function column(list, name)
  local x, y, any, count = {}, {}, false, #list
  local step = math.max(1, math.ceil(count / POINTS))
  for i = (count - 1) % step + 1, count, step do
    x[#x + 1], y[#y + 1] = list[i].epoch, list[i][name] or 0 / 0
    any = any or list[i][name] ~= nil
  end
  return any and { x = x, y = y } or nil
end

-- Where the x axis ends: a running display has room ahead, a last form none.
function Fit:reach()
  local at = self.epoch - 1 + self.batch / math.max(self.batches, 1)
  if self.outcome then return math.max(math.ceil(at), self.from + 1) end
  local span = self.epochs - self.from
  if span <= 10 then return self.epochs end
  for _, stage in ipairs { 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000 } do
    if at - self.from <= stage then return self.from + math.min(stage, span) end
  end
  return self.epochs
end

-- The running figures after an epoch, as a line.
local function tail(trace, name, after)
  local first = #trace.x + 1
  while first > 1 and trace.x[first - 1] > after do first = first - 1 end
  return { x = table.move(trace.x, first, #trace.x, 1, {}), y = table.move(trace[name], first, #trace.x, 1, {}) }
end

-- The trace, pale beside the epochs' figures, strong while it is all there is and in the epoch that is not over.
function Fit:add_trace(panel, name)
  local blue, seen = color.series[1], #self.epochs_done
  local pale, now = { x = self.trace.x, y = self.trace[name] }, nil
  if seen < 2 then
    -- Beside more epochs' figures the first batches' would only press the curves flat.
    panel.measure[1] = pale.y
  else
    now = tail(self.trace, name, self.epochs_done[seen].epoch)
    panel.measure[1] = now.y
  end
  pale.color, pale.width, pale.steps = seen == 0 and blue or color.tint(blue, 0.5), 1.4, true
  panel.lines[1] = pale
  if now and not self.outcome then
    now.color, now.width = blue, 1.4
    panel.lines[2] = now
  end
end

function Fit:panel(name)
  local few = #self.epochs_done <= 40
  local blue, orange, red = color.series[1], color.series[2], color.series[4]
  local panel = { ylabel = name:gsub("_", " "), xrange = { self.from, self:reach() }, lines = {}, measure = {},
    rings = {}, legend = {} }
  local training, validation = column(self.epochs_done, name), column(self.epochs_done, "val_" .. name)
  local trace = self.trace[name]
  if trace then self:add_trace(panel, name) end
  for _, one in ipairs { { training, "training", blue }, { validation, "validation", orange } } do
    local line, words, hex = table.unpack(one, 1, 3)
    if line then
      line.color, line.dots = hex, few
      table.insert(panel.lines, line)
      table.insert(panel.measure, line.y)
    end
    if line or (words == "training" and trace) then table.insert(panel.legend, { text = words, color = hex }) end
  end
  local best, epoch = self:best("val_" .. name)
  if best then
    panel.rings[1] = { x = epoch, y = best, color = red }
    table.insert(panel.legend, { text = ("best %.4g, epoch %d"):format(best, epoch), color = red, ring = true })
  end
  return panel
end

function Fit:panels()
  local panels = {}
  for i, name in ipairs(self.names) do
    if i > PANELS then break end
    panels[i] = self:panel(name)
  end
  return panels
end

-- --- forms --------------------------------------------------------------------------------------------------------

local function cell(value) return value and progress.figure(value) or "-" end

-- Training, validation and the best so far, a column each quantity.
function Fit:summary()
  local names = self.names
  local last = self.epochs_done[#self.epochs_done] or {}
  local now = self.batch > 0 and self.batch < self.batches and self.logs or last
  if not next(last) then now = self.logs end
  local heads, training, validation, best = { "" }, { "training" }, { "validation" }, { "best validation" }
  for _, name in ipairs(names) do
    heads[#heads + 1] = name:gsub("_", " ")
    training[#training + 1] = cell(now[name])
    validation[#validation + 1] = cell(last["val_" .. name])
    local value, epoch = self:best("val_" .. name)
    best[#best + 1] = value and ("%s (epoch %d)"):format(cell(value), epoch) or "-"
  end
  if not self:has_validation() then return { heads, training } end
  return { heads, training, validation, best }
end

-- Rows with columns of one width; numbers to the right.
local function aligned(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for j, text in ipairs(row) do widths[j] = math.max(widths[j] or 0, utf8.len(text) or #text) end
  end
  for i, row in ipairs(rows) do
    local cells = {}
    for j, text in ipairs(row) do cells[j] = (" "):rep(widths[j] - (utf8.len(text) or #text)) .. text end
    lines[i] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  return lines
end

-- A row for each thing of a list; the middle of a long list is left out.
local function rows_of(list, make)
  local rows, count = {}, #list
  for i = 1, count do
    if count <= ROWS + 1 or i <= ROWS // 2 or i > count - ROWS // 2 then rows[#rows + 1] = make(list[i])
    elseif i == ROWS // 2 + 1 then rows[#rows + 1] = { "..." } end
  end
  return rows
end

-- One line an epoch, and which epoch was the best.
function Fit:plain()
  local last = self.epochs_done[#self.epochs_done]
  local lines = { self.outcome and self.outcome.text or ("epoch %d of %d"):format(self.epoch, self.epochs) }
  if last then
    local names = progress.ordered(last)
    local best = {}
    local rows = rows_of(self.epochs_done, function(logs)
      local row = { tostring(logs.epoch) }
      for j, name in ipairs(names) do row[j + 1] = cell(logs[name]) end
      return row
    end)
    table.insert(rows, 1, table.move(names, 1, #names, 2, { "epoch" }))
    table.move(aligned(rows), 1, #rows, #lines + 1, lines)
    for _, name in ipairs(names) do
      local value, epoch = self:best(name)
      if value and name:find "^val_" then best[#best + 1] = ("%s %s in epoch %d"):format(name, cell(value), epoch) end
    end
    if #best > 0 then lines[#lines + 1] = "best: " .. table.concat(best, ", ") end
  end
  for _, text in ipairs(self.notes) do lines[#lines + 1] = text end
  return table.concat(lines, "\n")
end

-- The trainings that shared this display before, one row each.
function Fit:earlier()
  if not self.shared or #self.shared.before == 0 then return nil end
  local names = self.names
  local rows = rows_of(self.shared.before, function(fit)
    local last, row = fit.epochs_done[#fit.epochs_done] or {}, { tostring(fit.number) }
    for _, prefix in ipairs { "", "val_" } do
      for _, name in ipairs(names) do row[#row + 1] = cell(last[prefix .. name]) end
    end
    row[#row + 1] = fit.outcome.text
    return row
  end)
  local heads = { "training" }
  for _, prefix in ipairs { "", "val_" } do
    for _, name in ipairs(names) do heads[#heads + 1] = prefix .. name end
  end
  heads[#heads + 1] = ""
  table.insert(rows, 1, heads)
  return rows
end

-- { "text/html" =, "text/plain" = }. Running curves are an svg element, which a page redraws without a flicker; the
-- last ones an image, which pages that cleanse keep.
function Fit:forms()
  local outcome, panels = self.outcome, self:panels()
  local parts, plain = {}, {}
  local earlier = self:earlier()
  if earlier then
    parts[1] = html.table(earlier)
    plain[1] = table.concat(aligned(earlier), "\n") .. "\n"
  end
  local name = self.shared and ("training %d of this cell: "):format(self.number) or ""
  if outcome then
    parts[#parts + 1] = html.line(name .. outcome.text,
      self.batches == 1 and "1 batch an epoch" or ("%d batches an epoch"):format(self.batches))
  else
    parts[#parts + 1] = html.line(name .. ("Epoch %d of %d"):format(self.epoch, self.epochs),
      ("batch %d of %d"):format(self.batch, self.batches), self:pace())
  end
  parts[#parts + 1] = html.bar(self:part(), outcome and outcome.kind)
  if #panels > 0 then
    parts[#parts + 1] = html.table(self:summary())
    parts[#parts + 1] = outcome and curves.image(panels, "training curves") or (curves.svg(panels))
  end
  local notes = self.notes
  if not outcome and #notes > NOTES then notes = table.move(notes, #notes - NOTES + 1, #notes, 1, {}) end
  parts[#parts + 1] = html.notes(notes)
  plain[#plain + 1] = name .. self:plain()
  local width = 400 * math.max(2, math.min(#panels, 3))
  return { ["text/html"] = html.whole(parts, width), ["text/plain"] = table.concat(plain) }
end

return Fit
