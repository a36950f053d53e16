--- Perilune: deep learning at the Lua prompt.
--
-- `local peri = require "perilune"` gives tensors and their functions at once; the topics (peri.nn,
-- peri.optim, peri.data, peri.plot, ...) are loaded when they are first named.
-- @module perilune
local core = require "perilune.core"
local recording = require "perilune.tensor.recording"

local peri = setmetatable({}, { __name = "perilune" })

-- What only the library's own modules need stays in perilune.core.
local inner = { tensor_methods = true, layer_methods = true, layer_metatable = true, layer = true, origin = true,
  set_grad_enabled = true, csv_read = true, idx_read = true, idx_write = true, create_file = true, describe = true,
  gather_rows = true, take_rows = true, onehot_rows = true, row_moments = true, augmentation = true, loader = true, initialise = true,
  interrupt_clear = true, interrupt_poll = true, interrupted = true,
  isatty = true, layer_types = true, memory_fail_at = true, ops = true, optimizer = true, permutation = true,
  signal_interrupt = true, terminal_size = true, profile_start = true, profile_stop = true,
  compile = true, compiled_methods = true, compiled_metatable = true, fusions = true, set_fusion = true,
  fused_run = true, layer_work = true, traced = true, trace_mark = true,
  read_file = true, write_file = true, sleep = true,
  raw_terminal = true, raw_terminal_end = true, raw_terminal_read = true, raw_terminal_write = true,
  raw_terminal_size = true, raw_terminal_run = true, raw_terminal_output = true }
for name, value in pairs(core) do
  if not inner[name] then peri[name] = value end
end

--- The version.
peri._VERSION = "0.1.0"

local topics = {
  nn = true, optim = true, data = true, plot = true, image = true, linalg = true, train = true,
  display = true, draw = true, explain = true, kernel = true, serve = true,
}

-- What perilune.display shows things with, under peri's own name.
local shown = { html = true, markdown = true, latex = true, svg = true, json = true, clear_output = true }

--- A picture that shows itself: peri.image(x). peri.image is also the topic: peri.image.load, save, resize ...
-- @param x       a tensor (H, W), (H, W, 1|3|4) or (N, H, W, 1|3|4); the path of a PNG, JPEG or GIF file, or its bytes
-- @param options width =, height = on the page; for tensors scale =, range = { black, white }, columns =
-- @return an object that shows itself
local function show_picture(_, x, options) return require("perilune.display").image(x, options) end

getmetatable(peri).__index = function(self, name)
  local value
  if shown[name] then
    value = require("perilune.display")[name]
  elseif topics[name] then
    value = require("perilune." .. name)
    if name == "image" then setmetatable(value, { __call = show_picture }) end
  end
  if value ~= nil then rawset(self, name, value) end
  return value
end

getmetatable(peri).__names = function()
  local names = {}
  for _, list in ipairs { topics, shown } do
    for name in pairs(list) do names[#names + 1] = name end
  end
  return names
end

--- Calls a function without recording for differentiation.
-- @param f   the function
-- @param ... its arguments
-- @return what f returns
function peri.no_grad(f, ...)
  local meta = getmetatable(f)
  if type(f) ~= "function" and not (type(meta) == "table" and meta.__call) then
    error(("no_grad: wants a function (and its arguments), got %s"):format(f == nil and "nil" or "a " .. type(f)), 2)
  end
  return recording(false, f, ...)
end

--- Calls a function and tells where its time went: calls and milliseconds of every op, forward and backward.
--
--    print(peri.profile(function() net:fit(train, { epochs = 1, loss = "mse" }) end))
-- @param f   the function
-- @param ... its arguments
-- @return a profile: a list of rows { name, shape, forward_calls, backward_calls, forward, backward } (seconds),
--   slowest first, with `seconds` (in all) and `elsewhere` (outside ops: Lua, data, the tape); it prints itself
-- @return what f returns
function peri.profile(f, ...) return require("perilune.profile").run(f, ...) end

--- Shows how far a loop has come, in the terminal and in a notebook alike.
--
--    for i in peri.progress(1000, { title = "draws" }) do ... end
--    for x, y in peri.progress(data:batches { 128 }, { total = #data // 128 }) do ... end
-- @param over  a number of steps, or an iterator (all that ipairs(list) and the like give)
-- @param ...   last (or first of all), options: title, total, figures (a function that gives numbers by name), verbose, output
-- @return what a generic `for` wants
function peri.progress(over, ...) return require("perilune.train.loop").over(over, ...) end

--- Is this a tensor?
function peri.is_tensor(x)
  local meta = getmetatable(x)
  return type(meta) == "table" and meta.__name == "perilune.Tensor"
end

for name, value in pairs(require "perilune.tensor") do peri[name] = value end

return peri
