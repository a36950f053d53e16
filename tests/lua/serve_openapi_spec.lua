-- The service's description of itself: whole, and of the same routes that are routed by.
local peri = require "perilune"
local json = require "perilune.json"
local openapi = require "perilune.serve.openapi"
local routes = require "perilune.serve.routes"
local nn = peri.nn

local function service_of(options)
  local net = nn.Sequential { nn.Flatten {}, nn.Dense { 10, activation = "softmax" } }:build { 28, 28, 1 }
  local models = require "perilune.serve.models"
  return { options = options or {}, models = models.load { { name = "a", net = net }, { name = "b", net = net } } }
end

local function document(options) return json.decode(openapi.text(service_of(options))) end

-- Calls f for every table inside a value.
local function walk(value, f)
  if type(value) ~= "table" or value == json.null then return end
  f(value)
  for _, item in pairs(value) do walk(item, f) end
end

describe("the description", function()
  it("has every route that is routed by, and no other", function()
    local said = document()
    local listed, served = {}, {}
    for path, methods in pairs(said.paths) do
      for method in pairs(methods) do listed[#listed + 1] = method:upper() .. " " .. path end
    end
    for key in pairs(routes.for_door()) do served[#served + 1] = key end
    for _, key in ipairs { "GET /healthz", "GET /readyz", "GET /openapi.json" } do served[#served + 1] = key end -- the door's own
    table.sort(listed)
    table.sort(served)
    assert.same(served, listed)
    for key, kind in pairs(routes.for_door()) do
      assert.equal(kind ~= "predict", routes.find(key:match "^(%S+) (%S+)$") ~= nil)
    end
    assert.is_nil(routes.find("DELETE", "/v1/models"))
    assert.is_nil(routes.find("GET", "/v1/predict"))
  end)

  it("names no schema that is not there, and has none that is not named", function()
    local said, named = document(), {}
    walk(said, function(t)
      local ref = t["$ref"]
      if ref == nil then return end
      local name = ref:match "^#/components/schemas/(%w+)$"
      assert.truthy(said.components.schemas[name], tostring(ref))
      named[name] = true
    end)
    for name in pairs(said.components.schemas) do assert.is_true(named[name], name) end
  end)

  it("has operations with names of their own, summaries, and answers with descriptions", function()
    local names = {}
    for _, methods in pairs(document().paths) do
      for _, operation in pairs(methods) do
        assert.is_nil(names[operation.operationId])
        names[operation.operationId] = true
        assert.truthy(operation.summary and operation.responses["200"])
        for status, answer in pairs(operation.responses) do
          assert.truthy(answer.description and #answer.description > 0, status)
          if status >= "400" then assert.same({ "application/json" }, { next(answer.content), nil }) end
        end
      end
    end
  end)

  it("knows the models' names", function()
    for _, parameter in ipairs(document().paths["/v1/predict"].post.parameters) do
      if parameter.name == "model" then assert.same({ "a", "b" }, parameter.schema.enum) end
    end
  end)

  it("asks for a token where the service does, and nowhere else", function()
    local open, closed = document(), document { token = "x" }
    walk(open, function(t) assert.is_nil(t.bearer) end)
    assert.same({ type = "http", scheme = "bearer" }, closed.components.securitySchemes.bearer)
    for path, methods in pairs(closed.paths) do
      for _, operation in pairs(methods) do
        local free = path == "/healthz" or path == "/readyz" or path == "/openapi.json"
        assert.equal(free and 0 or 1, #operation.security)
        assert.equal(not free, operation.responses["401"] ~= nil)
      end
    end
    for _, methods in pairs(open.paths) do
      for _, operation in pairs(methods) do assert.is_nil(operation.responses["401"]) end
    end
  end)

  it("has an example that is one: 784 pixels", function()
    local content = document().paths["/v1/predict"].post.requestBody.content
    assert.equal(784, #content["application/json"].examples.pixels.value.pixels)
    assert.same({ type = "string", format = "binary" }, content["image/png"].schema)
  end)
end)
