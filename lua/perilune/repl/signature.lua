--- How a function is called: its names, its parameters, its descriptor, its source.
-- @module perilune.repl.signature
local reference = require "perilune.repl.reference"
local standard = require "perilune.repl.standard"

local signature = {}

--- The descriptor of an op or layer, or nil.
function signature.descriptor(name)
  local core = package.loaded["perilune.core"]
  if type(core) ~= "table" or type(core.describe) ~= "function" then return nil end
  local found, result = pcall(core.describe, name)
  if found and type(result) == "table" then return result end
end

--- The names under which loaded modules of the standard library or ours hold a value, shortest first: "nn.Conv2D".
function signature.names_of(value)
  local names = {}
  for module, held in pairs(package.loaded) do
    if type(held) == "table" and type(module) == "string" then
      for key, candidate in next, held do
        if rawequal(candidate, value) and type(key) == "string" then
          names[#names + 1] = (module == "_G" or module == "perilune" or module == "perilune.core") and key
            or module:gsub("^perilune%.", "") .. "." .. key
        end
      end
    end
  end
  table.sort(names, function(a, b) return #a < #b or (#a == #b and a < b) end)
  return names
end

--- All names of a function of the library: those of names_of, and what it is called as a method.
function signature.all_names(f)
  local names = signature.names_of(f)
  local core = package.loaded["perilune.core"]
  for _, held in ipairs { core and core.tensor_methods, core and core.layer_methods } do
    for key, value in pairs(held) do
      if rawequal(value, f) then names[#names + 1] = key end
    end
  end
  return names
end

--- The text of a file or of a piece of the session, as a list of lines; or nil.
-- @param source  as debug.getinfo gives it
function signature.lines(source, session)
  local text
  if source:sub(1, 1) == "@" then
    local file = io.open(source:sub(2), "r")
    if not file then return nil end
    text = file:read("a")
    file:close()
  else
    text = session and session.sources[source:sub(2)]
  end
  if not text then return nil end
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do lines[#lines + 1] = line end
  return lines
end

--- The names of a Lua function's parameters: "where, given, ...".
function signature.parameters(f)
  local info, names = debug.getinfo(f, "u"), {}
  for i = 1, info.nparams do names[i] = debug.getlocal(f, i) end
  if info.isvararg then names[#names + 1] = "..." end
  return table.concat(names, ", ")
end

--- One line for a member of a value: how it is called, as far as that is known without reading files.
function signature.brief(name, value)
  local kind = type(value)
  if kind ~= "function" and value ~= false then return "" end
  local row = standard.of(value)
  if row then return row[1] end
  local info = kind == "function" and debug.getinfo(value, "S")
  local lua = info and info.what ~= "C"
  local given = (not lua or info.source:find("perilune[/\\]nn%.lua$")) and signature.descriptor(name)
  if given then return ("%s(%s)"):format(given.name, given.signature or "") end
  if lua then return ("%s(%s)"):format(name, signature.parameters(value)) end
  return reference[name] and reference[name][1] or name .. "(...)"
end

return signature
