/* ground.c - the ground under the ink, however it is lit.

   The ground is taken for a smooth surface: first a plane through the picture's border, then a quadratic
   through every pixel that is near it, both by least absolute differences (reweighted least squares), so
   that the ink, which is the exception, hardly pulls. What is left is ink on one side of the ground. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "image/ink.h"

enum { TERMS = 6, BINS = 256, ENOUGH = 10000 };

typedef struct surface {
  int terms; /* 3: plane, 6: quadratic */
  double c[TERMS];
} surface;

static void basis(const peri_grid *g, int64_t y, int64_t x, double b[TERMS]) {
  double u = 2 * ((double)x + 0.5) / (double)g->w - 1, t = 2 * ((double)y + 0.5) / (double)g->h - 1;
  b[0] = 1, b[1] = u, b[2] = t, b[3] = u * u, b[4] = u * t, b[5] = t * t;
}

static double height_of(const surface *s, const double b[TERMS]) {
  double sum = 0;
  for (int i = 0; i < s->terms; i++) sum += s->c[i] * b[i];
  return sum;
}

/* Solves a x = b in place by Gauss with pivots; what cannot be told apart gets 0. */
static void solve(int n, double a[TERMS][TERMS + 1], double x[TERMS]) {
  for (int i = 0; i < n; i++) {
    int best = i;
    for (int k = i + 1; k < n; k++) best = fabs(a[k][i]) > fabs(a[best][i]) ? k : best;
    for (int j = 0; j <= n; j++) {
      double kept = a[i][j];
      a[i][j] = a[best][j];
      a[best][j] = kept;
    }
    for (int k = i + 1; fabs(a[i][i]) > 1e-12 && k < n; k++) {
      double factor = a[k][i] / a[i][i];
      for (int j = i; j <= n; j++) a[k][j] -= factor * a[i][j];
    }
  }
  for (int i = n - 1; i >= 0; i--) {
    double sum = a[i][n];
    for (int j = i + 1; j < n; j++) sum -= a[i][j] * x[j];
    x[i] = fabs(a[i][i]) > 1e-12 ? sum / a[i][i] : 0;
  }
}

/* One weighted fit over the pixels of `use`, of large pictures a regular part of them; weights 1 / |difference
   from the surface before|. */
static void fit_once(const peri_grid *g, const uint8_t *use, surface *s, bool weighted) {
  double a[TERMS][TERMS + 1] = {{0}};
  int64_t step = 1 + (int64_t)sqrt((double)(g->h * g->w) / ENOUGH);
  for (int64_t y = 0; y < g->h; y++) {
    for (int64_t x = y % step; x < g->w; x += step) {
      if (!use[y * g->w + x]) continue;
      double b[TERMS], value = g->v[y * g->w + x];
      basis(g, y, x, b);
      double difference = weighted ? fabs(value - height_of(s, b)) : 1, weight = 1 / (difference + 0.004);
      for (int i = 0; i < s->terms; i++) {
        for (int j = 0; j < s->terms; j++) a[i][j] += weight * b[i] * b[j];
        a[i][s->terms] += weight * b[i] * value;
      }
    }
  }
  solve(s->terms, a, s->c);
}

static void fit(const peri_grid *g, const uint8_t *use, surface *s) {
  fit_once(g, use, s, false);
  for (int i = 0; i < 8; i++) fit_once(g, use, s, true);
}

/* Otsu's threshold: the split of the values 0..most that leaves the least spread inside its two parts. */
static float split_of(const peri_grid *g, const float *difference, float most) {
  double count[BINS] = {0}, all = 0, sum = 0, below = 0, sum_below = 0, best = -1;
  int at = 0;
  for (int64_t i = 0; i < g->h * g->w; i++) count[(int)fminf(fabsf(difference[i]) / most * BINS, BINS - 1)]++;
  for (int i = 0; i < BINS; i++) all += count[i], sum += i * count[i];
  for (int i = 0; i < BINS - 1; i++) {
    below += count[i], sum_below += i * count[i];
    if (below == 0 || below == all) continue;
    double apart = sum_below / below - (sum - sum_below) / (all - below), spread = below * (all - below) * apart * apart;
    if (spread > best) best = spread, at = i;
  }
  return most * (float)(at + 1) / BINS;
}

static float subtract(const peri_grid *g, const surface *s, float *difference) {
  float most = 1e-6f;
  for (int64_t y = 0; y < g->h; y++) {
    for (int64_t x = 0; x < g->w; x++) {
      double b[TERMS];
      basis(g, y, x, b);
      float d = g->v[y * g->w + x] - (float)height_of(s, b);
      difference[y * g->w + x] = d;
      most = fmaxf(most, fabsf(d));
    }
  }
  return most;
}

static int compare(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* The ground's surface out of the border, then out of all that is near; difference = v - surface. `use`
   is left on the pixels of the ground. */
static void fit_ground(const peri_grid *g, uint8_t *use, float *difference) {
  int64_t n = g->h * g->w, side = g->h < g->w ? g->h : g->w, ring = side / 16 + 1;
  surface s = {.terms = 3};
  for (int64_t y = 0; y < g->h; y++) {
    for (int64_t x = 0; x < g->w; x++) {
      use[y * g->w + x] = y < ring || x < ring || y >= g->h - ring || x >= g->w - ring;
    }
  }
  fit(g, use, &s);
  float most = subtract(g, &s, difference);
  for (int round = 0; round < 2; round++) {
    float near = split_of(g, difference, most);
    for (int64_t i = 0; i < n; i++) use[i] = fabsf(difference[i]) < near;
    s.terms = side >= 32 ? TERMS : 3;
    fit(g, use, &s);
    most = subtract(g, &s, difference);
  }
}

/* A rendered drawing's ground needs no fitting: most of the picture has exactly the value of its first pixel. */
static bool flat_ground(const peri_grid *g, uint8_t *use, float *difference) {
  int64_t n = g->h * g->w, same = 0;
  for (int64_t i = 0; i < n; i++) {
    difference[i] = g->v[i] - g->v[0];
    use[i] = difference[i] == 0;
    same += use[i];
  }
  return 2 * same > n;
}

/* 1 when the ink is lighter than the ground, -1 when it is darker. */
static float side_of_ink(const peri_grid *g, const float *difference, const uint8_t *ground) {
  double sum = 0;
  for (int64_t i = 0; i < g->h * g->w; i++) sum += ground[i] ? 0 : (double)difference[i] * fabs((double)difference[i]);
  return sum < 0 ? -1 : 1;
}

/* `sorted` has room for every pixel. The ink's level is the median of what passes half of the strongest
   differences; a handful of stray pixels is passed over. */
static float level_of(const peri_grid *g, float *sorted, float noise) {
  int64_t n = g->h * g->w, stray = n / 2000 + 4, count = 0;
  memcpy(sorted, g->v, (size_t)n * sizeof *sorted);
  qsort(sorted, (size_t)n, sizeof *sorted, compare);
  float threshold = fmaxf(0.4f * sorted[n > stray ? n - 1 - stray : 0], 5 * noise);
  while (count < n && sorted[n - 1 - count] > threshold) count++;
  return count ? sorted[n - 1 - count / 2] : 0;
}

static float noise_of(const peri_grid *g, const float *difference, const uint8_t *ground, float *sorted) {
  int64_t count = 0;
  for (int64_t i = 0; i < g->h * g->w; i++) {
    if (ground[i]) sorted[count++] = fabsf(difference[i]);
  }
  if (count == 0) return 0;
  qsort(sorted, (size_t)count, sizeof *sorted, compare);
  return 1.4826f * sorted[count / 2];
}

int peri__ink_find(peri_grid *g, int ink, float *level, float *noise) {
  enum { LEAST_CONTRAST = 16 }; /* of 255 */
  int64_t n = g->h * g->w;
  float *difference = peri_alloc((size_t)n * sizeof *difference), *sorted = peri_alloc((size_t)n * sizeof *sorted);
  uint8_t *ground = peri_alloc((size_t)n);
  int status = difference && sorted && ground ? PERI_OK : PERI_ENOMEM;
  if (status >= 0) {
    if (!flat_ground(g, ground, difference)) fit_ground(g, ground, difference);
    float towards = ink ? (float)ink : side_of_ink(g, difference, ground);
    *noise = noise_of(g, difference, ground, sorted);
    for (int64_t i = 0; i < n; i++) g->v[i] = fmaxf(0, towards * difference[i]);
    *level = level_of(g, sorted, *noise);
    if (!(*level * 255 >= LEAST_CONTRAST && *level > 6 * *noise)) {
      status = peri_fail(PERI_EARG, "the picture shows no ink: what stands out most differs from its ground by %.1f of "
                         "255, and the ground itself varies by %.1f", (double)*level * 255, (double)*noise * 255);
    }
  }
  peri_free(difference);
  peri_free(sorted);
  peri_free(ground);
  return status;
}
