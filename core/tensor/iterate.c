/* iterate.c - broadcasting, and walking several tensors of one shape together. */
#include <string.h>

#include "tensor/tensor.h"

int peri_broadcast(const char *op, int andim, const int64_t *ashape, int bndim, const int64_t *bshape, int *ndim,
                   int64_t *shape) {
  int most = andim > bndim ? andim : bndim;
  for (int i = 0; i < most; i++) {
    int64_t a = i < most - andim ? 1 : ashape[i - (most - andim)];
    int64_t b = i < most - bndim ? 1 : bshape[i - (most - bndim)];
    if (a != b && a != 1 && b != 1) {
      return peri_fail(PERI_ESHAPE,
                       "%s: shapes %s and %s cannot be broadcast together: counted from the right, each pair of "
                       "sizes must be equal or one of them 1",
                       op, peri_shape_text(andim, ashape), peri_shape_text(bndim, bshape));
    }
    shape[i] = a == 1 ? b : a;
  }
  *ndim = most;
  return PERI_OK;
}

/* Can axis i of every tensor be run through as a continuation of axis i + 1? */
static bool mergeable(const peri_walk *w, int i) {
  for (int k = 0; k < w->tensors; k++) {
    if (w->strides[k][i] != w->strides[k][i + 1] * w->shape[i + 1]) return false;
  }
  return true;
}

static void remove_axis(peri_walk *w, int i) {
  size_t after = sizeof(int64_t) * (size_t)(w->ndim - i - 1);
  memmove(&w->shape[i], &w->shape[i + 1], after);
  for (int k = 0; k < w->tensors; k++) memmove(&w->strides[k][i], &w->strides[k][i + 1], after);
  w->ndim--;
}

static void coalesce(peri_walk *w) {
  for (int i = w->ndim - 1; i >= 0; i--) {
    if (w->shape[i] == 1) remove_axis(w, i);
  }
  for (int i = w->ndim - 2; i >= 0; i--) {
    if (!mergeable(w, i)) continue;
    w->shape[i + 1] *= w->shape[i];
    remove_axis(w, i);
  }
}

int peri_walk_start(peri_walk *w, const char *op, int ndim, const int64_t *shape, int tensors,
                    const peri_tensor *const *t) {
  *w = (peri_walk){.tensors = tensors, .ndim = ndim, .left = 1};
  memcpy(w->shape, shape, sizeof(int64_t) * (size_t)ndim);
  for (int k = 0; k < tensors; k++) {
    int added = ndim - t[k]->ndim;
    for (int i = 0; i < ndim; i++) {
      int64_t own = i < added ? 1 : t[k]->shape[i - added];
      if (added < 0 || (own != 1 && own != shape[i])) {
        return peri_fail(PERI_ESHAPE, "%s: shape %s does not fit %s", op, peri_shape_text(t[k]->ndim, t[k]->shape),
                         peri_shape_text(ndim, shape));
      }
      w->strides[k][i] = own == 1 ? 0 : t[k]->strides[i - added];
    }
    w->size[k] = peri_dtype_size(t[k]->dtype);
    w->data[k] = peri_tensor_data(t[k]);
  }
  coalesce(w);
  for (int i = 0; i < w->ndim; i++) w->left *= w->shape[i];
  w->count = w->ndim ? w->shape[w->ndim - 1] : 1;
  if (w->count) w->left /= w->count;
  for (int k = 0; k < tensors; k++) w->stride[k] = w->ndim ? w->strides[k][w->ndim - 1] : 1;
  return PERI_OK;
}

void peri_walk_next(peri_walk *w) {
  w->left--;
  for (int i = w->ndim - 2; i >= 0; i--) {
    bool carry = ++w->index[i] == w->shape[i];
    int64_t steps = carry ? 1 - w->shape[i] : 1;
    if (carry) w->index[i] = 0;
    for (int k = 0; k < w->tensors; k++) w->data[k] += steps * w->strides[k][i] * (int64_t)w->size[k];
    if (!carry) return;
  }
}
