/* conv_pool_kernel.c - gradients of convolution + ReLU + max-pool, compiled once for each instruction set.

   Of a pooled cell and output o, at most one place carries gradient, and none where ReLU clamped: about
   one number in eight of the dense dy. So both gradients visit the living numbers only, each of which
   touches one patch: the taps x channels under its place, `runs` runs (window.h) of `len` numbers.

       patch, as weights and sums keep it, one for each o:
       run 0: len numbers, zeros up to a multiple of PERI_LANES | run 1 ... | run 2 ...
       blocks: 1 or 3 runs x 1..12 vectors of them, as many as the registers hold at once

   Input: for each place of a cell, the patch of dx is loaded into registers, gains g * weights[o] for each
   living o (a bit mask of the winners says which), and is stored.
   Kernel: for each o, a list of its living cells is made; sums[o] is loaded, gains g * x's patch for each,
   and is stored. Shares of the images have sums of their own, which are added in order of share.

   Small patches (the first layer of a net: one channel) go densely: conv_kernel.c, dy spread out there. */
#include "kernels/window.h"

enum {
  SHARES = 16,
  SHARE_WORK = 1 << 17, /* multiplications, were they dense, over 8: worth a share */
  UNIT_CELLS = 64,      /* cells of a list, about */
  OUTPUTS_PIECE = 16,   /* outputs whose sums are added together: a cache line of dkernel */
  DENSE_PATCH = 8 * PERI_LANES /* patch x places of a cell up to which the dense form wins */
};

typedef struct block {
  int64_t run, at; /* its first run, its offset in the runs */
  int shape;       /* of `shapes` */
} block;

typedef struct sparse {
  const peri_conv_pool *g;
  window v;
  int64_t oc, og, patch, padded; /* floats of a patch, of a run with its zeros */
  int64_t places, pixel[256];    /* the offset of each place of a cell; 0 for 255 */
  const float *dy;
  const uint8_t *winner;
  block *blocks;
  int64_t block_count;
  int64_t shares, units, rows, bands, images;
  float *sums, *bias_sums, *dkernel, *dbias; /* shares x oc x patch, shares x oc */
  atomic_int status;
} sparse;

/* --- the blocks --- */

typedef struct living {
  const float *const *x; /* where their patches lie */
  const float *g;
  int64_t count;
} living;

/* sums += sum over the list: g * x's patch */
PERI_INLINE void gather(const sparse *job, const block *b, float *sums, const living *list, const int runs,
                        const int vectors) {
  const int64_t *run = job->v.run + b->run, padded = job->padded;
  int64_t offset[3];
  vf acc[3][12];
  sums += b->run * padded + b->at;
  PERI_UNROLL for (int r = 0; r < runs; r++) {
    offset[r] = run[r] + b->at;
    PERI_UNROLL for (int q = 0; q < vectors; q++) acc[r][q] = vf_load(sums + r * padded + q * PERI_LANES);
  }
  for (int64_t i = 0; i < list->count; i++) {
    const float *x = list->x[i];
    float g = list->g[i];
    PERI_UNROLL for (int r = 0; r < runs; r++)
      PERI_UNROLL for (int q = 0; q < vectors; q++) acc[r][q] += g * vf_load(x + offset[r] + q * PERI_LANES);
  }
  PERI_UNROLL for (int r = 0; r < runs; r++)
    PERI_UNROLL for (int q = 0; q < vectors; q++) vf_store(sums + r * padded + q * PERI_LANES, acc[r][q]);
}

#if PERI_ISA_avx512
#define SHAPES(X) X(3, 6) X(3, 4) X(3, 2) X(3, 1) X(1, 12) X(1, 8) X(1, 4) X(1, 2) X(1, 1)
#else
#define SHAPES(X) X(3, 4) X(3, 2) X(3, 1) X(1, 12) X(1, 8) X(1, 4) X(1, 2) X(1, 1)
#endif

typedef struct shape {
  int runs, vectors;
  void (*gather)(const sparse *, const block *, float *, const living *);
} shape;

#define X(runs, vectors)                                                                                               \
  static void gather_##runs##x##vectors(const sparse *job, const block *b, float *sums, const living *list) {          \
    gather(job, b, sums, list, runs, vectors);                                                                         \
  }
SHAPES(X)
#undef X

static const shape shapes[] = {
#define X(runs, vectors) {runs, vectors, gather_##runs##x##vectors},
  SHAPES(X)
#undef X
};

/* Cuts the patch into blocks: three runs at a time where a run fits, else the largest that fit. */
static int cut_blocks(sparse *job) {
  int64_t vectors = job->padded / PERI_LANES, runs = job->v.runs;
  job->blocks = peri_alloc((size_t)(runs * vectors) * sizeof(block));
  if (!job->blocks) return PERI_ENOMEM;
  for (int64_t run = 0; run < runs;) {
    int64_t together = runs - run >= 3 && vectors <= shapes[0].vectors ? 3 : 1;
    for (int64_t at = 0; at < vectors;) {
      int s = 0;
      while (shapes[s].runs != together || shapes[s].vectors > vectors - at) s++;
      job->blocks[job->block_count++] = (block){run, at * PERI_LANES, s};
      at += shapes[s].vectors;
    }
    run += together;
  }
  return PERI_OK;
}

static int sparse_open(sparse *job, const peri_conv_pool *g, const float *x, const float *dy, const uint8_t *winner) {
  *job = (sparse){.g = g, .dy = dy, .winner = winner, .oc = g->conv.oc, .og = g->conv.oc / g->conv.groups};
  int64_t gc = g->conv.c / g->conv.groups;
  int together = g->conv.groups == 1 && (g->conv.dil_w == 1 || g->conv.kw == 1);
  PERI_TRY(window_forward(&job->v, &g->conv, x, (together ? g->conv.kw * gc : gc) % PERI_LANES != 0));
  job->padded = blocks64(job->v.len, PERI_LANES) * PERI_LANES;
  job->patch = job->padded * job->v.runs;
  job->places = g->pool_h * g->pool_w;
  for (int64_t k = 0; k < job->places; k++)
    job->pixel[k] = k / g->pool_w * job->v.step_h * job->v.row + k % g->pool_w * job->v.step_w * job->v.c;
  return cut_blocks(job);
}

static void sparse_close(sparse *job) {
  peri_free(job->blocks);
  window_close(&job->v);
}

static void job_failed(sparse *job, int status) {
  if (status < 0) atomic_store(&job->status, status);
}

/* --- kernel --- */

/* The living cells of output o among `cells` cells from `first` on. */
static int64_t list_living(const sparse *job, int64_t o, int64_t first, int64_t cells, const float *const *pixel,
                           const float **x, float *g) {
  const uint8_t *winner = job->winner + first * job->oc + o;
  const float *dy = job->dy + first * job->oc + o;
  int64_t count = 0;
  for (int64_t i = 0; i < cells; i++) {
    uint8_t place = winner[i * job->oc];
    x[count] = pixel[i] + job->pixel[place];
    g[count] = dy[i * job->oc];
    count += place != 255;
  }
  return count;
}

typedef struct gathering {
  const float **pixel, **x; /* UNIT_CELLS or a row of cells */
  float *g, *scratch;
} gathering;

/* Unit `at`: some rows of cells of one image, or some whole images. */
static void gather_unit(const sparse *job, int64_t at, int64_t share, const gathering *m) {
  const window *v = &job->v;
  const peri_conv_pool *g = job->g;
  int64_t image = at / job->bands * job->images, end = min64(v->n, image + job->images);
  int64_t row = at % job->bands * job->rows, rows = min64(job->rows, g->ph - row), cells = 0;
  int64_t first = (image * g->ph + row) * g->pw, each = window_scratch(v, job->rows * g->pool_h);
  float *sums = job->sums + share * job->oc * job->patch;
  for (int64_t i = image; i < end; i++) {
    const float *region =
        window_region(v, i, row * g->pool_h, rows * g->pool_h, m->scratch ? m->scratch + (i - image) * each : NULL);
    for (int64_t y = 0; y < rows; y++)
      for (int64_t x = 0; x < g->pw; x++)
        m->pixel[cells++] = region + y * g->pool_h * v->step_h * v->row + x * g->pool_w * v->step_w * v->c;
  }
  for (int64_t o = 0; o < job->oc; o++) {
    living list = {m->x, m->g, list_living(job, o, first, cells, m->pixel, m->x, m->g)};
    for (int64_t i = 0; i < list.count; i++) m->x[i] += o / job->og * v->gc;
    for (int64_t b = 0; list.count && b < job->block_count; b++)
      shapes[job->blocks[b].shape].gather(job, &job->blocks[b], sums + o * job->patch, &list);
  }
  places_bias(cells, job->oc, job->dy + first * job->oc, job->winner + first * job->oc,
              job->bias_sums + share * job->oc);
}

static int gather_share(const sparse *job, int64_t share) {
  int64_t cells = job->rows * job->g->pw * job->images, status = PERI_OK;
  int64_t floats = window_scratch(&job->v, job->rows * job->g->pool_h) * job->images;
  const float **pixel = peri_alloc((size_t)cells * (2 * sizeof *pixel + sizeof(float)) + (size_t)floats * sizeof(float));
  if (!pixel) return PERI_ENOMEM;
  gathering m = {.pixel = pixel, .x = pixel + cells, .g = (float *)(void *)(pixel + 2 * cells)};
  m.scratch = floats ? m.g + cells : NULL;
  memset(job->sums + share * job->oc * job->patch, 0, (size_t)(job->oc * job->patch) * sizeof(float));
  memset(job->bias_sums + share * job->oc, 0, (size_t)job->oc * sizeof(float));
  for (int64_t at = share * job->units / job->shares; at < (share + 1) * job->units / job->shares; at++) {
    status = peri_interrupt_poll();
    if (status < 0) break;
    gather_unit(job, at, share, &m);
  }
  peri_free(pixel);
  return (int)status;
}

static void gather_piece(void *context, int64_t share) {
  sparse *job = context;
  if (atomic_load(&job->status) < 0) return;
  job_failed(job, gather_share(job, share));
}

/* dkernel[run len + i][o] = the shares' sums[o][run][i], added in order */
static void add_shares(void *context, int64_t piece) {
  const sparse *job = context;
  const window *v = &job->v;
  int64_t end = min64((piece + 1) * OUTPUTS_PIECE, job->oc);
  for (int64_t o = piece * OUTPUTS_PIECE; o < end; o++) {
    float *sums = job->sums + o * job->patch;
    for (int64_t s = 1; s < job->shares; s++) {
      const float *more = sums + s * job->oc * job->patch;
      for (int64_t i = 0; i < job->patch; i++) sums[i] += more[i];
      job->bias_sums[o] += job->bias_sums[s * job->oc + o];
    }
    for (int64_t r = 0; r < v->runs; r++)
      for (int64_t i = 0; i < v->len; i++) job->dkernel[(r * v->len + i) * job->oc + o] = sums[r * job->padded + i];
    if (job->dbias) job->dbias[o] = job->bias_sums[o];
  }
}

static void gather_plan(sparse *job) {
  const peri_conv_pool *g = job->g;
  job->rows = clamp64(UNIT_CELLS / g->pw, 1, g->ph);
  job->bands = blocks64(g->ph, job->rows);
  job->images = job->rows == g->ph ? clamp64(UNIT_CELLS / (g->ph * g->pw), 1, job->v.n) : 1;
  job->units = blocks64(job->v.n, job->images) * job->bands;
  double work = (double)(job->v.n * g->ph * g->pw) * (double)(job->oc * job->patch) / 2;
  job->shares = work / SHARE_WORK > SHARES ? SHARES : max64(1, (int64_t)(work / SHARE_WORK));
  if (job->shares > job->units) job->shares = job->units;
}

static int conv_pool_backward_kernel(const peri_conv_pool *g, const void *x, const void *dy, const uint8_t *winner,
                                     void *dkernel, void *dbias) {
  const peri_window *c = &g->conv;
  int64_t patch = c->kh * c->kw * c->c;
  if (c->n <= 0 || g->ph <= 0 || g->pw <= 0 || (c->groups == 1 && patch * g->pool_h * g->pool_w <= DENSE_PATCH))
    return PERI_ISA_NAME(peri__conv_pool_kernel_dense)(g, x, dy, winner, dkernel, dbias);
  sparse job;
  int status;
  PERI_TRY_GOTO(done, sparse_open(&job, g, x, dy, winner));
  status = PERI_ENOMEM;
  gather_plan(&job);
  job.dkernel = dkernel;
  job.dbias = dbias;
  job.sums = peri_alloc((size_t)(job.shares * job.oc * (job.patch + 1)) * sizeof(float));
  if (!job.sums) goto done;
  job.bias_sums = job.sums + job.shares * job.oc * job.patch;
  peri_parallel(job.shares, gather_piece, &job);
  status = pieces_status(&job.status, "gradient of a convolution's kernel, pooled");
  if (status == PERI_OK) peri_parallel(blocks64(job.oc, OUTPUTS_PIECE), add_shares, &job);
  peri_free(job.sums);
done:
  sparse_close(&job);
  return status;
}

void PERI_ISA_NAME(peri__fill_conv_pool_kernel)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_conv_pool_kernel)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->conv_pool_backward_kernel = conv_pool_backward_kernel;
}
