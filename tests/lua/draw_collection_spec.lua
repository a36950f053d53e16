-- Corrected drawings as a data set on disk: what is written, who reads it, and what befalls a folder.
local peri = require "perilune"
local cjson = require "cjson"
local collections = require "perilune.draw.collection"
local core = require "perilune.core"
local canvases = require "perilune.draw.canvas"
local data = peri.data

local folder
before_each(function()
  folder = os.tmpname()
  os.remove(folder)
end)
after_each(function() os.execute(("rm -rf '%s'"):format(folder)) end)

-- A picture of one's own: a bar whose place and strength tell it from others.
local function picture(n)
  local x = peri.zeros(28, 28, 1)
  for row = 6, 22 do x[{ row, 5 + n % 18 }] = 1 - (n % 7) / 10 end
  return x
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function files_of(classes)
  return data.idx { images = folder .. "/drawings-images-idx3-ubyte", labels = folder .. "/drawings-labels-idx1-ubyte",
    classes = classes }
end

local function names(path)
  local list = {}
  for name in io.popen(("ls -A '%s'"):format(path)):lines() do list[#list + 1] = name end
  return list
end

describe("a collection", function()
  it("keeps pictures and strokes by class, under numbers", function()
    local c = collections.open(folder)
    assert.equal(0, #c)
    assert.is_nil(c:dataset())
    assert.equal(folder .. "/7/0001.png", c:add(picture(1), 7))
    assert.equal(folder .. "/7/0002.png", c:add(picture(2), "7", { format = "perilune strokes", strokes = {} }))
    assert.equal(folder .. "/A/0001.png", c:add(picture(3), "A"))
    assert.equal(3, #c)
    assert.same({ ["7"] = 2, A = 1 }, c:counts())
    assert.same({ "0001.png", "0002.json", "0002.png" }, names(folder .. "/7"))
    assert.equal("perilune strokes", cjson.decode(read(folder .. "/7/0002.json")).format)
    assert.same({ "7", "A", "drawings-classes.json", "drawings-images-idx3-ubyte", "drawings-labels-idx1-ubyte" },
      names(folder))
    local kept = peri.image.load(folder .. "/A/0001.png")
    assert.same({ 28, 28, 1 }, kept.shape)
    assert.is_true((kept - picture(3)):abs():max():item() <= 0.5 / 255 + 1e-6)
  end)

  it("is read by data.idx and by data.folder", function()
    local c = collections.open(folder)
    for i, label in ipairs { 7, "A", 3, "A", 7 } do c:add(picture(i), label) end
    local classes = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "A" }
    assert.same(classes, cjson.decode(read(folder .. "/drawings-classes.json")))
    assert.same(classes, c.classes)
    local set, wanted = files_of(c.classes), { picture(3), picture(1), picture(5), picture(2), picture(4) }
    assert.same({ 3, 7, 7, 10, 10 }, set:labels():totable())
    for i, x in ipairs(wanted) do assert.is_true((set:one(i) - x):abs():max():item() <= 0.5 / 255 + 1e-6) end
    local by_folder = data.folder(folder)
    assert.same({ "3", "7", "A" }, by_folder.classes)
    assert.same({ 0, 1, 1, 2, 2 }, by_folder:labels():totable())
    assert.is_true((by_folder:tensors()):equal((set:tensors())))
    assert.is_true((c:dataset():tensors()):equal((set:tensors())))
    assert.same({ 0, 1, 1 }, c:dataset({ "3", "7" }):labels():totable())
  end)

  it("goes on where it was left, numbers too", function()
    collections.open(folder):add(picture(1), 4)
    local again = collections.open(folder .. "/")
    assert.equal(1, #again)
    assert.equal(folder .. "/4/0002.png", again:add(picture(2), 4))
    os.remove(folder .. "/4/0001.png")
    assert.equal(folder .. "/4/0003.png", again:add(picture(3), 4))
    assert.equal(2, #again)
    write(folder .. "/4/0009.json", "{}") -- strokes whose picture never came
    assert.equal(folder .. "/4/0010.png", again:add(picture(4), 4))
  end)

  it("takes a drawing away again, and an empty class with it", function()
    local c = collections.open(folder)
    local path = c:add(picture(1), "A", { strokes = {} })
    c:add(picture(2), 1)
    c:remove(path)
    assert.same({ "1", "drawings-classes.json", "drawings-images-idx3-ubyte", "drawings-labels-idx1-ubyte" },
      names(folder))
    assert.same({ 1 }, files_of():labels():totable())
    c:remove(path) -- gone already
    c:remove(folder .. "/1/0001.png")
    assert.equal(0, #c)
    assert.equal(0, #files_of())
  end)

  it("refuses names that a folder cannot have, and says why", function()
    local c = collections.open(folder)
    for name, why in pairs { ["A/B"] = "holds a slash", ["A\\B"] = "holds a slash", [".."] = "begins with a dot",
      ["."] = "begins with a dot", [".hidden"] = "begins with a dot", [""] = "is empty", [("x"):rep(65)] = "65 bytes",
      ["a\nb"] = "control character", ["a\0b"] = "control character", ["a\127b"] = "control character",
      ["\xff"] = "no UTF%-8", [" A"] = "blank", ["A "] = "blank", ["/etc"] = "slash" } do
      local ok, message = pcall(c.add, c, picture(1), name)
      assert.is_false(ok)
      assert.matches(why, message)
    end
    for _, label in ipairs { 7.5, true, {} } do
      assert.error_matches(function() c:add(picture(1), label) end, "named by a text or a whole number")
    end
    assert.is_nil(io.open(folder))
    assert.equal("é", collections.name "é")
    assert.equal("7", collections.name(7.0))
    c:add(picture(1), "a b'c\"d$`")
    assert.equal(1, #collections.open(folder))
  end)

  it("refuses what is no picture that a net sees", function()
    local c = collections.open(folder)
    assert.error_matches(function() c:add(peri.zeros(20, 20, 1), 1) end, "got %(20, 20, 1%)")
    assert.error_matches(function() c:add(peri.zeros(28, 28, 3), 1) end, "got %(28, 28, 3%)")
    assert.error_matches(function() c:add("x", 1) end, "got a string")
    assert.error_matches(function() c:add(nil, 1) end, "got nil")
    assert.is_nil(io.open(folder))
  end)

  it("says what is in its place", function()
    write(folder, "a file")
    assert.error_matches(function() collections.open(folder) end, "is a file, expected a folder")
    assert.error_matches(function() collections.open "" end, "an empty one")
    assert.error_matches(function() collections.open(nil) end, "got a nil")
    assert.error_matches(function() collections.open(folder .. "/inside"):add(picture(1), 1) end, "cannot make the folder")
  end)

  it("loses nothing in a broken folder, and tells of what it cannot use", function()
    local c = collections.open(folder)
    c:add(picture(1), 1)
    c:add(picture(2), 2)
    write(folder .. "/1/0002.png", "no picture")
    write(folder .. "/1/0003.png", "")
    write(folder .. "/2/note.txt", "not of ours")
    peri.image.save(folder .. "/2/large.png", peri.zeros(40, 30, 1))
    write(folder .. "/drawings-images-idx3-ubyte", "garbage")
    write(folder .. "/drawings-classes.json", "{")
    os.remove(folder .. "/drawings-labels-idx1-ubyte")
    os.execute(("mkdir '%s/ bad'"):format(folder))
    local again = collections.open(folder)
    assert.equal(2, #again)
    assert.equal(4, #again.problems)
    local said = table.concat(again.problems, "\n")
    for _, words in ipairs { "1/0002.png", "1/0003.png", "large.png is 40 x 30, expected 28 x 28", "/ bad: the name begins" } do
      assert.truthy(said:find(words, 1, true), words)
    end
    assert.equal(folder .. "/1/0004.png", again:add(picture(3), 1))
    assert.same({ 1, 1, 2 }, files_of():labels():totable())
    assert.same({ "0001.png", "0002.png", "0003.png", "0004.png" }, names(folder .. "/1"))
    assert.equal("no picture", read(folder .. "/1/0002.png"))
  end)

  it("sees what others have added or changed", function()
    local one, other = collections.open(folder), collections.open(folder)
    one:add(picture(1), 1)
    other:add(picture(2), 2)
    assert.equal(2, #other)
    assert.equal(1, #one)
    assert.equal(2, #one:refresh())
    peri.image.save(folder .. "/1/0001.png", picture(3))
    local x = one:refresh():dataset():one(1)
    assert.is_true((x - picture(3)):abs():max():item() < 0.01)
  end)

  it("keeps every shade", function()
    local shades = {}
    for i = 1, 784 do shades[i] = (i % 256) / 255 end
    local x = peri.tensor(shades):reshape(28, 28, 1)
    local c = collections.open(folder)
    c:add(x, 1)
    local bytes = c:stored():reshape(-1):totable()
    for i = 1, 784 do assert.equal(i % 256, bytes[i]) end
    assert.is_true((files_of():tensors()):reshape(28, 28, 1):sub(x):abs():max():item() < 1e-6)
  end)

  it("writes its files again when another program adds meanwhile", function()
    local c, original = collections.open(folder), core.idx_write
    c:add(picture(1), 1)
    core.idx_write = function(...)
      core.idx_write = original
      os.execute(("mkdir '%s/3'"):format(folder))
      peri.image.save(folder .. "/3/0001.png", picture(9))
      return original(...)
    end
    c:add(picture(2), 2)
    assert.equal(original, core.idx_write)
    assert.same({ 1, 2, 3 }, files_of():labels():totable())
    assert.equal(3, #c)
  end)

  it("loses nothing when several programs add at once", function()
    local program = os.tmpname()
    write(program, ([[
      local c = require("perilune.draw.collection").open %q
      local core = require "perilune.core"
      for i = 1, 15 do
        local x = core.zeros({ 28, 28, 1 }, "float32")
        x[{ i, tonumber(arg[1]) }] = 1
        c:add(x, i %% 2 == 0 and "B" or 5, { strokes = {}, by = arg[1] })
      end
    ]]):format(folder))
    local pipes = {}
    for i = 1, 3 do
      pipes[i] = io.popen(("LUA_PATH='%s' LUA_CPATH='%s' lua5.4 '%s' %d 2>&1"):format(package.path, package.cpath, program, i))
    end
    for _, pipe in ipairs(pipes) do
      assert.equal("", pipe:read "a")
      assert.is_true(pipe:close())
    end
    os.remove(program)
    local c = collections.open(folder)
    assert.same({ ["5"] = 24, B = 21 }, c:counts())
    assert.same({}, c.problems)
    local seen = {}
    local set = files_of(c.classes)
    assert.equal(45, #set)
    for i = 1, 45 do seen[set:one(i):reshape(-1):argmax(1):item()] = true end
    local count = 0
    for _ in pairs(seen) do count = count + 1 end
    assert.equal(45, count) -- each of its own
    for _, name in ipairs(names(folder .. "/B")) do assert.matches("^%d+%.[jp][sn]o?[gn]$", name) end
    assert.equal(48, #names(folder .. "/5"))
  end)

  it("keeps what a canvas gives", function()
    local canvas = canvases.new()
    canvas:begin(0.5, 0.1)
    canvas:extend(0.5, 0.9)
    canvas:finish()
    local c = collections.open(folder)
    c:add(peri.image.digit(canvas:render(112), { ink = "light" }), 1, canvas:strokes_table())
    local again = canvases.load(folder .. "/1/0001.json")
    assert.is_true(again:render(40):equal(canvas:render(40)))
  end)
end)

describe("files of the core", function()
  it("makes a file once", function()
    local path = os.tmpname()
    assert.is_false(core.create_file(path, "new"))
    assert.equal("", read(path))
    os.remove(path)
    assert.is_true(core.create_file(path, "new"))
    assert.is_false(core.create_file(path, "newer"))
    assert.equal("new", read(path))
    os.remove(path)
    assert.error_matches(function() core.create_file("/nowhere/at/all", "x") end, "/nowhere/at/all")
    assert.error_matches(function() core.create_file("a\0b", "x") end, "NUL")
  end)

  it("writes IDX that idx_read reads", function()
    local path = os.tmpname()
    for _, t in ipairs { peri.tensor({ { 1, 2, 3 }, { 250, 251, 252 } }, "uint8"), peri.tensor({ -5, 70000 }, "int64"),
      peri.tensor { 1.5, -2 }, peri.tensor({ { 1 / 3 } }, "float64"), peri.zeros({ 0, 28, 28 }, "uint8") } do
      core.idx_write(path, t)
      local back = core.idx_read(path)
      assert.equal(t.dtype, back.dtype)
      assert.same(t.shape, back.shape)
      assert.is_true(t:equal(back))
    end
    assert.error_matches(function() core.idx_write(path, peri.tensor({ 1 << 40 }, "int64")) end, "32 bits")
    assert.error_matches(function() core.idx_write(path, peri.tensor(3.0)) end, "no axes")
    assert.same({ 0, 28, 28 }, core.idx_read(path).shape) -- what was there stays
    os.remove(path)
  end)
end)

describe("save_idx", function()
  it("writes a set that data.idx reads back", function()
    local images, labels = os.tmpname(), os.tmpname()
    local set = data.drawn { n = 12, seed = 3 }:subset { 5, 1, 12 }
    set:save_idx { images = images, labels = labels }
    local back = data.idx { images = images, labels = labels }
    assert.is_true((back:tensors()):equal((set:tensors())))
    assert.same(set:labels():totable(), back:labels():totable())
    assert.equal("\0\0\8\3\0\0\0\3\0\0\0\28\0\0\0\28", read(images):sub(1, 16))
    assert.equal("\0\0\8\1\0\0\0\3", read(labels):sub(1, 8))
    assert.error_matches(function() data.tensors(peri.zeros(2, 3)):save_idx { images = images, labels = labels } end,
      "no labels to write")
    assert.error_matches(function() set:map(function(x) return x end):save_idx { images = images } end, "before map")
    assert.error_matches(function() set:save_idx {} end, "'images' is missing")
    os.remove(images)
    os.remove(labels)
  end)
end)
