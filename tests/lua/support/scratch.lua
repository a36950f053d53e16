-- A folder for a spec's files.
--
--     local scratch = dofile(here .. "/support/scratch.lua")
--     setup(scratch.make) teardown(scratch.remove)     -- or before_each and after_each
--     scratch.file "a.json"                            -- its path; scratch.names() are those that are there
local lfs = require "lfs"

local scratch = {}
local folder

function scratch.file(name) return folder .. "/" .. name end

function scratch.names()
  local names = {}
  for name in lfs.dir(folder) do
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

function scratch.make()
  folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
end

function scratch.remove()
  for _, name in ipairs(scratch.names()) do os.remove(scratch.file(name)) end
  lfs.rmdir(folder)
end

return scratch
