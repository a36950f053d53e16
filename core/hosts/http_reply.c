/* http_reply.c - answers on their way out: by libmicrohttpd, and past it when a request is refused in its middle. Also the
   fixed answers, which are made once. */
#include "hosts/http_internal.h"

#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/status.h"

/* --- by libmicrohttpd --- */

static void add_all(struct MHD_Response *response, const peri__http_pairs *pairs) {
  for (const char *name = NULL, *value = NULL; peri__http_pairs_next(pairs, &name, &value);)
    MHD_add_response_header(response, name, value);
}

/* A page of an allowed origin may read the answer. */
static void add_origin(struct MHD_Response *response, const peri_http_request *r) {
  const char *origin = MHD_lookup_connection_value(r->connection->mhd, MHD_HEADER_KIND, "Origin"), *name = NULL, *value = NULL;
  if (!r->door->any_origin) MHD_add_response_header(response, "Vary", "Origin");
  if (!origin) return;
  bool allowed = r->door->any_origin;
  while (!allowed && peri__http_pairs_next(&r->door->origins, &name, &value)) allowed = strcasecmp(origin, name) == 0;
  if (!allowed) return;
  MHD_add_response_header(response, "Access-Control-Allow-Origin", r->door->any_origin ? "*" : origin);
  if (strcmp(r->method, "OPTIONS") != 0) return;
  MHD_add_response_header(response, "Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
  MHD_add_response_header(response, "Access-Control-Allow-Headers", "Authorization, Content-Type");
  MHD_add_response_header(response, "Access-Control-Max-Age", "600");
}

static int reply_file(peri_http_request *r) {
  const peri__http_endpoint *e = r->endpoint;
  const char *known = MHD_lookup_connection_value(r->connection->mhd, MHD_HEADER_KIND, "If-None-Match");
  bool same = known && (strstr(known, e->etag) || strcmp(known, "*") == 0);
  r->status = same ? 304 : 200;
  return MHD_queue_response(r->connection->mhd, (unsigned)r->status, same ? e->unchanged : e->file) == MHD_YES ? 0 : -1;
}

int peri__http_reply(peri_http_request *r) {
  peri__http_connection_stage(r->connection, PERI__HTTP_SENDING, r->io->now);
  if (!r->status) return reply_file(r);
  struct MHD_Response *response =
      MHD_create_response_from_buffer(r->text.size, r->text.size ? r->text.at : (char[1]){0}, MHD_RESPMEM_PERSISTENT);
  if (!response) return -1;
  if (r->answer_type && r->text.size) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, r->answer_type);
  add_all(response, &r->door->headers);
  add_all(response, &r->extra);
  if (r->door->any_origin || r->door->origins.count) add_origin(response, r);
  if (r->wants_close || atomic_load_explicit(&r->door->draining, memory_order_relaxed))
    MHD_add_response_header(response, "Connection", "close");
  enum MHD_Result queued = MHD_queue_response(r->connection->mhd, (unsigned)r->status, response);
  MHD_destroy_response(response);
  return queued == MHD_YES ? 0 : -1;
}

/* --- past it --- */

static const char *phrase(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 501: return "Not Implemented";
    default: return "Service Unavailable";
  }
}

void peri__http_reply_raw(peri__http_connection *c, peri_http_request *r) {
  char head[4096];
  int length = snprintf(head, 256, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n",
                        r->status, phrase(r->status), r->text.size);
  for (const char *name = NULL, *value = NULL; peri__http_pairs_next(&r->door->headers, &name, &value);) {
    int n = snprintf(head + length, sizeof head - 2 - (size_t)length, "%s: %s\r\n", name, value);
    if (n < 0 || (size_t)n >= sizeof head - 2 - (size_t)length) break;
    length += n;
  }
  memcpy(head + length, "\r\n", 2);
  length += 2;
  struct iovec parts[2] = {{head, (size_t)length}, {r->text.at, r->text.size}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  /* nothing has been sent of this answer, so the socket takes these few bytes at once, or the other side is gone */
  (void)!sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  shutdown(c->fd, SHUT_WR);
}

/* --- fixed answers --- */

/* FNV-1a, 64 bits: two versions of a file get two names. */
static uint64_t hash(const char *bytes, size_t size) {
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; i++) h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3u;
  return h;
}

static int add_file_headers(struct MHD_Response *response, const peri_http *door, const peri_http_file *file, const char *etag) {
  add_all(response, &door->headers);
  if (MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, etag) != MHD_YES) return PERI_ENOMEM;
  for (size_t i = 0; i < file->header_count; i++) {
    const char *name = file->headers[i].name, *value = file->headers[i].value;
    MHD_del_response_header(response, name, MHD_get_response_header(response, name) ? MHD_get_response_header(response, name) : "");
    if (MHD_add_response_header(response, name, value) != MHD_YES)
      return peri_fail(PERI_EARG, "http.open: files: '%s': '%s: %s' cannot be a header", file->path, name, value);
  }
  return PERI_OK;
}

static int open_file(peri__http_endpoint *e, const peri_http *door, const peri_http_file *file) {
  char etag[32];
  snprintf(etag, sizeof etag, "\"%016llx\"", (unsigned long long)hash(file->body, file->bytes));
  e->etag = peri_strdup(etag);
  e->bytes = file->bytes;
  e->file = MHD_create_response_from_buffer(file->bytes, (void *)(uintptr_t)file->body, MHD_RESPMEM_MUST_COPY);
  e->unchanged = MHD_create_response_from_buffer(0, (char[1]){0}, MHD_RESPMEM_MUST_COPY);
  if (!e->etag || !e->file || !e->unchanged) return peri_fail(PERI_ENOMEM, "http.open: files: no memory for '%s'", file->path);
  if (MHD_add_response_header(e->file, MHD_HTTP_HEADER_CONTENT_TYPE, file->type) != MHD_YES)
    return peri_fail(PERI_EARG, "http.open: files: '%s': '%s' cannot be a type", file->path, file->type);
  PERI_TRY(add_file_headers(e->file, door, file, etag));
  return add_file_headers(e->unchanged, door, file, etag);
}

static int name_endpoint(peri__http_endpoint *e, peri__http_serves serves, const char *method, const char *path) {
  char label[192];
  snprintf(label, sizeof label, "%s%s%s", method, *method ? " " : "", path);
  e->serves = serves;
  e->method = peri_strdup(method);
  e->path = peri_strdup(path);
  e->label = peri_strdup(label);
  e->length = strlen(path);
  return e->method && e->path && e->label ? PERI_OK : PERI_ENOMEM;
}

int peri__http_endpoints_open(peri_http *door, const peri_http_options *o) {
  size_t n = 0;
  door->endpoints = peri_alloc_zeroed((3 + o->route_count + o->file_count) * sizeof *door->endpoints);
  if (!door->endpoints) return PERI_ENOMEM;
  door->endpoint_count = 3 + o->route_count + o->file_count; /* one that has not been made yet has nothing to free */
  PERI_TRY(name_endpoint(&door->endpoints[n++], PERI__HTTP_OTHER, "", "other"));
  for (size_t i = 0; i < o->route_count; i++, n++) {
    PERI_TRY(name_endpoint(&door->endpoints[n], PERI__HTTP_ROUTE, o->routes[i].method, o->routes[i].path));
    door->endpoints[n].kind = o->routes[i].kind;
  }
  PERI_TRY(name_endpoint(&door->endpoints[n++], PERI__HTTP_HEALTH, "GET", "/healthz"));
  PERI_TRY(name_endpoint(&door->endpoints[n++], PERI__HTTP_READY, "GET", "/readyz"));
  for (size_t i = 0; i < o->file_count; i++, n++) {
    PERI_TRY(name_endpoint(&door->endpoints[n], PERI__HTTP_FILE, "GET", o->files[i].path));
    PERI_TRY(open_file(&door->endpoints[n], door, &o->files[i]));
  }
  return PERI_OK;
}

void peri__http_endpoints_close(peri_http *door) {
  for (size_t i = 0; i < door->endpoint_count; i++) {
    peri__http_endpoint *e = &door->endpoints[i];
    if (e->file) MHD_destroy_response(e->file);
    if (e->unchanged) MHD_destroy_response(e->unchanged);
    peri_free(e->method);
    peri_free(e->path);
    peri_free(e->label);
    peri_free(e->etag);
  }
  peri_free(door->endpoints);
}
