--- Comms: lines between a cell and what runs in the browser, opened from either side.
--
--     local comm = require("perilune.kernel").comm
--     comm.register("echo", function(line, data)      -- the browser has opened one
--       line.on_message = function(line, data) line:send(data) end
--       line.on_close = function(line, data) end
--     end)
--     local line = comm.open("plot", { title = "loss" })
--     line:send { 1, 2, 3 }
--     line:close()
--
-- Data are whatever JSON can say, as Lua tables; buffers are a list of strings of bytes. Errors in handlers are
-- printed in the notebook and change nothing else.
-- @module perilune.kernel.comm
local json = require "perilune.json"

local comm = {}

local targets = {} -- name -> function(comm, data, message)
local comms = {}   -- id -> what is open
local kernel       -- publish(type, content, metadata, buffers), guard(f, ...), uuid()

--- One open line. Fields: id, target, on_message, on_close (both: function(comm, data, message)), closed.
local Comm = { __name = "perilune.kernel.Comm" }
Comm.__index = Comm
comm.Comm = Comm

function Comm:__tostring()
  return ("Comm(%s, %s%s)"):format(self.target, self.id, self.closed and ", closed" or "")
end

local function want_open(self, what)
  if getmetatable(self) ~= Comm then error(("comm:%s: call it with a colon, on a comm"):format(what), 3) end
  if self.closed then error(("comm:%s: this comm (%s) is closed"):format(what, self.target), 3) end
end

local function publish(type_, content, metadata, buffers)
  if not kernel then error("comm: there is no notebook kernel here; comms live in a notebook's cells", 3) end
  local ok, problem = pcall(kernel.publish, kernel, type_, content, metadata, buffers)
  if not ok then error("comm: " .. tostring(problem), 3) end
end

--- Sends data to the other side.
-- @param data      a table, or nil
-- @param buffers   nil, or a list of strings of bytes
-- @param metadata  nil, or a table
function Comm:send(data, buffers, metadata)
  want_open(self, "send")
  publish("comm_msg", { comm_id = self.id, data = data == nil and {} or data }, metadata, buffers)
end

--- Closes the line; the other side's on_close is called, ours is not.
function Comm:close(data, buffers)
  if self.closed then return end
  want_open(self, "close")
  comms[self.id] = nil
  self.closed = true
  publish("comm_close", { comm_id = self.id, data = data == nil and {} or data }, nil, buffers)
end

local function callable(value)
  local meta = getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and meta.__call ~= nil
end

-- Runs a person's handler, which may be anything that can be called.
local function call(handler, ...)
  if type(handler) == "function" then return kernel:guard(handler, ...) end
  return kernel:guard(function(...) return handler(...) end, ...)
end

local function new(id, target)
  local self = setmetatable({ id = id, target = target, closed = false }, Comm)
  comms[id] = self
  return self
end

--- Says what is to be done when the browser opens a line of this name.
-- @param target   the name
-- @param handler  function(comm, data, message); nil: such lines are refused again. message has content, metadata,
--   header and buffers
function comm.register(target, handler)
  if type(target) ~= "string" then error("comm.register: wants the target's name, got a " .. type(target), 2) end
  if handler ~= nil and not callable(handler) then
    error(("comm.register: wants a function for '%s', got a %s"):format(target, type(handler)), 2)
  end
  targets[target] = handler
end

--- Opens a line to what the browser has registered under a name.
-- @param target    the name
-- @param data      nil, or a table that goes with it
-- @param metadata  nil, or a table
-- @param buffers   nil, or a list of strings of bytes
-- @return the comm
function comm.open(target, data, metadata, buffers)
  if type(target) ~= "string" then error("comm.open: wants the target's name, got a " .. type(target), 2) end
  if not kernel then error("comm.open: there is no notebook kernel here; comms live in a notebook's cells", 2) end
  local id = kernel:uuid()
  publish("comm_open", { comm_id = id, target_name = target, data = data == nil and {} or data }, metadata, buffers)
  return new(id, target)
end

--- The open comms by id.
-- @param target  only those of this name; nil for all
function comm.list(target)
  local found = {}
  for id, one in pairs(comms) do
    if target == nil or one.target == target then found[id] = one end
  end
  return found
end

-- --- what comes from the other side ---

local handlers = {}

function handlers.comm_open(content, message)
  local handler = targets[content.target_name]
  if not handler then
    kernel:publish("comm_close", { comm_id = content.comm_id, data = {} })
    return
  end
  local one = new(content.comm_id, content.target_name)
  if not call(handler, one, content.data, message) then one:close() end
end

function handlers.comm_msg(content, message)
  local one = comms[content.comm_id]
  if one and one.on_message then call(one.on_message, one, content.data, message) end
end

function handlers.comm_close(content, message)
  local one = comms[content.comm_id]
  if not one then return end
  comms[one.id] = nil
  one.closed = true
  if one.on_close then call(one.on_close, one, content.data, message) end
end

--- Serves comm_open, comm_msg and comm_close.
-- @param type_    the message's type
-- @param content  decoded
-- @param message  as handlers see it
function comm.serve(type_, content, message)
  if type(content.comm_id) ~= "string" then return end
  if content.data == nil or content.data == json.null then content.data = {} end
  handlers[type_](content, message)
end

--- The content of a comm_info_reply.
function comm.info(target)
  local found = {}
  for id, one in pairs(comm.list(type(target) == "string" and target or nil)) do
    found[id] = { target_name = one.target }
  end
  return { status = "ok", comms = found }
end

--- Ties comms to a kernel; nil: there is none any more.
function comm.attach(one)
  kernel = one
  if not one then targets, comms = {}, {} end
end

return comm
