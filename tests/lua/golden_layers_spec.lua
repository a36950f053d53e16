-- Every layer against Keras' answers: output, gradients of the input and of every weight, moving statistics.
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local golden = dofile(here .. "/support/golden.lua")

local function check(case, dtype)
  local tolerance = golden.tolerance[dtype]
  local x = golden.leaf(case.inputs.x, dtype)
  local net = golden.net(case, x, dtype)
  local y = net(x, { training = case.training })
  golden.near(case.output, y, tolerance, "output")
  y:backward(golden.tensor(case.grad_output, dtype))
  if case.gradients.x then golden.near(case.gradients.x, x.grad, tolerance, "gradient of x") end
  golden.each(net, case, function(layer, said)
    for name, array in pairs(said.gradients) do
      if name ~= "x" then golden.near(array, layer[name].grad, tolerance, said.layer .. "'s gradient of " .. name) end
    end
    for name, before in pairs(said.weights) do -- what is not among `updated` must not have moved
      local array = said.updated and said.updated[name] or before
      golden.near(array, layer[name], tolerance, ("%s's %s after the step"):format(said.layer, name))
    end
  end)
end

describe("golden layer", function()
  for _, case in ipairs(golden.cases "layers") do
    for _, dtype in ipairs { "float64", "float32" } do
      it(("%s is Keras' in %s"):format(case.name, dtype), function() check(case, dtype) end)
    end
  end
end)
