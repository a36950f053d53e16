# The kernels: plain sources, and sources that are compiled once for each instruction set.
#
# An ISA source TOPIC.c defines `void PERI_ISA_NAME(peri__fill_TOPIC)(peri_kernels *f32, peri_kernels *f64)`,
# which writes its entries over the reference's. Everything else in it is static, or named by
# PERI_ISA_NAME, so that no code of one set is ever run for another.
set(isa_sources elementwise reduce rows norm pool optimiser matmul conv conv_kernel conv_pool conv_pool_backward)
set(isa_parts winograd) # the same without entries of their own

file(GLOB kernel_files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/core/kernels/*.c) # a new one is noticed
list(APPEND core_sources core/kernels/dispatch.c core/kernels/reference.c)

set(isa_sets baseline)
set(isa_flags_baseline "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  list(APPEND isa_sets avx2 avx512)
  set(isa_flags_avx2 -mavx2 -mfma -mbmi2)
  set(isa_flags_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mbmi2)
endif()

# kernels_built.def: PERI_SET(set) and PERI_BUILT(set, topic) rows for dispatch.c.
set(built "/* made by kernels.cmake */\n#ifndef PERI_SET\n#define PERI_SET(...)\n#endif\n")
string(APPEND built "#ifndef PERI_BUILT\n#define PERI_BUILT(...)\n#endif\n")
foreach(set IN LISTS isa_sets)
  set(sources "")
  string(APPEND built "PERI_SET(${set})\n")
  foreach(topic IN LISTS isa_sources)
    if(${CMAKE_CURRENT_SOURCE_DIR}/core/kernels/${topic}.c IN_LIST kernel_files)
      list(APPEND sources core/kernels/${topic}.c)
      string(APPEND built "PERI_BUILT(${set}, ${topic})\n")
    endif()
  endforeach()
  foreach(topic IN LISTS isa_parts)
    list(APPEND sources core/kernels/${topic}.c)
  endforeach()
  if(sources)
    add_library(perilune_kernels_${set} OBJECT ${sources})
    target_link_libraries(perilune_kernels_${set} PRIVATE perilune_options)
    target_compile_definitions(perilune_kernels_${set} PRIVATE PERI_ISA=${set} PERI_ISA_${set}=1)
    target_compile_options(perilune_kernels_${set} PRIVATE -O3 -ffp-contract=fast -Wno-psabi ${isa_flags_${set}})
    list(APPEND core_sources $<TARGET_OBJECTS:perilune_kernels_${set}>)
  endif()
endforeach()
string(APPEND built "#undef PERI_SET\n#undef PERI_BUILT\n")
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/generated/kernels_built.def CONTENT "${built}" @ONLY)
target_include_directories(perilune_options INTERFACE ${CMAKE_CURRENT_BINARY_DIR}/generated)
