--- The prompt's loop on a terminal or a pipe: reads lines, runs pieces, prints results and errors.
-- @module perilune.repl.terminal
local host = require "perilune.repl.host"
local evaluate = require "perilune.repl.evaluate"
local failure = require "perilune.repl.failure"
local commands = require "perilune.repl.commands"
local display = require "perilune.display"
local input = require "perilune.repl.input"
local look = require "perilune.repl.look"
local startup = require "perilune.repl.startup"

local terminal = {}

local PROMPT, CONTINUATION, MORE = "> ", ">> ", "| " -- of a new piece; of its further lines read one by one, or edited

local Terminal = { xpcall = host.xpcall }
Terminal.__index = Terminal

local function wants_colour(options)
  local off = os.getenv("NO_COLOR")
  return options.color ~= false and (off == nil or off == "") and os.getenv("TERM") ~= "dumb" and host.isatty(1)
end

function Terminal:paint(text, role)
  return self.color and display.paint(text, role) or text
end

-- What values are shown on (see perilune.display's terminal).
function Terminal:screen()
  return { color = self.color, width = host.columns() or 80, pipe = not host.isatty(1) }
end

function Terminal:print_values(result)
  local texts, options = {}, self:screen()
  for i = 1, result.n do texts[i] = display.terminal(result[i], options) end
  self.output:write(display.joined(texts), "\n")
end

function Terminal:print_error(description)
  self.output:flush()
  local paint = function(part, role) return self:paint(part, role) end
  self.errors:write(failure.safe_text(description, paint, self.xpcall), "\n")
  self.errors:flush()
end

-- Prints what came of a piece. Printing runs the values' own code (__tostring), so it is guarded too.
function Terminal:print_result(result)
  if result.status == "error" then return self:print_error(result) end
  for _, problem in ipairs(result.problems) do
    self.errors:write(self:paint(problem, "error"), "\n")
  end
  local shown_already = result.n == 1 and display.is_silent(result[1]) -- the handle that peri.display(x) gives
  if result.n > 0 and not result.silent and not shown_already then
    local shown = failure.protect(self.print_values, self.xpcall, self, result)
    if not shown[1] then self:print_error(failure.describe(shown[2])) end
  end
end

-- Looking at values runs their code, so it is guarded too.
function Terminal:answer(code)
  local answer = failure.protect(look.answer, self.xpcall, self.session, code)
  if answer[1] then
    self.output:write(look.painted(answer[2], function(text, role) return self:paint(text, role) end), "\n")
    self.output:flush()
  else
    self:print_error(failure.describe(answer[2], self.session.sources))
  end
end

-- What another part of the program does around each piece (see perilune.repl); its errors are told like the piece's.
function Terminal:around(f)
  if not f then return end
  local done = failure.protect(f, host.xpcall, self.session)
  if not done[1] then self:print_error(failure.describe(done[2])) end
end

--- Runs one piece and prints what comes of it.
-- @return true when the piece is incomplete and more input is wanted
function Terminal:feed(code, at_end)
  self:around(self.before)
  if look.question(code) then
    self:answer(code)
    return false
  end
  local start = host.clock()
  local result = self.session:run(code)
  local seconds = host.clock() - start
  self:around(self.after)
  if result.status == "incomplete" then
    if not at_end then return true end
    result = failure.describe({ status = "error", message = result.message }, {})
  end
  self:print_result(result)
  if self.session.timing then
    self.output:write(self:paint(commands.duration(seconds), "dim"), "\n")
  end
  self.output:flush()
  return false
end

-- What a person's start-up file gets wrong is told, and the prompt goes on.
function Terminal:start_up()
  local path, asked = startup.path()
  local failed = path and startup.run(self.session, path, asked)
  self.output:flush()
  if failed then self:print_error(failed) end
end

function Terminal:loop()
  local pending
  while true do
    local line, why = self.reader:read(pending and CONTINUATION or PROMPT, MORE)
    if line then
      pending = pending and pending .. "\n" .. line or line
      if not self:feed(pending) then
        self.reader:remember(pending)
        pending = nil
      end
    elseif why == "interrupt" then
      pending = nil
    else
      if pending then self:feed(pending, true) end
      return
    end
  end
end

--- What runs pieces and prints what comes of them, for who reads them elsewhere: see its method feed.
-- @param fields  { session, output, errors (anything with write and flush), color, screen = function() -> what values are
--   shown on, xpcall = that Ctrl-C reaches into }
function terminal.feeder(fields) return setmetatable(fields, Terminal) end

--- Reads, runs and shows until the end of input.
-- @param options  see perilune.repl
function terminal.run(options)
  options = options or {}
  local self = setmetatable({
    output = options.output or io.stdout, errors = options.errors or io.stderr, color = wants_colour(options),
    before = options.before, after = options.after,
  }, Terminal)
  self.session = evaluate.session { xpcall = host.xpcall, coroutine_traceback = host.coroutine_traceback }
  commands.install(self.session, {
    output = self.output, paint = function(text, role) return self:paint(text, role) end,
  })
  self.reader = input.open(self, options)
  if host.isatty(0) then
    self.output:write(("Perilune %s, %s. help() tells what there is, Ctrl-D leaves.\n"):format(
      options.version or "", _VERSION))
  end
  if not options.input and not options.plain_start then self:start_up() end
  self:around(self.before) -- so that completion knows what there is
  local ok, message = pcall(self.loop, self)
  self.reader:close()
  if not ok then error(message, 0) end
end

return terminal
