#!/usr/bin/env bash
# Seconds an epoch of the digit net: Perilune beside PyTorch, on the same cores, in one run.
#
#   bash scripts/bench/train.sh [--rounds 7] [--batches 100] [--threads 2]
#
# Each side is a process that waits; rounds alternate between them, so that a machine whose speed drifts is
# the same for all. A round is a number of training steps (batch 128, Adam, shuffled MNIST, gathering and
# scaling included) after a warm-up that does not count; an epoch is 469 steps. Medians are printed, and the
# ratio is the median of the ratios of the rounds. PyTorch runs in both memory layouts; the faster is quoted.
# PYTHON names the Python that has torch (build/venv, made by tests/outside/setup.sh, unless given).
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
rounds=7 batches=100 threads=$(nproc)
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2; shift 2 ;;
    --batches) batches=$2; shift 2 ;;
    --threads) threads=$2; shift 2 ;;
    *) sed -n '2,12p' "$0" | sed 's/^# \{0,1\}//'; exit 2 ;;
  esac
done
python=${PYTHON:-$root/build/venv/bin/python}
"$python" -c 'import torch' 2>/dev/null || { echo "train.sh: $python has no torch; run: bash tests/outside/setup.sh" >&2; exit 77; }
[ -x "$root/build/perilune" ] || { echo "train.sh: build first: bash scripts/quickstart.sh" >&2; exit 1; }

work=$(mktemp -d)
pids=()
finish() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done; rm -rf "$work"; }
trap finish EXIT

start() { # name, command ...
  local name=$1
  shift
  mkfifo "$work/$name.in" "$work/$name.out"
  "$@" <"$work/$name.in" >"$work/$name.out" &
  pids+=($!)
}
start perilune "$root/build/perilune" "$root/scripts/bench/train_perilune.lua" "$threads"
start torch "$python" "$root/scripts/bench/train_torch.py" "$threads" contiguous
start torch_last "$python" "$root/scripts/bench/train_torch.py" "$threads" channels_last
exec 11>"$work/perilune.in" 12<"$work/perilune.out" 13>"$work/torch.in" 14<"$work/torch.out" 15>"$work/torch_last.in" 16<"$work/torch_last.out"

ask() { # fd in, fd out, steps: seconds an epoch
  local answer
  echo "$3" >&"$1"
  read -r -t 900 answer <&"$2" || { echo "train.sh: a side gave no answer" >&2; exit 1; }
  echo "$answer"
}
for fd in 12 14 16; do read -r -t 900 line <&$fd || exit 1; echo "$line"; done
ask 11 12 20 >/dev/null; ask 13 14 20 >/dev/null; ask 15 16 20 >/dev/null # warm-up

echo "seconds an epoch (469 steps), $threads threads:"
printf '%6s %10s %14s %14s %8s\n' round perilune 'torch NCHW' 'torch NHWC' ratio
for round in $(seq "$rounds"); do
  a=$(ask 11 12 "$batches"); b=$(ask 13 14 "$batches"); c=$(ask 15 16 "$batches")
  printf '%s %s %s %s\n' "$round" "$a" "$b" "$c" >>"$work/table"
  awk '{best = $3 < $4 ? $3 : $4; printf "%6d %10.3f %14.3f %14.3f %8.2f\n", $1, $2, $3, $4, best / $2}' <<<"$round $a $b $c"
done
median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
printf 'median %10.3f %14.3f %14.3f %8.2f times PyTorch\n' \
  "$(awk '{print $2}' "$work/table" | median)" "$(awk '{print $3}' "$work/table" | median)" "$(awk '{print $4}' "$work/table" | median)" \
  "$(awk '{best = $3 < $4 ? $3 : $4; print best / $2}' "$work/table" | median)"
