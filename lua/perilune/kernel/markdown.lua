--- A help text in Markdown, for front ends that lay it out: the call that it begins with, source and what stands
-- indented or is a value become code, the rest paragraphs.
-- @module perilune.kernel.markdown
local markdown = {}

local function escaped(text)
  return (text:gsub("[\\`*_<>%[%]#|$~]", "\\%0"))
end

-- A fence longer than any run of backticks in the text.
local function fenced(text, language)
  local longest = 2
  for run in text:gmatch "`+" do longest = math.max(longest, #run) end
  local fence = ("`"):rep(longest + 1)
  return ("%s%s\n%s\n%s"):format(fence, language, text, fence)
end

local function is_code(line)
  return line:find "^%s%s" ~= nil or line:find "^[{%[}%]]" ~= nil
end

-- Adds a paragraph to `parts`, its runs of code lines apart.
local function add_paragraph(parts, paragraph)
  local run, code = {}, nil
  local function finish()
    if #run == 0 then return end
    local text = table.concat(run, "\n")
    parts[#parts + 1] = code and fenced(text, "text") or escaped(text)
    run = {}
  end
  for line in (paragraph .. "\n"):gmatch "(.-)\n" do
    if is_code(line) ~= code then finish() end
    code = is_code(line)
    run[#run + 1] = line
  end
  finish()
end

--- Lays out a help text.
-- @param text  as perilune.repl.inspect gives it
function markdown.of(text)
  local head, source = text:match "^(.-)\n\nSource:\n\n(.*)$"
  local parts, first = {}, true
  for paragraph in ((head or text) .. "\n\n"):gmatch "(.-)\n\n+" do
    if first and paragraph:find "^[%w_.:]+%(.*%)$" and not paragraph:find "\n" then
      parts[1] = fenced(paragraph, "lua")
    else
      add_paragraph(parts, paragraph)
    end
    first = false
  end
  if source then parts[#parts + 1] = fenced(source, "lua") end
  return table.concat(parts, "\n\n")
end

return markdown
