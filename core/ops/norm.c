/* norm.c - layer_norm (Ba, Kiros and Hinton 2016): xhat = (x - mean) / sqrt(var + eps) over the last axis of each row,
   with the row's own mean and biased variance; y = gamma xhat + beta. */
#include "ops/ops.h"

enum { X, GAMMA, BETA, EPSILON };

static int check_vector(const char *op, const char *name, const peri_value *v, const peri_tensor *x) {
  if (!v->given) return PERI_OK;
  PERI_TRY(peri__want_same_type(op, x, v->tensor));
  int64_t c = x->shape[x->ndim - 1];
  if (v->tensor->ndim == 1 && v->tensor->shape[0] == c) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "%s: '%s' must have shape (%lld,), got %s", op, name, (long long)c,
                   peri_shape_text(v->tensor->ndim, v->tensor->shape));
}

typedef struct operands {
  peri_tensor *x, *gamma, *beta;
  int64_t rows, cols;
} operands;

static void drop(operands *o) {
  peri_tensor_release(o->x);
  peri_tensor_release(o->gamma);
  peri_tensor_release(o->beta);
}

static int dense_operands(const peri_call *c, operands *o) {
  peri_tensor *x = c->arg[X].tensor;
  *o = (operands){0};
  PERI_TRY(peri__want_floating(c->op->name, "x", x));
  if (x->ndim < 2) return peri_fail(PERI_ESHAPE, "%s: x needs at least two dimensions, got shape %s", c->op->name, peri_shape_text(x->ndim, x->shape));
  PERI_TRY(check_vector(c->op->name, "gamma", &c->arg[GAMMA], x));
  PERI_TRY(check_vector(c->op->name, "beta", &c->arg[BETA], x));
  o->cols = x->shape[x->ndim - 1];
  o->rows = o->cols > 0 ? peri_tensor_count(x) / o->cols : 0;
  if (o->rows == 0 || o->cols == 0) return peri_fail(PERI_ESHAPE, "%s: x of shape %s has no elements", c->op->name, peri_shape_text(x->ndim, x->shape));
  PERI_TRY(peri_tensor_contiguous_of(&o->x, x));
  int status = c->arg[GAMMA].given ? peri_tensor_contiguous_of(&o->gamma, c->arg[GAMMA].tensor) : PERI_OK;
  if (status >= 0 && c->arg[BETA].given && c->arg[BETA].tensor->storage) status = peri_tensor_contiguous_of(&o->beta, c->arg[BETA].tensor);
  if (status < 0) drop(o);
  return status;
}

static void *data_or_null(const peri_tensor *t) { return t ? peri_tensor_data(t) : NULL; }

static int layer_forward(peri_call *c) {
  operands o;
  PERI_TRY(dense_operands(c, &o));
  peri_dtype dtype = o.x->dtype;
  int status = peri_tensor_like(&c->out[0], o.x);
  if (status >= 0) c->outs = 1, status = peri_tensor_new(&c->aux[0], dtype, 1, &o.rows);
  if (status >= 0) status = peri_tensor_new(&c->aux[1], dtype, 1, &o.rows);
  if (status >= 0) {
    peri_kernels_of(dtype)->row_normalise(o.rows, o.cols, peri_tensor_data(o.x), data_or_null(o.gamma), data_or_null(o.beta),
                                          c->arg[EPSILON].number, peri_tensor_data(c->out[0]), peri_tensor_data(c->aux[0]),
                                          peri_tensor_data(c->aux[1]));
  }
  drop(&o);
  return status;
}

/* All three gradients come from one kernel; those that nobody wants are dropped. */
static int layer_backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  operands o;
  peri_tensor *dy = NULL, *dgamma = NULL, *dbeta = NULL;
  PERI_TRY(dense_operands(c, &o));
  int status = peri_tensor_contiguous_of(&dy, grad_out[0]);
  if (status >= 0) status = peri_tensor_like(&grad_in[X], o.x);
  if (status >= 0) status = peri_tensor_new(&dgamma, dy->dtype, 1, &o.cols);
  if (status >= 0) status = peri_tensor_new(&dbeta, dy->dtype, 1, &o.cols);
  if (status >= 0) {
    status = peri_kernels_of(dy->dtype)->row_normalise_backward(
        o.rows, o.cols, peri_tensor_data(o.x), peri_tensor_data(c->aux[0]), peri_tensor_data(c->aux[1]), data_or_null(o.gamma),
        peri_tensor_data(dy), peri_tensor_data(grad_in[X]), peri_tensor_data(dgamma), peri_tensor_data(dbeta));
  }
  if (status >= 0 && c->arg[GAMMA].given) grad_in[GAMMA] = peri_tensor_retain(dgamma);
  if (status >= 0 && c->arg[BETA].given) grad_in[BETA] = peri_tensor_retain(dbeta);
  peri_tensor_release(dy);
  peri_tensor_release(dgamma);
  peri_tensor_release(dbeta);
  drop(&o);
  return status;
}

const peri_op peri_op_layer_norm = {
    .name = "layer_norm",
    .signature = "x: tensor, gamma: tensor?, beta: tensor?, epsilon: number = 0.001",
    .doc = "Each row (the last axis) normalised by its own mean and biased variance, times gamma, plus beta.",
    .example = "randn(3, 4), randn(4), randn(4); randn(2, 2, 3)",
    .forward = layer_forward,
    .backward = layer_backward,
    .keep_args = 1 << X | 1 << GAMMA};
