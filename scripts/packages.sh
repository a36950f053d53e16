# packages.sh - what the scripts share about Debian and Ubuntu packages; sourced, not run.
# shellcheck shell=bash

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
die() { printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# What building and running take. gnuplot is looked for as a command: Debian's gnuplot packages exclude each
# other, so one that is installed is never replaced.
build_packages="gcc libc6-dev make cmake pkg-config lua5.4 liblua5.4-dev zlib1g-dev liblapack-dev libopenblas-dev \
libhdf5-dev libpng-dev libjpeg-dev libedit-dev lua-cjson lua-argparse lua-filesystem"
test_packages="g++ lua-busted lua-check tmux procps gdb-minimal python3 python3-venv librsvg2-bin poppler-utils"

installed() { dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "installing packages needs root, and there is no sudo; as root run: $*"
  fi
}

# Installs those of the named packages that are missing; says which. Nothing to do: no network is touched.
install_missing() {
  local missing=()
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is no Debian or Ubuntu: install by hand what these packages hold, then run this again if it fails:"
    echo "  $*"
    return 0
  fi
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} = 0 ] && return 0
  say "Installing packages: ${missing[*]}"
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/tmp/perilune-apt.$$ 2>&1; then
    # the lists may be old or empty
    as_root apt-get update -q >>/tmp/perilune-apt.$$ 2>&1
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >>/tmp/perilune-apt.$$ 2>&1; then
      tail -n 15 /tmp/perilune-apt.$$ >&2
      rm -f /tmp/perilune-apt.$$
      die "the packages could not be installed (no network? no room?); try: apt-get update && apt-get install ${missing[*]}"
    fi
  fi
  rm -f /tmp/perilune-apt.$$
}

install_gnuplot() {
  command -v gnuplot >/dev/null && return 0
  command -v apt-get >/dev/null || return 0
  install_missing gnuplot-nox fonts-dejavu-core
}

# At least $2 megabytes free where $1 lies.
want_room() {
  local free
  free=$(df -Pm "$1" 2>/dev/null | awk 'NR == 2 {print $4}')
  [ -z "$free" ] || [ "$free" -ge "$2" ] || die "only $free MB are free in $1, $2 MB are needed: make room and run this again"
}

# Configures and builds into $1 with the CMake options that follow; the log is shown when it fails.
build_into() {
  local folder=$1 log=$1.log
  shift
  cmake -S "$root" -B "$folder" "$@" >"$log" 2>&1 && cmake --build "$folder" -j "$(nproc)" >>"$log" 2>&1 && return 0
  grep -E -A 5 'error|Error|FAILED' "$log" | head -n 60 >&2
  die "the build failed; the whole log is in $log"
}
