/* idx_write.c - IDX files out: what idx.c reads. The element's type follows the tensor's: uint8 is 08, int64 is 0C (32
   bits, which its values must fit), float32 0D, float64 0E; all big-endian. */
#include "data/data.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"

enum { PIECE = 1024 }; /* elements that are turned round at once */

static void put_big_endian(uint64_t value, int bytes, unsigned char *to) {
  for (int i = bytes - 1; i >= 0; i--, value >>= 8) to[i] = (unsigned char)value;
}

/* The type's code and the bytes of an element in the file. */
static int type_of(peri_dtype dtype, unsigned char *code, int *bytes) {
  switch (dtype) {
  case PERI_U8: *code = 0x08, *bytes = 1; return PERI_OK;
  case PERI_I64: *code = 0x0C, *bytes = 4; return PERI_OK;
  case PERI_F32: *code = 0x0D, *bytes = 4; return PERI_OK;
  case PERI_F64: *code = 0x0E, *bytes = 8; return PERI_OK;
  default: return peri_fail(PERI_ETYPE, "idx: there is no IDX type for %s", peri_dtype_name(dtype));
  }
}

static int write_header(peri_file_writer *w, const peri_tensor *t, unsigned char code) {
  unsigned char header[4 + 4 * PERI_MAX_DIMS] = {0, 0, code, (unsigned char)t->ndim};
  for (int i = 0; i < t->ndim; i++) put_big_endian((uint64_t)t->shape[i], 4, header + 4 + 4 * i);
  return peri_file_writer_write(w, header, 4 + 4 * (size_t)t->ndim);
}

/* One element's bits as the file has them. */
static int bits_of(const peri_tensor *t, const char *from, uint64_t *bits) {
  uint32_t half;
  *bits = 0;
  if (t->dtype == PERI_F32) {
    memcpy(&half, from, 4);
    *bits = half;
    return PERI_OK;
  }
  memcpy(bits, from, 8);
  if (t->dtype != PERI_I64) return PERI_OK;
  int64_t whole = (int64_t)*bits;
  if (whole >= INT32_MIN && whole <= INT32_MAX) return PERI_OK;
  return peri_fail(PERI_EARG, "idx: an element is %" PRId64 ", and whole numbers are written with 32 bits", whole);
}

static int write_elements(peri_file_writer *w, const peri_tensor *t, int bytes) {
  unsigned char buffer[PIECE * 8];
  int64_t count = peri_tensor_count(t);
  const char *from = peri_tensor_data(t);
  size_t width = peri_dtype_size(t->dtype);
  if (t->dtype == PERI_U8) return peri_file_writer_write(w, from, (size_t)count);
  for (int64_t done = 0; done < count;) {
    int64_t n = count - done < PIECE ? count - done : PIECE;
    for (int64_t i = 0; i < n; i++) {
      uint64_t bits;
      PERI_TRY(bits_of(t, from + (size_t)(done + i) * width, &bits));
      put_big_endian(bits, bytes, buffer + i * bytes);
    }
    PERI_TRY(peri_file_writer_write(w, buffer, (size_t)n * (size_t)bytes));
    done += n;
  }
  return PERI_OK;
}

int peri_idx_write(const char *path, const peri_tensor *t) {
  peri_file_writer *w;
  unsigned char code = 0;
  int bytes = 0, status;
  PERI_TRY(type_of(t->dtype, &code, &bytes));
  if (t->ndim < 1) return peri_fail(PERI_ESHAPE, "idx: %s: a single number has no axes, and IDX wants one at least", path);
  if (!peri_tensor_contiguous(t)) return peri_fail(PERI_ESTATE, "idx: %s: the tensor is not contiguous", path);
  for (int i = 0; i < t->ndim; i++) {
    if (t->shape[i] > UINT32_MAX) return peri_fail(PERI_ESHAPE, "idx: %s: axis %d is longer than 32 bits can say", path, i);
  }
  PERI_TRY(peri_file_writer_open(&w, path));
  PERI_TRY_GOTO(failed, write_header(w, t, code));
  PERI_TRY_GOTO(failed, write_elements(w, t, bytes));
  return peri_file_writer_commit(w);
failed:
  peri_file_writer_abort(w);
  return status;
}
