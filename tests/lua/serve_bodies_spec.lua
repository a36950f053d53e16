-- What the service's door reads out of bodies, in C, is what perilune.draw and a data set make of the same: to the bit.
-- The client is bash, whose /dev/tcp needs no library.
local peri = require "perilune"
local canvases = require "perilune.draw.canvas"
local core = require "perilune.core"
local defaults = require "perilune.serve.drawing"
local image = require "perilune.image"
local json = require "perilune.json"
local recognisers = require "perilune.draw.recogniser"
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local scratch = dofile(here .. "/support/scratch.lua")
local found, http = pcall(require, "perilune.http")
if not found then return end -- a build without the service

local LABELS = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }
local door, recogniser

local function write(name, bytes)
  local file <close> = assert(io.open(scratch.file(name), "wb"))
  assert(file:write(bytes))
  return scratch.file(name)
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- Sends a body; the pipe gives the answer.
local function send(kind, body, target)
  local head = ("POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n")
    :format(target or "/images", kind, #body)
  local path = write("request", head .. body)
  return assert(io.popen(("bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d && cat %s >&3 && cat <&3'"):format(door.port, path)))
end

-- What the door makes of a body that is well: images, a copy, and the request's other fields.
local function images_of(kind, body)
  local pipe <close> = send(kind, body)
  local what, request = door:wait(20)
  if what ~= "request" then error(pipe:read "a") end
  local images, seen = request.images:clone(), { kind = request.kind, label = request.label, class = request.class }
  request:answer { body = "{}" }
  assert.truthy(pipe:read "a":find "^HTTP/1.1 200 ")
  return images, seen
end

local function refusal_of(kind, body)
  local pipe <close> = send(kind, body)
  local status, answer = pipe:read "a":match "^HTTP/1.1 (%d+) .-\r\n\r\n(.*)$"
  local said = json.decode(answer).error
  assert.equal(tonumber(status), said.status)
  return said.status, said.reason
end

local function same(wanted, got)
  assert.same({ 1, 28, 28, 1 }, got.shape)
  assert.is_true(got:reshape(28, 28, 1):equal(wanted))
end

-- Strokes in the unit of a canvas of this size as a body, and on a canvas of perilune.draw.
local function body_of(strokes, pen, width, height)
  local lists = {}
  for i, stroke in ipairs(strokes) do
    local points = {}
    for k, point in ipairs(stroke) do points[k] = ("[%.17g,%.17g]"):format(point[1], point[2]) end
    lists[i] = "[" .. table.concat(points, ",") .. "]"
  end
  return ('{"strokes":[%s],"pen":%.17g,"width":%.17g,"height":%.17g}'):format(table.concat(lists, ","), pen, width, height)
end

local function canvas_of(strokes, pen, width, height)
  local side = math.max(width, height)
  local canvas = canvases.new { pen = pen / side }
  for _, stroke in ipairs(strokes) do
    for k, point in ipairs(stroke) do
      local x, y = (point[1] + (side - width) / 2) / side, (point[2] + (side - height) / 2) / side
      if k == 1 then canvas:begin(x, y) else canvas:extend(x, y) end
    end
    canvas:finish()
  end
  return canvas
end

local function scaled(drawing, factor, left, top)
  local strokes = {}
  for i, stroke in ipairs(drawing.strokes) do
    strokes[i] = {}
    for k, point in ipairs(stroke.points) do strokes[i][k] = { point[1] * factor + left, point[2] * factor + top } end
  end
  return strokes
end

-- Holds the door to the recogniser; false when the recogniser sees more than one digit, which only it can.
local function agree(strokes, pen, width, height)
  local seen = recogniser:predict(canvas_of(strokes, pen, width, height))
  if seen.digits then return false end
  local images, told = images_of("application/json", body_of(strokes, pen, width, height))
  assert.equal("strokes", told.kind)
  same(seen.input, images)
  return true
end

local drawings = json.decode(read "tests/support/hands.json").drawings

setup(function()
  scratch.make()
  recogniser = recognisers.bundled()
  door = http.open { port = 0, models = { { name = "digits", shape = { 28, 28, 1 }, labels = LABELS } },
    routes = { ["POST /images"] = "images" } }
end)

teardown(function()
  door:close()
  scratch.remove()
end)

describe("strokes", function()
  it("are seen as the recogniser sees them on a canvas, in every hand", function()
    local agreed, all = 0, 0
    for _, drawing in ipairs(drawings) do
      all = all + 1
      if agree(scaled(drawing, 280, 0, 0), 24, 280, 280) then agreed = agreed + 1 end
    end
    assert.truthy(all >= 30 and agreed >= all - 2, ("%d of %d"):format(agreed, all))
  end)

  it("that do not say what pen and canvas are theirs have those that the description names", function()
    local function seen(body) return (images_of("application/json", body)) end
    local whole = body_of({ { { 90, 40 }, { 190, 60 }, { 120, 250 } } }, defaults.PEN, defaults.SIDE, defaults.SIDE)
    local bare = whole:gsub(',"pen".*$', "}")
    local wanted = seen(bare)
    assert.is_true(seen(whole):equal(wanted))
    for name, value in pairs { pen = defaults.PEN / 4, width = defaults.SIDE * 4, height = defaults.SIDE * 4 } do -- the test tells
      assert.is_false(seen((bare:gsub("}$", (',"%s":%g}'):format(name, value)))):equal(wanted), name)
    end
  end)

  it("whatever the pen, the place and the size", function()
    for i, drawing in ipairs(drawings) do
      if i % 4 == 1 then
        assert.is_true(agree(scaled(drawing, 90, 150.5, 30.25), 20, 280, 280)) -- small: the pen is made narrower
        assert.is_true(agree(scaled(drawing, 1, 0, 0), 0.03, 1, 1))
        assert.is_true(agree(scaled(drawing, 1000, 200, 0), 90, 1400, 1000))
        assert.is_true(agree(scaled(drawing, 300, 0, 150), 25, 300, 600))
      end
    end
  end)

  it("a dot, a line of many points, and what runs out of the canvas", function()
    assert.is_true(agree({ { { 140, 140 } } }, 20, 280, 280))
    local wave = {}
    for i = 0, 1000 do wave[i + 1] = { 60 + i * 0.16, 140 + 60 * math.sin(i / 150) } end
    assert.is_true(agree({ wave }, 18, 280, 280))
    assert.is_true(agree({ { { 140, -50 }, { 140, 1e9 } } }, 20, 280, 280))
    assert.is_true(agree({ { { 100, 100 }, { 100, 100 }, { 100, 200 } } }, 1e-9, 280, 280))
  end)

  it("nothing on the canvas is refused, and says so", function()
    local status, reason = refusal_of("application/json", body_of({ { { -500, -500 } } }, 20, 280, 280))
    assert.same({ 422, "strokes: nothing is drawn on the canvas of 280 x 280" }, { status, reason })
  end)
end)

describe("pictures", function()
  local function drawn(of)
    return canvas_of(scaled(of, 280, 0, 0), 24, 280, 280):render(140)
  end

  it("are seen as the recogniser sees them, dark on light or light on dark", function()
    for i, drawing in ipairs(drawings) do
      if i % 5 == 0 then
        for _, picture in ipairs { drawn(drawing), 1 - drawn(drawing) * 0.8 } do
          for _, ending in ipairs { ".png", ".jpg" } do
            local path = scratch.file("picture" .. ending)
            image.save(path, picture)
            local images, told = images_of(ending == ".png" and "image/png" or "image/jpeg", read(path))
            assert.equal("picture", told.kind)
            same(recogniser:predict_picture(path, { ink = "auto" }).input, images)
          end
        end
      end
    end
  end)

  it("without ink, or broken, are refused with core/image's reason", function()
    local status, reason = refusal_of("image/png", image.encode(core.ones { 20, 20, 1 }))
    assert.equal(422, status)
    assert.truthy(reason:find("image.digit: the picture shows no ink", 1, true), reason)
    status, reason = refusal_of("image/png", image.encode(core.ones { 20, 20, 1 }):sub(1, 40))
    assert.equal(422, status)
    assert.truthy(reason:find("image: the body: PNG, byte ", 1, true), reason)
  end)
end)

describe("pixels and raw bytes", function()
  local bytes = {}
  for i = 1, 3 * 784 do bytes[i] = i * 131 % 256 end

  it("go to the net with the bits that a data set of bytes gives", function()
    local wanted
    local x = peri.tensor(bytes):to("uint8"):reshape(3, 28, 28, 1)
    for batch in peri.data.tensors(x):batches { 3 } do wanted = batch end
    local raw, told = images_of("application/octet-stream", string.char(table.unpack(bytes)))
    assert.same({ 3, 28, 28, 1 }, raw.shape)
    assert.equal("raw", told.kind)
    assert.is_true(raw:equal(wanted))
    local lists = {}
    for i = 0, 2 do lists[i + 1] = "[" .. table.concat(bytes, ",", i * 784 + 1, (i + 1) * 784) .. "]" end
    local quick = images_of("application/json", '{"pixels":[' .. table.concat(lists, ",") .. "]}")
    assert.is_true(quick:equal(wanted))
    local slow
    slow, told = images_of("application/json", '{"label":7,"class":"A","pixels":[' .. table.concat(lists, ",") .. "]}")
    assert.is_true(slow:equal(wanted))
    assert.same({ kind = "pixels", label = "7", class = "A" }, told)
  end)
end)
