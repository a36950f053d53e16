--- The drawing program without a face: a canvas, a net that recognises, the commands of keys and buttons, and what the
-- person is told. The window and the terminal show it and steer it; a script may do the same.
--
--     local p = require("perilune.draw.program").new { net = net }
--     p.canvas:begin(0.5, 0.1); p.canvas:extend(0.5, 0.9); p.canvas:finish()
--     p:recognise()                          -- p.prediction.label is "1"
--     p:run "clear"
--     p:correct(7)                           -- keep the drawing as a seven and learn it
-- @module perilune.draw.program
local alone = require "perilune.alone"
local canvases = require "perilune.draw.canvas"
local interruption = require "perilune.interruption"
local recognisers = require "perilune.draw.recogniser"

local program = {}

local PEN_LEAST, PEN_MOST, PEN_STEP = 0.02, 0.3, 1.2
local KEPT_IN = "drawings" -- the folder of corrected drawings

local Program = {}
Program.__index = Program

local function recogniser_of(options)
  if options.recogniser then return options.recogniser end
  if options.net then return recognisers.new(options.net, options.name) end
  if options.model then return recognisers.load(options.model) end
  return recognisers.bundled()
end

--- A program.
-- @param options { net = a net, name = of it, or model = a file (neither: the model that comes with Perilune), or
--   recogniser = one that is there; canvas = to go on with; drawings = the folder that corrected drawings go to
--   ("drawings") }
-- @return fields: canvas, recogniser, prediction (see perilune.draw.recogniser; nil while nothing is drawn), message (a line for
--   the person, "" for none), explaining (is the overlay of what speaks for the answer wanted?)
function program.new(options)
  options = options or {}
  return setmetatable({
    recogniser = recogniser_of(options), canvas = options.canvas or canvases.new(), drawings = options.drawings or KEPT_IN,
    message = "", explaining = false, commands = program.commands,
  }, Program)
end

--- Tells the person something; "" takes away what was told. Faces show program.message.
-- @param format a text; with more arguments, a format for string.format
function Program:say(format, ...)
  self.message = select("#", ...) > 0 and format:format(...) or format
end

--- Recognises what is on the canvas when it has changed, or the net has.
-- @return true when there is a new prediction
function Program:recognise()
  local canvas, weights = self.canvas, self.recogniser.version
  if self.seen == canvas.version and self.seen_canvas == canvas and self.seen_weights == weights then return false end
  self.seen, self.seen_canvas, self.seen_weights = canvas.version, canvas, weights
  self.prediction = alone(self.recogniser.predict, self.recogniser, canvas)
  return true
end

--- Recognises anew although the canvas is as it was: the net may have been changed from outside.
function Program:forget() self.seen = nil end

--- What learns from corrections: see perilune.draw.learner. Made when it is first asked for, since it loads MNIST.
function Program:learner()
  self.learning = self.learning
    or require("perilune.draw.learner").new(self.recogniser, { drawings = self.drawings })
  return self.learning
end

-- "98.93 % of MNIST's test images, 98.91 % before"; why that is not known; "" where it is still to be worked out.
local function accuracies(report)
  if not report.after or not report.before then return report.note and "; " .. report.note or "" end
  return ("; %.2f %% of MNIST's test images, %.2f %% before"):format(report.after * 100, report.before * 100)
end

-- Tells what came of learning; what is missing in it can follow (catch_up).
function Program:tell(what, report)
  self:say("learned %s in %.2f s%s", what, report.seconds, accuracies(report))
  self.learned = { what = what, report = report, message = self.message }
end

--- Is something left of a correction that there was no time for: the accuracies? For a face to ask when it is idle.
function Program:behind() return self.learning ~= nil and self.learning:pending() end

--- Works out what was left, and tells it where the message still is the correction's.
function Program:catch_up()
  self.learning:evaluate()
  local learned = self.learned
  if learned and self.message == learned.message then self:tell(learned.what, learned.report) end
end

function Program:learn(what, ...)
  if self.canvas:empty() then error("there is nothing on the canvas to learn from: draw first", 0) end
  local learner = self:learner()
  local report = learner[what](learner, ...)
  self:forget()
  self:recognise()
  return report
end

--- Keeps the drawing as an example of a class, and learns it without forgetting the others.
-- @param label a class: 7, "7" or a name
-- @param drawing what it is of: a canvas (default: the program's own), or a digit of a number as the net sees it (28, 28, 1)
-- @return { before =, after = accuracy on MNIST's test images (nil without MNIST), seconds =, kept = path }
function Program:correct(label, drawing)
  local report = self:learn("correct", drawing or self.canvas, label)
  self:tell("this " .. tostring(label), report)
  return report
end

--- Teaches a class that the net does not have from the drawing, or from several; more drawings of it can follow.
-- @param name     of the class: "A"
-- @param drawings canvases (default: the program's own)
-- @return as correct
function Program:teach(name, drawings)
  local report = self:learn("teach", name, drawings or self.canvas)
  self:tell(tostring(name), report)
  return report
end

-- A name that no file has yet: drawing-1.png, drawing-2.png ...
local function free_name()
  for number = 1, math.maxinteger do
    local path = ("drawing-%d.png"):format(number)
    local file = io.open(path, "rb")
    if not file then return path end
    file:close()
  end
end

--- Saves the drawing: strokes into a .json, a picture into a .png, .jpg or .pgm.
-- @param path drawing-1.png, -2 ... when left out
-- @return the path
function Program:save(path)
  path = path or free_name()
  self.canvas:save(path)
  self:say("saved %s", path)
  return path
end

--- Puts a picture or saved strokes on the canvas in place of what is there; undo brings that back.
function Program:open(path)
  self.canvas:open(path)
  self:say("opened %s", path)
end

local function scale_pen(factor)
  return function(self)
    local canvas = self.canvas
    canvas.pen = math.min(PEN_MOST, math.max(PEN_LEAST, canvas.pen * factor))
    self:say("pen %.0f %% of the canvas", canvas.pen * 100)
  end
end

--- What keys and buttons do: { name =, key =, title =, run = function(program) }.
program.commands = {
  { name = "clear", key = "c", title = "Clear", run = function(self) self.canvas:clear() end },
  { name = "undo", key = "u", title = "Undo", run = function(self) self.canvas:undo() end },
  { name = "redo", key = "r", title = "Redo", run = function(self) self.canvas:redo() end },
  { name = "save", key = "s", title = "Save", run = function(self, path) return self:save(path) end },
  { name = "explain", key = "e", title = "Why", run = function(self) self.explaining = not self.explaining end },
  { name = "wider", key = "+", title = "Wider pen", run = scale_pen(PEN_STEP) },
  { name = "narrower", key = "-", title = "Narrower pen", run = scale_pen(1 / PEN_STEP) },
}

local by_name, by_key = {}, {}
for _, command in ipairs(program.commands) do by_name[command.name], by_key[command.key] = command, command end
by_key["="] = by_name.wider -- the same key without shift

--- The command of a key, or nil.
function program.of_key(key) return by_key[key] or by_key[key:lower()] end

--- Runs a command by name: clear, undo, redo, save, explain, wider, narrower.
function Program:run(name, ...)
  local command = by_name[name]
  if not command then
    local names = {}
    for i, one in ipairs(program.commands) do names[i] = one.name end
    error(("draw: there is no command %s; there are %s"):format(tostring(name), table.concat(names, ", ")), 2)
  end
  self:say ""
  return command.run(self, ...)
end

--- As run, for a face: what goes wrong becomes the message. Also for any other function.
-- @return what it gave, or nil when it failed (program.message says why)
function Program:attempt(name_or_function, ...)
  local results = type(name_or_function) == "string" and table.pack(pcall(self.run, self, name_or_function, ...))
    or table.pack(pcall(name_or_function, ...))
  local result = results[2]
  if results[1] then return result end
  interruption.pass(result)
  self:say(tostring(result))
end

-- What a session sees of the program, and what changes from piece to piece of it.
local function changing(self)
  local recogniser, prediction = self.recogniser, self.prediction
  return { digit = prediction and prediction.input:reshape(table.unpack(recogniser.shape)) or false,
    prediction = prediction or false, canvas = self.canvas, net = recogniser.net }
end

--- Puts the program's things among a session's variables; to be called before each piece. digit is what the net sees,
-- float32 of the shape that it takes, (28, 28, 1) for most, or nil: net:predict(digit) answers. canvas, net and prediction
-- are the program's own; correct, teach, program, and peri with its topics plot, nn, data, image and optim are there too.
-- The session's own variables of these names stay.
-- @param environment a session's: see perilune.repl.environment
function Program:scope(environment)
  self:recognise()
  for name, value in pairs(changing(self)) do environment:provide(name, value or nil) end
  if self.scoped == environment then return end
  self.scoped = environment
  environment:provide("program", self)
  environment:provide("correct", function(label) return self:correct(label) end)
  environment:provide("teach", function(name, drawings) return self:teach(name, drawings) end)
  environment:provide_lazily("peri", function() return require "perilune" end)
  for _, topic in ipairs { "plot", "nn", "data", "image", "optim" } do
    environment:provide_lazily(topic, function() return require("perilune")[topic] end)
  end
end

--- Takes over what a piece has put in the place of the program's things: `net = nn.load "other.h5"` makes that net the one
-- that recognises, `canvas = other` that canvas the one that is shown. To be called after each piece; what a net learned
-- in the piece counts too.
-- @param environment as of scope
function Program:adopt(environment)
  local net, canvas = environment:get "net", environment:get "canvas"
  if net ~= nil and not rawequal(net, self.recogniser.net) then
    self.recogniser = recognisers.new(net)
    self.learning = nil
  end
  if canvas ~= nil and not rawequal(canvas, self.canvas) then
    if not canvases.is_canvas(canvas) then
      error(("draw: canvas wants a canvas (draw.canvas.new()), got a %s"):format(type(canvas)), 0)
    end
    self.canvas = canvas
  end
  self:forget()
end

return program
