--- Tensors in NumPy's files: .npy holds one, .npz several by name.
-- @module perilune.tensor.file
local core = require "perilune.core"
local common = require "perilune.tensor.common"

local functions, methods = {}, {}

local function kind_of(where, path)
  if type(path) ~= "string" then error(("%s: wants a path, got %s"):format(where, type(path)), 3) end
  local kind = path:lower():match "%.(np[yz])$"
  if not kind then error(("%s: '%s' must end in .npy (one tensor) or .npz (a table of tensors)"):format(where, path), 3) end
  return kind
end

--- Writes a tensor to a .npy file, or a table of tensors by name to a .npz file; NumPy reads both.
-- @param path  the file; it is replaced as a whole or not at all
-- @param value a tensor (.npy), or { name = tensor } (.npz)
function functions.save(path, value)
  local kind = kind_of("save", path)
  if kind == "npy" then
    if not common.is_tensor(value) then
      error(("save: a .npy file holds one tensor, got %s; a table of tensors goes into a .npz file"):format(type(value)), 2)
    end
    core.save_npy(path, value)
  else
    if type(value) ~= "table" then
      error(("save: a .npz file holds tensors by name, { name = tensor }, got %s"):format(type(value)), 2)
    end
    core.save_npz(path, value)
  end
end

--- Reads a .npy file as a tensor, or a .npz file as a table of tensors by name.
function functions.load(path)
  return kind_of("load", path) == "npy" and core.load_npy(path) or core.load_npz(path)
end

--- Writes the tensor to a .npy file; returns it.
function methods.save(t, path)
  functions.save(path, t)
  return t
end

return { functions = functions, methods = methods }
