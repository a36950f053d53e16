--- The prompt's history file: one entry a line, `\n` and `\\` for line breaks and backslashes in it.
--
-- Each entry is appended at once with one write, so that two prompts at a time lose nothing; a file that
-- has grown past twice the limit is rewritten with its newest entries when it is opened.
-- @module perilune.repl.history
local folder = require "perilune.repl.folder"

local history = {}

local LIMIT = 5000

--- An entry as one line, and back.
function history.escape(entry)
  return (entry:gsub("[\\\n]", { ["\\"] = "\\\\", ["\n"] = "\\n" }))
end

function history.unescape(line)
  return (line:gsub("\\(.)", function(char) return char == "n" and "\n" or char end))
end

--- Where the history is kept: $PERILUNE_HISTORY (empty: nowhere), else the XDG folder for state.
function history.path()
  local own = os.getenv("PERILUNE_HISTORY")
  if own then return own ~= "" and own or nil end
  return folder.file("XDG_STATE_HOME", ".local/state", "history")
end

--- Reads the entries of a history file, oldest first, and bounds the file.
-- @param path   of the file; one that cannot be read is an empty history
-- @param files  { append = function(path, text), replace = function(path, text) }
-- @param limit  how many entries are kept; 5000
function history.load(path, files, limit)
  limit = limit or LIMIT
  local file = path and io.open(path, "r")
  if not file then return {} end
  local lines = {}
  for line in file:lines() do
    if line ~= "" then lines[#lines + 1] = line end
  end
  file:close()
  local entries = {}
  local first = math.max(1, #lines - limit + 1)
  for i = first, #lines do entries[#entries + 1] = history.unescape(lines[i]) end
  if #lines > 2 * limit then
    -- A history that cannot be shortened still works.
    pcall(files.replace, path, table.concat(lines, "\n", first) .. "\n")
  end
  return entries
end

--- Appends an entry.
-- @return true, or nil and why not
function history.append(path, files, entry)
  if not path then return true end
  local ok, message = pcall(files.append, path, history.escape(entry) .. "\n")
  if not ok then return nil, message end
  return true
end

return history
