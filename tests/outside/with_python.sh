#!/bin/bash
# Runs a Python script in build/venv, made when it is not there: with_python.sh SCRIPT [ARGUMENT...]
# Ends as the script does; with 77 and a reason when the venv cannot be had.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bash "$here/setup.sh" || exit $?
exec "$here/../../build/venv/bin/python" "$@"
