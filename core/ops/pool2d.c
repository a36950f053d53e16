/* pool2d.c - the largest or the mean of each window that slides over images. Padding never wins a maximum and
   is not counted in a mean (as in Keras). */
#include "ops/window.h"

enum { X, SIZE, STRIDE, PADDING };
#define POOL_SIGNATURE "x: tensor, size/pool_size/kernel: pair = 2, stride/strides: pair?, padding: valid|same = valid"

static int window_of(peri_window *g, const peri_call *c) {
  const peri_value *a = c->arg, *stride = a[STRIDE].given ? &a[STRIDE] : &a[SIZE];
  PERI_TRY(peri__want_floating(c->op->name, "x", a[X].tensor));
  return peri__window(g, c->op->name, a[X].tensor, a[SIZE].ints.at[0], a[SIZE].ints.at[1],
                      a[X].tensor->ndim == 4 ? a[X].tensor->shape[3] : 0, stride, a[PADDING].integer, NULL, 1);
}

/* The winners of a max-pool are int32, kept as bytes: there is no such element type. */
static int new_winners(peri_tensor **out, const peri_window *g) {
  return peri_tensor_new(out, PERI_U8, 1, (int64_t[]){g->n * g->oh * g->ow * g->c * (int64_t)sizeof(int32_t)});
}

static int forward(peri_call *c, bool max) {
  peri_window g;
  peri_tensor *x;
  PERI_TRY(window_of(&g, c));
  PERI_TRY(peri_tensor_contiguous_of(&x, c->arg[X].tensor));
  int status = peri_tensor_new(&c->out[0], x->dtype, 4, (int64_t[]){g.n, g.oh, g.ow, g.c});
  if (status >= 0) c->outs = 1;
  if (status >= 0 && max) status = new_winners(&c->aux[0], &g);
  const peri_kernels *k = peri_kernels_of(x->dtype);
  if (status >= 0 && max) k->max_pool(&g, peri_tensor_data(x), peri_tensor_data(c->out[0]), peri_tensor_data(c->aux[0]));
  else if (status >= 0) k->average_pool(&g, peri_tensor_data(x), peri_tensor_data(c->out[0]));
  peri_tensor_release(x);
  return status;
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in, bool max) {
  peri_window g;
  peri_tensor *dy;
  PERI_TRY(window_of(&g, c));
  PERI_TRY(peri_tensor_contiguous_of(&dy, grad_out[0]));
  int status = peri_tensor_new(&grad_in[X], dy->dtype, 4, c->arg[X].tensor->shape);
  const peri_kernels *k = peri_kernels_of(dy->dtype);
  if (status >= 0 && max) k->max_pool_backward(&g, peri_tensor_data(dy), peri_tensor_data(c->aux[0]), peri_tensor_data(grad_in[X]));
  else if (status >= 0) k->average_pool_backward(&g, peri_tensor_data(dy), peri_tensor_data(grad_in[X]));
  peri_tensor_release(dy);
  return status;
}

static int max_forward(peri_call *c) { return forward(c, true); }
static int max_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return backward(c, grad_out, grad_in, true);
}
static int average_forward(peri_call *c) { return forward(c, false); }
static int average_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return backward(c, grad_out, grad_in, false);
}

const peri_op peri_op_max_pool2d = {
    .name = "max_pool2d",
    .signature = POOL_SIGNATURE,
    .doc = "The largest value of each window over images (N, H, W, C); the stride is the window's size unless given.",
    .example = "randn(2, 4, 6, 3); randn(1, 5, 7, 2), {size = 3, stride = 2, padding = 'same'}; randn(1, 5, 5, 1), 2, 1",
    .forward = max_forward,
    .backward = max_backward};

const peri_op peri_op_average_pool2d = {
    .name = "average_pool2d",
    .signature = POOL_SIGNATURE,
    .doc = "The mean of each window over images (N, H, W, C); the stride is the window's size unless given, and padding "
           "is not counted.",
    .example = "randn(2, 4, 6, 3); randn(1, 5, 7, 2), {size = 3, stride = 2, padding = 'same'}; randn(1, 5, 5, 1), 2, 1",
    .forward = average_forward,
    .backward = average_backward};
