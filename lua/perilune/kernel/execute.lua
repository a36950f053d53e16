--- execute_request: runs a cell, shows what it gives, answers.
--
-- Order on iopub: execute_input, output while it runs, then its result or its one error; then the reply. A silent
-- request leaves nothing on iopub, in the history or in the counter.
-- @module perilune.kernel.execute
local json = require "perilune.json"
local display = require "perilune.display"
local failure = require "perilune.repl.failure"
local host = require "perilune.repl.host"
local failing = require "perilune.kernel.failing"
local assist = require "perilune.kernel.assist"
local show = require "perilune.kernel.show"

local execute = {}

local UNCOUNTED = "In[*]" -- the chunk of what moves no counter

-- The forms of a cell's values: of one its own, of several texts in one line, or one after the other where one of
-- them is more than text. Returns a list of { forms, metadata }, the last being the cell's result.
local function forms_of(values)
  local list, texts, rich = {}, {}, false
  for i = 1, values.n do
    local forms, metadata, problem = display.safe_forms(values[i])
    if problem then io.stderr:write(problem, "\n") end
    list[i], texts[i] = { forms, metadata }, tostring(forms["text/plain"])
    local first, second = next(forms)
    rich = rich or second ~= nil and next(forms, first) ~= nil
  end
  if values.n > 1 and not rich then return { { { ["text/plain"] = display.joined(texts) } } } end
  return list
end

local function show_values(kernel, values, count)
  local list = forms_of(values)
  -- A value's own code may have swallowed it, as tostring's failures are shown and not raised.
  if host.interrupted() then error("interrupted!", 0) end
  for i, one in ipairs(list) do
    local data, metadata = show.data(one[1]), one[2] or {}
    if i < #list then
      kernel:publish("display_data", { data = data, metadata = metadata, transient = {} })
    else
      kernel:publish("execute_result", { execution_count = count, data = data, metadata = metadata })
      kernel.history:add_output(count, data["text/plain"])
    end
  end
end

-- A display's handle as the last value, or the history of a training whose curves this cell shows: it is there already.
local function shows_nothing(kernel, values)
  if values.n ~= 1 then return false end
  return display.is_silent(values[1]) or (kernel.shown and kernel.shown[values[1]] == kernel.message)
end

-- Runs the cell. Returns nil when all went well, else the description of what failed.
local function run(kernel, code, name, request)
  local session = kernel.session
  local result = session:run(code, { name = name, keep = request.store })
  if result.status == "incomplete" then
    return failure.describe({ status = "error", kind = "wrong", message = result.message }, { [name] = code })
  end
  if result.status == "error" then return result end
  for _, problem in ipairs(result.problems or {}) do io.stderr:write(problem, "\n") end
  if result.n == 0 or result.silent or kernel.quiet or shows_nothing(kernel, result) then return nil end
  local shown = failure.protect(show_values, host.xpcall, kernel, result, request.count)
  if not shown[1] then return failure.describe(shown[2], session.sources) end
end

-- What is told of an expression's value. It is encoded here for the sake of what can fail then, and would take the
-- reply with it: a form of JSON may hold a function, or tables whose own code runs.
local function reply_of(value)
  local forms, metadata = display.forms(value)
  local told = { status = "ok", data = show.data(forms), metadata = metadata }
  json.message(told)
  return told
end

local function expression(kernel, code)
  local result = kernel.session:run("return " .. code, { name = UNCOUNTED, keep = false })
  if result.status == "incomplete" then
    result = failure.describe({ status = "error", kind = "wrong", message = result.message }, {})
  end
  if result.status == "ok" then
    local shown = failure.protect(reply_of, host.xpcall, (result[1]))
    if shown[1] then return shown[2] end
    result = failure.describe(shown[2], {})
  end
  local fields = failing.fields(result)
  fields.status = "error"
  return fields
end

local function expressions(kernel, wanted)
  local results = {}
  if type(wanted) ~= "table" then return results end
  for name, code in pairs(wanted) do
    if type(name) == "string" and type(code) == "string" then results[name] = expression(kernel, code) end
  end
  return results
end

--- Answers an execute_request that is not run because one before it failed.
function execute.abort(kernel, message)
  kernel:reply(message, { status = "aborted", execution_count = kernel.count })
end

-- Runs the request; returns the content of the reply.
local function answer(kernel, content, request)
  local page = assist.page(kernel.session, content.code)
  local failed, payload = nil, json.array {}
  if page then
    payload[1] = page
  elseif content.code:find "%S" then
    failed = run(kernel, content.code, request.store and ("In[%d]"):format(request.count) or UNCOUNTED, request)
    if kernel.end_cell then kernel.end_cell() end
  end
  if failed then
    if content.stop_on_error ~= false then kernel:abort_waiting() end
    local fields = failing.fields(failed)
    kernel:tell(fields)
    fields.status, fields.execution_count, fields.user_expressions = "error", request.count, {}
    fields.payload = json.array {}
    return fields
  end
  return { status = "ok", execution_count = request.count, payload = payload,
    user_expressions = expressions(kernel, content.user_expressions) }
end

--- The content of the reply with which a cell that called os.exit ends the kernel.
function execute.farewell(count)
  local payload = json.array { { source = "ask_exit", keepkernel = false } }
  return { status = "ok", execution_count = count, payload = payload, user_expressions = {} }
end

--- Serves an execute_request.
-- @param kernel   see perilune.kernel.server
-- @param message  as the transport gave it
-- @param content  decoded
function execute.serve(kernel, message, content)
  local silent = content.silent == true
  local store = not silent and content.store_history ~= false and content.code:find "%S" ~= nil
  if store then kernel.count = kernel.count + 1 end
  local request = { store = store, count = kernel.count }
  if not silent then
    kernel:publish("execute_input", { code = content.code, execution_count = request.count })
  end
  if store then
    local ok, problem = kernel.history:add(request.count, content.code)
    if not ok then io.stderr:write(problem, "\n") end
  end
  kernel:set_quiet(silent)
  kernel.executing = message
  local reply = answer(kernel, content, request)
  kernel.executing = nil
  kernel:flush()
  kernel:set_quiet(false)
  kernel:reply(message, reply)
end

return execute
