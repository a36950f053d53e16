/* reduce.c - sum, mean, prod, max, min over any axes; argmax, argmin and cumsum along one. */
#include <string.h>

#include "ops/ops.h"

#define REDUCE_SIGNATURE "x: tensor, axis/dim: axes?, keepdims/keepdim: bool = false"

static unsigned reduced_axes(const peri_call *c) {
  if (!c->arg[1].given) return (1U << c->arg[0].tensor->ndim) - 1;
  unsigned mask = 0;
  for (int i = 0; i < c->arg[1].ints.count; i++) mask |= 1U << c->arg[1].ints.at[i];
  return mask;
}

/* The number of elements that go into each result. */
static int64_t reduced_count(const peri_call *c) {
  unsigned mask = reduced_axes(c);
  int64_t count = 1;
  for (int i = 0; i < c->arg[0].tensor->ndim; i++) {
    if (mask >> i & 1U) count *= c->arg[0].tensor->shape[i];
  }
  return count;
}

/* Brings the reduced axes last, joined: a dense outer x n tensor, n the product of the reduced sizes. Axes
   that are reduced together and adjacent already cost nothing. */
static int gather_axes(peri_tensor **out, peri_tensor *x, unsigned mask, int64_t *outer, int64_t *n) {
  int order[PERI_MAX_DIMS], at = 0;
  *outer = *n = 1;
  for (int i = 0; i < x->ndim; i++) {
    if (!(mask >> i & 1U)) order[at++] = i, *outer *= x->shape[i];
  }
  for (int i = 0; i < x->ndim; i++) {
    if (mask >> i & 1U) order[at++] = i, *n *= x->shape[i];
  }
  peri_tensor *turned;
  PERI_TRY(peri_tensor_permute(&turned, x, order));
  int status = peri_tensor_contiguous_of(out, turned);
  peri_tensor_release(turned);
  return status;
}

/* Are the reduced axes neighbours? Then the kernel's outer x n x inner form takes x as it lies. */
static bool adjacent(const peri_tensor *x, unsigned mask, peri_span *s) {
  *s = (peri_span){1, 1, 1};
  int state = 0; /* before, inside, after */
  for (int i = 0; i < x->ndim; i++) {
    bool in = mask >> i & 1U;
    if (in && state == 2) return x->ndim == 0;
    if (in) state = 1;
    else if (state == 1) state = 2;
    if (in) s->n *= x->shape[i];
    else if (state == 0) s->outer *= x->shape[i];
    else s->inner *= x->shape[i];
  }
  return true;
}

static void result_shape(const peri_call *c, int *ndim, int64_t *shape) {
  unsigned mask = reduced_axes(c);
  *ndim = 0;
  for (int i = 0; i < c->arg[0].tensor->ndim; i++) {
    if (!(mask >> i & 1U)) shape[(*ndim)++] = c->arg[0].tensor->shape[i];
    else if (c->arg[2].boolean) shape[(*ndim)++] = 1;
  }
}

static int reduce_forward(peri_call *c, peri_reduce f) {
  peri_tensor *x = c->arg[0].tensor, *dense;
  int64_t shape[PERI_MAX_DIMS];
  int ndim;
  peri_span s;
  unsigned mask = reduced_axes(c);
  if ((f == PERI_MAX || f == PERI_MIN) && reduced_count(c) == 0) {
    return peri_fail(PERI_ESHAPE, "%s: shape %s has no elements to choose from", c->op->name, peri_shape_text(x->ndim, x->shape));
  }
  result_shape(c, &ndim, shape);
  if (adjacent(x, mask, &s)) {
    PERI_TRY(peri_tensor_contiguous_of(&dense, x));
  } else {
    s.inner = 1;
    PERI_TRY(gather_axes(&dense, x, mask, &s.outer, &s.n));
  }
  peri_dtype dtype = x->dtype == PERI_U8 && (f == PERI_SUM || f == PERI_PROD) ? PERI_I64 : x->dtype; /* bytes overflow */
  int status = PERI_OK;
  if (dtype != x->dtype) {
    peri_tensor *wide;
    status = peri_tensor_cast(&wide, dense, dtype);
    peri_tensor_release(dense);
    if (status < 0) return status;
    dense = wide;
  }
  status = peri_tensor_new(&c->out[0], dtype, ndim, shape);
  if (status >= 0) {
    c->outs = 1;
    peri_kernels_of(dtype)->reduce(f, s.outer, s.n, s.inner, peri_tensor_data(dense), peri_tensor_data(c->out[0]));
  }
  peri_tensor_release(dense);
  return status;
}

/* A result-shaped tensor as one that broadcasts against x: reduced axes become 1. */
static int keep_axes(peri_tensor **out, const peri_call *c, const peri_tensor *t) {
  int64_t shape[PERI_MAX_DIMS];
  const peri_tensor *x = c->arg[0].tensor;
  unsigned mask = reduced_axes(c);
  for (int i = 0; i < x->ndim; i++) shape[i] = mask >> i & 1U ? 1 : x->shape[i];
  return peri_tensor_reshape(out, t, x->ndim, shape);
}

/* The gradient of a result spread over the elements that made it, times `scale`. */
static int spread(peri_call *c, peri_tensor *grad, double scale, peri_tensor **out) {
  const peri_tensor *x = c->arg[0].tensor;
  peri_tensor *kept = NULL, *wide = NULL;
  int status = keep_axes(&kept, c, grad);
  if (status >= 0) status = peri_tensor_expand(&wide, kept, x->ndim, x->shape);
  if (status >= 0 && scale == 1) {
    *out = wide;
    wide = NULL;
  } else if (status >= 0) {
    status = peri_tensor_zeros(out, x->dtype, x->ndim, x->shape);
    peri_tensor *dense = NULL;
    if (status >= 0) status = peri_tensor_contiguous_of(&dense, wide);
    if (status >= 0) {
      peri_kernels_of(x->dtype)->axpy(peri_tensor_count(x), scale, peri_tensor_data(dense), peri_tensor_data(*out));
    }
    peri_tensor_release(dense);
  }
  peri_tensor_release(kept);
  peri_tensor_release(wide);
  return status;
}

/* --- sum, mean --- */

static int sum_forward(peri_call *c) { return reduce_forward(c, PERI_SUM); }
static int sum_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return spread(c, grad_out[0], 1, &grad_in[0]);
}
const peri_op peri_op_sum = {.name = "sum",
                             .signature = REDUCE_SIGNATURE,
                             .doc = "The sum over one axis, several, or all; keepdims leaves them with size 1. Sums of uint8 are int64.",
                             .example = "randn(2, 3); randn(2, 3, 2), 2; randn(2, 3, 2), {1, 3}, true",
                             .forward = sum_forward,
                             .backward = sum_backward};

static int scale_by(peri_tensor *t, double factor) {
  peri_tensor *by;
  PERI_TRY(peri_tensor_full(&by, t->dtype, 0, NULL, factor));
  peri_kernels_of(t->dtype)->binary(PERI_BINARY_mul, peri_tensor_count(t), peri_tensor_data(t), 1, peri_tensor_data(by),
                                    0, peri_tensor_data(t));
  peri_tensor_release(by);
  return PERI_OK;
}

static int mean_forward(peri_call *c) {
  PERI_TRY(peri__want_floating("mean", "x", c->arg[0].tensor));
  PERI_TRY(reduce_forward(c, PERI_SUM));
  return scale_by(c->out[0], 1.0 / (double)reduced_count(c));
}
static int mean_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  return spread(c, grad_out[0], 1.0 / (double)reduced_count(c), &grad_in[0]);
}
const peri_op peri_op_mean = {.name = "mean",
                              .signature = REDUCE_SIGNATURE,
                              .doc = "The arithmetic mean over one axis, several, or all.",
                              .example = "randn(2, 3); randn(2, 3, 2), 2; randn(2, 3, 2), {1, 3}, true",
                              .forward = mean_forward,
                              .backward = mean_backward};

/* --- prod, max, min --- */

/* grad_in[i] = grad * slope(x[i], y): one walk over x, the result and its gradient broadcast to it. */
static int slope_backward(peri_call *c, peri_tensor *grad, peri_tensor **out, double (*slope)(double x, double y)) {
  const peri_tensor *x = c->arg[0].tensor;
  peri_tensor *y = NULL, *dy = NULL, *flat_x = NULL, *flat_y = NULL, *flat_dy = NULL;
  peri_tensor *y64 = NULL, *dy64 = NULL;
  int status = peri_tensor_cast(&flat_x, x, PERI_F64);
  if (status >= 0) status = peri_tensor_cast(&y64, c->out[0], PERI_F64);
  if (status >= 0) status = peri_tensor_cast(&dy64, grad, PERI_F64);
  if (status >= 0) status = keep_axes(&y, c, y64);
  if (status >= 0) status = keep_axes(&dy, c, dy64);
  if (status >= 0) status = peri_tensor_expand(&flat_y, y, x->ndim, x->shape);
  if (status >= 0) status = peri_tensor_expand(&flat_dy, dy, x->ndim, x->shape);
  if (status >= 0) {
    const peri_tensor *all[3] = {flat_x, flat_y, flat_dy};
    peri_walk w;
    status = peri_walk_start(&w, c->op->name, x->ndim, x->shape, 3, all);
    for (; status >= 0 && w.left; peri_walk_next(&w)) {
      double *value = (double *)(void *)w.data[0];
      const double *result = (const double *)(const void *)w.data[1], *g = (const double *)(const void *)w.data[2];
      for (int64_t i = 0; i < w.count; i++) {
        value[i * w.stride[0]] = g[i * w.stride[2]] * slope(value[i * w.stride[0]], result[i * w.stride[1]]);
      }
    }
    if (status >= 0) status = peri_tensor_cast(out, flat_x, x->dtype);
  }
  peri_tensor *all[] = {y, dy, flat_x, flat_y, flat_dy, y64, dy64};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) peri_tensor_release(all[i]);
  return status;
}

static int prod_forward(peri_call *c) { return reduce_forward(c, PERI_PROD); }
static double prod_slope(double x, double y) { return y / x; }

/* With a zero among the factors y / x says nothing: then each element's derivative is the product of the others. */
static int prod_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  peri_tensor *x = c->arg[0].tensor, *dense = NULL, *result = NULL, *g = NULL;
  int64_t outer, n;
  unsigned mask = reduced_axes(c);
  bool zero = false;
  PERI_TRY(gather_axes(&dense, x, mask, &outer, &n));
  for (int64_t i = 0; i < outer * n && !zero; i++) {
    zero = x->dtype == PERI_F32 ? ((float *)peri_tensor_data(dense))[i] == 0 : ((double *)peri_tensor_data(dense))[i] == 0;
  }
  if (!zero) {
    peri_tensor_release(dense);
    return slope_backward(c, grad_out[0], &grad_in[0], prod_slope);
  }
  int status = peri_tensor_cast(&result, dense, PERI_F64);
  if (status >= 0) status = peri_tensor_cast(&g, grad_out[0], PERI_F64);
  if (status >= 0) {
    double *d = peri_tensor_data(result);
    const double *dy = peri_tensor_data(g);
    for (int64_t o = 0; o < outer; o++) {
      double *rowd = d + o * n, before = dy[o];
      for (int64_t i = 0; i < n; i++) { /* the product of the elements before times that of those after */
        double after = 1;
        for (int64_t j = i + 1; j < n; j++) after *= rowd[j];
        double own = rowd[i];
        rowd[i] = before * after;
        before *= own;
      }
    }
    int order[PERI_MAX_DIMS], back[PERI_MAX_DIMS], at = 0;
    int64_t shape[PERI_MAX_DIMS];
    for (int pass = 0; pass < 2; pass++) {
      for (int i = 0; i < x->ndim; i++) {
        if ((mask >> i & 1U) == (unsigned)pass) order[at++] = i;
      }
    }
    for (int i = 0; i < x->ndim; i++) back[order[i]] = i, shape[i] = x->shape[order[i]];
    peri_tensor *shaped = NULL, *turned = NULL;
    status = peri_tensor_reshape(&shaped, result, x->ndim, shape);
    if (status >= 0) status = peri_tensor_permute(&turned, shaped, back);
    if (status >= 0) status = peri_tensor_cast(&grad_in[0], turned, x->dtype);
    peri_tensor_release(shaped);
    peri_tensor_release(turned);
  }
  peri_tensor_release(dense);
  peri_tensor_release(result);
  peri_tensor_release(g);
  return status;
}
const peri_op peri_op_prod = {.name = "prod",
                              .signature = REDUCE_SIGNATURE,
                              .doc = "The product over one axis, several, or all. Products of uint8 are int64.",
                              .example = "rand(2, 3) + 0.5; rand(2, 3, 2) + 0.5, 2; rand(2, 3, 2) + 0.5, {1, 3}, true; zeros(3)",
                              .forward = prod_forward,
                              .backward = prod_backward,
                              .keep_args = 1,
                              .keep_outs = 1};

static double equal_slope(double x, double y) { return x == y; }

/* Equal largest elements share the gradient evenly, as in PyTorch's amax. */
static int extreme_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  peri_tensor *ones = NULL, *marks = NULL, *count = NULL, *share = NULL;
  int status = peri_tensor_full(&ones, c->out[0]->dtype, c->out[0]->ndim, c->out[0]->shape, 1);
  if (status >= 0) status = slope_backward(c, ones, &marks, equal_slope);
  if (status >= 0) {
    peri_value again[3] = {PERI_T(marks), c->arg[1], c->arg[2]};
    status = peri_apply(&peri_op_sum, 3, again, &count);
  }
  if (status >= 0) status = PERI_CALL(&share, peri_op_div, PERI_T(grad_out[0]), PERI_T(count));
  if (status >= 0) status = slope_backward(c, share, &grad_in[0], equal_slope);
  peri_tensor_release(ones);
  peri_tensor_release(marks);
  peri_tensor_release(count);
  peri_tensor_release(share);
  return status < 0 ? status : PERI_OK;
}

static int max_forward(peri_call *c) { return reduce_forward(c, PERI_MAX); }
const peri_op peri_op_max = {.name = "max",
                             .signature = REDUCE_SIGNATURE,
                             .doc = "The largest element over one axis, several, or all; NaN wins. Equal largest elements share the gradient.",
                             .example = "randn(2, 3); randn(2, 3, 2), 2; randn(2, 3, 2), {1, 3}, true",
                             .forward = max_forward,
                             .backward = extreme_backward,
                             .keep_args = 1,
                             .keep_outs = 1};

static int min_forward(peri_call *c) { return reduce_forward(c, PERI_MIN); }
const peri_op peri_op_min = {.name = "min",
                             .signature = REDUCE_SIGNATURE,
                             .doc = "The smallest element over one axis, several, or all; NaN wins. Equal smallest elements share the gradient.",
                             .example = "randn(2, 3); randn(2, 3, 2), 2; randn(2, 3, 2), {1, 3}, true",
                             .forward = min_forward,
                             .backward = extreme_backward,
                             .keep_args = 1,
                             .keep_outs = 1};

/* --- argmax, argmin --- */

static int arg_forward(peri_call *c, peri_reduce f) {
  peri_tensor *x = c->arg[0].tensor, *flat = NULL, *dense = NULL;
  int64_t shape[PERI_MAX_DIMS];
  int ndim = 0, axis = c->arg[1].given ? (int)c->arg[1].integer : 0;
  PERI_TRY(c->arg[1].given ? peri_tensor_alias(&flat, x) : peri_tensor_reshape(&flat, x, 1, (int64_t[]){-1}));
  int status = peri_tensor_contiguous_of(&dense, flat);
  peri_tensor_release(flat);
  if (status < 0) return status;
  peri_span s = peri__span(dense, axis);
  for (int i = 0; i < dense->ndim; i++) {
    if (i != axis) shape[ndim++] = dense->shape[i];
    else if (c->arg[2].boolean) shape[ndim++] = 1;
  }
  if (s.n == 0) status = peri_fail(PERI_ESHAPE, "%s: shape %s has no elements to choose from", c->op->name, peri_shape_text(x->ndim, x->shape));
  if (status >= 0) status = peri_tensor_new(&c->out[0], PERI_I64, ndim, shape);
  if (status >= 0) {
    c->outs = 1;
    int64_t *index = peri_tensor_data(c->out[0]);
    peri_kernels_of(x->dtype)->argreduce(f, s.outer, s.n, s.inner, peri_tensor_data(dense), index);
    for (int64_t i = 0; i < s.outer * s.inner; i++) index[i]++; /* positions as Lua counts them */
  }
  peri_tensor_release(dense);
  return status;
}
static int argmax_forward(peri_call *c) { return arg_forward(c, PERI_MAX); }
static int argmin_forward(peri_call *c) { return arg_forward(c, PERI_MIN); }
const peri_op peri_op_argmax = {.name = "argmax",
                                .signature = "x: tensor, axis/dim: axis?, keepdims/keepdim: bool = false",
                                .doc = "The position (int64, from 1) of the largest element along an axis, or in the flattened "
                                       "tensor; the first of equals. For class labels that start at 0 subtract 1.",
                                .example = "randn(2, 3), 2",
                                .forward = argmax_forward};
const peri_op peri_op_argmin = {.name = "argmin",
                                .signature = "x: tensor, axis/dim: axis?, keepdims/keepdim: bool = false",
                                .doc = "The position (int64, from 1) of the smallest element along an axis, or in the flattened tensor.",
                                .example = "randn(2, 3), 2",
                                .forward = argmin_forward};

/* --- cumsum --- */

static int cumsum_forward(peri_call *c) {
  peri_tensor *dense;
  PERI_TRY(peri_tensor_contiguous_of(&dense, c->arg[0].tensor));
  peri_span s = peri__span(dense, (int)c->arg[1].integer);
  int status = peri_tensor_like(&c->out[0], dense);
  if (status >= 0) {
    c->outs = 1;
    peri_kernels_of(dense->dtype)->cumsum(s.outer, s.n, s.inner, peri_tensor_data(dense), peri_tensor_data(c->out[0]));
  }
  peri_tensor_release(dense);
  return status;
}

/* Each element went into every later sum: the gradient is the cumulative sum from the end. */
static int cumsum_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  int axis = (int)c->arg[1].integer;
  int64_t n = c->arg[0].tensor->shape[axis];
  peri_tensor *flipped = NULL, *summed = NULL, *view = NULL;
  int status = peri_tensor_slice(&flipped, grad_out[0], axis, n > 0 ? n - 1 : 0, n, -1);
  if (status >= 0) status = PERI_CALL(&summed, peri_op_cumsum, PERI_T(flipped), PERI_I(axis));
  if (status >= 0) status = peri_tensor_slice(&view, summed, axis, n > 0 ? n - 1 : 0, n, -1);
  if (status >= 0) status = peri_tensor_clone(&grad_in[0], view);
  peri_tensor_release(flipped);
  peri_tensor_release(summed);
  peri_tensor_release(view);
  return status < 0 ? status : PERI_OK;
}
const peri_op peri_op_cumsum = {.name = "cumsum",
                                .signature = "x: tensor, axis/dim: axis = 1",
                                .doc = "The running sum along an axis.",
                                .example = "randn(4); randn(2, 3, 2), 2",
                                .forward = cumsum_forward,
                                .backward = cumsum_backward};
