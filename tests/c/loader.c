/* loader.c - batches in turn: the same bits however they are prepared, batches that somebody keeps, and ends in the
   middle: freed, interrupted, forked, out of memory. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/threads.h"
#include "data/data.h"
#include "data/loader.h"
#include "test.h"

_Atomic int failures;
enum { N = 203, SIDE = 14, CHANNELS = 2, ROW = SIDE * SIDE * CHANNELS, CLASSES = 5 };
static peri_tensor *pictures, *labels, *order;
static peri_augment everything;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static peri_recipe recipe_of(int64_t size, int ahead, int workers) {
  return (peri_recipe){.x = pictures, .y = labels, .order = order, .augment = &everything, .seed = 3, .epoch = 2,
                       .values = {.channels = 1, .scale = {1 / 255.0}, .unit = {1}}, .classes = CLASSES,
                       .size = size, .ahead = ahead, .workers = workers};
}

static void make_set(void) {
  CHECK(peri_tensor_new(&pictures, PERI_U8, 4, (int64_t[]){N, SIDE, SIDE, CHANNELS}) == PERI_OK);
  CHECK(peri_tensor_new(&labels, PERI_I64, 1, (int64_t[]){N}) == PERI_OK);
  CHECK(peri_batch_order(&order, 1, 1, N) == PERI_OK);
  uint8_t *pixels = peri_tensor_data(pictures);
  for (int i = 0; i < N * ROW; i++) pixels[i] = (uint8_t)(i * 2654435761U >> 24);
  for (int i = 0; i < N; i++) ((int64_t *)peri_tensor_data(labels))[i] = i % CLASSES;
  everything = peri_augment_none();
  everything.rotation = (peri_range){-20, 20};
  everything.shift_x = (peri_range){-2, 2};
  everything.elastic_alpha = (peri_range){10, 20};
  everything.elastic_sigma = 3;
  everything.noise = 0.05;
  everything.contrast = (peri_range){0.8, 1.2};
  everything.erase = 0.5;
  everything.erase_random = true;
  everything.mixup = 0.4;
}

/* All batches after `taken` of them, one after another, into x and y; returns the number of rows. */
static int64_t drain(peri_loader *l, float *x, float *y) {
  int64_t rows = 0;
  for (;;) {
    peri_tensor *a, *b;
    int status = peri_loader_next(l, &a, &b);
    CHECK(status >= 0);
    if (status <= 0) return rows;
    int64_t count = a->shape[0];
    CHECK(a->dtype == PERI_F32 && b->dtype == PERI_F32 && b->shape[0] == count && b->shape[1] == CLASSES);
    memcpy(x + rows * ROW, peri_tensor_data(a), (size_t)(count * ROW) * sizeof *x);
    memcpy(y + rows * CLASSES, peri_tensor_data(b), (size_t)(count * CLASSES) * sizeof *y);
    rows += count;
    peri_tensor_release(a);
    peri_tensor_release(b);
  }
}

static float want_x[N * ROW], want_y[N * CLASSES], got_x[N * ROW], got_y[N * CLASSES];

static void make_wanted(void) {
  peri_loader *l;
  peri_recipe r = recipe_of(N, 0, 0);
  CHECK(peri_loader_new(&l, &r) == PERI_OK && drain(l, want_x, want_y) == N);
  peri_loader_free(l);
}

static bool as_wanted(int64_t first) {
  return memcmp(got_x, want_x + first * ROW, sizeof(float) * (size_t)((N - first) * ROW)) == 0 &&
         memcmp(got_y, want_y + first * CLASSES, sizeof(float) * (size_t)((N - first) * CLASSES)) == 0;
}

static void test_same_bits(void) {
  static const int ways[][3] = {{1, 0, 0}, {7, 0, 1}, {7, 1, 1}, {16, 2, 1}, {5, 6, 3}, {1, 64, 16}, {500, 3, 2}, {20, -1, 1}};
  for (int i = 0; i < 8; i++) {
    peri_loader *l;
    peri_recipe r = recipe_of(ways[i][0], ways[i][1], ways[i][2]);
    peri_threads_set(1 + i % 3);
    CHECK(peri_loader_new(&l, &r) == PERI_OK);
    CHECK(drain(l, got_x, got_y) == N && as_wanted(0));
    peri_tensor *x, *y;
    CHECK(peri_loader_next(l, &x, &y) == 0 && !x && !y);
    peri_loader_free(l);
  }
  peri_threads_set(2);
}

/* Batches that are kept stay, those that are let go are used again. */
static void test_kept(void) {
  enum { SIZE = 4, BATCHES = N / SIZE, KEPT = 17 };
  peri_tensor *x, *y, *kept[KEPT];
  const void *places[BATCHES];
  int keeping = 0, distinct = 0;
  peri_loader *l;
  peri_recipe r = recipe_of(SIZE, 3, 2);
  r.drop_last = true;
  CHECK(peri_loader_new(&l, &r) == PERI_OK);
  for (int b = 0; b < BATCHES; b++) {
    CHECK(peri_loader_next(l, &x, &y) == 1);
    int known = 0;
    for (int i = 0; i < b; i++) known |= places[i] == peri_tensor_data(x);
    places[b] = peri_tensor_data(x);
    distinct += !known;
    peri_tensor_release(y);
    if (b % 3 == 0 && keeping < KEPT) kept[keeping++] = x;
    else peri_tensor_release(x);
  }
  CHECK(peri_loader_next(l, &x, &y) == 0);
  CHECK(distinct <= KEPT + 10);
  for (int i = 0; i < keeping; i++) {
    CHECK(memcmp(peri_tensor_data(kept[i]), want_x + i * 3 * SIZE * ROW, sizeof(float) * SIZE * ROW) == 0);
  }
  peri_loader_free(l);
  for (int i = 0; i < keeping; i++) { /* they outlive the loader */
    CHECK(memcmp(peri_tensor_data(kept[i]), want_x + i * 3 * SIZE * ROW, sizeof(float) * SIZE * ROW) == 0);
    peri_tensor_release(kept[i]);
  }
}

static void test_abandoned(void) {
  for (int i = 0; i < 60; i++) {
    peri_loader *l;
    peri_tensor *x, *y;
    peri_recipe r = recipe_of(8, 1 + i % 5, 1 + i % 3);
    CHECK(peri_loader_new(&l, &r) == PERI_OK);
    for (int b = 0; b < i % 4; b++) {
      CHECK(peri_loader_next(l, &x, &y) == 1);
      peri_tensor_release(x), peri_tensor_release(y);
    }
    peri_loader_free(l);
  }
}

static void *raise_soon(void *unused) {
  (void)unused;
  nanosleep(&(struct timespec){0, 30000000}, NULL);
  peri_interrupt_raise();
  return NULL;
}

/* A batch that takes seconds: waiting for it ends soon after an interruption, and so does giving it up. */
static void test_interrupted(int ahead) {
  peri_tensor *large, *x, *y;
  pthread_t other;
  peri_loader *l;
  CHECK(peri_tensor_zeros(&large, PERI_U8, 3, (int64_t[]){2000, 100, 100}) == PERI_OK);
  peri_recipe r = recipe_of(2000, ahead, 1);
  r.x = large, r.y = r.order = NULL, r.classes = 0;
  peri_augment slow = everything;
  slow.mixup = 0;
  slow.elastic_sigma = 30;
  r.augment = &slow;
  r.size = 1000;
  CHECK(peri_loader_new(&l, &r) == PERI_OK);
  CHECK(pthread_create(&other, NULL, raise_soon, NULL) == 0);
  double start = now();
  CHECK(peri_loader_next(l, &x, &y) == PERI_EINTERRUPT && !x && !y);
  CHECK(now() - start < 0.23);
  pthread_join(other, NULL);
  peri_interrupt_clear();
  start = now();
  peri_loader_free(l);
  CHECK(now() - start < 0.2);
  peri_tensor_release(large);
}

/* After an interruption the loader goes on where it was. */
static void test_goes_on(int ahead) {
  peri_loader *l;
  peri_tensor *x, *y;
  peri_recipe r = recipe_of(N, ahead, 1);
  CHECK(peri_loader_new(&l, &r) == PERI_OK);
  peri_interrupt_raise();
  int status = peri_loader_next(l, &x, &y);
  CHECK(status == PERI_EINTERRUPT || status == 1); /* it may have been ready */
  peri_interrupt_clear();
  if (status == 1) {
    peri_tensor_release(x), peri_tensor_release(y);
  } else {
    CHECK(drain(l, got_x, got_y) == N && as_wanted(0));
  }
  peri_loader_free(l);
}

/* A child has no threads, and gets the same batches all the same. */
static void test_fork(void) {
  enum { SIZE = 10, TAKEN = 3 };
  peri_loader *l;
  peri_tensor *x, *y;
  peri_recipe r = recipe_of(SIZE, 4, 2);
  CHECK(peri_loader_new(&l, &r) == PERI_OK);
  for (int i = 0; i < TAKEN; i++) {
    CHECK(peri_loader_next(l, &x, &y) == 1);
    peri_tensor_release(x), peri_tensor_release(y);
  }
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    bool good = drain(l, got_x, got_y) == N - TAKEN * SIZE && as_wanted(TAKEN * SIZE);
    peri_loader_free(l);
    _exit(good && failures == 0 ? 0 : 1);
  }
  int status = 0;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(drain(l, got_x, got_y) == N - TAKEN * SIZE && as_wanted(TAKEN * SIZE));
  peri_loader_free(l);
}

static void test_refusals(void) {
  peri_loader *l;
  peri_recipe r = recipe_of(0, 0, 0);
  CHECK(peri_loader_new(&l, &r) == PERI_EARG && !l && strstr(peri_message(), "size is 0"));
  r = recipe_of(4, 65, 1);
  CHECK(peri_loader_new(&l, &r) == PERI_EARG && strstr(peri_message(), "ahead is 65"));
  r = recipe_of(4, 1, 17);
  CHECK(peri_loader_new(&l, &r) == PERI_EARG && strstr(peri_message(), "workers is 17"));
  r = recipe_of(4, 1, 1);
  r.classes = 3;
  CHECK(peri_loader_new(&l, &r) == PERI_EARG && strstr(peri_message(), "label"));
  r = recipe_of(4, 1, 1);
  r.classes = 0;
  CHECK(peri_loader_new(&l, &r) == PERI_ETYPE && strstr(peri_message(), "cannot mix int64"));
  r.y = NULL;
  CHECK(peri_loader_new(&l, &r) == PERI_EARG && strstr(peri_message(), "there are none"));
  r = recipe_of(4, 1, 1);
  r.x = labels;
  CHECK(peri_loader_new(&l, &r) == PERI_ETYPE && strstr(peri_message(), "pictures are uint8 or float32"));
  ((int64_t *)peri_tensor_data(order))[7] = N + 1;
  r = recipe_of(4, 1, 1);
  CHECK(peri_loader_new(&l, &r) == PERI_EARG && strstr(peri_message(), "order[8] is 204"));
  ((int64_t *)peri_tensor_data(order))[7] = 0;
  CHECK(peri_loader_new(&l, &r) == PERI_EARG);
}

/* Every allocation fails in turn (in builds that can): an error or the right rows, and nothing is lost. */
static void test_memory(int ahead) {
  uint64_t live = peri_memory_live();
  for (uint64_t n = 1; n < 60; n++) {
    peri_recipe r = recipe_of(50, ahead, 2);
    peri_loader *l = NULL;
    peri_tensor *x, *y;
    if (peri_memory_fail_at(n) < 0) return;
    int status = peri_loader_new(&l, &r);
    CHECK(status == PERI_OK || (status == PERI_ENOMEM && !l));
    for (int i = 0; i < 5 && status >= 0; i++) {
      status = peri_loader_next(l, &x, &y);
      CHECK(status >= 0 || (status == PERI_ENOMEM && !x && !y));
      peri_tensor_release(x), peri_tensor_release(y);
    }
    peri_memory_fail_at(0);
    peri_loader_free(l);
    CHECK(peri_memory_live() == live);
  }
}

int main(void) {
  uint64_t live = peri_memory_live();
  make_set();
  make_wanted();
  test_same_bits();
  test_kept();
  test_abandoned();
  test_interrupted(2);
  test_interrupted(0);
  test_goes_on(2);
  test_goes_on(0);
  test_fork();
  test_memory(0);
  test_memory(3);
  test_refusals();
  peri_tensor_release(pictures), peri_tensor_release(labels), peri_tensor_release(order);
  CHECK(peri_memory_live() == live);
  peri_threads_stop();
  printf("%s: %d failures\n", __FILE__, failures);
  return failures != 0;
}
