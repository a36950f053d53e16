-- npy, npz and safetensors: what is written comes back, and every malformed file is an error with its path.
local core = require "perilune.core"

local path = os.tmpname()

local function put(...)
  local file = assert(io.open(path, "wb"))
  file:write(...)
  file:close()
end

local function refused(load, message)
  local ok, text = pcall(load, path)
  assert.is_false(ok)
  assert.truthy(text:find(path, 1, true), text)
  if message then assert.truthy(text:find(message, 1, true), text) end
end

local function same(a, b)
  assert.equal(a.dtype, b.dtype)
  assert.same(a.shape, b.shape)
  assert.same(a:totable(), b:totable())
end

local samples = {
  a = core.arange(1, 6):reshape(2, 3), ["b/c"] = core.transpose(core.arange(1, 6):reshape(2, 3)),
  whole = core.full({ 3 }, -7, "int64"), bytes = core.full({ 2, 2 }, 255, "uint8"),
  double = core.full({}, 0.1, "float64"), none = core.zeros { 0, 4 },
}

teardown(function() os.remove(path) end)

describe("npy", function()
  local function npy(header, data, version)
    return "\x93NUMPY" .. (version or "\1\0") .. string.pack(version and "<I4" or "<I2", #header) .. header .. (data or "")
  end
  local good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"

  it("comes back as it was", function()
    for _, tensor in pairs(samples) do
      core.save_npy(path, tensor)
      same(tensor, core.load_npy(path))
    end
  end)

  it("is read in Fortran order and big-endian", function()
    put(npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }", string.pack(">i2i2i2i2i2i2", 1, 4, 2, 5, 3, -6), "\2\0"))
    assert.same({ { 1, 2, 3 }, { 4, 5, -6 } }, core.load_npy(path):totable())
  end)

  it("refuses what is malformed", function()
    put(npy(good, ("\0"):rep(8)))
    assert.same({ 2 }, core.load_npy(path).shape)
    local cases = {
      { "", "too short" }, { "\x93NUMPX\1\0\0\0", "does not begin" }, { npy(good, ("\0"):rep(8), "\4\0"), "version 4.0" },
      { npy(good, ("\0"):rep(7)), "needs 8 bytes" }, { npy(good, ("\0"):rep(9)), "needs 8 bytes" },
      { npy(good):sub(1, 40), "inside the npy header" },
      { npy((good:gsub("}", "'more': 1}")), ("\0"):rep(8)), "unknown key 'more'" },
      { npy((good:gsub("'shape': %(2,%), ", "")), ""), "'shape' is missing" },
      { npy((good:gsub("{", "{'descr': '<f4', ")), ("\0"):rep(8)), "stands twice" },
      { npy((good:gsub("2,", "-2,")), ("\0"):rep(8)), "a size" },
      { npy((good:gsub("%(2,%)", "(2)")), ("\0"):rep(8)), "tuple of one" },
      { npy((good:gsub("2,", "9223372036854775807, 8,")), ("\0"):rep(8)), "too large" },
      { npy((good:gsub("<f4", "|O")), ("\0"):rep(8)), "Python objects" },
      { npy((good:gsub("'<f4'", "[('a', '<f4')]")), ("\0"):rep(8)), "records" },
      { npy((good:gsub("False", "false")), ("\0"):rep(8)), "True or False" },
      { npy(good .. "x", ("\0"):rep(8)), "nothing more" },
      { npy(good .. (" "):rep(10001)), "more than 10000" },
      { npy("{'descr': '<u8', 'fortran_order': False, 'shape': ()}", ("\255"):rep(8)), "does not fit into int64" },
    }
    for _, case in ipairs(cases) do
      put(case[1])
      refused(core.load_npy, case[2])
    end
  end)
end)

describe("npz", function()
  it("comes back as it was, and is the same file each time", function()
    core.save_npz(path, samples)
    local first = io.open(path, "rb"):read "a"
    core.save_npz(path, samples)
    assert.equal(first, io.open(path, "rb"):read "a")
    local back = core.load_npz(path)
    for name, tensor in pairs(samples) do same(tensor, back[name]) end
  end)

  it("refuses a damaged byte anywhere in the elements, and every cut", function()
    core.save_npz(path, { a = core.ones { 4 } })
    local whole = io.open(path, "rb"):read "a"
    for at = whole:find("\n", 1, true) + 1, whole:find("\n", 1, true) + 16 do
      put(whole:sub(1, at - 1), string.char(whole:byte(at) ~ 1), whole:sub(at + 1))
      refused(core.load_npz, "checksum")
    end
    for length = 0, #whole - 1 do
      put(whole:sub(1, length))
      refused(core.load_npz)
    end
  end)

  it("refuses names that lead out of a folder", function()
    for _, name in ipairs { "/a", "../a", "a\\b", "" } do
      assert.has_error(function() core.save_npz(path, { [name] = core.ones { 1 } }) end)
    end
  end)
end)

describe("safetensors", function()
  local function file(header, bytes)
    return string.pack("<I8", #header) .. header .. ("\0"):rep(bytes or 0)
  end
  local one = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
  local function tensor(name, dtype, shape, from, to)
    return ('"%s":{"dtype":"%s","shape":[%s],"data_offsets":[%s,%s]}'):format(name, dtype, shape, from, to)
  end

  it("comes back as it was, with its texts", function()
    local texts = { format = "pt", state = '{"a":"\n\\\u{1F600}\0"}' }
    core.save_safetensors(path, samples, texts)
    local back, said = core.load_safetensors(path)
    assert.same(texts, said)
    for name, sample in pairs(samples) do same(sample, back[name]) end
  end)

  it("takes what is legal", function()
    for _, legal in ipairs {
      file "{}", file("{" .. one .. "}   ", 4), file('{"__metadata__":{},' .. one .. "}", 4),
      file("{" .. tensor("a", "U8", "3", 0, 3) .. "," .. tensor("b", "F32", "1", 3, 7) .. "}", 7), -- misaligned
      file("{" .. tensor("b", "BF16", "1", 2, 4) .. "," .. tensor("a", "I16", "", 0, 2) .. "}", 4),
      file('{"a":{"later":{"x":[1,-2.5e3,null]},"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4) } do
      put(legal)
      core.load_safetensors(path)
    end
  end)

  it("refuses everything else", function()
    local cases = {
      "", "\0\0\0\0\0\0\0", file "", string.pack("<I8", 3) .. "{}", string.pack("<I8", 100000001) .. "{}",
      string.pack("<I8", math.maxinteger) .. "{}", string.pack("<i8", -1) .. "{}", file " {}", file "\xEF\xBB\xBF{}",
      file "[]", file "{} x", file "{}{}", file "{", file '{"a\xFF":1}', file("{" .. one .. ",}", 4),
      file('{"a":' .. ("["):rep(100000) .. "}"), file("{" .. one .. "," .. one .. "}", 4),
      file('{"a":{"x":' .. ("["):rep(200) .. ("]"):rep(200) .. ',"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
      file '{"__metadata__":null}', file '{"__metadata__":{"a":1}}', file '{"__metadata__":{},"__metadata__":{}}',
      file '{"__metadata__":{"a":"b","a":"c"}}', file('{"":' .. one:sub(5) .. "}", 4),
      file('{"a\\u0000b":' .. one:sub(5) .. "}", 4), file('{"a\\ud800":' .. one:sub(5) .. "}", 4),
      file("{" .. one .. "}", 3), file("{" .. one .. "}", 5), file '{"a":{"dtype":"F32","shape":[1]}}',
      file('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
      file("{" .. tensor("a", "F33", "1", 0, 4) .. "}", 4), file("{" .. tensor("a", "F32", "-1", 0, 4) .. "}", 4),
      file("{" .. tensor("a", "F32", "1.0", 0, 4) .. "}", 4), file("{" .. tensor("a", "F32", "1e0", 0, 4) .. "}", 4),
      file("{" .. tensor("a", "F32", "01", 0, 4) .. "}", 4), file("{" .. tensor("a", "F32", "1", "-0", 4) .. "}", 4),
      file("{" .. tensor("a", "F32", "1", 0, "4,4") .. "}", 4), file("{" .. tensor("a", "F32", "2", 0, 4) .. "}", 4),
      file("{" .. tensor("a", "F32", "1", 4, 0) .. "}", 4), file("{" .. tensor("a", "F32", "1", 1, 5) .. "}", 5),
      file("{" .. tensor("a", "F32", "4611686018427387904,4", 0, 0) .. "}"),
      file("{" .. tensor("a", "F32", "18446744073709551616", 0, 4) .. "}", 4),
      file("{" .. tensor("a", "F32", "1", 0, 4) .. "," .. tensor("b", "F32", "1", 0, 4) .. "}", 4),
      file("{" .. tensor("a", "F32", "1", 0, 4) .. "," .. tensor("b", "F32", "1", 8, 12) .. "}", 12),
      file('{"a":"\n"}'), file '{"a":{"dtype":1,"shape":[],"data_offsets":[0,4]}}',
    }
    for _, bytes in ipairs(cases) do
      put(bytes)
      refused(core.load_safetensors)
    end
  end)

  it("keeps the old file when it cannot write", function()
    core.save_safetensors(path, { a = core.ones { 1 } })
    assert.has_error(function() core.save_safetensors(path, { a = core.ones { 1 }, __metadata__ = core.ones { 1 } }) end)
    assert.has_error(function() core.save_safetensors(path, { ["\xFF"] = core.ones { 1 } }) end)
    assert.has_error(function() core.save_safetensors(path, { a = core.ones { 1 } }, { x = 1 }) end)
    assert.same({ 1 }, core.load_safetensors(path).a:totable())
  end)
end)
