/* cross_entropy.c - softmax and cross-entropy in one stable pass: one loss a row of logits.

   loss = -sum_c t_c log softmax(x)_c, where t is the target row: one-hot from a label, or given, and in
   either case smoothed: t' = (1 - s) t + s / classes. dx = dloss (sum(t') softmax(x) - t'). */
#include <string.h>

#include "ops/ops.h"

enum { LOGITS, TARGET, SMOOTHING };

static int check_labels(const peri_tensor *labels, int64_t classes) {
  const int64_t *label = peri_tensor_data(labels);
  int64_t count = peri_tensor_count(labels);
  for (int64_t i = 0; i < count; i++) {
    if (label[i] < 0 || label[i] >= classes) {
      return peri_fail(PERI_EARG, "cross_entropy: label %lld in row %lld is not one of the %lld classes 0 to %lld",
                       (long long)label[i], (long long)i + 1, (long long)classes, (long long)classes - 1);
    }
  }
  return PERI_OK;
}

/* The target dense, in *sparse or *rows. Labels may be int64 or uint8. */
static int read_target(const peri_call *c, peri_tensor **sparse, peri_tensor **rows) {
  const peri_tensor *x = c->arg[LOGITS].tensor;
  peri_tensor *t = c->arg[TARGET].tensor;
  if (peri_dtype_floating(t->dtype)) {
    PERI_TRY(peri__want_same_type("cross_entropy", x, t));
    if (peri_tensor_same_shape(x, t)) return peri_tensor_contiguous_of(rows, t);
    return peri_fail(PERI_ESHAPE, "cross_entropy: target rows must have the logits' shape %s, got %s",
                     peri_shape_text(x->ndim, x->shape), peri_shape_text(t->ndim, t->shape));
  }
  bool fits = t->ndim == x->ndim - 1 && memcmp(t->shape, x->shape, sizeof(int64_t) * (size_t)t->ndim) == 0;
  if (!fits) {
    return peri_fail(PERI_ESHAPE, "cross_entropy: labels must have the shape %s of the rows of the logits, got %s",
                     peri_shape_text(x->ndim - 1, x->shape), peri_shape_text(t->ndim, t->shape));
  }
  PERI_TRY(peri_tensor_cast(sparse, t, PERI_I64));
  return check_labels(*sparse, x->shape[x->ndim - 1]);
}

static const void *data_or_null(const peri_tensor *t) { return t ? peri_tensor_data(t) : NULL; }

static int forward(peri_call *c) {
  peri_tensor *x = c->arg[LOGITS].tensor, *dense = NULL, *sparse = NULL, *rows = NULL;
  PERI_TRY(peri__want_floating("cross_entropy", "logits", x));
  if (x->ndim < 1) return peri_fail(PERI_ESHAPE, "cross_entropy: logits need an axis of classes");
  int64_t cols = x->shape[x->ndim - 1];
  int status = read_target(c, &sparse, &rows);
  if (status >= 0) status = peri_tensor_contiguous_of(&dense, x);
  if (status >= 0) status = peri_tensor_new(&c->out[0], x->dtype, x->ndim - 1, x->shape);
  if (status >= 0) {
    c->outs = 1;
    status = peri_tensor_like(&c->aux[0], dense);
  }
  if (status >= 0 && cols > 0) {
    peri_kernels_of(x->dtype)->cross_entropy(peri_tensor_count(x) / cols, cols, peri_tensor_data(dense), data_or_null(sparse),
                                             data_or_null(rows), c->arg[SMOOTHING].number, peri_tensor_data(c->out[0]),
                                             peri_tensor_data(c->aux[0]));
  }
  if (status >= 0) {
    c->aux[1] = sparse;
    c->aux[2] = rows;
    sparse = rows = NULL;
  }
  peri_tensor_release(dense);
  peri_tensor_release(sparse);
  peri_tensor_release(rows);
  return status;
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  peri_tensor *dy;
  const peri_tensor *p = c->aux[0];
  int64_t cols = p->shape[p->ndim - 1];
  if (!peri_wants(c, LOGITS)) return PERI_OK;
  PERI_TRY(peri_tensor_contiguous_of(&dy, grad_out[0]));
  int status = peri_tensor_like(&grad_in[LOGITS], p);
  if (status >= 0 && cols > 0) {
    peri_kernels_of(p->dtype)->cross_entropy_backward(peri_tensor_count(p) / cols, cols, peri_tensor_data(p),
                                                      data_or_null(c->aux[1]), data_or_null(c->aux[2]),
                                                      c->arg[SMOOTHING].number, peri_tensor_data(dy),
                                                      peri_tensor_data(grad_in[LOGITS]));
  }
  peri_tensor_release(dy);
  return status;
}

const peri_op peri_op_cross_entropy = {
    .name = "cross_entropy",
    .signature = "logits: tensor, target: tensor, smoothing/label_smoothing: number = 0",
    .doc = "One loss a row of logits (..., classes): target is a label a row (int64, from 0) or a row of probabilities "
           "(the logits' shape). No gradient goes to the target.",
    .example = "randn(3, 4), tensor({0, 3, 1}, 'int64'); randn(3, 4), tensor({0, 3, 1}, 'int64'), 0.1; "
               "randn(2, 3), constant(rand(2, 3)), 0.1",
    .forward = forward,
    .backward = backward};
