--- How nets, plans, data sets, histories, reports, profiles and figures show themselves on a page.
local peri = require "perilune"
local display = require "perilune.display"
local report = require "perilune.train.report"
local history = require "perilune.train.history"
local nn, data = peri.nn, peri.data

local function page(x) return display.forms(x)["text/html"] end

-- Everything between tags, in order.
local function words(html)
  local list = {}
  for text in html:gmatch ">([^<>]+)<" do
    if text:find "%S" then list[#list + 1] = text end
  end
  return table.concat(list, "|")
end

-- Every element that is opened is closed, in order; attributes are quoted.
local function check_html(html)
  assert.is_truthy(utf8.len(html))
  local open = {}
  for slash, tag, rest in html:gmatch "<(/?)(%a+)([^<>]*)>" do
    if slash == "/" then
      assert.equal(table.remove(open), tag)
    elseif tag ~= "img" and tag ~= "br" then
      open[#open + 1] = tag
    end
    assert.is_nil(rest:gsub('[%w-]+="[^"]*"', ""):find "%S", rest)
  end
  assert.same({}, open)
  assert.is_nil(html:find "<script")
  assert.is_nil(html:find "<style")
end

local function small_net()
  local net = nn.Sequential { nn.Conv2D { 2, kernel = 3, name = "first <b>" }, nn.Residual { nn.Conv2D { 2, kernel = 1 } },
    nn.Flatten {}, nn.Dense { 3, activation = "softmax" } }
  return net:build { 8, 8, 1 }
end

describe("a net's forms", function()
  it("are its layers with shapes and weights, and their sums", function()
    local net = small_net()
    local html = page(net)
    check_html(html)
    local text = words(html)
    assert.is_truthy(text:find("first &lt;b&gt;|Conv2D|(None, 6, 6, 2)|20", 1, true), text)
    assert.is_truthy(text:find("&nbsp;&nbsp;&nbsp;&nbsp;conv2d|Conv2D|(None, 6, 6, 2)|6", 1, true), text)
    assert.is_truthy(text:find("Total params|980.00 B|245", 1, true), text)
    assert.equal(net:summary(), display.forms(net)["text/plain"])
    assert.equal(html, page(net))
  end)

  it("are its line while it is not built, and after it was freed", function()
    assert.same({ ["text/plain"] = tostring(nn.Dense { 3 }) }, display.forms(nn.Dense { 3 }))
    local layer = nn.Dense { 3 }:build { 4 }
    check_html(page(layer))
    assert.equal(tostring(layer), display.forms(layer)["text/plain"])
  end)

  it("of plans and compiled nets are their steps", function()
    local net = small_net()
    for _, object in ipairs { net:plan {}, net:compile() } do
      local html = page(object)
      check_html(html)
      assert.is_truthy(words(html):find("layers|op|gives|weights", 1, true))
      assert.equal(tostring(object), display.forms(object)["text/plain"])
    end
    assert.is_truthy(words(page(net:plan {})):find("forward, 32 samples", 1, true))
  end)
end)

describe("a data set's forms", function()
  local has_pictures = package.searchpath("perilune.image", package.cpath) ~= nil

  it("are what it holds, by class, with pictures", function()
    local set = data.drawn { n = 60 }
    local html = page(set)
    check_html(html)
    local text = words(html)
    assert.is_truthy(text:find("Dataset drawn digits|examples|60|each|uint8 (28, 28, 1)|labels|int64", 1, true), text)
    local _, pictures = html:gsub("<img ", "")
    assert.equal(has_pictures and 10 or 0, pictures)
    assert.is_nil(text:find("class|", 1, true)) -- digits call themselves
    assert.equal(tostring(set), display.forms(set)["text/plain"])
    assert.equal(html, page(set))
  end)

  it("show the set's own order and members", function()
    local x = peri.zeros({ 4, 8, 8, 1 }, "uint8")
    local set = data.tensors { x = x, y = peri.tensor({ 0, 1, 1, 1 }, "int64"), classes = { "cat", "dog" } }
    assert.is_truthy(words(page(set)):find("0|cat|1|", 1, true))
    assert.is_truthy(words(page(set:subset { 2, 3 })):find("1|dog|2", 1, true))
    assert.is_nil(words(page(set:subset { 2, 3 })):find("cat", 1, true))
  end)

  it("stand names that are no text, and labels beyond the names", function()
    local set = data.tensors { x = peri.rand(3, 2), y = peri.tensor({ 0, 1, 7 }, "int64"), classes = { "<i>\xff", "b" } }
    local html = page(set)
    check_html(html)
    assert.is_truthy(html:find("&lt;i&gt;�", 1, true))
    assert.is_truthy(words(html):find("7", 1, true))
  end)

  it("stand sets without labels, without pictures, without examples", function()
    for _, set in ipairs { data.tensors(peri.rand(5, 3)), data.tensors(peri.rand(5, 3), peri.rand(5, 1)),
      data.tensors(peri.rand(5, 8, 8)), data.tensors((peri.rand(5, 8, 9, 3) * 255):byte()), data.drawn { n = 20 }:take(0),
      data.tensors(peri.full({ 3, 8, 8, 1 }, 0 / 0)), data.drawn { n = 20 }:normalise():onehot():augment { rotation = 5 },
      data.tensors(peri.zeros({ 3, 4 }, "int64"), peri.tensor({ 5, -1, 2 ^ 40 }, "int64")),
      data.drawn { n = 20 }:map(function() error "not asked" end) } do
      check_html(page(set))
    end
    local changed = words(page(data.drawn { n = 20 }:onehot():map(function(x, y) return x, y end)))
    assert.is_truthy(changed:find("labels one-hot of 10, 1 map", 1, true), changed)
  end)

  it("leave the random numbers alone", function()
    local set = data.drawn { n = 20 }:augment { rotation = 5 }
    peri.seed(3)
    page(set)
    local after = peri.rand(1):item()
    peri.seed(3)
    assert.equal(peri.rand(1):item(), after)
  end)
end)

describe("figures on a page", function()
  it("are SVG in their size, the same each time, without names that could clash", function()
    local function make() return peri.plot.figure { title = "<&>", width = 300, height = 200 }:scatter({ 1, 2 }, { 3, 4 }) end
    local forms = display.forms(make())
    local svg = forms["image/svg+xml"]
    assert.equal(svg, display.forms(make())["image/svg+xml"])
    assert.equal('<svg width="300" height="200"', svg:sub(1, 29)) -- no XML declaration: nbconvert refuses one
    assert.is_nil(svg:find(" id=", 1, true))
    assert.is_nil(svg:find("<use", 1, true))
    assert.is_nil(svg:find("<defs", 1, true))
    assert.is_truthy(svg:find("<circle ", 1, true))
    assert.is_truthy(forms["text/plain"]:find "^Figure")
  end)

  it("give names to what is referred to, their own", function()
    local vector = require "perilune.plot.vector"
    local picture = [[<svg ><defs>
      <path id='gpPt7' stroke-width='0.2' stroke='currentColor' d='M0'/>
      <use xlink:href='#gpPt7' id='gpPt9' stroke='currentColor' transform='rotate(180)'/>
      <use xlink:href='#gpPt9' id='gpPt10' fill='currentColor' stroke='none'/></defs>
      <pattern id="pat1"/><rect fill="url(#pat1)" stroke='#ffffff'/><g id="plot_1"/>
      <use xlink:href='#gpPt10' transform='translate(1,2) scale(3)' color='rgb(1,   2, 3)'/></svg>]]
    local svg = vector.tidy(picture)
    local name = svg:match 'pattern id="(p%x+_pat1)"'
    assert.is_truthy(svg:find('fill="url(#' .. name .. ')"', 1, true))
    assert.is_truthy(svg:find("stroke='#ffffff'", 1, true))
    assert.is_nil(svg:find("plot_1", 1, true))
    assert.is_truthy(svg:find("<path stroke-width='0.2' stroke='rgb(1,2,3)' d='M0' fill='rgb(1,2,3)' "
      .. "transform='translate(1,2) scale(3)rotate(180)'/>", 1, true), svg)
    assert.not_equal(name, vector.tidy((picture:gsub("M0", "M1"))):match 'pattern id="(p%x+_pat1)"')
    local strange = "<svg ><defs><path id='gpPt7'/></defs><use href='#gpPt7'/></svg>"
    assert.is_truthy(vector.tidy(strange):find("<use href='#p%x+_gpPt7'/>"))
  end)

  it("come with a PNG for pages that show no SVG, or as one of the two alone", function()
    local figure = peri.plot.figure { width = 300, height = 200 }:lines { 1, 2 }
    local before = peri.plot.pages()
    local function kinds(kind)
      peri.plot.pages(kind)
      local forms, metadata = display.forms(figure)
      return forms["image/svg+xml"] ~= nil, forms["image/png"] and forms["image/png"]:byte(20), metadata["image/png"]
    end
    local size = { width = 300, height = 200 }
    assert.same({ true, 44, size }, { kinds "both" }) -- the PNG is 300 pixels wide: 256 + 44
    assert.same({ false, 88, size }, { kinds "png" })
    assert.same({ true }, { kinds "svg" })
    assert.equal("svg", peri.plot.pages(before))
    assert.equal(before, peri.plot.pages())
    assert.is_false((pcall(peri.plot.pages, "gif")))
  end)

  it("are PNG when the SVG is large", function()
    local x = {}
    for i = 1, 6000 do x[i] = math.sin(i) end
    local forms, metadata = display.forms(peri.plot.figure { width = 320, height = 240 }:scatter(x, x))
    assert.is_nil(forms["image/svg+xml"])
    assert.is_truthy(forms["image/png"]:find "^\x89PNG")
    assert.same({ ["image/png"] = { width = 320, height = 240 } }, metadata)
  end)
end)

describe("a history's forms", function()
  local function run(epochs)
    local h = history.new()
    for e = 1, epochs do h:append { epoch = e, loss = 1 / e, seconds = e / 4 } end
    return h
  end

  it("are curves, whatever the time it took", function()
    local a, b = run(3), run(3)
    b.seconds[2] = 77
    local svg = display.forms(a)["image/svg+xml"]
    assert.is_truthy(svg)
    assert.equal(svg, display.forms(b)["image/svg+xml"])
    assert.equal(tostring(a), display.forms(a)["text/plain"])
    assert.is_nil(page(a))
  end)

  it("are a table for one epoch or none, and where nothing can draw", function()
    check_html(page(run(0)))
    assert.is_truthy(words(page(run(1))):find("epoch|loss|seconds|1|1.0000|0.25", 1, true))
    local render = require("perilune.plot.gnuplot").render
    require("perilune.plot.gnuplot").render = function() error "no gnuplot" end
    local ok, html = pcall(page, run(150))
    require("perilune.plot.gnuplot").render = render
    assert(ok, html)
    check_html(html)
    assert.is_truthy(html:find("the last 100 of 150 epochs", 1, true))
  end)
end)

describe("a report's forms", function()
  local counts = { { 5, 1, 0 }, { 0, 0, 0 }, { 2, 0, 9 } }

  it("are the matrix with its figures", function()
    local r = report.new(counts, { "a<b>", "\xff", "c" })
    local html = page(r)
    check_html(html)
    local text = words(html)
    assert.is_truthy(text:find("accuracy 0.8235; rows are the truth", 1, true), text)
    assert.is_truthy(text:find("a&lt;b&gt;|5|1|0.7143|0.8333|0.7692|6|", 1, true), text)
    assert.is_truthy(text:find("�|0.0000|0.0000|0.0000|0", 1, true), text)
    assert.is_truthy(html:find("<b>5</b>", 1, true))
    assert.is_truthy(html:find "rgba%(47,111,183,0.6")
    assert.is_truthy(html:find "rgba%(224,119,27,0.2")
  end)

  it("leave out the matrix of very many classes", function()
    local many = {}
    for i = 1, 60 do
      many[i] = {}
      for j = 1, 60 do many[i][j] = i == j and 3 or 0 end
    end
    local html = page(report.new(many))
    check_html(html)
    assert.is_true(#html < 60 * 1200)
  end)

  it("stand below what evaluate gives", function()
    local net = small_net()
    local set = data.tensors(peri.rand(6, 8, 8, 1), peri.tensor({ 0, 1, 2, 0, 1, 2 }, "int64"))
    local result = net:evaluate(set, { loss = "sparse_categorical_crossentropy", metrics = { "accuracy", "confusion" } })
    local html = page(result)
    check_html(html)
    assert.is_truthy(words(html):find("^loss|accuracy|"))
    assert.is_truthy(html:find("rows are the truth", 1, true))
  end)
end)

describe("a profile's forms", function()
  it("are its rows", function()
    local profile = peri.profile(function() return peri.ones(3, 3):matmul(peri.ones(3, 3)):sum() end)
    local html = page(profile)
    check_html(html)
    assert.is_truthy(words(html):find("matmul (3, 3)|1|", 1, true))
    assert.equal(tostring(profile), display.forms(profile)["text/plain"])
  end)
end)

describe("a schedule's forms", function()
  local schedules = peri.optim.schedules

  it("are a curve where asking changes nothing", function()
    for _, made in ipairs { schedules.cosine { lr = 0.1 }, schedules.warmup { schedules.cosine { lr = 0.1 }, over = 50 },
      schedules.of(0.1), schedules.one_cycle { lr = 0.1 } } do
      assert.is_truthy(display.forms(made)["image/svg+xml"]:find("learning rate", 1, true))
      assert.equal(tostring(made), display.forms(made)["text/plain"])
    end
  end)

  it("are a name where code of a person's own would run, or the past matters", function()
    local function strange() error "asked" end
    for _, made in ipairs { schedules.of(strange), schedules.warmup { strange }, schedules.of(coroutine.create(strange)),
      schedules.reduce_on_plateau { lr = 0.1 } } do
      assert.same({ ["text/plain"] = tostring(made) }, display.forms(made))
    end
  end)
end)
