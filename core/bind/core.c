/* core.c - the module perilune.core: errors, settings, and the parts that fill it. */
#include "bind/bind.h"

#include <stdarg.h>
#include <string.h>

#include "base/arena.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/threads.h"

/* Is this file one of the library's own, in the source tree or installed? A clone may lie in a folder called perilune,
   so the folder's name alone does not tell. */
static bool is_own(const char *source) {
  return strstr(source, "lua/perilune/") || strstr(source, "/lua/" LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "/perilune/");
}

/* The library's own Lua files are stepped over: a person wants to see the line of their own. */
static void push_position(lua_State *L) {
  lua_Debug frame;
  for (int level = 1; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sl", &frame);
    if (frame.currentline <= 0 || is_own(frame.source)) continue;
    lua_pushfstring(L, "%s:%d: ", frame.short_src, frame.currentline);
    return;
  }
  lua_pushliteral(L, "");
}

int peri_lua_error(lua_State *L, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  push_position(L);
  lua_pushvfstring(L, format, arguments);
  va_end(arguments);
  lua_concat(L, 2);
  return lua_error(L);
}

int peri_lua_check(lua_State *L, int status) {
  if (status >= 0) return status;
  if (status == PERI_EINTERRUPT) peri_interrupt_deliver();
  return peri_lua_error(L, "%s", peri_message());
}

/* seed(n): starts the generator anew; the same seed gives the same numbers. */
static int l_seed(lua_State *L) {
  peri_seed((uint64_t)luaL_checkinteger(L, 1));
  return 0;
}

/* threads_spin(seconds): sets for how long an idle worker thread spins; returns what it was. */
static int l_threads_spin(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  luaL_argcheck(L, seconds >= 0 && seconds <= 1, 1, "threads_spin: wants 0 to 1 seconds");
  lua_pushnumber(L, peri_threads_spin(seconds));
  return 1;
}

/* threads([n]): sets the number of threads when n is given; returns the number in use. */
static int l_threads(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) {
    lua_Integer count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count >= 1 && count <= 256, 1, "threads: wants 1 to 256");
    peri_threads_set((int)count);
  }
  lua_pushinteger(L, peri_threads());
  return 1;
}

static int l_isa(lua_State *L) {
  lua_pushstring(L, peri_isa());
  return 1;
}

/* precision([name]): sets how float32 is multiplied when a name is given; returns the name in use, and the unit
   that multiplies bfloat16 on this machine. */
static int l_precision(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) {
    if (lua_type(L, 1) != LUA_TSTRING)
      return peri_lua_error(L, "precision: wants \"float32\" or \"bf16\", got a %s", luaL_typename(L, 1));
    peri_lua_check(L, peri_precision_set(lua_tostring(L, 1)));
  }
  lua_pushstring(L, peri_precision());
  lua_pushstring(L, peri_precision_unit());
  return 2;
}

/* memory(): bytes in live tensors, bytes kept for reuse, how often the system was asked for memory, bytes of arenas. */
static int l_memory(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)peri_memory_live());
  lua_pushinteger(L, (lua_Integer)peri_memory_cached());
  lua_pushinteger(L, (lua_Integer)peri_memory_system_allocations());
  lua_pushinteger(L, (lua_Integer)peri_arena_bytes());
  return 4;
}

/* memory_trim(): gives memory kept for reuse back to the system. */
static int l_memory_trim(lua_State *L) {
  (void)L;
  peri_memory_trim();
  return 0;
}

/* memory_fail_at(n): the n-th allocation from now fails (test builds). */
static int l_memory_fail_at(lua_State *L) {
  peri_lua_check(L, peri_memory_fail_at((uint64_t)luaL_checkinteger(L, 1)));
  return 0;
}

/* rng_state() -> { key, position }; set_rng_state{ key, position }. */
static int l_rng_state(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, (lua_Integer)peri_rng_default()->key);
  lua_setfield(L, -2, "key");
  lua_pushinteger(L, (lua_Integer)peri_rng_default()->position);
  lua_setfield(L, -2, "position");
  return 1;
}

static int l_set_rng_state(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "key");
  lua_getfield(L, 1, "position");
  lua_Integer key = luaL_checkinteger(L, -2), position = luaL_checkinteger(L, -1);
  *peri_rng_default() = (peri_rng){.key = (uint64_t)key, .position = (uint64_t)position};
  return 0;
}

static const luaL_Reg functions[] = {{"seed", l_seed},
                                     {"threads", l_threads},
                                     {"threads_spin", l_threads_spin},
                                     {"isa", l_isa},
                                     {"precision", l_precision},
                                     {"memory", l_memory},
                                     {"memory_trim", l_memory_trim},
                                     {"memory_fail_at", l_memory_fail_at},
                                     {"rng_state", l_rng_state},
                                     {"set_rng_state", l_set_rng_state},
                                     {NULL, NULL}};

/* One row a topic; each file adds its functions to the module table. */
static void (*const parts[])(lua_State *L) = {
    peri_lua_open_tensor,
    peri_lua_open_construct,
    peri_lua_open_ops,
    peri_lua_open_grad,
    peri_lua_open_layer,
    peri_lua_open_plan,
    peri_lua_open_compiled,
    peri_lua_open_optim,
    peri_lua_open_arena,
    peri_lua_open_format,
    peri_lua_open_bridge,
    peri_lua_open_files,
    peri_lua_open_terminal,
    peri_lua_open_raw_terminal,
    peri_lua_open_data,
    peri_lua_open_loader,
};

__attribute__((visibility("default"))) int luaopen_perilune_core(lua_State *L) {
  luaL_newlib(L, functions);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) parts[i](L);
  return 1;
}
