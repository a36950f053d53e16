/* conv_plane_kernel.c - gradient of convolution + ReLU + max-pool in its kernel and bias, images of few channels;
   compiled once for each instruction set that can permute (AVX2, AVX-512).

   Up to four places compete in a cell. For every number of a region of x, the four numbers at its places make a
   quad; a quad repeated along a vector, permuted by the outputs' winners, is what each output multiplies with its g:

       quads[i] = { x[i + place 0], x[i + place 1], x[i + place 2], x[i + place 3] }
       sums[tap][o] += g[cell][o] * quads[cell's pixel + tap][winner[cell][o]]       g = 0 where nothing won

   Up to TAPS taps x channels are summed at a time, in registers, over the cells of a unit (rows of an image).
   Shares of the units have sums of their own, which are added in order of share. */
#include "kernels/conv_plane.h"

#include "kernels/window.h"

enum {
  TAPS = 9,             /* of a block */
  MOST_TAPS = 128,      /* taps x channels up to which this wins */
  SHARES = 16,
  SHARE_WORK = 1 << 18, /* multiplications that are worth a share */
  UNIT_FLOATS = 1 << 11 /* of a unit's region, about: its quads fit into the first cache */
};

#if PERI_ISA_avx2 || PERI_ISA_avx512

#if PERI_ISA_avx512
enum { ABREAST = 2 }; /* vectors of outputs that share a quad */
#else
enum { ABREAST = 1 };
#endif

typedef struct plane {
  const peri_conv_pool *g;
  window v;
  int64_t taps, oc, wide;        /* taps x channels; outputs, rounded up to whole vectors */
  int64_t place[4];              /* the offset of each place of a cell */
  int64_t *tap;                  /* the offset of each tap and channel */
  const float *dy;
  const uint8_t *winner;
  int64_t rows, bands, shares;   /* of a unit; units of an image */
  float *sums, *dkernel, *dbias; /* shares x (taps + 1) x wide: the bias last */
  atomic_int status;
} plane;

/* What a block sums over: cells whose pixels are `right` apart. */
typedef struct cells {
  int64_t count, right, oc;
  const float *quads, *dy;
  const uint8_t *winner;
  const int64_t *tap;
  float *sums, *bias;
  int64_t wide;
} cells;

#if PERI_ISA_avx512
PERI_INLINE vf quad_load(const float *p) { return (vf)_mm512_broadcast_f32x4(_mm_loadu_ps(p)); }
PERI_INLINE vf quad_pick(vf quad, vi place) { return (vf)_mm512_permutevar_ps((__m512)quad, (__m512i)place); }
#else
PERI_INLINE vf quad_load(const float *p) { return (vf)_mm256_broadcast_ps((const __m128 *)(const void *)p); }
PERI_INLINE vf quad_pick(vf quad, vi place) { return (vf)_mm256_permutevar_ps((__m256)quad, (__m256i)place); }
#endif

PERI_INLINE void sum_cells(const cells *c, const int taps, const int vectors) {
  vf acc[TAPS][ABREAST], bias[ABREAST];
  const float *quad[TAPS];
  PERI_UNROLL for (int v = 0; v < vectors; v++) {
    bias[v] = vf_load(c->bias + v * PERI_LANES);
    PERI_UNROLL for (int t = 0; t < taps; t++) acc[t][v] = vf_load(c->sums + t * c->wide + v * PERI_LANES);
  }
  PERI_UNROLL for (int t = 0; t < taps; t++) quad[t] = c->quads + 4 * c->tap[t];
  const uint8_t *winner = c->winner;
  const float *dy = c->dy;
  for (int64_t i = 0, at = 0; i < c->count; i++, at += 4 * c->right, winner += c->oc, dy += c->oc) {
    vi place[ABREAST];
    vf g[ABREAST];
    PERI_UNROLL for (int v = 0; v < vectors; v++) {
      place[v] = places_load(winner + v * PERI_LANES, PERI_LANES);
      g[v] = vf_select(vm_same(place[v], vi_set1(255)), vf_set1(0), vf_load(dy + v * PERI_LANES));
      bias[v] += g[v];
    }
    PERI_UNROLL for (int t = 0; t < taps; t++) {
      vf q = quad_load(quad[t] + at);
      PERI_UNROLL for (int v = 0; v < vectors; v++) acc[t][v] += g[v] * quad_pick(q, place[v]);
    }
  }
  PERI_UNROLL for (int v = 0; v < vectors; v++) {
    vf_store(c->bias + v * PERI_LANES, bias[v]);
    PERI_UNROLL for (int t = 0; t < taps; t++) vf_store(c->sums + t * c->wide + v * PERI_LANES, acc[t][v]);
  }
}

#define COUNTS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
#define X(taps)                                                                                                        \
  static void sum_##taps##_1(const cells *c) { sum_cells(c, taps, 1); }                                                \
  static void sum_##taps##_2(const cells *c) { sum_cells(c, taps, ABREAST); }
COUNTS(X)
#undef X
static void (*const sum_of[TAPS][2])(const cells *c) = {
#define X(taps) {sum_##taps##_1, sum_##taps##_2},
    COUNTS(X)
#undef X
};

/* All taps over a run of cells, outputs [o, o + vectors). Only the first block adds to the bias. */
static void sum_taps(const plane *job, cells c, int64_t o, int64_t vectors, float *sums) {
  float spare[2 * PERI_LANES] = {0};
  int64_t blocks = blocks64(job->taps, TAPS);
  for (int64_t b = 0; b < blocks; b++) {
    int64_t from = b * job->taps / blocks, taps = (b + 1) * job->taps / blocks - from;
    c.tap = job->tap + from;
    c.sums = sums + from * job->wide + o;
    c.bias = b ? spare : sums + job->taps * job->wide + o;
    sum_of[taps - 1][vectors - 1](&c);
  }
}

/* A row of cells, for outputs [o, o + vectors). Vectors read beyond the last outputs of a cell into the next
   cell's; the last cells of all are copied, with room behind them. */
static void sum_row(const plane *job, cells c, int64_t first, int64_t o, int64_t vectors, float *sums) {
  int64_t lanes = vectors * PERI_LANES, all = job->v.n * job->g->ph * job->g->pw * job->oc;
  int64_t start = first * job->oc + o, safe = all - start < lanes ? 0 : (all - start - lanes) / job->oc + 1;
  int64_t count = c.count;
  c.count = min64(count, safe);
  c.winner = job->winner + start;
  c.dy = job->dy + start;
  if (c.count > 0) sum_taps(job, c, o, vectors, sums);
  for (int64_t i = c.count > 0 ? c.count : 0; i < count; i++) {
    uint8_t winner[2 * PERI_LANES];
    float dy[2 * PERI_LANES] = {0};
    int64_t width = min64(lanes, job->oc - o);
    memset(winner, 255, sizeof winner);
    memcpy(winner, job->winner + start + i * job->oc, (size_t)width);
    memcpy(dy, job->dy + start + i * job->oc, (size_t)width * sizeof(float));
    cells one = c;
    one.count = 1;
    one.quads += 4 * i * c.right;
    one.winner = winner;
    one.dy = dy;
    sum_taps(job, one, o, vectors, sums);
  }
}

/* quads of `count` numbers (up to the next multiple of 4) from x on */
static void quads_make(const plane *job, const float *x, int64_t count, float *quads) {
  const int64_t *place = job->place;
  for (int64_t i = 0; i < count; i += 4) {
    f32_quad a = *(const f32_quad *)(x + i + place[0]), b = *(const f32_quad *)(x + i + place[1]);
    f32_quad c = *(const f32_quad *)(x + i + place[2]), d = *(const f32_quad *)(x + i + place[3]);
    f32_quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    f32_quad ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    float *to = quads + 4 * i;
    *(f32_quad *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(f32_quad *)(to + 4) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    *(f32_quad *)(to + 8) = __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5);
    *(f32_quad *)(to + 12) = __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7);
  }
}

static int64_t region_floats(const plane *job, int64_t rows) {
  return (rows * job->g->pool_h * job->v.step_h + job->v.spare_h) * job->v.row;
}

static void unit_run(const plane *job, int64_t at, float *sums, float *scratch, float *quads) {
  const window *v = &job->v;
  const peri_conv_pool *g = job->g;
  int64_t image = at / job->bands, row = at % job->bands * job->rows, rows = min64(job->rows, g->ph - row);
  const float *region = window_region(v, image, row * g->pool_h, rows * g->pool_h, scratch);
  int64_t corner = job->place[g->pool_h * g->pool_w - 1];
  quads_make(job, region, region_floats(job, rows) - corner, quads);
  for (int64_t o = 0; o < job->wide; o += ABREAST * PERI_LANES) {
    int64_t vectors = min64(ABREAST, (job->wide - o) / PERI_LANES);
    for (int64_t y = 0; y < rows; y++) {
      cells c = {.count = g->pw, .right = g->pool_w * v->step_w * v->c, .oc = job->oc, .wide = job->wide,
                 .quads = quads + 4 * y * g->pool_h * v->step_h * v->row};
      sum_row(job, c, (image * g->ph + row + y) * g->pw, o, vectors, sums);
    }
  }
}

static int share_run(const plane *job, int64_t share) {
  const window *v = &job->v;
  int64_t units = v->n * job->bands, floats = window_scratch(v, job->rows * job->g->pool_h), status = PERI_OK;
  int64_t quads = 4 * (region_floats(job, job->rows) + 4);
  float *scratch = peri_alloc((size_t)(floats + quads) * sizeof(float));
  if (!scratch) return PERI_ENOMEM;
  float *sums = job->sums + share * (job->taps + 1) * job->wide;
  memset(sums, 0, (size_t)((job->taps + 1) * job->wide) * sizeof(float));
  for (int64_t at = share * units / job->shares; at < (share + 1) * units / job->shares && status == PERI_OK; at++) {
    status = peri_interrupt_poll();
    unit_run(job, at, sums, scratch + quads, scratch);
  }
  peri_free(scratch);
  return (int)status;
}

static void share_piece(void *context, int64_t share) {
  plane *job = context;
  if (atomic_load(&job->status) < 0) return;
  int status = share_run(job, share);
  if (status < 0) atomic_store(&job->status, status);
}

static void add_shares(const plane *job) {
  for (int64_t t = 0; t <= job->taps; t++) {
    float *to = t == job->taps ? job->dbias : job->dkernel + t * job->oc;
    for (int64_t o = 0; to && o < job->oc; o++) {
      const float *from = job->sums + t * job->wide + o;
      float sum = from[0];
      for (int64_t s = 1; s < job->shares; s++) sum += from[s * (job->taps + 1) * job->wide];
      to[o] = sum;
    }
  }
}

static int plane_open(plane *job, const float *x) {
  const peri_conv_pool *g = job->g;
  PERI_TRY(window_forward(&job->v, &g->conv, x, 1)); /* with slack: quads are made four at a time */
  const window *v = &job->v;
  for (int64_t k = 0; k < g->pool_h * g->pool_w; k++)
    job->place[k] = k / g->pool_w * v->step_h * v->row + k % g->pool_w * v->step_w * v->c;
  job->taps = v->runs * v->len;
  job->wide = blocks64(job->oc, PERI_LANES) * PERI_LANES;
  int64_t row = max64(1, g->pool_h * v->step_h * v->row);
  job->rows = clamp64((UNIT_FLOATS - v->spare_h * v->row) / row, 1, g->ph);
  job->bands = blocks64(g->ph, job->rows);
  double work = (double)(v->n * g->ph * g->pw) * (double)(job->taps * job->oc);
  job->shares = clamp64(work / SHARE_WORK > SHARES ? SHARES : (int64_t)(work / SHARE_WORK), 1, v->n * job->bands);
  size_t sums = (size_t)(job->shares * (job->taps + 1) * job->wide) * sizeof(float);
  job->sums = peri_alloc(sums + (size_t)job->taps * sizeof(int64_t));
  if (!job->sums) return PERI_ENOMEM;
  job->tap = (int64_t *)(void *)((char *)job->sums + sums);
  for (int64_t t = 0; t < job->taps; t++) job->tap[t] = v->run[t / v->len] + t % v->len;
  return PERI_OK;
}

int conv_plane_kernel(const peri_conv_pool *g, const float *x, const float *dy, const uint8_t *winner, float *dkernel,
                      float *dbias) {
  const peri_window *c = &g->conv;
  if (c->groups != 1 || g->pool_h * g->pool_w > 4 || c->kh * c->kw * c->c > MOST_TAPS || c->n <= 0 || g->ph <= 0 ||
      g->pw <= 0 || c->oc <= 0)
    return 1;
  plane job = {.g = g, .oc = c->oc, .dy = dy, .winner = winner, .dkernel = dkernel, .dbias = dbias};
  int status;
  PERI_TRY_GOTO(done, plane_open(&job, x));
  peri_parallel(job.shares, share_piece, &job);
  status = pieces_status(&job.status, "gradient of a convolution's kernel, pooled");
  if (status == PERI_OK) add_shares(&job);
done:
  peri_free(job.sums);
  window_close(&job.v);
  return status;
}

#else
int conv_plane_kernel(const peri_conv_pool *g, const float *x, const float *dy, const uint8_t *winner, float *dkernel,
                      float *dbias) {
  (void)g, (void)x, (void)dy, (void)winner, (void)dkernel, (void)dbias;
  return 1;
}
#endif
