/* pieces.c - the connected pieces of ink on a picture, and digits made of some of them.

   A picture that is drawn is clean: no ground has to be told from ink, and that is what costs most of the time in digit.c.
   Which pieces belong together is for the caller to say (lua/perilune/draw/segments.lua). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "image/ink.h"
#include "image/internal.h"

static const float INKED = 0.5f, FAINT = 0.05f; /* what is ink; what may be ink's rim */

/* --- connected pieces of a grid --- */

static int add_piece(peri_pieces *p) {
  if (p->count + 1 >= p->room) {
    int64_t room = p->room ? p->room * 2 : 64;
    peri_piece *larger = peri_alloc((size_t)room * sizeof *larger);
    if (!larger) return PERI_ENOMEM;
    if (p->at) memcpy(larger, p->at, (size_t)p->room * sizeof *larger);
    peri_free(p->at);
    p->at = larger;
    p->room = room;
  }
  p->at[++p->count] = (peri_piece){.top = INT64_MAX, .left = INT64_MAX};
  return PERI_OK;
}

static void note(const peri_grid *g, peri_piece *p, int64_t y, int64_t x) {
  p->area++;
  p->contact += y == 0 || x == 0 || y == g->h - 1 || x == g->w - 1;
  if (y < p->top) p->top = y;
  if (x < p->left) p->left = x;
  if (y > p->bottom) p->bottom = y;
  if (x > p->right) p->right = x;
}

/* Labels the piece that holds the pixel `start`. Each pixel enters the stack once. */
static void flood(const peri_grid *g, float threshold, peri_pieces *p, int64_t *stack, int64_t start) {
  int64_t depth = 0;
  stack[depth++] = start;
  p->label[start] = (int32_t)p->count;
  while (depth > 0) {
    int64_t at = stack[--depth], y = at / g->w, x = at % g->w;
    note(g, &p->at[p->count], y, x);
    for (int64_t v = y > 0 ? y - 1 : 0; v <= y + 1 && v < g->h; v++) {
      for (int64_t u = x > 0 ? x - 1 : 0; u <= x + 1 && u < g->w; u++) {
        int64_t next = v * g->w + u;
        if (p->label[next] || !(g->v[next] > threshold)) continue;
        p->label[next] = (int32_t)p->count;
        stack[depth++] = next;
      }
    }
  }
}

int peri__pieces_find(peri_pieces *out, const peri_grid *g, float threshold) {
  int64_t n = g->h * g->w, *stack = peri_alloc((size_t)n * sizeof *stack);
  out->label = peri_alloc_zeroed((size_t)n * sizeof *out->label);
  int status = stack && out->label ? PERI_OK : PERI_ENOMEM;
  for (int64_t i = 0; status >= 0 && i < n; i++) {
    if (out->label[i] || !(g->v[i] > threshold)) continue;
    status = add_piece(out);
    if (status >= 0) flood(g, threshold, out, stack, i);
  }
  peri_free(stack);
  return status;
}

void peri__pieces_clear(peri_pieces *p) {
  peri_free(p->label), peri_free(p->at);
  *p = (peri_pieces){0};
}

/* --- pieces of a picture --- */

static int check_ink(const char *op, const peri_tensor *ink) {
  bool flat = ink->ndim == 2 || (ink->ndim == 3 && ink->shape[2] == 1);
  if (ink->dtype != PERI_F32 || !flat || !peri_tensor_contiguous(ink) || ink->shape[0] < 1 || ink->shape[1] < 1) {
    return peri_fail(PERI_EARG, "image.%s: the picture is %s, expected dense float32 (H, W, 1)", op, peri_tensor_text(ink));
  }
  return PERI_OK;
}

static int check_labels(const char *op, const peri_tensor *labels) {
  if (labels->dtype != PERI_U8 || labels->ndim != 2 || !peri_tensor_contiguous(labels)) {
    return peri_fail(PERI_EARG, "image.%s: the labels are %s, expected dense uint8 (H, W)", op, peri_tensor_text(labels));
  }
  return PERI_OK;
}

/* A piece and the number that the search gave it. */
typedef struct numbered {
  const peri_piece *piece;
  int64_t number;
} numbered;

static int by_area(const void *a, const void *b) {
  int64_t x = ((const numbered *)a)->piece->area, y = ((const numbered *)b)->piece->area;
  return (x < y) - (x > y);
}

static int by_left(const void *a, const void *b) {
  const numbered *x = a, *y = b;
  if (x->piece->left != y->piece->left) return x->piece->left < y->piece->left ? -1 : 1;
  return (x->number > y->number) - (x->number < y->number);
}

/* The pieces that are no specks, at most PERI_IMAGE_PIECES_MOST, by their left edges. Returns how many. */
static int choose(numbered *list, const peri_pieces *found) {
  int count = 0;
  for (int64_t i = 1; i <= found->count; i++) list[i - 1] = (numbered){&found->at[i], i};
  qsort(list, (size_t)found->count, sizeof *list, by_area);
  while (count < found->count && count < PERI_IMAGE_PIECES_MOST && list[count].piece->area * 25 >= list[0].piece->area) count++;
  qsort(list, (size_t)count, sizeof *list, by_left);
  return count;
}

/* The label of a pixel's strongest labelled neighbour. */
static uint8_t neighbour(const peri_grid *g, const uint8_t *label, int64_t y, int64_t x) {
  uint8_t best = 0;
  float most = -1;
  for (int64_t v = y > 0 ? y - 1 : 0; v <= y + 1 && v < g->h; v++) {
    for (int64_t u = x > 0 ? x - 1 : 0; u <= x + 1 && u < g->w; u++) {
      int64_t at = v * g->w + u;
      if (label[at] && g->v[at] > most) most = g->v[at], best = label[at];
    }
  }
  return best;
}

/* Gives faint pixels beside a piece to it, two rings of them. `ring` has room for every pixel. */
static void add_rims(const peri_grid *g, uint8_t *label, uint8_t *ring) {
  for (int pass = 0; pass < 2; pass++) {
    memset(ring, 0, (size_t)(g->h * g->w));
    for (int64_t y = 0; y < g->h; y++) {
      for (int64_t x = 0; x < g->w; x++) {
        int64_t at = y * g->w + x;
        if (!label[at] && g->v[at] > FAINT && g->v[at] <= INKED) ring[at] = neighbour(g, label, y, x);
      }
    }
    for (int64_t i = 0; i < g->h * g->w; i++) label[i] |= ring[i];
  }
}

int peri_image_pieces(peri_tensor **labels, peri_image_piece *pieces, int *count, const peri_tensor *ink) {
  PERI_TRY(check_ink("pieces", ink));
  peri_grid g = {ink->shape[0], ink->shape[1], peri_tensor_data(ink)};
  peri_pieces found = {0};
  numbered *list = NULL;
  uint8_t *name = NULL, *ring = NULL;
  int status;
  *labels = NULL;
  PERI_TRY_GOTO(done, peri_tensor_zeros(labels, PERI_U8, 2, (const int64_t[]){g.h, g.w}));
  PERI_TRY_GOTO(done, peri__pieces_find(&found, &g, INKED));
  list = peri_alloc((size_t)(found.count + 1) * sizeof *list);
  name = peri_alloc_zeroed((size_t)found.count + 1);
  ring = peri_alloc((size_t)(g.h * g.w));
  PERI_TRY_GOTO(done, list && name && ring ? PERI_OK : PERI_ENOMEM);
  *count = choose(list, &found);
  for (int i = 0; i < *count; i++) {
    const peri_piece *p = list[i].piece;
    pieces[i] = (peri_image_piece){p->area, p->top, p->left, p->bottom + 1, p->right + 1};
    name[list[i].number] = (uint8_t)(i + 1);
  }
  uint8_t *label = peri_tensor_data(*labels);
  for (int64_t i = 0; i < g.h * g.w; i++) label[i] = name[found.label[i]];
  add_rims(&g, label, ring);
done:
  peri__pieces_clear(&found);
  peri_free(list), peri_free(name), peri_free(ring);
  if (status < 0) peri_tensor_release(*labels), *labels = NULL;
  return status;
}

int peri_image_piece_rows(int64_t *rows, const peri_tensor *labels, int piece, const peri_image_piece *box) {
  PERI_TRY(check_labels("pieces", labels));
  const uint8_t *label = peri_tensor_data(labels);
  for (int64_t y = box->top; y < box->bottom; y++) {
    const uint8_t *row = label + y * labels->shape[1];
    int64_t from = box->left, to = box->right;
    while (from < to && row[from] != piece) from++;
    while (to > from && row[to - 1] != piece) to--;
    rows[2 * (y - box->top)] = from, rows[2 * (y - box->top) + 1] = to;
  }
  return PERI_OK;
}

int peri_image_pieces_split(peri_tensor *labels, int piece, int number, double x_top, double x_bottom) {
  PERI_TRY(check_labels("split", labels));
  if (piece < 1 || piece > PERI_IMAGE_PIECES_MOST || number < 1 || number > PERI_IMAGE_PIECES_MOST) {
    return peri_fail(PERI_EARG, "image.split: pieces are numbered from 1 to %d, got %d and %d", PERI_IMAGE_PIECES_MOST, piece, number);
  }
  uint8_t *label = peri_tensor_data(labels);
  int64_t h = labels->shape[0], w = labels->shape[1];
  for (int64_t y = 0; y < h; y++) {
    double line = x_top + (x_bottom - x_top) * ((double)y + 0.5) / (double)h;
    for (int64_t x = 0; x < w; x++) {
      if (label[y * w + x] == piece && (double)x + 0.5 > line) label[y * w + x] = (uint8_t)number;
    }
  }
  return PERI_OK;
}

/* --- a digit of some pieces --- */

/* The chosen pieces alone, with room around them for strokes that are widened; NULL when they have no ink. *top, *left:
   where in the picture. */
static int cut_out(peri_tensor **out, int64_t *top, int64_t *left, int64_t *side, const peri_tensor *ink, const uint8_t *label,
                   const bool *chosen, double thicken) {
  int64_t h = ink->shape[0], w = ink->shape[1], first = h, last = -1, low = w, high = -1;
  const float *v = peri_tensor_data(ink);
  for (int64_t y = 0; y < h; y++) {
    for (int64_t x = 0; x < w; x++) {
      if (!chosen[label[y * w + x]] || !(v[y * w + x] > INKED)) continue;
      first = y < first ? y : first, last = y;
      low = x < low ? x : low, high = x > high ? x : high;
    }
  }
  *out = NULL;
  if (last < 0) return PERI_OK;
  *side = last - first > high - low ? last - first + 1 : high - low + 1;
  int64_t room = 3 + (int64_t)ceil(thicken * (double)*side / 20);
  *top = first - room, *left = low - room;
  PERI_TRY(peri_tensor_zeros(out, PERI_F32, 3, (const int64_t[]){last - first + 1 + 2 * room, high - low + 1 + 2 * room, 1}));
  float *to = peri_tensor_data(*out);
  for (int64_t y = first - 2 < 0 ? 0 : first - 2; y < h && y <= last + 2; y++) {
    for (int64_t x = low - 2 < 0 ? 0 : low - 2; x < w && x <= high + 2; x++) {
      if (chosen[label[y * w + x]]) to[(y - *top) * (*out)->shape[1] + x - *left] = v[y * w + x];
    }
  }
  return PERI_OK;
}

int peri_image_pieces_digit(peri_tensor **out, peri_image_place *place, const peri_tensor *ink, const peri_tensor *labels,
                            const bool chosen[PERI_IMAGE_PIECES_MOST + 1], double thicken) {
  peri_tensor *part;
  int64_t top = 0, left = 0, side = 0;
  *out = NULL;
  PERI_TRY(check_ink("digit_of", ink));
  PERI_TRY(check_labels("digit_of", labels));
  if (labels->shape[0] != ink->shape[0] || labels->shape[1] != ink->shape[1] || !(thicken >= 0 && thicken <= 20) || chosen[0]) {
    return peri_fail(PERI_EARG, "image.digit_of: wants labels of the picture's size and thicken from 0 to 20");
  }
  PERI_TRY(cut_out(&part, &top, &left, &side, ink, peri_tensor_data(labels), chosen, thicken));
  if (!part) return PERI_OK;
  peri_grid g = {part->shape[0], part->shape[1], peri_tensor_data(part)};
  peri__ink_levels(&g, 1, 0, side, NULL);
  int status = peri__digit_field(out, place, part, side, thicken);
  peri_tensor_release(part);
  place->top += (double)top, place->bottom += (double)top;
  place->left += (double)left, place->right += (double)left;
  return status;
}
