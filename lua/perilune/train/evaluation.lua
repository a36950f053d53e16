--- Running a net over data without learning: evaluate and predict.
-- @module perilune.train.evaluation
local core = require "perilune.core"
local html = require "perilune.display.html"
local metrics = require "perilune.train.metrics"
local progress = require "perilune.train.progress"
local recording = require "perilune.tensor.recording"

local evaluation = {}

local Result = {}
Result.__name = "perilune.Result"

--- The figures on one line, loss and accuracy first; what is larger than a number below.
function Result:__tostring()
  local line, below = {}, {}
  for _, name in ipairs(progress.ordered(self)) do line[#line + 1] = name .. " " .. progress.figure(self[name]) end
  for _, value in pairs(self) do
    if type(value) ~= "number" then below[#below + 1] = tostring(value) end
  end
  return table.concat(line, ", ") .. (#below > 0 and "\n" or "") .. table.concat(below, "\n")
end

--- What a notebook shows: the figures in a table, and what is larger than a number below it.
function Result:__mime()
  local head, row, align, below = {}, {}, {}, {}
  for i, name in ipairs(progress.ordered(self)) do
    head[i], row[i], align[i] = name, { text = progress.figure(self[name]), mono = true }, "right"
  end
  local names = {}
  for name, value in pairs(self) do
    if type(value) ~= "number" then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = self[name]
    below[i] = type(value) == "table" and value.html and value:html() or "<pre>" .. html.escape(tostring(value)) .. "</pre>"
  end
  local figures = #head > 0 and html.table { head = head, rows = { row }, align = align } or ""
  return { ["text/plain"] = tostring(self), ["text/html"] = figures .. table.concat(below, "\n") }
end

--- Hands a batch to a metric, without recording.
function evaluation.update(metric, prediction, target, sample_weights)
  recording(false, metric.update, metric, prediction, target, sample_weights)
end

-- A net as a function of a batch, for a while in which it does not learn. Anything callable goes for a net.
local function resting(net, count)
  return type(net) == "userdata" and net:at_rest(count) or net
end

--- Loss and metrics of a net over data.
-- @param net   the net
-- @param data  a feed
-- @param size  of a batch
-- @param loss  a function (prediction, target) -> scalar tensor, or nil for none
-- @param list  metrics
-- @return { loss =, accuracy =, ... } that prints itself
function evaluation.run(net, data, size, loss, list)
  local mean = metrics.mean "loss"
  for _, metric in ipairs(list) do metric:reset() end
  local arena = core.arena()
  recording(false, function()
    local say = resting(net, data.count)
    for x, y in data:batches { size = size } do
      local scope <close> = arena:scope(x) -- luacheck: ignore
      local prediction <close> = say(x)
      if loss then
        local value <close> = loss(prediction, y)
        mean:add(value:item(), x.shape[1])
      end
      for _, metric in ipairs(list) do metric:update(prediction, y) end
      core.interrupt_poll()
    end
  end)
  arena:free()
  local result = setmetatable({ loss = loss and mean:result() or nil }, Result)
  for _, metric in ipairs(list) do result[metric.name] = metric:result() end
  return result
end

--- What a net says of every sample of a tensor, or of a feed's.
-- @return a tensor, one row a sample
function evaluation.predict(net, x, size)
  local parts, arena = {}, core.arena()
  local function run(say, batch)
    local scope <close> = arena:scope(batch) -- luacheck: ignore
    return say(batch)
  end
  recording(false, function()
    if type(x) == "userdata" then
      local count = #x
      local say = resting(net, count)
      for first = 1, count, size do
        local batch <close> = x[{ { first, math.min(first + size - 1, count) } }]
        parts[#parts + 1] = run(say, batch)
        core.interrupt_poll()
      end
    else
      local say = resting(net, x.count)
      for batch in x:batches { size = size } do
        parts[#parts + 1] = run(say, batch)
        core.interrupt_poll()
      end
    end
  end)
  arena:free()
  return #parts == 1 and parts[1] or core.cat(parts, 1)
end

return evaluation
