-- Letters and scribbles: what a digit net has to tell from digits.
local peri = require "perilune"
local data, image = peri.data, peri.image
local strokes = require "perilune.data.strokes"

local sources = { letters = require "perilune.data.letters", scribbles = require "perilune.data.scribbles" }

local function list(t) return t:totable() end
local function pixels(set) return list((set:tensors()):reshape(-1)) end

for name, source in pairs(sources) do
  describe("data." .. name, function()
    local draw = data[name]

    it("draws the same pictures from the same seed, others from another", function()
      local a = draw { n = 60, seed = 3 }
      assert.same(pixels(a), pixels(draw { n = 60, seed = 3 }))
      assert.same(list(a:labels()), list(draw { n = 60, seed = 3 }:labels()))
      local one = { source.kinds[3] } -- of one kind, so that not only the order differs
      assert.is_not.same(pixels(draw { n = 5, seed = 3, kinds = one }), pixels(draw { n = 5, seed = 4, kinds = one }))
    end)

    it("gives as many of each kind, in any size, named by its classes", function()
      local kinds = #source.kinds
      local set = draw { n = 2 * kinds, seed = 1, size = 40 }
      assert.same({ 40, 40, 1 }, set.shape)
      assert.same(source.kinds, set.classes)
      local counts = set:counts()
      for label = 0, kinds - 1 do assert.equal(2, counts[label]) end
    end)

    it("draws each kind inside the picture, in ink that the preprocessing finds", function()
      for i, kind in ipairs(source.kinds) do
        local set = draw { n = 8, seed = i, size = 56, kinds = { kind } }
        assert.same({ kind }, set.classes)
        for k = 1, 8 do
          local picture = set:one(k)
          local share = picture:mean():item()
          assert.is_true(share > 0.0005 and share < 0.6, ("%s: %.4f inked"):format(kind, share))
          local seen = image.digit(picture, { ink = "light", thicken = 2 })
          assert.is_true(seen:max():item() > 0.9)
        end
      end
    end)

    it("draws what it is asked for: a list of kinds, in its order, or a part of all", function()
      local two = { source.kinds[5], source.kinds[2] }
      assert.same(two, draw { n = 4, kinds = two }.classes)
      assert.same(source.groups.held_out, draw { n = 30, kinds = "held_out" }.classes)
      -- one kind drawn alone is not one of the others: the label says which
      local only = draw { n = 1, seed = 9, kinds = { source.kinds[2] } }
      assert.is_not.same(pixels(only), pixels(draw { n = 1, seed = 9, kinds = { source.kinds[5] } }))
    end)

    it("has each kind in one part only, and none in no part", function()
      local seen, count = {}, 0
      for _, group in ipairs { "training", "validation", "held_out" } do
        for _, kind in ipairs(source.groups[group]) do
          assert.is_nil(seen[kind], ("%s is in %s and in %s"):format(kind, tostring(seen[kind]), group))
          seen[kind], count = group, count + 1
        end
      end
      assert.equal(#source.kinds, count)
      for _, kind in ipairs(source.kinds) do assert.is_string(seen[kind]) end
    end)

    it("says what it cannot draw", function()
      assert.error_matches(function() draw { kinds = { "nothing" } } end, "no kind 'nothing'; there are " .. source.kinds[1])
      assert.error_matches(function() draw { kinds = "heldout" } end, 'kinds is "heldout", expected "training"')
      assert.error_matches(function() draw { kinds = {} } end, "expected")
      assert.error_matches(function() draw { n = 0 } end, "data%." .. name .. ": n is 0")
      assert.error_matches(function() draw { size = 8 } end, "size is 8, expected 16 to 1024")
      assert.error_matches(function() draw { count = 8 } end, "unknown argument 'count'")
    end)
  end)
end

describe("data.letters", function()
  it("has no letter that alone could be a digit", function()
    local kinds = table.concat(sources.letters.kinds)
    assert.is_nil(kinds:find "[BDGIOSZbgloqszy]")
    assert.is_nil(kinds:find "%d")
  end)
end)

describe("strokes", function()
  local function draw(strokes_of)
    return strokes.pictures("spec", 10, 1, 28, 1, function() return strokes_of end)
  end

  it("have dots: a stroke of one point inks a spot", function()
    local x = draw { { { 0.5, 0.5 } } }
    for i = 1, 10 do
      local inked = x[i]:gt(127):float():sum():item()
      assert.is_true(inked >= 1 and inked <= 16, inked .. " pixels")
    end
  end)

  it("are straight when sharp, and curved when not", function()
    local bend = { { 0.1, 0.9 }, { 0.5, 0.1 }, { 0.9, 0.9 } }
    local curved = draw { bend }
    bend.sharp = true
    assert.is_false(curved:equal(draw { bend }))
  end)

  it("draw today's digits tomorrow: what was learned from them stays known", function()
    local function sum(n, seed, size)
      local total = 0
      for _, value in ipairs(list((require("perilune.data.drawn").draw(n, seed, size)):reshape(-1))) do
        total = (total * 31 + value) % 1000000007
      end
      return total
    end
    assert.equal(575211303, sum(50, 1, 28))
    assert.equal(661392342, sum(30, 0, 16))
  end)
end)
