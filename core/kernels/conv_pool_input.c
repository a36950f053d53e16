/* conv_pool_input.c - gradient of convolution + ReLU + max-pool in its input, compiled once for each
   instruction set.

   Of a pooled cell and output o, at most one place carries gradient, and none where ReLU clamped: about
   one number in eight of the dense dy. So the living numbers only are visited, a bit mask of the winners
   says which; each adds g * weights[o] to the taps x channels under its place, while these stay in registers:

       3 x 3 taps, 2 x 2 places: the 4 x 4 pixels of a whole cell, PERI_LANES channels (where there are 16
       registers, 3 x 4 pixels for each row of places); cells of a row share two columns of pixels;
       any others: place by place, blocks of the taps under it, 1, 3 or 5 runs (window.h) x 1..12 vectors.

   A slab holds the weights of a block for up to 64 outputs: it stays in the first cache while the cells of
   a unit (some rows of an image, or some images) go past.

       slab: for each output: vectors of the block, zeros after the last channel */
#include "kernels/living.h"
#include "kernels/window.h"

enum {
  OUTPUTS = LIVING_BITS, /* of a slab */
  UNIT_CELLS = 96,  /* cells that a slab is loaded for, about */
  UNITS = 16,       /* pieces that a batch is worth, where it has as many images */
  TURNED = 16,      /* outputs whose weights are turned round together: a cache line */
  CELL_TAPS = 9
};

typedef struct block {
  int shape;         /* of `shapes` */
  int64_t vectors;   /* of each output's weights */
  int64_t run, at;   /* its first run, its offset in the runs (in a pixel for the shape of whole cells) */
  int64_t width;     /* lanes of the last vector of a run that are weights */
} block;

typedef struct scattering {
  const peri_conv_pool *g;
  window v;
  int64_t oc, og, words;         /* slabs of a group's outputs */
  int64_t places, pixel[PLACES]; /* the offset of each place of a cell */
  const float *dy, *kernel;
  const uint8_t *winner;
  float *dx;
  block *blocks;
  int64_t block_count, block_floats; /* of each output's weights, all blocks */
  float *slabs;
  int64_t rows, images;          /* of a unit */
  atomic_int status;
} scattering;

/* What a block is run with: one slab, a row of cells. */
typedef struct cell_row {
  const scattering *job;
  const block *b;
  float *pixel;           /* of the first cell's first place, first channel of the group */
  const uint64_t *living; /* of the slab's outputs, those that won at place 0, 1, ... */
  int64_t living_step;    /* to the next cell's */
  const float *dy, *slab;
} cell_row;

/* The first `width` lanes of v; memory keeps what it has in the others (a neighbour's channels). */
PERI_INLINE void store_lanes(float *p, vf v, int64_t width) {
  if (width < PERI_LANES) {
    vi lane;
    PERI_UNROLL for (int i = 0; i < PERI_LANES; i++) lane[i] = i;
    v = vf_select(vm_lt(vf_of_integers(lane), vf_set1((float)width)), v, vf_load(p));
  }
  vf_store(p, v);
}

/* --- 3 x 3 taps, 2 x 2 places: `places` rows of places from `first` on, PERI_LANES channels ---

   The two columns of pixels that a cell shares with the next stay in registers: column x of the cells with an
   even number is column x + 2 of the others. */

typedef vf square[4][4];

PERI_INLINE void column_load(square acc, const int at, const int rows, const float *p, int64_t row) {
  PERI_UNROLL for (int y = 0; y < rows; y++) acc[y][at & 3] = vf_load(p + y * row);
}
PERI_INLINE void column_store(square acc, const int at, const int rows, float *p, int64_t row, int64_t width) {
  PERI_UNROLL for (int y = 0; y < rows; y++) store_lanes(p + y * row, acc[y][at & 3], width);
}

/* acc += the living weights of one cell, whose first column is `turn` */
PERI_INLINE void square_add(square acc, const int turn, const int places, const uint64_t *living, const float *dy,
                            const float *slab) {
  PERI_UNROLL for (int k = 0; k < 2 * places; k++)
    for (uint64_t bits = living[k]; bits; bits &= bits - 1) {
      int64_t o = __builtin_ctzll(bits);
      const float *w = slab + o * (CELL_TAPS * PERI_LANES);
      vf g = vf_set1(dy[o]);
      PERI_UNROLL for (int y = 0; y < 3; y++)
        PERI_UNROLL for (int x = 0; x < 3; x++)
          acc[k / 2 + y][(k % 2 + x + turn) & 3] += g * vf_load(w + (3 * y + x) * PERI_LANES);
    }
}

PERI_INLINE void scatter_squares(const cell_row *s, const int first, const int places) {
  const int rows = places + 2;
  const int64_t row = s->job->v.row, right = s->job->v.c, width = s->b->width, oc = s->job->oc, step = s->living_step;
  const float *dy = s->dy, *slab = s->slab;
  const uint64_t *living = s->living + 2 * first;
  float *p = s->pixel + s->b->at + first * row;
  square acc;
  column_load(acc, 0, rows, p, row);
  column_load(acc, 1, rows, p + right, row);
  for (int64_t cells = s->job->g->pw; cells > 0; cells -= 2)
    PERI_UNROLL for (int turn = 0; turn < 4; turn += 2) {
      if (turn == 0 || cells > 1) {
        column_load(acc, turn + 2, rows, p + 2 * right, row);
        column_load(acc, turn + 3, rows, p + 3 * right, row);
        square_add(acc, turn, places, living, dy, slab);
      }
      column_store(acc, turn, rows, p, row, width);
      column_store(acc, turn + 1, rows, p + right, row, width);
      p += 2 * right;
      dy += oc;
      living += step;
    }
  if (s->job->g->pw % 2 == 0) {
    column_store(acc, 0, rows, p, row, width);
    column_store(acc, 1, rows, p + right, row, width);
  }
}

static void scatter_squares_0(const cell_row *s) {
#if PERI_ISA_avx512
  scatter_squares(s, 0, 2);
#else
  scatter_squares(s, 0, 1);
  scatter_squares(s, 1, 1);
#endif
}

/* --- any taps and places: runs x vectors --- */

PERI_INLINE void scatter_cell(const cell_row *s, float *pixel, const uint64_t *living, const float *dy, const int runs,
                              const int vectors) {
  const scattering *job = s->job;
  const int64_t *run = job->v.run + s->b->run;
  for (int64_t k = 0; k < job->places; k++) {
    uint64_t bits = living[k];
    if (!bits) continue;
    float *dst = pixel + job->pixel[k];
    vf acc[5][12];
    PERI_UNROLL for (int r = 0; r < runs; r++)
      PERI_UNROLL for (int q = 0; q < vectors; q++) acc[r][q] = vf_load(dst + run[r] + q * PERI_LANES);
    for (; bits; bits &= bits - 1) {
      int64_t o = __builtin_ctzll(bits);
      const float *w = s->slab + o * (runs * vectors * PERI_LANES);
      float g = dy[o];
      PERI_UNROLL for (int r = 0; r < runs; r++)
        PERI_UNROLL for (int q = 0; q < vectors; q++) acc[r][q] += g * vf_load(w + (r * vectors + q) * PERI_LANES);
    }
    PERI_UNROLL for (int r = 0; r < runs; r++)
      PERI_UNROLL for (int q = 0; q < vectors; q++)
        store_lanes(dst + run[r] + q * PERI_LANES, acc[r][q], q + 1 < vectors ? PERI_LANES : s->b->width);
  }
}

PERI_INLINE void scatter_runs(const cell_row *s, const int runs, const int vectors) {
  const scattering *job = s->job;
  int64_t right = job->g->pool_w * job->v.step_w * job->v.c;
  for (int64_t i = 0; i < job->g->pw; i++)
    scatter_cell(s, s->pixel + s->b->at + i * right, s->living + i * s->living_step, s->dy + i * job->oc, runs, vectors);
}

#if PERI_ISA_avx512
#define SHAPES(X) X(5, 2) X(5, 1) X(3, 6) X(3, 4) X(3, 2) X(3, 1) X(1, 12) X(1, 8) X(1, 4) X(1, 2) X(1, 1)
#else
#define SHAPES(X) X(5, 2) X(5, 1) X(3, 4) X(3, 2) X(3, 1) X(1, 12) X(1, 8) X(1, 4) X(1, 2) X(1, 1)
#endif

#define X(runs, vectors)                                                                                               \
  static void scatter_##runs##x##vectors(const cell_row *s) { scatter_runs(s, runs, vectors); }
SHAPES(X)
#undef X

enum { SQUARE, RUNS }; /* the first shapes */
static const struct shape {
  int runs, vectors;
  void (*scatter)(const cell_row *s);
} shapes[] = {{0, 0, scatter_squares_0},
#define X(runs, vectors) {runs, vectors, scatter_##runs##x##vectors},
              SHAPES(X)
#undef X
};

/* --- the blocks of a window --- */

static void block_add(scattering *job, block b) {
  job->blocks[job->block_count++] = b;
  job->block_floats += b.vectors * PERI_LANES;
}

/* How many of `left` runs of so many vectors are taken together: five or three where their vectors fit. */
static int64_t runs_together(int64_t left, int64_t vectors) {
  for (int s = RUNS; shapes[s].runs > 1; s++)
    if (left >= shapes[s].runs && vectors <= shapes[s].vectors) return shapes[s].runs;
  return 1;
}

static void cut_runs(scattering *job) {
  int64_t vectors = blocks64(job->v.len, PERI_LANES), runs = job->v.runs;
  for (int64_t run = 0; run < runs;) {
    int64_t together = runs_together(runs - run, vectors);
    for (int64_t at = 0; at < vectors;) {
      int s = RUNS;
      while (shapes[s].runs != together || shapes[s].vectors > vectors - at) s++;
      int64_t end = (at + shapes[s].vectors) * PERI_LANES;
      block_add(job, (block){s, together * shapes[s].vectors, run, at * PERI_LANES,
                             PERI_LANES - max64(0, end - job->v.len)});
      at += shapes[s].vectors;
    }
    run += together;
  }
}

/* Whether cells are taken whole: where that takes hardly more vectors. */
static int is_square(const peri_conv_pool *g) {
  const peri_window *c = &g->conv;
  int64_t gc = c->c / c->groups;
  int64_t whole = CELL_TAPS * blocks64(gc, PERI_LANES), by_rows = 3 * blocks64(3 * gc, PERI_LANES);
  return c->kh == 3 && c->kw == 3 && c->stride_h == 1 && c->stride_w == 1 && c->dil_h == 1 && c->dil_w == 1 &&
         g->pool_h == 2 && g->pool_w == 2 && whole * 4 <= by_rows * 5;
}

static int cut_blocks(scattering *job) {
  int64_t gc = job->v.gc, vectors = blocks64(job->v.len, PERI_LANES);
  job->blocks = peri_alloc((size_t)(job->v.runs * vectors) * sizeof(block));
  if (!job->blocks) return PERI_ENOMEM;
  if (!is_square(job->g)) cut_runs(job);
  else
    for (int64_t at = 0; at < gc; at += PERI_LANES)
      block_add(job, (block){SQUARE, CELL_TAPS, 0, at, min64(PERI_LANES, gc - at)});
  return PERI_OK;
}

static int scattering_open(scattering *job, const peri_conv_pool *g) {
  const peri_window *c = &g->conv;
  int64_t gc = c->c / c->groups, together = c->groups == 1 && (c->dil_w == 1 || c->kw == 1);
  int64_t run = together && !is_square(g) ? c->kw * gc : gc;
  PERI_TRY(window_forward(&job->v, c, NULL, run % PERI_LANES != 0));
  job->og = c->oc / c->groups;
  job->words = blocks64(job->og, OUTPUTS);
  job->places = g->pool_h * g->pool_w;
  for (int64_t k = 0; k < job->places; k++)
    job->pixel[k] = k / g->pool_w * job->v.step_h * job->v.row + k % g->pool_w * job->v.step_w * job->v.c;
  PERI_TRY(cut_blocks(job));
  job->slabs = peri_alloc((size_t)(c->oc * job->block_floats) * sizeof(float));
  return job->slabs ? PERI_OK : PERI_ENOMEM;
}

static void scattering_close(scattering *job) {
  peri_free(job->slabs);
  peri_free(job->blocks);
  window_close(&job->v);
}

static void job_failed(scattering *job, int status) {
  if (status < 0) atomic_store(&job->status, status);
}

/* --- the slabs: group by group, word by word, block by block --- */

/* The kernel's row (taps x channels) under a block's vector, and how many of its lanes are weights. */
static int64_t block_row(const scattering *job, const block *b, int64_t vector, int64_t *width) {
  const struct shape *s = &shapes[b->shape];
  if (b->shape == SQUARE) {
    *width = b->width;
    return vector * job->v.gc + b->at;
  }
  *width = vector % s->vectors == s->vectors - 1 ? b->width : PERI_LANES;
  return (b->run + vector / s->vectors) * job->v.len + b->at + vector % s->vectors * PERI_LANES;
}

/* slab[o][vector][lane] = kernel[row + lane][o], for up to four outputs */
static void turn_outputs(const scattering *job, const block *b, const float *kernel, float *slab, int64_t outputs) {
  int64_t oc = job->oc, stride = b->vectors * PERI_LANES, width;
  for (int64_t q = 0; q < b->vectors; q++) {
    const float *from = kernel + block_row(job, b, q, &width) * oc;
    float *to = slab + q * PERI_LANES;
    int64_t i = 0;
    for (; outputs == 4 && i + 4 <= width; i += 4) f32_transpose_quads(from + i * oc, oc, to + i, stride);
    for (; i < PERI_LANES; i++)
      for (int64_t l = 0; l < outputs; l++) to[l * stride + i] = i < width ? from[i * oc + l] : 0;
  }
}

static int64_t slab_outputs(const scattering *job, int64_t slab) {
  return min64(OUTPUTS, job->og - slab % job->words * OUTPUTS);
}
static float *slab_of(const scattering *job, int64_t slab, int64_t block_at) {
  int64_t before = 0, o = slab / job->words * job->og + slab % job->words * OUTPUTS;
  for (int64_t b = 0; b < block_at; b++) before += job->blocks[b].vectors * PERI_LANES;
  return job->slabs + o * job->block_floats + slab_outputs(job, slab) * before;
}

static void turn_weights(void *context, int64_t piece) {
  const scattering *job = context;
  int64_t pieces = OUTPUTS / TURNED, slab = piece / pieces, from = piece % pieces * TURNED;
  int64_t end = min64(slab_outputs(job, slab), from + TURNED);
  const float *kernel = job->kernel + slab / job->words * job->og + slab % job->words * OUTPUTS;
  for (int64_t b = 0; b < job->block_count; b++) {
    const block *at = &job->blocks[b];
    float *to = slab_of(job, slab, b);
    for (int64_t o = from; o < end; o += 4)
      turn_outputs(job, at, kernel + o, to + o * at->vectors * PERI_LANES, min64(4, end - o));
  }
}

/* --- the images --- */

/* The part of a bordered region that is image, back into dx; zeros where no tap reaches. */
static void region_to_image(const window *v, const float *region, float *dx) {
  int64_t height = v->gh * v->step_h + v->spare_h;
  int64_t left = clamp64(v->x0, 0, v->w), right = clamp64(v->x0 + v->gx_cols, left, v->w);
  for (int64_t y = 0; y < v->h; y++) {
    int64_t from = y - v->y0, inside = from >= 0 && from < height;
    float *row = dx + y * v->w * v->c;
    if (!inside || left > 0 || right < v->w) memset(row, 0, (size_t)(v->w * v->c) * sizeof(float));
    if (inside)
      memcpy(row + left * v->c, region + from * v->row + (left - v->x0) * v->c,
             (size_t)((right - left) * v->c) * sizeof(float));
  }
}

/* Which outputs won where: for each slab of each cell, places masks. Made before any arithmetic on them: a
   mask that waits in the queue of multiply-adds would hold up the branches that depend on it. */
static void list_living(const scattering *job, int64_t first, int64_t cells, uint64_t *living) {
  int64_t slabs = job->v.groups * job->words;
  for (int64_t i = 0; i < cells * slabs; i++) {
    int64_t group = i % slabs / job->words, o = i % job->words * OUTPUTS;
    const uint8_t *winner = job->winner + (first + i / slabs) * job->oc + group * job->og + o;
    for (int64_t k = 0; k < job->places; k++) *living++ = equal_bits(winner, min64(OUTPUTS, job->og - o), (uint8_t)k);
  }
}

/* Rows [row, row + rows) of cells of images [image, end), whose regions are `each` floats apart. */
static void scatter_unit(const scattering *job, int64_t image, int64_t end, int64_t row, int64_t rows, float *regions,
                         int64_t each, uint64_t *living) {
  const window *v = &job->v;
  const peri_conv_pool *g = job->g;
  int64_t down = g->pool_h * v->step_h * v->row, slabs = v->groups * job->words;
  int64_t cells = rows * g->pw, first = (image * g->ph + row) * g->pw;
  list_living(job, first, cells * (end - image), living); /* several images: all their rows */
  for (int64_t at = 0; at < slabs * job->block_count; at++) {
    int64_t b = at % job->block_count, slab = at / job->block_count, group = slab / job->words;
    int64_t o = group * job->og + slab % job->words * OUTPUTS;
    cell_row s = {.job = job, .b = &job->blocks[b], .slab = slab_of(job, slab, b), .dy = job->dy + first * job->oc + o,
                  .living = living + slab * job->places, .living_step = slabs * job->places};
    void (*scatter)(const cell_row *) = shapes[s.b->shape].scatter;
    for (int64_t i = 0; i < (end - image) * rows; i++) {
      s.pixel = regions + i / rows * each + (row + i % rows) * down + group * v->gc;
      scatter(&s);
      s.dy += g->pw * job->oc;
      s.living += g->pw * s.living_step;
    }
  }
}

static void scatter_piece(void *context, int64_t piece) {
  scattering *job = context;
  const window *v = &job->v;
  const peri_conv_pool *g = job->g;
  if (atomic_load(&job->status) < 0) return;
  int64_t image = piece * job->images, end = min64(v->n, image + job->images), size = v->h * v->w * v->c;
  int64_t floats = window_scratch(v, v->gh), each = v->copy ? floats : size;
  int64_t masks = job->images * job->rows * g->pw * v->groups * job->words * job->places;
  uint64_t *living = peri_alloc((size_t)masks * sizeof(uint64_t) + (size_t)(floats * job->images) * sizeof(float));
  if (!living) {
    job_failed(job, PERI_ENOMEM);
    return;
  }
  float *dx = job->dx + image * size, *all = v->copy ? (float *)(void *)(living + masks) : dx;
  memset(all, 0, (size_t)(each * (end - image)) * sizeof(float));
  int status = PERI_OK;
  for (int64_t row = 0; row < g->ph && status == PERI_OK; row += job->rows) {
    status = peri_interrupt_poll();
    scatter_unit(job, image, end, row, min64(job->rows, g->ph - row), v->copy ? all : dx + (v->y0 * v->w + v->x0) * v->c,
                 each, living);
  }
  job_failed(job, status);
  for (int64_t i = image; v->copy && i < end; i++) region_to_image(v, all + (i - image) * each, job->dx + i * size);
  peri_free(living);
}

static void scattering_plan(scattering *job) {
  const peri_conv_pool *g = job->g;
  job->rows = clamp64(UNIT_CELLS / g->pw, 1, g->ph);
  job->images = job->rows < g->ph ? 1 : clamp64(UNIT_CELLS / (g->ph * g->pw), 1, max64(1, job->v.n / UNITS));
}

static int conv_pool_backward_input(const peri_conv_pool *g, const void *dy, const uint8_t *winner, const void *kernel,
                                    void *dx) {
  const peri_window *c = &g->conv;
  if (c->n <= 0 || g->ph <= 0 || g->pw <= 0) {
    memset(dx, 0, (size_t)(c->n * c->h * c->w * c->c) * sizeof(float));
    return PERI_OK;
  }
  scattering job = {.g = g, .dy = dy, .winner = winner, .kernel = kernel, .dx = dx, .oc = c->oc};
  int status;
  PERI_TRY_GOTO(done, scattering_open(&job, g));
  scattering_plan(&job);
  peri_parallel(c->groups * job.words * (OUTPUTS / TURNED), turn_weights, &job);
  peri_parallel(blocks64(c->n, job.images), scatter_piece, &job);
  status = pieces_status(&job.status, "gradient of a convolution and pooling");
done:
  scattering_close(&job);
  return status;
}

void PERI_ISA_NAME(peri__fill_conv_pool_input)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_conv_pool_input)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->conv_pool_backward_input = conv_pool_backward_input;
}
