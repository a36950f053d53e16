file(GLOB kernel_sources CONFIGURE_DEPENDS core/kernels/*.c)
list(APPEND core_sources ${kernel_sources})
