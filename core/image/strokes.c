/* strokes.c - telling strokes from specks and from the edges of the paper, and their width. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "image/ink.h"

bool peri__ink_box(const peri_grid *g, float threshold, int64_t *top, int64_t *left, int64_t *bottom, int64_t *right) {
  *top = g->h, *left = g->w, *bottom = 0, *right = 0;
  for (int64_t y = 0; y < g->h; y++) {
    for (int64_t x = 0; x < g->w; x++) {
      if (!(g->v[y * g->w + x] > threshold)) continue;
      if (y < *top) *top = y;
      if (x < *left) *left = x;
      if (y >= *bottom) *bottom = y + 1;
      if (x >= *right) *right = x + 1;
    }
  }
  return *bottom > 0;
}

static int64_t longer_side(const peri_piece *p) {
  int64_t h = p->bottom - p->top + 1, w = p->right - p->left + 1;
  return h > w ? h : w;
}

/* Sets the area of what is no part of the digit to 0. A piece along a good part of the border, when there
   is a stroke elsewhere, is the table beside the paper or a shadow; small pieces are specks. */
static void choose(const peri_grid *g, peri_pieces *p) {
  int64_t side = g->h > g->w ? g->h : g->w, stroke = 0, most = 0;
  for (int64_t i = 1; i <= p->count; i++) {
    if (p->at[i].contact == 0 && longer_side(&p->at[i]) * 8 >= side && p->at[i].area > stroke) stroke = p->at[i].area;
  }
  for (int64_t i = 1; i <= p->count; i++) {
    if (stroke && p->at[i].contact * 4 >= side) p->at[i].area = 0;
    if (p->at[i].area > most) most = p->at[i].area;
  }
  for (int64_t i = 1; i <= p->count; i++) {
    if (p->at[i].area * 25 < most) p->at[i].area = 0;
  }
}

/* Marks pixels that have a kept one within `reach` in both directions: rows first, then columns. */
static void spread(const peri_grid *g, int64_t reach, const uint8_t *from, uint8_t *to, bool down) {
  int64_t step = down ? g->w : 1, length = down ? g->h : g->w, lines = down ? g->w : g->h, apart = down ? 1 : g->w;
  for (int64_t line = 0; line < lines; line++) {
    int64_t last = -reach - 1; /* the last mark met, then the same from the other end */
    for (int64_t i = 0; i < length; i++) {
      if (from[line * apart + i * step]) last = i;
      to[line * apart + i * step] = i - last <= reach;
    }
    last = length + reach;
    for (int64_t i = length - 1; i >= 0; i--) {
      if (from[line * apart + i * step]) last = i;
      if (last - i <= reach) to[line * apart + i * step] = 1;
    }
  }
}

void peri__ink_levels(peri_grid *g, float level, float noise, int64_t side, const uint8_t *near) {
  float sharp = fminf(1, fmaxf(0, ((float)side - 30) / 50));
  float low = fmaxf(0.25f * sharp, fminf(0.35f, 3 * noise / level)), high = 1 - 0.25f * sharp;
  for (int64_t i = 0; i < g->h * g->w; i++) {
    float v = (g->v[i] / level - low) / (high - low);
    g->v[i] = !near || near[i] ? fminf(1, fmaxf(0, v)) : 0;
  }
}

int peri__ink_clean(peri_grid *g, float level, float noise, int64_t *side) {
  int64_t n = g->h * g->w, top, left, bottom, right;
  peri_pieces p = {0};
  uint8_t *kept = peri_alloc((size_t)n), *near = peri_alloc((size_t)n);
  int status = kept && near ? peri__pieces_find(&p, g, fmaxf(0.5f * level, 4 * noise)) : PERI_ENOMEM;
  if (status >= 0) {
    choose(g, &p);
    top = g->h, left = g->w, bottom = 0, right = 0;
    for (int64_t i = 1; i <= p.count; i++) {
      if (p.at[i].area == 0) continue;
      if (p.at[i].top < top) top = p.at[i].top;
      if (p.at[i].left < left) left = p.at[i].left;
      if (p.at[i].bottom > bottom) bottom = p.at[i].bottom;
      if (p.at[i].right > right) right = p.at[i].right;
    }
    *side = bottom - top > right - left ? bottom - top + 1 : right - left + 1;
    for (int64_t i = 0; i < n; i++) kept[i] = p.label[i] && p.at[p.label[i]].area > 0;
    spread(g, 1 + *side / 80, kept, near, false);
    memcpy(kept, near, (size_t)n);
    spread(g, 1 + *side / 80, kept, near, true);
    peri__ink_levels(g, level, noise, *side, near);
  }
  peri__pieces_clear(&p);
  peri_free(kept), peri_free(near);
  return status;
}

/* The strokes' mean width: twice the area over the outline, whose steps are 4 / pi too long on average. */
static double stroke_width(const peri_grid *g) {
  double area = 0, outline = 0;
  for (int64_t y = 0; y < g->h; y++) {
    for (int64_t x = 0; x < g->w; x++) {
      const float *v = g->v + y * g->w + x;
      area += *v;
      outline += fabs((double)(x + 1 < g->w ? v[1] : 0) - *v) + (x == 0 ? *v : 0);
      outline += fabs((double)(y + 1 < g->h ? v[g->w] : 0) - *v) + (y == 0 ? *v : 0);
    }
  }
  return outline > 0 ? 2 * area / (outline * 0.785) : 0;
}

/* How much of a pen of this radius covers the pixels around it, (2 reach + 1)^2 of them: a disk whose rim fades over
   a pixel. */
static void make_pen(float *pen, int64_t reach, double radius) {
  for (int64_t dy = -reach; dy <= reach; dy++) {
    for (int64_t dx = -reach; dx <= reach; dx++) {
      *pen++ = (float)fmin(1, fmax(0, radius + 1 - sqrt((double)(dx * dx + dy * dy))));
    }
  }
}

/* Draws the pen's larger values, `strength` of them, around one pixel. */
static void press(peri_grid *g, const float *pen, int64_t reach, int64_t y, int64_t x, float strength) {
  int64_t side = 2 * reach + 1;
  int64_t left = x > reach ? x - reach : 0, right = x + reach < g->w ? x + reach : g->w - 1;
  for (int64_t at = y > reach ? y - reach : 0; at <= y + reach && at < g->h; at++) {
    const float *from = pen + (at - y + reach) * side + (left - x + reach);
    float *to = g->v + at * g->w + left;
    for (int64_t i = 0; i <= right - left; i++) {
      float value = strength * from[i];
      to[i] = value > to[i] ? value : to[i];
    }
  }
}

int peri__ink_thicken(peri_grid *g, double width) {
  double now = stroke_width(g), radius = (width - now) / 2;
  if (now <= 0 || radius < 0.25) return PERI_OK;
  int64_t reach = (int64_t)ceil(radius), n = g->h * g->w, side = 2 * reach + 1;
  float *from = peri_alloc((size_t)n * sizeof *from), *pen = peri_alloc((size_t)(side * side) * sizeof *pen);
  if (from && pen) {
    make_pen(pen, reach, radius);
    memcpy(from, g->v, (size_t)n * sizeof *from);
    for (int64_t i = 0; i < n; i++) {
      if (from[i] > 0) press(g, pen, reach, i / g->w, i % g->w, from[i]);
    }
  }
  int status = from && pen ? PERI_OK : PERI_ENOMEM;
  peri_free(from), peri_free(pen);
  return status;
}
