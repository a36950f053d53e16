# tmux.sh - a program on a real terminal, for tests in bash: source it, start a session `t` with `tm new-session`, type,
# look at the screen. Makes a scratch folder, $work, that goes with the test, and counts what is checked.
#
# May be set before: patience, the seconds in which something has to show (5); about, what failures are about ("");
# history, lines above the screen that count too (0).
# shellcheck shell=bash disable=SC2034
command -v tmux > /dev/null || { echo "skipped: no tmux"; exit 77; }
work=$(mktemp -d)
round=0 # of the server: one that is told to end takes a moment, so the next one is another
failures=0 count=0

tm() { tmux -L "perilune-$(basename "$0" .sh)-$$-$round" -f /dev/null "$@" 2>> "$work/tmux.log"; }
trap 'tm kill-server; rm -rf "$work"' EXIT
fresh_server() { tm kill-server; round=$((round + 1)); }

keys() { tm send-keys -t t "$@"; }
# A line and Enter; tmux takes a `;` at the end for its own.
line() {
  local text=$1
  [ "${text%;}" = "$text" ] || text="${text%;}\\;"
  keys -l "$text"
  keys Enter
}
screen() { tm capture-pane -p -S "-${history:-0}" -t t; }

wait_for() { # PATTERN
  local end=$((SECONDS + ${patience:-5}))
  until screen | grep -qE -- "$1"; do
    [ $SECONDS -le $end ] || return 1
    sleep 0.05
  done
}
failed() { # WHAT: with the screen
  failures=$((failures + 1))
  echo "FAILED: ${about:+$about: }$1; the screen:"
  screen | grep -v '^ *$' | tail -n 60
}
# check WHAT COMMAND...: the command succeeds.
check() {
  local what=$1
  count=$((count + 1))
  shift
  "$@" || failed "$what"
}
# shows WHAT PATTERN: the pattern appears on the screen in time.
shows() { check "$1: '$2'" wait_for "$2"; }
# The test's last line.
summary() {
  echo "$count checks, $failures failed"
  [ $failures = 0 ]
}
