--- Optimisers: they change a net's weights along their gradients.
--
--    local opt = optim.Adam { net:parameters(), lr = 1e-3 }
--    for x, y in train:batches { 128, shuffle = true } do
--      local loss <close> = nn.losses.sparse_categorical_crossentropy(net(x), y)
--      opt:zero_grad(); loss:backward(); opt:step()
--    end
--
-- Every constructor takes one table: first the list of tensors to train (leave it out for net:fit, which
-- gives the net's), then names. In the formulas w is a weight, g its gradient, t the number of steps this
-- weight has made, this one included; all are elementwise. A tensor without a gradient (a frozen layer, a
-- branch not taken) is passed over, and its t stands still.
--
-- Options that every optimiser has:
--
--  * lr: a number, a function (progress, step, epoch), a coroutine, or a schedule of optim.schedules;
--  * weight_decay: g becomes g + weight_decay w, as PyTorch has it (L2 regularisation), in all but AdamW, where
--    the weights shrink apart from the gradient, w becomes w - lr weight_decay w. (Keras' weight_decay is the
--    latter in every optimizer.)
--  * clip_value: every element of g is clamped to -clip_value .. clip_value;
--  * clip_norm: a tensor's g whose Euclidean norm is above clip_norm is scaled down to it;
--  * global_clip_norm: the same for the norm of all gradients together. At most one of the three; clipping
--    comes before weight decay and leaves tensor.grad as it is (Keras' clipvalue, clipnorm, global_clipnorm);
--  * ema: keeps averaged weights, average = ema average + (1 - ema) w after each step, beginning with the
--    weights after the first; opt:swap_ema() puts them into the net (Polyak and Juditsky 1992; Keras' use_ema).
--
-- Fields of an optimiser: `name`, `lr` (the rate of the last step; a number, function, coroutine or schedule
-- may be assigned), `steps` (how many it has made), `ema`, `driver` (of schedules.driver); #opt is the number of
-- its tensors. Weights are float32 or float64 and are changed in place.
-- @module perilune.optim
local args = require "perilune.args"
local core = require "perilune.core"
local schedules = require "perilune.optim.schedules"

local optim = { schedules = schedules }

local methods, meta = core.optimizer_methods, core.optimizer_metatable

-- --- making -------------------------------------------------------------------------------------------

local function within(where, a, name, low, below)
  local value = a[name]
  if value == nil then return end
  if not (value >= low and value < below) then
    local range = below == math.huge and ("%g or more"):format(low) or ("at least %g and below %g"):format(low, below)
    error(("%s: %s must be %s, got %s"):format(where, name, range, tostring(value)), 4)
  end
end

local function check(where, a)
  for _, name in ipairs { "momentum", "beta1", "beta2", "rho", "ema" } do within(where, a, name, 0, 1) end
  for _, name in ipairs { "epsilon", "weight_decay", "initial_accumulator" } do within(where, a, name, 0, math.huge) end
  local clip
  for _, name in ipairs { "clip_value", "clip_norm", "global_clip_norm" } do
    if a[name] then
      if a[name] <= 0 or a[name] ~= a[name] then
        error(("%s: %s must be above 0, got %s"):format(where, name, tostring(a[name])), 3)
      end
      if clip then error(("%s: give %s or %s, not both"):format(where, clip, name), 3) end
      clip = name
    end
  end
  if a.nesterov and a.momentum == 0 then
    error(where .. ": nesterov = true wants a momentum above 0, such as 0.9", 3)
  end
end

-- Makes a constructor. `own` are rows of arguments as in perilune.args; `options` turns the checked arguments
-- into what core.optimizer reads.
local function constructor(name, rule, lr, decay, own, options)
  local where = "optim." .. name
  local spec = { positional = 1, { "parameters", "table", nil, "params" }, { "lr", "any", lr, "learning_rate" } }
  for _, row in ipairs(own) do spec[#spec + 1] = row end
  for _, row in ipairs { { "weight_decay", "number", decay }, { "clip_value", "number", nil, "clipvalue" },
    { "clip_norm", "number", nil, "clipnorm" },
    { "global_clip_norm", "number", nil, "global_clipnorm" }, { "ema", "number" } } do
    spec[#spec + 1] = row
  end
  return function(given)
    local a = args.named(where, given, spec)
    check(where, a)
    local driver = schedules.driver(a.lr)
    local opt = core.optimizer(rule, options(a))
    local inside = opt:attached()
    inside.name, inside.driver, inside.ema, inside.rule = name, driver, a.ema, rule
    inside.lr = type(a.lr) == "number" and a.lr or nil
    if a.parameters then
      if #a.parameters == 0 then error(where .. ": the list of tensors is empty", 2) end
      opt:add(a.parameters)
      inside.chosen = true
    end
    return opt
  end
end

-- What every rule hands to the core.
local function shared(a, more)
  for _, name in ipairs { "weight_decay", "clip_value", "clip_norm", "global_clip_norm", "ema", "momentum",
    "epsilon" } do
    if more[name] == nil then more[name] = a[name] end
  end
  return more
end

--- Stochastic gradient descent.
--
--    without momentum   w = w - lr g
--    with               u = momentum u + g;  w = w - lr u
--    nesterov           u = momentum u + g;  w = w - lr (g + momentum u)
--
-- Polyak 1964; Sutskever, Martens, Dahl and Hinton 2013, in the form of PyTorch's SGD (Keras' holds -lr u in
-- its velocity: the same steps while lr stays as it is).
-- @function optim.SGD
-- @param given { parameters, lr = 0.01, momentum = 0, nesterov = false, and the options of all }
-- @return an optimiser
-- @usage local opt = optim.SGD { net:parameters(), lr = 0.1, momentum = 0.9, nesterov = true }
optim.SGD = constructor("SGD", "sgd", 0.01, 0, { { "momentum", "number", 0 }, { "nesterov", "boolean", false } },
  function(a) return shared(a, { nesterov = a.nesterov }) end)

local adam = { { "beta1", "number", 0.9, "beta_1" }, { "beta2", "number", 0.999, "beta_2" },
  { "epsilon", "number", 1e-7, "eps" },
  { "amsgrad", "boolean", false } }

local function adam_options(a, more)
  more.beta1, more.beta2, more.amsgrad = a.beta1, a.beta2, a.amsgrad
  return shared(a, more)
end

--- Adam: steps along the mean of the gradients, each element over the root of its mean square.
--
--    m = beta1 m + (1 - beta1) g
--    v = beta2 v + (1 - beta2) g^2
--    w = w - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
--
-- and with amsgrad the largest v so far in v's place under the root (Reddi, Kale and Kumar 2018).
--
-- Kingma and Ba 2015, algorithm 1; PyTorch's Adam with Keras' defaults. (Keras' Adam adds epsilon before the
-- correction of v: its step is smaller by less than epsilon / sqrt(v) of itself, in the first steps.)
-- @function optim.Adam
-- @param given { parameters, lr = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, amsgrad = false, and the
--   options of all }
-- @return an optimiser
-- @usage local opt = optim.Adam { net:parameters(), lr = 1e-3 }
optim.Adam = constructor("Adam", "adam", 0.001, 0, adam,
  function(a) return adam_options(a, {}) end)

--- Adam with decoupled weight decay: first w = w - lr weight_decay w, then Adam's step with the plain gradient.
-- Loshchilov and Hutter 2019, algorithm 2, in PyTorch's form (the decay is scaled by lr); Keras' default decay.
-- @function optim.AdamW
-- @param given { parameters, lr = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, amsgrad = false,
--   weight_decay = 0.004, and the options of all }
-- @return an optimiser
-- @usage local opt = optim.AdamW { net:parameters(), weight_decay = 0.01 }
optim.AdamW = constructor("AdamW", "adam", 0.001, 0.004, adam, function(a)
  return adam_options(a, { weight_decay = 0, decoupled_decay = a.weight_decay })
end)

--- RMSprop: each element over the root of a running mean of its squares.
--
--    v = rho v + (1 - rho) g^2
--    centered           a = rho a + (1 - rho) g;  s = v - a^2  (otherwise s = v)
--    without momentum   w = w - lr g / (sqrt(s) + epsilon)
--    with               u = momentum u + g / (sqrt(s) + epsilon);  w = w - lr u
--
-- Hinton, Neural networks for machine learning, lecture 6e, 2012; centered: Graves 2013, section 4.2. PyTorch's
-- form; Keras has epsilon under the root.
-- @function optim.RMSprop
-- @param given { parameters, lr = 0.001, rho = 0.9, momentum = 0, epsilon = 1e-7, centered = false, and the
--   options of all }
-- @return an optimiser
-- @usage local opt = optim.RMSprop { net:parameters(), rho = 0.95 }
optim.RMSprop = constructor("RMSprop", "rmsprop", 0.001, 0, { { "rho", "number", 0.9 }, { "momentum", "number", 0 },
  { "epsilon", "number", 1e-7 }, { "centered", "boolean", false } },
  function(a) return shared(a, { beta2 = a.rho, centered = a.centered }) end)

--- Adagrad: each element over the root of the sum of all its squares so far.
--
--    s = s + g^2;  w = w - lr g / (sqrt(s) + epsilon)
--
-- where s begins as initial_accumulator. Duchi, Hazan and Singer 2011; PyTorch's form with Keras' defaults;
-- Keras has epsilon under the root.
-- @function optim.Adagrad
-- @param given { parameters, lr = 0.001, initial_accumulator = 0.1, epsilon = 1e-7, and the options of all }
-- @return an optimiser
-- @usage local opt = optim.Adagrad { net:parameters(), lr = 0.05 }
optim.Adagrad = constructor("Adagrad", "adagrad", 0.001, 0,
  { { "initial_accumulator", "number", 0.1 }, { "epsilon", "number", 1e-7 } },
  function(a) return shared(a, { initial = a.initial_accumulator }) end)

-- --- using --------------------------------------------------------------------------------------------

--- Gives the optimiser its tensors, as net:fit does with net:parameters(). One that was made with a list keeps
-- that list; one that has got its tensors here before takes what is new (a layer that has thawed).
-- @param list tensors
-- @raise when it trains other tensors already, none of which is in the list
function methods:attach(list)
  if type(list) ~= "table" then error("optimizer:attach: wants a list of tensors, got a " .. type(list), 2) end
  if #self > 0 and self:known(list) == 0 and #list > 0 then
    error(("optimizer:attach: this %s trains %d other tensors, none of which is in the list: "
      .. "make a new optimizer for another net"):format(self.name, #self), 2)
  end
  if not self:attached().chosen then self:add(list) end
end

--- Takes one step: changes every tensor that has a gradient, at the next learning rate.
-- @raise when no tensor has a gradient, or when averaged weights are swapped in
function methods:step()
  local inside = self:attached()
  if self:swapped() then self:step_c(0) end
  inside.lr = inside.driver:next()
  self:step_c(inside.lr)
end

--- Differentiates a loss and takes one step, as one: what loss:backward() and opt:step() do, but a tensor is changed
-- as soon as its gradient is complete, which is then used up and not left in tensor.grad. The same bits; a little
-- faster. With clipping, averages or peri.set_fusion(false) the step comes after the whole of backward. An
-- interruption waits for the end.
-- @param loss one number
-- @raise when no tensor has a gradient, or when averaged weights are swapped in; tensors changed until then stay so
-- @usage opt:zero_grad(); opt:minimize(loss)
function methods:minimize(loss)
  local inside = self:attached()
  if self:swapped() or not core.set_fusion() then
    loss:backward()
    return self:step()
  end
  inside.lr = inside.driver:next()
  self:minimize_c(loss, inside.lr)
end

--- Clears the gradients of its tensors.
-- @function optimizer:zero_grad

--- Exchanges the trained weights and their averages (option ema): once to put the averages into the net, once
-- more to go on training.
-- @function optimizer:swap_ema

--- Tells the schedule how long the run is; without it progress stays 0 and the epoch moves by on_epoch.
-- @param total steps of the whole run
-- @param per_epoch steps of an epoch
-- @param done steps already made
function methods:plan(total, per_epoch, done) self:attached().driver:plan(total, per_epoch, done) end

--- Tells the schedule that an epoch is over.
-- @param logs its figures, { loss =, val_loss =, ... }
function methods:on_epoch(logs) self:attached().driver:on_epoch(logs) end

--- All that going on bit for bit needs, as a copy: { tensors = by name, plain = data that JSON can hold }.
-- Names are "3/m": the third tensor's m. By the formulas above: velocity (u), m, v, most (the largest v), mean (a),
-- sum (s), and average.
function methods:state()
  local inside = self:attached()
  local tensors, steps = self:state_c()
  return { tensors = tensors, plain = { rule = inside.rule, steps = steps, swapped = self:swapped(), lr = inside.lr,
    driver = inside.driver:state() } }
end

--- Takes up a state. The optimiser must have been made with the same options and have its tensors.
-- @param state what opt:state() gave
-- @raise an error that says what does not fit; no tensor has changed then
function methods:restore(state)
  local inside, plain = self:attached(), type(state) == "table" and state.plain
  if type(plain) ~= "table" or type(state.tensors) ~= "table" then
    error("optimizer:restore: wants what optimizer:state() gave, { tensors =, plain = }", 2)
  end
  if plain.rule ~= inside.rule then
    error(("optimizer:restore: the state is of the rule %s, this is %s"):format(tostring(plain.rule), self.name), 2)
  end
  if type(plain.steps) ~= "table" or type(plain.driver) ~= "table" then
    error("optimizer:restore: the state lacks its steps or its driver", 2)
  end
  self:restore_c(state.tensors, plain.steps, plain.swapped or false)
  inside.driver:restore(plain.driver)
  inside.lr = plain.lr
end

-- --- fields -------------------------------------------------------------------------------------------

local fields = { name = true, lr = true, ema = true, driver = true }

function meta.__index(self, name)
  local method = methods[name]
  if method ~= nil then return method end
  if fields[name] then return methods.attached(self)[name] end
  if name == "steps" then return methods.attached(self).driver.step end
  return nil
end

function meta.__newindex(self, name, value)
  if name ~= "lr" then
    error(("an optimizer has no field '%s' to assign to; there is 'lr'"):format(tostring(name)), 2)
  end
  local inside = methods.attached(self)
  inside.driver.schedule = schedules.of(value)
  inside.lr = type(value) == "number" and value or nil
end

function meta.__tostring(self)
  local inside = methods.attached(self)
  return ("%s (lr %s, %d tensors, %d steps)"):format(inside.name,
    inside.lr and ("%g"):format(inside.lr) or tostring(inside.driver.schedule), #self, inside.driver.step)
end

return optim
