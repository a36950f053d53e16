/* http_stats.h - what the service's door has counted, as a Lua table. */
#ifndef PERI_BIND_HTTP_STATS_H
#define PERI_BIND_HTTP_STATS_H

#include "bind/bind.h"
#include "hosts/http.h"

/* Pushes { connections, accepted, refused, images, received, sent, queued, waiting = numbers,
   latency = histogram of seconds, batches = histogram of images: { count, sum, buckets = { { bound, count }, ... } },
   routes = { { route, status, count }, ... } }. Buckets do not hold those below; the last bound is infinite. */
void peri_lua_http_stats(lua_State *L, peri_http *door);

#endif
