/* arena.c - the arena userdata: memory for work that is done again and again. The object stands for its scope too, so
   that a step of training makes no object for it: scope() returns it, and closing it ends the scope. */
#include "base/arena.h"
#include "bind/bind.h"

#define ARENA "perilune.Arena"

static peri_arena *check_arena(lua_State *L) {
  peri_arena **box = luaL_checkudata(L, 1, ARENA);
  if (!*box) luaL_argerror(L, 1, "the arena has been freed");
  return *box;
}

/* arena(): a new one */
static int l_arena(lua_State *L) {
  peri_arena **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, ARENA);
  peri_lua_check(L, peri_arena_new(box));
  return 1;
}

/* A key for tensors of this type and shape (FNV-1a). */
static uint64_t key_of(const peri_tensor *t) {
  uint64_t key = 0xcbf29ce484222325U;
  key = (key ^ (uint64_t)t->dtype) * 0x100000001b3U;
  for (int i = 0; i < t->ndim; i++) key = (key ^ (uint64_t)t->shape[i]) * 0x100000001b3U;
  return key;
}

/* scope([x]): begins a scope for inputs like x; to be closed. nil inside another scope. */
static int l_scope(lua_State *L) {
  peri_arena *a = check_arena(L);
  int begun = peri_lua_check(L, peri_arena_begin(a, lua_isnoneornil(L, 2) ? 0 : key_of(peri_lua_tensor(L, 2))));
  if (begun) lua_settop(L, 1);
  else lua_pushnil(L);
  return 1;
}

/* The end of a scope; after an error what was recorded does not count. */
static int l_close(lua_State *L) {
  peri_arena **box = luaL_checkudata(L, 1, ARENA);
  if (*box) peri_arena_end(*box, lua_isnoneornil(L, 2));
  return 0;
}

/* plans(): a list of { bytes =, sum =, blocks = } */
static int l_plans(lua_State *L) {
  const peri_arena *a = check_arena(L);
  peri_arena_plan plan;
  lua_newtable(L);
  for (int i = 0; peri_arena_plan_at(a, i, &plan); i++) {
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, (lua_Integer)plan.bytes);
    lua_setfield(L, -2, "bytes");
    lua_pushinteger(L, (lua_Integer)plan.sum);
    lua_setfield(L, -2, "sum");
    lua_pushinteger(L, plan.blocks);
    lua_setfield(L, -2, "blocks");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int l_free(lua_State *L) {
  peri_arena **box = luaL_checkudata(L, 1, ARENA);
  peri_arena *a = *box;
  *box = NULL;
  peri_arena_release(a);
  return 0;
}

static int l_tostring(lua_State *L) {
  peri_arena **box = luaL_checkudata(L, 1, ARENA);
  peri_arena_plan plan;
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  luaL_addstring(&text, *box ? "arena" : "arena (freed)");
  for (int i = 0; *box && peri_arena_plan_at(*box, i, &plan); i++) {
    lua_pushfstring(L, "%s%I blocks of %I bytes in %I", i ? "; " : ": ", (lua_Integer)plan.blocks, (lua_Integer)plan.sum,
                    (lua_Integer)plan.bytes);
    luaL_addvalue(&text);
  }
  luaL_pushresult(&text);
  return 1;
}

static const luaL_Reg methods[] = {{"scope", l_scope}, {"plans", l_plans}, {"free", l_free}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__gc", l_free}, {"__close", l_close}, {"__tostring", l_tostring}, {NULL, NULL}};

void peri_lua_open_arena(lua_State *L) {
  lua_pushcfunction(L, l_arena);
  lua_setfield(L, -2, "arena");
  luaL_newmetatable(L, ARENA);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__methods"); /* for completion */
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
