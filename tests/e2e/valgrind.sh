#!/bin/bash
# Memcheck over training, saving and loading: no invalid access, no use of what was never written, no leak. Valgrind
# knows no AVX-512. Usage: valgrind.sh BUILD_FOLDER
# slow: everything runs at a thirtieth of its speed
set -u
build=$(cd "${1:?usage: valgrind.sh BUILD_FOLDER}" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command -v valgrind >/dev/null || { echo "skipped: no valgrind (Debian package valgrind)"; exit 77; }
if grep -q 'PERILUNE_SANITIZE:BOOL=ON' "$build/CMakeCache.txt"; then
  echo "skipped: this build has AddressSanitizer, which valgrind cannot run"
  exit 77
fi
unset LUA_INIT LUA_INIT_5_4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/run.lua" <<'LUA'
package.path = SUPPORT .. "/?.lua;" .. package.path
local peri = require "perilune"
local tiny = require "tiny"
tiny.fit(30, function() end)
tiny.by_hand(30, function() end)
local nn = peri.nn
local net = nn.Sequential { nn.Conv2D { 4, kernel = 3 }, nn.BatchNorm {}, nn.Flatten {}, nn.Dense { 3 } }
net:build { 6, 6, 1 }
net:save(WORK .. "/net.h5")
local x = peri.randn { 5, 6, 6, 1 }
assert(nn.load(WORK .. "/net.h5"):predict(x):equal(net:predict(x)))
assert(not pcall(nn.load, WORK .. "/run.lua"))
local function failing() return net:predict(peri.randn { 2, 5, 5, 1 }) end
assert(not pcall(failing))
-- what lives still is freed when the state is closed
LUA
sed -i "s#SUPPORT#\"$here/../lua/support\"#; s#WORK#\"$work\"#g" "$work/run.lua"

status=0
for isa in reference avx2; do
  if ! PERILUNE_ISA=$isa "$build/perilune" -e 'os.exit(require("perilune").isa() == os.getenv "PERILUNE_ISA")'; then
    echo "no $isa on this processor"
    continue
  fi
  if PERILUNE_ISA=$isa valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect,possible \
      --errors-for-leak-kinds=definite,indirect,possible --suppressions="$here/valgrind.supp" --error-exitcode=9 \
      --child-silent-after-fork=yes "$build/perilune" "$work/run.lua" >"$work/log" 2>&1; then
    echo "ok    $isa"
  else
    echo "FAIL  $isa"
    head -n 80 "$work/log"
    status=1
  fi
done
exit $status
