/* plan.h - what a layer's work is, counted. */
#ifndef PERI_LAYERS_PLAN_H
#define PERI_LAYERS_PLAN_H

#include "layers/layer.h"

/* Multiplications (with their additions) of a built layer on a batch: those of the sums as they are written, and those
   that the kernels do, their transforms included. 0 for layers that have no product. */
typedef struct peri_work {
  double written, forward;
  double input, kernel; /* the two gradients; behind a pool at most: none for what ReLU clamped */
} peri_work;

/* The work of a layer on n samples, with a max-pool (or NULL) in the same pass. PERI_ESTATE unless it is built. */
int peri_layer_work(const peri_layer *l, const peri_layer *pool, int64_t n, peri_work *work);

#endif
