--- The Jupyter kernel: Lua cells in notebooks and consoles. `perilune kernel install` makes Jupyter know it; what a
-- cell may want of it is here.
--
--     local kernel = require "perilune.kernel"       -- or peri.kernel
--     kernel.comm.register("echo", function(comm, data, message) ... end)
--     kernel.running()                               -- the kernel that runs this cell, or nil
-- @module perilune.kernel
local kernel = {}

local pieces = { comm = true }

setmetatable(kernel, {
  __index = function(self, name)
    if not pieces[name] then return nil end
    rawset(self, name, require("perilune.kernel." .. name))
    return self[name]
  end,
})

local current

--- The kernel that runs in this process: { id, count, is_console(), publish(), flush(), ... }; nil where none does.
-- @return the kernel, or nil
function kernel.running()
  return current
end

local NEEDED = [[
this perilune has no notebook: %s
  It wants libzmq, libsodium and lua-cjson. On Debian or Ubuntu:
    apt-get install libzmq3-dev libsodium-dev lua-cjson
  and then build Perilune again.]]

local function needs(name)
  local ok, found = pcall(require, name)
  if ok then return found end
  local reason = tostring(found):gsub("\n%s*no f.*", ""):gsub("%s*\n%s*", " ")
  error(NEEDED:format(reason), 0)
end

local function program_of(host)
  return host and host.program() or error("this is not the perilune command: run `perilune kernel`", 0)
end

local function own_host()
  local ok, host = pcall(require, "perilune.host")
  return ok and host or nil
end

-- --- commands ---

local commands = {}

local STARTS = [[
Start it with one of
  jupyter lab              (then File, New, Notebook: %s)
  jupyter notebook
  jupyter console --kernel %s]]

function commands.install(options)
  needs "perilune.transport"
  local install = require "perilune.kernel.install"
  local folder, files = install.write(options, program_of(own_host()))
  print(("Wrote %s/{%s}"):format(folder, table.concat(files, ",")))
  if #files < 4 then print "(no PNG logos: this build has no libpng)" end
  local name = (options.name or install.NAME):lower()
  print(STARTS:format("Lua 5.4 (Perilune)", name))
  if options.prefix then print(("Jupyter looks in %s/share/jupyter when JUPYTER_PATH names it, or runs from there."):format(
    options.prefix)) end
end

function commands.uninstall(options)
  print("Removed " .. require("perilune.kernel.install").remove(options))
end

function commands.list()
  local found = require("perilune.kernel.install").list()
  for _, one in ipairs(found) do
    print(("%-12s %s\n%12s runs %s"):format(one.name, one.folder, "", one.program))
  end
  if #found == 0 then print "No kernel of Perilune's is installed: perilune kernel install" end
end

-- What a cell may call that would end or hang the kernel is replaced before anything else sees it.
local function adapt(transport)
  local leave = os.exit
  os.execute, io.popen = transport.execute, transport.popen -- luacheck: ignore 122
  os.exit = function(code, close) -- luacheck: ignore 122
    if current then current:exit(leave, code, close) end
    leave(code, close)
  end
  arg = { [0] = "perilune" } -- luacheck: ignore 121
end

local function files_of(transport)
  local ok, edit = pcall(require, "perilune.edit")
  return { append = transport.append, replace = ok and edit.replace or nil }
end

function commands.run(options)
  local transport = needs "perilune.transport"
  needs "cjson"
  local host = own_host() or program_of(nil)
  adapt(transport)
  local guard = require "perilune.kernel.guard"
  guard.install()
  local connection, id = require("perilune.kernel.connection").read(options.connection_file)
  local server, json = require "perilune.kernel.server", require "perilune.json"
  local version, release = host.versions()
  local open <close> = transport.open { -- so that a fault of ours is told where we were started
    connection = connection, session = transport.uuid(), username = "kernel",
    kernel_info = json.message(server.info(version, release)),
    parent = math.tointeger(tonumber(os.getenv "JPY_PARENT_PID")),
  }
  local running = server.new {
    transport = open, connection = connection, id = id, version = version, release = release,
    uuid = transport.uuid, xpcall = guard.strings(host.xpcall),
    files = files_of(transport), history_path = require("perilune.kernel.history").path(),
  }
  current = running
  open:capture(true)
  running:run()
  current = nil
  running:close()
end

local function add_place(parser)
  parser:mutex(
    parser:flag("--user", "For you (the default)."),
    parser:flag("--sys-prefix", "Into the Python environment that is active, or that jupyter is in."):target "sys_prefix",
    parser:option("--prefix", "Into DIR/share/jupyter/kernels."):argname "DIR"
  )
  parser:option("--name", "The kernel's name.", "perilune")
end

local function options_of(arguments)
  local script = require "perilune.script"
  local parser = script.parser("perilune kernel", "The Jupyter kernel: Lua in notebooks.")
  parser:require_command(true):command_target "command"
  add_place(parser:command("install", "Makes Jupyter know this perilune."))
  add_place(parser:command("uninstall", "Undoes it."))
  parser:command("list", "The kernels of Perilune's that Jupyter finds.")
  local run = parser:command("run", "What Jupyter does: serves the front end that wrote the connection file.")
  run:option("--connection-file -f", "Written by the front end."):count(1):argname "FILE":target "connection_file"
  return script.parse(parser, arguments)
end

--- The command `perilune kernel`.
-- @param arguments  a list of strings
-- @return the exit status
function kernel.main(arguments)
  local options = options_of(arguments)
  local ok, reason = xpcall(commands[options.command], function(reason)
    return type(reason) == "string" and os.getenv "PERILUNE_TRACE" == "1" and debug.traceback(reason, 2) or reason
  end, options)
  if ok then return 0 end
  io.stderr:write("perilune kernel: ", require("perilune.script").reason(reason), "\n")
  return 1
end

return kernel
