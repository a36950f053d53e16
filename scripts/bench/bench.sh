#!/usr/bin/env bash
# Perilune beside PyTorch, Keras and onnxruntime on the same cores, one table a command:
#
#   bash scripts/bench/bench.sh train       seconds an epoch of the digit net: float32, AVX2 only, bf16
#   bash scripts/bench/bench.sh cold        from the start of the process to a saved digit net of 98.9 %
#   bash scripts/bench/bench.sh nets        other nets at batches of 32, 128 and 512
#   bash scripts/bench/bench.sh inference   one image, and batches of 1 to 4096
#   bash scripts/bench/bench.sh scaling     time against batch, width and image size
#   bash scripts/bench/bench.sh kernels     every kernel as a fraction of the multiply-add probe
#   bash scripts/bench/bench.sh startup     start of the command, loading of MNIST
#   bash scripts/bench/bench.sh notebook    the notebook kernel beside ipykernel and ilua (--rounds, --only)
#   bash scripts/bench/bench.sh draw        from the pen to the shown prediction in the drawing window (--sizes, --rounds)
#   bash scripts/bench/bench.sh serve       the service beside Node with onnxruntime and uvicorn with PyTorch, asked by wrk
#                                           (--connections, --kinds, --rounds, --seconds, --only)
#
#   --rounds N   alternating rounds (5)     --threads N   threads of every side (all processors)
#   --seconds S  of one measurement (1)     --only A,B    these sides only (train, nets, inference)
#   --rival-seeds N   of PyTorch's and Keras' cold starts (2)
#
# Every side is a process that waits; rounds alternate between them, the multiply-add probe beside each
# round, after a warm-up that does not count. Medians are printed, ratios are medians of the rounds' ratios.
# A table's figures go to build/bench/NAME.json and its picture to plots/bench-NAME.png.
# PYTHON names a Python that has the packages of scripts/bench/requirements.txt; build/bench-venv is made otherwise.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
case ${1:-} in
  train | cold | nets | inference | scaling | kernels | startup | notebook | draw | serve) ;;
  *) sed -n '2,24p' "$0" | sed 's/^# \{0,1\}//'; exit 2 ;;
esac
[ -x "$root/build/perilune" ] || { echo "bench.sh: build first: bash scripts/quickstart.sh" >&2; exit 1; }
[ "$1" = draw ] && exec python3 "$root/scripts/bench/draw.py" "$@"
if [ "$1" = notebook ]; then
  if [ -z "${PYTHON:-}" ]; then
    REQUIREMENTS="$root/scripts/bench/requirements-notebook.txt" \
      bash "$root/tests/outside/setup.sh" "$root/build/bench-notebook-venv" || exit
    PYTHON=$root/build/bench-notebook-venv/bin/python
  fi
  mkdir -p "$root/build/bench"
  exec "$PYTHON" "$root/scripts/bench/notebook.py" "$@"
fi
# The rivals' packages: Python's in a venv, Node's beside it. npm runs no package's install script: the library for the
# processor is in the package, and the script would fetch others.
if [ "$1" = serve ]; then
  for program in wrk node npm; do
    command -v "$program" >/dev/null || { echo "bench.sh: serve wants $program (Debian packages wrk, nodejs, npm)" >&2; exit 1; }
  done
  if [ -z "${PYTHON:-}" ]; then
    REQUIREMENTS="$root/scripts/bench/requirements-serve.txt" \
      bash "$root/tests/outside/setup.sh" "$root/build/bench-serve-venv" || exit
    PYTHON=$root/build/bench-serve-venv/bin/python
  fi
  mkdir -p "$root/build/bench" "$root/build/bench-serve" "$root/plots"
  if ! cmp -s "$root/scripts/bench/serve_node.json" "$root/build/bench-serve/installed.json"; then
    cp "$root/scripts/bench/serve_node.json" "$root/build/bench-serve/package.json"
    npm install --prefix "$root/build/bench-serve" --ignore-scripts --no-audit --no-fund --silent || exit
    cp "$root/scripts/bench/serve_node.json" "$root/build/bench-serve/installed.json" # last: marks it as complete
  fi
  "$PYTHON" "$root/scripts/bench/serve.py" "$@" || exit
  exec "$root/build/perilune" "$root/scripts/bench/plot.lua" serve
fi
if [ -z "${PYTHON:-}" ]; then
  REQUIREMENTS="$root/scripts/bench/requirements.txt" bash "$root/tests/outside/setup.sh" "$root/build/bench-venv" || exit
  PYTHON=$root/build/bench-venv/bin/python
fi
mkdir -p "$root/build/bench" "$root/plots"
"$PYTHON" "$root/scripts/bench/tables.py" "$@" || exit
"$root/build/perilune" "$root/scripts/bench/plot.lua" "$1"
