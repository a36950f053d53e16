-- A drawing's files and tables: what is saved comes back, what a stranger wrote is refused by place or taken as it is,
-- and recorded strokes are drawn again in their time.
local base64 = require "perilune.draw.base64"
local canvases = require "perilune.draw.canvas"
local core = require "perilune.core"
local html = require "perilune.display.html"
local image = require "perilune.image"
local json = require "perilune.json"

local scratch = dofile(debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" .. "/support/scratch.lua")
local file, names_in_folder = scratch.file, scratch.names
local function read(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read "a"
  f:close()
  return text
end
local function write(name, text)
  local f = assert(io.open(file(name), "wb"))
  f:write(text)
  f:close()
  return file(name)
end

before_each(scratch.make)
after_each(scratch.remove)

local function says(words, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "no error: " .. words)
  assert.is_string(message)
  assert.is_truthy(message:find(words, 1, true), ("wanted: %s\ngot: %s"):format(words, message))
  return message
end

local function some_canvas(seed)
  local canvas = canvases.new()
  for i = 1, 4 do
    local a = seed * i
    canvas:begin(0.5 + 0.4 * math.sin(a), 0.5 + 0.4 * math.cos(a), { erase = i == 3, time = 100 + a })
    for k = 1, 5 do canvas:extend(0.5 + 0.4 * math.sin(a * k + 1 / 3), 0.5 + 0.4 * math.cos(a * 2 * k), 100 + a + k / 7) end
    canvas:finish()
    if i == 2 then canvas:place(core.tensor { { 0.1, 0.9, 0.3 }, { 1, 0.7 * math.abs(math.sin(a)), 0 } }) end
  end
  return canvas
end

local function assert_same_drawing(a, b)
  for _, size in ipairs { 1, 28, 57, 200 } do assert.is_true(a:render(size):equal(b:render(size))) end
end

-- Without what a canvas has pictures of.
local function times_of(given)
  local times = {}
  for _, stroke in ipairs(given.strokes) do
    for _, point in ipairs(stroke.points or {}) do times[#times + 1] = point[3] end
  end
  return times
end

describe("a drawing's table", function()
  it("has strokes with points, widths and times from the first point on", function()
    local canvas = canvases.new { pen = 0.1 }
    canvas:begin(0.25, 0.5, { time = 1000.5 })
    canvas:extend(0.5, 1 / 3, 1000.75)
    canvas:begin(0.1, 0.2, { time = 1002, erase = true })
    assert.same({ format = "perilune strokes", version = 1, strokes = {
      { width = 0.1, erase = false, points = { { 0.25, 0.5, 0 }, { 0.5, 0.333333, 0.25 } } },
      { width = 0.16, erase = true, points = { { 0.1, 0.2, 1.5 } } },
    } }, canvas:strokes_table())
    assert.same({ format = "perilune strokes", version = 1, strokes = {} }, canvases.new():strokes_table())
  end)

  it("gives the same drawing back, and that the same table", function()
    for seed = 1, 10 do
      local canvas = some_canvas(seed)
      local given = canvas:strokes_table()
      local other = canvases.from_table(given)
      assert_same_drawing(canvas, other)
      assert.same(given, other:strokes_table())
      assert.is_false(other:undo())
      assert.same(given, canvases.from_table(given.strokes):strokes_table()) -- the list alone
      assert.same(given, canvases.from_table(json.decode(json.encode(given))):strokes_table())
    end
  end)

  it("goes on in time where it is drawn on", function()
    local canvas = canvases.from_table { { width = 0.1, points = { { 0, 0, 5 }, { 1, 1, 8 } } } }
    canvas:begin(0.5, 0.5)
    local times = times_of(canvas:strokes_table())
    assert.same({ 0, 3 }, { times[1], times[2] })
    assert.is_true(times[3] >= 3 and times[3] < 60)
  end)
end)

describe("a drawing's file", function()
  it("of strokes is the same drawing again", function()
    for seed = 1, 10 do
      local canvas = some_canvas(seed)
      local path = file(("%d.JSON"):format(seed))
      assert.equal(path, canvas:save(path))
      local other = canvases.load(path)
      assert_same_drawing(canvas, other)
      assert.same(canvas:strokes_table(), other:strokes_table())
      other:save(file "again.json")
      assert.equal(read(path), read(file "again.json"))
      local third = canvases.new()
      third:begin(0, 0)
      third:open(path)
      assert_same_drawing(canvas, third)
    end
    canvases.new():save(file "empty.json")
    assert.is_true(canvases.load(file "empty.json"):empty())
    assert.equal('{"format":"perilune strokes","strokes":[],"version":1}\n', read(file "empty.json"))
  end)

  it("of a picture has dark ink on white, and is found as ink again", function()
    local canvas = canvases.new()
    canvas:begin(0.3, 0.2)
    canvas:extend(0.7, 0.8)
    local left, top, right, bottom = canvas:box()
    for _, name in ipairs { "a.png", "b.jpg", "c.jpeg", "d.pgm", "e.PNG" } do
      canvas:save(file(name))
      local picture = image.load(file(name))
      assert.same({ 280, 280, 1 }, picture.shape)
      assert.is_true(picture[{ 140, 140, 1 }] < 0.1 and picture[{ 20, 250, 1 }] > 0.9)
      local other = canvases.load(file(name))
      for i, value in ipairs { other:box() } do
        assert.is_true(math.abs(value - ({ left, top, right, bottom })[i]) < 0.02)
      end
      assert.is_true((other:render(112) - canvas:render(112)):abs():mean():item() < 0.01)
      assert.equal(1, #other.strokes)
    end
    canvas:save(file "small.png", { size = 28 })
    assert.same({ 28, 28, 1 }, image.load(file "small.png").shape)
    image.save(file "light.png", canvas:render(100)) -- bright ink on black is ink as well
    assert.is_true((canvases.load(file "light.png"):render(112) - canvas:render(112)):abs():mean():item() < 0.01)
  end)

  it("is refused when it is none, and the canvas stays as it was", function()
    local canvas = some_canvas(3)
    local before, version = canvas:render(40), canvas.version
    write("text.json", "hello")
    write("other.json", '{"format": "something", "strokes": []}')
    write("list.json", "[1, 2]")
    write("empty.json", "")
    write("number.json", "5")
    write("blank.png", "")
    write("text.png", "hello")
    image.save(file "white.png", core.ones(40, 40))
    write("large.json", (" "):rep((1 << 24) + 1))
    for name, words in pairs { ["text.json"] = "text.json: not JSON: Expected value but found invalid token at character 1",
      ["other.json"] = 'other.json: format is "something", expected "perilune strokes"', ["list.json"] = "list.json: no drawing",
      ["empty.json"] = "empty.json: not JSON", ["number.json"] = "number.json: no drawing", ["blank.png"] = "blank.png",
      ["text.png"] = "text.png: neither PNG, JPEG nor", ["white.png"] = "white.png: image.ink: the picture shows no ink",
      ["large.json"] = "large.json", ["none.json"] = "none.json: cannot open", ["none.png"] = "none.png" } do
      local message = says(words, canvas.open, canvas, file(name))
      assert.is_nil(message:find "%.lua:%d")
      says(words, canvases.load, file(name))
    end
    for _, bad in ipairs { file ".", "/dev/zero", "/dev/zero.json" } do assert.is_false(pcall(canvas.open, canvas, bad)) end
    says("wants a path, got a nil", canvas.open, canvas)
    says("wants a path, got a table", canvas.save, canvas, {})
    assert.equal(version, canvas.version)
    assert.is_true(before:equal(canvas:render(40)))
  end)

  it("is there whole or not at all", function()
    local canvas = some_canvas(2)
    says("cannot", canvas.save, canvas, file "no/where.json")
    says("cannot", canvas.save, canvas, file "no/where.png")
    for _, name in ipairs { "x.gif", "x", "json", "x.json.txt", "" } do
      says("must end in .json, .png", canvas.save, canvas, file(name))
    end
    says("a whole number from 1 to 8192", canvas.save, canvas, file "a.png", { size = 0 })
    says("quality", canvas.save, canvas, file "a.jpg", { quality = 200 })
    assert.same({}, names_in_folder())
    canvas:save(file "a.json")
    local before = read(file "a.json")
    canvas.strokes[1].x[1] = 0 / 0 -- what cannot be written: nothing of it is
    assert.is_false(pcall(canvas.save, canvas, file "a.json"))
    assert.equal(before, read(file "a.json"))
    assert.same({ "a.json" }, names_in_folder())
  end)

  it("is not written with more than may be read", function()
    local canvas = canvases.new()
    canvas:begin(0, 0)
    for i = 1, 100000 do canvas:extend(i % 1000 / 1000, i // 1000 / 1000) end
    says("1 strokes, 100001 points and 0 pictures are more than a file may have", canvas.save, canvas, file "a.json")
    assert.same({}, names_in_folder())
  end)
end)

describe("strokes from a stranger", function()
  local function stroke(changes)
    local one = { width = 0.1, erase = false, points = { { 0.1, 0.2, 0 }, { 0.3, 0.4, 1 } } }
    for key, value in pairs(changes) do one[key] = value end
    return one
  end

  it("are refused by their place", function()
    local png = base64.encode(image.encode(core.ones(2, 2)))
    local huge = image.encode(core.ones(2, 2)):gsub("^(" .. (".") :rep(16) .. ")........", "%1" .. (">I4I4"):pack(70000, 3))
    local from = canvases.from_table
    says("wants a table of strokes, got 5", from, 5)
    says("version is 2, expected 1", from, { format = "perilune strokes", version = 2, strokes = {} })
    says("format is nothing", from, { strokes = {} })
    says("strokes wants a list, got nothing", from, { format = "perilune strokes", version = 1 })
    for _, case in ipairs {
      { 7, "stroke 2 wants a table, got 7" },
      { {}, "stroke 2: width is nothing, expected a number above 0" },
      { stroke { width = 0 }, "stroke 2: width is 0" }, { stroke { width = 1.5 }, "stroke 2: width is 1.5" },
      { stroke { width = 0 / 0 }, "stroke 2: width is" }, { stroke { width = "0.1" }, 'stroke 2: width is "0.1"' },
      { stroke { erase = 1 }, "stroke 2: erase is 1, expected true or false" },
      { stroke { points = 5 }, "points (99998 are left of the 100000 that all strokes may have) wants a list, got 5" },
      { stroke { points = {} }, "stroke 2 has no points" },
      { stroke { points = { { 0, 0, 0 }, 5 } }, "stroke 2, point 2 wants { x, y, t }, got 5" },
      { stroke { points = { { 0, 0, 0 }, { 0, 0 } } }, "stroke 2, point 2: t is nothing" },
      { stroke { points = { { 0, 0, 0 }, { 0, 7, 0 } } }, "stroke 2, point 2: y is 7, expected a number from -1 to 2" },
      { stroke { points = { { 0, 0, 0 }, { 0 / 0, 0, 0 } } }, "stroke 2, point 2: x is" },
      { stroke { points = { { "0", 0, 0 } } }, 'stroke 2, point 1: x is "0"' },
      { stroke { points = { { 0, 0, math.huge } } }, "stroke 2, point 1: t is inf" },
      { { picture = 5 }, "stroke 2: picture wants a PNG file in base64, got 5" },
      { { picture = "!!!!" }, "stroke 2: picture wants a PNG file in base64" },
      { { picture = "aGVs" }, "stroke 2: the picture is no PNG file" },
      { { picture = png:sub(1, 60) }, "stroke 2: the picture" },
      { { picture = base64.encode(huge) }, "stroke 2: the picture is 3 x 70000, expected 1 to 1024 pixels a side" },
      { { picture = png, time = "x" }, 'stroke 2: time is "x"' },
    } do
      says("canvas.from_table: ", from, { stroke {}, case[1] })
      says(case[2], from, { stroke {}, case[1] })
    end
    assert.equal(2, #from({ stroke {}, { picture = png } }).strokes)
  end)

  it("are bounded in number", function()
    local dot, many = stroke { points = { { 0, 0, 0 } } }, {}
    for i = 1, 20001 do many[i] = dot end
    says("strokes has 20001 entries, expected at most 20000", canvases.from_table, many)
    many[20001] = nil
    assert.equal(20000, #canvases.from_table(many).strokes)
    local points, pictures = {}, {}
    for i = 1, 75000 do points[i] = { 0, i / 75000, 0 } end
    says("stroke 2: points (25000 are left of the 100000 that all strokes may have) has 75000 entries, expected at most 25000",
      canvases.from_table, { stroke { points = points }, stroke { points = points } })
    for i = 1, 65 do pictures[i] = { picture = base64.encode(image.encode(core.ones(2, 2))) } end
    says("stroke 65: more than 64 pictures", canvases.from_table, pictures)
  end)

  it("never break the reader, however the file was changed", function()
    math.randomseed(11)
    local text = read(some_canvas(5):save(file "a.json"))
    local pieces = { "{", "}", "[", "]", ",", ":", '"', "null", "true", "1e999", "-5", "nan", "0.5", "\0", "\255", '"points"', '"picture"' }
    local fine, refused = 0, 0
    for _ = 1, 3000 do
      local changed = text
      for _ = 1, math.random(3) do
        local at, what = math.random(#changed), math.random(4)
        if what == 1 then changed = changed:sub(1, at - 1) .. changed:sub(at + math.random(8))
        elseif what == 2 then changed = changed:sub(1, at) .. pieces[math.random(#pieces)] .. changed:sub(at + 1)
        elseif what == 3 then changed = changed:sub(1, at - 1) .. string.char(math.random(32, 126)) .. changed:sub(at + 1)
        else
          local from = math.random(#changed)
          changed = changed:sub(1, at) .. changed:sub(from, from + math.random(40)) .. changed:sub(at + 1)
        end
      end
      local ok, result = pcall(canvases.load, write("b.json", changed))
      if ok then
        fine = fine + 1
        result:render(8)
        assert.same(result:strokes_table(), canvases.from_table(result:strokes_table()):strokes_table())
      else
        refused = refused + 1
        assert.is_truthy(result:find("b.json: ", 1, true), result)
        assert.is_nil(result:find "%.lua:%d")
      end
    end
    assert.is_true(fine > 100 and refused > 1000)
  end)
end)

describe("base64", function()
  it("comes back", function()
    for size = 0, 70 do
      local bytes = {}
      for i = 1, size do bytes[i] = string.char(i * 37 * (size + 3) % 256) end
      local text = table.concat(bytes)
      assert.equal(text, base64.decode(html.base64(text)))
    end
    assert.equal("Perilune", base64.decode "UGVyaWx1bmU=")
    for _, bad in ipairs { "a", "ab", "abc", "====", "a===", "ab=c", "abc=abcd", "ab c", "abcd\n", "ab\255d", "ab==abcd", "abd=" } do
      assert.is_nil(base64.decode(bad), bad)
    end
  end)
end)

describe("replay", function()
  local given = { { width = 0.1, points = { { 0.1, 0.1, 3 }, { 0.2, 0.2, 3.02 }, { 0.9, 0.2, 3.1 } } },
    { width = 0.2, erase = true, points = { { 0.5, 0.5, 3.15 } } } }

  it("draws the same again, at once", function()
    for seed = 1, 5 do
      local canvas, other, calls = some_canvas(seed), canvases.new(), 0
      assert.equal(other, other:replay(canvas:strokes_table(), { speed = math.huge, on_step = function() calls = calls + 1 end }))
      assert_same_drawing(canvas, other)
      assert.same(canvas:strokes_table(), other:strokes_table())
      assert.equal(1, calls)
      local third = canvases.new():replay(canvas, { speed = math.huge })
      assert.same(canvas:strokes_table(), third:strokes_table())
      for _ = 1, #canvas.strokes do assert.is_true(other:undo()) end
      assert.is_true(other:empty() and not other:undo())
    end
    assert.equal(0, #canvases.new():replay({}).strokes)
  end)

  it("keeps the time, at any speed", function()
    local canvas, steps = canvases.new(), {}
    local begin = core.monotonic()
    canvas:replay(given, { speed = 2, on_step = function(c, seconds)
      assert.equal(canvas, c)
      local points = 0
      for _, one in ipairs(c.strokes) do points = points + one.n end
      steps[#steps + 1] = { points, seconds, core.monotonic() - begin }
    end })
    local took = core.monotonic() - begin
    assert.is_true(took >= 0.075 and took < 3)
    assert.same({ 1, 4 }, { steps[1][1], steps[#steps][1] })
    for i, due in ipairs { 0, 0.01, 0.05, 0.075 } do -- a point is never early
      for _, step in ipairs(steps) do
        if step[1] >= i then assert.is_true(step[2] >= due and step[3] >= due) end
      end
    end
    assert.same({ 0, 0.02, 0.1, 0.15 }, times_of(canvas:strokes_table()))
    assert.is_nil(canvas.stroke)
  end)

  it("can be driven from outside", function()
    local canvas = canvases.new()
    local player = canvas:player(given)
    assert.same({ 0.02, 1 }, { math.floor(player:play(0) * 1e6 + 0.5) / 1e6, select(2, player:play(0)) + 1 })
    assert.equal(1, canvas.strokes[1].n)
    assert.is_truthy(canvas.stroke)
    assert.is_truthy(player:play(0.12))
    assert.equal(3, canvas.strokes[1].n)
    assert.is_nil(canvas.stroke)
    local due, drawn = player:play(100)
    assert.same({ nil, 1 }, { due, drawn })
    assert.same({ nil, 0 }, { player:play(101) })
    assert.equal(2, #canvas.strokes)
    assert.is_true(math.abs(canvases.new():player(given, { speed = 4 }):play(0) - 0.005) < 1e-9)
  end)

  it("ends when it is told, and leaves strokes alone that were taken away under the pen", function()
    local canvas = canvases.new()
    canvas:replay(given, { speed = 10, on_step = function() return false end })
    assert.equal(1, #canvas.strokes)
    assert.is_nil(canvas.stroke)
    canvas = canvases.new()
    local player = canvas:player(given)
    player:play(0.03)
    canvas:undo()
    player:play(0.12)
    assert.equal(0, #canvas.strokes)
    player:play(1)
    assert.equal(1, #canvas.strokes)
  end)

  it("takes times that run backwards as a pause of none", function()
    local canvas = canvases.new()
    canvas:replay({ { width = 0.1, points = { { 0, 0, 5 }, { 1, 1, 2 }, { 0, 1, 5.01 } } } })
    assert.same({ 0, -3, 0.01 }, times_of(canvas:strokes_table()))
  end)

  it("refuses what is no speed and no drawing", function()
    for _, bad in ipairs { 0, -1, 0 / 0, "2" } do
      says("speed wants a number above 0", function() canvases.new():replay(given, { speed = bad }) end)
    end
    says("canvas:replay: stroke 1, point 1", function() canvases.new():replay { { width = 0.1, points = { {} } } } end)
  end)
end)

describe("files as strings", function()
  it("are read within a limit and written whole", function()
    local text = "a\0b\n" .. ("x"):rep(100000)
    core.write_file(file "a", text)
    assert.equal(text, core.read_file(file "a", 100004))
    says("a:", core.read_file, file "a", 100003)
    core.write_file(file "a", "")
    assert.equal("", core.read_file(file "a", 0))
    assert.is_false(pcall(core.read_file, file ".", 10))
    assert.is_false(pcall(core.read_file, "a\0b", 10))
    assert.is_false(pcall(core.write_file, file "none/a", "x"))
    assert.same({ "a" }, names_in_folder())
  end)

  it("sleeps for as long as it is told", function()
    local begin = core.monotonic()
    core.sleep(0.12)
    assert.is_true(core.monotonic() - begin >= 0.12)
    core.sleep(-1)
    core.sleep(0)
    assert.is_true(core.monotonic() - begin < 10)
    assert.is_false(pcall(core.sleep, 0 / 0))
  end)
end)
