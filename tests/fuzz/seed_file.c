/* seed_file.c - a seed from a file that the library writes. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"

unsigned long peri_fuzz_accepted;

size_t peri_fuzz_seed_file(int (*write)(const char *path), uint8_t *data, size_t capacity) {
  const char *folder = getenv("TMPDIR");
  char path[256];
  snprintf(path, sizeof path, "%s/perilune-fuzz-%ld", folder ? folder : "/tmp", (long)getpid());
  if (write(path) < 0) return 0;
  FILE *file = fopen(path, "rb");
  size_t size = file ? fread(data, 1, capacity, file) : 0;
  if (file) fclose(file);
  unlink(path);
  return size;
}
