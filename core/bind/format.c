/* format.c - npy, npz and safetensors files as Lua functions.

   Lists of tensors live in a userdata while Lua may raise, so that nothing leaks. */
#include <string.h>

#include "bind/bind.h"
#include "format/npy.h"
#include "format/safetensors.h"

#define NAMED_META "perilune.named"

static const char *check_path(lua_State *L, int index) {
  size_t length;
  const char *path = luaL_checklstring(L, index, &length);
  luaL_argcheck(L, strlen(path) == length, index, "a path must not hold a NUL character");
  return path;
}

static int l_named_gc(lua_State *L) {
  peri_named_clear(luaL_checkudata(L, 1, NAMED_META));
  return 0;
}

/* Pushes an empty list that the collector clears. */
static peri_named *push_named(lua_State *L) {
  peri_named *list = lua_newuserdatauv(L, sizeof *list, 0);
  *list = (peri_named){0};
  luaL_setmetatable(L, NAMED_META);
  return list;
}

/* Pushes { name = tensor }. */
static void push_tensors(lua_State *L, const peri_named *list) {
  lua_createtable(L, 0, (int)list->tensors);
  for (size_t i = 0; i < list->tensors; i++) {
    peri_tensor **box = peri_lua_new_tensor(L);
    *box = peri_tensor_retain(list->tensor[i].tensor);
    lua_setfield(L, -2, list->tensor[i].name);
  }
}

/* Pushes { key = text }. */
static void push_texts(lua_State *L, const peri_named *list) {
  lua_createtable(L, 0, (int)list->texts);
  for (size_t i = 0; i < list->texts; i++) {
    lua_pushlstring(L, list->text[i].text, list->text[i].length);
    lua_setfield(L, -2, list->text[i].name);
  }
}

void peri_lua_push_keys(lua_State *L, int index, const char *what) {
  lua_Integer count = 0;
  index = lua_absindex(L, index);
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) {
      peri_lua_error(L, "%s: every key must be a name (a string), one is %s", what, luaL_tolstring(L, -1, NULL));
    }
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, ++count);
  }
  luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 0); /* whatever has become of the global `table` */
  lua_getfield(L, -1, "sort");
  lua_pushvalue(L, -3);
  lua_call(L, 1, 0);
  lua_pop(L, 1);
}

/* The name that the list of keys on top of the stack has at place i; left on the stack. */
static const char *push_name(lua_State *L, lua_Integer i, const char *what) {
  size_t length;
  lua_rawgeti(L, -1, i);
  const char *name = lua_tolstring(L, -1, &length);
  if (strlen(name) != length) peri_lua_error(L, "%s: a name must not hold a NUL character", what);
  return name;
}

static void read_tensors(lua_State *L, int index, const char *what, peri_named *list) {
  luaL_checktype(L, index, LUA_TTABLE);
  peri_lua_push_keys(L, index, what);
  lua_Integer count = luaL_len(L, -1);
  for (lua_Integer i = 1; i <= count; i++) {
    const char *name = push_name(L, i, what);
    lua_getfield(L, index, name);
    peri_tensor *t = peri_lua_test_tensor(L, -1);
    if (!t) peri_lua_error(L, "%s: '%s' must be a tensor, it is a %s", what, name, luaL_typename(L, -1));
    peri_lua_check(L, peri_named_add(list, name, t));
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
}

static void read_texts(lua_State *L, int index, const char *what, peri_named *list) {
  if (lua_isnoneornil(L, index)) return;
  luaL_checktype(L, index, LUA_TTABLE);
  peri_lua_push_keys(L, index, what);
  lua_Integer count = luaL_len(L, -1);
  for (lua_Integer i = 1; i <= count; i++) {
    size_t length;
    const char *name = push_name(L, i, what);
    if (lua_getfield(L, index, name) != LUA_TSTRING) {
      peri_lua_error(L, "%s: metadata '%s' must be a string, it is a %s", what, name, luaL_typename(L, -1));
    }
    const char *text = lua_tolstring(L, -1, &length);
    peri_lua_check(L, peri_named_add_text(list, name, text, length));
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
}

/* load_npy(path) -> tensor */
static int l_load_npy(lua_State *L) {
  const char *path = check_path(L, 1);
  peri_tensor **box = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_npy_load(box, path));
  return 1;
}

/* save_npy(path, tensor) */
static int l_save_npy(lua_State *L) {
  const char *path = check_path(L, 1);
  peri_lua_check(L, peri_npy_save(path, peri_lua_tensor(L, 2)));
  return 0;
}

/* load_npz(path) -> { name = tensor } */
static int l_load_npz(lua_State *L) {
  const char *path = check_path(L, 1);
  peri_named *list = push_named(L);
  peri_lua_check(L, peri_npz_load(list, path));
  push_tensors(L, list);
  peri_named_clear(list);
  return 1;
}

/* save_npz(path, { name = tensor }) */
static int l_save_npz(lua_State *L) {
  const char *path = check_path(L, 1);
  peri_named *list = push_named(L);
  read_tensors(L, 2, "save_npz", list);
  peri_lua_check(L, peri_npz_save(path, list));
  peri_named_clear(list);
  return 0;
}

/* load_safetensors(path) -> { name = tensor }, { key = text } */
static int l_load_safetensors(lua_State *L) {
  const char *path = check_path(L, 1);
  peri_named *list = push_named(L);
  peri_lua_check(L, peri_safetensors_load(list, path));
  push_tensors(L, list);
  push_texts(L, list);
  peri_named_clear(list);
  return 2;
}

/* save_safetensors(path, { name = tensor }, [{ key = text }]) */
static int l_save_safetensors(lua_State *L) {
  lua_settop(L, 3);
  const char *path = check_path(L, 1);
  peri_named *list = push_named(L);
  read_tensors(L, 2, "save_safetensors", list);
  read_texts(L, 3, "save_safetensors", list);
  peri_lua_check(L, peri_safetensors_save(path, list));
  peri_named_clear(list);
  return 0;
}

void peri_lua_open_format(lua_State *L) {
  static const luaL_Reg functions[] = {{"load_npy", l_load_npy},
                                       {"save_npy", l_save_npy},
                                       {"load_npz", l_load_npz},
                                       {"save_npz", l_save_npz},
                                       {"load_safetensors", l_load_safetensors},
                                       {"save_safetensors", l_save_safetensors},
                                       {NULL, NULL}};
  luaL_newmetatable(L, NAMED_META);
  lua_pushcfunction(L, l_named_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
