--- Methods and functions of tensors that are made from others, and so need no code of their own in C.
-- Loading this module adds them to the methods of tensors; the functions it returns become peri's. Names,
-- orders of arguments and defaults are PyTorch's; axes and positions count from 1.
-- @module perilune.tensor
local core = require "perilune.core"

local methods = core.tensor_methods
local functions = {}

--- The tensor as float32, float64, int64 or uint8; a copy that gradients pass through.
function methods.float(t) return t:to "float32" end
function methods.double(t) return t:to "float64" end
function methods.long(t) return t:to "int64" end
function methods.byte(t) return t:to "uint8" end

-- Each part is a file of its own; a row names the functions of tensors alone (methods), those of the module
-- alone (functions) and those that are both.
for _, part in ipairs { "construct", "shape", "statistics", "logic", "einsum", "file", "names" } do
  local added = require("perilune.tensor." .. part)
  for name, f in pairs(added.methods or {}) do methods[name] = f end
  for name, f in pairs(added.functions or {}) do functions[name] = f end
  for name, f in pairs(added.both or {}) do
    methods[name], functions[name] = f, f
  end
end

return functions
