-- peri.progress: a bar for loops of one's own.
local peri = require "perilune"
local progress = require "perilune.train.progress"

local function sink()
  local parts = {}
  return { write = function(self, ...) parts[#parts + 1] = table.concat { ... } return self end,
    flush = function() end, text = function() return table.concat(parts) end, count = function() return #parts end }
end

-- An object in place of the bar that remembers what it is told.
local function recorder()
  local told = { closed = 0 }
  function told.begin_epoch(_, _, _, total) told.total = total end
  function told.update(_, count, _, logs) told.count, told.logs = count, logs end
  function told.close(_, outcome) told.closed, told.kind = told.closed + 1, outcome.kind end
  return told
end

local function bar_on(output, given)
  local now = { 0 }
  given.output, given.terminal, given.loop = output, true, true
  given.width, given.unicode, given.colours = function() return 100 end, false, false
  given.clock = function() return now[1] end
  return progress.new(given), now
end

describe("peri.progress", function()
  it("counts", function()
    local seen, told = {}, recorder()
    for i in peri.progress(5, { progress = told }) do seen[#seen + 1] = i end
    assert.are.same({ 1, 2, 3, 4, 5 }, seen)
    assert.are.equal("done 5 of 5, closed 1", ("%s %d of %d, closed %d"):format(told.kind, told.count, told.total, told.closed))
    for _ in peri.progress(0, { progress = told }) do error "never" end
    assert.are.equal(0, told.count)
  end)

  it("passes on all that an iterator gives", function()
    local rows = {}
    local function batches()
      local i = 0
      return function()
        i = i + 1
        if i <= 3 then return i, i * 10, nil, "d" end
      end
    end
    local told = recorder()
    for a, b, c, d in peri.progress(batches(), { total = 3, progress = told }) do
      rows[#rows + 1] = { a, b, c == nil, d }
    end
    assert.are.same({ { 1, 10, true, "d" }, { 2, 20, true, "d" }, { 3, 30, true, "d" } }, rows)
    assert.are.equal(3, told.total)
    assert.are.equal(3, told.count)
  end)

  it("knows how long lists are, and takes options first", function()
    local told, names = recorder(), {}
    for i, name in peri.progress({ progress = told }, ipairs { "a", "b" }) do names[i] = name end
    assert.are.same({ "a", "b" }, names)
    assert.are.equal(2, told.total)
    local count = 0
    for _ in peri.progress({ progress = told }, pairs { x = 1, y = 2, z = 3 }) do count = count + 1 end
    assert.are.equal(3, count)
    assert.are.equal(3, told.total)
    local output = sink()
    for _ in peri.progress({ output = output }, ("a b c"):gmatch "%a") do count = count + 1 end
    assert.are.equal(6, count)
    assert.matches("^3, %d", output.text())
  end)

  it("goes over the batches of a data set", function()
    local data = peri.data.tensors(peri.arange(1, 10):float():reshape(10, 1))
    local told, sum = recorder(), 0
    for x in peri.progress(data:batches { 4 }, { total = 3, progress = told }) do sum = sum + x:sum():item() end
    assert.are.equal(55.0, sum)
    assert.are.equal("done", told.kind)
    assert.are.equal(3, told.count)
  end)

  it("tells how it was left, and closes the iterator", function()
    local told, closed = recorder(), 0
    for i in peri.progress(10, { progress = told }) do
      if i == 4 then break end
    end
    assert.are.equal("left 3", told.kind .. " " .. told.count)
    told = recorder()
    pcall(function()
      for i in peri.progress(10, { progress = told }) do
        if i == 5 then error "no luck" end
      end
    end)
    assert.are.equal("failed 4", told.kind .. " " .. told.count)
    told = recorder()
    pcall(function()
      for _ in peri.progress(10, { progress = told }) do error "interrupted!" end
    end)
    assert.are.equal("interrupted 0", told.kind .. " " .. told.count)
    told = recorder()
    xpcall(function()
      for i in peri.progress(10, { progress = told }) do
        if i == 2 then error "interrupted!" end
      end
    end, function(message) return { message = message } end)
    assert.are.equal("interrupted 1", told.kind .. " " .. told.count)
    local source = setmetatable({}, { __close = function() closed = closed + 1 end })
    local function step(_, i) if i < 3 then return i + 1 end end
    for _ in peri.progress({ progress = recorder() }, step, nil, 0, source) do end -- luacheck: ignore
    assert.are.equal(1, closed)
    for _ in peri.progress({ progress = recorder() }, step, nil, 0, source) do break end -- luacheck: ignore
    assert.are.equal(2, closed)
  end)

  it("asks for figures only when it looks", function()
    local asked, told = 0, recorder()
    for _ in peri.progress(300000, { progress = told, figures = function()
      asked = asked + 1
      return { loss = asked }
    end }) do end -- luacheck: ignore
    assert.is_true(asked < 3000, asked .. " times")
    assert.are.equal(asked, told.logs.loss)
    assert.are.equal(300000, told.count)
  end)

  it("explains what it wants", function()
    assert.has_error(function() peri.progress(1.5) end,
      "peri.progress: wants a whole number of steps, 0 or more, got 1.5")
    assert.has_error(function() peri.progress(-1) end, "peri.progress: wants a whole number of steps, 0 or more, got -1")
    assert.error_matches(function() peri.progress {} end, "got a table; of a list: peri%.progress%(ipairs%(list%)%)")
    assert.error_matches(function() peri.progress(3, { titel = "x" }) end, "unknown argument 'titel'")
    assert.error_matches(function() peri.progress(ipairs { 1 }, { title = "x" }) end, "the list was lost.*options stand first")
    assert.error_matches(function() peri.progress(3, "title") end, "options: a table is wanted, got a string")
  end)

  it("says nothing where that is wanted", function()
    local output = sink()
    for _ in peri.progress(3, { verbose = 0, output = output }) do end -- luacheck: ignore
    assert.are.equal("", output.text())
  end)
end)

describe("the bar of a loop", function()
  it("shows its name, count, time left, rate and figures", function()
    local output = sink()
    local bar, now = bar_on(output, { title = "draws" })
    bar:begin_epoch(1, 1, 200, 200)
    now[1] = 4
    bar:update(50, 50, { loss = 0.5 })
    assert.matches("draws  %[=======>%.+%]  50 of 200  ETA 0:12  12.5/s  loss 0.5000\27%[K$", output.text())
    bar:close { kind = "interrupted" }
    assert.matches("interrupted after 50 of 200  0:04  12.5/s  loss 0.5000\27%[K\n$", output.text())
    local length = output.count()
    bar:close { kind = "done" }
    assert.are.equal(length, output.count())
  end)

  it("is redrawn fifteen times a second at most, and knows loops without an end", function()
    local output = sink()
    local bar, now = bar_on(output, {})
    bar:begin_epoch(1, 1, 0, 0)
    for i = 1, 1000 do
      now[1] = i / 1000
      bar:update(i, i, {})
    end
    assert.is_true(output.count() <= 17, output.count() .. " times")
    bar:close { kind = "done" }
    assert.matches("\r1000  0:01  1000/s\27%[K\n$", output.text())
  end)
end)
