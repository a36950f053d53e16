/* pictures.c - resample, blur and signed_noise: odd sizes, one and many channels, places far outside. */
#include <stdio.h>

#include "check_kernels/check.h"

static void run_resample(const peri_kernels *k, check_case *c) {
  const peri_resample *g = c->options;
  k->resample(g, c->in[0].data, c->ins > 1 ? c->in[1].data : NULL, c->ins > 1 ? c->in[2].data : NULL, c->out[0].data);
}

static void check_one_resample(int64_t h, int64_t w, int64_t channels, int displaced, double reach) {
  check_case c;
  peri_resample g = {.h = h, .w = w, .c = channels};
  for (int i = 0; i < 6; i++) g.map[i] = check_uniform(-reach, reach);
  check_begin(&c, "resample", run_resample);
  snprintf(c.shape, sizeof c.shape, "h %lld, w %lld, c %lld, displaced %d, reach %g", (long long)h, (long long)w,
           (long long)channels, displaced, reach);
  c.options = &g;
  check_in(&c, (h + 3) * (w + 3) * channels, -1, 1, 0);
  if (displaced) {
    check_in(&c, h * w, -3, 3, 0);
    check_in(&c, h * w, -3, 3, 0);
  }
  check_out(&c, CHECK_REAL, h * w * channels);
  c.rel = 1e-5, c.abs = 3e-6 * (double)(h + w); /* coordinates are rounded to the set's floats */
  check_case_run(&c);
}

static void run_blur(const peri_kernels *k, check_case *c) {
  k->blur(c->size[0], c->size[1], c->size[2], c->in[0].data, c->in[1].data, c->out[1].data, c->out[0].data);
}

static void check_one_blur(int64_t h, int64_t w, int64_t radius) {
  check_case c;
  check_begin(&c, "blur", run_blur);
  snprintf(c.shape, sizeof c.shape, "h %lld, w %lld, radius %lld", (long long)h, (long long)w, (long long)radius);
  c.size[0] = h, c.size[1] = w, c.size[2] = radius;
  check_in(&c, 2 * radius + 1, 0, 1, 0);
  for (int64_t i = 0; i < radius; i++) check_set(&c.in[0], 2 * radius - i, check_get(&c.in[0], i));
  check_in(&c, h * w, -1, 1, 0);
  check_out(&c, CHECK_REAL, h * w);
  check_out(&c, CHECK_REAL, h * w); /* scratch */
  c.ignore = 2;
  c.rel = 1e-5, c.abs = 1e-6 * (double)((2 * radius + 1) * (2 * radius + 1));
  check_case_run(&c);
}

static void run_noise(const peri_kernels *k, check_case *c) {
  k->signed_noise(0x0123456789abcdefU, (uint64_t)c->size[1], c->size[0], 1.5, c->out[0].data);
}

static void run_normal(const peri_kernels *k, check_case *c) {
  k->normal_noise(0x0123456789abcdefU, (uint64_t)c->size[1], c->size[0], 1.5, c->out[0].data);
}

static void check_one_noise(const char *entry, void (*run)(const peri_kernels *, check_case *), int64_t n,
                            int64_t position) {
  check_case c;
  check_begin(&c, entry, run);
  snprintf(c.shape, sizeof c.shape, "n %lld from %lld", (long long)n, (long long)position);
  c.size[0] = n, c.size[1] = position;
  check_out(&c, CHECK_REAL, n);
  c.rel = 3e-6, c.abs = 3e-6;
  check_case_run(&c);
}

void check_pictures(void) {
  static const int64_t sides[][2] = {{1, 1}, {1, 17}, {5, 3}, {28, 28}, {16, 32}, {33, 7}, {9, 100}};
  for (int s = 0; s < 7; s++) {
    int64_t h = sides[s][0], w = sides[s][1];
    for (int form = 0; CHECK_OWN(resample) && form < 8; form++)
      check_one_resample(h, w, form < 4 ? 1 : check_integer(2, 5), form & 1, form & 2 ? 30 : 1.2);
    for (int64_t radius = 0; CHECK_OWN(blur) && radius < 20; radius += 3) check_one_blur(h, w, radius);
  }
  if (CHECK_OWN(blur)) check_one_blur(3, 2100, 2);
  for (int64_t n = 0; n < 3000; n += n < 600 ? 53 : 777) {
    if (CHECK_OWN(signed_noise)) check_one_noise("signed_noise", run_noise, n, n % 2 ? 0xfffffff8 : 77);
    if (CHECK_OWN(normal_noise)) check_one_noise("normal_noise", run_normal, n, n % 2 ? 0xfffffff8 : 77);
  }
}
