--- Where a person's own files lie, as the XDG Base Directory Specification has it.
-- @module perilune.repl.folder
local folder = {}

--- The place of a file of ours.
-- @param variable  "XDG_STATE_HOME", "XDG_CONFIG_HOME", ...
-- @param default   the folder below the home folder where the variable does not name one
-- @param name      of the file
-- @return its path; nil where there is no home folder either
function folder.file(variable, default, name)
  local base, home = os.getenv(variable), os.getenv("HOME")
  if not base or base:sub(1, 1) ~= "/" then
    if not home or home == "" then return nil end
    base = home .. "/" .. default
  end
  return ("%s/perilune/%s"):format(base, name)
end

return folder
