-- Reads models that a real Keras saved (keras_writes_h5.py) and compares the predictions:
--   build/perilune tests/outside/read_models.lua FOLDER
-- Exits with 1 when one does not load or predicts otherwise than by 1e-5; the last line counts.
local cjson = require "cjson"
local lfs = require "lfs"
local peri = require "perilune"

local folder = arg[1] or error("usage: read_models.lua FOLDER", 0)
local tolerance = 1e-5

local function tensor(array)
  return peri.tensor(array.data, array.dtype or "float32"):reshape(array.shape)
end

local function read(name)
  local file <close> = assert(io.open(("%s/%s.json"):format(folder, name)))
  local said = cjson.decode(file:read "a")
  local net = peri.nn.load(("%s/%s.h5"):format(folder, name))
  local off = (net:predict(tensor(said.x)) - tensor(said.prediction)):abs():max():item()
  if off > tolerance or off ~= off then error(("the predictions differ by %.3g"):format(off), 0) end
  return off
end

local names = {}
for entry in lfs.dir(folder) do names[#names + 1] = entry:match "^(.*)%.h5$" end
table.sort(names)
assert(#names > 0, "no .h5 in " .. folder)
local failed = 0
for _, name in ipairs(names) do
  local ok, result = pcall(read, name)
  if ok then
    print(("ok    %s.h5: predictions within %.2g"):format(name, result))
  else
    failed = failed + 1
    print(("FAIL  %s.h5: %s"):format(name, result))
  end
end
print(("%d passed, %d failed"):format(#names - failed, failed))
os.exit(failed == 0 and 0 or 1, true)
