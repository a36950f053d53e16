/* module_hdf5.c - the optional module perilune.hdf5: HDF5 files as Lua tables.

   A group is { attributes = { name = text or list of texts }, tensors = { name = tensor },
   groups = { name = group } }, each part optional when it is written. When written, a name may be a
   path ("conv2d/kernel:0"): the groups on the way are made. */
#include <string.h>

#include "bind/bind.h"
#include "format/hdf5.h"

#define TREE_META "perilune.h5"

enum { MAX_SKIPPED = 16, STACK_A_LEVEL = 12 };

static int l_tree_gc(lua_State *L) {
  peri_h5_node **box = luaL_checkudata(L, 1, TREE_META);
  peri_h5_free(*box);
  *box = NULL;
  return 0;
}

static peri_h5_node **push_tree(lua_State *L) {
  peri_h5_node **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, TREE_META);
  return box;
}

static const char *check_text(lua_State *L, int index, const char *what) {
  size_t length;
  const char *text = lua_tolstring(L, index, &length);
  if (strlen(text) != length) luaL_error(L, "hdf5.write: %s must not hold a NUL character", what);
  return text;
}

/* --- from Lua --- */

static void add_text(lua_State *L, peri_h5_attribute *a) {
  size_t length;
  if (lua_type(L, -1) != LUA_TSTRING) {
    luaL_error(L, "hdf5.write: attribute '%s' must be a string or a list of strings, it holds a %s", a->name,
               luaL_typename(L, -1));
  }
  const char *text = lua_tolstring(L, -1, &length);
  peri_lua_check(L, peri_h5_attribute_add(a, text, length));
}

/* The value on top of the stack becomes the attribute `name`. */
static void add_attribute(lua_State *L, peri_h5_node *node, const char *name) {
  peri_h5_attribute *a;
  bool list = lua_istable(L, -1);
  peri_lua_check(L, peri_h5_attribute_new(&a, node, name, list));
  if (!list) {
    add_text(L, a);
    return;
  }
  lua_Integer count = luaL_len(L, -1);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_geti(L, -1, i);
    add_text(L, a);
    lua_pop(L, 1);
  }
}

static void add_tensor(lua_State *L, peri_h5_node *node, const char *name) {
  peri_h5_node *added;
  peri_tensor *t = peri_lua_test_tensor(L, -1);
  if (!t) luaL_error(L, "hdf5.write: '%s' must be a tensor, it is a %s", name, luaL_typename(L, -1));
  peri_lua_check(L, peri_h5_tensor(&added, node, name, t));
}

static void read_group(lua_State *L, peri_h5_node *node);

static void add_group(lua_State *L, peri_h5_node *node, const char *name) {
  peri_h5_node *group;
  peri_lua_check(L, peri_h5_group(&group, node, name));
  read_group(L, group);
}

/* Calls `add` with each entry of the part of the group on top of the stack, in the order of names. */
static void read_part(lua_State *L, peri_h5_node *node, const char *part,
                      void (*add)(lua_State *L, peri_h5_node *node, const char *name)) {
  int type = lua_getfield(L, -1, part);
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  if (type != LUA_TTABLE)
    luaL_error(L, "hdf5.write: '%s' of a group must be a table, it is a %s", part, luaL_typename(L, -1));
  peri_lua_push_keys(L, -1, "hdf5.write");
  lua_Integer count = luaL_len(L, -1);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    const char *name = check_text(L, -1, "a name");
    lua_getfield(L, -3, name);
    add(L, node, name);
    lua_pop(L, 2);
  }
  lua_pop(L, 2);
}

static void read_group(lua_State *L, peri_h5_node *node) {
  luaL_checkstack(L, STACK_A_LEVEL, "hdf5.write: groups are nested too deep");
  if (!lua_istable(L, -1)) luaL_error(L, "hdf5.write: a group must be a table, got a %s", luaL_typename(L, -1));
  read_part(L, node, "attributes", add_attribute);
  read_part(L, node, "tensors", add_tensor);
  read_part(L, node, "groups", add_group);
}

/* write(path, group): the file is written as a whole or not at all. */
static int l_write(lua_State *L) {
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  luaL_checkstring(L, 1);
  const char *path = check_text(L, 1, "the path");
  peri_h5_node **box = push_tree(L);
  peri_lua_check(L, peri_h5_root(box));
  lua_pushvalue(L, 2);
  read_group(L, *box);
  peri_lua_check(L, peri_h5_write(path, *box));
  peri_h5_free(*box);
  *box = NULL;
  return 0;
}

/* --- to Lua --- */

static void push_attribute(lua_State *L, const peri_h5_attribute *a) {
  if (!a->list) {
    lua_pushlstring(L, a->text[0].data, a->text[0].length);
    return;
  }
  lua_createtable(L, (int)a->count, 0);
  for (size_t i = 0; i < a->count; i++) {
    lua_pushlstring(L, a->text[i].data, a->text[i].length);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* Attributes of tensors are not shown: no model file has any. */
static void push_group(lua_State *L, const peri_h5_node *node) {
  luaL_checkstack(L, STACK_A_LEVEL, "hdf5.read: groups are nested too deep");
  lua_createtable(L, 0, 3);
  lua_createtable(L, 0, (int)node->attributes);
  for (size_t i = 0; i < node->attributes; i++) {
    push_attribute(L, &node->attribute[i]);
    lua_setfield(L, -2, node->attribute[i].name);
  }
  lua_setfield(L, -2, "attributes");
  lua_newtable(L); /* tensors */
  lua_newtable(L); /* groups */
  for (size_t i = 0; i < node->children; i++) {
    const peri_h5_node *child = node->child[i];
    if (child->tensor) {
      peri_tensor **box = peri_lua_new_tensor(L);
      *box = peri_tensor_retain(child->tensor);
      lua_setfield(L, -3, child->name);
    } else {
      push_group(L, child);
      lua_setfield(L, -2, child->name);
    }
  }
  lua_setfield(L, -3, "groups");
  lua_setfield(L, -2, "tensors");
}

/* The options' list of groups to skip; the strings stay on the stack, in their table. */
static void read_skipped(lua_State *L, int index, const char **skip) {
  int count = 0;
  if (lua_getfield(L, index, "skip") == LUA_TNIL) return;
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_Integer length = luaL_len(L, -1);
  if (length >= MAX_SKIPPED) luaL_error(L, "hdf5.read: at most %d groups can be skipped", MAX_SKIPPED - 1);
  for (lua_Integer i = 1; i <= length; i++) {
    lua_geti(L, -1, i);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "hdf5.read: 'skip' must be a list of names");
    skip[count++] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  skip[count] = NULL;
}

/* read(path, [{ skip = { names of root groups }, idle = seconds }]) -> group */
static int l_read(lua_State *L) {
  const char *skip[MAX_SKIPPED + 1] = {NULL};
  peri_h5_options options = {.skip = skip};
  luaL_checkstring(L, 1);
  const char *path = check_text(L, 1, "the path");
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    read_skipped(L, 2, skip);
    lua_getfield(L, 2, "idle");
    options.idle_seconds = luaL_optnumber(L, -1, 0);
    lua_pop(L, 1);
  }
  peri_h5_node **box = push_tree(L);
  peri_lua_check(L, peri_h5_read(box, path, &options));
  push_group(L, *box);
  peri_h5_free(*box);
  *box = NULL;
  return 1;
}

__attribute__((visibility("default"))) int luaopen_perilune_hdf5(lua_State *L) {
  static const luaL_Reg functions[] = {{"read", l_read}, {"write", l_write}, {NULL, NULL}};
  luaL_newmetatable(L, TREE_META);
  lua_pushcfunction(L, l_tree_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
