--- What a net does, step by step: net:plan().
--
-- The net runs once on zeros, in training by default, and each call into the core is looked up on the tape: which ops
-- it was, and what they keep for backward. Running statistics and the generator are as before afterwards.
-- @module perilune.nn.plan
local args = require "perilune.args"
local core = require "perilune.core"
local html = require "perilune.display.html"
local lua_layers = require "perilune.nn.lua_layers"

local plan = {}

local Plan = {}
Plan.__name = "perilune.Plan"

-- Ops whose gradient is made only where something can flow: the winners of a pool.
local SPARSE = { conv2d_pool = true }
-- Ops that only look at the same numbers in another shape.
local VIEW = { reshape = true, flatten = true, permute = true, transpose = true, expand = true, squeeze = true,
  unsqueeze = true }

-- --- text ---

local function shape_text(shape) return "(" .. table.concat(shape, ", ") .. ")" end

local function amount(n)
  if n == 0 then return "" end
  for _, unit in ipairs { { 1e12, "T" }, { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } } do
    if n >= unit[1] then return ("%.3g %s"):format(n / unit[1], unit[2]) end
  end
  return ("%d"):format(n)
end

local function bytes(n)
  if n == 0 then return "" end
  for _, unit in ipairs { { 1024 ^ 3, "GB" }, { 1024 ^ 2, "MB" }, { 1024, "KB" } } do
    if n >= unit[1] then return ("%.3g %s"):format(n / unit[1], unit[2]) end
  end
  return ("%d B"):format(n)
end

-- Rows of text as a table: the first row is the head; columns named in `right` are set to the right.
local function tabular(rows, right)
  local width, lines = {}, {}
  for _, row in ipairs(rows) do
    for column, text in ipairs(row) do width[column] = math.max(width[column] or 0, #text) end
  end
  for i, row in ipairs(rows) do
    local cells = {}
    for column, text in ipairs(row) do
      local space = (" "):rep(width[column] - #text)
      cells[column] = right[column] and space .. text or text .. space
    end
    lines[#lines + 1] = (table.concat(cells, "  "):gsub("%s+$", ""))
    if i == 1 then
      local total = 2 * (#width - 1)
      for _, w in ipairs(width) do total = total + w end
      lines[#lines + 1] = ("-"):rep(total)
    end
  end
  return lines
end

local HEADS = { "layers", "op", "gives", "weights", "mul-adds", "done", "keeps", "backward", "update" }
local RIGHT = { [4] = true, [5] = true, [6] = true, [7] = true }

-- The steps as rows of text, the head first; names of ops cut to `most` letters.
local function rows_of(steps, most)
  local rows = { HEADS }
  for i, step in ipairs(steps) do
    local ops = table.concat(step.ops, " + ")
    if #ops > most then ops = ops:sub(1, most - 3) .. "..." end
    rows[i + 1] = { step.layers, ops, shape_text(step.shape), amount(step.parameters), amount(step.multiplications),
      amount(step.executed), bytes(step.saved), step.backward or "", step.update or "" }
  end
  return rows
end

-- What is said below the table.
local function sums_of(steps)
  local share = steps.multiplications > 0 and (" (%.0f %%)"):format(100 * steps.executed / steps.multiplications) or ""
  local lines = { ("forward, %d sample%s: %s multiply-adds, of which %s are done%s; %s"):format(
    steps.batch, steps.batch == 1 and "" or "s", amount(steps.multiplications), amount(steps.executed), share,
    steps.training and "keeps " .. (steps.saved > 0 and bytes(steps.saved) or "nothing") or "keeps nothing") }
  if steps.gradients > 0 then
    lines[2] = ("backward: at most %s are done"):format(amount(steps.gradients))
  end
  return lines
end

--- The plan as a table of at most 100 columns, whatever the net's depth makes of the first.
function Plan:__tostring()
  local lines = tabular(rows_of(self, 22), RIGHT)
  table.move(sums_of(self), 1, 2, #lines + 1, lines)
  return table.concat(lines, "\n")
end

-- Rows of text, the head first, as HTML.
local function html_table(caption, rows, notes)
  local align = {}
  for i = 1, #rows[1] do align[i] = RIGHT[i] and "right" or "left" end
  return html.table { caption = caption, head = rows[1], rows = table.move(rows, 2, #rows, 1, {}), align = align,
    notes = notes }
end

--- What a notebook shows.
function Plan:__mime()
  return { ["text/plain"] = tostring(self),
    ["text/html"] = html_table(self.training and "plan of training" or "plan", rows_of(self, 60), sums_of(self)) }
end

-- --- walking ---

local Walk = {}
Walk.__index = Walk

local function own_count(layer)
  local total = 0
  for _, weight in ipairs(layer.type == "Lua" and lua_layers.weights(layer) or layer:own_weights()) do
    total = total + weight.tensor:numel()
  end
  return total
end

-- The parameters of layers and of all inside them.
local function parameters_of(layers)
  local total = 0
  for _, layer in ipairs(layers) do
    for _, inner in ipairs(layer:modules()) do total = total + own_count(inner) end
  end
  return total
end

-- What stands for a layer on no tape: frozen nets, reshapes of the input, inference.
local function plain_op(layer)
  local names = { Conv2D = "conv2d", DepthwiseConv2D = "conv2d", Dense = "dense", MaxPool2D = "max_pool2d",
    AveragePool2D = "average_pool2d", GlobalAveragePool2D = "mean", Flatten = "reshape", Reshape = "reshape",
    BatchNorm = "batch_norm", LayerNorm = "layer_norm", Embedding = "index_select", ZeroPadding2D = "zero_pad2d",
    Residual = "add", Concat = "cat" }
  if layer.type == "Activation" then return layer:config().activation end
  return names[layer.type] or layer.type
end

-- "sparse", "dense", or "view" where nothing is computed.
local function backward_of(ops)
  local kind = "view"
  for _, op in ipairs(ops) do
    if SPARSE[op] then return "sparse" end
    if not VIEW[op] then kind = "dense" end
  end
  return kind
end

local streams = false -- does fit hand gradients to the optimiser while backward still runs?
for _, fusion in ipairs(core.fusions()) do streams = streams or fusion.name == "optimizer" end

-- How fit's optimiser takes the weights' gradients when nothing else asks for them: "blocks" (each as it is made, never
-- stored), "at once" (as soon as a weight's is whole), "after" (behind backward).
local function update_of(layers)
  local kind
  for _, layer in ipairs(layers) do
    for _, weight in ipairs(layer:named_weights()) do
      if weight.trainable then
        if not streams then return "after" end
        kind = weight.layer.type == "Dense" and (kind == nil or kind == "blocks") and "blocks" or "at once"
      end
    end
  end
  return kind
end

local function sample_shape(t)
  local shape = t.shape
  table.remove(shape, 1)
  return shape
end

-- Notes one step: the layers at `path`, which gave y.
function Walk:note(path, layers, fusion, y)
  local traced = core.traced(y, self.seen)
  local ops, kept = {}, self.training and traced.kept or 0 -- softmax remembers its input without learning, too
  for i, op in ipairs(traced) do ops[i] = op end
  if #ops == 0 then ops[1] = fusion or plain_op(layers[1]) end
  local step = { layers = path, ops = ops, op = fusion or ops[1], fused = fusion, shape = sample_shape(y),
    parameters = parameters_of(layers), multiplications = 0, executed = 0, gradients = 0, saved = kept }
  -- a pool in the convolution's own pass lets it leave out what it drops
  local pool = (fusion == "conv2d_pool" or (fusion and not self.training)) and layers[#layers].type == "MaxPool2D"
    and layers[#layers] or nil
  for _, layer in ipairs(layers) do
    for _, inner in ipairs(layer:modules()) do
      if inner.type ~= "Lua" then
        local written, forward, input, kernel = core.layer_work(inner, pool, self.batch)
        step.multiplications, step.executed = step.multiplications + written, step.executed + forward
        if self.training then -- nobody asks for the gradient of the net's own input
          step.gradients = step.gradients + kernel + (self.learned and input or 0)
          self.learned = self.learned or kernel > 0
        end
      end
    end
  end
  step.backward = self.training and #traced > 0 and backward_of(ops) or nil
  step.update = self.training and update_of(layers) or nil
  self.steps[#self.steps + 1] = step
  return y
end

local containers = { Sequential = true, Residual = true, Concat = true }

-- One layer by itself, which may be a container.
function Walk:layer(path, layer, x)
  if not containers[layer.type] or (layer.type ~= "Concat" and #layer == 0) then
    return self:note(path, { layer }, nil, layer:forward(x, { training = self.training }))
  end
  if layer.type == "Concat" then
    local branches = {}
    for i = 1, #layer do branches[i] = self:layer(("%s%d"):format(path == "" and "" or path .. ".", i), layer[i], x) end
    local y = core.cat(branches, -1)
    self:join(path, "cat", y)
    return y
  end
  local y = self:chain(path, layer, x)
  if layer.type == "Residual" then
    y = y + x
    self:join(path, "add", y)
  end
  return y
end

-- What a container does with its layers' results.
function Walk:join(path, op, y)
  local traced = core.traced(y, self.seen)
  self.steps[#self.steps + 1] = { layers = path == "" and "net" or path, ops = { op }, op = op, shape = sample_shape(y),
    parameters = 0, multiplications = 0, executed = 0, gradients = 0, saved = traced.kept,
    backward = self.training and #traced > 0 and backward_of { op } or nil }
end

-- A container's layers one after another, with the runs that are fused.
function Walk:chain(path, container, x)
  local prefix, at = path == "" and "" or path .. ".", 1
  while at <= #container do
    local run, fusion, last = 1, nil, at
    if container[at]:in_c() then
      while last < #container and container[last + 1]:in_c() do last = last + 1 end
      run, fusion = core.fused_run(container, at, last, self.training)
    end
    if fusion then
      local layers = {}
      for i = at, at + run - 1 do layers[#layers + 1] = container[i] end
      local label = run > 1 and ("%s%d-%d"):format(prefix, at, at + run - 1) or prefix .. at
      x = self:note(label, layers, fusion, container:run_c(at, at + run - 1, x, self.training))
    else
      x = self:layer(prefix .. at, container[at], x)
    end
    at = at + run
  end
  return x
end

-- --- the whole ---

-- Runs f with the net's statistics and the generator as they were before, afterwards.
local function unchanged(net, f)
  local state, kept = core.rng_state(), {}
  for _, weight in ipairs(net:named_weights()) do
    if weight.statistic then kept[#kept + 1] = { weight.tensor, weight.tensor:clone() } end
  end
  local ok, result = pcall(f)
  local before = core.set_grad_enabled(false)
  for _, pair in ipairs(kept) do pair[1]:copy_(pair[2]) end
  core.set_grad_enabled(before)
  core.set_rng_state(state)
  if not ok then error(result, 0) end
  return result
end

-- shape = { 28, 28, 1 }, batch and options from what a person gives: a number, a shape, or a table with both.
local function options_of(net, given)
  if math.type(given) == "integer" then given = { batch = given } end
  if given ~= nil and type(given) ~= "table" then
    error(("net:plan: wants a batch size, the shape of a sample, or options, got a %s"):format(type(given)), 3)
  end
  local shape, rest = {}, {}
  for key, value in pairs(given or {}) do
    if math.type(key) == "integer" then shape[key] = value else rest[key] = value end
  end
  local a = args.named("net:plan", rest, { { "batch", "integer", 32, "batch_size" }, { "training", "boolean", true },
    { "fuse", "boolean", true } })
  if a.batch < 1 then error(("net:plan: batch must be 1 or more, got %d"):format(a.batch), 3) end
  if not net.built then
    if #shape == 0 then error("net:plan: the net is not built; give the shape of one sample: net:plan { 28, 28, 1 }", 3) end
    net:build(shape)
  elseif #shape > 0 and table.concat(shape, ",") ~= table.concat(net.input_shape, ",") then
    error(("net:plan: the net is built for samples of shape %s, not %s"):format(shape_text(net.input_shape),
      shape_text(shape)), 3)
  end
  return a
end

--- The plan of a net.
-- @param net   a net
-- @param given a batch size, the shape of a sample, or both with options: { 28, 28, 1, batch = 32, training = true,
--   fuse = true }
-- @return a list of steps { layers = "1-2", op =, ops = { ... }, fused =, shape =, parameters =, multiplications =,
--   executed =, gradients =, saved = bytes, backward = "sparse", "dense" or "view", update = "blocks", "at once" or "after" }, with
--   the sums in fields of its own; it prints as a table
function plan.of(net, given)
  local a = options_of(net, given)
  local walk = setmetatable({ steps = {}, seen = {}, training = a.training, batch = a.batch }, Walk)
  local fused = core.set_fusion(a.fuse and core.set_fusion())
  local recording = core.set_grad_enabled(a.training)
  local ok, reason = pcall(unchanged, net, function()
    local x = core.zeros({ a.batch, table.unpack(net.input_shape) }, net.dtype)
    for _, weight in ipairs(net:named_weights()) do core.trace_mark(weight.tensor, walk.seen) end
    if containers[net.type] then walk:layer("", net, x) else walk:layer("1", net, x) end
  end)
  core.set_fusion(fused)
  core.set_grad_enabled(recording)
  if not ok then error(reason, 0) end
  local steps = walk.steps
  steps.batch, steps.training = a.batch, a.training
  for _, field in ipairs { "parameters", "multiplications", "executed", "gradients", "saved" } do
    local sum = 0
    for _, step in ipairs(steps) do sum = sum + step[field] end
    steps[field] = sum
  end
  return setmetatable(steps, Plan)
end

-- A compiled net's steps as rows of text, the head first, and what is said below them.
local function compiled_rows(compiled)
  local rows, total, done = { { "layers", "op", "gives", "weights", "mul-adds", "done" } }, 0, 0
  for i, step in ipairs(compiled:steps()) do
    rows[i + 1] = { step.layers, step.op, shape_text(step.shape), amount(step.parameters), amount(step.multiplications),
      amount(step.executed) }
    total, done = total + step.multiplications, done + step.executed
  end
  local size, piece = compiled:workspace(1 << 20)
  return rows, ("one sample: %s multiply-adds, %s done; pieces of up to %d, in %s of memory a thread"):format(
    total > 0 and amount(total) or "no", done > 0 and amount(done) or "none", piece, bytes(size))
end

--- A compiled net's steps as a table of text.
function plan.of_compiled(compiled)
  local rows, sums = compiled_rows(compiled)
  local lines = tabular(rows, RIGHT)
  lines[#lines + 1] = sums
  return table.concat(lines, "\n")
end

--- The same as HTML.
function plan.html_of_compiled(compiled)
  local rows, sums = compiled_rows(compiled)
  return html_table("compiled net", rows, { sums })
end

return plan
