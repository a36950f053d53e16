--- Einstein's summation: products of tensors with their axes named by letters.
-- @module perilune.tensor.einsum
local common = require "perilune.tensor.common"
local diagonal = require("perilune.tensor.shape").both.diagonal

local function fail(equation, format, ...)
  error(("einsum '%s': "):format(equation) .. format:format(...), 0)
end

local function letters_of(equation, text)
  local list = {}
  for letter in text:gmatch "." do
    if not letter:match "%a" then fail(equation, "'%s' is no letter; axes are named by letters, operands split by commas", letter) end
    list[#list + 1] = letter
  end
  return list
end

-- The letters of the result: those written after '->', else every letter that occurs once, in order.
local function parse(equation)
  local text = equation:gsub("%s", "")
  if text:find(".", 1, true) then fail(equation, "'...' is not known; name the axes by letters") end
  local left, right = text:match "^(.-)%->(.*)$"
  local inputs, times = {}, {}
  for part in ((left or text) .. ","):gmatch "(.-)," do inputs[#inputs + 1] = letters_of(equation, part) end
  for _, input in ipairs(inputs) do
    for _, letter in ipairs(input) do times[letter] = (times[letter] or 0) + 1 end
  end
  local output = {}
  if right then
    local seen = {}
    output = letters_of(equation, right)
    for _, letter in ipairs(output) do
      if not times[letter] then fail(equation, "axis '%s' of the result is on no operand", letter) end
      if seen[letter] then fail(equation, "axis '%s' is twice in the result", letter) end
      seen[letter] = true
    end
  else
    for letter, count in pairs(times) do
      if count == 1 then output[#output + 1] = letter end
    end
    table.sort(output)
  end
  return inputs, output
end

local function index_of(list, letter)
  for i, other in ipairs(list) do
    if other == letter then return i end
  end
end

-- An operand whose letters all differ: a letter that occurs twice takes its diagonal.
local function distinct(t, letters)
  local k = 1
  while k <= #letters do
    local again
    for j = k + 1, #letters do again = again or (letters[j] == letters[k] and j) end
    if again then
      local letter = letters[k]
      t = diagonal(t, 0, k, again)
      local rest = {}
      for i, other in ipairs(letters) do
        if i ~= k and i ~= again then rest[#rest + 1] = other end
      end
      rest[#rest + 1] = letter
      letters = rest
    else
      k = k + 1
    end
  end
  return t, letters
end

-- Sums the axes whose letters nobody needs any more.
local function drop(t, letters, needed)
  local gone, kept = {}, {}
  for i, letter in ipairs(letters) do
    if needed[letter] then kept[#kept + 1] = letter else gone[#gone + 1] = i end
  end
  if #gone > 0 then t = t:sum(gone) end
  return t, kept
end

local function arrange(t, letters, order)
  local axes, same = {}, true
  for i, letter in ipairs(order) do
    axes[i] = index_of(letters, letter)
    same = same and axes[i] == i
  end
  return same and t or t:permute(axes)
end

local function product(list)
  local n = 1
  for _, size in ipairs(list) do n = n * size end
  return n
end

-- a and b as one batched matrix product: (shared and kept, a's own, summed) times (shared and kept, summed, b's own).
local function contract(a, a_letters, b, b_letters, needed, size)
  local batch, own_a, own_b, summed = {}, {}, {}, {}
  for _, letter in ipairs(a_letters) do
    local shared = index_of(b_letters, letter)
    local list = shared and (needed[letter] and batch or summed) or own_a
    list[#list + 1] = letter
  end
  for _, letter in ipairs(b_letters) do
    if not index_of(a_letters, letter) then own_b[#own_b + 1] = letter end
  end
  local function sizes(list)
    local result = {}
    for i, letter in ipairs(list) do result[i] = size[letter] end
    return result
  end
  local function join(...)
    local all = {}
    for _, list in ipairs { ... } do table.move(list, 1, #list, #all + 1, all) end
    return all
  end
  local nb, na, nc, ns = product(sizes(batch)), product(sizes(own_a)), product(sizes(own_b)), product(sizes(summed))
  local left = arrange(a, a_letters, join(batch, own_a, summed)):reshape(nb, na, ns)
  local right = arrange(b, b_letters, join(batch, summed, own_b)):reshape(nb, ns, nc)
  local result = #summed > 0 and left:matmul(right) or left * right
  local letters = join(batch, own_a, own_b)
  return result:reshape(sizes(letters)), letters
end

local function check(equation, inputs, operands)
  if #operands ~= #inputs then fail(equation, "names %d operands, but %d tensors are given", #inputs, #operands) end
  local size = {}
  for i, t in ipairs(operands) do
    if not common.is_tensor(t) then fail(equation, "operand %d is no tensor but %s", i, type(t)) end
    if t.ndim ~= #inputs[i] then
      fail(equation, "operand %d has %d axes (shape (%s)), but %d are named", i, t.ndim, table.concat(t.shape, ", "), #inputs[i])
    end
    for k, letter in ipairs(inputs[i]) do
      local n = t.shape[k]
      if size[letter] and size[letter] ~= n then
        fail(equation, "axis '%s' is %d in one place and %d in operand %d", letter, size[letter], n, i)
      end
      size[letter] = n
    end
  end
  return size
end

local function evaluate(equation, ...)
  local operands = { ... }
  if #operands == 1 and type(operands[1]) == "table" then operands = operands[1] end
  local inputs, output = parse(equation)
  local size = check(equation, inputs, operands)
  local function needed_after(i)
    local needed = {}
    for _, letter in ipairs(output) do needed[letter] = true end
    for k = i + 1, #inputs do
      for _, letter in ipairs(inputs[k]) do needed[letter] = true end
    end
    return needed
  end
  local t, letters = distinct(operands[1], inputs[1])
  t, letters = drop(t, letters, needed_after(1))
  for i = 2, #operands do
    local needed = needed_after(i)
    local u, others = distinct(operands[i], inputs[i])
    local wanted = setmetatable({}, { __index = needed })
    for _, letter in ipairs(letters) do wanted[letter] = true end
    u, others = drop(u, others, wanted)
    t, letters = contract(t, letters, u, others, needed, size)
  end
  return arrange(t, letters, output)
end

--- Sums of products over named axes: einsum("ij,jk->ik", a, b) is the matrix product, "bij,bjk->bik" that of
-- stacks, "ii->" the trace, "ii->i" the diagonal, "ij->ji" the transpose, "i,j->ij" the outer product. Without
-- "->" the letters that occur once remain, in alphabetical order. Operands are joined from left to right.
-- @param equation letters for the axes of each operand, split by commas, and of the result
-- @param ...      the tensors, or one list of them
local function einsum(equation, ...)
  if type(equation) ~= "string" then error("einsum: wants an equation like 'ij,jk->ik' first, got " .. type(equation), 2) end
  local ok, result = pcall(evaluate, equation, ...)
  if not ok then error(result, 2) end
  return result
end

return { functions = { einsum = einsum } }
