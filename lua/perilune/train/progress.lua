--- Shows how a run is going: a bar that redraws itself on a terminal, one plain line an epoch elsewhere.
--
-- A progress object has
--
--     progress:begin_epoch(epoch, epochs, batches, samples)
--     progress:update(batch, samples_done, logs)    after every batch; draws at most `hertz` times a second
--     progress:end_epoch(logs)                      the epoch's final figures, validation among them
--     progress:note(text)                           a line of its own
--     progress:close()                              leaves the terminal in order, whatever happened
--
-- `logs` maps names to numbers; they are shown in the order of `shown`, then by name.
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

local function rate_text(per_second)
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
  parts[#parts + 1] = ("%.2f s"):format(seconds)
  parts[#parts + 1] = rate_text(self.samples / math.max(seconds, 1e-9))
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
  if room >= 6 then
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
    pieces[#pieces + 1] = { text = rate_text(done / elapsed), colour = "2", drop = 4 }
  end
  for i, name in ipairs(progress.ordered(logs)) do
    pieces[#pieces + 1] = { text = name .. " " .. progress.figure(logs[name]), drop = i > 2 and 10 + i or nil }
  end
  self.output:write("\r", self:fit(pieces, part), "\27[K")
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
  local last = self.last or { batch = self.batches, done = self.samples }
  self:draw(last.batch, last.done, logs, logs.seconds or self.clock() - self.start, true)
  self.output:write "\n"
  self.output:flush()
  self.dirty, self.last = false, nil
end

function Bar:note(text)
  if self.dirty then self.output:write "\r\27[K" end
  Lines.note(self, text)
end

function Bar:close()
  if self.dirty then
    self.output:write "\n"
    self.output:flush()
    self.dirty = false
  end
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

--- The right progress for a place.
-- @param given { verbose = 1, output = io.stderr, and, mostly for tests, terminal (bool), width (function),
--   unicode (bool), colours (bool), clock (function), hertz = 15 }; verbose 0 shows nothing, 1 a bar on a
--   terminal and lines elsewhere, 2 lines
function progress.new(given)
  given = given or {}
  local core = not (given.clock and given.terminal ~= nil and given.width) and require "perilune.core" or nil
  local output = given.output or io.stderr
  local self = { output = output, clock = given.clock or core.monotonic, hertz = given.hertz or 15 }
  if given.verbose == 0 then return setmetatable(self, Silent) end
  local terminal = given.terminal
  if terminal == nil then terminal = io.type(output) == "file" and core.isatty(output) end
  if not terminal or given.verbose == 2 or os.getenv "TERM" == "dumb" then return setmetatable(self, Lines) end
  self.width = given.width or function() return core.terminal_size() or 80 end
  self.unicode, self.colours = given.unicode, given.colours
  if self.unicode == nil then self.unicode = utf8_locale() end
  if self.colours == nil then self.colours = (os.getenv "NO_COLOR" or "") == "" end
  return setmetatable(self, Bar)
end

return progress
