/* pool.c - max and average pooling of float32, a vector of channels at a time.

   x: n, h, w, c; y: n, oh, ow, c. An output cell sees the taps of its window that lie in the image:
   rows ky0..ky1-1 and columns kx0..kx1-1 of the window. Work is cut by output rows forwards and by
   images backwards, where windows may overlap. */
#include "base/threads.h"
#include "kernels/vector.h"

void PERI_ISA_NAME(peri__fill_pool)(peri_kernels *f32, peri_kernels *f64);

typedef struct job {
  const peri_window *g;
  const float *in;
  float *out;
  int32_t *winner;
  const int32_t *won;
} job;

typedef struct taps {
  int64_t ky0, ky1, kx0, kx1, count;
  int64_t iy, ix; /* the input place under tap 0, 0; it may lie outside */
} taps;

/* The first and the end of the taps k with 0 <= at + k step < size. */
static void span(int64_t at, int64_t step, int64_t taps, int64_t size, int64_t *first, int64_t *end) {
  *first = 0;
  *end = taps;
  if (at >= 0 && at + (taps - 1) * step < size) return; /* all of them: no division */
  *first = at < 0 ? (-at + step - 1) / step : 0;
  *end = at >= size ? 0 : (size - at + step - 1) / step;
  if (*end > taps) *end = taps;
  if (*first > *end) *first = *end;
}

static taps taps_of(const peri_window *g, int64_t oy, int64_t ox) {
  taps t = {.iy = oy * g->stride_h - g->pad_top, .ix = ox * g->stride_w - g->pad_left};
  span(t.iy, g->dil_h, g->kh, g->h, &t.ky0, &t.ky1);
  span(t.ix, g->dil_w, g->kw, g->w, &t.kx0, &t.kx1);
  t.count = (t.ky1 - t.ky0) * (t.kx1 - t.kx0);
  return t;
}

/* Where tap ky, kx begins in an image. */
static inline int64_t place(const peri_window *g, const taps *t, int64_t ky, int64_t kx) {
  return ((t->iy + ky * g->dil_h) * g->w + t->ix + kx * g->dil_w) * g->c;
}


/* ---------------------------------------------------------------- max */

/* v takes the place of best: it is larger, or the first NaN. */
static inline vm beats(vf v, vf best) { return vm_or(vm_gt(v, best), vm_and(vm_nan(v), vm_not(vm_nan(best)))); }

static inline void max_vector(const peri_window *g, const taps *t, const float *image, float *y, int32_t *winner,
                              int64_t count) {
  vf best = {0};
  vi won = vi_set1(-1);
  for (int64_t ky = t->ky0; ky < t->ky1; ky++)
    for (int64_t kx = t->kx0; kx < t->kx1; kx++) {
      vf v = vf_get(image + place(g, t, ky, kx), count);
      vi here = vi_set1((int32_t)(ky * g->kw + kx));
      vm take = beats(v, best);
      int first = ky == t->ky0 && kx == t->kx0;
      best = first ? v : vf_select(take, v, best);
      won = first ? here : vi_select(take, here, won);
    }
  vf_put(y, best, count);
  if (count == PERI_LANES) vi_store(winner, won);
  else vi_store_part(winner, won, count);
}

/* A whole 2x2 window without dilation. */
static inline void max_vector_2x2(const float *top, const float *bottom, int64_t c, float *y, int32_t *winner) {
  vf v = vf_load(top), best = v;
  vi won = {0};
  vm take;
  take = beats(v = vf_load(top + c), best);
  best = vf_select(take, v, best);
  won = vi_select(take, vi_set1(1), won);
  take = beats(v = vf_load(bottom), best);
  best = vf_select(take, v, best);
  won = vi_select(take, vi_set1(2), won);
  take = beats(v = vf_load(bottom + c), best);
  best = vf_select(take, v, best);
  won = vi_select(take, vi_set1(3), won);
  vf_store(y, best);
  vi_store(winner, won);
}

static void max_row(void *context, int64_t row) {
  const job *j = context;
  const peri_window *g = j->g;
  const float *image = j->in + row / g->oh * g->h * g->w * g->c;
  int square = g->kh == 2 && g->kw == 2 && g->dil_h == 1 && g->dil_w == 1;
  for (int64_t ox = 0; ox < g->ow; ox++) {
    taps t = taps_of(g, row % g->oh, ox);
    float *y = j->out + (row * g->ow + ox) * g->c;
    int32_t *winner = j->winner + (row * g->ow + ox) * g->c;
    int64_t c = 0;
    if (square && t.count == 4) {
      const float *top = image + place(g, &t, 0, 0), *bottom = top + g->w * g->c;
      for (; c + PERI_LANES <= g->c; c += PERI_LANES) max_vector_2x2(top + c, bottom + c, g->c, y + c, winner + c);
    }
    for (; c + PERI_LANES <= g->c; c += PERI_LANES) max_vector(g, &t, image + c, y + c, winner + c, PERI_LANES);
    if (c < g->c) max_vector(g, &t, image + c, y + c, winner + c, g->c - c);
  }
}

static void max_pool(const peri_window *g, const void *x, void *y, int32_t *winner) {
  job j = {.g = g, .in = x, .out = y, .winner = winner};
  peri_parallel(g->n * g->oh, max_row, &j);
}

static inline void max_back_vector(const peri_window *g, const taps *t, const float *dy, const int32_t *won,
                                   float *image, int64_t count) {
  vf d = vf_get(dy, count);
  vi who = count == PERI_LANES ? vi_load(won) : vi_load_part(won, count);
  for (int64_t ky = t->ky0; ky < t->ky1; ky++)
    for (int64_t kx = t->kx0; kx < t->kx1; kx++) {
      float *p = image + place(g, t, ky, kx);
      vm here = vm_same(who, vi_set1((int32_t)(ky * g->kw + kx)));
      vf_put(p, vf_get(p, count) + vf_select(here, d, vf_set1(0)), count);
    }
}

static void max_back_image(void *context, int64_t n) {
  const job *j = context;
  const peri_window *g = j->g;
  float *image = j->out + n * g->h * g->w * g->c;
  memset(image, 0, (size_t)(g->h * g->w * g->c) * sizeof *image);
  for (int64_t cell = 0; cell < g->oh * g->ow; cell++) {
    taps t = taps_of(g, cell / g->ow, cell % g->ow);
    int64_t at = (n * g->oh * g->ow + cell) * g->c, c = 0;
    for (; c + PERI_LANES <= g->c; c += PERI_LANES)
      max_back_vector(g, &t, j->in + at + c, j->won + at + c, image + c, PERI_LANES);
    if (c < g->c) max_back_vector(g, &t, j->in + at + c, j->won + at + c, image + c, g->c - c);
  }
}

static void max_pool_backward(const peri_window *g, const void *dy, const int32_t *winner, void *dx) {
  job j = {.g = g, .in = dy, .out = dx, .won = winner};
  peri_parallel(g->n, max_back_image, &j);
}

/* ---------------------------------------------------------------- average */

static inline void average_vector(const peri_window *g, const taps *t, const float *image, float *y, int64_t count) {
  vf total = {0};
  for (int64_t ky = t->ky0; ky < t->ky1; ky++)
    for (int64_t kx = t->kx0; kx < t->kx1; kx++) total += vf_get(image + place(g, t, ky, kx), count);
  vf_put(y, t->count ? total / (float)t->count : total, count);
}

static void average_row(void *context, int64_t row) {
  const job *j = context;
  const peri_window *g = j->g;
  const float *image = j->in + row / g->oh * g->h * g->w * g->c;
  for (int64_t ox = 0; ox < g->ow; ox++) {
    taps t = taps_of(g, row % g->oh, ox);
    float *y = j->out + (row * g->ow + ox) * g->c;
    int64_t c = 0;
    for (; c + PERI_LANES <= g->c; c += PERI_LANES) average_vector(g, &t, image + c, y + c, PERI_LANES);
    if (c < g->c) average_vector(g, &t, image + c, y + c, g->c - c);
  }
}

static void average_pool(const peri_window *g, const void *x, void *y) {
  job j = {.g = g, .in = x, .out = y};
  peri_parallel(g->n * g->oh, average_row, &j);
}

static inline void average_back_vector(const peri_window *g, const taps *t, const float *dy, float *image,
                                       int64_t count) {
  vf d = vf_get(dy, count) / (float)t->count;
  for (int64_t ky = t->ky0; ky < t->ky1; ky++)
    for (int64_t kx = t->kx0; kx < t->kx1; kx++) {
      float *p = image + place(g, t, ky, kx);
      vf_put(p, vf_get(p, count) + d, count);
    }
}

static void average_back_image(void *context, int64_t n) {
  const job *j = context;
  const peri_window *g = j->g;
  float *image = j->out + n * g->h * g->w * g->c;
  memset(image, 0, (size_t)(g->h * g->w * g->c) * sizeof *image);
  for (int64_t cell = 0; cell < g->oh * g->ow; cell++) {
    taps t = taps_of(g, cell / g->ow, cell % g->ow);
    const float *dy = j->in + (n * g->oh * g->ow + cell) * g->c;
    int64_t c = 0;
    for (; c + PERI_LANES <= g->c; c += PERI_LANES) average_back_vector(g, &t, dy + c, image + c, PERI_LANES);
    if (c < g->c) average_back_vector(g, &t, dy + c, image + c, g->c - c);
  }
}

static void average_pool_backward(const peri_window *g, const void *dy, void *dx) {
  job j = {.g = g, .in = dy, .out = dx};
  peri_parallel(g->n, average_back_image, &j);
}

void PERI_ISA_NAME(peri__fill_pool)(peri_kernels *f32, peri_kernels *f64) {
  (void)f64;
  f32->max_pool = max_pool;
  f32->max_pool_backward = max_pool_backward;
  f32->average_pool = average_pool;
  f32->average_pool_backward = average_pool_backward;
}
