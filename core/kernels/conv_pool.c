/* conv_pool.c - convolution, bias, ReLU and max-pooling in one pass, compiled once for each instruction set.

   The places of a convolution (window.h, conv.c) are taken cell by cell of the pooling grid, so that the
   places that compete are rows of the same tile; the winner and its place leave the registers, nothing
   else does. Places that pooling drops (right and bottom edges) are never computed.

       a tile on AVX-512, 2 x 2 pooling:   rows  0  1  2  3 | 4  5  6  7 | 8  9 10 11
                                                 `- cell 0 -'  cell 1      cell 2
   Other pool sizes go through a buffer: tiles as in conv.c, then the competition.

   The rule, place by place: best = 0, place = 255; a larger value or the first NaN takes over.

   3 x 3 kernels with 2 x 2 pooling go the way of winograd.h, where that pays. */
#include "kernels/conv_plane.h"
#include "kernels/winograd.h"

enum {
  CELLS_AT_ONCE = 24,   /* 2 x 2 cells for each pass over the panels: a multiple of CELLS */
  CELLS = PERI_TILE_ROWS / 4, /* 2 x 2 cells of a tile */
  PLACES = 256,         /* at least the places of a cell, 255 */
  PIECE_WORK = 1 << 20, /* multiplications that are worth a piece */
  SCRATCH = 1 << 16     /* floats of a region's copy, about */
};

typedef struct pooling {
  const peri_conv_pool *g;
  window v;
  weights s;
  const float *bias; /* of every output, WIDE zeros after the last */
  float *y;
  uint8_t *winner;
  int64_t images, rows, bands; /* of a piece; of an image */
  atomic_int status;
} pooling;

typedef struct champion {
  vf best;
  vi place;
} champion;

PERI_INLINE void challenge(champion *c, vf v, int place) {
  vm takes = vm_and((vm)~vm_le(v, c->best), vm_eq(c->best, c->best));
  c->best = vf_select(takes, v, c->best);
  c->place = vi_select(takes, vi_set1(place), c->place);
}

PERI_INLINE void champion_store(const champion *c, float *y, uint8_t *winner, int64_t columns) {
  if (columns >= PERI_LANES) vf_store(y, c->best);
  else vf_store_part(y, c->best, columns);
  places_store(winner, c->place, columns);
}

/* One tile of 2 x 2 cells, whose y and winner are at t->c[cell] and winner[cell]. */
PERI_INLINE void pool_tile(const f32_tile *t, uint8_t *const *winner, const int cells, const int vectors) {
  f32_vec acc[PERI_TILE_ROWS][2];
  PERI_UNROLL for (int j = 0; j < vectors; j++) {
    f32_vec bias = *(const f32_vec *)(t->bias + j * PERI_LANES);
    PERI_UNROLL for (int i = 0; i < 4 * cells; i++) acc[i][j] = bias;
  }
  f32_tile_sum(t, 4 * cells, vectors, acc);
  PERI_UNROLL for (int i = 0; i < cells; i++)
    PERI_UNROLL for (int j = 0; j < vectors; j++) {
      champion c = {vf_set1(0), vi_set1(255)};
      PERI_UNROLL for (int k = 0; k < 4; k++) challenge(&c, (vf)acc[4 * i + k][j], k);
      champion_store(&c, t->c[i] + j * PERI_LANES, winner[i] + j * PERI_LANES, t->columns - j * PERI_LANES);
    }
}
static __attribute__((noinline)) void pool_tile_1(const f32_tile *t, uint8_t *const *winner) {
  pool_tile(t, winner, CELLS, 1);
}
static __attribute__((noinline)) void pool_tile_2(const f32_tile *t, uint8_t *const *winner) {
  pool_tile(t, winner, CELLS, 2);
}

/* Cells whose first pixels, and the index of whose outputs, are given. */
static void pool_cells_2x2(const pooling *job, int cells, const float *const *pixel, const int64_t *at) {
  const window *v = &job->v;
  int64_t right = v->step_w * v->c, down = v->step_h * v->row, oc = job->g->conv.oc;
  f32_tile t = {.run = v->run, .runs = v->runs, .len = v->len, .step = 1, .b_step = f32_WIDE};
  for (int64_t panel = 0; panel < v->groups * job->s.each; panel++) {
    int64_t g = panel / job->s.each, inside = panel % job->s.each * f32_WIDE, o = g * job->s.outputs + inside;
    t.columns = min64(job->s.outputs - inside, f32_WIDE);
    t.b = job->s.panels + panel * job->s.depth * f32_WIDE;
    t.bias = job->bias + o;
    for (int first = 0; first < cells; first += CELLS) {
      uint8_t *winner[CELLS];
      for (int i = 0; i < CELLS; i++) {
        int cell = first + i < cells ? first + i : cells - 1;
        const float *corner = pixel[cell] + g * v->gc;
        t.a[4 * i] = corner;
        t.a[4 * i + 1] = corner + right;
        t.a[4 * i + 2] = corner + down;
        t.a[4 * i + 3] = corner + down + right;
        t.c[i] = job->y + at[cell] * oc + o;
        winner[i] = job->winner + at[cell] * oc + o;
      }
      if (t.columns > PERI_LANES) pool_tile_2(&t, winner);
      else pool_tile_1(&t, winner);
    }
  }
}

/* One cell of any size; sums is places x WIDE. */
static void pool_cell(const pooling *job, const float *pixel, int64_t at, float *sums) {
  const window *v = &job->v;
  int places = (int)(job->g->pool_h * job->g->pool_w);
  f32_tile t = {.run = v->run, .runs = v->runs, .len = v->len, .step = 1, .b_step = f32_WIDE, .columns = f32_WIDE};
  for (int64_t panel = 0; panel < v->groups * job->s.each; panel++) {
    int64_t g = panel / job->s.each, inside = panel % job->s.each * f32_WIDE, o = g * job->s.outputs + inside;
    t.b = job->s.panels + panel * job->s.depth * f32_WIDE;
    t.bias = job->bias + o;
    for (int first = 0; first < places; first += PERI_TILE_ROWS) {
      int rows = places - first < PERI_TILE_ROWS ? places - first : PERI_TILE_ROWS;
      for (int i = 0; i < rows; i++) {
        int64_t py = (first + i) / job->g->pool_w, px = (first + i) % job->g->pool_w;
        t.a[i] = pixel + py * v->step_h * v->row + px * v->step_w * v->c + g * v->gc;
        t.c[i] = sums + (first + i) * f32_WIDE;
      }
      f32_tile_run(&t, rows);
    }
    int64_t columns = min64(job->s.outputs - inside, f32_WIDE);
    for (int64_t j = 0; j < columns; j += PERI_LANES) {
      champion c = {vf_set1(0), vi_set1(255)};
      for (int k = 0; k < places; k++) challenge(&c, vf_load(sums + k * f32_WIDE + j), k);
      int64_t to = at * job->g->conv.oc + o + j;
      champion_store(&c, job->y + to, job->winner + to, columns - j);
    }
  }
}

static int pool_rows(const pooling *job, int64_t image, int64_t first, int64_t rows, float *scratch) {
  const window *v = &job->v;
  const peri_conv_pool *g = job->g;
  int square = g->pool_h == 2 && g->pool_w == 2, cells = 0;
  const float *pixel[CELLS_AT_ONCE];
  int64_t at[CELLS_AT_ONCE];
  float sums[PLACES * f32_WIDE];
  for (int64_t end = min64(v->n, image + job->images); image < end; image++) {
    PERI_TRY(peri_interrupt_poll());
    const float *region = window_region(v, image, first * g->pool_h, rows * g->pool_h, scratch);
    if (scratch) scratch += window_scratch(v, rows * g->pool_h);
    for (int64_t i = 0; i < rows * g->pw; i++) {
      int64_t y = i / g->pw * g->pool_h, x = i % g->pw * g->pool_w;
      pixel[cells] = region + y * v->step_h * v->row + x * v->step_w * v->c;
      at[cells] = (image * g->ph + first) * g->pw + i;
      if (!square) pool_cell(job, pixel[0], at[0], sums);
      else if (++cells == CELLS_AT_ONCE) {
        pool_cells_2x2(job, cells, pixel, at);
        cells = 0;
      }
    }
  }
  if (cells) pool_cells_2x2(job, cells, pixel, at);
  return PERI_OK;
}

static void pool_piece(void *context, int64_t piece) {
  pooling *job = context;
  if (atomic_load(&job->status) < 0) return;
  int64_t first = piece % job->bands * job->rows, rows = min64(job->rows, job->g->ph - first);
  int64_t floats = window_scratch(&job->v, rows * job->g->pool_h) * job->images;
  int status = PERI_ENOMEM;
  float *scratch = floats ? peri_alloc((size_t)floats * sizeof(float)) : NULL;
  if (scratch || !floats) status = pool_rows(job, piece / job->bands * job->images, first, rows, scratch);
  peri_free(scratch);
  if (status < 0) atomic_store(&job->status, status);
}

static void plan_pieces(pooling *job) {
  const window *v = &job->v;
  const peri_conv_pool *g = job->g;
  int64_t row_work = max64(1, g->pw * g->pool_w * g->pool_h * job->s.depth * g->conv.oc), work = row_work * g->ph;
  job->rows = g->ph;
  job->images = 1;
  if (v->n < 32 || work > 16 * (int64_t)PIECE_WORK) job->rows = clamp64(PIECE_WORK / row_work, 1, g->ph);
  if (v->copy) job->rows = clamp64(SCRATCH / (g->pool_h * v->step_h * v->row), 1, job->rows);
  if (job->rows == g->ph)
    job->images = clamp64(min64(PIECE_WORK / work, SCRATCH / max64(1, window_scratch(v, g->ph * g->pool_h))), 1,
                          max64(1, v->n / 16));
  job->bands = blocks64(g->ph, job->rows);
}

static int conv_pool(const peri_conv_pool *g, const void *x, const void *kernel, const void *bias, void *y,
                     uint8_t *winner) {
  const peri_window *c = &g->conv;
  if (c->n <= 0 || g->ph <= 0 || g->pw <= 0 || c->oc <= 0) return PERI_OK;
  int plane = conv_plane_pool(g, x, kernel, bias, y, winner);
  if (plane <= 0) return plane;
  winograd w;
  if (g->pool_h == 2 && g->pool_w == 2 && winograd_plan(&w, c, 2 * g->ph, 2 * g->pw, WINOGRAD_ONCE)) {
    weights from = weights_forward(c, kernel);
    return winograd_once(&w, &from, 0, &(winograd_output){.y = y, .bias = bias, .pool = 1, .winner = winner}, x);
  }
  pooling job = {.g = g, .y = y, .winner = winner, .s = weights_forward(c, kernel)};
  int status = PERI_ENOMEM;
  float *padded = peri_alloc_zeroed((size_t)(c->oc + f32_WIDE) * sizeof(float));
  if (!padded) return status;
  if (bias) memcpy(padded, bias, (size_t)c->oc * sizeof(float));
  job.bias = padded;
  PERI_TRY_GOTO(done, window_forward(&job.v, c, x, 0));
  PERI_TRY_GOTO(close, weights_pack(&job.s, &job.v));
  plan_pieces(&job);
  peri_parallel(blocks64(c->n, job.images) * job.bands, pool_piece, &job);
  status = pieces_status(&job.status, "convolution and pooling");
  peri_free(job.s.panels);
close:
  window_close(&job.v);
done:
  peri_free(padded);
  return status;
}

void PERI_ISA_NAME(peri__fill_conv_pool)(peri_kernels *f32, peri_kernels *f64);
void PERI_ISA_NAME(peri__fill_conv_pool)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->conv_pool = conv_pool;
}
