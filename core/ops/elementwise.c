/* elementwise.c - the ops made from the rows of kernels/elementwise.def.

   One number comes from one number (unary), or from two of tensors broadcast to a common shape
   (binary; comparisons give uint8 masks of 1 and 0). */
#include "ops/ops.h"

/* --- unary --- */

/* Integers take part where the value stays an integer. */
static bool integers_allowed(peri_unary f) {
  switch (f) {
  case PERI_UNARY_neg: case PERI_UNARY_abs: case PERI_UNARY_sign: case PERI_UNARY_square: case PERI_UNARY_relu:
  case PERI_UNARY_floor: case PERI_UNARY_ceil: case PERI_UNARY_round: case PERI_UNARY_trunc:
  case PERI_UNARY_clamp_min: case PERI_UNARY_clamp_max: return true;
  default: return false;
  }
}

static double parameter(const peri_call *c) { return c->args > 1 ? c->arg[1].number : 0; }

static int unary_forward(peri_call *c, peri_unary f) {
  peri_tensor *x;
  if (!integers_allowed(f)) PERI_TRY(peri__want_floating(c->op->name, "x", c->arg[0].tensor));
  PERI_TRY(peri_tensor_contiguous_of(&x, c->arg[0].tensor));
  int status = peri_tensor_like(&c->out[0], x);
  if (status >= 0) {
    c->outs = 1;
    peri_kernels_of(x->dtype)->unary(f, peri_tensor_count(x), peri_tensor_data(x), peri_tensor_data(c->out[0]),
                                     parameter(c));
  }
  peri_tensor_release(x);
  return status;
}

static int unary_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in, peri_unary f) {
  peri_tensor *x = NULL, *dy = NULL;
  int status = peri__gradient_room(&grad_in[0], grad_out[0]);
  if (status >= 0) status = peri_tensor_contiguous_of(&x, c->arg[0].tensor);
  if (status >= 0) status = peri_tensor_contiguous_of(&dy, grad_out[0]);
  if (status >= 0) {
    peri_kernels_of(x->dtype)->unary_backward(f, peri_tensor_count(x), peri_tensor_data(x), peri_tensor_data(c->out[0]),
                                              peri_tensor_data(dy), peri_tensor_data(grad_in[0]), parameter(c));
  }
  peri_tensor_release(x);
  peri_tensor_release(dy);
  return status;
}

/* Functions with a parameter; constant conditions, so that a descriptor stays a constant. */
#define UNARY_SIGNATURE(f)                                                                         \
  ((f) == PERI_UNARY_leaky_relu ? "x: tensor, slope/negative_slope/alpha: number = 0.2"            \
   : (f) == PERI_UNARY_elu      ? "x: tensor, alpha: number = 1"                                   \
   : (f) == PERI_UNARY_clamp_min ? "x: tensor, min: number"                                        \
   : (f) == PERI_UNARY_clamp_max ? "x: tensor, max: number"                                        \
                                 : "x: tensor")
#define UNARY_EXAMPLE(f, sample) ((f) == PERI_UNARY_clamp_min || (f) == PERI_UNARY_clamp_max ? sample ", 0.9" : sample)

#define PERI_UNARY(name_, value_, derivative_, doc_, sample_)                                      \
  static int forward_##name_(peri_call *c) { return unary_forward(c, PERI_UNARY_##name_); }        \
  static int backward_##name_(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) { \
    return unary_backward(c, grad_out, grad_in, PERI_UNARY_##name_);                               \
  }                                                                                                \
  const peri_op peri_op_##name_ = {                                                                \
      .name = #name_,                                                                              \
      .signature = UNARY_SIGNATURE(PERI_UNARY_##name_),                                            \
      .doc = "Elementwise: " doc_ ".",                                                             \
      .example = UNARY_EXAMPLE(PERI_UNARY_##name_, sample_),                                       \
      .forward = forward_##name_,                                                                  \
      .backward = backward_##name_,                                                                \
      .keep_args = 1,                                                                              \
      .keep_outs = 1,                                                                              \
      .flags = PERI_UNARY_##name_ == PERI_UNARY_sigmoid ? PERI_OP_ORIGIN : 0};
#include "kernels/elementwise.def"

/* --- binary --- */

static bool integers_allowed_binary(peri_binary f) { return f != PERI_BINARY_div && f != PERI_BINARY_atan2; }

static int check_binary(peri_call *c, int *ndim, int64_t *shape) {
  const peri_tensor *a = c->arg[0].tensor, *b = c->arg[1].tensor;
  PERI_TRY(peri__want_same_type(c->op->name, a, b));
  return peri_broadcast(c->op->name, a->ndim, a->shape, b->ndim, b->shape, ndim, shape);
}

static int binary_forward(peri_call *c, peri_binary f) {
  int64_t shape[PERI_MAX_DIMS];
  int ndim = 0;
  PERI_TRY(check_binary(c, &ndim, shape));
  if (!integers_allowed_binary(f)) PERI_TRY(peri__want_floating(c->op->name, "a", c->arg[0].tensor));
  PERI_TRY(peri_tensor_new(&c->out[0], c->arg[0].tensor->dtype, ndim, shape));
  c->outs = 1;
  const peri_tensor *all[3] = {c->out[0], c->arg[0].tensor, c->arg[1].tensor};
  const peri_kernels *kernels = peri_kernels_of(c->out[0]->dtype);
  peri_walk w;
  PERI_TRY(peri_walk_start(&w, c->op->name, ndim, shape, 3, all));
  for (; w.left; peri_walk_next(&w)) {
    kernels->binary(f, w.count, w.data[1], w.stride[1], w.data[2], w.stride[2], w.data[0]);
  }
  return PERI_OK;
}

/* The gradient of argument `which` at the common shape: d, y and dy are dense and walk in step. */
static int binary_slope(peri_call *c, peri_binary f, int which, const peri_tensor *dy, peri_tensor *d) {
  const peri_tensor *all[3] = {d, c->arg[0].tensor, c->arg[1].tensor};
  const peri_kernels *kernels = peri_kernels_of(d->dtype);
  const char *y = peri_tensor_data(c->out[0]), *slope = peri_tensor_data(dy), *first = peri_tensor_data(d);
  peri_walk w;
  PERI_TRY(peri_walk_start(&w, c->op->name, d->ndim, d->shape, 3, all));
  for (; w.left; peri_walk_next(&w)) {
    int64_t at = w.data[0] - first;
    kernels->binary_backward(f, which, w.count, w.data[1], w.stride[1], w.data[2], w.stride[2], y + at, slope + at,
                             w.data[0]);
  }
  return PERI_OK;
}

static int binary_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in, peri_binary f) {
  peri_tensor *dy;
  PERI_TRY(peri_tensor_contiguous_of(&dy, grad_out[0]));
  int status = PERI_OK;
  for (int which = 0; which < 2 && status >= 0; which++) {
    if (!peri_wants(c, which)) continue;
    peri_tensor *d = NULL;
    bool plain = f == PERI_BINARY_add || (f == PERI_BINARY_sub && which == 0);
    if (plain) d = peri_tensor_retain(dy);
    else status = peri_tensor_like(&d, dy);
    if (status >= 0 && f == PERI_BINARY_sub && which == 1) {
      peri_kernels_of(d->dtype)->unary(PERI_UNARY_neg, peri_tensor_count(d), peri_tensor_data(dy), peri_tensor_data(d), 0);
    } else if (status >= 0 && !plain) {
      status = binary_slope(c, f, which, dy, d);
    }
    if (status >= 0) status = peri__sum_to(&grad_in[which], d, c->arg[which].tensor);
    else peri_tensor_release(d);
  }
  peri_tensor_release(dy);
  return status;
}

/* Sums and differences need nothing of what they were made from. */
#define BINARY_KEEPS(f) ((f) != PERI_BINARY_add && (f) != PERI_BINARY_sub)

#define PERI_BINARY(name_, value_, da_, db_, doc_, sample_)                                        \
  static int forward_##name_(peri_call *c) { return binary_forward(c, PERI_BINARY_##name_); }      \
  static int backward_##name_(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) { \
    return binary_backward(c, grad_out, grad_in, PERI_BINARY_##name_);                             \
  }                                                                                                \
  const peri_op peri_op_##name_ = {.name = #name_,                                                 \
                                   .signature = "a: tensor, b: tensor",                            \
                                   .doc = "Elementwise: " doc_ ". Shapes are broadcast.",          \
                                   .example = sample_,                                             \
                                   .forward = forward_##name_,                                     \
                                   .backward = backward_##name_,                                   \
                                   .keep_args = BINARY_KEEPS(PERI_BINARY_##name_) ? 3 : 0,                                \
                                   .keep_outs = BINARY_KEEPS(PERI_BINARY_##name_)};
#include "kernels/elementwise.def"

/* --- comparisons --- */

static int compare_forward(peri_call *c, peri_compare f) {
  int64_t shape[PERI_MAX_DIMS];
  int ndim = 0;
  PERI_TRY(check_binary(c, &ndim, shape));
  PERI_TRY(peri_tensor_new(&c->out[0], PERI_U8, ndim, shape));
  c->outs = 1;
  const peri_tensor *all[3] = {c->out[0], c->arg[0].tensor, c->arg[1].tensor};
  const peri_kernels *kernels = peri_kernels_of(c->arg[0].tensor->dtype);
  peri_walk w;
  PERI_TRY(peri_walk_start(&w, c->op->name, ndim, shape, 3, all));
  for (; w.left; peri_walk_next(&w)) {
    kernels->compare(f, w.count, w.data[1], w.stride[1], w.data[2], w.stride[2], (uint8_t *)w.data[0]);
  }
  return PERI_OK;
}

#define PERI_COMPARE(name_, value_, doc_)                                                          \
  static int forward_##name_(peri_call *c) { return compare_forward(c, PERI_COMPARE_##name_); }    \
  const peri_op peri_op_##name_ = {.name = #name_,                                                 \
                                   .signature = "a: tensor, b: tensor",                            \
                                   .doc = "Elementwise: " doc_ ", else 0, as uint8. Shapes are broadcast.", \
                                   .example = "randn(2, 3), randn(3)",                             \
                                   .forward = forward_##name_};
#include "kernels/elementwise.def"
