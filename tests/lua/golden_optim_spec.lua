-- Every optimiser against PyTorch's and Keras' ten steps, in both types.
local peri = require "perilune"
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local golden = dofile(here .. "/support/golden.lua")

local tolerance = { float64 = 1e-13, float32 = 1e-6 }
local loose = { float64 = 2e-7, float32 = 1e-6 } -- Keras rounds a rate or a momentum of its own to float32
local function check(case, dtype)
  local parameters = {}
  for i, array in ipairs(case.parameters) do parameters[i] = golden.leaf(array, dtype) end
  local given = golden.config(case.config)
  given[1] = parameters
  local opt = peri.optim[case.optimizer](given)
  local near = (case.source:find "^Keras" and loose or tolerance)[dtype]
  local function compare(expected, step, what)
    for i, array in ipairs(expected[step]) do
      golden.near(array, parameters[i], near, ("%s %d after step %d"):format(what, i, step))
    end
  end
  for step, gradients in ipairs(case.gradients) do
    for i, array in ipairs(gradients) do parameters[i].grad = golden.tensor(array, dtype) end
    opt:step()
    compare(case.output, step, "parameter")
    if case.average then
      opt:swap_ema()
      compare(case.average, step, "average")
      opt:swap_ema()
    end
  end
end

describe("golden optimiser", function()
  for _, case in ipairs(golden.cases "optimisers") do
    for _, dtype in ipairs { "float64", "float32" } do
      it(("%s takes %s's ten steps in %s"):format(case.name, case.source, dtype), function() check(case, dtype) end)
    end
  end
end)
