--- The command `perilune serve`: its options, what it says, how it ends.
--
-- What happens is told on standard error, one line each; standard output is the access log's (--access-log -).
-- @module perilune.serve.command
local interruption = require "perilune.interruption"
local optioning = require "perilune.serve.options"
local script = require "perilune.script"

local command = {}

local UNITS = { [""] = 1, K = 1 << 10, M = 1 << 20, G = 1 << 30 }

-- "8M" as bytes, or nil and what is wrong.
local function size(text)
  local number, unit = text:match "^(%d+)([KMG]?)i?B?$"
  local bytes = number and math.tointeger(tonumber(number))
  if not bytes then return nil, ("'%s' is no size such as 65536, 512K or 8M"):format(text) end
  return bytes * UNITS[unit]
end

local function milliseconds(text)
  local value, reason = script.number(text)
  return value and value / 1000, reason
end

-- The converter of an option: what a person writes, to what perilune.serve.start takes.
local CONVERT = {
  port = script.integer, threads = script.count, workers = script.count, batch = script.count, window = milliseconds,
  queue = script.count, body = size, header = size, connections = script.count, idle = script.number, receive = script.number,
  answer = script.number, corrections_most = script.count, grace = script.number,
}

local SAYS = {
  { "host", "ADDRESS", "Where to listen: an address of this machine, or 0.0.0.0 for all of them." },
  { "port", "PORT", "0 takes any that is free." },
  { "batch", "IMAGES", "How many go through the net together at most." },
  { "window", "MS", "How many milliseconds a request waits for others at most. It waits for none when no other is on its way.",
    "2" },
  { "queue", "IMAGES", "How many wait at most; what is more is answered 429." },
  { "body", "SIZE", "The largest body of a request.", "8M" },
  { "header", "SIZE", "The largest head of one.", "16K" },
  { "connections", "COUNT", "How many there are at most." },
  { "idle", "SECONDS", "After which a connection that asks nothing is closed." },
  { "receive", "SECONDS", "In which a request must have arrived." },
  { "answer", "SECONDS", "In which it is answered; else 503." },
  { "threads", "COUNT", "That serve connections." },
  { "workers", "COUNT", "That read pictures, strokes and long JSON." },
  { "corrections_most", "COUNT", "How many pictures the folder of --corrections may hold." },
  { "grace", "SECONDS", "To answer what was asked when the service is told to end." },
}

local function default_of(name)
  for _, row in ipairs(optioning.list) do
    if row[1] == name then return tostring(row[3]) end
  end
end

local function parser_of()
  local parser = script.parser("perilune serve", "Serves the recogniser over HTTP: as a web page, and for programs. POST "
    .. "/v1/predict takes JSON, PNG, JPEG, raw bytes or strokes; /openapi.json describes all of it. SIGHUP loads the models' "
    .. "files anew, SIGTERM and Ctrl-C end it when what was asked is answered.")
  parser:option("--model", "A net: a file that net:save wrote, or Keras; can be given more than once, the first is the default. "
    .. "Without it, the net that comes with Perilune."):argname "[NAME=]FILE":count "*":target "models"
  for _, row in ipairs(SAYS) do
    local name, argument, text, default = table.unpack(row)
    parser:option("--" .. name:gsub("_", "-"), text):argname(argument):target(name):convert(CONVERT[name] or tostring)
      :default(default or default_of(name))
  end
  parser:option("--token", "Asks every request for this bearer token. Better given as the variable PERILUNE_TOKEN: other users "
    .. "of the machine see a command's options."):argname "TOKEN"
  parser:option("--cors", "An origin whose pages may ask, such as https://example.org, or *; can be given more than once.")
    :argname "ORIGIN":count "*"
  parser:option("--allow-host", "A name to be asked by (a request's Host), as behind a proxy that hands it on; can be given more "
    .. "than once. On a loopback address only localhost and such addresses are allowed else, so that no page of another site "
    .. "can pass for this one (DNS rebinding); elsewhere any name is, until one is given."):argname "NAME":count "*":target "hosts"
  parser:option("--access-log", "A line of JSON for each request, into this file; - is standard output.")
    :argname "FILE":target "access_log"
  parser:option("--corrections", "Keeps pictures that /v1/correct is told the class of, in this folder.")
    :argname "FOLDER"
  parser:flag("--reuse-port", "Several processes may share the port (SO_REUSEPORT)."):target "reuse_port"
  return parser
end

local function options_of(arguments)
  local options = script.parse(parser_of(), arguments)
  local token = os.getenv "PERILUNE_TOKEN"
  if not options.token and token and token ~= "" then options.token = token end
  return options
end

local function log(line) io.stderr:write("perilune serve: ", line, "\n") end

local function is_loopback(host) return host:find "^127%." ~= nil or host == "::1" or host == "localhost" end

local function say_hello(service)
  local names = {}
  for i, model in ipairs(service.models) do names[i] = model.name end
  log(("serving %s at %s (Ctrl-C ends it)"):format(table.concat(names, ", "), service.url))
  if not is_loopback(service.host) and not service.options.token then
    log "whoever reaches this address may use it: PERILUNE_TOKEN=... asks for a token"
  end
end

-- What would help, by what a reason says.
local HINTS = {
  { "in use", "another program listens there: --port names another port (0: any that is free), --reuse-port shares it with "
    .. "services that were started so too" },
  { "[Pp]ermission denied", "ports below 1024 are for the system's services; --port 8080 would do, behind a proxy" },
  { "[Cc]annot assign", "the address is none of this machine's: --host 127.0.0.1, or 0.0.0.0 for all it has" },
}

local function hinted(reason)
  for _, row in ipairs(HINTS) do
    if reason:find "listen" and reason:find(row[1]) then return reason .. " (" .. row[2] .. ")" end
  end
  return reason
end

local function run(options)
  options.log = log
  local service = require("perilune.serve.service").new(options)
  say_hello(service)
  local whole = service:run()
  log "ended"
  return whole
end

--- Runs the command.
-- @param arguments a list of strings
-- @return the exit status: 0 when it was told to end and all that was asked had its answer
function command.main(arguments)
  local options = options_of(arguments)
  local ok, result = xpcall(run, function(reason)
    local traced = type(reason) == "string" and not interruption.is(reason) and os.getenv "PERILUNE_TRACE" == "1"
    return traced and debug.traceback(reason, 2) or reason
  end, options)
  if ok then return result and 0 or script.FAILED end
  if interruption.is(result) then return script.INTERRUPTED end
  log(hinted((script.reason(result):gsub("^serve: ", ""))))
  return script.FAILED
end

return command
