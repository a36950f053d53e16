-- What a notebook shows of a training or a loop: a fake notebook (displays by id) with a clock of the test's own.
local display = require "perilune.display"
local live = require "perilune.kernel.live"
local peri = require "perilune"

-- A place as the kernel is one.
local function notebook(given)
  given = given or {}
  local book = { now = 0, cell_number = 1, shown = {}, order = {}, updates = {}, calls = 0, text = {} }
  book.place = {
    show = function(forms, how)
      book.order[#book.order + 1] = how.id
      book.shown[how.id], book.updates[how.id] = forms, 0
      book.calls, book.now = book.calls + 1, book.now + (given.cost or 0)
    end,
    update = function(forms, how)
      assert(book.shown[how.id], "an update of a display that was never shown")
      book.shown[how.id], book.updates[how.id] = forms, book.updates[how.id] + 1
      book.calls, book.now = book.calls + 1, book.now + (given.cost or 0)
    end,
    new_id = function() return "id" .. #book.order + 1 end,
    cell = function() return book.cell_number end,
    console = function() return given.console or false end,
    output = { write = function(self, ...) book.text[#book.text + 1] = table.concat { ... } return self end,
      flush = function() end },
  }
  function book.fit(more)
    return live.new({ clock = function() return book.now end, verbose = more and more.verbose }, book.place)
  end
  function book.loop(more)
    more = more or {}
    more.loop, more.clock = true, function() return book.now end
    return live.new(more, book.place)
  end
  function book.html(i) return book.shown[book.order[i or 1]]["text/html"] end
  function book.plain(i) return book.shown[book.order[i or 1]]["text/plain"] end
  function book.output() return table.concat(book.text) end
  return book
end

-- Learns: epochs from `first`, `batches` each, `seconds` each batch; figures that depend on the batch alone.
local function learn(book, fit, how)
  for epoch = how.first or 1, how.last or how.epochs do
    fit:begin_epoch(epoch, how.epochs, how.batches, how.batches * 10)
    for batch = 1, how.batches do
      book.now = book.now + how.seconds
      local at = (epoch - 1) * how.batches + batch
      fit:update(batch, batch * 10, how.logs and how.logs(at) or { loss = 2 / at, accuracy = 1 - 1 / at, batch_loss = 1,
        lr = 0.1 })
      if how.stop == at then return fit end
    end
    local logs = how.ends and how.ends(epoch) or { loss = 1 / epoch, accuracy = 1 - 0.5 / epoch,
      val_loss = 1 / epoch + (epoch - 3) ^ 2 / 10, val_accuracy = 1 - 0.6 / epoch }
    logs.epoch, logs.seconds, logs.lr = epoch, book.now, 0.1
    fit:end_epoch(logs)
  end
  return fit
end

local function finished(how)
  local book = notebook(how)
  learn(book, book.fit(), how):close(how.outcome or { kind = "done" })
  live.end_cell()
  return book
end

-- The picture of a last form.
local function picture(html)
  local code = html:match "base64,([%w+/=]+)"
  local alphabet, bits, count, out = {}, 0, 0, {}
  for i = 1, 64 do
    alphabet[("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):sub(i, i)] = i - 1
  end
  for letter in code:gmatch "[^=]" do
    bits, count = (bits << 6 | alphabet[letter]) & 0xffffff, count + 6
    if count >= 8 then
      count = count - 8
      out[#out + 1] = string.char(bits >> count & 255)
    end
  end
  return table.concat(out)
end

after_each(function() live.end_cell() end)

describe("a training in a notebook", function()
  it("is one display, drawn ten times a second at most, and always at its end", function()
    local book = notebook()
    local fit = book.fit()
    learn(book, fit, { epochs = 5, batches = 1000, seconds = 0.001 })
    assert.are.equal(1, #book.order)
    assert.is_true(book.calls >= 45 and book.calls <= 51, "drawn " .. book.calls .. " times in 5 s")
    fit:close { kind = "done" }
    live.end_cell()
    assert.matches("5 epochs", book.plain())
    assert.matches("\n +5 +0.2000", book.plain())
  end)

  it("gives drawing a fiftieth of the time at most", function()
    local book = notebook { cost = 0.02 }
    local fit = book.fit()
    learn(book, fit, { epochs = 2, batches = 1000, seconds = 0.01 })
    local spent = book.calls * 0.02
    assert.is_true(spent / book.now < 0.025, ("%.1f %% of the time"):format(100 * spent / book.now))
    assert.is_true(book.calls > 10)
  end)

  it("tells epoch, batch, time left, rate and figures while it runs", function()
    local book = notebook()
    learn(book, book.fit(), { epochs = 12, batches = 100, seconds = 0.5, stop = 226 })
    local html = book.html()
    assert.matches("Epoch 3 of 12", html)
    assert.matches("batch 26 of 100", html)
    assert.matches("0:37 left in the epoch, 8:07 in all, 20%.0 samples/s", html)
    assert.matches("width:18.8%%", html)
    assert.matches("<svg", html)
    assert.matches("0.0088", html) -- the running loss
    assert.is_nil(book.plain():find "0:37")
  end)

  it("shows curves that grow inside an epoch", function()
    local book = notebook()
    local fit = learn(book, book.fit(), { epochs = 3, batches = 100, seconds = 1, stop = 20 })
    local few = #book.html()
    for batch = 21, 80 do
      book.now = book.now + 1
      fit:update(batch, batch * 10, { loss = 1 / batch, accuracy = 0.5 })
    end
    assert.is_true(#book.html() > few + 500)
    assert.is_true(#fit.trace.x == 80)
  end)

  it("keeps a trace of limited length that depends on the batches alone", function()
    local book = notebook()
    local fit = learn(book, book.fit(), { epochs = 1, batches = 100000, seconds = 0.001 })
    assert.is_true(#fit.trace.x < 240 and #fit.trace.x >= 120, #fit.trace.x .. " points")
    for i = 2, #fit.trace.x do assert.is_near(fit.trace.x[1], fit.trace.x[i] - fit.trace.x[i - 1], 1e-9) end
    assert.are.equal(#fit.trace.x, #fit.trace.loss)
  end)

  it("has a last form without times, the same however long it took", function()
    local one = finished { epochs = 5, batches = 300, seconds = 0.001 }
    local two = finished { epochs = 5, batches = 300, seconds = 0.37, cost = 0.05 }
    assert.are.equal(one.plain(), two.plain())
    assert.are.equal(one.html(), two.html())
    assert.is_nil(one.html():find "%d:%d%d left")
    assert.is_nil(one.html():find "samples/s")
    assert.matches('^<div.*<img .*src="data:image/svg%+xml;base64,', one.html())
    assert.is_nil(one.html():find "<svg")
  end)

  it("marks the best epoch", function()
    local book = finished { epochs = 5, batches = 10, seconds = 0.1 }
    assert.matches("best: val_loss 0.3333 in epoch 3, val_accuracy 0.8800 in epoch 5", book.plain())
    assert.matches("0.3333 %(epoch 3%)", book.html())
    local svg = picture(book.html())
    assert.matches("^<svg .*</svg>$", svg)
    assert.matches("best 0.3333, epoch 3", svg)
    assert.matches('r="7" fill="none" stroke="#b02458"', svg)
  end)

  it("knows no validation, other metrics, no accuracy", function()
    local book = finished { epochs = 2, batches = 10, seconds = 0.1,
      logs = function(at) return { loss = 1 / at, mae = 2 / at } end,
      ends = function(epoch) return { loss = 1 / epoch, mae = 2 / epoch } end }
    assert.is_nil(book.html():find "validation")
    assert.matches("epoch +loss +mae\n +1 +1.0000 +2.0000\n +2 +0.5000 +1.0000$", book.plain())
    local svg = picture(book.html())
    assert.matches(">mae<", svg)
    assert.is_nil(svg:find "accuracy")
    assert.is_nil(svg:find "best")
  end)

  it("draws a single epoch from its batches", function()
    local book = finished { epochs = 1, batches = 50, seconds = 0.1 }
    assert.matches("^1 epoch\n", book.plain())
    local svg = picture(book.html())
    local _, points = svg:gsub("L%d", "")
    assert.is_true(points >= 90, points .. " pieces of line")
  end)

  it("stands NaN and infinity", function()
    local book = finished { epochs = 3, batches = 5, seconds = 0.1,
      logs = function(at) return { loss = at % 2 == 0 and 0 / 0 or math.huge } end,
      ends = function(epoch) return { loss = 0 / 0, val_loss = epoch == 2 and -math.huge or 0 / 0 } end }
    assert.matches("\n +1 +nan +nan", book.plain())
    local svg = picture(book.html())
    assert.is_nil(svg:find "nan")
    assert.is_nil(svg:find "inf")
  end)

  it("says where it was interrupted, and keeps what there is", function()
    local book = notebook()
    local fit = learn(book, book.fit(), { epochs = 5, batches = 100, seconds = 0.01, stop = 230 })
    local text = "interrupted in epoch 3 after batch 30 of 100; what was learned is kept"
    fit:close { kind = "interrupted", text = text }
    fit:note(text)
    fit:close { kind = "done" }
    live.end_cell()
    local _, times = book.plain():gsub("interrupted", "")
    assert.are.equal(1, times)
    assert.matches("^interrupted in epoch 3 after batch 30 of 100; what was learned is kept\n", book.plain())
    assert.matches("\n +2 +0.5000", book.plain())
    assert.matches("width:46.0%%;background:#e0771b", book.html())
    assert.matches("<img", book.html())
  end)

  it("says where an error ended it, even before the first batch", function()
    local book = notebook()
    local fit = learn(book, book.fit(), { epochs = 5, batches = 100, seconds = 0.01, stop = 30 })
    fit:close { kind = "failed", text = "ended by an error in epoch 1 after batch 30 of 100" }
    live.end_cell()
    assert.are.equal("ended by an error in epoch 1 after batch 30 of 100", book.plain())
    fit = book.fit()
    fit:begin_epoch(1, 5, 100, 1000)
    fit:close { kind = "failed", text = "ended by an error in epoch 1 after batch 0 of 100" }
    live.end_cell()
    assert.are.equal("ended by an error in epoch 1 after batch 0 of 100", book.plain(2))
    assert.is_nil(book.html(2):find "<img")
    book.fit():close { kind = "failed", text = "never begun" }
    assert.are.equal(2, #book.order)
  end)

  it("says when a callback ended it early", function()
    local book = notebook()
    local fit = learn(book, book.fit(), { epochs = 9, last = 3, batches = 10, seconds = 0.01 })
    fit:note "no better val_loss for 2 epochs: training ends"
    fit:close { kind = "done" }
    fit:note "weights of epoch 1 restored <b>"
    live.end_cell()
    assert.matches("^ended after epoch 3 of 9\n", book.plain())
    assert.matches("no better val_loss for 2 epochs: training ends\nweights of epoch 1 restored <b>$", book.plain())
    assert.matches("restored &lt;b&gt;", book.html())
  end)

  it("goes on from a later epoch", function()
    local book = finished { first = 4, epochs = 6, batches = 10, seconds = 0.01 }
    assert.matches("\n +4 .*\n +5 .*\n +6 ", book.plain())
    assert.matches(">3</text>.*>4</text>.*>6</text>", picture(book.html()))
  end)

  it("elides a long table", function()
    local book = finished { epochs = 200, batches = 1, seconds = 0.001 }
    local _, lines = book.plain():gsub("\n", "")
    assert.is_true(lines < 50, lines .. " lines")
    assert.matches("\n +20 .*\n *%.%.%.\n +181 ", book.plain())
  end)

  it("stays small over many epochs", function()
    local book = finished { epochs = 5000, batches = 1, seconds = 0.001 }
    assert.is_true(#book.html() < 80000, #book.html() .. " bytes")
    assert.matches(">5000</text>", picture(book.html()))
    assert.matches("\n +5000 +2.00e%-04", book.plain())
  end)

  it("has displays of its own for the first four in a cell, then one that lists them", function()
    local book = notebook()
    for i = 1, 50 do
      learn(book, book.fit(), { epochs = 2, batches = 5, seconds = 0.001 }):close { kind = "done" }
      assert.are.equal(math.min(i, 5), #book.order)
    end
    assert.is_true(book.calls < 20, book.calls .. " drawings")
    live.end_cell()
    assert.matches("^2 epochs\n", book.plain(4))
    assert.matches("\n +5 +0.5000 +0.7500 +0.6000 +0.7000 +2 epochs\n", book.plain(5))
    assert.matches("training 50 of this cell: 2 epochs", book.plain(5))
    book.cell_number = 2
    learn(book, book.fit(), { epochs = 1, batches = 5, seconds = 0.001 }):close()
    assert.are.equal(6, #book.order)
  end)

  it("loses no last form when the next cell begins without notice", function()
    local book = notebook()
    learn(book, book.fit(), { epochs = 1, batches = 5, seconds = 0.001 }):close()
    assert.is_nil(book.html():find "<img")
    book.cell_number = 2
    book.fit()
    assert.matches("<img", book.html())
  end)

  it("is silent or lines of text where that is wanted", function()
    local book = notebook()
    learn(book, book.fit { verbose = 0 }, { epochs = 2, batches = 5, seconds = 0.1 }):close()
    assert.are.equal("", book.output())
    learn(book, book.fit { verbose = 2 }, { epochs = 2, batches = 5, seconds = 0.1 }):close()
    assert.are.equal("epoch 1/2: loss 1.0000, accuracy 0.5000, val_loss 1.4000, val_accuracy 0.4000, lr 0.1\n"
      .. "epoch 2/2: loss 0.5000, accuracy 0.7500, val_loss 0.6000, val_accuracy 0.7000, lr 0.1\n", book.output())
    assert.are.equal(0, #book.order)
  end)

  it("is a bar and then one line an epoch, without times, on a console", function()
    local book = notebook { console = true }
    local fit = learn(book, book.fit(), { epochs = 2, batches = 50, seconds = 0.1 })
    fit:note "noted"
    fit:close()
    assert.are.equal(0, #book.order)
    assert.matches("\rEpoch 1/2", book.output():gsub("\27%[[%d;]*m", ""))
    local stays = {}
    for line in book.output():gmatch "[^\n]*" do stays[#stays + 1] = line:match "[^\r]*$":gsub("\27%[K", "") end
    assert.are.equal("epoch 1/2: loss 1.0000, accuracy 0.5000, val_loss 1.4000, val_accuracy 0.4000, lr 0.1\n"
      .. "epoch 2/2: loss 0.5000, accuracy 0.7500, val_loss 0.6000, val_accuracy 0.7000, lr 0.1\nnoted\n",
      table.concat(stays, "\n"))
  end)
end)

describe("net:fit", function()
  local away

  local function with(book)
    away = display.register { name = "test", show = book.place.show, update = book.place.update,
      progress = function(given) return live.new(given, book.place) end }
  end

  after_each(function()
    if away then away() end
    away = nil
  end)

  local function fit(options)
    local net = peri.nn.Sequential { peri.nn.Dense { 8, activation = "relu" }, peri.nn.Dense { 3, activation = "softmax" } }
    peri.seed(1)
    net:build { 4 }
    options.loss = options.loss or "sparse_categorical_crossentropy"
    options.metrics, options.seed, options.batch = { "accuracy" }, 3, 10
    local x, y = peri.randn { 90, 4 }, peri.tensor(peri.zeros { 90 }:totable(), "int64")
    return net:fit({ x, y }, options), net
  end

  it("asks the notebook, and leaves the same picture twice", function()
    local forms = {}
    for i = 1, 2 do
      local book = notebook()
      with(book)
      fit { epochs = 3, validation = 0.2 }
      live.end_cell()
      away()
      assert.are.equal(1, #book.order)
      assert.matches("^3 epochs\n", book.plain())
      forms[i] = book.html() .. book.plain()
    end
    assert.are.equal(forms[1], forms[2])
  end)

  it("leaves it alone where an output is named or nothing shall be shown", function()
    local book = notebook()
    with(book)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    fit { epochs = 1, output = file }
    file:close()
    local lines = assert(io.open(path)):read "a"
    os.remove(path)
    assert.matches("^epoch 1/1: loss", lines)
    fit { epochs = 1, verbose = 0 }
    assert.are.equal(0, #book.order)
    assert.are.equal("", book.output())
  end)

  it("shows an interruption and an error in the middle", function()
    local book = notebook()
    with(book)
    local history = fit { epochs = 3, callbacks = { { on_batch_end = function(_, batch, _, run)
      if run.epoch == 2 and batch == 4 then io.popen("kill -INT $PPID"):close() end
    end } } }
    live.end_cell()
    assert.is_true(history.interrupted)
    assert.matches("^interrupted in epoch 2 after batch 4 of 9; what was learned is kept\n", book.plain())
    assert.has_error(function()
      fit { epochs = 3, callbacks = { { on_batch_end = function(_, batch) if batch == 5 then error "no luck" end end } } }
    end)
    live.end_cell()
    assert.matches("^ended by an error in epoch 1 after batch 5 of 9", book.plain(2))
  end)

  it("shows early stopping with what its callback says", function()
    local book = notebook()
    with(book)
    fit { epochs = 9, callbacks = { function(epoch, _, run)
      run:note("epoch " .. epoch .. " seen")
      return epoch == 2
    end } }
    live.end_cell()
    assert.matches("^ended after epoch 2 of 9\n", book.plain())
    assert.matches("epoch 1 seen\nepoch 2 seen$", book.plain())
  end)
end)

describe("peri.progress in a notebook", function()
  it("is one display with a bar, whose last form tells no times", function()
    local book = notebook()
    local bar = book.loop { title = "draws" }
    bar:begin_epoch(1, 1, 200, 200)
    for i = 1, 100 do
      book.now = book.now + 0.125
      bar:update(i, i, { loss = 1 / i })
    end
    assert.matches("<b>draws</b>.*100 of 200, loss 0.0100.*0:13 left, 8.0/s", book.html())
    assert.matches("width:50.0%%", book.html())
    bar:update(200, 200, { loss = 0.005 })
    bar:close { kind = "done" }
    live.end_cell()
    assert.are.equal("draws: 200 of 200, loss 0.0050", book.plain())
    assert.is_nil(book.html():find "%d/s")
    assert.are.equal(1, #book.order)
  end)

  it("shares one display among the loops inside a loop", function()
    local book = notebook()
    local outer = book.loop()
    outer:begin_epoch(1, 1, 30, 30)
    for i = 1, 30 do
      local inner = book.loop { title = "inner" }
      inner:begin_epoch(1, 1, 5, 5)
      for j = 1, 5 do
        book.now = book.now + 0.01
        inner:update(j, j, {})
      end
      inner:close { kind = "done" }
      outer:update(i, i, {})
    end
    outer:close { kind = "done" }
    live.end_cell()
    assert.are.equal(2, #book.order)
    assert.are.equal("30 of 30", book.plain(1))
    assert.are.equal("inner: 5 of 5", book.plain(2))
  end)

  it("says where a loop was left, and ends those that nobody ended", function()
    local book = notebook()
    local bar = book.loop { title = "search" }
    bar:begin_epoch(1, 1, 0, 0)
    bar:update(7, 7, {})
    live.end_cell()
    assert.are.equal("search: left after 7", book.plain())
    bar = book.loop()
    bar:begin_epoch(1, 1, 10, 10)
    bar:update(3, 3, {})
    bar:close { kind = "interrupted" }
    live.end_cell()
    assert.are.equal("interrupted after 3 of 10", book.plain(2))
    assert.matches("width:30.0%%;background:#e0771b", book.html(2))
  end)
end)
