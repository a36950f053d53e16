/* common.c - checks and steps that many ops share. */
#include <string.h>

#include "ops/ops.h"

int peri__want_floating(const char *op, const char *argument, const peri_tensor *t) {
  if (peri_dtype_floating(t->dtype)) return PERI_OK;
  return peri_fail(PERI_ETYPE, "%s: '%s' must be float32 or float64, not %s; convert it with :float() or :double()", op,
                   argument, peri_dtype_name(t->dtype));
}

int peri__want_same_type(const char *op, const peri_tensor *a, const peri_tensor *b) {
  if (a->dtype == b->dtype) return PERI_OK;
  return peri_fail(PERI_ETYPE, "%s: %s and %s do not mix; convert one with :float(), :double(), :long() or :byte()", op,
                   peri_tensor_text(a), peri_tensor_text(b));
}

int peri__want_ndim(const char *op, const char *argument, const peri_tensor *t, int ndim) {
  if (t->ndim == ndim) return PERI_OK;
  return peri_fail(PERI_ESHAPE, "%s: '%s' must have %d dimensions, got shape %s", op, argument, ndim,
                   peri_shape_text(t->ndim, t->shape));
}

peri_span peri__span(const peri_tensor *t, int axis) {
  peri_span s = {1, t->shape[axis], 1};
  for (int i = 0; i < axis; i++) s.outer *= t->shape[i];
  for (int i = axis + 1; i < t->ndim; i++) s.inner *= t->shape[i];
  return s;
}

/* Sums axis `axis` of a dense tensor down to size 1; takes over t. */
static int sum_axis(peri_tensor **out, peri_tensor *t, int axis) {
  int64_t shape[PERI_MAX_DIMS];
  memcpy(shape, t->shape, sizeof shape);
  shape[axis] = 1;
  peri_span s = peri__span(t, axis);
  int status = peri_tensor_new(out, t->dtype, t->ndim, shape);
  if (status >= 0) {
    peri_kernels_of(t->dtype)->reduce(PERI_SUM, s.outer, s.n, s.inner, peri_tensor_data(t), peri_tensor_data(*out));
  }
  peri_tensor_release(t);
  return status;
}

int peri__sum_to(peri_tensor **out, peri_tensor *t, const peri_tensor *like) {
  if (peri_tensor_same_shape(t, like)) {
    *out = t;
    return PERI_OK;
  }
  peri_tensor *now;
  int status = peri_tensor_contiguous_of(&now, t);
  peri_tensor_release(t);
  if (status < 0) return status;
  int added = now->ndim - like->ndim;
  for (int i = 0; i < now->ndim; i++) {
    int64_t wanted = i < added ? 1 : like->shape[i - added];
    if (now->shape[i] != wanted) PERI_TRY(sum_axis(&now, now, i));
  }
  status = peri_tensor_reshape(out, now, like->ndim, like->shape);
  peri_tensor_release(now);
  return status;
}

int peri__gradient_room(peri_tensor **out, peri_tensor *grad) {
  bool ours = grad->references == 1 && grad->storage->references == 1 && peri_tensor_contiguous(grad);
  if (!ours) return peri_tensor_like(out, grad);
  *out = peri_tensor_retain(grad);
  return PERI_OK;
}
