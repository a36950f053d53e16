/* window_scale.c - how large a point is: SDL2 tells it where the system scales windows itself; on X11 a point is a
   pixel unless the desktop (Xft.dpi) or the display says that pixels are small. */
#include "hosts/window_internal.h"

#include <SDL2/SDL_syswm.h>
#include <stdlib.h>
#include <string.h>

static const double USUAL = 96;                     /* dots an inch of a display whose points are its pixels */
static const double LEAST = 1, MOST = 4, STEP = 0.25; /* of a scale that we choose */

static bool x11_of(SDL_Window *window, SDL_SysWMinfo *info) {
  SDL_VERSION(&info->version);
  return SDL_GetWindowWMInfo(window, info) && info->subsystem == SDL_SYSWM_X11;
}

#if defined(SDL_VIDEO_DRIVER_X11)
int peri__window_connection(SDL_Window *window) {
  SDL_SysWMinfo info;
  return x11_of(window, &info) ? ConnectionNumber(info.info.x11.display) : -1;
}

/* The desktop's own setting, as its programs take it, or 0. SDL has loaded this library; we only ask it. */
static double desktop_dpi(Display *display) {
  typedef char *(*resources_of)(Display *);
  double dpi = 0;
  void *library = SDL_LoadObject("libX11.so.6");
  if (!library) return 0;
  union { void *address; resources_of call; } found = {SDL_LoadFunction(library, "XResourceManagerString")};
  const char *resources = found.address ? found.call(display) : NULL;
  for (const char *line = resources; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, "Xft.dpi:", 8) == 0) dpi = strtod(line + 8, NULL);
  }
  SDL_UnloadObject(library);
  return dpi;
}

static double x11_scale(SDL_Window *window, SDL_SysWMinfo *info) {
  float diagonal = 0;
  double dpi = desktop_dpi(info->info.x11.display);
  if (dpi >= USUAL * 0.75 && dpi <= USUAL * MOST) return dpi / USUAL;
  /* What the display says of its own size is often invented: it counts only where pixels are clearly small. */
  if (SDL_GetDisplayDPI(SDL_GetWindowDisplayIndex(window), &diagonal, NULL, NULL) != 0) return 1;
  return diagonal >= USUAL * 1.5 && diagonal <= USUAL * MOST ? (double)diagonal / USUAL : 1;
}
#else
int peri__window_connection(SDL_Window *window) {
  (void)window;
  return -1;
}
static double x11_scale(SDL_Window *window, SDL_SysWMinfo *info) {
  (void)window, (void)info;
  return 1;
}
#endif

double peri__window_unit(peri_window *w, double width, double height) {
  int units = 0, pixels = 0;
  SDL_SysWMinfo info;
  SDL_Rect area;
  SDL_GetWindowSize(w->window, &units, NULL);
  SDL_GetRendererOutputSize(w->renderer, &pixels, NULL);
  double ratio = units > 0 && pixels > 0 ? (double)pixels / units : 1;
  if (w->asked > 0) return w->asked / ratio;
  if (ratio > 1 || !x11_of(w->window, &info)) return 1;
  double scale = SDL_floor(x11_scale(w->window, &info) / STEP) * STEP;
  if (SDL_GetDisplayUsableBounds(SDL_GetWindowDisplayIndex(w->window), &area) == 0) {
    while (scale > LEAST && (width * scale > area.w || height * scale > area.h)) scale -= STEP;
  }
  return scale < LEAST ? LEAST : scale > MOST ? MOST : scale;
}
