/* index.c - choosing elements by positions (int64, from 1, negative from the end) or by a mask (uint8). */
#include <string.h>

#include "ops/ops.h"

/* Position i as 0-based, or an error that names the op and the axis. */
static int place(const char *op, int64_t asked, int64_t n, int axis, int64_t *at) {
  *at = asked < 0 ? asked + n : asked - 1;
  if (asked != 0 && *at >= 0 && *at < n) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "%s: position %lld is out of range on axis %d of size %lld (1 to %lld)", op,
                   (long long)asked, axis + 1, (long long)n, (long long)n);
}

static int want_positions(const char *op, const peri_tensor *index) {
  if (index->dtype == PERI_I64) return PERI_OK;
  return peri_fail(PERI_ETYPE, "%s: positions must be int64, not %s; convert them with :long()", op, peri_dtype_name(index->dtype));
}

/* --- index_select --- */

/* Copies rows between x (outer, n, inner) and y (outer, count, inner); `back` adds y's rows into x. */
static void move_rows(peri_span s, int64_t count, const int64_t *at, char *x, char *y, int64_t size, const peri_kernels *add) {
  for (int64_t o = 0; o < s.outer; o++) {
    for (int64_t i = 0; i < count; i++) {
      char *there = x + (o * s.n + at[i]) * s.inner * size, *here = y + (o * count + i) * s.inner * size;
      if (add) add->axpy(s.inner, 1, here, there);
      else memcpy(here, there, (size_t)(s.inner * size));
    }
  }
}

static int index_select_forward(peri_call *c) {
  peri_tensor *x = c->arg[0].tensor, *index = c->arg[2].tensor, *dense = NULL, *at = NULL;
  int axis = (int)c->arg[1].integer;
  int64_t shape[PERI_MAX_DIMS], ndim = x->ndim - 1 + index->ndim;
  PERI_TRY(want_positions("index_select", index));
  if (ndim > PERI_MAX_DIMS) return peri_fail(PERI_ESHAPE, "index_select: the result would have %lld dimensions", (long long)ndim);
  for (int i = 0; i < axis; i++) shape[i] = x->shape[i];
  for (int i = 0; i < index->ndim; i++) shape[axis + i] = index->shape[i];
  for (int i = axis + 1; i < x->ndim; i++) shape[i - 1 + index->ndim] = x->shape[i];
  int status = peri_tensor_contiguous_of(&dense, x);
  if (status >= 0) status = peri_tensor_clone(&at, index);
  int64_t count = peri_tensor_count(index), *places = status >= 0 ? peri_tensor_data(at) : NULL;
  for (int64_t i = 0; i < count && status >= 0; i++) status = place("index_select", places[i], x->shape[axis], axis, &places[i]);
  if (status >= 0) status = peri_tensor_new(&c->out[0], x->dtype, (int)ndim, shape);
  if (status >= 0) {
    c->outs = 1;
    move_rows(peri__span(x, axis), count, places, peri_tensor_data(dense), peri_tensor_data(c->out[0]),
              (int64_t)peri_dtype_size(x->dtype), NULL);
    c->aux[0] = at;
    at = NULL;
  }
  peri_tensor_release(dense);
  peri_tensor_release(at);
  return status;
}

static int index_select_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  const peri_tensor *x = c->arg[0].tensor;
  peri_tensor *dy;
  PERI_TRY(peri_tensor_contiguous_of(&dy, grad_out[0]));
  int status = peri_tensor_zeros(&grad_in[0], x->dtype, x->ndim, x->shape);
  if (status >= 0) {
    move_rows(peri__span(x, (int)c->arg[1].integer), peri_tensor_count(c->aux[0]), peri_tensor_data(c->aux[0]),
              peri_tensor_data(grad_in[0]), peri_tensor_data(dy), (int64_t)peri_dtype_size(x->dtype),
              peri_kernels_of(x->dtype));
  }
  peri_tensor_release(dy);
  return status;
}

const peri_op peri_op_index_select = {
    .name = "index_select",
    .signature = "x: tensor, axis/dim: axis, index: tensor",
    .doc = "The places of one axis named by int64 positions (from 1, negative from the end), which may repeat; the axis "
           "is replaced by the axes of `index`.",
    .example = "randn(4, 2), 1, tensor({3, 1, 3}, 'int64'); randn(2, 3), -1, tensor({{1, -1}, {2, 2}}, 'int64')",
    .forward = index_select_forward,
    .backward = index_select_backward};

/* --- gather, scatter_add --- */

/* Visits each element of `index` (shape as y) with its offset into a dense tensor shaped like x. */
static int offsets(const char *op, const peri_tensor *index, const peri_tensor *x, int axis, int64_t *offset) {
  int64_t stride[PERI_MAX_DIMS], coordinate[PERI_MAX_DIMS] = {0}, step = 1;
  PERI_TRY(want_positions(op, index));
  if (index->ndim != x->ndim) {
    return peri_fail(PERI_ESHAPE, "%s: positions of shape %s must have as many axes as %s", op,
                     peri_shape_text(index->ndim, index->shape), peri_tensor_text(x));
  }
  for (int i = x->ndim - 1; i >= 0; i--) {
    if (i != axis && index->shape[i] > x->shape[i]) {
      return peri_fail(PERI_ESHAPE, "%s: positions of shape %s reach past %s on axis %d", op,
                       peri_shape_text(index->ndim, index->shape), peri_tensor_text(x), i + 1);
    }
    stride[i] = step;
    step *= x->shape[i];
  }
  int64_t count = peri_tensor_count(index);
  for (int64_t e = 0; e < count; e++) {
    int64_t at = index->offset, to = 0, here;
    for (int i = 0; i < x->ndim; i++) {
      at += coordinate[i] * index->strides[i];
      to += i == axis ? 0 : coordinate[i] * stride[i];
    }
    PERI_TRY(place(op, ((int64_t *)index->storage->data)[at], x->shape[axis], axis, &here));
    offset[e] = to + here * stride[axis];
    for (int i = x->ndim - 1; i >= 0 && ++coordinate[i] == index->shape[i]; i--) coordinate[i] = 0;
  }
  return PERI_OK;
}

/* Kept for backward: where each element of the result came from. */
static int offset_table(peri_tensor **out, const peri_call *c) {
  const peri_tensor *index = c->arg[2].tensor;
  PERI_TRY(peri_tensor_new(out, PERI_I64, index->ndim, index->shape));
  return offsets(c->op->name, index, c->arg[0].tensor, (int)c->arg[1].integer, peri_tensor_data(*out));
}

#define PICK(T) for (int64_t i = 0; i < count; i++) ((T *)y)[i] = ((const T *)x)[at[i]]
static void pick(peri_dtype dtype, int64_t count, const int64_t *at, const void *x, void *y) {
  switch (dtype) {
  case PERI_F32: PICK(float); break;
  case PERI_F64: PICK(double); break;
  case PERI_I64: PICK(int64_t); break;
  default: PICK(uint8_t); break;
  }
}
#define DROP(T) for (int64_t i = 0; i < count; i++) ((T *)x)[at[i]] = (T)(((T *)x)[at[i]] + ((const T *)y)[i])
static void drop(peri_dtype dtype, int64_t count, const int64_t *at, void *x, const void *y) {
  switch (dtype) {
  case PERI_F32: DROP(float); break;
  case PERI_F64: DROP(double); break;
  case PERI_I64: DROP(int64_t); break;
  default: DROP(uint8_t); break;
  }
}

#define PUT(T) for (int64_t i = 0; i < count; i++) ((T *)x)[at[i]] = ((const T *)y)[i]
static void put(peri_dtype dtype, int64_t count, const int64_t *at, void *x, const void *y) {
  switch (dtype) {
  case PERI_F32: PUT(float); break;
  case PERI_F64: PUT(double); break;
  case PERI_I64: PUT(int64_t); break;
  default: PUT(uint8_t); break;
  }
}

/* The way back of put: y[i] is x[at[i]] for the last i that wrote there and 0 for the earlier ones; what was
   written over becomes 0 in x. */
#define TAKE(T) for (int64_t i = count; i-- > 0; ((T *)x)[at[i]] = 0) ((T *)y)[i] = ((const T *)x)[at[i]]
static void take(peri_dtype dtype, int64_t count, const int64_t *at, void *x, void *y) {
  if (dtype == PERI_F32) TAKE(float);
  else TAKE(double);
}

static int gather_forward(peri_call *c) {
  peri_tensor *x = c->arg[0].tensor, *dense = NULL;
  PERI_TRY(offset_table(&c->aux[0], c));
  PERI_TRY(peri_tensor_contiguous_of(&dense, x));
  int status = peri_tensor_new(&c->out[0], x->dtype, c->aux[0]->ndim, c->aux[0]->shape);
  if (status >= 0) {
    c->outs = 1;
    pick(x->dtype, peri_tensor_count(c->aux[0]), peri_tensor_data(c->aux[0]), peri_tensor_data(dense), peri_tensor_data(c->out[0]));
  }
  peri_tensor_release(dense);
  return status;
}
static int gather_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  const peri_tensor *x = c->arg[0].tensor;
  peri_tensor *dy;
  PERI_TRY(peri_tensor_contiguous_of(&dy, grad_out[0]));
  int status = peri_tensor_zeros(&grad_in[0], x->dtype, x->ndim, x->shape);
  if (status >= 0) drop(x->dtype, peri_tensor_count(dy), peri_tensor_data(c->aux[0]), peri_tensor_data(grad_in[0]), peri_tensor_data(dy));
  peri_tensor_release(dy);
  return status;
}
const peri_op peri_op_gather = {
    .name = "gather",
    .signature = "x: tensor, axis/dim: axis, index: tensor",
    .doc = "y[i][j] = x[index[i][j]][j] for axis 1, and so on: `index` (int64 positions from 1) has the result's shape.",
    .example = "randn(3, 2), 1, tensor({{1, 3}, {2, 2}}, 'int64'); randn(2, 4), 2, tensor({{1, 4, -1}}, 'int64')",
    .forward = gather_forward,
    .backward = gather_backward};

typedef void writer(peri_dtype dtype, int64_t count, const int64_t *at, void *x, const void *y);

/* The values for scatter and scatter_add: exactly as many as positions. */
static int scatter_with(peri_call *c, writer *write) {
  peri_tensor *x = c->arg[0].tensor, *from = c->arg[3].tensor, *values = NULL, *wide = NULL;
  PERI_TRY(peri__want_same_type(c->op->name, x, from));
  PERI_TRY(offset_table(&c->aux[0], c));
  PERI_TRY(peri_tensor_clone(&c->out[0], x));
  c->outs = 1;
  int status = peri_tensor_expand(&wide, from, c->aux[0]->ndim, c->aux[0]->shape);
  if (status >= 0) status = peri_tensor_contiguous_of(&values, wide);
  if (status >= 0) write(x->dtype, peri_tensor_count(c->aux[0]), peri_tensor_data(c->aux[0]), peri_tensor_data(c->out[0]), peri_tensor_data(values));
  peri_tensor_release(wide);
  peri_tensor_release(values);
  return status;
}
static int scatter_forward(peri_call *c) { return scatter_with(c, put); }
static int scatter_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  peri_tensor *left, *taken = NULL;
  PERI_TRY(peri_tensor_clone(&left, grad_out[0]));
  int status = peri_tensor_new(&taken, left->dtype, c->aux[0]->ndim, c->aux[0]->shape);
  if (status >= 0) take(left->dtype, peri_tensor_count(taken), peri_tensor_data(c->aux[0]), peri_tensor_data(left), peri_tensor_data(taken));
  if (status >= 0 && peri_wants(c, 3)) {
    status = peri__sum_to(&grad_in[3], taken, c->arg[3].tensor);
    taken = NULL;
  }
  if (status >= 0 && peri_wants(c, 0)) grad_in[0] = peri_tensor_retain(left);
  peri_tensor_release(left);
  peri_tensor_release(taken);
  return status;
}
const peri_op peri_op_scatter = {
    .name = "scatter",
    .signature = "x: tensor, axis/dim: axis, index: tensor, values: tensor",
    .doc = "A copy of x with values[i][j] at [index[i][j]][j] for axis 1, and so on; of values for one place the last counts.",
    .example = "randn(3, 2), 1, tensor({{1, 3}, {1, 2}}, 'int64'), randn(2, 2); randn(2, 4), 2, tensor({{1, 4, 1}}, 'int64'), randn(1, 1)",
    .forward = scatter_forward,
    .backward = scatter_backward};

static int scatter_add_forward(peri_call *c) { return scatter_with(c, drop); }
static int scatter_add_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  peri_tensor *dy, *picked = NULL;
  if (peri_wants(c, 0)) grad_in[0] = peri_tensor_retain(grad_out[0]);
  if (!peri_wants(c, 3)) return PERI_OK;
  PERI_TRY(peri_tensor_contiguous_of(&dy, grad_out[0]));
  int status = peri_tensor_new(&picked, dy->dtype, c->aux[0]->ndim, c->aux[0]->shape);
  if (status >= 0) {
    pick(dy->dtype, peri_tensor_count(picked), peri_tensor_data(c->aux[0]), peri_tensor_data(dy), peri_tensor_data(picked));
    status = peri__sum_to(&grad_in[3], picked, c->arg[3].tensor);
  }
  peri_tensor_release(dy);
  return status;
}
const peri_op peri_op_scatter_add = {
    .name = "scatter_add",
    .signature = "x: tensor, axis/dim: axis, index: tensor, values: tensor",
    .doc = "A copy of x with values[i][j] added at [index[i][j]][j] for axis 1, and so on; positions may repeat.",
    .example = "randn(3, 2), 1, tensor({{1, 3}, {1, 2}}, 'int64'), randn(2, 2); randn(2, 4), 2, tensor({{1, 4, -1}}, 'int64'), randn(1, 1)",
    .forward = scatter_add_forward,
    .backward = scatter_add_backward};

/* --- nonzero, masked_select --- */

static int nonzero_forward(peri_call *c) {
  peri_tensor *x = c->arg[0].tensor, *zero = NULL, *mask = NULL;
  PERI_TRY(peri_tensor_full(&zero, x->dtype, 0, NULL, 0));
  int status = PERI_CALL(&mask, peri_op_ne, PERI_T(x), PERI_T(zero));
  peri_tensor_release(zero);
  if (status < 0) return status;
  const uint8_t *set = peri_tensor_data(mask);
  int64_t count = peri_tensor_count(mask), found = 0, row = 0;
  for (int64_t i = 0; i < count; i++) found += set[i];
  status = peri_tensor_new(&c->out[0], PERI_I64, 2, (int64_t[]){found, x->ndim});
  if (status >= 0) {
    c->outs = 1;
    int64_t *at = peri_tensor_data(c->out[0]);
    for (int64_t i = 0; i < count; i++) {
      if (!set[i]) continue;
      int64_t rest = i;
      for (int axis = x->ndim - 1; axis >= 0; axis--) {
        at[row * x->ndim + axis] = rest % x->shape[axis] + 1;
        rest /= x->shape[axis];
      }
      row++;
    }
  }
  peri_tensor_release(mask);
  return status < 0 ? status : PERI_OK;
}
const peri_op peri_op_nonzero = {.name = "nonzero",
                                 .signature = "x: tensor",
                                 .doc = "The positions (int64, from 1) of the elements that are not 0: one row an element, one column an axis.",
                                 .example = "randn(2, 3)",
                                 .forward = nonzero_forward};

static int masked_forward(peri_call *c) {
  peri_tensor *x = c->arg[0].tensor, *mask = c->arg[1].tensor, *dense = NULL, *set = NULL;
  bool fits = mask->dtype == PERI_U8 && mask->ndim <= x->ndim && mask->ndim > 0;
  for (int i = 0; fits && i < mask->ndim; i++) fits = mask->shape[i] == x->shape[i];
  if (!fits) {
    return peri_fail(PERI_ESHAPE, "masked_select: a mask is uint8 and has the sizes of the leading axes of %s, got a %s",
                     peri_tensor_text(x), peri_tensor_text(mask));
  }
  PERI_TRY(peri_tensor_contiguous_of(&dense, x));
  int status = peri_tensor_contiguous_of(&set, mask);
  int64_t found = 0, count = peri_tensor_count(mask), shape[PERI_MAX_DIMS] = {0};
  const uint8_t *is = status >= 0 ? peri_tensor_data(set) : NULL;
  for (int64_t i = 0; i < count && is; i++) found += is[i] != 0;
  if (status >= 0) status = peri_tensor_new(&c->aux[0], PERI_I64, 1, &found);
  shape[0] = found;
  for (int i = mask->ndim; i < x->ndim; i++) shape[1 + i - mask->ndim] = x->shape[i];
  if (status >= 0) status = peri_tensor_new(&c->out[0], x->dtype, x->ndim - mask->ndim + 1, shape);
  if (status >= 0) {
    c->outs = 1;
    int64_t *at = peri_tensor_data(c->aux[0]), next = 0, inner = count > 0 ? peri_tensor_count(x) / count : 0;
    for (int64_t i = 0; i < count; i++) {
      if (is[i]) at[next++] = i;
    }
    move_rows((peri_span){1, count, inner}, found, at, peri_tensor_data(dense), peri_tensor_data(c->out[0]),
              (int64_t)peri_dtype_size(x->dtype), NULL);
  }
  peri_tensor_release(dense);
  peri_tensor_release(set);
  return status;
}
static int masked_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  const peri_tensor *x = c->arg[0].tensor;
  int64_t count = peri_tensor_count(c->arg[1].tensor);
  peri_tensor *dy;
  PERI_TRY(peri_tensor_contiguous_of(&dy, grad_out[0]));
  int status = peri_tensor_zeros(&grad_in[0], x->dtype, x->ndim, x->shape);
  if (status >= 0 && count > 0) {
    move_rows((peri_span){1, count, peri_tensor_count(x) / count}, peri_tensor_count(c->aux[0]), peri_tensor_data(c->aux[0]),
              peri_tensor_data(grad_in[0]), peri_tensor_data(dy), (int64_t)peri_dtype_size(x->dtype), peri_kernels_of(x->dtype));
  }
  peri_tensor_release(dy);
  return status;
}
const peri_op peri_op_masked_select = {
    .name = "masked_select",
    .signature = "x: tensor, mask: tensor",
    .doc = "The elements (or, with a mask over the leading axes only, the rows) where the uint8 mask is not 0, in order.",
    .example = "randn(2, 3), tensor({{1, 0, 1}, {0, 0, 1}}, 'uint8'); randn(3, 2), tensor({1, 0, 1}, 'uint8')",
    .forward = masked_forward,
    .backward = masked_backward};
