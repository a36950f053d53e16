#!/bin/bash
# `perilune draw` in a real terminal (tmux): strokes by mouse reports, bars, keys, sizes, colours, and that the terminal
# gets its state back however the program ends.
# Usage: draw.sh BUILD_FOLDER
set -u
build=$(cd "${1:?usage: draw.sh BUILD_FOLDER}" && pwd)
# shellcheck source=tests/support/face.sh
. "$(dirname "$0")/../support/face.sh"

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
  if #canvas.strokes == 1 then error "the recogniser fell over" end
  if #canvas.strokes == 2 then self.labels = nil end -- the face itself falls over
end
require("perilune.draw.terminal").run { recogniser = recogniser }
END
"$build/perilune" train.lua > train.log 2>&1 || { echo "FAILED: training:"; cat train.log; exit 1; }

start 80x24 "'$build/perilune' draw --terminal --latency --model tiny.h5"
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
kill -TSTP "$(face)"
for _ in $(seq 50); do [ "$(stty -g < "$tty")" = "$(cat before)" ] && break; sleep 0.05; done
check "a stopped program has given the terminal back" [ "$(stty -g < "$tty")" = "$(cat before)" ]
kill -CONT "$(face)"
shows "and takes it again" '^.{48}1 █████████'
keys q
restored "q" 0
shows "the latency that was asked for" 'pen to prediction: p50 [0-9.]+ ms, p99 [0-9.]+ ms, most [0-9.]+ ms, n = [0-9]+'

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
  kill -"${signal%:*}" "$(face)"
  restored "kill -${signal%:*}" "${signal#*:}"
done
start 80x24 "'$build/perilune' fails.lua"
shows "opens" ' b '
mouse 0 24 4 M
shows "a recogniser's error is told, and the face lives on" 'the recogniser fell over'
mouse 0 24 8 M
restored "an error" 1
shows "the error is told" "labels'|nil value"

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
pid=$(face)
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

summary
