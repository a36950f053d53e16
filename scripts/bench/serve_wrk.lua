-- luacheck: globals wrk init request done
-- What wrk sends and tells for bench.sh serve: one of MNIST's test images a request, another each time.
--
--     wrk -s serve_wrk.lua URL -- raw|json IMAGES     IMAGES: a file of 784 bytes an image
--
-- At the end a line of JSON: requests, seconds, p50 and p99 in milliseconds, how many answers were no 200 and how many
-- connections failed.
local PIXELS = 784

local requests, place = {}, 0

local function body_of(image, kind)
  if kind == "raw" then return image end
  local numbers = {}
  for i = 1, #image do numbers[i] = image:byte(i) end
  return '{"pixels":[' .. table.concat(numbers, ",") .. "]}"
end

function init(args)
  local kind = args[1]
  local file = assert(io.open(args[2], "rb"))
  local headers = { ["Content-Type"] = kind == "raw" and "application/octet-stream" or "application/json" }
  for image in function() return file:read(PIXELS) end do
    requests[#requests + 1] = wrk.format("POST", "/v1/predict", headers, body_of(image, kind))
  end
  file:close()
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency)
  local errors = summary.errors
  print(('{"requests":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f,"refused":%d,"failed":%d}'):format(
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
