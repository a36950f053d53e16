/* dense.c - y = x kernel + bias, optionally clamped at 0, in one pass over the result.

   x (..., in), kernel (in, out), bias (out). dx = dz kernel^T, dkernel = x^T dz, dbias = sum of dz's rows. */
#include <stdatomic.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/threads.h"
#include "ops/window.h"

enum { X, KERNEL, BIAS, RELU };

static int check(const peri_call *c) {
  const peri_tensor *x = c->arg[X].tensor, *kernel = c->arg[KERNEL].tensor;
  PERI_TRY(peri__want_floating("dense", "x", x));
  PERI_TRY(peri__want_same_type("dense", x, kernel));
  PERI_TRY(peri__want_ndim("dense", "kernel", kernel, 2));
  if (x->ndim < 1 || x->shape[x->ndim - 1] != kernel->shape[0]) {
    return peri_fail(PERI_ESHAPE, "dense: the kernel %s takes %lld inputs, x has shape %s", peri_shape_text(2, kernel->shape),
                     (long long)kernel->shape[0], peri_shape_text(x->ndim, x->shape));
  }
  if (!c->arg[BIAS].given) return PERI_OK;
  const peri_tensor *bias = c->arg[BIAS].tensor;
  PERI_TRY(peri__want_same_type("dense", x, bias));
  if (bias->ndim == 1 && bias->shape[0] == kernel->shape[1]) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "dense: the bias must have shape (%lld,), got %s", (long long)kernel->shape[1],
                   peri_shape_text(bias->ndim, bias->shape));
}

static int64_t rows_of(const peri_tensor *t) {
  int64_t rows = 1;
  for (int i = 0; i + 1 < t->ndim; i++) rows *= t->shape[i];
  return rows;
}

static int forward(peri_call *c) {
  peri_tensor *x = NULL, *bias = NULL, *kernel = c->arg[KERNEL].tensor;
  int64_t shape[PERI_MAX_DIMS];
  PERI_TRY(check(c));
  int status = peri_tensor_contiguous_of(&x, c->arg[X].tensor);
  if (status >= 0 && c->arg[BIAS].given) status = peri_tensor_contiguous_of(&bias, c->arg[BIAS].tensor);
  if (status >= 0) {
    memcpy(shape, x->shape, sizeof shape);
    shape[x->ndim - 1] = kernel->shape[1];
    status = peri_tensor_new(&c->out[0], x->dtype, x->ndim, shape);
  }
  if (status >= 0) {
    c->outs = 1;
    peri_matmul p = {.m = rows_of(x), .n = kernel->shape[1], .k = kernel->shape[0], .a_row = kernel->shape[0], .a_col = 1,
                     .b_row = kernel->strides[0], .b_col = kernel->strides[1], .c_row = kernel->shape[1],
                     .bias = bias ? peri_tensor_data(bias) : NULL, .relu = c->arg[RELU].boolean};
    status = peri_kernels_of(x->dtype)->matmul(&p, peri_tensor_data(x), peri_tensor_data(kernel), peri_tensor_data(c->out[0]));
  }
  peri_tensor_release(x);
  peri_tensor_release(bias);
  return status;
}

/* --- the kernel's gradient, a strip of rows at a time: a strip is small enough to stay in the cache while an optimiser
   takes it, and of few enough rows that matmul reads dz in place. A kernel with few rows or with many columns is
   multiplied as a whole, in pieces of matmul's own making (with 300 to 1024 columns strips took 1.1 to 1.3 times as
   long, with up to 128 as long or less). --- */

enum { STRIP = 48, LEAST_STRIPS = 4, MOST_COLUMNS = 128 };

typedef struct strips {
  const peri_kernels *k;
  peri_matmul p; /* of the whole gradient */
  const char *x, *dz;
  char *to;              /* the gradient, or NULL: each strip goes to the sink */
  const peri_sink *sink;
  size_t size;           /* of an element */
  atomic_int status;
} strips;

static void strip_piece(void *context, int64_t piece) {
  strips *s = context;
  int64_t first = piece * STRIP;
  peri_matmul p = s->p;
  p.m = p.m - first < STRIP ? p.m - first : STRIP;
  if (atomic_load(&s->status) < 0) return;
  size_t place = (size_t)(first * p.n) * s->size;
  void *block = s->to ? s->to + place : peri_alloc((size_t)(p.m * p.n) * s->size);
  int status = block ? s->k->matmul(&p, s->x + (size_t)first * s->size, s->dz, block) : PERI_ENOMEM;
  if (status >= 0 && !s->to) status = s->sink->take(s->sink->owner, first * p.n, p.m * p.n, block);
  if (!s->to) peri_free(block);
  if (status < 0) atomic_store(&s->status, status);
}

/* A piece's message stays with its thread, so a failure is told again here. */
static int run_strips(strips *s) {
  peri_parallel((s->p.m + STRIP - 1) / STRIP, strip_piece, s);
  int status = atomic_load(&s->status);
  if (status >= 0) return PERI_OK;
  if (status == PERI_EINTERRUPT) PERI_TRY(peri_interrupt_poll());
  return peri_fail(status, "dense: out of memory in the kernel's gradient");
}

static int kernel_gradient(peri_call *c, const peri_tensor *x, const peri_tensor *dz, int64_t rows, peri_tensor **grad) {
  const peri_tensor *kernel = c->arg[KERNEL].tensor;
  int64_t in = kernel->shape[0], out = kernel->shape[1];
  strips s = {.k = peri_kernels_of(dz->dtype), .x = peri_tensor_data(x), .dz = peri_tensor_data(dz),
              .size = peri_dtype_size(dz->dtype),
              .p = {.m = in, .n = out, .k = rows, .a_row = 1, .a_col = in, .b_row = out, .b_col = 1, .c_row = out}};
  bool whole = in < STRIP * LEAST_STRIPS || out > MOST_COLUMNS || strcmp(peri_precision(), "float32") != 0;
  s.sink = whole ? NULL : peri_sink_begin(c, KERNEL);
  if (s.sink) {
    PERI_TRY(run_strips(&s));
    s.sink->end(s.sink->owner);
    return PERI_OK;
  }
  PERI_TRY(peri_tensor_new(grad, dz->dtype, 2, kernel->shape));
  s.to = peri_tensor_data(*grad);
  return whole ? s.k->matmul(&s.p, s.x, s.dz, s.to) : run_strips(&s);
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  const peri_tensor *kernel = c->arg[KERNEL].tensor;
  peri_tensor *dz = NULL, *x = NULL;
  if (c->arg[RELU].boolean) PERI_TRY(peri__relu_gradient(&dz, grad_out[0], c->out[0]));
  else PERI_TRY(peri_tensor_contiguous_of(&dz, grad_out[0]));
  const peri_kernels *k = peri_kernels_of(dz->dtype);
  int64_t rows = rows_of(dz), in = kernel->shape[0], out = kernel->shape[1];
  int status = peri_tensor_contiguous_of(&x, c->arg[X].tensor);
  if (status >= 0 && peri_wants(c, X)) {
    peri_matmul p = {.m = rows, .n = in, .k = out, .a_row = out, .a_col = 1, .b_row = kernel->strides[1],
                     .b_col = kernel->strides[0], .c_row = in};
    status = peri_tensor_new(&grad_in[X], dz->dtype, x->ndim, x->shape);
    if (status >= 0) status = k->matmul(&p, peri_tensor_data(dz), peri_tensor_data(kernel), peri_tensor_data(grad_in[X]));
  }
  if (status >= 0 && peri_wants(c, BIAS)) {
    status = peri_tensor_new(&grad_in[BIAS], dz->dtype, 1, &out);
    if (status >= 0) k->reduce(PERI_SUM, 1, rows, out, peri_tensor_data(dz), peri_tensor_data(grad_in[BIAS]));
  }
  if (status >= 0 && peri_wants(c, KERNEL)) status = kernel_gradient(c, x, dz, rows, &grad_in[KERNEL]);
  peri_tensor_release(dz);
  peri_tensor_release(x);
  return status;
}

const peri_op peri_op_dense = {
    .name = "dense",
    .signature = "x: tensor, kernel: tensor, bias: tensor?, relu: bool = false",
    .doc = "x (..., in) times a kernel (in, out), plus an optional bias (out); with relu = true clamped at 0 in the same pass.",
    .example = "randn(3, 4), randn(4, 2), randn(2); randn(2, 3, 4), randn(4, 2), {relu = true}; randn(2, 5), randn(3, 5).T",
    .forward = forward,
    .backward = backward,
    .keep_args = 1 << X | 1 << KERNEL,
    .keep_outs = 1};
