/* conv2d.h - what sequential.c asks of a convolution that a pool may follow. */
#ifndef PERI_LAYERS_CONV2D_H
#define PERI_LAYERS_CONV2D_H

#include "layers/layers.h"

bool peri__conv2d_rectifies(const peri_layer *l); /* a Conv2D whose activation is relu */
bool peri__conv2d_linear(const peri_layer *l);    /* a Conv2D without activation */

/* The layer, ReLU and a max-pool of window `pool` (a pair) in one op. */
int peri__conv2d_pool_forward(peri_layer *l, peri_value pool, peri_tensor **out, peri_tensor *x);

#endif
