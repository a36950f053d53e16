--- The training checkpoint: all that a run needs to go on as if it had never stopped.
--
-- One safetensors file. Tensors: weights/1, weights/2, ... (the net's, in its order), optimizer/NAME,
-- callback/I/1, ...; in the metadata, under "perilune", everything that is no tensor (perilune.train.exact):
-- the version, the position (epoch, batch), the random generator, the optimiser's and the schedule's numbers,
-- the callbacks' states, the history, and the running figures of the epoch under way. Files are written beside
-- their place and renamed, so that a checkpoint is always whole.
-- @module perilune.train.checkpoint
local core = require "perilune.core"
local exact = require "perilune.train.exact"
local weights = require "perilune.train.weights"

local checkpoint = {}

local VERSION = 1

--- Is there a checkpoint at this path?
function checkpoint.exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- Everything that a run is, as tensors and plain data.
local function gather(run)
  local tensors = {}
  for i, tensor in ipairs(weights.of(run.net)) do tensors["weights/" .. i] = tensor end
  local optimizer = run.optimizer:state()
  for name, tensor in pairs(optimizer.tensors) do tensors["optimizer/" .. name] = tensor end
  local states = {}
  for i, entry in ipairs(run.callbacks) do
    local callback = entry.callback
    states[i] = callback.state and callback:state() or {}
    local kept = callback.tensors and callback:tensors() or {}
    for j, tensor in ipairs(kept) do tensors[("callback/%d/%d"):format(i, j)] = tensor end
  end
  local figures = {}
  for i, metric in ipairs(run.metrics) do figures[i] = metric.state and metric:state() or {} end
  return tensors, {
    version = VERSION, epoch = run.epoch, batch = run.batch, samples = run.seen, elapsed = run:elapsed(),
    seed = run.seed, size = run.size, count = run.data.count, rng = run.rng,
    optimizer = optimizer.plain, callbacks = states, history = run.history:columns(),
    running = { loss = run.loss_mean:state(), metrics = figures },
  }
end

--- Writes the checkpoint of a run.
-- @raise an error that names the path
function checkpoint.save(run, path)
  local tensors, state = gather(run)
  core.save_safetensors(path, tensors, { perilune = exact.encode(state) })
end

-- The tensors called prefix/1, prefix/2, ...
local function numbered(tensors, prefix)
  local list = {}
  while tensors[prefix .. "/" .. #list + 1] do list[#list + 1] = tensors[prefix .. "/" .. #list + 1] end
  return list
end

--- Reads a checkpoint.
-- @return { path =, tensors =, and the fields of the metadata }
-- @raise an error that names the path and what is wrong with it
function checkpoint.load(path)
  local tensors, metadata = core.load_safetensors(path)
  local text = metadata and metadata.perilune
  if not text then error(("%s: a safetensors file, but no training checkpoint of Perilune's"):format(path), 0) end
  local ok, state = pcall(exact.decode, text)
  if not ok or type(state) ~= "table" then
    error(("%s: its training state cannot be read: %s"):format(path, tostring(state)), 0)
  end
  if state.version ~= VERSION then
    error(("%s: a checkpoint of version %s, this Perilune reads version %d"):format(
      path, tostring(state.version), VERSION), 0)
  end
  state.path, state.tensors = path, tensors
  return state
end

local function agree(state, name, here, there)
  if here ~= there then
    error(("%s: was made with %s %s, this run has %s: a run resumes only with the same"):format(
      state.path, name, tostring(there), tostring(here)), 0)
  end
end

--- Puts a run into the state that was loaded: everything but the random generator, whose turn comes when
-- the batches already learned have been passed over.
function checkpoint.restore(run, state)
  agree(state, "a batch size of", run.size, state.size)
  agree(state, "a number of samples of", run.data.count, state.count)
  agree(state, "a number of callbacks of", #run.callbacks, #state.callbacks)
  agree(state, "a number of metrics of", #run.metrics, #state.running.metrics)
  local ok, reason = pcall(weights.put, run.net, numbered(state.tensors, "weights"))
  if not ok then error(("%s: %s"):format(state.path, reason), 0) end
  local tensors = {}
  for name, tensor in pairs(state.tensors) do
    local own = name:match "^optimizer/(.*)$"
    if own then tensors[own] = tensor end
  end
  run.optimizer:restore { tensors = tensors, plain = state.optimizer }
  for i, entry in ipairs(run.callbacks) do
    local callback = entry.callback
    if callback.restore then callback:restore(state.callbacks[i]) end
    local kept = numbered(state.tensors, "callback/" .. i)
    if callback.restore_tensors and #kept > 0 then callback:restore_tensors(kept) end
  end
  run.history = run.history.new(state.history)
  run.loss_mean:restore(state.running.loss)
  for i, metric in ipairs(run.metrics) do
    if metric.restore then metric:restore(state.running.metrics[i]) end
  end
  run.epoch, run.batch, run.seen, run.before = state.epoch, state.batch, state.samples, state.elapsed
end

return checkpoint
