/* dropout.c - sets elements to 0 at random and scales the others so that the mean stays (Srivastava et al. 2014).

   What was drawn is not kept: backward draws it again from the generator's key and position. */
#include "base/rng.h"
#include "ops/ops.h"

/* The place in the stream, kept as a tensor. */
static int new_place(peri_tensor **out, const peri_tensor *x) {
  uint64_t per_block = x->dtype == PERI_F32 ? 4 : 2, n = (uint64_t)peri_tensor_count(x); /* numbers of a block */
  peri_rng *rng = peri_rng_default();
  int64_t place[2] = {(int64_t)rng->key, (int64_t)peri_rng_reserve(rng, (n + per_block - 1) / per_block)};
  return peri_tensor_from(out, PERI_I64, 1, (int64_t[]){2}, place);
}

static int drop(peri_tensor **out, peri_tensor *t, const peri_call *c) {
  const int64_t *place = peri_tensor_data(c->aux[0]);
  peri_tensor *dense;
  PERI_TRY(peri_tensor_contiguous_of(&dense, t));
  int status = peri_tensor_like(out, dense);
  if (status >= 0) {
    peri_kernels_of(t->dtype)->dropout((uint64_t)place[0], (uint64_t)place[1], c->arg[1].number, peri_tensor_count(t),
                                       peri_tensor_data(dense), peri_tensor_data(*out));
  }
  peri_tensor_release(dense);
  return status;
}

static int forward(peri_call *c) {
  double rate = c->arg[1].number;
  PERI_TRY(peri__want_floating("dropout", "x", c->arg[0].tensor));
  if (!(rate >= 0 && rate < 1)) return peri_fail(PERI_EARG, "dropout: the rate must be in [0, 1), got %g", rate);
  PERI_TRY(new_place(&c->aux[0], c->arg[0].tensor));
  PERI_TRY(drop(&c->out[0], c->arg[0].tensor, c));
  c->outs = 1;
  return PERI_OK;
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return drop(&grad_in[0], grad_out[0], c);
}

const peri_op peri_op_dropout = {.name = "dropout",
                                 .signature = "x: tensor, rate: number = 0.5",
                                 .doc = "x with each element 0 with probability `rate`, else x / (1 - rate). It always drops: the layer "
                                        "nn.Dropout does so in training only.",
                                 .example = "randn(3, 4), 0.3",
                                 .forward = forward,
                                 .backward = backward,
                                 .flags = PERI_OP_RANDOM};
