-- Holds the tree to its order: which folder of core/ may include which, and which Lua module may require which.
-- Prints every arrow that runs the wrong way; exits non-zero when there is one.
--
--   lua5.4 tests/structure/dependencies.lua [root]
local root = arg[1] or "."

local function set(text)
  local result = {}
  for word in text:gmatch "%S+" do result[word] = true end
  return result
end

-- base <- kernels <- tensor <- grad <- ops <- layers; the others see what they need and no more.
local c_may = {
  base = set "base",
  kernels = set "base kernels",
  tensor = set "base kernels tensor",
  grad = set "base kernels tensor grad",
  ops = set "base kernels tensor grad ops",
  layers = set "base kernels tensor grad ops layers",
  optim = set "base kernels tensor grad optim", -- a parameter's gradient is the tape's
  linalg = set "base kernels tensor linalg",
  image = set "base kernels tensor image",
  data = set "base kernels tensor data",
  format = set "base kernels tensor format hosts", -- the frames that the reading child speaks
  hosts = set "base hosts",
  bind = set "base kernels tensor grad ops layers optim linalg image data format hosts bind",
}

-- perilune.core <- nn, optim, data, display <- train <- plot, explain <- repl, kernel, draw, serve: a module may
-- require what is on its own level or below. Modules inside a topic's folder are of the topic.
local level = {
  core = 0, hdf5 = 0, edit = 0, transport = 0,
  alone = 1, args = 1, interruption = 1, json = 1, tensor = 1, gradcheck = 1, linalg = 1, image = 1, keras = 1,
  window = 1, http = 1, nn = 2, optim = 2, data = 2, display = 2, profile = 2, train = 3, plot = 4, explain = 4,
  script = 5, repl = 5, kernel = 5, draw = 5, serve = 5,
}
-- Arrows that run backwards with a reason.
local excused = {
  ["nn -> train"] = "a net's methods fit, evaluate and predict are training's; nn attaches them",
  ["optim -> plot"] = "a schedule shows itself as a curve, drawn only when it is shown, and by its name without gnuplot",
  ["train -> plot"] = "a history shows itself as curves, drawn only when it is shown, and as a table without gnuplot",
}

local bad = 0
local function complain(format, ...)
  print(format:format(...))
  bad = bad + 1
end

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

for _, path in ipairs(lines_of(("cd '%s' && find core -name '*.[ch]' -o -name '*.def' -o -name '*.inc' | sort"):format(root))) do
  local folder = path:match "^core/([^/]+)/"
  if folder then
    local may, number = c_may[folder], 0
    if not may then complain("%s: the folder core/%s has no place in the order", path, folder) may = {} end
    for line in io.lines(root .. "/" .. path) do
      number = number + 1
      local target = line:match '^%s*#%s*include%s*"([^"/]+)/'
      if target and c_may[target] and not may[target] then
        complain("%s:%d: core/%s must not include core/%s", path, number, folder, target)
      end
      if line:match "^%s*#%s*include%s*<lua" or line:match "^%s*#%s*include%s*<lauxlib" then
        if folder ~= "bind" then complain("%s:%d: only core/bind and core/main.c include Lua's headers", path, number) end
      end
    end
  end
end

for _, path in ipairs(lines_of(("cd '%s' && find lua/perilune -name '*.lua' | sort"):format(root))) do
  local topic = path:match "^lua/perilune/([%w_]+)"
  if topic ~= "init" then
    local own, number = level[topic], 0
    if not own then complain("%s: the topic %s has no level", path, topic) own = 99 end
    for line in io.lines(root .. "/" .. path) do
      number = number + 1
      local code = line:gsub("%-%-.*", "")
      for target in code:gmatch 'require%s*%(?%s*"perilune%.([%w_]+)' do
        if not level[target] then
          complain("%s:%d: requires perilune.%s, which has no level", path, number, target)
        elseif level[target] > own and not excused[topic .. " -> " .. target] then
          complain("%s:%d: %s must not require %s", path, number, topic, target)
        end
      end
    end
  end
end

if bad > 0 then
  print(("%d arrows run the wrong way"):format(bad))
  os.exit(1)
end
print "the order holds"
