# checks.sh - what tests in bash that run the built command and look at what it leaves share: source it first, with the
# build folder as the test's only argument. Goes to a scratch folder, $work, that vanishes with the test; sets $build and
# $root, the source tree; counts what fails: the test's last command is `finish`.
# shellcheck shell=bash disable=SC2034
build=$(cd "${1:?usage: ${0##*/} BUILD_FOLDER}" && pwd)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
unset LUA_INIT LUA_INIT_5_4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

failures=0
check() { # what, command...
  local what=$1
  shift
  if "$@" >"$work/check.log" 2>&1; then echo "ok    $what"
  else
    failures=$((failures + 1))
    echo "FAIL  $what"
    tail -n 20 "$work/check.log"
  fi
}
finish() { [ $failures = 0 ] || { echo "${0##*/}: $failures failed"; exit 1; }; }

lua() { "$build/perilune" "$@"; }
script() { # where its output goes, script, arguments: standard error is shown when it fails
  "$build/perilune" "$root/scripts/$2" "${@:3}" >"$1.out" 2>"$1.log" || { cat "$1.log"; return 1; }
}
needs_mnist() {
  bash "$root/scripts/fetch_mnist.sh" --quiet 2>/dev/null && return
  echo "skipped: MNIST is not here and cannot be fetched (scripts/fetch_mnist.sh says why)"
  exit 77
}
