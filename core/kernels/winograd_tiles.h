/* winograd_tiles.h - some tiles of a part of winograd.h, and the points of their inputs, which forward runs and
   the gradient of the kernel both begin with:

       v[point][chunk][tile][WINOGRAD_CHUNK channels]

   What reads v finds the tiles' channels a number of floats apart that is known when compiling. */
#ifndef PERI_KERNELS_WINOGRAD_TILES_H
#define PERI_KERNELS_WINOGRAD_TILES_H

#include "kernels/winograd.h"
#include "kernels/winograd_transform.h"

enum { WINOGRAD_CHUNK = 32 };

typedef struct winograd_spot { /* a tile: its first output */
  int64_t image, y, x;
} winograd_spot;

typedef struct winograd_tiles {
  const peri_window *g;
  const winograd_part *part;
  const float *x;          /* the images */
  int64_t count, first, channels; /* of the tiles; of the channels that are taken */
  int64_t plane, step;     /* floats from a chunk of v to the next, from a point to the next */
  float *v, *patch;        /* patch: points x channels of the image */
  winograd_spot at[WINOGRAD_TILES];
} winograd_tiles;

/* Tiles from..to of a part, in order of image. */
static inline void winograd_tiles_place(winograd_tiles *s, int64_t from, int64_t to) {
  const winograd_part *part = s->part;
  int64_t each = part->down * part->across;
  s->count = to - from;
  for (int64_t t = from; t < to; t++) {
    int64_t inside = t % each;
    s->at[t - from] = (winograd_spot){t / each, part->y + inside / part->across * part->my,
                                      part->x + inside % part->across * part->mx};
  }
}

/* The layout of v with room for `room` tiles; returns its floats. */
static inline int64_t winograd_tiles_layout(winograd_tiles *s, int64_t room) {
  s->plane = room * WINOGRAD_CHUNK;
  s->step = blocks64(s->channels, WINOGRAD_CHUNK) * s->plane + PERI_LANES; /* points off each other's cache sets */
  return s->part->points * s->step;
}

/* Points of PERI_LANES channels (or `width`) of a tile. */
PERI_INLINE void winograd_input_tile(const int my, const int mx, const float *from, int64_t row, int64_t pixel,
                                     int64_t width, float *to, int64_t step) {
  vf half[6][6];
  PERI_UNROLL for (int j = 0; j < mx + 2; j++) {
    vf d[6], points[6];
    PERI_UNROLL for (int i = 0; i < my + 2; i++) d[i] = vf_get(from + i * row + j * pixel, width);
    winograd_input(my, d, points);
    PERI_UNROLL for (int i = 0; i < my + 2; i++) half[i][j] = points[i];
  }
  PERI_UNROLL for (int i = 0; i < my + 2; i++) {
    vf points[6];
    winograd_input(mx, half[i], points);
    PERI_UNROLL for (int j = 0; j < mx + 2; j++) vf_store(to + (i * (mx + 2) + j) * step, points[j]);
  }
}

/* The same of up to half a vector of channels of two tiles at once. */
PERI_INLINE void winograd_input_tiles(const int my, const int mx, const float *const *from, int64_t row, int64_t pixel,
                                      int64_t width, float *const *to, int64_t step) {
  vf half[6][6];
  PERI_UNROLL for (int j = 0; j < mx + 2; j++) {
    vf d[6], points[6];
    PERI_UNROLL for (int i = 0; i < my + 2; i++)
      d[i] = vf_get_halves(from[0] + i * row + j * pixel, from[1] + i * row + j * pixel, width);
    winograd_input(my, d, points);
    PERI_UNROLL for (int i = 0; i < my + 2; i++) half[i][j] = points[i];
  }
  PERI_UNROLL for (int i = 0; i < my + 2; i++) {
    vf points[6];
    winograd_input(mx, half[i], points);
    PERI_UNROLL for (int j = 0; j < mx + 2; j++)
      PERI_UNROLL for (int k = 0; k < 2; k++)
        vf_put_half(to[k] + (i * (mx + 2) + j) * step, points[j], k, PERI_LANES / 2);
  }
}

/* The pixels under a tile that reaches over the image's edge, with zeros there: ny x nx x c. */
static inline void winograd_patch(const float *image, int64_t h, int64_t w, int64_t c, int64_t y, int64_t x,
                                  int64_t ny, int64_t nx, float *to) {
  int64_t left = clamp64(-x, 0, nx), right = clamp64(w - x, left, nx);
  for (int64_t i = 0; i < ny; i++, to += nx * c) {
    if (y + i < 0 || y + i >= h) {
      memset(to, 0, (size_t)(nx * c) * sizeof(float));
      continue;
    }
    memset(to, 0, (size_t)(left * c) * sizeof(float));
    memcpy(to + left * c, image + ((y + i) * w + x + left) * c, (size_t)((right - left) * c) * sizeof(float));
    memset(to + right * c, 0, (size_t)((nx - right) * c) * sizeof(float));
  }
}

PERI_INLINE void winograd_inputs_of(const int my, const int mx, const winograd_tiles *s) {
  const peri_window *g = s->g;
  int64_t last = s->channels % PERI_LANES;
  const float *two[2];
  float *two_to[2];
  int waiting = 0; /* a tile whose last channels fill half a vector at most waits for another */
  for (int64_t t = 0; t < s->count; t++) {
    int64_t y = s->at[t].y - g->pad_top, x = s->at[t].x - g->pad_left, row = g->w * g->c, c = 0, patched = 0;
    const float *image = s->x + s->at[t].image * g->h * g->w * g->c, *from = image + (y * g->w + x) * g->c + s->first;
    if (y < 0 || x < 0 || y + my + 2 > g->h || x + mx + 2 > g->w) {
      winograd_patch(image, g->h, g->w, g->c, y, x, my + 2, mx + 2, s->patch);
      from = s->patch + s->first;
      row = (mx + 2) * g->c;
      patched = 1;
    }
    float *to = s->v + t * WINOGRAD_CHUNK;
    for (; c + PERI_LANES <= s->channels; c += PERI_LANES)
      winograd_input_tile(my, mx, from + c, row, g->c, PERI_LANES,
                          to + c / WINOGRAD_CHUNK * s->plane + c % WINOGRAD_CHUNK, s->step);
    if (!last) continue;
    to += c / WINOGRAD_CHUNK * s->plane + c % WINOGRAD_CHUNK;
    if (patched || last > PERI_LANES / 2) {
      winograd_input_tile(my, mx, from + c, row, g->c, last, to, s->step);
      continue;
    }
    two[waiting] = from + c, two_to[waiting] = to;
    waiting = !waiting;
    if (waiting) continue;
    if (last == PERI_LANES / 2) winograd_input_tiles(my, mx, two, row, g->c, PERI_LANES / 2, two_to, s->step);
    else winograd_input_tiles(my, mx, two, row, g->c, last, two_to, s->step);
  }
  if (waiting) winograd_input_tile(my, mx, two[0], g->w * g->c, g->c, last, two_to[0], s->step);
}

/* Which of four functions, for tiles of 2 x 2, 2 x 4, 4 x 2 and 4 x 4. */
static inline int winograd_shape(const winograd_part *part) { return (part->my == 4) * 2 + (part->mx == 4); }

static __attribute__((noinline)) void winograd_inputs_22(const winograd_tiles *s) { winograd_inputs_of(2, 2, s); }
static __attribute__((noinline)) void winograd_inputs_24(const winograd_tiles *s) { winograd_inputs_of(2, 4, s); }
static __attribute__((noinline)) void winograd_inputs_42(const winograd_tiles *s) { winograd_inputs_of(4, 2, s); }
static __attribute__((noinline)) void winograd_inputs_44(const winograd_tiles *s) { winograd_inputs_of(4, 4, s); }

static inline void winograd_inputs(const winograd_tiles *s) {
  static void (*const shapes[])(const winograd_tiles *) = {winograd_inputs_22, winograd_inputs_24, winograd_inputs_42,
                                                           winograd_inputs_44};
  shapes[winograd_shape(s->part)](s);
}

#endif
