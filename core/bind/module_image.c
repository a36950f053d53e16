/* module_image.c - the module of pictures, loaded by lua/perilune/image.lua. */
#include "image/image.h"

#include <string.h>

#include "base/memory.h"
#include "bind/bind.h"

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

static const luaL_Reg functions[] = {{"read", l_read}, {"parse", l_parse}, {"write", l_write}, {"encode", l_encode},
                                     {"resize", l_resize}, {"grey", l_grey}, {"digit", l_digit}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_perilune_image(lua_State *L);
int luaopen_perilune_image(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
