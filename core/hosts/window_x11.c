/* window_x11.c - what SDL2 does not tell of X11: the connection that events come from, how large the desktop wants a
   point to be, and when the server saw an event. */
#include <SDL2/SDL_syswm.h>
#include <stdlib.h>
#include <string.h>

#include "hosts/window_internal.h"

#if defined(SDL_VIDEO_DRIVER_X11)

static bool x11_of(SDL_Window *window, SDL_SysWMinfo *info) {
  SDL_VERSION(&info->version);
  return SDL_GetWindowWMInfo(window, info) && info->subsystem == SDL_SYSWM_X11;
}

int peri__x11_connection(SDL_Window *window) {
  SDL_SysWMinfo info;
  return x11_of(window, &info) ? ConnectionNumber(info.info.x11.display) : -1;
}

/* SDL has loaded this library; it is only asked. */
double peri__x11_dpi(SDL_Window *window) {
  typedef char *(*resources_of)(Display *);
  SDL_SysWMinfo info;
  double dpi = 0;
  if (!x11_of(window, &info)) return 0;
  void *library = SDL_LoadObject("libX11.so.6");
  if (!library) return 0;
  union { void *address; resources_of call; } found = {SDL_LoadFunction(library, "XResourceManagerString")};
  const char *resources = found.address ? found.call(info.info.x11.display) : NULL;
  for (const char *line = resources; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, "Xft.dpi:", 8) == 0) dpi = strtod(line + 8, NULL);
  }
  SDL_UnloadObject(library);
  return dpi;
}

bool peri__x11_time(const SDL_Event *e, Uint32 *milliseconds) {
  const SDL_SysWMmsg *message = e->type == SDL_SYSWMEVENT ? e->syswm.msg : NULL;
  if (!message || message->subsystem != SDL_SYSWM_X11) return false;
  const XEvent *x = &message->msg.x11.event;
  switch (x->type) {
    case KeyPress: *milliseconds = (Uint32)x->xkey.time; return true;
    case ButtonPress:
    case ButtonRelease: *milliseconds = (Uint32)x->xbutton.time; return true;
    case MotionNotify: *milliseconds = (Uint32)x->xmotion.time; return true;
    default: return false;
  }
}

#else

int peri__x11_connection(SDL_Window *window) {
  (void)window;
  return -1;
}

double peri__x11_dpi(SDL_Window *window) {
  (void)window;
  return 0;
}

bool peri__x11_time(const SDL_Event *e, Uint32 *milliseconds) {
  (void)e, (void)milliseconds;
  return false;
}

#endif
