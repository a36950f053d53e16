#!/bin/bash
# The prompt on a real terminal (tmux): typing, Tab, Ctrl-C, pieces of several lines, pastes, history and its search,
# errors, the start-up file, colours, pictures, resizing, stopping.
# Usage: prompt.sh BUILD_FOLDER
set -u
build=$(cd "${1:?usage: prompt.sh BUILD_FOLDER}" && pwd)
. "$(dirname "$0")/../support/tmux.sh"
cd "$work" || exit 1
touch some_data.csv

# A terminal whose shell says "left N" when the prompt has gone, N being its exit status.
start() {
  fresh_server
  tm new-session -d -s t -x 100 -y 50 \
    "cd '$work'; export HOME='$work' XDG_CONFIG_HOME='$work/config' PERILUNE_HISTORY='$work/state/history' LC_ALL=C.UTF-8 TERM=tmux-256color; ${environment-NO_COLOR=1} '$build/perilune' $*; echo left \$?; sleep 60"
  wait_for '^> *$'
}
# Lines that come in one burst are taken for a paste, which brings its own indentation.
typed() {
  tm send-keys -t t -l "$1"; sleep 0.25
  tm send-keys -t t Enter; sleep 0.25
}
tab() { # by itself: in the middle of a burst it would be indentation that was pasted
  sleep 0.25; keys Tab; sleep 0.1
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
check "what is silenced" [ "$(screen | grep -c '^quietness$')" = 0 ]

clear_screen
line 'for i = 1, 2 do'
shows "an open block asks for more" '^\|'
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
keys -l 'string.rev'; tab
shows "Tab completes a field" '^> string.reverse'
keys -l '("abc")'; keys Enter
shows "and what it completed runs" '^cba$'
keys -l '("x"):upp'; tab; keys -l '()'; keys Enter
shows "Tab completes a method" '^X$'
keys -l 'string.re'; tab
shows "Tab lists what there is" '^rep +reverse$'
keys C-c
shows "Ctrl-C gives a line up" '\^C$'
keys -l 'io.open "some'; tab
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
clear_screen
line 'hangs = setmetatable({}, { __index = function() while true do end end, __tostring = function() while true do end end })'
line 'hangs'
sleep 0.4; keys C-c
shows "also in a value that shows itself" 'interrupted!'
clear_screen
line 'hangs?'
sleep 0.4; keys C-c
shows "also in one that is asked about" 'interrupted!|hangs: table'
keys -l 'hangs.x.y'; tab; sleep 0.3; keys C-c; sleep 0.2; keys C-u
line '"tab" .. " ended"'
shows "also in one that is completed" '^tab ended$'
line 'peri.nn.Sequential { peri.nn.Dense { 64 } }:fit({ peri.randn(20000, 64), peri.randn(20000, 64) }, { epochs = 10000, loss = "mse" })'
wait_for 'epoch|Epoch'; sleep 0.5; keys C-c
shows "also in a training run, which keeps what was learned" 'what was learned is kept'
line 'local t = os.clock() while os.clock() - t < 1 do end'
line '"typed " .. "ahead"'
shows "what was typed while a piece ran is run after it" '^typed ahead$'
clear_screen
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
typed 'for i = 1, 2 do'
typed 'if i > 1 then'
typed 'print("deep " .. i)'
typed 'end'
keys -l 'en'; sleep 0.25; keys -l 'd'; sleep 0.25
shows "an open block is indented" '^\|     print\("deep " \.\. i\)$'
shows "and its end moves back" '^\|   end$'
shows "to where it began" '^\| end$'
keys Enter
shows "the piece runs as a whole" '^deep 2$'
keys Up
shows "Up brings the whole piece back" '^\| end$'
keys Up Up C-a M-f; keys -l ' "and"'; keys BSpace BSpace BSpace BSpace BSpace C-k; keys -l '("mended " .. i)'; keys M-'>' Enter
shows "and a line in its middle can be mended" '^mended 2$'
clear_screen
typed 'local function f(n)'
typed 'return {'
typed 'n,'
typed '}'; keys -l 'end'; sleep 0.25
shows "a closing bracket moves back" '^\|   }$'
keys C-c
shows "Ctrl-C gives the lines up" 'end\^C$'
keys -l '"some" .. "thing'; keys C-c
line '"fresh" .. " line"'
shows "and a line in the middle" '^fresh line$'
keys -l 'x ='; keys M-Enter; keys -l '  "by" .. "hand"'; keys Enter
line 'x'
shows "Alt-Enter breaks a line" '^byhand$'
keys -l 'x == nope'; keys M-b C-k; keys -l '"byhand"'; keys C-a; keys -l '('; keys C-e; keys -l ')'; keys Enter
shows "words, line ends and kills" '^true$'
keys -l '"one two"'; keys C-w C-y C-y C-_ Enter
shows "yank and undo" '^one two$'
keys -l '"日本" .. "x"'; keys C-a Right Right Right; keys -l '語'; keys Enter
shows "wide characters" '^日本語x$'
line 'io.write("no line break");'
shows "the prompt begins its own line" '^no line break$'
line '"own" .. "line"'
shows "and covers nothing" '^no line break$'

clear_screen
line 'string.format?'
shows "a question is answered" '^string\.format\('
line 'local function double(n) return 2 * n end'
keys -l 'double(21'; keys BTab
shows "Shift-Tab tells of the call" '^double\(n\)$'
keys -l ')'; keys Enter
shows "and goes on where it was" '^42$'
keys -l 'peri.nn.Dense { unit'; tab; keys -l '3 }'; keys Enter
shows "Tab completes a named argument" 'peri.nn.Dense \{ units = 3 \}$'

clear_screen
line 'distinct = 12345'
line 'other = 1'
keys -l 'dis'; keys Up
shows "Up looks for what was typed" '^> distinct = 12345$'
keys Down
shows "Down comes back to it" '^> dis$'
keys C-u C-r; keys -l 'mended'
shows "Ctrl-R searches" 'search\) mended: for i = 1, 2 do$'
keys Enter; sleep 0.2
shows "and Enter runs what was found" '^mended 2$'
keys C-r; keys -l 'distinct'; keys Escape; sleep 0.2
shows "Escape takes it to be edited" '^> distinct = 12345$'
keys C-c C-r; keys -l 'no such thing at all'
shows "a search that fails says so" 'failing search'
keys C-g; sleep 0.1
line '"after" .. "search"'
shows "and is left" '^aftersearch$'

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
check "the history file is the person's alone" [ "$(stat -c %a state/history)" = 600 ]
check "and holds pieces of several lines" grep -qF 'local a = 5\nlocal function twice' state/history

# pastes of any size, a piece taller than the terminal, another size of terminal
start
{ echo 'local sum = 0'; for i in $(seq 80); do echo "sum = sum + $i"; done; echo 'print("sum " .. sum)'; } > long.txt
tm load-buffer long.txt
tm paste-buffer -p -t t; sleep 0.3
shows "a piece taller than the terminal shows its end" 'print\("sum " \.\. sum\)$'
for _ in $(seq 60); do keys Up; done
shows "and scrolls" '^\| sum = sum \+ 22$'
keys M-'<'
shows "to its beginning" '^> local sum = 0$'
keys M-'>' Enter
shows "and runs" '^sum 3240$'
{ echo -n 'blob = "'; head -c 300000 /dev/zero | tr '\0' x; echo '"'; echo '#blob'; } > big.txt
tm load-buffer big.txt
tm paste-buffer -p -t t; sleep 0.5; keys Enter
shows "a large paste runs" '^300000$'
keys C-l
keys -l '"a long line that is broken when the terminal gets narrow: " .. 1234567890'
tm resize-window -t t -x 40 -y 20; sleep 0.3
keys Enter
shows "after resizing" '1234567890$'
tm resize-window -t t -x 100 -y 50; sleep 0.2
keys C-l

# pictures
line 'peri.ones(8, 8, 1)'
shows "an image tensor without colours shows as shades" '^@{16}$'
keys C-l
line 'peri.plot.figure():lines({ 1, 2, 3, 4 })'
shows "a figure shows as text" '\+-{20}'
line 'handle = peri.display("shown " .. "here")'
shows "peri.display shows" '^shown here$'

# limits of the last results, resetting
line 'reset()'
shows "reset() says what it forgot" '^forgot [0-9]+ variables and the last results$'
line 'blob == nil and _ == nil'
shows "and forgets" '^true$'
line 'time(function() return "timed" end)'
shows "time() tells the time" '^[0-9.]+ (us|ms|s)$'
shows "and gives the result" '^timed$'
keys C-d
shows "Ctrl-D leaves a short session too" '^left 0$'

# the start-up file
mkdir -p config/perilune
printf 'local greeting = "from init"\nfunction twice(x)\n  return 2 * x\nend\nprint "init runs"\n' > config/perilune/init.lua
start
shows "the start-up file runs" '^init runs$'
line 'greeting .. twice(4)'
shows "and its locals live on" '^from init8$'
keys C-d
start -E
line 'greeting == nil'
shows "-E leaves it out" '^true$'
keys C-d
printf 'local ready = 1\nlocal t = nil\nt.x = 1\n' > config/perilune/init.lua
start
shows "an error in it is told with its place" 'init.lua:3: attempt to index a nil value'
line 'ready + 1'
shows "and the prompt goes on" '^2$'
keys C-d
rm config/perilune/init.lua

# colours: none with NO_COLOR and --no-color, some without
colours() { tm capture-pane -e -p -t t | grep -c $'\e\\[[0-9;]*3[0-9]m'; }
show_off() {
  line 'local t = { 1, "two" } -- three'
  line 't'
  line 'nil + 1'
  line 'help(print)'
  shows "an error shows" 'attempt to perform arithmetic'
}
start
show_off
check "no colours with NO_COLOR" [ "$(colours)" = 0 ]
keys C-d
environment='' start --no-color
show_off
check "no colours with --no-color" [ "$(colours)" = 0 ]
keys C-d
environment='' start
show_off
check "colours without" [ "$(colours)" -gt 3 ]
keys C-l
line 'peri.rand(8, 8, 1)'
shows "an image tensor shows as half blocks" '^[▀▄█]{8}'
keys C-d

# a terminal that knows no cursor that moves gets plain lines
tm kill-server
round=$((round + 1))
tm new-session -d -s t -x 80 -y 20 "cd '$work'; HOME='$work' PERILUNE_HISTORY= TERM=dumb '$build/perilune'; sleep 60"
wait_for '^> *$'
line 'for i = 1, 2 do'
line 'print("dumb " .. i) end'
shows "a dumb terminal reads and prints" '^dumb 2$'
check "and gets no escape sequences" [ "$(colours)" = 0 ]

# stopped and gone on with, ended by a signal: the terminal comes back as it was
tm kill-server
round=$((round + 1))
tm new-session -d -s t -x 100 -y 50 "cd '$work'; PS1='shell$ ' HOME='$work' PERILUNE_HISTORY= LC_ALL=C.UTF-8 NO_COLOR=1 bash --norc --noprofile -i"
wait_for '^shell\$'
line "'$build/perilune'"
wait_for '^> *$'
keys -l '"kept ac'; keys C-z
shows "Ctrl-Z stops" 'Stopped'
line 'stty -a | grep -o " icanon\| echo " | tr -d "\n "; echo'
shows "and gives the terminal back" '^icanonecho$'
line 'fg'; sleep 0.3; keys -l 'ross"'; keys Enter
shows "fg goes on with the line" '^kept across$'
clear_screen
tm send-keys -t t -l 'os.execute("kill -TERM $PPID")'; keys Enter; sleep 0.3
line 'stty -a | grep -o " icanon\| echo " | tr -d "\n "; echo'
shows "SIGTERM leaves the terminal in order" '^icanonecho$'

echo 'print("from script"); value = 9' > script.lua
start -i script.lua
shows "-i runs the script first" '^from script$'
line 'value'
shows "and then its variables are there" '^9$'
keys C-d
shows "and leaves" '^left 0$'

summary
