/* window.h - the geometry that convolution and pooling ops share. */
#ifndef PERI_OPS_WINDOW_H
#define PERI_OPS_WINDOW_H

#include "ops/ops.h"

enum { PERI_VALID, PERI_SAME }; /* the choices of a `padding: valid|same` parameter */

/* Fills g for images x (N, H, W, C) under a window of kh x kw; PERI_ESHAPE when x has not four axes or the
   window does not fit. Output sizes: valid (h - dil (kh - 1) - 1) / stride + 1; same ceil(h / stride), with
   the odd row or column of padding at the bottom and right, as Keras has it. */
int peri__window(peri_window *g, const char *op, const peri_tensor *x, int64_t kh, int64_t kw, int64_t oc,
                 const peri_value *stride, int64_t padding, const peri_value *dilation, int64_t groups);

/* The geometry of a convolution from its arguments: kernel is (kh, kw, c / groups, oc), bias (oc) or NULL. */
int peri__conv_window(peri_window *g, const char *op, const peri_tensor *x, const peri_tensor *kernel,
                      const peri_tensor *bias, const peri_value *stride, int64_t padding, const peri_value *dilation,
                      int64_t groups);

/* dz = dy where the ReLU's result y is positive, else 0; dense. */
int peri__relu_gradient(peri_tensor **out, peri_tensor *dy, const peri_tensor *y);

#endif
