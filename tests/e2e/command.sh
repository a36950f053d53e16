#!/bin/bash
# The `perilune` command against the real lua5.4: the same output, messages and exit status for the same
# invocation. Usage: command.sh BUILD_FOLDER [lua5.4]
set -u
build=$(cd "${1:?usage: command.sh BUILD_FOLDER [lua]}" && pwd)
lua=${2:-lua5.4}
command -v "$lua" > /dev/null || { echo "skipped: no $lua"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset LUA_INIT LUA_INIT_5_4
failures=0 count=0

cat > args.lua <<'LUA'
for i = -3, 3 do print(i > 0 and arg[i] or (arg[i] and "set")) end
print(#arg, ...)
LUA
echo 'local function f() error("deep") end f() local x' > fails.lua
echo 'os.exit(7)' > exits.lua
echo 'x = = 1' > syntax.lua
printf '#!/usr/bin/lua\nprint "shebang"\n' > shebang.lua
echo 'return {answer = 42}' > mod.lua
echo 'print("from draw", ...)' > draw

# same INPUT ARGS...: runs both, compares standard output, standard error and exit status. Names of the
# program and usage texts differ, as does where package.path points.
same() {
  local input=$1
  shift
  printf '%s' "$input" | "$lua" "$@" > out.lua5.4 2> err.lua5.4
  local expected=$?
  printf '%s' "$input" | "$build/perilune" "$@" > out.perilune 2> err.perilune
  local actual=$?
  count=$((count + 1))
  sed -E -i "s#^([^ ]*/)?${lua##*/}: #perilune: #; /^usage:/,\$d" err.lua5.4
  sed -E -i '/^usage:/,$d' err.perilune
  if [ $expected != $actual ] || ! cmp -s out.lua5.4 out.perilune || ! cmp -s err.lua5.4 err.perilune; then
    failures=$((failures + 1))
    echo "FAILED: $* (input: $input): exit status $expected expected, got $actual"
    diff out.lua5.4 out.perilune
    diff err.lua5.4 err.perilune
  fi
}

same '' -e 'print(1 + 1)'
same '' -e'print(2)' -e 'print(3)'
same '' -e 'error "x"'
same '' -e 'error {}'
same '' -e 'error(nil)'
same '' -e 'error(setmetatable({}, {__tostring = function() return "mine" end}))'
same '' -e 'local t = nil; t.x = 1'
same '' -e 'x = = 1'
same '' -e 'os.exit(3)'
same '' -e 'os.exit(false)'
same '' -e 'coroutine.wrap(function() error("inside") end)()'
same '' -e 'print(coroutine.resume(coroutine.create(function(a, ...) coroutine.yield(a) error("e") end), 1, 2))'
same '' -e 'local c = coroutine.create(function() end) coroutine.resume(c) print(coroutine.resume(c))'
same '' -e 'local f = coroutine.wrap(function() return 1 end) f() f()'
same '' -e 'local f = coroutine.wrap(function(...) local a = ... while true do a = coroutine.yield(a, 2) end end) print(f(1), f(5))'
same '' -e 'coroutine.resume(5)'
same '' -e 'coroutine.wrap(5)'
same '' -e 'coroutine.wrap(function() error({}) end)()'
same '' -e 'coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() print "closed" end}) error "z" end)()'
same '' -e 'print(pcall(coroutine.wrap(function() coroutine.wrap(function() coroutine.yield() end)() error("n", 0) end)))'
same '' -e 'local f f = function() return coroutine.wrap(f)() end print(select(2, pcall(f)):gsub(".*:", ""))'
same '' args.lua a 'b c'
same '' -- args.lua a
same '' args.lua -e x -- -
same '' fails.lua
same '' syntax.lua
same '' exits.lua
same '' shebang.lua
same '' missing.lua
same '' ./draw a b
same 'print("standard input", ...)'
same 'print("standard input", ...)' - a b
same 'error "in"' -
same '' -l mod -e 'print(mod.answer)'
same '' -lmod -e 'print(mod.answer)'
same '' -l m=mod -e 'print(m.answer)'
same '' -W -e 'warn "careful"'
same '' -e 'warn "careful"'
same '' -W args.lua 1
same '' -x
same '' -e
same '' -l
same '' -vv
same '' -ii
same '' -E -e 'print(os.getenv "HOME" ~= nil)'
same '' -e 'print(1)' args.lua z
same '' -e 'print(arg[0] ~= nil, #arg, arg[1])'
LUA_INIT='print "init"' same '' -e 'print(1)'
LUA_INIT='@mod.lua' same '' -e 'print(1)'
LUA_INIT='error "init fails"' same '' -e 'print(1)'
LUA_INIT='print "init"' LUA_INIT_5_4='print "5.4"' same '' -e 'print(1)'
LUA_INIT='print "init"' same '' -E -e 'print(1)'

# What is perilune's own.
expect() {
  local what=$1 pattern=$2 status=$3
  shift 3
  local text
  text=$("$@" 2>&1 < /dev/null)
  local actual=$?
  count=$((count + 1))
  if [ $actual != "$status" ] || ! grep -q -- "$pattern" <<< "$text"; then
    failures=$((failures + 1))
    echo "FAILED: $what: status $actual, wanted $status and '$pattern' in: $text"
  fi
}
expect "--version" '^Perilune [0-9.]* ' 0 "$build/perilune" --version
expect "-v" '^Perilune [0-9.]* ' 0 "$build/perilune" -v
expect "--help" 'usage: perilune' 0 "$build/perilune" --help
expect "help" 'usage: perilune' 0 "$build/perilune" help
expect "its own package is found from anywhere" '^table$' 0 "$build/perilune" -e 'print(type(require "perilune.display"))'
expect "-l of what is not there" "module 'missing_module_x' not found" 1 "$build/perilune" -l missing_module_x
expect "through a link too" '^table$' 0 bash -c "ln -s '$build/perilune' p && ./p -e 'print(type(require \"perilune.args\"))'"

# Ctrl-C ends a script as it ends lua5.4's: a message, status 1, and user code may catch it.
interrupt() {
  local pattern=$1 code=$2
  # A process started in the background ignores SIGINT; setsid's own shell gives it back.
  perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "$build/perilune" -e "$code" > out.int 2>&1 &
  local pid=$!
  sleep 0.5
  kill -INT $pid
  wait $pid
  local status=$?
  count=$((count + 1))
  if ! grep -q "$pattern" out.int; then
    failures=$((failures + 1))
    echo "FAILED: Ctrl-C in: $code: status $status, wanted '$pattern' in: $(cat out.int)"
  fi
}
interrupt 'interrupted!' 'while true do end'
interrupt 'interrupted!' 'coroutine.wrap(function() while true do end end)()'
interrupt 'interrupted!' 'while true do pcall(function() while true do end end) end'
interrupt 'interrupted!' 'while true do coroutine.resume(coroutine.create(function() while true do end end)) end'
interrupt '^false.*interrupted!' 'print(pcall(function() while true do end end))'

echo "$count checks, $failures failed"
[ $failures = 0 ]
