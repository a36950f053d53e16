/* files.c - whole files as strings: read within a limit, written whole or not at all. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "bind/bind.h"

static const char *check_path(lua_State *L) {
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, strlen(path) == length, 1, "a path must not hold a NUL character");
  return path;
}

/* core.read_file(path, limit) -> the bytes of a regular file of at most `limit` bytes */
static int l_read_file(lua_State *L) {
  const char *path = check_path(L);
  lua_Integer limit = luaL_checkinteger(L, 2);
  luaL_argcheck(L, limit >= 0, 2, "limit: wants 0 or more");
  luaL_Buffer buffer;
  uint8_t *bytes;
  size_t count;
  peri_lua_check(L, peri_file_read(&bytes, &count, path, (uint64_t)limit));
  char *space = luaL_buffinitsize(L, &buffer, count); /* may raise: then only these bytes leak, at the end of memory */
  memcpy(space, bytes, count);
  peri_free(bytes);
  luaL_pushresultsize(&buffer, count);
  return 1;
}

/* Writes the bytes; only_new: nothing is replaced, and *made says whether the name was free. */
static int write_whole(const char *path, const char *bytes, size_t count, bool only_new, bool *made) {
  peri_file_writer *writer;
  PERI_TRY(peri_file_writer_open(&writer, path));
  int status = peri_file_writer_write(writer, bytes, count);
  if (status >= 0) return only_new ? peri_file_writer_commit_new(writer, made) : peri_file_writer_commit(writer);
  peri_file_writer_abort(writer);
  return status;
}

/* core.write_file(path, bytes): the file has these bytes then, or on failure is as it was */
static int l_write_file(lua_State *L) {
  size_t count;
  const char *path = check_path(L), *bytes = luaL_checklstring(L, 2, &count);
  peri_lua_check(L, write_whole(path, bytes, count, false, NULL));
  return 0;
}

/* core.create_file(path, bytes) -> true: there is a new file with these bytes; false: something has that name already,
   and is as it was. Of several programs that create one file at once, one is told true. */
static int l_create_file(lua_State *L) {
  size_t count;
  bool made = false;
  const char *path = check_path(L), *bytes = luaL_checklstring(L, 2, &count);
  peri_lua_check(L, write_whole(path, bytes, count, true, &made));
  lua_pushboolean(L, made);
  return 1;
}

void peri_lua_open_files(lua_State *L) {
  static const luaL_Reg functions[] = {{"read_file", l_read_file}, {"write_file", l_write_file},
                                       {"create_file", l_create_file}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
