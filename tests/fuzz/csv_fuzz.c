/* csv_fuzz.c - the reader of CSV. */
#include <string.h>

#include "data/data.h"
#include "fuzz.h"
#include "memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const peri_csv_options ways[] = {{PERI_CSV_AUTO, PERI_CSV_AUTO, NULL, ','}, {0, 1, NULL, ','}, {1, PERI_CSV_AUTO, "b", ';'}};
  const char *path = memory_file(data, size);
  int accepted = 0;
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    peri_tensor *x, *y;
    if (peri_csv_read(&x, &y, path, &ways[i]) < 0) continue;
    accepted = 1;
    peri_tensor_release(x);
    peri_tensor_release(y);
  }
  peri_fuzz_accepted += (unsigned long)accepted;
  return 0;
}

size_t peri_fuzz_seed(unsigned index, uint8_t *data, size_t capacity) {
  static const char *const seeds[] = {"label,pixel0,pixel1\n7,0,255\n3,1,2\n", "1,2,3\r\n4,5,6\r\n", "a;b\n0.5;3\n-1e2;4\n",
                                      "\"label\",\"a\"\n\"7\",\" 12 \"\n", ("\xEF\xBB\xBF" "1,2\n\n3,256\n")};
  if (index >= sizeof seeds / sizeof *seeds) return 0;
  size_t count = strlen(seeds[index]);
  memcpy(data, seeds[index], count < capacity ? count : capacity);
  return count;
}
