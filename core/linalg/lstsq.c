/* lstsq.c - least squares by the singular value decomposition (gelsd).

   gelsd has no transposed mode, so a is laid down column-major. b comes as columns of max(m, n) elements and
   leaves as the solution in the first n of each. */
#include <float.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "linalg/matrices.h"

typedef struct lstsq_job {
  int sides, tall;          /* right sides; max(m, n) */
  double rcond;
  peri__matrices b;         /* (..., sides, m), dense */
  peri_tensor *x, *rank, *s; /* x (..., sides, n) */
  void *columns, *work;
  int *iwork, work_size;
} lstsq_job;

static int call(const peri__matrices *m, lstsq_job *job, int64_t i, int work_size, int *rank) {
  int least = m->rows < m->columns ? m->rows : m->columns, info = 0;
  float small = (float)job->rcond;
  const void *rcond = m->dtype == PERI_F32 ? (const void *)&small : &job->rcond;
  m->lapack->gelsd(&m->rows, &m->columns, &job->sides, peri__matrix(m, i), &m->rows, job->columns, &job->tall,
                   peri__block(job->s, i, least), rcond, rank, job->work, &work_size, job->iwork, &info);
  PERI_TRY(peri__check_info(m, "gelsd", info));
  if (info > 0) {
    return peri_fail(PERI_EARG, "lstsq: the iteration for the singular values did not converge%s", peri__which(m, i));
  }
  return PERI_OK;
}

static int prepare(const peri__matrices *m, lstsq_job *job) {
  double answer[1] = {0};
  int wanted = 0, rank = 0;
  job->columns = peri_alloc((size_t)job->tall * (size_t)job->sides * m->size);
  if (!job->columns) return PERI_ENOMEM;
  job->work = answer;
  job->iwork = &wanted;
  int status = call(m, job, 0, -1, &rank);
  job->work = NULL;
  job->iwork = NULL;
  PERI_TRY(status);
  job->work_size = peri__work_size(m, answer);
  job->work = peri_alloc((size_t)job->work_size * m->size);
  job->iwork = job->work ? peri_alloc((size_t)(wanted > 0 ? wanted : 1) * sizeof(int)) : NULL;
  return job->iwork ? PERI_OK : PERI_ENOMEM;
}

static int run(const peri__matrices *m, lstsq_job *job, int64_t i) {
  size_t in = (size_t)m->rows * m->size, out = (size_t)m->columns * m->size, step = (size_t)job->tall * m->size;
  char *columns = job->columns;
  const char *b = peri__matrix(&job->b, i);
  char *x = peri__block(job->x, i, (int64_t)job->sides * m->columns);
  int rank = 0;
  memset(columns, 0, step * (size_t)job->sides);
  for (int k = 0; k < job->sides; k++) memcpy(columns + (size_t)k * step, b + (size_t)k * in, in);
  PERI_TRY(call(m, job, i, job->work_size, &rank));
  for (int k = 0; k < job->sides; k++) memcpy(x + (size_t)k * out, columns + (size_t)k * step, out);
  ((int64_t *)peri_tensor_data(job->rank))[i] = rank;
  return PERI_OK;
}

static int run_all(const peri__matrices *m, lstsq_job *job) {
  int status = prepare(m, job);
  for (int64_t i = 0; i < m->count && status >= 0; i++) {
    status = peri_interrupt_poll();
    if (status >= 0) status = run(m, job, i);
  }
  peri_free(job->columns);
  peri_free(job->work);
  peri_free(job->iwork);
  return status;
}

static int check_right_side(const peri_tensor *a, const peri_tensor *b) {
  if (a->dtype != b->dtype) {
    return peri_fail(PERI_ETYPE, "lstsq: a is %s but b is %s; both must have one type", peri_tensor_text(a),
                     peri_tensor_text(b));
  }
  bool fits = a->ndim >= 2 && (b->ndim == a->ndim || (b->ndim == 1 && a->ndim == 2));
  for (int d = 0; fits && d < (b->ndim == 1 ? 0 : a->ndim - 2); d++) fits = a->shape[d] == b->shape[d];
  if (!fits || b->shape[b->ndim == 1 ? 0 : b->ndim - 2] != a->shape[a->ndim - 2]) {
    return peri_fail(PERI_ESHAPE, "lstsq: a is %s and b is %s; expected a (..., m, n) and b (..., m, k), or a (m, n) and "
                     "b (m)", peri_tensor_text(a), peri_tensor_text(b));
  }
  return PERI_OK;
}

/* x, dense (..., sides, n), as the person gave b: a vector, or with the vectors in columns. */
static int give(peri_tensor **out, const peri_tensor *x, bool vector) {
  if (vector) return peri_tensor_select(out, x, 0, 0);
  int axes[PERI_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) axes[d] = d;
  axes[x->ndim - 1] = x->ndim - 2;
  axes[x->ndim - 2] = x->ndim - 1;
  return peri_tensor_permute(out, x, axes);
}

int peri_linalg_lstsq(peri_tensor **x, peri_tensor **rank, peri_tensor **s, const peri_tensor *a, const peri_tensor *b,
                      double rcond) {
  PERI_TRY(check_right_side(a, b));
  peri__matrices m = {0};
  lstsq_job job = {0};
  peri_tensor *column = NULL;
  int status;
  if (b->ndim == 1) {
    int64_t shape[2] = {b->shape[0], 1};
    PERI_TRY(peri_tensor_reshape(&column, b, 2, shape));
  }
  PERI_TRY_GOTO(done, peri__matrices_open(&m, "lstsq", "a", a, true));
  PERI_TRY_GOTO(done, peri__matrices_open(&job.b, "lstsq", "b", column ? column : b, true));
  int least = m.rows < m.columns ? m.rows : m.columns;
  job.sides = job.b.columns;
  job.tall = m.rows > m.columns ? m.rows : m.columns;
  job.rcond = rcond >= 0 ? rcond : (m.dtype == PERI_F32 ? (double)FLT_EPSILON : DBL_EPSILON) * job.tall;
  PERI_TRY_GOTO(done, peri__matrices_new(&job.x, &m, m.dtype, 2, job.sides, m.columns));
  PERI_TRY_GOTO(done, peri__matrices_new(&job.rank, &m, PERI_I64, 0, 0, 0));
  PERI_TRY_GOTO(done, peri__matrices_new(&job.s, &m, m.dtype, 1, least, 0));
  if (least > 0 && m.count > 0) PERI_TRY_GOTO(done, run_all(&m, &job));
  PERI_TRY_GOTO(done, give(x, job.x, b->ndim == 1));
  *rank = peri_tensor_retain(job.rank);
  *s = peri_tensor_retain(job.s);
done:
  peri__matrices_close(&m);
  peri__matrices_close(&job.b);
  peri_tensor_release(column);
  peri_tensor_release(job.x);
  peri_tensor_release(job.rank);
  peri_tensor_release(job.s);
  return status;
}
