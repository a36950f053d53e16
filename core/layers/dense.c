/* dense.c - y = activation(x kernel + bias); kernel (in, units), bias (units). */
#include <math.h>

#include "layers/layers.h"
#include "ops/ops.h"

enum { UNITS, ACTIVATION, USE_BIAS, KERNEL_INIT, BIAS_INIT };

static int build(peri_layer *l) {
  int64_t units = l->arg[UNITS].integer;
  if (units < 1) return peri_fail(PERI_EARG, "Dense: units must be at least 1, got %lld", (long long)units);
  if (l->in.ndim < 1) return peri_fail(PERI_ESHAPE, "Dense: inputs need at least one axis besides the batch");
  l->out = l->in;
  l->out.at[l->out.ndim - 1] = units;
  int64_t shape[2] = {l->in.at[l->in.ndim - 1], units};
  PERI_TRY(peri_layer_weight(l, "kernel", 2, shape, peri__layer_choice(l, KERNEL_INIT), false));
  if (!l->arg[USE_BIAS].boolean) return PERI_OK;
  return peri_layer_weight(l, "bias", 1, &units, peri__layer_choice(l, BIAS_INIT), false);
}

int64_t peri__dense_activation(const peri_layer *l) { return l->arg[ACTIVATION].integer; }

int peri__dense_forward(peri_layer *l, int64_t activation, peri_tensor **out, peri_tensor *x) {
  bool relu = activation == PERI_RELU; /* clamped by the product itself */
  peri_tensor *y;
  PERI_TRY(PERI_CALL(&y, peri_op_dense, PERI_T(x), PERI_T(l->weight[0].tensor),
                     PERI_T(l->weights > 1 ? l->weight[1].tensor : NULL), PERI_B(relu)));
  return peri__activate(out, y, relu ? PERI_LINEAR : activation, NAN);
}

static int forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  (void)training;
  return peri__dense_forward(l, l->arg[ACTIVATION].integer, out, x);
}

const peri_layer_type peri_layer_Dense = {
    .name = "Dense",
    .signature = "units: int, activation: " PERI_ACTIVATIONS " = linear, use_bias/bias: bool = true, "
                 "kernel_initializer: " PERI_INITIALISERS " = glorot_uniform, "
                 "bias_initializer: " PERI_INITIALISERS " = zeros",
    .doc = "Every output is a weighted sum of all inputs: (N, ..., in) -> (N, ..., units).",
    .example = "{3, activation = \"tanh\"} on 4",
    .keras = "Dense",
    .build = build,
    .forward = forward};
