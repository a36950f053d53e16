/* window_text.c - text: fonts opened at the size in pixels at which they are painted, and pieces of text as sprites.

   Text is cut into pieces of at most PIECE characters, so that no texture is wider than graphics cards allow and a
   long text's pieces outside the window are not drawn at all. */
#include "hosts/window_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/status.h"

enum { BYTES_MOST = 16384, PIECE = 96, PIECE_WIDTH_MOST = 4096, LEAST_PIXELS = 4, MOST_PIXELS = 800 };

/* --- fonts --- */

static const char *const places[] = {
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", /* Debian, Ubuntu */
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf", /* Fedora */
    "/usr/share/fonts/TTF/DejaVuSans.ttf", /* Arch */
    "/usr/share/fonts/dejavu/DejaVuSans.ttf",
    "/usr/local/share/fonts/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "/Library/Fonts/Arial Unicode.ttf",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
};

int peri__font_look(char **out, const char *asked) {
  const char *variable = getenv("PERILUNE_FONT");
  const char *path = asked ? asked : variable && *variable ? variable : NULL;
  if (path && access(path, R_OK) != 0)
    return peri_fail(PERI_EIO, "window.open: there is no font to read at %s (%s)", path, asked ? "argument 'font'" : "PERILUNE_FONT");
  for (size_t i = 0; !path && i < sizeof places / sizeof *places; i++) {
    if (access(places[i], R_OK) == 0) path = places[i];
  }
  if (!path)
    return peri_fail(PERI_EIO, "window.open: no font was found: install DejaVu Sans (Debian: fonts-dejavu-core), or "
                               "name a .ttf file as argument 'font' or in PERILUNE_FONT");
  *out = peri_strdup(path);
  return *out ? PERI_OK : PERI_ENOMEM;
}

static void drop(peri__font *f) {
  if (f->font) TTF_CloseFont(f->font);
  *f = (peri__font){0};
}

void peri__fonts_free(peri_window *w) {
  for (int i = 0; i < PERI_FONTS_MOST; i++) drop(&w->fonts[i]);
}

static int font_of(peri_window *w, int pixels, TTF_Font **out) {
  peri__font *best = &w->fonts[0];
  for (int i = 0; i < PERI_FONTS_MOST; i++) {
    peri__font *f = &w->fonts[i];
    if (f->font && f->pixels == pixels) {
      f->used = ++w->clock;
      *out = f->font;
      return PERI_OK;
    }
    if (best->font && (!f->font || f->used < best->used)) best = f;
  }
  drop(best);
  TTF_Font *font = TTF_OpenFont(w->font_path, pixels); /* at 72 dots an inch: pixels */
  if (!font) return peri_fail(PERI_EIO, "window: the font %s cannot be read: %s", w->font_path, TTF_GetError());
  TTF_SetFontHinting(font, TTF_HINTING_LIGHT);
  *best = (peri__font){.font = font, .pixels = pixels, .used = ++w->clock};
  *out = font;
  return PERI_OK;
}

static int pixels_of(const peri_window *w, double size) {
  double pixels = size * w->scale + 0.5;
  return pixels < LEAST_PIXELS ? LEAST_PIXELS : pixels > MOST_PIXELS ? MOST_PIXELS : (int)pixels;
}

/* --- characters --- */

/* Bytes of the character at `text`; 0 when it is no UTF-8 (overlong, a surrogate, past U+10FFFF, cut off). */
static size_t character(const unsigned char *text, size_t left) {
  size_t length = text[0] < 0x80 ? 1 : text[0] < 0xC2 ? 0 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : text[0] < 0xF5 ? 4 : 0;
  if (length == 0 || length > left) return 0;
  for (size_t i = 1; i < length; i++) {
    if ((text[i] & 0xC0) != 0x80) return 0;
  }
  if (length > 2) {
    unsigned both = (unsigned)text[0] << 8 | text[1];
    if (both < 0xE0A0 || (both >= 0xEDA0 && both < 0xEE80) || (both >= 0xF000 && both < 0xF090) || both >= 0xF490) return 0;
  }
  return length;
}

/* The next piece of the text, made clean: at most `most` characters. Returns how many bytes of it were used. */
static size_t next_piece(const char *text, size_t bytes, int most, char out[PIECE * 4 + 1]) {
  size_t used = 0, made = 0;
  for (int i = 0; i < most && used < bytes; i++) {
    const unsigned char *at = (const unsigned char *)text + used;
    size_t length = character(at, bytes - used);
    if (length == 0) {
      memcpy(out + made, "\xEF\xBF\xBD", 3);
      made += 3;
    } else if (*at < 0x20 || *at == 0x7F) {
      out[made++] = ' ';
    } else {
      memcpy(out + made, at, length);
      made += length;
    }
    used += length ? length : 1;
  }
  out[made] = 0;
  return used;
}

/* A piece that is not too wide, and its width in pixels. */
static int fit_piece(TTF_Font *font, const char *text, size_t bytes, char out[PIECE * 4 + 1], size_t *used, int *width) {
  for (int most = PIECE; most > 0; most = most > 1 ? most / 2 : 0) {
    *used = next_piece(text, bytes, most, out);
    if (TTF_SizeUTF8(font, out, width, NULL) != 0) return peri_fail(PERI_ESTATE, "window: text cannot be measured: %s", TTF_GetError());
    if (*width <= PIECE_WIDTH_MOST) break;
  }
  return PERI_OK;
}

/* --- measuring and painting --- */

static int width_of(TTF_Font *font, const char *text, size_t bytes, int *width) {
  char piece[PIECE * 4 + 1];
  size_t used;
  int one;
  *width = 0;
  for (; bytes > 0; text += used, bytes -= used) {
    PERI_TRY(fit_piece(font, text, bytes, piece, &used, &one));
    *width += one;
  }
  return PERI_OK;
}

static int make_sprite(peri_window *w, TTF_Font *font, const char *piece, const void *key, size_t key_bytes, peri__sprite **out) {
  SDL_Surface *surface = TTF_RenderUTF8_Blended(font, piece, (SDL_Color){255, 255, 255, 255}); /* ARGB8888 */
  if (!surface) return peri_fail(PERI_ESTATE, "window: text cannot be painted: %s", TTF_GetError());
  uint8_t *mask = peri_alloc((size_t)surface->w * (size_t)surface->h);
  int status = mask ? PERI_OK : PERI_ENOMEM;
  for (int y = 0; mask && y < surface->h; y++) {
    const uint32_t *row = (const uint32_t *)(const void *)((const char *)surface->pixels + (ptrdiff_t)y * surface->pitch);
    for (int x = 0; x < surface->w; x++) mask[y * surface->w + x] = (uint8_t)(row[x] >> 24);
  }
  if (mask) status = peri__sprite_make(w, out, key, key_bytes, mask, surface->w, surface->h);
  peri_free(mask);
  SDL_FreeSurface(surface);
  return status;
}

static int paint_piece(peri_window *w, TTF_Font *font, int pixels, const char *piece, int x, int y, uint32_t colour) {
  struct { char kind[4]; int32_t pixels; char text[PIECE * 4 + 1]; } key = {.kind = "text", .pixels = pixels};
  size_t bytes = strlen(piece), key_bytes = 8 + bytes;
  memcpy(key.text, piece, bytes);
  peri__sprite *s = peri__sprite_find(w, &key, key_bytes);
  if (!s) PERI_TRY(make_sprite(w, font, piece, &key, key_bytes, &s));
  return peri__sprite_paint(w, s, NULL, x, y, colour);
}

static bool is_blank(const char *piece) { return piece[strspn(piece, " ")] == 0; }

int peri_window_text(peri_window *w, double x, double y, const char *text, size_t bytes, double size, uint32_t colour,
                     double align, double *width) {
  char piece[PIECE * 4 + 1];
  TTF_Font *font;
  size_t used;
  int total, one, pixels;
  PERI_TRY(peri__window_ready(w));
  pixels = pixels_of(w, size);
  if (bytes > BYTES_MOST) bytes = BYTES_MOST;
  PERI_TRY(font_of(w, pixels, &font));
  PERI_TRY(width_of(font, text, bytes, &total));
  int at = peri__pixels(w, x) - (int)SDL_floor(total * align + 0.5), top = peri__pixels(w, y);
  *width = total / w->scale;
  if (top >= w->height || top + TTF_FontHeight(font) <= 0) return PERI_OK;
  for (; bytes > 0 && at < w->width; text += used, bytes -= used, at += one) {
    PERI_TRY(fit_piece(font, text, bytes, piece, &used, &one));
    if (one > 0 && at + one > 0 && !is_blank(piece)) PERI_TRY(paint_piece(w, font, pixels, piece, at, top, colour));
  }
  return PERI_OK;
}

int peri_window_measure(peri_window *w, const char *text, size_t bytes, double size, double *width, double *height) {
  TTF_Font *font;
  int total;
  PERI_TRY(peri__window_ready(w));
  PERI_TRY(font_of(w, pixels_of(w, size), &font));
  PERI_TRY(width_of(font, text, bytes > BYTES_MOST ? BYTES_MOST : bytes, &total));
  *width = total / w->scale;
  *height = TTF_FontHeight(font) / w->scale;
  return PERI_OK;
}
