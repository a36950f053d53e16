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

local evaluate = {}

--- A session. Fields: environment, count (pieces run), sources (the last pieces by chunk name).
local Session = {}
Session.__index = Session
evaluate.Session = Session

local KEPT_SOURCES = 256 -- pieces whose text can be shown beside an error
local KEPT_RESULTS = 3   -- _1, _2, _3

--- Starts a session.
-- @param options  nil or { globals, name, xpcall, coroutine_traceback }: the globals (_G), the chunk name's pattern
--   ("In[%d]"), the xpcall that Ctrl-C reaches into, and what gives a dead coroutine's traceback
function evaluate.session(options)
  options = options or {}
  return setmetatable({
    environment = environment.new(options.globals),
    pattern = options.name or "In[%d]", xpcall = options.xpcall or xpcall,
    coroutine_traceback = options.coroutine_traceback or function() end,
    count = 0, sources = {}, results = {},
  }, Session)
end

local function is_eof(message)
  return message:sub(-5) == "<eof>"
end

-- load, with the session's variables as globals. Text only: bytecode could crash the process.
local function compile(self, code, name)
  return load(code, "=" .. name, "t", self.environment.values)
end

-- Puts "return " before the token at `index` where both parts load: the last expression's value is shown.
-- In code that loads as it stands only a name can begin a statement that is an expression as well (a
-- bracket or an operator would carry on the line before it).
local function compile_last_expression(self, code, tokens, name, loads)
  local incomplete, tries = false, 0
  for i = #tokens, 2, -1 do
    local token, before = tokens[i], tokens[i - 1]
    if token.block == 0 and token.bracket == 0 and (token.fresh or before.text == ";")
      and (not loads or token.kind == "name") and before.text ~= "return" then
      local head, tail = code:sub(1, token.from - 1), code:sub(token.from)
      if compile(self, locals.rewrite(head) .. "\n", name) then
        local chunk, message = compile(self, "return " .. tail .. "\n", name)
        if chunk then
          local text, declared = locals.rewrite(head)
          chunk = compile(self, text .. "return " .. tail .. "\n", name)
          if chunk then return chunk, declared end
        elseif is_eof(message) then
          incomplete = true
        end
      end
      tries = tries + 1
      if tries == 64 then break end
    end
  end
  return nil, incomplete
end

--- Compiles a piece without running it.
-- @param code  Lua source
-- @param name  the chunk's name in messages; optional
-- @return { chunk, declared, silent, tokens }, or nil, "incomplete" or "wrong", and the message
function Session:compile(code, name)
  name = name or self.pattern:format(self.count + 1)
  local tokens = lexer.depths(lexer.tokens(code))
  local last = tokens[#tokens]
  local silent = last ~= nil and last.text == ";"
  local chunk, as_expression = compile(self, "return " .. code .. "\n", name)
  if chunk then return { chunk = chunk, declared = {}, silent = silent, tokens = tokens } end
  local text, declared = locals.rewrite(code, tokens)
  local message
  chunk, message = compile(self, text .. "\n", name)
  local split, names = compile_last_expression(self, code, tokens, name, chunk ~= nil)
  if split then return { chunk = split, declared = names, silent = silent, tokens = tokens } end
  if chunk then return { chunk = chunk, declared = declared, silent = silent, tokens = tokens } end
  local incomplete = names or is_eof(message) or (#tokens > 0 and is_eof(as_expression))
  return nil, incomplete and "incomplete" or "wrong", message
end

--- Could a piece be run as it stands?
-- @return "complete", "incomplete" (more input may mend it) or "wrong"
function Session:is_complete(code)
  local compiled, kind = self:compile(code)
  return compiled and "complete" or kind
end

local function remember_source(self, name, code)
  self.sources[name] = code
  self.sources[self.pattern:format(self.count - KEPT_SOURCES)] = nil
end

-- _ is the last value, _1, _2, _3 the last three, newest first.
local function remember_result(self, value)
  if value == nil then return end
  table.insert(self.results, 1, value)
  self.results[KEPT_RESULTS + 1] = nil
  self.environment:provide("_", value)
  for i, result in ipairs(self.results) do self.environment:provide("_" .. i, result) end
end

--- Runs a piece.
-- @param code  Lua source
-- @return { status = "ok", n, silent, problems, [1..n] = values }, or { status = "incomplete", message }, or
--   { status = "error", kind = "wrong" or "raised", message, value, traceback, source }
function Session:run(code)
  local name = self.pattern:format(self.count + 1)
  local compiled, kind, message = self:compile(code, name)
  if kind == "incomplete" then return { status = "incomplete", message = message } end
  self.count = self.count + 1
  remember_source(self, name, code)
  if not compiled then
    return failure.describe({ status = "error", kind = "wrong", value = message, message = message }, self.sources)
  end
  local problems = self.environment:need(compiled.tokens)
  self.coroutine_traceback() -- an older one is none of this piece's
  self.environment:declare(compiled.declared)
  local result = failure.protect(compiled.chunk, self.xpcall)
  if not result[1] then
    local description = failure.describe(result[2], self.sources)
    failure.add_coroutine(description, self.coroutine_traceback())
    return description
  end
  table.remove(result, 1)
  result.n, result.status, result.silent, result.problems = result.n - 1, "ok", compiled.silent, problems
  remember_result(self, result[1])
  return result
end

--- Forgets the user's variables and the kept results.
function Session:reset()
  self.environment:clear()
  self.results = {}
  for _, name in ipairs { "_", "_1", "_2", "_3" } do self.environment:provide(name, nil) end
end

return evaluate
