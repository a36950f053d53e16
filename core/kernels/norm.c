/* norm.c - layer normalisation of float32.

   Sums over rows, column by column, are cut into at most MOST_PARTS pieces of rows; a piece adds
   BLOCK rows in float, then in double, and the pieces are added in order. Variances are sums of squares
   of differences from the mean, so that a large mean does not swallow them. */
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/vector.h"

void PERI_ISA_NAME(peri__fill_norm)(peri_kernels *f32, peri_kernels *f64);

enum { BLOCK = 32, PIECE = 1 << 14, MOST_PARTS = 64 };

typedef struct job {
  int64_t rows, c, step; /* step: rows a piece takes */
  const float *x, *mean, *inv, *gamma, *beta, *dy;
  float *y, *out_mean, *out_inv;
  double *part;               /* for each piece two rows of c sums */
  float epsilon;
} job;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t pieces_of(const job *j) { return (j->rows + j->step - 1) / j->step; }
static int64_t step_of(int64_t rows, int64_t c) {
  int64_t step = c < PIECE ? PIECE / c : 1;
  return step < 1 ? 1 : step > rows ? rows : step;
}

/* ---------------------------------------------------------------- sums over rows */

typedef struct lanes {
  vd low, high;
} lanes;

static inline void add_block(lanes *total, vf block) {
  vd low, high;
  vd_of_floats(block, &low, &high);
  total->low += low;
  total->high += high;
}
static inline void put_lanes(double *p, const lanes *total, int64_t count) {
  double lane[PERI_LANES];
  vd_store(lane, total->low);
  vd_store(lane + PERI_LANES / 2, total->high);
  memcpy(p, lane, (size_t)count * sizeof *p);
}

/* One vector of columns over rows from..to: first = sum dy h, second = sum dy, with h = (x - mean) inv. */
static inline void sum_columns(const job *j, int64_t from, int64_t to, int64_t at, int64_t count, double *first,
                               double *second) {
  lanes a = {{0}, {0}}, b = {{0}, {0}};
  for (int64_t block = from; block < to; block += BLOCK) {
    vf sa = {0}, sb = {0};
    for (int64_t r = block; r < smaller(to, block + BLOCK); r++) {
      vf x = vf_get(j->x + r * j->c + at, count), dy = vf_get(j->dy + r * j->c + at, count);
      sa += dy * ((x - j->mean[r]) * j->inv[r]);
      sb += dy;
    }
    add_block(&a, sa);
    add_block(&b, sb);
  }
  put_lanes(first, &a, count);
  put_lanes(second, &b, count);
}

static void sums_piece(void *context, int64_t piece) {
  const job *j = context;
  int64_t from = piece * j->step, to = smaller(j->rows, from + j->step), at = 0;
  double *first = j->part + piece * 2 * j->c, *second = first + j->c;
  for (; at + PERI_LANES <= j->c; at += PERI_LANES)
    sum_columns(j, from, to, at, PERI_LANES, first + at, second + at);
  if (at < j->c) sum_columns(j, from, to, at, j->c - at, first + at, second + at);
}

/* Runs the pieces and adds them in order into part[0..c) and part[c..2c). The caller frees part. */
static int sums(job *j) {
  j->step = step_of(j->rows, j->c);
  while (pieces_of(j) > MOST_PARTS) j->step *= 2;
  int64_t pieces = pieces_of(j), wide = 2 * j->c;
  j->part = peri_alloc_zeroed((size_t)((pieces ? pieces : 1) * wide) * sizeof *j->part);
  if (!j->part) return PERI_ENOMEM;
  peri_parallel(pieces, sums_piece, j);
  for (int64_t p = 1; p < pieces; p++)
    for (int64_t i = 0; i < wide; i++) j->part[i] += j->part[p * wide + i];
  return PERI_OK;
}

/* ---------------------------------------------------------------- layer normalisation */

/* Sum of a row: of x; of (x - mean)^2; of dy gamma; of dy gamma h. */
typedef enum term { TERM_X, TERM_SQUARE, TERM_D, TERM_DH } term;

static inline vf term_of(const job *j, term what, const float *x, const float *dy, int64_t at, int64_t count,
                         float mean, float inv) {
  vf v = what == TERM_D ? vf_set1(0) : vf_get(x + at, count) - (what == TERM_X ? 0 : mean);
  if (what == TERM_X) return v;
  if (what == TERM_SQUARE) return v * v;
  vf d = vf_get(dy + at, count);
  if (j->gamma) d *= vf_get(j->gamma + at, count);
  return what == TERM_D ? d : d * v * inv;
}

static inline double row_sum(const job *j, term what, int64_t r, float mean, float inv) {
  const float *x = j->x + r * j->c, *dy = j->dy ? j->dy + r * j->c : NULL;
  lanes total = {{0}, {0}};
  int64_t at = 0;
  while (at + PERI_LANES <= j->c) {
    vf block = {0};
    for (int i = 0; i < BLOCK && at + PERI_LANES <= j->c; i++, at += PERI_LANES)
      block += term_of(j, what, x, dy, at, PERI_LANES, mean, inv);
    add_block(&total, block);
  }
  if (at < j->c) { /* (0 - mean)^2 in the lanes beyond the row must not count */
    float lane[PERI_LANES] = {0};
    vf_store_part(lane, term_of(j, what, x, dy, at, j->c - at, mean, inv), j->c - at);
    add_block(&total, vf_load(lane));
  }
  return vd_sum(total.low + total.high);
}

static void row_piece(void *context, int64_t piece) {
  const job *j = context;
  int64_t end = smaller(j->rows, (piece + 1) * j->step);
  for (int64_t r = piece * j->step; r < end; r++) {
    double centre = row_sum(j, TERM_X, r, 0, 0) / (double)j->c;
    float mean = (float)centre;
    double off = centre - (double)mean, spread = row_sum(j, TERM_SQUARE, r, mean, 0) / (double)j->c - off * off;
    if (spread < 0) spread = 0;
    float inv = (float)(1 / sqrt(spread + (double)j->epsilon));
    j->out_mean[r] = mean;
    j->out_inv[r] = inv;
    for (int64_t at = 0; at < j->c; at += PERI_LANES) {
      int64_t count = smaller(PERI_LANES, j->c - at);
      vf v = (vf_get(j->x + r * j->c + at, count) - mean) * inv;
      if (j->gamma) v *= vf_get(j->gamma + at, count);
      if (j->beta) v += vf_get(j->beta + at, count);
      vf_put(j->y + r * j->c + at, v, count);
    }
  }
}

static void row_normalise(int64_t rows, int64_t cols, const void *x, const void *gamma, const void *beta,
                          double epsilon, void *y, void *mean, void *inv) {
  if (rows < 1 || cols < 1) return;
  job j = {.rows = rows, .c = cols, .step = step_of(rows, cols), .x = x, .gamma = gamma, .beta = beta, .y = y};
  j.epsilon = (float)epsilon;
  j.out_mean = mean;
  j.out_inv = inv;
  peri_parallel(pieces_of(&j), row_piece, &j);
}

/* dx = inv (d - mean(d) - h mean(d h)), d = dy gamma */
static void row_back_piece(void *context, int64_t piece) {
  const job *j = context;
  int64_t end = smaller(j->rows, (piece + 1) * j->step);
  for (int64_t r = piece * j->step; r < end; r++) {
    float mean = j->mean[r], inv = j->inv[r];
    float level = (float)(row_sum(j, TERM_D, r, mean, inv) / (double)j->c);
    float along = (float)(row_sum(j, TERM_DH, r, mean, inv) / (double)j->c);
    for (int64_t at = 0; at < j->c; at += PERI_LANES) {
      int64_t count = smaller(PERI_LANES, j->c - at), i = r * j->c + at;
      vf d = vf_get(j->dy + i, count), h = (vf_get(j->x + i, count) - mean) * inv;
      if (j->gamma) d *= vf_get(j->gamma + at, count);
      vf_put(j->y + i, inv * (d - level - h * along), count);
    }
  }
}

static int row_normalise_backward(int64_t rows, int64_t cols, const void *x, const void *mean, const void *inv,
                                  const void *gamma, const void *dy, void *dx, void *dgamma_, void *dbeta_) {
  float *dgamma = dgamma_, *dbeta = dbeta_;
  job j = {.rows = rows, .c = cols, .x = x, .mean = mean, .inv = inv, .gamma = gamma, .dy = dy};
  j.y = dx;
  PERI_TRY(sums(&j));
  for (int64_t i = 0; i < cols; i++) {
    dgamma[i] = (float)j.part[i];
    dbeta[i] = (float)j.part[cols + i];
  }
  peri_free(j.part);
  j.step = step_of(rows, cols);
  if (dx) peri_parallel(pieces_of(&j), row_back_piece, &j);
  return PERI_OK;
}

void PERI_ISA_NAME(peri__fill_norm)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->row_normalise = row_normalise;
  f32->row_normalise_backward = row_normalise_backward;
}
