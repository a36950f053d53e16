/* digit.c - what MNIST's makers did to a scanned digit, for any picture of one.

   The ink is found and cleaned (ground.c, strokes.c), its box scaled so that the longer side is 20 pixels
   with antialiasing, and the result put into 28 x 28 so that its centre of mass lies on the pixel with
   index 14, 14 counted from 0: in every one of MNIST's own pictures it lies within half a pixel of it. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "image/ink.h"
#include "image/internal.h"

enum { FIELD = 28, BOX = 20, CENTRE = 14 };

/* Grey, with a longer side of at most PERI_IMAGE_INK_SIDE. */
static int prepare(peri_tensor **out, const peri_tensor *image) {
  peri_tensor *grey;
  PERI_TRY(peri_image_grey(&grey, image));
  int64_t h = grey->shape[0], w = grey->shape[1], side = h > w ? h : w;
  if (side <= PERI_IMAGE_INK_SIDE) {
    *out = grey;
    return PERI_OK;
  }
  int64_t height = h * PERI_IMAGE_INK_SIDE / side, width = w * PERI_IMAGE_INK_SIDE / side;
  int status = peri_image_resize(out, grey, height < 1 ? 1 : height, width < 1 ? 1 : width, PERI_FILTER_AREA);
  peri_tensor_release(grey);
  return status;
}

/* The ink of a picture; *side is the longer side of its box. */
static int find_ink(peri_tensor **out, const char *op, const peri_tensor *image, int ink, int64_t *side) {
  peri_tensor *grid;
  float level, noise;
  PERI_TRY(prepare(&grid, image));
  peri_grid g = {grid->shape[0], grid->shape[1], peri_tensor_data(grid)};
  int status = peri__ink_find(&g, ink, &level, &noise);
  if (status >= 0) status = peri__ink_clean(&g, level, noise, side);
  if (status >= 0) *out = grid;
  else peri_tensor_release(grid), peri_fail_prefix(status, "%s: ", op);
  return status;
}

int peri_image_ink(peri_tensor **out, const peri_tensor *image, int ink) {
  int64_t side;
  *out = NULL;
  return find_ink(out, "image.ink", image, ink, &side);
}

static int64_t rounded(double v) { return (int64_t)floor(v + 0.5); }
static int64_t clamped(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }

/* Puts the small picture into the field by its centre of mass, its strongest pixel made 1. */
static int centre(peri_tensor **out, peri_image_place *place, const peri_tensor *small) {
  int64_t h = small->shape[0], w = small->shape[1];
  const float *v = peri_tensor_data(small);
  double mass = 0, sum_y = 0, sum_x = 0;
  float most = 0;
  for (int64_t y = 0; y < h; y++) {
    for (int64_t x = 0; x < w; x++) {
      double m = v[y * w + x];
      mass += m, sum_y += m * (double)y, sum_x += m * (double)x;
      most = fmaxf(most, v[y * w + x]);
    }
  }
  if (!(mass > 0)) return peri_fail(PERI_EARG, "image.digit: the picture shows no ink");
  int64_t top = clamped(rounded(CENTRE - sum_y / mass), 0, FIELD - h);
  int64_t left = clamped(rounded(CENTRE - sum_x / mass), 0, FIELD - w);
  place->field_top = top, place->field_left = left, place->field_height = h, place->field_width = w;
  PERI_TRY(peri_tensor_zeros(out, PERI_F32, 3, (const int64_t[]){FIELD, FIELD, 1}));
  float *field = peri_tensor_data(*out);
  for (int64_t y = 0; y < h; y++) {
    for (int64_t x = 0; x < w; x++) field[(top + y) * FIELD + left + x] = fminf(1, v[y * w + x] / most);
  }
  return PERI_OK;
}

/* The ink's box, scaled to 20 pixels. */
static int fit_box(peri_tensor **out, peri_image_place *place, const peri_tensor *grid, const peri_grid *g) {
  int64_t top, left, bottom, right;
  /* a small picture's box reaches to its faint pixels, as MNIST's own boxes do */
  if (!peri__ink_box(g, 0.5f, &top, &left, &bottom, &right)) return peri_fail(PERI_EARG, "image.digit: the picture shows no ink");
  if (bottom - top < 2 * BOX && right - left < 2 * BOX) peri__ink_box(g, 0.15f, &top, &left, &bottom, &right);
  double scale = (double)BOX / (double)(bottom - top > right - left ? bottom - top : right - left);
  int64_t h = clamped(rounded((double)(bottom - top) * scale), 1, BOX), w = clamped(rounded((double)(right - left) * scale), 1, BOX);
  const peri_image_box box = {(double)top, (double)left, (double)bottom, (double)right};
  place->top = box.top, place->left = box.left, place->bottom = box.bottom, place->right = box.right;
  return peri__image_resample(out, grid, &box, h, w, PERI_FILTER_AUTO);
}

int peri__digit_field(peri_tensor **out, peri_image_place *place, peri_tensor *grid, int64_t side, double thicken) {
  peri_tensor *small = NULL;
  peri_grid g = {grid->shape[0], grid->shape[1], peri_tensor_data(grid)};
  if (thicken > 0) PERI_TRY(peri__ink_thicken(&g, thicken * (double)side / BOX));
  PERI_TRY(fit_box(&small, place, grid, &g));
  int status = centre(out, place, small);
  peri_tensor_release(small);
  return status;
}

int peri_image_digit(peri_tensor **out, const peri_tensor *image, const peri_digit_options *options) {
  peri_tensor *grid;
  peri_image_place place;
  int64_t side;
  *out = NULL;
  PERI_TRY(find_ink(&grid, "image.digit", image, options->ink, &side));
  int status = peri__digit_field(out, &place, grid, side, options->thicken);
  peri_tensor_release(grid);
  return status;
}
