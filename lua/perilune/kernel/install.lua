--- Kernelspecs: the folders by which Jupyter finds a kernel. Each file is there whole or not at all.
-- @module perilune.kernel.install
local core = require "perilune.core"
local json = require "perilune.json"
local script = require "perilune.script"
local logo = require "perilune.kernel.logo"

local install = {}

install.NAME = "perilune"

local LOGOS = { ["logo-32x32.png"] = 32, ["logo-64x64.png"] = 64 }

local function set(name)
  local value = os.getenv(name)
  return value ~= nil and value ~= "" and value or nil
end

local function user_folder()
  local folder = set "JUPYTER_DATA_DIR"
  if folder then return folder end
  local data = set "XDG_DATA_HOME"
  if data then return data .. "/jupyter" end
  local home = set "HOME" or error("there is no home folder ($HOME is not set); name one with --prefix", 0)
  return home .. "/.local/share/jupyter"
end

-- Where the Python of the shell keeps its own: its environment, else where the command `jupyter` is.
local function python_prefix()
  local prefix = set "VIRTUAL_ENV" or set "CONDA_PREFIX"
  if prefix then return prefix end
  for folder in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    local file = folder:sub(1, 1) == "/" and io.open(folder .. "/jupyter", "rb")
    if file then
      file:close()
      return (folder:gsub("/+[^/]*/*$", ""))
    end
  end
  error("--sys-prefix: neither an environment is active ($VIRTUAL_ENV, $CONDA_PREFIX) nor is jupyter on the path;\n"
    .. "  name the folder with --prefix, as in --prefix ~/venv", 0)
end

--- The folder of a kernelspec.
-- @param options  { prefix, sys_prefix, name }
function install.folder(options)
  local name = options.name or install.NAME
  if not name:find "^[%w._-]+$" or name:find "^%.+$" then
    error(("--name %s: a kernel's name has letters, digits, dots, dashes and underscores"):format(name), 0)
  end
  local prefix = options.prefix or options.sys_prefix and python_prefix()
  local data = prefix and prefix:gsub("(.)/+$", "%1") .. "/share/jupyter" or user_folder()
  return data .. "/kernels/" .. name:lower()
end

--- The text of kernel.json.
-- @param program  the absolute path of the perilune command
-- @param name     nil, or a name of its own, which is then shown too
function install.spec(program, name)
  local shown = "Lua 5.4 (Perilune)"
  if name and name:lower() ~= install.NAME then shown = ("Lua 5.4 (Perilune, %s)"):format(name) end
  return json.encode {
    argv = { program, "kernel", "run", "--connection-file", "{connection_file}" },
    display_name = shown, language = "lua", interrupt_mode = "message", metadata = { debugger = false },
  } .. "\n"
end

-- The pictures need libpng; without it the SVG has to do. Returns the names written.
local function write_logos(folder)
  local written = { "logo-svg.svg" }
  core.write_file(folder .. "/logo-svg.svg", logo.svg())
  local ok, image = pcall(require, "perilune.image")
  if not ok then return written end
  for name, size in pairs(LOGOS) do
    image.save(folder .. "/" .. name, core.tensor(logo.pixels(size)))
    written[#written + 1] = name
  end
  table.sort(written)
  return written
end

--- Writes a kernelspec.
-- @param options  { prefix, sys_prefix, name }
-- @param program  the absolute path of the perilune command
-- @return the folder, and the names of the files in it
function install.write(options, program)
  local folder = install.folder(options)
  script.make_folder(folder .. "/kernel.json")
  local files = write_logos(folder)
  -- Last: a folder with this file is a kernel to Jupyter.
  core.write_file(folder .. "/kernel.json", install.spec(program, options.name))
  table.insert(files, 1, "kernel.json")
  return folder, files
end

-- The decoded kernel.json of a folder when it starts this kernel; nil otherwise.
local function read(folder)
  local file = io.open(folder .. "/kernel.json", "rb")
  if not file then return nil end
  local text = file:read "a" or ""
  file:close()
  local ok, spec = pcall(json.decode, text)
  local argv = ok and type(spec) == "table" and spec.argv
  if type(argv) == "table" and argv[2] == "kernel" and argv[3] == "run" and type(argv[1]) == "string" then return spec end
end

--- Removes a kernelspec that `write` made.
-- @return the folder
function install.remove(options)
  local folder = install.folder(options)
  if not read(folder) then error(("there is no kernel of Perilune's in %s"):format(folder), 0) end
  for _, name in ipairs { "kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg" } do
    local ok, problem, code = os.remove(folder .. "/" .. name)
    if not ok and code ~= 2 then error("cannot remove " .. problem, 0) end -- 2: it is not there
  end
  local ok, problem = os.remove(folder)
  if not ok then error("the kernel is gone, its folder is not empty: " .. problem, 0) end
  return folder
end

local function data_folders()
  local folders = {}
  for folder in (os.getenv "JUPYTER_PATH" or ""):gmatch "[^:]+" do folders[#folders + 1] = folder end
  for _, find in ipairs { user_folder, function() return python_prefix() .. "/share/jupyter" end } do
    local ok, folder = pcall(find)
    if ok then folders[#folders + 1] = folder end
  end
  folders[#folders + 1] = "/usr/local/share/jupyter"
  folders[#folders + 1] = "/usr/share/jupyter"
  return folders
end

--- Perilune's kernels that Jupyter would find.
-- @return a list of { name, folder, program, display_name }
function install.list()
  local lfs, found, seen = require "lfs", {}, {}
  for _, data in ipairs(data_folders()) do
    local kernels = data .. "/kernels"
    local names = {}
    if lfs.attributes(kernels, "mode") == "directory" then
      for name in lfs.dir(kernels) do names[#names + 1] = name end
    end
    table.sort(names)
    for _, name in ipairs(names) do
      local spec = not seen[name] and read(kernels .. "/" .. name)
      if spec then
        seen[name] = true
        found[#found + 1] = { name = name, folder = kernels .. "/" .. name, program = spec.argv[1],
          display_name = spec.display_name }
      end
    end
  end
  return found
end

return install
