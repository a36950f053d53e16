#!/bin/bash
# `perilune serve` as a person and a program use it: each kind of body, several models, a token, explanations and
# corrections, reload, the end, and what it says when it cannot start.
# Usage: serve.sh BUILD_FOLDER
set -u
build=$(cd "${1:?usage: serve.sh BUILD_FOLDER}" && pwd)
lua=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../lua" && pwd)
for module in http image hdf5; do
  [ -e "$build/lua/perilune/$module.so" ] || { echo "skipped: built without $module"; exit 77; }
done
command -v curl > /dev/null || { echo "skipped: no curl"; exit 77; }
work=$(mktemp -d)
cd "$work" || exit 1
services=()
trap 'for pid in "${services[@]}"; do kill -9 "$pid" 2> /dev/null; done; rm -rf "$work"' EXIT
unset PERILUNE_TOKEN
failures=0 count=0 url= pid=
check() { # WHAT COMMAND...: the command succeeds
  local what=$1
  count=$((count + 1))
  shift
  "$@" > check.log 2>&1 && return
  failures=$((failures + 1))
  echo "FAILED: $what: $*"
  tail -n 5 check.log got heads said 2> /dev/null
}

said_soon() { # PATTERN: the service says it
  for _ in $(seq 200); do
    grep -qE -- "$1" said && return 0
    kill -0 "$pid" 2> /dev/null || { grep -qE -- "$1" said; return; }
    sleep 0.05
  done
  return 1
}
# start OPTIONS...: a service at a free port; its address is in $url.
start() {
  "${perilune[@]}" serve --port 0 "$@" > printed 2> said < /dev/null &
  pid=$!
  services+=("$pid")
  check "it starts: $*" said_soon 'serving .* at http'
  url=$(sed -n 's/.* at \(http[^ ]*\).*/\1/p' said)
}
perilune=("$build/perilune")
# ended SIGNAL STATUS: the signal ends it with that status.
ended() {
  kill "-$1" "$pid"
  wait "$pid"
  local status=$?
  check "SIG$1 ends it with $2" [ $status = "$2" ]
  check "and it says so" grep -q 'ended$' said
}

# asks STATUS PATTERN PATH CURL_OPTIONS...: the answer has this status, and its body the pattern.
asks() {
  local status=$1 pattern=$2 path=$3 got
  shift 3
  got=$(curl -s -m 10 -D heads -o got -w '%{http_code}' "$@" "$url$path")
  check "$path $*: status $status, not $got" [ "$got" = "$status" ]
  check "$path $*: $pattern" grep -qE -- "$pattern" got
}
json=(-H 'Content-Type: application/json')
raw=(-H 'Content-Type: application/octet-stream' --data-binary)
png=(-H 'Content-Type: image/png' --data-binary)

cat > make.lua << 'END'
-- A drawn seven as every kind of body, and what the recogniser says of them.
local peri = require "perilune"
local canvas = require("perilune.draw.canvas").new { pen = 20 / 280 }
local json, points = require "perilune.json", { { 84, 70 }, { 196, 70 }, { 140, 224 } }
canvas:begin(points[1][1] / 280, points[1][2] / 280)
for i = 2, 3 do canvas:extend(points[i][1] / 280, points[i][2] / 280) end
canvas:finish()
local seen = require("perilune.draw.recogniser").bundled():predict(canvas)
assert(seen.label == "7" and seen.certain)
local bytes, list = {}, (seen.input * 255 + 0.5):to "uint8":reshape(784):totable()
for i, value in ipairs(list) do bytes[i] = string.char(value) end
local function write(name, text)
  local file <close> = assert(io.open(name, "wb"))
  file:write(text)
end
write("seven.raw", table.concat(bytes))
write("two.raw", table.concat(bytes):rep(2))
write("pixels.json", json.encode { pixels = list })
write("strokes.json", json.encode { strokes = { points } })
canvas:save("seven.png", { size = 280 })
canvas:save("seven.jpg", { size = 280 })
-- two nets of one layer that always say the same, for reloads
local function always(class, name)
  local net = peri.nn.Sequential { peri.nn.Flatten {}, peri.nn.Dense { 10, activation = "softmax" } }:build { 28, 28, 1 }
  peri.no_grad(function()
    for _, parameter in ipairs(net:parameters()) do parameter[{}] = 0 end
    net:parameters()[2][{ class + 1 }] = 9
  end)
  net:save(name)
end
always(3, "three.h5")
always(4, "four.h5")
END
check "bodies are made" "$build/perilune" make.lua

start --corrections kept --access-log log
asks 200 '"label":7,.*"certain":true.*"model":"digits"' v1/predict "${raw[@]}" @seven.raw
asks 200 '"label":7.*"label":7' v1/predict "${raw[@]}" @two.raw
asks 200 '"label":7,' v1/predict "${json[@]}" --data-binary @pixels.json
asks 200 '"label":7,' v1/predict "${json[@]}" --data-binary @strokes.json
asks 200 '"input":\[[0-9]+,' 'v1/predict?input=1' "${json[@]}" --data-binary @strokes.json
asks 200 '"label":7,' v1/predict "${png[@]}" @seven.png
asks 200 '"label":7,' v1/predict -H 'Content-Type: image/jpeg' --data-binary @seven.jpg
asks 422 'pixels\[783\]|784' v1/predict "${json[@]}" -d '{"pixels": [1, 2, 3]}'
asks 400 'malformed JSON at byte' v1/predict "${json[@]}" -d '{"pixels": [1, 2'
asks 415 '"status":415' v1/predict -H 'Content-Type: text/html' -d x
asks 404 'nobody' 'v1/predict?model=nobody' "${raw[@]}" @seven.raw
asks 405 'status":405' v1/predict
check "405 says what is allowed" grep -qi '^allow:.*POST' heads
asks 404 'status":404' nothing
asks 200 '"class":7.*"coordinates":"canvas"' v1/explain "${json[@]}" --data-binary @strokes.json
asks 200 '"class":2.*"coordinates":"field"' 'v1/explain?class=2' "${raw[@]}" @seven.raw
asks 200 PNG v1/explain -H 'Accept: image/png' "${raw[@]}" @seven.raw
check "a heat is a picture" "$build/perilune" -e 'assert(require("perilune.image").load("got").shape[1] == 28)'
asks 200 '"corrections":1,"kept":1,"label":7' 'v1/correct?label=7' "${json[@]}" --data-binary @strokes.json
asks 404 'has no class' 'v1/correct?label=..%2F7' "${raw[@]}" @seven.raw
check "a correction is there" test -s kept/7/0001.png -a -s kept/7/0001.json
check "and nothing beside" [ "$(ls kept/)" != "" -a ! -e 7 ]
asks 200 '"name":"digits"' v1/models
asks 200 'perilune_requests_total\{method="POST",path="/v1/predict",status="200"\} 7' metrics
asks 200 '"openapi":"3' openapi.json
asks 200 '<canvas' ''
check "the page is HTML, and asks nobody else" grep -qi "content-security-policy: default-src 'none'" heads
tag=$(sed -n 's/^[Ee][Tt]ag: *\(.*\)\r$/\1/p' heads)
asks 304 '' '' -H "If-None-Match: $tag"
asks 200 ok healthz
asks 200 ok readyz
logged() { # COUNT: the log has so many lines soon; they are written some at a time
  for _ in $(seq 100); do
    [ "$(grep -c '^{"time":.*}$' log)" -ge "$1" ] && return 0
    sleep 0.05
  done
  return 1
}
check "the log has a line for each" logged 25
ended TERM 0
check "the list of corrections is written" test -s kept/drawings-images-idx3-ubyte
check "a kept drawing is a drawing" "$build/perilune" -e \
  'assert(require("perilune.draw.recogniser").bundled():predict(require("perilune.draw.canvas").load "kept/7/0001.json").label == "7")'

# Several models, and a reload.
cp three.h5 a.h5
start --model a.h5 --model "digits=$lua/perilune/draw/digits.safetensors"
asks 200 '"label":3.*"model":"a"' v1/predict "${raw[@]}" @seven.raw
asks 200 '"label":7.*"model":"digits"' 'v1/predict?model=digits' "${raw[@]}" @seven.raw
cp four.h5 a.h5
kill -HUP "$pid"
check "a reload is told" said_soon 'model a reloaded from a.h5'
check "of each model" said_soon 'model digits reloaded'
asks 200 '"label":4' v1/predict "${raw[@]}" @seven.raw
echo broken > a.h5
kill -HUP "$pid"
check "a broken file is told" said_soon 'model a stays as it was: a.h5'
asks 200 '"label":4' v1/predict "${raw[@]}" @seven.raw
asks 404 'without --corrections' 'v1/correct?label=7' "${raw[@]}" @seven.raw
asks 200 'result="failed"\} 1' metrics
ended INT 0

# A token, and names to be asked by: a page of another site, whose name stands for this address, is none of ours.
PERILUNE_TOKEN=secret start --allow-host digits.example.org
asks 403 'evil\.example.*--allow-host' '' -H 'Host: evil.example'
asks 200 '<canvas' '' -H 'Host: digits.example.org'
asks 401 'status":401' v1/predict "${raw[@]}" @seven.raw
check "401 says how" grep -qi '^www-authenticate: bearer' heads
asks 200 '"label":7' v1/predict -H 'Authorization: Bearer secret' "${raw[@]}" @seven.raw
asks 200 ok healthz
asks 200 '"bearer"' openapi.json
ended TERM 0
# The stock lua5.4 serves too.
perilune=(env "LUA_PATH=$lua/?.lua;$lua/?/init.lua;;" "LUA_CPATH=$build/lua/?.so;;" lua5.4 -e
  'os.exit(require("perilune.serve").main(table.move(arg, 2, #arg, 1, {})), true)' /dev/null)
start --host ::1
check "an IPv6 address" grep -qF 'http://[::1]:' said
asks 200 '"label":7' v1/predict -g "${raw[@]}" @seven.raw
ended TERM 0
perilune=("$build/perilune")

# The same port twice.
start
port=${url%/}
port=${port##*:}
# fails STATUS PATTERN OPTIONS...: it does not start
fails() {
  local status=$1 pattern=$2 got
  shift 2
  timeout 20 "$build/perilune" serve "$@" > said 2>&1 < /dev/null
  got=$?
  check "serve $*: status $status, not $got" [ $got = "$status" ]
  check "serve $*: $pattern" grep -qE -- "$pattern" said
}
cp said kept.said
fails 1 'in use.*--port names another.*--reuse-port' --port "$port"
cp kept.said said
ended TERM 0
start --reuse-port
port=${url%/}
port=${port##*:}
first=$pid
"$build/perilune" serve --port "$port" --reuse-port > printed 2> said &
pid=$!
services+=("$pid")
check "two share a port" said_soon "serving .*:$port/"
for _ in $(seq 20); do asks 200 '"label":7' v1/predict "${raw[@]}" @seven.raw; done
ended TERM 0
pid=$first
asks 200 '"label":7' v1/predict "${raw[@]}" @seven.raw
kill "$first"
wait "$first"
check "the first ends well too" [ $? = 0 ]

fails 2 "unknown option '--modle'" --modle x
fails 2 "'http' is not a whole number" --port http
fails 2 'is no size such as' --body huge
fails 1 'port wants a number from 0 to 65535' --port 65536
fails 1 'nothing.h5: cannot open' --model nothing.h5
fails 1 'does not fit into a URL' --model 'a b=three.h5'
fails 1 'two models have the name' --model three.h5 --model three=four.h5
fails 1 'make.lua' --model make.lua
fails 1 'cors wants an origin' --cors example.org
fails 1 'allow-host wants a name' --allow-host http://example.org
fails 1 'expected a folder' --corrections three.h5
fails 1 'none of this machine' --host 192.0.2.1
fails 0 'SIGHUP loads' --help

echo "$count checks, $failures failed"
[ $failures = 0 ]
