/* npz_fuzz.c - the reader of .npz, and with it the reader of zip. */
#include <string.h>
#include <zlib.h>

#include "format/npy.h"
#include "format/zip.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  peri_named list;
  if (peri_npz_parse(&list, data, size, "fuzz.npz") < 0) return 0;
  peri_fuzz_accepted++;
  peri_named_clear(&list);
  return 0;
}

static int write_two(const char *path) {
  peri_named list = {0};
  peri_tensor *a, *b;
  PERI_TRY(peri_tensor_full(&a, PERI_F32, 2, (const int64_t[]){2, 3}, 1.5));
  PERI_TRY(peri_tensor_full(&b, PERI_I64, 1, (const int64_t[]){3}, 7));
  PERI_TRY(peri_named_add(&list, "a", a));
  PERI_TRY(peri_named_add(&list, "folder/b", b));
  int status = peri_npz_save(path, &list);
  peri_tensor_release(a);
  peri_tensor_release(b);
  peri_named_clear(&list);
  return status;
}

static void put(uint8_t **at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) *(*at)++ = (uint8_t)(value >> 8 * i);
}

/* What local header and directory entry share. */
static void put_common(uint8_t **at, uint64_t crc, uint64_t packed, uint64_t size) {
  put(at, 20, 2);
  put(at, 0, 2);
  put(at, 8, 2); /* deflated */
  put(at, 0x210000, 4);
  put(at, crc, 4);
  put(at, packed, 4);
  put(at, size, 4);
  put(at, 5, 2);
}

/* An archive of one deflated member, z.npy: our writer only stores. */
static size_t deflated(uint8_t *data) {
  uint8_t plain[128 + 64], packed[512], *at = data;
  memset(plain, ' ', sizeof plain);
  static const char head[] = "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4), }";
  memcpy(plain, head, sizeof head - 1);
  plain[127] = '\n';
  z_stream stream = {.next_in = plain, .avail_in = sizeof plain, .next_out = packed, .avail_out = sizeof packed};
  if (deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) return 0;
  deflate(&stream, Z_FINISH);
  uint64_t crc = crc32(0, plain, sizeof plain), length = stream.total_out;
  deflateEnd(&stream);
  put(&at, 0x04034B50, 4);
  put_common(&at, crc, length, sizeof plain);
  put(&at, 0, 2);
  memcpy(at, "z.npy", 5);
  memcpy(at + 5, packed, length);
  at += 5 + length;
  uint64_t directory = (uint64_t)(at - data);
  put(&at, 0x02014B50, 4);
  put(&at, 20, 2);
  put_common(&at, crc, length, sizeof plain);
  put(&at, 0, 8);
  put(&at, 0, 8); /* extra, comment, disk, attributes: 12 bytes; offset: 4 */
  memcpy(at, "z.npy", 5);
  at += 5;
  uint64_t end = (uint64_t)(at - data);
  put(&at, 0x06054B50, 4);
  put(&at, 0, 4);
  put(&at, 0x10001, 4);
  put(&at, end - directory, 4);
  put(&at, directory, 4);
  put(&at, 0, 2);
  return (size_t)(at - data);
}

size_t peri_fuzz_seed(unsigned index, uint8_t *data, size_t capacity) {
  if (index == 0) return peri_fuzz_seed_file(write_two, data, capacity);
  return index == 1 ? deflated(data) : 0;
}
