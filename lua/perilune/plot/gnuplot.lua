--- The gnuplot process: one run for each picture, waited for, with nothing left behind.
-- The command line is fixed but for two names that os.tmpname (mkstemp) made; a person's text, paths and data
-- travel inside the script, never past the shell. gnuplot reads no start-up files (-d) and no standard input.
-- PERILUNE_GNUPLOT names another program; the shell expands it inside quotes, as one word.
-- @module perilune.plot.gnuplot
local gnuplot = {}

local MISSING = [[plot: gnuplot was not found, so nothing can be drawn. Install it:
  Debian, Ubuntu: apt-get install gnuplot-nox   (or gnuplot-qt, which also opens windows)
  or set PERILUNE_GNUPLOT to the program's path]]

-- Scratch files that vanish with their scope, whatever happens in it.
local Scratch = {}
Scratch.__index = Scratch
Scratch.__close = function(self)
  for _, path in ipairs(self) do os.remove(path) end
end

local function scratch() return setmetatable({}, Scratch) end

function Scratch:new()
  local path = os.tmpname()
  self[#self + 1] = path
  if not path:match("^[%w/._-]+$") then
    error("plot: the temporary name " .. path .. " is not plain enough for a command line", 0)
  end
  return path
end

local function write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  assert(file:close())
end

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a" or ""
end

-- gnuplot's own words, with the offending line of the script instead of a temporary name.
local function explain(complaints, script, source)
  local text = complaints:gsub("^%s+", ""):gsub("%s+$", "")
  local place = '"' .. source:gsub("%p", "%%%0") .. '" line (%d+): '
  local line_number = tonumber(text:match(place))
  text = text:gsub(place, "line %1: ")
  local n = 0
  for line in (script .. "\n"):gmatch("(.-)\n") do
    n = n + 1
    if n == line_number then
      return ("%s\n  in the script's line %d: %s"):format(text, n, #line > 200 and line:sub(1, 200) .. "..." or line)
    end
  end
  return text
end

local shown = {}

--- Where gnuplot's warnings go: standard error, each once. Another function may take its place.
function gnuplot.warn(text)
  if not shown[text] then
    shown[text] = true
    io.stderr:write("gnuplot: ", text, "\n")
  end
end

--- Runs a script.
-- @param script  gnuplot commands
-- @param how     nil; or { window = true }: windows stay open after the process has ended
-- @return what gnuplot wrote to standard output (the picture) and to standard error
-- @raise gnuplot's own message when it fails, or how to install it when it is missing
function gnuplot.run(script, how)
  local files <close> = scratch()
  local source, complaints = files:new(), files:new()
  write(source, script)
  -- A window's process would keep our end of a pipe open for as long as the window lives.
  local window = how and how.window
  local command = ('exec "${PERILUNE_GNUPLOT:-gnuplot}" -d %s %s </dev/null 2>%s%s'):format(
    window and "-persist" or "", source, complaints, window and " >/dev/null" or "")
  local pipe <close> = assert(io.popen(command, "r"))
  local output = pipe:read "a"
  local ok, ended, code = pipe:close()
  local words = read(complaints):gsub("\n\n+", "\n")
  if ok then return output, explain(words, script, source) end
  if ended == "exit" and (code == 127 or code == 126) then error(MISSING, 0) end
  if ended == "signal" then words = words .. ("killed by signal %d"):format(code) end
  if not words:match("%S") then words = ("ended with code %s and said nothing"):format(code) end
  error("plot: gnuplot says: " .. explain(words, script, source), 0)
end

--- Runs a script for its picture; warnings go to gnuplot.warn.
function gnuplot.render(script, how)
  local output, words = gnuplot.run(script, how)
  if words ~= "" then gnuplot.warn(words) end
  return output
end

local known = {}

--- The terminals that this gnuplot was built with, as a set.
function gnuplot.terminals()
  local program = os.getenv "PERILUNE_GNUPLOT" or "gnuplot"
  if not known[program] then
    local _, words = gnuplot.run("print GPVAL_TERMINALS\n")
    local set = {}
    for name in words:gmatch("%S+") do set[name] = true end
    known[program] = set
  end
  return known[program]
end

return gnuplot
