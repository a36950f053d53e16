-- Tensors of nested tables, just enough for the Lua code above the core to be tested on its own.
local fake = {}

local Tensor = {}
Tensor.__index = Tensor

--- A nested table of numbers as a tensor that knows shape, totable, argmax(-1) and item.
function fake.tensor(rows)
  local shape, level = {}, rows
  while type(level) == "table" do
    shape[#shape + 1] = #level
    level = level[1]
  end
  return setmetatable({ rows = rows, shape = shape }, Tensor)
end

function Tensor:totable() return self.rows end

function Tensor:item()
  local value = self.rows
  while type(value) == "table" do value = value[1] end
  return value
end

function Tensor:argmax(axis)
  assert(axis == -1 and #self.shape == 2)
  local best = {}
  for i, row in ipairs(self.rows) do
    best[i] = 1
    for j, value in ipairs(row) do
      if value > row[best[i]] then best[i] = j end
    end
  end
  return fake.tensor(best)
end

return fake
