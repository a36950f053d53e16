/* window.h - a window to paint in and to take events from: SDL2 behind it, SDL2_ttf for text.

   Positions and sizes are in points; a point is `scale` pixels (high-DPI; PERILUNE_SCALE overrides what the system
   says). Colours are 0xRRGGBB, or 0xAARRGGBB with an alpha that is not 0. What was painted stays until it is painted
   over or the window's size changes. Everything here is for one thread. Several windows may be open: each takes its
   own events. Signals stay the process's own: Ctrl-C is seen through the flag of base/interrupt.h. */
#ifndef PERI_HOSTS_WINDOW_H
#define PERI_HOSTS_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct peri_window peri_window;

typedef struct peri_window_options {
  const char *title;
  double width, height; /* points */
  const char *font;     /* a font's file, or NULL: PERILUNE_FONT, else DejaVu Sans where systems keep it */
  bool hidden;          /* not shown; works without a display too */
} peri_window_options;

/* --- life (window.c) --- */
int peri_window_open(peri_window **out, const peri_window_options *o);
void peri_window_close(peri_window *w); /* frees it; NULL is allowed */
void peri_window_title(peri_window *w, const char *title);

/* Width and height in points, and pixels a point. */
void peri_window_size(peri_window *w, double *width, double *height, double *scale);

/* What paints: "software", "opengl", ...; and what shows: "x11", "wayland", "dummy", ... */
const char *peri_window_renderer(const peri_window *w);
const char *peri_window_driver(void);

/* --- events (window_events.c, window_push.c) --- */
#define PERI_WINDOW_EVENTS(X)                                                                       \
  X(PERI_WINDOW_PRESS, "press")                                                                    \
  X(PERI_WINDOW_MOVE, "move")                                                                      \
  X(PERI_WINDOW_RELEASE, "release")                                                                \
  X(PERI_WINDOW_WHEEL, "wheel")                                                                    \
  X(PERI_WINDOW_KEY, "key")                                                                        \
  X(PERI_WINDOW_TEXT, "text")                                                                      \
  X(PERI_WINDOW_DROP, "drop")                                                                      \
  X(PERI_WINDOW_RESIZE, "resize")                                                                  \
  X(PERI_WINDOW_EXPOSE, "expose")                                                                  \
  X(PERI_WINDOW_CLOSE, "close")                                                                    \
  X(PERI_WINDOW_LEAVE, "leave")                                                                    \
  X(PERI_WINDOW_RESET, "reset") /* only to push: the graphics device was lost; it arrives as an expose */

typedef enum peri_window_kind {
#define X(name, text) name,
  PERI_WINDOW_EVENTS(X)
#undef X
  PERI_WINDOW_KINDS
} peri_window_kind;

enum { PERI_WINDOW_TEXT_MOST = 32 };

typedef struct peri_window_event {
  peri_window_kind kind;
  double time;        /* seconds of CLOCK_MONOTONIC when it happened */
  double x, y;        /* press, move, release, wheel: points */
  double dy;          /* wheel: notches, away from the person is more than 0 */
  int button;         /* press, release; move: the one that is held; 1 left, 2 middle, 3 right, 0 none */
  bool touch;         /* a finger's, not the mouse's */
  int64_t finger;
  bool ctrl, shift, alt, repeated;
  char text[PERI_WINDOW_TEXT_MOST]; /* key: its name; text: UTF-8 */
  char *path;         /* drop: peri_free it */
  double width, height; /* resize: points; pushed with both above 0 the window takes that size */
} peri_window_event;

const char *peri_window_kind_name(peri_window_kind kind);

enum { PERI_WINDOW_EVENT, PERI_WINDOW_TIMEOUT, PERI_WINDOW_INPUT };

/* Waits at most `milliseconds` (-1: for ever) for the window's next event. Returns PERI_WINDOW_EVENT;
   PERI_WINDOW_TIMEOUT, also when a signal ended the wait; PERI_WINDOW_INPUT when standard input is watched and can be
   read (or has ended), until it was read; or PERI_EINTERRUPT. */
int peri_window_wait(peri_window *w, int milliseconds, peri_window_event *out);
void peri_window_watch_input(peri_window *w, bool on);

/* Puts an event into SDL's own queue, so that it comes as a real one does. Its time is now. Positions of the mouse are
   rounded to pixels, as the mouse's are. */
int peri_window_push(peri_window *w, const peri_window_event *event, const char *text);

/* --- painting (window_paint.c, window_text.c, window_picture.c) --- */
int peri_window_clear(peri_window *w, uint32_t colour);
int peri_window_fill(peri_window *w, double x, double y, double width, double height, uint32_t colour, double radius);
int peri_window_line(peri_window *w, double x1, double y1, double x2, double y2, double thickness, uint32_t colour);

/* Text on one line with its top at y; x is its left end (align 0), its middle (0.5) or its right end (1). What is no
   UTF-8 becomes U+FFFD, control characters become spaces. *width in points. */
int peri_window_text(peri_window *w, double x, double y, const char *text, size_t bytes, double size, uint32_t colour,
                     double align, double *width);
int peri_window_measure(peri_window *w, const char *text, size_t bytes, double size, double *width, double *height);

/* A picture's pixels: element (y, x, c) is at data[y * strides[0] + x * strides[1] + c * strides[2]]. */
typedef struct peri_window_pixels {
  const void *data;
  bool floating;       /* float32 in [0, 1], else uint8 */
  int64_t height, width, channels; /* 1: mapped between low and high; 3: red, green, blue */
  int64_t strides[3];
  uint32_t low, high;  /* 0xAARRGGBB; both with alpha 0 are taken as opaque */
  bool smooth;         /* scaled linearly, else by the nearest pixel */
  int64_t top, left, box_height, box_width; /* what changed since the picture of this name was painted last */
} peri_window_pixels;

int peri_window_picture(peri_window *w, const char *name, const peri_window_pixels *p, double x, double y, double width,
                        double height);

/* Shows what was painted; *time (CLOCK_MONOTONIC) is when that was done. */
int peri_window_present(peri_window *w, double *time);

/* Pixels across and down, and what was painted as rows of red, green, blue bytes. */
int peri_window_capture_size(peri_window *w, int *width, int *height);
int peri_window_capture(peri_window *w, uint8_t *rgb, int width, int height);

#endif
