/* reduce.c - reductions, their places, running sums and sums of squares. */
#include <math.h>
#include <stdio.h>

#include "check_kernels/check.h"

static void run_reduce(const peri_kernels *k, check_case *c) {
  k->reduce((peri_reduce)c->size[0], c->size[1], c->size[2], c->size[3], c->in[0].data, c->out[0].data);
}
static void run_argreduce(const peri_kernels *k, check_case *c) {
  k->argreduce((peri_reduce)c->size[0], c->size[1], c->size[2], c->size[3], c->in[0].data, c->out[0].data);
}
static void run_cumsum(const peri_kernels *k, check_case *c) {
  k->cumsum(c->size[1], c->size[2], c->size[3], c->in[0].data, c->out[0].data);
}
static void run_sum_squares(const peri_kernels *k, check_case *c) {
  check_set(&c->out[0], 0, k->sum_squares(c->in[0].n, c->in[0].data));
}

static void sized(check_case *c, const char *entry, void (*run)(const peri_kernels *, check_case *), int f,
                  const int64_t *shape) {
  static const char *const names[] = {"sum", "product", "max", "min"};
  check_begin(c, entry, run);
  c->size[0] = f;
  for (int i = 0; i < 3; i++) c->size[i + 1] = shape[i];
  snprintf(c->shape, sizeof c->shape, "%s, %lld x %lld x %lld", names[f], (long long)shape[0], (long long)shape[1],
           (long long)shape[2]);
}

static void check_shape(const int64_t *shape, int poison) {
  int64_t n = shape[0] * shape[1] * shape[2], outs = shape[0] * shape[2];
  check_case c;
  for (int f = 0; f < PERI_REDUCES; f++) {
    sized(&c, "reduce", run_reduce, f, shape);
    int in = f == PERI_PROD ? check_in(&c, n, 0.9, 1.1, 0) : check_in(&c, n, -1, 1, 0);
    for (int64_t i = 0; poison && i < 3 && n; i++)
      check_set(&c.in[in], check_integer(0, n - 1), i == 2 ? NAN : i ? -INFINITY : INFINITY);
    check_out(&c, CHECK_REAL, outs);
    c.rel = 2e-7, c.abs = f == PERI_SUM ? 2e-7 * sqrt((double)shape[1]) : 0;
    check_case_run(&c);
  }
  for (int f = PERI_MAX; shape[1] && f <= PERI_MIN; f++) { /* whole numbers: many equals, the first wins */
    sized(&c, "argreduce", run_argreduce, f, shape);
    int in = check_in(&c, n, -9, 9, 1);
    for (int64_t i = 0; poison && i < 3 && n; i++)
      check_set(&c.in[in], check_integer(0, n - 1), i == 2 ? NAN : i ? -INFINITY : INFINITY);
    check_out(&c, CHECK_I64, outs);
    check_case_run(&c);
  }
  sized(&c, "cumsum", run_cumsum, 0, shape);
  check_in(&c, n, -1, 1, 0);
  check_out(&c, CHECK_REAL, n);
  c.abs = 2e-7 * sqrt((double)shape[1]);
  check_case_run(&c);
}

void check_reduce(void) {
  static const int64_t shapes[][3] = {{1, 1, 1},    {1, 0, 3},   {3, 7, 1},     {5, 16, 1},     {2, 100, 1},
                                      {1, 1000, 1}, {1, 65536, 1}, {2, 70001, 1}, {1, 300001, 1}, {300, 33, 1},
                                      {1, 9, 5},    {4, 3, 17},  {2, 130, 33},  {1, 500, 10},   {3, 65, 200},
                                      {1, 3, 5000}, {40, 10, 1}, {9, 512, 1},   {2, 513, 3},    {0, 4, 4}};
  if (CHECK_OWN(reduce) || CHECK_OWN(argreduce) || CHECK_OWN(cumsum))
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
      for (int poison = 0; poison < 2; poison++) check_shape(shapes[s], poison);
  static const int64_t sizes[] = {0, 1, 5, 31, 1000, 32768, 100003};
  for (int s = 0; CHECK_OWN(sum_squares) && s < 7; s++) {
    check_case c;
    check_begin(&c, "sum_squares", run_sum_squares);
    snprintf(c.shape, sizeof c.shape, "n %lld", (long long)sizes[s]);
    check_in(&c, sizes[s], -3, 3, 0);
    check_out(&c, CHECK_REAL, 1);
    c.rel = 1.3e-7, c.abs = 0;
    check_case_run(&c);
  }
}
