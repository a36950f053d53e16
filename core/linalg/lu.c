/* lu.c - what LU factors give: solve, inverse, determinants; and the trace.

   The row-major a is, column-major, a'. Its factors solve a x = b with LAPACK's transposed mode; the inverse of the
   transposed is the transposed inverse; the determinants are equal. */
#include <math.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "linalg/matrices.h"

/* Factors matrix i. info: the pivot that is exactly 0, or 0. */
static int factor(const peri__matrices *m, int64_t i, int *pivots, int *info) {
  PERI_TRY(peri_interrupt_poll());
  m->lapack->getrf(&m->rows, &m->rows, peri__matrix(m, i), &m->rows, pivots, info);
  return peri__check_info(m, "getrf", *info);
}

static int fail_singular(const peri__matrices *m, int info, int64_t i, const char *instead) {
  return peri_fail(PERI_EARG, "%s: the matrix is singular: pivot %d of its LU factors is 0%s; %s", m->name, info,
                   peri__which(m, i), instead);
}

/* --- solve --- */

/* Both in their common batch: views. b as columns of vectors, b' (..., k, n), so that a dense copy is column-major. */
static int broadcast_both(peri_tensor **wide_a, peri_tensor **wide_b, const peri_tensor *a, const peri_tensor *b) {
  int64_t batch[PERI_MAX_DIMS], shape[PERI_MAX_DIMS];
  int dims, b_batch = b->ndim > 1 ? b->ndim - 2 : 0;
  PERI_TRY(peri_broadcast("solve", a->ndim - 2, a->shape, b_batch, b->shape, &dims, batch));
  for (int d = 0; d < dims; d++) shape[d] = batch[d];
  shape[dims] = shape[dims + 1] = a->shape[a->ndim - 1];
  PERI_TRY(peri_tensor_expand(wide_a, a, dims + 2, shape));
  if (b->ndim == 1) return peri_tensor_expand(wide_b, b, dims + 1, shape);
  shape[dims + 1] = b->shape[b->ndim - 1];
  peri_tensor *wide = NULL;
  PERI_TRY(peri_tensor_expand(&wide, b, dims + 2, shape));
  int axes[PERI_MAX_DIMS];
  for (int d = 0; d < dims; d++) axes[d] = d;
  axes[dims] = dims + 1;
  axes[dims + 1] = dims;
  int status = peri_tensor_permute(wide_b, wide, axes);
  peri_tensor_release(wide);
  return status;
}

static int check_right_side(const peri_tensor *a, const peri_tensor *b) {
  if (a->ndim < 2 || a->shape[a->ndim - 2] != a->shape[a->ndim - 1]) {
    return peri_fail(PERI_ESHAPE, "solve: a is %s, expected square matrices (..., n, n); lstsq takes others",
                     peri_tensor_text(a));
  }
  if (a->dtype != b->dtype) {
    return peri_fail(PERI_ETYPE, "solve: a is %s but b is %s; both must have one type", peri_tensor_text(a),
                     peri_tensor_text(b));
  }
  if (b->ndim < 1 || b->shape[b->ndim > 1 ? b->ndim - 2 : 0] != a->shape[a->ndim - 1]) {
    return peri_fail(PERI_ESHAPE, "solve: a is %s, so b must be a vector (%lld) or matrices (..., %lld, k), got %s",
                     peri_tensor_text(a), (long long)a->shape[a->ndim - 1], (long long)a->shape[a->ndim - 1],
                     peri_tensor_text(b));
  }
  return PERI_OK;
}

/* x is dense: for each matrix `sides` rows of n. */
static int solve_all(const peri__matrices *m, peri_tensor *x, int sides) {
  int *pivots = peri_alloc((size_t)m->rows * sizeof(int)), info = 0, status = pivots ? PERI_OK : PERI_ENOMEM;
  for (int64_t i = 0; i < m->count && status >= 0; i++) {
    PERI_TRY_GOTO(done, factor(m, i, pivots, &info));
    if (info > 0) {
      status = fail_singular(m, info, i, "lstsq gives the solution of least squares");
      break;
    }
    m->lapack->getrs("T", &m->rows, &sides, peri__matrix(m, i), &m->rows, pivots,
                     peri__block(x, i, (int64_t)sides * m->rows), &m->rows, &info, 1);
    status = peri__check_info(m, "getrs", info);
  }
done:
  peri_free(pivots);
  return status;
}

/* Are all elements of b finite? b as the person gave it, for the message. */
static int check_b(const peri_tensor *b) {
  peri__matrices probe = {0};
  peri_tensor *row = NULL;
  if (b->ndim == 1) {
    int64_t shape[2] = {1, b->shape[0]};
    PERI_TRY(peri_tensor_reshape(&row, b, 2, shape));
  }
  int status = peri__matrices_open(&probe, "solve", "b", row ? row : b, false);
  peri__matrices_close(&probe);
  peri_tensor_release(row);
  return status;
}

int peri_linalg_solve(peri_tensor **out, const peri_tensor *a, const peri_tensor *b) {
  PERI_TRY(check_right_side(a, b));
  peri__matrices m = {0};
  peri_tensor *wide_a = NULL, *wide_b = NULL, *x = NULL;
  int status;
  PERI_TRY_GOTO(done, check_b(b));
  PERI_TRY_GOTO(done, broadcast_both(&wide_a, &wide_b, a, b));
  PERI_TRY_GOTO(done, peri__matrices_open(&m, "solve", "a", wide_a, false));
  PERI_TRY_GOTO(done, peri_tensor_clone(&x, wide_b));
  int sides = b->ndim == 1 ? 1 : (int)b->shape[b->ndim - 1];
  if (m.rows > 0 && m.count > 0) PERI_TRY_GOTO(done, solve_all(&m, x, sides));
  if (b->ndim == 1) {
    *out = peri_tensor_retain(x);
  } else {
    int axes[PERI_MAX_DIMS];
    for (int d = 0; d < x->ndim; d++) axes[d] = d;
    axes[x->ndim - 1] = x->ndim - 2;
    axes[x->ndim - 2] = x->ndim - 1;
    status = peri_tensor_permute(out, x, axes);
  }
done:
  peri__matrices_close(&m);
  peri_tensor_release(wide_a);
  peri_tensor_release(wide_b);
  peri_tensor_release(x);
  return status;
}

/* --- inverse --- */

static int invert_all(const peri__matrices *m) {
  int query = -1, info = 0, status = PERI_OK;
  double answer = 0;
  m->lapack->getri(&m->rows, peri__matrix(m, 0), &m->rows, NULL, &answer, &query, &info);
  PERI_TRY(peri__check_info(m, "getri", info));
  int work_size = peri__work_size(m, &answer);
  void *work = peri_alloc((size_t)work_size * m->size);
  int *pivots = work ? peri_alloc((size_t)m->rows * sizeof(int)) : NULL;
  if (!pivots) status = PERI_ENOMEM;
  for (int64_t i = 0; i < m->count && status >= 0; i++) {
    PERI_TRY_GOTO(done, factor(m, i, pivots, &info));
    if (info == 0) {
      m->lapack->getri(&m->rows, peri__matrix(m, i), &m->rows, pivots, work, &work_size, &info);
      PERI_TRY_GOTO(done, peri__check_info(m, "getri", info));
    }
    if (info > 0) status = fail_singular(m, info, i, "pinv gives the pseudo-inverse");
  }
done:
  peri_free(work);
  peri_free(pivots);
  return status;
}

int peri_linalg_inverse(peri_tensor **out, const peri_tensor *a) {
  peri__matrices m = {0};
  PERI_TRY(peri__matrices_open_square(&m, "inverse", a));
  int status = m.rows > 0 && m.count > 0 ? invert_all(&m) : PERI_OK;
  if (status >= 0) *out = peri_tensor_retain(m.copy);
  peri__matrices_close(&m);
  return status;
}

/* --- determinants --- */

static double element(const peri_tensor *t, int64_t i) {
  return t->dtype == PERI_F32 ? (double)((float *)peri_tensor_data(t))[i] : ((double *)peri_tensor_data(t))[i];
}

static void set_element(peri_tensor *t, int64_t i, double value) {
  if (t->dtype == PERI_F32) ((float *)peri_tensor_data(t))[i] = (float)value;
  else ((double *)peri_tensor_data(t))[i] = value;
}

/* The product of the pivots of matrix i as sign * mantissa * 2^exponent, which neither overflows nor vanishes. */
static void product_of_pivots(const peri__matrices *m, int64_t i, const int *pivots, double *mantissa, int64_t *exponent) {
  *mantissa = 1;
  *exponent = 0;
  for (int64_t d = 0, n = m->rows; d < n; d++) {
    int shift = 0;
    *mantissa = frexp(*mantissa * element(m->copy, i * n * n + d * n + d), &shift);
    *exponent += shift;
    if (pivots[d] != d + 1) *mantissa = -*mantissa;
  }
}

static int determinants(const peri__matrices *m, peri_tensor *det, peri_tensor *sign, peri_tensor *logdet) {
  int *pivots = peri_alloc(((size_t)m->rows + 1) * sizeof(int)), info = 0, status = pivots ? PERI_OK : PERI_ENOMEM;
  for (int64_t i = 0; i < m->count && status >= 0; i++) {
    double mantissa;
    int64_t exponent;
    if (m->rows > 0) PERI_TRY_GOTO(done, factor(m, i, pivots, &info));
    product_of_pivots(m, i, pivots, &mantissa, &exponent);
    if (det) {
      set_element(det, i, ldexp(mantissa, exponent > 100000 ? 100000 : exponent < -100000 ? -100000 : (int)exponent));
    } else {
      set_element(sign, i, mantissa > 0 ? 1 : mantissa < 0 ? -1 : 0);
      set_element(logdet, i, log(fabs(mantissa)) + (double)exponent * 0.693147180559945309417232121458);
    }
  }
done:
  peri_free(pivots);
  return status;
}

int peri_linalg_det(peri_tensor **out, const peri_tensor *a) {
  peri__matrices m = {0};
  PERI_TRY(peri__matrices_open_square(&m, "det", a));
  peri_tensor *det = NULL;
  int status = peri__matrices_new(&det, &m, m.dtype, 0, 0, 0);
  if (status >= 0) status = determinants(&m, det, NULL, NULL);
  peri__matrices_close(&m);
  if (status < 0) peri_tensor_release(det);
  else *out = det;
  return status;
}

int peri_linalg_slogdet(peri_tensor **sign, peri_tensor **logdet, const peri_tensor *a) {
  peri__matrices m = {0};
  PERI_TRY(peri__matrices_open_square(&m, "slogdet", a));
  peri_tensor *signs = NULL, *logs = NULL;
  int status = peri__matrices_new(&signs, &m, m.dtype, 0, 0, 0);
  if (status >= 0) status = peri__matrices_new(&logs, &m, m.dtype, 0, 0, 0);
  if (status >= 0) status = determinants(&m, NULL, signs, logs);
  peri__matrices_close(&m);
  if (status < 0) {
    peri_tensor_release(signs);
    peri_tensor_release(logs);
    return status;
  }
  *sign = signs;
  *logdet = logs;
  return PERI_OK;
}
