/* module_edit.c - perilune.edit: what the prompt's editor needs from a terminal (hosts/edit.h).

     edit.enter(); edit.leave(); edit.suspend()     key mode on and off; Ctrl-Z
     edit.read(milliseconds, most)                  -> bytes, or nil and "timeout", "interrupt", "redraw" or "eof";
                                                    milliseconds < 0 waits for ever
     edit.ready(milliseconds)                       -> true when there is something to read, or the input has ended
     edit.write(text); edit.width(text) -> columns; edit.size() -> columns, rows
     edit.append(path, text), edit.replace(path, text): the history file
     edit.files(folder)                             -> names, folders ending in "/" */
#include <dirent.h>
#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "base/status.h"
#include "hosts/edit.h"

static void check(lua_State *L, int status) {
  if (status < 0) luaL_error(L, "%s", peri_message());
}

static int l_enter(lua_State *L) {
  check(L, peri_edit_enter());
  return 0;
}

static int l_leave(lua_State *L) {
  (void)L;
  peri_edit_leave();
  return 0;
}

static int l_suspend(lua_State *L) {
  check(L, peri_edit_suspend());
  return 0;
}

static int l_read(lua_State *L) {
  static const char *const reasons[] = {[PERI_EDIT_TIMEOUT] = "timeout", [PERI_EDIT_INTERRUPT] = "interrupt",
                                        [PERI_EDIT_REDRAW] = "redraw", [PERI_EDIT_END] = "eof"};
  char bytes[4096];
  size_t count = 0;
  lua_Integer milliseconds = luaL_optinteger(L, 1, -1), most = luaL_optinteger(L, 2, sizeof bytes);
  luaL_argcheck(L, milliseconds < 1 << 30, 1, "milliseconds, or -1 to wait for ever");
  luaL_argcheck(L, most >= 1 && most <= (lua_Integer)sizeof bytes, 2, "1 to 4096 bytes");
  int kind = peri_edit_read(bytes, (size_t)most, milliseconds < 0 ? -1 : (int)milliseconds, &count);
  if (kind == PERI_EDIT_BYTES) {
    lua_pushlstring(L, bytes, count);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, reasons[kind]);
  return 2;
}

static int l_ready(lua_State *L) {
  lua_Integer milliseconds = luaL_optinteger(L, 1, -1);
  luaL_argcheck(L, milliseconds < 1 << 30, 1, "milliseconds, or -1 to wait for ever");
  lua_pushboolean(L, peri_edit_ready(milliseconds < 0 ? -1 : (int)milliseconds));
  return 1;
}

static int l_write(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  check(L, peri_edit_write(text, length));
  return 0;
}

static int l_width(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_pushinteger(L, (lua_Integer)peri_edit_width(text, length));
  return 1;
}

static int l_size(lua_State *L) {
  int columns, rows;
  peri_edit_size(&columns, &rows);
  lua_pushinteger(L, columns);
  lua_pushinteger(L, rows);
  return 2;
}

static int l_append(lua_State *L) {
  size_t length;
  const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &length);
  check(L, peri_edit_append(path, text, length));
  return 0;
}

static int l_replace(lua_State *L) {
  size_t length;
  const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &length);
  check(L, peri_edit_replace(path, text, length));
  return 0;
}

static int close_folder(lua_State *L) {
  DIR **folder = lua_touserdata(L, 1);
  if (*folder != NULL) closedir(*folder);
  *folder = NULL;
  return 0;
}

static int l_files(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  DIR **folder = lua_newuserdatauv(L, sizeof *folder, 0);
  *folder = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, close_folder);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_newtable(L);
  *folder = opendir(path);
  if (*folder == NULL) return 1;
  lua_Integer n = 0;
  for (struct dirent *entry = readdir(*folder); entry != NULL; entry = readdir(*folder)) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    lua_pushfstring(L, entry->d_type == DT_DIR ? "%s/" : "%s", entry->d_name);
    lua_rawseti(L, -2, ++n);
  }
  closedir(*folder);
  *folder = NULL;
  return 1;
}

int luaopen_perilune_edit(lua_State *L);

int luaopen_perilune_edit(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"enter", l_enter}, {"leave", l_leave}, {"suspend", l_suspend}, {"read", l_read},       {"ready", l_ready},
    {"write", l_write}, {"width", l_width}, {"size", l_size},       {"append", l_append},   {"replace", l_replace},
    {"files", l_files}, {NULL, NULL},
  };
  luaL_newlib(L, functions);
  return 1;
}
