--- Training curves from what net:fit returns: { epoch = {...}, loss = {...}, val_loss = {...}, ... }, any metric
-- with or without its twin val_NAME. A panel for each metric; several runs are laid over each other.
-- @module perilune.plot.history
local args = require "perilune.args"
local color = require "perilune.plot.color"
local data = require "perilune.plot.data"
local Figure = require "perilune.plot.figure"
local Panels = require "perilune.plot.panels"

local NO_METRIC = { epoch = true, lr = true, seconds = true, time = true }

local function is_series(value) return data.is_list(value) and #data.plain("", "", value) > 0 end

local function is_history(value)
  if type(value) ~= "table" then return false end
  for name, list in pairs(value) do
    local is_named = type(name) == "string" and is_series(list)
    if is_named and type(data.plain("", "", list)[1]) == "number" then return true end
  end
  return false
end

-- One history, a list of them, or a table of them by name: a list of { name =, history = }.
local function runs_of(where, given)
  if is_history(given) then return { { history = given } } end
  local runs = {}
  if type(given) == "table" then
    if type(given.epoch or given.loss) == "table" then data.fail(where, "the history has no epoch yet") end
    for key, history in pairs(given) do
      if not is_history(history) then
        data.fail(where, "'%s' is no history with at least one epoch, such as { loss = { 0.5, 0.3 } }", tostring(key))
      end
      runs[#runs + 1] = { name = math.type(key) and "run " .. key or tostring(key), key = key, history = history }
    end
  end
  if #runs == 0 then
    data.fail(where, "wants a history with at least one epoch, as net:fit returns it, or several by name")
  end
  table.sort(runs, function(a, b)
    if math.type(a.key) and math.type(b.key) then return a.key < b.key end
    return a.name < b.name
  end)
  return runs
end

-- Loss, accuracy, then whatever else the runs measured.
local function metrics_of(runs)
  local found, names = {}, {}
  for _, run in ipairs(runs) do
    for name, list in pairs(run.history) do
      local base = type(name) == "string" and name:gsub("^val_", "")
      if base and not NO_METRIC[base] and is_series(list) and not found[base] then
        found[base] = true
        names[#names + 1] = base
      end
    end
  end
  local rank = { loss = 1, accuracy = 2 }
  table.sort(names, function(a, b)
    local ra, rb = rank[a] or 3, rank[b] or 3
    if ra ~= rb then return ra < rb end
    return a < b
  end)
  return names
end

local function less_is_better(metric)
  for _, part in ipairs { "loss", "error", "mse", "mae", "huber", "kl", "entropy", "perplexity" } do
    if metric:find(part, 1, true) then return true end
  end
  return false
end

local function best_of(values, metric)
  local less, at = less_is_better(metric), nil
  for i, value in ipairs(values) do
    if data.finite(value) and (not at or (less and value < values[at]) or (not less and value > values[at])) then
      at = i
    end
  end
  return at
end

-- Epochs for a list of values.
local function epochs_of(where, history, values)
  local epochs = history.epoch and data.vector(where, "epoch", history.epoch)
  return epochs and #epochs == #values and epochs or data.count(#values)
end

local function series(where, history, name)
  return history[name] ~= nil and is_series(history[name]) and data.vector(where, name, history[name]) or nil
end

local function draw_one(where, fig, history, metric)
  local train, validation = series(where, history, metric), series(where, history, "val_" .. metric)
  local few = #(train or validation) <= 40
  if train then
    fig:lines(epochs_of(where, history, train), train, { title = "training", color = 1, points = few })
  end
  if not validation then return end
  local epochs, at = epochs_of(where, history, validation), best_of(validation, metric)
  fig:lines(epochs, validation, { title = "validation", color = 2, points = few })
  if at then
    fig:scatter({ epochs[at] }, { validation[at] }, {
      title = ("best %.4g"):format(validation[at]), color = 4, mark = "ring", size = 1.9,
      opacity = 1,
    })
  end
end

local function draw_several(where, fig, runs, metric)
  local any_twin = false
  for i, run in ipairs(runs) do
    local train, validation = series(where, run.history, metric), series(where, run.history, "val_" .. metric)
    local hex = color.resolve(where, nil, i)
    if train then
      fig:lines(epochs_of(where, run.history, train), train, {
        title = not validation and run.name or nil, color = validation and color.tint(hex, 0.6) or hex,
        dash = validation and "dashed" or "solid", linewidth = validation and 1.5 or 2,
      })
    end
    if validation then
      local epochs, at = epochs_of(where, run.history, validation), best_of(validation, metric)
      any_twin = any_twin or train ~= nil
      fig:lines(epochs, validation, { title = run.name, color = hex })
      if at then
        fig:scatter({ epochs[at] }, { validation[at] }, { color = hex, mark = "ring", size = 1.7, opacity = 1 })
      end
    end
  end
  if any_twin then
    fig:raw { plot = ("NaN with lines lw 1.5 dt (9,5) lc rgb '%s' title 'training'"):format(color.frame) }
    fig:raw { plot = ("NaN with points pt 6 ps 1.7 lc rgb '%s' title 'best'"):format(color.frame) }
  end
end

local function epoch_range(where, runs, metric)
  local lo, hi
  for _, run in ipairs(runs) do
    for _, name in ipairs { metric, "val_" .. metric } do
      local values = series(where, run.history, name)
      if values then lo, hi = data.bounds(epochs_of(where, run.history, values), lo, hi) end
    end
  end
  return lo and lo < hi
end

--- Draws training curves.
-- @param given    a history, a list of histories, or histories by name
-- @param options  metrics (which, in order; all unless told), title, logy (for the losses), width, height
local function plot_history(given, options)
  local where = "plot.history"
  local o = args.named(where, options, {
    { "metrics", "table" }, { "title", "string" }, { "logy", "boolean", false }, { "width", "number" },
    { "height", "number" },
  })
  local runs = runs_of(where, given)
  local figures = {}
  for i, metric in ipairs(o.metrics or metrics_of(runs)) do
    local fig = Figure.new {
      xlabel = "epoch", ylabel = tostring(metric):gsub("_", " "), xticks = "whole", width = 560,
      logy = o.logy and less_is_better(metric) or nil,
    }
    local measured = false
    for _, run in ipairs(runs) do
      measured = measured or series(where, run.history, metric) or series(where, run.history, "val_" .. metric)
    end
    if not measured then data.fail(where, "no run measured '%s'", tostring(metric)) end
    if runs[1].name then
      draw_several(where, fig, runs, metric)
    else
      draw_one(where, fig, runs[1].history, metric)
    end
    if not epoch_range(where, runs, metric) then fig:xticks { 0, 1 } end
    figures[i] = fig
  end
  if #figures == 0 then data.fail(where, "metrics is empty") end
  figures.title, figures.width, figures.height = o.title, o.width, o.height
  figures.columns = math.min(#figures, #figures == 4 and 2 or 3)
  return Panels.new(figures)
end

return plot_history
