/* window_picture.c - pictures: pixels of a tensor in a texture that is kept by name, so that what did not change is
   not sent again. */
#include "hosts/window_internal.h"

#include <string.h>

#include "base/memory.h"
#include "base/status.h"

static void drop(peri__picture *p) {
  if (!p->name) return;
  if (p->texture) SDL_DestroyTexture(p->texture);
  peri_free(p->name);
  *p = (peri__picture){0};
}

void peri__pictures_free(peri_window *w) {
  for (int i = 0; i < PERI_PICTURES_MOST; i++) drop(&w->pictures[i]);
}

/* The place of a name: its own, an empty one, or that of the picture not painted for the longest. */
static int find(peri_window *w, peri__picture **out, const char *name) {
  peri__picture *best = &w->pictures[0];
  for (int i = 0; i < PERI_PICTURES_MOST; i++) {
    peri__picture *p = &w->pictures[i];
    if (p->name && strcmp(p->name, name) == 0) {
      *out = p;
      return PERI_OK;
    }
    if (best->name && (!p->name || p->used < best->used)) best = p;
  }
  drop(best);
  best->name = peri_strdup(name);
  *out = best;
  return best->name ? PERI_OK : PERI_ENOMEM;
}

/* Makes the texture when the picture is new or another than it was; *fresh tells. */
static int prepare(peri_window *w, peri__picture *p, const peri_window_pixels *from, bool *fresh) {
  *fresh = !p->texture || p->low != from->low || p->high != from->high || p->floating != from->floating;
  if (p->texture && (p->height != from->height || p->width != from->width || p->channels != from->channels)) {
    SDL_DestroyTexture(p->texture);
    p->texture = NULL;
    *fresh = true;
  }
  if (!p->texture) {
    p->texture = SDL_CreateTexture(w->renderer, SDL_PIXELFORMAT_ARGB8888, SDL_TEXTUREACCESS_STREAMING, (int)from->width,
                                   (int)from->height);
    if (!p->texture) return peri__window_fail("a picture's texture cannot be made");
    SDL_SetTextureBlendMode(p->texture, SDL_BLENDMODE_BLEND);
  }
  p->height = from->height, p->width = from->width, p->channels = from->channels;
  p->low = from->low, p->high = from->high, p->floating = from->floating;
  return PERI_OK;
}

/* The 256 colours from low to high. */
static void colours(uint32_t table[256], uint32_t low, uint32_t high) {
  if (!(low >> 24) && !(high >> 24)) low |= 0xFF000000U, high |= 0xFF000000U;
  for (uint32_t i = 0; i < 256; i++) {
    table[i] = 0;
    for (int shift = 0; shift < 32; shift += 8) {
      uint32_t a = low >> shift & 255, b = high >> shift & 255;
      table[i] |= ((a * (255 - i) + b * i + 127) / 255) << shift;
    }
  }
}

static uint8_t byte_of(const peri_window_pixels *from, int64_t at) {
  if (!from->floating) return ((const uint8_t *)from->data)[at];
  float value = ((const float *)from->data)[at];
  return value >= 1 ? 255 : value > 0 ? (uint8_t)(value * 255 + 0.5F) : 0; /* nan: 0 */
}

static void write_row(uint32_t *to, const peri_window_pixels *from, int64_t at, int64_t count, const uint32_t *table) {
  int64_t step = from->strides[1], channel = from->strides[2];
  if (from->channels == 1) {
    for (int64_t i = 0; i < count; i++) to[i] = table[byte_of(from, at + i * step)];
    return;
  }
  for (int64_t i = 0; i < count; i++, at += step) {
    uint32_t red = byte_of(from, at), green = byte_of(from, at + channel), blue = byte_of(from, at + 2 * channel);
    to[i] = 0xFF000000U | red << 16 | green << 8 | blue;
  }
}

static int upload(peri__picture *p, const peri_window_pixels *from, SDL_Rect box) {
  uint32_t table[256];
  void *pixels;
  int pitch;
  if (box.w <= 0 || box.h <= 0) return PERI_OK;
  colours(table, from->low, from->high);
  if (SDL_LockTexture(p->texture, &box, &pixels, &pitch) != 0) return peri__window_fail("a picture cannot be changed");
  for (int y = 0; y < box.h; y++) {
    int64_t at = (box.y + y) * from->strides[0] + box.x * from->strides[1];
    write_row((uint32_t *)(void *)((char *)pixels + (ptrdiff_t)y * pitch), from, at, box.w, table);
  }
  SDL_UnlockTexture(p->texture);
  return PERI_OK;
}

/* Cuts one axis to what can be seen: `count` pixels of a picture over *length pixels from *start, in a window that is
   `room` long. The software renderer makes a surface as large as the picture is to become, however little of it is
   seen. One pixel more is left at either side, so that smooth pictures do not change at the cut. */
static bool cut(int *start, int *length, int64_t count, int room, int *first, int *kept) {
  enum { LONGEST = 65536 };
  double each = (double)*length / (double)count;
  int64_t from = (int64_t)SDL_floor(-*start / each) - 1, to = (int64_t)SDL_ceil((room - *start) / each) + 1;
  from = from < 0 ? 0 : from;
  to = to > count ? count : to;
  if (from >= to) return false;
  double left = *start + (double)from * each, right = *start + (double)to * each;
  *first = (int)from, *kept = (int)(to - from);
  *start = (int)SDL_floor(left + 0.5), *length = (int)SDL_floor(right + 0.5) - *start;
  return *length > 0 && *length <= LONGEST;
}

int peri_window_picture(peri_window *w, const char *name, const peri_window_pixels *from, double x, double y,
                        double width, double height) {
  peri__picture *p;
  bool fresh;
  SDL_Rect box = {(int)from->left, (int)from->top, (int)from->box_width, (int)from->box_height};
  PERI_TRY(peri__window_ready(w));
  PERI_TRY(find(w, &p, name));
  p->used = ++w->clock;
  PERI_TRY(prepare(w, p, from, &fresh));
  if (fresh) box = (SDL_Rect){0, 0, (int)from->width, (int)from->height};
  PERI_TRY(upload(p, from, box));
  SDL_SetTextureScaleMode(p->texture, from->smooth ? SDL_ScaleModeLinear : SDL_ScaleModeNearest);
  int left = peri__pixels(w, x), top = peri__pixels(w, y);
  SDL_Rect part, to = {left, top, peri__pixels(w, x + width) - left, peri__pixels(w, y + height) - top};
  if (to.w <= 0 || to.h <= 0) return PERI_OK;
  if (!cut(&to.x, &to.w, from->width, w->width, &part.x, &part.w)) return PERI_OK;
  if (!cut(&to.y, &to.h, from->height, w->height, &part.y, &part.h)) return PERI_OK;
  return SDL_RenderCopy(w->renderer, p->texture, &part, &to) == 0 ? PERI_OK : peri__window_fail("a picture cannot be painted");
}
