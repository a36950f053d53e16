--- A session that runs pieces of Lua one after the other: the engine under the prompt and the notebook.
--
-- A piece is compiled first as an expression list, then as statements (with its top-level locals turned
-- into the session's variables), the last statement being returned when it is an expression. Compiling
-- tells incomplete from wrong: only an error at <eof> can be mended by typing more.
-- Results and sources are kept in bounded numbers, so that a printed tensor is not held for ever.
-- @module perilune.repl.evaluate
local lexer = require "perilune.repl.lexer"
local locals = require "perilune.repl.locals"
local environment = require "perilune.repl.environment"
local failure = require "perilune.repl.failure"
local results = require "perilune.repl.results"

local evaluate = {}

--- A session. Fields: environment, count (pieces run), sources (the last pieces by chunk name), notebook (is it one's?).
local Session = {}
Session.__index = Session
evaluate.Session = Session

local KEPT_SOURCES = 256 -- pieces whose text can be shown beside an error
local MOST_SPLITS = 64   -- places looked at for the beginning of the last expression

--- Starts a session.
-- @param options  nil or { globals, name, xpcall, coroutine_traceback, notebook }: the globals (_G), the chunk name's
--   pattern ("In[%d]"), the xpcall that Ctrl-C reaches into, what gives a dead coroutine's traceback, and whether help()
--   speaks to a notebook
-- @return the session, which is evaluate.current until another one starts
function evaluate.session(options)
  options = options or {}
  local variables = environment.new(options.globals)
  variables:provide("__results", function(...) return ... end) -- see compile_values
  evaluate.current = setmetatable({
    environment = variables, results = results.new(variables),
    pattern = options.name or "In[%d]", xpcall = options.xpcall or xpcall,
    coroutine_traceback = options.coroutine_traceback or function() end, notebook = options.notebook,
    count = 0, sources = {}, source_names = {},
  }, Session)
  return evaluate.current
end

local function is_eof(message)
  return message:sub(-5) == "<eof>"
end

-- Line breaks as Lua sees them; a byte order mark and a first line `#!...` blanked, as lua5.4 does for files.
local function normal(code)
  if code:sub(1, 3) == "\xEF\xBB\xBF" then code = "   " .. code:sub(4) end
  if code:find("\r", 1, true) then code = code:gsub("\r\n?", "\n") end
  if code:sub(1, 2) == "#!" then code = code:gsub("^[^\n]*", function(line) return (" "):rep(#line) end) end
  return code
end

-- load, with the session's variables as globals. Text only: bytecode could crash the process. Inside pcall, so that
-- code nested too deeply does not call the message handler of whoever runs us.
local function compile(self, code, name)
  local _, chunk, message = pcall(load, code, "=" .. name, "t", self.environment.values)
  return chunk, message
end

-- Compiles the rewritten code, "return " before the place `split` (if any). Assigning to a <const> local of the
-- same piece is an error that only the code as it was written shows.
local function compile_rewritten(self, code, plan, name, split)
  local chunk, message = compile(self, locals.apply(code, plan.edits, split) .. "\n", name)
  if chunk and next(plan.constants) then
    local _, complaint = compile(self, locals.apply(code, {}, split) .. "\n", name)
    if complaint and complaint:find("assign to const variable", 1, true) then return nil, complaint end
  end
  return chunk, message
end

-- Compiles a piece whose values are asked for from the place `split` on, and which loads with "return " there, so
-- that the last call is no tail call: that would take the piece's own frame, and with it the line that an error
-- is looked for in.
local function compile_values(self, code, tokens, edits, name, split)
  local last = #tokens
  while last > 0 and tokens[last].text == ";" do last = last - 1 end
  if last == 0 then return nil end
  local text = locals.apply(code:sub(1, tokens[last].to), edits, split, "return __results(")
  return compile(self, text .. ")", name) -- on the last line: what it evaluates is said to be there
end

-- Words that can end a statement, and tokens that can begin an expression.
local enders, starters = {}, {}
for word in ("end nil true false break"):gmatch("%a+") do enders[word] = true end
for word in ("nil true false function not"):gmatch("%a+") do starters[word] = true end
for _, text in ipairs { ")", "]", "}", ";", "...", "::" } do enders[text] = true end
for _, text in ipairs { "(", "{", "-", "#", "~", "..." } do starters[text] = true end

local function in_set(token, set)
  return token.kind == "name" or token.kind == "number" or token.kind == "string" or set[token.text] or false
end

-- Could an expression that is a statement of its own begin at tokens[i]? In code that loads as it stands only a
-- name can begin one, and a bracket behind a semicolon (else brackets and operators carry on what is before them).
local function can_split(tokens, i, loads)
  local token, before = tokens[i], tokens[i - 1]
  return token.block == 0 and token.bracket == 0 and (token.fresh or before.text == ";" or before.text == "end")
    and in_set(before, enders) and in_set(token, starters)
    and (not loads or token.kind == "name" or before.text == ";")
end

-- Puts "return " before the last statement where that loads: the last expression's value is shown. Returns the
-- chunk, or nil and whether more input may mend the piece.
local function compile_last_expression(self, code, tokens, plan, name, loads)
  local incomplete, tries = false, 0
  for i = #tokens, 2, -1 do
    if can_split(tokens, i, loads) then
      local from = tokens[i].from
      -- The tail alone is the cheaper part: what is no expression fails within a few tokens.
      local tail, message = compile(self, "return " .. code:sub(from) .. "\n", name)
      if tail or is_eof(message) then
        local head = compile(self, locals.apply(code:sub(1, from - 1), plan.edits) .. "\n", name)
        if head and tail then
          local chunk = compile_rewritten(self, code, plan, name, from)
          if chunk then return compile_values(self, code, tokens, plan.edits, name, from) or chunk end
        end
        if head and not tail then incomplete = true end
      end
      tries = tries + 1
      if tries == MOST_SPLITS then break end
    end
  end
  return nil, incomplete
end

-- Does the piece begin like no statement? Then what is wrong with it as an expression says more.
local function is_expression(tokens)
  local first, second = tokens[1], tokens[2]
  if not first or first.kind == "name" or first.text == "(" then return false end
  if first.text == "function" then return second ~= nil and second.text == "(" end
  return in_set(first, starters)
end

-- Lua says of what is missing at the end that it is so on the line behind it; here, on the last line that holds any.
local function at_last_line(message, code, tokens)
  if not is_eof(message) then return message end
  local before = #tokens > 0 and code:sub(1, tokens[#tokens].to) or ""
  local _, breaks = before:gsub("\n", "")
  return (message:gsub("^(.-):%d+:", function(name) return ("%s:%d:"):format(name, breaks + 1) end, 1))
end

--- Compiles a piece without running it.
-- @param code  Lua source
-- @param name  the chunk's name in messages; optional
-- @return { chunk, declared, constants, silent, tokens }, or nil, "incomplete" or "wrong", and the message
function Session:compile(code, name)
  name = name or self.pattern:format(self.count + 1)
  code = normal(code)
  local tokens = lexer.depths(lexer.tokens(code))
  local last = tokens[#tokens]
  local compiled = { declared = {}, constants = {}, silent = last ~= nil and last.text == ";", tokens = tokens }
  local as_expression
  compiled.chunk, as_expression = compile(self, "return " .. code .. "\n", name)
  if compiled.chunk then
    compiled.chunk = compile_values(self, code, tokens, {}, name, 1) or compiled.chunk
    return compiled
  end
  local plan = locals.plan(tokens)
  local message
  compiled.declared, compiled.constants = plan.declared, plan.constants
  compiled.chunk, message = compile_rewritten(self, code, plan, name)
  local split, unfinished = compile_last_expression(self, code, tokens, plan, name, compiled.chunk ~= nil)
  compiled.chunk = split or compiled.chunk
  if compiled.chunk then return compiled end
  local incomplete = unfinished or is_eof(message) or (#tokens > 0 and is_eof(as_expression))
  if is_expression(tokens) then message = as_expression end
  return nil, incomplete and "incomplete" or "wrong", at_last_line(message, code, tokens)
end

--- Could a piece be run as it stands?
-- @return "complete", "incomplete" (more input may mend it) or "wrong"
function Session:is_complete(code)
  local compiled, kind = self:compile(code)
  return compiled and "complete" or kind
end

local function remember_source(self, name, code)
  local names = self.source_names
  if self.sources[name] == nil then names[#names + 1] = name end
  self.sources[name] = normal(code)
  if #names > KEPT_SOURCES then self.sources[table.remove(names, 1)] = nil end
end

-- The name of a piece, and whether its results stay.
local function settings(self, options)
  local keep = not options or options.keep ~= false
  local name = options and options.name
  return name or self.pattern:format(self.count + 1), keep, keep and not name
end

-- io.write gives back its file, which nobody wants to see below what was written.
local written_to = { [io.stdout] = true, [io.stderr] = true }

local function failed(self, description)
  return failure.describe(description, self.sources)
end

--- Runs a piece.
-- @param code     Lua source
-- @param options  nil or { name, keep }: the chunk's name in messages (default: the next number, which then counts
--   on); keep = false leaves `_`, `_1` and the count as they are
-- @return { status = "ok", n, silent, problems, [1..n] = values }, or { status = "incomplete", message }, or
--   { status = "error", kind = "wrong" or "raised", message, value, traceback, source, interrupted }
function Session:run(code, options)
  local name, keep, counts = settings(self, options)
  local compiled, kind, message = self:compile(code, name)
  if kind == "incomplete" then return { status = "incomplete", message = message } end
  if counts then self.count = self.count + 1 end
  remember_source(self, name, code)
  if not compiled then
    return failed(self, { status = "error", kind = "wrong", value = message, message = message })
  end
  local problems = self.environment:need(compiled.tokens)
  local take_back = self.results:lend(compiled.tokens)
  self.coroutine_traceback() -- an older one is none of this piece's
  self.environment:declare(compiled.declared, compiled.constants)
  local result = failure.protect(compiled.chunk, self.xpcall)
  take_back()
  if not result[1] then
    local description = failed(self, result[2])
    failure.add_coroutine(description, self.coroutine_traceback())
    return description
  end
  table.remove(result, 1)
  if result.n == 2 and written_to[result[1]] then result[1], result.n = nil, 1 end
  result.n, result.status, result.silent, result.problems = result.n - 1, "ok", compiled.silent, problems
  if keep then self.results:add(result[1]) end
  return result
end

--- Forgets the user's variables and the kept results.
-- @return how many variables were forgotten
function Session:reset()
  local count = self.environment:clear()
  self.results:clear()
  return count
end

return evaluate
