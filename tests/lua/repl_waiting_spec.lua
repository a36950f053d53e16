-- What lives while the prompt waits: functions take turns, input comes first, what they raise and say is told.
local core = require "perilune.core"
local keys = require "perilune.repl.keys"
local waiting = require "perilune.repl.waiting"

local undone, told

-- Registers a function that is taken away after the test.
local function with(f)
  local undo = waiting.with(f)
  undone[#undone + 1] = undo
  return undo
end

-- A terminal: items are bytes that wait, or { "interrupt" }; an empty list has nothing yet. Counts blocking reads.
local function terminal(items)
  local self = { items = items, blocked = 0 }
  function self.read(milliseconds, most)
    local item = table.remove(self.items, 1)
    if milliseconds ~= 0 then self.blocked = self.blocked + 1 end
    if item == nil then return nil, milliseconds < 0 and "eof" or "timeout" end
    if type(item) == "table" then return nil, item[1] end
    return item:sub(1, most)
  end
  self.around = waiting.around(self.read, function(text) told[#told + 1] = text end)
  return self
end

describe("waiting", function()
  before_each(function() undone, told = {}, {} end)
  after_each(function()
    for _, undo in ipairs(undone) do undo() end
    assert.is_false(waiting.any())
  end)

  it("is a plain read when nobody wants to live", function()
    local t = terminal { "a" }
    assert.equal("a", t.around(-1, 1))
    assert.equal(1, t.blocked)
    assert.same({ nil, "timeout" }, { t.around(5, 1) })
  end)

  it("calls the function until there is input", function()
    local t, turns = terminal {}, {}
    with(function(milliseconds)
      turns[#turns + 1] = milliseconds
      if #turns == 3 then t.items[1] = "x" end
    end)
    assert.equal("x", t.around(-1, 1))
    assert.equal(3, #turns)
    assert.equal(0, t.blocked)
    for _, milliseconds in ipairs(turns) do assert.is_true(milliseconds > 0 and milliseconds <= 1000) end
  end)

  it("gives what was typed already at once", function()
    local calls = 0
    with(function() calls = calls + 1 end)
    local t = terminal { "a", { "redraw" } }
    assert.equal("a", t.around(-1, 1))
    assert.same({ nil, "redraw" }, { t.around(-1, 1) })
    assert.same({ nil, "timeout" }, { t.around(0, 1) })
    assert.equal(0, calls)
  end)

  it("keeps a limit of time", function()
    local start, least = core.monotonic(), math.huge
    with(function(milliseconds)
      least = math.min(least, milliseconds)
      local stop = core.monotonic() + milliseconds / 1000
      while core.monotonic() < stop do end
    end)
    assert.same({ nil, "timeout" }, { terminal({}).around(30, 1) })
    local took = core.monotonic() - start
    assert.is_true(took >= 0.03 and took < 0.5, "took " .. took)
    assert.is_true(least <= 30)
  end)

  it("gives several functions turns", function()
    local t, turns = terminal {}, {}
    with(function() turns[#turns + 1] = "a" end)
    with(function(milliseconds)
      turns[#turns + 1] = "b"
      assert.is_true(milliseconds <= 50)
      if #turns >= 6 then t.items[1] = "x" end
    end)
    assert.equal("x", t.around(-1, 1))
    assert.is_truthy(table.concat(turns):find "^[ab]+$")
    assert.is_truthy(table.concat(turns):find "abab")
  end)

  it("takes a function away that raises, tells why, and lives", function()
    local t, other = terminal {}, 0
    with(function() error("the pen is broken", 0) end)
    with(function()
      other = other + 1
      if other == 2 then t.items[1] = "x" end
    end)
    local why
    repeat
      local bytes
      bytes, why = t.around(-1, 1)
    until bytes == "x" or why == "eof"
    assert.equal(1, #told)
    assert.is_truthy(told[1]:find("the pen is broken", 1, true))
    assert.equal(2, other)
  end)

  it("asks for the line to be drawn again after it told something", function()
    with(function()
      waiting.tell "corrected"
      waiting.tell(7)
    end)
    assert.same({ nil, "redraw" }, { terminal({}).around(-1, 1) })
    assert.same({ "corrected\n7" }, told)
  end)

  it("survives an interrupt, which is the prompt's", function()
    local calls = 0
    with(function()
      calls = calls + 1
      error("window.lua:7: interrupted!", 0)
    end)
    local t = terminal {}
    assert.same({ nil, "interrupt" }, { t.around(-1, 1) })
    assert.same({ nil, "interrupt" }, { t.around(-1, 1) })
    assert.equal(2, calls)
    assert.same({}, told)
  end)

  it("takes a function away that an interrupt had to fetch back", function()
    with(function(milliseconds)
      local stop = core.monotonic() + milliseconds / 1000 + 1.05
      while core.monotonic() < stop do end
      error("interrupted!", 0)
    end)
    assert.same({ nil, "interrupt" }, { terminal({}).around(-1, 1) })
    assert.is_truthy(told[1]:find("did not come back", 1, true))
    assert.is_false(waiting.any())
  end)

  it("hands on that the prompt is to end", function()
    with(function() return "leave" end)
    assert.same({ nil, "leave" }, { terminal({}).around(-1, 1) })
  end)

  it("waits plainly once the function has gone", function()
    local undo
    undo = with(function() undo() end)
    local t = terminal {}
    assert.same({ nil, "eof" }, { t.around(-1, 1) })
    assert.equal(1, t.blocked)
    undo()
  end)

  it("lets keys be read beside it", function()
    local t, bytes = terminal {}, { "\27", "[", "A", "q" }
    with(function() t.items[#t.items + 1] = table.remove(bytes, 1) end)
    local reader = keys.new(t.around)
    assert.equal("up", reader:next())
    assert.equal("q", reader:next())
  end)

  it("wants a function", function()
    assert.error_matches(function() waiting.with(7) end, "waiting.with: wants a function %(milliseconds%), got number")
  end)
end)
