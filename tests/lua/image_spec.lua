-- Pictures from Lua, folders of them, and MNIST's preprocessing held against MNIST itself.
local peri = require "perilune"
if not package.searchpath("perilune.image", package.cpath) then
  describe("pictures", function() pending "are not in this build" end)
  return
end
local image, data = peri.image, peri.data

local folder
setup(function()
  folder = os.tmpname()
  os.remove(folder)
  assert(os.execute(("mkdir -p '%s/cats' '%s/dogs'"):format(folder, folder)))
end)
teardown(function() os.execute(("rm -rf '%s'"):format(folder)) end)

local function says(part, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.truthy(message:find(part, 1, true), message)
end

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
  file:close()
  return folder .. "/" .. name
end

describe("pictures", function()
  it("come back as they were written", function()
    local x = peri.rand(13, 17, 3)
    for _, kind in ipairs { "png", "ppm" } do
      image.save(folder .. "/a." .. kind, x)
      local back = image.load(folder .. "/a." .. kind)
      assert.same({ 13, 17, 3 }, back.shape)
      assert(((back - x):abs():max():item()) <= 0.5 / 255 + 1e-6)
      assert.same({ 13, 17, 1 }, image.load(folder .. "/a." .. kind, { channels = "grey" }).shape)
    end
    image.save(folder .. "/flat.jpg", peri.full({ 16, 16, 1 }, 0.5), { quality = 95 })
    assert.near(0.5, image.load(folder .. "/flat.jpg"):mean():item(), 0.01)
    local file = assert(io.open(folder .. "/a.png", "rb"))
    assert.same({ 13, 17, 3 }, image.decode(file:read "a").shape)
    file:close()
  end)

  it("are resized", function()
    assert.same({ 14, 20, 3 }, image.resize(peri.rand(7, 10, 3), 14).shape)
    assert.near(0.5, image.resize(peri.tensor { { 0, 1 }, { 1, 0 } }, 1, 1):item(), 1e-6)
    says("cubic", image.resize, peri.rand(4, 4), 2, 2, "cubic")
  end)

  it("that are malformed give an error with the path", function()
    for name, text in pairs { ["a.png"] = "\x89PNG\r\n\x1a\nxxxx", ["b.jpg"] = "\xFF\xD8\xFF\xE0zz",
      ["c.pgm"] = "P5 9 9 255 x", ["d.png"] = "no picture" } do
      says(name, image.load, write(name, text))
    end
    says("No such file", image.load, folder .. "/nothing.png")
    says("channels", image.load, folder .. "/a.png", { channels = 2 })
    says("must end in", image.save, folder .. "/a.bmp", peri.rand(2, 2))
    says("no ink", image.digit, peri.ones(50, 50))
    local blank = folder .. "/blank.png"
    image.save(blank, peri.ones(30, 30))
    says("blank.png", image.digit, blank)
  end)
end)

describe("folders of pictures", function()
  it("give a class each, in the order of their names", function()
    for i = 1, 3 do
      image.save(("%s/cats/%d.png"):format(folder, i), peri.full({ 4, 6 }, i / 10))
      image.save(("%s/dogs/%d.pgm"):format(folder, i), peri.full({ 4, 6 }, 0.5 + i / 10))
    end
    write("cats/notes.txt", "no picture")
    local ds = data.folder(folder)
    assert.same({ "cats", "dogs" }, ds.classes)
    assert.same({ 4, 6, 1 }, ds.shape)
    local x, y = ds:one(5)
    assert.equal(1, y)
    assert.near(0.7, x:mean():item(), 1e-2)
    image.save(folder .. "/dogs/z.png", peri.ones(5, 6))
    says("give size", data.folder, { folder })
    assert.same({ 8, 8, 3 }, data.folder { folder, size = { 8, 8 }, channels = 3 }.shape)
    says("no folders", data.folder, { folder .. "/cats" })
  end)
end)

describe("MNIST's preprocessing", function()
  local found, _, test = pcall(data.mnist)
  if not found then
    pending "wants MNIST (scripts/fetch_mnist.sh)"
    return
  end

  local function correlation(a, b)
    a, b = a:reshape(784), b:reshape(784)
    a, b = a - a:mean(), b - b:mean()
    return ((a * b):sum() / ((a * a):sum() * (b * b):sum()):sqrt()):item()
  end

  -- The digit enlarged, somewhere in a larger sheet, dark on light or light on dark.
  local function sheet(digit, side, dark)
    local large = image.resize(digit, side, side)
    local paper = peri.zeros(side + 90, side + 40, 1)
    paper[{ { 31, 30 + side }, { 11, 10 + side } }] = large
    return dark and 1 - paper * 0.8 or paper * 0.9 + 0.05
  end

  it("finds the digit again in pictures of every kind and size", function()
    local sum, count = 0, 0
    for i, case in ipairs { { "png", 28, true }, { "png", 300, true }, { "png", 56, false }, { "jpg", 200, true },
      { "jpg", 400, false }, { "pgm", 100, true } } do
      for k = 1, 20 do
        local digit = test:one(i * 20 + k)
        local path = ("%s/digit.%s"):format(folder, case[1])
        image.save(path, sheet(digit, case[2], case[3]))
        local got = image.digit(path)
        assert.same({ 28, 28, 1 }, got.shape)
        local r = correlation(got, digit)
        sum, count = sum + r, count + 1
        assert(r > 0.6, ("test digit %d as %s of %d correlates by %.3f"):format(i * 20 + k, case[1], case[2], r))
      end
    end
    assert(sum / count > 0.95, ("mean correlation %.3f"):format(sum / count))
  end)
end)
