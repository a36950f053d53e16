/* trace.c - sums of diagonals. Needs no LAPACK, and so takes every type and what is not finite. */
#include <string.h>

#include "base/status.h"
#include "linalg/linalg.h"

int peri_linalg_trace(peri_tensor **out, const peri_tensor *a) {
  if (a->ndim < 2) {
    return peri_fail(PERI_ESHAPE, "trace: a is %s, expected a matrix (m, n) or a batch of them (..., m, n)",
                     peri_tensor_text(a));
  }
  if (!peri_dtype_floating(a->dtype)) {
    return peri_fail(PERI_ETYPE, "trace: a is %s, expected float32 or float64 (a:double() converts)", peri_tensor_text(a));
  }
  int dims = a->ndim - 2;
  int64_t rows = a->shape[dims], columns = a->shape[dims + 1], at[PERI_MAX_DIMS] = {0};
  PERI_TRY(peri_tensor_zeros(out, a->dtype, dims, a->shape));
  int64_t count = peri_tensor_count(*out);
  for (int64_t i = 0; i < count; i++) {
    double sum = 0;
    for (int64_t d = 0; d < rows && d < columns; d++) {
      at[dims] = at[dims + 1] = d;
      sum += peri_tensor_get(a, at);
    }
    if (a->dtype == PERI_F32) ((float *)peri_tensor_data(*out))[i] = (float)sum;
    else ((double *)peri_tensor_data(*out))[i] = sum;
    for (int d = dims - 1; d >= 0 && ++at[d] == a->shape[d]; d--) at[d] = 0;
  }
  return PERI_OK;
}
