/* dropout.c - sets elements to 0 at random and scales the others so that the mean stays (Srivastava et al. 2014). */
#include "base/rng.h"
#include "ops/ops.h"

/* The factors: 0 with probability `rate`, else 1 / (1 - rate). Uniform numbers first, then the choice. */
static void choose(peri_tensor *factors, double rate) {
  int64_t n = peri_tensor_count(factors);
  double scale = 1 / (1 - rate);
  if (factors->dtype == PERI_F32) {
    float *f = peri_tensor_data(factors);
    peri_rng_uniform_f32(peri_rng_default(), n, f, 0, 1);
    for (int64_t i = 0; i < n; i++) f[i] = (double)f[i] < rate ? 0 : (float)scale;
  } else {
    double *f = peri_tensor_data(factors);
    peri_rng_uniform_f64(peri_rng_default(), n, f, 0, 1);
    for (int64_t i = 0; i < n; i++) f[i] = f[i] < rate ? 0 : scale;
  }
}

static int times_factors(peri_tensor **out, peri_tensor *t, const peri_call *c) {
  peri_tensor *dense;
  PERI_TRY(peri_tensor_contiguous_of(&dense, t));
  int status = peri_tensor_like(out, dense);
  if (status >= 0) {
    peri_kernels_of(t->dtype)->binary(PERI_BINARY_mul, peri_tensor_count(t), peri_tensor_data(dense), 1,
                                      peri_tensor_data(c->aux[0]), 1, peri_tensor_data(*out));
  }
  peri_tensor_release(dense);
  return status;
}

static int forward(peri_call *c) {
  double rate = c->arg[1].number;
  PERI_TRY(peri__want_floating("dropout", "x", c->arg[0].tensor));
  if (!(rate >= 0 && rate < 1)) return peri_fail(PERI_EARG, "dropout: the rate must be in [0, 1), got %g", rate);
  PERI_TRY(peri_tensor_like(&c->aux[0], c->arg[0].tensor));
  choose(c->aux[0], rate);
  PERI_TRY(times_factors(&c->out[0], c->arg[0].tensor, c));
  c->outs = 1;
  return PERI_OK;
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return times_factors(&grad_in[0], grad_out[0], c);
}

const peri_op peri_op_dropout = {.name = "dropout",
                                 .signature = "x: tensor, rate: number = 0.5",
                                 .doc = "x with each element 0 with probability `rate`, else x / (1 - rate). It always drops: the layer "
                                        "nn.Dropout does so in training only.",
                                 .example = "randn(3, 4), 0.3",
                                 .forward = forward,
                                 .backward = backward,
                                 .flags = PERI_OP_RANDOM};
