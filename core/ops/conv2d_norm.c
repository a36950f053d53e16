/* conv2d_norm.c - convolution and batch normalisation in one op, with what may stand behind them: an addition, a ReLU,
   a max-pool (see batch_norm.c). Sequential and Residual put it where the layers stand in that order.

   What is kept between the passes is the convolution's result. A bias before a normalisation moves the mean only: its
   gradient is 0. */
#include "ops/batch_norm.h"
#include "ops/window.h"

enum { X, KERNEL, BIAS, GAMMA, BETA, SKIP, STRIDE, PADDING, DILATION, GROUPS, EPSILON, RELU, POOL };
enum { CONVOLVED, INV, TOP, WINNER }; /* aux */

static peri_tensor *optional(const peri_value *v) { return v->given ? v->tensor : NULL; }

static int window_of(peri_window *g, const peri_call *c) {
  const peri_value *a = c->arg;
  return peri__conv_window(g, c->op->name, a[X].tensor, a[KERNEL].tensor, optional(&a[BIAS]), &a[STRIDE], a[PADDING].integer,
                           &a[DILATION], a[GROUPS].integer);
}

static peri__norm_spec spec_of(const peri_call *c) {
  const peri_value *a = c->arg;
  return (peri__norm_spec){.op = c->op->name, .x = c->aux[CONVOLVED], .gamma = optional(&a[GAMMA]), .beta = optional(&a[BETA]),
                           .skip = optional(&a[SKIP]), .epsilon = a[EPSILON].number, .relu = a[RELU].boolean, .pool = &a[POOL]};
}

static int convolve(peri_call *c, const peri_window *g) {
  peri_tensor *x = NULL, *kernel = NULL, *bias = NULL;
  int status = peri_tensor_contiguous_of(&x, c->arg[X].tensor);
  if (status >= 0) status = peri_tensor_contiguous_of(&kernel, c->arg[KERNEL].tensor);
  if (status >= 0 && c->arg[BIAS].given) status = peri_tensor_contiguous_of(&bias, c->arg[BIAS].tensor);
  if (status >= 0) status = peri_tensor_new(&c->aux[CONVOLVED], x->dtype, 4, (int64_t[]){g->n, g->oh, g->ow, g->oc});
  if (status >= 0) {
    status = peri_kernels_of(x->dtype)->conv(g, peri_tensor_data(x), peri_tensor_data(kernel), bias ? peri_tensor_data(bias) : NULL,
                                             0, peri_tensor_data(c->aux[CONVOLVED]));
  }
  peri_tensor_release(x);
  peri_tensor_release(kernel);
  peri_tensor_release(bias);
  return status;
}

static int forward(peri_call *c) {
  peri_window g;
  peri__norm_trace t = {0};
  PERI_TRY(window_of(&g, c));
  peri__norm_spec s = spec_of(c);
  PERI_TRY(peri__norm_check(&s, c->arg[X].tensor->dtype, 4, (int64_t[]){g.n, g.oh, g.ow, g.oc}));
  PERI_TRY(convolve(c, &g));
  s.x = c->aux[CONVOLVED];
  int status = peri__norm_forward(&s, &t, &c->out[2]);
  c->out[0] = t.y;
  c->out[1] = t.mean;
  c->outs = 3;
  c->aux[INV] = t.inv;
  c->aux[TOP] = t.top;
  c->aux[WINNER] = t.winner;
  return status;
}

static int through_convolution(peri_call *c, const peri_tensor *dz, peri_tensor **grad_in) {
  peri_window g;
  peri_tensor *x = NULL, *kernel = NULL;
  const peri_kernels *k = peri_kernels_of(dz->dtype);
  PERI_TRY(window_of(&g, c));
  int status = PERI_OK;
  if (peri_wants(c, KERNEL)) {
    status = peri_tensor_contiguous_of(&x, c->arg[X].tensor);
    if (status >= 0) status = peri_tensor_new(&grad_in[KERNEL], dz->dtype, 4, c->arg[KERNEL].tensor->shape);
    if (status >= 0) status = k->conv_backward_kernel(&g, peri_tensor_data(x), peri_tensor_data(dz), peri_tensor_data(grad_in[KERNEL]), NULL);
  }
  if (status >= 0 && peri_wants(c, BIAS)) status = peri_tensor_zeros(&grad_in[BIAS], dz->dtype, 1, &g.oc);
  if (status >= 0 && peri_wants(c, X)) {
    status = peri_tensor_contiguous_of(&kernel, c->arg[KERNEL].tensor);
    if (status >= 0) status = peri_tensor_new(&grad_in[X], dz->dtype, 4, c->arg[X].tensor->shape);
    if (status >= 0) status = k->conv_backward_input(&g, peri_tensor_data(dz), peri_tensor_data(kernel), peri_tensor_data(grad_in[X]));
  }
  peri_tensor_release(x);
  peri_tensor_release(kernel);
  return status;
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  peri_tensor *dz = NULL, *dgamma = NULL, *dbeta = NULL;
  if (!grad_out[0]) return PERI_OK;
  peri__norm_spec s = spec_of(c);
  peri__norm_trace t = {.y = c->out[0], .mean = c->out[1], .inv = c->aux[INV], .top = c->aux[TOP], .winner = c->aux[WINNER]};
  int status = peri__norm_backward(&s, &t, grad_out[0], &dz, &dgamma, &dbeta, &grad_in[SKIP]);
  if (status >= 0 && c->arg[GAMMA].given) grad_in[GAMMA] = peri_tensor_retain(dgamma);
  if (status >= 0 && c->arg[BETA].given) grad_in[BETA] = peri_tensor_retain(dbeta);
  if (status >= 0) status = through_convolution(c, dz, grad_in);
  peri_tensor_release(dz);
  peri_tensor_release(dgamma);
  peri_tensor_release(dbeta);
  return status;
}

const peri_op peri_op_conv2d_norm = {
    .name = "conv2d_norm",
    .signature = "x: tensor, kernel: tensor, bias: tensor?, gamma: tensor?, beta: tensor?, skip: tensor?, "
                 "stride/strides: pair = 1, padding: valid|same = valid, dilation/dilation_rate: pair = 1, groups: int = 1, "
                 "epsilon: number = 0.001, relu: bool = false, pool: pair?",
    .doc = "batch_norm(conv2d(x, kernel) + bias, gamma, beta), and in the same pass, where asked for: plus skip (of the result's "
           "shape), clamped at 0, and the largest of each window of a pool that does not overlap. Gives the result, the mean and "
           "the biased variance; gradients flow through the first only.",
    .example = "randn(2, 5, 4, 2), randn(3, 2, 2, 3), randn(3), randn(3), randn(3), {relu = true}; "
               "randn(2, 6, 5, 2), randn(3, 3, 2, 3), {gamma = randn(3), relu = true, pool = 2, padding = 'same'}; "
               "randn(2, 4, 4, 2), randn(3, 3, 2, 2), {skip = randn(2, 4, 4, 2), relu = true, padding = 'same', beta = randn(2)}; "
               "randn(3, 5, 5, 2), randn(3, 3, 1, 2), {groups = 2, stride = 2}",
    .forward = forward,
    .backward = backward,
    .outs = 3,
    .keep_args = 1 << X | 1 << KERNEL | 1 << GAMMA | 1 << BETA,
    .keep_outs = 1 << 0 | 1 << 1,
    .constant_outs = 6};
