/* conv_plane.h - convolution, alone or with ReLU + max-pool, over images of one or a few channels, where a window is
   too small for vectors along its taps x channels: the vectors run along the outputs. */
#ifndef PERI_KERNELS_CONV_PLANE_H
#define PERI_KERNELS_CONV_PLANE_H

#include "kernels/kernels.h"
#include "kernels/vector.h"

#define conv_plane_pool PERI_ISA_NAME(peri__conv_plane_pool)
#define conv_plane_pairs PERI_ISA_NAME(peri__conv_plane_pairs)
#define conv_plane_kernel PERI_ISA_NAME(peri__conv_plane_kernel)

/* As conv_pool and conv_pool_backward_kernel of kernels.h; 1 where the caller has to do it: for other geometries,
   and (conv_plane_pool) where a sum was not finite. */
int conv_plane_pool(const peri_conv_pool *g, const float *x, const float *kernel, const float *bias, float *y,
                    uint8_t *winner);
int conv_plane_kernel(const peri_conv_pool *g, const float *x, const float *dy, const uint8_t *winner, float *dkernel,
                      float *dbias);

/* As conv of kernels.h; 1 where the caller has to do it. */
int conv_plane_pairs(const peri_window *g, const float *x, const float *kernel, const float *bias, int relu, float *y);

#endif
