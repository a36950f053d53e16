-- The progress bar with a clock, a width and a terminal of the test's own.
local progress = require "perilune.train.progress"

local function sink()
  local parts = {}
  return { write = function(self, ...) parts[#parts + 1] = table.concat { ... } return self end,
    flush = function() end, text = function() return table.concat(parts) end,
    last = function() return parts[#parts] end, count = function() return #parts end,
    clear = function() parts = {} end }
end

local function bar(given)
  local output, now = sink(), { 0 }
  local self = progress.new { output = output, terminal = given.terminal ~= false, verbose = given.verbose,
    width = function() return given.width or 100 end, unicode = given.unicode or false,
    colours = given.colours or false, clock = function() return now[1] end }
  return self, output, now
end

local function visible(text) return (text:gsub("\27%[[%d;]*[mK]", ""):gsub("\r", "")) end

describe("the bar", function()
  it("shows epoch, batch, time left, samples per second and figures", function()
    local self, output, now = bar { width = 120 }
    self:begin_epoch(3, 12, 100, 12800)
    now[1] = 1
    self:update(1, 128, { loss = 2.3, accuracy = 0.1, batch_loss = 2.3, lr = 0.001 })
    now[1] = 26
    self:update(26, 3328, { loss = 0.5, accuracy = 0.875, batch_loss = 0.4, lr = 0.001 })
    local line = visible(output.last())
    assert.matches("^Epoch 3/12  %[=======>%.+%]   26/100  ETA 1:14  128/s  loss 0.5000  accuracy 0.8750$", line)
  end)

  it("is redrawn at most so many times a second, but always for the last batch", function()
    local self, output, now = bar {}
    self:begin_epoch(1, 1, 1000, 1000)
    output.clear()
    for i = 1, 999 do
      now[1] = i / 1000
      self:update(i, i, { loss = 1 })
    end
    assert.is_true(output.count() >= 10 and output.count() <= 20, "drawn " .. output.count() .. " times")
    self:update(1000, 1000, { loss = 1 })
    assert.matches("1000/1000", output.last())
  end)

  it("fits any width and never fills the last column", function()
    for _, unicode in ipairs { true, false } do
      for width = 1, 160 do
        local self, output, now = bar { width = width, unicode = unicode, colours = true }
        self:begin_epoch(1, 10, 422, 54000)
        for i = 1, 3 do
          now[1] = i * 1.7
          self:update(i * 100, i * 12800, { loss = 0.123456, accuracy = 0.5, top_3 = 0.9 })
          local length = utf8.len(visible(output.last()))
          assert.is_true(length < math.max(width, 2), ("%d columns hold %d"):format(width, length))
        end
      end
    end
  end)

  it("leaves a finished line, and an unfinished one in order", function()
    local self, output, now = bar { unicode = true }
    self:begin_epoch(1, 2, 2, 20)
    now[1] = 2
    self:update(2, 20, { loss = 1.0 })
    self:end_epoch { loss = 1.0, val_loss = 2.0, seconds = 2.0 }
    local lines = visible(output.text())
    assert.matches("█ *▏", lines)
    assert.matches("2/2  0:02  10.0/s  loss 1.0000  val_loss 2.0000\n$", lines)
    self:begin_epoch(2, 2, 2, 20)
    self:close()
    assert.matches("\n$", output.text())
    local drawn = output.count()
    self:close()
    assert.equal(drawn, output.count())
  end)

  it("is coloured only where that is wanted", function()
    for _, colours in ipairs { true, false } do
      local self, output = bar { colours = colours }
      self:begin_epoch(1, 1, 1, 1)
      assert.equal(colours, output.text():find("\27%[1m") ~= nil)
    end
  end)
end)

describe("without a terminal there", function()
  it("is one plain line an epoch", function()
    local self, output, now = bar { terminal = false }
    self:begin_epoch(1, 3, 10, 1000)
    for i = 1, 10 do
      now[1] = i
      self:update(i, i * 100, { loss = 1.0 })
    end
    self:end_epoch { loss = 0.25, accuracy = 0.9, val_accuracy = 0.875, lr = 1e-3, seconds = 10.0, epoch = 1 }
    self:close()
    assert.equal("epoch 1/3: loss 0.2500, accuracy 0.9000, val_accuracy 0.8750, lr 0.001, 10.00 s, 100/s\n",
      output.text())
  end)

  it("is nothing when verbose is 0", function()
    local self, output = bar { verbose = 0 }
    self:begin_epoch(1, 1, 1, 1)
    self:update(1, 1, { loss = 1 })
    self:end_epoch { loss = 1 }
    self:note "hello"
    self:close()
    assert.equal("", output.text())
  end)
end)

describe("figures", function()
  it("are short", function()
    assert.equal("0.1235", progress.figure(0.12345678))
    assert.equal("1.00e-05", progress.figure(1e-5))
    assert.equal("nan", progress.figure(0 / 0))
    assert.equal("7", progress.figure(7))
    assert.equal("0:07", progress.clock(7))
    assert.equal("1:02:03", progress.clock(3723))
    assert.equal("-:--", progress.clock(0 / 0))
  end)
end)
