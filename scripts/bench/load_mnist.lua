-- Prints the seconds that data.mnist() takes in this process.
local core = require "perilune.core"
local data = require "perilune.data"
local started = core.monotonic()
data.mnist()
print(("%.6f"):format(core.monotonic() - started))
