-- Small nets trained for some steps beside Keras: layers, losses and optimisers together.
local peri = require "perilune"
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local golden = dofile(here .. "/support/golden.lua")

local function check(case, dtype)
  local tolerance = golden.tolerance[dtype]
  local first = golden.tensor(case.batches[1].x, dtype)
  local net = golden.net(case, first, dtype)
  local given = golden.config(case.optimizer_config)
  given[1] = net:parameters()
  local optimiser = peri.optim[case.optimizer](given)
  for step, expected in ipairs(case.losses) do
    local batch = case.batches[(step - 1) % #case.batches + 1]
    local y = net(golden.tensor(batch.x, dtype), { training = true })
    local loss = peri.nn.losses[case.loss](y, golden.tensor(batch.y, dtype))
    golden.near({ shape = {}, data = { expected } }, loss, tolerance, "loss of step " .. step)
    optimiser:zero_grad()
    loss:backward()
    optimiser:step()
  end
  local number = 0
  golden.each(net, case, function(layer, said)
    number = number + 1
    for name, array in pairs(case.after[number]) do
      golden.near(array, layer[name], tolerance, ("%s's %s at the end"):format(said.layer, name))
    end
  end)
end

describe("golden training", function()
  for _, case in ipairs(golden.cases "training") do
    for _, dtype in ipairs { "float64", "float32" } do
      it(("%s goes as in Keras in %s"):format(case.name, dtype), function() check(case, dtype) end)
    end
  end
end)
