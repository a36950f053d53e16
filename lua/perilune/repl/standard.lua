--- What the functions of Lua's standard library do, for help() and completion: one row a name, how it is called and
-- what comes of it, in a sentence. The names are those that package.loaded has them under: "print", "string.format".
-- @module perilune.repl.standard
local rows = {
  assert = { "assert(value [, message])", "Gives its arguments back, or raises the message when the first is "
    .. "false or nil." },
  collectgarbage = { 'collectgarbage([option [, argument]])', 'Runs the collector; "count" gives the kilobytes '
    .. 'in use, "stop", "restart", "step", "incremental" and "generational" steer it.' },
  dofile = { "dofile([path])", "Runs a file of Lua (standard input without a path) and gives back what it returns." },
  error = { "error(message [, level])", "Raises an error. Level 1 adds the place of this call, 2 that of the "
    .. "caller, 0 none." },
  getmetatable = { "getmetatable(object)", "The object's metatable, or its field __metatable where there is one." },
  ipairs = { "ipairs(t)", "For a loop over t[1], t[2], ... up to the first nil: for i, value in ipairs(t) do "
    .. "... end." },
  load = { "load(chunk [, name [, mode [, env]]])", "Compiles text (or the pieces a function gives) into a "
    .. 'function; nil and a message when it is wrong. mode: "t" text, "b" binary, "bt".' },
  loadfile = { "loadfile([path [, mode [, env]]])", "Compiles a file into a function; nil and a message when it "
    .. "cannot." },
  next = { "next(t [, key])", "The key after this one and its value, in no order of their own; nil after the last." },
  pairs = { "pairs(t)", "For a loop over all keys: for key, value in pairs(t) do ... end. __pairs may replace it." },
  pcall = { "pcall(f, ...)", "Calls f; true and its results, or false and the error." },
  print = { "print(...)", "Writes its arguments as tostring gives them, with tabs between them and a line break "
    .. "at the end." },
  rawequal = { "rawequal(a, b)", "Are they the same, without asking __eq?" },
  rawget = { "rawget(t, key)", "t[key] without asking __index." },
  rawlen = { "rawlen(v)", "The length of a table or string without asking __len." },
  rawset = { "rawset(t, key, value)", "t[key] = value without asking __newindex; gives t back." },
  require = { "require(name)", "Loads a module once, by package.path and package.cpath, and gives back what it "
    .. "returned." },
  select = { 'select(n, ...)', 'The arguments from the n-th on; negative n counts from the end; select("#", '
    .. '...) is their number.' },
  setmetatable = { "setmetatable(t, meta)", "Gives a table a metatable (nil takes it away); gives the table back." },
  tonumber = { "tonumber(value [, base])", "A number of a text, in a base from 2 to 36 where one is given; nil "
    .. "when it is none." },
  tostring = { "tostring(value)", "A text of any value; __tostring and __name have their say." },
  type = { "type(value)", '"nil", "number", "string", "boolean", "table", "function", "thread" or "userdata".' },
  warn = { "warn(message, ...)", 'Writes a warning to standard error, if warnings are on ("@on", "@off").' },
  xpcall = { "xpcall(f, handler, ...)", "pcall whose errors pass through handler, while the stack still stands." },

  ["string.byte"] = { "string.byte(s [, i [, j]])", "The codes of the bytes from i (1) to j (i)." },
  ["string.char"] = { "string.char(...)", "A text of bytes with these codes." },
  ["string.dump"] = { "string.dump(f [, strip])", "A function as bytecode, which load reads." },
  ["string.find"] = { "string.find(s, pattern [, init [, plain]])", "Where the pattern is first found from init "
    .. "on: first and last byte, then the captures; nil when nowhere. plain: no pattern, the text itself." },
  ["string.format"] = { "string.format(format, ...)", "Numbers and texts put into a format as C's printf has "
    .. "it: %d %5.2f %s %q %x %g %%." },
  ["string.gmatch"] = { "string.gmatch(s, pattern [, init])", "For a loop over all matches: for word in "
    .. "s:gmatch \"%a+\" do ... end." },
  ["string.gsub"] = { "string.gsub(s, pattern, replacement [, n])", "Replaces matches (the first n): by a text "
    .. "with %1, by a table's value or a function's result. The new text, and how many were found." },
  ["string.len"] = { "string.len(s)", "How many bytes, as #s; utf8.len counts characters." },
  ["string.lower"] = { "string.lower(s)", "Letters of ASCII in lower case." },
  ["string.match"] = { "string.match(s, pattern [, init])", "The captures of the first match, or the match when "
    .. "it has none; nil when there is none." },
  ["string.pack"] = { "string.pack(format, ...)", 'Values as binary text: "<i4" a little-endian integer of 4 '
    .. 'bytes, "d" a double, "s4" a text with its length.' },
  ["string.packsize"] = { "string.packsize(format)", "How many bytes string.pack would give." },
  ["string.rep"] = { "string.rep(s, n [, separator])", "n copies one after the other." },
  ["string.reverse"] = { "string.reverse(s)", "The bytes backwards." },
  ["string.sub"] = { "string.sub(s, i [, j])", "The bytes from i to j (-1: the end); negative places count from "
    .. "the end." },
  ["string.unpack"] = { "string.unpack(format, s [, place])", "The values of a binary text as string.pack "
    .. "writes them, and the place after." },
  ["string.upper"] = { "string.upper(s)", "Letters of ASCII in upper case." },

  ["table.concat"] = { "table.concat(list [, separator [, i [, j]]])", "The texts and numbers of a list as one "
    .. "text." },
  ["table.insert"] = { "table.insert(list, [place,] value)", "Puts a value at a place (the end) and moves up "
    .. "what follows." },
  ["table.move"] = { "table.move(from, i, j, to_place [, to])", "Copies from[i..j] to to[to_place..] (from "
    .. "itself without to); gives to back." },
  ["table.pack"] = { "table.pack(...)", "A list of its arguments, their number in the field n." },
  ["table.remove"] = { "table.remove(list [, place])", "Takes the value at a place (the end) out and gives it "
    .. "back." },
  ["table.sort"] = { "table.sort(list [, less])", "Sorts in place, by < or by less(a, b). Equal elements may "
    .. "change places." },
  ["table.unpack"] = { "table.unpack(list [, i [, j]])", "The elements from i (1) to j (#list), as separate "
    .. "values." },

  ["math.abs"] = { "math.abs(x)", "x without its sign." },
  ["math.acos"] = { "math.acos(x)", "Arc cosine, in radians." },
  ["math.asin"] = { "math.asin(x)", "Arc sine, in radians." },
  ["math.atan"] = { "math.atan(y [, x])", "Arc tangent of y / x (x = 1), in radians, in the right quadrant." },
  ["math.ceil"] = { "math.ceil(x)", "The smallest whole number that is not below x." },
  ["math.cos"] = { "math.cos(x)", "Cosine of x radians." },
  ["math.deg"] = { "math.deg(x)", "Radians in degrees." },
  ["math.exp"] = { "math.exp(x)", "e to the power x." },
  ["math.floor"] = { "math.floor(x)", "The largest whole number that is not above x." },
  ["math.fmod"] = { "math.fmod(x, y)", "What is left of x / y, rounded towards zero; x % y rounds downwards." },
  ["math.log"] = { "math.log(x [, base])", "Logarithm, natural without a base." },
  ["math.max"] = { "math.max(x, ...)", "The largest of its arguments." },
  ["math.min"] = { "math.min(x, ...)", "The smallest of its arguments." },
  ["math.modf"] = { "math.modf(x)", "The whole part and the rest." },
  ["math.rad"] = { "math.rad(x)", "Degrees in radians." },
  ["math.random"] = { "math.random([m [, n]])", "A random float in [0, 1); a whole number from 1 to m, or from "
    .. "m to n. peri.rand and peri.seed are a generator of their own." },
  ["math.randomseed"] = { "math.randomseed([x [, y]])", "Starts math.random anew; without arguments at a random "
    .. "place." },
  ["math.sin"] = { "math.sin(x)", "Sine of x radians." },
  ["math.sqrt"] = { "math.sqrt(x)", "The square root." },
  ["math.tan"] = { "math.tan(x)", "Tangent of x radians." },
  ["math.tointeger"] = { "math.tointeger(x)", "x as an integer when it is whole, else nil." },
  ["math.type"] = { "math.type(x)", '"integer", "float", or nil when x is no number.' },
  ["math.ult"] = { "math.ult(m, n)", "m < n, both read as unsigned." },

  ["io.close"] = { "io.close([file])", "Closes a file (the default output)." },
  ["io.flush"] = { "io.flush()", "Writes out what the default output holds back." },
  ["io.input"] = { "io.input([file])", "The default input; a file or path becomes it." },
  ["io.lines"] = { "io.lines([path, ...])", "For a loop over the lines of a file (the default input), or over "
    .. "what formats as read's give." },
  ["io.open"] = { 'io.open(path [, mode])', 'Opens a file: "r", "w", "a", "r+", "w+", "a+", with "b" for '
    .. 'binary. nil and a message when it cannot.' },
  ["io.output"] = { "io.output([file])", "The default output; a file or path becomes it." },
  ["io.popen"] = { 'io.popen(command [, mode])', 'Runs a command and gives a file to read what it writes ("r") '
    .. 'or to write what it reads ("w").' },
  ["io.read"] = { 'io.read(...)', 'Reads from the default input: "l" a line, "L" with its line break, "n" a '
    .. 'number, "a" all, or a number of bytes.' },
  ["io.tmpfile"] = { "io.tmpfile()", "A file for reading and writing that goes when the program ends." },
  ["io.type"] = { "io.type(object)", '"file", "closed file", or nil for anything else.' },
  ["io.write"] = { "io.write(...)", "Writes texts and numbers to the default output." },

  ["os.clock"] = { "os.clock()", "Seconds of processor time; peri.monotonic() is a clock on the wall." },
  ["os.date"] = { 'os.date([format [, time]])', 'A date as text, by strftime\'s format; "*t" gives a table, "!" '
    .. 'in front UTC.' },
  ["os.difftime"] = { "os.difftime(t2, t1)", "Seconds between two times." },
  ["os.execute"] = { "os.execute([command])", 'Runs a command and waits: true or nil, "exit" or "signal", and '
    .. 'the number.' },
  ["os.exit"] = { "os.exit([code [, close]])", "Ends the program." },
  ["os.getenv"] = { "os.getenv(name)", "An environment variable, or nil." },
  ["os.remove"] = { "os.remove(path)", "Deletes a file or an empty folder; nil and a message when it cannot." },
  ["os.rename"] = { "os.rename(from, to)", "Renames a file; nil and a message when it cannot." },
  ["os.setlocale"] = { "os.setlocale([locale [, category]])", "Sets the C library's locale, or tells it." },
  ["os.time"] = { "os.time([table])", "Seconds since 1970, now or of a date { year =, month =, day =, hour =, "
    .. "min =, sec = }." },
  ["os.tmpname"] = { "os.tmpname()", "The name of a temporary file, which it makes." },

  ["coroutine.close"] = { "coroutine.close(co)", "Ends a suspended coroutine and closes its variables." },
  ["coroutine.create"] = { "coroutine.create(f)", "A coroutine that will run f." },
  ["coroutine.isyieldable"] = { "coroutine.isyieldable([co])", "May it yield here?" },
  ["coroutine.resume"] = { "coroutine.resume(co, ...)", "Starts or goes on; true and what it yields or returns, "
    .. "or false and the error." },
  ["coroutine.running"] = { "coroutine.running()", "The coroutine that runs, and whether it is the main one." },
  ["coroutine.status"] = { "coroutine.status(co)", '"running", "suspended", "normal" or "dead".' },
  ["coroutine.wrap"] = { "coroutine.wrap(f)", "A function that resumes a coroutine of f at each call; errors "
    .. "come through." },
  ["coroutine.yield"] = { "coroutine.yield(...)", "Suspends the coroutine; resume gives these values, and yield "
    .. "the arguments of the next resume." },

  ["utf8.char"] = { "utf8.char(...)", "A text of characters with these codes." },
  ["utf8.codepoint"] = { "utf8.codepoint(s [, i [, j [, lax]]])", "The codes of the characters that begin from "
    .. "byte i to byte j." },
  ["utf8.codes"] = { "utf8.codes(s [, lax])", "For a loop over characters: for place, code in utf8.codes(s) do "
    .. "... end." },
  ["utf8.len"] = { "utf8.len(s [, i [, j [, lax]]])", "How many characters; nil and the place of the first byte "
    .. "that is not UTF-8." },
  ["utf8.offset"] = { "utf8.offset(s, n [, i])", "The byte at which the n-th character from i begins." },

  ["debug.debug"] = { "debug.debug()", "Reads and runs lines until one says cont." },
  ["debug.getinfo"] = { "debug.getinfo([co,] function_or_level [, what])", "A table of what is known of a "
    .. "function: name, source, lines." },
  ["debug.getlocal"] = { "debug.getlocal([co,] level, n)", "Name and value of a local variable." },
  ["debug.getupvalue"] = { "debug.getupvalue(f, n)", "Name and value of a variable that a function closes over." },
  ["debug.sethook"] = { "debug.sethook([co,] hook, mask [, count])", 'Calls hook at calls ("c"), returns ("r"), '
    .. 'lines ("l") or every count instructions.' },
  ["debug.traceback"] = { "debug.traceback([co,] [message [, level]])", "The message and the calls that led here." },
  ["package.loadlib"] = { "package.loadlib(path, name)", "A function of a C library." },
  ["package.searchpath"] = { "package.searchpath(name, path)", "The file that a path with ? leads to; nil and "
    .. "where it was looked for." },
}

local standard = {}

local known -- rows by function, made when first asked for

local function by_function()
  local found = {}
  for name, row in pairs(rows) do
    local module, field = name:match "^(%w+)%.(%w+)$"
    local held = package.loaded[module or "_G"]
    local f = held and held[field or name]
    if f then found[f] = row end
  end
  return found
end

--- What is known of a function.
-- @param f  a function of the standard library, or its name
-- @return { how it is called, what it does }, or nil
function standard.of(f)
  if type(f) == "string" then return rows[f] end
  known = known or by_function()
  return known[f]
end

return standard
