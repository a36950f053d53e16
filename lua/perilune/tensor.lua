--- Methods and functions of tensors that are made from others, and so need no code of their own in C.
-- Loading this module adds them to the methods of tensors; the functions it returns become peri's.
-- @module perilune.tensor
local core = require "perilune.core"

local methods = core.tensor_methods
local functions = {}

--- The tensor as float32, float64, int64 or uint8; a copy that gradients pass through.
function methods.float(t) return t:to "float32" end
function methods.double(t) return t:to "float64" end
function methods.long(t) return t:to "int64" end
function methods.byte(t) return t:to "uint8" end

return functions
