/* http_stats.c - what the service's door has counted, as a Lua table. */
#include "bind/http_stats.h"

#include <math.h>

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static void set_histogram(lua_State *L, const char *name, uint64_t count, double sum, const uint64_t *buckets, int n,
                          const double *reals, const int *wholes) {
  lua_createtable(L, 0, 3);
  set_integer(L, "count", (lua_Integer)count);
  lua_pushnumber(L, sum);
  lua_setfield(L, -2, "sum");
  lua_createtable(L, n + 1, 0);
  for (int i = 0; i <= n; i++) {
    lua_createtable(L, 2, 0);
    lua_pushnumber(L, i == n ? HUGE_VAL : reals ? reals[i] : wholes[i]);
    lua_rawseti(L, -2, 1);
    lua_pushinteger(L, (lua_Integer)buckets[i]);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "buckets");
  lua_setfield(L, -2, name);
}

static void add_route(void *context, const char *route, int status, uint64_t count) {
  lua_State *L = context;
  lua_createtable(L, 0, 3);
  lua_pushstring(L, route);
  lua_setfield(L, -2, "route");
  set_integer(L, "status", status);
  set_integer(L, "count", (lua_Integer)count);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

void peri_lua_http_stats(lua_State *L, peri_http *door) {
  peri_http_counts c;
  peri_http_count(door, &c);
  lua_createtable(L, 0, 12);
  set_integer(L, "connections", (lua_Integer)c.connections);
  set_integer(L, "accepted", (lua_Integer)c.accepted);
  set_integer(L, "refused", (lua_Integer)c.refused);
  set_integer(L, "images", (lua_Integer)c.images);
  set_integer(L, "received", (lua_Integer)c.received);
  set_integer(L, "sent", (lua_Integer)c.sent);
  set_integer(L, "queued", (lua_Integer)c.queued);
  set_integer(L, "waiting", (lua_Integer)c.waiting);
  set_histogram(L, "latency", c.latency_count, c.latency_sum, c.latencies, PERI_HTTP_LATENCIES, peri_http_latency_bounds, NULL);
  set_histogram(L, "batches", c.batches, (double)c.batch_sum, c.batch_sizes, PERI_HTTP_BATCHES, NULL, peri_http_batch_bounds);
  lua_newtable(L);
  peri_http_count_routes(door, add_route, L);
  lua_setfield(L, -2, "routes");
}
