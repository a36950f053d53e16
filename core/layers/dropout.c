/* dropout.c - drops elements in training, does nothing otherwise. */
#include "layers/layers.h"
#include "ops/ops.h"

static int build(peri_layer *l) {
  double rate = l->arg[0].number;
  if (!(rate >= 0 && rate < 1)) return peri_fail(PERI_EARG, "Dropout: the rate must be in [0, 1), got %g", rate);
  l->out = l->in;
  return PERI_OK;
}

static int forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  if (!training || l->arg[0].number == 0) {
    *out = peri_tensor_retain(x);
    return PERI_OK;
  }
  int count = PERI_CALL(out, peri_op_dropout, PERI_T(x), l->arg[0]);
  return count < 0 ? count : PERI_OK;
}

const peri_layer_type peri_layer_Dropout = {.name = "Dropout",
                                            .signature = "rate: number = 0.5",
                                            .doc = "In training sets each element to 0 with probability `rate` and scales the others by 1 / (1 - rate).",
                                            .example = "{0.3} on 4",
                                            .keras = "Dropout",
                                            .build = build,
                                            .forward = forward};
