#!/bin/bash
# LuaRocks builds the rockspec, and what it lays into a tree of its own works: the command, the module in a stock Lua.
# Usage: rock.sh BUILD_FOLDER (which is not used)
# slow: builds everything anew
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
command -v luarocks >/dev/null || { echo "skipped: no luarocks (Debian package luarocks)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/source" "$work/home"
cp -r "$root"/{core,lua,CMakeLists.txt,LICENSE} "$root"/*.rockspec "$work/source/" || exit 1
cd "$work/source" || exit 1
export HOME=$work/home
command -v ccache >/dev/null && export CMAKE_C_COMPILER_LAUNCHER=ccache
# what it depends on is the distribution's, which LuaRocks knows nothing of
luarocks --lua-version 5.4 --tree "$work/tree" make --deps-mode=none >"$work/log" 2>&1 || { tail -n 40 "$work/log"; exit 1; }
cd "$work" || exit 1
cat >net.lua <<'LUA'
local peri = require "perilune"
local net = peri.nn.Sequential { peri.nn.Dense { 2 } }
net:build { 3 }
net:save "net.h5"
local x = peri.randn { 4, 3 }
assert(peri.nn.load("net.h5"):predict(x):equal(net:predict(x)))
assert(peri.linalg and peri.image)
assert(#require("perilune.draw.recogniser").bundled().labels == 10)
assert(require("perilune.serve").start { port = 0 }:close())
assert(package.searchpath("perilune.core", package.cpath):find("/tree/", 1, true))
LUA
env -i PATH=/usr/bin:/bin "$work/tree/bin/perilune" net.lua || { echo "FAIL  the rock's command"; exit 1; }
rm net.h5
env -i PATH=/usr/bin:/bin "LUA_PATH=$work/tree/share/lua/5.4/?.lua;$work/tree/share/lua/5.4/?/init.lua;;" \
  "LUA_CPATH=$work/tree/lib/lua/5.4/?.so;;" lua5.4 net.lua || { echo "FAIL  the rock's module"; exit 1; }
echo "ok    the rock"
