--- How schedules show themselves on a page: the rate over a run of 10 epochs of 100 batches. Only those that are
-- functions of the position alone, and the library's own, are asked: a person's function or coroutine may do anything.
-- @module perilune.optim.curve
local curve = {}

local EPOCHS, BATCHES = 10, 100

-- Whether asking for a rate changes nothing.
local function is_formula(schedule)
  if schedule.inner then return is_formula(schedule.inner) end
  return schedule.formula ~= nil and schedule.name ~= "function"
end

local function figure_of(schedule)
  local positions, rates, total = {}, {}, EPOCHS * BATCHES
  for step = 1, total do
    positions[step] = (step - 1) / BATCHES
    rates[step] = schedule:rate((step - 1) / total, step, (step - 1) // BATCHES + 1)
  end
  return require("perilune.plot").lines(positions, rates, { width = 480, height = 240, xlabel = "epochs done",
    ylabel = "learning rate", title = tostring(schedule), fontsize = 11, xticks = "whole" })
end

--- The forms of a schedule: a curve where it can be drawn, its name always.
function curve.mime(schedule)
  local plain = tostring(schedule)
  if is_formula(schedule) then
    local ok, forms, metadata = pcall(function()
      local figure = figure_of(schedule)
      return getmetatable(figure).__mime(figure)
    end)
    if ok then
      forms["text/plain"] = plain
      return forms, metadata
    end
    require("perilune.interruption").pass(forms)
  end
  return { ["text/plain"] = plain }
end

return curve
