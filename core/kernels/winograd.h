/* winograd.h - convolutions with 3 x 3 kernels in fewer multiplications: Winograd's minimal filtering, as
   Lavin and Gray use it ("Fast Algorithms for Convolutional Neural Networks", 2015).

   A tile of my x mx outputs (2 or 4 each way) of one image comes from (my + 2) x (mx + 2) points:

       tile = A' [ sum over channels  (G kernel G') . (B' input B) ] A        . is point by point

   so that each point is a matrix product of its own, tiles x channels by channels x outputs, with
   4 multiplications an output for 2 x 2 tiles and 2.25 for 4 x 4, where the plain sum takes 9.

   The outputs of an image are cut into tiles of 4 and, where that is cheaper at an edge, of 2: up to four
   parts, each a grid of equal tiles with weights of its own. A tile over the edge is computed whole and
   stored in part.

       4  4  4 | 2          10 outputs: 4 + 4 + 2;  11: 4 + 4 + 4 (3 of them used)
       4  4  4 | 2          behind 2 x 2 pooling, outputs that the pool drops are in no tile

   Weights are transformed first, by winograd_weights, into memory of the caller (w.floats numbers); they
   depend on the geometry, not on the images, and serve any number of runs:

       winograd w;
       if (winograd_plan(&w, &geometry, rows, columns, WINOGRAD_ONCE)) {
         float *u = peri_alloc((size_t)w.floats * sizeof(float));
         winograd_weights(&w, &weights, 0, u);
         status = winograd_run(&w, u, &output, x);                                              */
#ifndef PERI_KERNELS_WINOGRAD_H
#define PERI_KERNELS_WINOGRAD_H

#include "kernels/window.h"

enum {
  WINOGRAD_TILES = 96,                             /* most of a piece: a multiple of every PERI_TILE_ROWS */
  WINOGRAD_ABREAST = PERI_TILE_ROWS == 12 ? 3 : 2, /* most vectors of a panel: there are registers for 8 x 3 */
  WINOGRAD_WIDE = WINOGRAD_ABREAST * PERI_LANES
};

typedef struct winograd_part {
  int my, mx, points;    /* outputs of a tile; (my + 2) (mx + 2) */
  int64_t y, x;          /* first output of the first tile */
  int64_t down, across;  /* tiles of an image */
  int64_t tiles, pieces; /* most tiles of a piece; pieces of all images */
  int64_t weights;       /* where its weights start: panels x points x w.depth x w.wide */
} winograd_part;

typedef struct winograd {
  peri_window g;      /* 3 x 3, stride 1, dilation 1, one group; padding of any sign */
  int64_t rows, cols; /* of each image's outputs that are wanted */
  int paired;         /* a vector of sums holds half a vector of outputs, of even and of odd channels */
  int64_t panels;     /* of `outputs` outputs each, which are `wide` sums; the last may have fewer */
  int64_t outputs, wide, depth; /* depth: channels, or pairs of them */
  int64_t floats;     /* of the weights */
  int parts;
  winograd_part part[4];
} winograd;

/* Where the outputs go: to y, n x oh x ow x oc; with `pool`, through ReLU and 2 x 2 pooling as peri_kernels'
   conv_pool has it, y and winner n x rows / 2 x cols / 2 x oc. bias and winner may be NULL. */
typedef struct winograd_output {
  float *y;
  const float *bias;
  int relu, pool;
  uint8_t *winner;
} winograd_output;

#define winograd_plan PERI_ISA_NAME(peri__winograd_plan)
#define winograd_batch PERI_ISA_NAME(peri__winograd_batch)
#define winograd_weights PERI_ISA_NAME(peri__winograd_weights)
#define winograd_backward_kernel PERI_ISA_NAME(peri__winograd_backward_kernel)
#define winograd_shares PERI_ISA_NAME(peri__winograd_shares)
#define winograd_run PERI_ISA_NAME(peri__winograd_run)

/* Chooses the tiles for the first rows x cols outputs of each image. 0 where this geometry has no such form, or
   the plain sum is as fast. */
typedef enum winograd_use {
  WINOGRAD_ONCE,     /* weights and run */
  WINOGRAD_PREPARED, /* the weights' transform is done beforehand, and costs nothing */
  WINOGRAD_KERNEL    /* the gradient of the kernel */
} winograd_use;
int winograd_plan(winograd *w, const peri_window *g, int64_t rows, int64_t cols, winograd_use use);

/* The same tiles and weights for another number of images. */
void winograd_batch(winograd *w, int64_t n);

/* The weights' points. `turned`: taps in the opposite order (the gradient of the input). */
void winograd_weights(const winograd *w, const weights *from, int turned, float *to);

int winograd_run(const winograd *w, const float *u, const winograd_output *out, const float *x);

/* How many shares the tiles are dealt out to, each with a gradient of its own. */
int64_t winograd_shares(const winograd *w);

/* The gradients of kernel and bias (may be NULL), as peri_kernels' conv_backward_kernel has them; w is a plan for
   WINOGRAD_KERNEL. */
int winograd_backward_kernel(const winograd *w, const float *x, const float *dy, float *dkernel, float *dbias);

/* The gradient of a convolution's input as a convolution of dy, with the kernel turned round and its channels
   exchanged (stride 1). */
static inline peri_window window_turned(const peri_window *g) {
  peri_window t = *g;
  t.h = g->oh, t.w = g->ow, t.c = g->oc;
  t.oh = g->h, t.ow = g->w, t.oc = g->c;
  t.pad_top = g->dil_h * (g->kh - 1) - g->pad_top;
  t.pad_left = g->dil_w * (g->kw - 1) - g->pad_left;
  return t;
}

/* Weights and run in one. */
static inline int winograd_once(const winograd *w, const weights *from, int turned, const winograd_output *out,
                                const float *x) {
  float *u = peri_alloc((size_t)w->floats * sizeof(float));
  if (!u) return PERI_ENOMEM;
  winograd_weights(w, from, turned, u);
  int status = winograd_run(w, u, out, x);
  peri_free(u);
  return status;
}

#endif
