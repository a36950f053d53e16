/* bridge.h - how optional modules reach the binding's functions.

   Lua loads every module on its own, so linalg.so, image.so and hdf5.so cannot see the symbols of
   core.so. core.so therefore leaves a table of functions in the registry (bridge.c), and each
   optional module is linked with module_bridge.c, which defines the functions of bind.h that modules
   may use as calls through that table. A module's source just includes bind.h. */
#ifndef PERI_BIND_BRIDGE_H
#define PERI_BIND_BRIDGE_H

#include "bind/bind.h"

#define PERI_LUA_BRIDGE "perilune.bridge"

typedef struct peri_lua_bridge {
  size_t size; /* of this structure: modules of another build are refused */
  int (*check)(lua_State *L, int status);
  peri_tensor **(*new_tensor)(lua_State *L);
  peri_tensor *(*tensor)(lua_State *L, int index);
  peri_tensor *(*test_tensor)(lua_State *L, int index);
  int (*shape)(lua_State *L, int index, int64_t shape[PERI_MAX_DIMS]);
  void (*push_shape)(lua_State *L, int ndim, const int64_t *shape);
  void (*push_keys)(lua_State *L, int index, const char *what);
  void (*collect)(lua_State *L);
  void (*arguments)(lua_State *L, const char *what, const peri_signature *s, int first, peri_value *arg);
} peri_lua_bridge;

#endif
