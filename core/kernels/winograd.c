/* winograd.c - Winograd convolutions forward (winograd.h): the run, compiled once for each instruction set.

   A piece for the threads is some tiles of one part, of as many images as they span:

       1. inputs    tiles of pixels -> points:  v[point][chunk][tile][WINOGRAD_CHUNK channels], winograd_tiles.h
       2. products  for each panel of outputs, for each point:  m[tile][vector][point][LANES] = v[point] u[panel][point]
       3. outputs   points of a panel -> bias, ReLU, pooling -> memory, before the next panel is begun

   Where all tiles are a single piece (one image), the panels of outputs are cut among the threads instead.
   Where the outputs end with half a vector (24 of 16 each), a vector of sums is paired: it holds half a vector of
   outputs, once summed over the even channels and once over the odd, which meet when they are stored. Two channels
   that lie side by side are one broadcast, and such halves of two tiles are one vector in the transforms.

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

/* The sums of neighbours, those of a before those of b. */
PERI_INLINE vf sums_of_pairs(vf a, vf b) {
#if PERI_ISA_avx512
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
  return (vf)_mm512_permutex2var_ps((__m512)a, even, (__m512)b) + (vf)_mm512_permutex2var_ps((__m512)a, odd, (__m512)b);
#else
  return a + b; /* never called: panels of three vectors, and pairs with them, want AVX-512's registers */
#endif
}

/* To m, vectors of outputs of one point: `block` floats from one to the next. */
PERI_INLINE void store_sums(const int rows, const int vectors, const int paired, vf sum[PERI_TILE_ROWS][WINOGRAD_ABREAST],
                            int64_t m_row, int64_t block, int64_t point, float *m) {
  PERI_UNROLL for (int i = 0; i < rows; i++, m += m_row) {
    const int next = i + 1 < rows ? i + 1 : i; /* rows are even in number, or one */
    float *to = m + point * PERI_LANES;
    PERI_UNROLL for (int j = 0; j < vectors; j++)
      if (!paired) *(vf *)(to + j * block) = sum[i][j];
      else if (j % 2 == 0 && j + 1 < vectors) *(vf *)(to + j / 2 * block) = sums_of_pairs(sum[i][j], sum[i][j + 1]);
      else if (j % 2 == 0 && i % 2 == 0) {
        vf both = sums_of_pairs(sum[i][j], sum[next][j]);
        float *half = m + j / 2 * block + point * (PERI_LANES / 2);
        vf_put_half(half, both, 0, PERI_LANES / 2);
        if (next > i) vf_put_half(half + m_row, both, 1, PERI_LANES / 2);
      }
  }
}

/* m's `rows` rows of one point = rows of v (WINOGRAD_CHUNK apart, planes apart) times u, depth x wide. */
PERI_INLINE void product_rows(const int rows, const int vectors, const int paired, const piece *p, const float *v,
                              const float *u, int64_t point, float *m) {
  const int64_t wide = p->job->w->wide;
  vf sum[PERI_TILE_ROWS][WINOGRAD_ABREAST];
  PERI_UNROLL for (int i = 0; i < rows; i++)
    PERI_UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = vf_set1(0);
  for (int64_t left = p->job->w->g.c; left > 0; left -= WINOGRAD_CHUNK, v += p->s.plane) {
    int64_t channels = min64(left, WINOGRAD_CHUNK);
    for (int64_t k = 0; k < channels; k += 1 + paired, u += wide) {
      vf row[WINOGRAD_ABREAST];
      PERI_UNROLL for (int j = 0; j < vectors; j++) row[j] = vf_load(u + j * PERI_LANES);
      PERI_UNROLL for (int i = 0; i < rows; i++) {
        const float *at = v + i * WINOGRAD_CHUNK + k;
        PERI_UNROLL for (int j = 0; j < vectors; j++)
          if (paired) sum[i][j] += vf_two(at) * row[j];
          else sum[i][j] += *at * row[j];
      }
    }
  }
  store_sums(rows, vectors, paired, sum, p->m_row, p->part->points * PERI_LANES, point, m);
}

#define PRODUCT(rows, vectors, paired)                                                                                 \
  static __attribute__((noinline)) void product_##rows##x##vectors##_##paired(const piece *p, const float *v,          \
                                                                              const float *u, int64_t point, float *m) {\
    product_rows(rows, vectors, paired, p, v, u, point, m);                                                            \
  }
#define PRODUCTS(rows) PRODUCT(rows, 1, 0) PRODUCT(rows, 2, 0)
PRODUCTS(1) PRODUCTS(2) PRODUCTS(4)
#if PERI_TILE_ROWS == 6
PRODUCTS(6)
#elif PERI_TILE_ROWS == 12
PRODUCTS(8) PRODUCTS(12)
#define THREE(rows) PRODUCT(rows, 3, 0) PRODUCT(rows, 1, 1) PRODUCT(rows, 2, 1) PRODUCT(rows, 3, 1)
THREE(1) THREE(2) THREE(4) THREE(8)
#undef THREE
#endif
#undef PRODUCT
#undef PRODUCTS

typedef void product(const piece *p, const float *v, const float *u, int64_t point, float *m);

/* Rows that the last product has too many are room behind the tiles: what they hold does not matter. */
static void products(const piece *p, int64_t panel, int vectors) {
#if PERI_TILE_ROWS == 12
#define ROWS_OF(vectors, paired)                                                                                       \
  {product_1x##vectors##_##paired, product_2x##vectors##_##paired, product_4x##vectors##_##paired,                     \
   product_8x##vectors##_##paired, product_8x##vectors##_##paired}
  static product *const single[3][5] = {
      {product_1x1_0, product_2x1_0, product_4x1_0, product_8x1_0, product_12x1_0},
      {product_1x2_0, product_2x2_0, product_4x2_0, product_8x2_0, product_12x2_0}, ROWS_OF(3, 0)};
  static product *const pairs[3][5] = {ROWS_OF(1, 1), ROWS_OF(2, 1), ROWS_OF(3, 1)};
  const int paired = p->job->w->paired, most = paired || vectors == 3 ? 8 : PERI_TILE_ROWS;
#define SOME(which) (paired ? pairs[vectors - 1][which] : single[vectors - 1][which])
#undef ROWS_OF
#else
  static product *const single[2][4] = {
#if PERI_TILE_ROWS == 6
      {product_1x1_0, product_2x1_0, product_4x1_0, product_6x1_0}, {product_1x2_0, product_2x2_0, product_4x2_0, product_6x2_0}
#else
      {product_1x1_0, product_2x1_0, product_4x1_0}, {product_1x2_0, product_2x2_0, product_4x2_0}
#endif
  };
  const int most = PERI_TILE_ROWS;
#define SOME(which) single[vectors - 1][which]
#endif
  static const int heights[] = {1, 2, 4, PERI_TILE_ROWS == 12 ? 8 : PERI_TILE_ROWS, 12};
  const int64_t depth = p->job->w->depth * p->job->w->wide;
  const float *u = p->job->u + p->part->weights + panel * p->part->points * depth;
  for (int point = 0; point < p->part->points; point++)
    for (int64_t t = 0; t < p->s.count; t += most) {
      int which = 0;
      while (heights[which] < min64(most, p->s.count - t)) which++;
      SOME(which)(p, p->s.v + point * p->s.step + t * WINOGRAD_CHUNK, u + point * depth, point, p->m + t * p->m_row);
    }
#undef SOME
}

/* --- 3. outputs --- */

/* A tile's outputs of a vector of channels; behind a pool the cells' in the first corner, with the places that won. */
typedef struct tile_outputs {
  vf v[4][4];
  vi place[2][2];
} tile_outputs;

/* From a tile's points of PERI_LANES outputs or, where there is `other`, of half as many of two tiles. */
PERI_INLINE void output_tile(const int my, const int mx, const float *m, const float *other, tile_outputs *out) {
  vf half[4][6];
  PERI_UNROLL for (int j = 0; j < mx + 2; j++) {
    vf s[6], sums[4];
    PERI_UNROLL for (int i = 0; i < my + 2; i++) {
      int at = i * (mx + 2) + j;
      s[i] = other ? vf_get_halves(m + at * (PERI_LANES / 2), other + at * (PERI_LANES / 2), PERI_LANES / 2)
                   : vf_load(m + at * PERI_LANES);
    }
    winograd_output_of(my, s, sums);
    PERI_UNROLL for (int i = 0; i < my; i++) half[i][j] = sums[i];
  }
  PERI_UNROLL for (int i = 0; i < my; i++) winograd_output_of(mx, half[i], out->v[i]);
}

/* 2 x 2 pooling: best = 0, place = 255; a larger value or the first NaN takes over. */
PERI_INLINE void pool_cell(const vf *a, const vf *b, vf bias, int places, vf *best, vi *place) {
  vf v[4] = {a[0] + bias, a[1] + bias, b[0] + bias, b[1] + bias};
  if (!places && !(vm_unordered(v[0], v[1]) | vm_unordered(v[2], v[3]))) {
    *best = vf_max(vf_max(vf_max(v[0], v[1]), vf_max(v[2], v[3])), vf_set1(0));
    *place = vi_set1(255); /* nobody asks */
    return;
  }
  vf most = vf_set1(0);
  vi won = vi_set1(255);
  PERI_UNROLL for (int k = 0; k < 4; k++) {
    vm takes = vm_and(vm_not(vm_le(v[k], most)), vm_eq(most, most));
    most = vf_select(takes, v[k], most);
    won = vi_select(takes, vi_set1(k), won);
  }
  *best = most;
  *place = won;
}

/* Bias, ReLU and pooling. */
PERI_INLINE void outputs_finish(const int my, const int mx, const int pool, const winograd_output *to, vf bias,
                                tile_outputs *out) {
  if (pool) {
    PERI_UNROLL for (int i = 0; i < my / 2; i++)
      PERI_UNROLL for (int j = 0; j < mx / 2; j++)
        pool_cell(out->v[2 * i] + 2 * j, out->v[2 * i + 1] + 2 * j, bias, to->winner != NULL, &out->v[i][j], &out->place[i][j]);
    return;
  }
  PERI_UNROLL for (int i = 0; i < my; i++)
    PERI_UNROLL for (int j = 0; j < mx; j++) {
      vf v = out->v[i][j] + bias;
      out->v[i][j] = to->relu ? vf_select(vm_le(v, vf_set1(0)), vf_set1(0), v) : v;
    }
}

/* Which of a vector's numbers are a tile's: all, or those of one half. */
typedef enum side { LOW, HIGH, WHOLE } side;

PERI_INLINE void put_side(float *y, vf v, const side which, int64_t width) {
  if (which == WHOLE) vf_put(y, v, width);
  else vf_put_half(y, v, which == HIGH, width);
}

PERI_INLINE void put_places(uint8_t *to, vi place, const side which, int64_t width) {
  if (which != HIGH) {
    places_store(to, place, width);
    return;
  }
  uint8_t all[PERI_LANES];
  places_store(all, place, PERI_LANES);
  memcpy(to, all + PERI_LANES / 2, (size_t)width);
}

/* What exists of a tile's outputs, `width` of them from o on. */
PERI_INLINE void outputs_put(const int my, const int mx, const int pool, const piece *p, const winograd_spot *at, int64_t o,
                             int64_t width, const side which, const tile_outputs *out) {
  const winograd *w = p->job->w;
  const winograd_output *to = p->job->out;
  int64_t oc = w->g.oc, down = w->rows / 2, across = w->cols / 2;
  if (pool) {
    int64_t cell = (at->image * down + at->y / 2) * across + at->x / 2;
    PERI_UNROLL for (int i = 0; i < my / 2; i++)
      PERI_UNROLL for (int j = 0; j < mx / 2; j++) {
        if (at->y / 2 + i >= down || at->x / 2 + j >= across) continue;
        int64_t place = (cell + i * across + j) * oc + o;
        put_side(to->y + place, out->v[i][j], which, width);
        if (to->winner) put_places(to->winner + place, out->place[i][j], which, width);
      }
    return;
  }
  int64_t rows = min64(my, w->rows - at->y), cols = min64(mx, w->cols - at->x);
  float *y = to->y + ((at->image * w->g.oh + at->y) * w->g.ow + at->x) * oc + o;
  PERI_UNROLL for (int i = 0; i < my; i++)
    PERI_UNROLL for (int j = 0; j < mx; j++)
      if (i < rows && j < cols) put_side(y + (i * w->g.ow + j) * oc, out->v[i][j], which, width);
}

/* Up to PERI_LANES outputs of a tile. */
PERI_INLINE void outputs_of(const int my, const int mx, const int pool, const piece *p, int64_t t, int64_t o, int64_t block,
                            int64_t width) {
  const winograd_output *to = p->job->out;
  tile_outputs out;
  output_tile(my, mx, p->m + t * p->m_row + block, NULL, &out);
  outputs_finish(my, mx, pool, to, to->bias ? vf_get(to->bias + o, width) : vf_set1(0), &out);
  outputs_put(my, mx, pool, p, &p->s.at[t], o, width, WHOLE, &out);
}

/* Up to half as many of two tiles, or of the last one twice. */
PERI_INLINE void outputs_of_two(const int my, const int mx, const int pool, const piece *p, int64_t t, int64_t o,
                                int64_t block, int64_t width) {
  const winograd_output *to = p->job->out;
  const float *m = p->m + t * p->m_row + block;
  int two = t + 1 < p->s.count;
  tile_outputs out;
  output_tile(my, mx, m, two ? m + p->m_row : m, &out);
  outputs_finish(my, mx, pool, to, to->bias ? vf_get_halves(to->bias + o, to->bias + o, width) : vf_set1(0), &out);
  outputs_put(my, mx, pool, p, &p->s.at[t], o, width, LOW, &out);
  if (two) outputs_put(my, mx, pool, p, &p->s.at[t + 1], o, width, HIGH, &out);
}

PERI_INLINE void outputs(const int my, const int mx, const int pool, const piece *p, int64_t panel) {
  const winograd *w = p->job->w;
  int64_t points = p->part->points, first = panel * w->outputs, count = min64(w->outputs, w->g.oc - first);
  int64_t last = count % PERI_LANES, halves = w->paired && last > 0 && last <= PERI_LANES / 2;
  int64_t whole = halves ? count - last : count;
  for (int64_t t = 0; t < p->s.count; t += 2) { /* two tiles, all their outputs: they lie together */
    for (int64_t k = t; k < min64(t + 2, p->s.count); k++)
      for (int64_t o = 0; o < whole; o += PERI_LANES)
        if (whole - o >= PERI_LANES) outputs_of(my, mx, pool, p, k, first + o, o * points, PERI_LANES);
        else outputs_of(my, mx, pool, p, k, first + o, o * points, whole - o);
    if (!halves) continue;
    if (last == PERI_LANES / 2) outputs_of_two(my, mx, pool, p, t, first + whole, whole * points, PERI_LANES / 2);
    else outputs_of_two(my, mx, pool, p, t, first + whole, whole * points, last);
  }
}

/* --- a piece --- */

#define SHAPE(my, mx)                                                                                                  \
  static __attribute__((noinline)) void outputs_##my##mx(const piece *p, int64_t panel) {                              \
    if (p->job->out->pool) outputs(my, mx, 1, p, panel);                                                               \
    else outputs(my, mx, 0, p, panel);                                                                                 \
  }
SHAPE(2, 2) SHAPE(2, 4) SHAPE(4, 2) SHAPE(4, 4)
#undef SHAPE

static void run_panels(const piece *p, int64_t from, int64_t to) {
  static void (*const out[])(const piece *, int64_t) = {outputs_22, outputs_24, outputs_42, outputs_44};
  const winograd *w = p->job->w;
  for (int64_t panel = from; panel < to; panel++) {
    int64_t left = min64(w->g.oc - panel * w->outputs, w->outputs);
    products(p, panel, (int)blocks64(left, w->paired ? PERI_LANES / 2 : PERI_LANES));
    out[winograd_shape(p->part)](p, panel);
  }
}

/* Memory for the tiles of a part's piece, and their points in it; NULL when there is none. */
static float *open_piece(piece *p, const run *job, const winograd_part *part, int64_t index) {
  const winograd *w = job->w;
  p->job = job, p->part = part, p->m_row = part->points * w->outputs + PERI_LANES;
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
