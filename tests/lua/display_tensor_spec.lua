--- How tensors show themselves on a page: tables of a few numbers, pictures as PNG.
local peri = require "perilune"
local display = require "perilune.display"

local has_pictures = package.searchpath("perilune.image", package.cpath) ~= nil

local function page(x) return display.forms(x)["text/html"] end

-- The texts of the cells, row by row, without tags.
local function cells(html)
  local rows = {}
  for row in html:gmatch "<tr>(.-)</tr>" do
    local list = {}
    for text in row:gmatch "<t[dh][^<>]*>(.-)</t[dh]>" do list[#list + 1] = text:gsub("<[^<>]*>", "") end
    rows[#rows + 1] = table.concat(list, " ")
  end
  return rows
end

local function caption(html) return html:match "<caption[^<>]*>(.-)</caption>" end

describe("a tensor's table", function()
  it("has type and sizes above, positions at its edges, and all numbers of a small one", function()
    local html = page(peri.tensor { { 1, 2.5 }, { -3, 4 } })
    assert.equal("float32 (2, 2)", caption(html))
    assert.same({ " 1 2", "1 1.0 2.5", "2 -3.0 4.0" }, cells(html))
    assert.same({ "1 2 3", "7 8 9" }, cells(page(peri.tensor({ 7, 8, 9 }, "int64"))))
    assert.same({ "3.5" }, cells(page(peri.tensor(3.5))))
    assert.equal("float32 ()", caption(page(peri.tensor(3.5))))
    assert.equal("float32 (2), requires a gradient", caption(page(peri.ones(2):require_grad())))
  end)

  it("keeps text/plain as printed", function()
    local x = peri.randn(3, 4)
    assert.equal(tostring(x), display.forms(x)["text/plain"])
  end)

  it("leaves out the middle", function()
    local x = peri.arange(1, 10000, "int64"):reshape(100, 100)
    local rows = cells(page(x))
    assert.equal(12, #rows)
    assert.equal(" 1 2 3 4 5 … 96 97 98 99 100", rows[1])
    assert.equal("1 1 2 3 4 5 … 96 97 98 99 100", rows[2])
    assert.equal(" ⋮ ⋮ ⋮ ⋮ ⋮ ⋮ ⋮ ⋮ ⋮ ⋮ ⋮", rows[7])
    assert.equal("100 9901 9902 9903 9904 9905 … 9996 9997 9998 9999 10000", rows[12])
    assert.same({ "1 2 3 4 5 6 … 95 96 97 98 99 100", "1 2 3 4 5 6 … 95 96 97 98 99 100" },
      cells(page(peri.arange(1, 100, "int64"))))
    assert.equal("1 2 3 4 5 6 7 8 9 10 11 12 13", cells(page(peri.zeros(13)))[1]) -- nothing is gained by hiding one
  end)

  it("names the matrices of more axes, and leaves out the middle ones", function()
    local x = peri.arange(1, 2 * 3 * 2 * 2, "int64"):reshape(2, 3, 2, 2)
    assert.same({ " 1 2", "[1, 1]", "1 1 2", "2 3 4", "[1, 2]", "1 5 6", "2 7 8", "… 3 more", "[2, 3]", "1 21 22",
      "2 23 24" }, cells(page(x)))
    assert.same({ " 1", "[1]", "1 0.0", "[2]", "1 0.0" }, cells(page(peri.zeros(2, 1, 1))))
    assert.is_nil(page(peri.zeros(2, 2, 2)):find("more", 1, true))
  end)

  it("reads views as they are seen", function()
    local x = peri.arange(1, 6, "int64"):reshape(2, 3)
    assert.same({ " 1 2", "1 1 4", "2 2 5", "3 3 6" }, cells(page(x.T)))
    assert.same({ " 1 2", "1 1 3", "2 4 6" }, cells(page(x[{ {}, { 1, 3, 2 } }])))
    assert.same({ " 1 2", "1 2 2" }, cells(page(peri.tensor({ 2 }, "int64"):reshape(1, 1):expand(1, 2))))
  end)

  it("writes all numbers in one way, and what is not finite by its name", function()
    local x = peri.tensor({ { 0 / 0, 1 / 0 }, { -1 / 0, 0.25 } })
    assert.same({ " 1 2", "1 nan inf", "2 -inf 0.25" }, cells(page(x)))
    assert.same({ "1 2", "1.0000e-06 3.0000e+00" }, { cells(page(peri.tensor { 1e-6, 3 }))[1],
      (cells(page(peri.tensor { 1e-6, 3 }))[2]:gsub("%.0e", ".0000e")) })
    assert.same({ "1 2", "0.1000 1.2346" }, cells(page(peri.tensor { 0.1, 1.23456789 })))
    assert.same({ "1 2", "-1 1000" }, cells(page(peri.tensor({ -1, 1000 }, "int64"))))
    assert.same({ "1 2", "0 1" }, cells(page(peri.tensor { -1, 1 }:gt(0))))
  end)

  it("holds the smallest and largest whole numbers", function()
    local x = peri.tensor({ 2 ^ 62, -(2 ^ 62) }, "int64")
    x = x + x:clamp(nil, 0) -- -2^63
    assert.same({ "1 2", "4611686018427387904 -9223372036854775808" }, cells(page(x)))
  end)

  it("says when there is nothing", function()
    for _, shape in ipairs { { 0 }, { 0, 3 }, { 3, 0 }, { 2, 0, 4 }, { 0, 28, 28, 1 } } do
      local html = page(peri.zeros(shape))
      assert.same({ "no elements" }, cells(html))
      assert.equal(("float32 (%s)"):format(table.concat(shape, ", ")), caption(html))
    end
  end)

  it("is not there for a tensor that was freed", function()
    local x = peri.ones(2)
    x:free()
    assert.same({ ["text/plain"] = "tensor (freed)" }, display.forms(x))
    assert.equal("tensor (freed)", display.terminal(x))
  end)

  it("records nothing, and changes nothing", function()
    local x = peri.randn(4, 4):require_grad()
    local before = peri.memory()
    for _ = 1, 20 do display.forms(x) end
    collectgarbage()
    collectgarbage()
    assert.is_true(peri.memory() <= before)
    assert.is_true(x.requires_grad)
    assert.is_true(peri.grad_enabled())
  end)

  it("is the same for the same numbers, and small for any size", function()
    local x = peri.randn(300, 50, 40)
    assert.equal(page(x), page(x:clone()))
    assert.is_true(#page(x) < 30000)
  end)
end)

-- --- pictures ---------------------------------------------------------------------------------------------------

if not has_pictures then
  describe("pictures", function() pending "are not in this build" end)
  return
end

local function png(x) return display.forms(x)["image/png"] end
local function decoded(bytes) return peri.image.decode(bytes) end

describe("a tensor of pictures", function()
  it("is a PNG alone, since pages would rather take a table", function()
    local forms = display.forms(peri.rand(28, 28, 1))
    assert.is_truthy(forms["image/png"]:find "^\x89PNG\r\n")
    assert.is_nil(forms["text/html"])
  end)

  it("is enlarged by whole squares", function()
    local x = (peri.rand(20, 30, 3) * 255):byte()
    local back = decoded(png(x))
    assert.same({ 120, 180, 3 }, back.shape)
    for _, at in ipairs { { 1, 6 }, { 1, 1 }, { 3, 4 } } do
      local part = (back[{ { at[1], 120, 6 }, { at[2], 180, 6 } }] * 255):round():byte()
      assert.is_true(part:equal(x))
    end
  end)

  it("must look like pictures: type, channels, sides of 8, values", function()
    assert.is_nil(png(peri.rand(28, 28)))                        -- any matrix
    assert.is_nil(png(peri.rand(7, 28, 1)))
    assert.is_nil(png(peri.rand(28, 28, 2)))
    assert.is_nil(png(peri.rand(28, 28, 1) * 1.01 + 0.01))
    assert.is_nil(png(peri.rand(28, 28, 1) - 0.01))
    assert.is_nil(png(peri.zeros({ 28, 28, 1 }, "int64")))
    assert.is_nil(png(peri.rand(3, 3, 1, 32)))                   -- a kernel
    assert.is_nil(png(peri.rand(2, 2, 28, 28, 1)))
    for _, shape in ipairs { { 8, 8, 1 }, { 8, 9, 3 }, { 9, 8, 4 }, { 2, 8, 8, 1 }, { 1, 8, 8, 3 }, { 2, 8, 8, 4 } } do
      assert.is_truthy(png(peri.rand(shape)))
      assert.is_truthy(png(peri.zeros(shape, "uint8")))
      assert.is_truthy(png(peri.rand(shape):double()))
    end
    local spoilt = peri.rand(8, 8, 1)
    spoilt[{ 1, 1, 1 }] = 0 / 0
    assert.is_nil(png(spoilt))
    assert.is_truthy(page(spoilt))
  end)

  it("shows a mask in black and white", function()
    local mask = peri.zeros({ 8, 8, 1 }, "uint8")
    mask[{ 3, 4, 1 }] = 1
    local back = decoded(png(mask))
    assert.equal(1, back:max():item())
    mask[{ 3, 4, 1 }] = 2 -- no mask any more
    assert.near(2 / 255, decoded(png(mask)):max():item(), 1e-6)
  end)

  it("lays a batch out in rows, with nothing between the pictures", function()
    local x = peri.zeros(10, 28, 28, 1)
    for i = 1, 10 do x[i] = i / 10 end
    local back = decoded(png(x)) -- transparent pixels are laid over white
    assert.same({ (28 + 28 + 2) * 3, (8 * 30 - 2) * 3, 1 }, back.shape)
    assert.near(0.1, back[{ 1, 1, 1 }], 0.003)
    assert.near(0.2, back[{ 1, 91, 1 }], 0.003)
    assert.near(0.9, back[{ 91, 1, 1 }], 0.003)
    assert.near(1, back[{ 1, 86, 1 }], 1e-6)
    assert.near(1, back[{ 174, 714, 1 }], 1e-6)
  end)

  it("shows at most forty, whatever is behind them", function()
    local few, many = peri.zeros(40, 16, 16, 1), peri.zeros(4000, 16, 16, 1)
    many[{ { 41, 4000 } }] = 7 -- not looked at
    assert.equal(png(few), png(many))
  end)

  it("makes large ones smaller", function()
    local shape = decoded(png(peri.rand(3000, 1500, 1))).shape
    assert.same({ 1024, 512, 1 }, shape)
    local wide = decoded(png((peri.rand(500, 6000, 4)))).shape
    assert.is_true(wide[2] <= 1024 and wide[1] >= 60)
    local batch = decoded(png(peri.rand(6, 500, 500, 3))).shape
    assert.is_true(batch[2] <= 740)
    local bytes = decoded(png(peri.full({ 1200, 1200, 3 }, 77, "uint8")))
    assert.near(77 / 255, bytes:mean():item(), 1e-4)
  end)

  it("takes alpha", function()
    local x = peri.zeros(8, 8, 4)
    assert.equal(1, decoded(png(x)):min():item())
    x[{ {}, {}, { 4, 4 } }] = 1
    assert.equal(0, decoded(png(x)):max():item())
  end)

  it("is the same from run to run, and for views", function()
    local x = peri.rand(5, 16, 18, 3)
    assert.equal(png(x), png(x:clone()))
    local turned = x:permute(1, 3, 2, 4)
    assert.equal(png(turned:contiguous()), png(turned))
    assert.equal(png(x), png(x:clone():require_grad()))
  end)
end)

describe("peri.image", function()
  it("is the module still, and shows what is called a picture", function()
    assert.is_function(peri.image.load)
    local x = peri.tensor { { -1, 0 }, { 1, 3 } }
    local back = decoded(display.forms(peri.image(x, { scale = 2 }))["image/png"])
    assert.same({ 4, 4, 1 }, back.shape)
    assert.near(0, back[{ 1, 1, 1 }], 1e-6)
    assert.near(0.25, back[{ 1, 4, 1 }], 0.003)
    assert.near(1, back[{ 4, 4, 1 }], 1e-6)
    local known = decoded(display.forms(peri.image(x, { scale = 1, range = { 0, 2 } }))["image/png"])
    assert.same({ 0, 0, 128, 255 }, (known * 255):round():reshape(4):totable())
    assert.is_truthy(tostring(peri.image(x)):find("float32 (2, 2)", 1, true))
  end)

  it("stretches over what is finite, and takes whole numbers", function()
    local x = peri.tensor { { 0 / 0, 10, 20 }, { 1 / 0, -1 / 0, 30 } }
    local back = decoded(display.forms(peri.image(x, { scale = 1 }))["image/png"])
    assert.same({ 0, 0, 128, 255, 0, 255 }, (back * 255):round():reshape(6):totable())
    assert.is_truthy(display.forms(peri.image(peri.tensor({ { 0, 5 }, { 9, 2 } }, "int64")))["image/png"])
    assert.is_truthy(display.forms(peri.image(peri.full({ 3, 3 }, 0 / 0)))["image/png"])
    assert.is_truthy(display.forms(peri.image(peri.full({ 3, 3 }, 5)))["image/png"])
  end)

  it("takes files and their bytes, with a size on the page", function()
    local bytes = peri.image.encode(peri.rand(4, 5, 3))
    local forms, metadata = display.forms(peri.image(bytes, { width = 50 }))
    assert.equal(bytes, forms["image/png"])
    assert.same({ ["image/png"] = { width = 50 } }, metadata)
    local path = os.tmpname()
    local file = io.open(path, "wb")
    file:write(bytes)
    file:close()
    assert.equal(bytes, display.forms(peri.image(path))["image/png"])
    os.remove(path)
  end)

  it("says what it does not take", function()
    local function says(part, ...)
      local ok, message = pcall(peri.image, ...)
      assert.is_false(ok)
      assert.is_truthy(tostring(message):find(part, 1, true), tostring(message))
    end
    says("wants a tensor", {})
    says("wants a tensor", nil)
    says("(2, 3, 5)", peri.rand(2, 3, 5))
    says("no pixels", peri.zeros(0, 3))
    says("range wants", peri.rand(3, 3), { range = { 1, 0 } })
    says("scale wants", peri.rand(3, 3), { scale = 65 })
    says("columns wants", peri.rand(2, 3, 3, 1), { columns = 0 })
    says("no_such_file.png", "no_such_file.png")
    says("neither PNG", "tests/lua/display_tensor_spec.lua")
    says("unknown argument", peri.rand(3, 3), { size = 3 })
  end)
end)

describe("image.encode", function()
  it("gives back what it was given", function()
    for channels = 1, 3, 2 do
      local x = (peri.rand(5, 7, channels) * 255):byte()
      assert.is_true((decoded(peri.image.encode(x)) * 255):round():byte():equal(x))
    end
    assert.same({ 6, 9, 1 }, decoded(peri.image.encode(peri.rand(2, 3), { scale = 3 })).shape)
  end)

  it("refuses what is no picture", function()
    for part, x in pairs { ["(3, 3, 5)"] = peri.rand(3, 3, 5), int64 = peri.zeros({ 2, 2 }, "int64"), ["(0, 3)"] = peri.zeros(0, 3) } do
      local ok, message = pcall(peri.image.encode, x)
      assert.is_false(ok)
      assert.is_truthy(message:find(part, 1, true))
    end
    assert.is_false((pcall(peri.image.encode, peri.rand(3, 3), { scale = 0 })))
    assert.is_false((pcall(peri.image.encode, peri.rand(3, 3), { scale = 65 })))
    assert.is_false((pcall(peri.image.encode, peri.rand(3000, 3), { scale = 64 })))
  end)
end)
