/* module_edit.c - perilune.edit: line editing (hosts/edit.h) for the prompt.

     local editor = edit.open { history = 1000, complete = function(before) return insert, listing end }
     editor:read "> "      -> line, or nil and "eof" or "interrupt"
     editor:remember(text); editor:close()
     edit.append(path, text), edit.replace(path, text): the history file
     edit.files(folder)    -> names, folders ending in "/" */
#include <dirent.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "hosts/edit.h"

#define EDITOR "perilune.Editor"

typedef struct editor_box {
  peri_edit *edit;
  lua_State *state; /* while it reads: where the completion function may be called */
  int index;        /* and where this box is on its stack */
} editor_box;

static editor_box *check_editor(lua_State *L) {
  editor_box *box = luaL_checkudata(L, 1, EDITOR);
  if (box->edit == NULL) luaL_error(L, "the editor is closed");
  return box;
}

static void check(lua_State *L, int status) {
  if (status < 0) luaL_error(L, "%s", peri_message());
}

typedef struct question {
  editor_box *box;
  const char *before;
  char **insert, **listing;
} question;

static char *copy_result(lua_State *L, int index) {
  const char *text = lua_tostring(L, index);
  return text != NULL ? strdup(text) : NULL;
}

/* Runs protected: nothing may jump over libedit's frames. */
static int l_ask(lua_State *L) {
  question *q = lua_touserdata(L, 1);
  lua_getiuservalue(L, 2, 1);
  lua_pushstring(L, q->before);
  lua_call(L, 1, 2);
  *q->insert = copy_result(L, -2);
  *q->listing = copy_result(L, -1);
  return 0;
}

static void complete(void *context, const char *before, char **insert, char **listing) {
  editor_box *box = context;
  lua_State *L = box->state;
  question q = {box, before, insert, listing};
  if (L == NULL || !lua_checkstack(L, 4)) return;
  lua_pushcfunction(L, l_ask);
  lua_pushlightuserdata(L, &q);
  lua_pushvalue(L, box->index);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1); /* completion is a help, never an error */
}

static int l_open(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "history");
  lua_Integer size = luaL_optinteger(L, -1, 1000);
  luaL_argcheck(L, size > 0 && size < 1 << 24, 1, "'history' wants a positive number of entries");
  lua_getfield(L, 1, "complete");
  luaL_checktype(L, -1, LUA_TFUNCTION);
  editor_box *box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = (editor_box){0};
  luaL_setmetatable(L, EDITOR);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 1);
  check(L, peri_edit_open(&box->edit, (int)size, complete, box));
  return 1;
}

static int l_read(lua_State *L) {
  editor_box *box = check_editor(L);
  const char *prompt = luaL_checkstring(L, 2);
  char *line = NULL;
  box->state = L;
  box->index = 1;
  int kind = peri_edit_read(box->edit, prompt, &line);
  box->state = NULL;
  check(L, kind);
  if (kind == PERI_EDIT_LINE) {
    lua_pushstring(L, line);
    free(line);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, kind == PERI_EDIT_INTERRUPTED ? "interrupt" : "eof");
  return 2;
}

static int l_remember(lua_State *L) {
  editor_box *box = check_editor(L);
  check(L, peri_edit_remember(box->edit, luaL_checkstring(L, 2)));
  return 0;
}

static int l_close(lua_State *L) {
  editor_box *box = luaL_checkudata(L, 1, EDITOR);
  peri_edit *edit = box->edit;
  box->edit = NULL;
  peri_edit_close(edit);
  return 0;
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
  static const luaL_Reg methods[] = {
    {"read", l_read}, {"remember", l_remember}, {"close", l_close}, {NULL, NULL},
  };
  static const luaL_Reg functions[] = {
    {"open", l_open}, {"append", l_append}, {"replace", l_replace}, {"files", l_files}, {NULL, NULL},
  };
  luaL_newmetatable(L, EDITOR);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, l_close);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, l_close);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
