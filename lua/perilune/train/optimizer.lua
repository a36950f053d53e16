--- What training wants of an optimiser, in one place: an object of perilune.optim, or one of a person's own with
-- step and zero_grad.
-- @module perilune.train.optimizer
local optimizer = {}

local Optimizer = {}
Optimizer.__index = Optimizer

local function has(object, method)
  local ok, value = pcall(function() return object[method] end)
  return ok and value ~= nil
end

--- Resolves an optimiser for a net.
-- @param spec an optimiser, with its parameters or without; a name in perilune.optim; nil for Adam
-- @param net the net whose parameters it is given when it has none
function optimizer.of(spec, net)
  local object = spec or "Adam"
  if type(object) == "string" then
    local optim = require "perilune.optim"
    local make
    for name, value in pairs(optim) do
      if type(name) == "string" and name:lower() == object:lower() and name:find "^%u" then make = value end
    end
    if not make then
      local names = {}
      for name in pairs(optim) do
        if type(name) == "string" and name:find "^%u" then names[#names + 1] = name end
      end
      table.sort(names)
      error(("net:fit: there is no optimizer '%s'; there are %s"):format(spec, table.concat(names, ", ")), 0)
    end
    object = make {}
  end
  local kind = type(object)
  if not ((kind == "table" or kind == "userdata") and has(object, "step") and has(object, "zero_grad")) then
    error(("net:fit: optimizer: a name or an optimiser of perilune.optim is wanted, got a %s"):format(type(spec)), 0)
  end
  if has(object, "attach") then
    local parameters = net:parameters()
    if #parameters == 0 then
      error("net:fit: the net has no weights to train: it holds none, or trainable is false everywhere", 0)
    end
    object:attach(parameters)
  end
  return setmetatable({ object = object }, Optimizer)
end

function Optimizer:step() self.object:step() end
function Optimizer:zero_grad() self.object:zero_grad() end

--- Can backward and step be one?
function Optimizer:fuses() return has(self.object, "minimize") end

--- Backward and step as one.
function Optimizer:minimize(loss) self.object:minimize(loss) end

--- The learning rate of the last step.
function Optimizer:rate() return self.object.lr end

--- How long the run is; see perilune.optim.schedules.
function Optimizer:plan(total, per_epoch, done)
  if has(self.object, "plan") then self.object:plan(total, per_epoch, done) end
end

--- Tells the schedule an epoch's figures.
function Optimizer:on_epoch(logs)
  if has(self.object, "on_epoch") then self.object:on_epoch(logs) end
end

-- Those that do not know it themselves: optimisers whose averaged weights are in the net now.
local averaged = setmetatable({}, { __mode = "k" })

--- Puts averaged weights into the net (true), or the trained ones back (false); nothing without an average. A run
-- that has ended leaves the averaged ones there; the next one puts the trained ones back first.
function Optimizer:average(wanted)
  local object = self.object
  if not (has(object, "ema") and object.ema) then return end
  local now = averaged[object] or false
  if has(object, "swapped") then now = object:swapped() end
  if now == wanted then return end
  object:swap_ema()
  averaged[object] = wanted or nil
end

--- { tensors = by name, plain = data } for a training checkpoint.
function Optimizer:state()
  if has(self.object, "state") then return self.object:state() end
  return { tensors = {}, plain = {} }
end

function Optimizer:restore(state)
  if has(self.object, "restore") then self.object:restore(state) end
end

return optimizer
