/* softmax.c - softmax and its logarithm along one axis, both without overflow.

   softmax: y_i = e^(x_i - max) / sum_j e^(x_j - max);  dx = y (dy - sum_j dy_j y_j)
   log_softmax: y_i = x_i - max - log sum_j e^(x_j - max);  dx = dy - e^y sum_j dy_j */
#include "ops/ops.h"

typedef void forward_kernel(int64_t rows, int64_t cols, const void *x, void *y);
typedef void backward_kernel(int64_t rows, int64_t cols, const void *y, const void *dy, void *dx);

/* t with axis `axis` last, dense. Turning it back is the same swap. */
static int turn(peri_tensor **out, peri_tensor *t, int axis) {
  int order[PERI_MAX_DIMS];
  peri_tensor *turned;
  for (int i = 0; i < t->ndim; i++) order[i] = i;
  order[axis] = t->ndim - 1;
  order[t->ndim - 1] = axis;
  PERI_TRY(peri_tensor_permute(&turned, t, order));
  int status = peri_tensor_contiguous_of(out, turned);
  peri_tensor_release(turned);
  return status;
}

static int forward(peri_call *c, bool logarithm) {
  peri_tensor *x = NULL, *y = NULL;
  int axis = (int)c->arg[1].integer;
  PERI_TRY(peri__want_floating(c->op->name, "x", c->arg[0].tensor));
  PERI_TRY(turn(&x, c->arg[0].tensor, axis));
  int64_t cols = x->shape[x->ndim - 1];
  const peri_kernels *k = peri_kernels_of(x->dtype);
  int status = peri_tensor_like(&y, x);
  if (status >= 0 && cols > 0) {
    (logarithm ? k->log_softmax : k->softmax)(peri_tensor_count(x) / cols, cols, peri_tensor_data(x), peri_tensor_data(y));
  }
  if (status >= 0) status = turn(&c->out[0], y, axis);
  if (status >= 0) c->outs = 1;
  peri_tensor_release(x);
  peri_tensor_release(y);
  return status;
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in, bool logarithm) {
  peri_tensor *y = NULL, *dy = NULL, *dx = NULL;
  int axis = (int)c->arg[1].integer;
  const peri_kernels *k = peri_kernels_of(grad_out[0]->dtype);
  int status = turn(&y, c->out[0], axis);
  if (status >= 0) status = turn(&dy, grad_out[0], axis);
  if (status >= 0) status = peri_tensor_like(&dx, y);
  if (status >= 0) {
    int64_t cols = y->shape[y->ndim - 1];
    if (cols > 0) {
      (logarithm ? k->log_softmax_backward : k->softmax_backward)(peri_tensor_count(y) / cols, cols, peri_tensor_data(y),
                                                                  peri_tensor_data(dy), peri_tensor_data(dx));
    }
    status = turn(&grad_in[0], dx, axis);
  }
  peri_tensor_release(y);
  peri_tensor_release(dy);
  peri_tensor_release(dx);
  return status;
}

static int softmax_forward(peri_call *c) { return forward(c, false); }
static int softmax_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return backward(c, grad_out, grad_in, false);
}
static int log_softmax_forward(peri_call *c) { return forward(c, true); }
static int log_softmax_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return backward(c, grad_out, grad_in, true);
}

const peri_op peri_op_softmax = {.name = "softmax",
                                 .signature = "x: tensor, axis/dim: axis = -1",
                                 .doc = "e to the power x, scaled so that the sum along the axis is 1.",
                                 .example = "randn(2, 5); randn(3, 4, 2), 2",
                                 .forward = softmax_forward,
                                 .backward = softmax_backward,
                                 .keep_args = 1, /* losses look for the logits */
                                 .keep_outs = 1,
                                 .flags = PERI_OP_ORIGIN};
const peri_op peri_op_log_softmax = {.name = "log_softmax",
                                     .signature = "x: tensor, axis/dim: axis = -1",
                                     .doc = "The logarithm of softmax(x), exact where softmax would round to 0.",
                                     .example = "randn(2, 5); randn(3, 4, 2), 2",
                                     .forward = log_softmax_forward,
                                     .backward = log_softmax_backward,
                                     .keep_outs = 1};
