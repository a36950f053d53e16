/* bridge.c - core.so's end of the bridge. */
#include "bind/bridge.h"

static const peri_lua_bridge bridge = {
    .size = sizeof bridge,
    .check = peri_lua_check,
    .new_tensor = peri_lua_new_tensor,
    .tensor = peri_lua_tensor,
    .test_tensor = peri_lua_test_tensor,
    .shape = peri_lua_shape,
    .push_shape = peri_lua_push_shape,
    .push_keys = peri_lua_push_keys,
    .collect = peri_lua_collect,
    .arguments = peri_lua_arguments,
};

void peri_lua_open_bridge(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&bridge);
  lua_setfield(L, LUA_REGISTRYINDEX, PERI_LUA_BRIDGE);
}
