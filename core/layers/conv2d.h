/* conv2d.h - what fused runs ask of a convolution layer: Conv2D or DepthwiseConv2D. */
#ifndef PERI_LAYERS_CONV2D_H
#define PERI_LAYERS_CONV2D_H

#include "layers/norm.h"

/* What the layer does after its convolution. */
int64_t peri__conv2d_activation(const peri_layer *l);

/* The geometry of a built layer on one image. */
int peri__conv2d_window(const peri_layer *l, peri_window *g);

/* The layer with another activation in the place of its own. */
int peri__conv2d_forward(peri_layer *l, int64_t activation, peri_tensor **out, peri_tensor *x);

/* A Conv2D, ReLU and a max-pool of window `pool` (a pair) in one op. */
int peri__conv2d_pool_forward(peri_layer *l, peri_value pool, peri_tensor **out, peri_tensor *x);

/* A Conv2D without activation, the BatchNorm `norm` behind it and that one's tail: in training one op; with the running
   moments one convolution whose kernel and bias hold the normalisation. */
int peri__conv2d_norm_forward(peri_layer *l, peri_layer *norm, const peri__tail *tail, peri_tensor **out, peri_tensor *x,
                              bool training);

#endif
