# The `perilune` command, and what an installation needs beside the modules.
add_executable(perilune_command core/main.c core/main_host.c)
target_link_libraries(perilune_command PRIVATE perilune_options perilune Threads::Threads ${LUA_LINK_LIBRARIES})
target_include_directories(perilune_command PRIVATE ${LUA_INCLUDE_DIRS})
target_compile_definitions(perilune_command PRIVATE PERILUNE_VERSION="${PROJECT_VERSION}"
                           PERILUNE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" PERILUNE_LIBDIR="${CMAKE_INSTALL_LIBDIR}")
set_target_properties(perilune_command PROPERTIES OUTPUT_NAME perilune RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
                      INSTALL_RPATH "\$ORIGIN/../${CMAKE_INSTALL_LIBDIR};\$ORIGIN/../lib/lua/5.4") # the second as LuaRocks lays it

perilune_module(edit core/hosts/edit.c core/bind/module_edit.c)
target_link_libraries(edit PRIVATE Threads::Threads)

install(TARGETS perilune perilune_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY lua/perilune DESTINATION ${PERILUNE_LUADIR} FILES_MATCHING
        PATTERN "*.lua" PATTERN "*.js" PATTERN "*.css" PATTERN "*.html" PATTERN "*.svg" PATTERN "*.safetensors")
# relative to where it lies, so that `cmake --install --prefix` may say where that is
file(RELATIVE_PATH pc_prefix /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(core/perilune.pc.in perilune.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/perilune.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Headers: perilune.h and all that it includes, under include/perilune, which pkg-config names.
set(headers perilune.h)
set(waiting perilune.h)
while(waiting)
  list(POP_FRONT waiting header)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS core/${header})
  file(STRINGS core/${header} includes REGEX "^#include \"")
  foreach(line IN LISTS includes)
    string(REGEX REPLACE "^#include \"([^\"]*)\".*" "\\1" name "${line}")
    if(NOT name IN_LIST headers)
      list(APPEND headers ${name})
      list(APPEND waiting ${name})
    endif()
  endforeach()
endwhile()
foreach(header IN LISTS headers)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES core/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/perilune/${folder})
endforeach()
