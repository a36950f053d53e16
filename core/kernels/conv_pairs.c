/* conv_pairs.c - 3 x 3 convolution, bias and ReLU over images of one channel, in one pass; compiled once for each
   instruction set that has registers for it (AVX-512).

   A vector holds two places side by side and half a vector of outputs, so that 24 outputs fill three vectors where one
   place would leave a quarter of four empty. Two pixels that lie side by side are one broadcast for all of them:

       sum    = { o0 of the left place, o0 of the right, o1 left, o1 right, ... }
       pixels = { x[i], x[i + 1], x[i], x[i + 1], ... }         weights = { w[o0], w[o0], w[o1], w[o1], ... }

   The weights of a panel (up to ABREAST vectors, nine taps) stay in registers over all places of a piece. The last
   pair of an odd row begins one place earlier: what both compute are the same bits. */
#include "kernels/conv_plane.h"

#include "kernels/window.h"

#if PERI_ISA_avx512

enum {
  TAPS = 9,
  HALF = PERI_LANES / 2, /* outputs of a vector */
  ABREAST = 3,           /* vectors of a panel: with TAPS each, as many as there are registers for */
  WIDE_OUTPUTS = ABREAST * HALF,
  BAND_PLACES = 1 << 9   /* of a piece, about */
};

typedef struct pairs {
  window v;
  int64_t oc, rows, bands; /* of outputs; rows of a piece; pieces of an image */
  const float *panels;     /* panels x (TAPS + 1) x ABREAST x LANES: the bias last */
  int relu;
  float *y;
  atomic_int status;
} pairs;

static void pack_panel(const float *kernel, const float *bias, int64_t first, int64_t oc, float *to) {
  for (int64_t tap = 0; tap <= TAPS; tap++) {
    const float *from = tap < TAPS ? kernel + tap * oc : bias;
    for (int64_t o = first; from && o < min64(first + WIDE_OUTPUTS, oc); o++) {
      float *pair = to + tap * ABREAST * PERI_LANES + 2 * (o - first);
      pair[0] = pair[1] = from[o];
    }
  }
}

/* The left places of two vectors, or the right ones. */
PERI_INLINE vf pick(vf a, vf b, const int right) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return (vf)_mm512_permutex2var_ps((__m512)a, right ? _mm512_or_si512(even, _mm512_set1_epi32(1)) : even, (__m512)b);
}

/* `outputs` of both places of a pair. */
PERI_INLINE void pair_store(const int vectors, const vf *sum, float *left, float *right, int64_t outputs) {
  PERI_UNROLL for (int j = 0; j < vectors; j += 2) {
    vf odd = j + 1 < vectors ? sum[j + 1] : sum[j];
    int64_t count = min64(outputs - j * HALF, j + 1 < vectors ? 2 * HALF : HALF);
    vf_put(left + j * HALF, pick(sum[j], odd, 0), count);
    vf_put(right + j * HALF, pick(sum[j], odd, 1), count);
  }
}

/* One row of places, one panel. */
PERI_INLINE void row_of(const pairs *job, const int vectors, const float *x, vf (*u)[ABREAST], float *y,
                        int64_t outputs) {
  const int64_t across = job->v.gw, row = job->v.row, oc = job->oc;
  for (int64_t i = 0; i < across; i += 2) {
    int64_t at = min64(i, across - 2);
    vf sum[ABREAST];
    PERI_UNROLL for (int j = 0; j < vectors; j++) sum[j] = u[TAPS][j];
    PERI_UNROLL for (int tap = 0; tap < TAPS; tap++) {
      vf pixels = vf_two(x + tap / 3 * row + tap % 3 + at);
      PERI_UNROLL for (int j = 0; j < vectors; j++) sum[j] += pixels * u[tap][j];
    }
    if (job->relu)
      PERI_UNROLL for (int j = 0; j < vectors; j++) sum[j] = vf_max(vf_set1(0), sum[j]); /* keeps NaN */
    pair_store(vectors, sum, y + at * oc, y + (at + 1) * oc, outputs);
  }
}

PERI_INLINE void band_of(const pairs *job, const int vectors, const float *x, int64_t rows, const float *panel,
                         float *y, int64_t outputs) {
  vf u[TAPS + 1][ABREAST];
  PERI_UNROLL for (int tap = 0; tap <= TAPS; tap++)
    PERI_UNROLL for (int j = 0; j < vectors; j++) u[tap][j] = vf_load(panel + (tap * ABREAST + j) * PERI_LANES);
  for (int64_t i = 0; i < rows; i++) {
    float *to = y + i * job->v.gw * job->oc;
    if (outputs == vectors * HALF) row_of(job, vectors, x + i * job->v.row, u, to, vectors * HALF);
    else row_of(job, vectors, x + i * job->v.row, u, to, outputs);
  }
}

#define BAND(vectors)                                                                                                  \
  static __attribute__((noinline)) void band_##vectors(const pairs *job, const float *x, int64_t rows,                 \
                                                       const float *panel, float *y, int64_t outputs) {                \
    band_of(job, vectors, x, rows, panel, y, outputs);                                                                 \
  }
BAND(1) BAND(2) BAND(3)
#undef BAND

static void pairs_piece(void *context, int64_t piece) {
  static void (*const bands[])(const pairs *, const float *, int64_t, const float *, float *, int64_t) = {
      band_1, band_2, band_3};
  pairs *job = context;
  const window *v = &job->v;
  if (atomic_load(&job->status) < 0) return;
  int64_t image = piece / job->bands, first = piece % job->bands * job->rows, rows = min64(job->rows, v->gh - first);
  int64_t floats = window_scratch(v, rows);
  float *scratch = floats ? peri_alloc((size_t)floats * sizeof(float)) : NULL;
  int status = floats && !scratch ? PERI_ENOMEM : peri_interrupt_poll();
  if (status < 0) {
    atomic_store(&job->status, status);
  } else {
    const float *region = window_region(v, image, first, rows, scratch);
    float *y = job->y + (image * v->gh + first) * v->gw * job->oc;
    for (int64_t o = 0; o < job->oc; o += WIDE_OUTPUTS) {
      int64_t outputs = min64(WIDE_OUTPUTS, job->oc - o);
      const float *panel = job->panels + o / WIDE_OUTPUTS * (TAPS + 1) * ABREAST * PERI_LANES;
      bands[blocks64(outputs, HALF) - 1](job, region, rows, panel, y + o, outputs);
    }
  }
  peri_free(scratch);
}

static int pairs_run(pairs *job, const float *kernel, const float *bias) {
  const window *v = &job->v;
  int64_t panels = blocks64(job->oc, WIDE_OUTPUTS), each = (TAPS + 1) * ABREAST * PERI_LANES;
  float *packed = peri_alloc_zeroed((size_t)(panels * each) * sizeof(float));
  if (!packed) return PERI_ENOMEM;
  for (int64_t i = 0; i < panels; i++) pack_panel(kernel, bias, i * WIDE_OUTPUTS, job->oc, packed + i * each);
  job->panels = packed;
  job->rows = clamp64(BAND_PLACES / v->gw, 1, v->gh);
  job->bands = blocks64(v->gh, job->rows);
  job->rows = blocks64(v->gh, job->bands);
  peri_parallel(v->n * job->bands, pairs_piece, job);
  peri_free(packed);
  return pieces_status(&job->status, "convolution");
}

int conv_plane_pairs(const peri_window *g, const float *x, const float *kernel, const float *bias, int relu, float *y) {
  if (g->c != 1 || g->kh != 3 || g->kw != 3 || g->stride_h != 1 || g->stride_w != 1 || g->dil_h != 1 || g->dil_w != 1 ||
      g->groups != 1 || g->oc < HALF || g->ow < 2 || g->oh < 1 || g->n < 1)
    return 1;
  pairs job = {.oc = g->oc, .relu = relu, .y = y};
  int status;
  PERI_TRY_GOTO(done, window_forward(&job.v, g, x, 0));
  status = pairs_run(&job, kernel, bias);
done:
  window_close(&job.v);
  return status;
}

#else
int conv_plane_pairs(const peri_window *g, const float *x, const float *kernel, const float *bias, int relu, float *y) {
  (void)g, (void)x, (void)kernel, (void)bias, (void)relu, (void)y;
  return 1;
}
#endif
