/* conv2d.c - convolution layers: Conv2D, kernel (h, w, in / groups, filters), and DepthwiseConv2D, which gives
   each channel its own filters, kernel (h, w, in, multiplier). */
#include <math.h>

#include "layers/conv2d.h"
#include "ops/window.h"

enum { FILTERS, KERNEL, STRIDE, PADDING, DILATION, GROUPS, ACTIVATION, USE_BIAS, KERNEL_INIT, BIAS_INIT };

/* The op's own geometry on a stand-in for one image; a layer's kernel, stride, padding and dilation stand from argument
   `first` on. */
static int window_of(const peri_layer *l, peri_window *g, int64_t filters, int first, int64_t groups) {
  const peri_value *a = l->arg + first;
  peri_tensor image = {.ndim = 4, .shape = {1, l->in.at[0], l->in.at[1], l->in.at[2]}};
  return peri__window(g, l->type->name, &image, a[0].ints.at[0], a[0].ints.at[1], filters, &a[1], a[2].integer, &a[3], groups);
}

static int output_size(peri_layer *l, int64_t filters, int first) {
  peri_window g;
  PERI_TRY(window_of(l, &g, filters, first, 1));
  l->out = (peri_shape){3, {g.oh, g.ow, filters}};
  return PERI_OK;
}

static int build(peri_layer *l) {
  const peri_value *a = l->arg;
  PERI_TRY(peri__want_input(l, 3, "images (H, W, C)"));
  int64_t filters = a[FILTERS].integer, groups = a[GROUPS].integer, channels = l->in.at[2];
  if (filters < 1) return peri_fail(PERI_EARG, "Conv2D: filters must be at least 1, got %lld", (long long)filters);
  if (groups < 1 || channels % groups || filters % groups) {
    return peri_fail(PERI_EARG, "Conv2D: groups = %lld must divide both the %lld input channels and the %lld filters",
                     (long long)groups, (long long)channels, (long long)filters);
  }
  PERI_TRY(output_size(l, filters, KERNEL));
  int64_t shape[4] = {a[KERNEL].ints.at[0], a[KERNEL].ints.at[1], channels / groups, filters};
  PERI_TRY(peri_layer_weight(l, "kernel", 4, shape, peri__layer_choice(l, KERNEL_INIT), false));
  if (!a[USE_BIAS].boolean) return PERI_OK;
  return peri_layer_weight(l, "bias", 1, &filters, peri__layer_choice(l, BIAS_INIT), false);
}

static peri_tensor *bias_of(const peri_layer *l) { return l->weights > 1 ? l->weight[1].tensor : NULL; }

static int plain_forward(peri_layer *l, int64_t activation, peri_tensor **out, peri_tensor *x) {
  const peri_value *a = l->arg;
  bool relu = activation == PERI_RELU; /* clamped by the convolution itself */
  peri_tensor *y;
  PERI_TRY(PERI_CALL(&y, peri_op_conv2d, PERI_T(x), PERI_T(l->weight[0].tensor), PERI_T(bias_of(l)), a[STRIDE], a[PADDING],
                     a[DILATION], a[GROUPS], PERI_B(relu)));
  return peri__activate(out, y, relu ? PERI_LINEAR : activation, NAN);
}

static int forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  (void)training;
  return plain_forward(l, l->arg[ACTIVATION].integer, out, x);
}

int peri__conv2d_pool_forward(peri_layer *l, peri_value pool, peri_tensor **out, peri_tensor *x) {
  const peri_value *a = l->arg;
  int count = PERI_CALL(out, peri_op_conv2d_pool, PERI_T(x), PERI_T(l->weight[0].tensor), PERI_T(bias_of(l)), a[STRIDE],
                        a[PADDING], a[DILATION], a[GROUPS], pool);
  return count < 0 ? count : PERI_OK;
}

const peri_layer_type peri_layer_Conv2D = {
    .name = "Conv2D",
    .signature = "filters: int, kernel/kernel_size: pair, stride/strides: pair = 1, padding: valid|same = valid, "
                 "dilation/dilation_rate: pair = 1, groups: int = 1, activation: " PERI_ACTIVATIONS " = linear, "
                 "use_bias/bias: bool = true, kernel_initializer: " PERI_INITIALISERS " = glorot_uniform, "
                 "bias_initializer: " PERI_INITIALISERS " = zeros",
    .doc = "Filters that slide over images: (N, H, W, C) -> (N, H', W', filters). \"same\" pads so that H' = ceil(H / stride).",
    .example = "{4, kernel = 3, stride = 2, padding = \"same\", activation = \"relu\"} on 6, 5, 2",
    .keras = "Conv2D",
    .build = build,
    .forward = forward};

/* --- depthwise: a convolution with as many groups as channels --- */

enum { D_KERNEL, D_STRIDE, D_PADDING, D_DILATION, D_MULTIPLIER, D_ACTIVATION, D_USE_BIAS, D_KERNEL_INIT, D_BIAS_INIT };

static int depthwise_build(peri_layer *l) {
  const peri_value *a = l->arg;
  PERI_TRY(peri__want_input(l, 3, "images (H, W, C)"));
  int64_t channels = l->in.at[2], multiplier = a[D_MULTIPLIER].integer, filters = channels * multiplier;
  if (multiplier < 1) return peri_fail(PERI_EARG, "DepthwiseConv2D: depth_multiplier must be at least 1, got %lld", (long long)multiplier);
  PERI_TRY(output_size(l, filters, D_KERNEL));
  int64_t shape[4] = {a[D_KERNEL].ints.at[0], a[D_KERNEL].ints.at[1], channels, multiplier};
  PERI_TRY(peri_layer_weight(l, "kernel", 4, shape, peri__layer_choice(l, D_KERNEL_INIT), false));
  if (!a[D_USE_BIAS].boolean) return PERI_OK;
  return peri_layer_weight(l, "bias", 1, &filters, peri__layer_choice(l, D_BIAS_INIT), false);
}

/* (h, w, in, multiplier) is, as it lies in memory, (h, w, 1, in multiplier): a kernel of `in` groups. */
static int grouped_forward(peri_layer *l, int64_t activation, peri_tensor **out, peri_tensor *x) {
  const peri_value *a = l->arg;
  const peri_tensor *kernel = l->weight[0].tensor;
  peri_value shape = {.given = true, .ints = {4, {kernel->shape[0], kernel->shape[1], 1, kernel->shape[2] * kernel->shape[3]}}};
  bool relu = activation == PERI_RELU;
  peri_tensor *grouped, *y;
  PERI_TRY(PERI_CALL(&grouped, peri_op_reshape, PERI_T(l->weight[0].tensor), shape));
  int status = PERI_CALL(&y, peri_op_conv2d, PERI_T(x), PERI_T(grouped), PERI_T(bias_of(l)), a[D_STRIDE], a[D_PADDING],
                         a[D_DILATION], PERI_I(l->in.at[2]), PERI_B(relu));
  peri_tensor_release(grouped);
  return status < 0 ? status : peri__activate(out, y, relu ? PERI_LINEAR : activation, NAN);
}

static int depthwise_forward(peri_layer *l, peri_tensor **out, peri_tensor *x, bool training) {
  (void)training;
  return grouped_forward(l, l->arg[D_ACTIVATION].integer, out, x);
}

const peri_layer_type peri_layer_DepthwiseConv2D = {
    .name = "DepthwiseConv2D",
    .signature = "kernel/kernel_size: pair, stride/strides: pair = 1, padding: valid|same = valid, "
                 "dilation/dilation_rate: pair = 1, depth_multiplier: int = 1, activation: " PERI_ACTIVATIONS " = linear, "
                 "use_bias/bias: bool = true, kernel_initializer/depthwise_initializer: " PERI_INITIALISERS " = glorot_uniform, "
                 "bias_initializer: " PERI_INITIALISERS " = zeros",
    .doc = "Convolves each channel with its own filters: (N, H, W, C) -> (N, H', W', C depth_multiplier).",
    .example = "{3, depth_multiplier = 2, padding = \"same\"} on 5, 5, 2",
    .keras = "DepthwiseConv2D",
    .build = depthwise_build,
    .forward = depthwise_forward};

/* --- for fused runs --- */

int64_t peri__conv2d_activation(const peri_layer *l) {
  return l->arg[l->type == &peri_layer_DepthwiseConv2D ? (int)D_ACTIVATION : (int)ACTIVATION].integer;
}

int peri__conv2d_forward(peri_layer *l, int64_t activation, peri_tensor **out, peri_tensor *x) {
  return (l->type == &peri_layer_DepthwiseConv2D ? grouped_forward : plain_forward)(l, activation, out, x);
}

int peri__conv2d_window(const peri_layer *l, peri_window *g) {
  bool depthwise = l->type == &peri_layer_DepthwiseConv2D;
  return window_of(l, g, l->out.at[2], depthwise ? (int)D_KERNEL : (int)KERNEL, depthwise ? l->in.at[2] : l->arg[GROUPS].integer);
}

/* kernel scale, bias scale + shift: what a convolution and fixed moments make together */
static int fold(const peri_layer *l, const peri_layer *norm, peri_tensor **kernel, peri_tensor **bias) {
  peri_tensor *scale, *shift, *scaled = NULL;
  *kernel = *bias = NULL;
  PERI_TRY(peri__batch_norm_fold(norm, &scale, &shift));
  int status = PERI_CALL(kernel, peri_op_mul, PERI_T(l->weight[0].tensor), PERI_T(scale));
  if (status >= 0 && bias_of(l)) {
    status = PERI_CALL(&scaled, peri_op_mul, PERI_T(bias_of(l)), PERI_T(scale));
    if (status >= 0) status = PERI_CALL(bias, peri_op_add, PERI_T(scaled), PERI_T(shift));
  } else if (status >= 0) {
    *bias = peri_tensor_retain(shift);
  }
  peri_tensor_release(scale);
  peri_tensor_release(shift);
  peri_tensor_release(scaled);
  return status;
}

static int norm_infer(const peri_layer *l, const peri_layer *norm, const peri__tail *tail, peri_tensor **out, peri_tensor *x) {
  const peri_value *a = l->arg;
  peri_tensor *kernel, *bias, *y = NULL;
  bool relu = tail->relu && !tail->skip;
  int status = fold(l, norm, &kernel, &bias);
  if (status >= 0 && tail->pool.given) {
    status = PERI_CALL(out, peri_op_conv2d_pool, PERI_T(x), PERI_T(kernel), PERI_T(bias), a[STRIDE], a[PADDING], a[DILATION],
                       a[GROUPS], tail->pool);
  } else if (status >= 0) {
    status = PERI_CALL(&y, peri_op_conv2d, PERI_T(x), PERI_T(kernel), PERI_T(bias), a[STRIDE], a[PADDING], a[DILATION],
                       a[GROUPS], PERI_B(relu));
    peri__tail rest = {.skip = tail->skip, .relu = tail->relu && !relu};
    if (status >= 0) status = peri__tail_forward(&rest, out, y);
  }
  peri_tensor_release(kernel);
  peri_tensor_release(bias);
  return status < 0 ? status : PERI_OK;
}

int peri__conv2d_norm_forward(peri_layer *l, peri_layer *norm, const peri__tail *tail, peri_tensor **out, peri_tensor *x,
                              bool training) {
  if (!peri__batch_norm_learns(norm, training)) return norm_infer(l, norm, tail, out, x);
  const peri_value *a = l->arg;
  peri_value gamma, beta, epsilon;
  peri_tensor *results[3];
  peri__batch_norm_arguments(norm, &gamma, &beta, &epsilon);
  PERI_TRY(PERI_CALL(results, peri_op_conv2d_norm, PERI_T(x), PERI_T(l->weight[0].tensor), PERI_T(bias_of(l)), gamma, beta,
                     PERI_T(tail->skip), a[STRIDE], a[PADDING], a[DILATION], a[GROUPS], epsilon, PERI_B(tail->relu), tail->pool));
  peri__batch_norm_follow(norm, results);
  *out = results[0];
  return PERI_OK;
}
