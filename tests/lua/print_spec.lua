-- Tensors as text, after NumPy's array2string (precision 4); zeros at the end are kept, so that columns stay columns.
local peri = require "perilune"

local function shows(expected, t) assert.equal(expected, tostring(t)) end
local nan, inf = 0 / 0, math.huge

describe("printing", function()
  it("scalars and empty tensors", function()
    shows("3.0\nfloat32 ()", peri.tensor(3))
    shows("1.0e-08\nfloat32 ()", peri.tensor(1e-8))
    shows("[]\nfloat32 (0,)", peri.zeros(0))
    shows("[]\nint64 (0, 3)", peri.zeros({ 0, 3 }, "int64"))
  end)

  it("as many digits as tell the numbers apart, four at most", function()
    shows("[1.0, 2.0, 3.0]\nfloat32 (3,)", peri.tensor { 1, 2, 3 })
    shows("[ 1.50, -2.25,  3.00]\nfloat32 (3,)", peri.tensor { 1.5, -2.25, 3 })
    shows("[0.3333, 0.6667]\nfloat64 (2,)", peri.tensor({ 1 / 3, 2 / 3 }, "float64"))
    shows("[0.1, 0.2, 0.3]\nfloat32 (3,)", peri.tensor { 0.1, 0.2, 0.3 })
  end)

  it("very large and very small numbers with exponents, to as few digits as will do", function()
    shows("[1.0e-05, 1.0e+00]\nfloat32 (2,)", peri.tensor { 1e-5, 1 })
    shows("[1.25e+10, 1.00e+00]\nfloat64 (2,)", peri.tensor({ 1.25e10, 1 }, "float64"))
    shows("[1.2346e-05]\nfloat64 (1,)", peri.tensor({ 1.23456789e-5 }, "float64"))
  end)

  it("nan and inf, aligned", function()
    shows("[nan, 1.0, inf]\nfloat32 (3,)", peri.tensor { nan, 1, inf })
    shows("[-inf,  1.0]\nfloat32 (2,)", peri.tensor { -inf, 1 })
    shows("[nan, nan]\nfloat32 (2,)", peri.tensor { nan, nan })
  end)

  it("integers and masks", function()
    shows("[[  1,  -2],\n [300,   4]]\nint64 (2, 2)", peri.tensor({ { 1, -2 }, { 300, 4 } }, "int64"))
    shows("[0, 1, 1]\nuint8 (3,)", peri.tensor({ 0, 1, 1 }, "uint8"))
  end)

  it("a blank line between matrices, two between blocks of them", function()
    shows("[[[1, 2],\n  [3, 4]],\n\n [[5, 6],\n  [7, 8]]]\nint64 (2, 2, 2)", peri.arange(8, "int64"):reshape(2, 2, 2))
    assert.is_truthy(tostring(peri.zeros(2, 1, 1, 1)):find("[[[[0.0]]],\n\n\n [[[0.0]]]]", 1, true))
  end)

  it("leaves out the middle of large tensors", function()
    shows("[   1,    2,    3, ..., 1999, 2000, 2001]\nint64 (2001,)", peri.arange(2001, "int64"))
    local text = tostring(peri.zeros(100, 100))
    assert.is_truthy(text:find("[0.0, 0.0, 0.0, ..., 0.0, 0.0, 0.0],\n ...,\n", 1, true))
    assert.equal(8, select(2, text:gsub("\n", "\n")) + 1)
  end)

  it("breaks long lines before column 80", function()
    for line in tostring(peri.rand(100)):gmatch "[^\n]+" do assert.is_true(#line <= 80) end
  end)

  it("views as they stand", function()
    shows("[[1, 3],\n [2, 4]]\nint64 (2, 2)", peri.arange(4, "int64"):reshape(2, 2):transpose())
    shows("[3, 2, 1]\nint64 (3,)", peri.arange(3, "int64"):flip())
  end)
end)
