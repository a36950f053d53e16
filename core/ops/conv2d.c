/* conv2d.c - two-dimensional convolution (cross-correlation, as in every framework), optionally with
   bias and ReLU in the same pass.

   y[n, i, j, o] = bias[o] + sum_{a, b, c} x[n, i s + a d - p, j s + b d - p, c] kernel[a, b, c, o] */
#include "ops/window.h"

enum { X, KERNEL, BIAS, STRIDE, PADDING, DILATION, GROUPS, RELU };

static peri_tensor *optional(const peri_value *v) { return v->given ? v->tensor : NULL; }

static int window_of(peri_window *g, const peri_call *c) {
  const peri_value *a = c->arg;
  return peri__conv_window(g, "conv2d", a[X].tensor, a[KERNEL].tensor, optional(&a[BIAS]), &a[STRIDE], a[PADDING].integer,
                           &a[DILATION], a[GROUPS].integer);
}

static int forward(peri_call *c) {
  peri_window g;
  peri_tensor *x = NULL, *kernel = NULL, *bias = NULL;
  PERI_TRY(window_of(&g, c));
  int status = peri_tensor_contiguous_of(&x, c->arg[X].tensor);
  if (status >= 0) status = peri_tensor_contiguous_of(&kernel, c->arg[KERNEL].tensor);
  if (status >= 0 && c->arg[BIAS].given) status = peri_tensor_contiguous_of(&bias, c->arg[BIAS].tensor);
  if (status >= 0) status = peri_tensor_new(&c->out[0], x->dtype, 4, (int64_t[]){g.n, g.oh, g.ow, g.oc});
  if (status >= 0) {
    c->outs = 1;
    status = peri_kernels_of(x->dtype)->conv(&g, peri_tensor_data(x), peri_tensor_data(kernel),
                                             bias ? peri_tensor_data(bias) : NULL, c->arg[RELU].boolean,
                                             peri_tensor_data(c->out[0]));
  }
  peri_tensor_release(x);
  peri_tensor_release(kernel);
  peri_tensor_release(bias);
  return status;
}

static int kernel_gradient(peri_call *c, const peri_window *g, const peri_tensor *dz, peri_tensor **grad_in) {
  peri_tensor *x = NULL, *bias = NULL;
  int status = peri_tensor_contiguous_of(&x, c->arg[X].tensor);
  if (status >= 0) status = peri_tensor_new(&grad_in[KERNEL], dz->dtype, 4, c->arg[KERNEL].tensor->shape);
  if (status >= 0 && c->arg[BIAS].given) status = peri_tensor_new(&bias, dz->dtype, 1, &g->oc);
  if (status >= 0) {
    status = peri_kernels_of(dz->dtype)->conv_backward_kernel(g, peri_tensor_data(x), peri_tensor_data(dz),
                                                              peri_tensor_data(grad_in[KERNEL]),
                                                              bias ? peri_tensor_data(bias) : NULL);
  }
  peri_tensor_release(x);
  grad_in[BIAS] = bias;
  return status;
}

static int input_gradient(peri_call *c, const peri_window *g, const peri_tensor *dz, peri_tensor **grad_in) {
  peri_tensor *kernel = NULL;
  int status = peri_tensor_contiguous_of(&kernel, c->arg[KERNEL].tensor);
  if (status >= 0) status = peri_tensor_new(&grad_in[X], dz->dtype, 4, c->arg[X].tensor->shape);
  if (status >= 0) {
    status = peri_kernels_of(dz->dtype)->conv_backward_input(g, peri_tensor_data(dz), peri_tensor_data(kernel),
                                                             peri_tensor_data(grad_in[X]));
  }
  peri_tensor_release(kernel);
  return status;
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  peri_window g;
  peri_tensor *dz = NULL;
  PERI_TRY(window_of(&g, c));
  if (c->arg[RELU].boolean) PERI_TRY(peri__relu_gradient(&dz, grad_out[0], c->out[0]));
  else PERI_TRY(peri_tensor_contiguous_of(&dz, grad_out[0]));
  int status = PERI_OK;
  if (peri_wants(c, KERNEL) || peri_wants(c, BIAS)) status = kernel_gradient(c, &g, dz, grad_in);
  if (status >= 0 && peri_wants(c, X)) status = input_gradient(c, &g, dz, grad_in);
  peri_tensor_release(dz);
  return status;
}

const peri_op peri_op_conv2d = {
    .name = "conv2d",
    .signature = "x: tensor, kernel: tensor, bias: tensor?, stride/strides: pair = 1, padding: valid|same = valid, "
                 "dilation/dilation_rate: pair = 1, groups: int = 1, relu: bool = false",
    .doc = "Convolution of images x (N, H, W, C) with a kernel (height, width, C / groups, out) and an optional bias (out): "
           "N, H', W', out. With relu = true the result is clamped at 0 in the same pass.",
    .example = "randn(2, 5, 6, 2), randn(3, 2, 2, 3), randn(3); "
               "randn(1, 6, 7, 2), randn(3, 3, 2, 2), {stride = {2, 1}, padding = 'same'}; "
               "randn(2, 6, 6, 4), randn(2, 2, 2, 6), randn(6), {groups = 2, dilation = 2}; "
               "randn(1, 5, 5, 3), randn(3, 3, 1, 3), randn(3), {groups = 3, relu = true}",
    .forward = forward,
    .backward = backward,
    .keep_args = 1 << X | 1 << KERNEL,
    .keep_outs = 1};
