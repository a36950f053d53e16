#!/bin/bash
# Makes build/venv: a Python with the exact versions of tests/golden/requirements.txt, for the golden files and
# for the tests that let Keras read what Perilune writes. A second run finds it made and takes no time.
#
#   bash tests/outside/setup.sh [FOLDER]     FOLDER instead of build/venv
#   PYTHON=python3.12 bash tests/outside/setup.sh
#   REQUIREMENTS=FILE ...                    other packages than those of tests/golden
#
# Ends with 0 when the venv is ready, with 77 and one line of reason when this machine cannot have it.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=${1:-$root/build/venv}
wanted=${REQUIREMENTS:-$root/tests/golden/requirements.txt}
python=${PYTHON:-python3}
log=$venv.log

skip() { echo "setup.sh: skipped: $1" >&2; exit 77; }

cmp -s "$wanted" "$venv/requirements.txt" && exit 0
[ -L "$venv" ] && skip "$venv is a link to a venv of somebody else's, with other packages than $wanted"
command -v "$python" >/dev/null || skip "no $python here; install Python 3.11 or newer, or name one with PYTHON="
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || skip "$("$python" --version) is too old: the pinned versions want 3.11 or newer"
mkdir -p "$(dirname "$venv")"
"$python" -m venv --clear "$venv" >"$log" 2>&1 || skip "cannot make a venv (on Debian: apt-get install python3-venv): see $log"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted" >>"$log" 2>&1 \
  || skip "pip could not install $wanted (no network, or no such versions): see $log"
cp "$wanted" "$venv/requirements.txt" # last: marks the venv as complete
echo "setup.sh: $venv is ready"
