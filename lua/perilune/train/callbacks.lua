--- What happens at the turning points of training.
--
-- A callback is a table or object with any of these methods:
--
--     on_train_begin(logs, run)            on_train_end(logs, run)
--     on_epoch_begin(epoch, logs, run)     on_epoch_end(epoch, logs, run)
--     on_batch_begin(step, logs, run)      on_batch_end(step, logs, run)
--     state(), restore(state)              what a training checkpoint keeps of it (plain data)
--
-- called with the callback itself first, as methods are. A plain function stands for on_epoch_end (without
-- a self). A callback that says gradients = false does not look at tensor.grad, and lets fit use gradients up as they
-- are made. `logs` are the figures so far; `run` is the run: run.net, run.optimizer, run.history, run.epochs,
-- run.epoch, run.step, run:note(text). A callback that returns true or "stop" ends training.
-- @module perilune.train.callbacks
local args = require "perilune.args"
local json = require "perilune.json"
local schedules = require "perilune.optim.schedules"
local weights = require "perilune.train.weights"

local callbacks = {}

local function class(name)
  local C = { name = name, __name = "perilune.Callback", gradients = false }
  C.__index = C
  C.__tostring = function(self) return "callback " .. self.name end
  return C
end

-- Watches one quantity: knows which way is better and what the best was.
local Watch = {}
Watch.__index = Watch

local function watch(where, a)
  local mode = a.mode or "auto"
  if mode == "auto" then mode = schedules.direction(a.monitor) end
  if mode ~= "min" and mode ~= "max" then
    error(('%s: mode is "auto", "min" or "max", got "%s"'):format(where, tostring(mode)), 3)
  end
  return setmetatable({ monitor = a.monitor, mode = mode, min_delta = a.min_delta or 0 }, Watch)
end

function Watch:value(logs)
  local value = logs[self.monitor]
  if type(value) == "number" then return value end
  local names = {}
  for name, item in pairs(logs) do
    if type(item) == "number" then names[#names + 1] = name end
  end
  table.sort(names)
  error(("there is no '%s' to monitor; there are %s"):format(self.monitor, table.concat(names, ", ")), 0)
end

-- Takes a value; true when it is the best so far, by more than min_delta.
function Watch:better(value)
  local better
  if self.best == nil then better = value == value
  elseif self.mode == "max" then better = value > self.best + self.min_delta
  else better = value < self.best - self.min_delta end
  if better then self.best = value end
  return better
end

-- --- checkpoint -----------------------------------------------------------------------------------------------

local Checkpoint = class "checkpoint"

local function expand(path, epoch, logs)
  return (path:gsub("{([%w_]+):?([^}]*)}", function(name, format)
    local value = name == "epoch" and epoch or logs[name]
    if value == nil then error(("checkpoint: %s: there is no '%s'"):format(path, name), 0) end
    return ("%" .. (format ~= "" and format or "s")):format(value)
  end))
end

function Checkpoint:on_epoch_end(epoch, logs, run)
  local value = self.watch.monitor and self.watch:value(logs)
  if self.save_best_only and not self.watch:better(value) then return end
  local path = expand(self.path, epoch, logs)
  run.net:save(path)
  self.saved = path
end

function Checkpoint:state() return { best = self.watch.best } end
function Checkpoint:restore(state) self.watch.best = state.best end

--- Saves the net (net:save) after each epoch, or after each that is the best so far.
-- @param given { path =, monitor = "val_loss", mode = "auto", save_best_only = true }; in the path {epoch}
--   and {val_accuracy:.4f} stand for the figures
function callbacks.checkpoint(given)
  local a = args.named("callbacks.checkpoint", given, { positional = 1, { "path", "string", args.required },
    { "monitor", "string" }, { "mode", "string", "auto" }, { "save_best_only", "boolean", true } })
  if a.save_best_only then a.monitor = a.monitor or "val_loss" end
  local self = { path = a.path, save_best_only = a.save_best_only }
  self.watch = a.monitor and watch("callbacks.checkpoint", a) or {}
  return setmetatable(self, Checkpoint)
end

-- --- early stopping -------------------------------------------------------------------------------------------

local EarlyStopping = class "early_stopping"

function EarlyStopping:on_train_begin()
  self.waited, self.watch.best, self.best_epoch, self.kept = 0, nil, nil, nil
end

function EarlyStopping:on_epoch_end(epoch, logs, run)
  if self.watch:better(self.watch:value(logs)) then
    self.waited, self.best_epoch = 0, epoch
    if self.restore_best then self.kept = weights.copy(run.net) end
    return false
  end
  self.waited = self.waited + 1
  if self.waited < self.patience then return false end
  run:note(("no better %s for %d epochs: training ends"):format(self.watch.monitor, self.waited))
  return true
end

function EarlyStopping:on_train_end(_, run)
  if self.restore_best and self.kept then
    weights.put(run.net, self.kept)
    run:note(("weights of epoch %d restored (%s %.4f)"):format(self.best_epoch, self.watch.monitor, self.watch.best))
  end
end

function EarlyStopping:state() return { best = self.watch.best, waited = self.waited, best_epoch = self.best_epoch } end

function EarlyStopping:restore(state)
  self.watch.best, self.waited, self.best_epoch = state.best, state.waited, state.best_epoch
end

-- The best weights, for the training checkpoint: a list of tensors.
function EarlyStopping:tensors() return self.kept end
function EarlyStopping:restore_tensors(kept) self.kept = kept end

--- Ends training when a quantity has stopped getting better.
-- @param given { monitor = "val_loss", patience = 5, min_delta = 0, mode = "auto", restore_best = false }
function callbacks.early_stopping(given)
  local a = args.named("callbacks.early_stopping", given, { positional = 1, { "monitor", "string", "val_loss" },
    { "patience", "integer", 5 }, { "min_delta", "number", 0 }, { "mode", "string", "auto" },
    { "restore_best", "boolean", false, "restore_best_weights" } })
  local self = { watch = watch("callbacks.early_stopping", a), patience = a.patience, restore_best = a.restore_best }
  return setmetatable(self, EarlyStopping)
end

-- --- logs -------------------------------------------------------------------------------------------------------

local RateLog = class "lr_log"

function RateLog:on_batch_end(_, logs) self.rates[#self.rates + 1] = logs.lr end
function RateLog:state() return { rates = self.rates } end
function RateLog:restore(state) self.rates = state.rates end

--- Remembers the learning rate of every batch, in its field `rates`.
function callbacks.lr_log(given)
  args.named("callbacks.lr_log", given, {})
  return setmetatable({ rates = {} }, RateLog)
end

local CsvLog = class "csv_log"

-- The file's first line, when there is one.
local function heading(path)
  local file = io.open(path, "r")
  local line = file and file:read "l"
  if file then file:close() end
  return line
end

function CsvLog:on_epoch_end(epoch, logs)
  if not self.columns then
    local names = {}
    for name, value in pairs(logs) do
      if type(value) == "number" and name ~= "epoch" then names[#names + 1] = name end
    end
    table.sort(names)
    table.insert(names, 1, "epoch")
    self.columns = names
  end
  local cells = {}
  for i, name in ipairs(self.columns) do
    local value = name == "epoch" and epoch or logs[name]
    cells[i] = value and value - value == 0 and json.encode(value) or "" -- nothing for NaN and infinities
  end
  local head = table.concat(self.columns, ",")
  local go_on = self.started or (self.append and heading(self.path) == head)
  local file, reason = io.open(self.path, go_on and "a" or "w")
  if not file then error("csv_log: cannot write " .. reason, 0) end
  if not go_on then file:write(head, "\n") end
  file:write(table.concat(cells, ","), "\n")
  local ok, close_reason = file:close()
  if not ok then error(("csv_log: cannot write %s: %s"):format(self.path, close_reason), 0) end
  self.started = true
end

function CsvLog:state() return { columns = self.columns, started = self.started } end
function CsvLog:restore(state) self.columns, self.started = state.columns, state.started end

--- Writes a line of figures an epoch.
-- @param given { path =, append = false }
function callbacks.csv_log(given)
  local a = args.named("callbacks.csv_log", given, { positional = 1, { "path", "string", args.required },
    { "append", "boolean", false } })
  return setmetatable({ path = a.path, append = a.append }, CsvLog)
end

-- --- the rest ---------------------------------------------------------------------------------------------------

local TerminateOnNan = class "terminate_on_nan"

function TerminateOnNan.on_batch_end(_, step, logs, run)
  local loss = logs.batch_loss
  if loss == loss and loss ~= math.huge and loss ~= -math.huge then return false end
  run:note(("loss is %s at batch %d of epoch %d: training ends"):format(tostring(loss), step, run.epoch))
  return true
end

--- Ends training when a batch's loss is NaN or infinite.
function callbacks.terminate_on_nan(given)
  args.named("callbacks.terminate_on_nan", given, {})
  return setmetatable({}, TerminateOnNan)
end

local points = { "on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end" }

--- Plain functions at the turning points, without a self: lambda { on_epoch_end = function(epoch, logs) end }.
function callbacks.lambda(given)
  local spec = {}
  for i, point in ipairs(points) do spec[i] = { point, "callable" } end
  local Lambda = class "lambda"
  Lambda.gradients = nil -- who knows what the functions look at
  for point, f in pairs(args.named("callbacks.lambda", given, spec)) do
    Lambda[point] = function(_, ...) return f(...) end
  end
  return setmetatable({}, Lambda)
end

-- Keras' names of the same.
callbacks.EarlyStopping, callbacks.ModelCheckpoint = callbacks.early_stopping, callbacks.checkpoint
callbacks.CSVLogger, callbacks.TerminateOnNaN = callbacks.csv_log, callbacks.terminate_on_nan
callbacks.LambdaCallback = callbacks.lambda

-- --- running them -----------------------------------------------------------------------------------------------

-- A misspelt point would never be called.
local function check_points(i, callback)
  if type(callback) ~= "table" then return end
  for name in pairs(callback) do
    if type(name) == "string" and name:find "^on_" and not table.concat(points, " "):find(name, 1, true) then
      error(("net:fit: callback %d has '%s', which is never called; there are %s"):format(i, name,
        table.concat(points, ", ")), 0)
    end
  end
end

local List = {}
List.__index = List

--- A list of callbacks from what was given to fit: checked, each with a name for messages.
function callbacks.list(given)
  local list = {}
  for key in pairs(given or {}) do
    if math.type(key) ~= "integer" then
      error(("net:fit: callbacks wants a list { a, b }, got a table with a field '%s'; put one more pair of braces around "
        .. "a single callback"):format(key), 0)
    end
  end
  for i, callback in ipairs(given or {}) do
    if type(callback) == "function" then callback = callbacks.lambda { on_epoch_end = callback } end
    local usable = type(callback) == "table" or type(callback) == "userdata"
    if not usable then
      error(("net:fit: callback %d: a table with on_epoch_end and the like, or a function, is wanted; got a %s"):format(
        i, type(callback)), 0)
    end
    check_points(i, callback)
    list[i] = { callback = callback, name = ("callback %d (%s)"):format(i, tostring(callback.name or "yours")) }
  end
  return setmetatable(list, List)
end

--- May any of them look at gradients?
function List:want_gradients()
  for _, entry in ipairs(self) do
    if entry.callback.gradients ~= false then return true end
  end
  return false
end

--- Calls one point of every callback.
-- @return true when one of them wants training to end
-- @raise the callback's error, with its name and traceback in front
function List:call(point, ...)
  local stop = false
  for _, entry in ipairs(self) do
    local method = entry.callback[point]
    if method then
      local ok, answer = xpcall(method, function(reason)
        if type(reason) ~= "string" or not reason:find "^[^\n]-:%d+: " then return reason end -- a message of ours
        return (debug.traceback(reason, 2):gsub("\n%s*%[C%]: in function 'xpcall'.*", "")) -- what follows is ours
      end, entry.callback, ...)
      if not ok then
        if type(answer) == "string" then answer = ("%s, %s: %s"):format(entry.name, point, answer) end
        error(answer, 0)
      end
      if answer == true or answer == "stop" then stop = true end
    end
  end
  return stop
end

--- Does any of them have this point?
function List:has(point)
  for _, entry in ipairs(self) do
    if entry.callback[point] then return true end
  end
  return false
end

return callbacks
