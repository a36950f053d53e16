#!/bin/bash
# The prompt on a real terminal (tmux): typing, Tab, Ctrl-C, several lines, pastes, history, errors.
# Usage: prompt.sh BUILD_FOLDER
set -u
build=$(cd "${1:?usage: prompt.sh BUILD_FOLDER}" && pwd)
command -v tmux > /dev/null || { echo "skipped: no tmux"; exit 77; }
[ -e "$build/lua/perilune/edit.so" ] || { echo "skipped: built without libedit"; exit 77; }
work=$(mktemp -d)
round=0
# A server of its own for each round: one that is told to end takes a moment.
tm() { tmux -L "perilune-prompt-$$-$round" -f /dev/null "$@" 2>> "$work/tmux.log"; }
trap 'tm kill-server; rm -rf "$work"' EXIT
cd "$work" || exit 1
touch some_data.csv
failures=0 count=0

# A terminal whose shell says "left N" when the prompt has gone, N being its exit status.
start() {
  tm kill-server
  round=$((round + 1))
  tm new-session -d -s t -x 100 -y 50 \
    "cd '$work'; PERILUNE_HISTORY='$work/state/history' LC_ALL=C.UTF-8 NO_COLOR=1 '$build/perilune' $*; echo left \$?; sleep 60"
  wait_for '^> *$'
}
line() { tm send-keys -t t -l "$1"; tm send-keys -t t Enter; }
keys() { tm send-keys -t t "$@"; }
screen() { tm capture-pane -p -t t; }
wait_for() {
  for _ in $(seq 100); do
    screen | grep -qE -- "$1" && return 0
    sleep 0.05
  done
  return 1
}
# shows WHAT PATTERN: the pattern appears on the screen within five seconds.
shows() {
  count=$((count + 1))
  wait_for "$2" && return
  failures=$((failures + 1))
  echo "FAILED: $1: no '$2' on the screen:"
  screen | grep -v '^$'
}
clear_screen() { keys C-l; tm clear-history -t t; sleep 0.1; }

start
line '20 + 22'
shows "an expression is printed" '^42$'
line 'local answer = 43'
line 'answer'
shows "a local lives on" '^43$'
line '"quiet" .. "ness";'
line '_, "last"'
shows "a semicolon silences, _ is kept" '^quietness[[:space:]]+last$'

clear_screen
line 'for i = 1, 2 do'
shows "an open block asks for more" '^>> *$'
line 'print("row " .. i)'
line 'end'
shows "and runs when it is closed" '^row 2$'
line 'x y'
shows "a wrong line is an error at once" "syntax error near 'y'"
line '1 +* 2'
shows "another wrong one" 'unexpected symbol'
line '{a = 1, b = {2, 3}}'
shows "tables are printed" '^\{ a = 1, b = \{ 2, 3 \} \}$'
line 'local t = nil; t.x = 1'
shows "an error has its message" 'attempt to index a nil value'
shows "and its source line" '1 \| local t = nil; t.x = 1'
line 'error { code = 77 }'
shows "an error object is shown" '^\{ code = 77 \}$'

clear_screen
keys -l 'string.rev'; keys Tab
shows "Tab completes a field" '^> string.reverse'
keys -l '("abc")'; keys Enter
shows "and what it completed runs" '^cba$'
keys -l '("x"):upp'; keys Tab; keys -l '()'; keys Enter
shows "Tab completes a method" '^X$'
keys -l 'string.re'; keys Tab
shows "Tab lists what there is" '^rep +reverse$'
keys C-c
shows "Ctrl-C gives a line up" '\^C$'
keys -l 'io.open "some'; keys Tab
shows "Tab completes a file name and closes the quote" 'io.open "some_data.csv"$'
keys C-u
keys -l '#"äö€" .. "é"'; keys Left BSpace; keys -l 'ü'; keys Enter
shows "UTF-8 is edited by characters" '^7ü$'

clear_screen
line 'local kept = 7'
line 'while true do end'
sleep 0.4; keys C-c
shows "Ctrl-C stops a loop" 'interrupted!'
clear_screen
line 'while true do pcall(function() while true do end end) end'
sleep 0.4; keys C-c
shows "also under pcall" 'interrupted!'
clear_screen
line 'coroutine.wrap(function() while true do end end)()'
sleep 0.4; keys C-c
shows "also in a coroutine" 'interrupted!'
line 'kept * 11'
shows "and the state is kept" '^77$'
keys C-c; keys C-c; sleep 0.2
line '"still" .. " here"'
shows "Ctrl-C at an empty prompt does not leave" '^still here$'
line 'function f('
keys C-c
line '"gave" .. " up"'
shows "Ctrl-C gives an open block up" '^gave up$'

clear_screen
printf 'local a = 5\nlocal function twice(v)\n\treturn 2 * v\nend\ntwice(a)\n' > paste.txt
tm load-buffer paste.txt
tm paste-buffer -p -t t; sleep 0.2; keys Enter
shows "a bracketed paste runs as a whole" '^10$'
tm paste-buffer -t t; sleep 0.2
line 'a + 100'
shows "so do lines pasted without brackets, one by one" '^105$'

keys C-d
shows "Ctrl-D leaves with status 0" '^left 0$'

start
keys Up; sleep 0.2; keys Enter
shows "history lives on across sessions" '^(105|nil|In.*attempt.*)'
keys Up Up Up Up; sleep 0.2
keys C-c
line 'local z = 1'
keys C-r; keys -l 'twice(a)'; sleep 0.2; keys C-c
line 'help()'
shows "help() tells what there is" 'deep learning at the Lua prompt'
clear_screen
line 'local name = { 1, 2 }'
line 'who()'
shows "who() lists variables" '^name +table of 2$'
line 'timing(true)'
line '1'
shows "timing(true) tells the time" '^[0-9.]+ (us|ms|s)$'
line 'os.exit(5)'
shows "os.exit leaves with its status" '^left 5$'
count=$((count + 1))
if [ "$(stat -c %a state/history)" != 600 ] || ! grep -qF 'local a = 5\nlocal function twice' state/history; then
  failures=$((failures + 1))
  echo "FAILED: the history file:"; ls -l state; cat state/history
fi

echo 'print("from script"); value = 9' > script.lua
start -i script.lua
shows "-i runs the script first" '^from script$'
line 'value'
shows "and then its variables are there" '^9$'
keys C-d
shows "and leaves" '^left 0$'

echo "$count checks, $failures failed"
[ $failures = 0 ]
