-- Learning from corrections with MNIST and the net that comes with Perilune: odd digits that it gets wrong are learned one
-- after another, letters are taught, and the accuracy on the 10,000 test images, which chose nothing, stays. On the same
-- drawings, within a limit of time that is never reached, it is the same each time.
local peri = require "perilune"
local canvases = require "perilune.draw.canvas"
local learners = require "perilune.draw.learner"
local recognisers = require "perilune.draw.recogniser"
local data = peri.data

if not pcall(data.mnist) or not recognisers.bundled_path() then
  describe("learning with MNIST", function()
    pending "MNIST is not on this machine (scripts/fetch_mnist.sh), or the net that comes with Perilune is not"
  end)
  return
end

local FALLS_AT_MOST = 0.001 -- in all: ten of the test images

local folder
before_each(function()
  folder = os.tmpname()
  os.remove(folder)
end)
after_each(function() os.execute(("rm -rf '%s'"):format(folder)) end)

local function bundled(patience)
  local r = recognisers.bundled()
  return learners.new(r, { drawings = folder, patience = patience or 60 }), r
end

local function says(r, picture) return r:say({ picture })[1].label end

-- The share of slight variations of a picture that are taken for a label.
local function near(r, picture, label)
  local copies, augment, right = {}, data.augment { rotation = 6, shift = 1, scale = 0.08 }, 0
  for i = 1, 40 do copies[i] = picture:reshape(1, 28, 28, 1) end
  local x = augment(peri.cat(copies, 1), nil, { seed = 5, epoch = 9 })
  local list = {}
  for i = 1, 40 do list[i] = x[i] end
  for _, seen in ipairs(r:say(list)) do right = right + (seen.label == label and 1 or 0) end
  return right / 40
end

local LETTER = { { 0.1, 1, 0.3, 0.5, 0.5, 0, 0.7, 0.5, 0.9, 1 }, { 0.25, 0.62, 0.75, 0.62 } }

-- An A by a hand that is never twice the same.
local function letter(seed)
  local state = seed * 7919 + 17
  local function jitter(most)
    state = (state * 1103515245 + 12345) % 2147483648
    return (state / 2147483648 - 0.5) * 2 * most
  end
  local canvas, size, slant = canvases.new { pen = 0.07 + jitter(0.01) }, 0.6 + jitter(0.1), jitter(0.12)
  for _, stroke in ipairs(LETTER) do
    for i = 1, #stroke, 2 do
      local u, v = stroke[i] - 0.5 + jitter(0.035), stroke[i + 1] - 0.5 + jitter(0.035)
      local x, y = 0.5 + size * (u - slant * v), 0.5 + size * v
      if i == 1 then canvas:begin(x, y) else canvas:extend(x, y) end
    end
    canvas:finish()
  end
  return canvas
end

-- The share of letters that the net never learned from and takes for something that it knows.
local function accepted(r)
  local x, list, count = data.letters { n = 200, seed = 91, kinds = "held_out" }:tensors(), {}, 0
  for i = 1, 200 do list[i] = x[i] end
  for _, seen in ipairs(r:say(list)) do count = count + (seen.certain and 1 or 0) end
  return count / 200
end

describe("learning with MNIST", function()
  it("learns odd digits and forgets none", function()
    local l, r = bundled()
    local x, y = data.drawn { n = 600, seed = 99 }:augment { rotation = 35, shear = 15 }:tensors()
    local corrected, first, last = {}, nil, nil
    for i, label in ipairs(y:totable()) do
      if #corrected < 6 and says(r, x[i]) ~= tostring(label) then
        local report = l:correct(x[i], label)
        assert.is_true(report.learned)
        assert.equal(tostring(label), says(r, x[i]))
        assert.is_nil(report.note)
        assert.is_false(l:pending())
        if last then assert.equal(last, report.before) end
        first, last = first or report.before, report.after
        corrected[#corrected + 1] = { x[i], tostring(label) }
      end
    end
    assert.is_true(#corrected >= 4, "the net gets too few of them wrong to try")
    assert.is_true(first > 0.99 and last >= first - FALLS_AT_MOST, ("%g fell to %g"):format(first, last))
    local _, test = data.mnist()
    assert.is_true(math.abs(r.net:evaluate(test, { metrics = "accuracy" }).accuracy - last) < 1e-6)
    local right, varied = 0, 0
    for _, pair in ipairs(corrected) do
      right, varied = right + (says(r, pair[1]) == pair[2] and 1 or 0), varied + near(r, pair[1], pair[2])
    end
    assert.is_true(right >= #corrected - 1, ("%d of %d are still right at the end"):format(right, #corrected))
    assert.is_true(varied / #corrected >= 0.9, ("%g of slight variations are right"):format(varied / #corrected))
    for _ = 1, #corrected do assert.is_truthy(l:undo()) end
    assert.equal(first, l:evaluate())
  end)

  it("learns a letter from five drawings", function()
    local l, r = bundled()
    local list, before = {}, accepted(r)
    for i = 1, 5 do list[i] = letter(i) end
    local report = l:teach("A", list)
    assert.is_true(report.after >= report.before - FALLS_AT_MOST, ("%g fell to %g"):format(report.before, report.after))
    local right, certain = 0, 0
    for seed = 100, 149 do
      local seen = r:predict(letter(seed))
      if seen.label == "A" then right, certain = right + 1, certain + (seen.certain and 1 or 0) end
    end
    assert.is_true(right >= 45 and certain >= 40, ("of 50 new drawings %d are right, %d certain"):format(right, certain))
    assert.is_true(accepted(r) <= before + 0.06, ("letters accepted: %g, before %g"):format(accepted(r), before))
  end)

  it("tells the accuracies later where there is no time for them", function()
    local l, r = bundled(1e-3)
    local x, y = data.drawn { n = 600, seed = 99 }:augment { rotation = 35, shear = 15 }:tensors()
    local report
    for i, label in ipairs(y:totable()) do
      if says(r, x[i]) ~= tostring(label) then
        report = l:correct(x[i], label)
        break
      end
    end
    assert.same({}, { report.before, report.after })
    assert.is_true(l:pending())
    local after = l:evaluate()
    assert.is_false(l:pending())
    assert.equal(after, report.after)
    local untouched = learners.new(recognisers.bundled(), { drawings = folder }):evaluate()
    assert.equal(untouched, report.before)
    assert.equal(after, l:evaluate()) -- and the weights are those that it learned
    l:undo()
    assert.equal(untouched, l:evaluate())
  end)
end)
