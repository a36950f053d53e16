/* rows.c - softmax, cross-entropy and layer normalisation. */
#include <math.h>
#include <stdio.h>

#include "check_kernels/check.h"

static const int64_t shapes[][2] = {{1, 1},   {3, 10},   {128, 10}, {7, 16},   {5, 17},  {2, 1000}, {1, 5000},
                                    {9, 33},  {300, 3},  {1000, 1}, {64, 128}, {33, 65}, {2000, 32}, {5, 70}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void sized(check_case *c, const char *entry, void (*run)(const peri_kernels *, check_case *), int s) {
  check_begin(c, entry, run);
  c->size[0] = shapes[s][0];
  c->size[1] = shapes[s][1];
  snprintf(c->shape, sizeof c->shape, "%lld rows of %lld", (long long)shapes[s][0], (long long)shapes[s][1]);
}

/* --- softmax and its kin: rows, cols, in, out --- */
static void run_softmax(const peri_kernels *k, check_case *c) {
  k->softmax(c->size[0], c->size[1], c->in[0].data, c->out[0].data);
}
static void run_log_softmax(const peri_kernels *k, check_case *c) {
  k->log_softmax(c->size[0], c->size[1], c->in[0].data, c->out[0].data);
}
static void run_softmax_backward(const peri_kernels *k, check_case *c) {
  k->softmax_backward(c->size[0], c->size[1], c->in[0].data, c->in[1].data, c->out[0].data);
}
static void run_log_softmax_backward(const peri_kernels *k, check_case *c) {
  k->log_softmax_backward(c->size[0], c->size[1], c->in[0].data, c->in[1].data, c->out[0].data);
}

static void forwards(int s, double reach, int poison) {
  check_case c;
  int64_t n = shapes[s][0] * shapes[s][1];
  for (int which = 0; which < 2; which++) {
    sized(&c, which ? "log_softmax" : "softmax", which ? run_log_softmax : run_softmax, s);
    check_in(&c, n, -reach, reach, 0);
    if (poison) check_set(&c.in[0], check_integer(0, n - 1), poison == 1 ? -INFINITY : poison == 2 ? NAN : INFINITY);
    check_out(&c, CHECK_REAL, n);
    c.rel = 2e-6, c.abs = which ? 2e-7 * (1 + reach) : 1e-7;
    check_case_run(&c);
  }
}

static void backwards(int s) {
  check_case c;
  int64_t n = shapes[s][0] * shapes[s][1];
  for (int which = 0; which < 2; which++) {
    sized(&c, which ? "log_softmax_backward" : "softmax_backward",
          which ? run_log_softmax_backward : run_softmax_backward, s);
    check_in(&c, n, -1, 1, 0);
    check_in(&c, n, -1, 1, 0);
    if (which) check_reference->log_softmax(shapes[s][0], shapes[s][1], c.in[1].data, c.in[0].data);
    else check_reference->softmax(shapes[s][0], shapes[s][1], c.in[1].data, c.in[0].data);
    check_out(&c, CHECK_REAL, n);
    c.rel = 2e-6, c.abs = 1e-6;
    check_case_run(&c);
  }
}

/* --- cross-entropy: in 0 x or p, in 1 target or labels (size[2]), in 2 dloss; options the smoothing --- */
static void run_cross_entropy(const peri_kernels *k, check_case *c) {
  k->cross_entropy(c->size[0], c->size[1], c->in[0].data, c->size[2] ? c->in[1].data : NULL,
                   c->size[2] ? NULL : c->in[1].data, *(const double *)c->options, c->out[0].data, c->out[1].data);
}
static void run_cross_entropy_backward(const peri_kernels *k, check_case *c) {
  k->cross_entropy_backward(c->size[0], c->size[1], c->in[0].data, c->size[2] ? c->in[1].data : NULL,
                            c->size[2] ? NULL : c->in[1].data, *(const double *)c->options, c->in[2].data,
                            c->out[0].data);
}

static void entropies(int s, int labelled, const double *smoothing, int poison) {
  int64_t rows = shapes[s][0], cols = shapes[s][1];
  check_case c;
  for (int back = 0; back < 2; back++) {
    sized(&c, back ? "cross_entropy_backward" : "cross_entropy", back ? run_cross_entropy_backward : run_cross_entropy,
          s);
    snprintf(c.shape, sizeof c.shape, "%lld rows of %lld, %s, smoothing %g", (long long)rows, (long long)cols,
             labelled ? "labels" : "dense", *smoothing);
    c.size[2] = labelled;
    c.options = smoothing;
    check_in(&c, rows * cols, back ? 0 : -9, back ? 1 : 9, 0);
    if (poison && !back) check_set(&c.in[0], check_integer(0, rows * cols - 1), NAN);
    if (labelled) check_in_kind(&c, CHECK_I64, rows, 0, cols - 1);
    else check_in(&c, rows * cols, 0, 1.4, 1); /* zeros and ones */
    if (back) check_in(&c, rows, -1, 1, 0);
    check_out(&c, CHECK_REAL, back ? rows * cols : rows);
    if (!back) check_out(&c, CHECK_REAL, rows * cols);
    c.rel = 2e-6, c.abs = 2e-6 * (back ? 1 : sqrt((double)cols));
    check_case_run(&c);
  }
}

/* --- norms --- */
static void run_row(const peri_kernels *k, check_case *c) {
  k->row_normalise(c->size[0], c->size[1], c->in[0].data, c->size[2] ? NULL : c->in[1].data,
                   c->size[2] ? NULL : c->in[2].data, 1e-3, c->out[0].data, c->out[1].data, c->out[2].data);
}
static void run_row_backward(const peri_kernels *k, check_case *c) {
  c->status = k->row_normalise_backward(c->size[0], c->size[1], c->in[0].data, c->in[1].data, c->in[2].data,
                                        c->size[2] ? NULL : c->in[3].data, c->in[4].data,
                                        c->size[3] ? NULL : c->out[2].data, c->out[0].data, c->out[1].data);
}

static void norms(int s, int plain, int no_dx) {
  int64_t rows = shapes[s][0], cols = shapes[s][1], n = rows * cols;
  check_case c;
  sized(&c, "row_normalise", run_row, s);
  c.size[2] = plain;
  check_in(&c, n, 4, 6, 0);
  check_in(&c, cols, 0.5, 2, 0);
  check_in(&c, cols, -1, 1, 0);
  check_out(&c, CHECK_REAL, n);
  check_out(&c, CHECK_REAL, rows);
  check_out(&c, CHECK_REAL, rows);
  c.rel = 3e-6, c.abs = 3e-5; /* x near 5 less its mean: an error of 2^-22 times inv, up to 30, and gamma */
  check_case_run(&c);

  sized(&c, "row_normalise_backward", run_row_backward, s);
  c.size[2] = plain;
  c.size[3] = no_dx;
  check_in(&c, n, 4, 6, 0);
  check_in(&c, rows, 4, 6, 0);
  check_in(&c, rows, 0.5, 2, 0);
  check_in(&c, cols, 0.5, 2, 0);
  check_in(&c, n, -1, 1, 0);
  check_out(&c, CHECK_REAL, cols);
  check_out(&c, CHECK_REAL, cols);
  check_out(&c, CHECK_REAL, n);
  c.rel = 3e-6, c.abs = 1e-6 * (1 + sqrt((double)rows));
  check_case_run(&c);
}

void check_rows(void) {
  static const double smoothings[] = {0, 0.1};
  for (int s = 0; s < SHAPES; s++) {
    if (CHECK_OWN(softmax) || CHECK_OWN(log_softmax)) {
      forwards(s, 5, 0);
      forwards(s, 90, 0);
      for (int poison = 1; poison <= 3; poison++) forwards(s, 5, poison);
    }
    if (CHECK_OWN(softmax_backward) || CHECK_OWN(log_softmax_backward)) backwards(s);
    for (int i = 0; (CHECK_OWN(cross_entropy) || CHECK_OWN(cross_entropy_backward)) && i < 8; i++)
      entropies(s, i & 1, &smoothings[i >> 1 & 1], i >> 2);
    for (int i = 0; CHECK_OWN(row_normalise) && i < 4; i++) norms(s, i & 1, i >> 1);
  }
}
