/* batch_norm.c - batch normalisation of float32, with what stands behind it: an addition and a ReLU, or a
   ReLU and a max-pool, in the same pass.

   x is rows of c channels. Work goes by pieces of rows; inside a piece by strips of V vectors of channels, whose
   constants stay in registers while the rows go by. Sums take every row once: a strip adds CHAIN rows in float
   in 4 chains (V vectors of 4 / V rows), then in double; pieces are added in order. Variances are sums of squares of
   differences from the mean of the piece's first rows, moved to the true mean in double: those rows are a part of
   the piece, so their mean cannot be so far from its others that the squares lose more than a few bits. */
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/vector.h"

void PERI_ISA_NAME(peri__fill_batch_norm)(peri_kernels *f32, peri_kernels *f64);

enum { CHAIN = 32, CHAINS = 4, PIECE = 1 << 14, MOST_PARTS = 64 };

typedef struct job {
  peri_norm p;
  int64_t rows, step; /* rows of x (of pooled cells), and how many of them a piece takes */
  const float *x, *skip, *y, *dy, *dgamma, *dbeta;
  const uint8_t *won;
  float *out, *dskip, *top;
  uint8_t *winner;
  double *part; /* for each piece three rows of c sums */
} job;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t pieces_of(const job *j) { return (j->rows + j->step - 1) / j->step; }
static int64_t step_of(int64_t rows, int64_t numbers) { /* numbers: how many belong to a row */
  int64_t step = numbers < PIECE ? PIECE / numbers : 1;
  return step > rows ? rows : step;
}

/* Calls STRIP(job, from, to, at, V, count, ...) for the strips of a piece; V and ... are constants in each call. */
#define STRIPS(STRIP, ...)                                                                                             \
  do {                                                                                                                 \
    int64_t at = 0, c = j->p.c;                                                                                        \
    for (; at + 4 * PERI_LANES <= c; at += 4 * PERI_LANES) STRIP(j, from, to, at, 4, PERI_LANES, __VA_ARGS__);         \
    for (; at + 2 * PERI_LANES <= c; at += 2 * PERI_LANES) STRIP(j, from, to, at, 2, PERI_LANES, __VA_ARGS__);         \
    for (; at + PERI_LANES <= c; at += PERI_LANES) STRIP(j, from, to, at, 1, PERI_LANES, __VA_ARGS__);                 \
    if (at < c) STRIP(j, from, to, at, 1, c - at, __VA_ARGS__);                                                        \
  } while (0)
#define EACH_VECTOR _Pragma("GCC unroll 4") for (int v = 0; v < V; v++)
#define ALWAYS static inline __attribute__((always_inline))

/* A strip's constants: y = (x - mean) factor + beta. */
typedef struct affine {
  vf mean[4], factor[4], beta[4];
} affine;

ALWAYS void affine_of(affine *a, const peri_norm *p, int64_t at, const int V, int64_t count) {
  EACH_VECTOR {
    int64_t i = at + v * PERI_LANES;
    a->mean[v] = vf_get((const float *)p->mean + i, count);
    a->factor[v] = vf_get((const float *)p->inv + i, count);
    if (p->gamma) a->factor[v] *= vf_get((const float *)p->gamma + i, count);
    a->beta[v] = p->beta ? vf_get((const float *)p->beta + i, count) : vf_set1(0);
  }
}
ALWAYS vf affine_at(const affine *a, int v, vf x) { return vf_fma(x - a->mean[v], a->factor[v], a->beta[v]); }
ALWAYS vf rectified(vf by, vf x) { return vf_select(vm_le(by, vf_set1(0)), vf_set1(0), x); } /* x where `by` is above 0 */

/* ---------------------------------------------------------------- sums over rows */

typedef struct lanes {
  vd low[4], high[4];
} lanes;

/* The chains of vector v, joined, go to double. */
ALWAYS void lanes_add(lanes *total, const vf *chain, const int V) {
  EACH_VECTOR {
    vf block = V == 4 ? chain[v] : V == 2 ? chain[v] + chain[2 + v] : (chain[0] + chain[1]) + (chain[2] + chain[3]);
    vd low, high;
    vd_of_floats(block, &low, &high);
    total->low[v] += low;
    total->high[v] += high;
  }
}
ALWAYS void lanes_put(double *p, const lanes *total, const int V, int64_t count) {
  EACH_VECTOR {
    double lane[PERI_LANES];
    vd_store(lane, total->low[v]);
    vd_store(lane + PERI_LANES / 2, total->high[v]);
    memcpy(p + v * PERI_LANES, lane, (size_t)count * sizeof *p);
  }
}

/* Sums of a block of rows: of x - m and its square, or of g (x - m) and g, g being dy, masked. */
typedef enum sum_kind { SUM_MOMENTS, SUM_PLAIN, SUM_RELU, SUM_SKIP } sum_kind;

ALWAYS void sum_row(const job *j, const affine *a, int64_t r, int64_t at, const int V, int64_t count, const sum_kind kind,
                    vf *first, vf *second) {
  int64_t from = r * j->p.c + at;
  EACH_VECTOR {
    int64_t i = from + v * PERI_LANES;
    vf x = vf_get(j->x + i, count), d = x - a->mean[v];
    if (kind == SUM_MOMENTS) {
      first[v] += d;
      second[v] = vf_fma(d, d, second[v]);
      continue;
    }
    vf g = vf_get(j->dy + i, count);
    if (kind == SUM_RELU) g = rectified(affine_at(a, v, x), g);
    if (kind == SUM_SKIP) {
      g = rectified(vf_get(j->y + i, count), g);
      vf_put(j->dskip + i, g, count);
    }
    first[v] = vf_fma(g, d, first[v]);
    second[v] += g;
  }
}

ALWAYS void sum_strip(const job *j, int64_t from, int64_t to, int64_t at, const int V, int64_t count, const sum_kind kind,
                      double *part) {
  const int side = CHAINS / V; /* rows side by side */
  lanes one = {0}, two = {0};
  affine a;
  if (kind == SUM_MOMENTS) {
    int64_t end = smaller(to, from + CHAIN);
    EACH_VECTOR a.mean[v] = vf_set1(0);
    for (int64_t r = from; r < end; r++)
      EACH_VECTOR a.mean[v] += vf_get(j->x + r * j->p.c + at + v * PERI_LANES, count);
    EACH_VECTOR a.mean[v] = a.mean[v] / (float)(end - from);
  } else {
    affine_of(&a, &j->p, at, V, count);
  }
  for (int64_t block = from; block < to; block += CHAIN * side) {
    int64_t end = smaller(to, block + CHAIN * side), r = block;
    vf first[CHAINS] = {{0}}, second[CHAINS] = {{0}};
    for (; r + side <= end; r += side)
      _Pragma("GCC unroll 4") for (int u = 0; u < side; u++)
        sum_row(j, &a, r + u, at, V, count, kind, first + u * V, second + u * V);
    for (; r < end; r++) sum_row(j, &a, r, at, V, count, kind, first, second);
    lanes_add(&one, first, V);
    lanes_add(&two, second, V);
  }
  lanes_put(part + at, &one, V, count);
  lanes_put(part + j->p.c + at, &two, V, count);
  if (kind == SUM_MOMENTS) {
    lanes centre = {0};
    vf mean[CHAINS] = {{0}};
    EACH_VECTOR mean[v] = a.mean[v];
    lanes_add(&centre, mean, V);
    lanes_put(part + 2 * j->p.c + at, &centre, V, count);
  }
}

#define SUM_PIECE(name, kind)                                                                                          \
  static void name(void *context, int64_t piece) {                                                                     \
    const job *j = context;                                                                                            \
    int64_t from = piece * j->step, to = smaller(j->rows, from + j->step);                                             \
    double *part = j->part + piece * 3 * j->p.c;                                                                       \
    STRIPS(sum_strip, kind, part);                                                                                     \
  }
SUM_PIECE(moments_piece, SUM_MOMENTS)
SUM_PIECE(plain_piece, SUM_PLAIN)
SUM_PIECE(relu_piece, SUM_RELU)
SUM_PIECE(skip_piece, SUM_SKIP)

/* Runs the pieces; the caller reads part and frees it. */
static int sums(job *j, void (*piece)(void *, int64_t)) {
  j->step = step_of(j->rows, j->p.c);
  while (pieces_of(j) > MOST_PARTS) j->step *= 2;
  j->part = peri_alloc((size_t)(pieces_of(j) * 3 * j->p.c) * sizeof *j->part);
  if (!j->part) return PERI_ENOMEM;
  peri_parallel(pieces_of(j), piece, j);
  return PERI_OK;
}

static int channel_moments(int64_t rows, int64_t c, const void *x, void *mean_, void *variance_) {
  float *mean = mean_, *variance = variance_;
  job j = {.p = {.rows = rows, .c = c}, .rows = rows, .x = x};
  double *total = peri_alloc_zeroed((size_t)(2 * c) * sizeof *total), *squares = total + c;
  if (!total) return PERI_ENOMEM;
  int status = sums(&j, moments_piece);
  int64_t pieces = status < 0 ? 0 : pieces_of(&j);
  for (int64_t p = 0; p < pieces; p++) {
    const double *first = j.part + p * 3 * c, *centre = first + 2 * c;
    double count = (double)(smaller(rows, (p + 1) * j.step) - p * j.step);
    for (int64_t i = 0; i < c; i++) total[i] += first[i] + count * centre[i];
  }
  for (int64_t i = 0; i < c; i++) total[i] /= (double)rows;
  for (int64_t p = 0; p < pieces; p++) { /* sum (x - mean)^2 = sum d^2 + 2 off sum d + count off^2, off = centre - mean */
    const double *first = j.part + p * 3 * c, *second = first + c, *centre = first + 2 * c;
    double count = (double)(smaller(rows, (p + 1) * j.step) - p * j.step);
    for (int64_t i = 0; i < c; i++) {
      double off = centre[i] - total[i];
      squares[i] += second[i] + off * (2 * first[i] + count * off);
    }
  }
  for (int64_t i = 0; i < c && status >= 0; i++) {
    double spread = squares[i] / (double)rows;
    mean[i] = (float)total[i];
    variance[i] = (float)(spread > 0 || spread != spread ? spread : 0);
  }
  if (status >= 0) peri_free(j.part);
  peri_free(total);
  return status;
}

/* ---------------------------------------------------------------- y = act((x - mean) factor + beta + skip) */

ALWAYS void normalise_strip(const job *j, int64_t from, int64_t to, int64_t at, const int V, int64_t count,
                            const int relu, const int skip) {
  affine a;
  affine_of(&a, &j->p, at, V, count);
  for (int64_t r = from; r < to; r++)
    EACH_VECTOR {
      int64_t i = r * j->p.c + at + v * PERI_LANES;
      vf y = affine_at(&a, v, vf_get(j->x + i, count));
      if (skip) y += vf_get(j->skip + i, count);
      vf_put(j->out + i, relu ? rectified(y, y) : y, count);
    }
}

static void normalise_piece(void *context, int64_t piece) {
  const job *j = context;
  int64_t from = piece * j->step, to = smaller(j->rows, from + j->step);
  if (j->p.relu && j->skip) STRIPS(normalise_strip, 1, 1);
  else if (j->p.relu) STRIPS(normalise_strip, 1, 0);
  else if (j->skip) STRIPS(normalise_strip, 0, 1);
  else STRIPS(normalise_strip, 0, 0);
}

static void channel_normalise(const peri_norm *p, const void *x, const void *skip, void *y) {
  if (p->rows < 1 || p->c < 1) return;
  job j = {.p = *p, .rows = p->rows, .step = step_of(p->rows, p->c), .x = x, .skip = skip, .out = y};
  peri_parallel(pieces_of(&j), normalise_piece, &j);
}

/* ---------------------------------------------------------------- dx = factor (g - dbeta / rows - h dgamma / rows) */

/* The same as factor g - level - (x - mean) slope. */
typedef struct descent {
  vf level[4], slope[4];
} descent;

ALWAYS void descent_of(descent *d, const affine *a, const job *j, int64_t at, const int V, int64_t count) {
  float share = (float)(1 / (double)j->p.rows);
  EACH_VECTOR {
    int64_t i = at + v * PERI_LANES;
    d->level[v] = a->factor[v] * (vf_get(j->dbeta + i, count) * share);
    d->slope[v] = a->factor[v] * (vf_get(j->dgamma + i, count) * share) * vf_get((const float *)j->p.inv + i, count);
  }
}
ALWAYS vf descent_at(const descent *d, const affine *a, int v, vf x, vf g) {
  return vf_fma(a->factor[v], g, -vf_fma(x - a->mean[v], d->slope[v], d->level[v]));
}

ALWAYS void back_strip(const job *j, int64_t from, int64_t to, int64_t at, const int V, int64_t count, const int relu) {
  affine a;
  descent d;
  affine_of(&a, &j->p, at, V, count);
  descent_of(&d, &a, j, at, V, count);
  for (int64_t r = from; r < to; r++)
    EACH_VECTOR {
      int64_t i = r * j->p.c + at + v * PERI_LANES;
      vf x = vf_get(j->x + i, count), g = vf_get(j->dy + i, count);
      if (relu) g = rectified(affine_at(&a, v, x), g);
      vf_put(j->out + i, descent_at(&d, &a, v, x, g), count);
    }
}

static void back_piece(void *context, int64_t piece) {
  const job *j = context;
  int64_t from = piece * j->step, to = smaller(j->rows, from + j->step);
  if (j->p.relu) STRIPS(back_strip, 1);
  else STRIPS(back_strip, 0);
}

/* part: for each piece sum g (x - mean) and sum g. */
static void join_gradients(job *j, float *dgamma, float *dbeta) {
  int64_t c = j->p.c, pieces = pieces_of(j);
  for (int64_t p = 1; p < pieces; p++)
    for (int64_t i = 0; i < 2 * c; i++) j->part[i] += j->part[p * 3 * c + i];
  for (int64_t i = 0; i < c; i++) {
    dgamma[i] = (float)(j->part[i] * (double)((const float *)j->p.inv)[i]);
    dbeta[i] = (float)j->part[c + i];
  }
  peri_free(j->part);
  j->part = NULL;
  j->dgamma = dgamma;
  j->dbeta = dbeta;
}

static int channel_normalise_backward(const peri_norm *p, const void *x, const void *y, const void *dy, void *dx,
                                      void *dskip, void *dgamma, void *dbeta) {
  job j = {.p = *p, .rows = p->rows, .x = x, .y = y, .dy = dy, .out = dx, .dskip = dskip};
  PERI_TRY(sums(&j, !p->relu ? plain_piece : y ? skip_piece : relu_piece));
  join_gradients(&j, dgamma, dbeta);
  if (p->relu && y) { /* masked already */
    j.dy = dskip;
    j.p.relu = 0;
  }
  j.step = step_of(p->rows, p->c);
  if (dx) peri_parallel(pieces_of(&j), back_piece, &j);
  return PERI_OK;
}

/* ---------------------------------------------------------------- with a pool behind it */

/* v takes the place of best: it is larger, or the first NaN. */
ALWAYS vm beats(vf v, vf best) { return vm_or(vm_gt(v, best), vm_and(vm_nan(v), vm_not(vm_nan(best)))); }

/* Places in a window as bytes: stored from a vector, and which of them are `place`. */
ALWAYS void winner_put(uint8_t *p, vi won, int64_t count) {
#if PERI_ISA_avx512
  _mm_mask_storeu_epi8(p, (__mmask16)((1U << count) - 1U), _mm512_cvtepi32_epi8((__m512i)won));
#else
  typedef uint8_t bytes __attribute__((vector_size(PERI_LANES)));
  bytes b = __builtin_convertvector(won, bytes);
  memcpy(p, &b, (size_t)count);
#endif
}
ALWAYS vm winner_is(const uint8_t *p, int64_t place, int64_t count) {
#if PERI_ISA_avx512
  __m128i b = count == PERI_LANES ? _mm_loadu_si128((const void *)p)
                                  : _mm_maskz_loadu_epi8((__mmask16)((1U << count) - 1U), p);
  return _mm_cmpeq_epi8_mask(b, _mm_set1_epi8((char)place));
#elif PERI_ISA_avx2
  int64_t b = 0;
  memcpy(&b, p, (size_t)count);
  return vm_same((vi)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(b)), vi_set1((int32_t)place));
#else
  typedef uint8_t bytes __attribute__((vector_size(PERI_LANES)));
  bytes b = {0};
  memcpy(&b, p, (size_t)count);
  return vm_same(__builtin_convertvector(b, vi), vi_set1((int32_t)place));
#endif
}

/* Rows from..to of pooled cells, row = (image, py). */
ALWAYS void pool_strip(const job *j, int64_t from, int64_t to, int64_t at, const int V, int64_t count, const int relu) {
  const peri_norm *p = &j->p;
  const int64_t ph = p->h / p->pool_h, pw = p->w / p->pool_w;
  affine a;
  affine_of(&a, p, at, V, count);
  for (int64_t cell = from * pw; cell < to * pw; cell++) {
    int64_t row = cell / pw, px = cell % pw;
    const float *corner = j->x + ((row / ph * p->h + row % ph * p->pool_h) * p->w + px * p->pool_w) * p->c + at;
    EACH_VECTOR {
      vf top = vf_get(corner + v * PERI_LANES, count), best = affine_at(&a, v, top);
      vi won = vi_set1(0);
      for (int32_t k = 1; k < (int32_t)(p->pool_h * p->pool_w); k++) {
        int64_t ky = k / p->pool_w, kx = k % p->pool_w;
        vf x = vf_get(corner + (ky * p->w + kx) * p->c + v * PERI_LANES, count), y = affine_at(&a, v, x);
        vm take = beats(y, best);
        best = vf_select(take, y, best);
        top = vf_select(take, x, top);
        won = vi_select(take, vi_set1(k), won);
      }
      int64_t i = cell * p->c + at + v * PERI_LANES;
      if (relu) won = vi_select(vm_le(best, vf_set1(0)), vi_set1(255), won);
      vf_put(j->out + i, relu ? rectified(best, best) : best, count);
      vf_put(j->top + i, top, count);
      winner_put(j->winner + i, won, count);
    }
  }
}

static void pool_piece(void *context, int64_t piece) {
  const job *j = context;
  int64_t from = piece * j->step, to = smaller(j->rows, from + j->step);
  if (j->p.relu) STRIPS(pool_strip, 1);
  else STRIPS(pool_strip, 0);
}

static void channel_normalise_pool(const peri_norm *p, const void *x, void *y, void *top, uint8_t *winner) {
  job j = {.p = *p, .rows = p->rows / (p->h * p->w) * (p->h / p->pool_h), .x = x, .out = y, .top = top};
  j.winner = winner;
  if (j.rows < 1 || p->w < p->pool_w) return;
  j.step = step_of(j.rows, p->pool_h * p->w * p->c);
  peri_parallel(pieces_of(&j), pool_piece, &j);
}

/* Rows from..to of the images. A place's gradient is its cell's where it won, else 0. */
ALWAYS void pool_back_strip(const job *j, int64_t from, int64_t to, int64_t at, const int V, int64_t count,
                            const int unused) {
  (void)unused;
  const peri_norm *p = &j->p;
  const int64_t ph = p->h / p->pool_h, pw = p->w / p->pool_w;
  affine a;
  descent d;
  affine_of(&a, p, at, V, count);
  descent_of(&d, &a, j, at, V, count);
  for (int64_t row = from; row < to; row++) {
    int64_t py = row % p->h / p->pool_h, ky = row % p->h % p->pool_h, px = 0, kx = 0;
    int64_t cells = ((row / p->h * ph + py) * pw) * p->c + at;
    for (int64_t column = 0; column < p->w; column++) {
      int64_t i = (row * p->w + column) * p->c + at, cell = cells + px * p->c;
      int inside = py < ph && px < pw;
      EACH_VECTOR {
        vf g = vf_set1(0);
        if (inside) {
          vm here = winner_is(j->won + cell + v * PERI_LANES, ky * p->pool_w + kx, count);
          g = vf_select(here, vf_get(j->dy + cell + v * PERI_LANES, count), g);
        }
        vf x = vf_get(j->x + i + v * PERI_LANES, count);
        vf_put(j->out + i + v * PERI_LANES, descent_at(&d, &a, v, x, g), count);
      }
      if (++kx == p->pool_w) kx = 0, px++;
    }
  }
}

static void pool_back_piece(void *context, int64_t piece) {
  const job *j = context;
  int64_t from = piece * j->step, to = smaller(j->rows, from + j->step);
  STRIPS(pool_back_strip, 0);
}

static int channel_normalise_pool_backward(const peri_norm *p, const void *x, const void *top, const uint8_t *winner,
                                           const void *dy, void *dx, void *dgamma, void *dbeta) {
  int64_t images = p->rows / (p->h * p->w);
  job j = {.p = *p, .rows = images * (p->h / p->pool_h) * (p->w / p->pool_w), .x = top, .dy = dy, .out = dx};
  PERI_TRY(sums(&j, p->relu ? relu_piece : plain_piece));
  join_gradients(&j, dgamma, dbeta);
  j.x = x;
  j.won = winner;
  j.rows = images * p->h;
  j.step = step_of(j.rows, p->w * p->c);
  if (dx) peri_parallel(pieces_of(&j), pool_back_piece, &j);
  return PERI_OK;
}

void PERI_ISA_NAME(peri__fill_batch_norm)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->channel_moments = channel_moments;
  f32->channel_normalise = channel_normalise;
  f32->channel_normalise_backward = channel_normalise_backward;
  f32->channel_normalise_pool = channel_normalise_pool;
  f32->channel_normalise_pool_backward = channel_normalise_pool_backward;
}
