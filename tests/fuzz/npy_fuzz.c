/* npy_fuzz.c - the reader of .npy. */
#include <stdio.h>
#include <string.h>

#include "format/npy.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  peri_tensor *t;
  if (peri_npy_parse(&t, data, size, "fuzz.npy") < 0) return 0;
  peri_fuzz_accepted++;
  peri_tensor_release(t);
  return 0;
}

static int write_matrix(const char *path) {
  peri_tensor *t;
  PERI_TRY(peri_tensor_full(&t, PERI_F32, 2, (const int64_t[]){3, 4}, 1.5));
  int status = peri_npy_save(path, t);
  peri_tensor_release(t);
  return status;
}

/* One file by hand: `version`, a header text, and enough elements. */
static size_t by_hand(uint8_t *data, int version, const char *text, size_t elements) {
  size_t length = strlen(text), at = version == 1 ? 10 : 12;
  memcpy(data, "\x93NUMPY", 6);
  memset(data + 6, 0, at - 6);
  data[6] = (uint8_t)version;
  data[8] = (uint8_t)length;
  memcpy(data + at, text, length);
  memset(data + at + length, 1, elements);
  return at + length + elements;
}

size_t peri_fuzz_seed(unsigned index, uint8_t *data, size_t capacity) {
  switch (index) {
  case 0: return peri_fuzz_seed_file(write_matrix, data, capacity);
  case 1: return by_hand(data, 2, "{'descr': '>f8', 'fortran_order': True, 'shape': (2, 3, 2), }   \n", 96);
  case 2: return by_hand(data, 3, "{'shape': (5,), 'fortran_order': False, 'descr': '<f2'}\n", 10);
  case 3: return by_hand(data, 1, "{'descr': '|b1', 'fortran_order': False, 'shape': (), }\n", 1);
  case 4: return by_hand(data, 1, "{'descr': '<u8', 'fortran_order': False, 'shape': (0, 7), }\n", 0);
  default: return 0;
  }
}
