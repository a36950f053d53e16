#!/bin/bash
# Runs a Python script in a venv that is made when it is not there: with_python.sh [--NAME] SCRIPT [ARGUMENT...]
# The venv is build/venv with the packages of tests/golden, or build/venv-NAME with those of requirements-NAME.txt:
# jupyter, serve, page.
# Ends as the script does; with 77 and a reason when the venv cannot be had.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/../../build/venv
if [[ ${1:-} == --* ]]; then
  name=${1#--}
  shift
  venv=$venv-$name
  export REQUIREMENTS=$here/requirements-$name.txt
fi
bash "$here/setup.sh" "$venv" || exit $?
exec "$venv/bin/python" "$@"
