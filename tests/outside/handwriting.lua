-- Makes pictures of letters in fonts that were made from people's handwriting (Debian: fonts-breip,
-- fonts-dkg-handwriting, fonts-femkeklaver, fonts-rufscript, fonts-sjfonts), white on black, one folder a letter, for
--
--   build/perilune tests/outside/handwriting.lua FOLDER
--   build/perilune scripts/train_recogniser.lua --measure --also handwriting=FOLDER
--
-- Only letters that perilune.data.letters has are made: the others nobody can tell from a digit. gnuplot draws.
local letters = require "perilune.data.letters"

local FONTS = { "DkgHandwriting", "Breip", "femkeklaver", "Rufscript", "Steve", "Delphine" }
local SIDE = 224

local function lines_of(command)
  local pipe, list = assert(io.popen(command)), {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

-- Without this gnuplot would draw in another font, and say nothing.
local function check_fonts()
  for _, font in ipairs(FONTS) do
    local family = lines_of(("fc-match --format='%%{family}\n' '%s'"):format(font))[1] or "nothing"
    if family:lower():sub(1, #font) ~= font:lower() then
      io.stderr:write(("the font %s is not here (fontconfig has %s instead)\n"):format(font, family))
      os.exit(1)
    end
  end
end

local function draw(folder)
  local plot = assert(io.popen("gnuplot", "w"))
  plot:write(("set terminal pngcairo size %d,%d background rgb 'black' fontscale 2\n"):format(SIDE, SIDE),
    "unset border; unset tics; unset key; set xrange [0:1]; set yrange [0:1]\n")
  for place, letter in ipairs(letters.kinds) do
    -- capital and small letters lie beside each other where a file system sees no difference
    local class = ("%s/%02d%s"):format(folder, place, letter)
    assert(os.execute(("mkdir -p '%s'"):format(class)))
    for _, font in ipairs(FONTS) do
      plot:write(("set label 1 '%s' at screen 0.5,0.5 center font '%s,40' textcolor rgb 'white'\n"):format(letter, font),
        ("set output '%s/%s.png'\nplot NaN notitle\n"):format(class, font))
    end
  end
  assert(plot:close())
end

local folder = arg[1]
if not folder or folder:find "'" then
  io.stderr:write "usage: handwriting.lua FOLDER\n"
  os.exit(2)
end
check_fonts()
draw(folder)
print(("%d letters in %d fonts: %s"):format(#letters.kinds, #FONTS, folder))
