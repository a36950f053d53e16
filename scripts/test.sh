#!/usr/bin/env bash
# Builds Perilune and runs its tests.
#
#   bash scripts/test.sh          the tests a person runs: a few minutes on two cores
#   bash scripts/test.sh --ci     these, and: the same under sanitizers with every allocation failing in turn, clang,
#                                 the slow ones (training on MNIST, valgrind, a real Keras); no test may skip
#   bash scripts/test.sh --all    these, and long fuzzing (PERILUNE_FUZZ_SECONDS for each reader, 120 when not set) and an
#                                 hour of random events in the drawing program (PERILUNE_SOAK_MINUTES, 60 when not set);
#                                 random requests to the service, as long as a reader is fuzzed
#
# More arguments go to ctest: bash scripts/test.sh -R gradcheck
# Ends with ctest's own closing lines, and with 0 only if every part has passed.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
. scripts/packages.sh

level=default
case ${1:-} in
  --ci) level=ci; shift ;;
  --all) level=all; shift ;;
  --help | -h) sed -n '2,12p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
esac
export PERILUNE_TEST_LEVEL=$level
case ${CI:-} in '' | false | 0) ;; *) export PERILUNE_NO_SKIP=1 ;; esac
[ $level = default ] || export PERILUNE_NO_SKIP=1
[ $level != all ] || export PERILUNE_SOAK_MINUTES=${PERILUNE_SOAK_MINUTES:-60}

want_room "$root" 1500
# shellcheck disable=SC2086
install_missing $build_packages $test_packages
install_gnuplot
# shellcheck disable=SC2086
[ $level = default ] || { install_missing $ci_packages; install_fetcher; }

skips=$(mktemp) || die "cannot write into ${TMPDIR:-/tmp}: is the disk full?"
trap 'rm -f "$skips"' EXIT
export PERILUNE_SKIPS=$skips

# Runs ctest in a build folder. What skipped, and why, stands before ctest's summary, so that this comes last.
run_ctest() { # build folder, then ctest's arguments
  local folder=$1
  shift
  : >"$skips"
  (cd "$folder" && exec ctest --output-on-failure -j "$(nproc)" "$@") | while IFS= read -r line; do
    case $line in
      *'% tests passed, '*) [ -s "$skips" ] && { echo "Skipped:"; sed 's/^/  /' "$skips"; echo; } ;;
    esac
    printf '%s\n' "$line"
  done
  return "${PIPESTATUS[0]}"
}

failed=()
if [ $level != default ]; then
  say "MNIST, the Python of the outside readers, Jupyter, schemathesis"
  bash scripts/fetch_mnist.sh || failed+=("fetching MNIST")
  bash tests/outside/setup.sh || failed+=("setting up the Python of the outside readers")
  REQUIREMENTS=tests/outside/requirements-jupyter.txt bash tests/outside/setup.sh build/venv-jupyter ||
    failed+=("setting up Jupyter's front ends")
  REQUIREMENTS=tests/outside/requirements-serve.txt bash tests/outside/setup.sh build/venv-serve ||
    failed+=("setting up the readers of the service's description")

  say "With clang 14"
  build_into build-clang -DCMAKE_C_COMPILER=clang-14 || failed+=("building with clang 14")

  say "With sanitizers (AddressSanitizer, UndefinedBehaviorSanitizer, LeakSanitizer)"
  if build_into build-asan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPERILUNE_SANITIZE=ON -DPERILUNE_FAULTS=ON; then
    run_ctest build-asan -LE 'static|e2e|slow' || failed+=("the tests under sanitizers")
  else
    failed+=("building with sanitizers")
  fi
fi
if [ $level = all ]; then
  say "Long fuzzing"
  if build_into build-fuzz -DCMAKE_C_COMPILER=clang-14 -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPERILUNE_FUZZ=ON -DPERILUNE_SANITIZE=ON; then
    bash tests/fuzz/long.sh build-fuzz "${PERILUNE_FUZZ_SECONDS:-120}" || failed+=("long fuzzing")
  else
    failed+=("building the fuzzers")
  fi
fi

say "The tests"
# shellcheck disable=SC2086
build_into build -DCMAKE_BUILD_TYPE=Release -DPERILUNE_TESTS=ON ${PERILUNE_CMAKE_OPTIONS:-} || exit 1
selection=()
[ $level = default ] && selection=(-LE slow)
for what in "${failed[@]}"; do printf 'FAILED before this: %s\n' "$what"; done
run_ctest build "${selection[@]}" "$@"
status=$?
[ ${#failed[@]} = 0 ] || exit 1
exit $status
