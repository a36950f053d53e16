--- What the functions and methods made in C do, for help(): these have no comment above them that could be read.
-- One row a name: how it is called, and a sentence or two.
-- @module perilune.repl.reference
return {
  -- making tensors
  tensor = { 'tensor(values [, dtype or { dtype =, requires_grad = }])', 'A tensor of nested lists of numbers, of a '
    .. 'number, or of another tensor (copied). dtype: "float32" (default), "float64", "int64", "uint8".' },
  zeros = { "zeros(sizes... [, dtype or { dtype =, requires_grad = }])", "Zeros: zeros(2, 3), zeros({2, 3}, \"int64\")." },
  ones = { "ones(sizes... [, dtype or { dtype =, requires_grad = }])", "Ones: ones(2, 3), ones({2, 3}, \"int64\")." },
  full = { "full(shape, value [, dtype or { dtype =, requires_grad = }])", "One value everywhere: full({2, 3}, 7)." },
  eye = { "eye(n [, m] [, dtype or { dtype =, requires_grad = }])", "n rows and m (or n) columns, ones on the diagonal." },
  arange = { "arange(stop), arange(start, stop [, step] [, dtype or { dtype =, requires_grad = }])",
    "From start (1) to stop in steps, both ends included, as Lua's for counts." },
  linspace = { "linspace(start, stop, count [, dtype or { dtype =, requires_grad = }])", "Evenly spaced numbers, both ends included." },
  rand = { "rand(sizes... [, dtype or { dtype =, requires_grad = }])", "Uniform random numbers in [0, 1)." },
  randn = { "randn(sizes... [, dtype or { dtype =, requires_grad = }])", "Random numbers of the standard normal distribution." },
  randint = { "randint(low, high, shape)", "Random whole numbers, int64." },
  randperm = { "randperm(n)", "The numbers 1 to n in a random order, int64." },
  seed = { "seed(n)", "Starts the random numbers anew; the same seed gives the same numbers." },
  rng_state = { "rng_state()", "Where the random numbers stand: a table for set_rng_state." },
  set_rng_state = { "set_rng_state(state)", "Puts the random numbers back to where rng_state() found them." },
  -- differentiation
  grad = { "grad(y, { x1, x2, ... })", "The derivatives of the number y by tensors, without touching their .grad." },
  grad_enabled = { "grad_enabled()", "Are operations being recorded for differentiation?" },
  backward = { "t:backward([gradient])", "Adds the derivatives of this number to the .grad of every tensor with "
    .. "requires_grad that it was made from. A tensor of more numbers wants a gradient of its shape." },
  detach = { "t:detach()", "The same numbers, without the record of how they were made." },
  require_grad = { "t:require_grad([yes])", "Marks the tensor as one to differentiate by; gives it back." },
  -- reading and writing elements
  item = { "t:item()", "The one number of a tensor with one element." },
  totable = { "t:totable()", "The numbers as nested Lua lists." },
  numel = { "t:numel()", "The number of elements." },
  equal = { "t:equal(other)", "Same shape, type and numbers? One boolean; t:eq(other) compares element by element." },
  is_contiguous = { "t:is_contiguous()", "Do the elements stand row by row in memory?" },
  fill_ = { "t:fill_(value)", "Writes one value everywhere, in place; gives the tensor back." },
  zero_ = { "t:zero_()", "Writes zeros everywhere, in place; gives the tensor back." },
  copy_ = { "t:copy_(source)", "Takes over another tensor's numbers, in place; gives the tensor back." },
  add_ = { "t:add_(other)", "Adds in place; gives the tensor back." },
  sub_ = { "t:sub_(other)", "Subtracts in place; gives the tensor back." },
  mul_ = { "t:mul_(other)", "Multiplies in place; gives the tensor back." },
  div_ = { "t:div_(other)", "Divides in place; gives the tensor back." },
  free = { "x:free()", "Frees the memory at once, as `local x <close>` does at the end of its block. Using x after it is "
    .. "an error." },
  -- files
  save_npy = { "save_npy(path, t)", "Writes a tensor as NumPy's .npy." },
  load_npy = { "load_npy(path)", "Reads a tensor from NumPy's .npy." },
  save_npz = { "save_npz(path, { name = tensor })", "Writes tensors as NumPy's .npz." },
  load_npz = { "load_npz(path)", "Reads NumPy's .npz: a table of tensors by name." },
  save_safetensors = { "save_safetensors(path, { name = tensor } [, metadata])", "Writes tensors as .safetensors." },
  load_safetensors = { "load_safetensors(path)", "Reads .safetensors: tensors by name, and the metadata." },
  -- the machine
  threads = { "threads([n])", "Sets the number of threads, when n is given; the number in use." },
  threads_spin = { "threads_spin(seconds)",
    "Sets how long an idle worker thread spins before it sleeps (0.0003); gives what it was before." },
  isa = { "isa()", "The instruction set the kernels use: baseline, avx2 or avx512." },
  precision = { 'precision(["float32" | "bf16"])', "Sets how float32 is multiplied, when a name is given. With bf16, matrix "
    .. "products and convolutions round what they multiply to bfloat16 (8 bits of precision) and add up in float32; "
    .. "tensors, weights and their updates stay float32. Returns the name in use, and what multiplies bfloat16 on this "
    .. "machine: amx, avx512bf16, or emulated, which is no faster than float32." },
  memory = { "memory()", "Bytes in live tensors, bytes kept for reuse, how often the system was asked for memory, and "
    .. "bytes of arenas: four numbers." },
  arena = { "arena()", "Memory for work that is done again and again: `local scope <close> = arena:scope(x)` before each "
    .. "batch. What a scope allocates for inputs like x is planned once and then served from one run of memory; tensors "
    .. "may outlive it. arena:plans() lists { bytes, sum, blocks }; arena:free() lets go." },
  memory_trim = { "memory_trim()", "Gives the memory kept for reuse back to the system." },
  monotonic = { "monotonic()", "Seconds on a clock that only goes forward, for measuring." },
}
