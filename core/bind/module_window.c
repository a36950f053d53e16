/* module_window.c - the binary part of perilune.window (lua/perilune/window.lua tells what it offers).

     open(title, width, height, font or nil, hidden) -> window; and the window's methods (hosts/window.h)

   A window closes itself when it is collected. What has a wrong type or no number is an error that names the method,
   the argument and what came. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "bind/bind.h"
#include "hosts/window.h"

#define WINDOW "perilune.Window"

static peri_window *check_window(lua_State *L) {
  peri_window **box = luaL_checkudata(L, 1, WINDOW);
  if (!*box) peri_lua_fail(L, "window: it is closed");
  return *box;
}

/* --- arguments --- */

static const char *shown(lua_State *L, int index) {
  return lua_type(L, index) == LUA_TNUMBER ? lua_pushfstring(L, "%s", luaL_tolstring(L, index, NULL)) : luaL_typename(L, index);
}

static double number(lua_State *L, int index, const char *method, const char *name) {
  double value = lua_tonumber(L, index);
  if (lua_type(L, index) != LUA_TNUMBER || !isfinite(value))
    peri_lua_fail(L, "window:%s: argument '%s' wants a finite number, got %s", method, name, shown(L, index));
  return value;
}

static double positive(lua_State *L, int index, const char *method, const char *name, double most) {
  double value = number(L, index, method, name);
  if (!(value > 0 && value <= most))
    peri_lua_fail(L, "window:%s: argument '%s' wants more than 0 and at most %g, got %s",
                  method, name, most, shown(L, index));
  return value;
}

static uint32_t colour(lua_State *L, int index, const char *method, const char *name) {
  int whole;
  lua_Integer value = lua_tointegerx(L, index, &whole);
  if (lua_type(L, index) != LUA_TNUMBER || !whole || value < 0 || value > 0xFFFFFFFF)
    peri_lua_fail(L, "window:%s: argument '%s' wants a colour, 0xRRGGBB or 0xAARRGGBB, got %s",
                  method, name, shown(L, index));
  return (uint32_t)value;
}

static const char *text_at(lua_State *L, int index, const char *method, const char *name, size_t *bytes) {
  if (lua_type(L, index) != LUA_TSTRING && lua_type(L, index) != LUA_TNUMBER)
    peri_lua_fail(L, "window:%s: argument '%s' wants a text, got %s", method, name, luaL_typename(L, index));
  return lua_tolstring(L, index, bytes);
}

/* --- life --- */

static int l_open(lua_State *L) {
  peri_window_options o = {.title = luaL_checkstring(L, 1), .width = luaL_checknumber(L, 2), .height = luaL_checknumber(L, 3),
                           .font = luaL_optstring(L, 4, NULL), .hidden = lua_toboolean(L, 5)};
  peri_window **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, WINDOW);
  peri_lua_check(L, peri_window_open(box, &o));
  return 1;
}

static int l_close(lua_State *L) {
  peri_window **box = luaL_checkudata(L, 1, WINDOW);
  peri_window *w = *box;
  *box = NULL;
  peri_window_close(w);
  return 0;
}

static int l_closed(lua_State *L) {
  lua_pushboolean(L, *(peri_window **)luaL_checkudata(L, 1, WINDOW) == NULL);
  return 1;
}

static int l_tostring(lua_State *L) {
  peri_window **box = luaL_checkudata(L, 1, WINDOW);
  double width, height, scale;
  if (!*box) {
    lua_pushliteral(L, "window (closed)");
    return 1;
  }
  peri_window_size(*box, &width, &height, &scale);
  lua_pushfstring(L, "window (%f x %f points, scale %f, %s on %s)", width, height, scale, peri_window_renderer(*box),
                  peri_window_driver());
  return 1;
}

static int l_size(lua_State *L) {
  double width, height, scale;
  peri_window_size(check_window(L), &width, &height, &scale);
  lua_pushnumber(L, width);
  lua_pushnumber(L, height);
  lua_pushnumber(L, scale);
  return 3;
}

static int l_title(lua_State *L) {
  peri_window *w = check_window(L);
  peri_window_title(w, text_at(L, 2, "title", "title", NULL));
  return 0;
}

/* --- events --- */

static const char *const buttons[] = {NULL, "left", "middle", "right"};

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_pointer(lua_State *L, const peri_window_event *event) {
  set_number(L, "x", event->x);
  set_number(L, "y", event->y);
  if (event->button) {
    lua_pushstring(L, buttons[event->button]);
    lua_setfield(L, -2, "button");
  }
  if (event->touch) {
    lua_pushinteger(L, event->finger);
    lua_setfield(L, -2, "touch");
  }
}

static void set_key(lua_State *L, const peri_window_event *event) {
  lua_pushstring(L, event->text);
  lua_setfield(L, -2, "key");
  set_flag(L, "ctrl", event->ctrl);
  set_flag(L, "shift", event->shift);
  set_flag(L, "alt", event->alt);
  if (event->repeated) set_flag(L, "repeated", true);
}

/* event, as a light userdata -> its table */
static int push_event(lua_State *L) {
  const peri_window_event *event = lua_touserdata(L, 1);
  lua_createtable(L, 0, 6);
  lua_pushstring(L, peri_window_kind_name(event->kind));
  lua_setfield(L, -2, "type");
  set_number(L, "time", event->time);
  switch (event->kind) {
    case PERI_WINDOW_PRESS:
    case PERI_WINDOW_MOVE:
    case PERI_WINDOW_RELEASE: set_pointer(L, event); break;
    case PERI_WINDOW_WHEEL:
      set_pointer(L, event);
      set_number(L, "dy", event->dy);
      break;
    case PERI_WINDOW_KEY: set_key(L, event); break;
    case PERI_WINDOW_TEXT:
      lua_pushstring(L, event->text);
      lua_setfield(L, -2, "text");
      break;
    case PERI_WINDOW_DROP:
      lua_pushstring(L, event->path);
      lua_setfield(L, -2, "path");
      break;
    default: break;
  }
  return 1;
}

static int l_event(lua_State *L) {
  peri_window *w = check_window(L);
  double milliseconds = lua_isnoneornil(L, 2) ? -1 : lua_tonumber(L, 2);
  if (!lua_isnoneornil(L, 2) && (lua_type(L, 2) != LUA_TNUMBER || isnan(milliseconds)))
    peri_lua_fail(L, "window:event: argument 'milliseconds' wants a number (-1 waits for ever), got %s", shown(L, 2));
  int limit = milliseconds < 0 || milliseconds > 1e9 ? -1 : (int)ceil(milliseconds);
  peri_window_event event;
  int found = peri_lua_check(L, peri_window_wait(w, limit, &event));
  if (found != PERI_WINDOW_EVENT) {
    lua_pushnil(L);
    lua_pushstring(L, found == PERI_WINDOW_INPUT ? "input" : "timeout");
    return 2;
  }
  lua_pushcfunction(L, push_event); /* may run out of memory: not before the path is freed */
  lua_pushlightuserdata(L, &event);
  int status = lua_pcall(L, 1, 1, 0);
  peri_free(event.path);
  return status == LUA_OK ? 1 : lua_error(L);
}

static int l_watch_input(lua_State *L) {
  peri_window *w = check_window(L);
  if (lua_type(L, 2) != LUA_TBOOLEAN)
    peri_lua_fail(L, "window:watch_input: argument 'on' wants true or false, got %s", luaL_typename(L, 2));
  peri_window_watch_input(w, lua_toboolean(L, 2));
  return 0;
}

/* A field of the event at index 2; what is pushed stays on the stack. */
static double field_number(lua_State *L, const char *name, bool needed) {
  if (lua_getfield(L, 2, name) == LUA_TNIL && !needed) return 0;
  return number(L, lua_gettop(L), "push", name);
}

static bool field_flag(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  return lua_toboolean(L, -1);
}

static const char *field_text(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  if (lua_type(L, -1) != LUA_TSTRING)
    peri_lua_fail(L, "window:push: '%s' wants a string, got %s", name, luaL_typename(L, -1));
  return lua_tostring(L, -1);
}

static int field_button(lua_State *L, bool needed) {
  if (lua_getfield(L, 2, "button") == LUA_TNIL && !needed) return 0;
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  for (int i = 1; name && i <= 3; i++) {
    if (strcmp(name, buttons[i]) == 0) return i;
  }
  peri_lua_fail(L, "window:push: 'button' wants \"left\", \"middle\" or \"right\", got %s",
                name ? name : luaL_typename(L, -1));
  return 0;
}

static peri_window_kind field_kind(lua_State *L) {
  const char *name = field_text(L, "type");
  luaL_Buffer known;
  for (int kind = 0; kind < PERI_WINDOW_KINDS; kind++) {
    if (strcmp(name, peri_window_kind_name((peri_window_kind)kind)) == 0) return (peri_window_kind)kind;
  }
  luaL_buffinit(L, &known);
  for (int kind = 0; kind < PERI_WINDOW_RESET; kind++) {
    if (kind > 0) luaL_addstring(&known, ", ");
    luaL_addstring(&known, peri_window_kind_name((peri_window_kind)kind));
  }
  luaL_pushresult(&known);
  peri_lua_fail(L, "window:push: there is no event of type '%s'; there are %s", name, lua_tostring(L, -1));
  return PERI_WINDOW_KINDS;
}

static void read_pointer(lua_State *L, peri_window_event *event) {
  event->x = field_number(L, "x", true);
  event->y = field_number(L, "y", true);
  lua_getfield(L, 2, "touch");
  event->touch = !lua_isnil(L, -1);
  if (event->touch) event->finger = (int64_t)number(L, lua_gettop(L), "push", "touch");
  event->button = field_button(L, event->kind != PERI_WINDOW_MOVE && !event->touch);
}

static int l_push(lua_State *L) {
  peri_window *w = check_window(L);
  const char *text = "";
  if (lua_type(L, 2) != LUA_TTABLE)
    peri_lua_fail(L, "window:push: wants an event, a table with its type, got %s", luaL_typename(L, 2));
  lua_settop(L, 2);
  luaL_checkstack(L, 20, NULL);
  peri_window_event event = {.kind = field_kind(L)};
  switch (event.kind) {
    case PERI_WINDOW_PRESS:
    case PERI_WINDOW_MOVE:
    case PERI_WINDOW_RELEASE: read_pointer(L, &event); break;
    case PERI_WINDOW_WHEEL: event.dy = field_number(L, "dy", true); break;
    case PERI_WINDOW_KEY:
      text = field_text(L, "key");
      if (strlen(text) >= sizeof event.text) peri_lua_fail(L, "window:push: there is no key '%.40s...'", text);
      strcpy(event.text, text);
      event.ctrl = field_flag(L, "ctrl"), event.shift = field_flag(L, "shift"), event.alt = field_flag(L, "alt");
      event.repeated = field_flag(L, "repeated");
      break;
    case PERI_WINDOW_TEXT: text = field_text(L, "text"); break;
    case PERI_WINDOW_DROP: text = field_text(L, "path"); break;
    case PERI_WINDOW_RESIZE:
      event.width = field_number(L, "width", false);
      event.height = field_number(L, "height", false);
      break;
    default: break;
  }
  peri_lua_check(L, peri_window_push(w, &event, text));
  return 0;
}

/* --- painting --- */

static int l_clear(lua_State *L) {
  peri_window *w = check_window(L);
  peri_lua_check(L, peri_window_clear(w, colour(L, 2, "clear", "colour")));
  return 0;
}

/* fill(x, y, width, height, colour [, radius]) */
static int l_fill(lua_State *L) {
  peri_window *w = check_window(L);
  double x = number(L, 2, "fill", "x"), y = number(L, 3, "fill", "y"), width = number(L, 4, "fill", "width");
  double height = number(L, 5, "fill", "height"), radius = lua_isnoneornil(L, 7) ? 0 : number(L, 7, "fill", "radius");
  peri_lua_check(L, peri_window_fill(w, x, y, width, height, colour(L, 6, "fill", "colour"), radius));
  return 0;
}

/* line(x1, y1, x2, y2, thickness, colour) */
static int l_line(lua_State *L) {
  peri_window *w = check_window(L);
  double x1 = number(L, 2, "line", "x1"), y1 = number(L, 3, "line", "y1"), x2 = number(L, 4, "line", "x2");
  double y2 = number(L, 5, "line", "y2"), thickness = number(L, 6, "line", "thickness");
  peri_lua_check(L, peri_window_line(w, x1, y1, x2, y2, thickness, colour(L, 7, "line", "colour")));
  return 0;
}

enum { SIZE_MOST = 400 }; /* points of text */

/* text(x, y, text, size, colour [, align]) -> width */
static int l_text(lua_State *L) {
  static const char *const names[] = {"left", "center", "right"};
  peri_window *w = check_window(L);
  size_t bytes;
  double x = number(L, 2, "text", "x"), y = number(L, 3, "text", "y"), width = 0;
  const char *text = text_at(L, 4, "text", "text", &bytes), *align = "left";
  double size = positive(L, 5, "text", "size", SIZE_MOST);
  uint32_t ink = colour(L, 6, "text", "colour");
  if (!lua_isnoneornil(L, 7)) align = text_at(L, 7, "text", "align", NULL);
  int place = 0;
  while (place < 3 && strcmp(names[place], align) != 0) place++;
  if (place == 3)
    peri_lua_fail(L, "window:text: argument 'align' wants \"left\", \"center\" or \"right\", got '%.40s'", align);
  peri_lua_check(L, peri_window_text(w, x, y, text, bytes, size, ink, place / 2.0, &width));
  lua_pushnumber(L, width);
  return 1;
}

/* measure(text, size) -> width, height */
static int l_measure(lua_State *L) {
  peri_window *w = check_window(L);
  size_t bytes;
  double width, height;
  const char *text = text_at(L, 2, "measure", "text", &bytes);
  peri_lua_check(L, peri_window_measure(w, text, bytes, positive(L, 3, "measure", "size", SIZE_MOST), &width, &height));
  lua_pushnumber(L, width);
  lua_pushnumber(L, height);
  return 2;
}

/* --- pictures --- */

static void read_tensor(lua_State *L, const peri_tensor *t, peri_window_pixels *p) {
  enum { MOST = 8192 };
  bool fits = t->ndim == 2 || (t->ndim == 3 && (t->shape[2] == 1 || t->shape[2] == 3));
  if (!fits || (t->dtype != PERI_F32 && t->dtype != PERI_U8))
    peri_lua_fail(L, "window:picture: argument 'tensor' wants float32 or uint8 of shape (H, W, 1) or (H, W, 3), got %s",
                  peri_tensor_text(t));
  if (t->shape[0] < 1 || t->shape[1] < 1 || t->shape[0] > MOST || t->shape[1] > MOST)
    peri_lua_fail(L, "window:picture: argument 'tensor' wants sides of 1 to %d, got %s", MOST, peri_tensor_text(t));
  p->data = peri_tensor_data(t);
  p->floating = t->dtype == PERI_F32;
  p->height = p->box_height = t->shape[0];
  p->width = p->box_width = t->shape[1];
  p->channels = t->ndim == 3 ? t->shape[2] : 1;
  for (int i = 0; i < 3; i++) p->strides[i] = i < t->ndim ? t->strides[i] : 0;
}

/* box = { top, left, height, width }, 1-based as a tensor's own; cut to the picture. */
static void read_box(lua_State *L, int index, peri_window_pixels *p) {
  static const char *const names[] = {"top", "left", "height", "width"};
  int64_t at[4];
  if (lua_type(L, index) != LUA_TTABLE)
    peri_lua_fail(L, "window:picture: 'box' wants { top, left, height, width }, got %s", luaL_typename(L, index));
  for (int i = 0; i < 4; i++) {
    if (lua_geti(L, index, i + 1) == LUA_TNIL) lua_getfield(L, index, names[i]);
    double value = floor(number(L, lua_gettop(L), "picture", names[i]));
    at[i] = (int64_t)fmin(fmax(value, -1e9), 1e9);
  }
  int64_t top = at[0] < 1 ? 1 : at[0], left = at[1] < 1 ? 1 : at[1];
  int64_t low = at[0] + at[2] - 1, right = at[1] + at[3] - 1;
  p->top = top - 1;
  p->left = left - 1;
  p->box_height = (low > p->height ? p->height : low) - top + 1;
  p->box_width = (right > p->width ? p->width : right) - left + 1;
}

static void read_options(lua_State *L, int index, peri_window_pixels *p) {
  static const char *const known[] = {"low", "high", "smooth", "box"};
  if (lua_isnoneornil(L, index)) return;
  if (lua_type(L, index) != LUA_TTABLE)
    peri_lua_fail(L, "window:picture: argument 'options' wants a table, got %s", luaL_typename(L, index));
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    size_t i = 0;
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    while (i < sizeof known / sizeof *known && strcmp(known[i], name) != 0) i++;
    if (i == sizeof known / sizeof *known)
      peri_lua_fail(L, "window:picture: unknown option '%.40s'; it takes low, high, smooth, box", name);
  }
  if (lua_getfield(L, index, "low") != LUA_TNIL) p->low = colour(L, lua_gettop(L), "picture", "low");
  if (lua_getfield(L, index, "high") != LUA_TNIL) p->high = colour(L, lua_gettop(L), "picture", "high");
  if (lua_getfield(L, index, "box") != LUA_TNIL) read_box(L, lua_gettop(L), p);
  lua_getfield(L, index, "smooth");
  p->smooth = lua_toboolean(L, -1);
}

/* picture(name, tensor, x, y, width, height [, { low =, high =, smooth =, box = }]) */
static int l_picture(lua_State *L) {
  peri_window *w = check_window(L);
  peri_window_pixels p = {.low = 0xFF000000U, .high = 0xFFFFFFFFU};
  const char *name = text_at(L, 2, "picture", "name", NULL);
  read_tensor(L, peri_lua_tensor(L, 3), &p);
  double x = number(L, 4, "picture", "x"), y = number(L, 5, "picture", "y");
  double width = number(L, 6, "picture", "width"), height = number(L, 7, "picture", "height");
  lua_settop(L, 8);
  read_options(L, 8, &p);
  peri_lua_check(L, peri_window_picture(w, name, &p, x, y, width, height));
  return 0;
}

static int l_present(lua_State *L) {
  double time;
  peri_lua_check(L, peri_window_present(check_window(L), &time));
  lua_pushnumber(L, time);
  return 1;
}

static int l_capture(lua_State *L) {
  peri_window *w = check_window(L);
  int width, height;
  peri_lua_check(L, peri_window_capture_size(w, &width, &height));
  peri_tensor **box = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_tensor_zeros(box, PERI_U8, 3, (const int64_t[]){height, width, 3}));
  peri_lua_check(L, peri_window_capture(w, peri_tensor_data(*box), width, height));
  return 1;
}

/* --- the module --- */

static const luaL_Reg methods[] = {
    {"size", l_size},       {"title", l_title},     {"event", l_event},     {"watch_input", l_watch_input},
    {"push", l_push},       {"clear", l_clear},     {"fill", l_fill},       {"line", l_line},
    {"text", l_text},       {"measure", l_measure}, {"picture", l_picture}, {"present", l_present},
    {"capture", l_capture}, {"close", l_close},     {"closed", l_closed},   {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__gc", l_close}, {"__close", l_close}, {"__tostring", l_tostring}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_perilune_window(lua_State *L);
int luaopen_perilune_window(lua_State *L) {
  static const luaL_Reg functions[] = {{"open", l_open}, {NULL, NULL}};
  luaL_newmetatable(L, WINDOW);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
