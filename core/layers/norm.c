/* norm.c - BatchNorm and LayerNorm, with Keras' defaults. */
#include "layers/norm.h"

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
static void follow(peri_tensor *moving, const peri_tensor *batch, double momentum) {
  int64_t n = peri_tensor_count(moving);
  const peri_kernels *k = peri_kernels_of(moving->dtype);
  k->axpy(n, momentum - 1, peri_tensor_data(moving), peri_tensor_data(moving));
  k->axpy(n, 1 - momentum, peri_tensor_data(batch), peri_tensor_data(moving));
  peri_tensor_touch(moving);
}

void peri__batch_norm_follow(peri_layer *l, peri_tensor **results) {
  for (int i = 0; i < 2; i++) {
    follow(l->weight[l->weights - 2 + i].tensor, results[1 + i], l->arg[MOMENTUM].number);
    peri_tensor_release(results[1 + i]);
  }
}

bool peri__batch_norm_learns(const peri_layer *l, bool training) { return training && l->trainable; }

void peri__batch_norm_arguments(const peri_layer *l, peri_value *gamma, peri_value *beta, peri_value *epsilon) {
  bool scale = l->arg[SCALE].boolean;
  *gamma = weight(l, 0, scale);
  *beta = weight(l, scale, l->arg[CENTER].boolean);
  *epsilon = l->arg[EPSILON];
}

/* scale = gamma / sqrt(variance + epsilon), shift = beta - mean scale */
int peri__batch_norm_fold(const peri_layer *l, peri_tensor **scale, peri_tensor **shift) {
  peri_tensor *mean = l->weight[l->weights - 2].tensor, *variance = l->weight[l->weights - 1].tensor;
  peri_tensor *small = NULL, *sum = NULL, *inv = NULL, *centre = NULL;
  peri_value gamma, beta, epsilon;
  peri__batch_norm_arguments(l, &gamma, &beta, &epsilon);
  *scale = *shift = NULL;
  int status = peri_tensor_full(&small, variance->dtype, 0, NULL, epsilon.number);
  if (status >= 0) status = PERI_CALL(&sum, peri_op_add, PERI_T(variance), PERI_T(small));
  if (status >= 0) status = PERI_CALL(&inv, peri_op_rsqrt, PERI_T(sum));
  if (status >= 0 && gamma.given) status = PERI_CALL(scale, peri_op_mul, PERI_T(inv), gamma);
  else if (status >= 0) *scale = peri_tensor_retain(inv);
  if (status >= 0) status = PERI_CALL(&centre, peri_op_mul, PERI_T(mean), PERI_T(*scale));
  if (status >= 0 && beta.given) status = PERI_CALL(shift, peri_op_sub, beta, PERI_T(centre));
  else if (status >= 0) status = PERI_CALL(shift, peri_op_neg, PERI_T(centre));
  peri_tensor *all[] = {small, sum, inv, centre};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) peri_tensor_release(all[i]);
  if (status >= 0) return PERI_OK;
  peri_tensor_release(*scale);
  peri_tensor_release(*shift);
  return status;
}

int peri__tail_forward(const peri__tail *tail, peri_tensor **out, peri_tensor *y) {
  int status = PERI_OK;
  for (int part = 0; part < 3 && status >= 0; part++) {
    peri_tensor *next = NULL;
    if (part == 0 && tail->skip) status = PERI_CALL(&next, peri_op_add, PERI_T(y), PERI_T(tail->skip));
    else if (part == 1 && tail->relu) status = PERI_CALL(&next, peri_op_relu, PERI_T(y));
    else if (part == 2 && tail->pool.given) status = PERI_CALL(&next, peri_op_max_pool2d, PERI_T(y), tail->pool);
    else continue;
    peri_tensor_release(y);
    y = next;
  }
  if (status < 0) return status; /* y was released with the part that failed */
  *out = y;
  return PERI_OK;
}

static int infer(const peri_layer *l, const peri__tail *tail, peri_tensor **out, peri_tensor *x) {
  peri_tensor *scale, *shift, *scaled = NULL, *y = NULL;
  PERI_TRY(peri__batch_norm_fold(l, &scale, &shift));
  int status = PERI_CALL(&scaled, peri_op_mul, PERI_T(x), PERI_T(scale));
  if (status >= 0) status = PERI_CALL(&y, peri_op_add, PERI_T(scaled), PERI_T(shift));
  peri_tensor_release(scale);
  peri_tensor_release(shift);
  peri_tensor_release(scaled);
  return status < 0 ? status : peri__tail_forward(tail, out, y);
}

int peri__batch_norm_forward(peri_layer *l, const peri__tail *tail, peri_tensor **out, peri_tensor *x, bool training) {
  if (!peri__batch_norm_learns(l, training)) return infer(l, tail, out, x);
  peri_tensor *results[3];
  peri_value gamma, beta, epsilon;
  peri__batch_norm_arguments(l, &gamma, &beta, &epsilon);
  PERI_TRY(PERI_CALL(results, peri_op_batch_norm, PERI_T(x), gamma, beta, epsilon, PERI_B(tail->relu), PERI_T(tail->skip),
                     tail->pool));
  peri__batch_norm_follow(l, results);
  *out = results[0];
  return PERI_OK;
}

static int batch_forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  return peri__batch_norm_forward(l, &(peri__tail){0}, out, x, training);
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
