/* activation.c - a function of each element (or, softmax, of each row), by name; also as a part of other layers. */
#include <math.h>

#include "layers/layers.h"
#include "ops/ops.h"

static const peri_op *const activations[] = {
    [PERI_RELU] = &peri_op_relu,       [PERI_LEAKY_RELU] = &peri_op_leaky_relu, [PERI_ELU] = &peri_op_elu,
    [PERI_GELU] = &peri_op_gelu,       [PERI_SILU] = &peri_op_silu,             [PERI_SIGMOID] = &peri_op_sigmoid,
    [PERI_TANH] = &peri_op_tanh,       [PERI_SOFTPLUS] = &peri_op_softplus,     [PERI_SOFTMAX] = &peri_op_softmax};

int peri__activate(peri_tensor **out, peri_tensor *x, int64_t activation, double parameter) {
  if (activation == PERI_LINEAR) {
    *out = x;
    return PERI_OK;
  }
  bool takes = activation == PERI_LEAKY_RELU || activation == PERI_ELU;
  peri_value arg[2] = {PERI_T(x), takes && !isnan(parameter) ? PERI_N(parameter) : PERI_ABSENT};
  int status = peri_apply(activations[activation], takes ? 2 : 1, arg, out);
  peri_tensor_release(x);
  return status < 0 ? status : PERI_OK;
}

static int build(peri_layer *l) {
  l->out = l->in;
  return PERI_OK;
}

static int forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  (void)training;
  double parameter = l->arg[1].given ? l->arg[1].number : NAN;
  return peri__activate(out, peri_tensor_retain(x), l->arg[0].integer, parameter);
}

const peri_layer_type peri_layer_Activation = {
    .name = "Activation",
    .signature = "activation: " PERI_ACTIVATIONS ", alpha/slope/negative_slope: number?",
    .doc = "Applies an activation; alpha is leaky_relu's slope (default 0.2) or elu's scale (default 1).",
    .example = "{\"gelu\"} on 5",
    .keras = "Activation",
    .build = build,
    .forward = forward};
