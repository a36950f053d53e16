/* norm.c - BatchNorm and LayerNorm, with Keras' defaults. */
#include "layers/layers.h"
#include "ops/ops.h"

/* gamma and beta, where wanted, as the layer's first weights. */
static int add_affine(peri_layer *l, bool scale, bool center) {
  int64_t c = l->in.ndim ? l->in.at[l->in.ndim - 1] : 0;
  if (c < 1) return peri_fail(PERI_ESHAPE, "%s wants inputs with at least one channel, got shape %s", l->type->name, peri_shape_text(l->in.ndim, l->in.at));
  l->out = l->in;
  if (scale) PERI_TRY(peri_layer_weight(l, "gamma", 1, &c, "ones", false));
  if (center) PERI_TRY(peri_layer_weight(l, "beta", 1, &c, "zeros", false));
  return PERI_OK;
}

static peri_value weight(const peri_layer *l, int at, bool there) { return PERI_T(there ? l->weight[at].tensor : NULL); }

/* --- BatchNorm --- */

enum { MOMENTUM, EPSILON, SCALE, CENTER };

static int batch_build(peri_layer *l) {
  PERI_TRY(add_affine(l, l->arg[SCALE].boolean, l->arg[CENTER].boolean));
  int64_t c = l->in.at[l->in.ndim - 1];
  PERI_TRY(peri_layer_weight(l, "moving_mean", 1, &c, "zeros", true));
  return peri_layer_weight(l, "moving_variance", 1, &c, "ones", true);
}

/* moving = momentum moving + (1 - momentum) batch */
static int follow(peri_tensor *moving, const peri_tensor *batch, double momentum) {
  int64_t n = peri_tensor_count(moving);
  const peri_kernels *k = peri_kernels_of(moving->dtype);
  k->axpy(n, momentum - 1, peri_tensor_data(moving), peri_tensor_data(moving));
  k->axpy(n, 1 - momentum, peri_tensor_data(batch), peri_tensor_data(moving));
  peri_tensor_touch(moving);
  return PERI_OK;
}

/* With fixed moments: y = (x - mean) (rsqrt(variance + epsilon) gamma) + beta. */
static int batch_infer(peri_layer *l, peri_tensor **out, peri_tensor *x, peri_value gamma, peri_value beta) {
  const peri_weight *moments = &l->weight[l->weights - 2];
  peri_tensor *epsilon = NULL, *shifted = NULL, *inv = NULL, *scale = NULL, *centred = NULL, *scaled = NULL;
  int status = peri_tensor_full(&epsilon, x->dtype, 0, NULL, l->arg[EPSILON].number);
  if (status >= 0) status = PERI_CALL(&shifted, peri_op_add, PERI_T(moments[1].tensor), PERI_T(epsilon));
  if (status >= 0) status = PERI_CALL(&inv, peri_op_rsqrt, PERI_T(shifted));
  if (status >= 0) {
    if (gamma.given) status = PERI_CALL(&scale, peri_op_mul, PERI_T(inv), gamma);
    else scale = peri_tensor_retain(inv);
  }
  if (status >= 0) status = PERI_CALL(&centred, peri_op_sub, PERI_T(x), PERI_T(moments[0].tensor));
  if (status >= 0) status = PERI_CALL(&scaled, peri_op_mul, PERI_T(centred), PERI_T(scale));
  if (status >= 0) {
    if (beta.given) status = PERI_CALL(out, peri_op_add, PERI_T(scaled), beta);
    else *out = peri_tensor_retain(scaled);
  }
  peri_tensor *all[] = {epsilon, shifted, inv, scale, centred, scaled};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) peri_tensor_release(all[i]);
  return status < 0 ? status : PERI_OK;
}

/* A frozen layer keeps its moments in training too, as Keras has it. */
static int batch_forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  bool scale = l->arg[SCALE].boolean, center = l->arg[CENTER].boolean;
  peri_value gamma = weight(l, 0, scale), beta = weight(l, scale, center);
  if (!training || !l->trainable) return batch_infer(l, out, x, gamma, beta);
  peri_tensor *results[3];
  PERI_TRY(PERI_CALL(results, peri_op_batch_norm, PERI_T(x), gamma, beta, l->arg[EPSILON]));
  for (int i = 0; i < 2; i++) {
    follow(l->weight[l->weights - 2 + i].tensor, results[1 + i], l->arg[MOMENTUM].number);
    peri_tensor_release(results[1 + i]);
  }
  *out = results[0];
  return PERI_OK;
}

const peri_layer_type peri_layer_BatchNorm = {
    .name = "BatchNorm",
    .signature = "momentum: number = 0.99, epsilon: number = 0.001, scale: bool = true, center: bool = true",
    .doc = "Normalises each channel by the batch's mean and variance in training, by their running averages otherwise.",
    .example = "{} on 3, 2, 4",
    .keras = "BatchNormalization",
    .build = batch_build,
    .forward = batch_forward};

/* --- LayerNorm --- */

static int layer_build(peri_layer *l) { return add_affine(l, l->arg[1].boolean, l->arg[2].boolean); }

static int layer_forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  (void)training;
  bool scale = l->arg[1].boolean, center = l->arg[2].boolean;
  int count = PERI_CALL(out, peri_op_layer_norm, PERI_T(x), weight(l, 0, scale), weight(l, scale, center), l->arg[0]);
  return count < 0 ? count : PERI_OK;
}

const peri_layer_type peri_layer_LayerNorm = {.name = "LayerNorm",
                                              .signature = "epsilon: number = 0.001, scale: bool = true, center: bool = true",
                                              .doc = "Normalises the last axis of each sample by its own mean and variance.",
                                              .example = "{} on 3, 4",
                                              .keras = "LayerNormalization",
                                              .build = layer_build,
                                              .forward = layer_forward};
