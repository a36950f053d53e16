--- Nets made ready to run: net:compile().
--
--     local recognise = net:compile { batch = 1 }
--     local y = recognise(x)          -- as net(x), within rounding
--     recognise(x, y)                 -- into a tensor that is there
--     recognise:predict(test)         -- as net:predict
--
-- A snapshot: what the net learns later is not seen; `recognise:current()` tells, and net:compile makes a new one.
-- net:predict and net:evaluate compile by themselves where a net is run again without having learned.
-- @module perilune.nn.compiled
local args = require "perilune.args"
local core = require "perilune.core"

local compiled = {}

local methods, metatable = core.compiled_methods, core.compiled_metatable
local tensor_metatable = getmetatable(core.zeros(1))

local function is_tensor(value) return getmetatable(value) == tensor_metatable end

--- Compiles a net of C layers in float32.
-- @param net     a built net
-- @param options { batch = n }: the most images that go through together (as many as are fastest by default)
-- @return a compiled net: call it with a batch x, and a tensor for the result if there is one
function compiled.compile(net, options)
  local a = args.named("net:compile", options, { { "batch", "integer", 0, "batch_size" } })
  if a.batch < 0 or (a.batch == 0 and options and (options.batch or options.batch_size)) then
    error(("net:compile: batch must be 1 or more, got %d"):format(a.batch), 2)
  end
  return core.compile(net, a.batch)
end

--- What the net says of every sample: a tensor (n, ...), or a data set.
-- @return a tensor, one row a sample
function methods:predict(x)
  if is_tensor(x) then return self(x) end
  if (type(x) ~= "table" and type(x) ~= "userdata") or not x.batches then
    error(("compiled:predict: wants a tensor or a data set, got %s"):format(x == nil and "nil" or "a " .. type(x)), 2)
  end
  local parts = {}
  for batch in x:batches { 256, shuffle = false } do parts[#parts + 1] = self(batch) end
  return #parts == 1 and parts[1] or core.cat(parts, 1)
end

-- One compiled form a net, without its softmax, for predict and evaluate: { form =, checked = net's state }.
local forms = setmetatable({}, { __mode = "k" })

-- Nets that cannot be compiled: not built, Lua layers, float64. And hands off where nothing is to be gained.
local function fits(net)
  return net.built and net.dtype == "float32" and net:in_c()
end

--- A compiled form of a net whose weights are as they are now, or nil. The first look at a net, or at changed
-- weights, gives one only for `count` samples or more: for fewer, preparing costs more than it saves.
function compiled.form_of(net, count)
  if not core.set_fusion() or not fits(net) then return nil end
  local known = forms[net]
  if known and known.form and known.form:current() then return known.form end
  local state = net:weights_state()
  if count < compiled.WORTH and not (known and known.state == state) then
    forms[net] = { state = state }
    return nil
  end
  local form = core.compile(net, 0, true)
  forms[net] = { state = state, form = form }
  return form
end

--- From how many samples on predict and evaluate compile a net that they see for the first time.
compiled.WORTH = 64

--- A net as a function of a batch for a while in which it does not learn, for `count` samples or so: by its compiled
-- form where that pays, as exact as the net itself. A softmax at the end is an op of its own, so that losses see the
-- logits.
-- @return a function, or the net
function compiled.at_rest(net, count)
  local form = compiled.form_of(net, count)
  if not form then return net end
  local rest = form:left_out()
  return function(x)
    if not form:takes(x) then return net(x) end -- which has an error that says more
    local y = form(x)
    if rest == nil then return y end
    return rest == "softmax" and y:softmax() or y:sigmoid()
  end
end

metatable.__tostring = function(self)
  local ok, text = pcall(function() return require("perilune.nn.plan").of_compiled(self) end)
  return ok and text or "compiled net (freed)"
end

metatable.__mime = function(self)
  local ok, table_of_steps = pcall(function() return require("perilune.nn.plan").html_of_compiled(self) end)
  return { ["text/plain"] = tostring(self), ["text/html"] = ok and table_of_steps or nil }
end

return compiled
