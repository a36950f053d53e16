--- What the scripts that a person runs have in common: options, messages, exit codes.
--
-- Exit codes: 0 all went well, 1 something failed, 2 wrong usage, 3 the data is missing, 130 Ctrl-C.
-- @module perilune.script
local interruption = require "perilune.interruption"

local script = {}

script.FAILED, script.USAGE, script.NO_DATA, script.INTERRUPTED = 1, 2, 3, 130

script.codes = "Exit codes: 0 all went well, 1 something failed, 2 wrong usage, 3 the data is missing, 130 Ctrl-C."

--- A parser of options (lua-argparse) that explains the exit codes.
function script.parser(name, description)
  local ok, argparse = pcall(require, "argparse")
  if not ok then
    io.stderr:write(name, ": needs lua-argparse (apt-get install lua-argparse, or luarocks install argparse)\n")
    os.exit(script.FAILED)
  end
  return argparse(name, description):epilog(script.codes)
end

--- Parses the options; wrong ones end the program with code 2.
function script.parse(parser, argv)
  local ok, options = parser:pparse(argv)
  if ok then return options end
  io.stderr:write(parser:get_usage(), "\n\nError: ", options, "\n")
  os.exit(script.USAGE)
end

--- Ends the program with a message.
function script.fail(name, code, format, ...)
  io.stderr:write(name, ": ", format:format(...), "\n")
  os.exit(code, true)
end

--- Converters for options: text to a number that fits, or nil and what was wrong.
local function converter(wanted, read)
  return function(text)
    local value = read(text)
    if value == nil then return nil, ("'%s' is not %s"):format(text, wanted) end
    return value
  end
end

script.count = converter("a whole number of 1 or more", function(text)
  local value = math.tointeger(tonumber(text))
  return value and value >= 1 and value or nil
end)

script.integer = converter("a whole number of 0 or more", function(text)
  local value = math.tointeger(tonumber(text))
  return value and value >= 0 and value or nil
end)

script.number = converter("a number of 0 or more", function(text)
  local value = tonumber(text)
  return value and value >= 0 and value < math.huge and value or nil
end)

script.fraction = converter("a number from 0 to below 1", function(text)
  local value = tonumber(text)
  return value and value >= 0 and value < 1 and value or nil
end)

--- What went wrong, without the position in our own sources: a person wants the reason.
function script.reason(text) return (tostring(text):gsub("^[^\n:]+%.lua:%d+: ", "")) end

--- Runs a script's work; an error becomes a message and code 1. PERILUNE_TRACE=1 shows where it happened.
function script.run(name, main, ...)
  local trace
  local ok, result = xpcall(main, function(reason)
    trace = debug.traceback(tostring(reason), 2)
    return reason
  end, ...)
  if ok then os.exit(result or 0, true) end
  local text = script.reason(result)
  if os.getenv "PERILUNE_TRACE" == "1" then text = trace end
  script.fail(name, interruption.is(result) and script.INTERRUPTED or script.FAILED, "%s", text)
end

--- Makes the folder that a file is to go into, if it is not there yet.
function script.make_folder(path)
  local folder = path:match "^(.*)/[^/]*$"
  if not folder or folder == "" then return end
  local ok, lfs = pcall(require, "lfs")
  if not ok then return end
  local made = folder:sub(1, 1) == "/" and "/" or ""
  for part in folder:gmatch "[^/]+" do
    made = made .. part
    lfs.mkdir(made)
    made = made .. "/"
  end
end

--- The package perilune, or the program ends and says how to build it.
function script.perilune(name)
  if not package.searchpath("perilune.core", package.cpath) then
    script.fail(name, script.FAILED, "Perilune is not built: cmake -B build && cmake --build build -j")
  end
  return require "perilune"
end

--- MNIST, or the program ends with code 3 and says how to get it.
-- @param folder where the files are; nil for the cache
-- @return training set, test set
function script.mnist(name, folder)
  local data = require "perilune.data"
  local ok, train, test = pcall(data.mnist, { dir = folder })
  if ok then return train, test end
  script.fail(name, script.NO_DATA, "%s", script.reason(train))
end

--- Sets the number of threads when one is asked for; returns the number in use.
function script.threads(wanted)
  local core = require "perilune.core"
  return core.threads(wanted)
end

--- The middle of a list of numbers; nil of an empty one.
function script.median(values)
  local sorted = table.move(values, 1, #values, 1, {})
  if #sorted == 0 then return nil end
  table.sort(sorted)
  local half = #sorted // 2
  return #sorted % 2 == 1 and sorted[half + 1] or (sorted[half] + sorted[half + 1]) / 2
end

return script
