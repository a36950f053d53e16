/* elements.c - moving elements between files and tensors, converting where the types differ. */
#include "format/elements.h"

#include <string.h>

#include "base/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "files are written in the host's order, which must be little");

enum { CHUNK = 1 << 16 }; /* bytes converted at a time; a multiple of every element's size */

const peri_element_info peri_element_infos[PERI_ELEMENTS] = {
#define X(name, bytes, dtype, numpy, safetensors) {#name, bytes, dtype, numpy, safetensors},
  PERI_ELEMENT_TABLE(X)
#undef X
};

peri_element peri_element_of(peri_dtype dtype) {
  switch (dtype) {
  case PERI_F64: return PERI_ELEMENT_F64;
  case PERI_I64: return PERI_ELEMENT_I64;
  case PERI_U8: return PERI_ELEMENT_U8;
  default: return PERI_ELEMENT_F32;
  }
}

int peri_elements_bytes(uint64_t *bytes, const char *where, size_t element_bytes, int ndim, const int64_t *shape) {
  if (ndim > PERI_MAX_DIMS) {
    return peri_fail(PERI_ESHAPE, "%s: has %d dimensions, at most %d are supported", where, ndim, PERI_MAX_DIMS);
  }
  uint64_t total = element_bytes;
  bool empty = false, over = false;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] < 0) return peri_fail(PERI_ESHAPE, "%s: size %lld is negative", where, (long long)shape[i]);
    if (shape[i] == 0) empty = true;
    else over = __builtin_mul_overflow(total, (uint64_t)shape[i], &total) || over;
  }
  /* Strides of an empty tensor are computed too, so its other sizes must not overflow either. */
  if (over || total > (uint64_t)INT64_MAX) {
    return peri_fail(PERI_ESHAPE, "%s: shape %s is too large", where, peri_shape_text(ndim, shape));
  }
  *bytes = empty ? 0 : total;
  return PERI_OK;
}

static void swap_bytes(uint8_t *data, size_t size, size_t count) {
  for (size_t i = 0; i < count; i++, data += size) {
    for (size_t a = 0, b = size - 1; a < b; a++, b--) {
      uint8_t kept = data[a];
      data[a] = data[b];
      data[b] = kept;
    }
  }
}

/* IEEE half to single: normal numbers by rebiasing the exponent, subnormals by a multiplication. */
static float half_to_float(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3FF, bits;
  float value;
  if (exponent == 0) {
    value = (float)fraction * 0x1p-24F;
    memcpy(&bits, &value, sizeof bits);
    bits |= sign;
  } else {
    bits = sign | (exponent == 31 ? 255U : exponent + 112U) << 23 | fraction << 13;
  }
  memcpy(&value, &bits, sizeof value);
  return value;
}

#define WIDEN(source, target, expression)                                                           \
  do {                                                                                             \
    target *to_ = to;                                                                              \
    for (size_t i = 0; i < count; i++) {                                                           \
      source x;                                                                                    \
      memcpy(&x, from + i * sizeof x, sizeof x);                                                   \
      to_[i] = (target)(expression);                                                               \
    }                                                                                              \
  } while (0)

/* Converts little-endian elements. */
static int convert(void *to, const uint8_t *from, peri_element element, size_t count, const char *where) {
  switch (element) {
  case PERI_ELEMENT_F16: WIDEN(uint16_t, float, half_to_float(x)); break;
  case PERI_ELEMENT_BF16:
    for (size_t i = 0; i < count; i++) {
      uint32_t bits = (uint32_t)from[2 * i] << 16 | (uint32_t)from[2 * i + 1] << 24;
      memcpy((float *)to + i, &bits, sizeof bits);
    }
    break;
  case PERI_ELEMENT_BOOL: WIDEN(uint8_t, uint8_t, x != 0); break;
  case PERI_ELEMENT_I8: WIDEN(int8_t, int64_t, x); break;
  case PERI_ELEMENT_I16: WIDEN(int16_t, int64_t, x); break;
  case PERI_ELEMENT_I32: WIDEN(int32_t, int64_t, x); break;
  case PERI_ELEMENT_U16: WIDEN(uint16_t, int64_t, x); break;
  case PERI_ELEMENT_U32: WIDEN(uint32_t, int64_t, x); break;
  case PERI_ELEMENT_U64: {
    uint64_t all = 0;
    WIDEN(uint64_t, int64_t, (all |= x, x));
    if (all >> 63) return peri_fail(PERI_ETYPE, "%s: a uint64 value does not fit into int64", where);
    break;
  }
  default: memcpy(to, from, count * peri_element_infos[element].bytes); break;
  }
  return PERI_OK;
}

static int read_converted(char *to, const peri_file_reader *r, uint64_t offset, peri_element element, bool swap,
                          uint64_t bytes, const char *where) {
  const peri_element_info *info = &peri_element_infos[element];
  uint8_t *chunk = peri_alloc(CHUNK);
  if (!chunk) return PERI_ENOMEM;
  int status = PERI_OK;
  while (bytes && status == PERI_OK) {
    size_t size = bytes < CHUNK ? (size_t)bytes : CHUNK, count = size / info->bytes;
    status = peri_file_reader_at(r, offset, chunk, size);
    if (status == PERI_OK) {
      if (swap) swap_bytes(chunk, info->bytes, count);
      status = convert(to, chunk, element, count, where);
    }
    to += count * peri_dtype_size(info->dtype);
    offset += size;
    bytes -= size;
  }
  peri_free(chunk);
  return status;
}

int peri_elements_read(peri_tensor **out, const peri_file_reader *r, uint64_t offset, peri_element element, bool swap,
                       int ndim, const int64_t *shape, const char *where) {
  const peri_element_info *info = &peri_element_infos[element];
  uint64_t bytes;
  *out = NULL;
  PERI_TRY(peri_elements_bytes(&bytes, where, peri_dtype_size(info->dtype), ndim, shape)); /* widened: may overflow */
  PERI_TRY(peri_elements_bytes(&bytes, where, info->bytes, ndim, shape));
  peri_tensor *t;
  PERI_TRY(peri_tensor_new(&t, info->dtype, ndim, shape));
  int status;
  if (!swap && element == peri_element_of(info->dtype)) {
    status = peri_file_reader_at(r, offset, peri_tensor_data(t), (size_t)bytes);
  } else {
    status = read_converted(peri_tensor_data(t), r, offset, element, swap, bytes, where);
  }
  if (status < 0) peri_tensor_release(t);
  else *out = t;
  return status;
}

int peri_elements_each(const peri_tensor *t, int (*put)(void *context, const void *data, size_t bytes), void *context) {
  size_t size = peri_dtype_size(t->dtype);
  int64_t count = peri_tensor_count(t);
  if (count == 0) return PERI_OK;
  if (peri_tensor_contiguous(t)) return put(context, peri_tensor_data(t), (size_t)count * size);
  peri_tensor *dense; /* strided tensors in files are rare; one copy is simpler than a walk */
  PERI_TRY(peri_tensor_clone(&dense, t));
  int status = put(context, peri_tensor_data(dense), (size_t)count * size);
  peri_tensor_release(dense);
  return status;
}

static int put_file(void *context, const void *data, size_t bytes) {
  return peri_file_writer_write(context, data, bytes);
}

int peri_elements_write(peri_file_writer *w, const peri_tensor *t) { return peri_elements_each(t, put_file, w); }
