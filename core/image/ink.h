/* ink.h - finding the ink of a drawn or photographed digit (internal to image/).

   A grid is one channel of h x w numbers, rows from the top. */
#ifndef PERI_IMAGE_INK_H
#define PERI_IMAGE_INK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct peri_grid {
  int64_t h, w;
  float *v; /* owned by whoever made it */
} peri_grid;

/* ground.c: the paper's brightness is fitted, and v is replaced by how much each pixel differs from it
   towards the ink (0 where it does not). ink: -1 darker than the ground, 1 lighter, 0 look. *level is the
   ink's typical difference, *noise the ground's standard deviation. PERI_EARG when there is no ink. */
int peri__ink_find(peri_grid *g, int ink, float *level, float *noise);

/* strokes.c: clears specks, and dark edges of the picture that are no stroke; what is left of the ink is
   mapped to 0..1. *side is the longer side of its box. */
int peri__ink_clean(peri_grid *g, float level, float noise, int64_t *side);

/* strokes.c: contrast. v / level becomes 0..1, what is not `near` (NULL: all is) 0. A large drawing becomes nearly
   black and white, as MNIST's sources were; a small one, whose edges are grey already, is kept as it is. */
void peri__ink_levels(peri_grid *g, float level, float noise, int64_t side, const uint8_t *near);

/* strokes.c: widens strokes that are thinner than `width` pixels to it. */
int peri__ink_thicken(peri_grid *g, double width);

/* strokes.c: rows top..bottom-1 and columns left..right-1 hold every pixel above `threshold`; false when none is. */
bool peri__ink_box(const peri_grid *g, float threshold, int64_t *top, int64_t *left, int64_t *bottom, int64_t *right);

/* pieces.c: a connected piece of ink (its pixels touch by sides or corners). */
typedef struct peri_piece {
  int64_t area, contact;             /* pixels; pixels on the picture's border */
  int64_t top, left, bottom, right;  /* the first and the last row and column */
} peri_piece;

typedef struct peri_pieces {
  int32_t *label; /* a pixel's piece, counted from 1; 0: no ink */
  peri_piece *at; /* at[1..count], in the order of their first rows */
  int64_t count, room;
} peri_pieces;

/* The pieces of what is above the threshold; *out must be all zero before, and is cleared by its owner, also after a
   failure. */
int peri__pieces_find(peri_pieces *out, const peri_grid *g, float threshold);
void peri__pieces_clear(peri_pieces *p);

#endif
