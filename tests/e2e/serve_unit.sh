#!/bin/bash
# scripts/perilune.service is what systemd understands, and a sandbox that its own judge calls a good one.
# Usage: serve_unit.sh BUILD_FOLDER
set -u
build=$(cd "${1:?usage: serve_unit.sh BUILD_FOLDER}" && pwd)
unit=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../scripts" && pwd)/perilune.service
command -v systemd-analyze > /dev/null || { echo "skipped: no systemd-analyze (Debian package systemd)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
MOST=15 # tenths of exposure, of 100: what is left is that it has a network and some common calls
failures=0
check() { # WHAT COMMAND...
  "${@:2}" && return
  failures=$((failures + 1))
  echo "FAILED: $1"
}

# The command is where an installation puts it; here it is the build's.
sed "s#/usr/local/bin/perilune#$build/perilune#" "$unit" > "$work/perilune.service"
check "it names the installed command" grep -q '^ExecStart=/usr/local/bin/perilune serve ' "$unit"
systemd-analyze verify --man=no "$work/perilune.service" > "$work/verify" 2>&1
check "systemd-analyze verify succeeds" [ $? = 0 ]
check "and has nothing to say" [ ! -s "$work/verify" ] || cat "$work/verify"
systemd-analyze security --offline=true --no-pager --threshold=$MOST "$work/perilune.service" > "$work/security" 2>&1
check "its exposure is below $MOST" [ $? = 0 ] || cat "$work/security"
tail -n 1 "$work/security"
for line in DynamicUser=yes ProtectSystem=strict PrivateTmp=yes NoNewPrivileges=yes MemoryDenyWriteExecute=yes \
  CapabilityBoundingSet= 'RestrictAddressFamilies=AF_INET AF_INET6' SystemCallFilter=@system-service \
  'ExecReload=/bin/kill -HUP $MAINPID'; do
  check "it has $line" grep -qxF "$line" "$unit"
done
# Its options are the command's: it goes as far as to look for its port.
options=$(sed -n 's#^ExecStart=/usr/local/bin/perilune serve ##p' "$unit" | head -n 1)
# shellcheck disable=SC2086
check "its options are the command's" "$build/perilune" serve $options --help > /dev/null
[ $failures = 0 ]
