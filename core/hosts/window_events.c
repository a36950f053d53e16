/* window_events.c - events: SDL's one queue is emptied into a queue for each window, and waiting for more.

   On X11 the wait is a poll of the display's connection and of standard input, with signals let in by the poll alone,
   so that nothing comes between looking and waiting. Other systems wait in SDL, which knows their timers (Wayland's
   repeated keys), in slices; what has no screen gets events only from programs, which is looked after in slices too. */
#include "hosts/window_internal.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"

enum {
  QUEUE_MOST = 4096,  /* events that a window keeps for somebody who does not take them */
  CONNECTION_SLICE = 100, SDL_SLICE = 20, NOTHING_SLICE = 10 /* milliseconds of a wait without looking */
};

const char *peri_window_kind_name(peri_window_kind kind) {
  static const char *const names[] = {
#define X(name, text) text,
      PERI_WINDOW_EVENTS(X)
#undef X
  };
  return names[kind];
}

/* --- queues --- */

static void forget(peri_window_event *event) {
  peri_free(event->path);
  event->path = NULL;
}

void peri__queue_free(peri__queue *q) {
  for (size_t i = 0; i < q->count; i++) forget(&q->at[(q->first + i) % q->capacity]);
  peri_free(q->at);
  *q = (peri__queue){0};
}

static bool grow(peri__queue *q) {
  size_t capacity = q->capacity ? q->capacity * 2 : 64;
  if (capacity > QUEUE_MOST) return false;
  peri_window_event *at = peri_alloc(capacity * sizeof *at);
  if (!at) return false;
  for (size_t i = 0; i < q->count; i++) at[i] = q->at[(q->first + i) % q->capacity];
  peri_free(q->at);
  q->at = at;
  q->capacity = capacity;
  q->first = 0;
  return true;
}

/* Takes the event over. A queue that is full keeps where the pen is now, and drops what else comes. */
static void put(peri__queue *q, peri_window_event *event) {
  if (q->count == q->capacity && !grow(q)) {
    peri_window_event *last = q->count ? &q->at[(q->first + q->count - 1) % q->capacity] : NULL;
    if (last && last->kind == PERI_WINDOW_MOVE && event->kind == PERI_WINDOW_MOVE) *last = *event;
    else forget(event);
    return;
  }
  q->at[(q->first + q->count++) % q->capacity] = *event;
}

static bool take(peri__queue *q, peri_window_event *out) {
  if (!q->count) return false;
  *out = q->at[q->first];
  q->first = (q->first + 1) % q->capacity;
  q->count--;
  return true;
}

/* --- when it happened --- */

/* SDL's time of an event is when it was fetched. A program that was busy fetches late, so where an X11 server on this
   machine has seen it (its clock is ours, in milliseconds), that counts: from the server's event to what SDL makes of
   it. A time that is not of the last seconds is another clock's. */
static bool server_saw;
static double server_time;

static void note_server_time(const SDL_Event *e) {
  Uint32 milliseconds;
  server_saw = peri__x11_time(e, &milliseconds);
  if (!server_saw) return;
  double now = peri__window_now(), late = fmod(now * 1000, 4294967296.0) - milliseconds;
  if (late < -2147483648.0) late += 4294967296.0;
  server_saw = late > -20 && late < 5000;
  server_time = now - (late > 0 ? late * 1e-3 : 0);
}

static double time_of(Uint32 timestamp) {
  if (server_saw) return server_time;
  Uint32 ago = SDL_GetTicks() - timestamp; /* milliseconds; 49 days wrap around alike */
  return peri__window_now() - (ago < 1U << 31 ? ago * 1e-3 : 0);
}

/* --- what SDL says, in our words --- */

static void set_keys(peri_window_event *event, Uint16 mod) {
  event->ctrl = (mod & (KMOD_CTRL | KMOD_GUI)) != 0;
  event->shift = (mod & KMOD_SHIFT) != 0;
  event->alt = (mod & KMOD_ALT) != 0;
}

static int button_of(Uint8 button) {
  return button == SDL_BUTTON_LEFT ? 1 : button == SDL_BUTTON_MIDDLE ? 2 : button == SDL_BUTTON_RIGHT ? 3 : 0;
}

static int held(Uint32 state) {
  return state & SDL_BUTTON_LMASK ? 1 : state & SDL_BUTTON_RMASK ? 3 : state & SDL_BUTTON_MMASK ? 2 : 0;
}

static bool from_mouse(peri_window *w, const SDL_Event *e, peri_window_event *out) {
  if (e->type == SDL_MOUSEMOTION) {
    if (e->motion.which == SDL_TOUCH_MOUSEID) return false;
    out->kind = PERI_WINDOW_MOVE;
    out->button = held(e->motion.state);
    out->x = e->motion.x / w->unit, out->y = e->motion.y / w->unit;
    return true;
  }
  if (e->button.which == SDL_TOUCH_MOUSEID) return false;
  out->kind = e->type == SDL_MOUSEBUTTONDOWN ? PERI_WINDOW_PRESS : PERI_WINDOW_RELEASE;
  out->button = button_of(e->button.button);
  out->x = e->button.x / w->unit, out->y = e->button.y / w->unit;
  return out->button != 0;
}

static void from_wheel(peri_window *w, const SDL_Event *e, peri_window_event *out) {
  int x, y;
  SDL_GetMouseState(&x, &y);
  out->kind = PERI_WINDOW_WHEEL;
  out->dy = e->wheel.preciseY != 0 ? (double)e->wheel.preciseY : e->wheel.y;
  if (e->wheel.direction == SDL_MOUSEWHEEL_FLIPPED) out->dy = -out->dy;
  out->x = x / w->unit, out->y = y / w->unit;
}

static void from_finger(peri_window *w, const SDL_Event *e, peri_window_event *out) {
  out->kind = e->type == SDL_FINGERDOWN ? PERI_WINDOW_PRESS : e->type == SDL_FINGERUP ? PERI_WINDOW_RELEASE : PERI_WINDOW_MOVE;
  out->touch = true;
  out->button = 1;
  out->finger = e->tfinger.fingerId;
  out->x = (double)e->tfinger.x * w->width / w->scale;
  out->y = (double)e->tfinger.y * w->height / w->scale;
}

static bool from_window(peri_window *w, const SDL_Event *e, peri_window_event *out) {
  switch (e->window.event) {
    case SDL_WINDOWEVENT_SIZE_CHANGED:
      w->resized = true;
      out->kind = PERI_WINDOW_RESIZE;
      return true;
    case SDL_WINDOWEVENT_SHOWN:
    case SDL_WINDOWEVENT_RESTORED:
    case SDL_WINDOWEVENT_EXPOSED: out->kind = PERI_WINDOW_EXPOSE; return true;
    case SDL_WINDOWEVENT_CLOSE: out->kind = PERI_WINDOW_CLOSE; return true;
    case SDL_WINDOWEVENT_LEAVE: out->kind = PERI_WINDOW_LEAVE; return true;
    default: return false;
  }
}

/* False when the event means nothing here. */
static bool translate(peri_window *w, const SDL_Event *e, peri_window_event *out) {
  const char *name;
  *out = (peri_window_event){.time = time_of(e->common.timestamp)};
  switch (e->type) {
    case SDL_MOUSEMOTION:
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP: return from_mouse(w, e, out);
    case SDL_MOUSEWHEEL: from_wheel(w, e, out); return true;
    case SDL_FINGERDOWN:
    case SDL_FINGERMOTION:
    case SDL_FINGERUP: from_finger(w, e, out); return true;
    case SDL_WINDOWEVENT: return from_window(w, e, out);
    case SDL_KEYDOWN:
      out->kind = PERI_WINDOW_KEY;
      set_keys(out, e->key.keysym.mod);
      out->repeated = e->key.repeat != 0;
      name = peri__window_key_name(e->key.keysym.sym, out->text);
      if (name && name != out->text) SDL_strlcpy(out->text, name, sizeof out->text);
      return name != NULL;
    case SDL_TEXTINPUT:
      out->kind = PERI_WINDOW_TEXT;
      SDL_strlcpy(out->text, e->text.text, sizeof out->text);
      return out->text[0] != 0;
    case SDL_DROPFILE:
      out->kind = PERI_WINDOW_DROP;
      out->path = e->drop.file ? peri_strdup(e->drop.file) : NULL;
      return out->path != NULL;
    default: return false;
  }
}

static Uint32 window_id(const SDL_Event *e) {
  switch (e->type) {
    case SDL_MOUSEMOTION: return e->motion.windowID;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP: return e->button.windowID;
    case SDL_MOUSEWHEEL: return e->wheel.windowID;
    case SDL_FINGERDOWN:
    case SDL_FINGERMOTION:
    case SDL_FINGERUP: return e->tfinger.windowID;
    case SDL_KEYDOWN: return e->key.windowID;
    case SDL_TEXTINPUT: return e->text.windowID;
    case SDL_DROPFILE: return e->drop.windowID;
    case SDL_WINDOWEVENT: return e->window.windowID;
    default: return 0;
  }
}

static void put_to_all(peri_window_kind kind, Uint32 timestamp) {
  for (peri_window *w = peri__windows; w; w = w->next) {
    peri_window_event event = {.kind = kind, .time = time_of(timestamp)};
    if (kind == PERI_WINDOW_EXPOSE) peri__window_lose(w);
    put(&w->queue, &event);
  }
}

void peri__events_collect(void) {
  SDL_Event e;
  SDL_PumpEvents();
  while (SDL_PeepEvents(&e, 1, SDL_GETEVENT, SDL_FIRSTEVENT, SDL_LASTEVENT) > 0) {
    peri_window_event event;
    peri_window *w = peri__window_of(window_id(&e));
    if (e.type == SDL_SYSWMEVENT) note_server_time(&e);
    if (e.type == SDL_QUIT) put_to_all(PERI_WINDOW_CLOSE, e.common.timestamp);
    if (e.type == SDL_RENDER_TARGETS_RESET || e.type == SDL_RENDER_DEVICE_RESET)
      put_to_all(PERI_WINDOW_EXPOSE, e.common.timestamp);
    if (w && translate(w, &e, &event)) put(&w->queue, &event);
    if (e.type != SDL_SYSWMEVENT) server_saw = false;
    if ((e.type == SDL_DROPFILE || e.type == SDL_DROPTEXT) && e.drop.file) SDL_free(e.drop.file);
  }
}

/* --- waiting --- */

void peri_window_watch_input(peri_window *w, bool on) { w->watch_input = on; }

static bool input_ready(void) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  return poll(&input, 1, 0) > 0;
}

static int least(int a, double b) { return b < a ? (int)b + 1 : a; }

/* Waits until there may be something, at most so long; false when a signal ended it. Signals are blocked outside. */
static bool wait_a_while(const peri_window *w, double milliseconds, const sigset_t *let_in) {
  struct pollfd from[2];
  nfds_t count = 0;
  const char *driver = peri_window_driver();
  bool screen = strcmp(driver, "dummy") != 0 && strcmp(driver, "offscreen") != 0;
  if (w->connection < 0 && screen) {
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, let_in, &blocked);
    SDL_WaitEventTimeout(NULL, least(SDL_SLICE, milliseconds));
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    return true;
  }
  if (w->connection >= 0) from[count++] = (struct pollfd){.fd = w->connection, .events = POLLIN};
  if (w->watch_input) from[count++] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
  int slice = least(w->connection >= 0 ? CONNECTION_SLICE : NOTHING_SLICE, milliseconds);
  struct timespec limit = {slice / 1000, slice % 1000 * 1000000L};
  return ppoll(from, count, &limit, let_in) >= 0 || errno != EINTR;
}

static int wait_blocked(peri_window *w, double deadline, peri_window_event *out, const sigset_t *let_in) {
  for (bool whole = true;;) {
    peri__events_collect();
    if (take(&w->queue, out)) return PERI_WINDOW_EVENT;
    PERI_TRY(peri_interrupt_poll());
    if (w->watch_input && input_ready()) return PERI_WINDOW_INPUT;
    double left = (deadline - peri__window_now()) * 1000;
    if (left <= 0 || !whole) return PERI_WINDOW_TIMEOUT;
    whole = wait_a_while(w, left, let_in);
  }
}

int peri_window_wait(peri_window *w, int milliseconds, peri_window_event *out) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT, SIGTSTP, SIGCHLD, SIGALRM, SIGUSR1, SIGUSR2};
  double deadline = milliseconds < 0 ? (double)INFINITY : peri__window_now() + milliseconds * 1e-3;
  sigset_t ours, before;
  sigemptyset(&ours);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaddset(&ours, numbers[i]);
  pthread_sigmask(SIG_BLOCK, &ours, &before);
  int result = wait_blocked(w, deadline, out, &before);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (result == PERI_WINDOW_EVENT) peri__window_ready(w);
  return result;
}
