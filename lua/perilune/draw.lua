--- Draw a digit with the mouse and see it recognised: `perilune draw`, and peri.draw() in a notebook or at the prompt.
--
--     peri.draw()                                       -- with the session's net
--     peri.draw(net)
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

local DEFAULT_MODEL = "digits.h5"

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

local function open_recogniser(path)
  if not exists(path) then
    error(("there is no model %s here; train one with\n\n    build/perilune scripts/train_mnist.lua --model %s\n\n"
      .. "or name another: perilune draw --model FILE"):format(path, path), 0)
  end
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

-- The variables of the prompt's or the notebook's session that are nets.
local function session_nets()
  local evaluate, found = package.loaded["perilune.repl.evaluate"], {}
  local session = evaluate and evaluate.current
  for _, variable in ipairs(session and session.environment:variables() or {}) do
    if require("perilune.nn").is_layer(variable.value) then found[#found + 1] = variable end
  end
  return found
end

-- The session's net: its variable `net`, or the only net among its variables. Returns it and its name.
local function session_net()
  local found = {}
  for _, variable in ipairs(session_nets()) do
    if variable.name == "net" then return variable.value, "net" end
    found[#found + 1] = variable
  end
  if #found > 1 then
    local names = {}
    for i, variable in ipairs(found) do names[i] = variable.name end
    error(("draw: several nets are here: %s; say which, for example peri.draw(%s)"):format(
      table.concat(names, ", "), names[1]), 0)
  end
  if found[1] then return found[1].value, found[1].name end
end

-- The net that is to recognise, and what it is called.
local function choose_net(options)
  if options.net then
    for _, variable in ipairs(session_nets()) do
      if rawequal(variable.value, options.net) then return options.net, variable.name end
    end
    return options.net, "the net given"
  end
  if not options.model then
    local net, name = session_net()
    if net then return net, name end
    if not exists(DEFAULT_MODEL) then
      error(("draw: there is no net among the session's variables, and no model %s here: give one, peri.draw(net), or "
        .. "name a file, peri.draw { model = FILE }"):format(DEFAULT_MODEL), 0)
    end
  end
  local path = options.model or DEFAULT_MODEL
  return open_recogniser(path).net, path
end

local function options_from(given)
  if given == nil then return {} end
  if require("perilune.nn").is_layer(given) then return { net = given } end
  if type(given) ~= "table" then
    error("draw: wants a net, or { net = ..., model = FILE }, got a " .. type(given), 0)
  end
  for name in pairs(given) do
    if not ({ net = true, model = true, canvas = true, colours = true })[name] then
      error(("draw: there is no option %s; there are net, model, canvas and colours"):format(tostring(name)), 0)
    end
  end
  return given
end

-- What calling this module does.
local function show(given)
  local options = options_from(given)
  local kernel = package.loaded["perilune.kernel"] and require("perilune.kernel").running()
  if kernel then
    local net, name = choose_net(options)
    return require("perilune.draw.notebook").show(kernel, net, name, options.canvas)
  end
  if not core.isatty(0) or not core.isatty(1) or os.getenv "TERM" == "dumb" then
    error("draw: wants a notebook's cell or a terminal that reports the mouse; standard input and output are neither. "
      .. "A picture is recognised by perilune.draw.recogniser: recogniser.new(net):predict_picture(picture)", 0)
  end
  local net = choose_net(options)
  local canvas = draw.terminal { net = net, canvas = options.canvas, colours = options.colours }
  return require("perilune.draw.drawing").new(canvas, draw.recogniser.new(net):predict(canvas))
end

-- The recogniser needs nets and pictures: loaded when it is asked for, so that --help needs neither.
setmetatable(draw, {
  __index = function(self, name)
    if name ~= "recogniser" then return nil end
    rawset(self, name, require "perilune.draw.recogniser")
    return self[name]
  end,
  --- Shows a canvas whose drawing a net recognises: in a notebook below the cell, in a terminal all over it.
  -- @param given nil (the session's variable `net`, its only net, or digits.h5), a net, or
  --   { net = a net, model = a file, canvas = to go on with, colours = "24bit" or "256" (of a terminal) }
  -- @return what is drawn, and what it was taken for: see perilune.draw.drawing
  __call = function(_, given)
    local result = table.pack(pcall(show, given))
    if not result[1] then error(result[2], type(result[2]) == "string" and 2 or 0) end
    return table.unpack(result, 2, result.n)
  end,
})

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
