/* zero_pad2d.c - rows and columns of zeros around images. */
#include "ops/ops.h"

/* The view of the padded images that is the image. */
static int inner(peri_tensor **out, peri_tensor *padded, const peri_call *c) {
  const peri_tensor *x = c->arg[0].tensor;
  peri_tensor *rows;
  PERI_TRY(peri_tensor_slice(&rows, padded, 1, c->arg[1].integer, x->shape[1], 1));
  int status = peri_tensor_slice(out, rows, 2, c->arg[3].integer, x->shape[2], 1);
  peri_tensor_release(rows);
  return status;
}

static int forward(peri_call *c) {
  const peri_tensor *x = c->arg[0].tensor;
  PERI_TRY(peri__want_ndim("zero_pad2d", "x", x, 4));
  for (int i = 1; i <= 4; i++) {
    if (c->arg[i].integer < 0 || c->arg[i].integer > 1 << 20) {
      return peri_fail(PERI_EARG, "zero_pad2d: padding must be 0 to %d, got %lld", 1 << 20, (long long)c->arg[i].integer);
    }
  }
  int64_t shape[4] = {x->shape[0], x->shape[1] + c->arg[1].integer + c->arg[2].integer,
                      x->shape[2] + c->arg[3].integer + c->arg[4].integer, x->shape[3]};
  PERI_TRY(peri_tensor_zeros(&c->out[0], x->dtype, 4, shape));
  c->outs = 1;
  peri_tensor *view;
  PERI_TRY(inner(&view, c->out[0], c));
  int status = peri_tensor_copy(view, x);
  peri_tensor_release(view);
  return status;
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return inner(&grad_in[0], grad_out[0], c);
}

const peri_op peri_op_zero_pad2d = {.name = "zero_pad2d",
                                    .signature = "x: tensor, top: int, bottom: int, left: int, right: int",
                                    .doc = "Images (N, H, W, C) with rows of zeros above and below, columns left and right.",
                                    .example = "randn(2, 3, 2, 2), 1, 0, 2, 1",
                                    .forward = forward,
                                    .backward = backward};
