/* window_paint.c - areas, lines, showing and reading back. Straight edges lie on whole pixels; round corners and
   oblique lines fade over one pixel, by the distance of a pixel's middle from the shape. */
#include "hosts/window_internal.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

enum { RADIUS_MOST = 512, TILE = 64 }; /* pixels */

static int fill_pixels(peri_window *w, int x, int y, int width, int height, uint32_t colour) {
  SDL_Rect area = {x, y, width, height};
  if (width <= 0 || height <= 0) return PERI_OK;
  SDL_SetRenderDrawColor(w->renderer, (Uint8)(colour >> 16), (Uint8)(colour >> 8), (Uint8)colour, peri__alpha(colour));
  /* ten times as fast in software as blending what covers all */
  SDL_SetRenderDrawBlendMode(w->renderer, peri__alpha(colour) == 255 ? SDL_BLENDMODE_NONE : SDL_BLENDMODE_BLEND);
  return SDL_RenderFillRect(w->renderer, &area) == 0 ? PERI_OK : peri__window_fail("an area cannot be painted");
}

int peri_window_clear(peri_window *w, uint32_t colour) {
  PERI_TRY(peri__window_ready(w));
  SDL_SetRenderDrawColor(w->renderer, (Uint8)(colour >> 16), (Uint8)(colour >> 8), (Uint8)colour, 255);
  return SDL_RenderClear(w->renderer) == 0 ? PERI_OK : peri__window_fail("it cannot be cleared");
}

static uint8_t cover(double inside) { /* how far inside the rim a pixel's middle is */
  double part = inside + 0.5;
  return part <= 0 ? 0 : part >= 1 ? 255 : (uint8_t)(part * 255 + 0.5);
}

/* A disc of so many pixels' radius, whose quarters are round corners. */
static int disc(peri_window *w, int radius, peri__sprite **out) {
  struct { char kind[4]; int32_t radius; } key = {"disc", radius};
  *out = peri__sprite_find(w, &key, sizeof key);
  if (*out) return PERI_OK;
  int side = 2 * radius;
  uint8_t *mask = peri_alloc((size_t)side * (size_t)side);
  if (!mask) return PERI_ENOMEM;
  for (int y = 0; y < side; y++) {
    for (int x = 0; x < side; x++) mask[y * side + x] = cover(radius - hypot(x + 0.5 - radius, y + 0.5 - radius));
  }
  int status = peri__sprite_make(w, out, &key, sizeof key, mask, side, side);
  peri_free(mask);
  return status;
}

static int corners(peri_window *w, const SDL_Rect *area, int radius, uint32_t colour) {
  peri__sprite *s;
  PERI_TRY(disc(w, radius, &s));
  for (int i = 0; i < 4; i++) {
    int right = i & 1, low = i >> 1;
    SDL_Rect part = {right * radius, low * radius, radius, radius};
    int x = right ? area->x + area->w - radius : area->x, y = low ? area->y + area->h - radius : area->y;
    PERI_TRY(peri__sprite_paint(w, s, &part, x, y, colour));
  }
  return PERI_OK;
}

int peri_window_fill(peri_window *w, double x, double y, double width, double height, uint32_t colour, double radius) {
  PERI_TRY(peri__window_ready(w));
  int left = peri__pixels(w, x), top = peri__pixels(w, y);
  SDL_Rect area = {left, top, peri__pixels(w, x + width) - left, peri__pixels(w, y + height) - top};
  if (area.w <= 0 || area.h <= 0) return PERI_OK;
  int r = peri__pixels(w, radius), most = (area.w < area.h ? area.w : area.h) / 2;
  r = r > most ? most : r;
  if (r > RADIUS_MOST) r = RADIUS_MOST;
  if (r <= 0) return fill_pixels(w, area.x, area.y, area.w, area.h, colour);
  PERI_TRY(fill_pixels(w, area.x + r, area.y, area.w - 2 * r, area.h, colour));
  PERI_TRY(fill_pixels(w, area.x, area.y + r, r, area.h - 2 * r, colour));
  PERI_TRY(fill_pixels(w, area.x + area.w - r, area.y + r, r, area.h - 2 * r, colour));
  return corners(w, &area, r, colour);
}

/* --- lines --- */

typedef struct line {
  double x1, y1, x2, y2, thickness; /* pixels */
} line;

/* Cuts the line to the window and its thickness around it (Liang and Barsky); false when nothing is left. */
static bool clip(const peri_window *w, line *l) {
  double margin = l->thickness + 2, from = 0, to = 1;
  double dx = l->x2 - l->x1, dy = l->y2 - l->y1;
  double way[4] = {-dx, dx, -dy, dy};
  double room[4] = {l->x1 + margin, w->width + margin - l->x1, l->y1 + margin, w->height + margin - l->y1};
  for (int i = 0; i < 4; i++) {
    if (way[i] == 0) {
      if (room[i] < 0) return false;
    } else if (way[i] < 0) {
      from = fmax(from, room[i] / way[i]);
    } else {
      to = fmin(to, room[i] / way[i]);
    }
  }
  if (!(from <= to)) return false;
  *l = (line){l->x1 + from * dx, l->y1 + from * dy, l->x1 + to * dx, l->y1 + to * dy, l->thickness};
  return true;
}

/* Distance of a point from the line's middle, with round ends. */
static double distance(const line *l, double x, double y) {
  double dx = l->x2 - l->x1, dy = l->y2 - l->y1, square = dx * dx + dy * dy;
  double along = square > 0 ? ((x - l->x1) * dx + (y - l->y1) * dy) / square : 0;
  along = along < 0 ? 0 : along > 1 ? 1 : along;
  return hypot(x - l->x1 - along * dx, y - l->y1 - along * dy);
}

static int ink_tile(peri_window *w, peri__sprite **out, const void *key, size_t key_bytes, const line *l, int width,
                    int height) {
  uint8_t *mask = peri_alloc((size_t)width * (size_t)height);
  if (!mask) return PERI_ENOMEM;
  double thickness = fmax(l->thickness, 1), strength = fmin(l->thickness, 1);
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++)
      mask[y * width + x] = (uint8_t)(strength * cover(thickness / 2 - distance(l, x + 0.5, y + 0.5)) + 0.5);
  }
  int status = peri__sprite_make(w, out, key, key_bytes, mask, width, height);
  peri_free(mask);
  return status;
}

/* The part of the line inside a box of pixels. Lines that lie alike in their boxes to 1/16 pixel share a sprite. */
static int paint_tile(peri_window *w, const line *l, SDL_Rect box, uint32_t colour) {
  double numbers[5] = {l->x1 - box.x, l->y1 - box.y, l->x2 - box.x, l->y2 - box.y, l->thickness};
  struct { char kind[4]; int32_t number[5], width, height; } key = {.kind = "line", .width = box.w, .height = box.h};
  for (int i = 0; i < 5; i++) key.number[i] = (int32_t)lround(numbers[i] * 16);
  peri__sprite *s = peri__sprite_find(w, &key, sizeof key);
  if (!s) {
    const int32_t *n = key.number;
    line own = {n[0] / 16.0, n[1] / 16.0, n[2] / 16.0, n[3] / 16.0, n[4] / 16.0};
    PERI_TRY(ink_tile(w, &s, &key, sizeof key, &own, box.w, box.h));
  }
  return peri__sprite_paint(w, s, NULL, box.x, box.y, colour);
}

/* Boxes side by side along the longer way, each as high as the line is there. */
static int oblique(peri_window *w, const line *l, uint32_t colour) {
  double dx = l->x2 - l->x1, dy = l->y2 - l->y1, rim = fmax(l->thickness, 1) / 2 + 1;
  bool flat = fabs(dx) >= fabs(dy);
  double from = flat ? fmin(l->x1, l->x2) : fmin(l->y1, l->y2), to = flat ? fmax(l->x1, l->x2) : fmax(l->y1, l->y2);
  double slope = flat ? dy / dx : dx / dy, start = flat ? l->x1 : l->y1, across = flat ? l->y1 : l->x1;
  double spread = rim * sqrt(1 + slope * slope);
  int end = (int)ceil(to + rim);
  for (int at = (int)floor(from - rim); at < end; at += TILE) {
    int length = end - at < TILE ? end - at : TILE;
    double a = fmin(fmax(at, from), to), b = fmin(fmax(at + length, from), to);
    double one = across + (a - start) * slope, other = across + (b - start) * slope;
    int low = (int)floor(fmin(one, other) - spread), high = (int)ceil(fmax(one, other) + spread);
    SDL_Rect box = flat ? (SDL_Rect){at, low, length, high - low} : (SDL_Rect){low, at, high - low, length};
    PERI_TRY(paint_tile(w, l, box, colour));
  }
  return PERI_OK;
}

/* Pixels of a place, not so far away that a line's way through the window would be lost in rounding. */
static double place(const peri_window *w, double points) { return fmin(fmax(points * w->scale, -1e8), 1e8); }

int peri_window_line(peri_window *w, double x1, double y1, double x2, double y2, double thickness, uint32_t colour) {
  PERI_TRY(peri__window_ready(w));
  double most = 2.0 * RADIUS_MOST;
  line l = {place(w, x1), place(w, y1), place(w, x2), place(w, y2), fmin(thickness * w->scale, most)};
  if (!(l.thickness > 0) || !clip(w, &l)) return PERI_OK;
  bool level = fabs(l.y2 - l.y1) < 0.01, upright = fabs(l.x2 - l.x1) < 0.01;
  int thick = l.thickness < 1 ? 1 : (int)lround(l.thickness);
  if (level && upright) { /* a dot */
    SDL_Rect box = {(int)floor(l.x1 - thick / 2.0 - 1), (int)floor(l.y1 - thick / 2.0 - 1), thick + 3, thick + 3};
    return paint_tile(w, &l, box, colour);
  }
  if (!level && !upright) return oblique(w, &l, colour);
  if (level) {
    int left = (int)lround(fmin(l.x1, l.x2)), right = (int)lround(fmax(l.x1, l.x2));
    return fill_pixels(w, left, (int)lround(l.y1 - thick / 2.0), right - left, thick, colour);
  }
  int top = (int)lround(fmin(l.y1, l.y2)), low = (int)lround(fmax(l.y1, l.y2));
  return fill_pixels(w, (int)lround(l.x1 - thick / 2.0), top, thick, low - top, colour);
}

/* --- showing and reading back --- */

int peri_window_present(peri_window *w, double *time) {
  PERI_TRY(peri__window_ready(w));
  if (w->target) {
    SDL_SetRenderTarget(w->renderer, NULL);
    SDL_RenderCopy(w->renderer, w->target, NULL, NULL);
  }
  SDL_RenderPresent(w->renderer);
  if (w->target && SDL_SetRenderTarget(w->renderer, w->target) != 0) return peri__window_fail("nothing can be painted");
  *time = peri__window_now();
  return PERI_OK;
}

int peri_window_capture_size(peri_window *w, int *width, int *height) {
  PERI_TRY(peri__window_ready(w));
  *width = w->width;
  *height = w->height;
  return PERI_OK;
}

int peri_window_capture(peri_window *w, uint8_t *rgb, int width, int height) {
  SDL_Rect area = {0, 0, width, height};
  if (SDL_RenderReadPixels(w->renderer, &area, SDL_PIXELFORMAT_RGB24, rgb, width * 3) != 0)
    return peri__window_fail("its pixels cannot be read");
  return PERI_OK;
}
