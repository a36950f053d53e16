/* elementwise.c - unary, binary, compare, axpy, fill: every row, odd sizes, strides, special values,
   and the error in units in the last place. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check_kernels/check.h"

static const char *const unary_names[] = {
#define PERI_UNARY(name, ...) #name,
#include "kernels/elementwise.def"
};
static const char *const binary_names[] = {
#define PERI_BINARY(name, ...) #name,
#include "kernels/elementwise.def"
};
static const char *const compare_names[] = {
#define PERI_COMPARE(name, ...) #name,
#include "kernels/elementwise.def"
};

/* Sizes around vectors and around the pieces that work is cut into. */
static const int64_t sizes[] = {0, 1, 3, 4, 7, 8, 15, 16, 17, 33, 100, 1000, 32768, 32769, 70001};
enum { SIZES = sizeof sizes / sizeof *sizes };

static const double specials[] = {0.0,     -0.0,     1,    -1,    0.5,   -0.5,    2,       -2,     INFINITY, -INFINITY,
                                  NAN,     FLT_MAX,  -FLT_MAX, FLT_MIN, -FLT_MIN, 87,   -87,   88.73,   -88.8,   103.9,
                                  -104,    1e-8,     -1e-8, 1e-20, -1e-20, 1e10,    -1e10,   3.0000001, 0.6, -0.75,
                                  0x1p-127, -0x1p-149};
enum { SPECIALS = sizeof specials / sizeof *specials };

static double flushed(double v) { return fabs(v) < FLT_MIN && check_type == PERI_F32 ? copysign(0, v) : v; }

/* --- unary --- */
/* In units in the last place: 4; gelu, whose tail is a product of an exponential and a quotient, 8. */
static double allowed(int f) { return f == PERI_UNARY_gelu ? 8 : 4; }
static double allowed_rel(int f) { return allowed(f) * 0x1p-23; }

static void run_unary(const peri_kernels *k, check_case *c) {
  k->unary((peri_unary)c->size[0], c->in[0].n, c->in[0].data, c->out[0].data, *(const double *)c->options);
}
static void run_unary_in_place(const peri_kernels *k, check_case *c) {
  k->unary((peri_unary)c->size[0], c->out[0].n, c->out[0].data, c->out[0].data, *(const double *)c->options);
}
static void run_unary_backward(const peri_kernels *k, check_case *c) {
  k->unary_backward((peri_unary)c->size[0], c->in[0].n, c->in[0].data, c->in[1].data, c->in[2].data, c->out[0].data,
                    *(const double *)c->options);
}

static void check_unary(int f) {
  static const double p = 0.3;
  check_case c;
  for (int s = 0; s < SIZES; s++) {
    check_begin(&c, "unary", run_unary);
    c.size[0] = f, c.options = &p;
    check_in(&c, sizes[s], -6, 6, 0);
    check_out(&c, CHECK_REAL, sizes[s]);
    snprintf(c.shape, sizeof c.shape, "%s, n %lld", unary_names[f], (long long)sizes[s]);
    c.rel = allowed_rel(f), c.abs = 2.4e-38;
    check_case_run(&c);

    check_begin(&c, "unary in place", run_unary_in_place);
    c.size[0] = f, c.options = &p;
    check_update(&c, sizes[s], -6, 6);
    snprintf(c.shape, sizeof c.shape, "%s, n %lld", unary_names[f], (long long)sizes[s]);
    c.rel = allowed_rel(f), c.abs = 2.4e-38;
    check_case_run(&c);

    check_begin(&c, "unary_backward", run_unary_backward);
    c.size[0] = f, c.options = &p;
    check_in(&c, sizes[s], -6, 6, 0);
    check_in(&c, sizes[s], 0.1, 0.9, 0);
    check_in(&c, sizes[s], -1, 1, 0);
    check_reference->unary((peri_unary)f, sizes[s], c.in[0].data, c.in[1].data, p);
    check_out(&c, CHECK_REAL, sizes[s]);
    snprintf(c.shape, sizeof c.shape, "%s, n %lld", unary_names[f], (long long)sizes[s]);
    c.rel = 1e-6, c.abs = 2e-7;
    check_case_run(&c);
  }
  double values[SPECIALS];
  for (int i = 0; i < SPECIALS; i++) values[i] = flushed(specials[i]);
  check_begin(&c, "unary, special values", run_unary);
  c.size[0] = f, c.options = &p;
  check_in_values(&c, SPECIALS, values);
  check_out(&c, CHECK_REAL, SPECIALS);
  snprintf(c.shape, sizeof c.shape, "%s", unary_names[f]);
  c.rel = allowed_rel(f), c.abs = 3e-37; /* silu(-88.8): e^88.8 overflows on the way to 2e-37 */
  check_case_run(&c);
}

/* The greatest error against float64 over numbers of every size, in units in the last place. */
static double worst_ulp(int f, double *where) {
  enum { N = 200000 };
  static float x[N], y[N];
  static double wide_x[N], wide_y[N];
  const peri_kernels *wide = peri_kernels_for_isa("reference", PERI_F64);
  for (int i = 0; i < N; i++) {
    double v = i % 2 ? check_uniform(-20, 20) : copysign(exp2(check_uniform(-60, 60)), check_uniform(-1, 1));
    x[i] = (float)v;
    wide_x[i] = (double)x[i];
  }
  check_fast->unary((peri_unary)f, N, x, y, 0.3);
  wide->unary((peri_unary)f, N, wide_x, wide_y, (double)0.3F);
  double worst = 0;
  for (int i = 0; i < N; i++) {
    double want = wide_y[i];
    if (!isfinite(want) || fabs(want) > 3.4e38 || fabs(want) < 1e-36) continue;
    double ulp = exp2(floor(log2(fabs(want))) - 23), error = fabs((double)y[i] - want) / ulp;
    if (error <= worst) continue;
    worst = error;
    *where = wide_x[i];
  }
  return worst;
}

static void check_ulp(void) {
  for (int f = 0; f < PERI_UNARIES; f++) {
    double where = 0, worst = worst_ulp(f, &where);
    if (check_verbose && worst > 0.51)
      printf("  %-10s %-11s %.2f ulp at %.9g\n", check_fast->isa, unary_names[f], worst, where);
    if (worst <= allowed(f)) continue;
    check_case c = {.entry = "unary"};
    snprintf(c.shape, sizeof c.shape, "%s", unary_names[f]);
    check_fail(&c, "%.1f units in the last place at %.9g, %g are allowed", worst, where, allowed(f));
  }
}

/* --- binary --- */
static void run_binary(const peri_kernels *k, check_case *c) {
  k->binary((peri_binary)c->size[0], c->size[1], c->in[0].data, c->size[2], c->in[1].data, c->size[3], c->out[0].data);
}
static void run_binary_backward(const peri_kernels *k, check_case *c) {
  k->binary_backward((peri_binary)c->size[0], (int)c->size[4], c->size[1], c->in[0].data, c->size[2], c->in[1].data,
                     c->size[3], c->in[2].data, c->in[3].data, c->out[0].data);
}
static void run_compare(const peri_kernels *k, check_case *c) {
  k->compare((peri_compare)c->size[0], c->size[1], c->in[0].data, c->size[2], c->in[1].data, c->size[3],
             c->out[0].data);
}

static void sized(check_case *c, const char *name, int f, int64_t n, int64_t sa, int64_t sb) {
  c->size[0] = f, c->size[1] = n, c->size[2] = sa, c->size[3] = sb;
  snprintf(c->shape, sizeof c->shape, "%s, n %lld, strides %lld %lld", name, (long long)n, (long long)sa,
           (long long)sb);
}

static void pair(check_case *c, int64_t n, int64_t sa, int64_t sb, double low, double high, int whole) {
  check_in(c, n ? (n - 1) * sa + 1 : 1, low, high, whole);
  check_in(c, n ? (n - 1) * sb + 1 : 1, low, high, whole);
}

static void check_binary(int f) {
  static const int64_t strides[][2] = {{1, 1}, {1, 0}, {0, 1}, {2, 1}, {1, 3}, {0, 0}, {2, 2}};
  check_case c;
  for (int s = 0; s < SIZES; s++)
    for (int t = 0; t < 7; t++) {
      int64_t n = sizes[s], sa = strides[t][0], sb = strides[t][1];
      if (n > 1000 && n != 32769 && t > 2) continue; /* what is not plain goes to the reference, piece by piece */
      check_begin(&c, "binary", run_binary);
      sized(&c, binary_names[f], f, n, sa, sb);
      pair(&c, n, sa, sb, -4, 4, s % 2);
      check_out(&c, CHECK_REAL, n);
      c.rel = 2.5e-7, c.abs = 2.4e-38;
      check_case_run(&c);
      for (int which = 0; which < 2; which++) {
        check_begin(&c, which ? "binary_backward of b" : "binary_backward of a", run_binary_backward);
        sized(&c, binary_names[f], f, n, sa, sb);
        c.size[4] = which;
        pair(&c, n, sa, sb, 0.5, 4, s % 2);
        check_in(&c, n, 0.5, 4, 0);
        check_in(&c, n, -1, 1, 0);
        check_out(&c, CHECK_REAL, n);
        c.rel = 1e-6, c.abs = 2.4e-38;
        check_case_run(&c);
      }
    }
}

static void every_pair(check_case *c) {
  double a[SPECIALS * SPECIALS], b[SPECIALS * SPECIALS];
  for (int i = 0; i < SPECIALS * SPECIALS; i++) {
    a[i] = flushed(specials[i / SPECIALS]);
    b[i] = flushed(specials[i % SPECIALS]);
  }
  check_in_values(c, SPECIALS * SPECIALS, a);
  check_in_values(c, SPECIALS * SPECIALS, b);
}

static void check_binary_specials(void) {
  check_case c;
  for (int f = 0; f < PERI_BINARIES; f++) {
    check_begin(&c, "binary, special values", run_binary);
    sized(&c, binary_names[f], f, SPECIALS * SPECIALS, 1, 1);
    every_pair(&c);
    check_out(&c, CHECK_REAL, SPECIALS * SPECIALS);
    c.rel = 2.5e-7, c.abs = 2.4e-38;
    check_case_run(&c);
  }
  for (int f = 0; f < PERI_COMPARES; f++) {
    check_begin(&c, "compare, special values", run_compare);
    sized(&c, compare_names[f], f, SPECIALS * SPECIALS, 1, 1);
    every_pair(&c);
    check_out(&c, CHECK_U8, SPECIALS * SPECIALS);
    check_case_run(&c);
  }
}

static void check_compare(int f) {
  static const int64_t strides[][2] = {{1, 1}, {1, 0}, {0, 1}, {2, 3}};
  check_case c;
  for (int s = 0; s < SIZES; s++)
    for (int t = 0; t < 4; t++) {
      check_begin(&c, "compare", run_compare);
      sized(&c, compare_names[f], f, sizes[s], strides[t][0], strides[t][1]);
      pair(&c, sizes[s], strides[t][0], strides[t][1], -3, 3, 1);
      check_out(&c, CHECK_U8, sizes[s]);
      check_case_run(&c);
    }
}

/* --- axpy, fill --- */
static void run_axpy(const peri_kernels *k, check_case *c) {
  k->axpy(c->in[0].n, *(const double *)c->options, c->in[0].data, c->out[0].data);
}
static void run_fill(const peri_kernels *k, check_case *c) {
  k->fill(c->out[0].n, c->out[0].data, *(const double *)c->options);
}

static void check_axpy_and_fill(int64_t n) {
  static const double alpha = -1.7;
  check_case c;
  check_begin(&c, "axpy", run_axpy);
  c.options = &alpha;
  check_in(&c, n, -2, 2, 0);
  check_update(&c, n, -2, 2);
  snprintf(c.shape, sizeof c.shape, "n %lld", (long long)n);
  c.rel = 2e-7, c.abs = 6e-7;
  check_case_run(&c);
  check_begin(&c, "fill", run_fill);
  c.options = &alpha;
  check_out(&c, CHECK_REAL, n);
  snprintf(c.shape, sizeof c.shape, "n %lld", (long long)n);
  c.rel = 0, c.abs = 0;
  check_case_run(&c);
}

/* --- dropout: size 0 n, 1 key, 2 position; the rate in options --- */
static void run_dropout(const peri_kernels *k, check_case *c) {
  k->dropout((uint64_t)c->size[1], (uint64_t)c->size[2], *(const double *)c->options, c->size[0], c->in[0].data,
             c->out[0].data);
}

static void dropouts(void) {
  static const double rates[] = {0, 0.3, 0.5, 1 - 0x1p-25};
  static const int64_t counts[] = {1, 3, 16, 63, 64, 65, 1000, 50000};
  for (int i = 0; i < 32; i++) {
    check_case c;
    check_begin(&c, "dropout", run_dropout);
    c.options = &rates[i & 3];
    c.size[0] = counts[i >> 2];
    c.size[1] = check_integer(0, INT64_MAX - 1);
    c.size[2] = i & 1 ? check_integer(0, INT64_MAX - 1) : UINT32_MAX - 5; /* the counter's carry */
    snprintf(c.shape, sizeof c.shape, "%lld numbers, rate %g", (long long)c.size[0], rates[i & 3]);
    check_in(&c, c.size[0], -1, 1, 0);
    check_out(&c, CHECK_REAL, c.size[0]);
    c.rel = 3e-7, c.abs = 0;
    check_case_run(&c);
  }
}

void check_elementwise(void) {
  if (CHECK_OWN(dropout)) dropouts();
  if (CHECK_OWN(unary) || CHECK_OWN(unary_backward))
    for (int f = 0; f < PERI_UNARIES; f++) check_unary(f);
  if (CHECK_OWN(unary) && check_type == PERI_F32) check_ulp();
  if (CHECK_OWN(binary) || CHECK_OWN(binary_backward)) {
    for (int f = 0; f < PERI_BINARIES; f++) check_binary(f);
    check_binary_specials();
  }
  if (CHECK_OWN(compare))
    for (int f = 0; f < PERI_COMPARES; f++) check_compare(f);
  if (CHECK_OWN(axpy) || CHECK_OWN(fill))
    for (int s = 0; s < SIZES; s++) check_axpy_and_fill(sizes[s]);
}
