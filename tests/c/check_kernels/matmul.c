/* matmul.c - the matrix product: every transposition, odd sizes, accumulation, bias, ReLU, gaps. */
#include <math.h>
#include <stdio.h>

#include "check_kernels/check.h"

typedef struct problem {
  peri_matmul p;
  int bias;
} problem;

static void run_matmul(const peri_kernels *k, check_case *c) {
  problem q = *(const problem *)c->options;
  q.p.bias = q.bias ? c->in[2].data : NULL;
  c->status = k->matmul(&q.p, c->in[0].data, c->in[1].data, c->out[0].data);
}

/* Numbers from the first element of a matrix to its last. */
static int64_t extent(int64_t rows, int64_t row, int64_t cols, int64_t col) {
  return rows && cols ? (rows - 1) * row + (cols - 1) * col + 1 : 0;
}

static void check_one(int64_t m, int64_t n, int64_t k, int form, int gap) {
  check_case c;
  problem q = {.p = {.m = m, .n = n, .k = k}};
  int a_turned = form & 1, b_turned = form >> 1 & 1;
  q.p.accumulate = form >> 2 & 1;
  q.bias = form >> 3 & 1;
  q.p.relu = form >> 4 & 1;
  q.p.a_row = a_turned ? 1 : k + gap, q.p.a_col = a_turned ? m + gap : 1;
  q.p.b_row = b_turned ? 1 : n + gap, q.p.b_col = b_turned ? k + gap : 1;
  q.p.c_row = n + gap;
  check_begin(&c, "matmul", run_matmul);
  snprintf(c.shape, sizeof c.shape, "%lld x %lld x %lld%s%s%s%s%s, gap %d", (long long)m, (long long)n, (long long)k,
           a_turned ? ", a turned" : "", b_turned ? ", b turned" : "", q.p.accumulate ? ", accumulate" : "",
           q.bias ? ", bias" : "", q.p.relu ? ", relu" : "", gap);
  c.options = &q;
  c.operands = 3;
  c.either = q.p.m <= 2; /* reading B is all that takes time */
  check_in(&c, extent(m, q.p.a_row, k, q.p.a_col), -1, 1, 0);
  check_in(&c, extent(k, q.p.b_row, n, q.p.b_col), -1, 1, 0);
  check_in(&c, n, -1, 1, 0);
  check_update(&c, extent(m, q.p.c_row, n, 1), -1, 1); /* gaps between rows must stay as they are */
  c.rel = 1e-6, c.abs = 1e-6 * sqrt((double)k + 1);
  check_case_run(&c);
}

/* Strides that are no plain transposition: every second element of each. */
static void check_strided(int64_t m, int64_t n, int64_t k) {
  check_case c;
  problem q = {.p = {.m = m, .n = n, .k = k, .a_row = 2 * k + 3, .a_col = 2, .b_row = 2 * n + 1, .b_col = 2}};
  q.p.c_row = n;
  check_begin(&c, "matmul", run_matmul);
  snprintf(c.shape, sizeof c.shape, "%lld x %lld x %lld, both strides above 1", (long long)m, (long long)n,
           (long long)k);
  c.options = &q;
  c.operands = 3;
  c.either = q.p.m <= 2; /* reading B is all that takes time */
  check_in(&c, extent(m, q.p.a_row, k, 2), -1, 1, 0);
  check_in(&c, extent(k, q.p.b_row, n, 2), -1, 1, 0);
  check_in(&c, n, -1, 1, 0);
  check_update(&c, m * n, -1, 1);
  c.abs = 1e-6 * sqrt((double)k + 1);
  check_case_run(&c);
}

/* A NaN in row 1 of A and an infinity in row 2 reach their rows of C and no others. */
static void check_special(int64_t m, int64_t n, int64_t k) {
  check_case c;
  problem q = {.p = {.m = m, .n = n, .k = k, .a_row = k, .a_col = 1, .b_row = n, .b_col = 1, .c_row = n}};
  check_begin(&c, "matmul", run_matmul);
  snprintf(c.shape, sizeof c.shape, "%lld x %lld x %lld with NaN and inf", (long long)m, (long long)n, (long long)k);
  c.options = &q;
  c.operands = 3;
  c.either = q.p.m <= 2; /* reading B is all that takes time */
  check_in(&c, m * k, -1, 1, 0);
  check_in(&c, k * n, 0.5, 1, 0);
  check_in(&c, n, -1, 1, 0);
  check_set(&c.in[0], k + k / 2, NAN);
  check_set(&c.in[0], 2 * k + k / 3, INFINITY);
  check_update(&c, m * n, NAN, NAN); /* not accumulating: what was there must not matter */
  c.abs = 1e-6 * sqrt((double)k + 1);
  check_case_run(&c);
}

/* Numbers at the ends of what bfloat16 holds: halfway between two, denormal, rounding up to infinity; one row of A
   for each, times a B of ones and zeros, so that every output is one of them. */
static void check_rounding(void) {
  static const double values[] = {1 + 0x1p-8, 1 + 0x3p-8, 1 + 0x1p-8 + 0x1p-20, 1 + 0x1p-8 - 0x1p-20, 0x1.fep0, 0x1.ffp0,
                                  -0x1.01p-100, 0x1p-126, 0x1.8p-130, -0x1p-149, 0x1.fefffep127, 0x1.ffp127, -0x1.fffffep127, 0};
  enum { VALUES = sizeof values / sizeof *values };
  for (int turned = 0; turned < 2; turned++) {
    check_case c;
    problem q = {.p = {.m = VALUES, .n = 40, .k = 35, .a_row = turned ? 1 : 35, .a_col = turned ? VALUES : 1, .b_row = 40,
                       .b_col = 1, .c_row = 40}};
    check_begin(&c, "matmul", run_matmul);
    snprintf(c.shape, sizeof c.shape, "rounding%s", turned ? ", a turned" : "");
    c.options = &q;
    c.operands = 3;
    check_in(&c, VALUES * 35, 0, 0, 0);
    check_in(&c, 35 * 40, 0, 0, 0);
    check_in(&c, 40, 0, 0, 0);
    for (int i = 0; i < VALUES; i++) check_set(&c.in[0], i * q.p.a_row + i % 35 * q.p.a_col, values[i]);
    for (int64_t i = 0; i < 35 * 40; i++) check_set(&c.in[1], i, isfinite(values[i / 40 % VALUES]));
    check_out(&c, CHECK_REAL, VALUES * 40);
    c.rel = 0, c.abs = 0x1p-126; /* a denormal sum may be 0 */
    check_case_run(&c);
  }
}

void check_matmul(void) {
  static const int64_t sizes[][3] = {{1, 1, 1},    {1, 10, 7},   {5, 1, 9},    {3, 4, 0},    {0, 4, 3},   {7, 17, 5},
                                     {16, 16, 16}, {13, 33, 64}, {31, 65, 47}, {64, 48, 128}, {128, 10, 128},
                                     {100, 130, 300}, {1, 300, 500}, {300, 1, 129}, {257, 96, 33}};
  if (!CHECK_OWN(matmul)) return;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int form = 0; form < 32; form++) {
      if (sizes[s][0] * sizes[s][1] * sizes[s][2] > 500000 && form % 5 && form > 3) continue;
      check_one(sizes[s][0], sizes[s][1], sizes[s][2], form, 0);
      if (form < 8) check_one(sizes[s][0], sizes[s][1], sizes[s][2], form, 3);
    }
  for (int i = 0; i < 30; i++)
    check_one(check_integer(1, 90), check_integer(1, 90), check_integer(1, 200), (int)check_integer(0, 31),
              (int)check_integer(0, 2));
  check_one(150, 90, 1100, 0, 0);
  check_one(600, 520, 70, 3, 0);
  check_one(300, 5, 0, 8, 0); /* no k: the bias alone, in several pieces */
  for (int form = 0; form < 32; form++) { /* computed as C^T: B turned and few rows, a narrow C of a turned A */
    check_one(30 + form, 150, 270, form | 2, form % 3);
    check_one(70 + form, 3 + form % 14, 61, form | 1, form % 3);
  }
  for (int form = 0; form < 32; form++) { /* few rows or a short k: rows of B, scaled and added */
    check_one(1 + form % 2, 5 + 37 * form, 300 + form, form, form % 3);
    check_one(300 + form, 3 + 21 * form, 1 + form % 2, form, form % 3);
  }
  check_one(5, 40, 1100, 2, 0);
  check_one(2000, 10, 1100, 31, 1); /* shares of k, turned */
  check_strided(19, 35, 22);
  check_strided(65, 17, 90);
  check_special(5, 9, 13);
  check_special(70, 66, 130);
  if (check_bf16) check_rounding();
}
