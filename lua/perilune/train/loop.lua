--- A progress bar for loops of one's own, in the terminal and in a notebook alike:
--
--     for i in peri.progress(1000, { title = "draws" }) do ... end
--     for x, y in peri.progress(data:batches { 128 }, { total = #data // 128 }) do ... end
--     for i, name in peri.progress(ipairs(names)) do ... end
--
-- It costs a loop next to nothing: steps are counted, and the clock is looked at only every `stride` of them, a stride
-- that follows the loop's speed.
-- @module perilune.train.loop
local args = require "perilune.args"
local core = require "perilune.core"
local interruption = require "perilune.interruption"
local progress = require "perilune.train.progress"

local loop = {}

local LOOKS = 40 -- at the clock, a second, about

local options = { { "title", "string" }, { "total", "integer" }, { "verbose", "integer", 1 }, { "output", "any" },
  { "figures", "function" }, { "progress", "any" } }

local Watch = {}
Watch.__index = Watch
Watch.__name = "perilune.Loop"

-- A loop's count and the object that shows it.
local function watch(a, total, clock)
  local self = setmetatable({ total = total or 0, figures = a.figures, next = 1, stride = 1, clock = clock }, Watch)
  self.shown = a.progress or progress.choose { verbose = a.verbose, output = a.output, loop = true, title = a.title }
  self.shown:begin_epoch(1, 1, self.total, self.total)
  self.looked, self.at = clock(), 0
  return self
end

function Watch:logs() return self.figures and self.figures() or {} end

--- After `count` steps: shows them, and sets `next`, the count to come back at.
function Watch:look(count)
  self.count = count
  self.shown:update(count, count, self:logs())
  local now = self.clock()
  local rate = (count - self.at) / math.max(now - self.looked, 1e-6)
  self.looked, self.at = now, count
  -- A loop that became faster is followed slowly, one that became slower at once.
  self.stride = math.max(1, math.min(math.floor(rate / LOOKS), self.stride * 2))
  self.next = count + self.stride
end

--- The loop is over after `count` steps; kind tells how.
function Watch:finish(count, kind)
  if self.finished then return end
  self.finished = true
  self.shown:update(count, count, self:logs())
  self.shown:close { kind = kind }
end

-- A for loop closes this when it is left, whatever the reason.
local function leaving(self, count_of, source)
  return setmetatable({}, { __close = function(_, reason)
    local kind = "left"
    if reason ~= nil then kind = interruption.is(reason) and "interrupted" or "failed" end
    local iterator <close> = source -- luacheck: ignore
    self:finish(math.max(0, count_of() - 1), kind) -- the step that was left is not done
  end })
end

-- 1, 2, ..., n.
local function numbers(self, n)
  local i = 0
  return function()
    if i >= self.next then self:look(i) end
    if i >= n then
      self:finish(i, "done")
      return nil
    end
    i = i + 1
    return i
  end, nil, nil, leaving(self, function() return i end)
end

-- What an iterator gives.
local function passing(self, step, state, control, source)
  local count = 0
  local function pass(first, ...)
    if first == nil then
      self:finish(count, "done")
      return nil
    end
    control = first
    count = count + 1
    return first, ...
  end
  return function()
    if count >= self.next then self:look(count) end
    return pass(step(state, control))
  end, nil, nil, leaving(self, function() return count end, source)
end

local function is_callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or (type(meta) == "table" and meta.__call ~= nil)
end

-- How long the lists of ipairs and pairs are; nothing is known of other iterators.
local function length_of(step, state)
  if type(state) ~= "table" or getmetatable(state) then return nil end
  if step == ipairs {} then return #state end
  if step ~= next then return nil end
  local count = 0
  for _ in next, state do count = count + 1 end
  return count
end

-- Options stand last, or first: Lua cuts a call that is not last down to one value.
local function sort_out(over, ...)
  local given, count = { ... }, select("#", ...)
  if type(over) == "table" and not is_callable(over) and count > 0 then
    return over, ...
  end
  if count == 1 or count == 4 then
    local last = given[count]
    if last ~= nil and type(last) ~= "table" then
      error(("peri.progress: options: a table is wanted, got a %s"):format(type(last)), 3)
    end
    given[count] = nil
    return last, over, given[1], given[2], given[3]
  end
  return nil, over, ...
end

--- Shows how far a loop has come.
-- @param over     a number of steps, or an iterator: a function, or all that `ipairs(list)` and the like give
-- @param ...      the iterator's other values, or a table of options, which may also stand first, as in
--   peri.progress({ title = "names" }, ipairs(names)): title, total (how many steps, where over does not say), figures
--   (a function that gives numbers by name, asked a few times a second), verbose (0 nothing, 1 a bar, 2 one line at the
--   end), output (a file; io.stderr), progress (an object in place of the bar)
-- @return what a generic `for` wants
function loop.over(...)
  local last, over, state, control, source = sort_out(...)
  local a = args.named("peri.progress", last, options)
  if math.type(over) then
    local n = math.tointeger(over)
    if not n or n < 0 then
      error(("peri.progress: wants a whole number of steps, 0 or more, got %s"):format(over), 2)
    end
    return numbers(watch(a, n, core.monotonic), n)
  end
  if not is_callable(over) then
    error(("peri.progress: wants a number of steps or an iterator, got a %s; of a list: peri.progress(ipairs(list))"):format(
      type(over)), 2)
  end
  if state == nil and (over == ipairs {} or over == next) then
    error("peri.progress: the list was lost, as Lua cuts a call that is not last; options stand first here: "
      .. "peri.progress({ title = ... }, ipairs(list))", 2)
  end
  return passing(watch(a, a.total or length_of(over, state), core.monotonic), over, state, control, source)
end

return loop
