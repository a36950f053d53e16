/* policy.c - who may ask what: paths, methods, tokens, origins, models, fixed answers; bodies of all sizes. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"
#include "http_door/client.h"

static program p;
static reply r;
static unsigned char image[PIXELS];

static int get(const char *path) { return ask(peri_http_port(p.door), "GET", path, NULL, NULL, 0, &r); }
static int post(const char *path, const char *lines) { return ask(peri_http_port(p.door), "POST", path, lines, image, PIXELS, &r); }

static void test_paths(void) {
  peri_http_options o = options_of();
  if (!program_open(&p, &o)) return;
  CHECK(get("/healthz") == 200 && has(&r, "nosniff"));
  CHECK(get("/readyz") == 503);
  peri_http_ready(p.door, true);
  CHECK(get("/readyz") == 200);
  CHECK(get("/nowhere") == 404 && has(&r, "there is no /nowhere here") && has(&r, "{\"error\":{\"status\":404,"));
  CHECK(get("/predict") == 405 && has(&r, "Allow: POST, OPTIONS\r\n"));
  CHECK(ask(peri_http_port(p.door), "DELETE", "/", NULL, NULL, 0, &r) == 405 && has(&r, "Allow: GET, HEAD, OPTIONS\r\n"));
  CHECK(ask(peri_http_port(p.door), "OPTIONS", "/plain", NULL, NULL, 0, &r) == 204 && has(&r, "Allow: GET, HEAD, POST, OPTIONS\r\n"));
  CHECK(get("/plain?a=b%20c") == 200 && strcmp(r.body, "GET /plain 0 0 - a") == 0 && has(&r, "X-Mine: yes\r\n"));
  CHECK(ask(peri_http_port(p.door), "HEAD", "/plain", NULL, NULL, 0, &r) == 200 && has(&r, "Content-Length: 19"));
  CHECK(post("/plain", "") == 200 && strcmp(r.body, "POST /plain 16 0 - -") == 0);
  CHECK(post("/fails", "") == 422 && strcmp(r.body, "{\"error\":{\"status\":422,\"reason\":\"it \\\"fails\\\"\"}}") == 0);
  program_close(&p);
}

static void test_files(void) {
  char lines[128];
  peri_http_options o = options_of();
  if (!program_open(&p, &o)) return;
  CHECK(get("/") == 200 && strcmp(r.body, "<p>hello") == 0 && has(&r, "Content-Type: text/html\r\n"));
  CHECK(has(&r, "nosniff") && has(&r, "X-Frame-Options: SAMEORIGIN"));
  const char *etag = strstr(r.head, "ETag: ");
  CHECK(etag != NULL);
  if (etag) {
    snprintf(lines, sizeof lines, "If-None-Match: %.18s\r\n", etag + 6);
    CHECK(ask(peri_http_port(p.door), "GET", "/", lines, NULL, 0, &r) == 304 && has(&r, "ETag: "));
  }
  CHECK(ask(peri_http_port(p.door), "GET", "/", "If-None-Match: \"other\"\r\n", NULL, 0, &r) == 200);
  CHECK(ask(peri_http_port(p.door), "HEAD", "/", NULL, NULL, 0, &r) == 200 && has(&r, "Content-Length: 8"));
  program_close(&p);
}

static void test_token(void) {
  peri_http_options o = options_of();
  o.token = "secret";
  if (!program_open(&p, &o)) return;
  CHECK(get("/healthz") == 200 && get("/readyz") == 503 && get("/") == 200);
  CHECK(get("/plain") == 401 && has(&r, "WWW-Authenticate: Bearer"));
  CHECK(post("/predict", RAW "Authorization: Bearer secre\r\n") == 401);
  CHECK(post("/predict", RAW "Authorization: Bearer secret2\r\n") == 401);
  CHECK(post("/predict", RAW "Authorization: Bearer \r\n") == 401);
  CHECK(post("/predict", RAW "Authorization: Basic secret\r\n") == 401);
  CHECK(post("/predict", RAW "Authorization: Bearer secret\r\n") == 200);
  CHECK(post("/predict", RAW "authorization: bearer   secret\r\n") == 200);
  program_close(&p);
}

static void test_origins(void) {
  static const char *friends[] = {"http://friend.example"}, *everyone[] = {"*"};
  peri_http_options o = options_of();
  if (!program_open(&p, &o)) return;
  CHECK(post("/predict", RAW "Origin: http://localhost\r\n") == 200 && post("/predict", RAW "Origin: https://localhost\r\n") == 200);
  CHECK(post("/predict", RAW "Origin: http://elsewhere\r\n") == 403 && has(&r, "http://elsewhere"));
  CHECK(post("/predict", RAW "Origin: null\r\n") == 403);
  CHECK(ask(peri_http_port(p.door), "GET", "/plain", "Origin: http://elsewhere\r\n", NULL, 0, &r) == 200 && !has(&r, "Access-Control"));
  program_close(&p);
  o.origins = friends;
  o.origin_count = 1;
  if (!program_open(&p, &o)) return;
  CHECK(post("/predict", RAW "Origin: http://friend.example\r\n") == 200 && has(&r, "Access-Control-Allow-Origin: http://friend.example\r\n"));
  CHECK(has(&r, "Vary: Origin"));
  CHECK(post("/predict", RAW "Origin: http://elsewhere\r\n") == 403 && !has(&r, "Access-Control"));
  CHECK(ask(peri_http_port(p.door), "OPTIONS", "/predict", "Origin: http://friend.example\r\n", NULL, 0, &r) == 204 && has(&r, "Access-Control-Allow-Methods"));
  program_close(&p);
  o.origins = everyone;
  if (!program_open(&p, &o)) return;
  CHECK(post("/predict", RAW "Origin: http://elsewhere\r\n") == 200 && has(&r, "Access-Control-Allow-Origin: *\r\n"));
  program_close(&p);
}

static int get_from(const char *host) {
  char line[600];
  snprintf(line, sizeof line, "Host: %s\r\n", host);
  return ask(peri_http_port(p.door), "GET", "/plain", line, NULL, 0, &r);
}

/* A page of another site whose name stands for this address is refused, whatever it asks. */
static void test_hosts(void) {
  static const char *const names[] = {"digits.example.org", "[fd00::1]"};
  static const char *const own[] = {"localhost", "LocalHost:80", "localhost.", "a.b.localhost:1", "127.0.0.1", "127.8.9.1:65535", "[::1]",
                                    "[::1]:8080", "[0:0::1]", "[::ffff:127.0.0.1]"};
  static const char *const others[] = {"evil.example", "localhost.evil.example", "evillocalhost", "localhost@evil.example", "localhost:80@evil",
                                       "127.0.0.1.evil.example", "127.evil.example", "192.168.0.1", "[::2]", "[::1].evil", "::1", "[::1", "[]", "",
                                       ".", ":80", "localhost:80:80", "localhost evil.example", "digits.example.org", "0.0.0.0"};
  char longest[301] = "";
  memset(longest, 'a', 300);
  peri_http_options o = options_of();
  if (!program_open(&p, &o)) return;
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) CHECK(get_from(own[i]) == 200 || (printf("%s\n", own[i]), 0));
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) CHECK(get_from(others[i]) == 403 || (printf("%s\n", others[i]), 0));
  CHECK(get_from(longest) == 403 && has(&r, "--allow-host NAME"));
  const char *rebound = RAW "Host: evil.example:80\r\nOrigin: http://evil.example:80\r\n";
  CHECK(post("/predict", rebound) == 403 && has(&r, "by the name evil.example:80 (Host)") && has(&r, "nosniff"));
  CHECK(ask(peri_http_port(p.door), "OPTIONS", "/predict", "Host: evil.example\r\n", NULL, 0, &r) == 403);
  CHECK(ask(peri_http_port(p.door), "GET", "/", "Host: evil.example\r\n", NULL, 0, &r) == 403 && !has(&r, "hello"));
  CHECK(ask(peri_http_port(p.door), "GET", "/nowhere", "Host: evil.example\r\n", NULL, 0, &r) == 403);
  CHECK(ask(peri_http_port(p.door), "GET", "/healthz", "Host: balancer\r\n", NULL, 0, &r) == 200);
  CHECK(ask(peri_http_port(p.door), "GET", "/readyz", "Host: balancer\r\n", NULL, 0, &r) == 503 && has(&r, "not ready"));
  int fd = client_connect(peri_http_port(p.door));
  CHECK(client_text(fd, "GET /plain HTTP/1.0\r\n\r\n") && client_read(fd, &r, false) && r.status == 200);
  close(fd);
  program_close(&p);
  o.hosts = names;
  o.host_count = 2;
  if (!program_open(&p, &o)) return;
  CHECK(get_from("digits.example.org") == 200 && get_from("Digits.example.ORG:443") == 200 && get_from("[FD00::1]:8") == 200);
  CHECK(get_from("localhost") == 200 && get_from("x.digits.example.org") == 403 && get_from("digits.example.or") == 403);
  program_close(&p);
  o.host = "0.0.0.0";
  if (!program_open(&p, &o)) return;
  CHECK(get_from("digits.example.org") == 200 && get_from("evil.example") == 403);
  program_close(&p);
  o.host_count = 0;
  if (!program_open(&p, &o)) return;
  CHECK(get_from("evil.example") == 200);
  program_close(&p);
}

static void add_other(void *context, const char *route, int status, uint64_t count) {
  if (strcmp(route, "other") == 0 && (status == 400 || status == 431)) ((uint64_t *)context)[status == 431] += count;
}

/* What the library answers by itself is counted, too. */
static void test_malformed(void) {
  char line[32 << 10];
  uint64_t counted[2] = {0, 0};
  peri_http_options o = options_of();
  if (!program_open(&p, &o)) return;
  memset(line, 'a', sizeof line);
  memcpy(line, "X: ", 3);
  memcpy(line + sizeof line - 3, "\r\n", 3);
  CHECK(ask(peri_http_port(p.door), "POST", "/predict", "Content-Length: -1\r\n", NULL, 0, &r) == 400);
  CHECK(ask(peri_http_port(p.door), "POST", "/predict", "Content-Length: x\r\n", NULL, 0, &r) == 400);
  int fd = client_connect(peri_http_port(p.door));
  CHECK(client_text(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n") && client_text(fd, line));
  CHECK(client_read(fd, &r, false) && r.status == 431);
  close(fd);
  peri_http_count_routes(p.door, add_other, counted);
  CHECK(counted[0] == 2 && counted[1] == 1);
  program_close(&p);
}

static void test_models(void) {
  static const char *labels[] = {"a", "b"};
  static const peri_http_model other[] = {{"second", {SIDE, SIDE, 1}, labels, 2, 0.5}, {"wide", {SIDE, 2 * SIDE, 1}, labels, 2, 0.5}};
  peri_http_options o = options_of();
  if (!program_open(&p, &o)) return;
  CHECK(post("/predict?model=second", RAW) == 200 && has(&r, "\"model\":\"second\""));
  CHECK(post("/predict?model=none", RAW) == 404 && has(&r, "there is no model named 'none'"));
  atomic_store(&p.sleeps, true);
  rest(0.05);
  int fds[2];
  for (int i = 0; i < 2; i++) {
    fds[i] = client_connect(peri_http_port(p.door));
    CHECK(client_request(fds[i], "POST", i ? "/predict?model=second" : "/predict", RAW, image, PIXELS));
  }
  rest(0.1);
  CHECK(peri_http_models(p.door, other, 2) == 0); /* one waits for a model that is gone, one for other classes */
  for (int i = 0; i < 2; i++) {
    CHECK(client_read(fds[i], &r, false) && r.status == 503 && has(&r, "Retry-After"));
    close(fds[i]);
  }
  atomic_store(&p.sleeps, false);
  CHECK(post("/predict?model=first", RAW) == 404);
  CHECK(post("/predict?model=wide", RAW) == 422);
  CHECK(peri_http_models(p.door, other, 0) < 0);
  program_close(&p);
}

static void test_options(void) {
  peri_http *door = NULL;
  peri_http_options o = options_of();
  o.threads = 0;
  CHECK(peri_http_open(&door, &o) == PERI_EARG && strstr(peri_message(), "'threads'"));
  o = options_of();
  o.model_count = 0;
  CHECK(peri_http_open(&door, &o) == PERI_EARG && strstr(peri_message(), "'models'"));
  o = options_of();
  o.host = "no.such.host.invalid";
  CHECK(peri_http_open(&door, &o) == PERI_EIO && strstr(peri_message(), "no.such.host.invalid"));
  o = options_of();
  o.access_log = "/no/such/folder/log";
  CHECK(peri_http_open(&door, &o) == PERI_EIO && strstr(peri_message(), "/no/such/folder/log"));
  o = options_of();
  if (!program_open(&p, &o)) return;
  o.port = peri_http_port(p.door);
  CHECK(peri_http_open(&door, &o) == PERI_EIO && strstr(peri_message(), "cannot listen on 127.0.0.1"));
  program_close(&p);
  o = options_of();
  o.host = "::1";
  if (peri_http_open(&door, &o) == 0) { /* where there is no IPv6, there is none */
    CHECK(strcmp(peri_http_host(door), "::1") == 0);
    peri_http_close(door);
  }
}

void test_policy(void) {
  digit(image, 3);
  test_paths();
  test_files();
  test_token();
  test_origins();
  test_hosts();
  test_malformed();
  test_models();
  test_options();
}

/* --- bodies --- */

static void test_batches(void) {
  unsigned char many[40 * PIXELS];
  peri_http_options o = options_of();
  o.batch = 16;
  o.queue = 64;
  if (!program_open(&p, &o)) return;
  CHECK(post("/predict", RAW) == 200 && has(&r, "{\"predictions\":[{\"label\":3,") && has(&r, "\"model\":\"first\""));
  CHECK(!has(&r, "\"input\""));
  CHECK(post("/predict?input=1", RAW) == 200 && has(&r, "\"input\":[255,255,255,0,"));
  CHECK(post("/images?model=second", RAW) == 200 && strcmp(r.body, "POST /images 16 1 - model") == 0);
  const char *json = "{\"pixels\":[255,255,0,0,0,0,0,0,0,0,0,0,0,0,0,0],\"label\":\"two\"}";
  CHECK(ask(peri_http_port(p.door), "POST", "/images", "Content-Type: application/json\r\n", json, strlen(json), &r) == 200);
  CHECK(strstr(r.body, " 1 two ") != NULL);
  for (int i = 0; i < 40; i++) digit(many + i * PIXELS, i % 10); /* more than one batch holds */
  CHECK(ask(peri_http_port(p.door), "POST", "/predict", RAW, many, sizeof many, &r) == 200);
  const char *at = r.body;
  for (int i = 0; i < 40 && at; i++) {
    char wanted[32];
    snprintf(wanted, sizeof wanted, i % 10 == 9 ? "\"label\":\"nine\"" : "\"label\":%d,", i % 10);
    at = strstr(at + 1, "\"label\"");
    CHECK(at && strncmp(at, wanted, strlen(wanted)) == 0);
  }
  CHECK(atomic_load(&p.largest) == 16);
  program_close(&p);
}

static void test_sizes(void) {
  static unsigned char big[70000];
  peri_http_options o = options_of();
  o.body = 65536;
  o.queue = 20;
  if (!program_open(&p, &o)) return;
  int port = peri_http_port(p.door);
  CHECK(ask(port, "POST", "/predict", RAW, big, 65537, &r) == 413 && has(&r, "65536"));
  CHECK(ask(port, "POST", "/predict", RAW, big, 21 * PIXELS, &r) == 413);
  CHECK(ask(port, "POST", "/predict", RAW, big, 20 * PIXELS, &r) == 200);
  CHECK(ask(port, "POST", "/predict", RAW, big, 17, &r) == 422);
  CHECK(ask(port, "POST", "/predict", RAW, big, 0, &r) == 400);
  CHECK(ask(port, "POST", "/predict", "Content-Type: text/css\r\n", big, 16, &r) == 415);
  CHECK(ask(port, "POST", "/plain", "", big, 65536, &r) == 200 && has(&r, "POST /plain 65536"));
  CHECK(ask(port, "POST", "/predict", "Expect: 100-continue\r\n", big, 70000, &r) == 413);
  /* an error before the body leaves the connection to the next request */
  int fd = client_connect(port);
  CHECK(client_request(fd, "POST", "/nowhere", RAW, big, 60000) && client_read(fd, &r, false) && r.status == 404);
  CHECK(client_request(fd, "POST", "/predict", RAW, image, PIXELS) && client_read(fd, &r, false) && r.status == 200);
  /* no length is claimed: pieces, up to the limit */
  CHECK(client_text(fd, "POST /predict HTTP/1.1\r\nHost: localhost\r\n" RAW "Transfer-Encoding: chunked\r\n\r\n10\r\n") && client_send(fd, image, 16));
  CHECK(client_text(fd, "\r\n0\r\n\r\n") && client_read(fd, &r, false) && r.status == 200 && has(&r, "\"label\":3"));
  CHECK(client_text(fd, "POST /predict HTTP/1.1\r\nHost: localhost\r\n" RAW "Transfer-Encoding: chunked\r\n\r\n11170\r\n"));
  CHECK(client_send(fd, big, 70000) && client_read(fd, &r, false) && r.status == 413);
  CHECK(!client_read(fd, &r, false)); /* and the end */
  close(fd);
  program_close(&p);
}

/* What takes longer to read is read by a worker. */
static void test_workers(void) {
  enum { MANY = 2500 };
  static char json[MANY * 2 * PIXELS + MANY * 3 + 64];
  peri_http_options o = options_of();
  if (!program_open(&p, &o)) return;
  size_t n = (size_t)sprintf(json, "{\"pixels\":[");
  for (int i = 0; i < MANY; i++) n += (size_t)sprintf(json + n, "%s[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]", i ? "," : "");
  sprintf(json + n, "]}");
  CHECK(ask(peri_http_port(p.door), "POST", "/predict", "Content-Type: application/json\r\n", json, strlen(json), &r) == 200);
  json[n - 3] = 'x';
  CHECK(ask(peri_http_port(p.door), "POST", "/predict", "Content-Type: application/json\r\n", json, strlen(json), &r) == 400);
  program_close(&p);
}

static void test_full(void) {
  int fds[8];
  peri_http_options o = options_of();
  o.queue = 4;
  if (!program_open(&p, &o)) return;
  atomic_store(&p.sleeps, true);
  rest(0.05);
  for (int i = 0; i < 8; i++) {
    fds[i] = client_connect(peri_http_port(p.door));
    CHECK(client_request(fds[i], "POST", "/predict", RAW, image, PIXELS));
    rest(0.02);
  }
  for (int i = 4; i < 8; i++) CHECK(client_read(fds[i], &r, false) && r.status == 429 && has(&r, "Retry-After: 1"));
  atomic_store(&p.sleeps, false);
  for (int i = 0; i < 4; i++) CHECK(client_read(fds[i], &r, false) && r.status == 200);
  for (int i = 0; i < 8; i++) close(fds[i]);
  peri_http_counts c;
  peri_http_count(p.door, &c);
  CHECK(c.queued == 0 && c.waiting == 0 && c.images == 4);
  program_close(&p);
}

void test_bodies(void) {
  digit(image, 3);
  test_batches();
  test_sizes();
  test_workers();
  test_full();
}
