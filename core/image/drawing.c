/* drawing.c - what a pen has drawn, as the net is to see it: the way of perilune.draw's programs, for all of a drawing as
   one digit. The strokes are rendered larger than the net sees them, with a pen that befits what is written; the ink's
   pieces together are then cut out, shrunk and centred (pieces.c, digit.c). */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "image/image.h"
#include "image/stroke.h"

enum { RENDER = 6 * 28 };

static const double BROADEST = 0.13, /* of a digit's height */
    STEP = 1.12,                     /* a pen's width changes in steps, so that a stroke's next point does not draw all anew */
    LEAST_PIXELS = 2, SLACK = 1.1;

double peri_stroke_befitting(const peri_area *box, double pen, int64_t side) {
  double size = (double)side;
  double height = fmax(0, (double)(box->bottom - box->top) / size - pen);
  double width = fmax(0, (double)(box->right - box->left) / size - pen);
  /* written in a row, digits are a fifth of it wide or more */
  double most = BROADEST / (1 - BROADEST) * fmax(height, width / 5);
  return fmax(LEAST_PIXELS / size, pow(STEP, floor(log(fmax(most, 1e-6)) / log(STEP))));
}

bool peri_stroke_befits(double pen, double befitting) { return pen <= SLACK * befitting; }

/* A coordinate on the square: a canvas keeps whole millionths, from -1 to 2 sides. */
static double placed(double value, double size, double side) {
  enum { FINENESS = 1000000 };
  double at = (value + (side - size) / 2) / side;
  return floor(fmin(fmax(at, -1), 2) * FINENESS + 0.5) / FINENESS;
}

/* One stroke, some points at a time, each time from the last of those before. */
static int ink_stroke(peri_tensor *picture, const peri_image_drawing *d, const double *points, int64_t count, double radius) {
  enum { AT_ONCE = 256 };
  double part[2 * AT_ONCE], side = fmax(d->width, d->height);
  peri_area changed = {0};
  for (int64_t from = 0;;) {
    int64_t n = count - from < AT_ONCE ? count - from : AT_ONCE;
    for (int64_t i = 0; i < n; i++) {
      part[2 * i] = placed(points[2 * (from + i)], d->width, side) * RENDER;
      part[2 * i + 1] = placed(points[2 * (from + i) + 1], d->height, side) * RENDER;
    }
    PERI_TRY(peri_stroke_draw(picture, &(peri_stroke){part, n, radius, false}, NULL, &changed));
    if (from + n == count) return PERI_OK;
    from += n - 1;
  }
}

/* The drawing with a pen of so many sides. */
static int ink_strokes(peri_tensor *picture, const peri_image_drawing *d, double pen) {
  const double *points = d->points;
  double radius = fmax(0.5, pen * RENDER / 2);
  memset(peri_tensor_data(picture), 0, (size_t)peri_tensor_count(picture) * sizeof(float));
  for (int64_t i = 0; i < d->strokes; i++) {
    PERI_TRY(ink_stroke(picture, d, points, d->lengths[i], radius));
    points += 2 * d->lengths[i];
  }
  return PERI_OK;
}

static bool is_empty(const peri_area *box) { return box->bottom <= box->top; }

/* The drawing with the pen that befits it. false: nothing is there. */
static int ink_befitting(bool *any, peri_tensor *picture, const peri_image_drawing *d) {
  double pen = fmin(fmax(d->pen / fmax(d->width, d->height), 1e-4), 1);
  peri_area box;
  PERI_TRY(ink_strokes(picture, d, pen));
  PERI_TRY(peri_stroke_box(&box, picture, 0.5f));
  *any = !is_empty(&box);
  double befitting = peri_stroke_befitting(&box, pen, RENDER);
  if (!*any || peri_stroke_befits(pen, befitting)) return PERI_OK;
  PERI_TRY(ink_strokes(picture, d, befitting));
  PERI_TRY(peri_stroke_box(&box, picture, 0.5f));
  return is_empty(&box) ? ink_strokes(picture, d, pen) : PERI_OK; /* strokes beside the canvas, of which only the rim was on it */
}

static int digit_of(peri_tensor **out, const peri_tensor *picture) {
  peri_image_piece pieces[PERI_IMAGE_PIECES_MOST];
  bool chosen[PERI_IMAGE_PIECES_MOST + 1] = {false};
  peri_tensor *labels;
  peri_image_place place;
  int count;
  PERI_TRY(peri_image_pieces(&labels, pieces, &count, picture));
  for (int i = 1; i <= count; i++) chosen[i] = true;
  int status = peri_image_pieces_digit(out, &place, picture, labels, chosen, PERI_IMAGE_THICKEN);
  peri_tensor_release(labels);
  return status;
}

int peri_image_drawing_digit(peri_tensor **out, const peri_image_drawing *drawing) {
  peri_tensor *picture;
  bool any = false;
  *out = NULL;
  PERI_TRY(peri_tensor_new(&picture, PERI_F32, 3, (const int64_t[]){RENDER, RENDER, 1}));
  int status = ink_befitting(&any, picture, drawing);
  if (status >= 0 && any) status = digit_of(out, picture);
  peri_tensor_release(picture);
  return status;
}
