/* storm.c - time and violence: slow senders, answers that do not come, clients that go at any moment, endings in the
   middle of everything. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/status.h"
#include "http_door/client.h"

static program p;
static unsigned char image[PIXELS];

/* --- time --- */

static void test_slow(void) {
  reply r;
  peri_http_options o = options_of();
  o.receive = 0.3;
  o.idle = 0.8;
  if (!program_open(&p, &o)) return;
  int port = peri_http_port(p.door), silent = client_connect(port), slow = client_connect(port), trickle = client_connect(port);
  double begun = seconds();
  CHECK(client_text(slow, "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n" RAW "\r\nabc"));
  CHECK(client_text(trickle, "GET /pl"));
  /* nobody waits for them */
  CHECK(ask(port, "POST", "/predict", RAW, image, PIXELS, &r) == 200 && seconds() - begun < 0.25);
  CHECK(client_read(slow, &r, false) && r.status == 408 && has(&r, "0.3 seconds"));
  CHECK(seconds() - begun > 0.29 && seconds() - begun < 0.7);
  while (seconds() - begun < 1.5 && send(trickle, "a", 1, MSG_NOSIGNAL) == 1) rest(0.05);
  CHECK(seconds() - begun > 0.7 && seconds() - begun < 1.4);
  CHECK(recv(silent, &r, 1, 0) == 0 && seconds() - begun < 1.6);
  close(silent);
  close(slow);
  close(trickle);
  peri_http_counts c;
  peri_http_count(p.door, &c);
  CHECK(c.refused == 3);
  program_close(&p);
}

/* The answer comes too late; the connection goes on, and the caller's late answer meets nobody. */
static void test_unanswered(void) {
  reply r;
  peri_http_options o = options_of();
  o.answer = 0.2;
  if (!program_open(&p, &o)) return;
  p.delay = 0.5;
  int fd = client_connect(peri_http_port(p.door));
  CHECK(client_request(fd, "POST", "/predict", RAW, image, PIXELS) && client_read(fd, &r, false) && r.status == 503);
  CHECK(has(&r, "no answer in time") && has(&r, "Retry-After: 1"));
  p.delay = 0;
  CHECK(client_request(fd, "GET", "/plain", NULL, NULL, 0) && client_read(fd, &r, false));
  rest(0.6);
  CHECK(client_request(fd, "POST", "/predict", RAW, image, PIXELS) && client_read(fd, &r, false) && r.status == 200);
  close(fd);
  program_close(&p);
}

void test_time(void) {
  digit(image, 5);
  test_slow();
  test_unanswered();
}

/* --- a storm --- */

enum { CLIENTS = 12 };

static double storm_seconds(void) { return getenv("PERILUNE_STORM") ? atof(getenv("PERILUNE_STORM")) : 3; }

static _Atomic bool storm_ends;
static _Atomic long answers, broken;

static unsigned chance(unsigned *state) { return *state = *state * 1664525u + 1013904223u, *state >> 8; }

/* Whole requests, pipelined ones too; each answer must be its own request's. */
static void ask_well(int fd, unsigned *state) {
  reply *r = malloc(sizeof *r);
  unsigned char own[PIXELS];
  int classes[3], n = 1 + (int)(chance(state) % 3);
  for (int i = 0; i < n; i++) {
    classes[i] = (int)(chance(state) % 9);
    digit(own, classes[i]);
    if (!client_request(fd, "POST", chance(state) % 2 ? "/predict" : "/predict?model=second&input=1", RAW, own, PIXELS)) break;
  }
  for (int i = 0; i < n; i++) {
    char wanted[32];
    snprintf(wanted, sizeof wanted, "{\"label\":%d,", classes[i]);
    if (!client_read(fd, r, false)) {
      CHECK(atomic_load(&storm_ends));
      break;
    }
    CHECK((r->status == 200 && strstr(r->body, wanted)) || r->status == 503 || r->status == 429);
    atomic_fetch_add(&answers, 1);
  }
  free(r);
}

/* A part of a request, or a whole one whose answer nobody reads. */
static void ask_badly(int fd, unsigned *state) {
  char text[512];
  int n = snprintf(text, sizeof text, "POST /%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n" RAW "\r\n", chance(state) % 2 ? "predict" : "images");
  memcpy(text + n, image, PIXELS);
  n += PIXELS;
  size_t part = chance(state) % 3 ? chance(state) % (unsigned)n : (unsigned)n;
  client_send(fd, text, part);
  if (chance(state) % 2) rest((double)(chance(state) % 3000) / 1e6);
  if (chance(state) % 2) { /* a reset, not an end */
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  atomic_fetch_add(&broken, 1);
}

static void *client(void *seed) {
  unsigned state = (unsigned)(uintptr_t)seed * 7919u + 1;
  while (!atomic_load(&storm_ends)) {
    int fd = client_connect(peri_http_port(p.door));
    if (fd < 0) break;
    for (unsigned n = chance(&state) % 8; n > 0; n--) ask_well(fd, &state);
    if (chance(&state) % 2) ask_badly(fd, &state);
    close(fd);
  }
  return NULL;
}

static void storm(const peri_http_options *o, bool swaps) {
  pthread_t threads[CLIENTS];
  peri_http_counts c;
  atomic_store(&storm_ends, false);
  if (!program_open(&p, o)) return;
  for (uintptr_t i = 0; i < CLIENTS; i++) pthread_create(&threads[i], NULL, client, (void *)i);
  for (double end = seconds() + storm_seconds(); seconds() < end;) {
    rest(0.01);
    peri_http_count(p.door, &c);
    if (swaps) CHECK(peri_http_models(p.door, o->models, o->model_count) == 0);
  }
  atomic_store(&storm_ends, true);
  for (int i = 0; i < CLIENTS; i++) pthread_join(threads[i], NULL);
  for (double end = seconds() + 2; seconds() < end; rest(0.01)) {
    peri_http_count(p.door, &c);
    if (c.waiting == 0 && c.queued == 0 && c.connections == 0) break;
  }
  if (c.waiting || c.queued || c.connections)
    fprintf(stderr, "left: %llu waiting, %llu queued, %llu connections\n", (unsigned long long)c.waiting, (unsigned long long)c.queued, (unsigned long long)c.connections);
  CHECK(c.waiting == 0 && c.queued == 0 && c.connections == 0);
  CHECK(c.images > 0);
  program_close(&p);
}

/* --- a client that asks what takes long, among many that ask what does not --- */

typedef struct asker {
  pthread_t thread;
  const char *path;
  int port, answered;
  double end;
} asker;

static void *ask_on(void *context) {
  asker *a = context;
  unsigned char image[PIXELS];
  static _Thread_local reply got;
  digit(image, 3);
  int fd = client_connect(a->port);
  while (seconds() < a->end && client_request(fd, "POST", a->path, RAW, image, PIXELS) && client_read(fd, &got, false)) a->answered += got.status == 200;
  close(fd);
  return NULL;
}

static void test_fairness(void) {
  enum { ASKERS = 5 };
  asker all[ASKERS];
  program q;
  peri_http_options o = options_of();
  if (!program_open(&q, &o)) return;
  atomic_store(&q.slow, 0.01);
  int predicted = 0;
  for (int i = 0; i < ASKERS; i++) {
    all[i] = (asker){.path = i ? "/predict" : "/plain", .port = peri_http_port(q.door), .end = seconds() + 1};
    CHECK(pthread_create(&all[i].thread, NULL, ask_on, &all[i]) == 0);
  }
  for (int i = 0; i < ASKERS; i++) {
    pthread_join(all[i].thread, NULL);
    if (i) predicted += all[i].answered;
  }
  printf("beside %d slow requests %d predictions\n", all[0].answered, predicted);
  CHECK(all[0].answered >= 5 && predicted > 12 * all[0].answered);
  program_close(&q);
}

void test_storm(void) {
  test_fairness();
  digit(image, 5);
  peri_http_options o = options_of();
  o.threads = 2;
  o.batch = 5;
  storm(&o, true);
  o.answer = 0.002; /* half of all answers come too late */
  o.window = 0.001;
  storm(&o, false);
  CHECK(atomic_load(&answers) > 100 && atomic_load(&broken) > 10);
  printf("%ld answers, %ld connections broken off\n", atomic_load(&answers), atomic_load(&broken));
}

/* --- shares --- */

/* Answers the next batch; how many images it had, or 0 when there is none. */
static int64_t next_batch(peri_http *door) {
  static const float probabilities[CLASSES * 64] = {0};
  peri_http_event event;
  CHECK(peri_http_wait(door, 0.05, &event) == 0);
  if (event.kind != PERI_HTTP_BATCH) return 0;
  int64_t count = peri_http_batch_count(event.batch);
  CHECK(peri_http_batch_answer(event.batch, probabilities) == 0);
  return count;
}

/* Half of those that go round make a batch, few go together, and no request is cut for it. */
static void test_halves(void) {
  enum { CLIENTS = 24, MANY = 20 };
  static unsigned char images[MANY * PIXELS];
  reply r;
  peri_http *door;
  peri_http_options o = options_of();
  int fds[CLIENTS];
  CHECK(peri_http_open(&door, &o) == 0);
  for (int i = 0; i < CLIENTS; i++) {
    fds[i] = client_connect(peri_http_port(door));
    CHECK(client_request(fds[i], "POST", "/predict", RAW, image, PIXELS));
  }
  rest(0.1);
  CHECK(next_batch(door) == 12);
  CHECK(next_batch(door) == 12);
  CHECK(next_batch(door) == 0);
  for (int i = 0; i < CLIENTS; i++) CHECK(client_read(fds[i], &r, false) && r.status == 200);
  for (int i = 0; i < 7; i++) CHECK(client_request(fds[i], "POST", "/predict", RAW, image, PIXELS));
  rest(0.1);
  CHECK(next_batch(door) == 7);
  CHECK(next_batch(door) == 0);
  for (int i = 0; i < 2; i++) CHECK(client_request(fds[i + 7], "POST", "/predict", RAW, images, sizeof images));
  rest(0.1);
  CHECK(next_batch(door) == 2 * MANY); /* the first alone has fewer than half of 40 and 7 */
  for (int i = 0; i < CLIENTS; i++) close(fds[i]);
  peri_http_close(door);
}

/* --- endings --- */

static void test_signals(void) {
  peri_http_options o = options_of();
  struct sigaction after;
  if (!program_open(&p, &o)) return;
  kill(getpid(), SIGHUP);
  for (double end = seconds() + 2; seconds() < end && !atomic_load(&p.hung_up); rest(0.01)) continue;
  program_close(&p);
  CHECK(atomic_load(&p.hung_up));
  sigaction(SIGHUP, NULL, &after);
  CHECK(after.sa_handler == SIG_DFL);
}

/* What was asked before the end is answered; then the door takes nobody. */
static void test_drain(void) {
  reply r;
  peri_http_options o = options_of();
  if (!program_open(&p, &o)) return;
  int port = peri_http_port(p.door), fd = client_connect(port), other = client_connect(port), late;
  CHECK(client_request(other, "GET", "/plain", NULL, NULL, 0) && client_read(other, &r, false) && !has(&r, "Connection: close"));
  p.delay = 0.2;
  CHECK(client_request(fd, "POST", "/predict", RAW, image, PIXELS));
  rest(0.05);
  bool drained = false;
  for (double end = seconds() + 2; !drained && seconds() < end;) drained = peri_http_drain(p.door, 0.01) == 1;
  CHECK(drained);
  CHECK(client_read(fd, &r, false) && r.status == 200 && has(&r, "Connection: close"));
  rest(0.05);
  late = client_connect(port);
  CHECK(late < 0);
  close(fd);
  close(other);
  program_close(&p);
}

/* The door is closed while requests wait, are held, and come in. */
static void test_close(void) {
  reply r;
  peri_http_event event;
  peri_http *door;
  peri_http_options o = options_of();
  int fds[6];
  CHECK(peri_http_open(&door, &o) == 0);
  for (int i = 0; i < 6; i++) {
    fds[i] = client_connect(peri_http_port(door));
    CHECK(client_request(fds[i], "POST", i == 5 ? "/images" : "/predict", RAW, image, i == 4 ? PIXELS / 2 : PIXELS));
    if (i == 0) {
      CHECK(peri_http_wait(door, 2, &event) == 0 && event.kind == PERI_HTTP_BATCH);
    }
  }
  rest(0.1);
  peri_http_close(door);
  for (int i = 0; i < 6; i++) {
    bool came = client_read(fds[i], &r, false);
    CHECK(i == 4 ? r.status != 200 : came && r.status == 503);
    close(fds[i]);
  }
  float probabilities[CLASSES] = {1};
  if (event.batch) CHECK(peri_http_batch_answer(event.batch, probabilities) == 0); /* to nobody */
}

void test_endings(void) {
  digit(image, 5);
  test_halves();
  test_signals();
  test_drain();
  test_close();
}
