/* batch_norm.c - batch normalisation, alone and with an addition, a ReLU or a pool behind it.

   Where there is a ReLU the numbers are whole and the means and shifts lie between them, so that no set's
   rounding can turn a sign; whole numbers also make the ties that a pool has to break. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check_kernels/check.h"

static const int64_t shapes[][2] = {{1, 1},  {3, 10},   {128, 10},  {7, 16},  {5, 17},    {1, 5000}, {9, 33},  {300, 3},
                                    {1000, 1}, {64, 128}, {33, 65}, {2000, 32}, {5000, 6}, {700, 48}, {1300, 112}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* size: 0 rows, 1 channels, 2 no gamma and beta, 3 no dx, 4 relu, 5 skip; the pool's geometry is in options */
static peri_norm norm_of(const check_case *c, int first) {
  peri_norm p = {.rows = c->size[0], .c = c->size[1], .relu = (int)c->size[4]};
  const int64_t *g = c->options;
  if (g) p.h = g[0], p.w = g[1], p.pool_h = g[2], p.pool_w = g[3];
  p.mean = c->in[first].data;
  p.inv = c->in[first + 1].data;
  p.gamma = c->size[2] ? NULL : c->in[first + 2].data;
  p.beta = c->size[2] ? NULL : c->in[first + 3].data;
  return p;
}
static void run_moments(const peri_kernels *k, check_case *c) {
  c->status = k->channel_moments(c->size[0], c->size[1], c->in[0].data, c->out[0].data, c->out[1].data);
}
static void run_normalise(const peri_kernels *k, check_case *c) {
  peri_norm p = norm_of(c, 2);
  k->channel_normalise(&p, c->in[0].data, c->size[5] ? c->in[1].data : NULL, c->out[0].data);
}
static void run_backward(const peri_kernels *k, check_case *c) {
  peri_norm p = norm_of(c, 3);
  int masked = c->size[4] && c->size[5];
  c->status = k->channel_normalise_backward(&p, c->in[0].data, masked ? c->in[1].data : NULL, c->in[2].data,
                                            c->size[3] ? NULL : c->out[2].data, masked ? c->out[3].data : NULL,
                                            c->out[0].data, c->out[1].data);
}
static void run_pool(const peri_kernels *k, check_case *c) {
  peri_norm p = norm_of(c, 1);
  k->channel_normalise_pool(&p, c->in[0].data, c->out[0].data, c->out[1].data, c->out[2].data);
}
static void run_pool_backward(const peri_kernels *k, check_case *c) {
  peri_norm p = norm_of(c, 4);
  c->status = k->channel_normalise_pool_backward(&p, c->in[0].data, c->in[1].data, c->in[2].data, c->in[3].data,
                                                 c->size[3] ? NULL : c->out[2].data, c->out[0].data, c->out[1].data);
}

/* Means, inverse deviations, gamma (of both signs) and beta, in the order of norm_of. */
static void constants(check_case *c, int64_t channels, int relu) {
  int mean = check_in(c, channels, 3, 7, 1);
  for (int64_t i = 0; relu && i < channels; i++) check_set(&c->in[mean], i, check_get(&c->in[mean], i) + 0.5);
  check_in(c, channels, 0.5, 2, 0);
  int gamma = check_in(c, channels, 0.5, 2, 0);
  for (int64_t i = 0; i < channels; i += 3) check_set(&c->in[gamma], i, -check_get(&c->in[gamma], i));
  check_in(c, channels, -0.05, 0.05, 0);
}

static void named(check_case *c, const char *entry, void (*run)(const peri_kernels *, check_case *), int64_t rows,
                  int64_t channels, int bits) {
  check_begin(c, entry, run);
  c->size[0] = rows;
  c->size[1] = channels;
  c->size[2] = bits & 1;
  c->size[3] = bits >> 1 & 1;
  c->size[4] = bits >> 2 & 1;
  c->size[5] = bits >> 3 & 1;
  snprintf(c->shape, sizeof c->shape, "%lld rows of %lld%s%s%s%s", (long long)rows, (long long)channels,
           bits & 1 ? ", no gamma" : "", bits & 2 ? ", no dx" : "", bits & 4 ? ", relu" : "", bits & 8 ? ", skip" : "");
}

static void moments(int s, double mean) {
  check_case c;
  named(&c, "channel_moments", run_moments, shapes[s][0], shapes[s][1], 0);
  int64_t n = shapes[s][0] * shapes[s][1];
  check_in(&c, n, mean - 1, mean + 1, 0);
  for (int64_t i = 0; i < n / 4; i++) check_set(&c.in[0], i, mean); /* first rows that are not like the others */
  check_out(&c, CHECK_REAL, shapes[s][1]);
  check_out(&c, CHECK_REAL, shapes[s][1]);
  c.rel = 1e-6, c.abs = 1e-7;
  check_case_run(&c);
}

static void normalise(int s, int bits) {
  int64_t rows = shapes[s][0], channels = shapes[s][1], n = rows * channels;
  check_case c;
  named(&c, "channel_normalise", run_normalise, rows, channels, bits);
  check_in(&c, n, 0, 10, bits >> 2 & 1);
  check_in(&c, n, -0.02, 0.02, 0);
  constants(&c, channels, bits >> 2 & 1);
  check_out(&c, CHECK_REAL, n);
  c.rel = 3e-6, c.abs = 3e-6;
  check_case_run(&c);

  named(&c, "channel_normalise_backward", run_backward, rows, channels, bits);
  check_in(&c, n, 0, 10, bits >> 2 & 1);
  int y = check_in(&c, n, -1, 1, 0);
  for (int64_t i = 0; i < n; i += 2) check_set(&c.in[y], i, 0); /* what a ReLU clamped */
  check_in(&c, n, -1, 1, 0);
  constants(&c, channels, bits >> 2 & 1);
  check_out(&c, CHECK_REAL, channels);
  check_out(&c, CHECK_REAL, channels);
  check_out(&c, CHECK_REAL, n);
  if (bits & 4 && bits & 8) check_out(&c, CHECK_REAL, n); /* of the skip */
  c.rel = 5e-6, c.abs = 3e-6 * (1 + sqrt((double)rows));
  check_case_run(&c);
}

static void pools(int bits) {
  int64_t g[4] = {check_integer(2, 9), check_integer(3, 9), check_integer(1, 2), check_integer(1, 3)};
  int64_t n = check_integer(1, 40), channels = check_integer(1, 5) == 1 ? 64 : check_integer(1, 70);
  int64_t rows = n * g[0] * g[1], cells = n * (g[0] / g[2]) * (g[1] / g[3]) * channels;
  int relu = bits >> 2 & 1;
  check_case c;
  for (int back = 0; back < 2; back++) {
    named(&c, back ? "channel_normalise_pool_backward" : "channel_normalise_pool", back ? run_pool_backward : run_pool,
          rows, channels, bits & 7);
    snprintf(c.shape, sizeof c.shape, "%lld images %lld x %lld x %lld, pool %lld x %lld, relu %d", (long long)n,
             (long long)g[0], (long long)g[1], (long long)channels, (long long)g[2], (long long)g[3], relu);
    c.options = g;
    check_in(&c, rows * channels, 0, 10, 1);
    if (back) {
      check_in(&c, cells, 0, 10, 1);
      check_in_kind(&c, CHECK_U8, cells, 0, g[2] * g[3] - 1);
      check_in(&c, cells, -1, 1, 0);
    }
    constants(&c, channels, 1);
    if (back) { /* `top` and `winner` as the forward pass leaves them */
      peri_norm p = norm_of(&c, 4);
      void *y = malloc((size_t)cells * sizeof(double));
      if (y) check_reference->channel_normalise_pool(&p, c.in[0].data, y, c.in[1].data, c.in[2].data);
      free(y);
    }
    check_out(&c, CHECK_REAL, back ? channels : cells);
    check_out(&c, CHECK_REAL, back ? channels : cells);
    check_out(&c, back ? CHECK_REAL : CHECK_U8, back ? rows * channels : cells);
    c.rel = 5e-6, c.abs = 3e-6 * (back ? 1 + sqrt((double)rows) : 1);
    check_case_run(&c);
  }
}

void check_batch_norm(void) {
  if (!CHECK_OWN(channel_normalise)) return;
  for (int s = 0; s < SHAPES; s++) {
    moments(s, 0);
    moments(s, 100);
    for (int bits = 0; bits < 16; bits++) normalise(s, bits);
  }
  for (int i = 0; i < 80; i++) pools(i & 7);
}
