/* draw.c - random draws whose chances are tensors: bernoulli, multinomial. */
#include <math.h>

#include "base/memory.h"
#include "base/rng.h"
#include "ops/ops.h"

/* --- bernoulli --- */

static int bernoulli_forward(peri_call *c) {
  peri_tensor *chances = NULL, *drawn = NULL, *x = c->arg[0].tensor;
  PERI_TRY(peri__want_floating("bernoulli", "p", x));
  int status = peri_tensor_cast(&chances, x, PERI_F64);
  if (status >= 0) status = peri_tensor_like(&drawn, chances);
  int64_t n = peri_tensor_count(x);
  const double *p = status >= 0 ? peri_tensor_data(chances) : NULL;
  for (int64_t i = 0; i < n && status >= 0; i++) {
    if (!(p[i] >= 0 && p[i] <= 1)) status = peri_fail(PERI_EARG, "bernoulli: a chance is in [0, 1], one is %g", p[i]);
  }
  if (status >= 0) {
    double *u = peri_tensor_data(drawn);
    peri_rng_uniform_f64(peri_rng_default(), n, u, 0, 1);
    for (int64_t i = 0; i < n; i++) u[i] = u[i] < p[i];
    status = peri_tensor_cast(&c->out[0], drawn, x->dtype);
  }
  if (status >= 0) c->outs = 1;
  peri_tensor_release(chances);
  peri_tensor_release(drawn);
  return status;
}
const peri_op peri_op_bernoulli = {.name = "bernoulli",
                                   .signature = "p: tensor",
                                   .doc = "1 with the chance that each element of p gives, else 0, in p's type.",
                                   .example = "rand(2, 3)",
                                   .forward = bernoulli_forward,
                                   .flags = PERI_OP_RANDOM};

/* --- multinomial --- */

static int check_weights(const double *w, int64_t rows, int64_t k, int64_t n, bool again) {
  for (int64_t r = 0; r < rows; r++) {
    int64_t positive = 0;
    double total = 0;
    for (int64_t i = 0; i < k; i++) {
      double here = w[r * k + i];
      if (!(here >= 0 && isfinite(here))) return peri_fail(PERI_EARG, "multinomial: a weight is %g; weights are finite and not negative", here);
      positive += here > 0;
      total += here;
    }
    if (!isfinite(total)) return peri_fail(PERI_EARG, "multinomial: the sum of the weights is too large");
    if (n > 0 && positive < (again ? 1 : n)) {
      return peri_fail(PERI_EARG, "multinomial: %lld weights are positive, not enough for %lld draws %s replacement",
                       (long long)positive, (long long)n, again ? "with" : "without");
    }
  }
  return PERI_OK;
}

/* With replacement: the first place whose running sum passes a uniform number. */
static int draw_again(const double *w, int64_t rows, int64_t k, int64_t n, int64_t *out) {
  double *sum = peri_alloc(sizeof *sum * (size_t)(k + 1));
  if (!sum) return PERI_ENOMEM;
  for (int64_t r = 0; r < rows; r++) {
    double total = 0;
    for (int64_t i = 0; i < k; i++) sum[i] = total += w[r * k + i];
    for (int64_t d = 0; d < n; d++) {
      double u = peri_rng_double(peri_rng_default()) * total;
      int64_t low = 0, high = k - 1;
      while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (sum[middle] > u) high = middle;
        else low = middle + 1;
      }
      while (low > 0 && w[r * k + low] == 0) low--; /* u rounded up to the total */
      out[r * n + d] = low + 1;
    }
  }
  peri_free(sum);
  return PERI_OK;
}

/* Without replacement: each place waits an exponential time of its weight; the first n to arrive are drawn
   (Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006). */
static int draw_apart(peri_tensor *w, int64_t n, peri_tensor **positions) {
  peri_tensor *wait = NULL, *out[2] = {NULL, NULL};
  PERI_TRY(peri_tensor_like(&wait, w));
  double *time = peri_tensor_data(wait);
  const double *weight = peri_tensor_data(w);
  peri_rng_uniform_f64(peri_rng_default(), peri_tensor_count(w), time, 0, 1);
  for (int64_t i = 0; i < peri_tensor_count(w); i++) time[i] = weight[i] > 0 ? -log1p(-time[i]) / weight[i] : NAN;
  int status = PERI_CALL(out, peri_op_topk, PERI_T(wait), PERI_I(n), PERI_I(-1), PERI_B(false));
  peri_tensor_release(wait);
  peri_tensor_release(out[0]);
  if (status >= 0) *positions = out[1];
  return status;
}

static int multinomial_forward(peri_call *c) {
  peri_tensor *x = c->arg[0].tensor, *w = NULL;
  int64_t n = c->arg[1].integer;
  bool again = c->arg[2].boolean;
  PERI_TRY(peri__want_floating("multinomial", "weights", x));
  if (x->ndim < 1 || x->ndim > 2 || x->shape[x->ndim - 1] < 1) {
    return peri_fail(PERI_ESHAPE, "multinomial: weights are a vector or rows of at least one, not %s", peri_tensor_text(x));
  }
  if (n < 0) return peri_fail(PERI_EARG, "multinomial: the number of draws must not be negative, got %lld", (long long)n);
  int64_t k = x->shape[x->ndim - 1], rows = x->ndim == 2 ? x->shape[0] : 1, shape[2] = {rows, n};
  PERI_TRY(peri_tensor_cast(&w, x, PERI_F64));
  int status = check_weights(peri_tensor_data(w), rows, k, n, again);
  if (status >= 0 && again) {
    status = peri_tensor_new(&c->out[0], PERI_I64, x->ndim, x->ndim == 2 ? shape : shape + 1);
    if (status >= 0) status = draw_again(peri_tensor_data(w), rows, k, n, peri_tensor_data(c->out[0]));
  } else if (status >= 0) {
    status = draw_apart(w, n, &c->out[0]);
  }
  if (status >= 0) c->outs = 1;
  peri_tensor_release(w);
  return status < 0 ? status : PERI_OK;
}
const peri_op peri_op_multinomial = {
    .name = "multinomial",
    .signature = "weights: tensor, n/num_samples: int, replacement: bool = false",
    .doc = "n positions (int64, from 1) drawn with the chances that a vector of weights, or each row of them, gives; the "
           "weights need not sum to 1.",
    .example = "rand(5), 3; rand(2, 5), 3, true",
    .forward = multinomial_forward,
    .flags = PERI_OP_RANDOM};
