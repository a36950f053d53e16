/* conv_cells.h - convolution, bias, ReLU and 2 x 2 max-pooling in one pass, for nets that only run: no winners, weights
   packed before. Any geometry; for those that winograd.h does not take or that are too narrow for it. */
#ifndef PERI_KERNELS_CONV_CELLS_H
#define PERI_KERNELS_CONV_CELLS_H

#include "kernels/window.h"

#define conv_cells_size PERI_ISA_NAME(peri__conv_cells_size)
#define conv_cells_prepare PERI_ISA_NAME(peri__conv_cells_prepare)
#define conv_cells_run PERI_ISA_NAME(peri__conv_cells_run)

/* Bytes of prepared weights, 0 where this geometry is none of its; to fill them; to run on g->conv.n images. */
int64_t conv_cells_size(const peri_conv_pool *g);
int conv_cells_prepare(const peri_conv_pool *g, const float *kernel, void *to);
int conv_cells_run(const peri_conv_pool *g, const float *x, const void *prepared, const float *bias, float *y);

#endif
