#!/bin/bash
# Runs one test for ctest: bash tests/run.sh NAME COMMAND [ARGUMENT...]
#
# A test that cannot run here says why and ends with status 77, which ctest calls skipped; in busted a part of a
# test can be pending. Either way the reason is added to the file $PERILUNE_SKIPS, if there is one. With
# PERILUNE_NO_SKIP=1 (continuous integration, where everything can be installed) either is a failure.
set -u
name=$1
shift
output=$(mktemp) || exit 1
trap 'rm -f "$output"' EXIT
"$@" 2>&1 | tee "$output"
status=${PIPESTATUS[0]}

reasons=
if [ $status = 77 ]; then
  reasons=$(tail -n 1 "$output")
elif [ $status = 0 ] && grep -qE '/ [1-9][0-9]* pending' "$output"; then
  # busted: a line "Pending -> file @ line", one with the test's name, perhaps one with the reason, an empty one
  reasons=$(awk '/^Pending /{on = 1; text = ""; next} !on {next} /^$/{print text; on = 0; next}
                 {sub(/^[^ ]*:[0-9]+: /, ""); text = text (text == "" ? "" : ": ") $0} END {if (on) print text}' "$output")
fi
[ -n "$reasons" ] || [ $status = 77 ] || exit $status
[ -z "${PERILUNE_SKIPS:-}" ] || sed "s|^|$name: |" <<<"${reasons:-no reason given}" >>"$PERILUNE_SKIPS"
if [ "${PERILUNE_NO_SKIP:-}" = 1 ]; then
  echo "This run has to do every test (PERILUNE_NO_SKIP=1), and this one did not:"
  echo "${reasons:-no reason given}"
  exit 1
fi
exit $status
