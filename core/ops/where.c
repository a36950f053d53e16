/* where.c - elements of one tensor or another, as a mask says: where, masked_fill. */
#include "ops/ops.h"

static int want_mask(const char *op, const char *argument, const peri_tensor *mask) {
  if (mask->dtype == PERI_U8) return PERI_OK;
  return peri_fail(PERI_ETYPE, "%s: '%s' must be a mask of uint8, as comparisons give (x:gt(0)), not %s", op, argument,
                   peri_dtype_name(mask->dtype));
}

#define CHOOSE(T)                                                                                  \
  for (int64_t i = 0; i < w->count; i++) {                                                         \
    ((T *)(void *)w->data[0])[i * w->stride[0]] = mask[i * w->stride[1]]                           \
                                                      ? ((const T *)(void *)w->data[2])[i * w->stride[2]] \
                                                      : ((const T *)(void *)w->data[3])[i * w->stride[3]]; \
  }

/* One run: the bits of a or b go to the result, whatever the type. */
static void choose_run(peri_walk *w) {
  const uint8_t *mask = (const uint8_t *)w->data[1];
  switch (w->size[0]) {
  case 1: CHOOSE(uint8_t) break;
  case 4: CHOOSE(uint32_t) break;
  default: CHOOSE(uint64_t) break;
  }
}

/* out = mask ? a : b, at the common shape of the three. */
static int choose(peri_tensor **out, const char *op, peri_tensor *mask, peri_tensor *a, peri_tensor *b) {
  int64_t shape[PERI_MAX_DIMS];
  int ndim = 0;
  PERI_TRY(peri_broadcast(op, a->ndim, a->shape, b->ndim, b->shape, &ndim, shape));
  PERI_TRY(peri_broadcast(op, mask->ndim, mask->shape, ndim, shape, &ndim, shape));
  peri_tensor *y = NULL;
  PERI_TRY(peri_tensor_new(&y, a->dtype, ndim, shape));
  const peri_tensor *all[4] = {y, mask, a, b};
  peri_walk w;
  int status = peri_walk_start(&w, op, ndim, shape, 4, all);
  if (status < 0) {
    peri_tensor_release(y);
    return status;
  }
  for (; w.left; peri_walk_next(&w)) choose_run(&w);
  *out = y;
  return PERI_OK;
}

/* The gradient of one side: dy where the mask chose it, else 0, summed to the shape of `like`. */
static int side_gradient(peri_tensor **out, peri_tensor *mask, peri_tensor *dy, bool chosen, const peri_tensor *like) {
  peri_tensor *zero = NULL, *part = NULL;
  int status = peri_tensor_full(&zero, dy->dtype, 0, NULL, 0);
  if (status >= 0) status = choose(&part, "where", mask, chosen ? dy : zero, chosen ? zero : dy);
  if (status >= 0) status = peri__sum_to(out, part, like);
  peri_tensor_release(zero);
  return status;
}

static int where_forward(peri_call *c) {
  peri_tensor *mask = c->arg[0].tensor, *a = c->arg[1].tensor, *b = c->arg[2].tensor;
  PERI_TRY(want_mask("where", "condition", mask));
  PERI_TRY(peri__want_same_type("where", a, b));
  PERI_TRY(choose(&c->out[0], "where", mask, a, b));
  c->outs = 1;
  return PERI_OK;
}

static int where_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  peri_tensor *mask = c->arg[0].tensor;
  if (peri_wants(c, 1)) PERI_TRY(side_gradient(&grad_in[1], mask, grad_out[0], true, c->arg[1].tensor));
  if (peri_wants(c, 2)) PERI_TRY(side_gradient(&grad_in[2], mask, grad_out[0], false, c->arg[2].tensor));
  return PERI_OK;
}

const peri_op peri_op_where = {
    .name = "where",
    .signature = "condition: tensor, a: tensor, b: tensor",
    .doc = "a where the uint8 condition is not 0, else b. All three shapes are broadcast.",
    .example = "tensor({{1, 0, 1}, {0, 0, 1}}, 'uint8'), randn(2, 3), randn(3); tensor({1, 0}, 'uint8'), randn(3, 1), randn(1)",
    .forward = where_forward,
    .backward = where_backward,
    .keep_args = 1};

static int fill_forward(peri_call *c) {
  peri_tensor *x = c->arg[0].tensor, *mask = c->arg[1].tensor, *value = c->arg[2].tensor;
  PERI_TRY(want_mask("masked_fill", "mask", mask));
  PERI_TRY(peri__want_same_type("masked_fill", x, value));
  PERI_TRY(choose(&c->out[0], "masked_fill", mask, value, x));
  c->outs = 1;
  return PERI_OK;
}

static int fill_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  peri_tensor *mask = c->arg[1].tensor;
  if (peri_wants(c, 0)) PERI_TRY(side_gradient(&grad_in[0], mask, grad_out[0], false, c->arg[0].tensor));
  if (peri_wants(c, 2)) PERI_TRY(side_gradient(&grad_in[2], mask, grad_out[0], true, c->arg[2].tensor));
  return PERI_OK;
}

const peri_op peri_op_masked_fill = {
    .name = "masked_fill",
    .signature = "x: tensor, mask: tensor, value: tensor",
    .doc = "A copy of x with `value` wherever the uint8 mask is not 0. Shapes are broadcast.",
    .example = "randn(2, 3), tensor({1, 0, 1}, 'uint8'), 0.5; randn(2, 3), tensor({{1}, {0}}, 'uint8'), randn(3)",
    .forward = fill_forward,
    .backward = fill_backward,
    .keep_args = 2};
