-- What the net that comes with Perilune promises: it is there, small, calibrated, and knows what is drawn from what is not
-- a digit. Its rates on MNIST are measured again by tests/e2e/recogniser.sh.
local peri = require "perilune"
local data = peri.data
local canvases = require "perilune.draw.canvas"
local recogniser = require "perilune.draw.recogniser"

-- As scripts/train_recogniser.lua has them: seeds that neither learning nor measuring has used.
local SEED, RENDER = 77, 112

describe("the net that comes with Perilune", function()
  local bundled
  setup(function() bundled = recogniser.bundled() end)

  it("is a small file beside the module, of a net of ten digits", function()
    local path = recogniser.bundled_path()
    local file <close> = assert(io.open(path, "rb"))
    local size = file:seek "end"
    assert.is_true(size > 50000 and size < 400000, size .. " bytes")
    assert.same({ "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }, bundled.labels)
    assert.same({ 28, 28, 1 }, bundled.net.input_shape)
  end)

  it("brings its temperature, its threshold and its measured rates", function()
    local own = bundled.net.calibration
    assert.is_true(bundled.calibrated)
    assert.is_true(own.temperature > 0.5 and own.temperature < 3, own.temperature)
    assert.is_true(own.threshold > 0.2 and own.threshold < 0.99, own.threshold)
    assert.equal(own.temperature, bundled.temperature)
    assert.equal(own.threshold, bundled.threshold)
    local measured = own.measured
    assert.equal(10000, measured.mnist.pictures)
    assert.is_true(measured.mnist.accuracy >= 0.992, measured.mnist.accuracy)
    assert.is_true(measured.mnist.false_reject <= 0.02, measured.mnist.false_reject)
    for _, name in ipairs { "letters", "scribbles" } do
      assert.is_true(measured[name].pictures >= 1000)
      assert.is_true(measured[name].false_accept < 0.1, measured[name].false_accept)
    end
  end)

  -- How many pictures of a set pass for digits, and how many of these have the set's label.
  local function look(set)
    local certain, right = 0, 0
    for i = 1, #set do
      local picture, label = set:one(i)
      local seen = bundled:predict_picture(picture)
      if seen.certain then
        certain = certain + 1
        if seen.label == tostring(label) then right = right + 1 end
      end
    end
    return certain, right
  end

  it("knows digits drawn from strokes", function()
    local certain, right = look(data.drawn { n = 200, seed = SEED, size = RENDER })
    assert.is_true(certain >= 194, certain .. " of 200 taken for digits")
    assert.is_true(right >= certain - 2, right .. " of these right")
  end)

  it("turns away letters and scribbles of kinds it has not seen, as many as it says", function()
    for name, count in pairs { letters = 240, scribbles = 220 } do
      local said = bundled.net.calibration.measured[name].false_accept
      local taken = look(data[name] { n = count, seed = SEED, size = RENDER, kinds = "held_out" }) / count
      assert.is_true(math.abs(taken - said) < 0.035, ("%.3f of the %s taken for digits, %.3f stated"):format(taken, name, said))
    end
  end)

  it("reads a canvas: any pen, any place, any size", function()
    -- a seven, as lines of a mouse: across, and down
    local function seven(pen, left, top, size)
      local canvas = canvases.new { pen = pen }
      canvas:begin(left, top)
      for i = 1, 20 do canvas:extend(left + size * 0.6 * i / 20, top) end
      for i = 1, 20 do canvas:extend(left + size * (0.6 - 0.35 * i / 20), top + size * i / 20) end
      canvas:finish()
      return canvas
    end
    for _, hand in ipairs { { 0.085, 0.25, 0.15, 0.7 }, { 0.03, 0.05, 0.05, 0.4 }, { 0.05, 0.5, 0.5, 0.4 }, { 0.12, 0.2, 0.1, 0.8 } } do
      local seen = bundled:predict(seven(table.unpack(hand)))
      assert.equal("7", seen.label)
      assert.is_true(seen.certain, seen.confidence)
    end
    assert.is_nil(bundled:predict(canvases.new()))
  end)
end)
