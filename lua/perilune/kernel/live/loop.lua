--- What a notebook shows of a loop of peri.progress: a bar with time left, and a last form without times.
-- @module perilune.kernel.live.loop
local html = require "perilune.kernel.live.html"
local progress = require "perilune.train.progress"

local Loop = {}
Loop.__index = Loop
Loop.__name = "perilune.Progress"

--- A loop that has not begun.
function Loop.new(given)
  return setmetatable({ title = given.title, clock = given.clock, logs = {}, count = 0, notes = {} }, Loop)
end

--- @param total  of how many steps, 0 where nobody knows
function Loop:begin_epoch(_, _, total)
  self.total, self.started = total > 0 and total or nil, self.clock()
  if not self.screen.id then self.screen:draw(self) else self.screen:tick(self) end
end

function Loop:update(count, _, logs)
  self.count, self.logs = count, logs
  self.screen:tick(self)
end

function Loop:end_epoch(logs) self.logs = logs end

function Loop:note(text)
  self.notes[#self.notes + 1] = text
  if self.outcome then self.screen:settle(self) else self.screen:tick(self) end
end

--- The loop has ended.
-- @param outcome  { kind = "done" | "left" | "interrupted" | "failed" }
function Loop:close(outcome)
  if self.outcome then return end
  self.outcome = outcome or { kind = "done" }
  self.on_close()
  self.screen:settle(self)
end

function Loop:pace()
  local spent = self.clock() - self.started
  if self.outcome or self.count == 0 or spent <= 0 then return "" end
  local rate = progress.rate(self.count / spent)
  if not self.total then return rate end
  return ("%s left, %s"):format(progress.clock(spent / self.count * (self.total - self.count)), rate)
end

function Loop:figures()
  local parts = {}
  for i, name in ipairs(progress.ordered(self.logs)) do parts[i] = name .. " " .. progress.figure(self.logs[name]) end
  return table.concat(parts, ", ")
end

-- { "text/html" =, "text/plain" = }
function Loop:forms()
  local place, figures = progress.place(self.count, self.total, self.outcome and self.outcome.kind), self:figures()
  local words = place .. (figures ~= "" and ", " .. figures or "")
  local part = self.total and self.count / self.total or self.outcome and 1 or 0
  return {
    ["text/html"] = html.whole({ html.line(self.title or "", words, self:pace()),
      html.bar(part, self.outcome and self.outcome.kind), html.notes(self.notes) }, 640),
    ["text/plain"] = table.concat({ (self.title and self.title .. ": " or "") .. words,
      table.unpack(self.notes) }, "\n"),
  }
end

return Loop
