/* matmul.c - the matrix product, with NumPy's rules for vectors and batches.

   (..., m, k) x (..., k, n) -> (..., m, n); the leading axes are broadcast. A vector on the left counts as
   one row, on the right as one column, and the axis is dropped from the result. Gradients:
   dA = dC B^T, dB = A^T dC (summed over broadcast axes). */
#include <string.h>

#include "ops/ops.h"

/* A tensor as a matrix with batch axes: vectors get their missing axis. */
static int as_matrix(peri_tensor **out, peri_tensor *t, bool left) {
  if (t->ndim >= 2) return peri_tensor_alias(out, t);
  int64_t shape[2] = {left ? 1 : t->shape[0], left ? t->shape[0] : 1};
  return peri_tensor_reshape(out, t, 2, shape);
}

static int swapped(peri_tensor **out, const peri_tensor *t) {
  int order[PERI_MAX_DIMS];
  for (int i = 0; i < t->ndim; i++) order[i] = i;
  order[t->ndim - 1] = t->ndim - 2;
  order[t->ndim - 2] = t->ndim - 1;
  return peri_tensor_permute(out, t, order);
}


/* The batches of c = a b: a and b are expanded to c's leading axes (with stride 0 where broadcast). */
static int multiply_batches(const peri_tensor *a, const peri_tensor *b, const peri_tensor *c) {
  int lead = c->ndim - 2;
  peri_matmul p = {.m = c->shape[lead], .n = c->shape[lead + 1], .k = a->shape[lead + 1],
                   .a_row = a->strides[lead], .a_col = a->strides[lead + 1],
                   .b_row = b->strides[lead], .b_col = b->strides[lead + 1], .c_row = c->shape[lead + 1]};
  const peri_kernels *k = peri_kernels_of(c->dtype);
  int64_t size = (int64_t)peri_dtype_size(c->dtype), index[PERI_MAX_DIMS] = {0}, batches = 1;
  for (int i = 0; i < lead; i++) batches *= c->shape[i];
  for (int64_t batch = 0; batch < batches; batch++) {
    int64_t at = 0, bt = 0;
    for (int i = 0; i < lead; i++) at += index[i] * a->strides[i], bt += index[i] * b->strides[i];
    PERI_TRY(k->matmul(&p, (char *)peri_tensor_data(a) + at * size, (char *)peri_tensor_data(b) + bt * size,
                          (char *)peri_tensor_data(c) + batch * p.m * p.n * size));
    for (int i = lead - 1; i >= 0 && ++index[i] == c->shape[i]; i--) index[i] = 0;
  }
  return PERI_OK;
}

static int expand_batches(peri_tensor **out, const peri_tensor *t, int lead, const int64_t *batch) {
  int64_t shape[PERI_MAX_DIMS];
  memcpy(shape, batch, sizeof(int64_t) * (size_t)lead);
  shape[lead] = t->shape[t->ndim - 2];
  shape[lead + 1] = t->shape[t->ndim - 1];
  return peri_tensor_expand(out, t, lead + 2, shape);
}

/* (..., m, k) dense x (k, n): one product over all rows. */
static bool one_product(const peri_tensor *a, const peri_tensor *b) {
  return b->ndim == 2 && a->ndim > 2 && peri_tensor_contiguous(a);
}

/* The product of two tensors of at least two dimensions each. */
static int product(peri_tensor **out, peri_tensor *a, peri_tensor *b) {
  int64_t batch[PERI_MAX_DIMS], shape[PERI_MAX_DIMS];
  int lead = 0;
  if (a->shape[a->ndim - 1] != b->shape[b->ndim - 2]) {
    return peri_fail(PERI_ESHAPE, "matmul: shapes %s and %s do not fit: %lld columns on the left, %lld rows on the right",
                     peri_shape_text(a->ndim, a->shape), peri_shape_text(b->ndim, b->shape),
                     (long long)a->shape[a->ndim - 1], (long long)b->shape[b->ndim - 2]);
  }
  PERI_TRY(peri_broadcast("matmul", a->ndim - 2, a->shape, b->ndim - 2, b->shape, &lead, batch));
  memcpy(shape, batch, sizeof(int64_t) * (size_t)lead);
  shape[lead] = a->shape[a->ndim - 2];
  shape[lead + 1] = b->shape[b->ndim - 1];
  peri_tensor *full_a = NULL, *full_b = NULL, *c = NULL, *flat = NULL;
  int status = peri_tensor_new(&c, a->dtype, lead + 2, shape);
  if (status >= 0 && one_product(a, b)) {
    int64_t rows[2] = {-1, a->shape[a->ndim - 1]}, flat_rows[2] = {-1, shape[lead + 1]};
    if (peri_tensor_count(a) > 0 && peri_tensor_count(c) > 0) {
      status = peri_tensor_reshape(&full_a, a, 2, rows);
      if (status >= 0) status = peri_tensor_reshape(&flat, c, 2, flat_rows);
      if (status >= 0) status = multiply_batches(full_a, b, flat);
    } else if (peri_tensor_count(c) > 0) {
      status = peri_tensor_fill(c, 0);
    }
  } else if (status >= 0) {
    status = expand_batches(&full_a, a, lead, batch);
    if (status >= 0) status = expand_batches(&full_b, b, lead, batch);
    if (status >= 0) status = multiply_batches(full_a, full_b, c);
  }
  peri_tensor_release(full_a);
  peri_tensor_release(full_b);
  peri_tensor_release(flat);
  if (status < 0) {
    peri_tensor_release(c);
    return status;
  }
  *out = c;
  return PERI_OK;
}

static int forward(peri_call *c) {
  peri_tensor *a = c->arg[0].tensor, *b = c->arg[1].tensor, *left = NULL, *right = NULL, *full = NULL;
  PERI_TRY(peri__want_same_type("matmul", a, b));
  PERI_TRY(peri__want_floating("matmul", "a", a));
  if (a->ndim == 0 || b->ndim == 0) return peri_fail(PERI_ESHAPE, "matmul: a scalar is no matrix; use * for scaling");
  int status = as_matrix(&left, a, true);
  if (status >= 0) status = as_matrix(&right, b, false);
  if (status >= 0) status = product(&full, left, right);
  if (status >= 0) {
    int64_t shape[PERI_MAX_DIMS];
    int ndim = 0;
    for (int i = 0; i < full->ndim; i++) {
      bool dropped = (i == full->ndim - 2 && a->ndim == 1) || (i == full->ndim - 1 && b->ndim == 1);
      if (!dropped) shape[ndim++] = full->shape[i];
    }
    status = peri_tensor_reshape(&c->out[0], full, ndim, shape);
    if (status >= 0) c->outs = 1;
  }
  peri_tensor_release(left);
  peri_tensor_release(right);
  peri_tensor_release(full);
  return status;
}

/* The gradient of one operand: at the matrix shape, summed over broadcast batches, in the operand's shape. */
static int operand_gradient(peri_tensor **out, peri_tensor *first, peri_tensor *second, const peri_tensor *matrix,
                            const peri_tensor *operand) {
  peri_tensor *full = NULL, *summed = NULL;
  int status = product(&full, first, second);
  if (status >= 0) status = peri__sum_to(&summed, full, matrix);
  if (status >= 0) status = peri_tensor_reshape(out, summed, operand->ndim, operand->shape);
  peri_tensor_release(summed);
  return status;
}

/* dB = A^T dC of (rows, k) and (rows, n) seen flat, when B had no batch axes: one product, not one a batch. */
static int flat_rows(peri_tensor **out, peri_tensor *t) {
  int64_t shape[2] = {peri_tensor_count(t) / (t->shape[t->ndim - 1] > 0 ? t->shape[t->ndim - 1] : 1), t->shape[t->ndim - 1]};
  return peri_tensor_reshape(out, t, 2, shape);
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  peri_tensor *a = c->arg[0].tensor, *b = c->arg[1].tensor;
  peri_tensor *left = NULL, *right = NULL, *dy = NULL, *turned = NULL, *flat_left = NULL, *flat_dy = NULL;
  int status = as_matrix(&left, a, true);
  if (status >= 0) status = as_matrix(&right, b, false);
  if (status >= 0) { /* the result with the dropped axes put back */
    int64_t shape[PERI_MAX_DIMS];
    int lead = grad_out[0]->ndim - (a->ndim > 1) - (b->ndim > 1);
    memcpy(shape, grad_out[0]->shape, sizeof(int64_t) * (size_t)lead);
    shape[lead] = left->shape[left->ndim - 2];
    shape[lead + 1] = right->shape[right->ndim - 1];
    status = peri_tensor_reshape(&dy, grad_out[0], lead + 2, shape);
  }
  if (status >= 0 && peri_wants(c, 0)) {
    status = swapped(&turned, right);
    if (status >= 0) status = operand_gradient(&grad_in[0], dy, turned, left, a);
    peri_tensor_release(turned);
    turned = NULL;
  }
  if (status >= 0 && peri_wants(c, 1)) {
    bool flat = right->ndim == 2 && left->ndim > 2;
    if (flat) status = flat_rows(&flat_left, left);
    if (flat && status >= 0) status = flat_rows(&flat_dy, dy);
    if (status >= 0) status = swapped(&turned, flat ? flat_left : left);
    if (status >= 0) status = operand_gradient(&grad_in[1], turned, flat ? flat_dy : dy, right, b);
  }
  peri_tensor *all[] = {left, right, dy, turned, flat_left, flat_dy};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) peri_tensor_release(all[i]);
  return status;
}

const peri_op peri_op_matmul = {
    .name = "matmul",
    .signature = "a: tensor, b: tensor",
    .doc = "The matrix product of the last two axes; leading axes are broadcast. A vector on the left is a row, on the "
           "right a column.",
    .example = "randn(2, 3), randn(3, 4); randn(2, 2, 3), randn(3, 2); randn(2, 1, 2, 3), randn(2, 3, 2); randn(3), "
               "randn(3); randn(2, 3), randn(3); randn(3), randn(2, 3, 2)",
    .forward = forward,
    .backward = backward,
    .keep_args = 3};
