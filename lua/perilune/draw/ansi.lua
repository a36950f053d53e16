--- What programs print for a terminal, as lines of cells: colours are kept, line breaks, tabs, backspaces and going back
-- to a line's beginning are followed (progress bars do that), and whatever else would move the cursor or change the
-- terminal's state is dropped.
--
-- A line is { n = cells, characters = {}, inks = {}, grounds = {} }; a colour that is missing is the usual one. See
-- perilune.draw.colours for colours, perilune.draw.screen for characters that are two columns wide.
-- @module perilune.draw.ansi
local colours = require "perilune.draw.colours"
local screens = require "perilune.draw.screen"

local ansi = {}

local TAB = 8
local LINE_MOST = 4096    -- cells; what is longer goes on in the next line
local SEQUENCE_MOST = 256 -- bytes of a sequence whose end has not come; a longer one is none
local DIM = 0x7A8194

local Text = {}
Text.__index = Text

local function new_line() return { n = 0, characters = {}, inks = {}, grounds = {} } end

--- A text that is written to.
-- @param most lines that are kept; the oldest go
function ansi.new(most)
  return setmetatable({ lines = { new_line() }, most = most or 1000, column = 1, pending = "", version = 0 }, Text)
end

function Text:next_line()
  local lines = self.lines
  lines[#lines + 1] = new_line()
  if #lines > self.most + self.most // 4 then
    self.lines = table.move(lines, #lines - self.most + 1, #lines, 1, {})
  end
  self.column = 1
end

function Text:put(character, width)
  if self.column + width - 1 > LINE_MOST then self:next_line() end
  local line, column = self.lines[#self.lines], self.column
  for i = line.n + 1, column - 1 do line.characters[i] = " " end
  line.characters[column], line.inks[column], line.grounds[column] = character, self.ink, self.ground
  if width == 2 then
    line.characters[column + 1], line.inks[column + 1], line.grounds[column + 1] = "", self.ink, self.ground
  end
  self.column = column + width
  line.n = math.max(line.n, self.column - 1)
end

-- A character without a width belongs to the one before.
function Text:join(character)
  local line, column = self.lines[#self.lines], self.column - 1
  if line.characters[column] == "" then column = column - 1 end
  if line.characters[column] and #line.characters[column] < 32 then
    line.characters[column] = line.characters[column] .. character
  end
end

local function erase(line, from)
  for i = from, line.n do line.characters[i], line.inks[i], line.grounds[i] = nil, nil, nil end
  line.n = math.min(line.n, from - 1)
end

-- --- colours ---

-- A colour of 38;5;n or 38;2;r;g;b whose "38" is at `at`; and the place of its last number.
local function extended(numbers, at)
  if numbers[at + 1] == 5 then
    local number = numbers[at + 2]
    return number and number < 256 and colours.of_palette(number) or nil, at + 2
  elseif numbers[at + 1] == 2 then
    local r, g, b = numbers[at + 2], numbers[at + 3], numbers[at + 4]
    if r and g and b and r < 256 and g < 256 and b < 256 then return r << 16 | g << 8 | b, at + 4 end
    return nil, at + 4
  end
  return nil, at + 1
end

-- What shows of the colours that are asked for.
function Text:settle()
  local ink, ground = self.asked_ink, self.asked_ground
  if self.dim and not ink then ink = DIM end
  if self.inverse then ink, ground = ground or 0x101218, ink or 0xD8DCE6 end
  self.ink, self.ground = ink, ground
end

function Text:style(body)
  local numbers = {}
  for number in (body == "" and "0" or body):gmatch "[^;:]*" do
    numbers[#numbers + 1] = math.tointeger(tonumber(number)) or 0
  end
  local at = 1
  while numbers[at] do
    local n = numbers[at]
    if n == 0 then
      self.asked_ink, self.asked_ground, self.dim, self.inverse = nil, nil, nil, nil
    elseif n == 2 then self.dim = true
    elseif n == 22 then self.dim = nil
    elseif n == 7 then self.inverse = true
    elseif n == 27 then self.inverse = nil
    elseif n >= 30 and n <= 37 then self.asked_ink = -1 - (n - 30)
    elseif n >= 90 and n <= 97 then self.asked_ink = -1 - (n - 82)
    elseif n == 39 then self.asked_ink = nil
    elseif n >= 40 and n <= 47 then self.asked_ground = -1 - (n - 40)
    elseif n >= 100 and n <= 107 then self.asked_ground = -1 - (n - 92)
    elseif n == 49 then self.asked_ground = nil
    elseif n == 38 then self.asked_ink, at = extended(numbers, at)
    elseif n == 48 then self.asked_ground, at = extended(numbers, at)
    end
    at = at + 1
  end
  self:settle()
end

-- --- what is written ---

-- ESC [ parameters final
function Text:control(body, final)
  if final == "m" and body:find "^[%d;:]*$" then
    self:style(body)
  elseif final == "K" then
    local line = self.lines[#self.lines]
    if body == "2" then erase(line, 1) elseif body ~= "1" then erase(line, self.column) end
  elseif final == "G" then
    self.column = math.max(1, math.min(LINE_MOST, math.tointeger(tonumber(body)) or 1))
  elseif final == "C" then
    self.column = math.min(LINE_MOST, self.column + (math.tointeger(tonumber(body)) or 1))
  elseif final == "J" and (body == "2" or body == "3") then
    self:clear()
  end
end

-- A sequence that begins at `at`: the place behind it, or nil when its rest has not come.
function Text:sequence(text, at)
  local second = text:sub(at + 1, at + 1)
  if second == "" then return nil end
  if second == "[" then
    local body, final, stop = text:match("^\27%[([\32-\63]*)([\64-\126])()", at)
    if body then
      self:control(body, final)
      return stop
    end
    local length = #text:match("^\27%[[\32-\63]*", at)
    if at + length > #text and length < SEQUENCE_MOST then return nil end
    return at + length
  end
  if second:find "[%]P_X^]" then -- strings for the terminal: titles, links, pictures; BEL or ESC \ ends them
    local _, stop = text:find("\27\\", at + 2, true)
    local _, bell = text:find("\7", at + 2, true)
    if bell and second == "]" and (not stop or bell < stop) then stop = bell end
    return stop and stop + 1 or nil
  end
  return text:match("^\27[\32-\47]*.()", at) or text:match("^\27[\32-\47]+()", at) or at + 1
end

local controls = {
  ["\n"] = Text.next_line,
  ["\r"] = function(self) self.column = 1 end,
  ["\8"] = function(self) self.column = math.max(1, self.column - 1) end,
  ["\t"] = function(self)
    local stop = self.column + TAB - (self.column - 1) % TAB
    while self.column < stop do self:put(" ", 1) end
  end,
}

-- A stretch without control characters; the beginning of a character at its very end is left, and its place given.
function Text:run(text, from, to)
  local at = from
  while at <= to do
    local byte = text:byte(at)
    if byte < 0x80 then
      self:put(text:sub(at, at), 1)
      at = at + 1
    else
      local wanted = byte >= 0xF5 and 1 or byte >= 0xF0 and 4 or byte >= 0xE0 and 3 or byte >= 0xC2 and 2 or 1
      if at + wanted - 1 > #text and text:find("^[\128-\191]*$", at + 1) then return at end
      local character = text:sub(at, at + wanted - 1)
      local code = utf8.len(character) == 1 and utf8.codepoint(character)
      if not code then
        self:put("\u{FFFD}", 1)
        wanted = 1
      elseif code >= 0xA0 then -- those below are control characters
        local width = screens.width(code)
        if width == 0 then self:join(character) else self:put(character, width) end
      end
      at = at + wanted
    end
  end
end

--- Writes bytes; the beginning of a sequence or a character waits for its rest.
function Text:write(bytes)
  local text, at = self.pending .. bytes, 1
  self.pending = ""
  self.version = self.version + 1
  while at <= #text do
    local stop = text:find("[%c]", at) or #text + 1
    local rest = self:run(text, at, stop - 1)
    if rest then stop, self.pending = #text + 1, text:sub(rest) end
    if stop > #text then break end
    if text:byte(stop) == 27 then
      at = self:sequence(text, stop)
      if not at then
        if #text - stop < 1 << 20 then self.pending = text:sub(stop) end
        break
      end
    else
      local control = controls[text:sub(stop, stop)]
      if control then control(self) end
      at = stop + 1
    end
  end
end

--- What waits for its rest will get none.
function Text:finish()
  self.pending = ""
  self.asked_ink, self.asked_ground, self.dim, self.inverse, self.ink, self.ground = nil, nil, nil, nil, nil, nil
end

--- Nothing is written on the last line?
function Text:at_line_start() return self.lines[#self.lines].n == 0 end

--- Takes all lines away.
function Text:clear()
  self.lines, self.column, self.version = { new_line() }, 1, self.version + 1
end

--- The text without colours.
function Text:plain()
  local lines = {}
  for i, line in ipairs(self.lines) do lines[i] = table.concat(line.characters, "", 1, line.n) end
  return table.concat(lines, "\n")
end

return ansi
