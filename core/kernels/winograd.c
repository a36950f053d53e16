/* winograd.c - Winograd convolutions forward (winograd.h): the run, compiled once for each instruction set.

   A piece for the threads is some tiles of one part, of as many images as they span:

       1. inputs    tiles of pixels -> points:  v[point][chunk][tile][WINOGRAD_CHUNK channels], winograd_tiles.h
       2. products  for each panel of outputs, for each point:  m[tile][point][WIDE] = v[point] u[panel][point]
       3. outputs   points of a panel -> bias, ReLU, pooling -> memory, before the next panel is begun

   Where all tiles are a single piece (one image), the panels of outputs are cut among the threads instead.
   A product's rows are WINOGRAD_CHUNK floats apart, known when compiling: one register addresses them all. */
#include "kernels/winograd_tiles.h"

enum {
  PANEL_CUTS = 4,    /* most pieces of the panels, where the tiles are a single piece: */
  CUT_WORK = 1 << 17 /* multiplications that are worth it: a few microseconds */
};

typedef struct run {
  const winograd *w;
  const winograd_output *out;
  const float *x, *u;
  atomic_int status;
} run;

typedef struct piece {
  const run *job;
  const winograd_part *part;
  winograd_tiles s;
  float *m;
  int64_t m_row; /* from a tile to the next in m */
} piece;

/* --- 2. products --- */

/* m's `rows` rows of one point = rows of v (WINOGRAD_CHUNK apart, planes apart) times u, channels x WIDE. */
PERI_INLINE void product_rows(const int rows, const int vectors, const piece *p, const float *v, const float *u,
                              float *m) {
  f32_vec sum[PERI_TILE_ROWS][2];
  PERI_UNROLL for (int i = 0; i < rows; i++)
    PERI_UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = (f32_vec){0};
  for (int64_t left = p->job->w->g.c; left > 0; left -= WINOGRAD_CHUNK, v += p->s.plane) {
    int64_t channels = min64(left, WINOGRAD_CHUNK);
    for (int64_t k = 0; k < channels; k++, u += f32_WIDE) {
      f32_vec row[2];
      PERI_UNROLL for (int j = 0; j < vectors; j++) row[j] = *(const f32_vec *)(u + j * PERI_LANES);
      PERI_UNROLL for (int i = 0; i < rows; i++) {
        float x = v[i * WINOGRAD_CHUNK + k];
        PERI_UNROLL for (int j = 0; j < vectors; j++) sum[i][j] += x * row[j];
      }
    }
  }
  PERI_UNROLL for (int i = 0; i < rows; i++)
    PERI_UNROLL for (int j = 0; j < vectors; j++) *(f32_vec *)(m + i * p->m_row + j * PERI_LANES) = sum[i][j];
}

#define PRODUCT(rows, vectors)                                                                                         \
  static __attribute__((noinline)) void product_##rows##x##vectors(const piece *p, const float *v, const float *u,     \
                                                                   float *m) {                                         \
    product_rows(rows, vectors, p, v, u, m);                                                                           \
  }
#define PRODUCTS(rows) PRODUCT(rows, 1) PRODUCT(rows, 2)
PRODUCTS(1) PRODUCTS(2) PRODUCTS(4)
#if PERI_TILE_ROWS == 6
PRODUCTS(6)
#elif PERI_TILE_ROWS == 12
PRODUCTS(8) PRODUCTS(12)
#endif
#undef PRODUCT
#undef PRODUCTS

/* Rows that the last product has too many are room behind the tiles: what they hold does not matter. */
static void products(const piece *p, int64_t panel, int vectors) {
  static void (*const some[][2])(const piece *, const float *, const float *, float *) = {
#define PAIR(rows) {product_##rows##x1, product_##rows##x2}
      PAIR(1), PAIR(2), PAIR(4),
#if PERI_TILE_ROWS == 6
      PAIR(6),
#elif PERI_TILE_ROWS == 12
      PAIR(8), PAIR(12),
#endif
#undef PAIR
  };
  static const int heights[] = {1, 2, 4, PERI_TILE_ROWS == 12 ? 8 : PERI_TILE_ROWS, 12};
  const int64_t depth = p->job->w->g.c * f32_WIDE;
  const float *u = p->job->u + p->part->weights + panel * p->part->points * depth;
  for (int point = 0; point < p->part->points; point++)
    for (int64_t t = 0; t < p->s.count; t += PERI_TILE_ROWS) {
      int which = 0;
      while (heights[which] < min64(PERI_TILE_ROWS, p->s.count - t)) which++;
      some[which][vectors - 1](p, p->s.v + point * p->s.step + t * WINOGRAD_CHUNK, u + point * depth,
                               p->m + t * p->m_row + point * f32_WIDE);
    }
}

/* --- 3. outputs --- */

PERI_INLINE void output_tile(const int my, const int mx, const float *m, vf out[4][4]) {
  vf half[4][6];
  PERI_UNROLL for (int j = 0; j < mx + 2; j++) {
    vf s[6], sums[4];
    PERI_UNROLL for (int i = 0; i < my + 2; i++) s[i] = vf_load(m + (i * (mx + 2) + j) * f32_WIDE);
    winograd_output_of(my, s, sums);
    PERI_UNROLL for (int i = 0; i < my; i++) half[i][j] = sums[i];
  }
  PERI_UNROLL for (int i = 0; i < my; i++) winograd_output_of(mx, half[i], out[i]);
}

/* PERI_LANES channels (or `width`) of the outputs of a tile, of which rows x cols exist. */
PERI_INLINE void outputs_store(const int my, const int mx, const piece *p, const float *m,
                               const winograd_spot *at, int64_t o, int64_t width) {
  const winograd *w = p->job->w;
  const winograd_output *to = p->job->out;
  int64_t rows = min64(my, w->rows - at->y), cols = min64(mx, w->cols - at->x), oc = w->g.oc;
  float *y = to->y + ((at->image * w->g.oh + at->y) * w->g.ow + at->x) * oc + o;
  vf out[4][4], bias = to->bias ? vf_get(to->bias + o, width) : vf_set1(0);
  output_tile(my, mx, m, out);
  PERI_UNROLL for (int i = 0; i < my; i++)
    PERI_UNROLL for (int j = 0; j < mx; j++) {
      vf v = out[i][j] + bias;
      if (to->relu) v = vf_select(vm_le(v, vf_set1(0)), vf_set1(0), v);
      if (i < rows && j < cols) vf_put(y + (i * w->g.ow + j) * oc, v, width);
    }
}

/* The same through 2 x 2 pooling: best = 0, place = 255; a larger value or the first NaN takes over. */
PERI_INLINE void outputs_pool(const int my, const int mx, const piece *p, const float *m,
                              const winograd_spot *at, int64_t o, int64_t width) {
  const winograd *w = p->job->w;
  const winograd_output *to = p->job->out;
  int64_t down = w->rows / 2, across = w->cols / 2, oc = w->g.oc;
  int64_t cell = (at->image * down + at->y / 2) * across + at->x / 2;
  vf out[4][4], bias = to->bias ? vf_get(to->bias + o, width) : vf_set1(0);
  output_tile(my, mx, m, out);
  PERI_UNROLL for (int i = 0; i < my / 2; i++)
    PERI_UNROLL for (int j = 0; j < mx / 2; j++) {
      if (at->y / 2 + i >= down || at->x / 2 + j >= across) continue;
      vf best = vf_set1(0);
      vi place = vi_set1(255);
      PERI_UNROLL for (int k = 0; k < 4; k++) {
        vf v = out[2 * i + k / 2][2 * j + k % 2] + bias;
        vm takes = vm_and(vm_not(vm_le(v, best)), vm_eq(best, best));
        best = vf_select(takes, v, best);
        place = vi_select(takes, vi_set1(k), place);
      }
      vf_put(to->y + (cell + i * across + j) * oc + o, best, width);
      if (to->winner) places_store(to->winner + (cell + i * across + j) * oc + o, place, width);
    }
}

PERI_INLINE void outputs(const int my, const int mx, const piece *p, int64_t panel) {
  int64_t first = panel * f32_WIDE, end = min64(first + f32_WIDE, p->job->w->g.oc);
  for (int64_t t = 0; t < p->s.count; t++)
    for (int64_t o = first; o < end; o += PERI_LANES) {
      const float *m = p->m + t * p->m_row + (o - first);
      int full = end - o >= PERI_LANES;
      if (p->job->out->pool) {
        if (full) outputs_pool(my, mx, p, m, &p->s.at[t], o, PERI_LANES);
        else outputs_pool(my, mx, p, m, &p->s.at[t], o, end - o);
      } else if (full) outputs_store(my, mx, p, m, &p->s.at[t], o, PERI_LANES);
      else outputs_store(my, mx, p, m, &p->s.at[t], o, end - o);
    }
}

/* --- a piece --- */

#define SHAPE(my, mx)                                                                                                  \
  static __attribute__((noinline)) void outputs_##my##mx(const piece *p, int64_t panel) { outputs(my, mx, p, panel); }
SHAPE(2, 2) SHAPE(2, 4) SHAPE(4, 2) SHAPE(4, 4)
#undef SHAPE

static void run_panels(const piece *p, int64_t from, int64_t to) {
  static void (*const out[])(const piece *, int64_t) = {outputs_22, outputs_24, outputs_42, outputs_44};
  for (int64_t panel = from; panel < to; panel++) {
    products(p, panel, p->job->w->g.oc - panel * f32_WIDE > PERI_LANES ? 2 : 1);
    out[winograd_shape(p->part)](p, panel);
  }
}

/* Memory for the tiles of a part's piece, and their points in it; NULL when there is none. */
static float *open_piece(piece *p, const run *job, const winograd_part *part, int64_t index) {
  const winograd *w = job->w;
  p->job = job, p->part = part, p->m_row = part->points * f32_WIDE + PERI_LANES;
  p->s.g = &w->g, p->s.part = part, p->s.x = job->x;
  p->s.first = 0, p->s.channels = w->g.c;
  int64_t from = index * part->tiles;
  winograd_tiles_place(&p->s, from, min64(from + part->tiles, w->g.n * part->down * part->across));
  int64_t room = blocks64(p->s.count, PERI_TILE_ROWS) * PERI_TILE_ROWS;
  int64_t points = winograd_tiles_layout(&p->s, room), sums = room * p->m_row;
  float *memory = peri_alloc((size_t)(points + sums + part->points * w->g.c) * sizeof(float));
  if (!memory) return NULL;
  p->s.v = memory;
  p->m = p->s.v + points;
  p->s.patch = p->m + sums;
  winograd_inputs(&p->s);
  return memory;
}

static int run_piece(run *job, const winograd_part *part, int64_t index) {
  piece p;
  float *memory = open_piece(&p, job, part, index);
  if (!memory) return PERI_ENOMEM;
  run_panels(&p, 0, job->w->panels);
  peri_free(memory);
  return PERI_OK;
}

static void run_indexed(void *context, int64_t index) {
  run *job = context;
  if (atomic_load(&job->status) < 0) return;
  const winograd_part *part = job->w->part;
  for (; index >= part->pieces; part++) index -= part->pieces;
  int status = peri_interrupt_poll();
  if (status == PERI_OK) status = run_piece(job, part, index);
  if (status < 0) atomic_store(&job->status, status);
}

/* --- tiles of a single piece: its panels are the pieces --- */

/* The points of all tiles, made by the first piece that takes a slot: threads that work at the same time each
   make their own, nearer to them than the others'; one thread alone makes them once. */
typedef struct slot {
  atomic_int busy;
  float *memory;
  piece p;
} slot;

typedef struct shared {
  run job;
  int64_t cuts;
  slot slot[PANEL_CUTS];
} shared;

static void run_cut(void *context, int64_t index) {
  shared *c = context;
  if (atomic_load(&c->job.status) < 0) return;
  slot *s = c->slot;
  while (atomic_exchange(&s->busy, 1)) s++; /* as many slots as pieces: one is free */
  int status = peri_interrupt_poll();
  if (status == PERI_OK && !s->memory) {
    s->memory = open_piece(&s->p, &c->job, c->job.w->part, 0);
    if (!s->memory) status = PERI_ENOMEM;
  }
  int64_t panels = c->job.w->panels;
  if (status == PERI_OK) run_panels(&s->p, index * panels / c->cuts, (index + 1) * panels / c->cuts);
  if (status < 0) atomic_store(&c->job.status, status);
  atomic_store(&s->busy, 0);
}

static int run_cuts(const run *job, int64_t cuts) {
  shared c;
  c.job = *job;
  c.cuts = cuts;
  for (int i = 0; i < PANEL_CUTS; i++) {
    atomic_init(&c.slot[i].busy, 0);
    c.slot[i].memory = NULL;
  }
  peri_parallel(cuts, run_cut, &c);
  for (int i = 0; i < PANEL_CUTS; i++) peri_free(c.slot[i].memory);
  return pieces_status(&c.job.status, "convolution");
}

int winograd_run(const winograd *w, const float *u, const winograd_output *out, const float *x) {
  run job = {.w = w, .out = out, .x = x, .u = u};
  int64_t pieces = 0;
  for (int i = 0; i < w->parts; i++) pieces += w->part[i].pieces;
  if (pieces == 1) {
    double work = (double)(w->part->points * w->g.n * w->part->down * w->part->across * w->g.c * w->g.oc);
    int64_t cuts = min64(PANEL_CUTS, w->panels);
    if (cuts > 1 && work >= CUT_WORK) return run_cuts(&job, cuts);
  }
  peri_parallel(pieces, run_indexed, &job);
  return pieces_status(&job.status, "convolution");
}
