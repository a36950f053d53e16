/* put.c - writing elements chosen by positions or by a mask. */
#include <string.h>

#include "tensor/tensor.h"

/* value broadcast to a shape, as a view; one error text for both writers. */
static int fit(peri_tensor **out, const peri_tensor *value, int ndim, const int64_t *shape) {
  int status = peri_tensor_expand(out, value, ndim, shape);
  return status == PERI_ESHAPE ? peri_fail(PERI_ESHAPE, "assignment: a value of shape %s does not fit into shape %s",
                                peri_shape_text(value->ndim, value->shape), peri_shape_text(ndim, shape))
                    : status;
}

static int put_row(peri_tensor *t, int64_t row, const peri_tensor *values, int64_t which) {
  peri_tensor *to = NULL, *from = NULL;
  int status = peri_tensor_select(&to, t, 0, row);
  if (status >= 0) status = peri_tensor_select(&from, values, 0, which);
  if (status >= 0) status = peri_tensor_copy(to, from);
  peri_tensor_release(to);
  peri_tensor_release(from);
  return status;
}

int peri_tensor_put(peri_tensor *t, const peri_tensor *positions, const peri_tensor *value) {
  if (positions->dtype != PERI_I64 || positions->ndim > 1 || t->ndim == 0) {
    return peri_fail(PERI_ETYPE, "assignment: positions are a vector of int64 over the first axis of %s, got a %s",
                     peri_tensor_text(t), peri_tensor_text(positions));
  }
  int64_t shape[PERI_MAX_DIMS], count = positions->ndim ? positions->shape[0] : 1;
  memcpy(shape, t->shape, sizeof shape);
  shape[0] = count;
  const int64_t *at = peri_tensor_data(positions);
  int64_t step = positions->ndim ? positions->strides[0] : 0;
  for (int64_t i = 0; i < count; i++) { /* all are checked before the first is written */
    int64_t asked = at[i * step];
    if (asked == 0 || asked > t->shape[0] || asked < -t->shape[0]) {
      return peri_fail(PERI_ESHAPE, "assignment: position %lld is out of range for axis 1 of size %lld",
                       (long long)asked, (long long)t->shape[0]);
    }
  }
  peri_tensor *values = NULL, *apart = NULL;
  if (value->storage == t->storage) PERI_TRY(peri_tensor_clone(&apart, value)); /* rows written must not be read again */
  int status = fit(&values, apart ? apart : value, t->ndim, shape);
  for (int64_t i = 0; i < count && status >= 0; i++) {
    int64_t asked = at[i * step];
    status = put_row(t, asked < 0 ? asked + t->shape[0] : asked - 1, values, i);
  }
  peri_tensor_release(apart);
  peri_tensor_release(values);
  return status;
}

/* One run of elements: value's element goes wherever the mask is set. */
static void put_run(peri_walk *w, size_t size) {
  for (int64_t i = 0; i < w->count; i++) {
    const uint8_t *mask = (const uint8_t *)w->data[1] + i * w->stride[1];
    if (*mask) memcpy(w->data[0] + i * w->stride[0] * (int64_t)size, w->data[2] + i * w->stride[2] * (int64_t)size, size);
  }
}

int peri_tensor_put_mask(peri_tensor *t, const peri_tensor *mask, const peri_tensor *value) {
  bool fits = mask->dtype == PERI_U8 && mask->ndim <= t->ndim;
  for (int i = 0; fits && i < mask->ndim; i++) fits = mask->shape[i] == t->shape[i];
  if (!fits) {
    return peri_fail(PERI_ESHAPE, "assignment: a mask is uint8 and has the sizes of the leading axes of %s, got a %s",
                     peri_tensor_text(t), peri_tensor_text(mask));
  }
  int64_t strides[PERI_MAX_DIMS] = {0};
  memcpy(strides, mask->strides, sizeof(int64_t) * (size_t)mask->ndim);
  peri_tensor *masks = NULL, *cast = NULL, *values = NULL;
  int status = peri_tensor_as(&masks, mask, t->ndim, t->shape, strides, mask->offset);
  if (status >= 0) status = peri_tensor_cast(&cast, value, t->dtype);
  if (status >= 0) status = fit(&values, cast, t->ndim, t->shape);
  if (status >= 0) {
    const peri_tensor *all[3] = {t, masks, values};
    peri_walk w;
    status = peri_walk_start(&w, "assignment", t->ndim, t->shape, 3, all);
    for (; status >= 0 && w.left; peri_walk_next(&w)) put_run(&w, w.size[0]);
    peri_tensor_touch(t);
  }
  peri_tensor_release(masks);
  peri_tensor_release(cast);
  peri_tensor_release(values);
  return status;
}
