-- A person at the window face, for its specs: events from a program in a window that is not shown.
--
--     local hand = dofile(here .. "/support/hand.lua")     -- nil in a build without windows
--     local face = hand.open()                             -- with a recogniser that says 7, or { recogniser =, program = }
--     hand.stroke { { 0.2, 0.2 }, { 0.8, 0.2 } }           -- places on the canvas, from 0 to 1
--     hand.click "clear"; hand.key "u"
--     hand.close()
local peri = require "perilune"
local json = require "perilune.json"
local programs = require "perilune.draw.program"

if not package.searchpath("perilune.window", package.cpath) then return nil end

local hand = {}

-- Thirty digits as hands draw them; the first ten are 0 to 9 of the first hand.
local function read_drawings()
  local file = assert(io.open("tests/support/hands.json", "rb"))
  local drawings = json.decode(file:read "a").drawings
  file:close()
  return drawings
end
hand.drawings = read_drawings()

-- A recogniser whose answers the test makes; it says how often it was asked.
function hand.answering(answer, count)
  local labels = {}
  for i = 1, count or 10 do labels[i] = i <= 10 and tostring(i - 1) or "class " .. i end
  local one = { labels = labels, name = "a test's", asked = 0, version = 0, net = {} }
  function one:predict(canvas)
    self.asked = self.asked + 1
    if canvas:empty() then return nil end
    return answer(self, canvas)
  end
  function one.explain() return peri.rand(28, 28, 1) end
  return one
end

-- Its prediction: a class (its place) with some probability.
function hand.said(recogniser, best, confidence)
  local probabilities = {}
  for i = 1, #recogniser.labels do probabilities[i] = (1 - confidence) / (#recogniser.labels - 1) end
  probabilities[best] = confidence
  return { probabilities = probabilities, best = best, label = recogniser.labels[best], confidence = confidence,
    certain = confidence > 0.5, input = peri.zeros(28, 28, 1) }
end

function hand.seven(recogniser) return hand.said(recogniser, 8, 0.9) end

function hand.open(options)
  options = options or {}
  hand.face = require("perilune.draw.window").open {
    program = options.program or programs.new { recogniser = options.recogniser or hand.answering(hand.seven) },
    width = options.width, height = options.height, hidden = true,
  }
  return hand.face
end

function hand.close()
  if hand.face then hand.face:close() end
  hand.face = nil
end

function hand.push(event)
  hand.face.window:push(event)
  hand.face:step(0)
end

-- Where in the window a place on the canvas is.
function hand.at(x, y)
  local c = hand.face:places().canvas
  return c.x + x * c.width, c.y + y * c.height
end

function hand.pointer(kind, x, y, button, touch)
  x, y = hand.at(x, y)
  hand.push { type = kind, x = x, y = y, button = button or "left", touch = touch }
end

function hand.stroke(points, button, touch)
  for i, p in ipairs(points) do hand.pointer(i == 1 and "press" or "move", p[1], p[2], button, touch) end
  hand.pointer("release", points[#points][1], points[#points][2], button, touch)
end

function hand.draw(drawing)
  for _, one in ipairs(drawing.strokes) do hand.stroke(one.points) end
end

-- The middle of a named place.
function hand.middle(name)
  local r = assert(hand.face:places()[name], name)
  return r.x + r.width / 2, r.y + r.height / 2
end

function hand.click(name)
  local x, y = hand.middle(name)
  hand.push { type = "press", x = x, y = y, button = "left" }
  hand.push { type = "release", x = x, y = y, button = "left" }
end

function hand.key(name, with)
  hand.push { type = "key", key = name, ctrl = with == "ctrl", shift = with == "shift" }
end

return hand
