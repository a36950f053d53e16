/* module_http.c - the binary part of perilune.http (lua/perilune/http.lua tells what it offers and checks the options).

     open(options) -> door; and the door's methods (hosts/http.h)

   A batch, a request: a userdata that owns what the door gave; its fields are in a table (its first user value). One that
   is collected unanswered is answered 500. */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "bind/bind.h"
#include "bind/http_images.h"
#include "bind/http_stats.h"
#include "hosts/http.h"

#define DOOR "perilune.Door"
#define BATCH "perilune.Batch"
#define REQUEST "perilune.Request"

typedef struct item {
  peri_http_batch *batch;
  peri_http_request *request;
} item;

static peri_http *check_door(lua_State *L) {
  peri_http **box = luaL_checkudata(L, 1, DOOR);
  if (!*box) peri_lua_fail(L, "door: it is closed");
  return *box;
}

/* --- options: checked by http.lua, which keeps them alive until open returns --- */

static const char *text(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  const char *value = lua_tostring(L, -1);
  lua_pop(L, 1);
  return value;
}

static double number(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  double value = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}

/* Room for the rows of the list in a field, which is left on the stack, under the room. */
static void *rows(lua_State *L, int table, const char *name, size_t size, size_t *count) {
  lua_getfield(L, table, name);
  *count = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
  void *room = lua_newuserdatauv(L, (*count + 1) * size, 0);
  memset(room, 0, (*count + 1) * size);
  return room;
}

static const char *entry(lua_State *L, int table, lua_Integer place) {
  lua_rawgeti(L, table, place);
  const char *value = lua_tostring(L, -1);
  lua_pop(L, 1);
  return value ? value : "";
}

static const peri_http_header *read_headers(lua_State *L, int table, size_t *count) {
  peri_http_header *headers = rows(L, table, "headers", sizeof *headers, count);
  int list = lua_gettop(L) - 1;
  for (size_t i = 0; i < *count; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    headers[i] = (peri_http_header){.name = entry(L, lua_gettop(L), 1), .value = entry(L, lua_gettop(L), 2)};
    lua_pop(L, 1);
  }
  return headers;
}

static const char *const *read_texts(lua_State *L, int table, const char *name, size_t *count) {
  const char **texts = rows(L, table, name, sizeof *texts, count);
  int list = lua_gettop(L) - 1;
  for (size_t i = 0; i < *count; i++) texts[i] = entry(L, list, (lua_Integer)i + 1);
  return texts;
}

static const peri_http_model *read_models(lua_State *L, int table, size_t *count) {
  peri_http_model *models = rows(L, table, "models", sizeof *models, count);
  int list = lua_gettop(L) - 1;
  for (size_t i = 0; i < *count; i++) {
    luaL_checkstack(L, 8, NULL);
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    int row = lua_gettop(L);
    models[i].name = text(L, row, "name");
    models[i].threshold = number(L, row, "threshold");
    models[i].shape = (peri_body_shape){(int64_t)number(L, row, "height"), (int64_t)number(L, row, "width"), (int64_t)number(L, row, "channels")};
    models[i].labels = read_texts(L, row, "labels", &models[i].classes);
  }
  return models;
}

static const peri_http_file *read_files(lua_State *L, int table, size_t *count) {
  peri_http_file *files = rows(L, table, "files", sizeof *files, count);
  int list = lua_gettop(L) - 1;
  for (size_t i = 0; i < *count; i++) {
    luaL_checkstack(L, 8, NULL);
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    int row = lua_gettop(L);
    lua_getfield(L, row, "body");
    files[i].body = lua_tolstring(L, -1, &files[i].bytes);
    files[i].path = text(L, row, "path");
    files[i].type = text(L, row, "type");
    files[i].headers = read_headers(L, row, &files[i].header_count);
  }
  return files;
}

static const peri_http_route *read_routes(lua_State *L, int table, size_t *count) {
  peri_http_route *routes = rows(L, table, "routes", sizeof *routes, count);
  int list = lua_gettop(L) - 1;
  for (size_t i = 0; i < *count; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    int row = lua_gettop(L);
    const char *kind = text(L, row, "kind");
    routes[i] = (peri_http_route){.method = text(L, row, "method"), .path = text(L, row, "path"), .kind = PERI_HTTP_PLAIN};
    if (strcmp(kind, "predict") == 0) routes[i].kind = PERI_HTTP_PREDICT;
    if (strcmp(kind, "images") == 0) routes[i].kind = PERI_HTTP_IMAGES;
    lua_pop(L, 1);
  }
  return routes;
}

static int l_open(lua_State *L) {
  peri_http_options o = peri_http_defaults();
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  peri_http **box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = NULL;
  luaL_setmetatable(L, DOOR);
  o.host = text(L, 1, "host");
  o.port = (int)number(L, 1, "port");
  lua_getfield(L, 1, "reuse_port");
  o.reuse_port = lua_toboolean(L, -1);
  o.threads = (int)number(L, 1, "threads");
  o.workers = (int)number(L, 1, "workers");
  o.batch = (int)number(L, 1, "batch");
  o.window = number(L, 1, "window");
  o.queue = (int)number(L, 1, "queue");
  o.body = (size_t)number(L, 1, "body");
  o.header = (size_t)number(L, 1, "header");
  o.connections = (int)number(L, 1, "connections");
  o.idle = number(L, 1, "idle");
  o.receive = number(L, 1, "receive");
  o.answer = number(L, 1, "answer");
  o.token = text(L, 1, "token");
  o.access_log = text(L, 1, "access_log");
  o.origins = read_texts(L, 1, "cors", &o.origin_count);
  o.hosts = read_texts(L, 1, "hosts", &o.host_count);
  o.headers = read_headers(L, 1, &o.header_count);
  o.files = read_files(L, 1, &o.file_count);
  o.routes = read_routes(L, 1, &o.route_count);
  o.models = read_models(L, 1, &o.model_count);
  o.images = peri_http_images;
  peri_lua_check(L, peri_http_open(box, &o));
  lua_settop(L, 2);
  return 1;
}

static int l_close(lua_State *L) {
  peri_http **box = luaL_checkudata(L, 1, DOOR), *door = *box;
  *box = NULL;
  peri_http_close(door);
  return 0;
}

static int l_closed(lua_State *L) {
  lua_pushboolean(L, *(peri_http **)luaL_checkudata(L, 1, DOOR) == NULL);
  return 1;
}

/* --- what the door gives --- */

static int l_item_gc(lua_State *L) {
  item *it = lua_touserdata(L, 1);
  if (it->batch) peri_http_batch_fail(it->batch, 500, "the program did not answer");
  if (it->request) peri_http_request_fail(it->request, 500, "the program did not answer");
  *it = (item){0};
  return 0;
}

/* An item for the next event: made before there is anything to own, kept in the door's user value while unused. */
static item *push_item(lua_State *L) {
  if (lua_getiuservalue(L, 1, 1) == LUA_TUSERDATA) return lua_touserdata(L, -1);
  lua_pop(L, 1);
  item *it = lua_newuserdatauv(L, sizeof *it, 1);
  *it = (item){0};
  luaL_setmetatable(L, BATCH);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, 1);
  return it;
}

static void set_text(lua_State *L, const char *name, const char *value) {
  if (!value) return;
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static float *new_images(lua_State *L, int64_t count, const peri_body_shape *shape) {
  int64_t sizes[4] = {count, shape->height, shape->width, shape->channels};
  peri_tensor **box = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_tensor_new(box, PERI_F32, 4, sizes));
  return peri_tensor_data(*box);
}

static void fill_batch(lua_State *L, const peri_http_batch *batch) {
  peri_body_shape shape;
  size_t classes;
  peri_http_batch_shape(batch, &shape, &classes);
  set_integer(L, "model", peri_http_batch_model(batch) + 1);
  set_integer(L, "classes", (lua_Integer)classes);
  peri_http_batch_copy(batch, new_images(L, peri_http_batch_count(batch), &shape));
  lua_setfield(L, -2, "images");
}

static const char *push_pairs(lua_State *L, const char *at, size_t count) {
  lua_createtable(L, 0, (int)count);
  for (size_t i = 0; i < count; i++) {
    const char *value = at + strlen(at) + 1;
    lua_pushstring(L, value);
    lua_setfield(L, -2, at);
    at = value + strlen(value) + 1;
  }
  return at;
}

static void fill_request(lua_State *L, const peri_http_request *request) {
  peri_http_seen seen;
  peri_http_request_see(request, &seen);
  set_text(L, "method", seen.method);
  set_text(L, "path", seen.path);
  set_text(L, "kind", seen.kind);
  set_text(L, "label", seen.label);
  set_text(L, "class", seen.class);
  set_integer(L, "model", seen.model + 1);
  lua_pushboolean(L, seen.input);
  lua_setfield(L, -2, "input");
  lua_pushlstring(L, seen.body, seen.bytes);
  lua_setfield(L, -2, "body");
  const char *headers = push_pairs(L, seen.fields, seen.queries);
  lua_setfield(L, -2, "query");
  push_pairs(L, headers, seen.headers);
  lua_setfield(L, -2, "headers");
  if (!seen.images) return;
  float *to = new_images(L, seen.count, &seen.shape);
  memcpy(to, seen.images, (size_t)(seen.count * seen.shape.height * seen.shape.width * seen.shape.channels) * sizeof *to);
  lua_setfield(L, -2, "images");
}

/* wait(seconds) -> "batch", batch | "request", request | "signal", name | nil */
static int l_wait(lua_State *L) {
  peri_http *door = check_door(L);
  double seconds = luaL_optnumber(L, 2, 1e9);
  peri_http_event event;
  if (isnan(seconds)) peri_lua_fail(L, "door:wait: argument 'seconds' wants a number, got nan");
  lua_settop(L, 1);
  item *it = push_item(L);
  peri_lua_check(L, peri_http_wait(door, seconds, &event));
  it->batch = event.batch;
  it->request = event.request;
  if (event.kind == PERI_HTTP_NOTHING) return 0;
  if (event.kind == PERI_HTTP_SIGNAL) {
    lua_pushliteral(L, "signal");
    lua_pushstring(L, event.signal);
    return 2;
  }
  lua_pushnil(L); /* it is this event's alone */
  lua_setiuservalue(L, 1, 1);
  luaL_setmetatable(L, it->batch ? BATCH : REQUEST);
  lua_createtable(L, 0, 12);
  if (it->batch) fill_batch(L, it->batch);
  else fill_request(L, it->request);
  lua_setiuservalue(L, 2, 1);
  lua_pushstring(L, it->batch ? "batch" : "request");
  lua_insert(L, 2);
  return 2;
}

static int l_batch_length(lua_State *L) {
  const item *it = luaL_checkudata(L, 1, BATCH);
  if (!it->batch) peri_lua_fail(L, "batch: it is answered already");
  lua_pushinteger(L, (lua_Integer)peri_http_batch_count(it->batch));
  return 1;
}

/* A field, else a method of the metatable. */
static int l_item_index(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  if (lua_istable(L, -1)) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL) return 1;
  }
  lua_getmetatable(L, 1);
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  return 1;
}

static item *check_batch(lua_State *L, const char *method) {
  item *it = luaL_checkudata(L, 2, BATCH);
  if (!it->batch) peri_lua_fail(L, "door:%s: the batch is answered already", method);
  return it;
}

/* answer(batch, probabilities) */
static int l_answer(lua_State *L) {
  check_door(L);
  item *it = check_batch(L, "answer");
  peri_tensor *given = peri_lua_tensor(L, 3);
  peri_body_shape shape;
  size_t classes;
  peri_http_batch_shape(it->batch, &shape, &classes);
  int64_t count = peri_http_batch_count(it->batch);
  if (given->dtype != PERI_F32 || given->ndim != 2 || given->shape[0] != count || given->shape[1] != (int64_t)classes)
    peri_lua_fail(L, "door:answer: argument 'probabilities' wants float32 (%lld, %zu), got %s",
                  (long long)count, classes, peri_tensor_text(given));
  peri_tensor **dense = peri_lua_new_tensor(L);
  peri_lua_check(L, peri_tensor_contiguous_of(dense, given));
  peri_http_batch *batch = it->batch;
  it->batch = NULL;
  int status = peri_http_batch_answer(batch, peri_tensor_data(*dense));
  peri_tensor_release(*dense); /* now, not when the collector comes: it may be the caller's own, who frees it now as well */
  *dense = NULL;
  peri_lua_check(L, status);
  return 0;
}

static int check_status(lua_State *L, int index, const char *method, lua_Integer least) {
  lua_Integer status = luaL_checkinteger(L, index);
  if (status < least || status > 599)
    peri_lua_fail(L, "%s: argument 'status' wants %d to 599, got %lld", method, (int)least, (long long)status);
  return (int)status;
}

/* fail(batch, status, reason) */
static int l_fail(lua_State *L) {
  check_door(L);
  item *it = check_batch(L, "fail");
  int status = check_status(L, 3, "door:fail", 400);
  const char *reason = luaL_checkstring(L, 4);
  peri_http_batch_fail(it->batch, status, reason);
  it->batch = NULL;
  return 0;
}

/* --- requests --- */

static item *check_request(lua_State *L, const char *method) {
  item *it = luaL_checkudata(L, 1, REQUEST);
  if (!it->request) peri_lua_fail(L, "request:%s: it is answered already", method);
  return it;
}

/* answer { status = 200, type = "application/json", body = "", headers = { { name, value }, ... } or { name = value } } */
static int l_request_answer(lua_State *L) {
  item *it = check_request(L, "answer");
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  int status = 200;
  size_t bytes = 0, count = 0;
  if (lua_getfield(L, 2, "status") != LUA_TNIL) status = check_status(L, 3, "request:answer", 200);
  if (lua_getfield(L, 2, "body") != LUA_TNIL && lua_type(L, -1) != LUA_TSTRING)
    peri_lua_fail(L, "request:answer: 'body' wants a string, got %s", luaL_typename(L, -1));
  const char *body = lua_tolstring(L, 4, &bytes), *type = text(L, 2, "type");
  if (lua_getfield(L, 2, "headers") == LUA_TTABLE) {
    for (lua_pushnil(L); lua_next(L, 5); lua_pop(L, 1)) count++;
  }
  peri_http_header *headers = lua_newuserdatauv(L, (count + 1) * sizeof *headers, 0);
  size_t n = 0;
  if (count) {
    for (lua_pushnil(L); lua_next(L, 5); lua_pop(L, 1)) {
      bool named = lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING;
      if (!named && !lua_istable(L, -1))
        peri_lua_fail(L, "request:answer: 'headers' wants { name = value } or { { name, value }, ... }");
      headers[n].name = named ? lua_tostring(L, -2) : entry(L, lua_gettop(L), 1);
      headers[n++].value = named ? lua_tostring(L, -1) : entry(L, lua_gettop(L), 2);
    }
  }
  peri_http_request *request = it->request;
  it->request = NULL;
  peri_lua_check(L, peri_http_request_answer(request, status, type ? type : "application/json", body ? body : "", bytes, headers, n));
  return 0;
}

static int l_request_fail(lua_State *L) {
  item *it = check_request(L, "fail");
  int status = check_status(L, 2, "request:fail", 400);
  const char *reason = luaL_checkstring(L, 3);
  peri_http_request_fail(it->request, status, reason);
  it->request = NULL;
  return 0;
}

/* --- the rest of the door --- */

static int l_models(lua_State *L) {
  peri_http *door = check_door(L);
  size_t count;
  lua_settop(L, 2);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 2);
  lua_setfield(L, 3, "models");
  const peri_http_model *models = read_models(L, 3, &count);
  peri_lua_check(L, peri_http_models(door, models, count));
  return 0;
}

static int l_ready(lua_State *L) {
  peri_http_ready(check_door(L), lua_toboolean(L, 2));
  return 0;
}

static int l_drain(lua_State *L) {
  lua_pushboolean(L, peri_lua_check(L, peri_http_drain(check_door(L), luaL_optnumber(L, 2, 0))));
  return 1;
}

static int l_stats(lua_State *L) {
  peri_lua_http_stats(L, check_door(L));
  return 1;
}

static int l_index(lua_State *L) {
  const peri_http *door = *(peri_http **)luaL_checkudata(L, 1, DOOR);
  const char *name = lua_tostring(L, 2);
  if (door && name && strcmp(name, "port") == 0) {
    lua_pushinteger(L, peri_http_port(door));
  } else if (door && name && strcmp(name, "host") == 0) {
    lua_pushstring(L, peri_http_host(door));
  } else {
    lua_getmetatable(L, 1);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
  }
  return 1;
}

static void make_class(lua_State *L, const char *name, const luaL_Reg *methods) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
}

int luaopen_perilune_http(lua_State *L);
int luaopen_perilune_http(lua_State *L) {
  static const luaL_Reg door[] = {{"__index", l_index}, {"__gc", l_close}, {"__close", l_close}, {"close", l_close},
                                  {"closed", l_closed}, {"wait", l_wait}, {"answer", l_answer}, {"fail", l_fail},
                                  {"models", l_models}, {"ready", l_ready}, {"drain", l_drain}, {"stats", l_stats}, {NULL, NULL}};
  static const luaL_Reg batch[] = {{"__index", l_item_index}, {"__len", l_batch_length}, {"__gc", l_item_gc}, {NULL, NULL}};
  static const luaL_Reg request[] = {{"__index", l_item_index}, {"__gc", l_item_gc}, {"answer", l_request_answer},
                                     {"fail", l_request_fail}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"open", l_open}, {NULL, NULL}};
  make_class(L, DOOR, door);
  make_class(L, BATCH, batch);
  make_class(L, REQUEST, request);
  luaL_newlib(L, functions);
  luaL_getmetatable(L, DOOR); /* http.lua checks the argument of `models` */
  lua_setfield(L, -2, "door");
  return 1;
}
