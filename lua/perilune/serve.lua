--- The service: the recogniser over HTTP, for programs and as a web page. `perilune serve` starts it; from Lua:
--
--     local serve = require "perilune.serve"           -- or peri.serve
--     local service = serve.start { models = { "digits.h5" }, port = 8080 }
--     print(service.url)
--     service:run()                                    -- until SIGTERM, SIGINT, or service:stop()
--
-- Requests of many connections are read by threads of their own (perilune.http), go through the net together as a batch,
-- and are answered by those threads again; Lua sees batches.
-- @module perilune.serve
local args = require "perilune.args"

local serve = {}

--- Loads the models and opens the door: from here on connections are taken; service:run() or service:step() answers.
-- @param options nil or a table:
--   models = a list of "NAME=FILE", "FILE" or { name =, net = }, the first the default (the net that comes with Perilune);
--   host = "127.0.0.1", port = 8080 (0: any that is free), reuse_port = false: several processes share it;
--   threads = 1 that serve connections, workers = 1 that read pictures, strokes and much JSON;
--   batch = 256 images at most, window = 0.002 seconds at most, queue = 4096 images that wait at most (then 429);
--   body = 8 MiB, header = 16 KiB, connections = 16384 at most; idle = 60, receive = 10, answer = 30 seconds;
--   token = nil: a bearer token that is asked for; cors = nil, an origin, a list of them, or "*";
--   access_log = nil, a path or "-": a line of JSON for each request; corrections = nil: the folder of /v1/correct,
--   corrections_most = 10000 pictures in it; grace = 10 seconds to answer what was asked before the end;
--   log = nil: function(line) that is told what happens; page = nil: another folder for the page's files
-- @return the service: url, host, port, door; run(), step(seconds), reload(), stop(), close()
-- @raise an error that says what is wrong: an option, a file, the port
function serve.start(options)
  local ok, result = pcall(require("perilune.serve.service").new, options)
  if not ok then args.raise(result, 2) end
  return result
end

--- The command `perilune serve`: see perilune.serve.command.
-- @param arguments a list of strings
-- @return the exit status
function serve.main(arguments) return require("perilune.serve.command").main(arguments) end

return serve
