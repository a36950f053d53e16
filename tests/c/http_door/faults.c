/* faults.c - each allocation of the door fails in turn (in builds that can): while it opens, and under every kind of request.
   Nobody gets a wrong answer, the next who asks gets the right one, and nothing is left behind (http_door.c looks). */
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/status.h"
#include "http_door/client.h"

enum { MOST = 200 };

static program p;
static reply r;

static void test_opening(void) {
  static const char *const names[] = {"a.example", "b.example"};
  uint64_t live = peri_memory_live();
  int opened = 0;
  for (uint64_t n = 1; n < 400 && !opened; n++) {
    peri_http *door = NULL;
    peri_http_options o = options_of();
    o.token = "secret";
    o.access_log = "/dev/null";
    o.origins = o.hosts = names;
    o.origin_count = o.host_count = 2;
    peri_memory_fail_at(n);
    int status = peri_http_open(&door, &o);
    peri_memory_fail_at(0);
    CHECK(status == PERI_OK ? door != NULL : status == PERI_ENOMEM && door == NULL);
    opened = status == PERI_OK && n > 20;
    peri_http_close(door);
    CHECK(peri_memory_live() == live);
  }
  CHECK(opened);
}

typedef struct asked {
  const char *method, *path, *lines;
  const void *body;
  size_t size;
  int status;
} asked;

/* An answer of the door's own when memory is short; 0: the connection was closed for want of it. */
static bool is_refusal(void) {
  return r.status == 0 || ((r.status == 500 || r.status == 503) && (r.size == 0 || has(&r, "{\"error\":{\"status\":50")));
}

static void test_requests(void) {
  static unsigned char images[20 * PIXELS];
  static char json[3000 * 3 * PIXELS];
  static const char *const type = "Content-Type: application/json\r\n";
  size_t n = (size_t)sprintf(json, "{\"label\":\"x\",\"class\":\"y\",\"pixels\":[");
  for (int i = 0; i < 2500; i++) n += (size_t)sprintf(json + n, "%s[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]", i ? "," : "");
  n += (size_t)sprintf(json + n, "]}");
  const asked all[] = {
      {"POST", "/predict?input=1", RAW, images, PIXELS, 200}, {"POST", "/predict", RAW, images, sizeof images, 200},
      {"POST", "/images?model=second&more=2", RAW, images, PIXELS, 200}, {"POST", "/predict", type, json, n, 200}, /* a worker's */
      {"POST", "/images", type, json, n, 200}, {"POST", "/predict", RAW, images, 17, 422},
      {"GET", "/plain?a=b", NULL, NULL, 0, 200}, {"POST", "/fails", "", images, PIXELS, 422}, {"GET", "/healthz", NULL, NULL, 0, 200},
      {"GET", "/nowhere", NULL, NULL, 0, 404}, {"PUT", "/plain", NULL, NULL, 0, 405}, {"GET", "/", NULL, NULL, 0, 200}};
  uint64_t reached = 0, refused = 0;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    for (uint64_t fails = 1; fails < MOST; fails++) {
      const asked *a = &all[i];
      peri_http_options o = options_of();
      o.batch = 16;
      o.access_log = "/dev/null";
      if (!program_open(&p, &o)) return;
      int port = peri_http_port(p.door), status;
      peri_memory_fail_at(fails);
      status = ask(port, a->method, a->path, a->lines, a->body, a->size, &r);
      bool pending = peri_memory_fail_at(0) == PERI_OK && status == a->status;
      CHECK(status == a->status || is_refusal() || (printf("%s %s, allocation %d: %d %s\n", a->method, a->path, (int)fails, status, r.body), 0));
      CHECK(ask(port, a->method, a->path, a->lines, a->body, a->size, &r) == a->status);
      refused += !pending;
      reached = !pending && fails > reached ? fails : reached;
      program_close(&p);
      if (pending && fails > reached + 8) break; /* it needs no more than that */
    }
    printf("%s %s: allocation %d failed it last, %d refusals\n", all[i].method, all[i].path, (int)reached, (int)refused);
    CHECK(peri_memory_live() == 0);
    reached = 0;
  }
  CHECK(refused > 20);
}

void test_faults(void) {
  if (peri_memory_fail_at(0) < 0) return;
  test_opening();
  test_requests();
}
