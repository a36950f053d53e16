--- The kernel: receives requests, puts busy and idle around each, and answers.
--
-- Everything a cell, a comm's handler or a value's own code does runs through host.xpcall (kernel.xpcall), into which an interrupt
-- reaches; the kernel's own code never does. What fails in the kernel itself becomes an error reply: it goes on.
-- @module perilune.kernel.server
local json = require "perilune.json"
local host = require "perilune.repl.host"
local evaluate = require "perilune.repl.evaluate"
local commands = require "perilune.repl.commands"
local failure = require "perilune.repl.failure"
local assist = require "perilune.kernel.assist"
local comm = require "perilune.kernel.comm"
local execute = require "perilune.kernel.execute"
local failing = require "perilune.kernel.failing"
local history = require "perilune.kernel.history"
local show = require "perilune.kernel.show"

local server = {}

local PROTOCOL = "5.5"
local WAITING = 30 -- milliseconds: requests sent together with one that failed have come by then

--- A kernel. Fields: transport, session (perilune.repl.evaluate), id, count (cells run), history, quiet (a silent
-- request is being served), message (the request being served).
local Kernel = { __name = "perilune.kernel" }
Kernel.__index = Kernel

--- The content of a kernel_info_reply.
-- @param version  Perilune's
-- @param release  Lua's, as in "Lua 5.4.6"; nil for what _VERSION says
function server.info(version, release)
  release = release or _VERSION
  local lua = release:match "%d[%d.]*"
  return {
    status = "ok", protocol_version = PROTOCOL, implementation = "perilune", implementation_version = version,
    language_info = {
      name = "lua", version = lua, mimetype = "text/x-lua", file_extension = ".lua", pygments_lexer = "lua",
      codemirror_mode = "lua", nbconvert_exporter = "script",
    },
    banner = ("Perilune %s, %s: deep learning at the Lua prompt. help() tells what there is."):format(version, release),
    help_links = json.array { { text = "Lua 5.4 reference", url = "https://www.lua.org/manual/5.4/" } },
    debugger = false, supported_features = json.array {},
  }
end

-- --- what the pieces ask of the kernel ---

function Kernel:publish(type_, content, metadata, buffers)
  self.transport:publish(type_, json.message(content), metadata and json.message(metadata), buffers)
end

function Kernel:reply(message, content)
  self.transport:reply(message, message.type:gsub("_request$", "_reply"), json.message(content))
end

--- Publishes the one error of the cell that runs.
function Kernel:tell(fields)
  if self.quiet or self.told then return end
  self.told = true
  self:publish("error", fields)
end

--- Publishes all that has been printed until now.
function Kernel:flush()
  self.transport:flush()
end

function Kernel:uuid()
  return self.new_uuid()
end

--- Is the request's front end a console, which shows no updates of what it has shown? Consoles ask whether what was
-- typed is complete; notebooks never do.
function Kernel:is_console()
  return self.consoles[self.front_end] or false
end

--- While quiet, nothing that is printed or shown reaches the front end.
function Kernel:set_quiet(quiet)
  if self.quiet == quiet then return end
  self.quiet = quiet
  self.transport:mute(quiet)
end

--- Calls a person's function; what it raises is printed.
-- @return true when it raised nothing
function Kernel:guard(f, ...)
  local result = failure.protect(f, self.xpcall, ...)
  if result[1] then return true end
  io.stderr:write(failing.text(failure.describe(result[2], self.session.sources)), "\n")
  return false
end

-- --- requests ---

local handlers = {}

-- Looking into values runs their code.
local function protected(kernel, f, ...)
  local result = failure.protect(f, host.xpcall, ...)
  if result[1] then return result[2] end
  local fields = failing.fields(failure.describe(result[2], kernel.session.sources))
  fields.status = "error"
  return fields
end

handlers.execute_request = execute.serve

function handlers.kernel_info_request(kernel, message)
  kernel:reply(message, kernel.info)
end

function handlers.complete_request(kernel, message, content)
  kernel:reply(message, protected(kernel, assist.complete, kernel.session, content))
end

function handlers.inspect_request(kernel, message, content)
  kernel:reply(message, protected(kernel, assist.inspect, kernel.session, content))
end

function handlers.is_complete_request(kernel, message, content)
  kernel.consoles[kernel.front_end] = true
  kernel:reply(message, assist.is_complete(kernel.session, content))
end

function handlers.history_request(kernel, message, content)
  kernel:reply(message, { status = "ok", history = kernel.history:ask(content) })
end

function handlers.comm_info_request(kernel, message, content)
  kernel:reply(message, comm.info(content.target_name))
end

function handlers.connect_request(kernel, message)
  local ports = { status = "ok" }
  for name, value in pairs(kernel.connection) do
    if name:find "_port$" then ports[name:gsub("_port$", "")], ports[name] = value, value end
  end
  kernel:reply(message, ports)
end

function handlers.interrupt_request(kernel, message)
  kernel:reply(message, { status = "ok" })
end

function handlers.shutdown_request(kernel, message, content)
  kernel:reply(message, { status = "ok", restart = content.restart == true })
  kernel.ending = true
end

for _, name in ipairs { "comm_open", "comm_msg", "comm_close" } do
  handlers[name] = function(_, message, content)
    comm.serve(name, content, {
      content = content, metadata = json.decode(message.metadata), header = json.decode(message.header),
      buffers = message.buffers or {},
    })
  end
end

-- --- serving ---

local about_code = { execute_request = true, complete_request = true, inspect_request = true, is_complete_request = true }

local function handle(self, message, content)
  if message.aborted then return execute.abort(self, message) end
  local handler = handlers[message.type]
  if not handler then return end -- what is not known is ignored
  if type(content) ~= "table" then error(("%s: its content is no JSON object"):format(message.type), 0) end
  if about_code[message.type] and type(content.code) ~= "string" then
    error(("%s: 'code' is missing"):format(message.type), 0)
  end
  handler(self, message, content)
end

-- The value of a JSON text that came from outside; nil of what is malformed.
local function decoded(text)
  local ok, value = pcall(json.decode, text)
  return ok and value or nil
end

-- Memory kept for the answer when all else is taken. It is taken again when there is room for four times as much:
-- until then it is what the next cells live on.
local RESERVE = 4 << 20

local function reserve(self)
  if self.reserved then return end
  local room = pcall(string.rep, "x", 4 * RESERVE)
  collectgarbage()
  local ok, bytes = pcall(string.rep, "x", RESERVE)
  self.reserved = room and ok and bytes or nil
end

local function release(self)
  self.reserved = nil
  collectgarbage()
end

-- A fault of the request's or of ours: said where output goes, and to who asked. Where memory is short, what the
-- request held is gone by now.
local function report_fault(self, message, fault)
  release(self)
  local executing = self.executing
  self.executing = nil
  local text = tostring(fault)
  io.stderr:write("perilune kernel: ", text:match "^[^\n]*", "\n")
  local fields = { ename = "KernelError", evalue = text, traceback = json.array { text } }
  if executing then self:tell(fields) end
  self:set_quiet(false)
  if not message.type:find "_request$" then return end
  fields.status = "error"
  if executing then fields.execution_count, fields.user_expressions, fields.payload = self.count, {}, json.array {} end
  self:reply(message, fields)
end

local BUSY, IDLE, STARTING = '{"execution_state":"busy"}', '{"execution_state":"idle"}', '{"execution_state":"starting"}'

--- Serves one message.
function Kernel:serve(message)
  local header, content = decoded(message.header), decoded(message.content)
  self.front_end = type(header) == "table" and header.session or ""
  local asks = message.type == "execute_request" and type(content) == "table" and content.allow_stdin == true
  self.message = message
  self.transport:parent(message.header, message.identities, asks)
  self.transport:publish("status", BUSY)
  self.told = false
  local fine, fault = xpcall(handle, debug.traceback, self, message, content)
  if not fine then
    fine, fault = pcall(report_fault, self, message, fault)
    if not fine then io.stderr:write("perilune kernel: ", tostring(fault), "\n") end
  end
  self:flush()
  self.transport:publish("status", IDLE)
  self.message = nil
end

-- What receive gave instead of a message.
local function note(self, what)
  if what == "shutdown" then self.ending = true end
end

--- Marks the execute requests that wait behind one that failed: they will be answered with "aborted". Called before
-- the error is told, so that what a front end sends in answer to it is run.
function Kernel:abort_waiting()
  local stop = host.clock() + WAITING / 1000
  repeat
    local left = math.max(0, math.ceil((stop - host.clock()) * 1000))
    local message, what = self.transport:receive(left)
    if message then
      if message.type == "execute_request" then message.aborted = true end
      self.waiting[#self.waiting + 1] = message
    else
      note(self, what)
    end
  until (not message and what ~= "interrupt") or self.ending
end

--- Serves until it is told to end.
function Kernel:run()
  self.transport:publish("status", STARTING)
  reserve(self)
  while not self.ending do
    local message, what = table.remove(self.waiting, 1)
    if not message then message, what = self.transport:receive(-1) end
    if message then
      local ok = pcall(self.serve, self, message)
      if not ok then -- no memory for as much as a status
        release(self)
        pcall(self.transport.publish, self.transport, "status", IDLE)
      end
      if not self.reserved then reserve(self) end
    else
      note(self, what)
    end
  end
end

--- Ends the kernel from inside a cell: answers, then leaves for good.
-- @param leave  os.exit
function Kernel:exit(leave, code, close)
  self:flush()
  if self.executing then
    self:set_quiet(false)
    self:reply(self.executing, execute.farewell(self.count))
  end
  self.transport:publish("status", IDLE)
  self.transport:close()
  leave(code, close)
end

--- Makes a kernel.
-- @param options  { transport, connection, id, version, uuid = function, files = { append, replace },
--   history_path, globals, xpcall }
function server.new(options)
  local kernel = setmetatable({
    transport = options.transport, connection = options.connection or {}, id = options.id, count = 0, waiting = {},
    consoles = {}, quiet = false, new_uuid = options.uuid, xpcall = options.xpcall or host.xpcall,
    info = server.info(options.version, options.release),
  }, Kernel)
  kernel.session = evaluate.session {
    globals = options.globals, xpcall = kernel.xpcall, coroutine_traceback = host.coroutine_traceback, notebook = true,
  }
  commands.install(kernel.session, { output = io.stdout })
  local number = os.time() * 1000 + tonumber(options.uuid():sub(1, 6), 16) % 1000
  kernel.history = history.open(options.history_path, options.files, number)
  kernel.take_away = show.register(kernel)
  comm.attach(kernel)
  return kernel
end

--- Ends what `new` began.
function Kernel:close()
  self.take_away()
  comm.attach(nil)
  self.transport:close()
end

return server
