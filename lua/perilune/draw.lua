--- Draw a digit with the mouse and see it recognised: `perilune draw`.
--
--     local draw = require "perilune.draw"
--     local canvas = draw.terminal { net = net }        -- or { model = "digits.h5" }
--     local result = draw.recogniser.new(net):predict(canvas)
-- @module perilune.draw
local core = require "perilune.core"
local script = require "perilune.script"

local draw = {
  --- @field canvas what is drawn: perilune.draw.canvas
  canvas = require "perilune.draw.canvas",
}

-- The recogniser needs nets and pictures: loaded when it is asked for, so that --help needs neither.
setmetatable(draw, {
  __index = function(self, name)
    if name ~= "recogniser" then return nil end
    rawset(self, name, require "perilune.draw.recogniser")
    return self[name]
  end,
})

local DEFAULT_MODEL = "digits.h5"

local function open_recogniser(path)
  local file = io.open(path, "rb")
  if not file then
    error(("there is no model %s here; train one with\n\n    build/perilune scripts/train_mnist.lua --model %s\n\n"
      .. "or name another: perilune draw --model FILE"):format(path, path), 0)
  end
  file:close()
  return draw.recogniser.load(path)
end

--- Draws in the terminal until the person leaves.
-- @param options { net = a net, or model = a file (digits.h5), canvas = to go on with, colours = "24bit" or "256" }
-- @return the canvas
function draw.terminal(options)
  options = options or {}
  local recogniser = options.net and draw.recogniser.new(options.net)
    or open_recogniser(options.model or DEFAULT_MODEL)
  return require("perilune.draw.terminal").run {
    recogniser = recogniser, canvas = options.canvas, colours = options.colours,
    title = "perilune draw · " .. recogniser.name,
  }
end

local function options_of(arguments)
  local parser = script.parser("perilune draw", "Draw a digit with the mouse; the net says what it is while you draw. "
    .. "Left button draws, right button erases; c clears, u undoes, r does again, + and - change the pen, q, Esc or "
    .. "Ctrl-C leaves.")
  parser:option("--model", "The net: a file that net:save wrote, or Keras.", DEFAULT_MODEL)
  parser:option("--colors --colours", "How many the terminal has; found out when left out."):choices { "24bit", "256" }
    :target "colours"
  return script.parse(parser, arguments)
end

local function run(options)
  if not core.isatty(0) or not core.isatty(1) or os.getenv "TERM" == "dumb" then
    error("drawing needs a terminal that reports the mouse, on standard input and output", 0)
  end
  draw.terminal { model = options.model, colours = options.colours }
end

--- The command `perilune draw`.
-- @param arguments a list of strings
-- @return the exit status
function draw.main(arguments)
  local options = options_of(arguments)
  local ok, reason = pcall(run, options)
  if ok then return 0 end
  reason = script.reason(reason)
  if reason:find "interrupted!?$" then return script.INTERRUPTED end
  io.stderr:write("perilune draw: ", reason, "\n")
  return script.FAILED
end

return draw
