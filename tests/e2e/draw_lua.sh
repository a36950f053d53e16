#!/bin/bash
# The terminal face beyond drawing (tmux): Lua in the line at the bottom and the pane of its output, corrections, drawing
# with the keyboard, colours, numbers, what is no digit.
# Usage: draw_lua.sh BUILD_FOLDER
set -u
build=$(cd "${1:?usage: draw_lua.sh BUILD_FOLDER}" && pwd)
patience=8
# shellcheck source=tests/support/face.sh
. "$(dirname "$0")/../support/face.sh"
cp "$lua/perilune/draw/digits.safetensors" net.safetensors

# The face with what learns replaced by something that writes down what it is told.
cat > face.lua << 'END'
local programs = require "perilune.draw.program"
local program = programs.new { model = "net.safetensors" }
local function note(_, what, label)
  local file = assert(io.open("learned.txt", "a"))
  file:write(tostring(type(what) == "string" and what or label), "\n")
  file:close()
  print "the learner prints this"
  return { seconds = 0.25, kept = "nowhere", before = 0.98, after = 0.99 }
end
local left = 2
local function evaluate()
  left = left - 1
  local report = program.learned.report
  report.before, report.after = 0.98, 0.99
end
program.learning = { correct = note, teach = note, pending = function() return left == 1 end, evaluate = evaluate }
local function leave_some()
  left = 1
  return { seconds = 0.125, kept = "nowhere" }
end
if arg[2] then program.learning.correct = leave_some end
local _, after, latency = require("perilune.draw.terminal").run { program = program, colours = arg[1] }
print("strokes left: " .. #after.canvas.strokes .. ", " .. (latency.n > 5 and latency.p99 < 1 and "measured" or latency.n))
END
# What a recogniser may say: a number, nothing certain.
cat > says.lua << 'END'
local recogniser = { labels = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }, net = false }
local core = require "perilune.core"
local function of(digit, confidence)
  local row = {}
  for i = 1, 10 do row[i] = i == digit + 1 and confidence or (1 - confidence) / 9 end
  return { probabilities = row, best = digit + 1, label = tostring(digit), confidence = confidence, certain = true,
    input = core.ones { 28, 28, 1 } }
end
function recogniser:predict(canvas)
  if canvas:empty() then return nil end
  local said = of(7, 0.9)
  if #canvas.strokes == 2 then
    said.digits, said.number = { of(1, 0.9), of(9, 0.9), of(8, 0.9), of(4, 0.9) }, "1984"
  elseif #canvas.strokes == 3 then
    said.certain = false
  end
  return said
end
function recogniser:explain(canvas, _, side)
  local heat = core.zeros { side, side, 1 }
  heat[{ { 1, side // 2 } }] = 1
  return heat
end
require("perilune.draw.terminal").run { recogniser = recogniser, colours = arg[1] }
END
opens() { start "$1" "${3:-}" "'$build/perilune' ${2:-face.lua}"; shows "opens" 'draw a digit on the left'; }

# --- the line ---
opens 80x24
stroke 0 $zero
shows "a zero" '^.{48}0 █████████'
keys :
shows "the line" '^> *$'
line '1 + 1'
shows "a value" '^2$'
shows "above it the piece" '^> 1 \+ 1$'
line 'word = "kept"'
line 'word:upper() .. #digit'
shows "variables live on, digit is what the net sees" '^KEPT28$'
line 'net:predict(digit):argmax():item()'
shows "the net in scope" '^1$'
line 'print("printed") io.stdout:write("written\n") os.execute("echo by a child; echo badly >&2"); io.stderr:write("to stderr\n")'
for text in printed written 'by a child' badly 'to stderr'; do shows "$text" "^$text\$"; done
line 'io.stdout:write "1st\n" os.execute "echo 2nd" io.stderr:write "3rd\n" print "4th"'
shows "the last" '^4th$'
check "in their order" [ "$(screen | grep -E '^[1-4](st|nd|rd|th)$' | tr -d '\n')" = 1st2nd3rd4th ]
line 'error "on purpose"'
shows "an error, with its line" '^  1 \| error "on purpose"$'
line 'print("\27[2J\27[12;40Hcleared\27[?1000l\27]0;title\7\27[?25hbehind\27Pq#0\27\\")'
shows "sequences that move or change are dropped" '^clearedbehind$'
shows "the title is where it was" '^ perilune draw'
check "so is the mouse" [ "$(tm display -p -t t '#{mouse_button_flag}')" = 1 ]
line 'print "\27[31mred\27[0m plain \27[48;5;22mon green\27[0m"'
shows "colours" '^red plain on green$'
check "are kept" grep -q $'\033\[3[18].*red' <(tm capture-pane -pe -t t)
line 'io.read()'
shows "nothing can be read" '^nil$'
line 'return nil, 5'
shows "several values" '^nil +5$'
line 'plot.bar { 3, 1, 2 }'
shows "a figure" '\+-{20,}\+'
line 'peri.display("shown")'
shows "display shows here" 'shown'
line 'canvas:clear()'
shows "the canvas answers" 'draw a digit on the left|^> canvas:clear'
line 'for i = 1, 2 do'
shows "an unfinished piece goes on below" '^\| *$'
line 'print("turn " .. i)'
line 'end'
shows "and runs when it is whole" '^turn 2$'
keys Up
shows "history" '^> for i = 1, 2 do$'
keys C-c
keys -l 'canv'; keys Tab; keys -l ':cle'; keys Tab
shows "completion" '^> canvas:clear *$'
keys C-u
keys -l 'net:'; keys Tab
shows "candidates" 'children +forward '
keys -l 'abc def'; keys C-a; keys -l 'x = 1 -- '; keys C-e; keys -l '!'
shows "moving in the line" '^> x = 1 -- net:abc def!$'
keys C-w
shows "deleting" '^> x = 1 -- net:abc *$'
keys C-u
keys Escape
gone "Esc takes the pane away" ' output '
shows "and the keys are back" 'q quit'
keys PPage
shows "PgUp brings it back" ' output '
stroke 0 $one
gone "drawing takes it away" ' output '
shows "and is recognised" '^.{48}1 █████████'
keys Enter
line 'for i = 1, 100 do print("row " .. i) end'
shows "the end of long output" '^row 100$'
keys PPage
shows "PgUp" '[0-9]+ below'
shows "goes back" '^row 85$'
mouse 64 10 20 M; mouse 64 10 20 M; mouse 64 10 20 M
shows "the wheel too" '^row 76$'
tm resize-window -t t -x 60 -y 20
shows "resized with the pane open" '^row 7[0-9]$'
shows "the line is still there" '^>'
tm resize-window -t t -x 120 -y 40
shows "larger" '^row 61$'
tm resize-window -t t -x 80 -y 24
line 'canvas.strokes[1].n > 1'
shows "and goes on" '^true$'
line 'while true do pcall(function() while true do end end) end'
sleep 0.5
keys C-c
shows "Ctrl-C interrupts a piece" 'interrupted!$'
line 'peri.seed(1) net:fit(data.drawn { n = 4000 }, { epochs = 50, batch = 50, loss = "sparse_categorical_crossentropy" })'
shows "training shows how far it is" 'Epoch [1-9]/50'
keys C-c
shows "and is interrupted" 'interrupted in epoch'
line '6 * 7'
shows "and the face lives on" '^42$'
line '6 * 7'
line '"ends" .. string.rep("=", 9)'
shows "settled" 'ends={9}'
# Ctrl-C: empties the line, leaves it, leaves the program.
keys -l 'half'
keys C-c
shows "Ctrl-C empties the line" '^> *$'
keys C-c
shows "then leaves it" 'q quit'
keys q
restored "q" 0
shows "the canvas comes back, and the latency" 'strokes left: 1, measured'
check "the history is kept" grep -q '^1 + 1$' history
check "without what is there already" [ "$(grep -c '^6 \* 7$' history)" = 1 ]

for end in 'os.exit(3):3' 'os.execute("kill -SEGV $PPID"):139' 'os.execute("kill -TERM $PPID"):143'; do
  start 80x24 "ulimit -c 0; '$build/perilune' face.lua"
  shows "opens" 'draw a digit'
  keys :
  line "${end%:*}"
  restored "${end%:*}" "${end##*:}"
done

# --- corrections ---
opens 80x24
keys 4
shows "nothing to learn from" 'nothing on the canvas'
stroke 0 $zero
shows "a zero" '^.{48}0 █████████'
keys 4
shows "a key corrects" 'learned this 4 in 0.25 s; 99.00 % of MNIST'
shows "and what the learner prints is in the pane" '^the learner prints this$'
keys Escape
gone "the pane is away" ' output '
mouse 0 60 21 M; mouse 0 60 21 m
shows "a click on a bar does" 'learned this 7 in'
keys :
line 'correct(9).seconds'
shows "so does the line" '^0.25$'
keys Escape
shows "back at the keys" 'q quit'
keys t
shows "t asks" 'teach which class\?'
keys -l 'A'; keys Enter
shows "and teaches" 'learned A in'
check "all was learned" [ "$(tr '\n' ' ' < learned.txt)" = "4 7 9 A " ]
keys Escape
gone "the pane is away again" ' output '
mouse 0 3 24 M; mouse 0 3 24 m
shows "a click on the keys' row" 'draw a digit'
stroke 0 $zero
keys s
shows "s saves" 'saved drawing-1.png'
keys c
shows "cleared" 'draw a digit'
keys -l $'\033[200~'"$work/drawing-1.png"$'\033[201~'
shows "a dropped file opens" '^.{48}0 █████████'
keys v
shows "what the net sees" 'what the net sees: 0, [0-9.]+%'
shows "with the likeliest bars" '^.{48}0 █████████'
keys v
gone "and back" 'what the net sees'
keys q
restored "q" 0

opens 80x24 'face.lua 256 later'
stroke 0 $zero
shows "a zero" '^.{48}0 █████████'
keys 4
shows "a correction without the time for accuracies" 'learned this 4 in 0.12 s$'
shows "which follow in a pause" 'learned this 4 in 0.12 s; 99.00 % of MNIST'
keys q
restored "q" 0

# --- the keyboard's pen ---
opens 80x24
for _ in 1 2 3 4 5 6 7 8 9; do keys Up; done
shows "a cross" '┼'
keys Space
shows "the pen is down" '◆'
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do keys Down; done
keys Space
shows "a one by the keyboard" '^.{48}1 █████████'
keys x
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do keys Up; done
shows "rubbed out" 'draw a digit on the left'
keys C-z
shows "undone" '^.{48}1 █████████'
# Five hundred reports at once.
keys c
burst=$(printf '\033[<0;24;3M'; for i in $(seq 500); do printf '\033[<32;%d;%dM' $((20 + i % 9)) $((3 + i / 28)); done; printf '\033[<0;24;20m')
tm send-keys -t t -l "$burst"
keys :
line 'canvas.strokes[1].n'
shows "all of a burst's points" '^501$'
line 'strokes = canvas:strokes_table(); canvas:clear(); canvas:replay(strokes, { speed = 20, on_step = show }); return #canvas.strokes'
shows "a replay that shows itself" '^1$'
line 'os.exit(0)'
restored "os.exit" 0

# --- what a prediction may say ---
opens 80x24 says.lua
stroke 0 10,10 20,10
shows "a seven" '^.{50}██████████ +90.0%$|█ +90.0%'
stroke 0 10,12 20,12
shows "a number: large, with its likelihood" '65.6%'
shows "the bars of its last digit" '^.{48}4 ████.* 90.0%'
keys Tab
shows "Tab chooses the next one" '^.{48}1 ████.* 90.0%'
mouse 0 58 6 M; mouse 0 58 6 m
shows "a click on a large one that one" '^.{48}9 ████.* 90.0%'
stroke 0 10,14 20,14
shows "no digit" 'not a digit'
shows "but perhaps" 'perhaps 7, 90.0%'
keys e
sleep 0.3
check "the overlay colours the upper half" grep -qE '48;2|48;5' <(tm capture-pane -pe -t t)
keys q
restored "q" 0
opens 200x60 says.lua
stroke 0 10,10 60,10
shows "with room, what the net sees is there" 'what the net sees'
shows "and a row for the line" 'then Lua'
keys q
restored "q" 0

# --- colours ---
opens 80x24 face.lua "TERM=linux COLORTERM="
stroke 0 $zero
shows "a zero" '^.{48}0 █████████'
check "sixteen colours" grep -qE $'\033\\[[^m]*(9[0-7]|10[0-7])' <(tm capture-pane -pe -t t)
check "and no others" [ "$(tm capture-pane -pe -t t | grep -cE '[34]8[;:]')" = 0 ]
keys q
restored "q" 0
opens 80x24 face.lua "NO_COLOR=1"
stroke 0 $zero
shows "a zero" '^.{48}0 █████████'
shows "drawn with blocks" '▄█+▀'
check "no colours" [ "$(tm capture-pane -pe -t t | grep -cE $'\033\\[[^m]*[34][0-8]')" = 0 ]
keys q
restored "q" 0

# --- at the prompt ---
start 80x24 "'$build/perilune'"
shows "the prompt" 'Ctrl-D leaves'
line 'mine = 12; net = peri.nn.load "net.safetensors"; return mine'
shows "a net" '^12$'
line 'd = peri.draw(net)'
shows "opens" 'draw a digit on the left'
keys :
line 'mine * 2, #canvas.strokes'
shows "the prompt's variables" '^24 +0$'
line 'while true do end'
sleep 0.5
keys C-c
shows "interrupted" 'interrupted!$'
line 'theirs = 5'
keys Escape
shows "back at the keys" 'q quit'
stroke 0 $one
shows "a one" '^.{48}1 █████████'
keys q
gone "back at the prompt" 'q quit'
line 'theirs, d.prediction.label, canvas'
shows "and what was made here is there" '^5 +1 +nil$|^5 +"1" +nil$'

summary
