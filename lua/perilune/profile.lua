--- Where time goes: a table of ops with their calls and milliseconds.
-- @module perilune.profile
local core = require "perilune.core"
local html = require "perilune.display.html"

local profile = {}

local Profile = {}
Profile.__index = Profile
Profile.__name = "perilune.Profile"

local function spent(row) return row.forward + row.backward end

local function of(rows, seconds)
  local inside = 0.0
  for _, row in ipairs(rows) do inside = inside + spent(row) end
  table.sort(rows, function(a, b)
    if spent(a) ~= spent(b) then return spent(a) > spent(b) end
    return a.name < b.name
  end)
  rows.seconds, rows.elsewhere = seconds, seconds - inside
  return setmetatable(rows, Profile)
end

local function finish(started, ok, ...)
  local rows = core.profile_stop()
  local seconds = core.monotonic() - started
  if not ok then error((...), 0) end
  return of(rows, seconds), ...
end

--- Calls a function under watch; see peri.profile.
-- @param f   the function
-- @param ... its arguments
-- @return the profile, then what f returns
function profile.run(f, ...)
  local meta = getmetatable(f)
  if type(f) ~= "function" and not (type(meta) == "table" and meta.__call) then
    error(("profile: wants a function (and its arguments), got %s"):format(f == nil and "nil" or "a " .. type(f)), 3)
  end
  core.profile_start()
  return finish(core.monotonic(), pcall(f, ...))
end

local HEADS = { "op", "calls", "forward", "backward", "both", "" }
local FORMAT = "%-40s %8s %10s %10s %10s %7s"

local function row_of(name, calls, forward, backward, both, all)
  local function milliseconds(value) return value and ("%.3f"):format(value * 1e3) or "" end
  return { name, calls and ("%d"):format(calls) or "", milliseconds(forward), milliseconds(backward),
    milliseconds(both), ("%.1f %%"):format(all > 0 and 100 * both / all or 0) }
end

-- A row an op and shape of its first tensor, slowest first; times are milliseconds. Two more are the rest and the sum.
local function rows_of(self)
  local rows = {}
  for i, row in ipairs(self) do
    local shape = #row.shape > 0 and " (" .. table.concat(row.shape, ", ") .. ")" or ""
    rows[i] = row_of(row.name .. shape, row.forward_calls + row.backward_calls, row.forward, row.backward,
      spent(row), self.seconds)
  end
  rows[#rows + 1] = row_of("elsewhere", nil, nil, nil, self.elsewhere, self.seconds)
  rows[#rows + 1] = row_of("in all", nil, nil, nil, self.seconds, self.seconds)
  return rows
end

--- The rows as lines of text.
function Profile:__tostring()
  local lines = { FORMAT:format(table.unpack(HEADS)) }
  for i, row in ipairs(rows_of(self)) do lines[i + 1] = FORMAT:format(table.unpack(row)) end
  return table.concat(lines, "\n")
end

--- What a notebook shows.
function Profile:__mime()
  local rows = rows_of(self)
  for _, row in ipairs(rows) do
    for column = 2, #row do row[column] = { text = row[column], mono = true } end
  end
  local foot = { table.remove(rows, #rows - 1), table.remove(rows) }
  return { ["text/plain"] = tostring(self), ["text/html"] = html.table { caption = "milliseconds", head = HEADS,
    rows = rows, foot = foot, align = { "left", "right", "right", "right", "right", "right" } } }
end

return profile
