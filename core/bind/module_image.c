/* module_image.c - the module of pictures, loaded by lua/perilune/image.lua. */
#include "image/image.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "bind/bind.h"
#include "image/stroke.h"

/* read(path [, channels]) -> float32 (H, W, C) in [0, 1]; channels: 0 as the file has them, 1 grey, 3 colour */
static int l_read(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_Integer channels = luaL_optinteger(L, 2, 0);
  luaL_argcheck(L, channels == 0 || channels == 1 || channels == 3, 2, "channels: wants 1 (grey) or 3 (colour)");
  peri_lua_check(L, peri_image_read(peri_lua_new_tensor(L), path, (peri_image_channels)channels));
  return 1;
}

/* parse(bytes [, channels [, name]]) -> the same from a string that holds the file */
static int l_parse(lua_State *L) {
  size_t count;
  const char *bytes = luaL_checklstring(L, 1, &count), *name = luaL_optstring(L, 3, "(a string)");
  lua_Integer channels = luaL_optinteger(L, 2, 0);
  luaL_argcheck(L, channels == 0 || channels == 1 || channels == 3, 2, "channels: wants 1 (grey) or 3 (colour)");
  peri_lua_check(L, peri_image_parse(peri_lua_new_tensor(L), bytes, count, name, (peri_image_channels)channels));
  return 1;
}

/* write(path, picture [, quality]) */
static int l_write(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  peri_lua_check(L, peri_image_write(path, peri_lua_tensor(L, 2), (int)luaL_optinteger(L, 3, 90)));
  return 0;
}

/* encode(picture [, scale]) -> the bytes of a PNG */
static int l_encode(lua_State *L) {
  uint8_t *bytes;
  size_t count;
  luaL_Buffer buffer;
  peri_lua_check(L, peri_image_encode(&bytes, &count, peri_lua_tensor(L, 1), (int)luaL_optinteger(L, 2, 1)));
  char *space = luaL_buffinitsize(L, &buffer, count); /* may raise: then only these bytes leak, at the end of memory */
  memcpy(space, bytes, count);
  peri_free(bytes);
  luaL_pushresultsize(&buffer, count);
  return 1;
}

/* resize(picture, height, width [, filter]) */
static int l_resize(lua_State *L) {
  peri_filter filter;
  peri_tensor *image = peri_lua_tensor(L, 1);
  int64_t height = luaL_checkinteger(L, 2), width = luaL_checkinteger(L, 3);
  peri_lua_check(L, peri_filter_parse(&filter, luaL_optstring(L, 4, "auto")));
  peri_lua_check(L, peri_image_resize(peri_lua_new_tensor(L), image, height, width, filter));
  return 1;
}

/* grey(picture) */
static int l_grey(lua_State *L) {
  peri_tensor *image = peri_lua_tensor(L, 1);
  peri_lua_check(L, peri_image_grey(peri_lua_new_tensor(L), image));
  return 1;
}

/* digit(picture [, ink [, thicken]]) -> float32 (28, 28, 1); ink: -1 dark, 1 light, 0 look */
static int l_digit(lua_State *L) {
  peri_tensor *image = peri_lua_tensor(L, 1);
  peri_digit_options o = {.ink = (int)luaL_optinteger(L, 2, 0), .thicken = luaL_optnumber(L, 3, 0)};
  peri_lua_check(L, peri_image_digit(peri_lua_new_tensor(L), image, &o));
  return 1;
}

/* ink(picture [, ink]) -> float32 (h, w, 1), its longer side at most PERI_IMAGE_INK_SIDE */
static int l_ink(lua_State *L) {
  peri_tensor *image = peri_lua_tensor(L, 1);
  int ink = (int)luaL_optinteger(L, 2, 0);
  peri_lua_check(L, peri_image_ink(peri_lua_new_tensor(L), image, ink));
  return 1;
}

/* --- strokes; a box is { top =, left =, height =, width = }, rows and columns counted from 1 --- */

static int push_box(lua_State *L, const peri_area *area) {
  if (area->bottom <= area->top || area->right <= area->left) return 0;
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, area->top + 1), lua_setfield(L, -2, "top");
  lua_pushinteger(L, area->left + 1), lua_setfield(L, -2, "left");
  lua_pushinteger(L, area->bottom - area->top), lua_setfield(L, -2, "height");
  lua_pushinteger(L, area->right - area->left), lua_setfield(L, -2, "width");
  return 1;
}

static int64_t box_field(lua_State *L, int index, const char *name) {
  int whole;
  lua_getfield(L, index, name);
  lua_Integer value = lua_tointegerx(L, -1, &whole);
  if (!whole) {
    const char *type = luaL_typename(L, -1);
    peri_lua_check(L, peri_fail(PERI_EARG, "image.stroke: the box's %s is a %s, expected a whole number", name, type));
  }
  lua_pop(L, 1);
  return value < -PERI_IMAGE_SIDE_MOST ? -PERI_IMAGE_SIDE_MOST : value > PERI_IMAGE_SIDE_MOST ? PERI_IMAGE_SIDE_MOST : value;
}

static peri_area box_at(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  peri_area area = {.top = box_field(L, index, "top") - 1, .left = box_field(L, index, "left") - 1};
  area.bottom = area.top + box_field(L, index, "height");
  area.right = area.left + box_field(L, index, "width");
  return area;
}

static double coordinate(lua_State *L, int list, lua_Integer i) {
  int number;
  lua_rawgeti(L, list, i);
  double value = lua_tonumberx(L, -1, &number);
  if (!number) {
    peri_lua_check(L, peri_fail(PERI_EARG, "image.stroke: %s of point %" PRId64 " is a %s, expected a number",
                                list == 2 ? "x" : "y", (int64_t)i, luaL_typename(L, -1)));
  }
  lua_pop(L, 1);
  return value;
}

/* stroke(picture, x, y, from, to, width, erase [, within]) -> the box that changed, or nothing. x and y are lists of
   coordinates in the picture's sides, width is in shorter ones; points from..to are new, the one before is known. */
static int l_stroke(lua_State *L) {
  enum { AT_ONCE = 256 };
  double points[2 * AT_ONCE];
  peri_tensor *picture = peri_lua_tensor(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE), luaL_checktype(L, 3, LUA_TTABLE);
  if (picture->ndim < 2) {
    peri_lua_check(L, peri_fail(PERI_ESHAPE, "image.stroke: the picture is %s, expected float32 (H, W, 1)", peri_tensor_text(picture)));
  }
  double down = (double)picture->shape[0], across = (double)picture->shape[1];
  lua_Integer from = luaL_checkinteger(L, 4), to = luaL_checkinteger(L, 5);
  double radius = luaL_checknumber(L, 6) * (down < across ? down : across) / 2;
  peri_stroke stroke = {.points = points, .radius = radius < 0.5 ? 0.5 : radius, .erase = lua_toboolean(L, 7)};
  peri_area within = {0}, changed = {0};
  bool everywhere = lua_isnoneornil(L, 8);
  if (!everywhere) within = box_at(L, 8);
  luaL_argcheck(L, to <= (lua_Integer)lua_rawlen(L, 2), 5, "to: there are fewer points");
  if (from < 1) from = 1;
  while (from <= to) { /* the first point of all is a dot; then the line goes on from the point before */
    lua_Integer first = from > 1 ? from - 1 : 1, last = from == 1 ? 1 : to - first < AT_ONCE ? to : first + AT_ONCE - 1;
    for (lua_Integer i = first; i <= last; i++) {
      points[2 * (i - first)] = coordinate(L, 2, i) * across;
      points[2 * (i - first) + 1] = coordinate(L, 3, i) * down;
    }
    stroke.count = last - first + 1;
    peri_lua_check(L, peri_stroke_draw(picture, &stroke, everywhere ? NULL : &within, &changed));
    from = last + 1;
  }
  return push_box(L, &changed);
}

/* box(picture, threshold) -> the box of what is brighter, or nothing */
static int l_box(lua_State *L) {
  peri_area area;
  peri_lua_check(L, peri_stroke_box(&area, peri_lua_tensor(L, 1), (float)luaL_optnumber(L, 2, 0.5)));
  return push_box(L, &area);
}

/* befitting(box, pen, side) -> the pen that befits, does `pen` as it is: see peri_stroke_befitting */
static int l_befitting(lua_State *L) {
  peri_area box = box_at(L, 1);
  double pen = luaL_checknumber(L, 2);
  lua_Integer side = luaL_checkinteger(L, 3);
  luaL_argcheck(L, side >= 1, 3, "side: wants 1 or more");
  double befitting = peri_stroke_befitting(&box, pen, side);
  lua_pushnumber(L, befitting);
  lua_pushboolean(L, peri_stroke_befits(pen, befitting));
  return 2;
}

/* --- several digits on one picture --- */

/* { area =, top =, left =, height =, width =, rows = { first, last, ... } } of piece i, counted from 1. */
static void push_piece(lua_State *L, const peri_tensor *labels, int i, const peri_image_piece *p) {
  int64_t height = p->bottom - p->top, *rows = lua_newuserdatauv(L, (size_t)(2 * height) * sizeof *rows, 0);
  peri_lua_check(L, peri_image_piece_rows(rows, labels, i, p));
  push_box(L, &(peri_area){p->top, p->left, p->bottom, p->right});
  lua_pushinteger(L, p->area), lua_setfield(L, -2, "area");
  lua_createtable(L, (int)(2 * height), 0);
  for (int64_t k = 0; k < 2 * height; k++) lua_pushinteger(L, rows[k] + 1 - k % 2), lua_rawseti(L, -2, k + 1);
  lua_setfield(L, -2, "rows");
  lua_remove(L, -2);
}

/* pieces(ink) -> labels uint8 (H, W), a list of pieces */
static int l_pieces(lua_State *L) {
  peri_image_piece pieces[PERI_IMAGE_PIECES_MOST];
  int count;
  peri_tensor *ink = peri_lua_tensor(L, 1), **labels = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_image_pieces(labels, pieces, &count, ink));
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    push_piece(L, *labels, i + 1, &pieces[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 2;
}

/* split(labels, piece, number, x_top, x_bottom) */
static int l_split(lua_State *L) {
  peri_tensor *labels = peri_lua_tensor(L, 1);
  int piece = (int)luaL_checkinteger(L, 2), number = (int)luaL_checkinteger(L, 3);
  double x_top = luaL_checknumber(L, 4), x_bottom = luaL_checknumber(L, 5);
  peri_lua_check(L, peri_image_pieces_split(labels, piece, number, x_top, x_bottom));
  return 0;
}

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* digit_of(ink, labels, { numbers of pieces }, thicken) -> float32 (28, 28, 1), { top, left, bottom, right = edges of the
   box in pixels, field_top, field_left, field_height, field_width = pixels of the 28, the first being 0 } */
static int l_digit_of(lua_State *L) {
  bool chosen[PERI_IMAGE_PIECES_MOST + 1] = {false};
  peri_image_place p;
  peri_tensor *ink = peri_lua_tensor(L, 1), *labels = peri_lua_tensor(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  double thicken = luaL_checknumber(L, 4);
  for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, 3); i <= n; i++) {
    lua_rawgeti(L, 3, i);
    lua_Integer number = luaL_checkinteger(L, -1);
    if (number < 1 || number > PERI_IMAGE_PIECES_MOST) {
      return luaL_error(L, "image.digit_of: pieces are numbered from 1 to %d, got %I", PERI_IMAGE_PIECES_MOST, number);
    }
    chosen[number] = true;
    lua_pop(L, 1);
  }
  peri_tensor **digit = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_image_pieces_digit(digit, &p, ink, labels, chosen, thicken));
  if (!*digit) return 0;
  lua_createtable(L, 0, 8);
  set_number(L, "top", p.top), set_number(L, "left", p.left);
  set_number(L, "bottom", p.bottom), set_number(L, "right", p.right);
  set_number(L, "field_top", (double)p.field_top), set_number(L, "field_left", (double)p.field_left);
  set_number(L, "field_height", (double)p.field_height), set_number(L, "field_width", (double)p.field_width);
  return 2;
}

static const luaL_Reg functions[] = {{"read", l_read}, {"parse", l_parse}, {"write", l_write}, {"encode", l_encode},
                                     {"resize", l_resize}, {"grey", l_grey}, {"digit", l_digit},
                                     {"ink", l_ink}, {"stroke", l_stroke}, {"box", l_box}, {"befitting", l_befitting},
                                     {"pieces", l_pieces}, {"split", l_split}, {"digit_of", l_digit_of}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_perilune_image(lua_State *L);
int luaopen_perilune_image(lua_State *L) {
  luaL_newlib(L, functions);
  lua_pushinteger(L, PERI_IMAGE_THICKEN);
  lua_setfield(L, -2, "thicken");
  return 1;
}
