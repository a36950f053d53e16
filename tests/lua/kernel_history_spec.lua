-- What was run before: kept in a file across sessions, and asked for by tail, range and search.
local json = require "perilune.json"
local history = require "perilune.kernel.history"

local path, files

local function read()
  local file = io.open(path, "rb")
  local text = file and file:read "a"
  if file then file:close() end
  return text
end

before_each(function()
  path = os.tmpname()
  files = {
    append = function(name, text)
      local file = assert(io.open(name, "ab"))
      file:write(text)
      file:close()
    end,
    replace = function(name, text)
      local file = assert(io.open(name, "wb"))
      file:write(text)
      file:close()
    end,
  }
end)
after_each(function() os.remove(path) end)

local function filled(session, sources, limit)
  local one = history.open(path, files, session, limit)
  for i, source in ipairs(sources) do one:add(i, source) end
  return one
end

local function sources(rows)
  local list = {}
  for i, row in ipairs(rows) do list[i] = row[3] end
  return list
end

describe("a notebook's history", function()
  it("gives the last ones in the order of their time", function()
    local one = filled(7, { "a", "b", "c" })
    local rows = one:ask { hist_access_type = "tail", n = 2 }
    assert.same({ "b", "c" }, sources(rows))
    assert.same({ 7, 2 }, { rows[1][1], rows[1][2] })
    assert.same({ "a", "b", "c" }, sources(one:ask { hist_access_type = "tail", n = 100 }))
    assert.same({}, sources(one:ask { hist_access_type = "tail", n = 0 }))
    assert.equal("[]", json.message(one:ask { hist_access_type = "tail", n = 0 }))
  end)

  it("stays across sessions, line breaks, tabs and backslashes included", function()
    local strange = "x = [[\n\t\\n\\]]\n-- \255"
    filled(1, { strange, "y" })
    local two = filled(2, { "z" })
    assert.same({ strange, "y", "z" }, sources(two:ask { hist_access_type = "tail", n = 9 }))
  end)

  it("gives a range of this session, an earlier one, or one by its number", function()
    filled(11, { "a", "b" })
    local two = filled(22, { "c", "d", "e" })
    local function range(session, start, stop)
      return sources(two:ask { hist_access_type = "range", session = session, start = start, stop = stop })
    end
    assert.same({ "c", "d" }, range(0, 1, 3))
    assert.same({ "e" }, range(22, 3, 4))
    assert.same({ "a", "b" }, range(-1, 1))
    assert.same({ "b" }, range(11, 2, 9))
    assert.same({}, range(-5, 1))
    assert.same({}, range(99, 1))
  end)

  it("searches with the shell's patterns", function()
    local one = filled(1, { "print(1)", "x = 1", "print(2)", "x = 1", "größe = [a]", "a.b%c\nd" })
    local function search(pattern, unique, n)
      return sources(one:ask { hist_access_type = "search", pattern = pattern, unique = unique, n = n })
    end
    assert.same({ "print(1)", "print(2)" }, search "print*")
    assert.same({ "x = 1", "x = 1" }, search "x = ?")
    assert.same({ "x = 1" }, search("x*", true))
    assert.same({ "print(2)" }, search("print*", false, 1))
    assert.same({ "größe = [a]" }, search "gr??e*")
    assert.same({ "print(2)" }, search "print([2-9])")
    assert.same({ "print(1)" }, search "print([!2-9])")
    assert.same({ "a.b%c\nd" }, search "a.b%*d")
    assert.same({}, search "rint")
    assert.equal(6, #search "*")
    assert.equal(6, #search(nil))
    assert.same({}, search "[")
    assert.same({ "print(1)" }, search "*r*1*")
    assert.same({ "print(1)", "print(2)" }, search "*)")
    assert.same({}, search "print(1)*)")
  end)

  it("searches long cells for many stars at once", function()
    local one = filled(1, { ("ab"):rep(20000), "aac" })
    local began = os.clock()
    assert.same({ "aac" }, sources(one:ask { hist_access_type = "search", pattern = "*a*a*c*" }))
    assert.is_true(os.clock() - began < 2)
  end)

  it("gives outputs of this session where they are asked for", function()
    filled(1, { "old" })
    local one = filled(2, { "1 + 1", "x = 1" })
    one:add_output(1, "2")
    local rows = one:ask { hist_access_type = "tail", n = 3, output = true }
    assert.equal('[[1,1,["old",null]],[2,1,["1 + 1","2"]],[2,2,["x = 1",null]]]', json.message(rows))
  end)

  it("bounds file and memory, keeping the newest", function()
    local many = {}
    for i = 1, 25 do many[i] = "cell " .. i end
    local one = filled(1, many, 10)
    assert.is_true(#one.entries <= 20)
    local two = history.open(path, files, 2, 10)
    assert.same({ "cell 24", "cell 25" }, sources(two:ask { hist_access_type = "tail", n = 2 }))
    assert.equal(10, #two.entries)
    assert.equal(10, select(2, read():gsub("\n", "")))
  end)

  it("passes over lines that are none, and says once that it cannot be kept", function()
    files.append(path, "garbage\n\n1\tx\ty\n5\t1\tgood\n\0\0\n")
    local one = history.open(path, files, 6)
    assert.same({ "good" }, sources(one:ask { hist_access_type = "tail", n = 9 }))
    files.append = function() error "disk full" end
    local ok, problem = one:add(1, "x")
    assert.is_nil(ok)
    assert.truthy(problem:find "disk full")
    assert.is_true(one:add(2, "y"))
    assert.same({ "good", "x", "y" }, sources(one:ask { hist_access_type = "tail", n = 9 }))
  end)
end)
