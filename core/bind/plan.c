/* plan.c - how a net is executed, for Lua: the switch and the table of fusions. */
#include "bind/bind.h"
#include "layers/fuse.h"

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

static const luaL_Reg functions[] = {{"set_fusion", l_set_fusion}, {"fusions", l_fusions}, {NULL, NULL}};

void peri_lua_open_plan(lua_State *L) { luaL_setfuncs(L, functions, 0); }
