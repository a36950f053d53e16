--- What went wrong, told to a person: the message, the line of source it points at, and a traceback that
-- ends where the user's own code ends.
-- @module perilune.repl.failure
local interruption = require "perilune.interruption"

local failure = {}

local SHOWN_FRAMES = 20

-- The place that a message begins with: chunk or file name, and line.
local function place_of(message)
  local name, line = message:match("^([^\n]-):(%d+):")
  return name, tonumber(line)
end

local function nth_line(text, n)
  local at = 1
  for _ = 2, n do
    at = text:find("\n", at, true)
    if not at then return nil end
    at = at + 1
  end
  return text:match("[^\r\n]*", at)
end

-- Line n of a file, or nil. Long lines are cut: a minified file is no help.
local function line_of_file(path, n)
  local file = io.open(path, "r")
  if not file then return nil end
  local line
  for _ = 1, n do
    line = file:read("L")
    if not line then break end
  end
  file:close()
  return line and line:gsub("[\r\n]+$", ""):sub(1, 200)
end

--- The source line that a message points at.
-- @param message  "NAME:LINE: ..."
-- @param sources  texts by chunk name
-- @return the line without white space around it, its number, and the chunk or file name; or nil
function failure.source_line(message, sources)
  local name, number = place_of(message)
  if not name then return nil end
  local line = sources and sources[name] and nth_line(sources[name], number)
  if not line and name:find("%.lua$") then line = line_of_file(name, number) end
  line = line and line:match("^%s*(.-)%s*$")
  if line and line ~= "" then return line, number, name end
end

-- One frame as Lua's own traceback words it.
local function describe_frame(info)
  local where = info.currentline > 0 and ("%s:%d:"):format(info.short_src, info.currentline) or info.short_src .. ":"
  if info.what == "main" then return where .. " in main chunk" end
  if info.what == "C" and not info.name then return where .. " in ?" end
  if info.name then
    local kind = info.namewhat ~= "" and info.namewhat or "function"
    if kind == "global" then kind = "function" end
    return ("%s in %s '%s'"):format(where, kind, info.name)
  end
  return ("%s in function <%s:%d>"):format(where, info.short_src, info.linedefined)
end

-- How many frames the stack has, this function's caller being the newest. debug.getinfo walks from the top,
-- so looking at every level of an overflown stack would take minutes: the interval is halved instead.
local function stack_depth()
  local low, high = 1, 2
  while debug.getinfo(high, "l") do low, high = high, high * 2 end
  while low + 1 < high do
    local middle = (low + high) // 2
    if debug.getinfo(middle, "l") then low = middle else high = middle end
  end
  return low - 1
end

-- Files whose functions are no part of what a person wrote or called: the prompt's and the kernel's.
local function is_own(source)
  return source:find("perilune[/\\]repl[/\\.]") ~= nil or source:find("perilune[/\\]kernel[/\\.]") ~= nil
end

-- Is the function at this level (as seen by this function's caller) one of those, or of C and called by one of them?
local function is_machinery(level, info)
  if is_own(info.source) then return true end
  local caller = info.what == "C" and debug.getinfo(level + 2, "S")
  return caller and is_own(caller.source)
end

-- The frames from `level` to `bottom` (as seen by this function's caller); from the middle of many some are
-- left out.
local function frames_between(level, bottom)
  local frames, half = {}, SHOWN_FRAMES // 2
  local hidden = bottom - level + 1 - SHOWN_FRAMES
  level, bottom = level + 1, bottom + 1
  while level <= bottom do
    local info = debug.getinfo(level, "Slntf")
    if not info then break end
    if not is_machinery(level, info) then
      if info.what ~= "C" or info.name ~= "error" then frames[#frames + 1] = describe_frame(info) end
      if info.istailcall then frames[#frames + 1] = "(...tail calls...)" end
    end
    level = level + 1
    if hidden > 0 and #frames >= half then
      frames[#frames + 1] = ("... (%d more)"):format(hidden)
      level, hidden = bottom - half + 1, 0
    end
  end
  return frames
end

-- Does the value say itself what it is as text? Where that has failed it is not asked again.
local function own_text(value)
  local meta = debug.getmetatable(value)
  return type(meta) == "table" and rawget(meta, "__tostring") ~= nil
end

--- An error object as text; anything that is no string is named for what it is.
function failure.message_of(value)
  if type(value) == "string" then return value end
  if own_text(value) then
    local ok, text = pcall(tostring, value)
    if ok and type(text) == "string" then return text end
  end
  if type(value) == "number" then return tostring(value) end
  return ("(error object is a %s value)"):format(type(value))
end

--- Calls a function; what it raises comes back as a description.
-- @param f     the function
-- @param call  xpcall, or what takes its place
-- @return table.pack of true and the results, or of false and { status = "error", kind = "raised", value,
--   message, traceback }
function failure.protect(f, call, ...)
  local depth = stack_depth() -- this function's; above it stand `call`, then f
  return table.pack(call(f, function(value)
    return {
      status = "error", kind = "raised", value = value, message = failure.message_of(value),
      traceback = frames_between(2, stack_depth() - depth - 1),
    }
  end, ...))
end

-- For a message without a place (error(text, 0), an object): the innermost line that a person wrote, or, where there
-- is none, of the library.
local function line_of_frames(frames, sources)
  local line, number, name
  for _, frame in ipairs(frames) do
    local found, at, where = failure.source_line(frame, sources)
    if found and not line then line, number, name = found, at, where end
    if found and not where:find("lua[/\\][%d.]*[/\\]?perilune[/\\]") then return found, at, where end
  end
  return line, number, name
end

--- Adds the source line that an error points at (`line`, `line_number`, `line_source`), and whether it is an interrupt.
-- @param description  what `protect` gave, or the like; or a bare error object (memory or handler trouble)
-- @param sources      texts by chunk name
function failure.describe(description, sources)
  if type(description) ~= "table" or description.status ~= "error" then
    description = { status = "error", kind = "raised", value = description, message = failure.message_of(description) }
  end
  description.traceback = description.traceback or {}
  -- coroutine.wrap puts the place of its call before that of the error: said twice when they are one line
  description.message = description.message:gsub("^([^\n]-:%d+: )%1", "%1")
  local line, number, name = failure.source_line(description.message, sources)
  if not line and not place_of(description.message) then
    line, number, name = line_of_frames(description.traceback, sources)
  end
  description.line, description.line_number, description.line_source = line, number, name
  description.interrupted = interruption.is(description.message)
  return description
end

--- Puts the frames of the wrapped coroutine in which an error began before the others.
-- @param traceback  as luaL_traceback words it, or nil
function failure.add_coroutine(description, traceback)
  if not traceback then return end
  local frames = {}
  for line in traceback:gmatch("\n%s*([^\n]+)") do
    if line ~= "[C]: in function 'error'" and not is_own(line) then frames[#frames + 1] = line end
  end
  frames[#frames + 1] = "(in a coroutine, resumed by)"
  description.traceback = table.move(description.traceback, 1, #description.traceback, #frames + 1, frames)
end

--- A description as lines for a terminal.
-- @param paint  nil, or a function (text, role) that colours text; roles "error", "dim"
function failure.text(description, paint)
  paint = paint or function(text) return text end
  local lines = { paint(description.message, "error") }
  if type(description.value) == "table" and lines[1]:find("error object is a table", 1, true)
    and not own_text(description.value) then
    local ok, shown = pcall(function() return require("perilune.display").text(description.value) end)
    if ok then lines[1] = lines[1] .. "\n" .. shown end
  end
  if description.line then
    lines[#lines + 1] = ("  %s %s"):format(paint(("%d |"):format(description.line_number), "dim"), description.line)
  end
  local frames = description.traceback
  if #frames > 1 then
    lines[#lines + 1] = paint("stack traceback:", "dim")
    for _, frame in ipairs(frames) do lines[#lines + 1] = paint("  " .. frame, "dim") end
  end
  return table.concat(lines, "\n")
end

--- The same, whatever the error object's own code does: showing it runs that code, which may fail or never end.
-- @param call  the xpcall that Ctrl-C reaches into
function failure.safe_text(description, paint, call)
  if description.interrupted then description.traceback = {} end -- where it was says enough
  local ok, text = call(failure.text, tostring, description, paint)
  return ok and text or paint(description.message, "error")
end

return failure
