--- Shows how a run is going: a bar that redraws itself on a terminal, one plain line an epoch elsewhere; what runs the
-- code (a notebook) may have something better.
--
-- A progress object has
--
--     progress:begin_epoch(epoch, epochs, batches, samples)
--     progress:update(batch, samples_done, logs)    after every batch; draws at most `hertz` times a second
--     progress:end_epoch(logs)                      the epoch's final figures, validation among them
--     progress:note(text)                           a line of its own
--     progress:close(outcome)                       leaves the terminal in order, whatever happened; outcome is nil or
--                                                   { kind = "done" | "left" | "interrupted" | "failed", text = }
--
-- `logs` maps names to numbers; they are shown in the order of `shown`, then by name. The progress of a loop
-- (peri.progress) has one epoch of `batches` steps, 0 where nobody knows how many, and no end_epoch.
-- @module perilune.train.progress
local progress = {}

local shown = { "loss", "accuracy", "val_loss", "val_accuracy" }
local hidden = { epoch = true, lr = true, seconds = true, batch_loss = true }

--- The names of the numbers in logs, in the order in which they are shown.
function progress.ordered(logs)
  local names, first = {}, {}
  for _, name in ipairs(shown) do
    first[name] = true
    if logs[name] ~= nil then names[#names + 1] = name end
  end
  local rest = {}
  for name, value in pairs(logs) do
    if type(value) == "number" and not first[name] and not hidden[name] then rest[#rest + 1] = name end
  end
  table.sort(rest)
  return table.move(rest, 1, #rest, #names + 1, names)
end

--- A number as a person reads it in a bar.
function progress.figure(value)
  if value ~= value then return "nan" end
  if math.type(value) == "integer" then return tostring(value) end
  local size = math.abs(value)
  if size ~= 0 and (size < 1e-3 or size >= 1e4) then return ("%.2e"):format(value) end
  return ("%.4f"):format(value)
end

--- Seconds as 0:07, 12:34 or 1:02:03.
function progress.clock(seconds)
  if seconds ~= seconds or seconds == math.huge then return "-:--" end
  local whole = math.floor(seconds + 0.5)
  if whole >= 3600 then return ("%d:%02d:%02d"):format(whole // 3600, whole // 60 % 60, whole % 60) end
  return ("%d:%02d"):format(whole // 60, whole % 60)
end

--- Steps or samples a second.
function progress.rate(per_second)
  if per_second >= 1e4 then return ("%.1fk/s"):format(per_second / 1e3) end
  if per_second >= 100 then return ("%.0f/s"):format(per_second) end
  return ("%.1f/s"):format(per_second)
end

-- --- plain lines ----------------------------------------------------------------------------------------------

local Lines = {}
Lines.__index = Lines
Lines.__name = "perilune.Progress"

function Lines:begin_epoch(epoch, epochs, _, samples)
  self.epoch, self.epochs, self.samples, self.start = epoch, epochs, samples, self.clock()
end

function Lines.update() end

function Lines:end_epoch(logs)
  local seconds = logs.seconds or self.clock() - self.start
  local parts = {}
  for _, name in ipairs(progress.ordered(logs)) do parts[#parts + 1] = name .. " " .. progress.figure(logs[name]) end
  if logs.lr then parts[#parts + 1] = ("lr %.3g"):format(logs.lr) end
  if self.times ~= false then
    parts[#parts + 1] = ("%.2f s"):format(seconds)
    parts[#parts + 1] = progress.rate(self.samples / math.max(seconds, 1e-9))
  end
  self.output:write(("epoch %d/%d: %s\n"):format(self.epoch, self.epochs, table.concat(parts, ", ")))
  self.output:flush()
end

function Lines:note(text)
  self.output:write(text, "\n")
  self.output:flush()
end

function Lines.close() end

-- --- the bar ----------------------------------------------------------------------------------------------------

local Bar = setmetatable({}, { __index = Lines })
Bar.__index = Bar
Bar.__name = Lines.__name

local eighths = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }

local function blocks(part, width, unicode)
  if not unicode then
    local full = math.floor(part * width + 1e-9)
    local head = full < width and ">" or ""
    return "[" .. ("="):rep(full) .. head .. ("."):rep(width - full - #head) .. "]"
  end
  local cells = math.floor(part * width * 8 + 1e-9)
  local full, rest = cells // 8, cells % 8
  return "▕" .. ("█"):rep(full) .. (eighths[rest] or "") .. (" "):rep(width - full - (rest > 0 and 1 or 0)) .. "▏"
end

function Bar:begin_epoch(epoch, epochs, batches, samples)
  Lines.begin_epoch(self, epoch, epochs, batches, samples)
  self.batches, self.drawn, self.first = batches, -math.huge, nil
  self:draw(0, 0, {}, 0)
end

function Bar:paint(text, colour)
  return self.colours and ("\27[%sm%s\27[0m"):format(colour, text) or text
end

-- One line that fits: pieces { text =, colour =, drop = }, the ones with the largest drop left out until they
-- do, and a bar after the first where there is room. The last column stays free, so that no terminal wraps.
function Bar:fit(pieces, part)
  local width = self.width() - 1
  local function length()
    local total = -2
    for _, piece in ipairs(pieces) do total = total + utf8.len(piece.text) + 2 end
    return total
  end
  while length() > width do
    local worst = 1
    for i, piece in ipairs(pieces) do
      if (piece.drop or 0) > (pieces[worst].drop or 0) then worst = i end
    end
    if not pieces[worst].drop then break end
    table.remove(pieces, worst)
  end
  local room = width - length() - 4 -- two for the gap, two for the bar's ends
  if part and room >= 6 then
    local bar = blocks(part, math.min(room, 30), self.unicode)
    table.insert(pieces, 2, { text = bar, colour = part < 1 and "36" or "32" })
  end
  local parts, left = {}, width
  for i, piece in ipairs(pieces) do
    local text = piece.text
    if left <= 0 then break end
    if utf8.len(text) > left then text = text:sub(1, utf8.offset(text, left + 1) - 1) end
    left = left - utf8.len(text) - 2
    parts[i] = piece.colour and self:paint(text, piece.colour) or text
  end
  return table.concat(parts, "  ")
end

function Bar:draw(batch, done, logs, elapsed, final)
  local part = self.batches > 0 and math.min(batch / self.batches, 1) or 0
  local digits = #tostring(self.batches)
  local pieces = {
    { text = ("Epoch %d/%d"):format(self.epoch, self.epochs), colour = "1" },
    { text = ("%" .. digits .. "d/%d"):format(batch, self.batches), drop = 1 },
  }
  if final then
    pieces[#pieces + 1] = { text = progress.clock(elapsed), drop = 3 }
  elseif self.first and batch > self.first.batch then
    local per_batch = (elapsed - self.first.elapsed) / (batch - self.first.batch)
    pieces[#pieces + 1] = { text = "ETA " .. progress.clock(per_batch * (self.batches - batch)), drop = 3 }
  end
  if done > 0 and elapsed > 0 then
    pieces[#pieces + 1] = { text = progress.rate(done / elapsed), colour = "2", drop = 4 }
  end
  for i, name in ipairs(progress.ordered(logs)) do
    pieces[#pieces + 1] = { text = name .. " " .. progress.figure(logs[name]), drop = i > 2 and 10 + i or nil }
  end
  self:redraw(self:fit(pieces, part))
end

function Bar:redraw(line)
  self.output:write("\r", line, "\27[K")
  self.output:flush()
  self.dirty = true
end

function Bar:update(batch, done, logs)
  local now = self.clock()
  -- The first batch also warms up; the estimate starts after it.
  if not self.first then self.first = { batch = batch, elapsed = now - self.start } end
  self.last = { batch = batch, done = done }
  if now - self.drawn < 1 / self.hertz and batch < self.batches then return end
  self.drawn = now
  self:draw(batch, done, logs, now - self.start)
end

function Bar:end_epoch(logs)
  if self.times == false then -- the bar was for the moment; what stays tells no times
    self:erase()
    return Lines.end_epoch(self, logs)
  end
  local last = self.last or { batch = self.batches, done = self.samples }
  self:draw(last.batch, last.done, logs, logs.seconds or self.clock() - self.start, true)
  self.output:write "\n"
  self.output:flush()
  self.dirty, self.last = false, nil
end

function Bar:erase()
  if self.dirty then self.output:write "\r\27[K" end
  self.dirty = false
end

function Bar:note(text)
  self:erase()
  Lines.note(self, text)
end

function Bar:close()
  if self.dirty then
    self.output:write "\n"
    self.output:flush()
    self.dirty = false
  end
end

-- --- loops ------------------------------------------------------------------------------------------------------

local ENDS = { left = "left after ", interrupted = "interrupted after ", failed = "ended by an error after " }

--- Where a loop is, in words: "37 of 100", "interrupted after 37 of 100".
-- @param count  steps done
-- @param total  of how many, nil where nobody knows
-- @param kind   how it ended; nil while it runs
function progress.place(count, total, kind)
  return (ENDS[kind] or "") .. (total and ("%d of %d"):format(count, total) or ("%d"):format(count))
end

-- Elsewhere than on a terminal a loop is one line, when it has ended.
local LoopLines = setmetatable({}, { __index = Lines })
LoopLines.__index, LoopLines.__name = LoopLines, Lines.__name

function LoopLines:begin_epoch(_, _, total)
  self.total, self.start, self.count, self.logs = total > 0 and total or nil, self.clock(), 0, {}
end

function LoopLines:update(count, _, logs) self.count, self.logs = count, logs end

function LoopLines:close(outcome)
  if self.closed then return end
  self.closed = true
  local parts = { progress.place(self.count, self.total, outcome and outcome.kind) }
  for _, name in ipairs(progress.ordered(self.logs)) do
    parts[#parts + 1] = name .. " " .. progress.figure(self.logs[name])
  end
  if self.times ~= false then
    local seconds = self.clock() - self.start
    parts[#parts + 1] = ("%.2f s"):format(seconds)
    parts[#parts + 1] = progress.rate(self.count / math.max(seconds, 1e-9))
  end
  self:note((self.title and self.title .. ": " or "") .. table.concat(parts, ", "))
end

local LoopBar = setmetatable({}, { __index = Bar })
LoopBar.__index, LoopBar.__name = LoopBar, Lines.__name

function LoopBar:begin_epoch(...)
  LoopLines.begin_epoch(self, ...)
  self.drawn = -math.huge
  self:update(0, 0, {})
end

function LoopBar:draw(outcome)
  local elapsed, count, total = self.clock() - self.start, self.count, self.total
  local pieces = { { text = progress.place(count, total, outcome and outcome.kind) } }
  if self.title then table.insert(pieces, 1, { text = self.title, colour = "1" }) end
  if outcome then
    pieces[#pieces + 1] = { text = progress.clock(elapsed), drop = 3 }
  elseif total and count > 0 then
    pieces[#pieces + 1] = { text = "ETA " .. progress.clock(elapsed / count * (total - count)), drop = 3 }
  end
  if count > 0 and elapsed > 0 then
    pieces[#pieces + 1] = { text = progress.rate(count / elapsed), colour = "2", drop = 4 }
  end
  for i, name in ipairs(progress.ordered(self.logs)) do
    pieces[#pieces + 1] = { text = name .. " " .. progress.figure(self.logs[name]), drop = 10 + i }
  end
  self:redraw(self:fit(pieces, total and count / total))
end

function LoopBar:update(count, _, logs)
  self.count, self.logs = count, logs
  local now = self.clock()
  if now - self.drawn < 1 / self.hertz then return end
  self.drawn = now
  self:draw()
end

function LoopBar:close(outcome)
  if self.closed then return end
  if self.times == false then
    self:erase()
    return LoopLines.close(self, outcome)
  end
  self.closed = true
  self:draw(outcome or { kind = "done" })
  Bar.close(self)
end

-- --- choosing -----------------------------------------------------------------------------------------------------

local Silent = setmetatable({}, { __index = Lines })
Silent.__index, Silent.__name = Silent, Lines.__name
function Silent.begin_epoch() end
function Silent.end_epoch() end
function Silent.note() end

local function utf8_locale()
  local name = os.getenv "LC_ALL"
  if not name or name == "" then name = os.getenv "LC_CTYPE" end
  if not name or name == "" then name = os.getenv "LANG" end
  return name ~= nil and name:lower():find "utf%-?8" ~= nil
end

-- On a terminal, and elsewhere.
local function classes(given)
  if given.loop then return LoopBar, LoopLines end
  return Bar, Lines
end

--- The right progress for a place.
-- @param given { verbose = 1, loop = true for one loop, title = its name, output = io.stderr, and, mostly for tests,
--   times = false (what stays tells no times), terminal (bool), width (function), unicode (bool), colours (bool),
--   clock (function), hertz = 15 }; verbose 0 shows nothing, 1 a bar on a terminal and lines elsewhere, 2 lines
function progress.new(given)
  given = given or {}
  local core = not (given.clock and given.terminal ~= nil and given.width) and require "perilune.core" or nil
  local output = given.output or io.stderr
  local self = { output = output, clock = given.clock or core.monotonic, hertz = given.hertz or 15,
    title = given.title, times = given.times }
  if given.verbose == 0 then return setmetatable(self, Silent) end
  local on_terminal, elsewhere = classes(given)
  local terminal = given.terminal
  if terminal == nil then terminal = io.type(output) == "file" and core.isatty(output) end
  if not terminal or given.verbose == 2 or (given.terminal == nil and os.getenv "TERM" == "dumb") then
    return setmetatable(self, elsewhere)
  end
  self.width = given.width or function() return core.terminal_size() or 80 end
  self.unicode, self.colours = given.unicode, given.colours
  if self.unicode == nil then self.unicode = utf8_locale() end
  if self.colours == nil then self.colours = (os.getenv "NO_COLOR" or "") == "" end
  return setmetatable(self, on_terminal)
end

--- The progress that suits what runs the code: a notebook's own where it has one and nobody named an output.
-- @param given  as for progress.new
function progress.choose(given)
  local display = package.loaded["perilune.display"] -- where nobody has loaded it, nobody has registered anything
  local made = display and not given.output and display.progress(given)
  return made or progress.new(given)
end

return progress
