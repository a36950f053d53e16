/* kernels.c - tests of what all sets of kernels share: the choice of a set, integers, interruption, and
   failing allocations. Values of the float kernels are perilune-check's business. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "kernels/kernels.h"
#include "test.h"

_Atomic int failures;

/* ---------------------------------------------------------------- the choice */

/* Whether a fresh process with PERILUNE_ISA = asked takes the set `expected`. It must ask before this
   process has chosen. */
static int chooses(const char *asked, const char *expected) {
  pid_t child = fork();
  if (child == 0) {
    if (asked) setenv("PERILUNE_ISA", asked, 1);
    else unsetenv("PERILUNE_ISA");
    _exit(strcmp(peri_isa(), expected) == 0 && strcmp(peri_kernels_of(PERI_F32)->isa, expected) == 0 &&
                  strcmp(peri_kernels_of(PERI_I64)->isa, expected) == 0
              ? 0
              : 1);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_choice(void) {
  static const char *const sets[] = {"reference", "baseline", "avx2", "avx512"};
  const char *best = "reference";
  int has[4] = {0};
  for (int i = 0; i < 4; i++) { /* what this machine has, asked in a child so that nothing is chosen here yet */
    pid_t child = fork();
    if (child == 0) _exit(peri_kernels_for_isa(sets[i], PERI_F32) ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    has[i] = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (has[i]) best = sets[i];
  }
  CHECK(has[0] && has[1]);
  for (int i = 0; i < 4; i++) CHECK(chooses(sets[i], has[i] ? sets[i] : best));
  CHECK(chooses(NULL, best));
  CHECK(chooses("", best));
  CHECK(chooses("avx1024", best));
  CHECK(peri_kernels_for_isa("avx1024", PERI_F32) == NULL && peri_kernels_for_isa("", PERI_F64) == NULL);
  for (int i = 0; i < 4; i++)
    for (int type = 0; has[i] && type < PERI_DTYPES; type++) {
      const peri_kernels *k = peri_kernels_for_isa(sets[i], (peri_dtype)type);
      CHECK(strcmp(k->isa, sets[i]) == 0 && k->unary && k->binary && k->reduce && k->matmul);
    }
}

/* Every entry of the float tables is there: the tables are nothing but pointers. */
static void test_filled(void) {
  for (int type = PERI_F32; type <= PERI_F64; type++) {
    void *pointers[sizeof(peri_kernels) / sizeof(void *)];
    memcpy(pointers, peri_kernels_of((peri_dtype)type), sizeof(peri_kernels));
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) CHECK(pointers[i] != NULL);
  }
}

/* ---------------------------------------------------------------- integers */

static int64_t pair(peri_binary f, int64_t a, int64_t b) {
  int64_t y = 12345;
  peri_kernels_of(PERI_I64)->binary(f, 1, &a, 1, &b, 1, &y);
  return y;
}
static uint8_t byte_pair(peri_binary f, uint8_t a, uint8_t b) {
  uint8_t y = 123;
  peri_kernels_of(PERI_U8)->binary(f, 1, &a, 1, &b, 1, &y);
  return y;
}
static int64_t one(peri_unary f, int64_t x, double p) {
  int64_t y = 12345;
  peri_kernels_of(PERI_I64)->unary(f, 1, &x, &y, p);
  return y;
}

static void test_integer_pairs(void) {
  const int64_t big = 9007199254740993; /* 2^53 + 1: no double */
  CHECK(pair(PERI_BINARY_add, big, 1) == big + 1);
  CHECK(pair(PERI_BINARY_add, INT64_MAX, 1) == INT64_MIN);
  CHECK(pair(PERI_BINARY_sub, INT64_MIN, 1) == INT64_MAX);
  CHECK(pair(PERI_BINARY_mul, big, 3) == big * 3);
  CHECK(pair(PERI_BINARY_div, 7, -2) == -3 && pair(PERI_BINARY_div, 7, 0) == 0);
  CHECK(pair(PERI_BINARY_div, INT64_MIN, -1) == INT64_MIN);
  static const int64_t cases[][4] = {{7, 2, 3, 1}, {-7, 2, -4, 1}, {7, -2, -4, -1}, {-7, -2, 3, -1}, {6, 3, 2, 0},
                                     {-6, 3, -2, 0}, {5, 0, 0, 0}, {INT64_MIN, -1, INT64_MIN, 0}, {0, 5, 0, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) { /* as Lua's // and % */
    CHECK(pair(PERI_BINARY_idiv, cases[i][0], cases[i][1]) == cases[i][2]);
    CHECK(pair(PERI_BINARY_mod, cases[i][0], cases[i][1]) == cases[i][3]);
  }
  CHECK(pair(PERI_BINARY_pow, 3, 39) == 4052555153018976267 && pair(PERI_BINARY_pow, -2, 3) == -8);
  CHECK(pair(PERI_BINARY_pow, 0, 0) == 1 && pair(PERI_BINARY_pow, 2, -1) == 0 && pair(PERI_BINARY_pow, -1, -3) == -1);
  CHECK(pair(PERI_BINARY_maximum, big, big - 1) == big && pair(PERI_BINARY_minimum, -big, -big + 1) == -big);
  CHECK(byte_pair(PERI_BINARY_add, 250, 10) == 4 && byte_pair(PERI_BINARY_sub, 1, 2) == 255);
  CHECK(byte_pair(PERI_BINARY_idiv, 200, 7) == 28 && byte_pair(PERI_BINARY_mod, 200, 7) == 4);
  CHECK(byte_pair(PERI_BINARY_idiv, 200, 0) == 0 && byte_pair(PERI_BINARY_mod, 200, 0) == 0);
}

static void test_integer_functions(void) {
  CHECK(one(PERI_UNARY_neg, INT64_MIN, 0) == INT64_MIN && one(PERI_UNARY_abs, INT64_MIN, 0) == INT64_MIN);
  CHECK(one(PERI_UNARY_neg, 5, 0) == -5 && one(PERI_UNARY_abs, -5, 0) == 5 && one(PERI_UNARY_sign, -5, 0) == -1);
  CHECK(one(PERI_UNARY_round, 9007199254740993, 0) == 9007199254740993);
  CHECK(one(PERI_UNARY_relu, -3, 0) == 0 && one(PERI_UNARY_square, 3037000500, 0) == -9223372036709301616);
  CHECK(one(PERI_UNARY_clamp_min, 2, 2.5) == 3 && one(PERI_UNARY_clamp_max, 3, 2.5) == 2);
  CHECK(one(PERI_UNARY_sqrt, 17, 0) == 4 && one(PERI_UNARY_exp, 100, 0) == INT64_MAX);
  CHECK(one(PERI_UNARY_log, -1, 0) == 0);
  int64_t y[3] = {1, 2, 3}, x[3] = {10, 20, 9007199254740993};
  const peri_kernels *k = peri_kernels_of(PERI_I64);
  k->axpy(3, 2, x, y);
  CHECK(y[0] == 21 && y[1] == 42 && y[2] == 3 + 2 * 9007199254740993);
  k->axpy(1, 0.5, x, y);
  CHECK(y[0] == 26);
  k->fill(3, y, NAN);
  CHECK(y[0] == 0);
  k->fill(3, y, -1e30);
  CHECK(y[2] == INT64_MIN);
  uint8_t bytes[3];
  peri_kernels_of(PERI_U8)->fill(3, bytes, 300);
  CHECK(bytes[0] == 255);
  peri_kernels_of(PERI_U8)->fill(3, bytes, -1);
  CHECK(bytes[0] == 0);
}

static void test_integer_reductions(void) {
  const int64_t x[6] = {4, -2, 9007199254740993, 9007199254740992, 7, 9007199254740993};
  int64_t y[3], place[3];
  const peri_kernels *k = peri_kernels_of(PERI_I64);
  k->reduce(PERI_SUM, 1, 6, 1, x, y);
  CHECK(y[0] == 3 * 9007199254740992 + 11);
  k->reduce(PERI_MAX, 1, 3, 2, x, y);
  CHECK(y[0] == 9007199254740993 && y[1] == 9007199254740993);
  k->argreduce(PERI_MAX, 1, 6, 1, x, place);
  CHECK(place[0] == 2);
  k->argreduce(PERI_MIN, 2, 3, 1, x, place);
  CHECK(place[0] == 1 && place[1] == 1);
  k->reduce(PERI_MIN, 1, 0, 1, x, y);
  CHECK(y[0] == INT64_MAX);
  k->reduce(PERI_PROD, 3, 0, 1, x, y);
  CHECK(y[0] == 1 && y[2] == 1);
  k->cumsum(1, 3, 2, x, (int64_t[6]){0});
  uint8_t truth;
  k->compare(PERI_COMPARE_gt, 1, x + 2, 1, x + 3, 1, &truth); /* they differ beyond a double's digits */
  CHECK(truth == 1);
  peri_matmul p = {.m = 1, .n = 1, .k = 2, .a_row = 2, .a_col = 1, .b_row = 1, .b_col = 1, .c_row = 1};
  const int64_t a[2] = {9007199254740993, 2}, b[2] = {3, 1};
  CHECK(k->matmul(&p, a, b, y) == PERI_OK && y[0] == 3 * 9007199254740993 + 2);
}

/* ---------------------------------------------------------------- interruption and memory */

static const peri_window small_window = {.n = 3, .h = 20, .w = 20, .c = 3, .oh = 18, .ow = 18, .oc = 5, .kh = 3,
                                         .kw = 3, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .groups = 1};

enum { ENTRIES = 11 };
static float x[1 << 14], w[1 << 14], y[1 << 14], z[1 << 14];
static uint8_t winner[1 << 14];

/* Runs the i-th entry that reports a status; 0 when there is no such entry. */
static int run_entry(const peri_kernels *k, int i, int *status) {
  peri_matmul p = {.m = 40, .n = 40, .k = 40, .a_row = 1, .a_col = 40, .b_row = 1, .b_col = 40, .c_row = 40};
  peri_conv_pool f = {.conv = small_window, .pool_h = 2, .pool_w = 2, .ph = 9, .pw = 9};
  peri_norm norm = {.rows = 100, .c = 10, .h = 5, .w = 5, .pool_h = 2, .pool_w = 2, .mean = w, .inv = w, .gamma = w};
  switch (i) {
  case 0: *status = k->matmul(&p, x, w, y); return 1;
  case 1: *status = k->conv(&small_window, x, w, NULL, 0, y); return 1;
  case 2: *status = k->conv_backward_input(&small_window, x, w, y); return 1;
  case 3: *status = k->conv_backward_kernel(&small_window, x, w, y, z); return 1;
  case 4: *status = k->conv_pool(&f, x, w, NULL, y, winner); return 1;
  case 5: *status = k->conv_pool_backward_input(&f, x, winner, w, y); return 1;
  case 6: *status = k->conv_pool_backward_kernel(&f, x, w, winner, y, z); return 1;
  case 7: *status = k->channel_moments(100, 10, x, y, z); return 1;
  case 8: *status = k->channel_normalise_backward(&norm, x, NULL, w, y, NULL, z, z + 100); return 1;
  case 9: *status = k->row_normalise_backward(100, 10, x, w, w, w, w, y, z, z + 100); return 1;
  case 10: *status = k->channel_normalise_pool_backward(&norm, x, w, winner, w, y, z, z + 100); return 1;
  default: return 0;
  }
}

static void test_interruption(const char *isa) {
  const peri_kernels *k = peri_kernels_for_isa(isa, PERI_F32);
  int status;
  peri_interrupt_raise();
  for (int i = 0; k && i < 7; i++) {
    run_entry(k, i, &status);
    if (status != PERI_EINTERRUPT) printf("entry %d of %s is not interrupted\n", i, isa);
    CHECK(status == PERI_EINTERRUPT);
  }
  peri_interrupt_clear();
  for (int i = 0; k && run_entry(k, i, &status); i++) CHECK(status == PERI_OK);
}

/* Each entry with its 1st, 2nd, ... allocation failing, until none fails; nothing may be left behind. */
static void test_memory(const char *isa) {
#ifdef PERILUNE_FAULTS
  const peri_kernels *k = peri_kernels_for_isa(isa, PERI_F32);
  int status;
  for (int i = 0; k && i < ENTRIES; i++)
    for (uint64_t nth = 1;; nth++) {
      uint64_t live = peri_memory_live();
      peri_memory_fail_at(nth);
      run_entry(k, i, &status);
      peri_memory_fail_at(0);
      CHECK(status == PERI_OK || status == PERI_ENOMEM);
      CHECK(peri_memory_live() == live);
      if (status == PERI_OK || nth > 50) break;
    }
#else
  (void)isa;
#endif
}

int main(void) {
  test_choice();
  test_filled();
  test_integer_pairs();
  test_integer_functions();
  test_integer_reductions();
  static const char *const sets[] = {"reference", "baseline", "avx2", "avx512"};
  for (int i = 0; i < 4; i++) {
    test_interruption(sets[i]);
    test_memory(sets[i]);
  }
  if (failures) printf("%d failures\n", failures);
  return failures ? 1 : 0;
}
