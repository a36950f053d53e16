/* window_push.c - events made by a program, put into SDL's queue as real ones are. */
#include "hosts/window_internal.h"

#include <string.h>

#include "base/status.h"

static int push(SDL_Event *e) {
  int pushed = SDL_PushEvent(e);
  if (pushed == 1) return PERI_OK;
  if (e->type == SDL_DROPFILE) SDL_free(e->drop.file);
  return pushed == 0 ? PERI_OK : peri__window_fail("SDL's queue takes no more events");
}

static Sint32 units(const peri_window *w, double points) {
  double units = points * w->unit;
  return units > 1e6 ? 1000000 : units < -1e6 ? -1000000 : (Sint32)SDL_floor(units + 0.5);
}

static int push_finger(peri_window *w, const peri_window_event *event) {
  SDL_Event e = {.tfinger = {.windowID = w->id, .touchId = 1, .fingerId = event->finger, .pressure = 1}};
  e.type = event->kind == PERI_WINDOW_PRESS ? SDL_FINGERDOWN : event->kind == PERI_WINDOW_RELEASE ? SDL_FINGERUP : SDL_FINGERMOTION;
  e.tfinger.x = (float)(event->x * w->scale / w->width);
  e.tfinger.y = (float)(event->y * w->scale / w->height);
  return push(&e);
}

static int push_mouse(peri_window *w, const peri_window_event *event) {
  static const Uint8 buttons[] = {0, SDL_BUTTON_LEFT, SDL_BUTTON_MIDDLE, SDL_BUTTON_RIGHT};
  if (event->touch) return push_finger(w, event);
  SDL_Event e = {0};
  if (event->kind == PERI_WINDOW_MOVE) {
    e.type = SDL_MOUSEMOTION;
    e.motion.windowID = w->id;
    e.motion.state = event->button ? SDL_BUTTON(buttons[event->button]) : 0;
    e.motion.x = units(w, event->x), e.motion.y = units(w, event->y);
    return push(&e);
  }
  e.type = event->kind == PERI_WINDOW_PRESS ? SDL_MOUSEBUTTONDOWN : SDL_MOUSEBUTTONUP;
  e.button.windowID = w->id;
  e.button.button = buttons[event->button];
  e.button.state = event->kind == PERI_WINDOW_PRESS ? SDL_PRESSED : SDL_RELEASED;
  e.button.clicks = 1;
  e.button.x = units(w, event->x), e.button.y = units(w, event->y);
  return push(&e);
}

static int push_wheel(peri_window *w, const peri_window_event *event) {
  SDL_Event e = {.wheel = {.type = SDL_MOUSEWHEEL, .windowID = w->id, .preciseY = (float)event->dy}};
  e.wheel.y = event->dy > 1e6 ? 1000000 : event->dy < -1e6 ? -1000000 : (Sint32)event->dy;
  return push(&e);
}

static int push_key(peri_window *w, const peri_window_event *event) {
  SDL_Event e = {.key = {.type = SDL_KEYDOWN, .windowID = w->id, .state = SDL_PRESSED}};
  e.key.repeat = event->repeated;
  e.key.keysym.sym = peri__window_key_of(event->text);
  if (e.key.keysym.sym == SDLK_UNKNOWN)
    return peri_fail(PERI_EARG, "window: push: there is no key '%s'; keys are called by their character or \"enter\", "
                                "\"escape\", \"delete\", \"backspace\", \"tab\", \"space\", \"up\", \"f1\", ...", event->text);
  e.key.keysym.scancode = SDL_GetScancodeFromKey(e.key.keysym.sym);
  e.key.keysym.mod = (Uint16)((event->ctrl ? KMOD_LCTRL : 0) | (event->shift ? KMOD_LSHIFT : 0) | (event->alt ? KMOD_LALT : 0));
  return push(&e);
}

/* In pieces as large as SDL's events hold, cut between characters. */
static int push_text(peri_window *w, const char *text) {
  while (*text) {
    SDL_Event e = {.text = {.type = SDL_TEXTINPUT, .windowID = w->id}};
    size_t length = strlen(text), most = sizeof e.text.text - 1;
    if (length > most) {
      length = most;
      while (length > most - 3 && ((unsigned char)text[length] & 0xC0) == 0x80) length--;
    }
    memcpy(e.text.text, text, length);
    PERI_TRY(push(&e));
    text += length;
  }
  return PERI_OK;
}

static int push_window(peri_window *w, Uint8 what) {
  SDL_Event e = {.window = {.type = SDL_WINDOWEVENT, .windowID = w->id, .event = what}};
  return push(&e);
}

int peri_window_push(peri_window *w, const peri_window_event *event, const char *text) {
  SDL_Event e = {0};
  switch (event->kind) {
    case PERI_WINDOW_PRESS:
    case PERI_WINDOW_MOVE:
    case PERI_WINDOW_RELEASE: return push_mouse(w, event);
    case PERI_WINDOW_WHEEL: return push_wheel(w, event);
    case PERI_WINDOW_KEY: return push_key(w, event);
    case PERI_WINDOW_TEXT: return push_text(w, text);
    case PERI_WINDOW_DROP:
      e.drop.type = SDL_DROPFILE;
      e.drop.windowID = w->id;
      e.drop.file = SDL_strdup(text); /* SDL's memory: whoever takes the event frees it so */
      return e.drop.file ? push(&e) : peri_fail(PERI_ENOMEM, "window: push: out of memory");
    case PERI_WINDOW_RESIZE:
      if (!(event->width > 0 && event->height > 0)) return push_window(w, SDL_WINDOWEVENT_SIZE_CHANGED);
      SDL_SetWindowSize(w->window, units(w, event->width), units(w, event->height)); /* SDL tells of it */
      return PERI_OK;
    case PERI_WINDOW_EXPOSE: return push_window(w, SDL_WINDOWEVENT_EXPOSED);
    case PERI_WINDOW_CLOSE: return push_window(w, SDL_WINDOWEVENT_CLOSE);
    case PERI_WINDOW_LEAVE: return push_window(w, SDL_WINDOWEVENT_LEAVE);
    case PERI_WINDOW_RESET:
      e.type = SDL_RENDER_DEVICE_RESET;
      return push(&e);
    default: return peri_fail(PERI_EARG, "window: push: an event of no kind");
  }
}
