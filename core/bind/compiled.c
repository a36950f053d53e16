/* compiled.c - the userdata of a compiled net. lua/perilune/nn/compiled.lua completes its methods. */
#include "layers/compile.h"

#include <string.h>

#include "bind/bind.h"

static peri_compiled *check_compiled(lua_State *L) {
  peri_compiled **box = luaL_checkudata(L, 1, PERI_LUA_COMPILED);
  if (!*box) luaL_argerror(L, 1, "the compiled net has been freed");
  return *box;
}

/* compile(layer, batch, logits): batch 0 leaves the choice to the core. */
static int l_compile(lua_State *L) {
  peri_layer **layer = luaL_checkudata(L, 1, PERI_LUA_LAYER);
  if (!*layer) luaL_argerror(L, 1, "the layer has been freed");
  lua_Integer batch = luaL_optinteger(L, 2, 0);
  unsigned flags = lua_toboolean(L, 3) ? PERI_COMPILE_LOGITS : 0;
  peri_compiled **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, PERI_LUA_COMPILED);
  peri_lua_check(L, peri_compile(box, *layer, batch, flags));
  return 1;
}

static int l_free(lua_State *L) {
  peri_compiled **box = luaL_checkudata(L, 1, PERI_LUA_COMPILED);
  peri_compiled *c = *box;
  *box = NULL;
  peri_compiled_release(c);
  return 0;
}

/* c(x [, out]): the result, in `out` where given. */
static int l_call(lua_State *L) {
  peri_compiled *c = check_compiled(L);
  peri_tensor *x = peri_lua_tensor(L, 2);
  if (!lua_isnoneornil(L, 3)) {
    lua_settop(L, 3);
    peri_lua_check(L, peri_compiled_run(c, x, peri_lua_tensor(L, 3)));
    return 1;
  }
  const peri_shape *each = peri_compiled_out(c);
  int64_t shape[PERI_MAX_DIMS] = {x->ndim ? x->shape[0] : 0};
  memcpy(shape + 1, each->at, sizeof(int64_t) * (size_t)each->ndim);
  peri_tensor **box = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_tensor_new(box, PERI_F32, each->ndim + 1, shape));
  peri_lua_check(L, peri_compiled_run(c, x, *box));
  return 1;
}

/* takes(x): whether x is a batch that can be run: its samples' shape and its type fit. */
static int l_takes(lua_State *L) {
  lua_pushboolean(L, peri_compiled_takes(check_compiled(L), peri_lua_tensor(L, 2)));
  return 1;
}

/* current(): whether the net's weights are still those that were compiled. */
static int l_current(lua_State *L) {
  lua_pushboolean(L, peri_compiled_current(check_compiled(L)));
  return 1;
}

/* left_out(): "softmax" or "sigmoid", the end that compile(net, batch, true) has left to the caller; nil without one. */
static int l_left_out(lua_State *L) {
  lua_pushstring(L, peri_compiled_left_out(check_compiled(L)));
  return 1;
}

/* steps(): a list of { layers, op, shape, parameters, multiplications, executed }. */
static int l_steps(lua_State *L) {
  const peri_compiled *c = check_compiled(L);
  lua_createtable(L, peri_compiled_steps(c), 0);
  for (int i = 0; i < peri_compiled_steps(c); i++) {
    peri_compiled_step s = peri_compiled_step_at(c, i);
    lua_createtable(L, 0, 6);
    lua_pushstring(L, s.layers);
    lua_setfield(L, -2, "layers");
    lua_pushstring(L, s.op);
    lua_setfield(L, -2, "op");
    peri_lua_push_shape(L, s.out.ndim, s.out.at);
    lua_setfield(L, -2, "shape");
    lua_pushinteger(L, (lua_Integer)s.parameters);
    lua_setfield(L, -2, "parameters");
    lua_pushnumber(L, s.multiplications);
    lua_setfield(L, -2, "multiplications");
    lua_pushnumber(L, s.executed);
    lua_setfield(L, -2, "executed");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* workspace(n): bytes of a workspace, and the images of a piece of a batch of n. */
static int l_workspace(lua_State *L) {
  const peri_compiled *c = check_compiled(L);
  lua_pushinteger(L, (lua_Integer)peri_compiled_bytes(c));
  lua_pushinteger(L, (lua_Integer)peri_compiled_piece(c, luaL_optinteger(L, 2, 1)));
  return 2;
}

static const luaL_Reg methods[] = {{"current", l_current}, {"takes", l_takes}, {"left_out", l_left_out}, {"steps", l_steps},
                                   {"workspace", l_workspace}, {"free", l_free}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__gc", l_free}, {"__close", l_free}, {"__call", l_call}, {NULL, NULL}};

/* Adds core.compile and core.compiled_methods, core.compiled_metatable. */
void peri_lua_open_compiled(lua_State *L) {
  lua_pushcfunction(L, l_compile);
  lua_setfield(L, -2, "compile");
  luaL_newmetatable(L, PERI_LUA_COMPILED);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -4, "compiled_methods");
  lua_setfield(L, -2, "__index");
  lua_setfield(L, -2, "compiled_metatable");
}
