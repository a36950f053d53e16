/* tensor.c - handles and storages: making, sharing, releasing, looking. */
#include "tensor/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* Set by grad/tape.c: tensors do not know what a graph is, but own their place in one. */
void (*peri__meta_release)(struct peri_meta *meta);

static const struct {
  const char *name, *alias;
  size_t size;
} dtypes[PERI_DTYPES] = {
    [PERI_F32] = {"float32", "float", sizeof(float)},
    [PERI_F64] = {"float64", "double", sizeof(double)},
    [PERI_I64] = {"int64", "long", sizeof(int64_t)},
    [PERI_U8] = {"uint8", "byte", sizeof(uint8_t)},
};

size_t peri_dtype_size(peri_dtype dtype) { return dtypes[dtype].size; }
const char *peri_dtype_name(peri_dtype dtype) { return dtypes[dtype].name; }

int peri_dtype_parse(peri_dtype *out, const char *name) {
  for (int i = 0; i < PERI_DTYPES; i++) {
    if (strcmp(name, dtypes[i].name) == 0 || strcmp(name, dtypes[i].alias) == 0) {
      *out = (peri_dtype)i;
      return PERI_OK;
    }
  }
  return peri_fail(PERI_EARG, "unknown element type '%s'; there are float32, float64, int64 and uint8", name);
}

/* The number of elements of a shape, or an error for negative sizes and sizes past memory. The strides of an empty
   tensor are those of its other sizes, so these have to fit too. */
static int count_of(int64_t *count, peri_dtype dtype, int ndim, const int64_t *shape) {
  if (ndim < 0 || ndim > PERI_MAX_DIMS) {
    return peri_fail(PERI_ESHAPE, "a tensor has 0 to %d dimensions, not %d", PERI_MAX_DIMS, ndim);
  }
  int64_t product = 1;
  bool empty = false;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] == 0) {
      empty = true;
      continue;
    }
    if (shape[i] < 0) {
      return peri_fail(PERI_ESHAPE, "a size must not be negative: shape %s", peri_shape_text(ndim, shape));
    }
    if (__builtin_mul_overflow(product, shape[i], &product) || product > INT64_MAX / (int64_t)dtypes[dtype].size) {
      return peri_fail(PERI_ENOMEM, "a tensor of shape %s is too large", peri_shape_text(ndim, shape));
    }
  }
  *count = empty ? 0 : product;
  return PERI_OK;
}

static void dense_strides(int ndim, const int64_t *shape, int64_t *strides) {
  int64_t stride = 1;
  for (int i = ndim - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i] > 0 ? shape[i] : 1;
  }
}

static int handle_new(peri_tensor **out, peri_dtype dtype, int ndim, const int64_t *shape) {
  peri_tensor *t = peri_alloc_zeroed(sizeof *t);
  if (!t) return PERI_ENOMEM;
  t->references = 1;
  t->dtype = dtype;
  t->ndim = ndim;
  if (ndim) memcpy(t->shape, shape, sizeof(int64_t) * (size_t)ndim);
  dense_strides(ndim, shape, t->strides);
  *out = t;
  return PERI_OK;
}

int peri_tensor_new(peri_tensor **out, peri_dtype dtype, int ndim, const int64_t *shape) {
  int64_t count = 0;
  PERI_TRY(count_of(&count, dtype, ndim, shape));
  peri_storage *storage = peri_alloc_zeroed(sizeof *storage);
  if (!storage) return PERI_ENOMEM;
  storage->references = 1;
  storage->bytes = (size_t)count * dtypes[dtype].size;
  storage->data = peri_alloc(storage->bytes);
  peri_tensor *t;
  if (!storage->data || handle_new(&t, dtype, ndim, shape) < 0) {
    peri_free(storage->data);
    peri_free(storage);
    return PERI_ENOMEM;
  }
  t->storage = storage;
  *out = t;
  return PERI_OK;
}

int peri_tensor_zeros(peri_tensor **out, peri_dtype dtype, int ndim, const int64_t *shape) {
  PERI_TRY(peri_tensor_new(out, dtype, ndim, shape));
  memset((*out)->storage->data, 0, (*out)->storage->bytes);
  return PERI_OK;
}

int peri_tensor_full(peri_tensor **out, peri_dtype dtype, int ndim, const int64_t *shape, double value) {
  PERI_TRY(peri_tensor_new(out, dtype, ndim, shape));
  peri_kernels_of(dtype)->fill(peri_tensor_count(*out), (*out)->storage->data, value);
  return PERI_OK;
}

int peri_tensor_like(peri_tensor **out, const peri_tensor *model) {
  return peri_tensor_new(out, model->dtype, model->ndim, model->shape);
}

int peri_tensor_stub(peri_tensor **out, const peri_tensor *model) {
  return handle_new(out, model->dtype, model->ndim, model->shape);
}

int peri_tensor_from(peri_tensor **out, peri_dtype dtype, int ndim, const int64_t *shape, const void *data) {
  PERI_TRY(peri_tensor_new(out, dtype, ndim, shape));
  if ((*out)->storage->bytes) memcpy((*out)->storage->data, data, (*out)->storage->bytes);
  return PERI_OK;
}

peri_tensor *peri_tensor_retain(peri_tensor *t) {
  if (t) t->references++;
  return t;
}

static void storage_release(peri_storage *storage) {
  if (!storage || --storage->references > 0) return;
  if (storage->release) storage->release(storage->owner);
  else peri_free(storage->data);
  peri_free(storage);
}

void peri_tensor_release(peri_tensor *t) {
  if (!t || --t->references > 0) return;
  storage_release(t->storage);
  if (t->meta) peri__meta_release(t->meta);
  peri_free(t);
}

int peri_tensor_as(peri_tensor **out, const peri_tensor *t, int ndim, const int64_t *shape, const int64_t *strides,
                   int64_t offset) {
  peri_tensor *view;
  PERI_TRY(handle_new(&view, t->dtype, ndim, shape));
  if (ndim) memcpy(view->strides, strides, sizeof(int64_t) * (size_t)ndim);
  view->offset = offset;
  view->storage = t->storage;
  if (view->storage) view->storage->references++;
  *out = view;
  return PERI_OK;
}

int64_t peri_tensor_count(const peri_tensor *t) {
  int64_t count = 1;
  for (int i = 0; i < t->ndim; i++) count *= t->shape[i];
  return count;
}

bool peri_tensor_contiguous(const peri_tensor *t) {
  int64_t stride = 1;
  for (int i = t->ndim - 1; i >= 0; i--) {
    if (t->shape[i] == 0) return true;
    if (t->shape[i] > 1 && t->strides[i] != stride) return false;
    stride *= t->shape[i];
  }
  return true;
}

void *peri_tensor_data(const peri_tensor *t) {
  return (char *)t->storage->data + t->offset * (int64_t)dtypes[t->dtype].size;
}

bool peri_tensor_same_shape(const peri_tensor *a, const peri_tensor *b) {
  return a->ndim == b->ndim && (a->ndim == 0 || memcmp(a->shape, b->shape, sizeof(int64_t) * (size_t)a->ndim) == 0);
}

static double element(const peri_tensor *t, int64_t at) {
  const void *data = t->storage->data;
  switch (t->dtype) {
  case PERI_F32: return (double)((const float *)data)[at];
  case PERI_F64: return ((const double *)data)[at];
  case PERI_I64: return (double)((const int64_t *)data)[at];
  default: return (double)((const uint8_t *)data)[at];
  }
}

double peri_tensor_get(const peri_tensor *t, const int64_t *index) {
  int64_t at = t->offset;
  for (int i = 0; i < t->ndim; i++) at += index[i] * t->strides[i];
  return element(t, at);
}

double peri_tensor_item(const peri_tensor *t) { return element(t, t->offset); }

/* Messages name several shapes at once, so texts live in a ring. */
static char *ring(void) {
  enum { TEXTS = 8, BYTES = 224 };
  static _Thread_local char texts[TEXTS][BYTES];
  static _Thread_local unsigned next;
  return texts[next++ % TEXTS];
}

const char *peri_shape_text(int ndim, const int64_t *shape) {
  char *text = ring();
  size_t used = (size_t)snprintf(text, 224, "(");
  for (int i = 0; i < ndim && i < PERI_MAX_DIMS; i++) {
    used += (size_t)snprintf(text + used, 224 - used, i ? ", %" PRId64 : "%" PRId64, shape[i]);
  }
  snprintf(text + used, 224 - used, ndim == 1 ? ",)" : ")");
  return text;
}

const char *peri_tensor_text(const peri_tensor *t) {
  char *text = ring();
  snprintf(text, 224, "%s %s", peri_dtype_name(t->dtype), peri_shape_text(t->ndim, t->shape));
  return text;
}
