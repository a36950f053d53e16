/* grad.c - differentiation from Lua: backward, gradients, recording on and off. */
#include "bind/bind.h"
#include "grad/profile.h"

static bool option_keep(lua_State *L, int index) {
  if (!lua_istable(L, index)) return false;
  lua_getfield(L, index, "keep");
  bool keep = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return keep;
}

/* t:backward([seed] [, {keep = true}]): adds the derivatives of t to the grad of every leaf it depends on. */
static int l_backward(lua_State *L) {
  peri_tensor *t = peri_lua_tensor(L, 1), *seed = peri_lua_test_tensor(L, 2);
  peri_lua_check(L, peri_backward(t, seed, option_keep(L, seed ? 3 : 2)));
  return 0;
}

/* grad(y, {a, b, ...} [, {keep = true, seed = tensor}]): the derivatives of y by each input; nil where there is none. */
static int l_gradients(lua_State *L) {
  enum { MOST = 200 };
  peri_tensor *input[MOST], *out[MOST], **box[MOST], *seed = NULL;
  peri_tensor *t = peri_lua_tensor(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  int count = (int)luaL_len(L, 2);
  luaL_argcheck(L, count >= 1 && count <= MOST, 2, "grad: wants a list of 1 to 200 tensors");
  luaL_checkstack(L, count + 4, "grad");
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "seed");
    seed = peri_lua_test_tensor(L, -1);
  }
  for (int i = 0; i < count; i++) {
    lua_geti(L, 2, i + 1);
    input[i] = peri_lua_tensor(L, -1);
    lua_pop(L, 1);
  }
  for (int i = 0; i < count; i++) box[i] = peri_lua_new_tensor(L);
  int first = lua_gettop(L) - count + 1;
  peri_lua_check(L, peri_gradients(out, t, seed, count, input, option_keep(L, 3)));
  for (int i = 0; i < count; i++) {
    *box[i] = out[i];
    if (out[i]) continue;
    lua_pushnil(L);
    lua_replace(L, first + i);
  }
  return count;
}

/* detach(): the same elements, outside any graph. */
static int l_detach(lua_State *L) {
  peri_tensor *t = peri_lua_tensor(L, 1), **box = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_tensor_detach(box, t));
  return 1;
}

/* require_grad([wanted]): asks for a gradient; returns this tensor. */
static int l_require_grad(lua_State *L) {
  bool wanted = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
  peri_lua_check(L, peri_tensor_require_grad(peri_lua_tensor(L, 1), wanted));
  lua_settop(L, 1);
  return 1;
}

/* grad_enabled(), set_grad_enabled(wanted) -> before */
static int l_grad_enabled(lua_State *L) {
  lua_pushboolean(L, peri_grad_enabled());
  return 1;
}
static int l_set_grad_enabled(lua_State *L) {
  luaL_checktype(L, 1, LUA_TBOOLEAN);
  lua_pushboolean(L, peri_grad_set_enabled(lua_toboolean(L, 1)));
  return 1;
}

/* profile_start(); profile_stop() -> a list of { name, shape, forward_calls, backward_calls, forward, backward } */
static int l_profile_start(lua_State *L) {
  peri_lua_check(L, peri_profile_start());
  return 0;
}
static int l_profile_stop(lua_State *L) {
  static const char *const calls[] = {"forward_calls", "backward_calls"}, *const seconds[] = {"forward", "backward"};
  const peri_profile_row *rows;
  int count = peri_profile_stop(&rows);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    lua_createtable(L, 0, 6);
    lua_pushstring(L, rows[i].name);
    lua_setfield(L, -2, "name");
    peri_lua_push_shape(L, rows[i].ndim, rows[i].shape);
    lua_setfield(L, -2, "shape");
    for (int way = 0; way < 2; way++) {
      lua_pushinteger(L, rows[i].calls[way]);
      lua_setfield(L, -2, calls[way]);
      lua_pushnumber(L, rows[i].seconds[way]);
      lua_setfield(L, -2, seconds[way]);
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static const luaL_Reg methods[] = {{"backward", l_backward},
                                   {"detach", l_detach},
                                   {"require_grad", l_require_grad},
                                   {NULL, NULL}};
static const luaL_Reg functions[] = {{"grad", l_gradients},
                                     {"profile_start", l_profile_start},
                                     {"profile_stop", l_profile_stop},
                                     {"grad_enabled", l_grad_enabled},
                                     {"set_grad_enabled", l_set_grad_enabled},
                                     {NULL, NULL}};

void peri_lua_open_grad(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  lua_getfield(L, -1, "tensor_methods");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
}
