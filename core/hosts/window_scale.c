/* window_scale.c - how large a point is: SDL2 tells it where the system scales windows itself; on X11 a point is a
   pixel unless the desktop (Xft.dpi) or the display says that pixels are small. */
#include "hosts/window_internal.h"

static const double USUAL = 96;                       /* dots an inch of a display whose points are its pixels */
static const double LEAST = 1, MOST = 4, STEP = 0.25; /* of a scale that we choose */

static double x11_scale(SDL_Window *window) {
  float diagonal = 0;
  double dpi = peri__x11_dpi(window);
  if (dpi >= USUAL * 0.75 && dpi <= USUAL * MOST) return dpi / USUAL;
  /* What the display says of its own size is often invented: it counts only where pixels are clearly small. */
  if (SDL_GetDisplayDPI(SDL_GetWindowDisplayIndex(window), &diagonal, NULL, NULL) != 0) return 1;
  return diagonal >= USUAL * 1.5 && diagonal <= USUAL * MOST ? (double)diagonal / USUAL : 1;
}

double peri__window_unit(peri_window *w, double width, double height) {
  int units = 0, pixels = 0;
  SDL_Rect area;
  SDL_GetWindowSize(w->window, &units, NULL);
  SDL_GetRendererOutputSize(w->renderer, &pixels, NULL);
  double ratio = units > 0 && pixels > 0 ? (double)pixels / units : 1;
  if (w->asked > 0) return w->asked / ratio;
  if (ratio > 1 || w->connection < 0) return 1;
  double scale = SDL_floor(x11_scale(w->window) / STEP) * STEP;
  if (SDL_GetDisplayUsableBounds(SDL_GetWindowDisplayIndex(w->window), &area) == 0) {
    while (scale > LEAST && (width * scale > area.w || height * scale > area.h)) scale -= STEP;
  }
  return scale < LEAST ? LEAST : scale > MOST ? MOST : scale;
}
