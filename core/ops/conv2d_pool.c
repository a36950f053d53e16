/* conv2d_pool.c - convolution, bias, ReLU and a max-pool whose windows do not overlap, in one pass: what the
   pool would drop is never stored, and backward visits only the places that won. Sequential puts it where
   the layers stand in that order. */
#include "ops/window.h"

enum { X, KERNEL, BIAS, STRIDE, PADDING, DILATION, GROUPS, POOL };

static int window_of(peri_conv_pool *g, const peri_call *c) {
  const peri_value *a = c->arg;
  PERI_TRY(peri__conv_window(&g->conv, "conv2d_pool", a[X].tensor, a[KERNEL].tensor, a[BIAS].given ? a[BIAS].tensor : NULL,
                             &a[STRIDE], a[PADDING].integer, &a[DILATION], a[GROUPS].integer));
  g->pool_h = a[POOL].ints.at[0];
  g->pool_w = a[POOL].ints.at[1];
  if (g->pool_h < 1 || g->pool_w < 1 || g->pool_h > 255 || g->pool_w > 255 || g->pool_h * g->pool_w > 255) {
    return peri_fail(PERI_EARG, "conv2d_pool: a pool window has 1 to 255 places, not %lld x %lld", (long long)g->pool_h,
                     (long long)g->pool_w);
  }
  g->ph = g->conv.oh / g->pool_h;
  g->pw = g->conv.ow / g->pool_w;
  if (g->ph > 0 && g->pw > 0) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "conv2d_pool: a pool of %lld x %lld does not fit into %lld x %lld", (long long)g->pool_h,
                   (long long)g->pool_w, (long long)g->conv.oh, (long long)g->conv.ow);
}

static int forward(peri_call *c) {
  peri_conv_pool g;
  peri_tensor *x = NULL, *kernel = NULL, *bias = NULL;
  PERI_TRY(window_of(&g, c));
  int64_t shape[4] = {g.conv.n, g.ph, g.pw, g.conv.oc};
  int status = peri_tensor_contiguous_of(&x, c->arg[X].tensor);
  if (status >= 0) status = peri_tensor_contiguous_of(&kernel, c->arg[KERNEL].tensor);
  if (status >= 0 && c->arg[BIAS].given) status = peri_tensor_contiguous_of(&bias, c->arg[BIAS].tensor);
  if (status >= 0) status = peri_tensor_new(&c->aux[0], PERI_U8, 4, shape);
  if (status >= 0) status = peri_tensor_new(&c->out[0], x->dtype, 4, shape);
  if (status >= 0) {
    c->outs = 1;
    status = peri_kernels_of(x->dtype)->conv_pool(&g, peri_tensor_data(x), peri_tensor_data(kernel),
                                                  bias ? peri_tensor_data(bias) : NULL, peri_tensor_data(c->out[0]),
                                                  peri_tensor_data(c->aux[0]));
  }
  peri_tensor_release(x);
  peri_tensor_release(kernel);
  peri_tensor_release(bias);
  return status;
}

static int kernel_gradient(peri_call *c, const peri_conv_pool *g, const peri_tensor *dy, peri_tensor **grad_in) {
  peri_tensor *x = NULL, *bias = NULL;
  int status = peri_tensor_contiguous_of(&x, c->arg[X].tensor);
  if (status >= 0) status = peri_tensor_new(&grad_in[KERNEL], dy->dtype, 4, c->arg[KERNEL].tensor->shape);
  if (status >= 0 && c->arg[BIAS].given) status = peri_tensor_new(&bias, dy->dtype, 1, &g->conv.oc);
  if (status >= 0) {
    status = peri_kernels_of(dy->dtype)->conv_pool_backward_kernel(g, peri_tensor_data(x), peri_tensor_data(dy),
                                                                   peri_tensor_data(c->aux[0]),
                                                                   peri_tensor_data(grad_in[KERNEL]),
                                                                   bias ? peri_tensor_data(bias) : NULL);
  }
  peri_tensor_release(x);
  grad_in[BIAS] = bias;
  return status;
}

static int input_gradient(peri_call *c, const peri_conv_pool *g, const peri_tensor *dy, peri_tensor **grad_in) {
  peri_tensor *kernel = NULL;
  int status = peri_tensor_contiguous_of(&kernel, c->arg[KERNEL].tensor);
  if (status >= 0) status = peri_tensor_new(&grad_in[X], dy->dtype, 4, c->arg[X].tensor->shape);
  if (status >= 0) {
    status = peri_kernels_of(dy->dtype)->conv_pool_backward_input(g, peri_tensor_data(dy), peri_tensor_data(c->aux[0]),
                                                                  peri_tensor_data(kernel), peri_tensor_data(grad_in[X]));
  }
  peri_tensor_release(kernel);
  return status;
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  peri_conv_pool g;
  peri_tensor *dy = NULL;
  PERI_TRY(window_of(&g, c));
  PERI_TRY(peri_tensor_contiguous_of(&dy, grad_out[0]));
  int status = PERI_OK;
  if (peri_wants(c, KERNEL) || peri_wants(c, BIAS)) status = kernel_gradient(c, &g, dy, grad_in);
  if (status >= 0 && peri_wants(c, X)) status = input_gradient(c, &g, dy, grad_in);
  peri_tensor_release(dy);
  return status;
}

const peri_op peri_op_conv2d_pool = {
    .name = "conv2d_pool",
    .signature = "x: tensor, kernel: tensor, bias: tensor?, stride/strides: pair = 1, padding: valid|same = valid, "
                 "dilation/dilation_rate: pair = 1, groups: int = 1, pool: pair = 2",
    .doc = "maxpool(relu(conv2d(x, kernel) + bias)) in one pass, for a pool whose stride is its window and that has no "
           "padding; rows and columns that do not fill a window are dropped.",
    .example = "randn(2, 6, 7, 2), randn(3, 3, 2, 3), randn(3); "
               "randn(1, 7, 7, 2), randn(2, 2, 2, 2), {padding = 'same', pool = {2, 3}}",
    .forward = forward,
    .backward = backward,
    .keep_args = 1 << X | 1 << KERNEL};
