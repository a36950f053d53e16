#!/bin/bash
# Windows on a real display (Xvfb, xdotool) beside a real terminal (tmux): what a mouse and a keyboard do arrives with its
# own times, waiting costs nothing and ends at once, and the prompt lives beside a window.
# Usage: window.sh BUILD_FOLDER
set -u
build=$(cd "${1:?usage: window.sh BUILD_FOLDER}" && pwd)
[ -e "$build/lua/perilune/window.so" ] || { echo "skipped: built without SDL2"; exit 77; }
for tool in Xvfb xdotool; do command -v $tool > /dev/null || { echo "skipped: no $tool"; exit 77; }; done
lua=$(cd "$(dirname "$0")/../../lua" && pwd)
# shellcheck source=tests/support/tmux.sh
. "$(dirname "$0")/../support/tmux.sh"
cd "$work" || exit 1
unset SDL_VIDEODRIVER SDL_RENDER_DRIVER WAYLAND_DISPLAY PERILUNE_SCALE
Xvfb -displayfd 3 -screen 0 1000x800x24 -nolisten tcp -noreset 3> display > xvfb.log 2>&1 &
server=$!
trap 'tm kill-server; kill $server 2> /dev/null; wait $server 2> /dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do [ -s display ] && break; sleep 0.1; done
DISPLAY=:$(cat display)
export DISPLAY LC_ALL=C.UTF-8 PERILUNE_HISTORY="$work/history" PERILUNE_INIT= NO_COLOR=1
export LUA_PATH="$lua/?.lua;$lua/?/init.lua;;" LUA_CPATH="$build/lua/?.so;;"

start() { # COMMAND...
  fresh_server
  tm new-session -d -s t -x 100 -y 40 "cd '$work'; $*; echo left \$?; sleep 60"
}
ticks() { # of the processor that a process has used, hundredths of a second
  sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'
}
of_perilune() { pgrep -t "$(tm display -p -t t '#{pane_tty}' | sed s,/dev/,,)" -x perilune; }
here() { xdotool search --sync --onlyvisible --name "$1" > /dev/null; } # a window of this title shows

cat > wait.lua << 'LUA'
local w = require("perilune.window").open { title = "waits", width = 300, height = 200 }
if arg[1] == "input" then w:watch_input(true) end
io.write "ready\n"
while true do
  local event, why = w:event(-1)
  if event and event.type == "close" then break end
  if event and event.type ~= "expose" and event.type ~= "move" and event.type ~= "leave" then
    io.write("<", event.type, " ", event.key or event.text or event.button or "", ">\n")
  elseif why == "input" then
    io.write("read ", io.read "L")
  end
end
io.write "closed\n"
LUA

start "'$build/perilune' wait.lua"
shows "a window opens" '^ready$'
check "and shows" here waits
check "in its place" [ "$(xdotool search --name waits getwindowgeometry | grep -c 'Geometry: 300x200')" = 1 ]
xdotool mousemove 500 400 click 1 key a key Delete key ctrl+z click 5
shows "a click arrives" '^<press left>$'
shows "with its end" '^<release left>$'
shows "a key arrives" '^<key a>$'
shows "what it types" '^<text a>$'
shows "another key" '^<key delete>$'
shows "one with Ctrl" '^<key z>$'
shows "the wheel" '^<wheel >$'
process=$(of_perilune)
before=$(ticks "$process"); sleep 1; used=$(($(ticks "$process") - before))
check "waiting costs nothing (used $used/100 s)" [ $used -le 10 ]
keys C-c
patience=1 shows "Ctrl-C ends a wait at once" 'interrupted'
shows "and the program" 'left 1$'

start "lua5.4 wait.lua"
shows "in stock Lua too" '^ready$'
if [ -z "${LD_PRELOAD:-}" ]; then
  sleep 0.3
  keys C-c
  patience=1 shows "Ctrl-C ends a wait there" 'interrupted!'
  shows "and the program there" 'left 1$'
fi

start "'$build/perilune' wait.lua input"
shows "a third one waits for input" '^ready$'
line "some words"
shows "standard input wakes it" '^read some words$'
xdotool mousemove 500 400 click 1
shows "a click still does" '^<press left>$'
process=$(of_perilune)
before=$(ticks "$process"); sleep 1; used=$(($(ticks "$process") - before))
check "input that was read wakes nobody (used $used/100 s)" [ $used -le 10 ]

cat > late.lua << 'LUA'
local core = require "perilune.core"
local w = require("perilune.window").open { title = "late", width = 300, height = 200 }
while w:event(200) do end
local hand = io.popen "xdotool mousemove 450 400 mousedown 1 sleep 0.05 mousemove 460 400 sleep 0.05 mousemove 470 400 mouseup 1"
local stop = core.monotonic() + 1
while core.monotonic() < stop do end -- busy: the events wait
hand:close()
local first, last, kinds = nil, nil, {}
for event in function() return w:event(0) end do
  if event.type == "press" then first, last = event.time, event.time end
  if first then
    local apart = event.time - last
    local fits = event.type == "move" and apart > 0.03 and apart < 0.3 or event.type ~= "move" and apart < 0.03
    kinds[#kinds + 1], last = fits and event.type or ("%s %.3f"):format(event.type, apart), event.time
  end
end
print(table.concat(kinds, " ") .. (core.monotonic() - last > 0.3 and " long ago" or " just now"))
LUA
start "'$build/perilune' late.lua"
patience=10 shows "events that waited have their own times" '^press move move release long ago$'

start "'$build/perilune'"
shows "the prompt" '^> *$'
typed() { keys -l "$1"; sleep 0.25; keys Enter; sleep 0.25; } # what comes in one burst is taken for a paste
typed 'w = require("perilune.window").open { title = "beside", width = 300, height = 200 } w:watch_input(true) n = 0'
typed 'undo = require("perilune.repl.waiting").with(function(ms) local e = w:event(ms) if e and e.type == "key" then n = n + 1 end end)'
check "a window beside the prompt" here beside
xdotool mousemove 500 400 key x key y key z
sleep 0.3
typed '"keys " .. n'
shows "lives while the prompt waits" '^keys 3$'
process=$(of_perilune)
before=$(ticks "$process"); sleep 1; used=$(($(ticks "$process") - before))
check "costs nothing (used $used/100 s)" [ $used -le 10 ]
keys -l 'half a line'
sleep 0.2
keys C-c
sleep 0.2
typed '1 + 41'
shows "Ctrl-C gives up the line, not the window" '^42$'
xdotool key x
sleep 0.3
typed '"keys " .. n'
shows "which lives on" '^keys 4$'
typed 'require("perilune.repl.waiting").with(function() error "the pen is broken" end);'
shows "what fails beside the prompt is told" 'has ended: .*the pen is broken'
typed '"and " .. "on"'
shows "and the prompt goes on" '^and on$'
typed 'require("perilune.repl.waiting").with(function() while true do end end);'
sleep 2
keys C-c
sleep 0.2
shows "what does not come back ends with Ctrl-C" 'did not come back'
typed '"still " .. "here"'
shows "and the prompt is there again" '^still here$'
typed 'undo() w:close()'
keys C-d
shows "and leaves" 'left 0$'

start "'$build/perilune' wait.lua"
shows "a window opens for the last time" '^ready$'
kill $server
shows "a display that goes away ends the program" 'left 1$'

DISPLAY='' start "'$build/perilune' wait.lua"
shows "without a display it says so" 'there is no display here'

summary
