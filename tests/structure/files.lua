-- Holds files to the house's measures: under 500 lines each, no marks of unfinished work, every header compiles
-- alone, nothing at the top level that does not belong there.
--
--   lua5.4 tests/structure/files.lua [root [C compiler]]
local root, compiler = arg[1] or ".", arg[2] or "cc"
local MOST_LINES = 500

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

local endings = "-name '*.[ch]' -o -name '*.lua' -o -name '*.sh' -o -name '*.py' -o -name '*.def' -o -name '*.inc'"
local sources = lines_of(("cd '%s' && find core lua scripts tests %s | sort"):format(root, endings))
for _, path in ipairs(sources) do
  local count = 0
  for line in io.lines(root .. "/" .. path) do
    count = count + 1
    if path ~= "tests/structure/files.lua" and (line:find "%f[%w]TODO%f[%W]" or line:find "%f[%w]FIXME%f[%W]") then
      complain("%s:%d: a mark of unfinished work", path, count)
    end
  end
  if count > MOST_LINES then complain("%s: %d lines, more than %d", path, count, MOST_LINES) end
end

local allowed = {}
for name in ("CMakeLists.txt core lua scripts notebooks plots tests README.md LICENSE .ci .git .gitignore .gitattributes "
  .. ".clang-format .luacheckrc .busted .editorconfig"):gmatch "%S+" do allowed[name] = true end
for _, name in ipairs(lines_of(("cd '%s' && git ls-files 2>/dev/null | cut -d/ -f1 | sort -u"):format(root))) do
  if not allowed[name] and not name:match "%.rockspec$" then complain("%s does not belong at the top level", name) end
end

local flags = "-std=gnu11 -D_GNU_SOURCE -fsyntax-only -Wall -Wextra -I core -I /usr/include/lua5.4"
for _, path in ipairs(sources) do
  if path:match "^core/.*%.h$" then
    local out = lines_of(("cd '%s' && %s %s -x c %s 2>&1 | grep -E 'error' | head -n 3"):format(root, compiler, flags, path))
    for _, line in ipairs(out) do complain("%s does not compile alone: %s", path, line) end
  end
end

if bad > 0 then os.exit(1) end
print(("%d files are in order"):format(#sources))
