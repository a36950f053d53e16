#!/bin/bash
# What `cmake --install` leaves stands by itself: the command, the module for a stock Lua, the library for C. The
# build folder and the source tree are not looked at; a file system view without them is used where it can be had.
# Usage: install.sh BUILD_FOLDER
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/checks.sh"
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
cat >"$work/net.lua" <<'LUA'
local peri = require "perilune"
local nn = peri.nn
peri.seed(1)
local train, test = peri.data.drawn { n = 1500, seed = 1 }, peri.data.drawn { n = 300, seed = 2 }
local net = nn.Sequential {
  nn.Conv2D { 32, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
  nn.Conv2D { 64, kernel = 3, activation = "relu" }, nn.MaxPool2D { 2 },
  nn.Flatten {}, nn.Dense { 128, activation = "relu" }, nn.Dense { 10, activation = "softmax" },
}
net:build { 28, 28, 1 }
net:fit(train, { epochs = 2, batch = 64, loss = "sparse_categorical_crossentropy", metrics = { "accuracy" }, verbose = 0 })
local accuracy = net:evaluate(test).accuracy
assert(accuracy > 0.8, "accuracy " .. accuracy)
net:save "digits.h5"
assert(nn.load("digits.h5"):predict((test:tensors())):equal(net:predict((test:tensors()))))
peri.image.save("digit.png", (test:one(1)))
assert(#peri.image.load("digit.png") == 28)
local recogniser = require "perilune.draw.recogniser"
local picture, label = test:one(1)
assert(recogniser.bundled():predict_picture(picture).label == tostring(label), "the net that comes with Perilune")
assert(recogniser.bundled_path():find(PREFIX, 1, true) == 1)
if package.searchpath("perilune.http", package.cpath) then -- a build may lack the service
  local service = require("perilune.serve").start { port = 0 }
  assert(require("perilune.serve.pages").folder():find(PREFIX, 1, true) == 1)
  assert(service.port > 0 and service:close())
end
for name, module in pairs(package.loaded) do
  local path = name:find "^perilune" and (package.searchpath(name, package.path) or package.searchpath(name, package.cpath))
  assert(not path or path:find(PREFIX, 1, true) == 1, tostring(path) .. " is not of the installation")
end
LUA
sed -i "s#PREFIX#\"$prefix/\"#g" "$work/net.lua"
cp "$root/tests/c/public_api.c" "$work/"
mkdir "$work/elsewhere"
cd "$work/elsewhere" || exit 1

# Nothing of the environment, and no source or build: root can cover their folders with empty ones.
bare() { env -i PATH=/usr/bin:/bin HOME="$work" "$@"; }
hidden=
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then hidden=1; fi
alone() {
  if [ -z "$hidden" ]; then bare "$@"
  else
    unshare -m bash -c 'for folder in "$1" "$2"; do [ ! -d "$folder" ] || mount -t tmpfs none "$folder" || exit 1; done
      shift 2; exec env -i PATH=/usr/bin:/bin "HOME=$HOME" "$@"' alone "$root" "$build" "$@"
  fi
}

check "perilune -v" alone "$prefix/bin/perilune" -v
check "the installed command trains, saves, loads" alone "$prefix/bin/perilune" "$work/net.lua"
rm -f digits.h5
check "and so does a stock lua5.4" alone "LUA_PATH=$prefix/share/lua/5.4/?.lua;$prefix/share/lua/5.4/?/init.lua;;" \
  "LUA_CPATH=$prefix/lib/lua/5.4/?.so;;" lua5.4 "$work/net.lua"
check "the prompt finds its modules" bash -c 'echo "return 6 * 7" | env -i "$0/bin/perilune" -i | grep -q 42' "$prefix"

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
compiler=${CC:-cc}
if grep -q 'PERILUNE_SANITIZE:BOOL=ON' "$build/CMakeCache.txt"; then compiler="$compiler -fsanitize=address,undefined"; fi
check "pkg-config knows perilune" pkg-config --exists perilune
# shellcheck disable=SC2046
check "a program in C is compiled and linked by pkg-config" $compiler -std=c11 -o "$work/public_api" "$work/public_api.c" \
  $(pkg-config --cflags --libs perilune) -lm "-Wl,-rpath,$prefix/lib"
check "and runs" alone "$work/public_api"
check "each header it names is there" bash -c 'for header in $(grep -rhoE "#include \"[^\"]+\"" "$0" | cut -d\" -f 2 | sort -u); do
  [ -e "$0/$header" ] || [ -n "$(find "$0" -path "*/$header")" ] || { echo "$header is missing"; exit 1; }; done' "$prefix/include/perilune"

finish
