rockspec_format = "3.0"
package = "perilune"
version = "scm-1"
source = { url = "git+file://." }
description = {
  summary = "Deep learning at the Lua prompt",
  detailed = [[
Tensors, automatic differentiation, layers and optimisers in C with a Lua 5.4 face; Keras model files;
plots with gnuplot; a prompt with completion, history and help.]],
  license = "MIT",
}
dependencies = { "lua ~> 5.4", "lua-cjson", "argparse", "luafilesystem" }
external_dependencies = { ZLIB = { header = "zlib.h" } }
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    PERILUNE_TESTS = "OFF",
    -- LuaRocks takes modules from lua/ and lib/ of the prefix and puts them where Lua looks
    CMAKE_INSTALL_LIBDIR = "lib",
    CMAKE_INSTALL_LIBEXECDIR = "lib",
    PERILUNE_LUADIR = "lua",
    PERILUNE_LUACDIR = "lib",
  },
}
