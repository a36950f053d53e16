/* digits.c - MNIST's preprocessing on drawn strokes whose right result is known by construction. */
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "samples.h"

static const peri_digit_options look = {0, 0};

typedef struct scene {
  int h, w;
  double top, left, size; /* where the figure stands, and its height */
  float ground, ink;      /* brightness */
  float slope, noise;     /* of the light across the picture; of the grain */
} scene;

static double distance(double y, double x, double y0, double x0, double y1, double x1) {
  double dy = y1 - y0, dx = x1 - x0, t = ((y - y0) * dy + (x - x0) * dx) / (dy * dy + dx * dx);
  t = t < 0 ? 0 : t > 1 ? 1 : t;
  return hypot(y - y0 - t * dy, x - x0 - t * dx);
}

/* A four: unlike itself under every turn and reflection. The unit square's coverage at (y, x). */
static double four(double y, double x) {
  double d = fmin(distance(y, x, .07, .42, .62, .10), fmin(distance(y, x, .62, .10, .62, .68), distance(y, x, .40, .50, .93, .50)));
  return d < .07 ? 1 : 0;
}

static peri_tensor *draw(const scene *s) {
  peri_tensor *t = NULL;
  peri_rng rng = {.key = 5, .position = 0};
  CHECK(peri_tensor_new(&t, PERI_F32, 3, (int64_t[]){s->h, s->w, 1}) == PERI_OK);
  float *v = peri_tensor_data(t);
  for (int y = 0; y < s->h; y++) {
    for (int x = 0; x < s->w; x++) {
      double cover = 0;
      for (int k = 0; k < 16; k++) {
        cover += four((y + (k / 4 + .5) / 4 - s->top) / s->size, (x + (k % 4 + .5) / 4 - s->left) / s->size) / 16;
      }
      double light = 1 + s->slope * ((double)x / s->w - .5) + s->slope * s->slope * ((double)y / s->h - .5);
      double value = (s->ground + (s->ink - s->ground) * cover) * light + s->noise * (peri_rng_double(&rng) - .5);
      v[y * s->w + x] = (float)fmin(1, fmax(0, value));
    }
  }
  return t;
}

static double correlation(const peri_tensor *a, const peri_tensor *b) {
  const float *x = peri_tensor_data(a), *y = peri_tensor_data(b);
  double n = 784, sx = 0, sy = 0, xx = 0, yy = 0, xy = 0;
  for (int i = 0; i < 784; i++) sx += x[i], sy += y[i], xx += x[i] * x[i], yy += y[i] * y[i], xy += x[i] * y[i];
  return (xy - sx * sy / n) / sqrt((xx - sx * sx / n) * (yy - sy * sy / n));
}

static peri_tensor *digit_of(const scene *s) {
  peri_tensor *t = draw(s), *d = NULL;
  CHECK(peri_image_digit(&d, t, &look) == PERI_OK);
  peri_tensor_release(t);
  return d;
}

static void check_shape(const peri_tensor *d) {
  double mass = 0, y = 0, x = 0;
  float most = 0;
  int64_t top = 28, bottom = 0;
  CHECK(d->dtype == PERI_F32 && d->ndim == 3 && d->shape[0] == 28 && d->shape[1] == 28 && d->shape[2] == 1);
  for (int64_t i = 0; i < 28; i++) {
    for (int64_t j = 0; j < 28; j++) {
      float v = pixel(d, i, j, 0);
      mass += v, y += v * (double)i, x += v * (double)j;
      most = fmaxf(most, v);
      if (v > .1f) top = top < i ? top : i, bottom = i;
    }
  }
  CHECK(most == 1 && fabs(y / mass - 14) <= .51 && fabs(x / mass - 14) <= .51);
  CHECK(bottom - top + 1 >= 19 && bottom - top + 1 <= 20); /* a four is taller than wide */
}

void test_digits(void) {
  static const scene plain = {280, 280, 40, 40, 200, 1, 0, 0, 0};
  static const scene scenes[] = {
      {280, 280, 40, 40, 200, 0, 1, 0, 0},         /* light on dark */
      {300, 900, 150, 600, 120, .9f, .2f, 0, 0},   /* small, in a corner */
      {2000, 1500, 300, 200, 1100, .95f, .1f, 0, .05f}, /* larger than the working size */
      {400, 400, 90, 90, 220, .75f, .15f, .6f, .08f},   /* lit from one side, grainy */
      {400, 400, 90, 90, 220, .3f, .8f, .4f, .05f},     /* chalk */
      {64, 48, 8, 4, 44, 1, 0, 0, 0},              /* small file */
      {220, 220, 2, 2, 216, 1, 0, 0, 0},           /* fills the picture */
  };
  peri_tensor *first = digit_of(&plain), *d, *t;
  check_shape(first);
  for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
    if (!(d = digit_of(&scenes[i]))) continue;
    check_shape(d);
    double r = correlation(first, d);
    if (r < .9) printf("scene %d correlates by %.3f\n", (int)i, r);
    CHECK(r >= .9); /* the centre of mass may round to the pixel beside */
    peri_tensor_release(d);
  }
  /* specks and the dark edge of a table do not move it */
  t = draw(&plain);
  float *v = peri_tensor_data(t);
  for (int y = 0; y < 280; y++) {
    for (int x = 0; x < 12; x++) v[y * 280 + x] = .1f;
  }
  for (int k = 0; k < 9; k++) v[(260 + k / 3) * 280 + 260 + k % 3] = 0;
  CHECK(peri_image_digit(&d, t, &look) == PERI_OK && correlation(first, d) > .95);
  peri_tensor_release(d), peri_tensor_release(t);
  /* a hair line becomes a stroke when asked */
  for (int thick = 0; thick < 2; thick++) {
    double mass = 0;
    CHECK(peri_tensor_full(&t, PERI_F32, 2, (int64_t[]){200, 200}, 1) == PERI_OK);
    for (int y = 20; y < 180; y++) ((float *)peri_tensor_data(t))[y * 200 + 60 + y / 3] = 0;
    CHECK(peri_image_digit(&d, t, &(peri_digit_options){0, thick ? 2 : 0}) == PERI_OK);
    for (int i = 0; d && i < 784; i++) mass += ((float *)peri_tensor_data(d))[i] > .5f;
    CHECK(thick ? mass > 30 && mass < 60 : mass < 30);
    peri_tensor_release(d), peri_tensor_release(t);
  }
  /* no ink: blank, grain alone, too faint */
  const scene blanks[] = {{100, 100, 0, 0, 80, 1, 1, 0, 0}, {100, 100, 0, 0, 80, .5f, .5f, .3f, .2f}, {100, 100, 10, 10, 80, .5f, .52f, 0, 0}, {1, 1, 0, 0, 1, .5f, .5f, 0, 0}};
  for (int i = 0; i < 4; i++) {
    t = draw(&blanks[i]);
    CHECK(peri_image_digit(&d, t, &look) == PERI_EARG && d == NULL && says("no ink"));
    peri_tensor_release(t);
  }
  peri_tensor_release(first);
}
