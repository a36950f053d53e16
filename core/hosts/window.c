/* window.c - a window's life: SDL is started with the first and ended with the last. */
#include "hosts/window_internal.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/status.h"

peri_window *peri__windows;
static bool started;

enum { LEAST_SIDE = 64, MOST_SIDE = 16384 }; /* of a window, in points and in window units */

double peri__window_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int peri__window_fail(const char *what) {
  const char *reason = SDL_GetError();
  return peri_fail(PERI_ESTATE, "window: %s: %s", what, *reason ? reason : "SDL gives no reason");
}

/* --- SDL --- */

/* Set as defaults: environment variables of these names win. */
static void set_hints(void) {
  static const char *const hints[][2] = {
      {SDL_HINT_NO_SIGNAL_HANDLERS, "1"},     {SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1"},
      {SDL_HINT_TOUCH_MOUSE_EVENTS, "0"},     {SDL_HINT_MOUSE_TOUCH_EVENTS, "0"},
      {SDL_HINT_MOUSE_FOCUS_CLICKTHROUGH, "1"}, {SDL_HINT_FRAMEBUFFER_ACCELERATION, "0"},
      {"SDL_QUIT_ON_LAST_WINDOW_CLOSE", "0"}, {"SDL_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR", "0"},
      {"SDL_VIDEO_X11_WMCLASS", "perilune"},  {"SDL_VIDEO_WAYLAND_WMCLASS", "perilune"},
      {"SDL_APP_NAME", "Perilune"},
  };
  for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
    SDL_SetHintWithPriority(hints[i][0], hints[i][1], SDL_HINT_DEFAULT);
}

/* Threads that SDL and graphics drivers make must leave signals to ours. */
static void block_signals(sigset_t *before) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, before);
}

static bool is_set(const char *variable) {
  const char *value = getenv(variable);
  return value && *value;
}

/* Left alone, SDL would try the console's screen too where there is no desktop. */
static int start_video(bool hidden) {
  if (is_set("SDL_VIDEODRIVER")) return SDL_VideoInit(NULL);
  if (is_set("DISPLAY") && SDL_VideoInit("x11") == 0) return 0;
  if (is_set("WAYLAND_DISPLAY") && SDL_VideoInit("wayland") == 0) return 0;
  if (!hidden) return -1;
  SDL_SetHintWithPriority("SDL_VIDEODRIVER", "dummy", SDL_HINT_DEFAULT); /* it wants to be asked for so too */
  int status = SDL_VideoInit("dummy");
  SDL_SetHintWithPriority("SDL_VIDEODRIVER", NULL, SDL_HINT_DEFAULT);
  return status;
}

static int start(bool hidden) {
  if (started) return PERI_OK;
  SDL_SetMainReady();
  set_hints();
  SDL_ClearError();
  if (start_video(hidden) != 0) {
    if (is_set("DISPLAY") || is_set("WAYLAND_DISPLAY") || is_set("SDL_VIDEODRIVER"))
      return peri__window_fail("the display cannot be reached");
    return peri_fail(PERI_ESTATE, "window: there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set): start "
                                  "this on a desktop, or log in with ssh -X");
  }
  if (TTF_Init() != 0) {
    int status = peri__window_fail("text cannot be set up");
    SDL_VideoQuit();
    return status;
  }
  SDL_StartTextInput();
  SDL_EventState(SDL_SYSWMEVENT, SDL_ENABLE); /* X11's own times */
  started = true;
  return PERI_OK;
}

static void stop(void) {
  if (!started || peri__windows) return;
  started = false;
  TTF_Quit();
  SDL_VideoQuit();
}

/* The X server has gone: Xlib ends the process then, and whatever would still speak to the server waits for ever. */
static bool server_gone(const peri_window *w) {
  struct pollfd connection = {.fd = w->connection, .events = POLLIN};
  return w->connection >= 0 && poll(&connection, 1, 0) > 0 && (connection.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* Before the libraries that draw take themselves down: they too register at exit, earlier than this was. */
static void close_all(void) {
  while (peri__windows && !server_gone(peri__windows)) peri_window_close(peri__windows);
}

/* --- the renderer --- */

/* OpenGL without a graphics card draws slower than SDL itself does. */
static bool draws_in_software(SDL_Renderer *renderer) {
  typedef const unsigned char *(*get_string)(unsigned);
  enum { RENDERER = 0x1F01 };
  static const char *const names[] = {"llvmpipe", "softpipe", "swrast", "Software Rasterizer", "SWR"};
  SDL_RendererInfo info;
  if (SDL_GetRendererInfo(renderer, &info) != 0 || strncmp(info.name, "opengl", 6) != 0) return false;
  union { void *address; get_string call; } found = {SDL_GL_GetProcAddress("glGetString")};
  const char *name = found.address ? (const char *)found.call(RENDERER) : NULL;
  for (size_t i = 0; name && i < sizeof names / sizeof *names; i++) {
    if (strstr(name, names[i])) return true;
  }
  return false;
}

static int make_window(peri_window *w, const char *title, int width, int height, Uint32 renderer_flags) {
  Uint32 flags = SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI | SDL_WINDOW_HIDDEN;
  w->window = SDL_CreateWindow(title, SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED, width, height, flags);
  if (!w->window) return peri__window_fail("it cannot be made");
  w->renderer = SDL_CreateRenderer(w->window, -1, renderer_flags);
  if (!w->renderer) return peri__window_fail("nothing can paint in it");
  return PERI_OK;
}

static void unmake_window(peri_window *w) {
  if (w->renderer) SDL_DestroyRenderer(w->renderer);
  if (w->window) SDL_DestroyWindow(w->window);
  w->renderer = NULL;
  w->window = NULL;
}

/* Looking for a graphics card loads much; where Linux has no device of one, there is none to find. */
static bool may_have_card(void) {
#ifdef __linux__
  static const char *const devices[] = {"/dev/dri", "/dev/nvidiactl", "/dev/dxg"};
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    if (access(devices[i], F_OK) == 0) return true;
  }
  return false;
#else
  return true;
#endif
}

/* A graphics card when there is one, unless SDL_RENDER_DRIVER names what shall paint; never waits for the screen. */
static int make_any(peri_window *w, const char *title, int width, int height) {
  const char *asked = SDL_GetHint(SDL_HINT_RENDER_DRIVER);
  const char *driver = SDL_GetCurrentVideoDriver();
  bool screen = driver && strcmp(driver, "dummy") != 0 && strcmp(driver, "offscreen") != 0 && may_have_card();
  if (asked && *asked) {
    PERI_TRY(make_window(w, title, width, height, 0));
  } else {
    bool works = screen && make_window(w, title, width, height, SDL_RENDERER_ACCELERATED | SDL_RENDERER_TARGETTEXTURE) == 0;
    if (!works || draws_in_software(w->renderer)) {
      unmake_window(w);
      PERI_TRY(make_window(w, title, width, height, SDL_RENDERER_SOFTWARE));
    }
  }
  SDL_RendererInfo info;
  w->software = SDL_GetRendererInfo(w->renderer, &info) == 0 && (info.flags & SDL_RENDERER_SOFTWARE);
  SDL_SetRenderDrawBlendMode(w->renderer, SDL_BLENDMODE_BLEND);
  return PERI_OK;
}

void peri__window_lose(peri_window *w) {
  peri__sprites_free(w);
  peri__pictures_free(w);
  if (w->target) SDL_DestroyTexture(w->target);
  w->target = NULL;
  w->resized = true;
}

/* Makes the texture that keeps what was painted; without one the renderer's own buffer has to do. */
static void make_target(peri_window *w) {
  if (w->target) SDL_DestroyTexture(w->target);
  w->target = NULL;
  if (w->software || !SDL_RenderTargetSupported(w->renderer)) return;
  w->target = SDL_CreateTexture(w->renderer, SDL_PIXELFORMAT_ARGB8888, SDL_TEXTUREACCESS_TARGET, w->width, w->height);
  if (w->target) SDL_SetTextureBlendMode(w->target, SDL_BLENDMODE_NONE);
}

int peri__window_ready(peri_window *w) {
  if (!w->resized) return PERI_OK;
  int units = 0, width = 0, height = 0;
  SDL_SetRenderTarget(w->renderer, NULL);
  SDL_GetWindowSize(w->window, &units, NULL);
  if (SDL_GetRendererOutputSize(w->renderer, &width, &height) != 0) return peri__window_fail("its size is not known");
  double ratio = units > 0 && width > 0 ? (double)width / units : 1;
  w->width = width > 0 ? width : 1;
  w->height = height > 0 ? height : 1;
  w->scale = w->unit * ratio;
  w->resized = false;
  make_target(w);
  if (w->target && SDL_SetRenderTarget(w->renderer, w->target) != 0) return peri__window_fail("nothing can be painted");
  return PERI_OK;
}

/* --- opening and closing --- */

static int side(double points, double unit) {
  double units = points * unit + 0.5;
  return units > MOST_SIDE ? MOST_SIDE : units < 1 ? 1 : (int)units;
}

/* Window units a point are known only when there is a window: then it takes its size. */
static int place(peri_window *w, const peri_window_options *o) {
  SDL_Rect area;
  w->unit = peri__window_unit(w, o->width, o->height);
  int width = side(o->width, w->unit), height = side(o->height, w->unit);
  bool on_screen = !o->hidden && SDL_GetDisplayUsableBounds(SDL_GetWindowDisplayIndex(w->window), &area) == 0;
  if (on_screen && area.w > 0 && width > area.w) width = area.w;
  if (on_screen && area.h > 0 && height > area.h) height = area.h;
  SDL_SetWindowMinimumSize(w->window, side(LEAST_SIDE, w->unit), side(LEAST_SIDE, w->unit));
  SDL_SetWindowSize(w->window, width, height);
  SDL_SetWindowPosition(w->window, SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED);
  if (!o->hidden) SDL_ShowWindow(w->window);
  w->resized = true;
  return peri__window_ready(w);
}

static int open_all(peri_window *w, const peri_window_options *o) {
  const char *scale = getenv("PERILUNE_SCALE");
  char *end = NULL;
  if (scale && *scale) {
    w->asked = strtod(scale, &end);
    if (*end || !(w->asked >= 0.5 && w->asked <= 8))
      return peri_fail(PERI_EARG, "window: PERILUNE_SCALE wants pixels a point, 0.5 to 8, got %s", scale);
  }
  PERI_TRY(peri__font_look(&w->font_path, o->font));
  PERI_TRY(start(o->hidden));
  PERI_TRY(make_any(w, o->title, side(o->width, 1), side(o->height, 1)));
  w->id = SDL_GetWindowID(w->window);
  w->connection = peri__x11_connection(w->window);
  return place(w, o);
}

int peri_window_open(peri_window **out, const peri_window_options *o) {
  static bool registered;
  sigset_t before;
  if (!(o->width >= LEAST_SIDE && o->width <= MOST_SIDE && o->height >= LEAST_SIDE && o->height <= MOST_SIDE))
    return peri_fail(PERI_EARG, "window.open: width and height want %d to %d points, got %g and %g", LEAST_SIDE, MOST_SIDE,
                     o->width, o->height);
  peri_window *w = peri_alloc_zeroed(sizeof *w);
  if (!w) return PERI_ENOMEM;
  w->connection = -1;
  w->next = peri__windows;
  peri__windows = w;
  block_signals(&before);
  int status = open_all(w, o);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (status == PERI_OK && !registered) {
    registered = atexit(close_all) == 0;
    if (!registered) status = peri_fail(PERI_ENOMEM, "window: no clean-up at exit");
  }
  if (status != PERI_OK) {
    peri_window_close(w);
    return status;
  }
  *out = w;
  return PERI_OK;
}

void peri_window_close(peri_window *w) {
  if (!w) return;
  if (started) peri__events_collect(); /* what comes with an event (a dropped path) is freed with our queue */
  for (peri_window **at = &peri__windows; *at; at = &(*at)->next) {
    if (*at == w) {
      *at = w->next;
      break;
    }
  }
  if (w->renderer) peri__window_lose(w);
  peri__fonts_free(w);
  unmake_window(w);
  peri__queue_free(&w->queue);
  peri_free(w->font_path);
  peri_free(w);
  stop();
}

peri_window *peri__window_of(Uint32 id) {
  for (peri_window *w = peri__windows; w; w = w->next) {
    if (w->id == id) return w;
  }
  return NULL;
}

void peri_window_title(peri_window *w, const char *title) { SDL_SetWindowTitle(w->window, title); }

void peri_window_size(peri_window *w, double *width, double *height, double *scale) {
  peri__window_ready(w);
  *width = w->width / w->scale;
  *height = w->height / w->scale;
  *scale = w->scale;
}

const char *peri_window_renderer(const peri_window *w) {
  SDL_RendererInfo info;
  return SDL_GetRendererInfo(w->renderer, &info) == 0 ? info.name : "unknown";
}

const char *peri_window_driver(void) {
  const char *name = SDL_GetCurrentVideoDriver();
  return name ? name : "none";
}
