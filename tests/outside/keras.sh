#!/bin/bash
# Keras and Perilune read each other's .h5 files and predict alike.
#
#   bash tests/outside/keras.sh [BUILD]      BUILD: the build folder (build)
#
# Ends with 0 when all agree, 1 when something differs, 77 (and one line of reason) when there is no Keras here.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${1:-$root/build}
[ -x "$build/perilune" ] || { echo "keras.sh: no $build/perilune: build first" >&2; exit 1; }
bash "$here/setup.sh" || exit $?
python=$root/build/venv/bin/python
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/ours" "$work/theirs"

status=0
python_says() { # runs a script; what it says on standard error is shown when it fails
  "$python" "$@" 2>"$work/log" || { status=1; tail -20 "$work/log" >&2; }
}
echo "Keras reads what Perilune writes:"
"$build/perilune" "$here/write_models.lua" "$work/ours" || status=1
python_says "$here/keras_reads_h5.py" "$work/ours"
echo "Perilune reads what Keras writes:"
python_says "$here/keras_writes_h5.py" "$work/theirs"
"$build/perilune" "$here/read_models.lua" "$work/theirs" || status=1
exit $status
