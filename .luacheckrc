std = "lua54"
max_line_length = 140
ignore = { "581" } -- not (x <= y) is not x > y when x is NaN, and that is the point
files["tests/lua"] = { std = "+busted" }
files["lua/perilune/repl"] = { globals = {} }
