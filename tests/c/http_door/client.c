/* client.c - the client on plain sockets, and the program that answers. */
#include "http_door/client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void rest(double s) { nanosleep(&(struct timespec){.tv_sec = (time_t)s, .tv_nsec = (long)((s - (double)(time_t)s) * 1e9)}, NULL); }

int client_connect(int port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timeval limit = {.tv_sec = 20};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
  close(fd);
  return -1;
}

bool client_send(int fd, const void *bytes, size_t size) {
  for (const char *at = bytes; size > 0;) {
    ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

bool client_text(int fd, const char *text) { return client_send(fd, text, strlen(text)); }

static bool read_head(int fd, reply *out) {
  size_t used = 0;
  while (used + 1 < sizeof out->head) {
    if (recv(fd, out->head + used, 1, 0) <= 0) return false;
    out->head[++used] = 0;
    if (used >= 4 && memcmp(out->head + used - 4, "\r\n\r\n", 4) == 0) return true;
  }
  return false;
}

bool client_read(int fd, reply *out, bool head_only) {
  out->status = 0;
  out->size = 0;
  out->body[0] = out->head[0] = 0;
  do {
    if (!read_head(fd, out)) return false;
    out->status = atoi(out->head + 9);
  } while (out->status == 100);
  const char *length = strcasestr(out->head, "\r\ncontent-length:");
  size_t wanted = length && !head_only && out->status != 304 && out->status != 204 ? strtoull(length + 17, NULL, 10) : 0;
  while (out->size < wanted && wanted < sizeof out->body) {
    ssize_t n = recv(fd, out->body + out->size, wanted - out->size, 0);
    if (n <= 0) return false;
    out->size += (size_t)n;
  }
  out->body[out->size] = 0;
  return true;
}

bool client_request(int fd, const char *method, const char *path, const char *lines, const void *body, size_t size) {
  char head[4096], length[64] = "";
  if (body) snprintf(length, sizeof length, "Content-Length: %zu\r\n", size);
  const char *host = lines && strstr(lines, "Host: ") ? "" : "Host: localhost\r\n";
  int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\n%s%s%s\r\n", method, path, host, length, lines ? lines : "");
  return client_send(fd, head, (size_t)n) && (!body || client_send(fd, body, size));
}

int ask(int port, const char *method, const char *path, const char *lines, const void *body, size_t size, reply *out) {
  int fd = client_connect(port);
  out->status = 0;
  if (fd < 0) return -1;
  client_request(fd, method, path, lines, body, size); /* an early answer may break it off */
  client_read(fd, out, strcmp(method, "HEAD") == 0);
  close(fd);
  return out->status;
}

bool has(const reply *r, const char *text) { return strstr(r->head, text) || strstr(r->body, text); }

void digit(unsigned char image[PIXELS], int c) {
  for (int i = 0; i < PIXELS; i++) image[i] = i < c ? 255 : 0;
}

/* --- the program --- */

static void answer_batch(program *p, peri_http_batch *batch) {
  int64_t n = peri_http_batch_count(batch);
  float *images = malloc((size_t)n * PIXELS * sizeof *images), *all = calloc((size_t)n * CLASSES, sizeof *all);
  if (n > atomic_load(&p->largest)) atomic_store(&p->largest, (int)n);
  peri_http_batch_copy(batch, images);
  for (int64_t i = 0; i < n; i++) {
    int lit = 0;
    for (int j = 0; j < PIXELS; j++) lit += images[i * PIXELS + j] > 0.5f;
    all[i * CLASSES + lit % CLASSES] = 1;
  }
  if (p->delay > 0) rest(p->delay);
  CHECK(peri_http_batch_answer(batch, all) == 0);
  free(images);
  free(all);
}

static void answer_request(program *p, peri_http_request *request) {
  peri_http_seen seen;
  char text[512];
  peri_http_header header = {"X-Mine", "yes"};
  peri_http_request_see(request, &seen);
  int n = snprintf(text, sizeof text, "%s %s %zu %lld %s %s", seen.method, seen.path, seen.bytes, (long long)seen.count,
                   seen.label ? seen.label : "-", seen.queries ? seen.fields : "-");
  if (p->delay + p->slow > 0) rest(p->delay + p->slow);
  if (strcmp(seen.path, "/fails") == 0) peri_http_request_fail(request, 422, "it \"fails\"");
  else peri_http_request_answer(request, 200, "text/plain", text, (size_t)n, &header, 1);
}

static void *serve(void *context) {
  program *p = context;
  peri_http_event event;
  while (!atomic_load(&p->ends)) {
    if (atomic_load(&p->sleeps)) {
      rest(0.005);
      continue;
    }
    CHECK(peri_http_wait(p->door, 0.02, &event) == 0);
    if (event.kind == PERI_HTTP_BATCH) {
      atomic_fetch_add(&p->batches, 1);
      answer_batch(p, event.batch);
    } else if (event.kind == PERI_HTTP_REQUEST) {
      atomic_fetch_add(&p->requests, 1);
      answer_request(p, event.request);
    } else if (event.kind == PERI_HTTP_SIGNAL) {
      if (strcmp(event.signal, "HUP") == 0) atomic_store(&p->hung_up, true);
    }
  }
  return NULL;
}

peri_http_options options_of(void) {
  static const char *labels[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "nine"};
  static const peri_http_model models[2] = {{"first", {SIDE, SIDE, 1}, labels, CLASSES, 0.5}, {"second", {SIDE, SIDE, 1}, labels, CLASSES, 0.5}};
  static const peri_http_route routes[] = {{"POST", "/predict", PERI_HTTP_PREDICT}, {"POST", "/images", PERI_HTTP_IMAGES},
                                           {"GET", "/plain", PERI_HTTP_PLAIN}, {"POST", "/plain", PERI_HTTP_PLAIN},
                                           {"POST", "/fails", PERI_HTTP_PLAIN}};
  static const peri_http_header framing = {"X-Frame-Options", "SAMEORIGIN"}, all = {"X-Content-Type-Options", "nosniff"};
  static const peri_http_file files[] = {{"/", "text/html", "<p>hello", 8, &framing, 1}};
  peri_http_options o = peri_http_defaults();
  o.port = 0;
  o.models = models;
  o.model_count = 2;
  o.routes = routes;
  o.route_count = sizeof routes / sizeof *routes;
  o.files = files;
  o.file_count = 1;
  o.headers = &all;
  o.header_count = 1;
  return o;
}

bool program_open(program *p, const peri_http_options *o) {
  memset(p, 0, sizeof *p);
  CHECK(peri_http_open(&p->door, o) == 0);
  if (!p->door) return false;
  return pthread_create(&p->thread, NULL, serve, p) == 0;
}

void program_close(program *p) {
  atomic_store(&p->ends, true);
  pthread_join(p->thread, NULL);
  peri_http_close(p->door);
}
