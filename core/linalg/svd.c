/* svd.c - singular value decomposition by LAPACK's divide and conquer (gesdd).

   The row-major a is, column-major, a' (n, m): its left vectors, read row-major, are our vh, its right ones our u. */
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "linalg/matrices.h"

typedef struct svd_job {
  const char *jobz; /* N: values alone, S: the first k vectors, A: all */
  int u_columns, vh_rows;
  peri_tensor *u, *s, *vh;
} svd_job;

static int run(const peri__matrices *m, const svd_job *job, void *work, int work_size, int *iwork, int64_t i) {
  int least = m->rows < m->columns ? m->rows : m->columns, info = 0;
  int ldvt = job->u_columns > 0 ? job->u_columns : 1, ldu = m->columns;
  void *u = job->vh ? peri__block(job->vh, i, (int64_t)job->vh_rows * m->columns) : NULL;
  void *vt = job->u ? peri__block(job->u, i, (int64_t)m->rows * job->u_columns) : NULL;
  m->lapack->gesdd(job->jobz, &m->columns, &m->rows, peri__matrix(m, i), &m->columns, peri__block(job->s, i, least), u,
                   &ldu, vt, &ldvt, work, &work_size, iwork, &info, 1);
  PERI_TRY(peri__check_info(m, "gesdd", info));
  if (info > 0) {
    return peri_fail(PERI_EARG, "%s: the iteration for the singular values did not converge%s", m->name, peri__which(m, i));
  }
  return PERI_OK;
}

static int run_all(const peri__matrices *m, const svd_job *job) {
  int least = m->rows < m->columns ? m->rows : m->columns, query = -1, info = 0, status = PERI_OK;
  double answer = 0;
  m->lapack->gesdd(job->jobz, &m->columns, &m->rows, peri__matrix(m, 0), &m->columns, peri__block(job->s, 0, 0), NULL,
                   &m->columns, NULL, job->u_columns > 0 ? &job->u_columns : &m->rows, &answer, &query, NULL, &info, 1);
  PERI_TRY(peri__check_info(m, "gesdd", info));
  int work_size = peri__work_size(m, &answer);
  void *work = peri_alloc((size_t)work_size * m->size);
  int *iwork = work ? peri_alloc((size_t)least * 8 * sizeof(int)) : NULL;
  if (!iwork) status = PERI_ENOMEM;
  for (int64_t i = 0; i < m->count && status >= 0; i++) {
    status = peri_interrupt_poll();
    if (status >= 0) status = run(m, job, work, work_size, iwork, i);
  }
  peri_free(work);
  peri_free(iwork);
  return status;
}

int peri_linalg_svd(peri_tensor **u, peri_tensor **s, peri_tensor **vh, const peri_tensor *a, bool full) {
  peri__matrices m = {0};
  PERI_TRY(peri__matrices_open(&m, u ? "svd" : "svdvals", "a", a, false));
  int least = m.rows < m.columns ? m.rows : m.columns, status;
  svd_job job = {.jobz = !u ? "N" : full ? "A" : "S", .u_columns = u ? (full ? m.rows : least) : 0,
                 .vh_rows = full ? m.columns : least};
  PERI_TRY_GOTO(done, peri__matrices_new(&job.s, &m, m.dtype, 1, least, 0));
  if (u) {
    PERI_TRY_GOTO(done, peri__matrices_new(&job.u, &m, m.dtype, 2, m.rows, job.u_columns));
    PERI_TRY_GOTO(done, peri__matrices_new(&job.vh, &m, m.dtype, 2, job.vh_rows, m.columns));
  }
  if (least > 0 && m.count > 0) {
    PERI_TRY_GOTO(done, run_all(&m, &job));
  } else if (u) {
    peri__identity(job.u);
    peri__identity(job.vh);
  }
done:
  peri__matrices_close(&m);
  if (status < 0) {
    peri_tensor_release(job.u);
    peri_tensor_release(job.s);
    peri_tensor_release(job.vh);
    return status;
  }
  *s = job.s;
  if (u) *u = job.u, *vh = job.vh;
  return PERI_OK;
}
