--- The window's colours, 0xRRGGBB or 0xAARRGGBB: a night sky around a sheet of paper in moonlight.
--
-- Text on its ground has a contrast of 4.5 : 1 or more, faint text too.
-- @module perilune.draw.theme
return {
  ground = 0x10131A, panel = 0x191D27, line = 0x2A3040,
  button = 0x252B39, hover = 0x30384A, pressed = 0x3D475E, on = 0x5A4A26,
  text = 0xEDEFF5, soft = 0xAEB6C7, faint = 0x8B94A8,
  accent = 0xFFC65C, bar = 0x6C93D6, trough = 0x2A3142, row = 0x212838,
  paper = 0xF7F4EC, ink = 0xFF1A1F2E, no_ink = 0x001A1F2E, hint = 0x8A8578, ring = 0x801A1F2E,
  box = 0x90B8741A, box_chosen = 0xE0C77700, box_text = 0x8A5A00,
  seen_ground = 0xFF05070B, seen_ink = 0xFFFFFFFF,
  heat = 0xB8FF5A1F, no_heat = 0x00FF5A1F,
  shade = 0x59000000, dialog = 0x202634, entry = 0x10131A,
}
