/* plan.c - how a net is executed, for Lua: the table of fusions and their switch, the fused run at a place of a
   container, a layer's work, and the ops that a tape holds. lua/perilune/nn/plan.lua makes a table of it. */
#include "bind/bind.h"
#include "grad/trace.h"
#include "layers/fuse.h"
#include "layers/plan.h"

static peri_layer *check_layer(lua_State *L, int index) {
  peri_layer **box = luaL_checkudata(L, index, PERI_LUA_LAYER);
  if (!*box) luaL_argerror(L, index, "the layer has been freed");
  return *box;
}

/* set_fusion([on]): switches fusing on or off; gives the state before. */
static int l_set_fusion(lua_State *L) {
  bool before = peri_fusion_enabled();
  if (!lua_isnoneornil(L, 1)) {
    luaL_checktype(L, 1, LUA_TBOOLEAN);
    peri_fusion_set_enabled(lua_toboolean(L, 1));
  }
  lua_pushboolean(L, before);
  return 1;
}

/* fusions(): a list of { name, doc }. */
static int l_fusions(lua_State *L) {
  lua_createtable(L, peri_fusion_count, 0);
  for (int i = 0; i < peri_fusion_count; i++) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, peri_fusions[i].name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, peri_fusions[i].doc);
    lua_setfield(L, -2, "doc");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* fused_run(container, at, to, training): how many children from `at` on one call does, and the fusion's name or nil. */
static int l_fused_run(lua_State *L) {
  const peri_layer *l = check_layer(L, 1);
  lua_Integer at = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);
  luaL_argcheck(L, at >= 1 && at <= to && to <= l->children, 2, "no such layers");
  int run;
  const peri_fusion *fusion = peri_fusion_find(l, (int)at - 1, (int)to, lua_toboolean(L, 4), &run);
  lua_pushinteger(L, run);
  lua_pushstring(L, fusion ? fusion->name : NULL);
  return 2;
}

/* layer_work(layer, pool or nil, n): multiplications as written, and as done forward, for the gradient of the input, of
   the kernel. */
static int l_layer_work(lua_State *L) {
  const peri_layer *l = check_layer(L, 1), *pool = lua_isnoneornil(L, 2) ? NULL : check_layer(L, 2);
  peri_work work;
  peri_lua_check(L, peri_layer_work(l, pool, luaL_checkinteger(L, 3), &work));
  lua_pushnumber(L, work.written);
  lua_pushnumber(L, work.forward);
  lua_pushnumber(L, work.input);
  lua_pushnumber(L, work.kernel);
  return 4;
}

/* The seen things are the keys of the table at 2; the ops go to the table at 3. Both are called with the stack so. */
static bool trace_fresh(void *context, const void *thing) {
  lua_State *L = context;
  bool fresh = lua_rawgetp(L, 2, thing) == LUA_TNIL;
  lua_pop(L, 1);
  if (!fresh) return false;
  lua_pushboolean(L, 1);
  lua_rawsetp(L, 2, thing);
  return true;
}
static void trace_op(void *context, const char *name, int64_t kept) {
  lua_State *L = context;
  lua_pushstring(L, name);
  lua_rawseti(L, 3, luaL_len(L, 3) + 1);
  lua_getfield(L, 3, "kept");
  lua_pushinteger(L, luaL_optinteger(L, -1, 0) + (lua_Integer)kept);
  lua_setfield(L, 3, "kept");
  lua_pop(L, 1);
}

/* traced(t, seen): the names of the ops on the tape that made t, and `kept`, the bytes they keep for backward; seen, a
   table, remembers what was met. */
static int l_traced(lua_State *L) {
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  peri_tensor *t = peri_lua_tensor(L, 1);
  lua_createtable(L, 4, 1);
  lua_pushinteger(L, 0);
  lua_setfield(L, -2, "kept");
  peri_trace trace = {.fresh = trace_fresh, .op = trace_op, .context = L};
  peri_lua_check(L, peri_trace_walk(t, &trace));
  return 1;
}

/* trace_mark(t, seen): t's storage counts as met. */
static int l_trace_mark(lua_State *L) {
  peri_tensor *t = peri_lua_tensor(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_pushboolean(L, 1);
  lua_rawsetp(L, 2, t->storage);
  return 0;
}

static const luaL_Reg functions[] = {{"set_fusion", l_set_fusion}, {"fusions", l_fusions}, {"fused_run", l_fused_run}, {"layer_work", l_layer_work},
                                     {"traced", l_traced}, {"trace_mark", l_trace_mark}, {NULL, NULL}};

void peri_lua_open_plan(lua_State *L) { luaL_setfuncs(L, functions, 0); }
