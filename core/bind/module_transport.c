/* module_transport.c - perilune.transport: the notebook kernel's sockets, threads and capture (hosts/transport.h).

     local t = transport.open { connection = {...}, session =, username =, kernel_info =, parent = }
     t:receive(milliseconds)  -> message, or nil and "timeout", "interrupt" or "shutdown", restart
     t:parent(header, identities, allow_stdin); t:publish(type, content, metadata, buffers)
     t:reply(message, type, content, metadata); t:flush(); t:capture(on); t:mute(on); t:dropped(); t:close()
     t:input(prompt, password) -> text, or nil and "refused" or "interrupt"
     transport.uuid(); transport.append(path, text); transport.execute(command); transport.popen(command, mode)

   A message is { type, channel, identities, header, parent, metadata, content, buffers }: texts as they came.
   While captured, io.stdin, io.stdout and io.stderr hold streams of the transport, io.popen is ours, and reading
   standard input where the front end takes none raises an error. */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "hosts/transport.h"

#define TRANSPORT "perilune.Transport"

typedef struct transport_box {
  peri_transport *transport;
  FILE *before[3]; /* of io.stdin, io.stdout, io.stderr while captured */
} transport_box;

static transport_box *check_box(lua_State *L) {
  transport_box *box = luaL_checkudata(L, 1, TRANSPORT);
  if (box->transport == NULL) luaL_error(L, "transport: it is closed");
  return box;
}

static void check(lua_State *L, int status) {
  if (status < 0) luaL_error(L, "%s", peri_message());
}

static peri_slice check_slice(lua_State *L, int index) {
  peri_slice text;
  text.at = luaL_checklstring(L, index, &text.size);
  return text;
}

static peri_slice opt_slice(lua_State *L, int index, const char *otherwise) {
  return lua_isnoneornil(L, index) ? (peri_slice){otherwise, strlen(otherwise)} : check_slice(L, index);
}

/* A list of strings as slices, which borrow from the list and live in a userdata that is left on the stack. */
static const peri_slice *check_list(lua_State *L, int index, size_t *count) {
  *count = 0;
  if (lua_isnoneornil(L, index)) return NULL;
  luaL_checktype(L, index, LUA_TTABLE);
  size_t n = lua_rawlen(L, index);
  peri_slice *slices = lua_newuserdatauv(L, (n + 1) * sizeof *slices, 0);
  for (size_t i = 0; i < n; i++) {
    if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TSTRING)
      luaL_argerror(L, index, "a list of strings is wanted");
    slices[i].at = lua_tolstring(L, -1, &slices[i].size);
    lua_pop(L, 1);
  }
  *count = n;
  return slices;
}

/* --- opening and closing --- */

static peri_slice string_field(lua_State *L, int table, const char *name) {
  peri_slice text = {NULL, 0};
  if (lua_getfield(L, table, name) != LUA_TSTRING) luaL_error(L, "transport.open: %s: a string is wanted", name);
  text.at = lua_tolstring(L, -1, &text.size);
  lua_pop(L, 1); /* the table keeps it */
  return text;
}

static int port_field(lua_State *L, int table, const char *name) {
  int is_integer;
  lua_getfield(L, table, name);
  lua_Integer port = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer || port < 0 || port > 65535) luaL_error(L, "transport.open: %s: a port is wanted", name);
  lua_pop(L, 1);
  return (int)port;
}

static int l_open(lua_State *L) {
  peri_transport_options o = {0};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  if (lua_getfield(L, 1, "connection") != LUA_TTABLE)
    return luaL_error(L, "transport.open: connection: a table is wanted");
  o.transport = string_field(L, 2, "transport").at;
  o.ip = string_field(L, 2, "ip").at;
  o.key = string_field(L, 2, "key");
  o.shell_port = port_field(L, 2, "shell_port");
  o.control_port = port_field(L, 2, "control_port");
  o.stdin_port = port_field(L, 2, "stdin_port");
  o.iopub_port = port_field(L, 2, "iopub_port");
  o.hb_port = port_field(L, 2, "hb_port");
  o.session = string_field(L, 1, "session").at;
  o.username = string_field(L, 1, "username").at;
  o.kernel_info = string_field(L, 1, "kernel_info").at;
  if (lua_getfield(L, 1, "parent") != LUA_TNIL) o.parent = (pid_t)luaL_checkinteger(L, -1);
  transport_box *box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = (transport_box){0};
  luaL_setmetatable(L, TRANSPORT);
  lua_newtable(L); /* what capture has replaced */
  lua_setiuservalue(L, -2, 1);
  check(L, peri_transport_open(&box->transport, &o));
  return 1;
}

/* --- requests --- */

static void push_text(lua_State *L, const char *name, peri_slice text) {
  lua_pushlstring(L, text.at, text.size);
  lua_setfield(L, -2, name);
}

static void push_list(lua_State *L, const char *name, const peri_slice *slices, size_t count) {
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lua_pushlstring(L, slices[i].at, slices[i].size);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, name);
}

static int l_receive(lua_State *L) {
  static const char *const reasons[] = {NULL, "timeout", "interrupt", "shutdown"};
  transport_box *box = check_box(L);
  peri_transport_message m;
  int found = peri_transport_receive(box->transport, (int)luaL_optinteger(L, 2, -1), &m);
  check(L, found);
  if (found != PERI_TRANSPORT_MESSAGE) {
    lua_pushnil(L);
    lua_pushstring(L, reasons[found]);
    if (found != PERI_TRANSPORT_SHUTDOWN) return 2;
    lua_pushboolean(L, peri_transport_restarting(box->transport));
    return 3;
  }
  lua_createtable(L, 0, 8);
  lua_pushstring(L, m.wire.type);
  lua_setfield(L, -2, "type");
  lua_pushliteral(L, "shell");
  lua_setfield(L, -2, "channel");
  push_list(L, "identities", m.frames, m.wire.identities);
  push_text(L, "header", m.wire.header);
  push_text(L, "parent", m.wire.parent);
  push_text(L, "metadata", m.wire.metadata);
  push_text(L, "content", m.wire.content);
  push_list(L, "buffers", m.frames + m.wire.buffers, m.count - m.wire.buffers);
  return 1;
}

static int l_parent(lua_State *L) {
  transport_box *box = check_box(L);
  size_t count;
  peri_slice header = opt_slice(L, 2, "");
  int allow = lua_toboolean(L, 4);
  const peri_slice *identities = check_list(L, 3, &count);
  check(L, peri_transport_parent(box->transport, header, identities, count, allow));
  return 0;
}

static int l_publish(lua_State *L) {
  transport_box *box = check_box(L);
  size_t count;
  const char *type = luaL_checkstring(L, 2);
  peri_slice content = opt_slice(L, 3, "{}"), metadata = opt_slice(L, 4, "{}");
  const peri_slice *buffers = check_list(L, 5, &count);
  check(L, peri_transport_publish(box->transport, type, content, metadata, buffers, count));
  return 0;
}

static int l_reply(lua_State *L) {
  transport_box *box = check_box(L);
  size_t count;
  luaL_checktype(L, 2, LUA_TTABLE);
  const char *type = luaL_checkstring(L, 3);
  peri_slice content = opt_slice(L, 4, "{}"), metadata = opt_slice(L, 5, "{}");
  lua_settop(L, 5);
  lua_getfield(L, 2, "header");
  lua_getfield(L, 2, "identities");
  peri_slice parent = check_slice(L, 6);
  const peri_slice *identities = check_list(L, 7, &count);
  check(L, peri_transport_reply(box->transport, identities, count, parent, type, content, metadata));
  return 0;
}

static int l_flush(lua_State *L) {
  check(L, peri_transport_flush(check_box(L)->transport));
  return 0;
}

static int l_dropped(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)peri_transport_dropped(check_box(L)->transport));
  return 1;
}

/* The text is in a peri_text of the box below it: an error while it is pushed leaks nothing. */
static int free_line(lua_State *L) {
  peri_text_clear(lua_touserdata(L, 1));
  return 0;
}

static int l_input(lua_State *L) {
  transport_box *box = check_box(L);
  peri_slice prompt = opt_slice(L, 2, "");
  int password = lua_toboolean(L, 3);
  peri_text *line = lua_newuserdatauv(L, sizeof *line, 0);
  *line = (peri_text){0};
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, free_line);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  int found = peri_transport_input(box->transport, prompt, password, line);
  if (found == PERI_TRANSPORT_MESSAGE) {
    lua_pushlstring(L, line->size ? line->at : "", line->size);
    peri_text_clear(line);
    return 1;
  }
  if (found != PERI_EUNSUPPORTED) check(L, found);
  lua_pushnil(L);
  lua_pushstring(L, found == PERI_TRANSPORT_INTERRUPT ? "interrupt" : "refused");
  return 2;
}

/* --- children --- */

typedef struct child_stream {
  luaL_Stream stream;
  peri_child *child;
} child_stream;

/* What os.execute and a popened file's close give; an errno from before is none of it. */
static int push_ended(lua_State *L, int status) {
  errno = 0;
  return luaL_execresult(L, status);
}

static int l_execute(lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  peri_child *child;
  int status;
  if (command == NULL) {
    lua_pushboolean(L, 1);
    return 1;
  }
  if (peri_child_start(&child, command, 0, NULL) < 0) return luaL_fileresult(L, 0, command);
  check(L, peri_child_wait(child, &status));
  return push_ended(L, status);
}

static int close_child(lua_State *L) {
  child_stream *box = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  int status;
  fclose(box->stream.f);
  peri_child_wait(box->child, &status);
  return push_ended(L, status);
}

static int l_popen(lua_State *L) {
  const char *command = luaL_checkstring(L, 1), *mode = luaL_optstring(L, 2, "r");
  luaL_argcheck(L, (mode[0] == 'r' || mode[0] == 'w') && mode[1] == 0, 2, "invalid mode");
  child_stream *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (child_stream){{NULL, NULL}, NULL};
  luaL_setmetatable(L, LUA_FILEHANDLE);
  if (peri_child_start(&box->child, command, mode[0], &box->stream.f) < 0) return luaL_fileresult(L, 0, command);
  box->stream.closef = close_child;
  return 1;
}

/* --- capture --- */

static const char *const stream_names[] = {"stdin", "stdout", "stderr"};

/* Runs upvalue 1, a function of io that reads, unless that would read standard input where nobody gives any.
   Upvalue 2: the transport; 3: is it a file's method (or does it read the default input)? */
static int l_guarded(lua_State *L) {
  transport_box *box = lua_touserdata(L, lua_upvalueindex(2));
  if (lua_toboolean(L, lua_upvalueindex(3))) {
    lua_pushvalue(L, 1);
  } else if (lua_type(L, 1) == LUA_TSTRING && lua_toboolean(L, lua_upvalueindex(4))) {
    lua_pushnil(L); /* io.lines(name) */
  } else {
    lua_getfield(L, LUA_REGISTRYINDEX, "_IO_input");
  }
  luaL_Stream *file = luaL_testudata(L, -1, LUA_FILEHANDLE);
  lua_pop(L, 1);
  peri_transport *t = box->transport;
  int is_stdin = t != NULL && file != NULL && file->closef != NULL && file->f == peri_transport_stream(t, 0);
  if (is_stdin && !peri_transport_takes_input(t))
    return luaL_error(L, "input: this front end takes no input (allow_stdin is false)");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* table[name], a function that reads, becomes a guarded one. The table is on top, the box at 1, what was replaced
   at 2. */
static void guard(lua_State *L, const char *name, int is_method) {
  lua_pushfstring(L, is_method ? "file.%s" : "io.%s", name);
  lua_getfield(L, -2, name);
  lua_pushvalue(L, -1);
  lua_insert(L, -3);
  lua_settable(L, 2);
  lua_pushvalue(L, 1);
  lua_pushboolean(L, is_method);
  lua_pushboolean(L, strcmp(name, "lines") == 0);
  lua_pushcclosure(L, l_guarded, 4);
  lua_setfield(L, -2, name);
}

static const struct { const char *name; int is_method; } readers[] = {
  {"read", 0}, {"lines", 0}, {"read", 1}, {"lines", 1}};

/* Pushes the table that holds a reader: io, or the methods of files. */
static void push_home(lua_State *L, int is_method) {
  if (is_method) {
    luaL_getmetatable(L, LUA_FILEHANDLE);
    lua_getfield(L, -1, "__index");
    lua_remove(L, -2);
  } else {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_IOLIBNAME);
    lua_remove(L, -2);
  }
  luaL_checktype(L, -1, LUA_TTABLE);
}

static void guard_readers(lua_State *L) {
  for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
    push_home(L, readers[i].is_method);
    guard(L, readers[i].name, readers[i].is_method);
    lua_pop(L, 1);
  }
  push_home(L, 0);
  lua_getfield(L, -1, "popen");
  lua_setfield(L, 2, "io.popen");
  lua_pushcfunction(L, l_popen);
  lua_setfield(L, -2, "popen");
  lua_pop(L, 1);
}

static void unguard_readers(lua_State *L) {
  for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
    push_home(L, readers[i].is_method);
    lua_pushfstring(L, readers[i].is_method ? "file.%s" : "io.%s", readers[i].name);
    lua_gettable(L, 2);
    lua_setfield(L, -2, readers[i].name);
    lua_pop(L, 1);
  }
  push_home(L, 0);
  lua_getfield(L, 2, "io.popen");
  lua_setfield(L, -2, "popen");
  lua_pop(L, 1);
}

/* io.stdin, io.stdout, io.stderr get the transport's streams; the file objects themselves stay. */
static void give_streams(lua_State *L, transport_box *box) {
  push_home(L, 0);
  for (int fd = 0; fd < 3; fd++) {
    lua_getfield(L, -1, stream_names[fd]);
    luaL_Stream *file = luaL_testudata(L, -1, LUA_FILEHANDLE);
    if (file != NULL && file->closef != NULL) {
      fflush(file->f);
      box->before[fd] = file->f;
      file->f = peri_transport_stream(box->transport, fd);
      lua_setfield(L, 2, stream_names[fd]);
    } else {
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
}

static void take_streams(lua_State *L, transport_box *box) {
  for (int fd = 0; fd < 3; fd++) {
    lua_getfield(L, 2, stream_names[fd]);
    luaL_Stream *file = luaL_testudata(L, -1, LUA_FILEHANDLE);
    if (file != NULL && box->before[fd] != NULL) {
      fflush(file->f);
      file->f = box->before[fd];
    }
    box->before[fd] = NULL;
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_setfield(L, 2, stream_names[fd]);
  }
}

/* The box is at 1; leaves what was replaced at 2. */
static void set_capture(lua_State *L, transport_box *box, int on) {
  int is_on = peri_transport_stream(box->transport, 0) != NULL;
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  if (!on == !is_on) return;
  if (!on) {
    take_streams(L, box);
    unguard_readers(L);
  }
  check(L, peri_transport_capture(box->transport, on));
  if (on) {
    give_streams(L, box);
    guard_readers(L);
  }
}

static int l_capture(lua_State *L) {
  transport_box *box = check_box(L);
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  set_capture(L, box, lua_toboolean(L, 2));
  return 0;
}

static int l_mute(lua_State *L) {
  transport_box *box = check_box(L);
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  check(L, peri_transport_mute(box->transport, lua_toboolean(L, 2)));
  return 0;
}

static int l_close(lua_State *L) {
  transport_box *box = luaL_checkudata(L, 1, TRANSPORT);
  if (box->transport == NULL) return 0;
  set_capture(L, box, 0);
  peri_transport *t = box->transport;
  box->transport = NULL;
  peri_transport_close(t);
  return 0;
}

/* --- the rest --- */

static int l_uuid(lua_State *L) {
  char text[37];
  peri_wire_uuid(text);
  lua_pushlstring(L, text, 36);
  return 1;
}

static int l_append(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  peri_slice text = check_slice(L, 2);
  check(L, peri_file_append(path, text.at, text.size));
  lua_pushboolean(L, 1);
  return 1;
}

int luaopen_perilune_transport(lua_State *L);

int luaopen_perilune_transport(lua_State *L) {
  static const luaL_Reg methods[] = {
    {"receive", l_receive}, {"parent", l_parent},   {"publish", l_publish}, {"reply", l_reply}, {"capture", l_capture},
    {"mute", l_mute},       {"flush", l_flush},     {"dropped", l_dropped}, {"input", l_input}, {"close", l_close},
    {NULL, NULL},
  };
  static const luaL_Reg functions[] = {
    {"open", l_open}, {"uuid", l_uuid}, {"append", l_append}, {"execute", l_execute}, {"popen", l_popen}, {NULL, NULL},
  };
  luaL_newmetatable(L, TRANSPORT);
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
