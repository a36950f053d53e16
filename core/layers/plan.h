/* plan.h - what a layer's work is, counted. */
#ifndef PERI_LAYERS_PLAN_H
#define PERI_LAYERS_PLAN_H

#include "layers/layer.h"

/* Multiplications (with their additions) of a built layer on n samples, with a max-pool (or NULL) in the same pass:
   as the sums are written, and as the kernels do them, with their transforms, when they train. 0 for layers that have no product. */
int peri_layer_work(const peri_layer *l, const peri_layer *pool, int64_t n, double *written, double *executed);

#endif
