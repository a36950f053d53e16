--- What the service turns away: an HTTP status and a reason, raised as an error and told to the client.
-- @module perilune.serve.refusal
local json = require "perilune.json"
local script = require "perilune.script"

local refusal = {}

local Refusal = { __name = "perilune.serve.Refusal" }
Refusal.__index = Refusal
function Refusal:__tostring() return ("%d: %s"):format(self.status, self.reason) end

--- Raises a refusal.
-- @param status of HTTP, 400 or more
-- @param format of the reason, which says what is wrong and what would do
-- @param ...    what goes into it
function refusal.raise(status, format, ...)
  error(setmetatable({ status = status, reason = format:format(...) }, Refusal), 0)
end

--- What an error's value tells a client.
-- @param err anything that was raised
-- @return a status: a refusal's own, or 500
-- @return a reason, in one line
-- @return was it a fault of the service's own?
function refusal.of(err)
  if getmetatable(err) == Refusal then return err.status, err.reason, false end
  return 500, (script.reason(err):gsub("%s*\n%s*", " ")), true
end

--- The body of such an answer, as the door writes its own.
function refusal.body(status, reason) return json.message { error = { status = status, reason = reason } } end

return refusal
