--- How anything shows itself, in a notebook, a terminal or a file.
--
-- An object's metatable may have
--
--     __mime = function(object) return forms, metadata end
--     __terminal = function(object, screen) return text or nil end
--
-- `forms` are texts by MIME type ("text/plain", "text/html", "image/svg+xml", ...): image/png and image/jpeg are the
-- raw bytes, application/json and what ends in +json are Lua tables; `metadata` are tables by MIME type
-- ({ ["image/png"] = { width = 280 } }). An object that has no __mime is shown as display.pretty writes it.
-- `screen` is what display.terminal describes; without a __terminal, or when it gives nil, there is text.
--
--     peri.display(x)                        shows x here and now, also in the middle of a cell
--     local h = peri.display(x); h:update(y) shows y in x's place
--     peri.display(peri.markdown "**bold**")
--
-- The backend that registered last does the showing: a notebook's kernel, a report that is being written, and where
-- there is none, the terminal.
-- @module perilune.display
local args = require "perilune.args"
local core = require "perilune.core"
local html = require "perilune.display.html"
local interruption = require "perilune.interruption"
local pretty = require "perilune.display.pretty"
local rich = require "perilune.display.rich"

local display = { pretty = pretty.pretty, text = pretty.text, paint = pretty.paint }

for _, name in ipairs { "html", "markdown", "latex", "svg", "json", "image" } do display[name] = rich[name] end

-- --- backends ---------------------------------------------------------------------------------------------------

local backends = {} -- the last registered is asked

local function active() return backends[#backends] or require "perilune.display.terminal" end

--- Makes a backend the one that shows, until the function that this returns is called.
-- @param backend a table of functions, of which only show must be there:
--   name = "notebook";
--   show = function(forms, given): given is { id = of the display, metadata = by MIME type, object = the value };
--   update = function(forms, given): the display given.id shows these forms now;
--   clear = function(wait): what was shown so far goes; with wait, only when something new comes;
--   progress = function(given): a progress object for net:fit, or nil
-- @return a function that takes it away again
function display.register(backend)
  if type(backend) ~= "table" or type(backend.show) ~= "function" then
    error("display.register: wants { name = ..., show = function(forms, given) ... end }", 2)
  end
  backends[#backends + 1] = backend
  return function()
    for i = #backends, 1, -1 do
      if backends[i] == backend then return table.remove(backends, i) ~= nil end
    end
    return false
  end
end

--- Whether something other than the terminal shows.
function display.has_backend() return backends[1] ~= nil end

--- The progress object that the backend has for a training run, or nil where the terminal's own will do.
-- @param given what net:fit knows of the run
function display.progress(given)
  local backend = backends[#backends]
  return backend and backend.progress and backend.progress(given) or nil
end

-- --- forms ------------------------------------------------------------------------------------------------------

local function kind_of(value)
  local meta = getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and name or type(value)
end

-- A metamethod of anything but strings, whose metatable is everybody's.
local function metamethod(value, name)
  local meta = type(value) ~= "string" and getmetatable(value)
  return type(meta) == "table" and rawget(meta, name) or nil
end

--- Whether a form of this MIME type is bytes, which may be anything, rather than text.
function display.is_binary(kind)
  return (kind:find "^image/" and kind ~= "image/svg+xml") or kind:find "^audio/" ~= nil or kind:find "^video/" ~= nil
    or kind == "application/pdf" or kind == "application/octet-stream"
end

local function check_form(value, kind, form)
  if type(kind) ~= "string" or not kind:find "^[%w.+-]+/[%w.+-]+$" then
    error(("display: the __mime of a %s gives a form by the name %s, which is no MIME type"):format(kind_of(value),
      tostring(kind)), 0)
  end
  local is_json = kind == "application/json" or kind:find "%+json$" ~= nil
  if type(form) ~= (is_json and "table" or "string") then
    error(("display: the __mime of a %s gives a %s for %s, which wants a %s"):format(kind_of(value), type(form), kind,
      is_json and "table" or "string"), 0)
  end
  return (is_json or display.is_binary(kind)) and form or html.clean(form)
end

--- The forms of a value, by MIME type; "text/plain" is always there. Texts are valid UTF-8.
-- @return forms, and the metadata that belong to them (a table, perhaps empty)
-- @raise when the value's __mime fails or gives something else, with the name of its type
function display.forms(value)
  local mime = metamethod(value, "__mime")
  local forms, metadata = {}, nil
  if mime then
    local ok
    ok, forms, metadata = pcall(mime, value)
    if not ok then error(("display: the __mime of a %s failed: %s"):format(kind_of(value), tostring(forms)), 0) end
    if type(forms) ~= "table" or (metadata ~= nil and type(metadata) ~= "table") then
      error(("display: the __mime of a %s wants to return a table of texts by MIME type, and one of metadata or nil")
        :format(kind_of(value)), 0)
    end
  end
  local result = {}
  for kind, form in pairs(forms) do result[kind] = check_form(value, kind, form) end
  result["text/plain"] = result["text/plain"] or html.clean(pretty.pretty(value))
  return result, metadata or {}
end

--- The forms of a value whatever its __mime does: its text alone when that fails. An interruption stays an error.
-- @return forms and metadata as display.forms gives them; the error's message, or nil
function display.safe_forms(value)
  local ok, forms, metadata = pcall(display.forms, value)
  if ok then return forms, metadata, nil end
  interruption.pass(forms)
  return { ["text/plain"] = html.clean(pretty.pretty(value)) }, {}, tostring(forms)
end

--- Whether a value has nothing to show when it is the result of a line or a cell: what peri.display returned, say.
-- Its metatable says so with __silent = true.
function display.is_silent(value) return metamethod(value, "__silent") == true end

-- --- showing ----------------------------------------------------------------------------------------------------

-- The terminal is asked for nothing but text, so that no picture is made in vain.
local function show(value, id)
  local backend = active()
  if backend.show_value then return backend.show_value(value, id) end
  local forms, metadata = display.forms(value)
  return backend.show(forms, { id = id, metadata = metadata, object = value })
end

--- Shows a value.
function display.show(value) show(value) end

local Handle = { __name = "perilune.DisplayHandle", __silent = true }
Handle.__index = Handle

function Handle:__tostring() return ("display handle '%s'"):format(self.id) end

--- Shows another value in the place of the one before; a terminal prints it below, when its text has changed.
-- @return the handle
function Handle:update(value)
  local backend = active()
  if backend.update_value then
    backend.update_value(value, self.id)
  elseif backend.update then
    local forms, metadata = display.forms(value)
    backend.update(forms, { id = self.id, metadata = metadata, object = value })
  else
    show(value, self.id)
  end
  return self
end

-- Names of displays are unique beyond this process: a page may hold displays of an earlier one.
local process, count = nil, 0

local function new_id()
  process = process or ("%x%s"):format(os.time(), tostring({}):match "0x0*(%x+)" or "")
  count = count + 1
  return ("perilune-%s-%d"):format(process, count)
end

--- Shows a value here and now, also in the middle of a cell or a loop.
-- @param value   anything
-- @param options { id = the display's name }; a new one when left out
-- @return a handle: handle:update(other) shows another value in its place
local function call(_, value, options)
  local a = args.named("display", options, { { "id", "string" } })
  local handle = setmetatable({ id = a.id or new_id() }, Handle)
  local ok, reason = pcall(show, value, handle.id)
  if not ok then error(reason, 0) end
  return handle
end

--- Takes away what the cell has shown so far; on a terminal it clears the screen, in a file nothing.
-- @param wait true: not before something new is shown, so that nothing flickers
function display.clear_output(wait)
  local backend = active()
  if backend.clear then backend.clear(wait and true or false) end
end

--- A value as text for a terminal: figures as characters or sixels, tensors of pictures as coloured half blocks, all
-- else as display.text has it.
-- @param value   anything
-- @param options what the screen can do; what is left out is looked up: color (false: none), colors ("true", "256"
--   or "none"), width and height (in characters), sixel (true where the terminal draws them), unicode, pipe (true for
--   a file, where the numbers of a picture say more); and for texts what display.pretty takes
-- @return a string
function display.terminal(value, options)
  options = options or {}
  local draw = metamethod(value, "__terminal")
  local text = draw and draw(value, require("perilune.display.screen").of(options))
  return text or pretty.text(value, options)
end

--- The texts of several values as one: short ones share a line, as print would have them; where one has several lines
-- each stands alone.
-- @param texts  a list
function display.joined(texts)
  local separator, width = "\t", 0
  for _, text in ipairs(texts) do
    width = width + #text
    if text:find("\n", 1, true) or width > 200 then separator = "\n" end
  end
  return table.concat(texts, separator)
end

-- Tensors know nothing of this module; it knows how they look, and loads that when one is shown.
local tensor_metatable = getmetatable(core.zeros(1))
function tensor_metatable.__mime(t) return require("perilune.display.tensor").mime(t) end
function tensor_metatable.__terminal(t, screen) return require("perilune.display.tensor").terminal(t, screen) end

return setmetatable(display, { __call = call })
