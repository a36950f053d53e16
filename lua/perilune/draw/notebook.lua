--- The drawing canvas in a notebook's cell: HTML whose script (notebook.js) sends what is drawn through a comm; here the
-- strokes are mirrored on a perilune.draw.canvas, and a perilune.draw.recogniser says what they are, as in the terminal.
--
-- What is stored of a canvas is the same in every run: its place in the session (1, 2, ...) and the script. JupyterLab
-- gives a page's scripts no way to the kernel; the server's address is in the page, and the kernel's id is displayed
-- first, marks the cell's output and is replaced by the canvas at once.
-- @module perilune.draw.notebook
local base64 = require "perilune.draw.base64"
local canvases = require "perilune.draw.canvas"
local display = require "perilune.display"
local drawings = require "perilune.draw.drawing"
local json = require "perilune.json"
local recogniser = require "perilune.draw.recogniser"

local notebook = {}

local TARGET = "perilune.draw"
local POINTS_MOST = 100000 -- of a question: more than a hand draws in hours

local shown = {} -- by number: { net, name, drawing (see perilune.draw.drawing) }
local count = 0  -- canvases shown in this session
local listening  -- the kernel whose comms we answer

local TEXT = "A canvas to draw digits on. Run this cell in JupyterLab or Jupyter Notebook and draw with mouse, pen or "
  .. "finger: the net's probabilities move with the stroke. Here is no kernel that could answer."

-- ---- what is shown

local function read(name)
  local path = package.searchpath("perilune.draw.notebook", package.path)
  local folder = path and path:match "^(.*)notebook%.lua$" or "lua/perilune/draw/"
  local file, reason = io.open(folder .. name, "rb")
  if not file then error("draw: the canvas's own file is missing: " .. tostring(reason), 0) end
  local text = file:read "a"
  file:close()
  return text
end

-- JavaScript without its comment lines, which would be stored with every canvas.
local function bare(source)
  return (source:gsub("%f[^\n\0]%s*//[^\n]*\n", ""):gsub("\n%s*\n", "\n"))
end

local function js_string(text) return (json.encode(text):gsub("</", "<\\/")) end

local script
local function script_of()
  script = script or ("(function () {\n\"use strict\";\nconst CSS = %s;\n%s%s})();"):format(
    js_string(read "notebook.css"), bare(read "notebook_link.js"), bare(read "notebook.js"))
  return script
end

local function forms(html)
  return setmetatable({}, { __name = "perilune.draw.Canvas", __tostring = function() return TEXT end,
    __mime = function() return { ["text/plain"] = TEXT, ["text/html"] = html } end })
end

local function canvas_html(number)
  return ('<div class="perilune-draw" data-canvas="%d"><p class="perilune-draw-text">%s</p></div>\n<script>%s</script>')
    :format(number, TEXT, script_of())
end

-- Marks the output that it is in with the kernel's id.
local function kernel_html(id)
  return ("<p>%s</p><script>{ const own = document.currentScript, area = own && (own.closest('.jp-OutputArea') || "
    .. "own.parentElement); if (area) area.dataset.periluneKernel = %s; }</script>"):format(TEXT, js_string(id))
end

-- ---- what is answered

local function bad(format, ...) error(("draw: a page sent %s"):format(format:format(...)), 0) end

local function whole(value, what)
  if math.type(value) ~= "integer" or value < 0 then bad("%s that is no whole number: %s", what, tostring(value)) end
  return value
end

local function width_of(value)
  if type(value) ~= "number" or not (value > 0 and value <= 1) then bad("a pen's width of %s", tostring(value)) end
  return value
end

-- One open comm: a page's canvas, mirrored.
local Mirror = {}
Mirror.__index = Mirror

local function mirror_of(entry)
  return setmetatable({ canvas = canvases.new(), recogniser = recogniser.new(entry.net, entry.name), strokes = 0,
    points = 0, pictures = {}, drawing = entry.drawing }, Mirror)
end

-- A page cannot draw pictures, but it may have been given some.
function Mirror:place(piece)
  local step = self.pictures[piece.picture] or bad("a picture that it was not given: %s", tostring(piece.picture))
  self.canvas:place(step)
  self.strokes, self.points = piece.at, 0
end

-- Puts a page's piece of a stroke behind what is there; false when something before it is missing.
function Mirror:add(piece)
  local at, from, points = whole(piece.at, "a stroke's place"), whole(piece.from, "a point's place"), piece.points
  if type(points) ~= "table" or #points % 2 ~= 0 or #points > POINTS_MOST then bad("no list of points") end
  if piece.picture ~= nil and at == self.strokes + 1 then
    self:place(piece)
    return true
  end
  local first = 1
  if at == self.strokes + 1 and from == 0 and #points > 0 then
    self.canvas:finish()
    self.canvas:begin(points[1], points[2], { erase = piece.erase == true, width = width_of(piece.width) })
    self.strokes, self.points, first = at, 1, 3
  elseif at ~= self.strokes or from ~= self.points then
    return false
  end
  for i = first, #points, 2 do self.canvas:extend(points[i], points[i + 1]) end
  self.points = self.points + (#points - first + 1) // 2
  return true
end

function Mirror:take(question)
  if type(question.strokes) ~= "table" then bad "no strokes" end
  if question.epoch ~= self.epoch then
    self.epoch, self.strokes, self.points = question.epoch, 0, 0
    self.canvas = canvases.new()
  end
  for _, piece in ipairs(question.strokes) do
    if type(piece) ~= "table" then bad "a stroke that is none" end
    if not self:add(piece) then
      self.epoch = nil
      return false
    end
  end
  return true
end

local function hex(picture)
  local digits = {}
  for i, value in ipairs(picture:reshape(-1):totable()) do
    digits[i] = ("%02x"):format(math.floor(math.min(1, math.max(0, value)) * 255 + 0.5))
  end
  return table.concat(digits)
end

--- What a question of the page is answered.
function Mirror:answer(question)
  if not self:take(question) then return { lost = true } end
  local seen = self.recogniser:predict(self.canvas)
  self.drawing.canvas, self.drawing.prediction = self.canvas, seen
  if not seen then return { empty = true } end
  local rounded = {}
  for i, value in ipairs(seen.probabilities) do
    if value ~= value then error("the net's outputs are no numbers (nan): has its training diverged?", 0) end
    rounded[i] = math.floor(value * 1e5 + 0.5) / 1e5
  end
  return { probabilities = json.array(rounded), best = seen.best, picture = hex(seen.input), uncertain = seen.certain == false or nil,
    number = seen.number, digits = seen.digits and #seen.digits }
end

local function respond(mirror, question)
  local ok, answer = pcall(mirror.answer, mirror, question)
  if not ok then
    mirror.epoch = nil
    answer = { error = tostring(answer) }
  end
  answer.ask = question.ask
  return answer
end

-- A canvas's strokes as the page has them: what was drawn before the page was opened again. The pictures among them are
-- put into a list; the page knows them by their places there.
local function strokes_of(canvas, pictures)
  local list = {}
  for i, stroke in ipairs(canvas.strokes) do
    local points = {}
    for k = 1, stroke.n do points[2 * k - 1], points[2 * k] = stroke.x[k], stroke.y[k] end
    list[i] = { width = stroke.width, erase = stroke.erase, points = json.array(points) }
    if stroke.picture then
      pictures[#pictures + 1] = stroke
      list[i].picture, list[i].png = #pictures, base64.encode(stroke.png)
    end
  end
  return json.array(list)
end

local function on_open(comm, data)
  local number = type(data) == "table" and data.canvas
  local entry = shown[number]
  if not entry then return comm:close { reason = "unknown" } end
  local ok, mirror = pcall(mirror_of, entry)
  if not ok then return comm:close { reason = tostring(mirror) } end
  comm.on_message = function(_, question)
    if type(question) == "table" then comm:send(respond(mirror, question)) end
  end
  comm.on_close = function() shown[number] = nil end -- the output is gone from the page
  comm:send {
    labels = json.array(table.move(mirror.recogniser.labels, 1, #mirror.recogniser.labels, 1, {})),
    pen = mirror.canvas.pen, eraser = mirror.canvas.eraser, net = "Recognised by " .. entry.name .. ".",
    strokes = strokes_of(entry.drawing.canvas, mirror.pictures),
  }
end

--- Shows a canvas below the cell that is running.
-- @param kernel  the running kernel (require("perilune.kernel").running())
-- @param net     recognises; built for pictures of 28 x 28
-- @param name    what the net is called: a variable or a file
-- @param canvas  what is on it already; optional
-- @return what is drawn on it: see perilune.draw.drawing
function notebook.show(kernel, net, name, canvas)
  recogniser.new(net, name) -- is it one that can
  if listening ~= kernel then
    require("perilune.kernel").comm.register(TARGET, on_open)
    listening, shown, count = kernel, {}, 0
  end
  count = count + 1
  shown[count] = { net = net, name = name, drawing = drawings.new(canvas) }
  display(forms(kernel_html(kernel.id))):update(forms(canvas_html(count)))
  return shown[count].drawing
end

return notebook
