#!/usr/bin/env bash
# Builds and runs the tests.
#
#   bash scripts/test.sh          the tests a person runs: under ten minutes on two cores
#   bash scripts/test.sh --ci     these, and: the same under sanitizers, every allocation failing in turn, the
#                                 outside readers (Keras, PyTorch: a Python venv is made), clang, training on MNIST
#   bash scripts/test.sh --all    these, and long fuzzing
# More arguments go to ctest: bash scripts/test.sh -R gradcheck
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
. scripts/packages.sh

level=default
case ${1:-} in
  --ci) level=ci; shift ;;
  --all) level=all; shift ;;
  --help | -h) sed -n '2,9p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
esac

want_room "$root" 1500
# shellcheck disable=SC2086
install_missing $build_packages $test_packages
install_gnuplot

run_ctest() { # build folder, then ctest's arguments
  local folder=$1
  shift
  (cd "$folder" && ctest --output-on-failure -j 2 "$@")
}

failed=()
if [ $level != default ]; then
  install_missing clang-14 libclang-rt-14-dev npm curl ca-certificates
  say "With sanitizers (AddressSanitizer, UndefinedBehaviorSanitizer)"
  build_into build-asan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPERILUNE_SANITIZE=ON -DPERILUNE_FAULTS=ON
  run_ctest build-asan -LE 'static|e2e|slow' || failed+=("the tests under sanitizers")

  say "With clang 14, warnings as errors"
  build_into build-clang -DCMAKE_C_COMPILER=clang-14 -DPERILUNE_TESTS=OFF || failed+=("clang")

  say "MNIST and the outside readers"
  bash scripts/fetch_mnist.sh || failed+=("MNIST could not be fetched")
  bash tests/outside/setup.sh "$root/build/venv" || failed+=("the Python of the outside readers could not be set up")
fi
if [ $level = all ]; then
  say "Long fuzzing"
  build_into build-fuzz -DCMAKE_C_COMPILER=clang-14 -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPERILUNE_FUZZ=ON -DPERILUNE_SANITIZE=ON
  bash tests/fuzz/long.sh build-fuzz 120 || failed+=("fuzzing")
fi

say "The tests"
build_into build -DCMAKE_BUILD_TYPE=Release -DPERILUNE_TESTS=ON ${PERILUNE_CMAKE_OPTIONS:-}
export PERILUNE_TEST_LEVEL=$level
selection=()
[ $level = default ] && selection=(-LE 'slow')
for what in "${failed[@]}"; do printf 'FAILED before: %s\n' "$what" >&2; done
run_ctest build "${selection[@]}" "$@"
status=$?
[ ${#failed[@]} = 0 ] || exit 1
exit $status
