/* bf16_window.h - window.h's regions and weights rounded to bfloat16, for the convolutions of bf16.h.

   A region is always a copy: rounded, with the border of zeros, and with an even number of channels in each
   group (a zero behind an odd one), so that pairs of k never cross a tap's end. The window `v` describes that
   copy: v.c and v.gc are the rounded-up numbers, v.run and v.row count bf16. */
#ifndef PERI_KERNELS_BF16_WINDOW_H
#define PERI_KERNELS_BF16_WINDOW_H

#include "kernels/bf16.h"
#include "kernels/bf16_emulated.h"
#include "kernels/window.h"

typedef struct bf16_window {
  window v;
  int64_t c, gc; /* channels of the source, and of a group of it */
} bf16_window;

/* Makes v.c and v.gc even, once they are the source's; before window_settle. */
static inline void bf16_window_even(bf16_window *w) {
  w->c = w->v.c;
  w->gc = w->v.gc;
  w->v.gc = bf16_up(w->gc, 2);
  w->v.c = w->v.gc * w->v.groups;
}

/* n pixels side by side. */
static inline void bf16_pixels(const bf16_window *w, const float *from, int64_t n, bf16 *to) {
  if (w->gc == w->v.gc) {
    bf16_convert(from, n * w->c, to);
    return;
  }
  for (int64_t i = 0; i < n * w->v.groups; i++, from += w->gc, to += w->v.gc) {
    bf16_convert(from, w->gc, to);
    to[w->gc] = 0;
  }
}

/* As window_region, into scratch, which has window_scratch(&w->v, rows) bf16. */
static inline const bf16 *bf16_region(const bf16_window *w, int64_t image, int64_t first, int64_t rows, bf16 *scratch) {
  const window *v = &w->v;
  if (v->runs == 0) return scratch;
  const float *in = v->in + image * v->h * v->w * w->c;
  int64_t left = clamp64(-v->x0, 0, v->gx_cols), right = clamp64(v->w - v->x0, left, v->gx_cols);
  int64_t top = first * v->step_h + v->y0, height = rows * v->step_h + v->spare_h;
  for (int64_t i = 0; i < height; i++) {
    bf16 *to = scratch + i * v->row;
    int64_t iy = top + i, inside = iy >= 0 && iy < v->h && right > left;
    int64_t begin = inside ? left : v->gx_cols, end = inside ? right : v->gx_cols;
    memset(to, 0, (size_t)(begin * v->c) * sizeof(bf16));
    if (inside) bf16_pixels(w, in + (iy * v->w + v->x0 + begin) * w->c, end - begin, to + begin * v->c);
    memset(to + end * v->c, 0, (size_t)((v->gx_cols - end) * v->c) * sizeof(bf16));
  }
  return scratch;
}

/* --- what is left to float32 --- */

/* Where Winograd's filtering (winograd.h) takes a 3 x 3 kernel in so many fewer multiplications that a unit of double
   rate does not make up for them; AMX's does. (It is not done in bfloat16, whose 8 bits it would cut to 6.) For the
   first rows x cols outputs; the count is that of winograd.c's plan, one axis at a time. */
static inline int bf16_filters(const peri_window *g, int64_t rows, int64_t cols) {
  if (BF16_UNIFORM || g->kh != 3 || g->kw != 3 || g->stride_h != 1 || g->stride_w != 1 || g->dil_h != 1 ||
      g->dil_w != 1 || g->groups != 1)
    return 0;
  int64_t sizes[2] = {rows, cols};
  double points = 1, products = (double)g->c * (double)g->oc;
  for (int i = 0; i < 2; i++) {
    int64_t twos = blocks64(sizes[i], 2) * 4, fours = blocks64(sizes[i], 4) * 6;
    int64_t both = sizes[i] / 4 * 6 + blocks64(sizes[i] % 4, 2) * 4;
    points *= (double)min64(twos, min64(fours, both));
  }
  return points * (products + 8 * (double)(g->c + g->oc)) < 0.44 * 9 * (double)(rows * cols) * products;
}

static inline int bf16_takes(const peri_window *g, int64_t rows, int64_t cols) {
  return peri__bf16_pays(g) && !bf16_filters(g, rows, cols);
}
static inline int bf16_takes_pool(const peri_conv_pool *g) {
  int square = g->pool_h == 2 && g->pool_w == 2;
  return peri__bf16_pays(&g->conv) && !(square && bf16_filters(&g->conv, 2 * g->ph, 2 * g->pw));
}

/* The set's own kernels, for what is not taken. */
static inline const peri_kernels *bf16_float32(void) { return peri_kernels_for_isa(peri_isa(), PERI_F32); }

/* --- weights: for each group, for each BF16_WIDE of its outputs, a panel of taps x channels --- */

typedef struct bf16_weights {
  weights s; /* its panels are not used; s.depth is without padding */
  const bf16_window *w;
  int64_t size; /* bf16 from panel to panel */
  bf16 *panels;
} bf16_weights;

static inline void bf16_weights_panel(void *context, int64_t panel) {
  const bf16_weights *p = context;
  const weights *s = &p->s;
  const window *v = &p->w->v;
  int64_t g = panel / s->each, o = panel % s->each * BF16_WIDE, k = 0;
  const float *from = s->from + g * s->group + o * s->o_stride;
  bf16 *to = p->panels + panel * p->size;
  for (int64_t i = 0; i < v->y.count; i++)
    for (int64_t j = 0; j < v->x.count; j++, k += v->gc)
      bf16_pack_panel(from + (v->y.from[i] * s->kw + v->x.from[j]) * s->tap, s->i_stride, s->o_stride, p->w->gc,
                      min64(s->outputs - o, BF16_WIDE), to + k * BF16_WIDE);
  bf16_pad_panel(s->depth, BF16_STEP, to);
}

static inline int bf16_weights_pack(bf16_weights *p, const bf16_window *w) {
  p->w = w;
  p->s.depth = w->v.runs * w->v.len;
  p->s.each = blocks64(p->s.outputs, BF16_WIDE);
  p->size = (bf16_up(p->s.depth, BF16_STEP) + 8) * BF16_WIDE; /* a tap writes up to 8 rows beyond its own */
  p->panels = peri_alloc((size_t)(w->v.groups * p->s.each * p->size) * sizeof(bf16));
  if (!p->panels) return PERI_ENOMEM;
  peri_parallel(w->v.groups * p->s.each, bf16_weights_panel, p);
  return PERI_OK;
}

/* --- a block of places, whose pixels are the rows of a --- */

enum { BF16_PLACES = 256, BF16_GATHERED = 1 << 17 /* numbers that are gathered at once, about */ };

typedef struct bf16_block {
  const bf16 *pixel[BF16_PLACES];
  int places;
  bf16 *packed; /* where the unit wants uniform rows: room for `most` places and a tile */
  int64_t row, most;
} bf16_block;

/* bf16 of memory for a block's packed rows; sets how many places it may hold, `least` or more. */
static inline int64_t bf16_block_room(bf16_block *b, const window *v, int64_t least, int64_t most) {
  b->row = bf16_up(v->runs * v->len, BF16_STEP) + 32; /* so that rows do not fall onto the same cache sets */
  b->most = BF16_UNIFORM ? clamp64(BF16_GATHERED / b->row, max64(least, BF16_ROWS), max64(least, most)) : most;
  return BF16_UNIFORM ? (b->most + BF16_ROWS) * b->row : 0;
}

/* The rows of group g, one after the other, where the unit wants that. */
static inline void bf16_block_gather(bf16_block *b, const window *v, int64_t g) {
  if (!BF16_UNIFORM) return;
  int64_t depth = v->runs * v->len;
  for (int i = 0; i < b->places; i++) {
    bf16 *to = b->packed + i * b->row;
    for (int64_t r = 0; r < v->runs; r++, to += v->len)
      memcpy(to, b->pixel[i] + g * v->gc + v->run[r], (size_t)v->len * sizeof(bf16));
    memset(to, 0, (size_t)(b->row - depth) * sizeof(bf16));
  }
}

/* sums (rows x WIDE; BF16_ROWS x WIDE where uniform) of places first.. of group g, with a panel. */
static inline void bf16_block_multiply(const bf16_block *b, const window *v, int64_t g, const bf16 *panel,
                                       int64_t columns, int first, int rows, float *sums) {
  const int64_t zero = 0;
  bf16_tile t = {.step = 2, .b = panel, .c = sums, .c_row = BF16_WIDE, .columns = columns};
  if (BF16_UNIFORM) {
    t.a[0] = b->packed + first * b->row;
    t.a_row = b->row;
    t.run = &zero;
    t.runs = 1;
    t.pairs = bf16_up(v->runs * v->len, BF16_STEP) / 2;
  } else {
    for (int i = 0; i < rows; i++) t.a[i] = b->pixel[first + i] + g * v->gc;
    t.run = v->run;
    t.runs = v->runs;
    t.pairs = v->len / 2;
  }
  bf16_multiply(&t, rows);
}

#endif
