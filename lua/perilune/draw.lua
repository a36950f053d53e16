--- Draw a digit and see it recognised while the pen moves: `perilune draw` in a window or a terminal, and peri.draw() in
-- a notebook or at the prompt.
--
--     peri.draw()                                       -- with the session's net, else the one that comes with Perilune
--     peri.draw(net)
--     local draw = require "perilune.draw"
--     local face = draw.window { net = net }            -- a window beside the prompt; face:run() in a script
--     local canvas = draw.terminal { model = "digits.h5" }
--     local result = draw.recogniser.new(net):predict(canvas)
-- @module perilune.draw
local core = require "perilune.core"

local draw = {
  --- @field canvas what is drawn: perilune.draw.canvas
  canvas = require "perilune.draw.canvas",
}

-- ---- which net

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
  end
  local recogniser = options.model and draw.recogniser.load(options.model) or draw.recogniser.bundled()
  return recogniser.net, recogniser.name
end

local OPTIONS = {
  net = true, model = true, canvas = true, colours = true, drawings = true, width = true, height = true, font = true,
  hidden = true, prompt = true,
}

local function options_from(given)
  if given == nil then return {} end
  if require("perilune.nn").is_layer(given) then return { net = given } end
  if type(given) ~= "table" then
    error("draw: wants a net, or { net = ..., model = FILE }, got a " .. type(given), 0)
  end
  for name in pairs(given) do
    if not OPTIONS[name] then
      local names = {}
      for one in pairs(OPTIONS) do names[#names + 1] = one end
      table.sort(names)
      error(("draw: there is no option %s; there are %s"):format(tostring(name), table.concat(names, ", ")), 0)
    end
  end
  return given
end

-- The program that a face shows: the session's net where none is named.
local function program_of(options)
  local net, name = choose_net(options)
  return require("perilune.draw.program").new {
    net = net, name = name, canvas = options.canvas, drawings = options.drawings,
  }
end

-- ---- faces

-- Calls f; errors of ours carry the place where the function was called that ends in calling this.
local function called(f, ...)
  local result = table.pack(pcall(f, ...))
  if not result[1] then error(result[2], type(result[2]) == "string" and 2 or 0) end
  return table.unpack(result, 2, result.n)
end

local function open_window(given)
  local options = options_from(given)
  local face = require("perilune.draw.window").open {
    program = program_of(options), width = options.width, height = options.height, font = options.font,
    hidden = options.hidden,
  }
  if options.prompt ~= false then require("perilune.draw.beside").attach(face) end
  return face
end

--- Opens a window to draw in, which lives while the prompt waits for keys, or a script steps it.
-- @param given nil, a net, or { net = a net, or model = a file (default: the session's net, else the one that comes with
--   Perilune), canvas = to go on with, drawings = folder for corrected drawings, width = 900, height = 640, font = path,
--   hidden = true: never on the screen, prompt = false: a prompt does not keep it alive, only face:step() and face:run() do }
-- @return the face: step, run, replay, latency, places, capture, close; prediction, canvas, net, program
-- @raise why there is no window: no SDL2, no display, no font
function draw.window(given) return called(open_window, given) end

local function open_terminal(given)
  local options = options_from(given)
  local program = program_of(options)
  return require("perilune.draw.terminal").run {
    program = program, colours = options.colours, title = "perilune draw · " .. program.recogniser.name,
  }
end

--- Draws in the terminal until the person leaves.
-- @param given as draw.window takes it; and colours = "24bit", "256", "16" or "none"
-- @return the canvas, and the program (see perilune.draw.program)
function draw.terminal(given) return called(open_terminal, given) end

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
  local canvas, program = draw.terminal(options)
  program:recognise()
  return require("perilune.draw.drawing").new(canvas, program.prediction)
end

-- The recogniser needs nets and pictures: loaded when it is asked for, so that --help needs neither.
setmetatable(draw, {
  __index = function(self, name)
    if name ~= "recogniser" then return nil end
    rawset(self, name, require "perilune.draw.recogniser")
    return self[name]
  end,
  --- Shows a canvas whose drawing a net recognises: in a notebook below the cell, in a terminal all over it.
  -- @param given nil (the session's variable `net`, its only net, or the one that comes with Perilune), a net, or
  --   { net = a net, model = a file, canvas = to go on with, colours = "24bit", "256", "16" or "none" (of a terminal) }
  -- @return what is drawn, and what it was taken for: see perilune.draw.drawing
  __call = function(_, given)
    local result = table.pack(pcall(show, given))
    if not result[1] then error(result[2], type(result[2]) == "string" and 2 or 0) end
    return table.unpack(result, 2, result.n)
  end,
})

--- The command `perilune draw`: see perilune.draw.command.
-- @param arguments a list of strings
-- @return the exit status
function draw.main(arguments) return require("perilune.draw.command").main(arguments) end

return draw
