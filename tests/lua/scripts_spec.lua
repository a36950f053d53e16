-- The scripts that a person runs: their help, their exit codes, and what goes to which output.
local cjson = require "cjson"
local peri = require "perilune"
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local nn = peri.nn

local script = require "perilune.script"

-- Runs a script; returns its standard output, standard error and exit code.
local function run(name, arguments)
  local errors = os.tmpname()
  local pipe = assert(io.popen(("lua5.4 '%s/../../scripts/%s.lua' %s 2>%s"):format(here, name, arguments, errors)))
  local output = pipe:read "a"
  local _, _, code = pipe:close()
  local file = assert(io.open(errors))
  local complaint = file:read "a"
  file:close()
  os.remove(errors)
  return output, complaint, code
end

describe("every script", function()
  for _, name in ipairs { "train_mnist", "evaluate", "predict" } do
    it(name .. " explains itself and refuses what it does not know", function()
      local output, complaint, code = run(name, "--help")
      assert.equal(0, code, complaint)
      assert.matches("Usage: " .. name, output)
      assert.matches("%-%-model", output)
      assert.matches("Exit codes: 0", output)
      output, complaint, code = run(name, "--wrong x")
      assert.same({ "", script.USAGE }, { output, code })
      assert.matches("unknown option '%-%-wrong'", complaint)
    end)
  end

  it("finds the tree that it lies in, from any folder", function()
    local tree = here .. "/../.."
    if not io.open(tree .. "/build/lua/perilune/core.so", "rb") then return end -- this build is elsewhere
    for name, wanted in pairs { evaluate = "Usage: evaluate", plot_gallery = "usage: lua5.4 scripts/plot_gallery" } do
      local pipe <close> = assert(io.popen(("root=$(cd '%s' && pwd) && cd / && env -u LUA_PATH -u LUA_CPATH lua5.4 "
        .. "\"$root/scripts/%s.lua\" %s 2>&1"):format(tree, name, name == "evaluate" and "--help" or "")))
      assert.matches(wanted, pipe:read "a")
    end
  end)

  it("says what a number should be", function()
    for options, wanted in pairs { ["--epochs 0"] = "whole number of 1 or more", ["--lr x"] = "number of 0 or more",
      ["--validation 1"] = "from 0 to below 1", ["--optimizer magic"] = "adamw",
      ["--resume"] = "wants %-%-checkpoint", ["--extra-repeat 0"] = "whole number of 1 or more" } do
      local _, complaint, code = run("train_mnist", options)
      assert.equal(script.USAGE, code)
      assert.matches(wanted, complaint)
    end
  end)

  it("says where data and model are missed", function()
    local _, complaint, code = run("train_mnist", "--data /nowhere")
    assert.equal(script.NO_DATA, code)
    assert.matches("/nowhere", complaint)
    assert.matches("fetch_mnist", complaint)
    _, complaint, code = run("train_mnist", "--extra /nowhere")
    assert.equal(script.NO_DATA, code)
    assert.matches("%-%-extra /nowhere: there are no drawings in it", complaint)
    _, complaint, code = run("evaluate", "--model /nowhere/x.h5")
    assert.equal(script.FAILED, code)
    assert.matches("^evaluate: /nowhere/x.h5", complaint)
    assert.not_matches("stack traceback", complaint)
  end)
end)

describe("predict", function()
  local model, picture

  setup(function()
    peri.seed(1)
    model, picture = os.tmpname(), os.tmpname()
    os.remove(model)
    model = model .. ".h5"
    local net = nn.Sequential { nn.Flatten {}, nn.Dense { 3, activation = "softmax" } }:build { 28, 28, 1 }
    net.classes = { "cat", "dog", "cow" }
    net:save(model)
    local rows = {}
    for y = 1, 40 do
      for x = 1, 50 do rows[#rows + 1] = string.char(x > 20 and x < 26 and y > 5 and y < 35 and 20 or 240) end
    end
    local file = assert(io.open(picture, "wb"))
    file:write("P5\n50 40\n255\n", table.concat(rows))
    file:close()
  end)

  teardown(function()
    os.remove(model)
    os.remove(picture)
  end)

  it("answers in the net's class names", function()
    local output, complaint, code = run("predict", ("--model %s --top 2 %s"):format(model, picture))
    assert.equal(0, code, complaint)
    assert.matches("^" .. picture:gsub("%p", "%%%0") .. ": c?[cdo][aogw][tgw] %d+%.%d%d%%, %a+ %d+%.%d%d%%\n$", output)
  end)

  it("says when a calibrated net takes what it sees for no digit", function()
    for threshold, certain in pairs { [0] = true, [1] = false } do
      local net = nn.load(model)
      net.calibration = { temperature = 1, threshold = threshold }
      local path = model .. ".calibrated.h5"
      net:save(path)
      local output, complaint, code = run("predict", ("--model %s --json %s"):format(path, picture))
      os.remove(path)
      assert.equal(0, code, complaint)
      assert.equal(certain, cjson.decode(output).results[1].certain)
      assert.equal(not certain, complaint:find("not a digit?", 1, true) ~= nil)
    end
  end)

  it("prints one object of JSON as the last line of standard output, all else on standard error", function()
    local output, complaint, code = run("predict", ("--model %s --json --show %s"):format(model, picture))
    assert.equal(0, code, complaint)
    assert.matches("^[^\n]+\n$", output)
    local result = cjson.decode(output).results[1]
    assert.equal(picture, result.image)
    assert.equal(3, #result.top)
    assert.same({ result.class, result.probability, nil }, { result.top[1].class, result.top[1].probability, result.certain })
    assert.matches("██", complaint)
  end)

  it("goes on after a picture that cannot be read, and fails at the end", function()
    local output, complaint, code = run("predict", ("--model %s /nowhere.png %s"):format(model, picture))
    assert.equal(script.FAILED, code)
    assert.matches("/nowhere.png", complaint)
    assert.matches(picture, output, 1, true)
  end)
end)

describe("script", function()
  it("knows the middle of a list", function()
    assert.equal(2, script.median { 3, 1, 2 })
    assert.equal(2.5, script.median { 4, 1, 3, 2 })
    assert.is_nil(script.median {})
  end)
end)
