-- A notebook without sockets: a transport of tables, a kernel on it, and requests as a front end makes them.
local json = require "perilune.json"
local server = require "perilune.kernel.server"

local notebook = {}

local Transport = {}
Transport.__index = Transport

function Transport:receive() return table.remove(self.queue, 1) or nil, "timeout" end
function Transport:parent(header, _, allow_stdin)
  self.parent_header, self.allow_stdin = json.decode(header), allow_stdin
end
function Transport:publish(type_, content, metadata, buffers)
  self.sent[#self.sent + 1] = {
    channel = "iopub", type = type_, content = json.decode(content), text = content, buffers = buffers,
    metadata = metadata and json.decode(metadata) or {}, parent = self.parent_header,
  }
end
function Transport:reply(message, type_, content)
  self.sent[#self.sent + 1] = { channel = "shell", type = type_, content = json.decode(content), text = content,
    parent = json.decode(message.header) }
end
function Transport:capture(on) self.capturing = on end
function Transport:mute(on) self.muted = on end
function Transport:flush() self.flushes = self.flushes + 1 end
function Transport:close() self.closed = true end

local Notebook = {}
Notebook.__index = Notebook

local serial = 0
local function uuid()
  serial = serial + 1
  return ("%08x-0000"):format(serial)
end

--- A message as the transport hands it on.
function notebook.message(type_, content, session)
  return {
    type = type_, channel = "shell", identities = {}, parent = "{}", metadata = "{}", buffers = {},
    header = json.encode { msg_id = uuid(), session = session or "front", msg_type = type_, username = "u", version = "5.3" },
    content = type(content) == "string" and content or json.message(content),
  }
end

--- Sends a request; returns its reply's content (nil without one) and the list of what was sent for it.
function Notebook:ask(type_, content, session)
  local before = #self.transport.sent
  self.kernel:serve(notebook.message(type_, content, session))
  local sent = table.move(self.transport.sent, before + 1, #self.transport.sent, 1, {})
  local reply
  for _, one in ipairs(sent) do
    if one.channel == "shell" then reply = one.content end
  end
  return reply, sent
end

--- Runs a cell; options are further fields of the request.
function Notebook:run(code, options)
  local content = { code = code, silent = false, store_history = true, allow_stdin = false, stop_on_error = true,
    user_expressions = {} }
  for name, value in pairs(options or {}) do content[name] = value end
  return self:ask("execute_request", content)
end

--- Those of the list that have a type.
function notebook.of_type(sent, type_)
  local found = {}
  for _, one in ipairs(sent) do
    if one.type == type_ then found[#found + 1] = one end
  end
  return found
end

--- The types of what was sent, with the states of status.
function notebook.types(sent)
  local types = {}
  for i, one in ipairs(sent) do types[i] = one.type == "status" and one.content.execution_state or one.type end
  return table.concat(types, " ")
end

--- Opens a notebook. It sees Lua's globals through a table of its own.
function notebook.open(options)
  options = options or {}
  local transport = setmetatable({ queue = {}, sent = {}, flushes = 0, parent_header = {} }, Transport)
  local kernel = server.new {
    transport = transport, id = "test", version = "1.2.3", release = "Lua 5.4.6", uuid = uuid,
    files = options.files or { append = function() return true end }, history_path = options.history_path,
    globals = setmetatable({}, { __index = _G }), connection = { shell_port = 1, iopub_port = 2 },
  }
  return setmetatable({ kernel = kernel, transport = transport }, Notebook)
end

return notebook
