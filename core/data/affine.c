/* affine.c - flip, shear, scale, rotation and shift about a picture's centre, as one map.

   With x to the right and y down, a point of the stored picture goes to  R H S (p - centre) + centre + shift,
   where S scales and flips, H shears and R rotates; resampling wants the inverse. Quarter turns, flips and shifts of
   whole pixels come out exact. */
#include <math.h>
#include <string.h>

#include "data/augment.h"

static const double DEGREE = 0.017453292519943295;

/* Exact at multiples of 90 degrees. */
static void turn_of(double degrees, double *cosine, double *sine) {
  static const int quarters[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
  double rest = fmod(degrees, 360);
  if (rest < 0) rest += 360;
  if (fmod(rest, 90) == 0) {
    *cosine = quarters[(int)(rest / 90) % 4][0];
    *sine = quarters[(int)(rest / 90) % 4][1];
  } else {
    *cosine = cos(rest * DEGREE);
    *sine = sin(rest * DEGREE);
  }
}

/* Pixels, of which a range within -1..1 is a part of the side. */
static double shift_of(uint64_t key, uint64_t number, peri_range r, int64_t side) {
  bool part = r.low > -1 && r.high < 1;
  return peri__draw_range(key, number, r) * (part ? (double)side : 1);
}

/* a = a b, 2 x 2 by rows */
static void multiply(double a[4], const double b[4]) {
  double c[4] = {a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2],
                 a[2] * b[1] + a[3] * b[3]};
  memcpy(a, c, sizeof c);
}

void peri__affine_draw(peri_augment_draw *d, const peri_augment *a, uint64_t key, int64_t h, int64_t w) {
  uint64_t number = 2 * PERI__DRAW_AFFINE;
  double cosine, sine;
  turn_of(peri__draw_range(key, number, a->rotation), &cosine, &sine);
  double scale = peri__draw_range(key, number + 1, a->scale);
  double scale_x = scale * peri__draw_range(key, number + 2, a->scale_x);
  double scale_y = scale * peri__draw_range(key, number + 3, a->scale_y);
  double shear_x = tan(peri__draw_range(key, number + 4, a->shear_x) * DEGREE);
  double shear_y = tan(peri__draw_range(key, number + 5, a->shear_y) * DEGREE);
  double shift_x = shift_of(key, number + 6, a->shift_x, w), shift_y = shift_of(key, number + 7, a->shift_y, h);
  if (peri__draw_unit(key, number + 8) < a->flip_horizontal) scale_x = -scale_x;
  if (peri__draw_unit(key, number + 9) < a->flip_vertical) scale_y = -scale_y;

  /* (x, y) in the batch -> (x, y) in the store: S^-1 H^-1 R^-1, with H = (1, -shear_x; -shear_y, 1) */
  double m[4] = {1 / scale_x, 0, 0, 1 / scale_y}, room = 1 - shear_x * shear_y;
  multiply(m, (double[]){1 / room, shear_x / room, shear_y / room, 1 / room});
  multiply(m, (double[]){cosine, -sine, sine, cosine}); /* counter-clockwise with y down is (cos, sin; -sin, cos) */
  double x0 = (double)(w - 1) / 2, y0 = (double)(h - 1) / 2;
  double x1 = x0 + shift_x, y1 = y0 + shift_y; /* where the centre goes */
  const double map[6] = {m[3], m[2], y0 - m[3] * y1 - m[2] * x1, m[1], m[0], x0 - m[1] * y1 - m[0] * x1};
  static const double same[6] = {1, 0, 0, 0, 1, 0};
  memcpy(d->map, map, sizeof map);
  for (int i = 0; i < 6; i++) d->moved |= map[i] != same[i];
}
