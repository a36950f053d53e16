/* window_internal.h - what the files of the window host share.

   A window's textures are of three kinds: `target`, which holds what was painted (the software renderer's surface does
   that by itself, so it has none); sprites, white masks with an alpha (pieces of text, discs for round corners, pieces
   of oblique lines) that take a colour when they are painted, kept in a bounded cache; and pictures by name. All of
   them can be made again at any time: peri__window_lose drops them when the graphics device was lost. */
#ifndef PERI_HOSTS_WINDOW_INTERNAL_H
#define PERI_HOSTS_WINDOW_INTERNAL_H

#include <SDL2/SDL.h>
#include <SDL2/SDL_ttf.h>

#include "hosts/window.h"

enum { PERI_SPRITES_MOST = 512, PERI_SPRITE_BYTES_MOST = 32 << 20, PERI_FONTS_MOST = 12, PERI_PICTURES_MOST = 64 };

typedef struct peri__sprite {
  uint64_t hash, used; /* used: the cache's clock when it was painted last; 0: an empty place */
  void *key;
  size_t key_bytes, bytes;
  SDL_Texture *texture;
  int width, height; /* pixels */
} peri__sprite;

typedef struct peri__sprites {
  peri__sprite at[PERI_SPRITES_MOST];
  uint64_t clock;
  size_t bytes;
} peri__sprites;

typedef struct peri__font {
  TTF_Font *font; /* NULL: an empty place */
  int pixels;
  uint64_t used;
} peri__font;

typedef struct peri__picture {
  char *name; /* NULL: an empty place */
  uint64_t used;
  SDL_Texture *texture;
  int64_t height, width, channels;
  uint32_t low, high;
  bool floating;
} peri__picture;

/* Events that came and were not taken yet: a ring that grows. */
typedef struct peri__queue {
  peri_window_event *at;
  size_t capacity, first, count;
} peri__queue;

struct peri_window {
  peri_window *next; /* among the open ones */
  SDL_Window *window;
  SDL_Renderer *renderer;
  SDL_Texture *target;   /* NULL with the software renderer */
  bool software, resized; /* resized: sizes and target are to be looked at again */
  Uint32 id;
  double asked;          /* pixels a point as PERILUNE_SCALE says it, or 0 */
  double unit;           /* SDL's window units a point */
  double scale;          /* pixels a point */
  int width, height;     /* pixels */
  int connection;        /* the file descriptor that X11 events come from, or -1 */
  bool watch_input;
  char *font_path;
  peri__font fonts[PERI_FONTS_MOST];
  peri__sprites sprites;
  peri__picture pictures[PERI_PICTURES_MOST];
  uint64_t clock; /* of fonts and pictures */
  peri__queue queue;
};

/* window.c */
extern peri_window *peri__windows; /* all that are open */
peri_window *peri__window_of(Uint32 id);
int peri__window_fail(const char *what); /* PERI_ESTATE with SDL's reason */
void peri__window_lose(peri_window *w);  /* drops every texture */
int peri__window_ready(peri_window *w);  /* before painting: sizes and target are what they have to be */
double peri__window_now(void);

/* window_scale.c: window units a point that suit the display. */
double peri__window_unit(peri_window *w, double width, double height);

/* window_x11.c: the file descriptor of the connection, or -1; the desktop's own dots an inch, or 0; the server's time
   of an event of SDL_SYSWMEVENT, which comes before the events that SDL makes of it. */
int peri__x11_connection(SDL_Window *window);
double peri__x11_dpi(SDL_Window *window);
bool peri__x11_time(const SDL_Event *e, Uint32 *milliseconds);

/* window_keys.c: a key's name, NULL for modifiers; and the key of a name, SDLK_UNKNOWN when there is none. */
const char *peri__window_key_name(SDL_Keycode key, char buffer[PERI_WINDOW_TEXT_MOST]);
SDL_Keycode peri__window_key_of(const char *name);

/* window_sprites.c: the sprite of a key, or NULL; a new one from a mask of alphas (rows of width bytes). */
peri__sprite *peri__sprite_find(peri_window *w, const void *key, size_t key_bytes);
int peri__sprite_make(peri_window *w, peri__sprite **out, const void *key, size_t key_bytes, const uint8_t *mask,
                      int width, int height);
int peri__sprite_paint(peri_window *w, peri__sprite *s, const SDL_Rect *part, int x, int y, uint32_t colour);
void peri__sprites_free(peri_window *w);

/* window_text.c */
void peri__fonts_free(peri_window *w);
int peri__font_look(char **out, const char *asked); /* the path of a font that is there; peri_free it */

/* window_picture.c */
void peri__pictures_free(peri_window *w);

/* window_events.c: empties SDL's queue into the windows' own. */
void peri__events_collect(void);
void peri__queue_free(peri__queue *q);

/* Alpha 0 in a colour means that none was given. */
static inline uint8_t peri__alpha(uint32_t colour) { return colour >> 24 ? (uint8_t)(colour >> 24) : 255; }

/* Points to pixels; what is far outside stays outside. */
static inline int peri__pixels(const peri_window *w, double points) {
  double pixels = points * w->scale;
  return pixels > 1e6 ? 1000000 : pixels < -1e6 ? -1000000 : (int)SDL_floor(pixels + 0.5);
}

#endif
