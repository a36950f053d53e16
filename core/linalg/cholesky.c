/* cholesky.c - Cholesky decomposition (potrf). Our lower triangle is LAPACK's upper one. */
#include <string.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "linalg/matrices.h"

/* Zeros beyond the triangle: LAPACK leaves there what was. */
static void clear_other(const peri__matrices *m, bool upper, int64_t i) {
  char *matrix = peri__matrix(m, i);
  for (int y = 0; y < m->rows; y++) {
    char *row = matrix + (size_t)y * (size_t)m->columns * m->size;
    if (upper) memset(row, 0, (size_t)y * m->size);
    else memset(row + (size_t)(y + 1) * m->size, 0, (size_t)(m->columns - y - 1) * m->size);
  }
}

static int run_all(const peri__matrices *m, bool upper) {
  for (int64_t i = 0; i < m->count; i++) {
    int info = 0;
    PERI_TRY(peri_interrupt_poll());
    m->lapack->potrf(upper ? "L" : "U", &m->rows, peri__matrix(m, i), &m->rows, &info, 1);
    PERI_TRY(peri__check_info(m, "potrf", info));
    if (info > 0) {
      return peri_fail(PERI_EARG, "cholesky: the leading minor of order %d is not positive definite%s", info,
                       peri__which(m, i));
    }
    clear_other(m, upper, i);
  }
  return PERI_OK;
}

int peri_linalg_cholesky(peri_tensor **out, const peri_tensor *a, bool upper) {
  peri__matrices m = {0};
  PERI_TRY(peri__matrices_open_square(&m, "cholesky", a));
  int status = m.rows > 0 ? run_all(&m, upper) : PERI_OK;
  if (status >= 0) *out = peri_tensor_retain(m.copy);
  peri__matrices_close(&m);
  return status;
}
