/* stroke.h - a pen's strokes in a picture of ink: float32 (H, W, 1) or (H, W), dense, 1 where there is ink and 0 where
   there is none.

   A stroke is a line through points; what lies nearer to it than the pen's radius is covered, and the rim fades over
   one pixel: a pixel whose centre is at distance d has cover = clamp(radius + 0.5 - d, 0, 1). Ink takes the larger of
   the pixel and its cover, an eraser the smaller of the pixel and 1 - cover; so a piece that is drawn twice changes
   nothing, and a stroke may be drawn piece by piece while the pen moves. */
#ifndef PERI_IMAGE_STROKE_H
#define PERI_IMAGE_STROKE_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/tensor.h"

/* Rows top..bottom-1 and columns left..right-1, from 0; empty when bottom <= top or right <= left. */
typedef struct peri_area {
  int64_t top, left, bottom, right;
} peri_area;

typedef struct peri_stroke {
  const double *points; /* x, y, x, y, ... in pixels: (0, 0) is the picture's top left corner, y runs down */
  int64_t count;        /* points; one alone is a dot */
  double radius;        /* of the pen, in pixels */
  bool erase;
} peri_stroke;

/* Draws into `picture`, only inside `within` (NULL: everywhere). *changed, which may be empty, grows by a box that
   holds every pixel that became another. PERI_EARG, and nothing is drawn, when a point or the radius is no
   number or infinite; what lies far outside is clipped. PERI_EINTERRUPT may leave a part of the stroke drawn. */
int peri_stroke_draw(peri_tensor *picture, const peri_stroke *stroke, const peri_area *within, peri_area *changed);

/* The box of all pixels above `threshold`; empty when there is none. */
int peri_stroke_box(peri_area *out, const peri_tensor *picture, float threshold);

/* The broadest pen that befits what is written in a box of a square picture of `side` pixels, when it was drawn with
   `pen` (drawing.c): digits written small with a broad pen are blots, and touch their neighbours. It is 0.13 of the
   digits' height (MNIST's pens: about 0.1 to 0.2). Pens are in sides of the picture. */
double peri_stroke_befitting(const peri_area *box, double pen, int64_t side);

/* Does a pen befit as it is? A little more than that pen may be. */
bool peri_stroke_befits(double pen, double befitting);

#endif
