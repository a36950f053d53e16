-- Kernelspecs and connection files: what is written, what is refused, and the library's own view of the globals.
local json = require "perilune.json"
local lfs = require "lfs"
local connection = require "perilune.kernel.connection"
local install = require "perilune.kernel.install"
local logo = require "perilune.kernel.logo"

local function temporary()
  local path = os.tmpname()
  os.remove(path)
  assert(lfs.mkdir(path))
  return path
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function message_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

local prefix
before_each(function() prefix = temporary() end)
after_each(function() os.execute(("rm -rf '%s'"):format(prefix)) end)

describe("perilune kernel install", function()
  it("writes a kernelspec that starts this command, and takes it away", function()
    local folder, files = install.write({ prefix = prefix .. "/" }, "/opt/bin/perilune")
    assert.equal(prefix .. "/share/jupyter/kernels/perilune", folder)
    assert.equal("kernel.json", files[1])
    local spec = json.decode(read(folder .. "/kernel.json"))
    assert.same({ "/opt/bin/perilune", "kernel", "run", "--connection-file", "{connection_file}" }, spec.argv)
    assert.equal("message", spec.interrupt_mode)
    assert.equal("lua", spec.language)
    assert.truthy(read(folder .. "/logo-svg.svg"):find "^<svg ")
    if pcall(require, "perilune.image") then
      for _, size in ipairs { 32, 64 } do
        local png = read(("%s/logo-%dx%d.png"):format(folder, size, size))
        assert.equal("\137PNG\r\n\26\n", png:sub(1, 8))
        assert.equal(size, (string.unpack(">I4", png, 17)))
      end
    end
    for name in lfs.dir(folder) do assert.is_nil(name:find "tmp") end
    install.write({ prefix = prefix }, "/opt/bin/perilune") -- again
    assert.equal(folder, install.remove { prefix = prefix })
    assert.is_nil(lfs.attributes(folder))
    assert.truthy(message_of(install.remove, { prefix = prefix }):find "there is no kernel of Perilune's in")
  end)

  it("takes a name, and refuses what is none", function()
    local folder = install.write({ prefix = prefix, name = "Mine-2" }, "/p")
    assert.truthy(folder:find "/kernels/mine%-2$")
    assert.truthy(json.decode(read(folder .. "/kernel.json")).display_name:find "Mine%-2")
    for _, name in ipairs { "", "a/b", "..", "a b", "ä" } do
      assert.truthy(message_of(install.folder, { prefix = prefix, name = name }):find "a kernel's name has")
    end
  end)

  it("leaves other people's kernels alone, and says why it cannot write", function()
    local folder = install.folder { prefix = prefix }
    require("perilune.script").make_folder(folder .. "/x")
    write(folder .. "/kernel.json", '{"argv": ["python", "-m", "ipykernel"]}')
    assert.truthy(message_of(install.remove, { prefix = prefix }):find "no kernel of Perilune's")
    write(prefix .. "/file", "")
    assert.truthy(message_of(install.write, { prefix = prefix .. "/file" }, "/p"):find "/file/share.*cannot write.*Not a directory")
  end)

  it("draws its logo", function()
    local rows = logo.pixels(32)
    assert.equal(32, #rows)
    local shades = {}
    for _, row in ipairs(rows) do
      for _, pixel in ipairs(row) do
        for c = 1, 3 do assert.is_true(pixel[c] >= 0 and pixel[c] <= 1) end
        shades[("%.2f %.2f %.2f"):format(table.unpack(pixel))] = true
      end
    end
    local count = 0
    for _ in pairs(shades) do count = count + 1 end
    assert.is_true(count > 20)
  end)
end)

describe("a connection file", function()
  local good = { transport = "tcp", ip = "127.0.0.1", shell_port = 1, control_port = 2, stdin_port = 3, iopub_port = 4,
    hb_port = 5, key = "k", signature_scheme = "hmac-sha256", kernel_name = "perilune" }

  local function with(name, value)
    local changed = {}
    for key, given in pairs(good) do changed[key] = given end
    if name then changed[name] = value end
    local path = prefix .. "/kernel-ab-12.json"
    write(path, json.encode(changed))
    return connection.read(path)
  end

  it("gives addresses and the kernel's id", function()
    local given, id = with()
    assert.equal("ab-12", id)
    assert.same({ transport = "tcp", ip = "127.0.0.1", shell_port = 1, control_port = 2, stdin_port = 3, iopub_port = 4,
      hb_port = 5, key = "k" }, given)
  end)

  it("is refused with a reason when it is wrong", function()
    for name, value in pairs { shell_port = 0, hb_port = 65536, iopub_port = "5", control_port = 1.5, transport = "udp",
      ip = 5, key = 5, signature_scheme = "hmac-md5" } do
      local message = message_of(with, name, value)
      assert.truthy(message:find(name, 1, true), message)
      assert.truthy(message:find("kernel-ab-12.json", 1, true), message)
    end
    assert.truthy(message_of(connection.read, prefix .. "/none.json"):find "No such file")
    for _, text in ipairs { "", "{", "[]x", "5", "null", "\0\255" } do
      write(prefix .. "/bad.json", text)
      assert.truthy(message_of(connection.read, prefix .. "/bad.json"):find("bad.json", 1, true))
    end
  end)
end)

describe("the library's own view of the globals", function()
  it("is not what a cell redefines", function()
    local path = prefix .. "/guarded.lua"
    write(path, [[
      package.path = ...
      require("perilune.kernel.guard").install()
      local pretty = require "perilune.display.pretty"
      local evaluate = require "perilune.repl.evaluate"
      local session = evaluate.session()
      local result = session:run "print, table, pairs, ipairs, type, error, math, utf8, next = nil"
      assert(result.status == "ok", result.message)
      session:run "string = 5; select = nil; debug = {}; load = nil; setmetatable = nil; pcall = nil"
      session:run "mine = 7; function string_of() return mine end"
      result = session:run "string_of() + 1"
      assert(result[1] == 8, result.message)
      assert(pretty.pretty { 1, { 2 }, a = "b" })
      assert(session:run("nothing.x").message:find "nothing")
      io.write "all is well"]])
    local pipe = assert(io.popen(("lua5.4 '%s' '%s' 2>&1"):format(path, package.path)))
    local said = pipe:read "a"
    pipe:close()
    assert.equal("all is well", said)
  end)
end)
