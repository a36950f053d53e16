-- The drawing program without a face: commands, messages, and what a session's variables have to do with it.
local peri = require "perilune"
local evaluate = require "perilune.repl.evaluate"
local programs = require "perilune.draw.program"
local nn = peri.nn

local function net_of(seed)
  peri.seed(seed or 3)
  local net = nn.Sequential { nn.Flatten {}, nn.Dense { 10, activation = "softmax" } }
  net:build { 28, 28, 1 }
  return net
end

local function stroke(canvas, ...)
  local places = { ... }
  canvas:begin(places[1], places[2])
  for i = 3, #places, 2 do canvas:extend(places[i], places[i + 1]) end
  canvas:finish()
end

describe("the drawing program", function()
  local program
  before_each(function() program = programs.new { net = net_of() } end)

  it("recognises when the canvas or the net has changed, and then only", function()
    assert.is_true(program:recognise())
    assert.is_nil(program.prediction)
    assert.is_false(program:recognise())
    stroke(program.canvas, 0.5, 0.1, 0.5, 0.9)
    assert.is_true(program:recognise())
    assert.is_truthy(program.prediction.label)
    assert.is_false(program:recognise())
    program:forget()
    assert.is_true(program:recognise())
  end)

  it("runs commands by name and key, and names them when it knows no such", function()
    stroke(program.canvas, 0.5, 0.1, 0.5, 0.9)
    program:run "clear"
    assert.is_true(program.canvas:empty())
    program:run "undo"
    assert.is_false(program.canvas:empty())
    program:run "redo"
    assert.is_true(program.canvas:empty())
    local pen = program.canvas.pen
    program:run "wider"
    assert.is_true(program.canvas.pen > pen)
    assert.truthy(program.message:find "^pen %d+ %% of the canvas$")
    for _ = 1, 50 do program:run "narrower" end
    assert.is_true(program.canvas.pen >= 0.02)
    assert.is_false(program.explaining)
    programs.of_key("E").run(program)
    assert.is_true(program.explaining)
    assert.equal("wider", programs.of_key("=").name)
    assert.is_nil(programs.of_key "x")
    assert.error_matches(function() program:run "fly" end, "no command fly; there are clear, undo, redo, save")
  end)

  it("turns what goes wrong into a message, but lets an interruption through", function()
    assert.is_nil(program:attempt(function() error("100 %d fell over", 0) end))
    assert.equal("100 %d fell over", program.message)
    assert.is_nil(program:attempt(program.correct, program, 7))
    assert.truthy(program.message:find "draw first")
    assert.error_matches(function() program:attempt(function() error("interrupted!", 0) end) end, "interrupted!")
  end)

  it("gives a session its things, fresh before each piece, and takes over what replaces them", function()
    local session = evaluate.session { globals = setmetatable({}, { __index = _G }) }
    local function run(code)
      program:scope(session.environment)
      local result = session:run(code)
      program:adopt(session.environment)
      return table.unpack(result, 1, result.n)
    end
    assert.is_nil(run "digit")
    stroke(program.canvas, 0.5, 0.1, 0.5, 0.9)
    assert.same({ 28, 28, 1 }, run "digit.shape")
    assert.equal(program.prediction.best, run "net:predict(digit):argmax():item()")
    assert.equal(program.prediction.label, run "prediction.label")
    assert.is_true(rawequal(program.recogniser.net, run "net"))
    run "canvas:clear()"
    assert.is_nil(run "digit")
    assert.equal("function", run "type(plot.bar)")
    local other = net_of(9)
    session.environment:provide("other", other)
    run "net = other"
    assert.is_true(rawequal(other, program.recogniser.net))
    run "canvas = require('perilune.draw.canvas').new(); canvas:begin(0.2, 0.2); canvas:extend(0.2, 0.8)"
    program:recognise()
    assert.is_truthy(program.prediction)
    assert.has_error(function() run "canvas = 7" end, "draw: canvas wants a canvas (draw.canvas.new()), got a number")
  end)
end)
