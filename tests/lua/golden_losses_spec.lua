-- Every loss against Keras' answers: the value, and the gradient of the prediction.
local peri = require "perilune"
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local golden = dofile(here .. "/support/golden.lua")

local function check(case, dtype)
  local tolerance = (case.tolerance or golden.tolerance)[dtype]
  local options = golden.config(case.config)
  local x = golden.leaf(case.inputs.prediction, dtype)
  local target = golden.tensor(case.inputs.target, dtype)
  if case.inputs.sample_weight then options.sample_weight = golden.tensor(case.inputs.sample_weight, dtype) end
  local prediction = case.through and peri[case.through](x) or x
  local loss = peri.nn.losses[case.loss](prediction, target, options)
  golden.near(case.output, loss, tolerance, "value")
  if case.gradients then
    loss:backward()
    golden.near(case.gradients.prediction, x.grad, tolerance, "gradient")
  end
end

describe("golden loss", function()
  for _, case in ipairs(golden.cases "losses") do
    for _, dtype in ipairs { "float64", "float32" } do
      it(("%s is Keras' in %s"):format(case.name, dtype), function() check(case, dtype) end)
    end
  end
end)
