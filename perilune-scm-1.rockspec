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
dependencies = { "lua ~> 5.4" }
external_dependencies = { ZLIB = { header = "zlib.h" } }
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    PERILUNE_TESTS = "OFF",
  },
}
