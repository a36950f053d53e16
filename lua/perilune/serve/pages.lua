--- The service's fixed answers: the page's files, and /openapi.json.
-- @module perilune.serve.pages
local core = require "perilune.core"

local pages = {}

-- By a file's ending. Others in the page's folder are not served.
local TYPES = {
  html = "text/html; charset=utf-8", css = "text/css; charset=utf-8", js = "text/javascript; charset=utf-8",
  svg = "image/svg+xml", png = "image/png", ico = "image/x-icon", webmanifest = "application/manifest+json",
}
local FILE_MOST = 1 << 22 -- bytes

-- Browsers ask each time whether a file has changed, and are mostly told that it has not (ETag).
local HEADERS = { { "Cache-Control", "no-cache" } }

local POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
  .. "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"

--- What every answer says to a browser: it is what it says to be, it goes into no frame, and the page asks nobody else.
pages.headers = {
  { "Content-Security-Policy", POLICY }, { "X-Content-Type-Options", "nosniff" }, { "X-Frame-Options", "DENY" },
  { "Referrer-Policy", "no-referrer" },
}

--- The folder of the page's files: beside this module.
function pages.folder()
  local here = package.searchpath("perilune.serve.pages", package.path)
  return (here and here:match "^(.*)pages%.lua$" or "lua/perilune/serve/") .. "page"
end

local function names_in(folder)
  local ok, lfs = pcall(require, "lfs")
  if not ok then error("the service needs lua-filesystem (Debian: lua-filesystem)", 0) end
  local names = {}
  if lfs.attributes(folder, "mode") ~= "directory" then
    error(("the service's page is missing: there is no folder %s"):format(folder), 0)
  end
  for name in lfs.dir(folder) do
    if TYPES[name:match "%.(%l+)$" or ""] and not name:find "^%." then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

--- The fixed answers as the door wants them.
-- @param document the text of /openapi.json
-- @param folder   of the page's files (default: the package's)
-- @return { ["/"] = { type =, body =, headers = }, ["/page.css"] = ... }
function pages.files(document, folder)
  folder = folder or pages.folder()
  local files = { ["/openapi.json"] = { type = "application/json", body = document, headers = HEADERS } }
  for _, name in ipairs(names_in(folder)) do
    local file = { type = TYPES[name:match "%.(%l+)$"], body = core.read_file(folder .. "/" .. name, FILE_MOST), headers = HEADERS }
    files[name == "index.html" and "/" or "/" .. name] = file
  end
  return files
end

return pages
