/* view.c - other shapes over the same storage. */
#include <string.h>

#include "tensor/tensor.h"

int peri_tensor_alias(peri_tensor **out, const peri_tensor *t) {
  return peri_tensor_as(out, t, t->ndim, t->shape, t->strides, t->offset);
}

/* Fills in a size of -1 and checks that the element counts agree. */
static int complete_shape(const peri_tensor *t, int ndim, const int64_t *asked, int64_t *shape) {
  int64_t count = peri_tensor_count(t), known = 1;
  int unknown = -1;
  if (ndim > PERI_MAX_DIMS) {
    return peri_fail(PERI_ESHAPE, "reshape: a tensor has at most %d dimensions, not %d", PERI_MAX_DIMS, ndim);
  }
  for (int i = 0; i < ndim; i++) {
    shape[i] = asked[i];
    if (asked[i] == -1 && unknown < 0) unknown = i;
    else if (asked[i] < 0 || __builtin_mul_overflow(known, asked[i], &known)) goto mismatch;
  }
  if (unknown >= 0) {
    if (known == 0 || count % known != 0) goto mismatch;
    shape[unknown] = count / known;
  } else if (known != count) {
    goto mismatch;
  }
  return PERI_OK;
mismatch:
  return peri_fail(PERI_ESHAPE, "reshape: %lld elements of shape %s do not fit shape %s", (long long)count,
                   peri_shape_text(t->ndim, t->shape), peri_shape_text(ndim, asked));
}

/* Strides for `shape` over the memory of t, if its axes can be regrouped without a copy: runs of axes
   that are dense with respect to each other are merged, then cut anew. */
static bool restride(const peri_tensor *t, int ndim, const int64_t *shape, int64_t *strides) {
  int64_t old_shape[PERI_MAX_DIMS], old_strides[PERI_MAX_DIMS];
  int olds = 0;
  for (int i = 0; i < t->ndim; i++) {
    if (t->shape[i] == 1) continue;
    old_shape[olds] = t->shape[i];
    old_strides[olds++] = t->strides[i];
  }
  int from = 0, to = 0;
  while (from < olds || to < ndim) {
    int64_t old_count = from < olds ? old_shape[from] : 1, new_count = to < ndim ? shape[to] : 1;
    int old_end = from < olds ? from + 1 : from, new_end = to < ndim ? to + 1 : to;
    while (old_count != new_count) {
      if (new_count < old_count) {
        if (new_end >= ndim) return false;
        new_count *= shape[new_end++];
      } else {
        if (old_end >= olds) return false;
        old_count *= old_shape[old_end++];
      }
    }
    for (int i = from; i + 1 < old_end; i++) {
      if (old_strides[i] != old_strides[i + 1] * old_shape[i + 1]) return false;
    }
    int64_t stride = old_end > from ? old_strides[old_end - 1] : 1;
    for (int i = new_end - 1; i >= to; i--) {
      strides[i] = stride;
      stride *= shape[i];
    }
    from = old_end;
    to = new_end;
  }
  return true;
}

int peri_tensor_reshape(peri_tensor **out, const peri_tensor *t, int ndim, const int64_t *asked) {
  int64_t shape[PERI_MAX_DIMS], strides[PERI_MAX_DIMS];
  PERI_TRY(complete_shape(t, ndim, asked, shape));
  if (peri_tensor_count(t) > 0 && restride(t, ndim, shape, strides)) {
    return peri_tensor_as(out, t, ndim, shape, strides, t->offset);
  }
  PERI_TRY(peri_tensor_new(out, t->dtype, ndim, shape));
  peri_tensor *flat = NULL;
  int status = peri_tensor_as(&flat, *out, t->ndim, t->shape, t->strides, 0);
  if (status >= 0) {
    int64_t stride = 1; /* the same shape as t, dense */
    for (int i = t->ndim - 1; i >= 0; i--) {
      flat->strides[i] = stride;
      stride *= t->shape[i];
    }
    status = peri_tensor_copy(flat, t);
  }
  peri_tensor_release(flat);
  if (status < 0) {
    peri_tensor_release(*out);
    *out = NULL;
  }
  return status;
}

int peri_tensor_permute(peri_tensor **out, const peri_tensor *t, const int *axes) {
  int64_t shape[PERI_MAX_DIMS], strides[PERI_MAX_DIMS];
  unsigned seen = 0;
  for (int i = 0; i < t->ndim; i++) {
    if (axes[i] < 0 || axes[i] >= t->ndim || seen >> axes[i] & 1U) {
      return peri_fail(PERI_EARG, "permute: the axes must name each of the %d axes of %s once", t->ndim,
                       peri_tensor_text(t));
    }
    seen |= 1U << axes[i];
    shape[i] = t->shape[axes[i]];
    strides[i] = t->strides[axes[i]];
  }
  return peri_tensor_as(out, t, t->ndim, shape, strides, t->offset);
}

int peri_tensor_slice(peri_tensor **out, const peri_tensor *t, int axis, int64_t start, int64_t length, int64_t step) {
  int64_t last = start + (length - 1) * step;
  if (axis < 0 || axis >= t->ndim || length < 0 || step == 0 ||
      (length > 0 && (start < 0 || start >= t->shape[axis] || last < 0 || last >= t->shape[axis]))) {
    return peri_fail(PERI_ESHAPE, "slice: %lld elements from %lld by %lld on axis %d of %s are out of range",
                     (long long)length, (long long)start + 1, (long long)step, axis + 1, peri_tensor_text(t));
  }
  int64_t shape[PERI_MAX_DIMS], strides[PERI_MAX_DIMS];
  memcpy(shape, t->shape, sizeof shape);
  memcpy(strides, t->strides, sizeof strides);
  shape[axis] = length;
  strides[axis] *= step;
  int64_t offset = length > 0 ? t->offset + start * t->strides[axis] : t->offset;
  return peri_tensor_as(out, t, t->ndim, shape, strides, offset);
}

int peri_tensor_select(peri_tensor **out, const peri_tensor *t, int axis, int64_t index) {
  if (axis < 0 || axis >= t->ndim || index < 0 || index >= t->shape[axis]) {
    return peri_fail(PERI_ESHAPE, "index: %lld is out of range on axis %d of %s", (long long)index + 1, axis + 1,
                     peri_tensor_text(t));
  }
  int64_t shape[PERI_MAX_DIMS], strides[PERI_MAX_DIMS];
  for (int i = 0, kept = 0; i < t->ndim; i++) {
    if (i == axis) continue;
    shape[kept] = t->shape[i];
    strides[kept++] = t->strides[i];
  }
  return peri_tensor_as(out, t, t->ndim - 1, shape, strides, t->offset + index * t->strides[axis]);
}

int peri_tensor_expand(peri_tensor **out, const peri_tensor *t, int ndim, const int64_t *shape) {
  int64_t strides[PERI_MAX_DIMS], sizes[PERI_MAX_DIMS];
  int added = ndim - t->ndim;
  bool fits = added >= 0 && ndim <= PERI_MAX_DIMS;
  for (int i = 0; fits && i < ndim; i++) {
    int64_t own = i < added ? 1 : t->shape[i - added];
    sizes[i] = shape[i] == -1 && i >= added ? own : shape[i];
    fits = sizes[i] >= 0 && (own == sizes[i] || own == 1);
    strides[i] = i < added || own != sizes[i] ? 0 : t->strides[i - added];
  }
  if (!fits) {
    return peri_fail(PERI_ESHAPE, "expand: shape %s cannot be broadcast to %s", peri_shape_text(t->ndim, t->shape),
                     peri_shape_text(ndim, shape));
  }
  return peri_tensor_as(out, t, ndim, sizes, strides, t->offset);
}
