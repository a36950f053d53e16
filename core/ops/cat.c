/* cat.c - joins tensors along an axis that they have. */
#include <string.h>

#include "ops/ops.h"

static int check(const peri_call *c, int axis, int64_t *total) {
  peri_tensor **at = c->arg[0].tensors.at;
  *total = 0;
  for (int i = 0; i < c->arg[0].tensors.count; i++) {
    PERI_TRY(peri__want_same_type("cat", at[0], at[i]));
    bool fits = at[i]->ndim == at[0]->ndim;
    for (int d = 0; fits && d < at[0]->ndim; d++) fits = d == axis || at[i]->shape[d] == at[0]->shape[d];
    if (!fits) {
      return peri_fail(PERI_ESHAPE, "cat: tensor %d has shape %s, the first %s; only axis %d may differ", i + 1,
                       peri_shape_text(at[i]->ndim, at[i]->shape), peri_shape_text(at[0]->ndim, at[0]->shape), axis + 1);
    }
    *total += at[i]->shape[axis];
  }
  return PERI_OK;
}

static int forward(peri_call *c) {
  int count = c->arg[0].tensors.count, axis = (int)c->arg[1].integer;
  peri_tensor **at = c->arg[0].tensors.at;
  int64_t shape[PERI_MAX_DIMS], start = 0;
  if (count == 0) return peri_fail(PERI_EARG, "cat: the list of tensors is empty");
  memcpy(shape, at[0]->shape, sizeof shape);
  PERI_TRY(check(c, axis, &shape[axis]));
  PERI_TRY(peri_tensor_new(&c->out[0], at[0]->dtype, at[0]->ndim, shape));
  c->outs = 1;
  for (int i = 0; i < count; i++) {
    peri_tensor *view = NULL;
    PERI_TRY(peri_tensor_slice(&view, c->out[0], axis, start, at[i]->shape[axis], 1));
    int status = peri_tensor_copy(view, at[i]);
    peri_tensor_release(view);
    PERI_TRY(status);
    start += at[i]->shape[axis];
  }
  return PERI_OK;
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  (void)grad_in;
  int axis = (int)c->arg[1].integer;
  int64_t start = 0;
  for (int i = 0; i < c->arg[0].tensors.count; i++) {
    int64_t length = c->arg[0].tensors.at[i]->shape[axis];
    if (peri_wants_item(c, 0, i)) {
      peri_tensor *part;
      PERI_TRY(peri_tensor_slice(&part, grad_out[0], axis, start, length, 1));
      PERI_TRY(peri_give_item(c, 0, i, part));
    }
    start += length;
  }
  return PERI_OK;
}

const peri_op peri_op_cat = {.name = "cat",
                             .signature = "tensors: tensors, axis/dim: axis = 1",
                             .doc = "Joins tensors along an axis; their other sizes must agree.",
                             .example = "{randn(2, 3), randn(1, 3)}; {randn(2, 1), randn(2, 2), randn(2, 1)}, 2",
                             .forward = forward,
                             .backward = backward,
                             .flags = PERI_OP_NO_METHOD};
