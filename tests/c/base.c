/* base.c - tests of core/base: status, memory, random numbers, threads, the interrupt flag. */
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/text.h"
#include "base/threads.h"
#include "test.h"

_Atomic int failures;

/* ---------------------------------------------------------------- status */

static void *other_message(void *unused) {
  (void)unused;
  CHECK(strcmp(peri_message(), "") == 0);
  peri_fail(PERI_EARG, "of the other thread");
  return NULL;
}

static void test_status(void) {
  CHECK(peri_fail(PERI_ESHAPE, "a is %d", 3) == PERI_ESHAPE);
  CHECK(strcmp(peri_message(), "a is 3") == 0);
  CHECK(peri_fail_prefix(PERI_ESHAPE, "net.%d: ", 2) == PERI_ESHAPE);
  CHECK(strcmp(peri_message(), "net.2: a is 3") == 0);
  peri_fail(PERI_EARG, "again: %s", peri_message()); /* an argument from the old message */
  CHECK(strcmp(peri_message(), "again: net.2: a is 3") == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, other_message, NULL) == 0);
  pthread_join(thread, NULL);
  CHECK(strcmp(peri_message(), "again: net.2: a is 3") == 0);
  char big[3000];
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = 0;
  peri_fail(PERI_EIO, "%s", big);
  CHECK(strlen(peri_message()) == 1023);
  peri_fail_prefix(PERI_EIO, "%s", big);
  CHECK(strlen(peri_message()) == 1023);
  CHECK(strcmp(peri_status_text(PERI_ENOMEM), "out of memory") == 0);
  CHECK(strcmp(peri_status_text(-99), "unknown status") == 0);
}

/* ---------------------------------------------------------------- memory */

static void test_memory(void) {
  uint64_t live = peri_memory_live(), total = peri_memory_total();
  char *small = peri_alloc(100), *none = peri_alloc(0), *large = peri_alloc_zeroed(1 << 20);
  CHECK(small && none && large);
  CHECK((uintptr_t)small % PERI_ALIGNMENT == 0 && (uintptr_t)none % PERI_ALIGNMENT == 0);
  CHECK((uintptr_t)large % PERI_ALIGNMENT == 0);
  CHECK(peri_memory_live() == live + 100 + (1 << 20));
  CHECK(peri_memory_total() == total + 100 + (1 << 20));
  memset(small, 1, 100);
  memset(large, 1, 1 << 20);
  peri_free(small);
  peri_free(none);
  peri_free(NULL);
  uint64_t cached = peri_memory_cached();
  peri_free(large);
  CHECK(peri_memory_live() == live);
  CHECK(peri_memory_cached() >= cached + (1 << 20));
  char *again = peri_alloc_zeroed((1 << 20) - 5); /* a size of the same bin: the block comes back, cleared */
  CHECK(again == large && again[0] == 0 && again[(1 << 20) - 6] == 0);
  peri_free(again);
  peri_memory_trim();
  CHECK(peri_memory_cached() == 0);
  for (size_t bytes = 1 << 16; bytes < 1 << 22; bytes += bytes / 7 + 1) { /* every byte of every bin's blocks */
    char *block = peri_alloc(bytes);
    CHECK(block != NULL);
    if (block) memset(block, 7, bytes);
    peri_free(block);
  }
  CHECK(peri_memory_live() == live);
  peri_memory_trim();
  CHECK(peri_alloc(SIZE_MAX - 10) == NULL && strstr(peri_message(), "out of memory") != NULL);
  CHECK(peri_memory_live() == live);
  char *copy = peri_strdup("moon");
  CHECK(copy && strcmp(copy, "moon") == 0);
  peri_free(copy);
}

/* What waits in vain goes back to the system; what is taken and freed in turn stays. */
static void test_spare(void) {
  void *once[8], *often = NULL;
  peri_memory_trim();
  for (int i = 0; i < 8; i++) once[i] = peri_alloc(1 << 20);
  for (int i = 0; i < 8; i++) peri_free(once[i]);
  uint64_t asked = peri_memory_system_allocations();
  CHECK(peri_memory_cached() >= 8 << 20);
  for (int i = 0; i < 2000; i++) { /* 2 GB of requests */
    often = peri_alloc(1 << 20);
    peri_free(often);
  }
  CHECK(peri_memory_cached() >= 1 << 20 && peri_memory_cached() < 2 << 20);
  CHECK(peri_memory_system_allocations() == asked);
  peri_memory_trim();
}

static void test_faults(void) {
#ifdef PERILUNE_FAULTS
  CHECK(peri_memory_fail_at(2) == PERI_OK);
  void *first = peri_alloc(10), *second = peri_alloc(10), *third = peri_alloc(10);
  CHECK(first && !second && third);
  peri_memory_fail_at(1);
  peri_memory_fail_at(0);
  void *fourth = peri_alloc(10);
  CHECK(fourth != NULL);
  peri_free(first);
  peri_free(third);
  peri_free(fourth);
#else
  CHECK(peri_memory_fail_at(1) == PERI_EUNSUPPORTED);
#endif
}

/* ---------------------------------------------------------------- text */

static void test_text(void) {
  peri_text t = {0};
  peri_text_cut(&t, 0);
  CHECK(t.at == NULL && peri_text_add(&t, "", 0) == PERI_OK && t.size == 0 && strcmp(t.at, "") == 0);
  CHECK(peri_text_put(&t, "moon") == PERI_OK && peri_text_add(&t, "\0x", 2) == PERI_OK && t.size == 6);
  CHECK(memcmp(t.at, "moon\0x", 7) == 0);
  peri_text_cut(&t, 2);
  CHECK(t.size == 2 && strcmp(t.at, "mo") == 0);
  char *before = t.at;
  size_t room = t.room;
  CHECK(peri_text_reserve(&t, room - 3) == PERI_OK && t.at == before && t.room == room); /* and the 0: it fits */
  CHECK(peri_text_reserve(&t, room - 2) == PERI_OK && t.room == 2 * room && strcmp(t.at, "mo") == 0);
  for (int i = 0; i < 100000; i++) CHECK(peri_text_add(&t, (char[1]){(char)('a' + i % 26)}, 1) == PERI_OK);
  CHECK(t.size == 100002 && t.at[t.size] == 0 && strncmp(t.at, "moabc", 5) == 0 && t.at[100001] == 'a' + 99999 % 26);
  before = t.at;
  CHECK(peri_text_reserve(&t, SIZE_MAX - 5) == PERI_ENOMEM && peri_text_reserve(&t, SIZE_MAX / 8) == PERI_ENOMEM);
  CHECK(t.at == before && t.size == 100002); /* as it was */
#ifdef PERILUNE_FAULTS
  peri_memory_fail_at(1);
  CHECK(peri_text_reserve(&t, 1 << 20) == PERI_ENOMEM && t.at == before && t.size == 100002);
#endif
  peri_text_clear(&t);
  CHECK(t.at == NULL && t.size == 0 && t.room == 0);
  peri_text_clear(&t);
}

/* ---------------------------------------------------------------- random numbers */

/* Blocks of Philox 4x32-10. The first is the authors' own test vector; the others were made by
   TensorFlow's generator of that name (tf.random.Generator.from_state, counter and key as here). */
static void test_philox(void) {
  static const struct {
    uint64_t key, position;
    uint32_t words[4];
  } known[] = {
      {0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {0, 1, {0xf8e4cca4, 0x5cb200db, 0xb1a574eb, 0x097eff67}},
      {UINT64_MAX, UINT64_MAX, {0x4d18d7d2, 0x430ac65a, 0xbd2fa22a, 0x0afae10d}},
      {0x299f31d0a4093822, 0x85a308d3243f6a88, {0xe69c9c31, 0xb5a3d762, 0xe733bfc1, 0x341a787c}},
      {42, 5, {0x5099d809, 0x4b20b5d2, 0x0d41b5e2, 0x0a653407}},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    uint32_t words[4];
    peri_philox(known[i].key, known[i].position, words);
    CHECK(memcmp(words, known[i].words, sizeof words) == 0);
  }
}

static void moments(int64_t n, const double *x, double *mean, double *variance) {
  *mean = *variance = 0;
  for (int64_t i = 0; i < n; i++) *mean += x[i] / (double)n;
  for (int64_t i = 0; i < n; i++) *variance += (x[i] - *mean) * (x[i] - *mean) / (double)n;
}

static void test_distributions(void) {
  enum { N = 100000 };
  static double x[N], y[N];
  static float f[N];
  double mean, variance;
  peri_rng rng = {.key = 7}, same = {.key = 7};
  peri_rng_uniform_f64(&rng, N, x, -1, 3);
  moments(N, x, &mean, &variance);
  CHECK(fabs(mean - 1) < 0.015 && fabs(variance - 16.0 / 12) < 0.02);
  for (int i = 0; i < N; i++) CHECK(x[i] >= -1 && x[i] < 3);
  peri_rng_uniform_f64(&same, N / 2, y, -1, 3); /* two halves are the whole */
  peri_rng_uniform_f64(&same, N / 2, y + N / 2, -1, 3);
  CHECK(memcmp(x, y, sizeof x) == 0 && rng.position == same.position && rng.position == N / 2);

  peri_rng_normal_f64(&rng, N, x, 2, 3);
  moments(N, x, &mean, &variance);
  CHECK(fabs(mean - 2) < 0.04 && fabs(variance - 9) < 0.15);
  peri_rng_normal_f32(&same, N, f, 2, 3);
  int equal = 1;
  for (int i = 0; i < N; i++) equal &= f[i] == (float)x[i];
  CHECK(equal && rng.position == same.position);

  peri_rng_uniform_f32(&rng, N, f, 16777216, 16777218); /* rounding would reach the end */
  for (int i = 0; i < N; i++) CHECK(f[i] < 16777218);
  peri_rng_uniform_f32(&rng, 3, f, 5, 5);
  CHECK(f[0] == 5 && f[2] == 5);
  double one = peri_rng_double(&rng);
  CHECK(one >= 0 && one < 1);
}

static int compare_integers(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

static void test_integers(void) {
  enum { N = 70000 };
  static int64_t x[N];
  int64_t count[7] = {0};
  peri_rng rng = {.key = 3};
  peri_rng_integers(&rng, N, x, -3, 3);
  for (int i = 0; i < N; i++) {
    CHECK(x[i] >= -3 && x[i] <= 3);
    count[x[i] + 3]++;
  }
  for (int i = 0; i < 7; i++) CHECK(llabs(count[i] - N / 7) < 500);
  peri_rng_integers(&rng, 1000, x, INT64_MIN, INT64_MAX);
  int negative = 0;
  for (int i = 0; i < 1000; i++) negative += x[i] < 0;
  CHECK(negative > 400 && negative < 600);
  peri_rng_integers(&rng, 2, x, 9, 9);
  CHECK(x[0] == 9 && x[1] == 9);
  peri_rng_permutation(&rng, 1000, x);
  int moved = 0;
  for (int i = 0; i < 1000; i++) moved += x[i] != i;
  CHECK(moved > 900);
  qsort(x, 1000, sizeof *x, compare_integers);
  for (int i = 0; i < 1000; i++) CHECK(x[i] == i);
  peri_seed(11);
  uint64_t first = peri_rng_reserve(peri_rng_default(), 10);
  CHECK(first == 0 && peri_rng_reserve(peri_rng_default(), 1) == 10 && peri_rng_default()->key == 11);
}

/* ---------------------------------------------------------------- threads */

enum { PIECES = 1000 };
static int times_run[PIECES], nested_run[PIECES];

static void inner(void *context, int64_t piece) {
  (void)piece;
  __atomic_fetch_add((int *)context, 1, __ATOMIC_RELAXED);
}
static void outer(void *unused, int64_t piece) {
  (void)unused;
  times_run[piece]++; /* no two threads get one piece */
  peri_parallel(3, inner, &nested_run[piece]);
}

static void test_pieces(void) {
  static const int counts[] = {1, 2, 3, 8, 1, 4};
  for (int c = 0; c < 6; c++) {
    memset(times_run, 0, sizeof times_run);
    memset(nested_run, 0, sizeof nested_run);
    peri_threads_set(counts[c]);
    CHECK(peri_threads() == counts[c]);
    peri_parallel(PIECES, outer, NULL);
    for (int i = 0; i < PIECES; i++) CHECK(times_run[i] == 1 && nested_run[i] == 3);
  }
  peri_parallel(0, outer, NULL);
  peri_parallel(-5, outer, NULL);
  peri_threads_set(-3);
  CHECK(peri_threads() == 1);
  peri_threads_set(1 << 30);
  CHECK(peri_threads() == 256);
  peri_threads_set(3);
  for (int round = 0; round < 2000; round++) { /* many short jobs, workers awake */
    int count = 0;
    peri_parallel(5, inner, &count);
    CHECK(count == 5);
  }
  peri_threads_stop();
  peri_threads_stop();
  usleep(1000);
  peri_parallel(PIECES, outer, NULL);
  CHECK(times_run[0] == 2);
}

/* Threads of this process. */
static int tasks(void) {
  DIR *folder = opendir("/proc/self/task");
  int count = 0;
  if (!folder) return -1;
  while (readdir(folder)) count++;
  closedir(folder);
  return count - 2;
}

/* A while on one thread, as for a single picture, costs no worker its life. */
static void test_one_for_a_while(void) {
  int count = 0;
  peri_threads_set(3);
  peri_parallel(5, inner, &count);
  int before = tasks();
  peri_threads_set(1);
  CHECK(peri_threads() == 1 && tasks() == before);
  peri_parallel(5, inner, &count);
  peri_threads_set(3);
  CHECK(peri_threads() == 3 && tasks() == before);
  peri_parallel(5, inner, &count);
  CHECK(count == 15);
  peri_threads_set(1);
  peri_threads_set(2);
  peri_parallel(5, inner, &count);
  CHECK(count == 20 && (before < 0 || tasks() == before - 1));
  peri_threads_set(3);
}

static void asleep(void) { usleep(20000); } /* longer than an idle worker spins */

static void *second_caller(void *unused) {
  (void)unused;
  for (int round = 0; round < 300; round++) {
    int count = 0;
    peri_parallel(7, inner, &count);
    CHECK(count == 7);
  }
  return NULL;
}

static void test_callers(void) { /* two threads of the host share the workers */
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, second_caller, NULL) == 0);
  second_caller(NULL);
  pthread_join(thread, NULL);
  asleep();
  int count = 0;
  peri_parallel(100, inner, &count);
  CHECK(count == 100);
}

/* Milliseconds of processor time while the caller sleeps after a job, its worker spinning for so long. */
static double idle_milliseconds(double spin) {
  int count = 0;
  peri_threads_spin(spin);
  for (int round = 0; round < 20; round++) peri_parallel(50, inner, &count); /* the last one finds the worker awake */
  clock_t before = clock();
  asleep();
  return (double)(clock() - before) * 1e3 / CLOCKS_PER_SEC;
}

static void test_spin(void) {
  double before = peri_threads_spin(0);
  CHECK(before > 0 && before < 0.01 && peri_threads_spin(before) == 0);
  peri_threads_set(2);
  CHECK(idle_milliseconds(0) < 2);
  bool spun = sysconf(_SC_NPROCESSORS_ONLN) == 1; /* then nobody spins; a busy machine may not let the worker */
  for (int tries = 0; tries < 50 && !spun; tries++) spun = idle_milliseconds(0.1) > 2;
  CHECK(spun);
  peri_threads_spin(before);
  peri_threads_set(3);
}

static volatile float tiny = 1e-38F;
static void flushed(void *context, int64_t piece) {
  float product = tiny * 0.1F; /* denormal, unless flushed */
  ((float *)context)[piece] = product;
}

static void test_denormals(void) {
#if defined(__x86_64__)
  float seen[50];
  for (int threads = 1; threads <= 3; threads++) {
    peri_threads_set(threads);
    memset(seen, 1, sizeof seen);
    peri_parallel(50, flushed, seen);
    for (int i = 0; i < 50; i++) CHECK(seen[i] == 0);
    CHECK(tiny * 0.1F > 0); /* the caller's own arithmetic is as it was */
  }
  memset(seen, 1, sizeof seen);
  peri_parallel(1, flushed, seen);
  CHECK(seen[0] == 0 && tiny * 0.1F > 0);
#endif
}

static void test_fork(void) {
#ifdef __SANITIZE_THREAD__ /* its runtime allows no threads in the child of a process that had some */
  return;
#endif
  peri_threads_set(3);
  for (int round = 0; round < 20; round++) {
    int count = 0;
    peri_parallel(10, inner, &count); /* the workers are there, spinning or going to sleep */
    if (round % 2) usleep(100 * (useconds_t)round);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      alarm(20); /* a child that hangs is a failure, not a hang */
      int mine = 0;
      peri_parallel(100, inner, &mine);
      peri_threads_set(2);
      peri_parallel(100, inner, &mine);
      peri_threads_stop();
      _exit(mine == 200 ? 0 : 1);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    peri_parallel(10, inner, &count);
    CHECK(count == 20);
  }
}

static void test_interrupt(void) {
  CHECK(!peri_interrupted() && peri_interrupt_poll() == PERI_OK);
  peri_interrupt_raise();
  CHECK(peri_interrupted() && peri_interrupt_poll() == PERI_EINTERRUPT);
  peri_interrupt_deliver();
  CHECK(!peri_interrupted() && peri_interrupt_open() && peri_interrupt_poll() == PERI_OK);
  peri_interrupt_raise();
  CHECK(peri_interrupted());
  peri_interrupt_clear();
  CHECK(!peri_interrupt_open());
  peri_interrupt_deliver();
  CHECK(!peri_interrupt_open());
  CHECK(!peri_interrupted() && peri_interrupt_poll() == PERI_OK);
}

int main(void) {
  test_status();
  test_memory();
  test_spare();
  test_faults();
  test_text();
  test_philox();
  test_distributions();
  test_integers();
  test_pieces();
  test_one_for_a_while();
  test_callers();
  test_spin();
  test_denormals();
  test_fork();
  test_interrupt();
  peri_threads_stop();
  if (failures) printf("%d failures\n", failures);
  return failures ? 1 : 0;
}
