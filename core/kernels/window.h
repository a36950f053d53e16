/* window.h - what the convolution sources share: the taps of a window and the pixels under them.

   A convolution, its gradient of the input, and their fused forms all visit, for each place (gy, gx) of
   a grid, the pixels (gy step_h + y.at[i], gx step_w + x.at[j]) of a source image, and multiply them
   with the kernel's element (y.from[i], x.from[j]):

     forward          grid = outputs, at = from * dilation - padding, step = stride
     input gradient   grid = the inputs of one phase (those equal modulo the stride), source = dy,
                      at = (phase + padding - from * dilation) / stride where that is whole, step = 1

   The region of the source under some rows of the grid is read in place when it lies inside the image,
   else it is copied into scratch memory with its border of zeros: no inner loop asks where it is.
   Taps that lie side by side in memory form runs: kw * c numbers of a row, or c when apart. */
#ifndef PERI_KERNELS_WINDOW_H
#define PERI_KERNELS_WINDOW_H

#include <stdatomic.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/tile.h"

enum { WINDOW_SLACK = 2 * PERI_LANES }; /* floats after a region's copy that a vector may touch */

typedef struct axis {
  int64_t count, *at, *from; /* ascending `at` */
} axis;

typedef struct window {
  const float *in;
  int64_t n, h, w, c; /* the source images */
  int64_t gh, gw, step_h, step_w;
  axis y, x;
  int64_t groups, gc;           /* channels of the source in a group */
  int64_t y0, x0, spare_h, gx_cols; /* first row and column of the region under row 0; its rows beyond those of
                                       step_h * grid rows; its columns */
  int copy;                     /* whether regions are copied */
  int64_t row;                  /* elements between rows of a region */
  int64_t runs, len, *run;      /* offsets of the runs from a place's pixel */
  int64_t *memory;
} window;

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t clamp64(int64_t v, int64_t low, int64_t high) { return max64(low, min64(v, high)); }
static inline int64_t blocks64(int64_t n, int64_t size) { return (n + size - 1) / size; }

static inline void axis_forward(axis *a, int64_t count, int64_t dilation, int64_t pad) {
  a->count = count;
  for (int64_t i = 0; i < count; i++) {
    a->at[i] = i * dilation - pad;
    a->from[i] = i;
  }
}

static inline void axis_backward(axis *a, int64_t count, int64_t dilation, int64_t pad, int64_t stride,
                                 int64_t phase) {
  a->count = 0;
  for (int64_t i = count - 1; i >= 0; i--) {
    int64_t t = phase + pad - i * dilation;
    if (t % stride) continue;
    a->at[a->count] = t / stride;
    a->from[a->count++] = i;
  }
}

/* Regions, copies and runs, once in, sizes, grid and axes are known. `slack`: vectors may read past a
   run's end by less than WINDOW_SLACK. */
static inline void window_settle(window *v, int slack) {
  const axis *y = &v->y, *x = &v->x;
  int empty = y->count == 0 || x->count == 0;
  v->y0 = empty ? 0 : y->at[0];
  v->x0 = empty ? 0 : x->at[0];
  v->spare_h = empty ? 0 : y->at[y->count - 1] - v->y0 + 1 - v->step_h;
  v->gx_cols = empty ? 0 : (v->gw - 1) * v->step_w + x->at[x->count - 1] - v->x0 + 1;
  v->copy = !empty && (slack || v->y0 < 0 || v->x0 < 0 || v->x0 + v->gx_cols > v->w ||
                       v->y0 + v->gh * v->step_h + v->spare_h > v->h);
  v->row = v->copy ? v->gx_cols * v->c : v->w * v->c;
  int together = v->groups == 1;
  for (int64_t j = 1; j < x->count; j++) together &= x->at[j] == x->at[j - 1] + 1;
  v->runs = 0;
  v->len = together ? x->count * v->gc : v->gc;
  for (int64_t i = 0; i < y->count; i++)
    for (int64_t j = 0; j < (together ? x->count > 0 : x->count); j++)
      v->run[v->runs++] = (y->at[i] - v->y0) * v->row + (x->at[j] - v->x0) * v->c;
}

/* --- PERI_LANES bytes (places in a pooling window) as integers; the first `count` of them --- */
static inline vi places_load(const uint8_t *p, int64_t count) {
  uint8_t bytes[PERI_LANES] = {0};
  if (count < PERI_LANES) {
    for (int64_t i = 0; i < count; i++) bytes[i] = p[i];
    p = bytes;
  }
#if PERI_ISA_avx512
  return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
#elif PERI_ISA_avx2
  return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
#else
  vi v;
  for (int i = 0; i < PERI_LANES; i++) v[i] = p[i];
  return v;
#endif
}

static inline void places_store(uint8_t *p, vi v, int64_t count) {
  uint8_t bytes[PERI_LANES], *to = count < PERI_LANES ? bytes : p;
#if PERI_ISA_avx512
  _mm_storeu_si128((__m128i *)(void *)to, _mm512_cvtepi32_epi8((__m512i)v));
#elif PERI_ISA_avx2
  __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  _mm_storel_epi64((__m128i *)(void *)to, _mm_packus_epi16(halves, halves));
#else
  for (int i = 0; i < PERI_LANES; i++) to[i] = (uint8_t)v[i];
#endif
  for (int64_t i = 0; i < count && to == bytes; i++) p[i] = bytes[i];
}

/* sums[o] += dy of the cells whose winner lives, for each of oc outputs. */
static inline void places_bias(int64_t cells, int64_t oc, const float *dy, const uint8_t *winner, float *sums) {
  for (int64_t o = 0; o < oc; o += PERI_LANES) {
    int64_t width = min64(PERI_LANES, oc - o);
    int full = width == PERI_LANES;
    vf sum = vf_load_part(sums + o, width);
    for (int64_t i = o; i < o + cells * oc; i += oc) {
      vi lives = (vi)(places_load(winner + i, width) != vi_set1(255));
      sum += vf_of_bits(vi_of_bits(full ? vf_load(dy + i) : vf_load_part(dy + i, width)) & lives);
    }
    vf_store_part(sums + o, sum, width);
  }
}

/* Room for the taps of a kh x kw kernel. */
static inline int window_open(window *v, int64_t kh, int64_t kw) {
  v->memory = peri_alloc((size_t)(2 * kh + 2 * kw + kh * kw) * sizeof(int64_t));
  if (!v->memory) return PERI_ENOMEM;
  v->y.at = v->memory;
  v->y.from = v->y.at + kh;
  v->x.at = v->y.from + kh;
  v->x.from = v->x.at + kw;
  v->run = v->x.from + kw;
  return PERI_OK;
}
static inline void window_close(window *v) { peri_free(v->memory); }

/* The window of a convolution's own outputs, over its input x. */
static inline int window_forward(window *v, const peri_window *g, const float *x, int slack) {
  *v = (window){.in = x, .n = g->n, .h = g->h, .w = g->w, .c = g->c, .gh = g->oh, .gw = g->ow,
                .step_h = g->stride_h, .step_w = g->stride_w, .groups = g->groups, .gc = g->c / g->groups};
  PERI_TRY(window_open(v, g->kh, g->kw));
  axis_forward(&v->y, g->kh, g->dil_h, g->pad_top);
  axis_forward(&v->x, g->kw, g->dil_w, g->pad_left);
  window_settle(v, slack);
  return PERI_OK;
}

/* Floats of scratch memory that the region of `rows` grid rows needs. */
static inline int64_t window_scratch(const window *v, int64_t rows) {
  return v->copy ? (rows * v->step_h + v->spare_h) * v->row + WINDOW_SLACK : 0;
}

/* The pixel under tap (0, 0) of place (first, 0) of an image; rows are v->row apart. */
static inline const float *window_region(const window *v, int64_t image, int64_t first, int64_t rows,
                                         float *scratch) {
  const float *in = v->in + image * v->h * v->w * v->c;
  int64_t top = first * v->step_h + v->y0;
  if (v->runs == 0) return in;
  if (!v->copy) return in + (top * v->w + v->x0) * v->c;
  int64_t left = clamp64(-v->x0, 0, v->gx_cols), right = clamp64(v->w - v->x0, left, v->gx_cols);
  int64_t height = rows * v->step_h + v->spare_h;
  for (int64_t i = 0; i < height; i++) {
    float *to = scratch + i * v->row;
    int64_t iy = top + i, inside = iy >= 0 && iy < v->h && right > left;
    int64_t begin = inside ? left : v->gx_cols, end = inside ? right : v->gx_cols;
    memset(to, 0, (size_t)(begin * v->c) * sizeof(float));
    if (inside)
      memcpy(to + begin * v->c, in + (iy * v->w + v->x0 + begin) * v->c, (size_t)((end - begin) * v->c) * sizeof(float));
    memset(to + end * v->c, 0, (size_t)((v->gx_cols - end) * v->c) * sizeof(float));
  }
  memset(scratch + height * v->row, 0, WINDOW_SLACK * sizeof(float));
  return scratch;
}

/* Weights as panels: for each group, for each f32_WIDE of its outputs, taps x channels x f32_WIDE, zeros on
   the right. Element (tap, channel i, output o) of group g is
   from[(ky kw + kx) tap + i i_stride + o o_stride + g group]. */
typedef struct weights {
  const float *from;
  int64_t kw, tap, i_stride, o_stride, group, outputs; /* outputs of a group */
  int64_t each, depth;                                 /* panels of a group; rows of a panel */
  const window *v;
  float *panels;
} weights;

static inline void weights_pack_panel(void *context, int64_t panel) {
  const weights *s = context;
  const window *v = s->v;
  int64_t g = panel / s->each, o = panel % s->each * f32_WIDE;
  float *to = s->panels + panel * s->depth * f32_WIDE;
  const float *from = s->from + g * s->group + o * s->o_stride;
  for (int64_t i = 0; i < v->y.count; i++)
    for (int64_t j = 0; j < v->x.count; j++) {
      f32_pack_panel_rows(from + (v->y.from[i] * s->kw + v->x.from[j]) * s->tap, s->i_stride, s->o_stride, v->gc,
                          min64(s->outputs - o, f32_WIDE), to);
      to += v->gc * f32_WIDE;
    }
}

static inline int weights_pack(weights *s, const window *v) {
  s->v = v;
  s->depth = v->runs * v->len;
  s->each = blocks64(s->outputs, f32_WIDE);
  s->panels = peri_alloc((size_t)(v->groups * s->each * s->depth * f32_WIDE) * sizeof(float));
  if (!s->panels) return PERI_ENOMEM;
  peri_parallel(v->groups * s->each, weights_pack_panel, s);
  return PERI_OK;
}

/* The weights of a convolution's forward pass. */
static inline weights weights_forward(const peri_window *g, const float *kernel) {
  int64_t og = g->oc / g->groups;
  return (weights){.from = kernel, .kw = g->kw, .tap = g->c / g->groups * g->oc, .i_stride = g->oc, .o_stride = 1,
                   .group = og, .outputs = og};
}

/* conv_kernel.c: dkernel and dbias of a convolution behind ReLU and pooling, with dy spread out. */
int PERI_ISA_NAME(peri__conv_pool_kernel_dense)(const peri_conv_pool *g, const float *x, const float *dy,
                                                const uint8_t *winner, float *dkernel, float *dbias);

/* What a call returns after its pieces: the worst of their statuses, with this thread's message set. */
static inline int pieces_status(atomic_int *status, const char *what) {
  int worst = atomic_load(status);
  if (worst == PERI_ENOMEM) return peri_fail(worst, "%s: no memory for scratch space", what);
  if (worst == PERI_EINTERRUPT) return peri_fail(worst, "%s: interrupted", what);
  return worst;
}

#endif
