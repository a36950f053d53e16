/* conv_cells.c - see conv_cells.h; compiled once for each instruction set.

   A tile is CELLS pooled cells side by side: four places each, WIDE outputs. The places' sums stay in registers, their
   largest leaves them. All taps of a place lie at offsets from its first pixel that are the same for every place:

       sum[cell][place] += x[pixel[cell] + corner[place] + tap[k]] * panel[k]      k < taps x channels

   Prepared: the window, then the taps' offsets, then the panels of window.h. NaN wins, as in conv_pool. */
#include "kernels/conv_cells.h"

enum {
  CELLS = PERI_TILE_ROWS / 4,
  PIECE_WORK = 1 << 20, /* multiplications of a piece, about */
  HALVED = 1 << 17      /* from so many on, one image alone makes two pieces */
};

typedef struct cells {
  window v;       /* its pointers are not valid: only numbers are kept */
  int64_t depth, each, outputs, panels; /* rows of a panel; panels and outputs of a group; floats until the panels */
} cells;

typedef struct job {
  const peri_conv_pool *g;
  const cells *c;
  const int64_t *tap;
  const float *panels, *bias;
  float *y;
  const float *x;
  int64_t bands, rows; /* of an image; of a piece */
  atomic_int status;
} job;

static int64_t align(int64_t bytes) { return blocks64(bytes, PERI_ALIGNMENT) * PERI_ALIGNMENT; }

static int64_t depth_of(const peri_window *g) { return g->kh * g->kw * (g->c / g->groups); }

int64_t conv_cells_size(const peri_conv_pool *g) {
  const peri_window *c = &g->conv;
  if (g->pool_h != 2 || g->pool_w != 2) return 0;
  int64_t each = blocks64(c->oc / c->groups, f32_WIDE), depth = depth_of(c);
  return align((int64_t)sizeof(cells)) + align(depth * (int64_t)sizeof(int64_t)) +
         c->groups * each * depth * f32_WIDE * (int64_t)sizeof(float);
}

int conv_cells_prepare(const peri_conv_pool *g, const float *kernel, void *to) {
  cells *c = to;
  weights s = weights_forward(&g->conv, kernel);
  PERI_TRY(window_forward(&c->v, &g->conv, NULL, 0));
  c->depth = depth_of(&g->conv);
  c->outputs = s.outputs;
  c->each = blocks64(s.outputs, f32_WIDE);
  int64_t *tap = (int64_t *)(void *)((char *)to + align((int64_t)sizeof *c)), k = 0;
  for (int64_t r = 0; r < c->v.runs; r++)
    for (int64_t i = 0; i < c->v.len; i++) tap[k++] = c->v.run[r] + i;
  s.v = &c->v;
  s.depth = c->depth;
  s.each = c->each;
  s.panels = (float *)(void *)((char *)tap + align(c->depth * (int64_t)sizeof *tap));
  for (int64_t panel = 0; panel < g->conv.groups * s.each; panel++) weights_pack_panel(&s, panel);
  window_close(&c->v);
  c->v.y = c->v.x = (axis){0};
  c->v.run = c->v.memory = NULL;
  return PERI_OK;
}

static __attribute__((noinline)) vf largest_with_nan(vf a, vf b, vf c, vf d) {
  vf place[4] = {a, b, c, d}, best = vf_set1(0);
  for (int k = 0; k < 4; k++) best = vf_select(vm_and(vm_not(vm_le(place[k], best)), vm_eq(best, best)), place[k], best);
  return best;
}

PERI_INLINE void tile(const int vectors, const float *const *pixel, const int64_t *corner, const int64_t *tap,
                      int64_t depth, const float *panel, const vf *bias, float *const *y, int64_t columns) {
  vf sum[CELLS][4][2];
  PERI_UNROLL for (int i = 0; i < CELLS; i++)
    PERI_UNROLL for (int k = 0; k < 4; k++)
      PERI_UNROLL for (int j = 0; j < vectors; j++) sum[i][k][j] = bias[j];
  for (int64_t k = 0; k < depth; k++, panel += f32_WIDE) {
    vf row[2];
    PERI_UNROLL for (int j = 0; j < vectors; j++) row[j] = vf_load(panel + j * PERI_LANES);
    PERI_UNROLL for (int place = 0; place < 4; place++) {
      int64_t at = tap[k] + corner[place];
      PERI_UNROLL for (int i = 0; i < CELLS; i++) {
        vf x = vf_set1(pixel[i][at]);
        PERI_UNROLL for (int j = 0; j < vectors; j++) sum[i][place][j] += x * row[j];
      }
    }
  }
  PERI_UNROLL for (int i = 0; i < CELLS; i++)
    PERI_UNROLL for (int j = 0; j < vectors; j++) {
      vf *s = &sum[i][0][j];
      vf best = vf_max(vf_max(vf_max(s[0], s[2]), vf_max(s[4], s[6])), vf_set1(0));
      if (vm_unordered(s[0], s[2]) | vm_unordered(s[4], s[6])) best = largest_with_nan(s[0], s[2], s[4], s[6]);
      int64_t width = columns - j * PERI_LANES;
      if (width >= PERI_LANES) vf_store(y[i] + j * PERI_LANES, best);
      else if (width > 0) vf_store_part(y[i] + j * PERI_LANES, best, width);
    }
}
static __attribute__((noinline)) void tile_1(const float *const *pixel, const int64_t *corner, const int64_t *tap,
                                             int64_t depth, const float *panel, const vf *bias, float *const *y, int64_t columns) {
  tile(1, pixel, corner, tap, depth, panel, bias, y, columns);
}
static __attribute__((noinline)) void tile_2(const float *const *pixel, const int64_t *corner, const int64_t *tap,
                                             int64_t depth, const float *panel, const vf *bias, float *const *y, int64_t columns) {
  tile(2, pixel, corner, tap, depth, panel, bias, y, columns);
}

/* `rows` rows of cells of an image, from `first` on, whose first pixel is at `region`. */
static void run_rows(const job *p, const window *v, const float *region, int64_t image, int64_t first, int64_t rows) {
  const peri_conv_pool *g = p->g;
  const cells *c = p->c;
  int64_t right = v->step_w * v->c, down = v->step_h * v->row, oc = g->conv.oc, count = rows * g->pw;
  const int64_t corner[4] = {0, right, down, down + right};
  for (int64_t panel = 0; panel < v->groups * c->each; panel++) {
    int64_t group = panel / c->each, inside = panel % c->each * f32_WIDE, o = group * c->outputs + inside;
    int64_t columns = min64(c->outputs - inside, f32_WIDE);
    vf bias[2] = {vf_set1(0), vf_set1(0)};
    for (int j = 0; j < 2 && p->bias && columns > j * PERI_LANES; j++)
      bias[j] = vf_load_part(p->bias + o + j * PERI_LANES, min64(PERI_LANES, columns - j * PERI_LANES));
    int64_t cy = 0, cx = 0;
    float *y = p->y + (image * g->ph + first) * g->pw * oc + o;
    for (int64_t at = 0; at < count; at += CELLS) {
      const float *pixel[CELLS];
      float *to[CELLS];
      for (int i = 0; i < CELLS; i++) { /* cells that the last tile lacks repeat the one before */
        int real = at + i < count;
        pixel[i] = real || i == 0 ? region + 2 * (cy * v->step_h * v->row + cx * v->step_w * v->c) + group * v->gc : pixel[i - 1];
        to[i] = real || i == 0 ? y + (at + i) * oc : to[i - 1];
        if (++cx == g->pw) cx = 0, cy++;
      }
      (columns > PERI_LANES ? tile_2 : tile_1)(pixel, corner, p->tap, c->depth, p->panels + panel * c->depth * f32_WIDE, bias,
                                               to, columns);
    }
  }
}

static void run_piece(void *context, int64_t piece) {
  job *p = context;
  if (atomic_load(&p->status) < 0) return;
  int64_t image = piece / p->bands, first = piece % p->bands * p->rows, rows = min64(p->rows, p->g->ph - first);
  window v = p->c->v;
  v.in = p->x;
  int64_t floats = window_scratch(&v, 2 * rows);
  float *scratch = floats ? peri_alloc((size_t)floats * sizeof(float)) : NULL;
  int status = floats && !scratch ? PERI_ENOMEM : peri_interrupt_poll();
  if (status == PERI_OK) run_rows(p, &v, window_region(&v, image, 2 * first, 2 * rows, scratch), image, first, rows);
  peri_free(scratch);
  if (status < 0) atomic_store(&p->status, status);
}

int conv_cells_run(const peri_conv_pool *g, const float *x, const void *prepared, const float *bias, float *y) {
  const cells *c = prepared;
  job p = {.g = g, .c = c, .x = x, .y = y, .bias = bias};
  p.tap = (const int64_t *)(const void *)((const char *)prepared + align((int64_t)sizeof *c));
  p.panels = (const float *)(const void *)((const char *)p.tap + align(c->depth * (int64_t)sizeof *p.tap));
  int64_t row_work = max64(1, g->pw * 4 * c->depth * g->conv.oc);
  p.rows = clamp64(PIECE_WORK / row_work, 1, g->ph);
  if (g->conv.n == 1 && row_work * g->ph >= HALVED) p.rows = min64(p.rows, blocks64(g->ph, 2));
  p.bands = blocks64(g->ph, p.rows);
  peri_parallel(g->conv.n * p.bands, run_piece, &p);
  return pieces_status(&p.status, "convolution and pooling");
}
