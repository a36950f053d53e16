/* batch_norm.c - normalisation by the moments of a batch, with what may stand behind it in the same pass.

   xhat = (x - mean) / sqrt(var + eps) over all axes but the last, with the batch's own mean and biased variance;
   y = gamma xhat + beta (Ioffe and Szegedy 2015), then, where asked for, + skip, ReLU, and a max-pool whose windows
   do not overlap. Backward reads x and what is left of the moments: the ReLU's mask is made again from x, or, behind
   a skip, read from y; with a pool the x that won are kept as well, so that the sums visit those only. */
#include "ops/batch_norm.h"

#include <math.h>

/* --- the parts that other ops use --- */

static int check_vector(const char *op, const char *name, const peri_tensor *t, peri_dtype dtype, int64_t c) {
  if (!t) return PERI_OK;
  if (t->dtype != dtype) {
    return peri_fail(PERI_ETYPE, "%s: '%s' must be %s as x is, got %s", op, name, peri_dtype_name(dtype), peri_tensor_text(t));
  }
  if (t->ndim == 1 && t->shape[0] == c) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "%s: '%s' must have shape (%lld,), got %s", op, name, (long long)c, peri_shape_text(t->ndim, t->shape));
}

static int check_skip(const peri__norm_spec *s, peri_dtype dtype, int ndim, const int64_t *shape) {
  bool same = s->skip->ndim == ndim && s->skip->dtype == dtype;
  for (int i = 0; same && i < ndim; i++) same = s->skip->shape[i] == shape[i];
  if (s->pool->given) return peri_fail(PERI_EARG, "%s: takes a skip or a pool, not both", s->op);
  if (same) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "%s: 'skip' must be a %s of shape %s, got a %s", s->op, peri_dtype_name(dtype),
                   peri_shape_text(ndim, shape), peri_tensor_text(s->skip));
}

static int check_pool(const peri__norm_spec *s, int ndim, const int64_t *shape) {
  int64_t h = s->pool->ints.at[0], w = s->pool->ints.at[1];
  if (ndim != 4) return peri_fail(PERI_ESHAPE, "%s: a pool wants images (N, H, W, C), got shape %s", s->op, peri_shape_text(ndim, shape));
  if (h < 1 || w < 1 || h > 255 || w > 255 || h * w > 255) {
    return peri_fail(PERI_EARG, "%s: a pool window has 1 to 255 places, not %lld x %lld", s->op, (long long)h, (long long)w);
  }
  if (h <= shape[1] && w <= shape[2]) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "%s: a pool of %lld x %lld does not fit into %lld x %lld", s->op, (long long)h, (long long)w,
                   (long long)shape[1], (long long)shape[2]);
}

int peri__norm_check(const peri__norm_spec *s, peri_dtype dtype, int ndim, const int64_t *shape) {
  int64_t count = 1;
  if (ndim < 2) return peri_fail(PERI_ESHAPE, "%s: x needs at least two dimensions, got shape %s", s->op, peri_shape_text(ndim, shape));
  for (int i = 0; i < ndim; i++) count *= shape[i];
  if (count == 0) return peri_fail(PERI_ESHAPE, "%s: x of shape %s has no elements", s->op, peri_shape_text(ndim, shape));
  PERI_TRY(check_vector(s->op, "gamma", s->gamma, dtype, shape[ndim - 1]));
  PERI_TRY(check_vector(s->op, "beta", s->beta, dtype, shape[ndim - 1]));
  if (s->skip) PERI_TRY(check_skip(s, dtype, ndim, shape));
  return s->pool->given ? check_pool(s, ndim, shape) : PERI_OK;
}

/* inv = 1 / sqrt(variance + epsilon) */
static void invert(const peri_tensor *variance, peri_tensor *inv, double epsilon) {
  int64_t n = peri_tensor_count(variance);
  for (int64_t i = 0; i < n; i++) {
    double v = 1 / sqrt(peri_tensor_get(variance, &i) + epsilon);
    if (inv->dtype == PERI_F32) ((float *)peri_tensor_data(inv))[i] = (float)v;
    else ((double *)peri_tensor_data(inv))[i] = v;
  }
}

static void *data_or_null(const peri_tensor *t) { return t ? peri_tensor_data(t) : NULL; }

/* The kernels' description; *gamma and *beta are dense, new references. */
static int norm_of(peri_norm *p, const peri__norm_spec *s, const peri__norm_trace *t, peri_tensor **gamma, peri_tensor **beta) {
  const peri_tensor *x = s->x;
  int64_t c = x->shape[x->ndim - 1];
  if (s->gamma) PERI_TRY(peri_tensor_contiguous_of(gamma, s->gamma));
  if (s->beta) PERI_TRY(peri_tensor_contiguous_of(beta, s->beta));
  *p = (peri_norm){.rows = peri_tensor_count(x) / c, .c = c, .relu = s->relu, .mean = peri_tensor_data(t->mean),
                   .inv = peri_tensor_data(t->inv), .gamma = data_or_null(*gamma), .beta = data_or_null(*beta)};
  if (!s->pool->given) return PERI_OK;
  p->h = x->shape[1];
  p->w = x->shape[2];
  p->pool_h = s->pool->ints.at[0];
  p->pool_w = s->pool->ints.at[1];
  return PERI_OK;
}

static int new_results(const peri__norm_spec *s, peri__norm_trace *t, peri_tensor **variance) {
  const peri_tensor *x = s->x;
  int64_t c = x->shape[x->ndim - 1];
  PERI_TRY(peri_tensor_new(&t->mean, x->dtype, 1, &c));
  PERI_TRY(peri_tensor_new(&t->inv, x->dtype, 1, &c));
  PERI_TRY(peri_tensor_new(variance, x->dtype, 1, &c));
  if (!s->pool->given) return peri_tensor_like(&t->y, x);
  int64_t shape[4] = {x->shape[0], x->shape[1] / s->pool->ints.at[0], x->shape[2] / s->pool->ints.at[1], c};
  PERI_TRY(peri_tensor_new(&t->y, x->dtype, 4, shape));
  PERI_TRY(peri_tensor_new(&t->top, x->dtype, 4, shape));
  return peri_tensor_new(&t->winner, PERI_U8, 4, shape);
}

int peri__norm_forward(const peri__norm_spec *s, peri__norm_trace *t, peri_tensor **variance) {
  const peri_kernels *k = peri_kernels_of(s->x->dtype);
  peri_tensor *gamma = NULL, *beta = NULL, *skip = NULL;
  peri_norm p;
  PERI_TRY(new_results(s, t, variance));
  int status = norm_of(&p, s, t, &gamma, &beta);
  if (status >= 0 && s->skip) status = peri_tensor_contiguous_of(&skip, s->skip);
  const void *x = peri_tensor_data(s->x);
  if (status >= 0) status = k->channel_moments(p.rows, p.c, x, peri_tensor_data(t->mean), peri_tensor_data(*variance));
  if (status >= 0) {
    invert(*variance, t->inv, s->epsilon);
    void *y = peri_tensor_data(t->y);
    if (s->pool->given) k->channel_normalise_pool(&p, x, y, peri_tensor_data(t->top), peri_tensor_data(t->winner));
    else k->channel_normalise(&p, x, data_or_null(skip), y);
  }
  peri_tensor_release(gamma);
  peri_tensor_release(beta);
  peri_tensor_release(skip);
  return status;
}

int peri__norm_backward(const peri__norm_spec *s, const peri__norm_trace *t, peri_tensor *grad, peri_tensor **dx,
                        peri_tensor **dgamma, peri_tensor **dbeta, peri_tensor **dskip) {
  const peri_kernels *k = peri_kernels_of(s->x->dtype);
  peri_tensor *gamma = NULL, *beta = NULL, *dy = NULL;
  bool masked = s->skip && s->relu;
  peri_norm p = {0};
  int status = norm_of(&p, s, t, &gamma, &beta);
  if (status >= 0 && masked) status = peri__gradient_room(dskip, grad);
  if (status >= 0) status = s->skip || s->pool->given ? peri_tensor_like(dx, s->x) : peri__gradient_room(dx, grad);
  if (status >= 0) status = peri_tensor_contiguous_of(&dy, grad);
  if (status >= 0) status = peri_tensor_new(dgamma, s->x->dtype, 1, &p.c);
  if (status >= 0) status = peri_tensor_new(dbeta, s->x->dtype, 1, &p.c);
  if (status >= 0 && s->skip && !masked) *dskip = peri_tensor_retain(dy);
  if (status >= 0) {
    const void *x = peri_tensor_data(s->x), *d = peri_tensor_data(dy);
    void *to = peri_tensor_data(*dx), *of_gamma = peri_tensor_data(*dgamma), *of_beta = peri_tensor_data(*dbeta);
    if (s->pool->given) {
      status = k->channel_normalise_pool_backward(&p, x, peri_tensor_data(t->top), peri_tensor_data(t->winner), d, to, of_gamma, of_beta);
    } else {
      status = k->channel_normalise_backward(&p, x, masked ? peri_tensor_data(t->y) : NULL, d, to,
                                             masked ? peri_tensor_data(*dskip) : NULL, of_gamma, of_beta);
    }
  }
  peri_tensor_release(gamma);
  peri_tensor_release(beta);
  peri_tensor_release(dy);
  return status;
}

/* --- the op --- */

enum { X, GAMMA, BETA, EPSILON, RELU, SKIP, POOL };
enum { INV, TOP, WINNER }; /* aux */

static peri_tensor *optional(const peri_value *v) { return v->given ? v->tensor : NULL; }

static peri__norm_spec spec_of(const peri_call *c, peri_tensor *x) {
  const peri_value *a = c->arg;
  return (peri__norm_spec){.op = c->op->name, .x = x, .gamma = optional(&a[GAMMA]), .beta = optional(&a[BETA]),
                           .skip = optional(&a[SKIP]), .epsilon = a[EPSILON].number, .relu = a[RELU].boolean, .pool = &a[POOL]};
}

static int forward(peri_call *c) {
  peri_tensor *x = c->arg[X].tensor, *dense;
  peri__norm_spec s = spec_of(c, x);
  peri__norm_trace t = {0};
  PERI_TRY(peri__want_floating("batch_norm", "x", x));
  PERI_TRY(peri__norm_check(&s, x->dtype, x->ndim, x->shape));
  PERI_TRY(peri_tensor_contiguous_of(&dense, x));
  s.x = dense;
  int status = peri__norm_forward(&s, &t, &c->out[2]);
  c->out[0] = t.y;
  c->out[1] = t.mean;
  c->outs = 3;
  c->aux[INV] = t.inv;
  c->aux[TOP] = t.top;
  c->aux[WINNER] = t.winner;
  peri_tensor_release(dense);
  return status;
}

static int backward(peri_call *c, peri_tensor *const *grad_out, peri_tensor **grad_in) {
  peri_tensor *x, *dgamma = NULL, *dbeta = NULL;
  if (!grad_out[0]) return PERI_OK;
  PERI_TRY(peri_tensor_contiguous_of(&x, c->arg[X].tensor));
  peri__norm_spec s = spec_of(c, x);
  peri__norm_trace t = {.y = c->out[0], .mean = c->out[1], .inv = c->aux[INV], .top = c->aux[TOP], .winner = c->aux[WINNER]};
  int status = peri__norm_backward(&s, &t, grad_out[0], &grad_in[X], &dgamma, &dbeta, &grad_in[SKIP]);
  if (status >= 0 && c->arg[GAMMA].given) grad_in[GAMMA] = peri_tensor_retain(dgamma);
  if (status >= 0 && c->arg[BETA].given) grad_in[BETA] = peri_tensor_retain(dbeta);
  peri_tensor_release(dgamma);
  peri_tensor_release(dbeta);
  peri_tensor_release(x);
  return status;
}

const peri_op peri_op_batch_norm = {
    .name = "batch_norm",
    .signature = "x: tensor, gamma: tensor?, beta: tensor?, epsilon: number = 0.001, relu: bool = false, skip: tensor?, pool: pair?",
    .doc = "x normalised by the batch's mean and variance of each channel (the last axis), times gamma, plus beta. In the same "
           "pass, where asked for: plus skip (of x's shape), clamped at 0, and the largest of each window of a pool that does not "
           "overlap. Gives the result, the mean and the biased variance; gradients flow through the first only.",
    .example = "randn(3, 2, 2, 3), randn(3), randn(3); randn(5, 2); randn(4, 3), randn(3), randn(3), {relu = true}; "
               "randn(2, 2, 2, 3), randn(3), randn(3), {relu = true, skip = randn(2, 2, 2, 3)}; randn(4, 3), {skip = randn(4, 3)}; "
               "randn(2, 5, 4, 3), randn(3), randn(3), {relu = true, pool = 2}; randn(2, 3, 7, 2), {pool = {1, 3}}",
    .forward = forward,
    .backward = backward,
    .outs = 3,
    .keep_args = 1 << X | 1 << GAMMA | 1 << BETA,
    .keep_outs = 1 << 0 | 1 << 1,
    .constant_outs = 6};
