/* copy.c - copies between any two layouts and element types. */
#include <string.h>

#include "tensor/tensor.h"

/* Float to integer truncates and saturates, so that no value is undefined; NaN becomes 0. */
static int64_t integer_of(double value) {
  if (value != value) return 0;
  if (value >= 9223372036854775807.0) return INT64_MAX;
  if (value <= -9223372036854775808.0) return INT64_MIN;
  return (int64_t)value;
}
static uint8_t byte_of(double value) { return (uint8_t)integer_of(value); }

#define CAST_LOOP(TO, FROM, CONVERT)                                                               \
  do {                                                                                             \
    TO *to = (TO *)(void *)y;                                                                      \
    const FROM *from = (const FROM *)(const void *)x;                                              \
    for (int64_t i = 0; i < n; i++) to[i * sy] = (TO)CONVERT(from[i * sx]);                        \
  } while (0)

#define CAST_FROM(FROM, INTEGER, BYTE)                                                             \
  switch (to_type) {                                                                               \
  case PERI_F32: CAST_LOOP(float, FROM, ); break;                                                  \
  case PERI_F64: CAST_LOOP(double, FROM, ); break;                                                 \
  case PERI_I64: CAST_LOOP(int64_t, FROM, INTEGER); break;                                         \
  default: CAST_LOOP(uint8_t, FROM, BYTE); break;                                                  \
  }

static void cast_run(int64_t n, peri_dtype from_type, const char *x, int64_t sx, peri_dtype to_type, char *y,
                     int64_t sy) {
  if (from_type == to_type && sx == 1 && sy == 1) {
    memcpy(y, x, (size_t)n * peri_dtype_size(to_type));
    return;
  }
  switch (from_type) {
  case PERI_F32: CAST_FROM(float, integer_of, byte_of) break;
  case PERI_F64: CAST_FROM(double, integer_of, byte_of) break;
  case PERI_I64: CAST_FROM(int64_t, , ) break;
  default: CAST_FROM(uint8_t, , ) break;
  }
}

static bool overlap(const peri_tensor *a, const peri_tensor *b) {
  return a->storage == b->storage && a->storage->bytes > 0 &&
         !(a->offset == b->offset && peri_tensor_same_shape(a, b) &&
           memcmp(a->strides, b->strides, sizeof(int64_t) * (size_t)a->ndim) == 0);
}

static int copy_elements(peri_tensor *to, const peri_tensor *from) {
  const peri_tensor *both[2] = {to, from};
  peri_walk w;
  PERI_TRY(peri_walk_start(&w, "copy", to->ndim, to->shape, 2, both));
  for (; w.left; peri_walk_next(&w)) {
    cast_run(w.count, from->dtype, w.data[1], w.stride[1], to->dtype, w.data[0], w.stride[0]);
  }
  return PERI_OK;
}

int peri_tensor_copy(peri_tensor *to, const peri_tensor *from) {
  peri_tensor *apart = NULL;
  if (overlap(to, from)) PERI_TRY(peri_tensor_clone(&apart, from));
  int status = copy_elements(to, apart ? apart : from);
  peri_tensor_release(apart);
  if (status >= 0) peri_tensor_touch(to);
  return status;
}

int peri_tensor_cast(peri_tensor **out, const peri_tensor *t, peri_dtype dtype) {
  PERI_TRY(peri_tensor_new(out, dtype, t->ndim, t->shape));
  return copy_elements(*out, t); /* same shape: cannot fail */
}

int peri_tensor_clone(peri_tensor **out, const peri_tensor *t) { return peri_tensor_cast(out, t, t->dtype); }

int peri_tensor_contiguous_of(peri_tensor **out, peri_tensor *t) {
  if (!peri_tensor_contiguous(t)) return peri_tensor_clone(out, t);
  *out = peri_tensor_retain(t);
  return PERI_OK;
}

int peri_tensor_fill(peri_tensor *t, double value) {
  peri_tensor *one;
  if (t->dtype == PERI_U8 && (value < 0 || value > 255)) {
    return peri_fail(PERI_EARG, "fill: %.14g does not fit into uint8 (0 to 255)", value);
  }
  PERI_TRY(peri_tensor_new(&one, PERI_F64, 0, NULL));
  *(double *)one->storage->data = value;
  int status = peri_tensor_copy(t, one);
  peri_tensor_release(one);
  return status;
}
