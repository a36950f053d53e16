--- What was run in notebooks, kept across sessions: tail, range and search of a history_request.
--
-- The file has one cell a line: session, number and source, parted by tabs, the source with `\n` and `\\` for line
-- breaks and backslashes. A cell is appended at once, in one write, so that kernels side by side lose nothing; the
-- file is rewritten with its newest entries when it has grown past twice the limit. Results are kept in memory only.
-- @module perilune.kernel.history
local json = require "perilune.json"
local prompt_history = require "perilune.repl.history"

local history = {}
history.__index = history

local LIMIT = 5000        -- entries kept
local KEPT_OUTPUTS = 1000 -- results of this session kept
local LONGEST_OUTPUT = 10000

--- Where the history is kept, beside the prompt's; nil where that has no place.
function history.path()
  local path = prompt_history.path()
  return path and path .. "-notebook"
end

local function parse(line)
  local session, number, source = line:match "^(%d+)\t(%d+)\t(.*)$"
  session, number = math.tointeger(tonumber(session)), math.tointeger(tonumber(number))
  if session and number then return { session = session, number = number, source = prompt_history.unescape(source) } end
end

local function read(path, files, limit)
  local file = path and io.open(path, "r")
  local entries, lines = {}, {}
  if not file then return entries end
  for line in file:lines() do
    local entry = parse(line)
    if entry then entries[#entries + 1], lines[#lines + 1] = entry, line end
  end
  file:close()
  if #entries > 2 * limit and files.replace then
    -- A history that cannot be shortened still works.
    pcall(files.replace, path, table.concat(lines, "\n", #lines - limit + 1) .. "\n")
  end
  return table.move(entries, math.max(1, #entries - limit + 1), #entries, 1, {})
end

--- Opens a history.
-- @param path     of its file; nil for none
-- @param files    { append = function(path, text), replace = function(path, text) or nil }, which raise when they fail
-- @param session  the number of this session, larger than those before it
-- @param limit    how many entries are kept; 5000
function history.open(path, files, session, limit)
  limit = limit or LIMIT
  local entries = read(path, files, limit)
  return setmetatable({
    path = path, files = files, limit = limit, entries = entries, session = session, outputs = {},
  }, history)
end

--- Remembers a cell.
-- @return true, or nil and why the file could not be written (told once)
function history:add(number, source)
  self.entries[#self.entries + 1] = { session = self.session, number = number, source = source }
  if #self.entries > 2 * self.limit then
    self.entries = table.move(self.entries, self.limit + 1, #self.entries, 1, {})
  end
  if not self.path or self.failed then return true end
  local line = ("%d\t%d\t%s\n"):format(self.session, number, prompt_history.escape(source))
  local ok, problem = pcall(self.files.append, self.path, line)
  if ok then return true end
  self.failed = true
  return nil, ("the notebook's history is not kept: %s"):format(tostring(problem))
end

--- Remembers what a cell of this session showed.
function history:add_output(number, text)
  if #text > LONGEST_OUTPUT then text = text:sub(1, LONGEST_OUTPUT) .. "..." end
  self.outputs[number] = text
  self.outputs[number - KEPT_OUTPUTS] = nil
end

-- A pattern of the shell's kind, * ? [a-z] [!a-z], as Lua's patterns for what stands between the stars. One pattern
-- with `.*` for each star would go back to every one of them: minutes for a long cell.
local function lua_patterns(glob)
  local patterns, parts, at = {}, { "^" }, 1
  while at <= #glob do
    local char = glob:sub(at, at)
    local not_in, set, after = glob:match("^%[([!^]?)(%]?[^%]]*)%]()", at)
    if char == "*" then
      patterns[#patterns + 1], parts = table.concat(parts), {}
    elseif char == "?" then
      parts[#parts + 1] = utf8.charpattern
    elseif set and set ~= "" then
      parts[#parts + 1] = "[" .. (not_in ~= "" and "^" or "") .. set:gsub("[%%%]%[^]", "%%%0") .. "]"
      at = after - 1
    else
      parts[#parts + 1] = char:gsub("%p", "%%%0")
    end
    at = at + 1
  end
  parts[#parts + 1] = "$"
  patterns[#patterns + 1] = table.concat(parts)
  return patterns
end

local function fits(source, patterns)
  local at = 1
  for _, pattern in ipairs(patterns) do
    local _, last = source:find(pattern, at)
    if not last then return false end
    at = last + 1
  end
  return true
end

local function last(entries, n)
  n = math.tointeger(n)
  if not n or n >= #entries then return entries end
  return table.move(entries, #entries - math.max(n, 0) + 1, #entries, 1, {})
end

-- The newest of each source.
local function unique(entries)
  local seen, kept = {}, {}
  for i = #entries, 1, -1 do
    local source = entries[i].source
    if not seen[source] then
      seen[source] = true
      table.insert(kept, 1, entries[i])
    end
  end
  return kept
end

local function search(self, request)
  local patterns, found = lua_patterns(type(request.pattern) == "string" and request.pattern or "*"), {}
  for _, entry in ipairs(self.entries) do
    if fits(entry.source, patterns) then found[#found + 1] = entry end
  end
  if request.unique == true then found = unique(found) end
  return last(found, request.n)
end

-- 0 is this session, -1 the one before it; what is positive is a session's own number.
local function session_number(self, wanted)
  wanted = math.tointeger(wanted) or 0
  if wanted > 0 then return wanted end
  local numbers, seen = { self.session }, { [self.session] = true }
  for i = #self.entries, 1, -1 do
    local number = self.entries[i].session
    if not seen[number] then
      seen[number] = true
      numbers[#numbers + 1] = number
    end
  end
  return numbers[1 - wanted]
end

local function range(self, request)
  local session = session_number(self, request.session)
  local start, stop, found = math.tointeger(request.start) or 1, math.tointeger(request.stop), {}
  for _, entry in ipairs(self.entries) do
    if entry.session == session and entry.number >= start and (not stop or entry.number < stop) then
      found[#found + 1] = entry
    end
  end
  return found
end

--- Answers a history_request.
-- @param request  its content
-- @return a list of (session, number, source), or of (session, number, (source, output)) where `output` is asked for
function history:ask(request)
  local found
  if request.hist_access_type == "search" then
    found = search(self, request)
  elseif request.hist_access_type == "range" then
    found = range(self, request)
  else
    found = last(self.entries, request.n)
  end
  local rows = json.array {}
  for i, entry in ipairs(found) do
    local shown = entry.source
    if request.output == true then
      local output = entry.session == self.session and self.outputs[entry.number]
      shown = json.array { entry.source, output or json.null }
    end
    rows[i] = json.array { entry.session, entry.number, shown }
  end
  return rows
end

return history
