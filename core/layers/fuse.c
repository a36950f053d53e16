/* fuse.c - the table of fusions. A row's matcher and forward stand together; helpers say what a layer is. */
#include "layers/fuse.h"

#include <math.h>

#include "layers/conv2d.h"

/* --- on or off --- */

static _Thread_local bool enabled = true;

bool peri_fusion_enabled(void) { return enabled; }
bool peri_fusion_set_enabled(bool wanted) {
  bool before = enabled;
  enabled = wanted;
  return before;
}

/* --- what a layer is --- */

static bool is_relu(const peri_layer *l) { return l->type == &peri_layer_Activation && l->arg[0].integer == PERI_RELU; }

static bool is_conv2d(const peri_layer *l, int64_t activation) {
  return l->type == &peri_layer_Conv2D && peri__conv2d_activation(l) == activation;
}

/* --- conv2d_pool: Conv2D, ReLU (its own, or a layer behind it), and a max-pool whose windows do not overlap --- */

static int conv_pool_match(const peri_layer *l, int at, int to, bool training) {
  (void)training;
  peri_layer *const *child = l->child + at;
  if (at + 1 < to && is_conv2d(child[0], PERI_RELU) && peri__pool2d_tiles(child[1])) return 2;
  if (at + 2 < to && is_conv2d(child[0], PERI_LINEAR) && is_relu(child[1]) && peri__pool2d_tiles(child[2])) return 3;
  return 0;
}

static int conv_pool_forward(peri_layer *l, int at, int run, peri_tensor **out, peri_tensor *x, bool training) {
  (void)training;
  return peri__conv2d_pool_forward(l->child[at], l->child[at + run - 1]->arg[0], out, x);
}

/* --- conv2d: a convolution, and ReLU as a layer behind it --- */

static int conv_relu_match(const peri_layer *l, int at, int to, bool training) {
  (void)training;
  if (at + 1 >= to || !is_relu(l->child[at + 1])) return 0;
  const peri_layer *first = l->child[at];
  bool conv = first->type == &peri_layer_Conv2D || first->type == &peri_layer_DepthwiseConv2D;
  return conv && peri__conv2d_activation(first) == PERI_LINEAR ? 2 : 0;
}

static int conv_relu_forward(peri_layer *l, int at, int run, peri_tensor **out, peri_tensor *x, bool training) {
  (void)run;
  (void)training;
  return peri__conv2d_forward(l->child[at], PERI_RELU, out, x);
}

/* --- dense: Dense, and ReLU as a layer behind it --- */

static int dense_relu_match(const peri_layer *l, int at, int to, bool training) {
  (void)training;
  if (at + 1 >= to || !is_relu(l->child[at + 1]) || l->child[at]->type != &peri_layer_Dense) return 0;
  return peri__dense_activation(l->child[at]) == PERI_LINEAR ? 2 : 0;
}

static int dense_relu_forward(peri_layer *l, int at, int run, peri_tensor **out, peri_tensor *x, bool training) {
  (void)run;
  (void)training;
  return peri__dense_forward(l->child[at], PERI_RELU, out, x);
}

/* --- conv2d_norm and batch_norm: a BatchNorm, behind a linear Conv2D or not, and what follows it --- */

static bool is_batch_norm(const peri_layer *l) { return l->type == &peri_layer_BatchNorm; }

/* The layers of the tail from `at` on: ReLU, or ReLU and a max-pool. */
static int tail_of(const peri_layer *l, int at, int to, peri__tail *tail) {
  *tail = (peri__tail){.relu = at < to && is_relu(l->child[at])};
  if (!tail->relu) return 0;
  if (at + 1 >= to || !peri__pool2d_tiles(l->child[at + 1])) return 1;
  tail->pool = l->child[at + 1]->arg[0];
  return 2;
}

static int conv_norm_match(const peri_layer *l, int at, int to, bool training) {
  (void)training;
  peri__tail tail;
  if (at + 1 >= to || !is_conv2d(l->child[at], PERI_LINEAR) || !is_batch_norm(l->child[at + 1])) return 0;
  return 2 + tail_of(l, at + 2, to, &tail);
}

static int conv_norm_forward(peri_layer *l, int at, int run, peri_tensor **out, peri_tensor *x, bool training) {
  peri__tail tail;
  tail_of(l, at + 2, at + run, &tail);
  return peri__conv2d_norm_forward(l->child[at], l->child[at + 1], &tail, out, x, training);
}

static int norm_match(const peri_layer *l, int at, int to, bool training) {
  peri__tail tail;
  if (!is_batch_norm(l->child[at]) || !peri__batch_norm_learns(l->child[at], training)) return 0;
  int more = tail_of(l, at + 1, to, &tail);
  return more ? 1 + more : 0;
}

static int norm_forward(peri_layer *l, int at, int run, peri_tensor **out, peri_tensor *x, bool training) {
  peri__tail tail;
  tail_of(l, at + 1, at + run, &tail);
  return peri__batch_norm_forward(l->child[at], &tail, out, x, training);
}

/* --- residual: a Residual that ends in a BatchNorm, whose addition (and a ReLU behind it) joins that --- */

static int residual_match(const peri_layer *l, int at, int to, bool training) {
  (void)training;
  const peri_layer *r = l->child[at];
  if (r->type != &peri_layer_Residual || r->children == 0 || !peri_layer_in_c(r)) return 0;
  if (!is_batch_norm(r->child[r->children - 1])) return 0;
  return at + 1 < to && is_relu(l->child[at + 1]) ? 2 : 1;
}

static int residual_forward(peri_layer *l, int at, int run, peri_tensor **out, peri_tensor *x, bool training) {
  peri_layer *r = l->child[at], *norm = r->child[r->children - 1];
  peri__tail tail = {.skip = x, .relu = run == 2};
  bool conv = r->children > 1 && is_conv2d(r->child[r->children - 2], PERI_LINEAR);
  int before = r->children - (conv ? 2 : 1);
  peri_tensor *inner;
  PERI_TRY(peri__sequential_run(r, 0, before, &inner, x, training));
  int status = conv ? peri__conv2d_norm_forward(r->child[before], norm, &tail, out, inner, training)
                    : peri__batch_norm_forward(norm, &tail, out, inner, training);
  peri_tensor_release(inner);
  return status;
}

/* --- the table --- */

const peri_fusion peri_fusions[] = {
    {.name = "conv2d_pool",
     .doc = "Conv2D with relu (its own, or an Activation behind it) and a MaxPool2D whose windows do not overlap: what "
            "the pool drops is never computed, and backward visits only the places that won",
     .match = conv_pool_match,
     .forward = conv_pool_forward},
    {.name = "conv2d",
     .doc = "Conv2D or DepthwiseConv2D and an Activation relu behind it: the convolution clamps as it stores",
     .match = conv_relu_match,
     .forward = conv_relu_forward},
    {.name = "dense",
     .doc = "Dense and an Activation relu behind it: the product clamps as it stores",
     .match = dense_relu_match,
     .forward = dense_relu_forward},
    {.name = "conv2d_norm",
     .doc = "Conv2D and BatchNorm, with relu and then a MaxPool2D whose windows do not overlap where they follow: one pass "
            "for the moments, one for all the rest; at inference one convolution with the normalisation in its kernel",
     .match = conv_norm_match,
     .forward = conv_norm_forward},
    {.name = "batch_norm",
     .doc = "BatchNorm and an Activation relu behind it, and a MaxPool2D whose windows do not overlap: one pass",
     .match = norm_match,
     .forward = norm_forward},
    {.name = "residual",
     .doc = "a Residual that ends in BatchNorm, and an Activation relu behind it: the addition and the relu join the "
            "normalisation's pass",
     .match = residual_match,
     .forward = residual_forward},
    {.name = "cross_entropy",
     .doc = "a softmax at the end of a net and the cross-entropy that takes its result: one stable op on the logits, "
            "paired by the losses"},
    {.name = "optimizer",
     .doc = "weight gradient + optimiser step: in fit, a weight's gradient is used up by the optimiser as soon as it is "
            "made, that of a Dense of up to 128 units block by block and never stored, unless clipping, averages or a "
            "callback want gradients whole"},
};
const int peri_fusion_count = (int)(sizeof peri_fusions / sizeof peri_fusions[0]);

const peri_fusion *peri_fusion_find(const peri_layer *l, int at, int to, bool training, int *run) {
  const peri_fusion *best = NULL;
  *run = 1;
  for (int i = 0; enabled && i < peri_fusion_count; i++) {
    int taken = peri_fusions[i].match ? peri_fusions[i].match(l, at, to, training) : 0;
    bool built = taken > (best ? *run : 0);
    for (int k = 0; built && k < taken; k++) built = l->child[at + k]->built;
    if (!built) continue;
    best = &peri_fusions[i];
    *run = taken;
  }
  return best;
}
