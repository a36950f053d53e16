/* shape.c - ops that only look at the same elements differently: views where strides allow it. */
#include <string.h>

#include "ops/ops.h"

/* Backward of every op here whose result holds each element once: the gradient in the input's shape. */
static int reshape_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  const peri_tensor *x = c->arg[0].tensor;
  return peri_tensor_reshape(&grad_in[0], grad_out[0], x->ndim, x->shape);
}

/* --- reshape, flatten, squeeze, unsqueeze --- */

static int reshape_forward(peri_call *c) {
  c->outs = 1;
  return peri_tensor_reshape(&c->out[0], c->arg[0].tensor, c->arg[1].ints.count, c->arg[1].ints.at);
}
const peri_op peri_op_reshape = {
    .name = "reshape",
    .signature = "x: tensor, shape: shape",
    .doc = "The same elements in another shape; one size may be -1 and follows from the others. A view where the "
           "strides allow it, else a copy.",
    .example = "randn(2, 6), {3, -1}; randn(4, 3).T, {2, 6}",
    .forward = reshape_forward,
    .backward = reshape_backward};

static int flatten_forward(peri_call *c) {
  const peri_tensor *x = c->arg[0].tensor;
  int64_t first = c->arg[1].integer, shape[PERI_MAX_DIMS], rest = 1;
  memcpy(shape, x->shape, sizeof shape);
  for (int i = (int)first; i < x->ndim; i++) rest *= x->shape[i];
  shape[first] = rest;
  c->outs = 1;
  return peri_tensor_reshape(&c->out[0], x, (int)first + 1, shape);
}
const peri_op peri_op_flatten = {.name = "flatten",
                                 .signature = "x: tensor, axis/dim: axis = 1",
                                 .doc = "Joins the axes from `axis` to the last into one.",
                                 .example = "randn(2, 3, 2), 2; randn(2, 3)",
                                 .forward = flatten_forward,
                                 .backward = reshape_backward};

static int squeeze_forward(peri_call *c) {
  const peri_tensor *x = c->arg[0].tensor;
  int64_t shape[PERI_MAX_DIMS];
  unsigned drop = 0;
  int kept = 0;
  for (int i = 0; c->arg[1].given && i < c->arg[1].ints.count; i++) {
    int64_t axis = c->arg[1].ints.at[i];
    if (x->shape[axis] != 1) {
      return peri_fail(PERI_ESHAPE, "squeeze: axis %lld of %s has size %lld, not 1", (long long)axis + 1,
                       peri_tensor_text(x), (long long)x->shape[axis]);
    }
    drop |= 1U << axis;
  }
  for (int i = 0; i < x->ndim; i++) {
    bool gone = c->arg[1].given ? drop >> i & 1U : x->shape[i] == 1;
    if (!gone) shape[kept++] = x->shape[i];
  }
  c->outs = 1;
  return peri_tensor_reshape(&c->out[0], x, kept, shape);
}
const peri_op peri_op_squeeze = {.name = "squeeze",
                                 .signature = "x: tensor, axis/dim: axes?",
                                 .doc = "Drops the named axes, which must have size 1, or all axes of size 1.",
                                 .example = "randn(2, 1, 3), 2; randn(1, 2, 1)",
                                 .forward = squeeze_forward,
                                 .backward = reshape_backward};

static int unsqueeze_forward(peri_call *c) {
  const peri_tensor *x = c->arg[0].tensor;
  int64_t shape[PERI_MAX_DIMS], axis = c->arg[1].integer;
  if (x->ndim == PERI_MAX_DIMS) return peri_fail(PERI_ESHAPE, "unsqueeze: %s has no room for another axis", peri_tensor_text(x));
  for (int i = 0; i <= x->ndim; i++) shape[i] = i < axis ? x->shape[i] : i == axis ? 1 : x->shape[i - 1];
  c->outs = 1;
  return peri_tensor_reshape(&c->out[0], x, x->ndim + 1, shape);
}
const peri_op peri_op_unsqueeze = {.name = "unsqueeze",
                                   .signature = "x: tensor, axis/dim: axis",
                                   .doc = "Adds an axis of size 1 so that it becomes axis `axis` of the result.",
                                   .example = "randn(2, 3), 1; randn(2, 3), -1",
                                   .forward = unsqueeze_forward,
                                   .backward = reshape_backward,
                                   .flags = PERI_OP_NEW_AXIS};

/* --- permute, transpose --- */

static int permute_by(peri_tensor **out, peri_tensor *x, const peri_value *axes, bool inverse) {
  int order[PERI_MAX_DIMS];
  for (int i = 0; i < axes->ints.count; i++) {
    if (inverse) order[axes->ints.at[i]] = i;
    else order[i] = (int)axes->ints.at[i];
  }
  return peri_tensor_permute(out, x, order);
}

static int permute_forward(peri_call *c) {
  int named = c->arg[1].given ? c->arg[1].ints.count : 0;
  if (named != c->arg[0].tensor->ndim) {
    return peri_fail(PERI_EARG, "permute: %d axes are named for a tensor of %d", named, c->arg[0].tensor->ndim);
  }
  c->outs = 1;
  return permute_by(&c->out[0], c->arg[0].tensor, &c->arg[1], false);
}
static int permute_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return permute_by(&grad_in[0], grad_out[0], &c->arg[1], true);
}
const peri_op peri_op_permute = {.name = "permute",
                                 .signature = "x: tensor, axes: axes?",
                                 .doc = "The axes in another order: axis i of the result is axis axes[i] of x. A view.",
                                 .example = "randn(2, 3, 4), {3, 1, 2}",
                                 .forward = permute_forward,
                                 .backward = permute_backward};

static int swap_axes(peri_tensor **out, peri_tensor *x, int64_t a, int64_t b) {
  int order[PERI_MAX_DIMS];
  for (int i = 0; i < x->ndim; i++) order[i] = i == a ? (int)b : i == b ? (int)a : i;
  return peri_tensor_permute(out, x, order);
}
static int transpose_forward(peri_call *c) {
  c->outs = 1;
  return swap_axes(&c->out[0], c->arg[0].tensor, c->arg[1].integer, c->arg[2].integer);
}
static int transpose_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return swap_axes(&grad_in[0], grad_out[0], c->arg[1].integer, c->arg[2].integer);
}
const peri_op peri_op_transpose = {.name = "transpose",
                                   .signature = "x: tensor, axis1: axis = -2, axis2: axis = -1",
                                   .doc = "Swaps two axes, the last two unless told otherwise. A view.",
                                   .example = "randn(2, 3); randn(2, 3, 4), 1, 3",
                                   .forward = transpose_forward,
                                   .backward = transpose_backward};

/* --- expand --- */

static int expand_forward(peri_call *c) {
  c->outs = 1;
  return peri_tensor_expand(&c->out[0], c->arg[0].tensor, c->arg[1].ints.count, c->arg[1].ints.at);
}
static int expand_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return peri__sum_to(&grad_in[0], peri_tensor_retain(grad_out[0]), c->arg[0].tensor);
}
const peri_op peri_op_expand = {.name = "expand",
                                .signature = "x: tensor, shape: shape",
                                .doc = "Broadcasts x to a shape by repeating axes of size 1, without a copy; -1 keeps a size.",
                                .example = "randn(2, 1), {3, 2, 4}; randn(3), {2, 3}",
                                .forward = expand_forward,
                                .backward = expand_backward};

/* --- slice, select: the gradient is written into zeros --- */

static int slice_of(peri_tensor **out, peri_tensor *x, const peri_value *arg) {
  int64_t start = arg[2].integer, n = x->shape[arg[1].integer];
  start = start < 0 ? start + n : start - 1;
  return peri_tensor_slice(out, x, (int)arg[1].integer, start, arg[3].integer, arg[4].integer);
}
static int select_of(peri_tensor **out, peri_tensor *x, const peri_value *arg) {
  int64_t at = arg[2].integer, n = x->shape[arg[1].integer];
  return peri_tensor_select(out, x, (int)arg[1].integer, at < 0 ? at + n : at - 1);
}

static int scatter_view(peri_call *c, peri_tensor *grad, peri_tensor **grad_in,
                        int (*view_of)(peri_tensor **, peri_tensor *, const peri_value *)) {
  const peri_tensor *x = c->arg[0].tensor;
  peri_tensor *view = NULL;
  PERI_TRY(peri_tensor_zeros(&grad_in[0], x->dtype, x->ndim, x->shape));
  int status = view_of(&view, grad_in[0], c->arg);
  if (status >= 0) status = peri_tensor_copy(view, grad);
  peri_tensor_release(view);
  return status;
}

static int slice_forward(peri_call *c) {
  c->outs = 1;
  return slice_of(&c->out[0], c->arg[0].tensor, c->arg);
}
static int slice_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return scatter_view(c, grad_out[0], grad_in, slice_of);
}
const peri_op peri_op_slice = {
    .name = "slice",
    .signature = "x: tensor, axis/dim: axis, start: int, length: int, step: int = 1",
    .doc = "`length` places of one axis from place `start` (1 is the first, -1 the last) on, every `step`-th. A view.",
    .example = "randn(5, 2), 1, 2, 3; randn(3, 6), 2, -1, 3, -2",
    .forward = slice_forward,
    .backward = slice_backward};

static int select_forward(peri_call *c) {
  c->outs = 1;
  return select_of(&c->out[0], c->arg[0].tensor, c->arg);
}
static int select_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return scatter_view(c, grad_out[0], grad_in, select_of);
}
const peri_op peri_op_select = {.name = "select",
                                .signature = "x: tensor, axis/dim: axis, index: int",
                                .doc = "One place of an axis (1 is the first, -1 the last), which is dropped. A view.",
                                .example = "randn(5, 2), 1, 2; randn(3, 6), 2, -1",
                                .forward = select_forward,
                                .backward = select_backward};
