/* idx.c - IDX: 0, 0, a type, the number of axes; each size as 32 bits; then the elements, big-endian.

   Nothing is allocated before the header's sizes are held against the length of the file. */
#include "data/data.h"

#include <inttypes.h>
#include <string.h>

#include "base/status.h"
#include "data/stream.h"

typedef struct idx_type {
  unsigned char code;
  unsigned char bytes; /* of an element in the file */
  peri_dtype dtype;    /* what it becomes */
} idx_type;

static const idx_type types[] = {
    {0x08, 1, PERI_U8},  {0x09, 1, PERI_I64}, {0x0B, 2, PERI_I64},
    {0x0C, 4, PERI_I64}, {0x0D, 4, PERI_F32}, {0x0E, 8, PERI_F64},
};

typedef struct idx_header {
  const idx_type *type;
  int ndim;
  int64_t shape[PERI_MAX_DIMS];
  uint64_t count; /* elements */
} idx_header;

static uint64_t big_endian(const unsigned char *p, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | p[i];
  return value;
}

/* Reads exactly `want` bytes of the header. */
static int read_header_bytes(peri_stream *s, unsigned char *to, size_t want, const char *part) {
  size_t got;
  uint64_t at = s->offset;
  PERI_TRY(peri__stream_read(s, to, want, &got));
  if (got == want) return PERI_OK;
  return peri_fail(PERI_EFORMAT, "idx: %s: the file ends at byte %" PRIu64 ", inside %s (%zu bytes expected at byte %" PRIu64 ")",
                   s->path, s->offset, part, want, at);
}

static int read_magic(peri_stream *s, idx_header *h) {
  unsigned char magic[4];
  PERI_TRY(read_header_bytes(s, magic, 4, "the magic number"));
  if (magic[0] || magic[1]) {
    return peri_fail(PERI_EFORMAT,
                     "idx: %s: byte 0: the magic number is %02x%02x%02x%02x, expected two zero bytes, a type and the "
                     "number of axes (00000803 for MNIST's images, 00000801 for its labels)",
                     s->path, magic[0], magic[1], magic[2], magic[3]);
  }
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (types[i].code == magic[2]) h->type = &types[i];
  }
  if (!h->type) {
    return peri_fail(PERI_EFORMAT, "idx: %s: byte 2: unknown element type %02x, expected 08, 09, 0b, 0c, 0d or 0e", s->path,
                     magic[2]);
  }
  h->ndim = magic[3];
  if (h->ndim < 1 || h->ndim > PERI_MAX_DIMS) {
    return peri_fail(PERI_EFORMAT, "idx: %s: byte 3: %d axes, expected 1 to %d", s->path, h->ndim, PERI_MAX_DIMS);
  }
  return PERI_OK;
}

/* The sizes, and that the file can hold what they promise. A packed file's length is known only as a bound. */
static int read_sizes(peri_stream *s, idx_header *h) {
  unsigned char sizes[4 * PERI_MAX_DIMS];
  PERI_TRY(read_header_bytes(s, sizes, 4 * (size_t)h->ndim, "the sizes of the axes"));
  uint64_t room = s->most / h->type->bytes; /* elements, a little generous */
  h->count = 1;
  bool empty = false, too_many = false;
  for (int i = 0; i < h->ndim; i++) {
    h->shape[i] = (int64_t)big_endian(sizes + 4 * i, 4);
    if (h->shape[i] == 0) empty = true;
    else if (h->count > room / (uint64_t)h->shape[i]) too_many = true;
    else h->count *= (uint64_t)h->shape[i];
  }
  if (empty) h->count = 0;
  uint64_t expected = s->offset + h->count * h->type->bytes;
  if (!empty && (too_many || expected > s->most)) {
    return peri_fail(PERI_EFORMAT, "idx: %s: byte 4: the header promises %s elements of %d bytes, which a file of %s%" PRIu64 " bytes cannot hold",
                     s->path, peri_shape_text(h->ndim, h->shape), h->type->bytes, s->packed ? "at most " : "", s->most);
  }
  return PERI_OK;
}

static void convert(const idx_type *type, const unsigned char *from, size_t n, char *to) {
  for (size_t i = 0; i < n; i++, from += type->bytes) {
    uint64_t bits = big_endian(from, type->bytes);
    uint32_t half = (uint32_t)bits;
    int64_t whole = type->bytes == 1 ? (int8_t)bits : type->bytes == 2 ? (int16_t)bits : (int32_t)half;
    switch (type->dtype) {
    case PERI_F32: memcpy(to + 4 * i, &half, 4); break;
    case PERI_F64: memcpy(to + 8 * i, &bits, 8); break;
    default: memcpy(to + 8 * i, &whole, 8); break;
    }
  }
}

static int stops_short(const peri_stream *s, const idx_header *h, uint64_t start) {
  return peri_fail(PERI_EFORMAT, "idx: %s: the file ends at byte %" PRIu64 ", expected %" PRIu64 " bytes for %s", s->path,
                   s->offset, start + h->count * h->type->bytes, peri_shape_text(h->ndim, h->shape));
}

static int read_elements(peri_stream *s, const idx_header *h, char *to) {
  unsigned char buffer[8192];
  size_t got;
  uint64_t start = s->offset;
  if (h->type->code == 0x08) {
    PERI_TRY(peri__stream_read(s, to, h->count, &got));
    if (got < h->count) return stops_short(s, h, start);
  } else {
    size_t most = sizeof buffer / h->type->bytes, width = peri_dtype_size(h->type->dtype);
    for (uint64_t done = 0; done < h->count;) {
      size_t n = h->count - done < most ? (size_t)(h->count - done) : most;
      PERI_TRY(peri__stream_read(s, buffer, n * h->type->bytes, &got));
      if (got < n * h->type->bytes) return stops_short(s, h, start);
      convert(h->type, buffer, n, to + done * width);
      done += n;
    }
  }
  PERI_TRY(peri__stream_read(s, buffer, 1, &got));
  if (got == 0) return PERI_OK;
  return peri_fail(PERI_EFORMAT, "idx: %s: more bytes follow after byte %" PRIu64 ", where %s ends", s->path,
                   start + h->count * h->type->bytes, peri_shape_text(h->ndim, h->shape));
}

int peri_idx_read(peri_tensor **out, const char *path) {
  peri_stream s;
  idx_header h = {0};
  peri_tensor *t = NULL;
  int status;
  *out = NULL;
  PERI_TRY(peri__stream_open(&s, "idx", path));
  PERI_TRY_GOTO(done, read_magic(&s, &h));
  PERI_TRY_GOTO(done, read_sizes(&s, &h));
  PERI_TRY_GOTO(done, peri_tensor_new(&t, h.type->dtype, h.ndim, h.shape));
  PERI_TRY_GOTO(done, read_elements(&s, &h, peri_tensor_data(t)));
  *out = t;
  t = NULL;
done:
  peri_tensor_release(t);
  peri__stream_close(&s);
  return status;
}
