--- What the terminal can do, by what its environment says. Nothing is sent to it: a terminal that does not answer
-- cannot make anyone wait.
-- @module perilune.display.screen
local screen = {}

local function environment(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

-- The binding's two questions; in a build without it (or a test) everything is a pipe.
local function core()
  local ok, library = pcall(require, "perilune.core")
  return ok and library or nil
end

--- Whether standard output is a terminal.
function screen.is_terminal()
  local library = core()
  return library ~= nil and io.type(io.stdout) == "file" and library.isatty(io.stdout)
end

--- How many colours: "true", "256" or "none". NO_COLOR and TERM=dumb mean none.
function screen.colors()
  local term = environment "TERM"
  if environment "NO_COLOR" or term == nil or term == "dumb" then return "none" end
  local how = environment "COLORTERM"
  if how == "truecolor" or how == "24bit" or term:find "direct" then return "true" end
  if term:find "256color" or term:find "^xterm" or term:find "^screen" or term:find "^tmux" or how then return "256" end
  return "none"
end

local SIXEL_TERMS, SIXEL_PROGRAMS = { "^foot", "^mlterm", "^contour", "^yaft" }, { WezTerm = true, ["iTerm.app"] = true }

--- Whether the terminal is known to draw sixels: PERILUNE_SIXEL=1 or 0 says so; else by its name, and never inside
-- tmux or screen, which may swallow them.
function screen.sixel()
  local told = environment "PERILUNE_SIXEL"
  if told then return told == "1" end
  local term = environment "TERM" or ""
  if environment "TMUX" or environment "STY" then return false end
  for _, pattern in ipairs(SIXEL_TERMS) do
    if term:find(pattern) then return true end
  end
  return SIXEL_PROGRAMS[environment "TERM_PROGRAM" or ""] == true
end

--- Whether the locale's characters are UTF-8.
function screen.unicode()
  local name = environment "LC_ALL" or environment "LC_CTYPE" or environment "LANG" or ""
  return name:lower():find "utf%-?8" ~= nil
end

--- Columns and rows.
function screen.size()
  local library = core()
  local columns, rows
  if library then columns, rows = library.terminal_size() end
  columns, rows = columns or tonumber(environment "COLUMNS"), rows or tonumber(environment "LINES")
  if not columns or columns < 20 then columns = 80 end
  if not rows or rows < 8 then rows = 24 end
  return columns, rows
end

--- A screen: { width, height (characters), colors = "true", "256" or "none", sixel, unicode, pipe = true where it is
-- a file or a pipe: a figure is drawn there too, but the numbers of a picture say more than its shades }.
-- @param options what is known already; color = false means no colours, color = true means that a pipe gets them too
function screen.of(options)
  local width, height = options.width, options.height
  if not (width and height) then
    local columns, rows = screen.size()
    width, height = width or columns, height or rows
  end
  local terminal = screen.is_terminal()
  local result = { width = width, height = height, colors = options.colors, sixel = options.sixel,
    unicode = options.unicode, pipe = options.pipe }
  if options.color == false then
    result.colors = "none"
  elseif result.colors == nil then
    local found = screen.colors()
    result.colors = (terminal or options.color) and found or "none"
    if options.color and found == "none" then result.colors = "256" end -- somebody has decided already
  end
  if result.sixel == nil then result.sixel = terminal and screen.sixel() end
  if result.unicode == nil then result.unicode = screen.unicode() end
  return result
end

return screen
