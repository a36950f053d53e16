/* qr.c - QR decomposition. The row-major a is, column-major, a' = R'Q': an LQ decomposition (gelqf, orglq), whose
   factors read row-major are R and Q. */
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "linalg/matrices.h"

typedef struct qr_job {
  int q_columns;
  peri_tensor *q, *r;
  void *tau, *work;
  int work_size;
} qr_job;

/* R: the first rows of the factored matrix, zero below the diagonal. Its q_columns rows are there already zero. */
static void copy_upper(const peri__matrices *m, const qr_job *job, int64_t i) {
  int rows = job->q_columns < m->rows ? job->q_columns : m->rows;
  const char *from = peri__matrix(m, i);
  char *to = peri__block(job->r, i, (int64_t)job->q_columns * m->columns);
  for (int y = 0; y < rows && y < m->columns; y++) {
    size_t at = ((size_t)y * (size_t)m->columns + (size_t)y) * m->size;
    memcpy(to + at, from + at, (size_t)(m->columns - y) * m->size);
  }
}

/* Q grows in its own place, where the reflectors are laid: q_columns of each row, of which a has some. */
static void copy_reflectors(const peri__matrices *m, const qr_job *job, int64_t i) {
  int columns = job->q_columns < m->columns ? job->q_columns : m->columns;
  const char *from = peri__matrix(m, i);
  char *to = peri__block(job->q, i, (int64_t)m->rows * job->q_columns);
  for (int y = 0; y < m->rows; y++) {
    memcpy(to + (size_t)y * (size_t)job->q_columns * m->size, from + (size_t)y * (size_t)m->columns * m->size,
           (size_t)columns * m->size);
  }
}

static int run(const peri__matrices *m, const qr_job *job, int64_t i) {
  int info = 0, least = m->rows < m->columns ? m->rows : m->columns;
  m->lapack->gelqf(&m->columns, &m->rows, peri__matrix(m, i), &m->columns, job->tau, job->work, &job->work_size, &info);
  PERI_TRY(peri__check_info(m, "gelqf", info));
  copy_upper(m, job, i);
  copy_reflectors(m, job, i);
  m->lapack->orglq(&job->q_columns, &m->rows, &least, peri__block(job->q, i, (int64_t)m->rows * job->q_columns),
                   &job->q_columns, job->tau, job->work, &job->work_size, &info);
  return peri__check_info(m, "orglq", info);
}

static int run_all(const peri__matrices *m, qr_job *job) {
  int query = -1, info = 0, least = m->rows < m->columns ? m->rows : m->columns, status = PERI_OK;
  double answers[2] = {0};
  m->lapack->gelqf(&m->columns, &m->rows, peri__matrix(m, 0), &m->columns, NULL, &answers[0], &query, &info);
  PERI_TRY(peri__check_info(m, "gelqf", info));
  m->lapack->orglq(&job->q_columns, &m->rows, &least, peri__block(job->q, 0, 0), &job->q_columns, NULL, &answers[1],
                   &query, &info);
  PERI_TRY(peri__check_info(m, "orglq", info));
  int sizes[2] = {peri__work_size(m, &answers[0]), peri__work_size(m, &answers[1])};
  job->work_size = sizes[0] > sizes[1] ? sizes[0] : sizes[1];
  job->work = peri_alloc((size_t)job->work_size * m->size);
  job->tau = job->work ? peri_alloc((size_t)least * m->size) : NULL;
  if (!job->tau) status = PERI_ENOMEM;
  for (int64_t i = 0; i < m->count && status >= 0; i++) {
    status = peri_interrupt_poll();
    if (status >= 0) status = run(m, job, i);
  }
  peri_free(job->work);
  peri_free(job->tau);
  return status;
}

int peri_linalg_qr(peri_tensor **q, peri_tensor **r, const peri_tensor *a, bool complete) {
  peri__matrices m = {0};
  PERI_TRY(peri__matrices_open(&m, "qr", "a", a, false));
  int least = m.rows < m.columns ? m.rows : m.columns, status;
  qr_job job = {.q_columns = complete ? m.rows : least};
  PERI_TRY_GOTO(done, peri__matrices_new(&job.q, &m, m.dtype, 2, m.rows, job.q_columns));
  PERI_TRY_GOTO(done, peri__matrices_new(&job.r, &m, m.dtype, 2, job.q_columns, m.columns));
  if (least > 0 && m.count > 0) PERI_TRY_GOTO(done, run_all(&m, &job));
  else peri__identity(job.q);
done:
  peri__matrices_close(&m);
  if (status < 0) {
    peri_tensor_release(job.q);
    peri_tensor_release(job.r);
    return status;
  }
  *q = job.q;
  *r = job.r;
  return PERI_OK;
}
