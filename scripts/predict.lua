#!/usr/bin/env lua5.4
-- Which digit is in a picture: PNG, JPEG or PGM of any size, dark on light or light on dark.
--
--   build/perilune scripts/predict.lua seven.png
--   lua5.4 scripts/predict.lua --help

dofile((arg[0]:match "^(.*)/[^/]*$" or ".") .. "/tree.lua")

local script = require "perilune.script"

local NAME = "predict"

local function options()
  local parser = script.parser(NAME, "Says which digit is in each picture. A picture is treated as MNIST's were: "
    .. "cropped, scaled to 20x20 by its longer side, centred by its mass in 28x28. A net that brings a calibration "
    .. "also says when it takes what it sees for no digit.")
  parser:argument("images", "Pictures: PNG, JPEG or PGM of any size, dark on light or light on dark."):args "+"
  parser:option("--model", "The net.", "digits.h5")
  parser:option("--top", "How many classes to show.", "3", script.count)
  parser:option("--threads", "Threads to use; all processors when left out.", nil, script.count)
  parser:flag("--show", "Show each picture as the net sees it.")
  parser:flag("--json", "Print the result as one JSON object, the last line of standard output; all else goes to "
    .. "standard error.")
  return script.parse(parser, arg)
end

-- The 28x28 pixels as text, two characters a pixel.
local function sketch(rows)
  local shades, lines = { "  ", "░░", "▒▒", "▓▓", "██" }, {}
  for y, row in ipairs(rows) do
    local cells = {}
    for x, pixel in ipairs(row) do
      local value = type(pixel) == "table" and pixel[1] or pixel
      cells[x] = shades[math.min(math.floor(value * 4 + 0.5), 4) + 1]
    end
    lines[y] = table.concat(cells)
  end
  return table.concat(lines, "\n")
end

local function recognise(recogniser, path, o, output)
  local seen = recogniser:predict_picture(path, { ink = "auto" })
  local texts, top = {}, {}
  for i, answer in ipairs(recogniser:ranked(seen.probabilities, o.top)) do
    texts[i] = ("%s %.2f%%"):format(answer.label, answer.probability * 100)
    top[i] = { class = answer.label, probability = answer.probability }
  end
  if o.show then output:write(sketch(seen.input:reshape(28, 28):totable()), "\n") end
  local doubt = recogniser.calibrated and not seen.certain
  output:write(("%s: %s%s\n"):format(path, doubt and "not a digit? " or "", table.concat(texts, ", ")))
  local certain = nil -- only a calibrated net can say
  if recogniser.calibrated then certain = seen.certain end
  return { image = path, class = seen.label, probability = seen.confidence, certain = certain, top = top }
end

local function main()
  local o = options()
  script.perilune(NAME)
  script.threads(o.threads)
  local recogniser = require("perilune.draw.recogniser").load(o.model)
  local output = o.json and io.stderr or io.stdout
  local results, failed = {}, false
  for _, path in ipairs(o.images) do
    local ok, result = pcall(recognise, recogniser, path, o, output)
    if ok then
      results[#results + 1] = result
    else
      failed = true
      io.stderr:write(NAME, ": ", script.reason(result), "\n")
    end
  end
  if o.json then print(require("perilune.json").encode { model = o.model, results = results }) end
  return failed and script.FAILED or 0
end

script.run(NAME, main)
