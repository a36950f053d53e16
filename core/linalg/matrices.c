/* matrices.c - checked dense copies of matrices for LAPACK. */
#include "linalg/matrices.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

#define X(name, arguments) .name = s##name##_,
static const peri_lapack lapack_f32 = {PERI_LAPACK_TABLE(X)};
#undef X
#define X(name, arguments) .name = d##name##_,
static const peri_lapack lapack_f64 = {PERI_LAPACK_TABLE(X)};
#undef X

/* OpenBLAS' own; absent in other libraries. */
extern void openblas_set_num_threads(int count) __attribute__((weak));

void peri_linalg_start(void) {
  if (openblas_set_num_threads) openblas_set_num_threads(1);
}

static int check(const char *name, const char *argument, const peri_tensor *a) {
  if (!peri_dtype_floating(a->dtype)) {
    return peri_fail(PERI_ETYPE, "%s: %s is %s, expected float32 or float64 (%s:double() converts)", name, argument,
                     peri_tensor_text(a), argument);
  }
  if (a->ndim < 2) {
    return peri_fail(PERI_ESHAPE, "%s: %s is %s, expected a matrix (m, n) or a batch of them (..., m, n)", name, argument,
                     peri_tensor_text(a));
  }
  int64_t rows = a->shape[a->ndim - 2], columns = a->shape[a->ndim - 1];
  if (rows > INT_MAX || columns > INT_MAX || (columns > 0 && rows > INT_MAX / columns)) {
    return peri_fail(PERI_ESHAPE, "%s: %s is %s; LAPACK counts elements in 32 bits, a matrix may have 2^31 - 1", name,
                     argument, peri_tensor_text(a));
  }
  return PERI_OK;
}

static bool all_finite(const peri_tensor *dense) {
  int64_t count = peri_tensor_count(dense);
  const void *data = peri_tensor_data(dense);
  for (int64_t i = 0; i < count; i++) {
    if (!isfinite(dense->dtype == PERI_F32 ? (double)((const float *)data)[i] : ((const double *)data)[i])) return false;
  }
  return true;
}

/* Says where the first element is that is not finite, counted from 1. */
static int fail_not_finite(const char *name, const char *argument, const peri_tensor *a) {
  int64_t at[PERI_MAX_DIMS] = {0};
  double value = 0;
  for (int d = a->ndim - 1; d >= 0;) {
    value = peri_tensor_get(a, at);
    if (!isfinite(value)) break;
    for (d = a->ndim - 1; d >= 0 && ++at[d] == a->shape[d]; d--) at[d] = 0;
    if (d >= 0) d = a->ndim - 1;
  }
  char place[PERI_MAX_DIMS * 24] = "";
  for (int d = 0, n = 0; d < a->ndim; d++) {
    n += snprintf(place + n, sizeof place - (size_t)n, "%s%lld", d ? ", " : "", (long long)at[d] + 1);
  }
  return peri_fail(PERI_EARG, "%s: %s[%s] is %s; all elements must be finite", name, argument, place,
                   isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

int peri__matrices_open(peri__matrices *m, const char *name, const char *argument, const peri_tensor *a, bool transposed) {
  *m = (peri__matrices){.name = name};
  PERI_TRY(check(name, argument, a));
  m->dtype = a->dtype;
  m->size = peri_dtype_size(a->dtype);
  m->lapack = a->dtype == PERI_F32 ? &lapack_f32 : &lapack_f64;
  m->batch_dims = a->ndim - 2;
  m->rows = (int)a->shape[a->ndim - 2];
  m->columns = (int)a->shape[a->ndim - 1];
  m->count = 1;
  for (int d = 0; d < m->batch_dims; d++) m->count *= m->batch_shape[d] = a->shape[d];
  peri_tensor *turned = NULL;
  if (transposed) {
    int axes[PERI_MAX_DIMS];
    for (int d = 0; d < a->ndim; d++) axes[d] = d;
    axes[a->ndim - 1] = a->ndim - 2;
    axes[a->ndim - 2] = a->ndim - 1;
    PERI_TRY(peri_tensor_permute(&turned, a, axes));
  }
  int status = peri_tensor_clone(&m->copy, turned ? turned : a);
  peri_tensor_release(turned);
  if (status < 0) return peri_fail_prefix(status, "%s: ", name);
  if (all_finite(m->copy)) return PERI_OK;
  peri__matrices_close(m);
  return fail_not_finite(name, argument, a);
}

int peri__matrices_open_square(peri__matrices *m, const char *name, const peri_tensor *a) {
  if (a->ndim >= 2 && a->shape[a->ndim - 2] != a->shape[a->ndim - 1]) {
    return peri_fail(PERI_ESHAPE, "%s: a is %s, expected square matrices (..., n, n)", name, peri_tensor_text(a));
  }
  return peri__matrices_open(m, name, "a", a, false);
}

void peri__matrices_close(peri__matrices *m) {
  peri_tensor_release(m->copy);
  m->copy = NULL;
}

void *peri__block(const peri_tensor *t, int64_t i, int64_t elements) {
  return (char *)peri_tensor_data(t) + (size_t)(i * elements) * peri_dtype_size(t->dtype);
}

void *peri__matrix(const peri__matrices *m, int64_t i) {
  return peri__block(m->copy, i, (int64_t)m->rows * m->columns);
}

int peri__matrices_new(peri_tensor **out, const peri__matrices *m, peri_dtype dtype, int dims, int64_t rows, int64_t columns) {
  int64_t shape[PERI_MAX_DIMS];
  memcpy(shape, m->batch_shape, sizeof shape);
  if (dims > 0) shape[m->batch_dims] = rows;
  if (dims > 1) shape[m->batch_dims + 1] = columns;
  int status = peri_tensor_zeros(out, dtype, m->batch_dims + dims, shape);
  return status < 0 ? peri_fail_prefix(status, "%s: ", m->name) : PERI_OK;
}

void peri__identity(peri_tensor *t) {
  int64_t rows = t->shape[t->ndim - 2], columns = t->shape[t->ndim - 1], side = rows < columns ? rows : columns;
  int64_t count = rows * columns > 0 ? peri_tensor_count(t) / (rows * columns) : 0;
  memset(peri_tensor_data(t), 0, (size_t)peri_tensor_count(t) * peri_dtype_size(t->dtype));
  for (int64_t b = 0; b < count; b++) {
    void *matrix = peri__block(t, b, rows * columns);
    for (int64_t i = 0; i < side; i++) {
      if (t->dtype == PERI_F32) ((float *)matrix)[i * columns + i] = 1;
      else ((double *)matrix)[i * columns + i] = 1;
    }
  }
}

const char *peri__which(const peri__matrices *m, int64_t i) {
  static _Thread_local char buffers[4][40];
  static _Thread_local unsigned next;
  char *text = buffers[next++ % 4];
  text[0] = 0;
  if (m->batch_dims > 0) snprintf(text, sizeof buffers[0], " (batch %lld)", (long long)i + 1);
  return text;
}

int peri__work_size(const peri__matrices *m, const void *answer) {
  double size = m->dtype == PERI_F32 ? (double)nextafterf(*(const float *)answer, INFINITY) : *(const double *)answer;
  size = ceil(size);
  return size < 1 ? 1 : size > INT_MAX ? INT_MAX : (int)size;
}

int peri__check_info(const peri__matrices *m, const char *routine, int info) {
  if (info >= 0) return PERI_OK;
  return peri_fail(PERI_ESTATE, "%s: LAPACK's %s refused its argument %d", m->name, routine, -info);
}
