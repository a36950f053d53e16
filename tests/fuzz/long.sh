#!/bin/bash
# Fuzzes every reader with libFuzzer: bash tests/fuzz/long.sh BUILD [SECONDS]
#
# BUILD was configured with clang and -DPERILUNE_FUZZ=ON. Each NAME_libfuzzer runs for SECONDS (120) on the seeds of
# NAME_fuzz and on what earlier runs found worth keeping (BUILD/corpus/NAME). An input that crashes, leaks, hangs or
# wants too much memory is kept as BUILD/findings/NAME-*; `NAME_fuzz FILE` runs it again. Ends with 1 on a finding.
set -u
build=$(cd "${1:?usage: long.sh BUILD [SECONDS]}" && pwd) || exit 2
seconds=${2:-120}
programs=("$build"/tests/fuzz/*_libfuzzer)
[ -x "${programs[0]}" ] || { echo "long.sh: no libFuzzer programs in $build/tests/fuzz: configure with -DPERILUNE_FUZZ=ON" >&2; exit 2; }
mkdir -p "$build/findings" || exit 2

one() { # build, seconds, program
  local build=$1 name corpus
  name=$(basename "$3" _libfuzzer)
  corpus=$build/corpus/$name
  mkdir -p "$corpus" && "$build/tests/fuzz/${name}_fuzz" --seeds "$corpus" >/dev/null || { echo "FAIL  $name: no seeds"; return 1; }
  if "$3" -max_total_time="$2" -timeout=20 -rss_limit_mb=2560 -max_len=65536 -print_final_stats=1 \
      -artifact_prefix="$build/findings/$name-" "$corpus" >"$build/findings/$name.log" 2>&1; then
    echo "ok    $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/findings/$name.log") inputs"
  else
    echo "FAIL  $name: the log is $build/findings/$name.log"
    grep -E -A 12 'ERROR: |SUMMARY|runtime error' "$build/findings/$name.log" | head -n 40
    grep -h 'Test unit written' "$build/findings/$name.log"
    return 1
  fi
}
export -f one

printf '%s\0' "${programs[@]}" | xargs -0 -P "$(nproc)" -I '{}' bash -c 'one "$@"' one "$build" "$seconds" '{}' || exit 1
