--- The window's buttons, slider, status line and dialog: the parts of perilune.draw.board that know nothing of digits.
-- @module perilune.draw.widgets
local theme = require "perilune.draw.theme"

local widgets = {
  --- @field ACTIVE places that answer the pointer, the foremost first
  ACTIVE = { "clear", "undo", "redo", "save", "narrower", "pen", "wider", "explain", "teach", "canvas", "verdict", "bars" },
  --- @field PEN_LEAST, PEN_MOST the slider's ends, in sides of the canvas
  PEN_LEAST = 0.02, PEN_MOST = 0.3,
}

local Widgets = {}
Widgets.__index = Widgets
widgets.Widgets = Widgets

local LEAST_TEXT, MOST_TEXT = 1, 400 -- sizes that there are
local SMALL_TEXT = 5                  -- what text is shrunk to at most

local function possible(size) return math.min(MOST_TEXT, math.max(LEAST_TEXT, size)) end

--- Width and height of a text at a size.
function Widgets:measure(text, size) return self.window:measure(text, possible(size)) end

--- Text with its top at y. Returns its width.
function Widgets:text(x, y, text, size, colour, align)
  if text == "" then return 0 end
  return self.window:text(x, y, text, possible(size), colour, align)
end

--- The largest size of text, up to the one that is wanted, at which it fits into a width.
function Widgets:fitting(text, size, width)
  local wide = self:measure(text, size)
  if wide > width then size = size * width / wide end
  return possible(math.max(SMALL_TEXT, size))
end

--- The first of several texts that fits into a width at a size that can be read, and the size; the last may be cut.
function Widgets:choose(texts, size, width)
  local least = math.min(size, 9.5 * math.min(1.2, math.max(0.6, self.unit)))
  for _, text in ipairs(texts) do
    local wide = self:measure(text, size)
    if wide <= width then return text, size end
    if size * width / wide >= least then return text, size * width / wide end
  end
  return self:cut(texts[#texts], least, width), least
end

--- A text that fits into a width at a size: cut, with an ellipsis, where it is longer.
function Widgets:cut(text, size, width)
  if self:measure(text, size) <= width then return text end
  if not utf8.len(text) then text = text:gsub("[\128-\255]", "?") end
  local low, high = 0, utf8.len(text)
  while low < high do -- how many characters fit
    local middle = (low + high + 1) // 2
    local part = text:sub(1, utf8.offset(text, middle + 1) - 1) .. "…"
    if self:measure(part, size) <= width then low = middle else high = middle - 1 end
  end
  return low > 0 and text:sub(1, utf8.offset(text, low + 1) - 1) .. "…" or ""
end

--- Text whose middle line is at a height.
function Widgets:label(x, middle, text, size, colour, align)
  local _, high = self:measure(text, size)
  self:text(x, middle - high / 2, text, size, colour, align)
end

--- A few words on a dark ground of their own; the place is its lower left corner.
function Widgets:chip(x, bottom, text)
  local size = 12 * self.unit
  local wide, high = self:measure(text, size)
  local pad = 8 * self.unit
  self.window:fill(x, bottom - high - pad, wide + 2 * pad, high + pad, 0xD0191D27, (high + pad) / 2)
  self:text(x + pad, bottom - high - pad / 2, text, size, theme.text)
end

local buttons = {
  { "clear", "Clear", "C" }, { "undo", "Undo", "U" }, { "redo", "Redo", "R" }, { "save", "Save", "S" },
  { "narrower", "−" }, { "wider", "+" }, { "explain", "Why", "E" }, { "teach", "Teach", "T" },
}

function Widgets:paint_button(name, title, key, state)
  local r, w, unit = self.places[name], self.window, self.unit
  local on = name == "explain" and self.program.explaining or name == "teach" and state.dialog
  local ground = state.pressed == name and theme.pressed or on and theme.on or state.hover == name and theme.hover or theme.button
  w:fill(r.x, r.y, r.width, r.height, ground, 8 * unit)
  local colour = on and theme.accent or theme.text
  local size, middle = math.min(14 * unit, r.height * 0.5), r.y + r.height / 2
  local inner = r.width - 12 * unit
  if not key then
    self:label(r.x + r.width / 2, middle, title, size * 1.3, colour, "center")
    return
  end
  local wide, letter, gap = self:measure(title, size), self:measure(key, size * 0.78), 6 * unit
  if wide + gap + letter <= inner then -- the key beside the title, where there is room
    local x = r.x + (r.width - wide - gap - letter) / 2
    self:label(x, middle, title, size, colour)
    self:label(x + wide + gap, middle, key, size * 0.78, theme.faint)
  else
    self:label(r.x + r.width / 2, middle, title, self:fitting(title, size, inner), colour, "center")
  end
end

--- How far along the slider a pen's width is, 0 to 1: equal ways are equal factors.
function widgets.slider_of(pen)
  local part = math.log(pen / widgets.PEN_LEAST) / math.log(widgets.PEN_MOST / widgets.PEN_LEAST)
  return math.min(1, math.max(0, part))
end

--- The pen's width at a place of the slider.
function widgets.pen_of(part)
  return widgets.PEN_LEAST * (widgets.PEN_MOST / widgets.PEN_LEAST) ^ math.min(1, math.max(0, part))
end

--- The ends of the slider's track.
function Widgets:track()
  local r = self.places.pen
  local room = math.min(12 * self.unit, r.width / 4)
  return r.x + room, r.width - 2 * room
end

-- The knob is as large as the pen is, in small.
function Widgets:paint_slider(state)
  local r, w, unit = self.places.pen, self.window, self.unit
  local x, wide = self:track()
  local middle, line = r.y + r.height / 2, 4 * unit
  local part = widgets.slider_of(self.program.canvas.pen)
  w:fill(x, middle - line / 2, wide, line, theme.button, line / 2)
  w:fill(x, middle - line / 2, wide * part, line, theme.faint, line / 2)
  local radius = math.min((5 + 6 * part) * unit, r.height / 2)
  local lit = state.hover == "pen" or state.pressed == "pen"
  w:fill(x + wide * part - radius, middle - radius, 2 * radius, 2 * radius, lit and theme.accent or theme.text, radius)
end

function Widgets:paint_toolbar(state)
  for _, button in ipairs(buttons) do self:paint_button(button[1], button[2], button[3], state) end
  self:paint_slider(state)
end

--- The thumb that says which part of the bars is seen, where not all are.
function Widgets:scroll_mark(scroll)
  local l, r = self.layout, self.places.bars
  if l.scroll_most == 0 then return end
  local wide = 3 * self.unit
  local part = l.rows_shown / l.rows_all
  self.window:fill(r.x + r.width + 4 * self.unit, r.y + r.height * scroll / l.rows_all, wide, r.height * part, theme.line, wide / 2)
end

--- The line at the foot: what the program says, and what recognises.
function Widgets:paint_status(state)
  local r = self.places.status
  local size, middle = math.min(13 * self.unit, r.height * 0.62), r.y + r.height / 2
  local text = state.hint or self.program.message
  local name = self:cut(self.program.recogniser.name or "", size, r.width * (text == "" and 1 or 0.35))
  self:label(r.x + r.width, middle, name, size, theme.faint, "right")
  local room = r.width - (name ~= "" and self:measure(name, size) + 2 * self.layout.gap or 0)
  self:label(r.x, middle, self:cut(text, size, room), size, state.busy and theme.accent or theme.soft)
end

--- The name of a new class is asked for.
function Widgets:paint_dialog(state)
  local d, e, w, unit = self.places.dialog, self.places.entry, self.window, self.unit
  w:fill(d.x - unit, d.y + 3 * unit, d.width + 2 * unit, d.height + unit, theme.shade, 12 * unit)
  w:fill(d.x, d.y, d.width, d.height, theme.dialog, 12 * unit)
  local title = "Teach a new class: its name"
  self:text(e.x, d.y + 14 * unit, title, self:fitting(title, 14 * unit, e.width), theme.text)
  w:fill(e.x, e.y, e.width, e.height, theme.entry, 6 * unit)
  local size, middle = math.min(18 * unit, e.height * 0.55), e.y + e.height / 2
  local shown = state.dialog.text
  local room = e.width - 22 * unit
  while shown ~= "" and self:measure(shown, size) > room do shown = shown:sub(utf8.offset(shown, 2)) end -- its end is what is typed
  local wide = shown ~= "" and self:measure(shown, size) or 0
  if state.dialog.chosen then w:fill(e.x + 8 * unit, middle - size * 0.7, wide, size * 1.4, theme.pressed) end
  self:label(e.x + 8 * unit, middle, shown, size, theme.text)
  local caret = e.x + 8 * unit + wide + unit
  w:fill(caret, middle - size * 0.65, math.max(1, 1.5 * unit), size * 1.3, theme.accent)
  local hint = "Enter teaches this drawing, Esc closes"
  self:text(e.x, e.y + e.height + 10 * unit, hint, self:fitting(hint, 12 * unit, e.width), theme.soft)
end

return widgets
