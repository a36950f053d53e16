-- What scripts run first: Perilune from the source tree that they lie in, unless it is at hand already. Gives the tree.
--
--   dofile((arg[0]:match "^(.*)/[^/]*$" or ".") .. "/tree.lua")
local root = (debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" or ".") .. "/.."
if not package.searchpath("perilune.core", package.cpath) then
  package.path = root .. "/lua/?.lua;" .. root .. "/lua/?/init.lua;" .. package.path
  package.cpath = root .. "/build/lua/?.so;" .. package.cpath
end
return root
