/* eigh.c - eigenvalues and vectors of symmetric matrices by divide and conquer (syevd).

   A symmetric matrix is its own transposed, only the triangles change places: our lower one is LAPACK's upper.
   LAPACK leaves the vectors in columns, which are rows to us: the result is a permuted view. */
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "linalg/matrices.h"

static int run_all(const peri__matrices *m, peri_tensor *values, const char *jobz, const char *uplo) {
  int query = -1, iwork_size = 0, info = 0, status = PERI_OK;
  double answer = 0;
  m->lapack->syevd(jobz, uplo, &m->rows, peri__matrix(m, 0), &m->rows, peri_tensor_data(values), &answer, &query,
                   &iwork_size, &query, &info, 1, 1);
  PERI_TRY(peri__check_info(m, "syevd", info));
  int work_size = peri__work_size(m, &answer);
  void *work = peri_alloc((size_t)work_size * m->size);
  int *iwork = work ? peri_alloc((size_t)iwork_size * sizeof(int)) : NULL;
  if (!iwork) status = PERI_ENOMEM;
  for (int64_t i = 0; i < m->count && status >= 0; i++) {
    PERI_TRY_GOTO(done, peri_interrupt_poll());
    m->lapack->syevd(jobz, uplo, &m->rows, peri__matrix(m, i), &m->rows, peri__block(values, i, m->rows), work, &work_size,
                     iwork, &iwork_size, &info, 1, 1);
    PERI_TRY_GOTO(done, peri__check_info(m, "syevd", info));
    if (info > 0) {
      status = peri_fail(PERI_EARG, "%s: the iteration for the eigenvalues did not converge%s", m->name, peri__which(m, i));
    }
  }
done:
  peri_free(work);
  peri_free(iwork);
  return status;
}

int peri_linalg_eigh(peri_tensor **values, peri_tensor **vectors, const peri_tensor *a, bool upper) {
  peri__matrices m = {0};
  PERI_TRY(peri__matrices_open_square(&m, vectors ? "eigh" : "eigvalsh", a));
  int status;
  peri_tensor *found = NULL;
  PERI_TRY_GOTO(done, peri__matrices_new(&found, &m, m.dtype, 1, m.rows, 0));
  if (m.rows > 0 && m.count > 0) PERI_TRY_GOTO(done, run_all(&m, found, vectors ? "V" : "N", upper ? "L" : "U"));
  if (vectors) {
    int axes[PERI_MAX_DIMS];
    for (int d = 0; d < m.batch_dims; d++) axes[d] = d;
    axes[m.batch_dims] = m.batch_dims + 1;
    axes[m.batch_dims + 1] = m.batch_dims;
    PERI_TRY_GOTO(done, peri_tensor_permute(vectors, m.copy, axes));
  }
done:
  peri__matrices_close(&m);
  if (status < 0) peri_tensor_release(found);
  else *values = found;
  return status;
}
