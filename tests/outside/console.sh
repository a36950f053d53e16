#!/bin/bash
# jupyter console on a real terminal (tmux): a cell, Tab, a training as text, a loop, Ctrl-C, io.read, the end. Every
# console there is: Debian's, and that of the venv with Jupyter's newest, where it has been made.
# Usage: [CONSOLES="PROGRAM ..."] console.sh BUILD_FOLDER
set -u
build=$(cd "${1:?usage: console.sh BUILD_FOLDER}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
consoles=(${CONSOLES:-})
if [ ${#consoles[@]} = 0 ]; then
  REQUIREMENTS=$here/requirements-jupyter.txt bash "$here/setup.sh" "$build/venv-jupyter"
  for program in /usr/bin/jupyter-console "$build/venv-jupyter/bin/jupyter-console"; do
    [ -x "$program" ] && consoles+=("$program")
  done
fi
[ ${#consoles[@]} -gt 0 ] || { echo "skipped: no jupyter-console (Debian: apt-get install jupyter-console)"; exit 77; }
patience=30 history=200 # a console's answers take their time
. "$here/../support/tmux.sh"

export HOME=$work/home JUPYTER_PATH=$work/prefix/share/jupyter JUPYTER_PLATFORM_DIRS=0
export JUPYTER_RUNTIME_DIR=$work/runtime JUPYTER_CONFIG_DIR=$work/config JUPYTER_DATA_DIR=$work/data IPYTHONDIR=$work/ipython
export XDG_STATE_HOME=$work/state XDG_CONFIG_HOME=$work/config XDG_DATA_HOME=$work/data XDG_CACHE_HOME=$work/cache
unset JPY_PARENT_PID LUA_PATH LUA_CPATH LUA_INIT PERILUNE_HISTORY NO_COLOR
mkdir -p "$HOME"
cd "$work" || exit 1
if ! "$build/perilune" kernel install --prefix "$work/prefix" > install.log 2>&1; then
  grep -q libzmq install.log && { echo "skipped: this build has no notebook"; exit 77; }
  cat install.log
  exit 1
fi
cat > net.lua << 'END'
peri = require "perilune"
peri.seed(1)
net = peri.nn.Sequential { peri.nn.Dense { 10 } }
x, y = peri.randn { 100000, 20 }, peri.zeros { 100000, 10 }
function learn(epochs, batch) return net:fit(x, y, { loss = "mse", epochs = epochs, batch = batch }) end
END

# A line at an empty prompt: over what comes before its prompt Debian's console falls now and then.
cell() {
  wait_for '^In \[[0-9]+\]: *$'
  line "$1"
}

for console in "${consoles[@]}"; do
  fresh_server
  about=$console
  # Before 6.6 a console lost its handler of Ctrl-C with its first prompt, and no kernel heard of it.
  hears=1
  [ "$(printf '%s\n' 6.6 "$("$console" --version 2> /dev/null | grep -oE '[0-9.]+' | tail -n 1)" | sort -V | head -n 1)" = 6.6 ] || hears=0
  tm new-session -d -s t -x 110 -y 50 \
    "LC_ALL=C.UTF-8 '$console' --kernel perilune 2> console.log; echo left \$?; sleep 60"
  shows "the console starts" '^In \[1\]: *$'
  cell '20 + 22'
  shows "a cell has a result" '^Out\[1\]: 42$'
  shows "and the next one is asked for" '^In \[2\]: *$'
  keys -l 'string.rev'; keys Tab
  shows "Tab completes" '^In \[2\]: string.reverse'
  keys -l '("abc")'; keys Enter
  shows "and what it completed runs" '^Out\[2\]: "?cba"?$'
  cell 'dofile "net.lua"'
  shows "a script runs" '^In \[4\]: *$'
  cell 'h = learn(2, 100)'
  shows "a training is a line an epoch" '^epoch 1/2: loss [-0-9.e]+, lr 0.001$'
  shows "its last line" '^epoch 2/2: loss [-0-9.e]+, lr 0.001$'
  shows "and a prompt after it" '^In \[5\]: *$'
  if [ $hears = 1 ]; then
    cell 'h = learn(100000, 1)'
    shows "a long one shows a bar" 'Epoch 1/100000 .*ETA'
    keys C-c # what the console receives in the moment of a signal it may lose: the text is not asked for
    shows "Ctrl-C ends it and gives the prompt back" '^In \[6\]: *$'
    cell 'while true do end'
    sleep 2; keys C-c
    shows "Ctrl-C ends a bare loop" '^In \[7\]: *$'
    cell 'h.interrupted, #learn(1, 1000).epoch'
    shows "with all that was there" '^Out\[7\]: true[[:space:]]+1$'
  fi
  cell 'for i = 1, 2 do'
  shows "an open block asks for more" '^ *\.\.\.: *$'
  line 'print("row " .. i) end'
  shows "and runs when it is closed" '^row 2$'
  cell 'for i in peri.progress(50) do end'
  shows "a loop leaves one line" '^50 of 50$'
  cell 'io.write "name? "; name = io.read()'
  shows "io.read asks" 'name\? *$'
  line 'Selene'
  cell 'name:upper()'
  shows "and gets the answer" '^Out\[[0-9]+\]: "?SELENE"?$'
  wait_for '^In \[[0-9]+\]: *$'
  keys C-d; sleep 1; line 'y'
  shows "and the console ends well" '^left 0$'
done
about=
tm kill-server
sleep 1
check "no kernel lives on: $(pgrep -af "kernel run .*$work")" [ -z "$(pgrep -f "kernel run .*$work")" ]
summary
