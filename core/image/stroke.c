/* stroke.c - anti-aliased strokes, row by row.

   One straight piece of a stroke is a capsule: all points within the radius of a segment. A row of pixels cuts a
   capsule in one interval, since it is convex, and so two intervals tell what to do: inside that of radius - 0.5 the
   cover is 1 and is filled in, outside that of radius + 0.5 it is 0; only between the two is it worked out. Both are
   taken a pixel to the safe side, so that rounding decides nothing. */
#include "image/stroke.h"

#include <inttypes.h>
#include <math.h>

#include "base/interrupt.h"
#include "base/status.h"
#include "image/ink.h"

#define FAR 16777216.0 /* pixels from the origin: points beyond are moved here, where squares are still exact enough */

/* A segment from a by (dx, dy); square is its length's, never 0. */
typedef struct piece {
  double ax, ay, dx, dy, square, length, radius;
  bool erase;
} piece;

typedef struct interval {
  double low, high; /* empty when low > high */
} interval;

static double limited(double v, double low, double high) { return v < low ? low : v > high ? high : v; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static void join(interval *i, double low, double high) {
  i->low = fmin(i->low, low);
  i->high = fmax(i->high, high);
}

/* Adds what the disc of radius r around (x, y) has in a row. */
static void join_disc(interval *i, double x, double y, double r, double row) {
  double rest = r * r - (row - y) * (row - y);
  if (rest < 0) return;
  double half = sqrt(rest);
  join(i, x - half, x + half);
}

/* Adds where the capsule's straight side, (ox, oy) beside its segment, crosses a row. */
static void join_side(interval *i, const piece *p, double ox, double oy, double row) {
  double along = (row - p->ay - oy) / p->dy;
  if (!(along >= 0 && along <= 1)) return;
  double x = p->ax + ox + along * p->dx;
  join(i, x, x);
}

/* Where a row at height `row` lies within r of the segment. */
static interval cut(const piece *p, double r, double row) {
  interval i = {INFINITY, -INFINITY};
  if (r < 0) return i;
  join_disc(&i, p->ax, p->ay, r, row);
  if (p->length == 0) return i;
  join_disc(&i, p->ax + p->dx, p->ay + p->dy, r, row);
  if (p->dy != 0) {
    double ox = -p->dy / p->length * r, oy = p->dx / p->length * r;
    join_side(&i, p, ox, oy, row);
    join_side(&i, p, -ox, -oy, row);
  }
  return i;
}

/* Columns from..to-1 of a row, each by its own distance. */
static void shade(const piece *p, float *row, double y, int64_t from, int64_t to) {
  double py = y - p->ay;
  for (int64_t x = from; x < to; x++) {
    double px = (double)x + 0.5 - p->ax;
    double along = limited((px * p->dx + py * p->dy) / p->square, 0, 1);
    double ex = px - along * p->dx, ey = py - along * p->dy;
    double cover = fmin(1, p->radius + 0.5 - sqrt(ex * ex + ey * ey));
    if (!(cover > 0)) continue;
    float value = (float)(p->erase ? 1 - cover : cover);
    if (p->erase ? value < row[x] : value > row[x]) row[x] = value;
  }
}

static void fill(float *row, int64_t from, int64_t to, float value) {
  for (int64_t x = from; x < to; x++) row[x] = value;
}

static void draw_row(const piece *p, float *row, double y, const peri_area *area) {
  interval outer = cut(p, p->radius + 0.5, y), inner = cut(p, p->radius - 0.5, y);
  if (outer.low > outer.high) return;
  int64_t left = (int64_t)limited(floor(outer.low - 1.5), (double)area->left, (double)area->right);
  int64_t right = (int64_t)limited(ceil(outer.high + 1.5), (double)left, (double)area->right);
  int64_t full = left, rest = left; /* columns full..rest-1 are covered whole */
  if (inner.low <= inner.high) {
    full = (int64_t)limited(ceil(inner.low + 0.5), (double)left, (double)right);
    rest = (int64_t)limited(floor(inner.high - 0.5), (double)full, (double)right);
  }
  shade(p, row, y, left, full);
  fill(row, full, rest, p->erase ? 0 : 1);
  shade(p, row, y, rest, right);
}

/* The pixels that a piece can touch, inside `within`. */
static peri_area reach_of(const piece *p, const peri_area *within) {
  double reach = p->radius + 1;
  double left = floor(fmin(p->ax, p->ax + p->dx) - reach), right = floor(fmax(p->ax, p->ax + p->dx) + reach) + 1;
  double top = floor(fmin(p->ay, p->ay + p->dy) - reach), bottom = floor(fmax(p->ay, p->ay + p->dy) + reach) + 1;
  double l = (double)within->left, r = (double)within->right, t = (double)within->top, b = (double)within->bottom;
  return (peri_area){(int64_t)limited(top, t, b), (int64_t)limited(left, l, r), (int64_t)limited(bottom, t, b),
                     (int64_t)limited(right, l, r)};
}

static bool is_empty(const peri_area *a) { return a->bottom <= a->top || a->right <= a->left; }

static void draw_piece(const piece *p, float *pixels, int64_t width, const peri_area *within, peri_area *changed) {
  peri_area area = reach_of(p, within);
  if (is_empty(&area)) return;
  for (int64_t y = area.top; y < area.bottom; y++) draw_row(p, pixels + y * width, (double)y + 0.5, &area);
  if (is_empty(changed)) *changed = area;
  else *changed = (peri_area){least(changed->top, area.top), least(changed->left, area.left),
                              most(changed->bottom, area.bottom), most(changed->right, area.right)};
}

static int check_picture(const char *op, const peri_tensor *picture) {
  bool grey = picture->ndim == 2 || (picture->ndim == 3 && picture->shape[2] == 1);
  if (picture->dtype != PERI_F32 || !grey || !picture->storage || !peri_tensor_contiguous(picture)) {
    return peri_fail(PERI_ESHAPE, "%s: the picture is %s, expected dense float32 (H, W, 1)", op, peri_tensor_text(picture));
  }
  return PERI_OK;
}

static int check_stroke(const peri_stroke *s) {
  if (!isfinite(s->radius) || s->radius <= 0) {
    return peri_fail(PERI_EARG, "image.stroke: the pen's radius is %g, expected a number above 0", s->radius);
  }
  for (int64_t i = 0; i < s->count; i++) {
    double x = s->points[2 * i], y = s->points[2 * i + 1];
    if (!isfinite(x) || !isfinite(y)) {
      return peri_fail(PERI_EARG, "image.stroke: point %" PRId64 " is (%g, %g), expected two finite numbers", i + 1, x, y);
    }
  }
  return PERI_OK;
}

static piece piece_of(const peri_stroke *s, int64_t from, int64_t to) {
  double ax = limited(s->points[2 * from], -FAR, FAR), ay = limited(s->points[2 * from + 1], -FAR, FAR);
  double dx = limited(s->points[2 * to], -FAR, FAR) - ax, dy = limited(s->points[2 * to + 1], -FAR, FAR) - ay;
  double square = dx * dx + dy * dy;
  return (piece){ax, ay, dx, dy, fmax(square, 1e-12), sqrt(square), fmin(s->radius, FAR), s->erase};
}

/* Can a stroke change nothing any more, because all is inked, or erased? Ends at the first pixel that it can. */
static bool is_done(const float *pixels, int64_t width, const peri_area *area, bool erase) {
  for (int64_t y = area->top; y < area->bottom; y++) {
    const float *row = pixels + y * width;
    for (int64_t x = area->left; x < area->right; x++) {
      if (erase ? row[x] > 0 : row[x] < 1) return false;
    }
  }
  return true;
}

int peri_stroke_draw(peri_tensor *picture, const peri_stroke *stroke, const peri_area *within, peri_area *changed) {
  PERI_TRY(check_picture("image.stroke", picture));
  PERI_TRY(check_stroke(stroke));
  int64_t height = picture->shape[0], width = picture->shape[1];
  peri_area area = {0, 0, height, width};
  if (within) {
    area = (peri_area){most(0, within->top), most(0, within->left), least(height, within->bottom), least(width, within->right)};
    if (is_empty(&area)) return PERI_OK;
  }
  float *pixels = peri_tensor_data(picture);
  peri_tensor_touch(picture);
  for (int64_t i = stroke->count > 1 ? 1 : 0; i < stroke->count; i++) {
    if (i % 64 <= 1 && is_done(pixels, width, &area, stroke->erase)) break; /* a broad pen's scribble of many points */
    const piece p = piece_of(stroke, i > 0 ? i - 1 : 0, i);
    draw_piece(&p, pixels, width, &area, changed);
    PERI_TRY(peri_interrupt_poll());
  }
  return PERI_OK;
}

int peri_stroke_box(peri_area *out, const peri_tensor *picture, float threshold) {
  PERI_TRY(check_picture("image.box", picture));
  const peri_grid grid = {picture->shape[0], picture->shape[1], peri_tensor_data(picture)};
  if (!peri__ink_box(&grid, threshold, &out->top, &out->left, &out->bottom, &out->right)) *out = (peri_area){0, 0, 0, 0};
  return PERI_OK;
}
