/* strokes.c - a pen's strokes, held against covers worked out pixel by pixel; input that no hand gives. */
#include "image/stroke.h"

#include <math.h>

#include "image/samples.h"

static uint64_t state;
static double drawn(double low, double high) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return low + (double)(state >> 11) * 0x1p-53 * (high - low);
}

static peri_tensor *blank(int64_t height, int64_t width, float value) {
  peri_tensor *t = NULL;
  CHECK(peri_tensor_full(&t, PERI_F32, 3, (int64_t[]){height, width, 1}, (double)value) == PERI_OK);
  return t;
}

/* What a stroke does to one pixel, by the definition. */
static double naive_pixel(const peri_stroke *s, double x, double y, double value) {
  for (int64_t i = 0; i < s->count; i++) {
    const double *a = s->points + 2 * (i > 0 ? i - 1 : 0), *b = s->points + 2 * i;
    double dx = b[0] - a[0], dy = b[1] - a[1], square = dx * dx + dy * dy;
    double along = square > 0 ? fmin(1, fmax(0, ((x - a[0]) * dx + (y - a[1]) * dy) / square)) : 0;
    double distance = hypot(x - a[0] - along * dx, y - a[1] - along * dy);
    double cover = fmin(1, fmax(0, s->radius + 0.5 - distance));
    value = s->erase ? fmin(value, 1 - cover) : fmax(value, cover);
  }
  return value;
}

static bool inside(const peri_area *a, int64_t y, int64_t x) { return y >= a->top && y < a->bottom && x >= a->left && x < a->right; }

/* Draws on a picture of `ground` and looks at every pixel: right inside `within`, untouched elsewhere, and what changed
   lies in the box that was told. */
static void expect_drawn(const peri_stroke *s, int64_t height, int64_t width, float ground, const peri_area *within) {
  peri_tensor *t = blank(height, width, ground);
  const peri_area all = {0, 0, height, width}, *area = within ? within : &all;
  peri_area changed = {0};
  uint64_t version = t->storage->version;
  double worst = 0;
  int stray = 0;
  CHECK(peri_stroke_draw(t, s, within, &changed) == PERI_OK);
  CHECK(within || t->storage->version > version);
  CHECK(changed.top >= 0 && changed.left >= 0 && changed.bottom <= height && changed.right <= width);
  for (int64_t y = 0; y < height; y++) {
    for (int64_t x = 0; x < width; x++) {
      double wanted = inside(area, y, x) ? naive_pixel(s, (double)x + .5, (double)y + .5, (double)ground) : (double)ground;
      float got = pixel(t, y, x, 0);
      worst = fmax(worst, fabs(wanted - (double)got));
      stray += (got < ground || got > ground) && !(inside(area, y, x) && inside(&changed, y, x));
    }
  }
  CHECK(worst < 1e-6 && stray == 0);
  if (!(worst < 1e-6)) printf("   %d x %d, %d points, radius %g: a pixel is off by %g\n", (int)height, (int)width, (int)s->count, s->radius, worst);
  peri_tensor_release(t);
}

static void test_random(void) {
  double points[2 * 12];
  for (state = 1; state < 400;) {
    uint64_t seed = state;
    int64_t height = (int64_t)drawn(1, 70), width = (int64_t)drawn(1, 70);
    int kind = (int)drawn(0, 5);
    peri_stroke s = {points, (int64_t)drawn(1, 13), .radius = pow(2, drawn(-2, 6)), .erase = drawn(0, 1) < .4};
    for (int64_t i = 0; i < s.count; i++) {
      double *p = points + 2 * i;
      p[0] = drawn(-20, 90), p[1] = drawn(-20, 90);
      if (i > 0 && kind == 1) p[1] = p[-1]; /* level */
      if (i > 0 && kind == 2) p[0] = p[-2]; /* upright */
      if (i > 0 && kind == 3) p[0] = p[-2] + drawn(-1, 1), p[1] = p[-1] + drawn(-1, 1);
      if (i > 0 && kind == 4) p[0] = p[-2] + drawn(-1e-7, 1e-7), p[1] = p[-1]; /* hardly moved, and not at all */
    }
    peri_area within = {(int64_t)drawn(-9, 40), (int64_t)drawn(-9, 40), 0, 0};
    within.bottom = within.top + (int64_t)drawn(1, 60), within.right = within.left + (int64_t)drawn(1, 60);
    expect_drawn(&s, height, width, s.erase ? (float)drawn(0, 1) : 0, NULL);
    expect_drawn(&s, height, width, (float)drawn(0, 1), &within);
    state = seed + 1;
  }
}

static void test_pieces(void) {
  /* bit for bit the same, however the stroke is cut into calls */
  double points[2 * 40];
  state = 77;
  for (int i = 0; i < 80; i++) points[i] = drawn(-5, 70);
  peri_tensor *whole = blank(64, 60, 0), *cut = blank(64, 60, 0);
  peri_area changed = {0}, by_pieces = {0};
  CHECK(peri_stroke_draw(whole, &(peri_stroke){points, 40, 3.3, false}, NULL, &changed) == PERI_OK);
  for (int i = 0; i < 40; i += 3) {
    int from = i > 0 ? i - 1 : 0, to = i + 3 < 40 ? i + 3 : 40;
    CHECK(peri_stroke_draw(cut, &(peri_stroke){points + 2 * from, to - from, 3.3, false}, NULL, &by_pieces) == PERI_OK);
  }
  CHECK(memcmp(peri_tensor_data(whole), peri_tensor_data(cut), 64 * 60 * sizeof(float)) == 0);
  CHECK(memcmp(&changed, &by_pieces, sizeof changed) == 0);
  peri_area box;
  CHECK(peri_stroke_box(&box, whole, 0.5f) == PERI_OK && box.bottom > box.top && box.right > box.left);
  CHECK(box.top >= changed.top && box.left >= changed.left && box.bottom <= changed.bottom && box.right <= changed.right);
  peri_tensor_release(whole), peri_tensor_release(cut);
}

static void test_box(void) {
  peri_tensor *t = blank(30, 40, 0);
  peri_area box = {9, 9, 9, 9}, changed = {0};
  CHECK(peri_stroke_box(&box, t, 0.5f) == PERI_OK && box.bottom == box.top);
  double dot[2] = {10.5, 20.5};
  CHECK(peri_stroke_draw(t, &(peri_stroke){dot, 1, 2, false}, NULL, &changed) == PERI_OK);
  CHECK(peri_stroke_box(&box, t, 0.4f) == PERI_OK);
  CHECK(box.top == 18 && box.bottom == 23 && box.left == 8 && box.right == 13); /* cover .5 at two pixels' distance */
  peri_tensor_release(t);
}

/* Beyond all measure, but numbers: drawn as far as they reach the picture, without hanging or writing beside it. */
static void test_far(void) {
  static const double far[] = {1e3, 1e9, 1e18, 1e300, 1.7e308};
  for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
    for (int sign = -1; sign <= 1; sign += 2) {
      double f = far[i] * sign;
      const double lines[4][4] = {{-f, 16, f, 16}, {16, -f, 16, f}, {-f, -f, f, f}, {f, f, f, f}};
      for (int k = 0; k < 4; k++) {
        peri_tensor *t = blank(32, 32, 0);
        peri_area changed = {0};
        CHECK(peri_stroke_draw(t, &(peri_stroke){lines[k], 2, 3, false}, NULL, &changed) == PERI_OK);
        CHECK(pixel(t, 16, 16, 0) == (k == 3 ? 0 : 1) && pixel(t, 2, 29, 0) == 0);
        CHECK((changed.bottom > changed.top) == (k != 3));
        peri_tensor_release(t);
      }
    }
    peri_tensor *t = blank(16, 16, 0);
    peri_area changed = {0};
    CHECK(peri_stroke_draw(t, &(peri_stroke){(double[]){8, 8}, 1, far[i], false}, NULL, &changed) == PERI_OK);
    for (int p = 0; p < 256; p++) CHECK(pixel(t, p / 16, p % 16, 0) == 1);
    CHECK(changed.bottom - changed.top == 16 && changed.right - changed.left == 16);
    peri_tensor_release(t);
  }
}

static void test_refused(void) {
  peri_tensor *t = blank(8, 8, .25f), *other, *turned;
  const peri_tensor *before = t;
  peri_area changed = {0};
  double points[4] = {1, 1, 7, 7};
  const double bad[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3; i++) {
    for (int k = 0; k < 4; k++) {
      double p[4] = {1, 1, 7, 7};
      p[k] = bad[i];
      CHECK(peri_stroke_draw(t, &(peri_stroke){p, 2, 2, false}, NULL, &changed) == PERI_EARG && says(k < 2 ? "point 1 is" : "point 2 is"));
    }
    CHECK(peri_stroke_draw(t, &(peri_stroke){points, 2, bad[i], false}, NULL, &changed) == PERI_EARG && says("radius"));
  }
  CHECK(peri_stroke_draw(t, &(peri_stroke){points, 2, 0, false}, NULL, &changed) == PERI_EARG && says("radius is 0"));
  CHECK(peri_stroke_draw(t, &(peri_stroke){points, 0, 1, false}, NULL, &changed) == PERI_OK);
  CHECK(peri_stroke_draw(t, &(peri_stroke){points, 2, 1, false}, &(peri_area){20, 20, 30, 30}, &changed) == PERI_OK);
  CHECK(peri_stroke_draw(t, &(peri_stroke){points, 2, 1, false}, &(peri_area){5, 5, 2, 2}, &changed) == PERI_OK);
  CHECK(changed.bottom == 0 && changed.right == 0);
  for (int i = 0; i < 64; i++) CHECK(pixel(before, i / 8, i % 8, 0) == .25f);
  CHECK(peri_tensor_zeros(&other, PERI_F64, 3, (int64_t[]){8, 8, 1}) == PERI_OK);
  CHECK(peri_stroke_draw(other, &(peri_stroke){points, 2, 1, false}, NULL, &changed) == PERI_ESHAPE && says("float64 (8, 8, 1)"));
  CHECK(peri_stroke_box(&changed, other, 0) == PERI_ESHAPE);
  peri_tensor_release(other);
  CHECK(peri_tensor_zeros(&other, PERI_F32, 3, (int64_t[]){8, 6, 3}) == PERI_OK);
  CHECK(peri_stroke_draw(other, &(peri_stroke){points, 2, 1, false}, NULL, &changed) == PERI_ESHAPE);
  peri_tensor_release(other);
  CHECK(peri_tensor_zeros(&other, PERI_F32, 2, (int64_t[]){8, 6}) == PERI_OK);
  CHECK(peri_tensor_permute(&turned, other, (int[]){1, 0}) == PERI_OK);
  CHECK(peri_stroke_draw(turned, &(peri_stroke){points, 2, 1, false}, NULL, &changed) == PERI_ESHAPE && says("dense"));
  CHECK(peri_stroke_draw(other, &(peri_stroke){points, 2, 1, false}, NULL, &changed) == PERI_OK);
  peri_tensor_release(turned), peri_tensor_release(other), peri_tensor_release(t);
}

void test_strokes(void) {
  test_random();
  test_pieces();
  test_box();
  test_far();
  test_refused();
}
