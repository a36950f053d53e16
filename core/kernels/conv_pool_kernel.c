/* conv_pool_kernel.c - gradient of convolution + ReLU + max-pool in its kernel and bias, compiled once for
   each instruction set.

   Of a pooled cell and output o, at most one place carries gradient, and none where ReLU clamped: about
   one number in eight of the dense dy. For each o and each unit of cells (some rows of an image, or some
   images), a list of the living ones is made: where the patch of x under the winner begins, and g. A block
   of the patch (some runs of taps x channels, some vectors of each) is then summed over the list, in
   registers: g * x, one load each; the sums of all units are added in memory.

       sums: for each block, for each output: runs x vectors, zeros or garbage after a run's end

   Shares of the units have sums of their own, which are added in order of share. Where vectors fit into a
   pixel's channels, the runs are single taps and a block has all of a 3 x 3 window's: then the blocks divide
   the channels, and the part of x that one needs fits into the first cache.

   Small patches (the first layer of a net: one channel) go densely: conv_kernel.c, dy spread out there. */
#include "kernels/conv_plane.h"
#include "kernels/living.h"
#include "kernels/window.h"

enum {
  SHARES = 16,
  SHARE_WORK = 1 << 17, /* multiplications, were they dense, over 8: worth a share */
  UNIT_CELLS = 64,      /* cells of a list, about */
  TILE = 16,            /* cells and outputs that are turned round together, for the lists */
  OUTPUTS_PIECE = 16,   /* outputs whose sums are added together: a cache line of dkernel */
  DENSE_PATCH = 8 * PERI_LANES /* patch x places of a cell up to which the dense form wins */
};

typedef struct block {
  int shape;       /* of `shapes` */
  int64_t run, at; /* its first run, its offset in the runs */
  int64_t before;  /* vectors of the blocks before it */
} block;

/* The living cells of an output: where their patches begin, from the unit's first pixel; their gradients. */
typedef struct list {
  const int32_t *x;
  const float *g;
  int64_t count;
} list;

typedef struct gathering {
  const peri_conv_pool *g;
  window v;
  int64_t oc, og;
  int32_t place[PLACES]; /* the offset of each place of a cell */
  const float *dy;
  const uint8_t *winner;
  block *blocks;
  int64_t block_count, vectors;       /* of all blocks */
  int64_t rows, images;               /* of a unit */
  int64_t bands, units, shares;       /* units of an image, of all */
  int64_t room;                       /* of a list: the cells of a unit, and slack */
  float *sums, *bias_sums, *dkernel, *dbias; /* shares x oc x vectors, shares x oc */
  atomic_int status;
} gathering;

/* A unit and the room for its lists. */
typedef struct unit {
  int64_t image, end, row, rows; /* images [image, end), rows of cells */
  const float *x;                /* its first pixel */
  int64_t each;                  /* from image to image */
  int first;                     /* the first unit of its share overwrites the sums */
  int32_t *living;               /* oc x room: x of every output's list */
  float *g;                      /* oc x room */
  int64_t *count;                /* oc */
  float *scratch;
} unit;

/* --- the blocks --- */

/* sums = the sum over the list: g * x's patch; added to what is there unless `first`. Nine runs are the taps of
   a 3 x 3 window, evenly spaced: the addresses of nine would not fit into registers. */
PERI_INLINE void gather(const int64_t *run, const float *x, const list *l, int first, float *sums, const int runs,
                        const int vectors) {
  vf acc[9][12];
  const int across = runs == 9 ? 3 : 1, rows = runs / across;
  const int64_t right = across > 1 ? run[1] - run[0] : 0;
  int64_t offset[5];
  PERI_UNROLL for (int r = 0; r < rows; r++) offset[r] = run[r * across];
  PERI_UNROLL for (int r = 0; r < runs; r++)
    PERI_UNROLL for (int q = 0; q < vectors; q++) acc[r][q] = vf_set1(0);
  for (int64_t i = 0; i < l->count; i++) {
    const float *at = x + l->x[i];
    vf g = vf_set1(l->g[i]);
    PERI_UNROLL for (int r = 0; r < rows; r++) {
      const float *row = at + offset[r];
      PERI_UNROLL for (int t = 0; t < across; t++)
        PERI_UNROLL for (int q = 0; q < vectors; q++)
          acc[r * across + t][q] += g * vf_load(row + t * right + q * PERI_LANES);
    }
  }
  PERI_UNROLL for (int r = 0; r < runs; r++)
    PERI_UNROLL for (int q = 0; q < vectors; q++) {
      float *to = sums + (r * vectors + q) * PERI_LANES;
      vf_store(to, first ? acc[r][q] : vf_load(to) + acc[r][q]);
    }
}

#if PERI_ISA_avx512
#define SHAPES(X) X(9, 2) X(9, 1) X(5, 2) X(5, 1) X(3, 6) X(3, 4) X(3, 2) X(3, 1) X(1, 12) X(1, 8) X(1, 4) X(1, 2) X(1, 1)
#else
#define SHAPES(X) X(5, 2) X(5, 1) X(3, 4) X(3, 2) X(3, 1) X(1, 12) X(1, 8) X(1, 4) X(1, 2) X(1, 1)
#endif

#define X(runs, vectors)                                                                                               \
  static void gather_##runs##x##vectors(const int64_t *run, const float *x, const list *l, int first, float *sums) {   \
    gather(run, x, l, first, sums, runs, vectors);                                                                     \
  }
SHAPES(X)
#undef X

static const struct shape {
  int runs, vectors;
  void (*gather)(const int64_t *run, const float *x, const list *l, int first, float *sums);
} shapes[] = {
#define X(runs, vectors) {runs, vectors, gather_##runs##x##vectors},
    SHAPES(X)
#undef X
};

/* How many of `left` runs of so many vectors a block takes: all of a window of 3 x 3 taps, else as many as a
   shape has room for. */
static int64_t runs_together(int64_t left, int64_t vectors, int taps) {
  if (taps) return left;
  for (int s = 0; shapes[s].runs > 1; s++)
    if (shapes[s].runs < 9 && left >= shapes[s].runs && vectors <= shapes[s].vectors) return shapes[s].runs;
  return 1;
}

static int cut_blocks(gathering *job, int taps) {
  int64_t vectors = blocks64(job->v.len, PERI_LANES), runs = job->v.runs;
  job->blocks = peri_alloc((size_t)(runs * vectors) * sizeof(block));
  if (!job->blocks) return PERI_ENOMEM;
  for (int64_t run = 0; run < runs;) {
    int64_t together = runs_together(runs - run, vectors, taps);
    for (int64_t at = 0; at < vectors;) {
      int s = 0;
      while (shapes[s].runs != together || shapes[s].vectors > vectors - at) s++;
      job->blocks[job->block_count++] = (block){s, run, at * PERI_LANES, job->vectors};
      job->vectors += together * shapes[s].vectors;
      at += shapes[s].vectors;
    }
    run += together;
  }
  return PERI_OK;
}

/* Takes the runs apart into taps. */
static void window_taps(window *v) {
  v->runs = 0;
  v->len = v->gc;
  for (int64_t i = 0; i < v->y.count; i++)
    for (int64_t j = 0; j < v->x.count; j++)
      v->run[v->runs++] = (v->y.at[i] - v->y0) * v->row + (v->x.at[j] - v->x0) * v->c;
}

static int gathering_open(gathering *job, const float *x) {
  const peri_conv_pool *g = job->g;
  const peri_window *c = &g->conv;
  int64_t gc = c->c / c->groups, taps = shapes[0].runs == 9 && c->kh == 3 && c->kw == 3 && gc % PERI_LANES == 0;
  int64_t together = c->groups == 1 && (c->dil_w == 1 || c->kw == 1);
  PERI_TRY(window_forward(&job->v, c, x, (together ? c->kw * gc : gc) % PERI_LANES != 0));
  if (taps) window_taps(&job->v);
  for (int64_t k = 0; k < g->pool_h * g->pool_w; k++)
    job->place[k] = (int32_t)(k / g->pool_w * job->v.step_h * job->v.row + k % g->pool_w * job->v.step_w * job->v.c);
  return cut_blocks(job, (int)taps);
}

/* --- units --- */

/* The place's offset for each lane's winner; -1 where nothing won. */
PERI_INLINE vi offsets_of(const gathering *job, vi winner, int32_t pixel) {
  vi offset;
#if PERI_ISA_avx512
  if (job->g->pool_h * job->g->pool_w <= PERI_LANES)
    offset = (vi)_mm512_permutexvar_epi32((__m512i)winner, (__m512i)vi_load(job->place));
  else
#elif PERI_ISA_avx2
  if (job->g->pool_h * job->g->pool_w <= PERI_LANES)
    offset = (vi)_mm256_permutevar8x32_epi32((__m256i)vi_load(job->place), (__m256i)winner);
  else
#endif
    for (int i = 0; i < PERI_LANES; i++) offset[i] = job->place[winner[i]];
  vm dead = vm_eq(vf_of_integers(winner), vf_set1(255));
  return vi_select(dead, vi_set1(-1), vi_set1(pixel) + offset);
}

/* TILE cells of TILE outputs, first cell by cell, then turned. */
typedef struct tile {
  int32_t x[TILE * TILE], x_turned[TILE * TILE];
  float g[TILE * TILE], g_turned[TILE * TILE];
} tile;

static void tile_fill(const gathering *job, tile *t, const int32_t *pixel, int64_t cells, int64_t cell, int64_t o,
                      int64_t outputs) {
  for (int64_t i = 0; i < TILE; i++)
    for (int64_t j = 0; j < TILE; j += PERI_LANES) {
      int64_t width = i < cells ? clamp64(outputs - j, 0, PERI_LANES) : 0, at = (cell + i) * job->oc + o + j;
      vi x = vi_set1(-1);
      vf g = vf_set1(0);
      if (width == PERI_LANES) {
        x = offsets_of(job, places_load(job->winner + at, PERI_LANES), pixel[i]);
        g = vf_load(job->dy + at);
      } else if (width > 0) {
        x = offsets_of(job, places_load(job->winner + at, width), pixel[i]);
        g = vf_load_part(job->dy + at, width);
      }
      vi_store(t->x + i * TILE + j, x);
      vf_store(t->g + i * TILE + j, g);
    }
  for (int64_t i = 0; i < TILE; i += 4)
    for (int64_t j = 0; j < TILE; j += 4) {
      f32_transpose_quads((const float *)(const void *)(t->x + i * TILE + j), TILE,
                          (float *)(void *)(t->x_turned + j * TILE + i), TILE);
      f32_transpose_quads(t->g + i * TILE + j, TILE, t->g_turned + j * TILE + i, TILE);
    }
}

/* Appends the living ones of TILE cells to an output's list, and returns its new length. */
PERI_INLINE int64_t tile_append(const int32_t *x, const float *g, int32_t *to, float *g_to, int64_t count) {
#if PERI_ISA_avx512
  __m512i all = _mm512_loadu_si512(x);
  __mmask16 living = _mm512_cmpge_epi32_mask(all, _mm512_setzero_si512());
  _mm512_storeu_si512(to + count, _mm512_maskz_compress_epi32(living, all));
  _mm512_storeu_ps(g_to + count, _mm512_maskz_compress_ps(living, _mm512_loadu_ps(g)));
  return count + __builtin_popcount(living);
#else
  for (int i = 0; i < TILE; i++) {
    to[count] = x[i];
    g_to[count] = g[i];
    count += x[i] >= 0;
  }
  return count;
#endif
}

/* The lists of every output. */
static void list_unit(const gathering *job, const unit *u) {
  const window *v = &job->v;
  const peri_conv_pool *g = job->g;
  int64_t down = g->pool_h * v->step_h * v->row, right = g->pool_w * v->step_w * v->c;
  int64_t cells = (u->end - u->image) * u->rows * g->pw, first = (u->image * g->ph + u->row) * g->pw;
  tile t;
  memset(u->count, 0, (size_t)job->oc * sizeof *u->count);
  for (int64_t cell = 0; cell < cells; cell += TILE) {
    int32_t pixel[TILE];
    for (int64_t i = cell; i < min64(cells, cell + TILE); i++) {
      int64_t y = i / g->pw;
      pixel[i - cell] = (int32_t)(y / u->rows * u->each + y % u->rows * down + i % g->pw * right);
    }
    for (int64_t o = 0; o < job->oc; o += TILE) {
      int64_t outputs = min64(TILE, job->oc - o);
      tile_fill(job, &t, pixel, cells - cell, first + cell, o, outputs);
      for (int64_t j = 0; j < outputs; j++)
        u->count[o + j] = tile_append(t.x_turned + j * TILE, t.g_turned + j * TILE, u->living + (o + j) * job->room,
                                      u->g + (o + j) * job->room, u->count[o + j]);
    }
  }
}

static void gather_unit(const gathering *job, const unit *u, float *sums) {
  for (int64_t b = 0; b < job->block_count; b++) {
    const block *at = &job->blocks[b];
    const struct shape *s = &shapes[at->shape];
    int64_t floats = s->runs * s->vectors * PERI_LANES;
    float *to = sums + job->oc * at->before * PERI_LANES;
    for (int64_t o = 0; o < job->oc; o++, to += floats) {
      for (int64_t i = 0; i < floats; i += 16) __builtin_prefetch(to + floats + i);
      list l = {u->living + o * job->room, u->g + o * job->room, u->count[o]};
      s->gather(job->v.run + at->run, u->x + at->at + o / job->og * job->v.gc, &l, u->first, to);
    }
  }
}

static void unit_run(const gathering *job, unit *u, int64_t at, int64_t share) {
  const window *v = &job->v;
  const peri_conv_pool *g = job->g;
  u->image = at / job->bands * job->images;
  u->end = min64(v->n, u->image + job->images);
  u->row = at % job->bands * job->rows;
  u->rows = min64(job->rows, g->ph - u->row);
  u->each = v->copy ? window_scratch(v, job->rows * g->pool_h) : v->h * v->w * v->c;
  for (int64_t i = u->image; i < u->end; i++) {
    const float *region = window_region(v, i, u->row * g->pool_h, u->rows * g->pool_h, u->scratch + (i - u->image) * u->each);
    if (i == u->image) u->x = region;
  }
  list_unit(job, u);
  gather_unit(job, u, job->sums + share * job->oc * job->vectors * PERI_LANES);
  int64_t first = (u->image * g->ph + u->row) * g->pw, cells = (u->end - u->image) * u->rows * g->pw;
  places_bias(cells, job->oc, job->dy + first * job->oc, job->winner + first * job->oc, job->bias_sums + share * job->oc);
}

static int share_run(const gathering *job, int64_t share) {
  int64_t floats = window_scratch(&job->v, job->rows * job->g->pool_h) * job->images, lists = job->oc * job->room;
  int64_t first = share * job->units / job->shares, end = (share + 1) * job->units / job->shares;
  size_t each = sizeof(int32_t) + sizeof(float);
  int64_t *count = peri_alloc((size_t)job->oc * sizeof *count + (size_t)lists * each + (size_t)floats * sizeof(float));
  if (!count) return PERI_ENOMEM;
  unit u = {.count = count, .living = (int32_t *)(void *)(count + job->oc)};
  u.g = (float *)(void *)(u.living + lists);
  u.scratch = u.g + lists;
  int status = PERI_OK;
  memset(job->bias_sums + share * job->oc, 0, (size_t)job->oc * sizeof(float));
  for (int64_t at = first; at < end && status == PERI_OK; at++) {
    status = peri_interrupt_poll();
    u.first = at == first;
    unit_run(job, &u, at, share);
  }
  peri_free(count);
  return status;
}

static void gather_share(void *context, int64_t share) {
  gathering *job = context;
  if (atomic_load(&job->status) < 0) return;
  int status = share_run(job, share);
  if (status < 0) atomic_store(&job->status, status);
}

/* --- the sum of the shares --- */

/* dkernel's rows under one vector of a block, for up to OUTPUTS_PIECE outputs from o on */
static void add_vector(const gathering *job, const block *b, int64_t q, int64_t o, int64_t outputs) {
  const struct shape *s = &shapes[b->shape];
  int64_t floats = s->runs * s->vectors * PERI_LANES, share = job->oc * job->vectors * PERI_LANES;
  int64_t at = b->at + q % s->vectors * PERI_LANES, width = min64(PERI_LANES, job->v.len - at);
  const float *from = job->sums + job->oc * b->before * PERI_LANES + o * floats + q * PERI_LANES;
  float *to = job->dkernel + ((b->run + q / s->vectors) * job->v.len + at) * job->oc + o;
  float total[OUTPUTS_PIECE * PERI_LANES];
  for (int64_t l = 0; l < outputs; l++) {
    vf sum = vf_load(from + l * floats);
    for (int64_t i = 1; i < job->shares; i++) sum += vf_load(from + i * share + l * floats);
    vf_store(total + l * PERI_LANES, sum);
  }
  int64_t l = 0;
  for (; width == PERI_LANES && l + 4 <= outputs; l += 4)
    PERI_UNROLL for (int i = 0; i < PERI_LANES; i += 4)
      f32_transpose_quads(total + l * PERI_LANES + i, PERI_LANES, to + i * job->oc + l, job->oc);
  for (; l < outputs; l++)
    for (int64_t i = 0; i < width; i++) to[i * job->oc + l] = total[l * PERI_LANES + i];
}

static void add_shares(void *context, int64_t piece) {
  const gathering *job = context;
  int64_t o = piece * OUTPUTS_PIECE, outputs = min64(OUTPUTS_PIECE, job->oc - o);
  for (int64_t b = 0; b < job->block_count; b++) {
    const struct shape *s = &shapes[job->blocks[b].shape];
    for (int64_t q = 0; q < s->runs * s->vectors; q++) add_vector(job, &job->blocks[b], q, o, outputs);
  }
  for (; job->dbias && outputs-- > 0; o++) {
    job->dbias[o] = job->bias_sums[o];
    for (int64_t s = 1; s < job->shares; s++) job->dbias[o] += job->bias_sums[s * job->oc + o];
  }
}

static void gathering_plan(gathering *job) {
  const peri_conv_pool *g = job->g;
  job->rows = clamp64(UNIT_CELLS / g->pw, 1, g->ph);
  job->bands = blocks64(g->ph, job->rows);
  job->images = job->rows == g->ph ? clamp64(UNIT_CELLS / (g->ph * g->pw), 1, job->v.n) : 1;
  job->units = blocks64(job->v.n, job->images) * job->bands;
  job->room = (blocks64(job->rows * g->pw * job->images, TILE) + 1) * TILE;
  double work = (double)(job->v.n * g->ph * g->pw) * (double)(job->oc * job->vectors * PERI_LANES) / 2;
  job->shares = work / SHARE_WORK > SHARES ? SHARES : max64(1, (int64_t)(work / SHARE_WORK));
  if (job->shares > job->units) job->shares = job->units;
}

/* Whether the dense form is taken: for small patches, and for units that 32 bits cannot address. */
static int is_dense(const peri_conv_pool *g) {
  const peri_window *c = &g->conv;
  int64_t patch = c->kh * c->kw * c->c;
  double rows = (double)(UNIT_CELLS * g->pool_h * c->stride_h + c->dil_h * c->kh);
  return c->n <= 0 || g->ph <= 0 || g->pw <= 0 || rows * (double)(c->w + c->dil_w * c->kw) * (double)c->c > INT32_MAX / 2 ||
         (c->groups == 1 && patch * g->pool_h * g->pool_w <= DENSE_PATCH);
}

static int conv_pool_backward_kernel(const peri_conv_pool *g, const void *x, const void *dy, const uint8_t *winner,
                                     void *dkernel, void *dbias) {
  int done = conv_plane_kernel(g, x, dy, winner, dkernel, dbias);
  if (done <= 0) return done;
  if (is_dense(g)) return PERI_ISA_NAME(peri__conv_pool_kernel_dense)(g, x, dy, winner, dkernel, dbias);
  gathering job = {.g = g, .dy = dy, .winner = winner, .dkernel = dkernel, .dbias = dbias, .oc = g->conv.oc,
                   .og = g->conv.oc / g->conv.groups};
  int status;
  PERI_TRY_GOTO(done, gathering_open(&job, x));
  status = PERI_ENOMEM;
  gathering_plan(&job);
  job.sums = peri_alloc((size_t)(job.shares * job.oc * (job.vectors * PERI_LANES + 1)) * sizeof(float));
  if (!job.sums) goto done;
  job.bias_sums = job.sums + job.shares * job.oc * job.vectors * PERI_LANES;
  peri_parallel(job.shares, gather_share, &job);
  status = pieces_status(&job.status, "gradient of a convolution's kernel, pooled");
  if (status == PERI_OK) peri_parallel(blocks64(job.oc, OUTPUTS_PIECE), add_shares, &job);
  peri_free(job.sums);
done:
  peri_free(job.blocks);
  window_close(&job.v);
  return status;
}

void PERI_ISA_NAME(peri__fill_conv_pool_kernel)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_conv_pool_kernel)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->conv_pool_backward_kernel = conv_pool_backward_kernel;
}
