#!/bin/bash
# `perilune draw` in a real terminal (tmux): strokes by mouse reports, bars, keys, sizes, colours, and that the terminal
# gets its state back however the program ends.
# Usage: draw.sh BUILD_FOLDER
set -u
build=$(cd "${1:?usage: draw.sh BUILD_FOLDER}" && pwd)
lua=$(cd "$(dirname "$0")/../../lua" && pwd)
command -v tmux > /dev/null || { echo "skipped: no tmux"; exit 77; }
for module in image hdf5; do
  [ -e "$build/lua/perilune/$module.so" ] || { echo "skipped: built without $module"; exit 77; }
done
work=$(mktemp -d)
round=0
tm() { tmux -L "perilune-draw-$$-$round" -f /dev/null "$@" 2>> "$work/tmux.log"; }
trap 'tm kill-server; rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0 count=0
export LC_ALL=C.UTF-8

cat > train.lua << 'END'
local peri = require "perilune"
local nn = peri.nn
peri.seed(1)
local net = nn.Sequential { nn.Flatten {}, nn.Dense { 64, activation = "relu" }, nn.Dense { 10, activation = "softmax" } }
net:build { 28, 28, 1 }
net:fit(peri.data.drawn { n = 2000, seed = 1 }, { epochs = 6, batch = 50, verbose = 0,
  loss = "sparse_categorical_crossentropy", optimizer = peri.optim.Adam { lr = 2e-3 } })
net:save "tiny.h5"
net.classes = { "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine" }
net:save "words.h5"
nn.Sequential { nn.Dense { 10 } }:build { 5 }:save "other.h5"
END
cat > fails.lua << 'END'
local recogniser = { labels = { "a", "b" } }
function recogniser:predict(canvas)
  if not canvas:empty() then error "the recogniser fell over" end
end
require("perilune.draw.terminal").run { recogniser = recogniser }
END
"$build/perilune" train.lua > train.log 2>&1 || { echo "FAILED: training:"; cat train.log; exit 1; }

# start SIZE COMMAND...: a shell that shows a marker, runs the command and says "left N".
start() {
  local size=$1
  shift
  tm kill-server
  round=$((round + 1))
  tm new-session -d -s t -x "${size%x*}" -y "${size#*x}" \
    "cd '$work'; echo marker; stty -g > before; $*; echo left \$?; stty -g > after; sleep 60"
  tty=$(tm display -p -t t '#{pane_tty}')
}
keys() { tm send-keys -t t "$@"; }
screen() { tm capture-pane -p -t t; }
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
wait_for() {
  for _ in $(seq 100); do
    screen | grep -qE -- "$1" && return 0
    sleep 0.05
  done
  return 1
}
check() { # WHAT, then a command that must succeed
  local what=$1
  count=$((count + 1))
  shift
  "$@" && return
  failures=$((failures + 1))
  echo "FAILED: $what: the screen:"
  screen | grep -v '^ *$'
}
shows() { check "$1" wait_for "$2"; }
restored() { # WHAT STATUS: the program left with this status, and the terminal is as it was
  shows "$1: leaves" "^left $2\$"
  sleep 0.1
  check "$1: the screen from before is back" wait_for '^marker$'
  check "$1: the terminal's settings are back" cmp before after
  check "$1: mouse, cursor and screen are back" [ "$(tm display -p -t t \
    '#{mouse_button_flag}#{mouse_sgr_flag}#{cursor_flag}#{alternate_on}#{wrap_flag}')" = 00101 ]
}
one="24,4 24,6 24,9 24,12 24,15 24,18 24,20"
zero="24,4 19,5 16,7 14,10 14,13 16,17 19,19 24,20 29,19 32,17 34,13 34,10 32,7 29,5 24,4"

start 80x24 "'$build/perilune' draw --model tiny.h5"
shows "the face opens" '^ perilune draw · tiny.h5'
shows "an empty canvas has no prediction" 'draw a digit on the left'
shows "and no bars" ' 9 +0\.0%'
check "mouse reports are on" [ "$(tm display -p -t t '#{mouse_button_flag}#{mouse_sgr_flag}')" = 11 ]
stroke 0 $one
shows "a one is recognised" '^.{48}1 █████████'
shows "the winner is shown large" '^ +██████ *$'
keys c
shows "c clears" 'draw a digit on the left'
shows "and the bars go down" ' 1 +0\.0%'
stroke 0 $zero
shows "a zero is recognised" '^.{48}0 █████████'
stroke 0 10,4 10,10
keys u
shows "u takes the last stroke back" '^.{48}0 █████████████████.* (9.\..|100\.0)%'
keys u u
shows "undo goes through to the beginning, then past clear" '^.{48}1 █████████|draw a digit'
keys r r
shows "r does again" '^.{48}0 █████████'
keys c
# Rubbing out all that was drawn leaves nothing to recognise.
stroke 0 $one
shows "the one is back" '^.{48}1 █████████'
for shift in 20 22 24 26 28; do stroke 2 $shift,2 $shift,12 $shift,23; done
shows "the right button erases" 'draw a digit on the left'
keys c
mouse 0 60 10 M; mouse 32 24 10 M; mouse 0 24 10 m
keys -l $'\033[200~xyz\033[201~\033[<999;1;1M\033[<0;99999999999999999999;1M\033OP'
sleep 0.2
shows "a press beside the canvas draws nothing, and unknown sequences do nothing" 'draw a digit on the left'
stroke 0 $one
# A press without its release, then the keys: the pen that is down must not be drawn with any more.
mouse 0 24 4 M; mouse 32 24 10 M; keys u; mouse 32 24 12 M; mouse 0 24 12 m
shows "undo while the pen is down" '^.{48}1 █████████'
tm resize-window -t t -x 200 -y 60
shows "a larger window" '^.{70,} 1 █{20,}'
tm resize-window -t t -x 30 -y 8
shows "a window that is too small says so" 'needs 44 x 14'
tm resize-window -t t -x 44 -y 14
shows "the smallest" '^.{20}1 ███'
tm resize-window -t t -x 80 -y 24
shows "and back" '^.{48}1 █████████'
kill -TSTP "$(pgrep -t "${tty#/dev/}" -x perilune)"
for _ in $(seq 50); do [ "$(stty -g < "$tty")" = "$(cat before)" ] && break; sleep 0.05; done
check "a stopped program has given the terminal back" [ "$(stty -g < "$tty")" = "$(cat before)" ]
kill -CONT "$(pgrep -t "${tty#/dev/}" -x perilune)"
shows "and takes it again" '^.{48}1 █████████'
keys q
restored "q" 0

for key in Escape C-c C-d Q; do
  start 80x24 "'$build/perilune' draw --model tiny.h5"
  shows "opens" 'tiny.h5'
  keys $key
  restored "$key" 0
done
for signal in TERM:143 HUP:129 INT:130 QUIT:131 SEGV:139; do
  start 80x24 "ulimit -c 0; '$build/perilune' draw --model tiny.h5"
  shows "opens" 'tiny.h5'
  stroke 0 $zero
  kill -"${signal%:*}" "$(pgrep -t "${tty#/dev/}" -x perilune)"
  restored "kill -${signal%:*}" "${signal#*:}"
done
start 80x24 "'$build/perilune' fails.lua"
shows "opens" ' b '
mouse 0 24 4 M
restored "an error" 1
shows "the error is told" 'the recogniser fell over'

start 80x24 "COLORTERM=truecolor '$build/perilune' draw --model words.h5"
shows "opens" 'words.h5'
stroke 0 $one
shows "the model's class names are shown" '  one █████████'
shows "the winner's too" '» one «'
check "24-bit colours" grep -qE '[34]8;2;' <(tm capture-pane -pe -t t)
keys q
restored "q" 0
start 80x24 "COLORTERM= '$build/perilune' draw --model words.h5"
shows "opens" 'words.h5'
stroke 0 $one
shows "a prediction" '» one «'
check "256 colours" grep -qE '[34]8;5;' <(tm capture-pane -pe -t t)
check "and no others" [ "$(tm capture-pane -pe -t t | grep -cE '[34]8;2;')" = 0 ]
pid=$(pgrep -t "${tty#/dev/}" -x perilune)
tm kill-server
for _ in $(seq 100); do kill -0 "$pid" 2> /dev/null || break; sleep 0.05; done
check "a terminal that goes away ends the program" [ ! -e "/proc/$pid" ]

# Stock lua5.4 has the same face; closed input ends it.
start 80x24 "LUA_PATH='$lua/?.lua;$lua/?/init.lua;;' LUA_CPATH='$build/lua/?.so;;' \
  lua5.4 -e 'os.exit(require(\"perilune.draw\").main { \"--model\", \"tiny.h5\" }, true)'"
shows "opens" 'tiny.h5'
stroke 0 $zero
shows "runs from lua5.4" '^.{48}0 █████████'
keys q
restored "lua5.4" 0

# says WHAT STATUS PATTERN ARGUMENTS...: without a terminal, or before it is touched.
says() {
  local what=$1 status=$2 pattern=$3 got
  shift 3
  "$build/perilune" draw "$@" > out.txt 2>&1 < /dev/null
  got=$?
  count=$((count + 1))
  [ $got = "$status" ] && grep -q -- "$pattern" out.txt && return
  failures=$((failures + 1))
  echo "FAILED: $what: status $got, output:"
  cat out.txt
}
says "help" 0 'right button erases' --help
says "a wrong option" 2 'unknown option' --modle x
says "no terminal" 1 'needs a terminal'
for case in "nothing.h5: cannot open:draw --model nothing.h5" "takes inputs of shape (5):draw --model other.h5" \
  "train.lua:draw --model train.lua"; do
  start 80x24 "'$build/perilune' ${case##*:}"
  shows "${case##*:}: says why" "$(sed 's/[().]/\\&/g' <<< "${case%:*}")"
  shows "${case##*:}: leaves" '^left 1$'
done

echo "$count checks, $failures failed"
[ $failures = 0 ]
