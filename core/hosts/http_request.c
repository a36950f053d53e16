/* http_request.c - one request on its I/O thread: what it may, how its body comes in, where it goes.

   decide() looks at the request line and the header, and may refuse; a refused request's body is still read (up to the
   limit on bodies) and thrown away, so that its connection can go on. One that is refused because of its length is
   answered in its middle, and its connection closed. complete() has the whole request. */
#include "hosts/http_internal.h"

#include <ctype.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/status.h"

enum { HELD_BODIES = 64 }; /* bodies of the largest size that may be in memory at once */

static const char *header(const peri_http_request *r, const char *name) {
  return MHD_lookup_connection_value(r->connection->mhd, MHD_HEADER_KIND, name);
}

static const char *argument(const peri_http_request *r, const char *name) {
  return MHD_lookup_connection_value(r->connection->mhd, MHD_GET_ARGUMENT_KIND, name);
}

/* --- what it may --- */

static const peri__http_endpoint *find(peri_http_request *r, const char *method, const char *url) {
  const peri_http *door = r->door;
  const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
  size_t length = strlen(url);
  bool known = false;
  for (size_t i = 1; i < door->endpoint_count; i++) {
    const peri__http_endpoint *e = &door->endpoints[i];
    if (e->length != length || memcmp(e->path, url, length) != 0) continue;
    if (strcmp(e->method, wanted) == 0) return e;
    known = true;
  }
  if (!known) {
    peri__http_refuse(r, 404, "there is no %.200s here", url);
    return &door->endpoints[0];
  }
  char allowed[256] = "";
  for (size_t i = 1; i < door->endpoint_count; i++) {
    const peri__http_endpoint *e = &door->endpoints[i];
    if (strcmp(e->path, url) != 0) continue;
    size_t used = strlen(allowed);
    snprintf(allowed + used, sizeof allowed - used, "%s%s%s", used ? ", " : "", e->method, strcmp(e->method, "GET") == 0 ? ", HEAD" : "");
  }
  size_t used = strlen(allowed);
  snprintf(allowed + used, sizeof allowed - used, ", OPTIONS");
  if (strcmp(method, "OPTIONS") == 0) r->status = 204;
  else peri__http_refuse(r, 405, "%.32s is not for %.200s; there are %s", method, url, allowed);
  peri__http_pairs_add(&r->extra, "Allow", allowed);
  return &door->endpoints[0];
}

/* The time it takes tells how long the given token is, and nothing about the right one. */
static bool same_token(const peri_http *door, const char *given) {
  size_t length = strlen(given);
  unsigned differs = length != door->token_length;
  for (size_t i = 0; i < length; i++) differs |= (unsigned char)given[i] ^ (unsigned char)door->token[i % (door->token_length + 1)];
  return differs == 0;
}

static bool authorized(peri_http_request *r) {
  if (!r->door->token) return true;
  const char *given = header(r, "Authorization");
  if (given && strncasecmp(given, "Bearer ", 7) == 0) {
    given += 7;
    while (*given == ' ') given++;
    if (same_token(r->door, given)) return true;
  }
  peri__http_refuse(r, 401, given ? "the token is not the right one" : "a token is wanted: Authorization: Bearer TOKEN");
  peri__http_pairs_add(&r->extra, "WWW-Authenticate", "Bearer realm=\"perilune\"");
  return false;
}

/* A page of another site may not change anything here, whatever the browser sends along. */
static bool from_here(peri_http_request *r, const char *origin) {
  const char *host = header(r, "Host"), *name = NULL, *value;
  if (r->door->any_origin) return true;
  if (host && strncmp(origin, "http://", 7) == 0 && strcasecmp(origin + 7, host) == 0) return true;
  if (host && strncmp(origin, "https://", 8) == 0 && strcasecmp(origin + 8, host) == 0) return true;
  while (peri__http_pairs_next(&r->door->origins, &name, &value)) {
    if (strcasecmp(origin, name) == 0) return true;
  }
  return false;
}

static bool origin_allowed(peri_http_request *r, const char *method) {
  if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) return true;
  const char *origin = header(r, "Origin");
  if (!origin || from_here(r, origin)) return true;
  peri__http_refuse(r, 403, "requests from pages of %.200s are not allowed", origin);
  return false;
}

static bool has_model(peri_http_request *r) {
  const char *name = argument(r, "model");
  r->models = peri__http_models_retain(r->io->models);
  r->model = peri__http_models_find(r->models, name);
  if (r->model >= 0) return true;
  peri__http_refuse(r, 404, "there is no model named '%.100s'", name ? name : "");
  return false;
}

static bool host_allowed(peri_http_request *r, const char *host) {
  bool probe = r->endpoint->serves == PERI__HTTP_HEALTH || r->endpoint->serves == PERI__HTTP_READY;
  if (probe || peri__http_host_allowed(r->door, host)) return true;
  peri__http_refuse(r, 403, "the service is not asked by the name %.200s (Host); --allow-host NAME allows one", host);
  return false;
}

static void decide(peri_http_request *r, const char *url, const char *method, const char *host) {
  snprintf(r->method, sizeof r->method, "%s", method);
  snprintf(r->path, sizeof r->path, "%s", url);
  r->endpoint = find(r, method, url);
  if (!host_allowed(r, host)) return;
  if (r->endpoint->serves != PERI__HTTP_ROUTE) return;
  if (!authorized(r) || !origin_allowed(r, method)) return;
  if (r->endpoint->kind == PERI_HTTP_PLAIN && strcmp(r->endpoint->method, "POST") != 0) return;
  if (!has_model(r)) return;
  const char *input = argument(r, "input");
  r->wants_input = input && strcmp(input, "0") != 0 && strcmp(input, "false") != 0;
}

/* --- its body --- */

/* Refuses in the middle of a request: libmicrohttpd takes no answer there. */
static int break_off(peri_http_request *r) {
  peri__http_reply_raw(r->connection, r);
  peri__http_connection_stage(r->connection, PERI__HTTP_LINGERING, peri__http_now());
  return 0;
}

static int too_large(peri_http_request *r) {
  peri__http_refuse(r, 413, "the body is larger than %zu bytes", r->door->body);
  return break_off(r);
}

static bool grow(peri_http_request *r, size_t needed) {
  if (needed <= r->room) return true;
  size_t room = r->room ? r->room : 1024;
  while (room < needed) room *= 2;
  size_t more = room - r->held;
  int64_t most = (int64_t)HELD_BODIES * (int64_t)(r->door->body + 1024);
  if (atomic_fetch_add(&r->door->held, (int64_t)more) + (int64_t)more > most) {
    atomic_fetch_sub(&r->door->held, (int64_t)more);
    return false;
  }
  r->held += more;
  char *larger = peri_alloc(room);
  if (!larger) return false;
  if (r->size) memcpy(larger, r->body, r->size);
  peri_free(r->body);
  r->body = larger;
  r->room = room;
  return true;
}

static int take(peri_http_request *r, const char *data, size_t *bytes) {
  size_t n = *bytes;
  *bytes = 0;
  r->received += n;
  if (r->connection->stage == PERI__HTTP_LINGERING) return 0;
  if (r->received > r->door->body) return too_large(r);
  if (r->status || r->endpoint->serves != PERI__HTTP_ROUTE) return 0; /* it is thrown away */
  if (!grow(r, r->size + n + 1)) {
    peri__http_refuse(r, 503, "there is no memory for the body");
    peri__http_pairs_add(&r->extra, "Retry-After", "1");
    return break_off(r);
  }
  memcpy(r->body + r->size, data, n);
  r->size += n;
  r->body[r->size] = 0;
  return 0;
}

typedef struct framing {
  const char *host; /* the last; NULL: there is none */
  int hosts, lengths;
  bool coded; /* in a way that is not ours */
} framing;

static enum MHD_Result note_framing(void *context, enum MHD_ValueKind kind, const char *key, const char *value) {
  framing *f = context;
  (void)kind;
  if (strcasecmp(key, "Host") == 0) f->hosts++, f->host = value ? value : "";
  else if (strcasecmp(key, "Content-Length") == 0) f->lengths++;
  else if (strcasecmp(key, "Transfer-Encoding") == 0) f->coded |= !value || strcasecmp(value, "chunked") != 0;
  return MHD_YES;
}

/* Where a request ends has to be beyond doubt, or somebody between us and the client could see others than we do. And
   texts end at a NUL here, so that one within them would hide the rest. */
static bool is_framed(peri_http_request *r, const char *version, const framing *f) {
  if (f->coded) peri__http_refuse(r, 501, "Transfer-Encoding: only chunked is known");
  else if (f->lengths > 1) peri__http_refuse(r, 400, "there are %d headers Content-Length", f->lengths);
  else if (f->hosts != 1 && (f->hosts > 1 || strcmp(version, "HTTP/1.1") == 0))
    peri__http_refuse(r, 400, "one header Host is wanted, there are %d", f->hosts);
  else if (r->hides) peri__http_refuse(r, 400, "there is a %%00 in the path or the query");
  else return true;
  return false;
}

static int look_at_length(peri_http_request *r) {
  const char *expect = header(r, "Expect"), *length = header(r, "Content-Length");
  bool asks = expect && strcasecmp(expect, "100-continue") == 0;
  if (length && strtoull(length, NULL, 10) > r->door->body) {
    if (!r->status) peri__http_refuse(r, 413, "the body has %.20s bytes, and %zu are the most", length, r->door->body);
    return asks ? peri__http_reply(r) : break_off(r);
  }
  if (asks && r->status) return peri__http_reply(r); /* before the body is sent */
  return 0;
}

/* --- the whole request --- */

bool peri__http_read_images(peri_http_request *r, peri_body_reader *reader, const char *type, peri_body_error *error) {
  const peri__http_model *m = &r->models->model[r->model];
  peri_body_source source = {.bytes = r->body ? r->body : "", .size = r->size, .type = type};
  peri_body body;
  if (peri_body_read(&body, error, reader, &source, &m->shape) < 0) return false;
  int64_t room = (int64_t)(body.count * m->pixels);
  if (room > r->images_room) {
    peri_free(r->images);
    r->images = peri_alloc((size_t)room * sizeof *r->images);
    r->images_room = r->images ? room : 0;
  }
  r->notes.size = 0;
  int status = r->images ? PERI_OK : PERI_ENOMEM;
  if (status >= 0 && body.label) status = peri_text_add(&r->notes, body.label, strlen(body.label) + 1);
  if (status >= 0 && body.class) status = peri_text_add(&r->notes, body.class, strlen(body.class) + 1);
  if (status < 0) {
    *error = (peri_body_error){.status = 503, .reason = "there is no memory for the images"};
    return false;
  }
  memcpy(r->images, body.images, (size_t)room * sizeof *r->images);
  r->has_images = true;
  r->has_label = body.label != NULL;
  r->has_class = body.class != NULL;
  r->kind = body.kind;
  r->count = (int64_t)body.count;
  r->wants_input |= body.input;
  return true;
}

static enum MHD_Result note_field(void *context, enum MHD_ValueKind kind, const char *key, const char *value) {
  peri_http_request *r = context;
  char lower[128];
  size_t i = 0;
  for (; key[i] && i + 1 < sizeof lower; i++) lower[i] = (char)(kind == MHD_HEADER_KIND ? tolower((unsigned char)key[i]) : key[i]);
  lower[i] = 0;
  return peri__http_pairs_add(&r->fields, lower, value ? value : "") < 0 ? MHD_NO : MHD_YES;
}

static void note_fields(peri_http_request *r) {
  MHD_get_connection_values(r->connection->mhd, MHD_GET_ARGUMENT_KIND, note_field, r);
  r->queries = r->fields.count;
  MHD_get_connection_values(r->connection->mhd, MHD_HEADER_KIND, note_field, r);
}

/* From here on the request waits for others. */
static int wait_for(peri_http_request *r, bool worker) {
  r->waits = true;
  atomic_fetch_add(&r->references, 1);
  atomic_fetch_add(&r->door->waiting, 1);
  peri__http_connection_stage(r->connection, PERI__HTTP_WAITING, r->complete);
  MHD_suspend_connection(r->connection->mhd);
  if (worker) peri__http_workers_add(r->door, r);
  else peri__http_list_add(&r->io->fresh, r);
  return 0;
}

static int too_many(peri_http_request *r) {
  peri__http_refuse(r, 429, "more than %lld images wait: try again in a second", (long long)r->door->queue);
  peri__http_pairs_add(&r->extra, "Retry-After", "1");
  return peri__http_reply(r);
}

static int route(peri_http_request *r) {
  if (r->endpoint->kind != PERI_HTTP_PREDICT) note_fields(r);
  if (r->endpoint->kind != PERI_HTTP_PLAIN) {
    const char *type = header(r, "Content-Type");
    peri_body_source source = {.bytes = r->body ? r->body : "", .size = r->size, .type = type};
    if (peri_body_is_slow(&source)) {
      if (type) r->type = peri_strdup(type);
      return wait_for(r, true);
    }
    peri_body_error error;
    if (!peri__http_read_images(r, r->io->reader, type, &error)) {
      peri__http_refuse(r, error.status, "%s", error.reason);
      return peri__http_reply(r);
    }
  }
  if (!peri__http_reserve(r->door, r->has_images ? r->count : 1)) return too_many(r);
  return wait_for(r, false);
}

static int health(peri_http_request *r) {
  bool well = r->endpoint->serves == PERI__HTTP_HEALTH || (atomic_load(&r->door->is_ready) && !atomic_load(&r->door->draining));
  r->status = well ? 200 : 503;
  const char *text = well ? "{\"status\":\"ok\"}\n" : "{\"status\":\"not ready\"}\n";
  if (peri_text_add(&r->text, text, strlen(text)) < 0) return -1;
  return peri__http_reply(r);
}

static int complete(peri_http_request *r) {
  r->complete = peri__http_now();
  if (r->connection->stage == PERI__HTTP_LINGERING) return -1;
  if (r->status) return peri__http_reply(r);
  switch (r->endpoint->serves) {
    case PERI__HTTP_HEALTH:
    case PERI__HTTP_READY: return health(r);
    case PERI__HTTP_ROUTE: return route(r);
    default: return peri__http_reply(r);
  }
}

void peri__http_begin(peri_http_request *r, const char *uri) {
  r->hides = strstr(uri, "%00") != NULL;
  r->began = peri__http_now();
  peri__http_connection_stage(r->connection, PERI__HTTP_ARRIVING, r->began);
}

int peri__http_handle(peri_http_request *r, const char *url, const char *method, const char *version, const char *data,
                      size_t *bytes) {
  if (!r->begun) {
    r->begun = true;
    framing f = {0};
    MHD_get_connection_values(r->connection->mhd, MHD_HEADER_KIND, note_framing, &f);
    decide(r, url, method, f.host);
    if (!is_framed(r, version, &f)) return break_off(r);
    return look_at_length(r);
  }
  if (*bytes) return take(r, data, bytes);
  if (!r->waits) return complete(r);
  return atomic_load(&r->state) == PERI__HTTP_ANSWERED ? peri__http_reply(r) : 0;
}

void peri__http_give_up(peri_http_request *r, int status, const char *reason) {
  if (!peri__http_request_claim(r)) return;
  peri__http_refuse(r, status, "%s", reason);
  if (status == 503) peri__http_pairs_add(&r->extra, "Retry-After", "1");
  atomic_store(&r->state, PERI__HTTP_ANSWERED);
  atomic_fetch_sub(&r->door->waiting, 1);
  MHD_resume_connection(r->connection->mhd);
}
