/* module_bridge.c - an optional module's end of the bridge: linked into each of them, not into core.so. */
#include "bind/bridge.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/status.h"

/* The table that core.so left behind; core.so is loaded when it is not there yet. */
static const peri_lua_bridge *bridge(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, PERI_LUA_BRIDGE) != LUA_TLIGHTUSERDATA) {
    lua_getglobal(L, "require");
    lua_pushliteral(L, "perilune.core");
    lua_call(L, 1, 0);
    lua_pop(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, PERI_LUA_BRIDGE);
  }
  const peri_lua_bridge *found = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (!found || found->size != sizeof *found)
    luaL_error(L, "perilune: this module and perilune.core are not of one build");
  return found;
}

int peri_lua_check(lua_State *L, int status) { return bridge(L)->check(L, status); }
peri_tensor **peri_lua_new_tensor(lua_State *L) { return bridge(L)->new_tensor(L); }
peri_tensor *peri_lua_tensor(lua_State *L, int index) { return bridge(L)->tensor(L, index); }
peri_tensor *peri_lua_test_tensor(lua_State *L, int index) { return bridge(L)->test_tensor(L, index); }
int peri_lua_shape(lua_State *L, int index, int64_t shape[PERI_MAX_DIMS]) { return bridge(L)->shape(L, index, shape); }
void peri_lua_push_shape(lua_State *L, int ndim, const int64_t *shape) { bridge(L)->push_shape(L, ndim, shape); }
void peri_lua_push_keys(lua_State *L, int index, const char *what) { bridge(L)->push_keys(L, index, what); }
void peri_lua_collect(lua_State *L) { bridge(L)->collect(L); }
void peri_lua_arguments(lua_State *L, const char *what, const peri_signature *s, int first, peri_value *arg) {
  bridge(L)->arguments(L, what, s, first, arg);
}

void peri_lua_fail(lua_State *L, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  peri_lua_check(L, peri_fail(PERI_EARG, "%s", text));
}
