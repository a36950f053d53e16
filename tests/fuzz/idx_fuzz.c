/* idx_fuzz.c - the reader of IDX, raw and packed. */
#include <string.h>
#include <zlib.h>

#include "data/data.h"
#include "fuzz.h"
#include "memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  peri_tensor *t;
  if (peri_idx_read(&t, memory_file(data, size)) < 0) return 0;
  peri_fuzz_accepted++;
  peri_tensor_release(t);
  return 0;
}

static size_t seed(uint8_t *data, const char *bytes, size_t count) {
  memcpy(data, bytes, count);
  return count;
}
#define SEED(literal) seed(data, literal, sizeof(literal) - 1)

size_t peri_fuzz_seed(unsigned index, uint8_t *data, size_t capacity) {
  static const char images[] = "\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\2abcdefgh";
  switch (index) {
  case 0: return SEED(images);
  case 1: return SEED("\0\0\10\1\0\0\0\3\7\2\1");
  case 2: return SEED("\0\0\13\1\0\0\0\2\377\376\1\0");
  case 3: return SEED("\0\0\15\2\0\0\0\1\0\0\0\2abcdefgh");
  case 4: return SEED("\0\0\16\1\0\0\0\1abcdefgh");
  case 5: { /* inside gzip */
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)images, .avail_in = sizeof images - 1, .next_out = data, .avail_out = (uInt)capacity};
    if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return 0;
    deflate(&stream, Z_FINISH);
    size_t count = stream.total_out;
    deflateEnd(&stream);
    return count;
  }
  default: return 0;
  }
}
