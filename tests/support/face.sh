# face.sh - `perilune draw` in a terminal, for tests in bash: source it with $build set. Starts it in tmux, draws with mouse
# reports, and looks whether the terminal gets its state back. See tmux.sh for the rest.
# shellcheck shell=bash disable=SC2034
lua=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../lua" && pwd)
# shellcheck source=tests/support/tmux.sh
. "$(dirname "${BASH_SOURCE[0]}")/tmux.sh"
for module in image hdf5; do
  [ -e "$build/lua/perilune/$module.so" ] || { echo "skipped: built without $module"; exit 77; }
done
cd "$work" || exit 1
export LC_ALL=C.UTF-8 PERILUNE_HISTORY="$work/history" PERILUNE_INIT=

# start SIZE COMMAND...: a shell that shows a marker, runs the command and says "left N".
start() {
  local size=$1
  shift
  fresh_server
  tm new-session -d -s t -x "${size%x*}" -y "${size#*x}" \
    "cd '$work'; echo marker; stty -g > before; $*; echo left \$?; stty -g > after; sleep 60"
  tty=$(tm display -p -t t '#{pane_tty}')
}
face() { pgrep -t "${tty#/dev/}" -x perilune; } # its process
mouse() { tm send-keys -t t -l "$(printf '\033[<%s;%s;%s%s' "$@")"; } # code column row M|m
# stroke BUTTON COLUMN,ROW ...: press, drag through the places, release.
stroke() {
  local button=$1 place first=yes
  shift
  for place in "$@"; do
    if [ $first ]; then mouse "$button" "${place%,*}" "${place#*,}" M; else mouse $((button + 32)) "${place%,*}" "${place#*,}" M; fi
    first=
  done
  mouse "$button" "${place%,*}" "${place#*,}" m
}
# gone WHAT PATTERN: the pattern is not on the screen any more.
is_gone() {
  local end=$((SECONDS + ${patience:-5}))
  while screen | grep -qE -- "$1"; do
    [ $SECONDS -le $end ] || return 1
    sleep 0.05
  done
}
gone() { check "$1: no '$2'" is_gone "$2"; }
restored() { # WHAT STATUS: the program left with this status, and the terminal is as it was
  shows "$1: leaves" "left $2\$"
  sleep 0.1
  check "$1: the screen from before is back" wait_for '^marker$'
  check "$1: the terminal's settings are back" cmp before after
  check "$1: mouse, cursor and screen are back" [ "$(tm display -p -t t \
    '#{mouse_button_flag}#{mouse_sgr_flag}#{cursor_flag}#{alternate_on}#{wrap_flag}')" = 00101 ]
}
# On a screen of 80 x 24.
one="24,4 24,6 24,9 24,12 24,15 24,18 24,20"
zero="24,4 19,5 16,7 14,10 14,13 16,17 19,19 24,20 29,19 32,17 34,13 34,10 32,7 29,5 24,4"
